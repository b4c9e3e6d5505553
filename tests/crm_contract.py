"""What every CRM adapter must do, whatever the CRM: each adapter's tests subclass `CrmContract`.

A subclass gives a `bench` fixture: the CRM's sandbox over HTTP with a clock that moves when told,
and the few things that only it knows how to do there.
"""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any, Protocol

import pytest

from connectors.base import (
    AuthFailed,
    Crm,
    Page,
    ScoreWrite,
    Stream,
    TaskDraft,
    TransientFailure,
)
from scoring.leads import RecordKey


class Bench(Protocol):
    """A served CRM, as the contract drives it. Its adapters wait by moving the clock."""

    people: str  # the stream that new people arrive in
    late_seconds: float  # a record may become visible this late and must still be found
    waits: list[float]  # what adapters waited, in seconds

    @property
    def now(self) -> datetime: ...
    def wait(self, seconds: float) -> None:
        """Let time pass."""
        ...

    def adapter(self) -> Crm:
        """A new adapter, connected."""
        ...

    def add_person(self, *, seen_after: float = 0.0) -> RecordKey:
        """A person entered now, visible to queries after so many seconds."""
        ...

    def change(self, record: RecordKey) -> None:
        """Change a person's job title now."""
        ...

    def spoil(self, record: RecordKey) -> None:
        """Give a person an impossible creation date."""
        ...

    def disturb(self, kind: str, times: int) -> None:
        """Answer the next calls for people badly: "html" (status 200), "cut", "unavailable"."""
        ...

    def slow_down(self) -> float:
        """Refuse the next call for people as too fast; returns the pause that is asked for."""
        ...

    def revoke(self) -> None:
        """Refuse our credentials from now on."""
        ...

    def score_of(self, record: RecordKey) -> float | None:
        """The score that the CRM holds for a person."""
        ...

    def delete(self, record: RecordKey) -> None:
        """Delete a person."""
        ...

    def tasks_of(self, record: RecordKey) -> list[str]:
        """Ids of a person's tasks."""
        ...


def pages(bench: Bench, crm: Crm, stream: str, cursor: str = "", most: int = 60) -> list[Page]:
    """Every page up to where the adapter says that there is no more."""
    found = []
    for _ in range(most):
        page = crm.changes(stream, cursor, bench.now)
        found.append(page)
        cursor = page.next_cursor
        if not page.more:
            return found
    raise AssertionError(f"{stream} does not end after {most} pages")


def keys(found: list[Page]) -> list[RecordKey]:
    """The records of pages, in order."""
    return [record.key for page in found for record in page.records]


def score(record: RecordKey, at: datetime, value: float = 73.4) -> ScoreWrite:
    """A plausible score for a record."""
    return ScoreWrite(
        record=record,
        score=value,
        band="hot",
        fit=30.0,
        engagement=28.4,
        intent=15.0,
        confidence="certain",
        reasons="Director in software; asked for a demo",
        next_step="Call today",
        scored_at=at,
        rule_set="3 (a1b2c3d4)",
    )


class CrmContract:
    """The suite; `bench` comes from the subclass."""

    @pytest.fixture
    def crm(self, bench: Bench) -> Any:
        adapter = bench.adapter()
        yield adapter
        adapter.close()

    # -- reading -------------------------------------------------------------------------------

    def test_streams_are_named_once_and_people_come_first(self, crm: Crm, bench: Bench) -> None:
        streams = list(crm.streams())
        names = [stream.name for stream in streams]
        assert len(set(names)) == len(names)
        assert streams[0] == Stream(bench.people, streams[0].label)

    def test_every_stream_of_an_empty_crm_ends(self, crm: Crm, bench: Bench) -> None:
        for stream in crm.streams():
            found = pages(bench, crm, stream.name)
            assert keys(found) == []
            assert found[-1].problems == ()

    def test_ties_on_one_instant_are_neither_lost_nor_doubled(self, crm: Crm, bench: Bench) -> None:
        people = [bench.add_person() for _ in range(450)]
        bench.wait(30)
        found = pages(bench, crm, bench.people)
        assert len(found) > 1
        assert sorted(keys(found)) == sorted(people)

    def test_what_changed_is_read_again_and_nothing_else(self, crm: Crm, bench: Bench) -> None:
        people = [bench.add_person() for _ in range(5)]
        bench.wait(30)
        cursor = pages(bench, crm, bench.people)[-1].next_cursor
        bench.wait(15)
        bench.change(people[3])
        bench.wait(15)
        found = pages(bench, crm, bench.people, cursor)
        assert keys(found) == [people[3]]
        assert keys(pages(bench, crm, bench.people, found[-1].next_cursor)) == []

    def test_a_record_that_becomes_visible_late_is_found(self, crm: Crm, bench: Bench) -> None:
        bench.add_person()
        late = bench.add_person(seen_after=bench.late_seconds)
        bench.wait(15)
        found = pages(bench, crm, bench.people)
        assert late not in keys(found)
        for _ in range(8):
            bench.wait(bench.late_seconds / 6)
            found = pages(bench, crm, bench.people, found[-1].next_cursor)
            if late in keys(found):
                return
        raise AssertionError("the late record never came")

    def test_a_cursor_read_again_gives_the_same(self, crm: Crm, bench: Bench) -> None:
        for _ in range(250):
            bench.add_person()
        bench.wait(30)
        first = crm.changes(bench.people, "", bench.now)
        once = crm.changes(bench.people, first.next_cursor, bench.now)
        other = bench.adapter()
        again = other.changes(bench.people, first.next_cursor, bench.now)
        other.close()
        assert again == once
        assert once.records

    def test_a_cursor_of_nonsense_is_refused(self, crm: Crm, bench: Bench) -> None:
        with pytest.raises(ValueError, match="cursor"):
            crm.changes(bench.people, "nonsense", bench.now)

    def test_an_impossible_creation_date_costs_the_date_only(self, crm: Crm, bench: Bench) -> None:
        people = [bench.add_person() for _ in range(3)]
        bench.spoil(people[1])
        bench.wait(30)
        found = pages(bench, crm, bench.people)
        assert sorted(keys(found)) == people
        problems = [p for page in found for p in page.problems if p.field == "created_at"]
        assert [(p.kind, p.record) for p in problems] == [("bad_value", people[1])]
        assert "20226" in problems[0].message

    # -- trouble -------------------------------------------------------------------------------

    @pytest.mark.parametrize("kind", ["html", "cut", "unavailable"])
    def test_an_unreadable_answer_loses_nothing(self, crm: Crm, bench: Bench, kind: str) -> None:
        person = bench.add_person()
        bench.wait(30)
        crm.check()  # the adapter knows the account by now: only people are disturbed
        bench.disturb(kind, 3)
        with pytest.raises(TransientFailure):
            crm.changes(bench.people, "", bench.now)
        assert keys(pages(bench, crm, bench.people)) == [person]

    def test_one_failure_is_not_even_noticed(self, crm: Crm, bench: Bench) -> None:
        person = bench.add_person()
        bench.wait(30)
        crm.check()
        bench.disturb("unavailable", 1)
        assert keys(pages(bench, crm, bench.people)) == [person]

    def test_a_pause_that_the_crm_asks_for_is_kept(self, crm: Crm, bench: Bench) -> None:
        person = bench.add_person()
        bench.wait(30)
        crm.check()
        bench.waits.clear()
        pause = bench.slow_down()
        assert keys(pages(bench, crm, bench.people)) == [person]
        assert pause in bench.waits

    def test_refused_credentials_need_a_person(self, crm: Crm, bench: Bench) -> None:
        crm.check()
        bench.revoke()
        with pytest.raises(AuthFailed) as raised:
            crm.changes(bench.people, "", bench.now)
        assert "enter" in str(raised.value).lower()
        with pytest.raises(AuthFailed):
            crm.write_scores([score(RecordKey(crm.name, "contact", "1"), bench.now)])

    def test_calls_are_counted(self, crm: Crm, bench: Bench) -> None:
        pages(bench, crm, bench.people)
        before = crm.calls
        bench.disturb("unavailable", 2)
        pages(bench, crm, bench.people)
        assert crm.calls >= before + 3

    # -- writing -------------------------------------------------------------------------------

    def test_provisioning_twice_is_harmless(self, crm: Crm, bench: Bench) -> None:
        assert not crm.check().ok
        first = crm.provision()
        assert (first.ok, first.problems) == (True, ())
        assert first.account
        second = bench.adapter()
        assert second.provision().ok
        assert second.check().ok
        second.close()

    def test_our_own_score_comes_home_unchanged(self, crm: Crm, bench: Bench) -> None:
        crm.provision()
        person = bench.add_person()
        bench.wait(30)
        before = pages(bench, crm, bench.people)
        bench.wait(15)
        results = crm.write_scores([score(person, bench.now)])
        assert [(r.record, r.status) for r in results] == [(person, "done")]
        assert bench.score_of(person) == 73.4
        bench.wait(30)
        after = pages(bench, crm, bench.people, before[-1].next_cursor)
        assert [r.fingerprint() for p in after for r in p.records] == [
            r.fingerprint() for p in before for r in p.records
        ]

    def test_what_is_written_is_recognised(self, crm: Crm, bench: Bench) -> None:
        crm.provision()
        people = [bench.add_person() for _ in range(3)]
        mine = score(people[0], bench.now)
        crm.write_scores([mine, score(people[1], bench.now, 12.0)])
        later = bench.now + timedelta(minutes=5)
        asked = [mine, score(people[1], later, 12.0), score(people[2], bench.now)]
        assert crm.already_written(asked) == {people[0]}

    def test_a_deleted_record_does_not_hold_up_the_rest(self, crm: Crm, bench: Bench) -> None:
        crm.provision()
        people = [bench.add_person() for _ in range(3)]
        bench.delete(people[1])
        results = crm.write_scores([score(person, bench.now) for person in people])
        found = {result.record: result.status for result in results}
        assert found == {people[0]: "done", people[1]: "gone", people[2]: "done"}

    def test_of_two_scores_for_one_record_the_newest_is_written(
        self, crm: Crm, bench: Bench
    ) -> None:
        crm.provision()
        person = bench.add_person()
        older = score(person, bench.now - timedelta(minutes=1), 20.0)
        results = crm.write_scores([score(person, bench.now, 60.0), older])
        assert [result.status for result in results] == ["done"]
        assert bench.score_of(person) == 60.0

    def test_a_task_is_created_once(self, crm: Crm, bench: Bench) -> None:
        person = bench.add_person()
        due_at = bench.now + timedelta(days=1)
        draft = TaskDraft("hot:1:a1b2", person, "Call Ada", "Asked for a demo", due_at)
        first = crm.create_task(draft)
        assert crm.create_task(draft) == first
        assert bench.tasks_of(person) == [first]
        second = TaskDraft("hot:1:a1b", person, "Call Ada", "Asked again", due_at)
        assert crm.create_task(second) != first

    def test_a_record_can_be_opened_by_a_person(self, crm: Crm, bench: Bench) -> None:
        person = bench.add_person()
        address = crm.record_url(person)
        assert address.startswith("http")
        assert person.id in address
