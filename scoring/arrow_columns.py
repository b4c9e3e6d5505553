"""Arrow tables to the kernel's columns and scores back to Arrow: what any Arrow engine hands over.

`columns_from` gives for a table what `columns_of` gives for the same leads one by one: texts are
read once per distinct value, by the same functions.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from scoring.columns import NEVER, Coded, Codes, Column, Columns, Dates, Integers, Log, Numbers
from scoring.criteria import DETAILS
from scoring.inputs import GROWING_FACTS
from scoring.kernel import NONE, Scores
from scoring.operators import READERS, Value, fold
from scoring.rule_set import RuleSet
from scoring.scores import DIMENSIONS, MILLI

MOMENT = pa.timestamp("us", "UTC")
#: The Arrow type that a fact of each type comes in; a fact that grows comes as the time it counts
#: from (MOMENT).
FACT_ARROW_TYPES: Mapping[str, pa.DataType] = {
    "text": pa.string(),
    "choice": pa.string(),
    "number": pa.float64(),
    "flag": pa.bool_(),
    "list": pa.list_(pa.string()),
    "date": MOMENT,
}
#: One row a lead: its score in points, or why it has none.
SCORE_SCHEMA = pa.schema(
    [
        ("id", pa.string()),
        ("value", pa.float64()),
        ("low", pa.float64()),
        ("high", pa.float64()),
        ("band", pa.string()),
        ("certain", pa.bool_()),
        ("mode", pa.string()),
        ("suppressed", pa.string()),
        ("disqualified", pa.string()),
        *((name, pa.float64()) for name in DIMENSIONS),
    ]
)

_UNUSED = datetime(1970, 1, 1, tzinfo=UTC)  # readers take a time, but only dates look at it
_LARGEST_CODE = 1 << 62


def columns_from(
    leads: pa.Table, engagements: pa.Table, fact_types: Iterable[tuple[str, str]]
) -> tuple[Columns, NDArray[np.bool_]]:
    """The kernel's columns, and which engagements are left out because their key occurs before.

    `leads`: a column for each fact that is known of any, typed as FACT_ARROW_TYPES says; null is
    unknown. `engagements`: `lead` (position in `leads`), `kind`, `occurred_at`, `key` (null: one of
    its own) and the details url, form, campaign and subject, each of which may be absent.
    """
    present = set(leads.column_names)
    facts = {name: _fact(name, kind, leads[name]) for name, kind in fact_types if name in present}
    log, repeated = _log(len(leads), engagements)
    return Columns(len(leads), facts, log), repeated


def scores_table(ids: pa.ChunkedArray, scores: Scores, rule_set: RuleSet) -> pa.Table:
    """One row a lead in SCORE_SCHEMA; a suppressed lead has its reason and nothing else."""
    out = scores.suppressed != NONE
    modes = np.where(scores.fallback, 1, 0)
    found = {
        "id": ids.cast(pa.string()),
        "value": _points(scores.value, out),
        "low": _points(scores.low, out),
        "high": _points(scores.high, out),
        "band": _named([band.label for band in rule_set.bands], scores.band),
        "certain": pa.array(scores.certain, mask=out),
        "mode": _named(["rules", "fallback"], np.where(out, NONE, modes)),
        "suppressed": _named([s.reason for s in rule_set.suppressions], scores.suppressed),
        "disqualified": _named([d.reason for d in rule_set.disqualifiers], scores.disqualified),
        **{
            name: _points(points, out)
            for name, points in zip(DIMENSIONS, scores.dimensions, strict=True)
        },
    }
    return pa.table(found, SCORE_SCHEMA)


def encoded(column: pa.ChunkedArray) -> tuple[Codes, pa.Array]:
    """A code for each row, -1 for null, and the values that occur."""
    if not pa.types.is_dictionary(column.type):
        column = column.dictionary_encode()
    whole = column.unify_dictionaries().combine_chunks()
    codes = whole.indices.fill_null(-1).to_numpy(zero_copy_only=False).astype(np.int32)
    used = np.bincount(codes + 1, minlength=len(whole.dictionary) + 1)[1:] > 0
    if used.all():
        return codes, whole.dictionary
    renamed = np.concatenate([np.cumsum(used) - 1, [-1]]).astype(np.int32)
    return renamed[codes], whole.dictionary.filter(pa.array(used))


def microseconds_of(column: pa.ChunkedArray) -> Integers:
    """Microseconds since 1970, NEVER for null; finer times are cut off to microseconds."""
    zone = column.type.tz if pa.types.is_timestamp(column.type) else None
    if pa.types.is_timestamp(column.type) and column.type.unit == "ns":
        ticks = column.cast(pa.int64())
        known: Integers = ticks.fill_null(0).to_numpy() // 1_000
        return np.where(ticks.is_null().to_numpy(), NEVER, known)
    ticks = column.cast(pa.timestamp("us", zone)).cast(pa.int64())
    found: Integers = ticks.fill_null(int(NEVER)).to_numpy()
    return found


# -- facts -------------------------------------------------------------------------------------


def _fact(name: str, kind: str, column: pa.ChunkedArray) -> Column:
    grows = name in GROWING_FACTS and pa.types.is_timestamp(column.type)
    if kind == "date" or grows:
        return Dates(microseconds_of(column), grows)
    if kind == "number":
        values = column.cast(pa.float64(), safe=False).fill_null(np.nan).to_numpy()
        return Numbers(np.where(np.isfinite(values), values, np.nan))
    if kind == "list":
        return _coded(kind, *_encoded_lists(column))
    codes, values = encoded(column)
    return _coded(kind, codes, values.to_pylist())


def _coded(kind: str, codes: Codes, values: Sequence[Any]) -> Coded:
    """Codes of values as rules see them: several spellings of one text are one value."""
    positions: dict[Value, int] = {}
    table = np.zeros(len(values) + 1, np.int32)
    for row, value in enumerate(values):
        read = READERS[kind](value, _UNUSED)
        table[row] = 0 if read is None else 1 + positions.setdefault(read, len(positions))
    return Coded(table[codes], tuple(positions))  # code -1, unknown, finds the last row: 0


def _encoded_lists(column: pa.ChunkedArray) -> tuple[Codes, list[tuple[str, ...]]]:
    """Each list as the text of its items' codes, which Arrow can tell apart."""
    lists = column.cast(pa.list_(pa.string())).combine_chunks()
    items, names = encoded(pa.chunked_array([lists.flatten()]))
    lengths = lists.value_lengths().fill_null(0).to_numpy(zero_copy_only=False)
    texts = pa.array(items).cast(pa.string())
    rebuilt = pa.ListArray.from_arrays(
        pa.array(np.concatenate([[0], np.cumsum(lengths)]).astype(np.int32)), texts
    )
    joined = pc.binary_join(rebuilt, ",")
    known = pc.if_else(lists.is_valid(), joined, pa.scalar(None, pa.string()))
    codes, found = encoded(pa.chunked_array([known]))
    spelt = names.to_pylist()
    rows = [
        tuple(spelt[int(code)] for code in text.split(",") if code not in ("", "-1"))
        for text in found.to_pylist()
    ]
    return codes, rows


# -- engagements -------------------------------------------------------------------------------


def _log(leads: int, engagements: pa.Table) -> tuple[Log, NDArray[np.bool_]]:
    lead = engagements["lead"].to_numpy().astype(np.int64)
    at = microseconds_of(engagements["occurred_at"])
    what, whats = _whats(engagements)
    keys, names = encoded(engagements["key"].cast(pa.string()))
    order = _sorted(lead, at, keys, names)
    repeated = np.zeros(len(lead), np.bool_)
    if np.count_nonzero(keys >= 0) > len(names):

        def row(i: int) -> str:
            kind, detail = whats[what[i]]
            return json.dumps([kind, dict(detail)], sort_keys=True)

        repeated = _repeated(order, lead, at, keys, what, row)
        order = order[~repeated[order]]
    offsets = np.searchsorted(lead[order], np.arange(leads + 1))
    return _folded(offsets, at[order], what[order], whats), repeated


def _folded(
    offsets: Integers, at: Integers, what: Codes, whats: Sequence[tuple[str, Mapping[str, str]]]
) -> Log:
    positions: dict[tuple[str, tuple[tuple[str, str], ...]], int] = {}
    table = np.zeros(len(whats), np.int32)
    for row, (kind, detail) in enumerate(whats):
        folded = tuple((name, fold(text)) for name, text in detail.items())
        table[row] = positions.setdefault((kind, folded), len(positions))
    named = tuple((kind, dict(detail)) for kind, detail in positions)
    return Log(offsets, at, table[what], named)


def _whats(engagements: pa.Table) -> tuple[Codes, list[tuple[str, dict[str, str]]]]:
    """For each engagement the position of its kind and details among all that occur."""
    names = [name for name in DETAILS if name in engagements.column_names]
    columns = [encoded(engagements[name].cast(pa.string())) for name in ("kind", *names)]
    combined = np.zeros(len(engagements), np.int64)
    distinct = 1
    for codes, values in columns:
        if distinct * (len(values) + 1) > _LARGEST_CODE:
            combined = np.unique(combined, return_inverse=True)[1]
            distinct = len(engagements)
        combined = combined * (len(values) + 1) + codes + 1
        distinct *= len(values) + 1
    whole = pa.array(combined).dictionary_encode()
    what = whole.indices.to_numpy().astype(np.int32)
    first = np.zeros(len(whole.dictionary), np.int64)
    first[what[::-1]] = np.arange(len(what) - 1, -1, -1)  # a row where each of them occurs
    spelt = [[*values.to_pylist(), None] for _, values in columns]
    found = []
    for row in first:
        kind, *texts = [spelt[i][codes[row]] for i, (codes, _) in enumerate(columns)]
        found.append((kind, {n: t for n, t in zip(names, texts, strict=True) if t is not None}))
    return what, found


def _sorted(lead: Integers, at: Integers, keys: Codes, names: pa.Array) -> Integers:
    """Rows by lead, time and key."""
    order = np.lexsort((at, lead))
    same = (np.diff(lead[order]) == 0) & (np.diff(at[order]) == 0)
    tied = np.flatnonzero(np.append(same, False) | np.insert(same, 0, False))
    if len(tied):
        rows = order[tied]
        rank = np.empty(len(names) + 1, np.int64)
        rank[pc.sort_indices(names).to_numpy()] = np.arange(len(names))
        rank[-1] = -1  # no key
        order[tied] = rows[np.lexsort((rank[keys[rows]], at[rows], lead[rows]))]
    return order


def _repeated(
    order: Integers,
    lead: Integers,
    at: Integers,
    keys: Codes,
    what: Codes,
    row: Callable[[int], str],
) -> NDArray[np.bool_]:
    """Which rows have a key that their lead had before: at the same time the smaller row stays."""
    rows = order[keys[order] >= 0]
    pairs = lead[rows] * (int(keys.max()) + 1) + keys[rows]
    _, first, group = np.unique(pairs, return_index=True, return_inverse=True)
    stays = rows[first]
    for position in np.flatnonzero(
        (at[stays][group] == at[rows]) & (what[stays][group] != what[rows])
    ):
        here, there = group[position], rows[position]
        if row(there) < row(stays[here]):
            stays[here] = there
    repeated = np.zeros(len(lead), np.bool_)
    repeated[rows] = True
    repeated[stays] = False
    return repeated


# -- scores ------------------------------------------------------------------------------------


def _points(milli: NDArray[np.int32], out: NDArray[np.bool_]) -> pa.Array:
    return pa.array(milli / MILLI, mask=out)


def _named(names: Sequence[str], positions: NDArray[Any]) -> pa.Array:
    """The name at each position, null for NONE."""
    wanted = pa.array(positions.astype(np.int64), mask=positions == NONE)
    return pa.array(names, pa.string()).take(wanted)
