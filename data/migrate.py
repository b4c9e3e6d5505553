"""Bringing a database up to date, once, whoever asks first."""

from __future__ import annotations

import fcntl
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from alembic import command
from alembic.config import Config
from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import Connection, Engine, text

from data.database import MIGRATION_LOCK

_SCRIPTS = Path(__file__).parent / "migrations"


def _config(connection: Connection | None = None) -> Config:
    config = Config()
    config.set_main_option("script_location", str(_SCRIPTS))
    config.attributes["connection"] = connection
    return config


@contextmanager
def _alone(engine: Engine, connection: Connection) -> Iterator[None]:
    """Only one process migrates: a file lock beside SQLite, an advisory lock on PostgreSQL."""
    if engine.dialect.name == "postgresql":
        lock = {"lock": MIGRATION_LOCK}
        connection.execute(text("SELECT pg_advisory_lock(:lock)"), lock)
        connection.commit()
        try:
            yield
        finally:
            connection.execute(text("SELECT pg_advisory_unlock(:lock)"), lock)
            connection.commit()
    elif engine.url.database in (None, "", ":memory:"):
        yield
    else:
        with Path(f"{engine.url.database}.migrating").open("w") as file:
            fcntl.flock(file, fcntl.LOCK_EX)
            yield


def migrate(engine: Engine) -> None:
    """Run every migration that this database has not seen."""
    with (
        engine.connect().execution_options(writes=True) as connection,
        _alone(engine, connection),
    ):
        command.upgrade(_config(connection), "head")
        connection.commit()


def pending_migrations(engine: Engine) -> str:
    """The revisions still to run, as text; "" when there are none."""
    scripts = ScriptDirectory.from_config(_config())
    with engine.connect() as connection:
        current = set(MigrationContext.configure(connection).get_current_heads())
    heads = set(scripts.get_heads())
    return "" if current == heads else ", ".join(sorted(heads - current))


def differences(engine: Engine) -> None:
    """Raise when the tables in the program and the migrations disagree (for the tests)."""
    with engine.connect() as connection:
        command.check(_config(connection))
