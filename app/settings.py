"""Settings from the environment and `.env`: every name starts with LEADLIGHT_."""

from __future__ import annotations

from pathlib import Path

from pydantic import Field, SecretStr, ValidationError, field_validator
from pydantic_settings import BaseSettings, SettingsConfigDict


class SettingsError(ValueError):
    """A setting is unusable: correct the named variable in the environment or in .env."""


class Settings(BaseSettings):
    """What can be set; documented in docs/operations.md."""

    model_config = SettingsConfigDict(
        env_prefix="LEADLIGHT_", env_file=".env", extra="ignore", env_ignore_empty=True
    )

    home: Path = Path("var")
    database_url: str = ""
    host: str = "127.0.0.1"
    port: int = Field(default=8501, ge=0, le=65_535)
    hubspot_token: SecretStr = SecretStr("")
    hubspot_base_url: str = "https://api.hubapi.com"
    salesforce_instance_url: str = ""
    salesforce_client_id: str = ""
    salesforce_client_secret: SecretStr = SecretStr("")
    salesforce_access_token: SecretStr = SecretStr("")
    poll_seconds: float = Field(default=15.0, ge=1.0, le=86_400.0)

    @field_validator("hubspot_base_url", "salesforce_instance_url")
    @classmethod
    def _is_address(cls, value: str) -> str:
        value = value.strip().rstrip("/")
        if value and not value.startswith(("https://", "http://")):
            raise ValueError("write the whole address, beginning with https://")
        return value

    def model_post_init(self, _context: object) -> None:
        """Fill in what follows from other settings."""
        if not self.database_url:
            self.database_url = f"sqlite:///{self.home.absolute() / 'leadlight.db'}"

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
        token = self.salesforce_access_token.get_secret_value()
        pair = self.salesforce_client_id and self.salesforce_client_secret.get_secret_value()
        if self.has_salesforce and not (token or pair):
            return [
                "LEADLIGHT_SALESFORCE_INSTANCE_URL is set without credentials: set "
                "LEADLIGHT_SALESFORCE_CLIENT_ID and LEADLIGHT_SALESFORCE_CLIENT_SECRET, or "
                "LEADLIGHT_SALESFORCE_ACCESS_TOKEN."
            ]
        if (token or pair) and not self.has_salesforce:
            return [
                "Salesforce credentials are set without an address: set "
                "LEADLIGHT_SALESFORCE_INSTANCE_URL to https://….my.salesforce.com."
            ]
        return []


def load_settings() -> Settings:
    """The settings in force; raises SettingsError naming every unusable variable."""
    try:
        return Settings()
    except ValidationError as error:
        lines = [
            f"LEADLIGHT_{'_'.join(map(str, item['loc'])).upper()}: {item['msg']}"
            for item in error.errors(include_input=False, include_url=False)
        ]
        raise SettingsError("\n".join(lines)) from None
