"""Bands with a capacity and a dwell in the running product, through the store."""

from __future__ import annotations

import random
import threading
from collections import defaultdict
from collections.abc import Iterator, Sequence
from datetime import datetime, timedelta
from itertools import pairwise
from pathlib import Path

import pytest
from band_world import DAY, ENTRY, LEAD, LOG, THRESHOLD, WEEK, Office, rules
from store_world import DATABASES, commit, emptied, opened

from app.jobs import declare
from app.replay_cli import replay_log
from data.store import CursorMove, Store
from scoring.leads import CrmRecord

HOT = "from: 60, capacity: {per_week: 3}"


@pytest.fixture(scope="module", params=DATABASES)
def database(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Store]:
    """One store for the module: each test finds it empty."""
    with opened(request, tmp_path_factory.mktemp("bands")) as store:
        yield store


@pytest.fixture
def office(database: Store) -> Office:
    return Office(emptied(database))


@pytest.fixture
def here(tmp_path: Path) -> Iterator[Office]:
    """On SQLite alone, for what takes long."""
    store = Store.open(f"sqlite:///{tmp_path / 'leads.db'}", migrate=True)
    yield Office(store)
    store.close()


def busiest(times: Sequence[datetime]) -> int:
    """The most of these times that fall within any 7 days."""
    ordered = sorted(times)
    return max((sum(at - WEEK < one <= at for one in ordered) for at in ordered), default=0)


# -- room ------------------------------------------------------------------------------------------


def test_the_best_of_a_page_come_in_and_the_rest_wait_in_the_next_band(office: Office) -> None:
    office.publish(rules(HOT))
    office.arrive(70, 95, 61, 80, 90, 40)
    assert office.scores_in("hot") == [95, 90, 80]
    assert office.scores_in("warm") == [70, 61, 40]
    assert office.scores_waiting() == [70, 61]
    assert [(row.band, row.owner) for row in office.rows(ENTRY)] == [("hot", "")] * 3


def test_who_waits_comes_in_when_an_entry_is_a_week_old(office: Office) -> None:
    office.publish(rules(HOT))
    office.arrive(70, 95, 61, 80, 90)
    office.clock.moment += WEEK - timedelta(seconds=1)
    office.rescore()
    assert office.scores_in("hot") == [95, 90, 80]
    office.clock.advance(1)
    office.rescore()
    assert office.scores_in("hot") == [95, 90, 80, 70, 61]
    assert office.scores_waiting() == []


def test_a_new_lead_does_not_pass_a_better_one_that_waits(office: Office) -> None:
    office.publish(rules("from: 60, capacity: {per_week: 1}"))
    office.arrive(90, 80, 75)
    office.clock.moment += WEEK
    office.arrive(70)  # there is room now, and the worker has not looked yet
    assert office.scores_in("hot") == [90, 80]
    assert office.scores_waiting() == [75, 70]


def test_each_owner_has_room_of_their_own(office: Office) -> None:
    office.publish(rules("from: 60, capacity: {per_week: 1, per: owner}"))
    office.arrive(70, 80, owner="Ann")
    office.arrive(65, owner="Bob")
    office.arrive(62, 61)
    assert office.scores_in("hot") == [80, 65, 62]
    assert office.scores_waiting() == [70, 61]
    office.clock.moment += WEEK
    office.rescore()
    assert office.scores_waiting() == []


def test_two_workers_at_once_let_in_no_more_than_the_capacity(office: Office) -> None:
    office.publish(rules("from: 60, capacity: {per_week: 7}"))
    second = Office(office.store, office.clock, people=1_000)
    start, failures = threading.Barrier(2), []

    def work(one: Office) -> None:
        start.wait(10)
        try:
            for _ in range(5):
                one.arrive(*(61 + n for n in range(4)))
        except Exception as error:
            failures.append(error)

    workers = [threading.Thread(target=work, args=(one,)) for one in (office, second)]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join(60)
    assert failures == []
    assert len(office.scores_in("hot")) == len(office.rows(ENTRY)) == 7
    assert len(office.scores_waiting()) == 33


def test_while_a_crm_is_read_for_the_first_time_everybody_waits_for_the_best(
    office: Office,
) -> None:
    office.publish(rules(HOT))
    for before, after, complete in (("", "a", False), ("a", "b", True)):
        move = CursorMove("hubspot", "contacts", before, after, complete=complete)
        commit(office.store, office.clock(), cursor=move)
        office.arrive(*((70, 61, 65, 62) if not complete else (90, 80)))
        if not complete:
            assert office.scores_in("hot") == []
    office.rescore()
    assert office.scores_in("hot") == [90, 80, 70]


def test_a_first_read_that_is_stuck_holds_nobody_back(office: Office) -> None:
    office.publish(rules(HOT))
    move = CursorMove("hubspot", "contacts", "", "a", complete=False)
    commit(office.store, office.clock(), cursor=move)
    office.clock.advance(601)
    office.arrive(70)
    assert office.scores_in("hot") == [70]


def test_after_a_publish_the_best_under_the_new_rules_come_in(here: Office) -> None:
    """The old order says nothing: who is rescored first must not take the room."""
    here.publish(rules("from: 99"))
    dice = random.Random(3)
    for _ in range(5):
        here.arrive(*(dice.uniform(1, 98) for _ in range(90)))
    here.publish(rules("from: 50, capacity: {per_week: 12}", turned=True))
    assert here.rescore() >= 450
    values = sorted((row.score_value for row in here.rows(LEAD)), reverse=True)
    assert [round(score * 1_000) for score in here.scores_in("hot")] == values[:12]
    assert len({row.rule_set_hash for row in here.rows(LEAD)}) == 1


# -- thresholds ------------------------------------------------------------------------------------


def test_a_threshold_rises_with_the_inflow_and_comes_down_with_time(office: Office) -> None:
    office.publish(rules(HOT))
    office.arrive(*range(61, 91))
    assert len(office.scores_waiting()) == 27
    assert office.pipeline.move_thresholds(office.clock()).items == 1
    (moved,) = office.rows(THRESHOLD)
    assert (moved.queue, moved.threshold) == ("hot", 87_001)
    office.rescore()
    assert office.scores_waiting() == []  # they would not be let in before others
    assert office.pipeline.move_thresholds(office.clock()).items == 0
    office.clock.moment += 29 * DAY
    office.pipeline.move_thresholds(office.clock())
    (moved,) = office.rows(THRESHOLD)
    assert moved.threshold == 77_001
    office.rescore()
    assert office.scores_in("hot") == [90, 89, 88, 87, 86, 85]
    assert office.scores_waiting() == [84, 83, 82, 81, 80, 79, 78]


def test_a_threshold_that_did_not_move_makes_nobody_due(office: Office) -> None:
    office.publish(rules(HOT))
    office.arrive(*range(61, 91))
    office.pipeline.move_thresholds(office.clock())
    office.rescore()
    due = [row.due_at for row in office.rows(LEAD)]
    assert office.pipeline.move_thresholds(office.clock()).items == 0
    assert [row.due_at for row in office.rows(LEAD)] == due


def test_thresholds_follow_each_owners_inflow(office: Office) -> None:
    office.publish(rules("from: 60, capacity: {per_week: 2, per: owner}"))
    office.arrive(*range(61, 91), owner="Ann")
    office.arrive(61, 62, owner="Bob")
    office.pipeline.move_thresholds(office.clock())
    found = {row.queue: row.threshold for row in office.rows(THRESHOLD)}
    assert found == {"hot:Ann": 88_001, "hot:Bob": 60_000}
    office.clock.moment += WEEK
    office.arrive(80, owner="Ann")
    office.arrive(80, owner="Bob")
    assert office.scores_in("hot") == [90, 89, 80, 62, 61]


def test_rules_without_a_capacity_forget_the_thresholds(office: Office) -> None:
    office.publish(rules(HOT))
    office.arrive(*range(61, 91))
    office.pipeline.move_thresholds(office.clock())
    office.publish(rules("from: 60"))
    office.rescore()
    office.pipeline.move_thresholds(office.clock())
    assert office.rows(THRESHOLD) == []
    assert len(office.scores_in("hot")) == 30


def test_after_a_publish_the_thresholds_move_as_soon_as_everybody_is_rescored(
    office: Office,
) -> None:
    office.publish(rules("from: 60"))
    declare(office.store, office.pipeline.jobs(), office.clock())
    run = office.store.start_job("thresholds", office.clock())
    assert run is not None
    office.store.finish_job(run, ok=True, message="", items=1, now=office.clock())
    office.arrive(61, 62)
    office.publish(rules(HOT))
    assert "thresholds" not in office.store.due_jobs(office.clock())
    office.rescore()
    assert "thresholds" in office.store.due_jobs(office.clock())


# -- weeks of it -----------------------------------------------------------------------------------


def test_sixty_days_hold_to_capacity_and_dwell_and_replay(here: Office) -> None:
    """Leads arrive, visit, fade and wait; all that was decided computes again to the same bytes."""
    here.publish(
        rules(
            "from: 55, leave_at: 45, dwell_days: 4, capacity: {per_week: 4}",
            warm="from: 30, leave_at: 27, dwell_days: 2",
            half_life_days=6,
        )
    )
    dice = random.Random(11)
    people: list[CrmRecord] = []
    thresholds: list[int] = []
    waited = 0
    for _ in range(60):
        here.clock.advance(86_400 + dice.randint(-600, 600))
        fresh = [here.person(dice.choice((5, 20, 35, 50))) for _ in range(dice.randint(1, 4))]
        people += fresh
        known = dice.sample(people, min(len(people), 3))
        visits = [here.visit(one, n) for one in fresh + known for n in range(dice.randint(0, 3))]
        here.read(fresh, visits)
        here.pipeline.move_thresholds(here.clock())
        thresholds += [row.threshold for row in here.rows(THRESHOLD)]
        here.rescore()
        waited = max(waited, len(here.scores_waiting()))
    entered = here.entered("hot")
    assert busiest(entered) == 4  # used to the full, never more
    assert waited
    assert len(entered) == len(here.rows(ENTRY)) + sum(
        at <= here.clock() - 28 * DAY for at in entered
    )
    assert max(thresholds) > 55_000
    moves = [day for day, (a, b) in enumerate(pairwise(thresholds)) if a != b]
    falls = [day for day, (a, b) in enumerate(pairwise(thresholds)) if a > b]
    assert falls
    for day in falls:  # never to and fro: down only after a quiet week
        assert all(day - other >= 7 for other in moves if other < day)
    changes = defaultdict(list)
    for row in here.rows(LOG, LOG.c.band != LOG.c.previous_band):
        changes[row.lead_id].append(row)
    for rows in changes.values():
        for row, after in pairwise(rows):
            dwell = {"hot": 4, "warm": 2}.get(row.band, 0)
            assert after.scored_at - row.scored_at >= dwell * DAY
    assert any(len(rows) > 3 for rows in changes.values())
    found = replay_log(here.store)
    assert (found.same, found.code) == (len(here.rows(LOG)), 0)
    assert any(row.situation and row.situation.get("full") for row in here.rows(LOG))
