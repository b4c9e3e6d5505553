"""The HubSpot adapter through the official client over HTTP, against the sandbox's server."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from connectors.base import (
    AuthFailed,
    Page,
    RateLimited,
    RecordRejected,
    TaskDraft,
    TransientFailure,
)
from connectors.hubspot import HubSpotCrm
from connectors.hubspot_cursor import OVERLAP_SECONDS, Cursor, milliseconds
from connectors.hubspot_errors import Refused
from connectors.hubspot_people import CONTACT_EXTRA, CONTACT_FIELDS
from connectors.hubspot_provision import OWN_PROPERTIES
from connectors.hubspot_session import Pace
from connectors.sandbox.hubspot_schema import CRM
from scoring.leads import Outcome, RecordKey

pytest.register_assert_rewrite("tests.crm_contract")

from tests.crm_contract import CrmContract, keys, pages, score  # noqa: E402  # rewritten first
from tests.hubspot_serving import ServedPortal, serve_portal, wire  # noqa: E402

SEARCH = "/objects/contacts/search"


@pytest.fixture(scope="module")
def served() -> Iterator[ServedPortal]:
    with serve_portal() as portal:
        yield portal


@pytest.fixture
def portal(served: ServedPortal) -> ServedPortal:
    served.empty()
    return served


@pytest.fixture
def crm(portal: ServedPortal) -> Iterator[HubSpotCrm]:
    found = portal.crm()
    yield found
    found.close()


def one(found: list[Page], what: str) -> Any:
    """The only thing of a kind that pages hold."""
    things = [thing for page in found for thing in getattr(page, what)]
    assert len(things) == 1, things
    return things[0]


def contact(id_: str) -> RecordKey:
    return RecordKey("hubspot", "contact", id_)


class HubSpotBench:
    """HubSpot for the contract."""

    people, late_seconds = "contacts", 100.0

    def __init__(self, portal: ServedPortal) -> None:
        self._portal = portal
        self.waits = portal.waits
        self.wait = portal.wait
        self.adapter = portal.crm

    @property
    def now(self) -> datetime:
        return self._portal.now

    def add_person(self, *, seen_after: float = 0.0) -> RecordKey:
        return contact(self._portal.contact(seen_after=seen_after))

    def change(self, record: RecordKey) -> None:
        self._portal.change("contacts", record.id, jobtitle="Director of IT")

    def spoil(self, record: RecordKey) -> None:
        self._portal.change("contacts", record.id, createdate="20226-03-01T00:00:00.000Z")

    def disturb(self, kind: str, times: int) -> None:
        self._portal.fault(kind, path=SEARCH, times=times)

    def slow_down(self) -> float:
        body = {"status": "error", "message": "slow down", "policyName": "SECONDLY"}
        headers = {"Retry-After": "7"}
        self._portal.answer(body, path=SEARCH, status=429, headers=headers)
        return 7.0

    def revoke(self) -> None:
        self._portal.switch("auth", "expired")

    def score_of(self, record: RecordKey) -> float | None:
        found = self._portal.fields_of("contacts", record.id).get("leadlight_score")
        return float(found) if found else None

    def delete(self, record: RecordKey) -> None:
        self._portal.change("contacts", record.id, archived=True)

    def tasks_of(self, record: RecordKey) -> list[str]:
        return [i for i, _ in self._portal.state.linked(CRM, "contacts", record.id, "tasks")]


class TestHubSpotKeepsTheContract(CrmContract):
    @pytest.fixture
    def bench(self, portal: ServedPortal) -> HubSpotBench:
        return HubSpotBench(portal)


# -- people ------------------------------------------------------------------------------------


def test_a_contact_becomes_a_record(portal: ServedPortal, crm: HubSpotCrm) -> None:
    company = portal.add("companies", name="Acme")
    portal.add("owners", id="77", firstName="Grace", lastName="Hopper", email="g@us.example")
    born_at = portal.now - timedelta(days=3)
    id_ = portal.contact(
        at=born_at,
        email="Ada@Acme-Engines.example",
        jobtitle="VP Engineering",
        mobilephone="+14155550132",
        country="Germany",
        hs_analytics_source="PAID_SEARCH",
        hubspot_owner_id="77",
        hs_analytics_num_page_views="12",
        hs_email_open="3",
        hs_email_bounce="1",
        lifecyclestage="lead",
        message="Please call me about pricing",
        associatedcompanyid=company,
    )
    record = one(pages_of(portal, crm, "contacts"), "records")
    assert (record.key, record.created_at, record.modified_at) == (contact(id_), born_at, born_at)
    assert record.account == RecordKey("hubspot", "company", company)
    assert record.url == crm.record_url(record.key)
    expected = {
        "email": "ada@acme-engines.example",
        "phone": "+14155550132",
        "country": "DE",
        "job_title": "VP Engineering",
        "lead_source": "Paid search",
        "owner": "Grace Hopper",
        "page_views": 12,
        "marketing_emails_opened": 3,
        "email_bounced": True,
        "converted": False,
        "message": "Please call me about pricing",
    }
    assert {name: record.fields.get(name) for name in expected} == expected


def pages_of(portal: ServedPortal, crm: HubSpotCrm, stream: str, cursor: str = "") -> list[Page]:
    return pages(portal, crm, stream, cursor)  # type: ignore[arg-type]  # it has a clock


def test_custom_properties_come_along_but_ours_do_not(
    portal: ServedPortal, crm: HubSpotCrm
) -> None:
    crm.provision()
    kept = {"label": "Plan", "type": "string", "fieldType": "text", "groupName": "leadlight"}
    portal.state.define_field(CRM, "contacts", "wanted_plan", {"name": "wanted_plan", **kept})
    id_ = portal.contact(wanted_plan="Gold")
    crm.provision()  # properties are asked for again
    crm.write_scores([score(contact(id_), portal.now)])
    record = one(pages_of(portal, crm, "contacts"), "records")
    assert record.fields["wanted_plan"] == "Gold"
    assert not any(name.startswith("leadlight") for name in record.fields)


def test_many_custom_properties_never_make_a_search_too_long(
    portal: ServedPortal, crm: HubSpotCrm
) -> None:
    for number in range(80):
        name = f"a_rather_long_custom_property_name_{number:03d}"
        definition = {"label": "x", "type": "string", "fieldType": "text", "groupName": "g"}
        portal.state.define_field(CRM, "contacts", name, definition)
    portal.contact(a_rather_long_custom_property_name_000="yes")
    record = one(pages_of(portal, crm, "contacts"), "records")
    assert record.fields["a_rather_long_custom_property_name_000"] == "yes"


def test_a_property_the_account_lacks_is_not_asked_for(
    portal: ServedPortal, crm: HubSpotCrm
) -> None:
    body = {"results": [{"name": "email", "type": "string", "hubspotDefined": True}]}
    portal.answer(body, path="/properties/contacts")
    portal.contact(firstname="Ada")
    record = one(pages_of(portal, crm, "contacts"), "records")
    assert "first_name" not in record.fields
    assert "email" in record.fields


def test_an_endless_text_is_cut_not_lost(portal: ServedPortal, crm: HubSpotCrm) -> None:
    portal.contact(message="We want pricing. " * 2_500)
    found = pages_of(portal, crm, "contacts")
    assert len(one(found, "records").fields["message"]) > 1_000
    assert one(found, "problems").field == "message"


def test_a_merge_names_the_ids_it_took_in(portal: ServedPortal, crm: HubSpotCrm) -> None:
    first, second = portal.contact(), portal.contact()
    cursor = pages_of(portal, crm, "contacts")[-1].next_cursor
    portal.wait(10)
    body = {"primaryObjectId": first, "objectIdToMerge": second}
    with portal.http() as http:
        merged = http.post("/crm/v3/objects/contacts/merge", json=body).json()["id"]
    portal.wait(10)
    records = {r.key.id: r for p in pages_of(portal, crm, "contacts", cursor) for r in p.records}
    assert set(records) == {first, second, merged}
    assert set(records[merged].links) == {contact(first), contact(second)}
    assert records[first].merged_into == records[second].merged_into == contact(merged)


def test_a_deleted_contact_is_told_once(portal: ServedPortal, crm: HubSpotCrm) -> None:
    long_gone, lives = portal.contact(), portal.contact()
    with portal.http() as http:
        http.delete(f"/crm/v3/objects/contacts/{long_gone}")
        cursor = pages_of(portal, crm, "deleted_contacts")[-1].next_cursor
        portal.wait(60)
        http.delete(f"/crm/v3/objects/contacts/{lives}")
    portal.wait(30)
    found = pages_of(portal, crm, "deleted_contacts", cursor)
    record = one(found, "records")
    assert (record.key, record.deleted) == (contact(lives), True)
    assert keys(pages_of(portal, crm, "deleted_contacts", found[-1].next_cursor)) == []


def test_a_contact_the_index_hid_for_long_is_found_by_the_late_pass(
    portal: ServedPortal, crm: HubSpotCrm
) -> None:
    cursor = pages_of(portal, crm, "contacts_late")[-1].next_cursor
    id_ = portal.contact(seen_after=1_800)
    portal.wait(3_700)
    assert keys(pages_of(portal, crm, "contacts_late", cursor)) == [contact(id_)]


def test_a_counter_that_moves_no_time_is_found_within_a_day(
    portal: ServedPortal, crm: HubSpotCrm
) -> None:
    id_ = portal.contact(hs_analytics_num_page_views="1")
    cursor = pages_of(portal, crm, "contacts_daily")[-1].next_cursor
    calls = crm.calls
    portal.wait(3_600)
    assert keys(pages_of(portal, crm, "contacts_daily", cursor)) == []
    assert crm.calls == calls
    stored = portal.state.get(CRM, "contacts", id_)
    assert stored is not None
    fields = stored.fields | {"hs_analytics_num_page_views": "9"}
    portal.state.put(replace(stored, fields=fields))
    portal.wait(86_400)
    found = pages_of(portal, crm, "contacts_daily", cursor)
    assert one(found, "records").fields["page_views"] == 9
    assert keys(pages_of(portal, crm, "contacts_daily", found[-1].next_cursor)) == []


def test_a_fast_clock_of_ours_leaves_nothing_out(portal: ServedPortal, crm: HubSpotCrm) -> None:
    fast = timedelta(minutes=20)
    cursors = {
        name: crm.changes(name, "", portal.now + fast).next_cursor
        for name in ("contacts", "page_visits")
    }
    portal.wait(60)
    id_ = portal.contact()
    portal.add("events", id="v-1", eventType="e_visited_page", objectId=id_, properties={})
    portal.wait(60)
    later = portal.now + fast
    assert [r.key.id for r in crm.changes("contacts", cursors["contacts"], later).records] == [id_]
    assert len(crm.changes("page_visits", cursors["page_visits"], later).engagements) == 1


def test_a_company_becomes_an_account(portal: ServedPortal, crm: HubSpotCrm) -> None:
    id_ = portal.add(
        "companies",
        name="Acme",
        domain="acme-engines.com",
        industry="COMPUTER_SOFTWARE",
        numberofemployees="250",
        annualrevenue="1500000.00",
    )
    account = one(pages_of(portal, crm, "companies"), "accounts")
    assert account.key == RecordKey("hubspot", "company", id_)
    assert account.fields["industry"] == "Computer software"
    assert account.fields["employees"] == 250


# -- paging ------------------------------------------------------------------------------------


def test_a_quiet_poll_costs_one_call(portal: ServedPortal, crm: HubSpotCrm) -> None:
    portal.contact()
    portal.wait(30)
    cursor = pages_of(portal, crm, "contacts")[-1].next_cursor
    portal.wait(15)
    before = crm.calls
    page = one_page(portal, crm, "contacts", cursor)
    assert (page.records, page.more, crm.calls - before) == ((), False, 1)


def one_page(portal: ServedPortal, crm: HubSpotCrm, stream: str, cursor: str = "") -> Page:
    return crm.changes(stream, cursor, portal.now)


def test_a_first_read_says_how_far_it_is(portal: ServedPortal, crm: HubSpotCrm) -> None:
    for _ in range(500):
        portal.contact()
    progress = [page.progress for page in pages_of(portal, crm, "contacts")]
    assert progress == [0.4, 0.8, 1.0]


def test_duplicate_ids_in_a_page_are_one_record_the_newest(
    portal: ServedPortal, crm: HubSpotCrm
) -> None:
    rows = [
        contact_row("7", portal.now - timedelta(seconds=age), firstname=name)
        for age, name in ((50, "Old"), (5, "New"), (20, "Middle"))
    ]
    portal.answer({"total": 3, "results": rows}, path=SEARCH)
    record = one(pages_of(portal, crm, "contacts"), "records")
    assert record.fields["first_name"] == "New"


def contact_row(id_: str, at: datetime, **properties: str | None) -> dict[str, Any]:
    """A contact as a search answers it."""
    values = {"email": f"p{id_}@firm.example", "createdate": wire(at), "lastmodifieddate": wire(at)}
    stamps = {"createdAt": wire(at), "updatedAt": wire(at), "archived": False}
    return {"id": id_, "properties": values | properties, **stamps}


def test_rows_without_id_step_aside(portal: ServedPortal, crm: HubSpotCrm) -> None:
    nameless = contact_row("8", portal.now)
    del nameless["id"]
    rows = [nameless, {"id": "9", "properties": None}, contact_row("10", portal.now)]
    portal.answer({"total": 3, "results": rows}, path=SEARCH)
    page = one_page(portal, crm, "contacts")
    assert [record.key.id for record in page.records] == ["10"]
    assert [problem.kind for problem in page.problems] == ["bad_record", "bad_record"]
    assert "no id" in page.problems[0].message


def test_a_page_that_leads_nowhere_is_not_followed_for_ever(
    portal: ServedPortal, crm: HubSpotCrm
) -> None:
    rows = [{"properties": {"email": "x@y.example"}} for _ in range(200)]
    portal.answer({"total": 900, "results": rows}, path=SEARCH)
    with pytest.raises(TransientFailure, match="without usable ids"):
        one_page(portal, crm, "contacts")


@pytest.mark.parametrize(
    "body", [{"results": None}, {"results": ["a"]}, {"total": 1}, [], {"results": {"id": "1"}}]
)
def test_json_that_is_not_an_answer_loses_nothing(
    portal: ServedPortal, crm: HubSpotCrm, body: Any
) -> None:
    id_ = portal.contact()
    portal.answer(body, path=SEARCH, times=3)
    with pytest.raises(TransientFailure, match="not its API's format"):
        one_page(portal, crm, "contacts")
    assert keys(pages_of(portal, crm, "contacts")) == [contact(id_)]


def test_searches_keep_the_pace_that_hubspot_allows() -> None:
    waits: list[float] = []
    times = iter([0.0, 0.0, 0.0, 0.125, 0.25, 5.0, 5.0])
    pace = Pace(0.25, waits.append, lambda: next(times))
    for _ in range(3):  # at 0 s at once, at 0.125 s too early, at 5 s long after
        pace.wait()
    assert waits == [0.125]


@given(
    stamps=st.lists(st.integers(0, 40), min_size=1, max_size=60),
    polls=st.lists(st.integers(1, 30), min_size=1, max_size=5),
)
def test_windows_leave_no_gap(stamps: list[int], polls: list[int]) -> None:
    """Whatever is visible within the overlap is in some window, and told once."""
    start = datetime.fromisoformat("2026-11-02T09:00:00+00:00")
    cursor, told, seconds = Cursor(), [], 0
    for wait in [*polls, 60]:
        seconds += wait
        cursor = cursor.opened(start + timedelta(seconds=seconds))
        rows = [
            (str(number), milliseconds(start + timedelta(seconds=stamp)))
            for number, stamp in enumerate(stamps)
            if stamp <= seconds
        ]
        inside = [row for row in rows if cursor.since <= row[1] <= cursor.until]
        told += [row for row in inside if cursor.new(*row)]
        cursor = Cursor.parse(cursor.noted(inside, OVERLAP_SECONDS).closed(OVERLAP_SECONDS).text())
    assert sorted(told) == sorted(rows)


# -- behaviour ---------------------------------------------------------------------------------


def test_replies_and_sent_mails_are_told_apart(portal: ServedPortal, crm: HubSpotCrm) -> None:
    ada, bob = portal.contact(email="ada@one.example"), portal.contact(email="bob@two.example")

    def mail(direction: str, *people: str, **fields: str) -> str:
        plain = {"hs_timestamp": wire(portal.now), "hs_email_status": "SENT"}
        id_ = portal.add("emails", hs_email_direction=direction, **(plain | fields))
        for person in people:
            portal.link("emails", id_, "contacts", person)
        return id_

    reply = mail("INCOMING_EMAIL", ada, hs_email_subject="Re: hello")
    mail("EMAIL", ada, bob)
    mail("EMAIL", bob, hs_email_status="BOUNCED")
    mail("EMAIL", bob, hs_email_status="SCHEDULED")
    mail("FORWARDED_EMAIL", bob)
    mail("INCOMING_EMAIL", ada, bob, hs_email_from_email="Bob <BOB@two.example>")
    mail("INCOMING_EMAIL")
    mail("INCOMING_EMAIL", ada, hs_email_subject="Automatic reply: hello")
    found = [e for page in pages_of(portal, crm, "emails") for e in page.engagements]
    assert sorted((e.kind, e.record.id if e.record else e.email) for e in found) == sorted(
        [
            ("email_reply", ada),
            ("email_reply", "bob@two.example"),
            ("email_sent", ada),
            ("email_sent", bob),
            ("email_bounce", bob),
        ]
    )
    first = next(e for e in found if e.key == f"hubspot:email:{reply}:reply")
    assert (first.occurred_at, first.detail) == (portal.now, {"subject": "Re: hello"})


@pytest.mark.parametrize(
    ("fields", "kind"),
    [
        ({"hs_call_disposition": "f240bbac-87c9-4f6e-bf70-924b57d47db7"}, "call_connected"),
        ({"hs_call_disposition": "73a0d17f-1163-4015-bdd5-ec830791da20"}, "call_missed"),
        ({"hs_call_status": "COMPLETED", "hs_call_duration": "61000"}, "call_connected"),
        ({"hs_call_status": "COMPLETED", "hs_call_duration": "0"}, "call_missed"),
        ({"hs_call_status": "NO_ANSWER"}, "call_missed"),
        ({"hs_call_status": "COMPLETED"}, "call_connected"),
        ({"hs_call_status": "RINGING"}, None),
    ],
)
def test_a_call_says_whether_we_spoke(
    portal: ServedPortal, crm: HubSpotCrm, fields: dict[str, str], kind: str | None
) -> None:
    ada = portal.contact()
    id_ = portal.add("calls", hs_timestamp=wire(portal.now), **fields)
    portal.link("calls", id_, "contacts", ada)
    found = [e for page in pages_of(portal, crm, "calls") for e in page.engagements]
    assert [e.kind for e in found] == ([kind] if kind else [])
    if fields.get("hs_call_duration") == "61000":
        assert found[0].detail["duration_seconds"] == "61"


def test_a_meeting_is_booked_then_held(portal: ServedPortal, crm: HubSpotCrm) -> None:
    ada = portal.contact()
    start = portal.now + timedelta(hours=1)
    end = start + timedelta(minutes=30)
    for outcome in ("SCHEDULED", "NO_SHOW"):
        id_ = portal.add(
            "meetings",
            hs_timestamp=wire(start),
            hs_meeting_start_time=wire(start),
            hs_meeting_end_time=wire(end),
            hs_meeting_outcome=outcome,
        )
        portal.link("meetings", id_, "contacts", ada)
    booked = [e for page in pages_of(portal, crm, "meetings") for e in page.engagements]
    assert [(e.kind, e.occurred_at) for e in booked] == [("meeting_booked", portal.now)] * 2
    held = pages_of(portal, crm, "meetings_held")
    assert [e for page in held for e in page.engagements] == []
    portal.wait(7_200)
    found = [
        e
        for page in pages_of(portal, crm, "meetings_held", held[-1].next_cursor)
        for e in page.engagements
        if e.kind == "meeting_held"
    ]
    assert [(e.kind, e.occurred_at) for e in found] == [("meeting_held", end)]


def submission(portal: ServedPortal, form: str, email: str, **values: str) -> None:
    """Somebody fills in a form now."""
    pairs = [{"name": n, "value": v} for n, v in {"email": email, **values}.items()]
    number = portal.state.next_number("test.submission")
    conversion = f"{number:08d}-0000-4000-8000-000000000000"
    fields = {"formId": form, "pageUrl": "https://us.example/contact", "values": pairs}
    portal.add("form_submissions", id=conversion, **fields)


def test_form_submissions_bring_what_was_written(portal: ServedPortal, crm: HubSpotCrm) -> None:
    portal.add("forms", id="f-1", name="Contact us", formType="hubspot")
    submission(portal, "f-1", "Ada@One.example", message="We need a quote by Friday")
    found = one(pages_of(portal, crm, "form_submissions"), "engagements")
    assert (found.kind, found.email, found.occurred_at) == (
        "form_submission",
        "ada@one.example",
        portal.now,
    )
    assert found.detail == {
        "form": "Contact us",
        "url": "https://us.example/contact",
        "message": "We need a quote by Friday",
    }


def test_every_form_is_read_to_where_we_were(portal: ServedPortal, crm: HubSpotCrm) -> None:
    for name in ("f-1", "f-2", "f-3"):
        portal.add("forms", id=name, name=name, formType="hubspot")
    portal.add("forms", id="f-0", name="Comments", formType="captured")
    portal.answer(
        {"status": "error", "message": "Form type is not allowed", "category": "VALIDATION_ERROR"},
        path="/submissions/forms/f-0",
        status=400,
        times=99,
    )
    for number in range(330):
        portal.wait(1)
        submission(portal, f"f-{number % 3 + 1}", f"p{number}@x.example")
    found = pages_of(portal, crm, "form_submissions")
    events = [e.key for page in found for e in page.engagements]
    assert (len(events), len(set(events))) == (330, 330)
    assert all(len(page.engagements) <= 200 for page in found)
    portal.wait(5)
    submission(portal, "f-2", "late@x.example")
    portal.wait(5)
    again = pages_of(portal, crm, "form_submissions", found[-1].next_cursor)
    assert one(again, "engagements").email == "late@x.example"


def email_event(portal: ServedPortal, type_: str, recipient: str, **more: Any) -> None:
    number = portal.state.next_number("test.event")
    fields = {"type": type_, "recipient": recipient, "emailCampaignId": 5, **more}
    portal.add("email_events", id=f"{number:08d}-aaaa-4000-8000-000000000000", **fields)


def test_marketing_mail_is_opened_clicked_bounced_and_unsubscribed(
    portal: ServedPortal, crm: HubSpotCrm
) -> None:
    email_event(portal, "OPEN", "Ada@one.example")
    email_event(portal, "OPEN", "bot@one.example", filteredEvent=True)
    email_event(portal, "CLICK", "ada@one.example", url="https://us.example/pricing")
    email_event(portal, "BOUNCE", "bob@one.example")
    email_event(portal, "SENT", "bob@one.example")
    email_event(portal, "STATUSCHANGE", "eve@one.example", portalSubscriptionStatus="UNSUBSCRIBED")
    email_event(portal, "STATUSCHANGE", "bob@one.example", portalSubscriptionStatus="SUBSCRIBED")
    found = pages_of(portal, crm, "email_events")
    events = [e for page in found for e in page.engagements]
    assert [(e.kind, e.email) for e in events] == [
        ("email_open", "ada@one.example"),
        ("email_click", "ada@one.example"),
        ("email_bounce", "bob@one.example"),
        ("email_unsubscribe", "eve@one.example"),
    ]
    assert events[1].detail == {"campaign": "5", "url": "https://us.example/pricing"}
    portal.wait(15)
    again = pages_of(portal, crm, "email_events", found[-1].next_cursor)
    assert [e for page in again for e in page.engagements] == []


def test_hundreds_of_events_are_paged(portal: ServedPortal, crm: HubSpotCrm) -> None:
    for number in range(430):
        email_event(portal, "OPEN", f"p{number}@x.example")
        portal.add(
            "events",
            id=f"v-{number}",
            eventType="e_visited_page",
            objectType="CONTACT",
            objectId="101",
            properties={"hs_url": "https://us.example/pricing", "hs_title": "Pricing"},
        )
    portal.wait(5)
    for stream in ("email_events", "page_visits"):
        found = pages_of(portal, crm, stream)
        events = {e.key for page in found for e in page.engagements}
        assert len(events) == 430
        assert max(len(page.engagements) for page in found) <= 200
    visit = found[0].engagements[0]
    assert (visit.kind, visit.record) == ("page_visit", contact("101"))
    assert visit.detail == {"url": "https://us.example/pricing", "subject": "Pricing"}


def test_a_visit_that_shows_up_late_is_found(portal: ServedPortal, crm: HubSpotCrm) -> None:
    cursor = pages_of(portal, crm, "page_visits")[-1].next_cursor
    portal.wait(60)
    kept = {"eventType": "e_visited_page", "objectType": "CONTACT", "objectId": "101"}
    portal.add("events", id="v-1", seen_after=240.0, **kept, properties={})
    found: list[Page] = []
    for _ in range(6):
        portal.wait(60)
        found += pages_of(portal, crm, "page_visits", cursor)
        cursor = found[-1].next_cursor
    assert one(found, "engagements").key == "hubspot:visit:v-1"


def test_a_stream_the_account_lacks_is_named_once_and_skipped(
    portal: ServedPortal, crm: HubSpotCrm
) -> None:
    portal.switch("tier", "professional")
    problem = one(pages_of(portal, crm, "page_visits"), "problems")
    assert problem.kind == "missing_permission"
    assert "Enterprise" in problem.message
    before = crm.calls
    again = one_page(portal, crm, "page_visits")
    assert (again.problems, again.more, crm.calls) == ((), False, before)
    portal.switch("tier", "")
    crm.check()
    assert one_page(portal, crm, "page_visits").next_cursor


@pytest.mark.parametrize(
    ("stream", "path", "rows"),
    [
        (
            "form_submissions",
            "/submissions/forms",
            [
                {"conversionId": "c-1", "submittedAt": "soon", "values": []},
                {"conversionId": "c-2", "submittedAt": 1793613600000, "values": ["x"]},
            ],
        ),
        (
            "email_events",
            "/email/public",
            [
                {"id": "e-1", "created": 1793613600000, "type": "OPEN"},
                {"id": "e-2", "created": None, "recipient": "a@b.example"},
            ],
        ),
        (
            "page_visits",
            "/events/v3",
            [
                {"id": "v-1", "occurredAt": "20226-01-01T00:00:00Z", "objectId": "1"},
                {"id": "v-2", "occurredAt": "2026-11-02T09:00:00Z", "objectId": None},
            ],
        ),
    ],
)
def test_a_bad_event_steps_aside(
    portal: ServedPortal, crm: HubSpotCrm, stream: str, path: str, rows: list[dict[str, Any]]
) -> None:
    portal.add("forms", id="f-1", name="Contact us", formType="hubspot")
    good = {
        "form_submissions": {
            "conversionId": "c-3",
            "submittedAt": 1793613600000,
            "values": [{"name": "email", "value": "a@b.example"}],
        },
        "email_events": {"id": "e-3", "created": 1793613600000, "recipient": "a@b.example"},
        "page_visits": {"id": "v-3", "occurredAt": "2026-11-02T09:00:00Z", "objectId": "7"},
    }[stream]
    name = "events" if stream == "email_events" else "results"
    portal.answer({name: [*rows, good]}, path=path)
    found = pages_of(portal, crm, stream)
    assert len([e for page in found for e in page.engagements]) == 1
    problems = [problem for page in found for problem in page.problems]
    assert [problem.kind for problem in problems] == ["bad_record", "bad_record"]


# -- outcomes ----------------------------------------------------------------------------------


def test_deals_become_outcomes_of_their_contacts(portal: ServedPortal, crm: HubSpotCrm) -> None:
    ada, bob = portal.contact(), portal.contact()
    born_at = portal.now
    won_at = born_at + timedelta(days=9)

    def deal(stage: str, *people: str, **fields: str) -> str:
        id_ = portal.add("deals", dealname="d", dealstage=stage, **fields)
        for person in people:
            portal.link("deals", id_, "contacts", person)
        return id_

    entered = {"hs_v2_date_entered_closedwon": wire(won_at), "amount": "900.50"}
    won = deal("closedwon", ada, bob, **entered, closedate=wire(won_at + timedelta(days=99)))
    lost = deal("closedlost", bob, closedate=wire(born_at + timedelta(days=2)))
    open_ = deal("contractsent", ada)
    portal.wait(20 * 86_400)
    found = {o for page in pages_of(portal, crm, "deals") for o in page.outcomes}
    base = "hubspot:deal:"

    def outcome(deal_: str, kind: str, at: datetime, who: str, amount: float | None) -> Outcome:
        return Outcome(f"{base}{deal_}:{kind}:{who}", kind, at, contact(who), amount)

    assert found == {
        outcome(won, "converted", born_at, ada, 900.5),
        outcome(won, "converted", born_at, bob, 900.5),
        outcome(won, "won", won_at, ada, 900.5),
        outcome(won, "won", won_at, bob, 900.5),
        outcome(lost, "converted", born_at, bob, None),
        outcome(lost, "lost", born_at + timedelta(days=2), bob, None),
        outcome(open_, "converted", born_at, ada, None),
    }


# -- trouble -----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("body", "pause"),
    [
        ({"policyName": "DAILY", "message": "You have reached your daily limit."}, 3_600.0),
        ({"message": "You have reached your ten_secondly_rolling limit."}, 10.0),
        ({"policyName": "SECONDLY"}, 1.0),
        ({"category": "RATE_LIMITS"}, 10.0),
    ],
)
def test_a_limit_without_retry_after_is_paused_by_its_policy(
    portal: ServedPortal, crm: HubSpotCrm, body: dict[str, str], pause: float
) -> None:
    crm.check()
    portal.answer(body, path=SEARCH, status=429, times=3)
    with pytest.raises(RateLimited) as raised:
        one_page(portal, crm, "contacts")
    assert raised.value.retry_after_seconds == pause
    assert "pause" in str(raised.value)


def test_a_migration_takes_as_long_as_it_says(portal: ServedPortal, crm: HubSpotCrm) -> None:
    crm.check()
    portal.answer({}, path=SEARCH, status=477, headers={"Retry-After": "5400"})
    with pytest.raises(RateLimited) as raised:
        one_page(portal, crm, "contacts")
    assert raised.value.retry_after_seconds == 5_400


def test_searches_of_others_make_us_wait_not_fail(portal: ServedPortal, crm: HubSpotCrm) -> None:
    crm.check()
    portal.wait(2)
    id_ = portal.contact()
    with portal.http() as http:
        for _ in range(5):
            http.post("/crm/v3/objects/contacts/search", json={"limit": 1})
    portal.waits.clear()
    assert keys(pages_of(portal, crm, "contacts")) == [contact(id_)]
    assert 1.0 in portal.waits


def test_a_missing_scope_for_contacts_needs_a_person(portal: ServedPortal, crm: HubSpotCrm) -> None:
    portal.switch("scopes", "crm.objects.owners.read,crm.schemas.contacts.read")
    with pytest.raises(AuthFailed, match=r"crm\.objects\.contacts\.read"):
        one_page(portal, crm, "contacts")


def test_owners_that_may_not_be_read_are_named(portal: ServedPortal, crm: HubSpotCrm) -> None:
    portal.switch("scopes", "crm.objects.contacts.read")
    portal.contact(hubspot_owner_id="77")
    found = pages_of(portal, crm, "contacts")
    assert "owner" not in one(found, "records").fields
    assert "crm.objects.owners.read" in one(found, "problems").message


def test_a_refusal_that_nobody_expected_is_a_bug_and_shown(
    portal: ServedPortal, crm: HubSpotCrm
) -> None:
    portal.answer({"message": "no such thing", "category": "ODD"}, path=SEARCH, status=400)
    with pytest.raises(Refused, match="no such thing"):
        one_page(portal, crm, "contacts")


@pytest.mark.parametrize("status", [500, 502, 504, 521, 524])
def test_a_server_error_is_tried_three_times(
    portal: ServedPortal, crm: HubSpotCrm, status: int
) -> None:
    crm.check()
    portal.answer({"message": "internal error"}, path=SEARCH, status=status, times=3)
    before = crm.calls
    with pytest.raises(TransientFailure):
        one_page(portal, crm, "contacts")
    assert crm.calls - before == 3


def test_nobody_there_is_transient(portal: ServedPortal) -> None:
    crm = portal.crm(base_url="http://127.0.0.1:9")
    with pytest.raises(TransientFailure, match="cannot be reached"):
        crm.check()
    crm.close()


@pytest.mark.parametrize("token", ["", "  ", "pat na1", "pat\n-1", "päť"])
def test_a_token_that_cannot_be_one_is_refused(token: str) -> None:
    with pytest.raises(AuthFailed, match="token"):
        HubSpotCrm(token)


@pytest.mark.parametrize("address", ["", "api.hubapi.com", "ftp://x.example", "http://x.example"])
def test_an_address_that_cannot_be_used_is_refused(address: str) -> None:
    with pytest.raises(AuthFailed):
        HubSpotCrm("pat-1", base_url=address)


def test_no_message_holds_the_token(portal: ServedPortal) -> None:
    crm = portal.crm(token="pat-na1-very-secret")
    with pytest.raises(AuthFailed) as raised:
        crm.check()
    assert "very-secret" not in f"{raised.value}{raised.value.detail}"
    crm.close()


def test_threads_share_the_adapter(portal: ServedPortal, crm: HubSpotCrm) -> None:
    for _ in range(30):
        portal.contact()
    found: list[int] = []

    def run() -> None:
        found.append(len(keys(pages_of(portal, crm, "contacts"))))

    threads = [threading.Thread(target=run) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(timeout=20)
    assert found == [30] * 4


# -- our own properties ------------------------------------------------------------------------


def test_provisioning_makes_our_properties(portal: ServedPortal, crm: HubSpotCrm) -> None:
    assert crm.provision().ok
    made = portal.state.fields(CRM, "contacts")
    assert set(made) == {own.name for own in OWN_PROPERTIES}
    assert made["leadlight_scored_at"]["fieldType"] == "date"


def test_without_the_scope_provisioning_says_what_to_grant(
    portal: ServedPortal, crm: HubSpotCrm
) -> None:
    portal.switch("scopes", "crm.objects.contacts.read,crm.objects.contacts.write")
    report = crm.provision()
    assert not report.ok
    assert "crm.schemas.contacts.write" in report.problems[0].message
    assert "leadlight_score" in report.problems[0].message


def test_a_property_of_another_type_is_named(portal: ServedPortal, crm: HubSpotCrm) -> None:
    definition = {"label": "x", "type": "string", "fieldType": "text", "groupName": "leadlight"}
    portal.state.define_field(CRM, "contacts", "leadlight_score", definition)
    report = crm.provision()
    assert [problem.field for problem in report.problems] == ["leadlight_score"]
    assert "delete or rename" in report.problems[0].message


def test_somebody_faster_is_no_problem(portal: ServedPortal, crm: HubSpotCrm) -> None:
    portal.answer({"message": "exists"}, path="/properties/contacts/groups", status=404)
    crm.provision()
    fresh = portal.crm()
    portal.answer({"results": []}, path="/properties/contacts")  # we see nothing, and create
    assert fresh.provision().ok
    fresh.close()


def test_check_names_every_gap(portal: ServedPortal, crm: HubSpotCrm) -> None:
    crm.provision()
    portal.switch("scopes", "crm.objects.contacts.read")
    portal.switch("tier", "professional")
    report = crm.check()
    assert {p.field for p in report.problems} == {
        "companies",
        "deals",
        "form_submissions",
        "email_events",
        "page_visits",
        "owners",
    }
    assert report.account == "HubSpot 24400001"


# -- writing -----------------------------------------------------------------------------------


def test_scores_are_written_a_hundred_a_call(portal: ServedPortal, crm: HubSpotCrm) -> None:
    crm.provision()
    people = [contact(portal.contact()) for _ in range(250)]
    before = crm.calls
    results = crm.write_scores([score(person, portal.now) for person in people])
    assert {result.record for result in results if result.status == "done"} == set(people)
    assert crm.calls - before == 3


def test_a_refused_record_says_why(portal: ServedPortal, crm: HubSpotCrm) -> None:
    crm.provision()
    people = [contact(portal.contact()) for _ in range(3)]
    portal.switch("refused_ids", json.dumps({people[1].id: "Region is required"}))
    found = {r.record: r for r in crm.write_scores([score(p, portal.now) for p in people])}
    assert [found[p].status for p in people] == ["done", "rejected", "done"]
    assert "Region is required" in found[people[1]].message


def test_a_batch_refused_as_a_whole_is_halved_to_the_culprit(
    portal: ServedPortal, crm: HubSpotCrm
) -> None:
    crm.provision()
    people = [contact(portal.contact()) for _ in range(8)]
    writes = [score(person, portal.now) for person in people]
    too_much = score(people[5], portal.now, float("nan"))  # no CRM stores that
    writes[5] = too_much
    found = {r.record: r for r in crm.write_scores(writes)}
    assert [found[p].status for p in people] == ["done"] * 5 + ["rejected"] + ["done"] * 2
    assert "leadlight_score" in found[people[5]].message


def test_without_our_properties_every_score_is_rejected_at_once(
    portal: ServedPortal, crm: HubSpotCrm
) -> None:
    people = [contact(portal.contact()) for _ in range(20)]
    before = crm.calls
    results = crm.write_scores([score(person, portal.now) for person in people])
    assert {result.status for result in results} == {"rejected"}
    assert "check the connection" in results[0].message
    assert crm.calls - before == 1


def test_a_merged_contact_is_gone_to_its_new_id(portal: ServedPortal, crm: HubSpotCrm) -> None:
    crm.provision()
    first, second = portal.contact(), portal.contact()
    body = {"primaryObjectId": first, "objectIdToMerge": second}
    with portal.http() as http:
        merged = http.post("/crm/v3/objects/contacts/merge", json=body).json()["id"]
    [result] = crm.write_scores([score(contact(second), portal.now)])
    assert (result.status, result.moved_to) == ("gone", contact(merged))


def test_what_was_written_before_a_failure_is_told(portal: ServedPortal, crm: HubSpotCrm) -> None:
    crm.provision()
    people = [contact(portal.contact()) for _ in range(150)]
    update = "/objects/contacts/batch/update"
    rows = [{"id": p.id, "properties": {}} for p in people[:100]]
    portal.answer({"status": "COMPLETE", "results": rows}, path=update)
    portal.answer({"policyName": "DAILY"}, path=update, status=429, times=9)
    results = crm.write_scores([score(person, portal.now) for person in people])
    assert [r.status for r in results] == ["done"] * 100 + ["later"] * 50


def test_locked_records_are_tried_again_in_a_moment(portal: ServedPortal, crm: HubSpotCrm) -> None:
    crm.provision()
    person = contact(portal.contact())
    portal.waits.clear()
    portal.answer({"category": "LOCKED"}, path="/batch/update", status=423)
    [result] = crm.write_scores([score(person, portal.now)])
    assert (result.status, portal.waits) == ("done", [2.0])


@pytest.mark.parametrize(
    ("category", "status"),
    [("OBJECT_NOT_FOUND", "gone"), ("RATE_LIMITS", "later"), ("VALIDATION_ERROR", "rejected")],
)
def test_each_error_of_a_batch_says_what_to_do(
    portal: ServedPortal, crm: HubSpotCrm, category: str, status: str
) -> None:
    crm.provision()
    person = contact(portal.contact())
    error = {
        "status": "error",
        "category": category,
        "message": "no",
        "context": {"ids": [person.id]},
    }
    body = {"status": "COMPLETE", "results": [], "numErrors": 1, "errors": [error]}
    portal.answer(body, path="/batch/update", status=207)
    [result] = crm.write_scores([score(person, portal.now)])
    assert result.status == status


def test_a_token_that_may_not_ask_for_the_account_still_works(
    portal: ServedPortal, crm: HubSpotCrm
) -> None:
    portal.answer({"message": "not yours"}, path="/account-info", status=403, times=9)
    assert crm.provision().account == "HubSpot"
    portal.contact()
    assert one(pages_of(portal, crm, "contacts"), "records").url == ""


def test_only_contacts_carry_scores(portal: ServedPortal, crm: HubSpotCrm) -> None:
    [result] = crm.write_scores([score(RecordKey("hubspot", "company", "5"), portal.now)])
    assert result.status == "rejected"


def test_a_task_whose_answer_was_lost_is_not_created_twice(
    portal: ServedPortal, crm: HubSpotCrm
) -> None:
    portal.add("owners", id="77", firstName="Grace", lastName="Hopper")
    person = contact(portal.contact(hubspot_owner_id="77"))
    draft = TaskDraft("hot:<1>", person, "Call", "Line one\n<b>two</b>", portal.now)
    portal.fault("lost", path="/objects/tasks")
    with pytest.raises(TransientFailure):
        crm.create_task(draft)
    task = crm.create_task(draft)
    assert [i for i, _ in portal.state.linked(CRM, "contacts", person.id, "tasks")] == [task]
    fields = portal.fields_of("tasks", task)
    assert fields["hubspot_owner_id"] == "77"
    assert "Line one<br>&lt;b&gt;two" in fields["hs_task_body"]


def test_a_task_for_nobody_is_rejected(portal: ServedPortal, crm: HubSpotCrm) -> None:
    for record in (contact("424242"), RecordKey("hubspot", "company", "1")):
        with pytest.raises(RecordRejected):
            crm.create_task(TaskDraft("k", record, "Call", "x", portal.now))


def test_the_wish_list_fits_into_a_search() -> None:
    assert len(json.dumps([*CONTACT_FIELDS, *CONTACT_EXTRA])) < 1_200
