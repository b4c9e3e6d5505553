"""What is known about the account itself, asked rarely: properties, owners, stages, forms."""

from __future__ import annotations

import re
import threading
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any, TypeVar
from urllib.parse import urlsplit

from connectors.hubspot_errors import Refused, wanted
from connectors.hubspot_people import closed_stages
from connectors.hubspot_rows import OWN_PREFIX
from connectors.hubspot_session import HubSpotSession, Row, is_loopback
from scoring.problems import Problem

T = TypeVar("T")

#: How long an answer is used, and how soon owners may be asked for again because one is unknown.
FRESH_SECONDS, OWNERS_AGAIN_SECONDS = 600.0, 60.0
#: Custom properties read per object type, at most; only plain values can become facts.
CUSTOM_LIMIT = 60
_PLAIN_TYPES = frozenset({"string", "number", "bool", "enumeration", "date", "datetime"})
_NAME = re.compile(r"[a-z][a-z0-9_]*\Z")
_HOST = re.compile(r"[A-Za-z0-9.-]+(:\d+)?\Z")


class AccountFacts:
    """One HubSpot account's own facts; safe to share between threads."""

    def __init__(self, session: HubSpotSession) -> None:
        self._session = session
        self._known: dict[str, tuple[float, Any]] = {}
        self._lock = threading.RLock()
        self._notes: list[Problem] = []

    def forget(self) -> None:
        """Ask again next time."""
        with self._lock:
            self._known.clear()

    def notes(self) -> tuple[Problem, ...]:
        """Problems met on the side since the last time."""
        with self._lock:
            found, self._notes = tuple(self._notes), []
            return found

    # -- who we are ----------------------------------------------------------------------------

    def details(self) -> Row:
        """portalId, uiDomain and so on; empty where the token may not ask."""

        def ask() -> Row:
            try:
                return self._session.account()
            except Refused:
                return {}

        return self._fresh("details", ask)

    def name(self) -> str:
        """The account in words."""
        portal = self.details().get("portalId")
        return f"HubSpot {portal}" if portal else "HubSpot"

    def contact_url(self, contact_id: str) -> str:
        """Where a person opens this contact; "" while the account's id is unknown."""
        details = self.details()
        portal, domain = str(details.get("portalId") or ""), str(details.get("uiDomain") or "")
        if not portal.isdigit():
            return ""
        if not _HOST.match(domain):
            domain = "app.hubspot.com"
        # only a sandbox on this machine serves its pages without encryption
        plain = self._session.base_url.startswith("http://") and is_loopback(
            urlsplit(f"//{domain}").hostname or ""
        )
        return (
            f"{'http' if plain else 'https'}://{domain}/contacts/{portal}/record/0-1/{contact_id}"
        )

    # -- properties ----------------------------------------------------------------------------

    def properties(self, type_: str) -> Mapping[str, Row]:
        """Every property of an object type by name; raises Refused and connector errors."""

        def ask() -> Mapping[str, Row]:
            rows = self._session.properties(type_)
            return {str(row["name"]): row for row in rows if row.get("name")}

        return self._fresh(f"properties {type_}", ask)

    def present(self, type_: str, wished: Iterable[str]) -> list[str]:
        """Those of the wished properties that this account has."""
        known = self.properties(type_)
        return [name for name in wished if name in known]

    def custom(self, type_: str) -> list[str]:
        """The account's own properties worth reading as facts: plain values, not ours."""
        found = [
            name
            for name, row in self.properties(type_).items()
            if row.get("hubspotDefined") is False
            and row.get("type") in _PLAIN_TYPES
            and not row.get("hidden")
            and not row.get("archived")
            and not name.startswith(OWN_PREFIX)
            and _NAME.match(name)
        ]
        return sorted(found)[:CUSTOM_LIMIT]

    # -- people, stages, forms -----------------------------------------------------------------

    def owner(self, owner_id: str) -> str:
        """An owner's name; "" where it is unknown or may not be read (named once as a problem)."""
        names = self._fresh("owners", self._owners)
        if owner_id not in names and self._age("owners") > OWNERS_AGAIN_SECONDS and names:
            with self._lock:
                self._known.pop("owners", None)
            names = self._fresh("owners", self._owners)
        return str(names.get(owner_id, ""))

    def _owners(self) -> Mapping[str, str]:
        try:
            rows = self._session.owners()
        except Refused as refused:
            need = wanted(refused, "the scope crm.objects.owners.read")
            with self._lock:
                self._notes.append(
                    Problem(
                        "missing_permission",
                        f"HubSpot does not show us who owns a contact: it takes {need}. Grant it"
                        " (Development > Keys > Service keys in HubSpot), or go on without.",
                        detail=str(refused),
                        field="owners",
                    )
                )
            return {}
        return {str(row.get("id")): _full_name(row) for row in rows}

    def closed_stages(self) -> Mapping[str, float]:
        """Deal stages that end a deal, with their probability: 1 is won."""
        return self._fresh("stages", lambda: closed_stages(self._session.pipelines("deals")))

    def forms(self) -> Sequence[Row]:
        """Every form; raises Refused and connector errors."""
        return self._fresh("forms", self._session.forms)

    # -- memory --------------------------------------------------------------------------------

    def _fresh(self, name: str, ask: Callable[[], T]) -> T:
        """A remembered answer that is not too old, else a new one."""
        with self._lock:
            at, found = self._known.get(name, (-FRESH_SECONDS, None))
            if found is None or time.monotonic() - at > FRESH_SECONDS:
                found = ask()
                self._known[name] = (time.monotonic(), found)
            known: T = found
            return known

    def _age(self, name: str) -> float:
        with self._lock:
            return time.monotonic() - self._known.get(name, (0.0, None))[0]


def _full_name(row: Row) -> str:
    name = " ".join(str(row.get(part) or "").strip() for part in ("firstName", "lastName")).strip()
    return name or str(row.get("email") or "")
