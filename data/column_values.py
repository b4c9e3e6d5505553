"""Facts and engagements of many leads as arrays, as the database holds them: before any rule.

A fact is kept as it is written (`data.inputs`), once per distinct value, whatever type rules give
it. The kernel's columns of a rule set's facts are made from that in one step per distinct value.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import Any, TypeAlias

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from data.inputs import DATE, FLAG, LIST, NUMBER, SINCE, TEXT, read_written
from scoring.columns import NEVER, Coded, Codes, Column, Columns, Dates, Integers, Log, Numbers
from scoring.inputs import GROWING_FACTS, microseconds
from scoring.leads import FieldValue
from scoring.operators import READERS, Value, moment_of

_UNUSED = datetime(1970, 1, 1, tzinfo=UTC)  # readers take a time, but only dates look at it
_CODED = (TEXT, LIST, FLAG)
_NO_STRINGS = pa.array([], pa.string())

#: An Arrow array of strings: one buffer of bytes and one of offsets. (Arrow ships no types.)
Strings: TypeAlias = Any
Array = NDArray[Any]


@dataclass(frozen=True, slots=True)
class Mark:
    """How far a database's changes are contained (see `data.tables.InputChange`)."""

    version: int
    token: str


@dataclass(frozen=True, slots=True)
class Written:
    """One fact as written: 0 = not there, else 1 + the position in `values`."""

    codes: Codes
    values: Strings  # distinct
    folded: Strings  # of TEXT: each value as rules compare texts; else the same as `values`


@dataclass(frozen=True, slots=True)
class Snapshot:
    """All scored leads at one instant, by id. Facts are named as in a line: kind, then name."""

    mark: Mark
    lead_ids: Integers
    written: Mapping[str, Written]  # TEXT, FLAG, LIST
    plain: Mapping[str, Array]  # NUMBER: doubles, NaN = not there; DATE, SINCE: instants or NEVER
    log: Log

    def columns(self, fact_types: Iterable[tuple[str, str]]) -> Columns:
        """As the kernel takes them, with the facts of a rule set (`RuleSet.fact_types`)."""
        found = {name: self._column(name, kind) for name, kind in fact_types}
        facts = {name: column for name, column in found.items() if column is not None}
        return Columns(len(self.lead_ids), facts, self.log)

    def _column(self, name: str, kind: str) -> Column | None:
        if name in GROWING_FACTS:
            since = self.plain.get(SINCE + name)
            return None if since is None else Dates(since, growing=True)
        coded = {tag: self.written[tag + name] for tag in _CODED if tag + name in self.written}
        if kind == "number":
            values = _filled(self.plain.get(NUMBER + name), coded, _number, np.nan)
            return None if values is None else Numbers(values)
        if kind == "date":
            at = _filled(self.plain.get(DATE + name), coded, _instant, NEVER)
            return None if at is None else Dates(at)
        return _coded(coded, kind)


def _number(value: FieldValue) -> Any:
    return READERS["number"](value, _UNUSED)


def _instant(value: FieldValue) -> Any:
    moment = moment_of(value)
    return None if moment is None else microseconds(moment)


def _filled(
    known: Array | None,
    coded: Mapping[str, Written],
    read: Callable[[FieldValue], Any],
    unknown: float,
) -> Array | None:
    """A number or date: as it is, and where it is written otherwise, as that can be read."""
    for tag, fact in coded.items():
        values = [read(read_written(tag, text)) for text in fact.values.to_pylist()]
        if all(value is None for value in values):
            continue
        kind = np.float64 if np.isnan(unknown) else np.int64
        table = np.array([unknown, *(unknown if v is None else v for v in values)], kind)
        there = table[fact.codes]
        known = there if known is None else np.where(fact.codes > 0, there, known)
    return known


def _coded(coded: Mapping[str, Written], kind: str) -> Coded | None:
    """A text, choice, flag or list: what is written in any way that can be read as one."""
    codes: Codes | None = None
    positions: dict[Value, int] = {}
    for tag, fact in coded.items():
        values = _read(tag, fact, kind)
        table = np.zeros(len(values) + 1, np.int32)
        table[1:] = [
            0 if value is None else 1 + positions.setdefault(value, len(positions))
            for value in values
        ]
        if not table.any():
            continue
        same = codes is None and bool((table == np.arange(len(table))).all())
        there = fact.codes if same else table[fact.codes]
        codes = there if codes is None else codes + there  # a lead has a fact written in one way
    return None if codes is None else Coded(codes, tuple(positions))


def _read(tag: str, fact: Written, kind: str) -> list[Value | None]:
    if tag == TEXT and kind in ("text", "choice"):
        return [text or None for text in fact.folded.to_pylist()]
    read = READERS[kind]
    return [read(read_written(tag, text), _UNUSED) for text in fact.values.to_pylist()]


def folded(tag: str, values: Strings) -> Strings:
    """`Written.folded` of these values."""
    if tag != TEXT:
        return values
    read = READERS["text"]
    texts = (read(read_written(TEXT, text), _UNUSED) or "" for text in values.to_pylist())
    return pa.array(list(texts), pa.string())


# -- changes -----------------------------------------------------------------------------------


def with_changes(before: Snapshot, gone: Integers, changed: Snapshot) -> Snapshot:
    """`before` with other leads in it, and without those that are `gone`.

    Arrays that stay the same are shared, the others are copied: nobody's columns change.
    """
    rows = _Rows.of(before.lead_ids, gone, changed.lead_ids)
    written = {
        name: _merged_written(name, before.written.get(name), changed.written.get(name), rows)
        for name in _names(before.written, changed.written)
    }
    plain = {
        name: rows.merged(before.plain.get(name), changed.plain.get(name), _empty(name))
        for name in _names(before.plain, changed.plain)
    }
    ids = rows.merged(before.lead_ids, changed.lead_ids, 0)
    return Snapshot(changed.mark, ids, written, plain, _merged_log(before.log, changed.log, rows))


def _names(one: Mapping[str, Any], other: Mapping[str, Any]) -> list[str]:
    return sorted({*one, *other})


def _empty(name: str) -> Any:
    return np.float64(np.nan) if name[0] == NUMBER else np.int64(NEVER)


@dataclass(frozen=True, slots=True)
class _Rows:
    """Where each row of a merged snapshot comes from: its place before, or n + its place among
    what changed.
    """

    source: Integers
    n: int
    k: int
    replaced: Integers | None  # rows that are replaced one by one, if that is all

    @classmethod
    def of(cls, before: Integers, gone: Integers, changed: Integers) -> _Rows:
        n, k = len(before), len(changed)
        at = np.searchsorted(before, changed)
        known = at < n
        known[known] = before[at[known]] == changed[known]
        leaves = np.isin(before, gone) if len(gone) else np.zeros(n, np.bool_)
        source = np.arange(n, dtype=np.int64)
        if known.all() and not leaves.any():
            source[at] = n + np.arange(k)
            return cls(source, n, k, at)
        leaves[at[known]] = True
        source = np.concatenate([source[~leaves], n + np.arange(k)])
        order = np.argsort(np.concatenate([before[~leaves], changed]), kind="stable")
        return cls(source[order], n, k, None)

    def merged(self, before: Array | None, changed: Array | None, empty: Any) -> Array:
        """One array with a value for each lead; absent ones are `empty` everywhere."""
        kind = np.asarray(empty if before is None else before).dtype
        if before is None:
            before = np.full(self.n, empty, kind)
        if changed is None:
            changed = np.full(self.k, empty, kind)
        if self.replaced is None:
            return np.concatenate([before, changed])[self.source]
        if np.array_equal(before[self.replaced], changed, equal_nan=kind == np.float64):
            return before
        copy = before.copy()
        copy[self.replaced] = changed
        return copy


def _merged_written(
    name: str, before: Written | None, changed: Written | None, rows: _Rows
) -> Written:
    if before is None:
        before = Written(np.zeros(rows.n, np.int32), _NO_STRINGS, _NO_STRINGS)
    if changed is None:
        codes = rows.merged(before.codes, np.zeros(rows.k, np.int32), 0)
        return replace(before, codes=codes)
    if rows.replaced is not None and _same(before, changed, rows.replaced):
        return before
    found = pc.index_in(changed.values, value_set=before.values)
    table = np.zeros(len(changed.values) + 1, np.int32)
    table[1:] = found.fill_null(-1).to_numpy(zero_copy_only=False) + 1
    news = np.flatnonzero(table[1:] == 0)
    table[1 + news] = len(before.values) + 1 + np.arange(len(news))
    values, texts = before.values, before.folded
    if len(news):
        added = changed.values.take(pa.array(news))
        values = pa.concat_arrays([values, added])
        texts = pa.concat_arrays([texts, folded(name[0], added)])
    codes = rows.merged(before.codes, table[changed.codes], 0)
    return Written(codes, values, texts)


def _same(before: Written, changed: Written, rows: Integers) -> bool:
    """Whether the rows hold the very values that they are changed to."""
    held = before.codes[rows]
    if not np.array_equal(held > 0, changed.codes > 0):
        return False
    there = held > 0
    one = before.values.take(pa.array(held[there] - 1))
    return bool(one.equals(changed.values.take(pa.array(changed.codes[there] - 1))))


def _merged_log(before: Log, changed: Log, rows: _Rows) -> Log:
    """Runs of engagements that stay together are copied as they are."""
    gap = len(before.at) + 1  # between both logs, so that no run goes over the end of one
    starts = np.concatenate([before.offsets[:-1], changed.offsets[:-1] + gap])[rows.source]
    lengths = np.concatenate([np.diff(before.offsets), np.diff(changed.offsets)])[rows.source]
    offsets = np.zeros(len(starts) + 1, np.int64)
    np.cumsum(lengths, out=offsets[1:])
    what, whats = _merged_whats(before, changed)
    if not len(starts):
        return Log(offsets, before.at[:0], before.what[:0], whats)
    breaks = np.flatnonzero(starts[1:] != starts[:-1] + lengths[:-1])
    first = [int(starts[0]), *starts[breaks + 1].tolist()]
    last = [*(starts[breaks] + lengths[breaks]).tolist(), int(starts[-1] + lengths[-1])]
    runs = list(zip(first, last, strict=True))

    def joined(one: Array, other: Array) -> Array:
        parts = [one[a:b] if a < gap else other[a - gap : b - gap] for a, b in runs]
        return np.concatenate(parts)

    return Log(offsets, joined(before.at, changed.at), joined(before.what, what), whats)


def _merged_whats(before: Log, changed: Log) -> tuple[Codes, Sequence[Any]]:
    """Codes of the changed log in the whats of both, and these."""
    if not len(changed.what):
        return changed.what, before.whats
    positions = {_key(what): position for position, what in enumerate(before.whats)}
    known = len(positions)
    table = [positions.setdefault(_key(what), len(positions)) for what in changed.whats]
    added = [what for what, at in zip(changed.whats, table, strict=True) if at >= known]
    whats = before.whats if not added else (*before.whats, *added)
    return np.array(table, np.int32)[changed.what], whats


def _key(what: tuple[str, Mapping[str, str]]) -> tuple[Any, ...]:
    return (what[0], *what[1].items())


# -- one order ---------------------------------------------------------------------------------


def in_order(snapshot: Snapshot) -> Snapshot:
    """The same with values numbered as they first occur, and nothing that nobody has.

    Whatever way a snapshot came about, this is the same to the byte.
    """
    written = {}
    for name, fact in sorted(snapshot.written.items()):
        if fact.codes.any():
            codes, order = _renumbered(fact.codes, len(fact.values))
            kept = pa.array(order)
            texts = fact.folded.take(kept)
            written[name] = Written(codes, fact.values.take(kept), texts)
    plain = {
        name: values
        for name, values in sorted(snapshot.plain.items())
        if not bool((np.isnan(values) if name[0] == NUMBER else values == NEVER).all())
    }
    log = snapshot.log
    what, order = _renumbered(log.what + 1, len(log.whats))
    whats = tuple(log.whats[at] for at in order.tolist())
    log = replace(log, what=what - 1, whats=whats)
    return Snapshot(snapshot.mark, snapshot.lead_ids, written, plain, log)


def _renumbered(codes: Codes, values: int) -> tuple[Codes, Integers]:
    """Codes (0 = none) in order of first occurrence, and which value each of them was."""
    first = np.full(values + 1, len(codes), np.int64)
    first[codes[::-1]] = np.arange(len(codes) - 1, -1, -1)
    order = np.argsort(first[1:], kind="stable")
    order = order[: int((first[1:] < len(codes)).sum())]
    table = np.zeros(values + 1, np.int32)
    table[1 + order] = 1 + np.arange(len(order))
    return (codes if np.array_equal(order, np.arange(values)) else table[codes]), order
