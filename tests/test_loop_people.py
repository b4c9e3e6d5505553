"""One person is one lead wherever they are known, and every lead's score adds up."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from random import Random
from typing import Any

import pytest
from conftest import FakeClock
from loop_world import LEAD, LOG, OUTBOX, RECORD, Loop, held_scores, ready, running

from app.write_back import shown_points
from connectors.sandbox.behaviour import Act
from connectors.sandbox.salesforce_world import SalesforceWorld
from connectors.sandbox.unit import Unit
from data.plain import contributions_from_json
from scoring.leads import RecordKey


@pytest.fixture
def loop(tmp_path: Path, clock: FakeClock) -> Iterator[Loop]:
    with ready(tmp_path, clock) as started:
        yield started


def add_rosa(loop: Loop) -> tuple[RecordKey, RecordKey]:
    """Rosa, known to both CRMs; one of them shouts."""
    contact = loop.client.add_contact(
        firstname="Rosa", lastname="Lindqvist", email="rosa@lindqvist.example", jobtitle="CEO"
    )
    lead = loop.client.add(
        "Lead",
        FirstName="Rosa",
        LastName="Lindqvist",
        Email="ROSA@Lindqvist.Example",
        Company="Lindqvist AB",
    )
    return contact, lead


def test_one_person_in_both_crms_is_one_lead_with_one_score_in_both(loop: Loop) -> None:
    records = add_rosa(loop)
    loop.settle()
    (lead,) = loop.leads()
    shown = shown_points(lead.score_value)
    assert loop.client.scores(records) == dict.fromkeys(records, shown)
    assert lead.crms == "hubspot+salesforce"
    assert lead.company == "Lindqvist AB"  # Salesforce alone knows it
    assert lead.job_title == "CEO"  # HubSpot alone knows it


def test_people_who_turn_out_to_be_one_become_one(loop: Loop) -> None:
    contact = loop.client.add_contact(firstname="Rosa", email="rosa.l@lindqvist.example")
    lead = loop.client.add(
        "Lead", LastName="Lindqvist", Company="Lindqvist AB", Email="rosa@lindqvist.example"
    )
    loop.settle()
    assert len(loop.leads()) == 2
    loop.client.change_contact(contact, email="rosa@lindqvist.example")
    loop.settle()
    (kept,) = loop.leads()
    assert loop.lead_of(contact).id == loop.lead_of(lead).id == kept.id
    shown = shown_points(kept.score_value)
    assert loop.client.scores([contact, lead]) == {contact: shown, lead: shown}


def convert(loop: Loop, lead: RecordKey) -> RecordKey:
    """Convert a Salesforce lead as a salesperson does, which no API offers."""
    state, at = loop.sandbox.state, int(loop.clock().timestamp() * 1_000)
    unit = Unit(state)
    with state.transaction():
        SalesforceWorld(unit, Random(1)).act(("Lead", lead.id), Act(at, "deal", {"amount": "900"}))
        unit.flush()
    (contact,) = state.select("crm='salesforce' AND type='Contact'")
    return RecordKey("salesforce", "contact", contact.id)


def test_a_converted_lead_stays_one_person_whose_score_goes_to_the_contact(loop: Loop) -> None:
    hubspot, lead = add_rosa(loop)
    loop.settle()
    known = loop.lead_of(lead).id
    contact = convert(loop, lead)
    loop.settle()
    (kept,) = loop.leads()
    assert kept.id == known
    assert {loop.lead_of(r).id for r in (hubspot, lead, contact)} == {known}
    shown = shown_points(kept.score_value)
    assert loop.client.scores([hubspot, contact]) == {hubspot: shown, contact: shown}
    assert loop.exceptions("write_rejected") == []


def test_a_whole_sandbox_is_scored_and_every_score_adds_up(
    tmp_path: Path, clock: FakeClock
) -> None:
    with running(tmp_path, clock, leads=600, seed=11) as loop:
        loop.settle()
        held = held_scores(loop.sandbox.state)
        leads = loop.leads()
        excused = {item.lead_id for item in loop.exceptions()}
        assert len(leads) > 550
        assert {lead.id for lead in leads if lead.scored_at is None} <= excused
        scored = [lead for lead in leads if lead.score_value is not None]
        assert len(scored) > 500
        for lead in scored:
            assert added_up(lead) == lead.score_value, lead.id
            assert lead.score_low <= lead.score_value <= lead.score_high
        for row in loop.rows(LOG):
            assert added_up(row) == row.value
        everybody_is_written(loop, held)


def added_up(row: Any) -> int:
    """What the stored contributions of a lead or a score log row come to."""
    return sum(part.points for part in contributions_from_json(row.contributions))


def everybody_is_written(loop: Loop, held: dict[RecordKey, float]) -> None:
    """Each living record of a scored lead holds the value that we noted as written."""
    scores = {lead.id: lead.score_value for lead in loop.leads()}
    noted = {}
    for row in loop.rows(RECORD, RECORD.c.deleted.is_(False), RECORD.c.merged_into == ""):
        converted = row.kind == "lead" and any(":contact:" in link for link in row.links)
        if scores.get(row.lead_id) is not None and not converted:
            assert row.written_value is not None, row.key
            assert abs(row.written_value - scores[row.lead_id]) < 2_000
            noted[RecordKey.parse(row.key)] = shown_points(row.written_value)
    assert noted == {key: held[key] for key in noted}
    both = {row.lead_id for row in loop.rows(RECORD, RECORD.c.crm == "hubspot")} & {
        row.lead_id for row in loop.rows(RECORD, RECORD.c.crm == "salesforce")
    }
    assert len(both) > 20, "nobody is known to both CRMs"
    assert loop.count(OUTBOX) == 0
    assert loop.count(LEAD, LEAD.c.first_written_at.is_(None), LEAD.c.score_value.is_not(None)) == 0
