"""What HubSpot lets us poll: one table row per stream of records, and the streams beside them."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from connectors.base import Stream
from connectors.hubspot_activity import (
    CALL_FIELDS,
    EMAIL_FIELDS,
    MEETING_FIELDS,
    read_calls,
    read_emails,
    read_meetings,
)
from connectors.hubspot_cursor import OVERLAP_SECONDS
from connectors.hubspot_people import (
    COMPANY_FIELDS,
    CONTACT_EXTRA,
    CONTACT_FIELDS,
    DEAL_FIELDS,
    MODIFIED,
    OTHER_MODIFIED,
    read_companies,
    read_contacts,
    read_deals,
)
from connectors.hubspot_rows import Batch, Context
from connectors.hubspot_session import Row

#: HubSpot's index can lag by up to an hour: a second pass looks again at what is that old.
LATE_SECONDS, LATE_OVERLAP_SECONDS = 3_600, 600


@dataclass(frozen=True, slots=True)
class Source:
    """A stream of CRM records, read by search: its object type, properties and reader."""

    stream: Stream
    type: str
    fields: tuple[str, ...]
    read: Callable[[Context, Sequence[Row]], Batch]
    stamp: str = OTHER_MODIFIED
    custom: bool = False  # read the account's own properties too
    overlap_seconds: int = OVERLAP_SECONDS
    hold_back_seconds: int = 0
    recent_only: bool = False  # nothing to read for the first time: begin an hour ago
    sweep: bool = False  # everything, once a day


_CONTACT = (*CONTACT_FIELDS, *CONTACT_EXTRA)

#: People first. A meeting's time passes without any change of it: a stream of its own, by end time,
#: finds those that were held since.
SOURCES: dict[str, Source] = {
    source.stream.name: source
    for source in (
        Source(Stream("contacts", "Contacts"), "contacts", _CONTACT, read_contacts, MODIFIED, True),
        Source(
            Stream("contacts_late", "Contacts that HubSpot showed late", 120, False),
            "contacts",
            _CONTACT,
            read_contacts,
            MODIFIED,
            True,
            LATE_OVERLAP_SECONDS,
            LATE_SECONDS,
            recent_only=True,
        ),
        Source(
            Stream("companies", "Companies", 4, False),
            "companies",
            (*COMPANY_FIELDS, OTHER_MODIFIED),
            read_companies,
        ),
        Source(
            Stream("emails", "E-mails", 2, False),
            "emails",
            (*EMAIL_FIELDS, OTHER_MODIFIED),
            read_emails,
        ),
        Source(
            Stream("calls", "Calls", 4, False), "calls", (*CALL_FIELDS, OTHER_MODIFIED), read_calls
        ),
        Source(Stream("meetings", "Meetings", 4, False), "meetings", MEETING_FIELDS, read_meetings),
        Source(
            Stream("meetings_held", "Meetings that took place", 4, False),
            "meetings",
            MEETING_FIELDS,
            read_meetings,
            "hs_meeting_end_time",
        ),
        Source(Stream("deals", "Deals", 4, False), "deals", DEAL_FIELDS, read_deals),
        Source(
            Stream("contacts_daily", "All contacts, once a day", 120, False),
            "contacts",
            _CONTACT,
            read_contacts,
            MODIFIED,
            True,
            sweep=True,
        ),
        Source(
            Stream("deals_daily", "All deals, once a day", 120, False),
            "deals",
            DEAL_FIELDS,
            read_deals,
            sweep=True,
        ),
    )
}
FORMS = Stream("form_submissions", "Form submissions", 2, False)
EMAIL_EVENTS = Stream("email_events", "Marketing e-mail", 4, False)
VISITS = Stream("page_visits", "Page visits", 2, False)
#: No stream, but looked at like one.
OWNERS = Stream("owners", "Owners", required=False)
DELETED = Stream("deleted_contacts", "Deleted contacts", 40, False)
STREAMS: tuple[Stream, ...] = (
    *(source.stream for source in SOURCES.values()),
    FORMS,
    EMAIL_EVENTS,
    VISITS,
    DELETED,
)
