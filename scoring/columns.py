"""Many leads as columns: each fact as codes or numbers, all engagements in one sorted log.

A text is kept once per distinct value; rules look at distinct values, leads carry their codes.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime

import numpy as np
from numpy.typing import NDArray

from scoring.criteria import DETAILS
from scoring.inputs import GROWING_FACTS, in_order, microseconds
from scoring.leads import Engagement, FieldValue
from scoring.operators import READERS, Value, fold, moment_of
from scoring.scores import Fact, Facts

Integers = NDArray[np.int64]
Codes = NDArray[np.int32]
Small = NDArray[np.uint8]
Floats = NDArray[np.float64]

_UNUSED = datetime(1970, 1, 1, tzinfo=UTC)  # readers take a time, but only dates look at it
#: A date that is not known; no real one is 292,000 years ago.
NEVER = np.iinfo(np.int64).min


@dataclass(frozen=True, slots=True)
class Coded:
    """A text, choice, flag or list: 0 = unknown, else 1 + the position in `values`."""

    codes: Codes
    values: Sequence[Value]


@dataclass(frozen=True, slots=True)
class Numbers:
    """A number; NaN = unknown."""

    values: Floats


@dataclass(frozen=True, slots=True)
class Dates:
    """Microseconds since 1970; NEVER = unknown. `growing`: the fact is the days since then."""

    at: Integers
    growing: bool = False


Column = Coded | Numbers | Dates
#: One kind of engagement as rules see it: its kind and its folded details.
What = tuple[str, Mapping[str, str]]


@dataclass(frozen=True, slots=True)
class Log:
    """All engagements, sorted by lead, time and key; lead i has rows offsets[i] to offsets[i+1]."""

    offsets: Integers
    at: Integers
    what: Codes  # position in `whats`
    whats: Sequence[What]


@dataclass(frozen=True, slots=True)
class Columns:
    """What scoring knows of `n` leads; a fact that no lead has may be absent."""

    n: int
    facts: Mapping[str, Column]
    log: Log


def columns_of(
    leads: Iterable[tuple[Facts, Sequence[Engagement]]], fact_types: Iterable[tuple[str, str]]
) -> Columns:
    """Columns of leads given one by one, with the facts of a rule set (`RuleSet.fact_types`)."""
    rows = list(leads)
    facts = {
        name: _column(name, kind, [facts.get(name) for facts, _ in rows])
        for name, kind in fact_types
    }
    return Columns(len(rows), facts, _log([engagements for _, engagements in rows]))


def some_of(columns: Columns, rows: Integers) -> Columns:
    """The columns of some leads, by position; texts and engagements keep the codes they have."""
    log = columns.log
    begins = log.offsets[rows]
    numbers = log.offsets[rows + 1] - begins
    offsets = np.concatenate([[0], np.cumsum(numbers)])
    places = np.arange(offsets[-1]) + np.repeat(begins - offsets[:-1], numbers)
    facts = {name: _some(column, rows) for name, column in columns.facts.items()}
    return Columns(len(rows), facts, Log(offsets, log.at[places], log.what[places], log.whats))


def _some(column: Column, rows: Integers) -> Column:
    match column:
        case Coded(codes, values):
            return Coded(codes[rows], values)
        case Numbers(numbers):
            return Numbers(numbers[rows])
        case Dates(at, growing):
            return Dates(at[rows], growing)


def _column(name: str, kind: str, found: Sequence[Fact | None]) -> Column:
    """One fact of all leads; a value of another type than the fact's counts as unknown."""
    grows = name in GROWING_FACTS and all(fact.at for fact in found if fact)
    if kind == "date" or grows:
        moments = [None if f is None else f.at if grows else f.value for f in found]
        return Dates(np.array([_moment(moment) for moment in moments], np.int64), grows)
    read = READERS[kind]
    values = [None if fact is None else read(fact.value, _UNUSED) for fact in found]
    if kind == "number":
        return Numbers(np.array([np.nan if v is None else v for v in values], np.float64))
    positions: dict[Value, int] = {}
    codes = [0 if v is None else 1 + positions.setdefault(v, len(positions)) for v in values]
    return Coded(np.array(codes, np.int32), tuple(positions))


def _moment(value: FieldValue | None) -> int:
    moment = None if value is None else moment_of(value)
    return int(NEVER) if moment is None else microseconds(moment)


def _log(engagements: Sequence[Sequence[Engagement]]) -> Log:
    offsets, at, what = [0], [], []
    positions: dict[tuple[str, tuple[tuple[str, str], ...]], int] = {}
    for events in engagements:
        for moment, _, event in in_order(events):
            detail = tuple(
                (name, fold(event.detail[name])) for name in DETAILS if name in event.detail
            )
            at.append(moment)
            what.append(positions.setdefault((event.kind, detail), len(positions)))
        offsets.append(len(at))
    return Log(
        np.array(offsets, np.int64),
        np.array(at, np.int64),
        np.array(what, np.int32),
        tuple((kind, dict(detail)) for kind, detail in positions),
    )
