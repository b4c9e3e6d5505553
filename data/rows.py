"""Small SQL tools that both databases understand."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Any, TypeVar

from sqlalchemy import Connection, Insert, Table
from sqlalchemy.dialects import postgresql, sqlite

T = TypeVar("T")

#: SQLite's default limit is 32,766 variables a statement; this leaves room for the others.
CHUNK = 5_000


def chunks(items: Sequence[T], size: int = CHUNK) -> Iterator[Sequence[T]]:
    """`items` in slices of at most `size`."""
    for start in range(0, len(items), size):
        yield items[start : start + size]


def insert(connection: Connection, table: Table) -> Any:
    """An INSERT that knows ON CONFLICT, for the database at hand."""
    dialect = postgresql if connection.dialect.name == "postgresql" else sqlite
    return dialect.insert(table)


def upsert(
    connection: Connection,
    table: Table,
    rows: Sequence[dict[str, Any]],
    *,
    keep: Iterable[str] = (),
) -> None:
    """Insert rows or replace them by primary key; columns in `keep` stay as they are stored."""
    if not rows:
        return
    keys = [column.name for column in table.primary_key]
    kept = {*keys, *keep}
    statement = insert(connection, table)
    changed = {name: statement.excluded[name] for name in rows[0] if name not in kept}
    statement = (
        statement.on_conflict_do_update(index_elements=keys, set_=changed)
        if changed
        else statement.on_conflict_do_nothing(index_elements=keys)
    )
    connection.execute(statement, list(rows))


def insert_new(connection: Connection, table: Table, rows: Sequence[dict[str, Any]]) -> None:
    """Insert rows whose primary key is not there yet; the others stay as they are."""
    if rows:
        keys = [column.name for column in table.primary_key]
        statement: Insert = insert(connection, table).on_conflict_do_nothing(index_elements=keys)
        connection.execute(statement, list(rows))


def select_in(items: Iterable[T], fetch: Callable[[Sequence[T]], Iterable[Any]]) -> Iterator[Any]:
    """Rows of `fetch(chunk)` over all items, in chunks that fit one statement."""
    for chunk in chunks(sorted(set(items))):  # type: ignore[type-var]
        yield from fetch(chunk)
