"""From HubSpot's rows to our words: the pieces that every stream's reader is made of."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from connectors.hubspot_session import Row
from scoring.leads import Account, CrmRecord, Engagement, Outcome, RecordKey
from scoring.normalise import parse_time
from scoring.problems import Problem

#: The kind of record that each object type is in our words.
KINDS = {"contacts": "contact", "companies": "company", "deals": "deal"}
#: Our own properties begin with this: they are written, never read.
OWN_PREFIX = "leadlight_"
DETAIL_LIMIT = 200


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
    now: datetime
    url: Callable[[str], str]  # a contact's address from its id
    #: ids of the contacts that records of a type are associated with
    contacts_of: Callable[[str, Sequence[str]], Mapping[str, Sequence[str]]]
    owner: Callable[[str], str]  # an owner's name from the id; "" = unknown
    stages: Callable[[], Mapping[str, float]]  # deal stage -> probability, closed stages only
    custom: Sequence[str] = ()  # the account's own properties that were asked for


def contact(crm: str, record_id: Any) -> RecordKey:
    """The key of a contact; raises ValueError for something that is no id."""
    text = str(record_id or "")
    if not text.isdigit():
        raise ValueError(f"{text[:50]!r} is not a contact's id")
    return RecordKey(crm, "contact", text)


def row_id(row: Row) -> int | None:
    """A row's id as a number; None where it is missing or no number."""
    text = str(row.get("id") or "")
    return int(text) if text.isdigit() and len(text) < 19 else None


def text(row: Row, name: str) -> str | None:
    """A property as text; None where it is missing or empty."""
    properties = row.get("properties")
    found = properties.get(name) if isinstance(properties, Mapping) else None
    if found is None or found == "":
        return None
    if isinstance(found, bool):
        return "true" if found else "false"
    return str(found)


def moment(row: Row, *names: str) -> datetime | None:
    """The first of these properties that holds a time; raises ValueError for an impossible one."""
    for name in names:
        found = text(row, name)
        if found:
            return parse_time(found)
    return None


def stamped(row: Row, name: str, fallback: str) -> datetime:
    """A time that must be there, as a property or beside the properties; raises ValueError."""
    found = text(row, name) or row.get(fallback)
    if not found:
        raise ValueError(f"the property {name} is missing")
    return parse_time(found)


def words(value: str | None) -> str | None:
    """An internal option name as words: PAID_SEARCH becomes "Paid search"."""
    if value and value.isupper() and "_" in value:
        return value.replace("_", " ").capitalize()
    return value


def read_each(
    batch: Batch, crm: str, type_: str, rows: Iterable[Row], read: Callable[[Row], None]
) -> None:
    """Read row by row: one that cannot be read becomes a problem, the rest go on."""
    for row in rows:
        try:
            if row_id(row) is None:
                raise ValueError("it has no id")
            if not isinstance(row.get("properties"), Mapping):
                raise ValueError("it has no properties")
            read(row)
        except (ValueError, KeyError, TypeError, AttributeError) as error:
            batch.problems.append(bad_record(crm, type_, row, error))


def bad_record(crm: str, type_: str, row: Row, error: Exception) -> Problem:
    """The problem for a row that could not be read."""
    kind = KINDS.get(type_, type_.removesuffix("s"))
    record_id = str(row.get("id") or row.get("conversionId") or "")
    reason = f"{error} is missing" if isinstance(error, KeyError) else str(error)
    return Problem(
        "bad_record",
        f"The HubSpot {kind} {record_id or 'without id'} cannot be read: {reason[:300]}. Open it"
        " in HubSpot and correct it; it is read again when it changes.",
        detail=json.dumps(row, ensure_ascii=False, default=str)[:300],
        record=RecordKey(crm, kind, record_id) if record_id.isdigit() else None,
    )


def unique(rows: Iterable[Row], stamp: Callable[[Row], int]) -> list[Row]:
    """Rows with each id once, its newest version; rows without id stay as they are."""
    newest: dict[tuple[str, int], Row] = {}
    for place, row in enumerate(rows):
        found = row_id(row)
        key = ("without id", place) if found is None else ("", found)
        if key not in newest or stamp(row) >= stamp(newest[key]):
            newest[key] = row
    return list(newest.values())


def details(**values: str | None) -> dict[str, str]:
    """An engagement's details: what is known, cut to a sensible length."""
    return {name: found[:DETAIL_LIMIT] for name, found in values.items() if found}
