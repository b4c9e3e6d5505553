"""One row of a file as a lead: its facts, when it was created, and what is doubtful about it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from app.columns import (
    CREATED_AT,
    MODIFIED_AT,
    STRICT_KINDS,
    Column,
    read_cell,
    read_moment,
    without_advice,
)
from scoring.cleaning import Unusable, shorten
from scoring.facts import build_facts
from scoring.leads import PERSON_FIELDS, RecordKey
from scoring.normalise import build_record
from scoring.scores import Fact


@dataclass(frozen=True, slots=True)
class FileLead:
    """What one row says."""

    facts: dict[str, Fact]
    created_at: datetime | None  # None: no column says it
    doubts: list[str]  # values that could not be used


@dataclass(slots=True)
class _Cells:
    """A row's cells by what they mean."""

    person: dict[str, str | None]
    facts: dict[str, Fact]
    times: dict[str, datetime]
    row_id: str


def read_lead(
    cells: Mapping[str, str], columns: Sequence[Column], number: int, now: datetime
) -> FileLead:
    """Row `number` as of `now`; raises Unusable with the reason for rejecting it."""
    read = _read(cells, columns, number)
    created_at = read.times.get(CREATED_AT) or read.times.get(MODIFIED_AT) or now
    record, problems = build_record(
        RecordKey("file", "row", read.row_id),
        created_at=created_at,
        modified_at=read.times.get(MODIFIED_AT) or created_at,
        values=read.person,
    )
    strict = [p for p in problems if PERSON_FIELDS.get(p.field) in STRICT_KINDS]
    if strict:
        raise Unusable("; ".join(without_advice(p.message) for p in strict))
    facts = build_facts([record], {}, read.facts, now)
    if not any(column.name == CREATED_AT for column in columns):
        facts.pop("age_days", None)
    doubts = [without_advice(p.message) for p in problems if p.kind != "no_identity"]
    return FileLead(facts, read.times.get(CREATED_AT), doubts)


def _read(cells: Mapping[str, str], columns: Sequence[Column], number: int) -> _Cells:
    found = _Cells({}, {}, {}, str(number))
    for column in columns:
        text = column.text(cells[column.column])
        if not text:
            continue
        if column.type == "person":
            found.person[column.name] = text
        elif column.type == "id":
            found.row_id = text
        else:
            try:
                if column.name in (CREATED_AT, MODIFIED_AT):
                    found.times[column.name] = read_moment(text)
                elif (value := read_cell(column, text)) is not None:
                    found.facts[column.name] = Fact(value, "file")
            except Unusable as reason:
                message = f"{column.column}: “{shorten(text)}” cannot be used, {reason}"
                raise Unusable(message) from None
    return found
