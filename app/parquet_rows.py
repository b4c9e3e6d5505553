"""Rows of a Parquet file as facts and engagements, read as those of a CSV file are.

Each distinct value is read once, by the functions that read a CSV's cells, and its rows looked up.
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from difflib import get_close_matches
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from app.columns import (
    CREATED_AT,
    ID,
    MODIFIED_AT,
    STRICT_KINDS,
    Column,
    column_of,
    read_cell,
    read_moment,
    without_advice,
)
from app.parquet_layout import fact_type
from scoring.amounts import LARGEST
from scoring.arrow_columns import FACT_ARROW_TYPES, MOMENT, encoded, microseconds_of
from scoring.cleaning import Unusable, shorten
from scoring.columns import NEVER, Codes
from scoring.criteria import DETAILS
from scoring.facts import build_facts
from scoring.inputs import microseconds
from scoring.leads import ENGAGEMENT_KINDS, PERSON_FIELDS, FieldValue, RecordKey
from scoring.normalise import build_record
from scoring.times import EARLIEST, LATEST

_ROW = RecordKey("file", "row", "")

Texts = NDArray[np.object_]


@dataclass(frozen=True, slots=True)
class Rows:
    """What was read: a typed table, why a row is rejected ("" = it is not), what is doubtful."""

    table: pa.Table
    reasons: Texts
    doubts: Texts


# -- leads -------------------------------------------------------------------------------------


def texts_of(column: pa.ChunkedArray) -> pa.ChunkedArray:
    """Ids, keys and details as texts; a dictionary of texts stays one."""
    texts = pa.types.is_dictionary(column.type) and pa.types.is_string(column.type.value_type)
    return column if texts else column.cast(pa.string())


def read_leads(
    table: pa.Table, columns: Sequence[Column], kinds: Mapping[str, str], now: datetime
) -> Rows:
    """Facts of the leads of a table, typed for `columns_from`, and the rows that have none.

    A value that rules would count with rejects its row when it cannot be read; any other is left
    out and named as doubtful, as for a CSV file.
    """
    reading = _Reading(len(table), kinds)
    times: dict[str, pa.ChunkedArray] = {}
    for column in sorted(columns, key=lambda column: column.name == "phone"):
        numbers, cells = _plain_numbers(column, table[column.column])
        if column.type == "time":
            times[column.name] = reading.moments(column, cells)
        elif column.type == "person":
            countries = [(c, table[c.column]) for c in columns if c.name == "country"]
            reading.person(column, cells, countries, now)
        elif column.type != "id":
            reading.own(column, cells)
        if numbers is not None:
            reading.add_numbers(column, numbers)
    if CREATED_AT in times:  # a lead without a date was created when it was changed, or now
        known = [times[name] for name in (CREATED_AT, MODIFIED_AT) if name in times]
        reading.facts["age_days"] = pc.coalesce(*known, pa.scalar(now, MOMENT))
    return reading.rows(texts_of(next(table[c.column] for c in columns if c.name == ID)))


class _Reading:
    """The facts found so far, and what is wrong with which row."""

    def __init__(self, n: int, kinds: Mapping[str, str]) -> None:
        self.kinds = kinds
        self.facts: dict[str, Any] = {}
        self.people: dict[str, Any] = {}  # facts read out of a person's fields
        self.reasons = np.full(n, "", np.object_)
        self.strict = np.full(n, "", np.object_)
        self.doubts = np.full(n, "", np.object_)

    def rows(self, ids: pa.ChunkedArray) -> Rows:
        """Everything that was found; a fact of a person's fields stands before a column of it."""
        for name, found in self.people.items():
            self.facts[name] = pc.coalesce(found, self.facts[name]) if name in self.facts else found
        reasons = np.where(self.reasons == "", self.strict, self.reasons)
        return Rows(pa.table({"id": ids, **self.facts}), reasons, self.doubts)

    def own(self, column: Column, cells: pa.ChunkedArray) -> None:
        """A column that is a fact as it stands."""
        kind = self.kinds[column.name]
        if fact_type(cells.type) == "list":
            self.facts[column.name] = cells.cast(FACT_ARROW_TYPES["list"])
            return
        if kind == "date":
            self.facts[column.name] = self.moments(column, cells)
            return
        codes, values, reasons = _each(column, cells, lambda text: read_cell(column, text))
        self.facts[column.name] = _spread(values, codes, kind)
        self._reject(_looked_up(reasons, codes))

    def moments(self, column: Column, cells: pa.ChunkedArray) -> pa.Array:
        """A column of times."""
        found, reasons = _moments(column, cells)
        self._reject(reasons)
        return found

    def add_numbers(self, column: Column, numbers: pa.Array) -> None:
        """Numbers beside what else was read of their column."""
        found = self.people if column.type == "person" else self.facts
        others = found.get(column.name, pa.scalar(None, numbers.type))
        found[column.name] = pc.coalesce(numbers, others)

    def _reject(self, reasons: Texts) -> None:
        self.reasons = np.where(self.reasons == "", reasons, self.reasons)

    def person(
        self,
        column: Column,
        cells: pa.ChunkedArray,
        countries: Sequence[tuple[Column, pa.ChunkedArray]],
        now: datetime,
    ) -> None:
        """A field of a person: its facts, and those that are read out of it."""
        codes, texts, _ = _each(column, cells, str)
        beside: list[Any] = [None] * len(texts)
        if column.name == "phone":
            for country in countries:
                codes, texts, beside = _pairs(codes, texts, *_each(*country, str)[:2])
        answers = [
            _read_person(column.name, text, other, now) if text else _NOTHING
            for text, other in zip(texts, beside, strict=True)
        ]
        for name, kind in self.kinds.items():
            values = [facts.get(name) for facts, _, _ in answers]
            if any(value is not None for value in values):
                self.people[name] = _spread(values, codes, kind)
        _add(self.strict, _looked_up([strict for _, strict, _ in answers], codes), "; ")
        _add(self.doubts, _looked_up([doubt for _, _, doubt in answers], codes), " | ")


_NOTHING: tuple[Mapping[str, FieldValue], str, str] = ({}, "", "")


def _read_person(
    name: str, text: str, country: str | None, now: datetime
) -> tuple[Mapping[str, FieldValue], str, str]:
    """Facts of one field of a person, why its row is rejected, and what is doubtful."""
    record, problems = build_record(
        _ROW, created_at=now, modified_at=now, values={"country": country, name: text}
    )
    own = [without_advice(p.message) for p in problems if p.field == name]
    if PERSON_FIELDS.get(name) in STRICT_KINDS:
        return {n: v for n, v in record.fields.items() if n == name}, "; ".join(own), ""
    facts = build_facts([record], {}, {}, now)
    left_out = {"age_days", "country"} - {name}
    found = {n: fact.value for n, fact in facts.items() if n not in left_out}
    return found, "", " | ".join(own)


def _each(
    column: Column, cells: pa.ChunkedArray, read: Callable[[str], Any]
) -> tuple[Codes, list[Any], list[str]]:
    """A code for each row, and for each code its value (None = missing) and the reason for none."""
    codes, distinct = encoded(cells)
    values, reasons = [], []
    for value in distinct.to_pylist():
        shown = _text(value)
        text = column.text(shown)
        if text == shown and isinstance(value, float) and re.fullmatch(r"-?\d+\.\d+", text):
            text += "0"  # in a text 1.234 may mean thousands, in a number it does not
        reason, found = "", None
        try:
            found = read(text) if text else None
        except Unusable as problem:
            reason = f"{column.column}: “{shorten(shown)}” cannot be used, {problem}"
        values.append(found)
        reasons.append(reason)
    return codes, values, reasons


def _text(value: object) -> str:
    """A value as it would be written in a CSV file."""
    if value is None or (isinstance(value, float) and math.isnan(value)):
        return ""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, float) and value.is_integer():
        return str(int(value))
    return value.isoformat() if hasattr(value, "isoformat") else str(value)


def _plain_numbers(
    column: Column, cells: pa.ChunkedArray
) -> tuple[pa.Array | None, pa.ChunkedArray]:
    """Typed numbers that need no reading, and the cells that do; None when all of them do."""
    kind = PERSON_FIELDS.get(column.name) if column.type == "person" else column.type
    typed = fact_type(cells.type) == "number" and not pa.types.is_dictionary(cells.type)
    if kind not in {"number", "count", "money"} or not typed or column.missing or column.values:
        return None, cells
    values = cells.cast(pa.float64(), safe=False).fill_null(np.nan).to_numpy()
    plain = np.abs(values) <= LARGEST
    if kind == "count":
        plain &= values >= 0
        values = np.trunc(values)
    others = pc.if_else(pa.array(plain | np.isnan(values)), pa.scalar(None, cells.type), cells)
    return pa.array(values, mask=~plain), others


def _moments(column: Column, cells: pa.ChunkedArray) -> tuple[pa.Array, Texts]:
    """Times in UTC, and why a row's is none."""
    if fact_type(cells.type) != "date" or column.missing or column.values:
        codes, values, unusable = _each(column, cells, read_moment)
        return _spread(values, codes, "date"), _looked_up(unusable, codes)
    at = microseconds_of(cells)
    unknown = at == NEVER
    odd = ~unknown & ((at < microseconds(EARLIEST)) | (at >= microseconds(LATEST)))
    reasons: Texts = np.full(len(at), "", np.object_)
    for row in np.flatnonzero(odd):
        shown = str(pc.cast(cells[row], pa.string()))
        when = "before 1990" if at[row] < 0 else "after 2099"
        reasons[row] = f"{column.column}: “{shown}” cannot be used, it is {when}"
    return pa.array(at, mask=unknown | odd).cast(MOMENT), reasons


def _pairs(
    codes: Codes, texts: Sequence[str], others: Codes, beside: Sequence[str]
) -> tuple[Codes, list[str], list[str | None]]:
    """Each text together with one of another column that stands beside it."""
    width = len(beside) + 1
    both = (codes.astype(np.int64) + 1) * width + others + 1
    pairs, found = np.unique(both, return_inverse=True)
    known = [divmod(int(pair), width) for pair in pairs]
    named = [("", *texts)[text] for text, _ in known]
    return found.astype(np.int32), named, [(None, *beside)[other] for _, other in known]


def _spread(values: Sequence[FieldValue | None], codes: Codes, kind: str) -> pa.Array:
    """The value of each row, typed as facts of the kind are."""
    distinct = pa.array(values, FACT_ARROW_TYPES[kind])
    return distinct.take(pa.array(codes, mask=codes < 0))


def _looked_up(texts: Sequence[str], codes: Codes) -> Texts:
    """The text of each row, "" for code -1."""
    found: Texts = np.array([*texts, ""], np.object_)[codes]
    return found


def _add(texts: Texts, more: Texts, between: str) -> None:
    """Write further texts behind those that are there."""
    for row in np.flatnonzero(more != ""):
        texts[row] = f"{texts[row]}{between}{more[row]}" if texts[row] else more[row]


# -- engagements -------------------------------------------------------------------------------


def read_engagements(table: pa.Table) -> Rows:
    """Engagements typed for `columns_from` (without `lead`), and the rows that are none."""
    kinds, distinct = encoded(texts_of(table["kind"]))
    reasons = _looked_up([_kind_problem(kind) for kind in distinct.to_pylist()], kinds)
    reasons[kinds < 0] = "it has no kind"
    at, problems = _moments(column_of("occurred_at", "date"), table["occurred_at"])
    problems[(problems == "") & ~at.is_valid().to_numpy(zero_copy_only=False)] = "it has no time"
    found = {
        name: texts_of(table[name]) if name in table.column_names else None
        for name in ("kind", "key", *DETAILS)
    }
    nothing = pa.nulls(len(table), pa.string())
    typed = {name: nothing if cells is None else cells for name, cells in found.items()}
    return Rows(
        pa.table({**typed, "occurred_at": at}),
        np.where(reasons == "", problems, reasons),
        np.full(len(table), "", np.object_),
    )


def _kind_problem(kind: str) -> str:
    if kind in ENGAGEMENT_KINDS:
        return ""
    near = get_close_matches(kind, ENGAGEMENT_KINDS, n=1)
    hint = f" (did you mean {near[0]!r}?)" if near else ""
    return f"“{shorten(kind)}” is no kind of engagement{hint}"
