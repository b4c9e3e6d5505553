"""What comes in, in our own words: records, accounts, engagements and outcomes of any CRM."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime

FieldValue = str | int | float | bool | datetime | tuple[str, ...]


@dataclass(frozen=True, slots=True, order=True)
class RecordKey:
    """The name of one record in one CRM, for example `hubspot:contact:123`."""

    crm: str  # "hubspot", "salesforce", "file"
    kind: str  # "contact", "lead", "company", "account", "deal", "opportunity", "row"
    id: str

    def __str__(self) -> str:
        return f"{self.crm}:{self.kind}:{self.id}"

    @classmethod
    def parse(cls, text: str) -> RecordKey:
        """Read back what `str()` wrote; raises ValueError for anything else."""
        crm, kind, record_id = text.split(":", 2)
        return cls(crm, kind, record_id)


#: Fields of a person that every adapter maps to, and how their text is read (`scoring.normalise`).
#: A field that is not here is kept under its own name as plain text ("custom fields").
PERSON_FIELDS: dict[str, str] = {
    "email": "email",
    "phone": "phone",
    "first_name": "name",
    "last_name": "name",
    "company": "company",
    "website": "domain",
    "country": "country",
    "city": "text",
    "job_title": "title",
    "industry": "text",
    "employees": "count",
    "annual_revenue": "money",
    "lead_source": "text",
    "campaign": "text",
    "message": "long_text",
    "lifecycle_stage": "text",
    "lead_status": "text",
    "owner": "text",
    "email_opt_out": "flag",
    "email_bounced": "flag",
    "converted": "flag",
    # roll-up counters some CRMs keep (HubSpot): read as facts where single events are not offered
    "page_views": "count",
    "visits": "count",
    "form_submissions": "count",
    "marketing_emails_opened": "count",
    "marketing_emails_clicked": "count",
}


@dataclass(frozen=True, slots=True)
class CrmRecord:
    """One person as one CRM knows them; `fields` holds normalised values only, absent = unknown."""

    key: RecordKey
    created_at: datetime
    modified_at: datetime
    fields: Mapping[str, FieldValue]
    raw: Mapping[str, str] = field(default_factory=dict)  # text of values that were not usable
    account: RecordKey | None = None
    #: other records of the same person that the CRM itself names (converted contact, merged ids)
    links: tuple[RecordKey, ...] = ()
    merged_into: RecordKey | None = None
    deleted: bool = False
    url: str = ""

    def fingerprint(self) -> str:
        """Hash of everything that can change a score; our own score fields are never in it."""
        content = {
            "fields": {name: _plain(value) for name, value in sorted(self.fields.items())},
            "raw": dict(sorted(self.raw.items())),
            "account": str(self.account or ""),
            "links": sorted(map(str, self.links)),
            "merged_into": str(self.merged_into or ""),
            "deleted": self.deleted,
        }
        text = json.dumps(content, ensure_ascii=False, sort_keys=True, separators=(",", ":"))
        return hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()[:32]


@dataclass(frozen=True, slots=True)
class Account:
    """One company; its fields become facts of every lead that belongs to it."""

    key: RecordKey
    modified_at: datetime
    fields: Mapping[str, FieldValue]  # name, domain, industry, employees, annual_revenue, country


#: Every kind of engagement: kind -> label for people. `by_person` False = done by us, not by them.
ENGAGEMENT_KINDS: dict[str, str] = {
    "email_open": "Opened an e-mail",
    "email_click": "Clicked in an e-mail",
    "email_reply": "Replied to an e-mail",
    "email_bounce": "E-mail bounced",
    "email_unsubscribe": "Unsubscribed",
    "form_submission": "Submitted a form",
    "page_visit": "Visited a page",
    "meeting_booked": "Booked a meeting",
    "meeting_held": "Met us",
    "call_connected": "Spoke on the phone",
    "call_missed": "Did not pick up",
    "campaign_response": "Responded to a campaign",
    "email_sent": "We sent an e-mail",
}
#: Kinds that count as a person on our side and a person on theirs speaking to each other.
HUMAN_CONTACT_KINDS = frozenset({"email_reply", "meeting_held", "call_connected"})
#: Kinds that are our doing or a machine's: they are shown, but are not "last touch" of the lead.
PASSIVE_KINDS = frozenset({"email_sent", "email_bounce", "call_missed"})


@dataclass(frozen=True, slots=True)
class Engagement:
    """One behavioural event; `key` is unique for ever, so that reading it twice counts once."""

    key: str  # "hubspot:form:…"
    kind: str
    occurred_at: datetime
    record: RecordKey | None = None  # who, if the CRM names a record
    email: str = ""  # who, if the CRM only knows an address (lower-cased)
    #: keys used: url, campaign, form, subject, message, duration_seconds
    detail: Mapping[str, str] = field(default_factory=dict)

    def __post_init__(self) -> None:
        if self.kind not in ENGAGEMENT_KINDS:
            raise ValueError(f"unknown engagement kind {self.kind!r}")
        if self.record is None and not self.email:
            raise ValueError("an engagement needs a record or an e-mail address")


OUTCOME_KINDS: dict[str, str] = {
    "converted": "Became an opportunity",
    "won": "Won",
    "lost": "Lost",
}


@dataclass(frozen=True, slots=True)
class Outcome:
    """How a lead ended, with the instant it happened (never the instant we read it)."""

    key: str
    kind: str  # OUTCOME_KINDS
    occurred_at: datetime
    record: RecordKey
    amount: float | None = None


def utc(moment: datetime) -> datetime:
    """`moment` in UTC; raises ValueError for a naive one, whose instant nobody can know."""
    if moment.tzinfo is None:
        raise ValueError(f"naive time {moment.isoformat()}: give it a time zone")
    return moment.astimezone(UTC)


def _plain(value: FieldValue) -> object:
    if isinstance(value, datetime):
        return utc(value).isoformat()
    return list(value) if isinstance(value, tuple) else value
