"""The Salesforce adapter through the official client over HTTP, against the sandbox's server."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from connectors.base import (
    AuthFailed,
    Crm,
    Page,
    RateLimited,
    RecordRejected,
    ScoreWrite,
    TaskDraft,
    TransientFailure,
)
from connectors.salesforce import SalesforceCrm
from connectors.salesforce_cursor import PAGE_ROWS, Cursor
from connectors.salesforce_provision import OWN_FIELDS
from connectors.sandbox.salesforce_schema import CRM
from scoring.leads import RecordKey

pytest.register_assert_rewrite("tests.crm_contract")

from tests.crm_contract import CrmContract  # noqa: E402  # its asserts are rewritten first
from tests.salesforce_serving import START, ServedOrg, serve_org  # noqa: E402


@pytest.fixture(scope="module")
def served() -> Iterator[ServedOrg]:
    with serve_org() as org:
        yield org


@pytest.fixture
def org(served: ServedOrg) -> ServedOrg:
    served.empty()
    return served


@pytest.fixture
def crm(org: ServedOrg) -> Iterator[SalesforceCrm]:
    found = org.crm()
    yield found
    found.close()


def read(crm: SalesforceCrm, stream: str, cursor: str = "", pages: int = 100) -> list[Page]:
    """Every page up to the end of the window."""
    found: list[Page] = []
    for _ in range(pages):
        page = crm.changes(stream, cursor, START)
        found.append(page)
        cursor = page.next_cursor
        if not page.more:
            return found
    raise AssertionError("the pages do not end")


def ids(pages: list[Page]) -> list[str]:
    return [record.key.id for page in pages for record in page.records]


def write_of(record_id: str, kind: str = "lead", **changes: Any) -> ScoreWrite:
    values: dict[str, Any] = {
        "record": RecordKey("salesforce", kind, record_id),
        "score": 81.2,
        "band": "hot",
        "fit": 40.0,
        "engagement": 30.1,
        "intent": 11.1,
        "confidence": "certain",
        "reasons": "+12 Director\n+8 asked for a price",
        "next_step": "Call today",
        "scored_at": START,
        "rule_set": "3 (a1b2c3d4)",
    }
    return ScoreWrite(**(values | changes))


def lead_key(record_id: str) -> RecordKey:
    return RecordKey("salesforce", "lead", record_id)


class SalesforceBench:
    """Salesforce for the contract."""

    people, late_seconds = "leads", 500.0

    def __init__(self, org: ServedOrg) -> None:
        self._org = org
        self.waits = org.waits
        self.wait = org.wait
        self.adapter = org.crm

    @property
    def now(self) -> datetime:
        return self._org.now

    def add_person(self, *, seen_after: float = 0.0) -> RecordKey:
        return lead_key(self._org.lead(seen_after=seen_after))

    def change(self, record: RecordKey) -> None:
        self._org.change("Lead", record.id, Title="Director of IT")

    def spoil(self, record: RecordKey) -> None:
        self._org.change("Lead", record.id, CreatedDate="20226-03-01T00:00:00.000+0000")

    def disturb(self, kind: str, times: int) -> None:
        self._org.fault(kind, path="queryAll", times=times)

    def slow_down(self) -> float:
        self._org.fault("concurrent", path="queryAll")
        return 30.0

    def revoke(self) -> None:
        self._org.state.set_meta("salesforce.revoked", "yes")

    def score_of(self, record: RecordKey) -> float | None:
        found = self._org.fields("Lead", record.id).get("Leadlight_Score__c")
        return None if found is None else float(found)

    def delete(self, record: RecordKey) -> None:
        self._org.change("Lead", record.id, archived=True)

    def tasks_of(self, record: RecordKey) -> list[str]:
        tasks = self._org.state.select("crm=? AND type=?", (CRM, "Task"))
        return [task.id for task in tasks if task.fields["WhoId"] == record.id]


class TestSalesforceKeepsTheContract(CrmContract):
    @pytest.fixture
    def bench(self, org: ServedOrg) -> SalesforceBench:
        return SalesforceBench(org)


# reading people


def test_the_adapter_fills_the_port(crm: SalesforceCrm) -> None:
    port: Crm = crm
    assert [stream.name for stream in port.streams()][:2] == ["leads", "contacts"]
    assert port.streams()[0].every == 1


def test_a_lead_becomes_a_record(org: ServedOrg, crm: SalesforceCrm) -> None:
    lead = org.lead(
        Email="ADA@Engines.example",
        Phone="+1 212 555 0123",
        Title="VP Engineering",
        NumberOfEmployees=120,
        AnnualRevenue=1_500_000.0,
        HasOptedOutOfEmail=True,
        Description="We need a quote this week",
    )
    record = read(crm, "leads")[0].records[0]
    assert record.key == RecordKey("salesforce", "lead", lead)
    assert (record.created_at, record.modified_at) == (org.now, org.now)
    assert record.url == crm.record_url(record.key) == f"{org.url}/{lead}"
    assert record.fields["job_title"] == "VP Engineering"
    assert record.fields["employees"] == 120
    assert record.fields["email_opt_out"] is True
    assert record.fields["message"] == "We need a quote this week"


def test_a_contact_belongs_to_its_account(org: ServedOrg, crm: SalesforceCrm) -> None:
    account = org.add("Account", Name="Acme", Industry="Steel", NumberOfEmployees=50)
    org.add("Contact", LastName="Hopper", Email="g@acme.example", AccountId=account)
    record = read(crm, "contacts")[0].records[0]
    page = read(crm, "accounts")[0]
    assert record.account == page.accounts[0].key == RecordKey("salesforce", "account", account)
    assert page.accounts[0].fields["industry"] == "Steel"


def test_custom_fields_come_along_but_ours_do_not(org: ServedOrg, crm: SalesforceCrm) -> None:
    crm.provision()
    org.state.define_field(
        CRM, "Lead", "Budget__c", {"type": "Text", "label": "Budget", "length": 80, "visible": True}
    )
    org.lead(Budget__c="20k", Leadlight_Band__c="hot")
    fields = read(org.crm(), "leads")[0].records[0].fields
    assert fields["Budget__c"] == "20k"
    assert not [name for name in fields if name.startswith("Leadlight")]


def test_a_converted_lead_names_its_contact_and_when(org: ServedOrg, crm: SalesforceCrm) -> None:
    contact = org.add("Contact", LastName="Lovelace", Email="ada@engines.example")
    deal = org.add(
        "Opportunity", Name="Deal", StageName="New", CloseDate="2026-12-01", Amount=900.0
    )
    lead = org.lead(
        IsConverted=True,
        ConvertedDate=org.now.date().isoformat(),
        ConvertedContactId=contact,
        ConvertedOpportunityId=deal,
    )
    page = read(crm, "leads")[0]
    outcome = page.outcomes[0]
    assert page.records[0].links == (RecordKey("salesforce", "contact", contact),)
    assert (outcome.kind, outcome.record.id, outcome.amount) == ("converted", lead, 900.0)
    assert outcome.occurred_at == org.now  # ConvertedDate is a day only; the deal knows the time


def test_a_merged_and_a_deleted_lead_are_seen(org: ServedOrg, crm: SalesforceCrm) -> None:
    winner, loser, gone = org.lead(), org.lead(), org.lead()
    cursor = read(crm, "leads")[-1].next_cursor
    org.wait(30)
    org.change("Lead", loser, archived=True, MasterRecordId=winner)
    org.change("Lead", gone, archived=True)
    found = {r.key.id: r for page in read(crm, "leads", cursor) for r in page.records}
    assert found[loser].merged_into == RecordKey("salesforce", "lead", winner)
    assert found[gone].deleted
    assert winner not in found


# pages, ties, late rows


def test_pages_hold_two_hundred_and_end(org: ServedOrg, crm: SalesforceCrm) -> None:
    wanted = [org.lead(at=org.now - timedelta(days=9, seconds=-i)) for i in range(450)]
    pages = read(crm, "leads")
    assert ids(pages) == wanted
    assert [len(page.records) for page in pages] == [200, 200, 50]
    assert [page.progress for page in pages] == [200 / 450, 400 / 450, 1.0]


def test_ties_beyond_a_page_are_neither_lost_nor_doubled(
    org: ServedOrg, crm: SalesforceCrm
) -> None:
    wanted = [org.lead() for _ in range(450)]
    assert sorted(ids(read(crm, "leads"))) == sorted(wanted)


def test_short_pages_of_the_server_are_followed(org: ServedOrg, crm: SalesforceCrm) -> None:
    wanted = [org.lead() for _ in range(25)]
    org.state.set_meta("salesforce.page_size", "7")
    assert sorted(ids(read(crm, "leads"))) == sorted(wanted)


def test_a_quiet_poll_costs_one_call_and_brings_nothing(org: ServedOrg, crm: SalesforceCrm) -> None:
    for _ in range(250):
        org.lead()
    cursor = read(crm, "leads")[-1].next_cursor
    before = crm.calls
    org.wait(15)
    pages = read(crm, "leads", cursor)
    assert (ids(pages), len(pages), crm.calls - before) == ([], 1, 1)


def test_a_row_that_becomes_visible_late_is_read(org: ServedOrg, crm: SalesforceCrm) -> None:
    org.lead()
    cursor = read(crm, "leads")[-1].next_cursor
    org.wait(120)
    cursor = read(crm, "leads", cursor)[-1].next_cursor
    late = org.lead(at=org.now - timedelta(seconds=110))
    assert ids(read(crm, "leads", cursor)) == [late]


def test_a_second_change_within_the_overlap_is_read(org: ServedOrg, crm: SalesforceCrm) -> None:
    lead = org.lead()
    cursor = read(crm, "leads")[-1].next_cursor
    org.wait(1)
    org.change("Lead", lead, Title="CTO")
    assert ids(read(crm, "leads", cursor)) == [lead]


def test_a_failed_page_is_read_again_from_its_cursor(org: ServedOrg, crm: SalesforceCrm) -> None:
    wanted = [org.lead() for _ in range(30)]
    org.state.set_meta("salesforce.page_size", "10")
    crm.changes("accounts", "", START)
    org.fault("cut", path="/query/", times=9)
    with pytest.raises(TransientFailure):
        crm.changes("leads", "", START)
    org.state.set_meta("salesforce.faults", "")
    assert sorted(ids(read(crm, "leads"))) == sorted(wanted)


def test_a_cursor_of_nonsense_is_refused(crm: SalesforceCrm) -> None:
    with pytest.raises(ValueError, match="no cursor"):
        crm.changes("leads", "garbage", START)


@given(
    st.lists(st.integers(0, 900), min_size=1, max_size=60),
    st.integers(1, 7),
)
def test_a_cursor_reads_every_row_once_whatever_the_stamps(stamps: list[int], size: int) -> None:
    rows = sorted((stamp, f"id{number:03}") for number, stamp in enumerate(stamps))
    cursor, got = Cursor(), []
    for _ in range(200):
        place = (cursor.at, cursor.id) if cursor.at is not None else (cursor.start or 0, "")
        fresh = [
            (row, stamp)
            for stamp, row in rows
            if (stamp, row) > place
            and (cursor.end is None or stamp < cursor.end)
            and cursor.seen.get(row) != stamp
        ]
        page = fresh[:size]
        got += [row for row, _ in page]
        complete = len(fresh) <= size
        cursor = cursor.after(page, complete=complete, server_time=datetime.fromtimestamp(900, UTC))
        cursor = Cursor.parse(cursor.text())
    assert sorted(got) == sorted(row for _, row in rows)


def test_a_page_asks_for_more_than_it_knows() -> None:
    assert Cursor().limit() == PAGE_ROWS
    assert Cursor(start=0, seen={"a": 5, "b": 9}).limit() == PAGE_ROWS + 2
    assert Cursor(at=7, id="a", seen={"a": 5, "b": 9}).limit() == PAGE_ROWS + 1


# activity and outcomes


def test_an_answer_to_a_campaign_counts_once_through_conversion(
    org: ServedOrg, crm: SalesforceCrm
) -> None:
    lead, campaign = org.lead(), org.add("Campaign", Name="Webinar")
    member = org.add(
        "CampaignMember",
        CampaignId=campaign,
        LeadId=lead,
        HasResponded=True,
        FirstRespondedDate=org.now.date().isoformat(),
    )
    org.add("CampaignMember", CampaignId=campaign, LeadId=lead, HasResponded=False)
    first = read(crm, "campaign_members")[0]
    org.wait(60)
    contact = org.add("Contact", LastName="Lovelace")
    org.change("CampaignMember", member, LeadId=None, ContactId=contact)
    second = read(crm, "campaign_members", first.next_cursor)[0]
    [before], [after] = first.engagements, second.engagements
    assert (before.kind, before.occurred_at) == (
        "campaign_response",
        org.now - timedelta(seconds=60),
    )
    assert before.detail["campaign"] == "Webinar"
    assert before.key == after.key
    assert after.record == RecordKey("salesforce", "contact", contact)


def test_calls_are_told_apart(org: ServedOrg, crm: SalesforceCrm) -> None:
    lead = org.lead()
    call: dict[str, Any] = {
        "WhoId": lead,
        "TaskSubtype": "Call",
        "IsClosed": True,
        "Status": "Completed",
    }
    done: dict[str, Any] = {"CompletedDateTime": org.wire(org.now)}
    spoke = org.add("Task", **call, **done, CallDurationInSeconds=90)
    missed = org.add("Task", **call, **done, CallDisposition="Left voicemail")
    org.add("Task", **(call | {"IsClosed": False}))
    org.add("Task", WhoId=lead, Subject="To do", IsClosed=True, TaskSubtype="Task")
    org.add("Task", **(call | {"WhoId": "005000000000001AAA"}))
    found = {e.key: e.kind for e in read(crm, "tasks")[0].engagements}
    assert found == {
        f"salesforce:task:{spoke}": "call_connected",
        f"salesforce:task:{missed}": "call_missed",
    }


def test_mails_are_read_from_tasks_where_there_is_nothing_better(
    org: ServedOrg, crm: SalesforceCrm
) -> None:
    lead = org.lead()
    org.add("Task", WhoId=lead, TaskSubtype="Email", IsClosed=True)
    assert not read(crm, "tasks")[0].engagements
    org.state.set_meta("salesforce.hidden_objects", "EmailMessage")
    assert [e.kind for e in read(org.crm(), "tasks")[0].engagements] == ["email_sent"]


def test_a_meeting_is_booked_then_held(org: ServedOrg, crm: SalesforceCrm) -> None:
    lead = org.lead()
    booked_at, start = org.now, org.now + timedelta(hours=2)
    org.add(
        "Event",
        WhoId=lead,
        StartDateTime=org.wire(start),
        EndDateTime=org.wire(start + timedelta(hours=1)),
    )
    first = read(crm, "events")[0]
    held_cursor = read(crm, "meetings_held")[-1].next_cursor
    assert [(e.kind, e.occurred_at) for e in first.engagements] == [("meeting_booked", booked_at)]
    org.wait(4 * 3_600)
    crm = org.crm()
    assert not read(crm, "events", first.next_cursor)[0].engagements
    held = [e for page in read(crm, "meetings_held", held_cursor) for e in page.engagements]
    kinds = {e.kind: e.occurred_at for e in held}
    assert kinds["meeting_held"] == start + timedelta(hours=1)


def test_opens_replies_and_bounces_find_their_person(org: ServedOrg, crm: SalesforceCrm) -> None:
    lead, at = org.lead(), org.now
    opened = org.add(
        "EmailMessage",
        Status="3",
        MessageDate=org.wire(at),
        FirstOpenedDate=org.wire(at + timedelta(minutes=5)),
        LastOpenedDate=org.wire(at + timedelta(minutes=9)),
    )
    reply = org.add("EmailMessage", Incoming=True, Status="1", MessageDate=org.wire(at))
    alone = org.add(
        "EmailMessage",
        Incoming=True,
        Status="1",
        MessageDate=org.wire(at),
        FromAddress="X@Y.example",
    )
    org.add(
        "EmailMessage", Incoming=True, Status="1", Subject="Out of office", FromAddress="a@b.de"
    )
    relation: dict[str, Any] = {"RelationId": lead, "RelationObjectType": "Lead"}
    org.add("EmailMessageRelation", EmailMessageId=opened, RelationType="ToAddress", **relation)
    org.add("EmailMessageRelation", EmailMessageId=reply, RelationType="FromAddress", **relation)
    found = read(crm, "email_messages")[0].engagements
    kinds = sorted(e.kind for e in found)
    assert kinds == ["email_open", "email_open", "email_reply", "email_reply", "email_sent"]
    assert {e.email for e in found if alone in e.key} == {"x@y.example"}


def test_won_and_lost_reach_the_people_of_the_deal(org: ServedOrg, crm: SalesforceCrm) -> None:
    contact, other = org.add("Contact", LastName="A"), org.add("Contact", LastName="B")
    won = org.add(
        "Opportunity",
        Name="Deal",
        StageName="Closed Won",
        IsClosed=True,
        IsWon=True,
        CloseDate="2026-11-01",
        Amount=500.0,
    )
    org.lead(IsConverted=True, ConvertedContactId=contact, ConvertedOpportunityId=won)
    org.add("OpportunityContactRole", OpportunityId=won, ContactId=contact)
    org.add("OpportunityContactRole", OpportunityId=won, ContactId=other)
    outcomes = read(crm, "opportunities")[0].outcomes
    assert sorted((o.kind, o.record.id) for o in outcomes) == sorted(
        [("won", contact), ("won", other), ("converted", other)]
    )
    assert {o.amount for o in outcomes} == {500.0}


def test_an_invited_colleagues_copy_of_a_meeting_does_not_count(
    org: ServedOrg, crm: SalesforceCrm
) -> None:
    lead = org.lead()
    times: dict[str, Any] = {"StartDateTime": org.wire(org.now), "EndDateTime": org.wire(org.now)}
    mine = org.add("Event", WhoId=lead, **times)
    org.add("Event", WhoId=lead, IsChild=True, **times)
    keys = {e.key for e in read(crm, "events")[0].engagements}
    assert keys == {f"salesforce:event:{mine}:booked", f"salesforce:event:{mine}:held"}


def test_who_joins_a_deal_later_shares_its_outcome(org: ServedOrg, crm: SalesforceCrm) -> None:
    contact = org.add("Contact", LastName="A")
    lost = org.add(
        "Opportunity", StageName="Closed Lost", IsClosed=True, IsWon=False, CloseDate="2026-11-01"
    )
    before = read(crm, "opportunities")[-1]
    roles = read(crm, "contact_roles")[-1].next_cursor
    assert before.outcomes == ()
    org.wait(3_600)
    org.add("OpportunityContactRole", OpportunityId=lost, ContactId=contact)
    assert not read(crm, "opportunities", before.next_cursor)[0].outcomes
    found = read(crm, "contact_roles", roles)[0].outcomes
    assert [(o.kind, o.record.id) for o in found] == [("converted", contact), ("lost", contact)]
    assert {o.key for o in found} == {
        f"salesforce:opportunity:{lost}:converted:{contact}",
        f"salesforce:opportunity:{lost}:lost:{contact}",
    }


# what is missing, what is bad


def test_a_hidden_field_is_named_and_left_out(org: ServedOrg, crm: SalesforceCrm) -> None:
    org.state.set_meta("salesforce.hidden_fields", "Lead.Industry")
    org.lead(Industry="Steel")
    page = read(crm, "leads")[0]
    assert [p.field for p in page.problems] == ["Lead.Industry"]
    assert page.problems[0].kind == "missing_permission"
    assert "industry" not in page.records[0].fields
    assert not read(crm, "leads")[0].problems  # named once


def test_an_absent_object_is_named_and_skipped(org: ServedOrg, crm: SalesforceCrm) -> None:
    org.state.set_meta("salesforce.hidden_objects", "CampaignMember")
    page = crm.changes("campaign_members", "", START)
    assert (page.more, page.next_cursor) == (False, Cursor().text())
    assert "Marketing User" in page.problems[0].message


def test_a_field_hidden_while_we_run_is_found_out(org: ServedOrg, crm: SalesforceCrm) -> None:
    org.lead(Industry="Steel")
    cursor = read(crm, "leads")[-1].next_cursor
    org.state.set_meta("salesforce.hidden_fields", "Lead.Industry")
    with pytest.raises(TransientFailure):
        crm.changes("leads", cursor, START)
    assert crm.changes("leads", cursor, START).problems[0].field == "Lead.Industry"


def test_one_bad_record_steps_aside(org: ServedOrg, crm: SalesforceCrm) -> None:
    good = org.lead()
    bad = org.add(
        "Task",
        WhoId=good,
        TaskSubtype="Call",
        IsClosed=True,
        CompletedDateTime="20226-01-01T00:00:00.000+0000",
    )
    fine = org.add("Task", WhoId=good, TaskSubtype="Call", IsClosed=True)
    page = read(crm, "tasks")[0]
    assert [e.key for e in page.engagements] == [f"salesforce:task:{fine}"]
    assert [p.kind for p in page.problems] == ["bad_record"]
    assert bad in page.problems[0].message
    assert "20226" in page.problems[0].message


def test_an_endless_text_is_cut_not_lost(org: ServedOrg, crm: SalesforceCrm) -> None:
    org.lead(Description="please call " * 4_000, Email="broken@@x", Phone="???")
    page = read(crm, "leads")[0]
    assert len(page.records) == 1
    assert {p.kind for p in page.problems} >= {"bad_value"}


@pytest.mark.parametrize("kind", ["html", "cut", "unavailable", "server", "timeout"])
def test_a_broken_answer_is_tried_again(org: ServedOrg, crm: SalesforceCrm, kind: str) -> None:
    lead = org.lead()
    org.fault(kind, path="queryAll", times=2)
    assert ids(read(crm, "leads")) == [lead]
    assert len(org.waits) == 2
    org.fault(kind, path="queryAll", times=3)
    with pytest.raises(TransientFailure):
        read(crm, "leads")


def wire_lead(org: ServedOrg, record_id: str) -> dict[str, Any]:
    """A lead as a query answers it."""
    stored = org.state.get(CRM, "Lead", record_id)
    assert stored is not None
    stamp = org.wire(datetime.fromtimestamp(stored.modified_at / 1_000, UTC))
    row = {"Id": record_id, "SystemModstamp": stamp, "CreatedDate": stamp, "IsDeleted": False}
    return {"attributes": {"type": "Lead"}, **row, "Email": stored.fields["Email"]}


def test_a_page_of_duplicates_brings_each_row_once(org: ServedOrg, crm: SalesforceCrm) -> None:
    leads = [org.lead(at=org.now - timedelta(hours=9 - i)) for i in range(3)]
    rows = [wire_lead(org, leads[0])] * PAGE_ROWS
    body = {"totalSize": len(rows), "done": True, "records": rows}
    org.fault("answer", path="queryAll", body=body)
    assert ids(read(crm, "leads")) == leads


def test_the_same_page_again_and_again_is_no_endless_loop(
    org: ServedOrg, crm: SalesforceCrm
) -> None:
    leads = [org.lead(at=org.now - timedelta(hours=9 - i)) for i in range(3)]
    rows = [wire_lead(org, leads[0])] * PAGE_ROWS
    body = {"totalSize": len(rows), "done": True, "records": rows}
    org.fault("answer", path="queryAll", times=9, body=body)
    first = crm.changes("leads", "", START)
    with pytest.raises(TransientFailure, match="lead nowhere"):
        crm.changes("leads", first.next_cursor, START)
    org.state.set_meta("salesforce.faults", "")
    assert ids([first, *read(crm, "leads", first.next_cursor)]) == leads


@pytest.mark.parametrize(
    "body",
    [
        [],
        {},
        "done",
        {"done": True, "totalSize": 1, "records": None},
        {"done": True, "records": []},
        {"done": False, "totalSize": 1, "records": []},
        {"done": "yes", "totalSize": 1, "records": []},
    ],
)
def test_an_answer_of_another_form_is_tried_again(
    org: ServedOrg, crm: SalesforceCrm, body: Any
) -> None:
    lead = org.lead()
    org.fault("answer", path="queryAll", body=body)
    assert ids(read(crm, "leads")) == [lead]
    assert len(org.waits) == 1


def test_rows_without_ids_are_named_and_stop_nothing(org: ServedOrg, crm: SalesforceCrm) -> None:
    rows = [{"attributes": {"type": "Lead"}, "Email": "a@b.example"}]
    body = {"totalSize": 1, "done": True, "records": rows}
    org.fault("answer", path="queryAll", body=body)
    page = crm.changes("leads", "", START)
    assert (page.records, page.more) == ((), False)
    assert [problem.kind for problem in page.problems] == ["bad_record"]


def test_nothing_retries_behind_our_back(org: ServedOrg, crm: SalesforceCrm) -> None:
    crm.provision()
    lead = org.lead()
    for kind in ("html", "cut", "unavailable", "server", "timeout", "concurrent"):
        org.fault(kind, path="queryAll")
    with pytest.raises((TransientFailure, RateLimited)):
        read(crm, "leads")
    with pytest.raises((TransientFailure, RateLimited)):
        read(crm, "leads")
    assert ids(read(crm, "leads")) == [lead]
    crm.write_scores([write_of(lead)])
    assert crm.calls == len(org.requests)
    assert len([request for request in org.requests if "queryAll" in request]) == 3 + 3 + 1


def test_limits_make_us_pause(org: ServedOrg, crm: SalesforceCrm) -> None:
    crm.check()
    org.fault("concurrent", path="query", times=3)
    with pytest.raises(RateLimited) as short:
        crm.changes("leads", "", START)
    org.state.set_meta("salesforce.daily_limit", "1")
    before = crm.calls
    with pytest.raises(RateLimited) as long:
        crm.changes("leads", "", START)
    assert short.value.retry_after_seconds == 30
    assert (long.value.retry_after_seconds, crm.calls - before) == (3_600, 1)


# sign-in


def test_an_expired_session_is_renewed_once_and_keeps_our_headers(
    org: ServedOrg, crm: SalesforceCrm
) -> None:
    crm.provision()
    lead = org.lead(OwnerId="005000000000001AAA")
    org.wait(1)
    org.state.set_meta("salesforce.sessions_from", str(int(org.now.timestamp()) * 1_000))
    before = crm.calls
    assert crm.write_scores([write_of(lead)])[0].status == "done"
    assert crm.calls - before == 3  # refused, signed in, done
    assert org.fields("Lead", lead)["OwnerId"] == "005000000000001AAA"


def test_a_session_that_expires_between_pages_is_renewed(
    org: ServedOrg, crm: SalesforceCrm
) -> None:
    wanted = [org.lead() for _ in range(25)]
    org.state.set_meta("salesforce.page_size", "10")
    dead = [{"message": "Session expired or invalid", "errorCode": "INVALID_SESSION_ID"}]
    org.fault("answer", path="/query/0r8", status=401, body=dead)
    assert sorted(ids(read(crm, "leads"))) == sorted(wanted)
    assert org.requests.count("POST /services/oauth2/token") == 2
    assert not org.waits


def test_a_session_that_stays_dead_needs_a_person(org: ServedOrg, crm: SalesforceCrm) -> None:
    org.state.set_meta("salesforce.token_seconds", "0")
    with pytest.raises(AuthFailed):
        crm.changes("leads", "", START)
    assert crm.calls == 4  # signed in, refused, signed in again, refused
    assert not org.waits


def test_a_given_token_is_not_renewed(org: ServedOrg) -> None:
    crm = org.crm(client_id="", client_secret="", access_token="stale")
    with pytest.raises(AuthFailed, match="credentials"):
        crm.check()


def test_wrong_credentials_need_a_person(org: ServedOrg) -> None:
    with pytest.raises(AuthFailed, match="client id"):
        org.crm(client_id="other").changes("leads", "", START)


@pytest.mark.parametrize(
    ("address", "words"),
    [
        ("http://acme.my.salesforce.com", "unencrypted"),
        ("acme.my.salesforce.com", "not a Salesforce address"),
        ("https://acme.lightning.force.com", "acme.my.salesforce.com"),
        ("", "not a Salesforce address"),
    ],
)
def test_an_address_that_cannot_be_used_is_refused(address: str, words: str) -> None:
    with pytest.raises(AuthFailed, match=words):
        SalesforceCrm(address, access_token="token")


def test_credentials_must_be_given() -> None:
    with pytest.raises(AuthFailed, match="client secret"):
        SalesforceCrm("https://acme.my.salesforce.com", client_id="only")


def test_nobody_there_is_transient(org: ServedOrg) -> None:
    crm = SalesforceCrm("http://127.0.0.1:9", access_token="token", sleep=lambda _: None)
    with pytest.raises(TransientFailure, match="cannot be reached"):
        crm.check()


def test_two_threads_share_one_sign_in(org: ServedOrg, crm: SalesforceCrm) -> None:
    org.lead()
    threads = [threading.Thread(target=lambda: crm.changes("leads", "", START)) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert crm.calls <= 1 + 4 * 8


# provisioning and check


def test_provisioning_makes_our_fields_writable(org: ServedOrg, crm: SalesforceCrm) -> None:
    report = crm.check()
    assert not report.ok
    assert [p.field for p in report.problems] == [
        f"{object_}.{OWN_FIELDS[0].name}" for object_ in ("Lead", "Contact")
    ]
    assert all(own.name in report.problems[0].message for own in OWN_FIELDS)
    assert all("permission set" in problem.message for problem in report.problems)
    assert crm.provision().ok
    checked = crm.check()
    assert (checked.ok, checked.account) == (True, "Sandbox")


def test_provisioning_grants_our_fields_to_ourselves(org: ServedOrg, crm: SalesforceCrm) -> None:
    crm.provision()
    own = {f"{object_}.{field.name}" for object_ in ("Lead", "Contact") for field in OWN_FIELDS}
    [permission_set] = org.state.select("crm=? AND type='PermissionSet'", (CRM,))
    [assigned] = org.state.select("crm=? AND type='PermissionSetAssignment'", (CRM,))
    granted = org.state.select("crm=? AND type='FieldPermissions'", (CRM,))
    assert permission_set.fields["Name"] == "Leadlight"
    assert assigned.fields["PermissionSetId"] == permission_set.id
    assert assigned.fields["AssigneeId"] == crm.check().details["user"]
    assert {row.fields["Field"] for row in granted} == own
    assert all(row.fields["PermissionsEdit"] for row in granted)


def test_a_field_that_we_may_only_read_is_named(org: ServedOrg, crm: SalesforceCrm) -> None:
    crm.provision()
    with org.state.transaction() as connection:
        connection.execute(
            "UPDATE object SET fields=json_set(fields,'$.PermissionsEdit',json('false'))"
            " WHERE type='FieldPermissions' AND fields LIKE '%Lead.Leadlight_Score__c%'"
        )
    report = crm.check()
    assert [p.field for p in report.problems] == ["Lead.Leadlight_Score__c"]
    assert "read-only" in report.problems[0].message
    assert crm.provision().ok


def test_a_refused_grant_says_why(org: ServedOrg, crm: SalesforceCrm) -> None:
    refused = {"statusCode": "INSUFFICIENT_ACCESS", "message": "no", "fields": []}
    answer = [{"success": False, "errors": [refused]}] * (2 * len(OWN_FIELDS))
    org.fault("answer", path="composite/sobjects", body=answer)
    report = crm.provision()
    assert not report.ok
    first = report.problems[0]
    assert (first.kind, first.field) == ("missing_permission", f"Lead.{OWN_FIELDS[0].name}")
    assert "INSUFFICIENT_ACCESS" in first.message
    assert crm.provision().ok


def test_check_names_every_gap_and_how_to_close_it(org: ServedOrg, crm: SalesforceCrm) -> None:
    crm.provision()
    org.state.set_meta("salesforce.hidden_fields", "Lead.Industry,Task.WhoId")
    org.state.set_meta("salesforce.hidden_objects", "CampaignMember,EmailMessage")
    found = {p.field: p.message for p in crm.check().problems}
    assert set(found) == {"Lead.Industry", "Task.WhoId", "CampaignMember", "EmailMessage"}
    assert "field-level security" in found["Lead.Industry"]
    assert "Calls and tasks are not read" in found["Task.WhoId"]
    assert "Marketing User" in found["CampaignMember"]
    assert "read access to the object EmailMessage" in found["EmailMessage"]


def test_provisioning_again_changes_nothing(org: ServedOrg, crm: SalesforceCrm) -> None:
    crm.provision()
    first = org.state.query("SELECT COUNT(*), MAX(modified_at) FROM object")
    before = crm.calls
    assert crm.provision().ok
    assert org.state.query("SELECT COUNT(*), MAX(modified_at) FROM object") == first
    assert crm.calls - before <= 4


def test_provisioning_repairs_a_half_done_one(org: ServedOrg, crm: SalesforceCrm) -> None:
    crm.provision()
    with org.state.transaction() as connection:
        connection.execute(
            "DELETE FROM object WHERE type='FieldPermissions' AND fields LIKE '%Lead.Leadlight_S%'"
        )
        connection.execute("DELETE FROM field WHERE name='Leadlight_Band__c' AND type='Contact'")
    assert crm.provision().ok


def test_without_the_right_provisioning_says_what_to_grant(
    org: ServedOrg, crm: SalesforceCrm
) -> None:
    org.state.set_meta("salesforce.may_customize", "no")
    report = crm.provision()
    assert not report.ok
    assert "Customize Application" in report.problems[0].message


def test_a_field_of_another_type_is_named(org: ServedOrg, crm: SalesforceCrm) -> None:
    org.state.define_field(
        CRM,
        "Lead",
        "Leadlight_Score__c",
        {"type": "Text", "label": "Score", "length": 20, "visible": True},
    )
    report = crm.provision()
    assert [p.field for p in report.problems] == ["Lead.Leadlight_Score__c"]
    assert "type string" in report.problems[0].message


# writing


def test_scores_are_written_two_hundred_a_call(org: ServedOrg, crm: SalesforceCrm) -> None:
    crm.provision()
    leads = [org.lead() for _ in range(201)]
    contact = org.add("Contact", LastName="Hopper")
    before = crm.calls
    results = crm.write_scores([write_of(contact, "contact"), *map(write_of, leads)])
    assert {r.status for r in results} == {"done"}
    assert (len(results), crm.calls - before) == (202, 2)
    assert org.fields("Lead", leads[0])["Leadlight_Score__c"] == 81.2
    assert org.fields("Contact", contact)["Leadlight_Scored_At__c"] == org.wire(START)


def test_our_own_write_comes_home_unchanged(org: ServedOrg, crm: SalesforceCrm) -> None:
    crm.provision()
    lead = org.lead()
    first = read(crm, "leads")[0]
    org.wait(30)
    crm.write_scores([write_of(lead)])
    second = read(crm, "leads", first.next_cursor)[0]
    assert ids([second]) == [lead]
    assert second.records[0].fingerprint() == first.records[0].fingerprint()


def test_each_refusal_says_what_to_do(org: ServedOrg, crm: SalesforceCrm) -> None:
    crm.provision()
    rule = {"object": "Lead", "field": "Industry", "equals": "Arms", "message": "Not our market"}
    org.state.set_meta("salesforce.validation_rule", json.dumps(rule))
    contact, winner = org.add("Contact", LastName="A"), org.lead()
    good, locked, ruled, gone = org.lead(), org.lead(), org.lead(Industry="Arms"), org.lead()
    converted = org.lead(IsConverted=True, ConvertedContactId=contact)
    merged = org.lead(MasterRecordId=winner)
    for record in (gone, merged):
        org.change("Lead", record, archived=True)
    org.state.set_meta("salesforce.locked_ids", locked)
    batch = [write_of(i) for i in (good, locked, ruled, gone, converted, merged)]
    by_id = {r.record.id: r for r in crm.write_scores([*batch, write_of("001x", "account")])}
    assert {record_id: result.status for record_id, result in by_id.items()} == {
        good: "done",
        locked: "later",
        ruled: "rejected",
        gone: "gone",
        converted: "gone",
        merged: "gone",
        "001x": "rejected",
    }
    assert "Not our market" in by_id[ruled].message
    assert by_id[converted].moved_to == RecordKey("salesforce", "contact", contact)
    assert by_id[merged].moved_to == RecordKey("salesforce", "lead", winner)
    assert by_id[gone].moved_to is None


def test_unprovisioned_fields_are_rejected_naming_the_permission(
    org: ServedOrg, crm: SalesforceCrm
) -> None:
    result = crm.write_scores([write_of(org.lead())])[0]
    assert result.status == "rejected"
    assert "permission set “Leadlight”" in result.message


def test_a_locked_record_goes_through_next_time(org: ServedOrg, crm: SalesforceCrm) -> None:
    crm.provision()
    locked, free = org.lead(), org.lead()
    org.state.set_meta("salesforce.locked_ids", locked)
    first = {r.record.id: r for r in crm.write_scores([write_of(locked), write_of(free)])}
    assert (first[locked].status, first[free].status) == ("later", "done")
    assert "exclusive access" in first[locked].message
    assert [r.status for r in crm.write_scores([write_of(locked)])] == ["done"]


@pytest.mark.parametrize("kind", ["unavailable", "html", "cut", "lost", "concurrent"])
def test_what_was_written_before_a_failure_is_told(
    org: ServedOrg, crm: SalesforceCrm, kind: str
) -> None:
    crm.provision()
    leads = [org.lead() for _ in range(250)]
    org.fault(kind, path="composite", times=3, after=1)
    results = crm.write_scores([write_of(i) for i in leads])
    assert [r.status for r in results] == ["done"] * 200 + ["later"] * 50
    assert [r.record.id for r in results] == leads
    assert {r.status for r in crm.write_scores([write_of(i) for i in leads[200:]])} == {"done"}


def test_a_failure_before_anything_was_written_is_raised(
    org: ServedOrg, crm: SalesforceCrm
) -> None:
    crm.provision()
    lead = org.lead()
    org.fault("unavailable", path="composite", times=3)
    with pytest.raises(TransientFailure):
        crm.write_scores([write_of(lead)])
    assert crm.write_scores([write_of(lead)])[0].status == "done"


@pytest.mark.parametrize(
    ("status", "body", "words"),
    [
        (200, [{"success": False, "errors": [{"statusCode": "INSUFFICIENT_ACCESS_OR_READONLY"}]}],
         "may not edit this record"),
        (200, [{"success": False, "errors": [{"statusCode": "STORAGE_LIMIT_EXCEEDED"}]}],
         "STORAGE_LIMIT_EXCEEDED"),
        (200, [{"success": False, "errors": []}], "no reason given"),
        (400, [{"errorCode": "INVALID_FIELD", "message": "No such column"}], "permission set"),
    ],
)  # fmt: skip
def test_a_refusal_is_for_a_person(
    org: ServedOrg, crm: SalesforceCrm, status: int, body: Any, words: str
) -> None:
    lead = org.lead()
    org.fault("answer", path="composite", status=status, body=body)
    [result] = crm.write_scores([write_of(lead)])
    assert result.status == "rejected"
    assert words in result.message


def test_an_answer_for_fewer_records_is_no_answer(org: ServedOrg, crm: SalesforceCrm) -> None:
    crm.provision()
    leads = [org.lead() for _ in range(3)]
    org.fault("answer", path="composite", body=[{"id": leads[0], "success": True, "errors": []}])
    with pytest.raises(TransientFailure, match="written again"):
        crm.write_scores([write_of(i) for i in leads])


def test_what_is_written_is_recognised_in_one_call_a_type(
    org: ServedOrg, crm: SalesforceCrm
) -> None:
    crm.provision()
    leads = [org.lead() for _ in range(3)]
    contact = org.add("Contact", LastName="Hopper")
    kept = [write_of(i) for i in leads] + [write_of(contact, "contact", score=0.0)]
    crm.write_scores(kept)
    org.change("Lead", leads[1], Leadlight_Band__c="cold")
    org.change("Lead", leads[2], archived=True)
    odd = [write_of("nonsense'"), write_of("00Q00000000000zAAA"), write_of("001x", "account")]
    before = crm.calls
    assert crm.already_written([*kept, *odd]) == {kept[0].record, kept[3].record}
    assert crm.calls - before == 2
    precise = write_of(leads[0], scored_at=START + timedelta(microseconds=400))
    assert crm.already_written([precise]) == {precise.record}
    assert crm.already_written([]) == set()


def test_without_our_fields_nothing_is_written_already(org: ServedOrg, crm: SalesforceCrm) -> None:
    assert crm.already_written([write_of(org.lead())]) == set()


def test_reading_back_strange_answers_is_tried_again(org: ServedOrg, crm: SalesforceCrm) -> None:
    crm.provision()
    write = write_of(org.lead())
    crm.write_scores([write])
    org.fault("html", path="composite")
    assert crm.already_written([write]) == {write.record}
    org.fault("answer", path="composite", body={"what": 1})
    with pytest.raises(TransientFailure):
        crm.already_written([write])


@pytest.mark.parametrize("kind", ["lost", "unavailable"])
def test_a_task_whose_answer_is_lost_is_found_again(
    org: ServedOrg, crm: SalesforceCrm, kind: str
) -> None:
    record = lead_key(org.lead())
    draft = TaskDraft("hot:1", record, "Call Ada", "She asked for a price.", START)
    org.fault(kind, path="sobjects/Task")
    with pytest.raises(TransientFailure):
        crm.create_task(draft)
    task = crm.create_task(draft)
    assert [t.id for t in org.state.select("crm=? AND type='Task'", (CRM,))] == [task]
    posts = [r for r in org.requests if r.startswith("POST") and "sobjects/Task" in r]
    assert len(posts) == (1 if kind == "lost" else 2)


def test_a_task_is_created_once_for_the_owner(org: ServedOrg, crm: SalesforceCrm) -> None:
    user = org.add("User", LastName="Rep", Username="rep@acme.example")
    lead = org.lead(OwnerId=user)
    record = RecordKey("salesforce", "lead", lead)
    draft = TaskDraft("hot:1", record, "Call Ada", "She asked for a price.", START)
    first, again = crm.create_task(draft), crm.create_task(draft)
    fields = org.fields("Task", first)
    assert first == again
    assert (fields["WhoId"], fields["OwnerId"]) == (lead, user)
    assert fields["ActivityDate"] == START.date().isoformat()


def test_a_task_for_a_converted_lead_is_rejected(org: ServedOrg, crm: SalesforceCrm) -> None:
    record = RecordKey("salesforce", "lead", org.lead(IsConverted=True))
    with pytest.raises(RecordRejected, match="converted lead"):
        crm.create_task(TaskDraft("hot:1", record, "Call", "", START))
