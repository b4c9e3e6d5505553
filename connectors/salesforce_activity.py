"""What people did and how it ended: tasks, events, e-mails, campaign answers, opportunities.

An engagement's key is made of the activity's own id, never of the person's: on conversion and
merge Salesforce re-points activities to the contact or the winner, and they must not count twice.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from datetime import datetime
from typing import Any

from connectors.mail import is_automatic
from connectors.salesforce_rows import (
    Batch,
    Context,
    Row,
    moment,
    person,
    precise,
    quoted,
    read_each,
    stamped,
    text,
    value,
)
from scoring.leads import Engagement, Outcome, RecordKey

CAMPAIGN_FIELDS = (
    "CreatedDate",
    "CampaignId",
    "Campaign.Name",
    "Campaign.Type",
    "LeadId",
    "ContactId",
    "Status",
    "HasResponded",
    "FirstRespondedDate",
)
TASK_FIELDS = (
    "CreatedDate",
    "WhoId",
    "Subject",
    "Status",
    "IsClosed",
    "TaskSubtype",
    "CallType",
    "CallDurationInSeconds",
    "CallDisposition",
    "ActivityDate",
    "CompletedDateTime",
)
EVENT_FIELDS = ("CreatedDate", "WhoId", "Subject", "StartDateTime", "EndDateTime", "IsChild")
EMAIL_FIELDS = (
    "CreatedDate",
    "Subject",
    "Incoming",
    "Status",
    "MessageDate",
    "FromAddress",
    "ToAddress",
    "FirstOpenedDate",
    "LastOpenedDate",
    "IsBounced",
)
OPPORTUNITY_FIELDS = (
    "CreatedDate",
    "IsClosed",
    "IsWon",
    "CloseDate",
    "LastStageChangeDate",
    "Amount",
)
ROLE_FIELDS = ("OpportunityId", "ContactId")
_DRAFT = "5"  # EmailMessage.Status
_MISSED = re.compile(
    r"no answer|voice ?mail|left (a )?message|busy|missed|not reached|unanswered", re.IGNORECASE
)


def read_campaign_members(context: Context, rows: list[Row]) -> Batch:
    """Answers to campaigns; membership alone is our doing and counts for nothing."""
    batch = Batch()

    def read(row: Row) -> None:
        who = person(context.crm, row.get("ContactId") or row.get("LeadId"))
        if row.get("IsDeleted") or who is None or not row.get("HasResponded"):
            return
        created_at, changed_at = moment(row, "CreatedDate"), moment(row, "SystemModstamp")
        day = moment(row, "FirstRespondedDate")
        at = precise(day, changed_at, created_at) if day else changed_at or created_at
        if at is None:
            raise KeyError("FirstRespondedDate")
        detail = _detail(campaign=text(row, "Campaign.Name"), message=text(row, "Status"))
        key = f"{context.crm}:campaign_member:{row['Id']}"
        batch.engagements.append(Engagement(key, "campaign_response", at, who, detail=detail))

    read_each(batch, context, rows, read)
    return batch


def read_tasks(context: Context, rows: list[Row]) -> Batch:
    """Finished calls; e-mails too, where the org keeps no EmailMessage that would tell more."""
    batch = Batch()
    mails = not context.can_select("EmailMessage", "MessageDate")

    def read(row: Row) -> None:
        who = person(context.crm, row.get("WhoId"))
        kind = _task_kind(row, mails)
        if row.get("IsDeleted") or who is None or kind is None:
            return
        at = moment(row, "CompletedDateTime") or _logged_at(row)
        detail = _detail(
            subject=text(row, "Subject"), duration_seconds=text(row, "CallDurationInSeconds")
        )
        key = f"{context.crm}:task:{row['Id']}"
        batch.engagements.append(Engagement(key, kind, at, who, detail=detail))

    read_each(batch, context, rows, read)
    return batch


def _task_kind(row: Row, mails: bool) -> str | None:
    """What a task tells us, None for a plain to-do. A logged call without result was answered."""
    if not row.get("IsClosed"):
        return None
    if row.get("TaskSubtype") == "Call" or row.get("CallType"):
        told = f"{row.get('CallDisposition') or ''} {row.get('Subject') or ''}"
        missed = row.get("CallDurationInSeconds") == 0 or _MISSED.search(told)
        return "call_missed" if missed else "call_connected"
    if row.get("TaskSubtype") in ("Email", "ListEmail") and mails:
        return "email_sent"
    return None


def _logged_at(row: Row) -> datetime:
    """When a task without completion time took place: its day if that lies before its creation."""
    created_at, day = stamped(row, "CreatedDate"), moment(row, "ActivityDate")
    return day if day is not None and (created_at - day).days >= 1 else created_at


def read_events(context: Context, rows: list[Row]) -> Batch:
    """Meetings: booked when they were entered, held when their end has passed."""
    batch = Batch()

    def read(row: Row) -> None:
        who = person(context.crm, row.get("WhoId"))
        if row.get("IsDeleted") or row.get("IsChild") or who is None:
            return  # a child is an invited colleague's copy of the meeting
        key, booked_at = f"{context.crm}:event:{row['Id']}", stamped(row, "CreatedDate")
        start, end = moment(row, "StartDateTime"), moment(row, "EndDateTime", "StartDateTime")
        detail = _detail(subject=text(row, "Subject"))
        if (
            start is None or booked_at <= start
        ):  # entered afterwards: never booked as far as we know
            booked = Engagement(f"{key}:booked", "meeting_booked", booked_at, who, detail=detail)
            batch.engagements.append(booked)
        if end is not None and end <= context.server_time:
            held = Engagement(f"{key}:held", "meeting_held", end, who, detail=detail)
            batch.engagements.append(held)

    read_each(batch, context, rows, read)
    return batch


def read_emails(context: Context, rows: list[Row]) -> Batch:
    """E-mails sent, opened, bounced, and replies, for every person they are related to."""
    batch = Batch()
    people = _email_people(context, [str(row.get("Id")) for row in rows])

    def read(row: Row) -> None:
        if row.get("IsDeleted") or row.get("Status") == _DRAFT:
            return
        incoming = bool(row.get("Incoming"))
        related = people.get(str(row["Id"]), [])
        wanted = "FromAddress" if incoming else "ToAddress"
        who = [
            (part["Id"], person(context.crm, part["RelationId"]))
            for part in related
            if part["RelationType"] == wanted
        ]
        known = [(relation, key) for relation, key in who if key is not None]
        at = moment(row, "MessageDate", "CreatedDate")
        if at is None:
            raise KeyError("MessageDate")
        detail = _detail(subject=text(row, "Subject"))
        base = f"{context.crm}:email:{row['Id']}"
        if incoming:
            if is_automatic(text(row, "Subject")):
                return
            batch.engagements += _reply(base, at, known, text(row, "FromAddress"), detail)
            return
        for relation, key in known:
            sent = Engagement(f"{base}:sent:{relation}", "email_sent", at, key, detail=detail)
            batch.engagements.append(sent)
        if len(known) == 1:  # with several recipients nobody can say who opened it
            batch.engagements += _opens(base, row, at, known[0][1], detail)

    read_each(batch, context, rows, read)
    return batch


def _email_people(context: Context, ids: list[str]) -> dict[str, list[Row]]:
    if not ids or not context.can_select("EmailMessageRelation", "RelationId"):
        return {}
    people: dict[str, list[Row]] = {}
    for row in context.query(
        "SELECT Id, EmailMessageId, RelationId, RelationType FROM EmailMessageRelation"
        f" WHERE EmailMessageId IN ({quoted(ids)}) AND RelationId != null"
    ):
        people.setdefault(str(row["EmailMessageId"]), []).append(row)
    return people


def _reply(
    base: str,
    at: datetime,
    known: list[tuple[Any, RecordKey]],
    address: str | None,
    detail: dict[str, str],
) -> list[Engagement]:
    """One reply of whoever sent it; an address alone is enough."""
    if known:
        return [Engagement(f"{base}:reply", "email_reply", at, known[0][1], detail=detail)]
    if address and "@" in address:
        email = address.strip().lower()
        return [Engagement(f"{base}:reply", "email_reply", at, email=email, detail=detail)]
    return []


def _opens(
    base: str, row: Row, sent_at: datetime, who: RecordKey, detail: dict[str, str]
) -> list[Engagement]:
    """Salesforce keeps the first and the last opening only: each one seen is one event."""
    found = []
    for at in dict.fromkeys((moment(row, "FirstOpenedDate"), moment(row, "LastOpenedDate"))):
        if at is not None:
            key = f"{base}:open:{int(at.timestamp())}"
            found.append(Engagement(key, "email_open", at, who, detail=detail))
    if row.get("IsBounced"):
        found.append(Engagement(f"{base}:bounce", "email_bounce", sent_at, who, detail=detail))
    return found


def read_opportunities(context: Context, rows: list[Row]) -> Batch:
    """Won and lost, for every person of the opportunity; its birth, where no lead tells of it."""
    batch = Batch()
    ids = [str(row.get("Id")) for row in rows if not row.get("IsDeleted")]
    roles, converted = _opportunity_people(context, ids)

    def read(row: Row) -> None:
        if row.get("IsDeleted"):
            return
        opportunity = str(row["Id"])
        amount = value(row, "Amount")
        amount = float(amount) if isinstance(amount, int | float) else None
        came_from_lead = converted.get(opportunity, [])
        for who in dict.fromkeys([*came_from_lead, *roles.get(opportunity, [])]):
            base = f"{context.crm}:opportunity:{opportunity}"
            if who not in came_from_lead:
                born_at = stamped(row, "CreatedDate")
                batch.outcomes.append(
                    Outcome(f"{base}:converted:{who.id}", "converted", born_at, who, amount)
                )
            if row.get("IsClosed"):
                kind = "won" if row.get("IsWon") else "lost"
                day = stamped(row, "CloseDate")
                at = moment(row, "LastStageChangeDate") or precise(
                    day, moment(row, "SystemModstamp")
                )
                batch.outcomes.append(Outcome(f"{base}:{kind}:{who.id}", kind, at, who, amount))

    read_each(batch, context, rows, read)
    return batch


def read_contact_roles(context: Context, rows: list[Row]) -> Batch:
    """What the opportunities that people joined came to, for all of their people."""
    ids = quoted(str(r.get("OpportunityId")) for r in rows if not r.get("IsDeleted"))
    wanted = [f for f in OPPORTUNITY_FIELDS if context.can_select("Opportunity", f)]
    if not ids or not {"CreatedDate", "CloseDate"} <= set(wanted):
        return Batch()  # without these two the opportunities themselves are a named gap
    columns = ", ".join(("Id", "SystemModstamp", *wanted))
    found = context.query(f"SELECT {columns} FROM Opportunity WHERE Id IN ({ids})")
    return read_opportunities(context, list(found))


def _opportunity_people(
    context: Context, ids: Iterable[str]
) -> tuple[dict[str, list[RecordKey]], dict[str, list[RecordKey]]]:
    """People by opportunity: through contact roles, and through the lead that became it."""
    listed = quoted(ids)
    roles: dict[str, list[RecordKey]] = {}
    converted: dict[str, list[RecordKey]] = {}
    if not listed:
        return roles, converted
    if context.can_select("OpportunityContactRole", "ContactId"):
        for row in context.query(
            "SELECT OpportunityId, ContactId FROM OpportunityContactRole"
            f" WHERE OpportunityId IN ({listed})"
        ):
            who = person(context.crm, row.get("ContactId"))
            if who is not None:
                roles.setdefault(str(row["OpportunityId"]), []).append(who)
    if context.can_select("Lead", "ConvertedOpportunityId"):
        for row in context.query(
            "SELECT Id, ConvertedContactId, ConvertedOpportunityId FROM Lead"
            f" WHERE ConvertedOpportunityId IN ({listed})"
        ):
            who = person(context.crm, row.get("ConvertedContactId") or row.get("Id"))
            if who is not None:
                converted.setdefault(str(row["ConvertedOpportunityId"]), []).append(who)
    return roles, converted


def _detail(**values: str | None) -> dict[str, str]:
    return {name: found[:200] for name, found in values.items() if found}
