"""`leadlight doctor`: what is wrong with configuration, database or CRMs, and what to do."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime

from app.connect import configured
from app.log import masked
from app.settings import Settings, unknown_names
from connectors.base import ConnectorError, Crm
from data.store import Store

WORKER_STALE_SECONDS = 60.0


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing that was looked at; `message` says what to do where `ok` is False."""

    subject: str
    ok: bool
    message: str


def examine(settings: Settings) -> Iterator[Finding]:
    """Look at everything in turn; nothing is changed anywhere."""
    wrong = [*settings.missing(), *unknown_names()]
    yield Finding("configuration", not wrong, " ".join(wrong) or "readable")
    yield _home(settings)
    yield from _database(settings)
    if not settings.has_crm:
        yield Finding("connections", True, "none configured; `leadlight run` brings a sandbox")
    elif not settings.missing():
        for name, make in configured(settings):
            yield from _connection(name, make)


def _home(settings: Settings) -> Finding:
    folder = settings.home
    while not folder.exists():
        folder = folder.parent
    if folder.is_dir() and os.access(folder, os.W_OK):
        return Finding("home", True, f"{settings.home} can be written")
    return Finding(
        "home",
        False,
        f"{settings.home} cannot be written: give this user the right to, or set LEADLIGHT_HOME.",
    )


def _database(settings: Settings) -> Iterator[Finding]:
    file = settings.database_file
    if file is not None and not file.exists():
        yield Finding("database", True, f"{file} is not there yet; `leadlight run` makes it")
        return
    try:
        store = Store.open(settings.database_url)
    except ValueError as error:
        yield Finding("database", False, masked(str(error)))
        return
    try:
        state = store.check()
        if state == "ok":
            yield Finding("database", True, "reachable, its tables are up to date")
            yield _worker(store)
        elif state.startswith("The tables are not up to date"):
            yield Finding("database", True, "its tables are older; `leadlight run` updates them")
        else:
            advice = "Check LEADLIGHT_DATABASE_URL and that the database runs."
            yield Finding("database", False, f"{masked(state).strip()} {advice}")
    finally:
        store.close()


def _worker(store: Store) -> Finding:
    beat = store.heartbeat()
    if beat is None:
        return Finding("worker", True, "has never run on this database; `leadlight run` starts it")
    age = (datetime.now(UTC) - beat[1]).total_seconds()
    if age <= WORKER_STALE_SECONDS:
        return Finding("worker", True, f"alive {age:.0f} s ago")
    return Finding("worker", True, f"not running since {beat[1]:%Y-%m-%d %H:%M} UTC")


def _connection(name: str, make: Callable[[], Crm]) -> Iterator[Finding]:
    try:
        crm = make()
    except ConnectorError as error:
        yield Finding(name, False, str(error))
        return
    try:
        report = crm.check()
    except ConnectorError as error:
        yield Finding(name, False, str(error))
        return
    finally:
        crm.close()
    if report.ok:
        yield Finding(name, True, f"{report.account}: signed in, our fields are there")
    for problem in report.problems:
        yield Finding(name, False, problem.message)
