"""A page is all or nothing, counts once, and keeps what people wrote, on both databases."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta, timezone
from typing import Any

import pytest
from sqlalchemy.exc import StatementError
from store_world import (
    DATABASES,
    NOW,
    commit,
    decide,
    emptied,
    everything,
    key,
    opened,
    outcome,
    record,
    rows,
    visit,
)

from data.states import CursorMove, CursorMoved, Decision, OutboxWrite, Recall, Settled
from data.store import Store
from data.tables import (
    AccountRow,
    CrmRecordRow,
    CursorRow,
    EngagementRow,
    ExceptionItem,
    Identity,
    Lead,
    Outbox,
    OutcomeRow,
    ScoreLog,
)
from scoring.cleaning import LIMITS
from scoring.leads import Account, Engagement, RecordKey
from scoring.problems import Problem

LATER = NOW + timedelta(minutes=5)
COMPANY = RecordKey("hubspot", "company", "9")


@pytest.fixture(scope="module", params=DATABASES)
def database(request: pytest.FixtureRequest, tmp_path_factory: Any) -> Iterator[Store]:
    """A store on either database, for all tests."""
    with opened(request, tmp_path_factory.mktemp("store")) as found:
        yield found


@pytest.fixture
def store(database: Store) -> Store:
    """The same store, empty."""
    return emptied(database)


def move(before: str, after: str, stream: str = "contacts") -> CursorMove:
    return CursorMove("hubspot", stream, before, after)


def full_page() -> dict[str, Any]:
    """One of everything that a page can bring."""
    return {
        "records": [record(1, account=COMPANY), record(2)],
        "accounts": [Account(COMPANY, NOW, {"name": "Acme"})],
        "engagements": [visit(1, key(1)), visit(2, email="stranger@example.com")],
        "outcomes": [outcome(1, key(2))],
        "problems": [Problem("bad_value", "Odd.", record=key(1), field="phone", value="x")],
    }


# -- all or nothing ----------------------------------------------------------------------------


def test_a_page_that_fails_in_its_decision_leaves_no_trace(store: Store) -> None:
    commit(store, records=[record(7)], cursor=move("", "p1"))
    before = everything(store)

    def fails(recall: Recall) -> Decision:
        decide(recall)
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        commit(store, **full_page(), cursor=move("p1", "p2"), decide=fails)
    assert everything(store) == before
    assert store.cursor("hubspot", "contacts") == ("p1", False)


def test_a_page_that_fails_while_it_is_written_leaves_no_trace(store: Store) -> None:
    """The last thing written is refused: a naive time, which no column takes."""
    before = everything(store)

    def spoiled(recall: Recall) -> Decision:
        found = decide(recall)
        return replace(
            found, leads=[replace(w, outbox=list(map(naive, w.outbox))) for w in found.leads]
        )

    def naive(entry: OutboxWrite) -> OutboxWrite:
        return replace(entry, due_at=NOW.replace(tzinfo=None))

    with pytest.raises(StatementError, match="naive time"):
        commit(store, **full_page(), cursor=move("", "p1"), decide=spoiled)
    assert everything(store) == before
    assert store.cursor("hubspot", "contacts") == ("", False)


def test_a_decision_that_forgets_a_record_is_refused_whole(store: Store) -> None:
    before = everything(store)

    def forgets(recall: Recall) -> Decision:
        found = decide(recall)
        return replace(found, leads=found.leads[:1])

    with pytest.raises(ValueError, match="hubspot:contact:2"):
        commit(store, **full_page(), cursor=move("", "p1"), decide=forgets)
    assert everything(store) == before


def test_a_failed_page_can_be_committed_afterwards(store: Store) -> None:
    def fails(recall: Recall) -> Decision:
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        commit(store, **full_page(), cursor=move("", "p1"), decide=fails)
    report = commit(store, **full_page(), cursor=move("", "p1"))
    assert (report.changed, report.engagements, report.outcomes) == (2, 2, 1)
    assert (report.created, report.problems) == (2, 1)
    assert store.cursor("hubspot", "contacts") == ("p1", False)


# -- once --------------------------------------------------------------------------------------


def test_the_same_page_again_writes_nothing_anywhere(store: Store) -> None:
    commit(store, **full_page())
    before = everything(store)
    for _ in range(2):
        report = commit(store, LATER, **full_page())
        assert (report.records, report.changed, report.engagements, report.outcomes) == (2, 0, 0, 0)
        assert (report.leads, report.created, report.problems) == (0, 0, 0)
    assert everything(store) == before


def test_the_same_page_again_asks_for_no_decision(store: Store) -> None:
    commit(store, **full_page())

    def never(recall: Recall) -> Decision:
        raise AssertionError("there was nothing to decide")

    commit(store, LATER, **full_page(), decide=never)


def test_the_same_page_again_still_moves_its_cursor(store: Store) -> None:
    commit(store, **full_page(), cursor=move("", "p1"))
    commit(store, LATER, **full_page(), cursor=move("p1", "p2"))
    assert store.cursor("hubspot", "contacts") == ("p2", False)
    assert rows(store, CursorRow)[0].moved_at == LATER


def test_a_page_read_again_after_its_score_was_written_does_not_write_it_again(
    store: Store,
) -> None:
    commit(store, **full_page())
    taken = store.take_outbox("hubspot", 10, NOW)
    store.settle([Settled(one.record, one.version, "done") for one in taken], NOW)
    commit(store, LATER, **full_page())
    assert rows(store, Outbox) == []
    assert len(rows(store, ScoreLog)) == 2


def test_an_engagement_that_comes_twice_in_one_page_counts_once(store: Store) -> None:
    twice = [visit(1, key(1)), visit(1, key(1))]
    report = commit(store, records=[record(1)], engagements=twice)
    assert report.engagements == 1
    assert len(rows(store, EngagementRow)) == 1
    assert rows(store, Lead)[0].score_value == 11_000


def test_an_engagement_keeps_its_first_telling(store: Store) -> None:
    commit(store, records=[record(1)], engagements=[visit(1, key(1))])
    commit(store, LATER, engagements=[visit(1, key(1), occurred_at=LATER)])
    assert rows(store, EngagementRow)[0].occurred_at == NOW - timedelta(hours=1)


def test_of_a_record_that_comes_twice_in_one_page_the_newest_counts(store: Store) -> None:
    newest = record(1, last_name="New", modified_at=NOW)
    oldest = record(1, last_name="Old", modified_at=NOW - timedelta(hours=1))
    for page in ([newest, oldest], [oldest, newest]):
        commit(store, records=page)
        assert rows(store, CrmRecordRow)[0].fields["last_name"] == "New"
    assert len(rows(store, CrmRecordRow)) == 1


def test_an_older_version_of_a_record_does_not_come_back(store: Store) -> None:
    commit(store, records=[record(1, last_name="New", modified_at=NOW)])
    before = everything(store)
    old = record(1, last_name="Old", modified_at=NOW - timedelta(hours=1))
    assert commit(store, LATER, records=[old]).changed == 0
    assert everything(store) == before


def test_an_older_version_of_a_company_does_not_come_back(store: Store) -> None:
    commit(store, accounts=[Account(COMPANY, NOW, {"name": "New"})])
    old = Account(COMPANY, NOW - timedelta(hours=1), {"name": "Old"})
    commit(store, LATER, accounts=[old])
    assert [row.fields["name"] for row in rows(store, AccountRow)] == ["New"]


def test_what_a_company_lacks_is_told_once_while_it_does_not_change(store: Store) -> None:
    odd = Problem("bad_value", "Odd.", record=COMPANY, field="domain", value="x")
    page: dict[str, Any] = {"accounts": [Account(COMPANY, NOW, {})], "problems": [odd]}
    assert commit(store, **page).problems == 1
    assert commit(store, LATER, **page).problems == 0
    assert [row.occurrences for row in rows(store, ExceptionItem)] == [1]


def test_an_older_version_of_a_record_does_not_settle_what_the_newer_one_lacks(
    store: Store,
) -> None:
    odd = Problem("bad_value", "Odd.", record=key(1), field="phone", value="x")
    commit(store, records=[record(1, raw={"phone": "x"}, modified_at=NOW)], problems=[odd])
    commit(store, LATER, records=[record(1)])
    assert [row.state for row in rows(store, ExceptionItem)] == ["open"]


def test_of_a_company_that_comes_twice_in_one_page_the_newest_counts(store: Store) -> None:
    new = Account(COMPANY, NOW, {"name": "New"})
    old = Account(COMPANY, NOW - timedelta(hours=1), {"name": "Old"})
    commit(store, accounts=[new, old])
    assert [row.fields["name"] for row in rows(store, AccountRow)] == ["New"]


def test_a_company_that_changes_brings_its_people_to_the_decision(store: Store) -> None:
    commit(store, records=[record(1, account=COMPANY), record(2)])
    seen: list[int] = []

    def watching(recall: Recall) -> Decision:
        seen.extend(recall.leads)
        assert recall.accounts[COMPANY].fields == {"name": "Acme"}
        return decide(recall)

    commit(store, accounts=[Account(COMPANY, NOW, {"name": "Acme"})], decide=watching)
    owners = {row.key: row.lead_id for row in rows(store, CrmRecordRow)}
    assert seen == [owners["hubspot:contact:1"]]


def test_an_outcome_that_changed_replaces_the_old_one(store: Store) -> None:
    commit(store, records=[record(1)], outcomes=[outcome(1, key(1), amount=10.5)])
    report = commit(store, LATER, outcomes=[outcome(1, key(1), "won", amount=12.5)])
    (row,) = rows(store, OutcomeRow)
    assert (report.outcomes, row.kind, row.amount, row.seen_at) == (1, "won", 12.5, NOW)


def test_a_record_is_seen_first_only_once(store: Store) -> None:
    commit(store, records=[record(1)])
    commit(store, LATER, records=[record(1, last_name="Ada", modified_at=NOW)])
    (row,) = rows(store, CrmRecordRow)
    assert (row.seen_at, row.fields["last_name"]) == (NOW, "Ada")
    assert rows(store, Lead)[0].first_scored_at == NOW


# -- the cursor --------------------------------------------------------------------------------


def test_a_reader_that_was_slower_changes_nothing(store: Store) -> None:
    commit(store, records=[record(1)], cursor=move("", "p1"))
    before = everything(store)
    for late in (move("", "p1"), move("", "p2"), move("p0", "p2")):
        with pytest.raises(CursorMoved):
            commit(store, records=[record(2)], cursor=late)
    assert everything(store) == before


def test_a_reader_that_lost_may_read_on_from_where_the_other_is(store: Store) -> None:
    commit(store, records=[record(1)], cursor=move("", "p1"))
    with pytest.raises(CursorMoved):
        commit(store, records=[record(2)], cursor=move("", "p1"))
    position, _ = store.cursor("hubspot", "contacts")
    commit(store, records=[record(2)], cursor=move(position, "p2"))
    assert len(rows(store, Lead)) == 2


def test_a_cursor_that_never_began_cannot_be_read_on_from(store: Store) -> None:
    with pytest.raises(CursorMoved):
        commit(store, records=[record(1)], cursor=move("p1", "p2"))
    assert rows(store, Lead) == []


def test_streams_and_crms_have_cursors_of_their_own(store: Store) -> None:
    commit(store, cursor=move("", "a"))
    commit(store, cursor=move("", "b", "deals"))
    commit(store, cursor=CursorMove("salesforce", "contacts", "", "c", complete=True, progress=1.0))
    assert store.cursor("hubspot", "contacts") == ("a", False)
    assert store.cursor("hubspot", "deals") == ("b", False)
    assert store.cursor("salesforce", "contacts") == ("c", True)
    assert store.cursor("salesforce", "deals") == ("", False)


def test_of_many_readers_at_once_one_commits(store: Store) -> None:
    start = threading.Barrier(4)
    ends: list[str] = []

    def reader(number: int) -> None:
        start.wait(10)
        try:
            commit(store, records=[record(number)], cursor=move("", f"p{number}"))
            ends.append(f"p{number}")
        except CursorMoved:
            ends.append("moved")

    readers = [threading.Thread(target=reader, args=(number,)) for number in range(4)]
    for one in readers:
        one.start()
    for one in readers:
        one.join(20)
    assert sorted(ends)[:3] == ["moved"] * 3
    assert store.cursor("hubspot", "contacts") == (sorted(ends)[3], False)
    assert len(rows(store, Lead)) == 1


def test_two_pages_at_once_make_one_person_once(store: Store) -> None:
    start = threading.Barrier(2)

    def reader(crm: str) -> None:
        start.wait(10)
        commit(store, records=[record(1, crm)])

    readers = [threading.Thread(target=reader, args=(crm,)) for crm in ("hubspot", "salesforce")]
    for one in readers:
        one.start()
    for one in readers:
        one.join(20)
    assert len(rows(store, CrmRecordRow)) == 2
    assert len(rows(store, Lead)) == 1


# -- two leads that are one --------------------------------------------------------------------


def merged(store: Store) -> tuple[int, int]:
    """Two leads with all kinds of belongings that become one; the kept and the folded id."""
    commit(
        store,
        records=[record(1), record(2, "salesforce")],
        engagements=[visit(1, key(1)), visit(2, key(2, "salesforce"))],
        outcomes=[outcome(1, key(1)), outcome(2, key(2, "salesforce"), "won")],
        problems=[Problem("bad_value", "Odd.", record=key(2, "salesforce"), field="phone")],
    )
    joined = record(2, "salesforce", email="person1@example.com", modified_at=NOW)
    report = commit(store, LATER, records=[joined])
    assert report.merged == 1
    folded = next(row for row in rows(store, Lead) if row.merged_into_id)
    return folded.merged_into_id, folded.id


@pytest.mark.parametrize("what", [CrmRecordRow, EngagementRow, OutcomeRow, Outbox, Identity])
def test_a_merge_moves_everything_to_the_lead_that_stays(store: Store, what: Any) -> None:
    kept, _ = merged(store)
    found = rows(store, what)
    assert len(found) >= 2
    assert {row.lead_id for row in found} == {kept}


def test_a_merge_keeps_the_history_of_both(store: Store) -> None:
    kept, folded = merged(store)
    log = rows(store, ScoreLog)
    assert [row.value for row in log if row.lead_id == folded] == [11_000]
    assert [(row.value, row.cause) for row in log if row.lead_id == kept] == [
        (11_000, "new"),
        (12_000, "merge"),
    ]


def test_a_merged_lead_points_to_the_one_that_stays(store: Store) -> None:
    kept, folded = merged(store)
    state = store.lead(folded)
    assert state is not None
    assert state.id == kept
    assert set(state.records) == {key(1), key(2, "salesforce")}
    assert set(state.engagements) == {"visit:1", "visit:2"}
    assert set(state.outcomes) == {"deal:1", "deal:2"}


def test_what_comes_for_a_merged_lead_later_reaches_the_one_that_stays(store: Store) -> None:
    kept, folded = merged(store)
    commit(store, LATER, engagements=[visit(3, key(2, "salesforce"))])
    commit(store, LATER, also_leads=[folded])
    scores = {row.id: row.score_value for row in rows(store, Lead)}
    assert scores[kept] == 13_000
    assert {row.lead_id for row in rows(store, EngagementRow)} == {kept}


def test_a_merge_of_merged_leads_points_every_one_to_the_last(store: Store) -> None:
    commit(store, records=[record(1)])
    commit(store, records=[record(2), record(3)])
    commit(store, records=[record(3, email="person2@example.com", modified_at=NOW)])
    commit(
        store,
        records=[
            record(2, email="person1@example.com", modified_at=LATER),
            record(3, email="person1@example.com", modified_at=LATER),
        ],
    )
    kept = [row.id for row in rows(store, Lead) if row.merged_into_id is None]
    assert len(kept) == 1
    gone = {row.merged_into_id for row in rows(store, Lead) if row.merged_into_id is not None}
    assert gone == set(kept)


def test_a_merge_keeps_what_was_already_written_into_the_crms(store: Store) -> None:
    commit(store, records=[record(1), record(2)])
    taken = store.take_outbox("hubspot", 10, NOW)
    store.settle([Settled(one.record, one.version, "done") for one in taken], NOW)
    commit(store, LATER, records=[record(2, email="person1@example.com", modified_at=NOW)])
    kept = next(row for row in rows(store, Lead) if row.merged_into_id is None)
    assert kept.first_written_at == NOW
    assert rows(store, Outbox) == []  # both records hold the value already
    state = store.lead(kept.id)
    assert state is not None
    assert set(state.written) == {key(1), key(2)}


def test_a_merge_takes_open_exceptions_along(store: Store) -> None:
    kept, _ = merged(store)
    commit(store, LATER)
    assert {row.lead_id for row in rows(store, ExceptionItem)} == {kept}


# -- text and times ----------------------------------------------------------------------------

STRANGE = {
    "nul": ("a\x00b", "ab"),
    "only nul": ("\x00", ""),
    "high half": ("a\ud83db", "a?b"),
    "low half": ("a\ude00b", "a?b"),
    "long": ("x" * 40_000, "x" * 40_000),
    "long and varied": (
        "".join(chr(0x4E00 + n * 7 % 20_000) for n in range(40_000)),
        "".join(chr(0x4E00 + n * 7 % 20_000) for n in range(40_000)),
    ),
    "emoji": ("👩‍👧🙂", "👩‍👧🙂"),
    "sql": ("'; DROP TABLE lead; -- %s :name ?", "'; DROP TABLE lead; -- %s :name ?"),
}


@pytest.mark.parametrize(("given", "kept"), STRANGE.values(), ids=STRANGE)
def test_text_survives_everywhere_it_is_kept(store: Store, given: str, kept: str) -> None:
    commit(
        store,
        records=[
            record(
                1, last_name=given, raw={"phone": given, given: "name"}, url=given, tags=(given,)
            )
        ],
        accounts=[Account(COMPANY, NOW, {"name": given})],
        engagements=[visit(1, key(1), detail={"subject": given})],
        problems=[Problem("bad_value", given, given, key(1), "phone", given)],
    )
    (row,) = rows(store, CrmRecordRow)
    assert row.fields["last_name"] == kept
    assert row.fields["tags"] == [kept]
    assert row.raw == {"phone": kept, kept: "name"}
    assert row.url == kept
    assert rows(store, AccountRow)[0].fields["name"] == kept
    assert rows(store, EngagementRow)[0].detail == {"subject": kept}
    (item,) = rows(store, ExceptionItem)
    assert (item.message, item.detail, item.value) == (kept, kept[:4_000], kept[:1_000])
    assert rows(store, Lead)[0].name == kept


@pytest.mark.parametrize(("given", "kept"), STRANGE.values(), ids=STRANGE)
def test_strange_text_is_not_a_change_when_it_comes_again(
    store: Store, given: str, kept: str
) -> None:
    page: dict[str, Any] = {
        "records": [record(1, last_name=given, raw={"phone": given})],
        "engagements": [Engagement(f"v:{given[:50]}", "page_visit", NOW, key(1))],
        "outcomes": [replace(outcome(1, key(1)), key=f"d:{given[:50]}")],
        "accounts": [Account(COMPANY, NOW, {"name": given})],
    }
    commit(store, **page)
    before = everything(store)
    report = commit(store, LATER, **page)
    assert (report.changed, report.engagements, report.outcomes, report.leads) == (0, 0, 0, 0)
    assert everything(store) == before


def test_values_as_long_as_we_keep_them_do_not_stop_a_page(store: Store) -> None:
    """What finds people again is indexed, and an index takes less than a page."""
    varied = "".join(chr(0x4E00 + n * 7_919 % 20_000) for n in range(1_000))
    given = {
        "first_name": varied[: LIMITS["name"]],
        "last_name": varied[-LIMITS["name"] :],
        "company": varied[300 : 300 + LIMITS["company"]],
        "email": f"info@{varied[:240]}.example",
        "phone": "+14155550132",
    }
    assert commit(store, records=[record(1, **given)]).changed == 1
    assert rows(store, Lead)[0].company == given["company"]


def test_a_very_long_address_of_an_engagement_does_not_stop_a_page(store: Store) -> None:
    varied = STRANGE["long and varied"][0]
    commit(store, engagements=[visit(1, email=f"{varied}@example.com"), visit(2, key(1))])
    assert len(rows(store, EngagementRow)) == 2


def test_times_come_back_aware_and_in_utc(store: Store) -> None:
    elsewhere = timezone(timedelta(hours=5, minutes=45))
    noon = datetime(2026, 11, 20, 12, 0, 0, 123_456, tzinfo=elsewhere)
    commit(
        store,
        records=[record(1, created_at=noon, modified_at=noon, since=noon)],
        engagements=[visit(1, key(1), occurred_at=noon)],
        outcomes=[outcome(1, key(1), occurred_at=noon)],
        accounts=[Account(COMPANY, noon, {})],
        problems=[Problem("bad_value", "Odd.", record=key(1))],
        cursor=move("", "p1"),
    )
    for name, found in everything(store).items():
        times = [value for row in found for value in row if isinstance(value, datetime)]
        assert all(value.tzinfo is UTC for value in times), name
    (row,) = rows(store, CrmRecordRow)
    assert row.created_at == noon
    assert row.created_at.hour == 6
    assert row.created_at.microsecond == 123_456
    assert rows(store, EngagementRow)[0].occurred_at == noon
    state = store.lead(row.lead_id)
    assert state is not None
    assert state.records[key(1)].fields["since"] == noon


def test_a_time_without_a_zone_is_refused(store: Store) -> None:
    with pytest.raises(StatementError, match="naive time"):
        commit(store, engagements=[visit(1, key(1), occurred_at=NOW.replace(tzinfo=None))])
    assert rows(store, EngagementRow) == []
