"""The history of leads out of the store: what was known when, on both databases."""

from __future__ import annotations

from datetime import datetime, timedelta
from functools import partial
from typing import Any

import numpy as np
import pytest
from store_world import DATABASES, NOW, emptied, key, opened, outcome, record, visit

from app.decide import Policy, decide
from data.history import data_end, read_history
from data.store import Incoming, Store
from scoring.columns import Coded, Dates, Numbers
from scoring.engine import compile_rule_set
from scoring.history import FOREVER, History
from scoring.inputs import instant, microseconds
from scoring.rules import default_rule_set

DAY = timedelta(days=1)
SOON = timedelta(seconds=20)  # after this long a poll has brought it
POLICY = Policy(compile_rule_set(default_rule_set()))
TYPES = dict(default_rule_set().fact_types) | {"city": "text"}


@pytest.fixture(scope="module", params=DATABASES)
def database(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Any:
    with opened(request, tmp_path_factory.mktemp("history")) as store:
        yield store


@pytest.fixture
def store(database: Store) -> Store:
    """An empty store whose HubSpot was read for the first time a year ago."""
    store = emptied(database)
    store.set_connection("hubspot", backfilled_at=NOW - 365 * DAY)
    return store


def came(store: Store, at: datetime, *, live: bool = True, **page: Any) -> None:
    """One page through the product's own decision."""
    since = NOW - 365 * DAY if live else None
    decided = partial(decide, policy=POLICY, now=at, cause="changed", seen_at=at, live_since=since)
    store.commit_page(Incoming(**page), now=at, decide=decided)


def known(history: History, name: str, *moments: datetime, lead: int = 0) -> list[Any]:
    """A fact of one lead at some instants; None = unknown."""
    rows = np.full(len(moments), lead)
    column = history.as_of(rows, np.array([microseconds(at) for at in moments])).facts[name]
    if isinstance(column, Coded):
        return [column.values[code - 1] if code else None for code in column.codes]
    if isinstance(column, Numbers):
        return [None if np.isnan(value) else value for value in column.values]
    assert isinstance(column, Dates)
    return [None if at == np.iinfo(np.int64).min else instant(int(at)) for at in column.at]


def read(store: Store, **options: Any) -> History:
    return read_history(store, TYPES.items(), **options)


def test_a_fact_changes_when_the_crm_says_so_and_we_have_read_it(store: Store) -> None:
    start = NOW - 30 * DAY
    came(store, start + SOON, records=[record(1, created_at=start, job_title="CEO")])
    changed = {"created_at": start, "modified_at": start + 3 * DAY}
    came(store, start + 3 * DAY + SOON, records=[record(1, **changed, job_title="Intern")])
    history = read(store)
    moments = [start, start + SOON, start + 3 * DAY, start + 3 * DAY + SOON, NOW]
    assert known(history, "job_title", *moments) == [None, "ceo", "ceo", "intern", "intern"]
    assert known(history, "seniority", *moments)[-1] != known(history, "seniority", *moments)[1]
    assert known(history, "age_days", start + DAY) == [start]


def test_a_fact_that_was_taken_away_is_unknown_from_then_on(store: Store) -> None:
    start = NOW - 30 * DAY
    came(store, start + SOON, records=[record(1, created_at=start, job_title="CEO")])
    changed = {"created_at": start, "modified_at": start + 3 * DAY}
    came(store, start + 4 * DAY, records=[record(1, **changed)])
    moments = [start + DAY, start + 4 * DAY - SOON, start + 4 * DAY]
    assert known(read(store), "job_title", *moments) == ["ceo", "ceo", None]


def test_a_change_that_moved_no_score_is_known_with_the_next_that_did(store: Store) -> None:
    start = NOW - 30 * DAY
    came(store, start + SOON, records=[record(1, created_at=start, city="Oslo")])
    changed = {"created_at": start, "modified_at": start + 3 * DAY, "city": "Bergen"}
    came(store, start + 3 * DAY + SOON, records=[record(1, **changed)])
    before = known(read(store), "city", start + DAY, start + 4 * DAY)
    changed |= {"modified_at": start + 5 * DAY, "job_title": "CEO"}
    came(store, start + 5 * DAY + SOON, records=[record(1, **changed)])
    after = known(read(store), "city", start + DAY, start + 4 * DAY, start + 6 * DAY)
    assert before == ["oslo", "oslo"]  # and what came on the sixth day does not change that
    assert after == ["oslo", "oslo", "bergen"]


def test_a_fact_that_a_first_read_brought_was_not_known_before(store: Store) -> None:
    """A record's own date tells no less: those that were touched again are those that converted."""
    start, read_at = NOW - 400 * DAY, NOW - 366 * DAY
    given = {"created_at": start, "modified_at": start, "job_title": "CEO"}
    came(store, read_at, live=False, records=[record(1, **given)])
    assert known(read(store), "job_title", read_at - SOON, read_at) == [None, "ceo"]
    assert known(read(store), "age_days", start + DAY) == [start]
    assert known(read(store, todays_facts=True), "job_title", start + DAY) == ["ceo"]


def test_what_is_true_later_is_not_true_before_though_it_is_known(store: Store) -> None:
    start = NOW - 30 * DAY
    ahead = record(1, created_at=start, modified_at=start + DAY, job_title="CEO")
    came(store, start + SOON, records=[ahead])
    assert known(read(store), "job_title", start + SOON, start + DAY) == [None, "ceo"]


def test_an_engagement_that_was_read_late_was_not_known_before(store: Store) -> None:
    start = NOW - 30 * DAY
    came(store, start + SOON, records=[record(1, created_at=start)])
    late = visit(1, key(1), occurred_at=start + DAY)
    prompt = visit(2, key(1), occurred_at=start + 2 * DAY)
    named = [
        type(event)(f"hubspot:{event.key}", event.kind, event.occurred_at, event.record)
        for event in (late, prompt)
    ]
    came(store, start + 2 * DAY + SOON, engagements=[named[1]])
    came(store, start + 9 * DAY, engagements=[named[0]])
    moments = [start + DAY + SOON, start + 2 * DAY, start + 2 * DAY + SOON, start + 9 * DAY]
    log = read(store).as_of(np.zeros(4, int), np.array([microseconds(at) for at in moments])).log
    assert np.diff(log.offsets).tolist() == [0, 0, 1, 2]


def test_an_engagement_of_the_first_read_counts_from_its_own_time(store: Store) -> None:
    start, read_at = NOW - 400 * DAY, NOW - 366 * DAY
    came(store, read_at, live=False, records=[record(1, created_at=start)])
    came(store, read_at, engagements=[visit(1, key(1), occurred_at=start + DAY)])
    log = read(store).as_of(np.zeros(1, int), np.array([microseconds(start + DAY)])).log
    assert len(log.at) == 1


def test_outcomes_say_when_a_lead_was_decided_and_won(store: Store) -> None:
    start = NOW - 30 * DAY
    came(store, start + SOON, records=[record(n, created_at=start) for n in (1, 2, 3)])
    lost = outcome(1, key(1), "lost", occurred_at=start + 2 * DAY)
    won = [outcome(n, key(n - 1), "won", occurred_at=start + n * DAY) for n in (2, 3)]
    came(store, start + 9 * DAY, outcomes=[lost, *won])
    history = read(store)
    day = {FOREVER: None} | {microseconds(start + n * DAY): n for n in range(9)}
    assert [day[at] for at in history.decided_at.tolist()] == [2, 3, None]
    assert [day[at] for at in history.won_at.tolist()] == [2, 3, None]


def test_joined_and_deleted_leads_are_not_there_by_themselves(store: Store) -> None:
    start = NOW - 30 * DAY
    people = [record(n, created_at=start) for n in (1, 2, 3, 4)]
    came(store, start + SOON, records=people)
    visits = [visit(n, key(n), occurred_at=start + DAY) for n in (2, 3, 4)]
    came(store, start + 2 * DAY, engagements=visits)
    joined = record(2, created_at=start, modified_at=start + 3 * DAY, merged_into=key(1))
    gone = record(3, created_at=start, modified_at=start + 3 * DAY, deleted=True)
    came(store, start + 3 * DAY, records=[joined, gone])
    history = read(store)
    assert len(history) == 2
    assert np.diff(history.log.offsets).tolist() == [1, 1]


def test_the_data_end_where_the_worker_was_last_alive(store: Store) -> None:
    assert data_end(store, NOW) == NOW
    store.beat("worker", 1, NOW - DAY)
    assert data_end(store, NOW) == NOW - DAY
    assert data_end(store, NOW - 2 * DAY) == NOW - 2 * DAY


def test_nothing_read_is_a_history_of_nobody(store: Store) -> None:
    assert len(read(store)) == 0
