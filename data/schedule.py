"""Jobs, their due times and runs, and the worker's sign of life."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import Connection, delete, select, update

from data.plain import clean
from data.rows import insert, upsert
from data.tables import JobRow, JobRun, Worker, table

JOB, RUN, WORKER = table(JobRow), table(JobRun), table(Worker)
#: Runs are kept this long; failures and work done are what people look back for.
KEEP_RUNS = timedelta(days=14)


@dataclass(frozen=True, slots=True)
class JobPlan:
    """A job as the program declares it."""

    name: str
    label: str
    every_seconds: float


@dataclass(frozen=True, slots=True)
class JobState:
    """How a job's last run ended, for logging on the edge."""

    ok: bool | None
    failing_since: datetime | None


def declare(connection: Connection, plans: Sequence[JobPlan], now: datetime) -> None:
    """Make the job table match the program; due times of known jobs stay as they are."""
    known = {row.name for row in connection.execute(select(JOB.c.name))}
    names = [plan.name for plan in plans]
    connection.execute(delete(JOB).where(JOB.c.name.not_in(names)))
    for plan in plans:
        values = {"label": plan.label, "every_seconds": plan.every_seconds}
        if plan.name in known:
            connection.execute(update(JOB).where(JOB.c.name == plan.name).values(**values))
        else:
            row = {"name": plan.name, **values, "due_at": now, "runs": 0, "message": ""}
            connection.execute(insert(connection, JOB).on_conflict_do_nothing().values(row))


def due(connection: Connection, now: datetime) -> list[str]:
    """Names of jobs whose time has come, the longest overdue first."""
    rows = connection.execute(select(JOB.c.name).where(JOB.c.due_at <= now).order_by(JOB.c.due_at))
    return [row.name for row in rows]


def make_due(connection: Connection, name: str, now: datetime) -> None:
    """Let a job run at once instead of at its time."""
    connection.execute(update(JOB).where(JOB.c.name == name, JOB.c.due_at > now).values(due_at=now))


def start(connection: Connection, name: str, now: datetime) -> int | None:
    """Claim a due job: its run's id, or None when it is not due or somebody else claimed it."""
    row = connection.execute(select(JOB).where(JOB.c.name == name)).first()
    if row is None or row.due_at > now:
        return None
    claimed = connection.execute(
        update(JOB)
        .where(JOB.c.name == name, JOB.c.due_at == row.due_at)
        .values(due_at=now + timedelta(seconds=row.every_seconds), started_at=now)
    )
    if claimed.rowcount != 1:
        return None
    key = connection.execute(
        RUN.insert().values(job=name, started_at=now, message="", items=0)
    ).inserted_primary_key
    assert key is not None
    return int(key[0])


def finish(
    connection: Connection,
    run_id: int,
    *,
    ok: bool,
    message: str,
    items: int,
    now: datetime,
    due_at: datetime | None,
) -> JobState:
    """Close a run and say how the job stood before it; an idle run leaves no row behind.

    `due_at`: when to run again, if not at the usual time.
    """
    run = connection.execute(select(RUN).where(RUN.c.id == run_id)).one()
    job = connection.execute(select(JOB).where(JOB.c.name == run.job)).first()
    if ok and items == 0:
        connection.execute(delete(RUN).where(RUN.c.id == run_id))
    else:
        connection.execute(
            update(RUN)
            .where(RUN.c.id == run_id)
            .values(finished_at=now, ok=ok, message=clean(message)[:2_000], items=items)
        )
    if job is None:
        return JobState(None, None)
    values: dict[str, Any] = {
        "finished_at": now,
        "ok": ok,
        "message": clean(message)[:2_000],
        "runs": JOB.c.runs + 1,
        "failing_since": None if ok else (job.failing_since or now),
    }
    if due_at is not None:
        values["due_at"] = due_at
    connection.execute(update(JOB).where(JOB.c.name == run.job).values(**values))
    return JobState(job.ok, job.failing_since)


def close_interrupted(connection: Connection, now: datetime) -> int:
    """Close runs that a dead worker left open, make their jobs due at once, drop old runs."""
    open_runs = connection.execute(select(RUN).where(RUN.c.finished_at.is_(None))).all()
    for run in open_runs:
        connection.execute(
            update(RUN)
            .where(RUN.c.id == run.id)
            .values(finished_at=now, ok=False, message="Interrupted: the worker stopped.")
        )
        connection.execute(update(JOB).where(JOB.c.name == run.job).values(due_at=now))
    connection.execute(delete(RUN).where(RUN.c.started_at < now - KEEP_RUNS))
    return len(open_runs)


def beat(connection: Connection, name: str, pid: int, now: datetime) -> None:
    """Note that the worker is alive."""
    row = {"name": name, "pid": pid, "started_at": now, "beat_at": now}
    known = connection.execute(select(WORKER).where(WORKER.c.name == name)).first()
    if known is not None and known.pid == pid:
        row["started_at"] = known.started_at
    upsert(connection, WORKER, [row])


def heartbeat(connection: Connection) -> tuple[int, datetime] | None:
    """Process id and time of the last sign of life of any worker."""
    row = connection.execute(select(WORKER).order_by(WORKER.c.beat_at.desc()).limit(1)).first()
    return (row.pid, row.beat_at) if row else None
