"""From Salesforce's rows to our words: the pieces that every stream's reader is made of."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from scoring.leads import Account, CrmRecord, Engagement, Outcome, RecordKey
from scoring.normalise import parse_time
from scoring.problems import Problem

Row = Mapping[str, Any]
#: The first three characters of an id name its type (describe's `keyPrefix`).
KINDS = {"00Q": "lead", "003": "contact", "001": "account", "006": "opportunity"}
#: Our own fields on Lead and Contact begin with this: they are written, never read.
OWN_PREFIX = "Leadlight_"
#: Custom fields read per object, at most; only plain values can become facts.
CUSTOM_LIMIT = 60
_PLAIN_TYPES = frozenset(
    [
        "string",
        "picklist",
        "multipicklist",
        "boolean",
        "double",
        "int",
        "currency",
        "percent",
        "date",
        "datetime",
        "email",
        "phone",
        "url",
        "combobox",
        "textarea",
    ]
)


@dataclass(slots=True)
class Batch:
    """What a page's rows became."""

    records: list[CrmRecord] = field(default_factory=list)
    accounts: list[Account] = field(default_factory=list)
    engagements: list[Engagement] = field(default_factory=list)
    outcomes: list[Outcome] = field(default_factory=list)
    problems: list[Problem] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class Context:
    """What a reader may use beside its rows."""

    crm: str  # the connection's name
    server_time: datetime
    url: Callable[[str], str]  # a record's address from its id
    query: Callable[[str], Sequence[Row]]  # every row of a small query, deleted ones left out
    can_select: Callable[[str, str], bool]  # object, field path
    custom: Sequence[str] = ()  # the custom fields that were selected


def person(crm: str, record_id: Any) -> RecordKey | None:
    """The key of a Lead or Contact from its id; None for anybody else."""
    text = str(record_id or "")
    kind = KINDS.get(text[:3])
    return RecordKey(crm, kind, text) if kind in ("lead", "contact") else None


def read_each(
    batch: Batch, context: Context, rows: Iterable[Row], read: Callable[[Row], None]
) -> None:
    """Read row by row: one that cannot be read becomes a problem, the rest go on."""
    for row in rows:
        try:
            read(row)
        except (ValueError, KeyError, TypeError, AttributeError) as error:
            batch.problems.append(bad_record(context, row, error))


def bad_record(context: Context, row: Row, error: Exception) -> Problem:
    """The problem for a row that could not be read."""
    record_id, kind = str(row.get("Id") or "without id"), str(_attribute(row) or "record")
    reason = f"the field {error} is missing" if isinstance(error, KeyError) else str(error)
    return Problem(
        "bad_record",
        f"The Salesforce {kind} {record_id} cannot be read: {reason}. Open it in Salesforce and"
        " correct it; it is read again when it changes.",
        detail=f"{type(error).__name__}: {error}"[:300],
        record=RecordKey(context.crm, KINDS.get(record_id[:3], kind.lower()), record_id),
    )


def _attribute(row: Row) -> Any:
    attributes = row.get("attributes")
    return attributes.get("type") if isinstance(attributes, Mapping) else None


def value(row: Row, path: str) -> Any:
    """A field of a row, through parents (`Campaign.Name`); None where a parent is missing."""
    found: Any = row
    for name in path.split("."):
        if not isinstance(found, Mapping):
            return None
        found = found.get(name)
    return found


def text(row: Row, path: str) -> str | None:
    """A field as plain text, None for a missing one; numbers without needless decimals."""
    found = value(row, path)
    if found is None or isinstance(found, str):
        return found
    if isinstance(found, bool):
        return "true" if found else "false"
    if isinstance(found, float) and found.is_integer() and abs(found) < 1e15:
        return str(int(found))
    return str(found)


def moment(row: Row, *paths: str) -> datetime | None:
    """The first of these fields that holds a date; raises ValueError for an impossible one."""
    for path in paths:
        found = value(row, path)
        if found:
            return parse_time(found)
    return None


def stamped(row: Row, path: str) -> datetime:
    """A date that must be there; raises ValueError or KeyError."""
    found = value(row, path)
    if not found:
        raise KeyError(path)
    return parse_time(found)


def precise(day: datetime, *instants: datetime | None) -> datetime:
    """The instant, out of `instants`, that lies on a date-only day; that day's midnight if none.

    Some Salesforce fields (ConvertedDate, FirstRespondedDate) keep the day only, and the day is
    that of the org's time zone: up to 14 hours off UTC.
    """
    for instant in instants:
        if instant is not None and -14 * 3_600 <= (instant - day).total_seconds() <= 38 * 3_600:
            return instant
    return day


def custom_fields(fields: Mapping[str, Mapping[str, Any]]) -> list[str]:
    """The custom fields worth reading as facts: plain values, not ours, a limited number."""
    names = [
        name
        for name, found in fields.items()
        if name.endswith("__c")
        and not name.startswith(OWN_PREFIX)
        and found.get("type") in _PLAIN_TYPES
        and found.get("filterable", True)
        and not found.get("deprecatedAndHidden")
    ]
    return sorted(names)[:CUSTOM_LIMIT]


def quoted(ids: Iterable[str]) -> str:
    """Ids as the inside of a SOQL IN list; anything that is no id is left out."""
    return ", ".join(f"'{i}'" for i in dict.fromkeys(ids) if i.isalnum())
