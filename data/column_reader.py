"""Reading every lead's facts and engagements, or those that changed, straight into arrays.

The database joins many rows into one text, Arrow takes it apart: no row and no value becomes an
object of its own. A few blocks are on their way at once, so that both go on at the same time.
"""

from __future__ import annotations

import json
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any, NamedTuple, TypeVar

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray
from pyarrow import csv
from sqlalchemy import Connection, func, select

from data.column_values import Mark, Snapshot, Written, folded, in_order
from data.inputs import CHANGE, DATE, INPUT, NUMBER, SINCE, restored
from data.rows import chunks
from scoring.columns import NEVER, Codes, Integers, Log, What
from scoring.criteria import DETAILS
from scoring.operators import fold

T = TypeVar("T")
#: What is read at once: enough rows to be worth a call, and far from the gigabyte that a text of
#: SQLite or PostgreSQL may have.
_ROWS = {"lead_input": 50_000, "engagement": 50_000}
_PAGES = 2_048  # of PostgreSQL
_CHANGED = 20_000  # leads
_THREADS = 2
_WAITING = 4
_NEXT = "#"  # the line between the facts of two leads
#: What is read of each row, as text, and what stands between two rows.
_COLUMNS = {
    "lead_input": {"lead_id": "\n", "facts": f"{_NEXT}\t\n"},
    "engagement": dict.fromkeys(("lead_id", "occurred_at", "key", "kind", "detail"), "\n"),
}
#: Columns that are not text, or might have line ends in them.
_AS_TEXT = {
    "sqlite": {"key": "json_quote(key)"},
    "postgresql": {
        "lead_id": "lead_id::text",
        "occurred_at": "(extract(epoch FROM occurred_at) * 1000000)::bigint::text",
        "key": "to_json(key)::text",
        "detail": "detail::text",
    },
}
Block = Sequence[bytes]


def read_mark(connection: Connection) -> Mark:
    """How far this database's changes go."""
    row = connection.execute(select(CHANGE).order_by(CHANGE.c.version.desc()).limit(1)).first()
    return Mark(row.version, row.token) if row else Mark(0, "")


def read_everything(connection: Connection) -> Snapshot:
    """All scored leads; `connection` shows one instant (`data.database.reading`)."""
    mark = read_mark(connection)
    leads = _facts(_blocks(connection, "lead_input", "facts IS NOT NULL"))
    log = _log(_blocks(connection, "engagement", "lead_id IS NOT NULL"), leads.ids)
    return in_order(Snapshot(mark, leads.ids, leads.written, leads.plain, log))


def count_changes(connection: Connection, since: Mark) -> int | None:
    """How many leads changed; None when this database does not continue from there."""
    known = select(CHANGE.c.token).where(CHANGE.c.version == since.version)
    if since.version and connection.execute(known).scalar() != since.token:
        return None
    changed = select(func.count()).where(INPUT.c.version > since.version)
    return int(connection.execute(changed).scalar() or 0)


def read_changes(connection: Connection, since: Mark) -> tuple[Integers, Snapshot]:
    """Leads that are not scored any more, and those that changed, as they are now."""
    later = INPUT.c.version > since.version
    rows = connection.execute(select(INPUT.c.lead_id, INPUT.c.facts.is_(None)).where(later)).all()
    gone = np.array(sorted(lead_id for lead_id, is_gone in rows if is_gone), np.int64)
    ids = sorted(lead_id for lead_id, is_gone in rows if not is_gone)
    parts = [
        # + keeps SQLite from going through all these leads instead of the few that changed
        f"facts IS NOT NULL AND version > {since.version}"
        f" AND +lead_id BETWEEN {part[0]} AND {part[-1]}"
        for part in chunks(ids, _CHANGED)
    ]
    leads = _facts(_joined(connection, "lead_input", part) for part in parts)
    theirs = [f"lead_id IN (SELECT lead_id FROM lead_input WHERE {part})" for part in parts]
    log = _log((_joined(connection, "engagement", part) for part in theirs), leads.ids)
    return gone, Snapshot(read_mark(connection), leads.ids, leads.written, leads.plain, log)


# -- from the database -------------------------------------------------------------------------


def _blocks(connection: Connection, source: str, condition: str) -> Iterator[Block]:
    """All rows that meet the condition, in the order in which they are stored."""
    if connection.dialect.name == "postgresql":
        size = f"pg_relation_size('{source}') / current_setting('block_size')::int"
        end, step = _number(connection, f"SELECT {size}"), _PAGES
        part = "ctid >= '({},0)' AND ctid < '({},0)'"
    else:
        end, step = _number(connection, f"SELECT max(rowid) + 1 FROM {source}"), _ROWS[source]
        part = "rowid >= {} AND rowid < {}"
    for low in range(0, end, step):
        yield _joined(connection, source, f"{part.format(low, low + step)} AND {condition}")


def _number(connection: Connection, query: str) -> int:
    return int(connection.exec_driver_sql(query).scalar() or 0)


def _joined(connection: Connection, source: str, condition: str) -> Block:
    """Each column of all these rows as one text; nothing when there are none."""
    postgresql = connection.dialect.name == "postgresql"
    written = _AS_TEXT[connection.dialect.name]
    wanted = ", ".join(
        f"string_agg({written.get(column, column)}, '{between}')"
        if postgresql
        else f"CAST(group_concat({written.get(column, column)}, '{between}') AS BLOB)"
        for column, between in _COLUMNS[source].items()
    )
    found = connection.exec_driver_sql(f"SELECT {wanted} FROM {source} WHERE {condition}").one()
    if found[0] is None:
        return ()
    return tuple(str(column).encode() for column in found) if postgresql else tuple(found)


def _each(blocks: Iterable[Block], work: Callable[[Block], T]) -> Iterator[T]:
    """The work on every block, in order, while the next ones are being read."""
    waiting: deque[Future[T]] = deque()
    with ThreadPoolExecutor(_THREADS) as threads:
        for block in blocks:
            if block:
                waiting.append(threads.submit(work, block))
            if len(waiting) > _WAITING:
                yield waiting.popleft().result()
        while waiting:
            yield waiting.popleft().result()


def _table(lines: bytes, **types: pa.DataType) -> list[pa.Array]:
    """Columns of lines with tabs in them; backslashes and quotation marks mean nothing here."""
    whole = csv.ReadOptions(use_threads=False, block_size=len(lines) + 1, column_names=list(types))
    tabs = csv.ParseOptions(delimiter="\t", quote_char=False)
    found = csv.read_csv(
        pa.BufferReader(lines), whole, tabs, csv.ConvertOptions(column_types=types)
    )
    (batch,) = found.to_batches()
    return list(batch.columns)


_TEXT = pa.string()
_WORDS = pa.dictionary(pa.int32(), _TEXT)


# -- facts -------------------------------------------------------------------------------------


class _Leads(NamedTuple):
    ids: Integers
    written: dict[str, Written]
    plain: dict[str, NDArray[Any]]


class _Part(NamedTuple):
    """The facts of one block: their rows in it, and their values, by name."""

    ids: Integers
    facts: dict[str, tuple[Integers, pa.Array]]


def _facts(blocks: Iterable[Block]) -> _Leads:
    parts = list(_each(blocks, _fact_part))
    ids = np.concatenate([part.ids for part in parts]) if parts else np.empty(0, np.int64)
    order = np.argsort(ids, kind="stable")
    place = np.empty_like(order)
    place[order] = np.arange(len(order))
    found = _Leads(ids[order], {}, {})
    begins = np.cumsum([0, *(len(part.ids) for part in parts)])
    for name in sorted({name for part in parts for name in part.facts}):
        those = [
            (place[rows + begin], values)
            for part, begin in zip(parts, begins, strict=False)
            for rows, values in [part.facts.get(name, (np.empty(0, np.int64), None))]
            if values is not None
        ]
        rows = np.concatenate([rows for rows, _ in those])
        values = pa.chunked_array([values for _, values in those])
        if name[0] in (NUMBER, DATE, SINCE):
            empty = np.float64(np.nan) if name[0] == NUMBER else np.int64(NEVER)
            column = np.full(len(ids), empty)
            column[rows] = values.to_numpy()
            found.plain[name] = column
        else:
            codes = np.zeros(len(ids), np.int32)
            dictionary, codes[rows] = _codes(values)
            codes[rows] += 1
            found.written[name] = Written(codes, dictionary, folded(name[0], dictionary))
    return found


def _fact_part(block: Block) -> _Part:
    ids, lines = block
    (lead_ids,) = _table(ids, id=pa.int64())
    facts: dict[str, tuple[Integers, pa.Array]] = {}
    named, values = _table(lines, name=_WORDS, value=_TEXT) if lines else (_NOTHING, _NOTHING)
    names, codes = named.dictionary.to_pylist(), named.indices.to_numpy()
    row = np.cumsum(codes == names.index(_NEXT)) if _NEXT in names else np.zeros(len(codes), int)
    for code, name in enumerate(names):
        if name == _NEXT:
            continue
        those = np.flatnonzero(codes == code)
        found = values.take(pa.array(those))
        if name[0] == NUMBER:
            found = found.cast(pa.float64())
        elif name[0] in (DATE, SINCE):
            found = found.cast(pa.int64())
        else:
            found = found.dictionary_encode()
        facts[restored(name)] = row[those], found
    return _Part(lead_ids.to_numpy(), facts)


_NOTHING = pa.array([], _TEXT).dictionary_encode()


def _codes(values: pa.ChunkedArray) -> tuple[pa.StringArray, Codes]:
    """Distinct strings, and the position of each among them."""
    same = values.unify_dictionaries()
    parts = [chunk.indices.to_numpy() for chunk in same.chunks]
    return same.chunk(0).dictionary, np.concatenate(parts)


# -- engagements -------------------------------------------------------------------------------


def _log(blocks: Iterable[Block], ids: Integers) -> Log:
    """Engagements of these leads (ascending), sorted as `scoring.inputs.in_order` sorts."""
    parts = list(_each(blocks, _event_part))
    if not parts:
        nothing = np.empty(0, np.int64)
        return Log(np.zeros(len(ids) + 1, np.int64), nothing, nothing.astype(np.int32), ())
    lead, at, keys, kinds, details = map(pa.chunked_array, zip(*parts, strict=True))
    lead, at = lead.to_numpy(), at.cast(pa.int64()).to_numpy()
    row = _places(ids, lead)
    whats, what = _whats(kinds, details)
    order = _order(row, at, keys)
    row, at, what = row[order], at[order], what[order]
    return Log(np.searchsorted(row, np.arange(len(ids) + 1)), at, what, whats)


def _places(ids: Integers, lead: Integers) -> Integers:
    """Where each lead stands among ascending ids; -1: it is not there. Ids count up from 1."""
    places = np.full(int(ids[-1]) + 2 if len(ids) else 1, -1, np.int64)
    places[ids] = np.arange(len(ids))
    return places[np.minimum(lead, len(places) - 1)]


def _order(row: Integers, at: Integers, keys: pa.ChunkedArray) -> Integers:
    """Engagements of rows that are there by row, instant and key.

    Row and instant go into one number, so that one fast sort does nearly all; what is equal there,
    because it happened at once or almost, is sorted again with its key.
    """
    since = at - at.min()
    bits = 63 - int(row.max()).bit_length()
    lost = max(0, int(since.max()).bit_length() - bits)
    number = (row << bits) | (since >> lost)
    order = np.argsort(number)
    order = order[np.searchsorted(number[order], 0) :]  # those that are nobody's are negative
    same = np.diff(number[order]) == 0
    tied = np.flatnonzero(np.append(same, False) | np.insert(same, 0, False))
    those = order[tied]
    texts = [str(json.loads(key)) for key in keys.take(pa.array(those)).to_pylist()]
    near = pa.table({"number": number[those], "at": at[those], "key": pa.array(texts, _TEXT)})
    by = [(name, "ascending") for name in near.column_names]
    order[tied] = those[pc.sort_indices(near, sort_keys=by).to_numpy()]
    return order


def _event_part(block: Block) -> list[pa.Array]:
    # SQLite keeps times as text, PostgreSQL gives microseconds
    moment = pa.timestamp("us") if b":" in block[1][:20] else pa.int64()
    kinds = (pa.int64(), moment, _TEXT, _WORDS, _WORDS)
    return [_table(lines, one=kind)[0] for lines, kind in zip(block, kinds, strict=True)]


def _whats(kinds: pa.ChunkedArray, details: pa.ChunkedArray) -> tuple[tuple[What, ...], Codes]:
    """Distinct engagements as rules see them, and which of them each one is."""
    kind_names, kind = _codes(kinds)
    texts, detail = _codes(details)
    pairs = pa.array(kind * np.int64(len(texts)) + detail).dictionary_encode()
    seen = [_seen(json.loads(text)) for text in texts.to_pylist()]
    names = kind_names.to_pylist()
    positions: dict[tuple[str, tuple[tuple[str, str], ...]], int] = {}
    table = [
        positions.setdefault((names[pair // len(seen)], seen[pair % len(seen)]), len(positions))
        for pair in pairs.dictionary.to_pylist()
    ]
    whats = tuple((name, dict(given)) for name, given in positions)
    return whats, np.array(table, np.int32)[pairs.indices.to_numpy()]


def _seen(detail: Mapping[str, str]) -> tuple[tuple[str, str], ...]:
    return tuple((name, fold(detail[name])) for name in DETAILS if name in detail)
