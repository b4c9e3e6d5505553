"""Jobs: due times that outlive the process, failures that stay with their job, and clean stops."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from conftest import FakeClock
from processes import eventually
from structlog.testing import capture_logs

from app import jobs
from app.work import Job, JobOutcome
from data import metrics
from data.store import Store


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    opened = Store.open(f"sqlite:///{tmp_path / 'jobs.db'}", migrate=True)
    yield opened
    opened.close()


@dataclass
class Worklist:
    """Real work: so many items are left; each run takes some. Raises while `broken` is set."""

    left: int = 0
    a_run: int = 10
    broken: str = ""
    ran_at: list[datetime] = field(default_factory=list)

    def run(self, now: datetime) -> JobOutcome:
        self.ran_at.append(now)
        if self.broken:
            raise RuntimeError(self.broken)
        taken = min(self.left, self.a_run)
        self.left -= taken
        return JobOutcome(f"{taken} items", taken, again=self.left > 0)


def job(name: str, run: Callable[[datetime], JobOutcome], every: float = 60.0) -> Job:
    return Job(name, name.capitalize(), every, run)


def declared(store: Store, clock: FakeClock, *work: Job) -> list[Job]:
    jobs.declare(store, work, clock())
    return list(work)


def health(store: Store, name: str, clock: FakeClock) -> metrics.JobHealth:
    return next(row for row in metrics.job_health(store, clock()) if row.name == name)


def test_a_job_runs_when_it_is_due_and_then_at_its_interval(store: Store, clock: FakeClock) -> None:
    poll = Worklist()
    work = declared(store, clock, job("poll", poll.run, every=60))
    for seconds in (0, 30, 29, 1, 10, 50):
        clock.advance(seconds)
        jobs.run_due(store, work, clock)
    first, second, third = poll.ran_at
    assert (second - first, third - second) == (timedelta(seconds=60), timedelta(seconds=60))


def test_a_due_time_outlives_the_process(store: Store, clock: FakeClock) -> None:
    poll = Worklist()
    jobs.run_due(store, declared(store, clock, job("poll", poll.run, every=3600)), clock)
    clock.advance(3000)
    restarted = declared(store, clock, job("poll", poll.run, every=3600))
    assert jobs.run_due(store, restarted, clock) == {}
    clock.advance(600)
    assert list(jobs.run_due(store, restarted, clock)) == ["poll"]


def test_a_missed_interval_is_made_up_for_once(store: Store, clock: FakeClock) -> None:
    poll = Worklist()
    work = declared(store, clock, job("poll", poll.run, every=10))
    jobs.run_due(store, work, clock)
    clock.advance(1000)
    jobs.run_due(store, work, clock)
    assert jobs.run_due(store, work, clock) == {}
    assert len(poll.ran_at) == 2


def test_a_job_that_has_more_to_do_goes_on_at_once(store: Store, clock: FakeClock) -> None:
    poll = Worklist(left=35)
    outcome = jobs.run_due(store, declared(store, clock, job("poll", poll.run)), clock)["poll"]
    assert (outcome.items, poll.left) == (35, 0)


def test_a_job_out_of_breath_lets_others_run_and_is_due_again(
    store: Store, clock: FakeClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(jobs, "BREATH_SECONDS", -1.0)
    long, short = Worklist(left=20), Worklist(left=1)
    work = declared(store, clock, job("long", long.run), job("short", short.run))
    assert jobs.run_due(store, work, clock)["long"].items == 10
    assert short.left == 0
    assert list(jobs.run_due(store, work, clock)) == ["long"]


def test_a_job_that_raises_is_recorded_and_stops_no_other(store: Store, clock: FakeClock) -> None:
    bad, good = Worklist(broken="the disk is full"), Worklist(left=1)
    work = declared(store, clock, job("bad", bad.run), job("good", good.run))
    outcomes = jobs.run_due(store, work, clock)
    assert (outcomes["bad"].ok, outcomes["good"].ok) == (False, True)
    shown = health(store, "bad", clock)
    assert (shown.state, shown.message) == ("failing", "RuntimeError: the disk is full")


def test_a_fault_is_put_before_a_person(store: Store, clock: FakeClock) -> None:
    work = declared(store, clock, job("bad", Worklist(broken="the disk is full").run))
    jobs.run_due(store, work, clock)
    (item,) = metrics.open_exceptions(store, 10)
    assert item.kind == "job_failed"
    assert item.message == "Bad: RuntimeError: the disk is full"
    assert "Traceback" in item.detail


def test_a_failing_job_is_tried_again_soon(store: Store, clock: FakeClock) -> None:
    bad = Worklist(broken="no route")
    work = declared(store, clock, job("bad", bad.run, every=3600))
    jobs.run_due(store, work, clock)
    clock.advance(jobs.FAILED_WAIT_SECONDS)
    jobs.run_due(store, work, clock)
    assert len(bad.ran_at) == 2


def test_failing_is_logged_once_and_so_is_recovery(store: Store, clock: FakeClock) -> None:
    flaky = Worklist(broken="no route")
    work = declared(store, clock, job("flaky", flaky.run, every=10))
    with capture_logs() as logged:
        for reason in ("no route", "no route", "no route", "", ""):
            flaky.broken = reason
            jobs.run_due(store, work, clock)
            clock.advance(10)
    assert [line["event"] for line in logged] == ["job failing", "job recovered"]
    assert logged[1]["failed_for_seconds"] == 30


def test_a_pause_that_was_asked_for_is_kept(store: Store, clock: FakeClock) -> None:
    outcomes = [JobOutcome("slow down", wait_seconds=25), JobOutcome("fine")]
    work = declared(store, clock, job("poll", lambda _: outcomes.pop(0), every=5))
    jobs.run_due(store, work, clock)
    clock.advance(24)
    assert jobs.run_due(store, work, clock) == {}
    clock.advance(1)
    assert jobs.run_due(store, work, clock)["poll"].message == "fine"


def test_a_job_that_somebody_else_claimed_is_left_alone(store: Store, clock: FakeClock) -> None:
    poll = Worklist()
    (work,) = declared(store, clock, job("poll", poll.run))
    assert store.start_job("poll", clock()) is not None
    assert jobs.run_job(store, work, clock) is None
    assert poll.ran_at == []


def test_until_idle_runs_what_is_not_due_and_what_others_leave(
    store: Store, clock: FakeClock
) -> None:
    outbox: list[int] = []
    source = Worklist(left=25)

    def read(now: datetime) -> JobOutcome:
        outcome = source.run(now)
        outbox.extend(range(outcome.items))
        return outcome

    def write(_now: datetime) -> JobOutcome:
        count = len(outbox)
        outbox.clear()
        return JobOutcome("", count)

    work = declared(store, clock, job("write", write), job("read", read))
    jobs.run_due(store, work, clock)  # nothing is due any more, and 25 items wait to be written
    jobs.run_until_idle(store, work, clock)
    assert (source.left, outbox) == (0, [])


def test_until_idle_ends_although_a_job_fails(store: Store, clock: FakeClock) -> None:
    work = declared(
        store, clock, job("bad", Worklist(broken="no").run), job("good", Worklist(left=30).run)
    )
    outcomes = jobs.run_until_idle(store, work, clock)
    assert (outcomes["bad"].ok, outcomes["good"].ok) == (False, True)


def test_until_idle_waits_out_a_short_pause(store: Store, clock: FakeClock) -> None:
    outcomes = [JobOutcome("slow down", wait_seconds=0.01), JobOutcome("done", 5), JobOutcome()]
    work = declared(store, clock, job("poll", lambda _: outcomes.pop(0)))
    jobs.run_until_idle(store, work, clock)
    assert outcomes == []


def test_until_idle_stops_when_told_to(store: Store, clock: FakeClock) -> None:
    stopping = threading.Event()

    def endless(_now: datetime) -> JobOutcome:
        stopping.set()
        return JobOutcome("", 1, again=True)

    work = declared(store, clock, job("endless", endless))
    assert jobs.run_until_idle(store, work, clock, stopping)["endless"].items == 1


def test_a_job_that_is_gone_from_the_program_is_gone_from_the_table(
    store: Store, clock: FakeClock
) -> None:
    declared(store, clock, job("old", Worklist().run))
    declared(store, clock, job("new", Worklist().run))
    assert [row.name for row in metrics.job_health(store, clock())] == ["new"]


@pytest.fixture
def serving(store: Store) -> Iterator[Callable[..., Any]]:
    """A function that serves jobs in a thread, in real time; stopped after the test."""
    stopping = threading.Event()
    ended: list[bool] = []
    threads: list[threading.Thread] = []

    def serve(*work: Job) -> Callable[[], bool]:
        from app.worker import utc_now

        thread = threading.Thread(
            target=lambda: ended.append(jobs.serve(store, work, utc_now, stopping))
        )
        thread.start()
        threads.append(thread)

        def stop() -> bool:
            stopping.set()
            thread.join(20)
            return ended[0]

        return stop

    yield serve
    stopping.set()
    for thread in threads:
        thread.join(20)


def test_a_served_job_repeats_and_stops_cleanly(
    store: Store, serving: Callable[..., Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(jobs, "TICK_SECONDS", 0.05)
    poll, bad = Worklist(), Worklist(broken="no")
    stop = serving(job("poll", poll.run, every=0.1), job("bad", bad.run, every=0.1))
    eventually(lambda: len(poll.ran_at) >= 3)
    assert store.heartbeat() is not None
    assert stop() is True
    assert health(store, "bad", FakeClock(poll.ran_at[-1])).state == "failing"


def test_a_running_job_is_not_started_a_second_time(
    serving: Callable[..., Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(jobs, "TICK_SECONDS", 0.02)
    inside, most, release, other = [0], [0], threading.Event(), Worklist()

    def slow(_now: datetime) -> JobOutcome:
        inside[0] += 1
        most[0] = max(most[0], inside[0])
        release.wait(10)
        inside[0] -= 1
        return JobOutcome()

    stop = serving(job("slow", slow, every=0.01), job("other", other.run, every=0.05))
    eventually(lambda: len(other.ran_at) >= 4)
    release.set()
    assert stop() is True
    assert most == [1]


def test_a_stop_does_not_wait_for_ever(
    store: Store, serving: Callable[..., Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(jobs, "TICK_SECONDS", 0.02)
    monkeypatch.setattr(jobs, "STOP_SECONDS", 0.1)
    began, release = threading.Event(), threading.Event()

    def stuck(_now: datetime) -> JobOutcome:
        began.set()
        release.wait(10)
        return JobOutcome()

    stop = serving(job("stuck", stuck))
    assert began.wait(10)
    assert stop() is False
    release.set()


def test_a_hanging_job_silences_the_heartbeat(store: Store, clock: FakeClock) -> None:
    rounds = jobs._Rounds(store, {}, clock, threading.Event())
    rounds.beat()
    first = store.heartbeat()
    clock.advance(60)
    rounds.running["stuck"] = -jobs.HUNG_SECONDS * 1e6
    rounds.beat()
    assert store.heartbeat() == first


def test_what_a_dead_worker_was_doing_is_due_at_once(
    store: Store, serving: Callable[..., Any], clock: FakeClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(jobs, "TICK_SECONDS", 0.02)
    poll = Worklist()
    (work,) = declared(store, clock, job("poll", poll.run, every=1e6))
    assert store.start_job("poll", clock()) is not None  # and the worker died here
    stop = serving(work)
    eventually(lambda: len(poll.ran_at) == 1)
    assert stop() is True
