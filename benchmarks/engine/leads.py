"""Leads of the estate one by one: as the engine takes them, and as plain values for others."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

from scoring.columns import NEVER, Coded, Columns, Dates, Numbers
from scoring.leads import Engagement, RecordKey
from scoring.scores import Fact, Facts

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
RECORD = RecordKey("file", "row", "1")


@dataclass(frozen=True, slots=True)
class Lead:
    """One lead: facts and engagements, and the facts once more without where they come from."""

    facts: Facts
    engagements: Sequence[Engagement]
    plain: dict[str, Any]  # dates as microseconds since 1970


def lead(columns: Columns, number: int) -> Lead:
    """Everything that is known of one lead."""
    plain = {name: _value(column, number) for name, column in columns.facts.items()}
    plain = {name: value for name, value in plain.items() if value is not None}
    facts = {name: _fact(columns, name, value) for name, value in plain.items()}
    log, engagements = columns.log, []
    for row in range(int(log.offsets[number]), int(log.offsets[number + 1])):
        kind, detail = log.whats[int(log.what[row])]
        at = moment(int(log.at[row]))
        engagements.append(Engagement(str(row), kind, at, RECORD, detail=detail))
    return Lead(facts, engagements, plain)


def _value(column: Any, number: int) -> Any:
    if isinstance(column, Coded):
        code = int(column.codes[number])
        return column.values[code - 1] if code else None
    if isinstance(column, Numbers):
        value = float(column.values[number])
        return None if value != value else value  # NaN
    at = int(column.at[number])
    return None if at == NEVER else at


def _fact(columns: Columns, name: str, value: Any) -> Fact:
    column = columns.facts[name]
    if not isinstance(column, Dates):
        return Fact(value, "file")
    # what a growing fact is worth now follows from its time
    return Fact(0.0 if column.growing else moment(value), "file", moment(value))


def moment(at: int) -> datetime:
    """Microseconds since 1970 as an aware time."""
    return EPOCH + timedelta(microseconds=at)
