"""Migrations and tables say the same, and one process at a time brings a database up to date."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import inspect
from store_world import DATABASES, NOW, commit, opened, record, rows

from data.migrate import differences, migrate, pending_migrations
from data.store import Store
from data.tables import Lead


@pytest.fixture(params=DATABASES)
def store(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Store]:
    """A migrated store on either database."""
    with opened(request, tmp_path) as found:
        yield found


def test_the_migrations_make_exactly_the_tables_of_the_program(store: Store) -> None:
    differences(store.engine)


def test_a_migrated_database_has_nothing_to_migrate_and_keeps_its_rows(store: Store) -> None:
    commit(store, NOW, records=[record(1)])
    assert pending_migrations(store.engine) == ""
    migrate(store.engine)
    assert len(rows(store, Lead)) == 1


def test_many_starts_at_once_migrate_once(store: Store, tmp_path: Path) -> None:
    """Every table is dropped again, then four processes' worth of callers start together."""
    with store.engine.begin() as connection:
        for table in reversed(list(_tables(connection))):
            cascade = " CASCADE" if store.engine.dialect.name == "postgresql" else ""
            connection.exec_driver_sql(f'DROP TABLE "{table}"{cascade}')
    assert pending_migrations(store.engine) != ""
    start, failures = threading.Barrier(4), []

    def caller() -> None:
        start.wait(10)
        try:
            migrate(store.engine)
        except Exception as error:
            failures.append(error)

    callers = [threading.Thread(target=caller) for _ in range(4)]
    for one in callers:
        one.start()
    for one in callers:
        one.join(30)
    assert failures == []
    differences(store.engine)


def _tables(connection: Any) -> list[str]:
    names = inspect(connection).get_sorted_table_and_fkc_names()
    return [name for name, _ in names if name is not None]
