"""Opening the database: SQLite set up for one writer and many readers, or PostgreSQL by URL."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from sqlalchemy import Connection, Engine, create_engine, event, make_url, text

#: Any two numbers name our advisory locks on PostgreSQL; they only must not change.
WRITE_LOCK = 7_403_215_001
MIGRATION_LOCK = 7_403_215_002


def open_engine(url: str) -> Engine:
    """An engine for `sqlite:///…`, `postgresql://…` or `postgres://…`.

    Raises ValueError for anything else, with what to write instead.
    """
    try:
        parsed = make_url(url)
    except Exception as error:
        raise ValueError(
            "The database address cannot be read; write it as "
            "sqlite:///path/to/file.db or postgresql://user:password@host/database."
        ) from error
    backend = parsed.get_backend_name()
    if backend in ("postgresql", "postgres"):
        engine = create_engine(
            parsed.set(drivername="postgresql+psycopg"), pool_pre_ping=True, pool_size=8
        )
        event.listen(engine, "connect", _set_utc)
        return engine
    if backend != "sqlite":
        raise ValueError(f"{backend!r} databases are not supported: use SQLite or PostgreSQL.")
    if parsed.database and parsed.database != ":memory:":
        Path(parsed.database).parent.mkdir(parents=True, exist_ok=True)
    engine = create_engine(parsed, connect_args={"timeout": 15, "check_same_thread": False})
    event.listen(engine, "connect", _prepare_sqlite)
    event.listen(engine, "begin", _begin_sqlite)
    return engine


def _set_utc(connection: Any, _record: Any) -> None:
    previous, connection.autocommit = connection.autocommit, True
    connection.execute("SET TIME ZONE 'UTC'")
    connection.autocommit = previous


def _prepare_sqlite(connection: Any, _record: Any) -> None:
    connection.isolation_level = None  # we say BEGIN ourselves
    for pragma in (
        "journal_mode=WAL",
        "synchronous=NORMAL",
        "busy_timeout=15000",
        "foreign_keys=ON",
        "cache_size=-32000",
        "temp_store=MEMORY",
    ):
        connection.execute(f"PRAGMA {pragma}")


def _begin_sqlite(connection: Connection) -> None:
    # A transaction that reads first and writes later cannot be upgraded once somebody else wrote:
    # SQLite answers "database is locked" at once, whatever the timeout. Writers say so up front.
    writes = connection.get_execution_options().get("writes", False)
    connection.exec_driver_sql("BEGIN IMMEDIATE" if writes else "BEGIN")


@contextmanager
def writing(engine: Engine, *, alone: bool = False) -> Iterator[Connection]:
    """One write transaction; those with `alone` wait for each other on PostgreSQL too.

    On SQLite there is one writer anyway. On PostgreSQL two pages that decide at once who is who
    would each create the same person, and transactions that touch the same many rows in different
    orders would deadlock; an advisory lock keeps them apart.
    """
    with engine.connect().execution_options(writes=True) as connection, connection.begin():
        if alone and engine.dialect.name == "postgresql":
            connection.execute(text("SELECT pg_advisory_xact_lock(:lock)"), {"lock": WRITE_LOCK})
        yield connection


@contextmanager
def reading(engine: Engine) -> Iterator[Connection]:
    """One read-only look at a consistent state, however many statements it takes."""
    with engine.connect() as connection:
        if engine.dialect.name == "postgresql":
            connection = connection.execution_options(
                isolation_level="REPEATABLE READ", postgresql_readonly=True
            )
        with connection.begin():
            yield connection
