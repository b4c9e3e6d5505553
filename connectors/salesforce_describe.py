"""What this user may read and write in the org: describe first, ask only for what is there.

A field hidden by field-level security is simply absent from describe, and naming it in a query
fails the whole query.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from connectors.base import AuthFailed, TransientFailure
from connectors.salesforce_session import Refused, SalesforceSession

#: A described object is trusted this long; a refused query forgets it at once.
_TRUSTED_SECONDS = 900.0


@dataclass(frozen=True, slots=True)
class Described:
    """One object type as this user sees it; `fields` by name, as describe gave them."""

    name: str
    fields: Mapping[str, Mapping[str, Any]]

    def readable(self, name: str) -> bool:
        """Whether a field can be selected."""
        return name in self.fields

    def writable(self, name: str) -> bool:
        """Whether a field can be written on existing records."""
        return bool(self.fields.get(name, {}).get("updateable"))

    def lookup(self, relationship: str) -> Mapping[str, Any] | None:
        """The lookup field behind a parent relationship (`Owner` -> `OwnerId`), if readable."""
        for found in self.fields.values():
            if found.get("relationshipName") == relationship:
                return found
        return None


class Describer:
    """Describes object types, and remembers them for a while."""

    def __init__(
        self, session: SalesforceSession, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._session = session
        self._clock = clock
        self._known: dict[str, tuple[float, Described | None]] = {}

    def object(self, name: str) -> Described | None:
        """The object type; None when it does not exist for this user. Raises connector errors."""
        known = self._known.get(name)
        if known is not None and self._clock() - known[0] < _TRUSTED_SECONDS:
            return known[1]
        described = self._describe(name)
        self._known[name] = (self._clock(), described)
        return described

    def forget(self, name: str = "") -> None:
        """Ask again next time (about one type, or about all)."""
        if name:
            self._known.pop(name, None)
        else:
            self._known.clear()

    def can_select(self, described: Described, path: str) -> bool:
        """Whether a field path such as `Campaign.Name` can be selected by this user."""
        parent, dot, name = path.partition(".")
        if not dot:
            return described.readable(path)
        lookup = described.lookup(parent)
        if lookup is None:
            return False
        targets = list(lookup.get("referenceTo") or ())
        if len(targets) != 1:
            return name in ("Id", "Name", "Type")  # all that a polymorphic parent offers
        target = self.object(targets[0])
        return target is not None and self.can_select(target, name)

    def _describe(self, name: str) -> Described | None:
        try:
            body = self._session.rest(f"sobjects/{name}/describe")
        except Refused as refused:
            if refused.status == 404 or "INVALID_TYPE" in refused.codes:
                return None
            raise refusal(refused, f"reading what {name} looks like") from None
        if not isinstance(body, Mapping) or not isinstance(body.get("fields"), list):
            raise TransientFailure(
                f"Salesforce described {name} in an unknown form: it is asked again.",
                detail=str(body)[:200],
            )
        fields = {str(found["name"]): found for found in body["fields"] if "name" in found}
        return Described(name, fields)


def refusal(refused: Refused, doing: str) -> Exception:
    """The error for a refusal nobody expected: permissions need a person, the rest a retry."""
    if refused.status == 403:
        return AuthFailed(
            f"Salesforce does not allow {doing} ({refused.codes[0]}): grant the API user the"
            " permission, then check the connection again.",
            detail=str(refused)[:500],
        )
    return TransientFailure(
        f"Salesforce refused {doing} ({refused.codes[0] if refused.codes else refused.status}):"
        " we try again by ourselves, look at it if it lasts.",
        detail=str(refused)[:500],
    )
