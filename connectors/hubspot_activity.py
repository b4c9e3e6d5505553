"""What people did, from HubSpot's records of e-mails, calls and meetings with them."""

from __future__ import annotations

import re
from collections.abc import Sequence
from datetime import datetime

from connectors.hubspot_rows import (
    Batch,
    Context,
    contact,
    details,
    moment,
    read_each,
    stamped,
    text,
)
from connectors.hubspot_session import Row
from connectors.mail import is_automatic
from scoring.leads import Engagement

EMAIL_FIELDS = (
    "hs_timestamp",
    "hs_email_direction",
    "hs_email_status",
    "hs_email_subject",
    "hs_email_from_email",
)
CALL_FIELDS = (
    "hs_timestamp",
    "hs_call_title",
    "hs_call_disposition",
    "hs_call_duration",
    "hs_call_status",
)
MEETING_FIELDS = (
    "hs_createdate",
    "hs_timestamp",
    "hs_meeting_title",
    "hs_meeting_start_time",
    "hs_meeting_end_time",
    "hs_meeting_outcome",
    "hs_lastmodifieddate",
)
#: HubSpot's own call outcomes have the same ids in every account: connected, and the rest.
_CONNECTED = "f240bbac-87c9-4f6e-bf70-924b57d47db7"
_NOT_REACHED = frozenset(
    {
        "73a0d17f-1163-4015-bdd5-ec830791da20",  # no answer
        "9d9162e7-6cf3-4944-bf63-4dff82258764",  # busy
        "a4c4c377-d246-4b32-a13b-75a56a4cd0ff",  # left live message
        "b2cf5968-551e-4856-9783-52b3da59a7d0",  # left voicemail
        "17b47fee-58de-441e-a44c-c6300d46f273",  # wrong number
    }
)
_NOT_TAKEN_PLACE = frozenset({"NO_SHOW", "CANCELED", "RESCHEDULED"})
_ADDRESS = re.compile(r"[^\s<>@,;]+@[^\s<>@,;]+")


def read_emails(context: Context, rows: Sequence[Row]) -> Batch:
    """One-to-one e-mails: replies, e-mails we sent, and bounces."""
    batch = Batch()
    people = context.contacts_of("emails", [str(row.get("id")) for row in rows])

    def read(row: Row) -> None:
        base = f"{context.crm}:email:{row['id']}"
        known = [contact(context.crm, i) for i in people.get(str(row["id"]), ())]
        at = stamped(row, "hs_timestamp", "createdAt")
        detail = details(subject=text(row, "hs_email_subject"))
        direction, status = text(row, "hs_email_direction"), text(row, "hs_email_status")
        if direction == "INCOMING_EMAIL":
            if is_automatic(text(row, "hs_email_subject")):
                return
            found = _ADDRESS.search((text(row, "hs_email_from_email") or "").lower())
            # with several people on the thread, the address says who wrote
            if len(known) == 1 or (known and not found):
                reply = Engagement(f"{base}:reply", "email_reply", at, known[0], detail=detail)
            elif found:
                reply = Engagement(
                    f"{base}:reply", "email_reply", at, email=found[0], detail=detail
                )
            else:
                return
            batch.engagements.append(reply)
        elif direction == "EMAIL" and status in (None, "SENT", "BOUNCED"):
            kind = "email_bounce" if status == "BOUNCED" else "email_sent"
            batch.engagements += [
                Engagement(f"{base}:{kind}:{who.id}", kind, at, who, detail=detail) for who in known
            ]

    read_each(batch, context.crm, "emails", rows, read)
    return batch


def read_calls(context: Context, rows: Sequence[Row]) -> Batch:
    """Calls that took place, or were tried."""
    batch = Batch()
    people = context.contacts_of("calls", [str(row.get("id")) for row in rows])

    def read(row: Row) -> None:
        kind = _call_kind(row)
        if kind is None:
            return
        at = stamped(row, "hs_timestamp", "createdAt")
        milliseconds = _number(text(row, "hs_call_duration"))
        detail = details(
            subject=text(row, "hs_call_title"),
            duration_seconds=str(round(milliseconds / 1_000)) if milliseconds else None,
        )
        base = f"{context.crm}:call:{row['id']}"
        for person_id in people.get(str(row["id"]), ()):
            who = contact(context.crm, person_id)
            batch.engagements.append(Engagement(f"{base}:{who.id}", kind, at, who, detail=detail))

    read_each(batch, context.crm, "calls", rows, read)
    return batch


def _call_kind(row: Row) -> str | None:
    """What a call came to; None while it is queued, ringing or running."""
    status = text(row, "hs_call_status") or "COMPLETED"
    if status in ("QUEUED", "RINGING", "CONNECTING", "CALLING_CRM_USER", "IN_PROGRESS"):
        return None
    disposition = text(row, "hs_call_disposition")
    if disposition == _CONNECTED:
        return "call_connected"
    if disposition in _NOT_REACHED or status != "COMPLETED":
        return "call_missed"
    duration = text(row, "hs_call_duration")
    return "call_missed" if duration and _number(duration) <= 0 else "call_connected"


def read_meetings(context: Context, rows: Sequence[Row]) -> Batch:
    """Meetings: booked when they were entered, held when their end has passed."""
    batch = Batch()
    people = context.contacts_of("meetings", [str(row.get("id")) for row in rows])

    def read(row: Row) -> None:
        booked_at = stamped(row, "hs_createdate", "createdAt")
        start = moment(row, "hs_meeting_start_time", "hs_timestamp")
        end = moment(row, "hs_meeting_end_time") or start
        held_at = _held_at(context, row, start, end)
        detail = details(subject=text(row, "hs_meeting_title"))
        base = f"{context.crm}:meeting:{row['id']}"
        for person_id in people.get(str(row["id"]), ()):
            who = contact(context.crm, person_id)
            # entered after it began: never booked as far as we know
            if start is None or booked_at <= start:
                key = f"{base}:booked:{who.id}"
                batch.engagements.append(
                    Engagement(key, "meeting_booked", booked_at, who, detail=detail)
                )
            if held_at is not None:
                key = f"{base}:held:{who.id}"
                batch.engagements.append(
                    Engagement(key, "meeting_held", held_at, who, detail=detail)
                )

    read_each(batch, context.crm, "meetings", rows, read)
    return batch


def _held_at(
    context: Context, row: Row, start: datetime | None, end: datetime | None
) -> datetime | None:
    """When a meeting took place: its end, once that has passed and nobody says otherwise."""
    outcome = text(row, "hs_meeting_outcome") or ""
    if end is not None and end <= context.now:
        return None if outcome in _NOT_TAKEN_PLACE else end
    if outcome != "COMPLETED":
        return None
    if start is not None and start <= context.now:
        return start
    return stamped(row, "hs_lastmodifieddate", "updatedAt")  # marked before its time


def _number(found: str | None) -> float:
    try:
        return float(found) if found else 0.0
    except ValueError:
        return 0.0
