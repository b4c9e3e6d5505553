"""The worker: everything that polls, scores and writes, in one process."""

from __future__ import annotations

import fcntl
import os
import signal
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path

from app import jobs
from app.connect import connect
from app.pipeline import Pipeline
from app.settings import Settings
from app.work import Job, JobOutcome
from data import metrics
from data.store import Store

#: A worker that is being stopped may need this long; a new one waits for it.
HANDOVER_SECONDS = 12.0
_LOOK_SECONDS = 0.1


class AnotherWorker(RuntimeError):
    """Another worker is at work on this database: stop it first, or let it do the work."""

    def __init__(self) -> None:
        super().__init__(self.__doc__)


def utc_now() -> datetime:
    """The present, in UTC."""
    return datetime.now(UTC)


def build(
    settings: Settings, clock: Callable[[], datetime] = utc_now, *, in_one_go: bool = False
) -> tuple[Store, Pipeline, list[Job]]:
    """The store (migrated), the pipeline over the configured CRMs, and its jobs.

    `in_one_go`: scores are not gathered before they are written, for nobody comes back to do it.
    """
    store = Store.open(settings.database_url, migrate=True)
    pipeline = Pipeline(store, connect(settings), clock, settings.poll_seconds)
    if in_one_go:
        pipeline.write_wait = timedelta(0)
    pipeline.policy()
    return store, pipeline, pipeline.jobs()


def run_worker(settings: Settings, *, once: bool = False, until_idle: bool = False) -> int:
    """Run until SIGTERM; `once`: every due job once; `until_idle`: until nothing is left to do.

    Returns the exit code: 1 when a job of `once` or `until_idle` failed. Raises AnotherWorker.
    """
    stopping = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: stopping.set())
    in_one_go = once or until_idle
    with only_worker(settings, 0.0 if in_one_go else HANDOVER_SECONDS, stopping):
        store, pipeline, work = build(settings, in_one_go=in_one_go)
        finished = True
        try:
            if not in_one_go:
                finished = jobs.serve(store, work, utc_now, stopping)
                return 0
            store.close_interrupted_runs(utc_now())
            jobs.declare(store, work, utc_now())
            run = jobs.run_until_idle if until_idle else jobs.run_due
            code = _report(work, run(store, work, utc_now, stopping))
            sys.stdout.write(standing(store, utc_now()) + "\n")
            return code
        finally:
            if not finished:
                # A job would keep the process alive for as long as a CRM keeps us waiting. What it
                # was doing is not saved and is repeated, as after a crash.
                sys.stderr.flush()
                os._exit(0)
            for crm in pipeline.crms:
                crm.close()
            store.close()


def _report(work: list[Job], outcomes: dict[str, JobOutcome]) -> int:
    """Say what failed and what was done; the exit code."""
    for job in work:
        outcome = outcomes.get(job.name)
        if outcome is not None and (outcome.message or not outcome.ok):
            mark = "ok    " if outcome.ok else "FAILED"
            sys.stdout.write(f"{mark} {job.label}: {outcome.message}\n")
    return 0 if all(outcome.ok for outcome in outcomes.values()) else 1


def standing(store: Store, now: datetime) -> str:
    """How things stand, in one line."""
    coverage = metrics.coverage(store, now)
    waiting = sum(crm.pending_writes for crm in metrics.connections(store, now))
    doubtful = sum(metrics.exceptions(store, since=now, now=now).open.values())
    return (
        f"Leads: {coverage.leads:,}, scored: {coverage.scored:,}; "
        f"scores to be written: {waiting:,}; open exceptions: {doubtful:,}."
    )


@contextmanager
def only_worker(
    settings: Settings, patience_seconds: float, stopping: threading.Event
) -> Iterator[None]:
    """Hold the one place for a worker on this machine's database.

    Two at once would do each other's work twice. Raises AnotherWorker after `patience_seconds`.
    The operating system frees the place when a worker dies, however it dies.
    """
    with lock_path(settings).open("a") as file:
        deadline = time.monotonic() + patience_seconds
        while True:
            try:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
                break
            except BlockingIOError:
                if time.monotonic() >= deadline or stopping.wait(_LOOK_SECONDS):
                    raise AnotherWorker from None
        yield


def lock_path(settings: Settings) -> Path:
    """The file whose lock the worker holds: beside an SQLite database, else in the home."""
    settings.home.mkdir(parents=True, exist_ok=True)
    file = settings.database_file
    return file.with_name(file.name + ".worker") if file else settings.home / "worker.lock"
