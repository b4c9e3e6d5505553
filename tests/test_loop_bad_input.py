"""What CRMs send when they are ill: it is named, everything else goes on, and nothing is lost."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from conftest import FakeClock
from loop_world import EXCEPTION, OUTBOX, RECORD, Loop, is_write, ready, running

from app.pipeline import CHECK_EVERY_SECONDS
from scoring.leads import RecordKey

#: Calls that read people (and, in Salesforce, everything else).
READS = {"hubspot": "contacts/search", "salesforce": "/queryAll"}
WRITES = {"hubspot": "contacts/batch/update", "salesforce": "/composite/sobjects"}
POLL = 16  # seconds after which people are polled again
LONG = "So much to say. " * 2_500


@pytest.fixture
def loop(tmp_path: Path, clock: FakeClock) -> Iterator[Loop]:
    """Two empty CRMs whose first read is over."""
    with ready(tmp_path, clock) as started:
        yield started


def add_one_each(loop: Loop) -> dict[str, RecordKey]:
    """A new person in each CRM."""
    return {
        "hubspot": loop.client.add_contact(
            firstname="Ines", lastname="Moreau", email="ines@moreau.example", jobtitle="CEO"
        ),
        "salesforce": loop.client.add(
            "Lead", LastName="Sato", Company="Sato KK", Email="sato@sato.example", Title="CFO"
        ),
    }


def all_is_well(loop: Loop, *records: RecordKey) -> None:
    """Everybody is scored, their CRM says so, nothing waits and both connections are ready."""
    loop.settle()
    ours = loop.shown_scores()
    assert set(records) <= ours.keys()
    assert loop.client.scores(records) == {record: ours[record] for record in records}
    assert loop.rows(OUTBOX) == []
    for crm in READS:
        row = loop.store.connection_state(crm)
        assert row is not None
        assert (row.state, row.message) == ("ready", "")
    assert [*loop.exceptions("bad_response"), *loop.exceptions("auth_failed")] == []


def known(loop: Loop) -> set[RecordKey]:
    """The records that we have."""
    return {RecordKey.parse(row.key) for row in loop.rows(RECORD)}


def heal(loop: Loop, crm: str) -> None:
    """The CRM works properly again."""
    loop.switch(f"{crm}.faults", "")


# -- answers that are none -----------------------------------------------------------------------


@pytest.mark.parametrize("kind", ["cut", "html", "unavailable"])
@pytest.mark.parametrize("ill", ["hubspot", "salesforce"])
def test_an_answer_that_is_none_is_named_and_asked_for_again(
    loop: Loop, ill: str, kind: str
) -> None:
    people = add_one_each(loop)
    well = next(crm for crm in people if crm != ill)
    loop.fault(ill, kind, path=READS[ill], times=100)
    failed = [outcome for outcome in loop.tick(POLL).values() if not outcome.ok]
    assert failed
    named = [item for item in loop.exceptions("bad_response") if item.message.startswith(ill)]
    assert named
    assert all("again" in item.message for item in named)
    assert known(loop) == {people[well]}  # the other CRM does not care
    heal(loop, ill)
    all_is_well(loop, *people.values())


@pytest.mark.parametrize("ill", ["hubspot", "salesforce"])
@pytest.mark.parametrize("kind", ["cut", "unavailable"])
def test_a_score_whose_arrival_is_uncertain_is_written_until_it_is_there(
    loop: Loop, ill: str, kind: str
) -> None:
    people = add_one_each(loop)
    loop.fault(ill, kind, path=WRITES[ill], times=4)
    loop.run_for(30)
    assert loop.rows(EXCEPTION, EXCEPTION.c.kind == "bad_response") != []  # open or settled since
    all_is_well(loop, *people.values())


def test_a_crm_that_is_down_for_an_hour_costs_nothing_but_the_hour(loop: Loop) -> None:
    people = add_one_each(loop)
    for crm in people:
        loop.fault(crm, "unavailable", times=1_000_000)
    loop.run_for(3_600, step=900)
    kinds = {(item.kind, item.message.split(",")[0]) for item in loop.exceptions()}
    assert {("bad_response", "hubspot"), ("bad_response", "salesforce")} <= kinds
    assert len(loop.exceptions()) < 40  # each trouble once, however often it is met
    for crm in people:
        heal(loop, crm)
    all_is_well(loop, *people.values())


# -- limits and sign-in --------------------------------------------------------------------------


def test_a_pause_that_hubspot_asks_for_is_kept(loop: Loop) -> None:
    people = add_one_each(loop)
    refusal: dict[str, Any] = {
        "status": 429,
        "headers": {"Retry-After": "90"},
        "body": {"policyName": "DAILY"},
    }
    loop.fault("hubspot", "answer", path=READS["hubspot"], **refusal)
    outcome = loop.tick(POLL)["poll:hubspot:contacts"]
    assert (outcome.ok, outcome.wait_seconds) == (True, 90)
    row = loop.store.connection_state("hubspot")
    assert row is not None
    assert "pause" in row.message
    place = len(loop.sandbox.requests)
    loop.run_for(80, step=20)
    assert not any(READS["hubspot"] in call.path for call in loop.calls_since(place))
    assert people["salesforce"] in known(loop)
    loop.run_for(30)
    assert people["hubspot"] in known(loop)
    all_is_well(loop, *people.values())
    assert loop.exceptions() == []


def test_a_pause_before_writing_is_kept_and_the_score_is_written_once(loop: Loop) -> None:
    people = add_one_each(loop)
    refusal: dict[str, Any] = {"status": 429, "headers": {"Retry-After": "60"}, "body": {}}
    loop.fault("hubspot", "answer", path=WRITES["hubspot"], **refusal)
    place = len(loop.sandbox.requests)
    loop.run_for(120, step=10)
    writes = [c for c in loop.calls_since(place) if is_write(c) and c.crm == "hubspot"]
    assert len(writes) == 2  # the refused one and the one that counted
    all_is_well(loop, *people.values())
    assert loop.exceptions() == []


def test_too_many_calls_at_once_in_salesforce_are_a_pause(loop: Loop) -> None:
    people = add_one_each(loop)
    loop.fault("salesforce", "concurrent", path=READS["salesforce"], times=3)
    assert all(outcome.ok for outcome in loop.tick(POLL).values())
    all_is_well(loop, *people.values())
    assert loop.exceptions() == []


SIGN_IN = {"hubspot": ("hubspot.auth", "expired"), "salesforce": ("salesforce.revoked", "yes")}


@pytest.mark.parametrize("ill", ["hubspot", "salesforce"])
def test_a_refused_sign_in_stops_that_crm_until_it_is_mended(loop: Loop, ill: str) -> None:
    people = add_one_each(loop)
    name, value = SIGN_IN[ill]
    loop.switch(name, value)
    loop.run_for(60, step=POLL)
    (first, *_) = loop.exceptions("auth_failed")
    assert first.message.startswith(ill)
    row = loop.store.connection_state(ill)
    assert row is not None
    assert row.state == "auth_failed"
    well = next(crm for crm in people if crm != ill)
    assert known(loop) == {people[well]}
    loop.switch(name, "")
    all_is_well(loop, *people.values())


def test_a_stream_that_has_nothing_to_ask_is_no_sign_of_recovery(
    tmp_path: Path, clock: FakeClock
) -> None:
    with running(tmp_path, clock) as loop:
        loop.switch(*SIGN_IN["hubspot"])
        loop.catch_up()
        told = loop.rows(EXCEPTION, EXCEPTION.c.kind == "auth_failed")
        assert [item.state for item in told] == ["open"]


def test_what_is_missing_in_a_crm_is_told_until_it_is_granted(loop: Loop) -> None:
    fields = loop.sandbox.state.fields("hubspot", "contacts")
    ours = fields["leadlight_score"]
    wrong = {"label": "x", "type": "string", "fieldType": "text", "groupName": "leadlight"}
    for definition, state, missing in (
        (wrong, "degraded", ["leadlight_score"]),
        (ours, "ready", []),
    ):
        loop.sandbox.state.define_field("hubspot", "contacts", "leadlight_score", definition)
        loop.tick(CHECK_EVERY_SECONDS)
        row = loop.store.connection_state("hubspot")
        assert row is not None
        assert row.state == state
        assert [item.field for item in loop.exceptions("missing_permission")] == missing


def test_a_salesforce_session_that_ends_is_renewed_in_silence(loop: Loop) -> None:
    people = add_one_each(loop)
    loop.clock.advance(90_000)  # longer than a session lives
    assert all(outcome.ok for outcome in loop.tick(POLL).values())
    assert set(people.values()) <= known(loop)
    assert loop.exceptions() == []


# -- records that are none -----------------------------------------------------------------------


def search(loop: Loop) -> list[dict[str, Any]]:
    """All contacts as HubSpot's search shows them to us."""
    names = ["email", "firstname", "lastname", "jobtitle", "country", "createdate"]
    body = {"limit": 200, "properties": [*names, "lastmodifieddate", "hs_object_id"]}
    answer = loop.client.hubspot.post("/crm/v3/objects/contacts/search", json=body)
    return list(answer.raise_for_status().json()["results"])


def test_a_page_of_nonsense_costs_none_of_its_neighbours(loop: Loop) -> None:
    """Twice the same id, no id, impossible dates, options and lengths: all in one page."""
    people = [
        loop.client.add_contact(email=f"p{n}@acme{n}.example", jobtitle="CEO") for n in range(6)
    ]
    loop.clock.advance(6)
    rows = search(loop)
    for row, name, value in zip(
        rows,
        ("createdate", "country", "hs_email_optout", "jobtitle"),
        ("20226-03-01T00:00:00Z", "Atlantis", "perhaps", LONG),
        strict=False,
    ):
        row["properties"][name] = value
    page = [*rows, rows[5], {"properties": {"email": "nobody@acme.example"}}, {"id": "7"}]
    body = {"total": len(page), "results": page}
    loop.fault("hubspot", "answer", path=READS["hubspot"], body=body)
    loop.tick(10)
    assert set(people) <= known(loop)
    assert len({loop.lead_of(record).id for record in people}) == 6
    found = {(item.kind, item.field): item for item in loop.exceptions()}
    assert "20226" in found["bad_value", "created_at"].message
    assert "Atlantis" in found["bad_value", "country"].message
    assert "perhaps" in found["bad_value", "email_opt_out"].message
    assert "40,000 characters" in found["bad_value", "job_title"].message
    bad_records = [item.message for item in loop.exceptions("bad_record")]
    assert len(bad_records) == 2
    assert all("Open it" in message for message in bad_records)
    for record in people:  # whoever mends them in HubSpot
        loop.client.change_contact(record, jobtitle="CFO")
    all_is_well(loop, *people)
    assert {loop.lead_of(record).job_title for record in people} == {"CFO"}


def put_lead(loop: Loop, number: int, **fields: Any) -> RecordKey:
    """A Salesforce lead as an import left it there, past every check of the API."""
    lead = loop.client.add("Lead", LastName=f"Quist{number}", Company=f"Quist {number}")
    stored = loop.sandbox.state.get("salesforce", "Lead", lead.id)
    assert stored is not None
    loop.sandbox.state.put(replace(stored, fields={**stored.fields, **fields}))
    return lead


def test_odd_salesforce_leads_are_named_and_scored_with_what_is_known(loop: Loop) -> None:
    good = put_lead(loop, 1, Email="quist1@quist.example")
    long = put_lead(loop, 2, Email="quist2@quist.example", Description=LONG)
    land = put_lead(loop, 3, Email="quist3@quist.example", Country="Atlantis")
    loop.tick(POLL)
    assert {good, long, land} <= known(loop)
    found = {(item.record_key, item.field): item.message for item in loop.exceptions()}
    assert "Atlantis" in found[str(land), "country"]
    assert "40,000 characters" in found[str(long), "message"]
    all_is_well(loop, good, long, land)


def test_a_record_without_email_and_phone_is_scored_and_asked_about(loop: Loop) -> None:
    contact = loop.client.add_contact(firstname="Only", lastname="Name")
    lead = loop.client.add("Lead", LastName="Alone", Company="Alone & Co")
    all_is_well(loop, contact, lead)
    asked = {item.record_key: item for item in loop.exceptions("no_identity")}
    assert asked.keys() == {str(contact), str(lead)}
    assert all("e-mail" in item.message for item in asked.values())
    assert loop.lead_of(contact).id != loop.lead_of(lead).id


def test_a_refused_score_is_put_before_a_person_and_the_rest_goes_on(loop: Loop) -> None:
    people = [loop.client.add_contact(email=f"p{n}@acme{n}.example") for n in range(3)]
    loop.switch("hubspot.refused_ids", json.dumps({people[1].id: "This record is locked."}))
    loop.run_for(60)
    assert loop.client.scores(people).keys() == {people[0], people[2]}
    (item,) = loop.exceptions("write_rejected")
    assert "This record is locked." in item.message
    assert item.record_key == str(people[1])
    loop.switch("hubspot.refused_ids", "")
    loop.client.change_contact(people[1], jobtitle="CEO")
    all_is_well(loop, *people)
    assert loop.exceptions("write_rejected") == []
