"""The store through SQLite and PostgreSQL: pages, write-backs, exceptions and jobs."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, timedelta
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sqlalchemy import text
from store_world import NOW, commit, decide, everything, key, outcome, record, rows, visit

from data.page import CursorMoved
from data.schedule import JobPlan
from data.states import CursorMove, Decision, Recall, Settled
from data.store import Store
from data.tables import (
    CrmRecordRow,
    EngagementRow,
    ExceptionItem,
    Lead,
    Outbox,
    OutcomeRow,
    ScoreLog,
)
from scoring.leads import CrmRecord
from scoring.problems import Problem

LATER = NOW + timedelta(minutes=5)


@pytest.fixture(params=["sqlite", "postgresql"])
def store(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Store]:
    """An empty, migrated store on either database."""
    url = f"sqlite:///{tmp_path / 'leads.db'}"
    if request.param == "postgresql":
        url = request.getfixturevalue("postgres_url")
    opened = Store.open(url, migrate=True)
    yield opened
    opened.close()


def move(before: str, after: str) -> CursorMove:
    return CursorMove("hubspot", "contacts", before, after)


# -- a page ------------------------------------------------------------------------------------


def test_a_page_is_saved_with_its_cursor(store: Store) -> None:
    commit(store, records=[record(1), record(2)], cursor=move("", "p1"))
    assert store.cursor("hubspot", "contacts") == ("p1", False)
    assert [row.score_value for row in rows(store, Lead)] == [10_000, 10_000]
    assert len(rows(store, Outbox)) == 2


def test_a_page_that_fails_leaves_no_trace(store: Store) -> None:
    before = everything(store)

    def fails(recall: Recall) -> Decision:
        decide(recall)
        raise RuntimeError("power cut")

    with pytest.raises(RuntimeError, match="power cut"):
        commit(store, records=[record(1)], cursor=move("", "p1"), decide=fails)
    assert everything(store) == before
    assert store.cursor("hubspot", "contacts") == ("", False)


def test_a_page_from_an_old_cursor_is_refused(store: Store) -> None:
    commit(store, records=[record(1)], cursor=move("", "p1"))
    before = everything(store)
    with pytest.raises(CursorMoved):
        commit(store, records=[record(2)], cursor=move("", "p1b"))
    assert everything(store) == before


def test_the_same_page_again_changes_nothing(store: Store) -> None:
    page: dict[str, Any] = {
        "records": [record(1)],
        "engagements": [visit(1, key(1))],
        "outcomes": [outcome(1, key(1))],
    }
    commit(store, **page)
    before = everything(store, "lead")
    report = commit(store, LATER, **page)
    assert (report.changed, report.engagements, report.leads) == (0, 0, 0)
    assert everything(store, "lead") == before


def test_an_engagement_counts_once_however_often_it_comes(store: Store) -> None:
    commit(store, records=[record(1)])
    for minute in range(3):
        commit(store, NOW + timedelta(minutes=minute), engagements=[visit("a", key(1))])
    assert len(rows(store, EngagementRow)) == 1
    assert [row.value for row in rows(store, ScoreLog)] == [10_000, 11_000]


def test_behaviour_waits_for_the_person_it_belongs_to(store: Store) -> None:
    commit(store, engagements=[visit(1, key(7)), visit(2, email="person7@example.com")])
    assert [row.lead_id for row in rows(store, EngagementRow)] == [None, None]
    commit(store, records=[record(7)])
    lead = rows(store, Lead)[0]
    assert {row.lead_id for row in rows(store, EngagementRow)} == {lead.id}
    assert lead.score_value == 12_000


def test_one_address_in_two_crms_is_one_lead(store: Store) -> None:
    commit(store, records=[record(1)])
    commit(store, records=[record(1, "salesforce")])
    assert len(rows(store, Lead)) == 1
    assert {row.lead_id for row in rows(store, CrmRecordRow)} == {rows(store, Lead)[0].id}


def test_leads_that_turn_out_to_be_one_keep_everything(store: Store) -> None:
    """Two addresses, then one of the records gets the other's address."""
    commit(store, records=[record(1), record(2, "salesforce")])
    commit(
        store,
        engagements=[visit(1, key(1)), visit(2, key(2, "salesforce"))],
        outcomes=[outcome(1, key(2, "salesforce"))],
    )
    joined = record(2, "salesforce", email="person1@example.com", modified_at=NOW)
    commit(store, LATER, records=[joined])
    first, second = rows(store, Lead)
    survivor, gone = (first, second) if second.merged_into_id else (second, first)
    assert gone.merged_into_id == survivor.id
    assert survivor.score_value == 12_000
    for table in (CrmRecordRow, EngagementRow, OutcomeRow):
        assert {row.lead_id for row in rows(store, table)} == {survivor.id}
    found = store.lead(gone.id)
    assert found is not None
    assert found.id == survivor.id


def test_times_come_back_in_utc(store: Store) -> None:
    commit(store, records=[record(1)])
    row = rows(store, Lead)[0]
    assert row.created_at == NOW - timedelta(days=2)
    assert row.created_at.utcoffset() == timedelta(0)
    assert store.cursor("hubspot", "x") == ("", False)
    assert row.scored_at.astimezone(UTC) == NOW


@pytest.mark.parametrize(
    "strange", ["nul \x00 inside", "half \ud83d pair", "x" * 40_000, "Ж中ا🙂", "' OR 1=1; --"]
)
def test_any_text_is_kept(store: Store, strange: str) -> None:
    commit(store, records=[record(1, last_name=strange)])
    assert len(rows(store, Lead)) == 1
    kept = rows(store, CrmRecordRow)[0].fields["last_name"]
    assert isinstance(kept, str)
    assert kept.encode("utf-8")


@settings(max_examples=15, deadline=None)
@given(
    order=st.lists(st.integers(0, 5), min_size=6, max_size=14).filter(lambda o: len(set(o)) == 6)
)
def test_order_and_repetition_do_not_matter(
    tmp_path_factory: pytest.TempPathFactory, order: list[int]
) -> None:
    pages: list[dict[str, Any]] = [
        {"records": [record(1), record(2)]},
        {"records": [record(1, "salesforce")]},
        {"engagements": [visit(n, key(1)) for n in range(3)]},
        {"engagements": [visit(9, email="person2@example.com")]},
        {"outcomes": [outcome(1, key(2))]},
        {"records": [record(3, email="person2@example.com")]},
    ]

    def final(sequence: list[int]) -> list[tuple[Any, ...]]:
        folder = tmp_path_factory.mktemp("order")
        opened = Store.open(f"sqlite:///{folder / 'leads.db'}", migrate=True)
        for number in sequence:
            commit(opened, **pages[number])
        owner = {row.key: row.lead_id for row in rows(opened, CrmRecordRow)}
        groups: dict[int, set[str]] = {}
        for name, lead_id in owner.items():
            groups.setdefault(lead_id, set()).add(name)
        values = {row.id: row.score_value for row in rows(opened, Lead)}
        opened.close()
        return sorted((tuple(sorted(names)), values[lead]) for lead, names in groups.items())

    assert final(order) == final([0, 1, 2, 3, 4, 5])


def test_readers_do_not_wait_for_a_writer(store: Store) -> None:
    commit(store, records=[record(1)])
    inside, may_end = threading.Event(), threading.Event()

    def slow(recall: Recall) -> Decision:
        inside.set()
        may_end.wait(10)
        return decide(recall)

    writer = threading.Thread(target=lambda: commit(store, records=[record(2)], decide=slow))
    writer.start()
    assert inside.wait(10)
    assert len(rows(store, Lead)) == 1  # answered while the other transaction is open
    may_end.set()
    writer.join(10)
    assert len(rows(store, Lead)) == 2


# -- write-backs -------------------------------------------------------------------------------


def test_only_the_newest_score_of_a_record_waits(store: Store) -> None:
    commit(store, records=[record(1)])
    commit(store, engagements=[visit(1, key(1))])
    commit(store, engagements=[visit(2, key(1))])
    assert [row.value for row in rows(store, Outbox)] == [12_000]


def test_what_is_taken_is_not_taken_twice(store: Store) -> None:
    commit(store, records=[record(n) for n in range(5)])
    first = store.take_outbox("hubspot", 3, NOW)
    second = store.take_outbox("hubspot", 10, NOW)
    assert (len(first), len(second)) == (3, 2)
    assert not {entry.record for entry in first} & {entry.record for entry in second}
    assert store.take_outbox("salesforce", 10, NOW) == []


def test_a_written_score_is_remembered_at_the_record(store: Store) -> None:
    commit(store, records=[record(1)])
    entry = store.take_outbox("hubspot", 10, NOW)[0]
    store.settle([Settled(entry.record, entry.version, "done")], LATER)
    assert rows(store, Outbox) == []
    kept = rows(store, CrmRecordRow)[0]
    assert (kept.written_value, kept.written_band, kept.written_at) == (10_000, "cold", LATER)
    assert rows(store, Lead)[0].first_written_at == LATER


def test_a_newer_score_survives_the_settling_of_an_older_one(store: Store) -> None:
    commit(store, records=[record(1)])
    entry = store.take_outbox("hubspot", 10, NOW)[0]
    commit(store, LATER, engagements=[visit(1, key(1))])  # while the older one is on its way
    store.settle([Settled(entry.record, entry.version, "done")], LATER)
    waiting = [*store.take_outbox("hubspot", 10, LATER)]
    assert [one.value for one in waiting] == [11_000]


def test_a_write_back_that_failed_comes_again_when_it_is_due(store: Store) -> None:
    commit(store, records=[record(1)])
    entry = store.take_outbox("hubspot", 10, NOW)[0]
    store.settle([Settled(entry.record, entry.version, "later", "busy", LATER)], NOW)
    assert store.take_outbox("hubspot", 10, NOW) == []
    again = store.take_outbox("hubspot", 10, LATER)
    assert [(one.record, one.attempts) for one in again] == [(key(1), 1)]


def test_a_dead_worker_leaves_its_batch_to_be_looked_at(store: Store) -> None:
    commit(store, records=[record(1)])
    store.take_outbox("hubspot", 10, NOW)
    assert [entry.record for entry in store.interrupted_outbox("hubspot", 10)] == [key(1)]


def test_a_refused_score_is_an_exception_until_one_is_accepted(store: Store) -> None:
    commit(store, records=[record(1)])
    entry = store.take_outbox("hubspot", 10, NOW)[0]
    store.settle([Settled(entry.record, entry.version, "rejected", "Read only.")], NOW)
    (problem,) = rows(store, ExceptionItem)
    assert (problem.kind, problem.state, problem.lead_id) == ("write_rejected", "open", 1)
    assert "Read only." in problem.message
    assert store.take_outbox("hubspot", 10, LATER) == []  # nobody knocks at a closed door
    commit(store, LATER, engagements=[visit(n, key(1)) for n in range(9)])
    newer = store.take_outbox("hubspot", 10, LATER)[0]
    store.settle([Settled(newer.record, newer.version, "done")], LATER)
    assert rows(store, ExceptionItem)[0].state != "open"


# -- exceptions --------------------------------------------------------------------------------


def problem(**changes: Any) -> Problem:
    found = Problem("bad_value", "The phone “x” cannot be used.", record=key(1), field="phone")
    return replace(found, **changes)


def test_a_problem_is_open_once_and_counted(store: Store) -> None:
    commit(store, records=[record(1)])
    for at in (NOW, LATER):
        assert store.raise_exceptions([problem()], at) == 1
    (item,) = rows(store, ExceptionItem)
    assert (item.occurrences, item.created_at, item.last_seen_at) == (2, NOW, LATER)
    assert item.lead_id == rows(store, Lead)[0].id


def test_another_field_is_another_problem(store: Store) -> None:
    store.raise_exceptions([problem(), problem(field="email")], NOW)
    assert len(rows(store, ExceptionItem)) == 2


def test_a_settled_problem_that_returns_is_open_again(store: Store) -> None:
    store.raise_exceptions([problem()], NOW)
    item = rows(store, ExceptionItem)[0]
    assert store.resolve_exception(item.id, "Corrected", "Ada", LATER)
    assert not store.resolve_exception(item.id, "Corrected", "Bob", LATER)
    store.raise_exceptions([problem()], LATER)
    states = [row.state for row in rows(store, ExceptionItem)]
    assert states.count("open") == 1


def test_a_record_without_identity_shows_until_it_has_one(store: Store) -> None:
    nobody = CrmRecord(key(1), NOW, NOW, {"last_name": "Ada"})
    lacking = Problem("no_identity", "Nobody.", record=key(1))
    commit(store, records=[nobody], problems=[lacking])
    assert [row.state for row in rows(store, ExceptionItem)] == ["open"]
    commit(store, LATER, records=[nobody], problems=[lacking])  # read again, unchanged
    assert [row.state for row in rows(store, ExceptionItem)] == ["open"]
    somebody = replace(nobody, fields={"email": "ada@example.com"}, modified_at=LATER)
    commit(store, LATER, records=[somebody])
    (item,) = rows(store, ExceptionItem)
    assert (item.state, item.resolution) == ("resolved", "Corrected in the CRM.")


def test_a_record_that_could_not_be_read_is_settled_by_reading_it(store: Store) -> None:
    unreadable = Problem("bad_record", "It has no properties.", record=key(1))
    commit(store, problems=[unreadable, replace(unreadable, record=key(2))])
    commit(store, LATER, records=[record(1)])
    states = {row.record_key: row.state for row in rows(store, ExceptionItem)}
    assert states == {"hubspot:contact:1": "resolved", "hubspot:contact:2": "open"}


# -- jobs --------------------------------------------------------------------------------------

PLANS = [JobPlan("poll", "Poll", 60), JobPlan("write", "Write", 5)]


def test_a_due_job_is_claimed_once(store: Store) -> None:
    store.declare_jobs(PLANS, NOW)
    assert sorted(store.due_jobs(NOW)) == ["poll", "write"]
    run = store.start_job("poll", NOW)
    assert run is not None
    assert store.start_job("poll", NOW) is None
    store.finish_job(run, ok=True, message="3 new", items=3, now=NOW)
    assert store.due_jobs(NOW) == ["write"]
    assert "poll" in store.due_jobs(NOW + timedelta(seconds=60))


def test_two_workers_never_run_one_job_at_once(store: Store) -> None:
    store.declare_jobs(PLANS, NOW)
    claimed: list[int | None] = []
    start = threading.Barrier(4)

    def worker() -> None:
        start.wait(10)
        claimed.append(store.start_job("poll", NOW))

    workers = [threading.Thread(target=worker) for _ in range(4)]
    for one in workers:
        one.start()
    for one in workers:
        one.join(20)
    assert len(claimed) == 4
    assert len([run for run in claimed if run is not None]) == 1


def test_a_job_can_be_made_due_and_a_dead_workers_job_is(store: Store) -> None:
    store.declare_jobs(PLANS, NOW)
    run = store.start_job("poll", NOW)
    assert run is not None
    assert "poll" not in store.due_jobs(NOW)
    assert store.close_interrupted_runs(NOW) == 1
    assert "poll" in store.due_jobs(NOW)
    again = store.start_job("poll", NOW)
    assert again is not None
    store.finish_job(again, ok=True, message="", items=0, now=NOW)
    store.make_due("poll", NOW)
    assert "poll" in store.due_jobs(NOW)


def test_declaring_jobs_again_keeps_their_times(store: Store) -> None:
    store.declare_jobs(PLANS, NOW)
    run = store.start_job("poll", NOW)
    assert run is not None
    store.finish_job(run, ok=True, message="", items=1, now=NOW)
    store.declare_jobs([PLANS[0]], LATER)
    assert store.due_jobs(NOW + timedelta(seconds=59)) == []
    assert store.due_jobs(NOW + timedelta(seconds=60)) == ["poll"]


# -- the database itself -----------------------------------------------------------------------


def test_the_migrations_make_the_tables_that_the_code_describes(store: Store) -> None:
    from alembic.autogenerate import compare_metadata
    from alembic.migration import MigrationContext
    from sqlmodel import SQLModel

    with store.engine.connect() as connection:
        context = MigrationContext.configure(connection, opts={"compare_type": False})
        assert compare_metadata(context, SQLModel.metadata) == []


def test_migrating_twice_is_harmless_and_a_foreign_version_is_named(store: Store) -> None:
    store.migrate()
    assert store.check() == "ok"
    with store.engine.begin() as connection:
        connection.execute(text("UPDATE alembic_version SET version_num = '9999'"))
    assert store.check() != "ok"
