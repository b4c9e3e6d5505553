"""`kill -9` in the middle of everything: nothing is lost, nothing is done twice."""

from __future__ import annotations

import os
import shutil
import signal
import sqlite3
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from itertools import pairwise
from pathlib import Path
from random import Random

import pytest
from conftest import FakeClock
from loop_world import (
    CURSOR,
    ENGAGEMENT,
    EXCEPTION,
    LOG,
    OUTBOX,
    RECORD,
    Loop,
    Seen,
    WallClock,
    held_scores,
    running,
    watch_scores,
)
from processes import Started, eventually, started

from app.write_back import shown_points
from connectors.sandbox.server import Sandbox, start_sandbox
from scoring.engine import compile_rule_set
from scoring.inputs import inputs_from_json
from scoring.leads import RecordKey
from scoring.rules import default_rule_set

LEADS, DICE = 1_000, Random(20_261)
#: Where each kill falls: after so many more calls to the CRMs, or after so many more scores have
#: arrived in one of them, in the middle of a batch. Seconds would hit other places elsewhere.
KILLS = [
    *(("calls", DICE.randint(8, 50)) for _ in range(3)),
    *(("scores", DICE.randint(1, 150)) for _ in range(3)),
    *(("calls", DICE.randint(20, 60)) for _ in range(2)),
    *(("scores", DICE.randint(1, 150)) for _ in range(2)),
]


@dataclass
class Killer:
    """Kills a worker in the thread that receives its scores: between two records of a batch."""

    pid: int = 0
    left: int = 0

    def count(self) -> None:
        """One more score has arrived."""
        self.left -= 1
        if self.left == 0:
            with suppress(ProcessLookupError):
                os.kill(self.pid, signal.SIGKILL)


@dataclass(frozen=True)
class Aftermath:
    """Two runs over the same world: one left in peace, one killed ten times."""

    calm: Loop
    killed: Loop
    arrived: Mapping[RecordKey, Sequence[Seen]]
    caught_sending: int  # kills that hit while scores were under way
    intact: Sequence[str]  # what SQLite said about its file after each kill


@pytest.fixture(scope="module")
def after(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Aftermath]:
    calm_home, killed_home = (tmp_path_factory.mktemp(name) for name in ("calm", "killed"))
    start_sandbox(calm_home / "sandbox", leads=LEADS, seed=7).stop()
    shutil.copytree(calm_home / "sandbox", killed_home / "sandbox")
    with ExitStack() as stack:
        patch = stack.enter_context(pytest.MonkeyPatch.context())
        now = FakeClock(datetime.now(UTC))
        calm = stack.enter_context(running(calm_home, now, leads=LEADS, seed=7))
        calm.settle()
        killed = stack.enter_context(running(killed_home, WallClock(), leads=LEADS, seed=7))
        # limits of calls per second would only make the workers wait
        killed.switch("hubspot.searches_per_second", "1000")
        killed.switch("hubspot.ten_seconds", "100000")
        killer = Killer()
        arrived = watch_scores(killed.sandbox.state, patch, killer.count)
        caught, intact = kill_ten_times(killed, killed_home, killer)
        yield Aftermath(calm, killed, arrived, caught, intact)


def kill_ten_times(loop: Loop, home: Path, killer: Killer) -> tuple[int, list[str]]:
    """Start and kill the worker ten times, then let one finish."""
    environment = settings(loop.sandbox)
    sending, intact = 0, []
    for kind, number in KILLS:
        with started(["worker", "--until-idle"], home, environment) as worker:
            if kind == "scores":
                killer.pid, killer.left = worker.process.pid, number
                assert worker.process.wait(60) == -signal.SIGKILL, worker.said
            else:
                kill_after(worker, loop.sandbox, number)
        sending += bool(loop.count(OUTBOX, OUTBOX.c.state == "sending"))
        intact.append(integrity(home))
    with started(["worker", "--until-idle"], home, environment) as worker:
        worker.process.communicate(timeout=120)
        assert worker.process.returncode == 0, worker.said
    return sending, intact


def kill_after(worker: Started, sandbox: Sandbox, calls: int) -> None:
    """`kill -9` as soon as the CRMs have received so many more calls."""
    until = len(sandbox.requests) + calls

    def reached() -> bool:
        assert worker.process.poll() is None, f"it ended before its kill: {worker.said}"
        return len(sandbox.requests) >= until

    eventually(reached, seconds=60)
    assert worker.end(signal.SIGKILL) == -signal.SIGKILL


def integrity(home: Path) -> str:
    """What SQLite says about its file."""
    with sqlite3.connect(home / "leadlight.db") as connection:
        return str(connection.execute("PRAGMA integrity_check").fetchone()[0])


def settings(sandbox: Sandbox) -> dict[str, str]:
    """The worker's environment."""
    return {
        "LEADLIGHT_HUBSPOT_TOKEN": sandbox.hubspot_token,
        "LEADLIGHT_HUBSPOT_BASE_URL": sandbox.hubspot_url,
        "LEADLIGHT_SALESFORCE_INSTANCE_URL": sandbox.salesforce_url,
        "LEADLIGHT_SALESFORCE_CLIENT_ID": sandbox.salesforce_client_id,
        "LEADLIGHT_SALESFORCE_CLIENT_SECRET": sandbox.salesforce_client_secret,
    }


def people(loop: Loop) -> dict[frozenset[str], str]:
    """Who is who, and the hash of all that each lead's score is made of."""
    members: dict[int, set[str]] = {}
    for row in loop.rows(RECORD):
        members.setdefault(row.lead_id, set()).add(row.key)
    return {frozenset(members[lead.id]): lead.inputs_hash for lead in loop.leads()}


def test_the_kills_hit_scores_under_way_and_leave_the_database_intact(after: Aftermath) -> None:
    assert after.caught_sending >= 3
    assert after.intact == ["ok"] * len(KILLS)


def test_every_lead_is_the_same_as_without_a_crash(after: Aftermath) -> None:
    calm, killed = people(after.calm), people(after.killed)
    assert len(killed) > 900
    assert killed == calm


def test_every_score_is_what_its_inputs_give(after: Aftermath) -> None:
    scorer = compile_rule_set(default_rule_set())
    current = {lead.id: lead for lead in after.killed.leads() if lead.score_value is not None}
    assert len(current) > 900
    newest = {row.lead_id: row for row in sorted(after.killed.rows(LOG), key=lambda row: row.id)}
    for lead in current.values():
        row = newest[lead.id]
        facts, engagements = inputs_from_json(row.inputs)
        assert scorer.score(facts, engagements, row.scored_at).value == row.value
        assert lead.score_value == row.value


def test_every_record_holds_our_score_and_got_none_twice(after: Aftermath) -> None:
    ours = after.killed.shown_scores()
    held = held_scores(after.killed.sandbox.state)
    calm = held_scores(after.calm.sandbox.state)
    assert len(held) > 900
    assert held.keys() == calm.keys()
    assert held.keys() <= ours.keys()
    written = {
        RecordKey.parse(row.key): shown_points(row.written_value)
        for row in after.killed.rows(RECORD, RECORD.c.written_value.is_not(None))
    }
    assert written == held
    for record, seen in after.arrived.items():
        assert all(one.score != other.score for one, other in pairwise(seen)), (record, seen)
        assert len({one.scored_at for one in seen}) == len(seen), (record, seen)
        assert seen[-1].score == held[record]
    once = sum(len(seen) == 1 for seen in after.arrived.values())
    assert once > 0.9 * len(after.arrived)  # the rest turned out to be known to the other CRM too


def test_nothing_waits_and_every_stream_is_read_to_its_end(after: Aftermath) -> None:
    assert after.killed.rows(OUTBOX) == []
    read = {(row.crm, row.stream): row.complete for row in after.killed.rows(CURSOR)}
    assert read == {(row.crm, row.stream): row.complete for row in after.calm.rows(CURSOR)}
    assert all(read.values())


def test_what_people_did_and_what_is_doubtful_is_known_once(after: Aftermath) -> None:
    def behaviour(loop: Loop) -> list[tuple[str, bool]]:
        return sorted((row.key, row.lead_id is not None) for row in loop.rows(ENGAGEMENT))

    def doubts(loop: Loop) -> list[tuple[str, str, str]]:
        rows = loop.rows(EXCEPTION, EXCEPTION.c.state == "open")
        return sorted((row.kind, row.record_key, row.message) for row in rows)

    def tasks(loop: Loop) -> list[str]:
        return [one.id for one in loop.sandbox.state.select("type IN ('tasks', 'Task')")]

    assert tasks(after.killed) == tasks(after.calm)
    assert behaviour(after.killed) == behaviour(after.calm)
    assert doubts(after.killed) == doubts(after.calm)
