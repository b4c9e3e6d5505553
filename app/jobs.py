"""Repeating jobs: due times live in our own table, APScheduler only wakes us up.

APScheduler keeps its jobs in memory and forgets them; what must survive a restart (when a job is
due, how it last ended) is in the store. A tick that finds nothing due costs one small read.
"""

from __future__ import annotations

import os
import threading
import time
import traceback
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta

import structlog
from apscheduler.executors.pool import ThreadPoolExecutor
from apscheduler.schedulers.background import BackgroundScheduler

from app.work import Job, JobOutcome
from data.store import JobPlan, JobState, Store
from scoring.problems import Problem

log = structlog.get_logger(__name__)

TICK_SECONDS = 1.0
BEAT_SECONDS = 5.0
#: A job that says "there is more" runs on in the same breath for at most this long.
BREATH_SECONDS = 20.0
#: A job that runs this long hangs: the worker stops beating, and the supervisor starts a new one.
HUNG_SECONDS = 600.0
#: How long a stop waits for running jobs. What is cut off is repeated; nothing is lost or doubled.
STOP_SECONDS = 8.0
THREADS = 4
#: A failing job is tried again after this long, if its interval is longer.
FAILED_WAIT_SECONDS = 30.0
#: A pause that a CRM asked for and that is not longer than this belongs to "until idle".
PATIENCE_SECONDS = 120.0
WORKER = "worker"

Clock = Callable[[], datetime]


def declare(store: Store, jobs: Sequence[Job], now: datetime) -> None:
    """Make the store's job table match the program."""
    store.declare_jobs([JobPlan(job.name, job.label, job.every_seconds) for job in jobs], now)


def run_job(
    store: Store, job: Job, clock: Clock, stopping: threading.Event | None = None
) -> JobOutcome | None:
    """Run one job if it is due; None when it is not, or when another worker claimed it.

    Whatever a job raises is recorded, shown and logged once; it never stops the other jobs.
    """
    run_id = store.start_job(job.name, clock())
    if run_id is None:
        return None
    trace = ""
    try:
        outcome = _run_a_breath(job, clock, stopping or threading.Event())
    except Exception as raised:  # a fault of ours: it is shown, and the worker goes on
        trace = traceback.format_exc()
        outcome = JobOutcome(f"{type(raised).__name__}: {raised}", ok=False)
    now = clock()
    before = store.finish_job(
        run_id,
        ok=outcome.ok,
        message=outcome.message,
        items=outcome.items,
        now=now,
        due_at=_due_again(job, outcome, now),
    )
    if not outcome.ok and before.ok is not False:
        log.error("job failing", job=job.name, message=outcome.message, trace=trace)
    elif outcome.ok and before.ok is False:
        log.info("job recovered", job=job.name, failed_for_seconds=_lasted(before, now))
    if trace:
        message = f"{job.label}: {outcome.message}"
        problem = Problem("job_failed", message, detail=trace, field=job.name)
        store.raise_exceptions([problem], now)
    return outcome


def _run_a_breath(job: Job, clock: Clock, stopping: threading.Event) -> JobOutcome:
    """Run the job, and run it on while it says that there is more."""
    started, items = time.monotonic(), 0
    while True:
        outcome = job.run(clock())
        items += outcome.items
        out_of_breath = time.monotonic() - started > BREATH_SECONDS
        if not outcome.again or out_of_breath or stopping.is_set():
            return replace(outcome, items=items)


def _due_again(job: Job, outcome: JobOutcome, now: datetime) -> datetime | None:
    """When the job runs again, if not at its usual interval."""
    if not outcome.ok:
        return now + timedelta(seconds=min(job.every_seconds, FAILED_WAIT_SECONDS))
    if outcome.wait_seconds is not None:
        return now + timedelta(seconds=outcome.wait_seconds)
    return now if outcome.again else None


def _lasted(before: JobState, now: datetime) -> int:
    return round((now - before.failing_since).total_seconds()) if before.failing_since else 0


def run_due(
    store: Store, jobs: Sequence[Job], clock: Clock, stopping: threading.Event | None = None
) -> dict[str, JobOutcome]:
    """Every due job once, in their order (`worker --once`): what each that ran came to."""
    outcomes = {}
    for job in jobs:
        if stopping is not None and stopping.is_set():
            break
        store.beat(WORKER, os.getpid(), clock())
        outcome = run_job(store, job, clock, stopping)
        if outcome is not None:
            outcomes[job.name] = outcome
    return outcomes


def run_until_idle(
    store: Store, jobs: Sequence[Job], clock: Clock, stopping: threading.Event | None = None
) -> dict[str, JobOutcome]:
    """Every job, due or not, until a whole round finds nothing to do; the last round's outcomes.

    Pauses that a CRM asked for are waited out where they are short. A job that failed is not tried
    a second time unless another one got something done in the same round.
    """
    stopping = stopping or threading.Event()
    while True:
        for job in jobs:
            store.make_due(job.name, clock())
        outcomes = run_due(store, jobs, clock, stopping)
        pauses = [outcome.wait_seconds or 0.0 for outcome in outcomes.values()]
        pause = max(pauses, default=0.0)
        if stopping.is_set():
            return outcomes
        if any(outcome.items or outcome.again for outcome in outcomes.values()):
            continue
        if not 0.0 < pause <= PATIENCE_SECONDS:
            return outcomes
        stopping.wait(pause)


def serve(store: Store, jobs: Sequence[Job], clock: Clock, stopping: threading.Event) -> bool:
    """Run jobs when they are due until `stopping` is set; False when some had to be cut off.

    A job that is cut off goes on in its thread: the caller must end the process.
    """
    store.close_interrupted_runs(clock())
    declare(store, jobs, clock())
    rounds = _Rounds(store, {job.name: job for job in jobs}, clock, stopping)
    rounds.beat()
    rounds.start()
    log.info("worker started", jobs=len(jobs))
    stopping.wait()
    finished = rounds.stop()
    log.info("worker stopped", finished=finished)
    return finished


@dataclass
class _Rounds:
    """APScheduler's ticks over our own table."""

    store: Store
    jobs: dict[str, Job]
    clock: Clock
    stopping: threading.Event
    scheduler: BackgroundScheduler = field(init=False)
    running: dict[str, float] = field(init=False, default_factory=dict)
    broken: dict[str, bool] = field(init=False, default_factory=dict)

    def start(self) -> None:
        """Begin to tick and to beat."""
        self.scheduler = BackgroundScheduler(
            # ticks and beats have their own thread: busy jobs must not look like a dead worker
            executors={"default": ThreadPoolExecutor(THREADS), "pulse": ThreadPoolExecutor(1)},
            job_defaults={"coalesce": True, "max_instances": 1, "misfire_grace_time": None},
            timezone="UTC",
        )
        for work, seconds in ((self.tick, TICK_SECONDS), (self.beat, BEAT_SECONDS)):
            self.scheduler.add_job(
                self._once_logged,
                "interval",
                args=(work,),
                seconds=seconds,
                executor="pulse",
                id=work.__name__,
                next_run_time=datetime.now(self.scheduler.timezone),
            )
        self.scheduler.start()

    def stop(self) -> bool:
        """Start nothing any more and wait for what runs; False when that takes too long."""
        self.scheduler.pause()
        ending = threading.Thread(target=self.scheduler.shutdown, daemon=True)
        ending.start()
        ending.join(STOP_SECONDS)
        return not ending.is_alive()

    def tick(self) -> None:
        """Hand every due job to a thread, unless it is running already."""
        for name in self.store.due_jobs(self.clock()):
            if name in self.jobs and name not in self.running and not self.stopping.is_set():
                self.running[name] = time.monotonic()
                # `replace_existing`: the last one-shot of this name may not be cleared away yet
                self.scheduler.add_job(self._run, args=(name,), id=name, replace_existing=True)

    def beat(self) -> None:
        """Note that the worker is alive, unless a job hangs."""
        now = time.monotonic()
        if not any(now - started > HUNG_SECONDS for started in self.running.values()):
            self.store.beat(WORKER, os.getpid(), self.clock())

    def _run(self, name: str) -> None:
        try:
            self._once_logged(run_job, self.store, self.jobs[name], self.clock, self.stopping)
        finally:
            self.running.pop(name, None)

    def _once_logged(self, work: Callable[..., object], *arguments: object) -> None:
        """Call; log on the edge when even our own bookkeeping fails (a database that is away)."""
        name = work.__name__
        try:
            work(*arguments)
        except Exception as error:
            if not self.broken.get(name):
                log.exception("bookkeeping failing", work=name, error=type(error).__name__)
            self.broken[name] = True
        else:
            if self.broken.pop(name, False):
                log.info("bookkeeping recovered", work=name)
