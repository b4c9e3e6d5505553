"""Settings from the environment and `.env`: every name starts with LEADLIGHT_."""

from __future__ import annotations

import difflib
import os
from collections.abc import Iterable
from pathlib import Path
from urllib.parse import urlsplit

from pydantic import Field, SecretStr, ValidationError, field_validator
from pydantic_settings import BaseSettings, SettingsConfigDict

PREFIX = "LEADLIGHT_"
_LOOPBACK = ("127.0.0.1", "localhost", "::1")
#: Names that others read: the tests' browser, and what the supervisor tells its children.
_NOT_OURS = ("LEADLIGHT_TEST_", "LEADLIGHT_SUPERVISED")


class SettingsError(ValueError):
    """A setting is unusable: correct the named variable in the environment or in .env."""


class Settings(BaseSettings):
    """What can be set; documented in docs/operations.md."""

    model_config = SettingsConfigDict(
        env_prefix=PREFIX, env_file=".env", extra="ignore", env_ignore_empty=True
    )

    home: Path = Path("var")
    database_url: str = Field(default="", repr=False)  # may hold a password
    host: str = "127.0.0.1"
    port: int = Field(default=8501, ge=0, le=65_535)
    hubspot_token: SecretStr = SecretStr("")
    hubspot_base_url: str = "https://api.hubapi.com"
    salesforce_instance_url: str = ""
    salesforce_client_id: str = ""
    salesforce_client_secret: SecretStr = SecretStr("")
    salesforce_access_token: SecretStr = SecretStr("")
    poll_seconds: float = Field(default=15.0, ge=1.0, le=86_400.0)

    @field_validator("home")
    @classmethod
    def _is_absolute(cls, value: Path) -> Path:
        return value.expanduser().absolute()

    @field_validator("hubspot_base_url", "salesforce_instance_url")
    @classmethod
    def _is_address(cls, value: str) -> str:
        value = value.strip().rstrip("/")
        parts = urlsplit(value)
        if value and (parts.scheme not in ("https", "http") or not parts.hostname):
            raise ValueError("write the whole address, beginning with https://")
        if parts.scheme == "http" and parts.hostname not in _LOOPBACK:
            raise ValueError("write https://; http:// would send the credentials in the clear")
        return value

    def model_post_init(self, _context: object) -> None:
        """Fill in what follows from other settings."""
        if not self.database_url:
            self.database_url = f"sqlite:///{self.home / 'leadlight.db'}"

    @property
    def database_file(self) -> Path | None:
        """The file of an SQLite database; None for PostgreSQL."""
        scheme, _, path = self.database_url.partition(":///")
        return Path(path) if scheme.startswith("sqlite") and path else None

    @property
    def has_hubspot(self) -> bool:
        """Whether a HubSpot account is configured."""
        return bool(self.hubspot_token.get_secret_value())

    @property
    def has_salesforce(self) -> bool:
        """Whether a Salesforce org is configured."""
        return bool(self.salesforce_instance_url)

    @property
    def has_crm(self) -> bool:
        """Whether any real CRM is configured; without one, `run` starts the sandbox."""
        return self.has_hubspot or self.has_salesforce

    def missing(self) -> list[str]:
        """Settings that others call for, as sentences with what to do."""
        found = []
        token = self.salesforce_access_token.get_secret_value()
        pair = self.salesforce_client_id and self.salesforce_client_secret.get_secret_value()
        if self.has_salesforce and not (token or pair):
            found.append(
                "LEADLIGHT_SALESFORCE_INSTANCE_URL is set without credentials: set "
                "LEADLIGHT_SALESFORCE_CLIENT_ID and LEADLIGHT_SALESFORCE_CLIENT_SECRET, or "
                "LEADLIGHT_SALESFORCE_ACCESS_TOKEN."
            )
        if not self.has_salesforce and (token or pair or self.salesforce_client_id):
            found.append(
                "Salesforce credentials are set without an address: set "
                "LEADLIGHT_SALESFORCE_INSTANCE_URL to https://….my.salesforce.com."
            )
        if "hubspot_base_url" in self.model_fields_set and not self.has_hubspot:
            found.append(
                "LEADLIGHT_HUBSPOT_BASE_URL is set without LEADLIGHT_HUBSPOT_TOKEN: set both."
            )
        return found


def load_settings() -> Settings:
    """The settings in force; raises SettingsError naming every unusable variable."""
    try:
        return Settings()
    except ValidationError as error:
        lines = [
            f"{PREFIX}{'_'.join(map(str, item['loc'])).upper()}: {_plain(item['msg'])}"
            for item in error.errors(include_input=False, include_url=False)
        ]
        raise SettingsError("\n".join(lines)) from None


def _plain(message: str) -> str:
    return message.removeprefix("Value error, ")


def unknown_names(environment: Iterable[str] = os.environ) -> list[str]:
    """A sentence for every LEADLIGHT_ variable that is no setting: most are misspelt."""
    known = [PREFIX + name.upper() for name in Settings.model_fields]
    found = []
    for name in sorted(environment):
        if name.startswith(PREFIX) and name not in known and not name.startswith(_NOT_OURS):
            near = difflib.get_close_matches(name, known, 1)
            found.append(f"{name} is not a setting." + (f" Is {near[0]} meant?" if near else ""))
    return found
