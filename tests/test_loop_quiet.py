"""What is written back comes back as a change; it must not start the loop again."""

from __future__ import annotations

from pathlib import Path

from conftest import FakeClock
from loop_world import LEAD, LOG, OUTBOX, Loop, is_write, ready, running


def noise(loop: Loop) -> tuple[int, int, dict[int, object]]:
    """What would betray a needless rescore: log rows, waiting writes, times of scoring."""
    scored = {lead.id: lead.scored_at for lead in loop.rows(LEAD)}
    return loop.count(LOG), loop.count(OUTBOX), scored


def test_polls_after_our_own_write_back_score_and_write_nothing(
    tmp_path: Path, clock: FakeClock
) -> None:
    with running(tmp_path, clock, leads=80, seed=5) as loop:
        loop.settle()
        before, calls = noise(loop), len(loop.sandbox.requests)
        assert before[0] > 80
        loop.outcomes.clear()
        loop.run_for(180, step=15)
        polled = loop.calls_since(calls)
        # both CRMs show all of their changed people again, because our write moved their time
        assert sum("contacts/search" in call.path for call in polled) >= 12
        assert sum("/queryAll" in call.path for call in polled) >= 12
        assert [call for call in polled if is_write(call)] == []
        assert noise(loop) == before
        assert not any(outcome.items for _, outcome in loop.outcomes)


def test_a_change_that_says_nothing_about_the_person_is_not_scored(
    tmp_path: Path, clock: FakeClock
) -> None:
    with ready(tmp_path, clock) as loop:
        contact = loop.client.add_contact(email="noor@acme.example", lastname="Haddad")
        lead = loop.client.add("Lead", LastName="Berg", Company="Berg", Email="b@berg.example")
        loop.settle()
        before, calls = noise(loop), len(loop.sandbox.requests)
        loop.client.change_contact(contact, lastname="Haddad")  # saved without a change
        loop.client.change(lead, LastName="Berg")
        loop.run_for(60, step=15)
        assert noise(loop) == before
        assert [c for c in loop.calls_since(calls) if is_write(c)] == []


def test_the_write_that_follows_a_change_goes_to_that_record_alone(
    tmp_path: Path, clock: FakeClock
) -> None:
    with ready(tmp_path, clock) as loop:
        records = [
            loop.client.add_contact(email=f"p{n}@acme{n}.example", jobtitle="CEO") for n in range(3)
        ]
        loop.settle()
        scores, log = loop.client.scores(records), loop.count(LOG)
        loop.client.change_contact(records[1], jobtitle="Intern")
        calls = len(loop.sandbox.requests)
        loop.run_for(90, step=15)
        assert len([call for call in loop.calls_since(calls) if is_write(call)]) == 1
        assert loop.count(LOG) == log + 1
        now = loop.client.scores(records)
        assert {r for r in records if now[r] != scores[r]} == {records[1]}
