"""From a lead's records to its facts: one value per name, with where it came from and when."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from scoring.emails import email_kind
from scoring.leads import (
    PERSON_FIELDS,
    Account,
    CrmRecord,
    Engagement,
    FieldValue,
    RecordKey,
)
from scoring.phones import is_valid_phone
from scoring.scores import Fact
from scoring.text import INTENTS, TIMELINES, URGENCIES, read_text
from scoring.titles import DEPARTMENTS, SENIORITIES, read_title

EMAIL_KINDS = ("business", "academic", "free", "disposable", "role", "invalid")


@dataclass(frozen=True, slots=True)
class FactDefinition:
    """One fact that rules can ask for; facts not in the table are custom fields."""

    name: str
    type: str  # text, number, flag, choice, list
    label: str
    values: tuple[str, ...] = ()  # of a choice
    outcome_dependent: bool = False  # moves because the lead converted: no part of an honest score
    grows: bool = False  # counts up for ever: what it was at a past instant is not known
    description: str = ""


def _table(*definitions: FactDefinition) -> dict[str, FactDefinition]:
    return {definition.name: definition for definition in definitions}


_D = FactDefinition
FACTS: dict[str, FactDefinition] = _table(
    _D(
        "email_kind",
        "choice",
        "E-mail kind",
        EMAIL_KINDS,
        description="role: info@, sales@ …",
    ),
    _D(
        "seniority",
        "choice",
        "Seniority",
        SENIORITIES,
        description="read from the job title",
    ),
    _D(
        "department",
        "choice",
        "Department",
        DEPARTMENTS,
        description="read from the job title",
    ),
    _D("job_title", "text", "Job title"),
    _D("company", "text", "Company"),
    _D(
        "domain",
        "text",
        "Company domain",
        description="registered domain, such as acme.co.uk",
    ),
    _D("city", "text", "City"),
    _D("owner", "text", "Owner in the CRM"),
    _D("campaign", "text", "Campaign"),
    _D("industry", "text", "Industry", description="in lower case"),
    _D("employees", "number", "Employees"),
    _D(
        "annual_revenue",
        "number",
        "Annual revenue",
        description="in the CRM's currency",
    ),
    _D("country", "choice", "Country", description="ISO 3166 alpha-2 code"),
    _D("phone_valid", "flag", "Phone number is valid"),
    _D("lead_source", "text", "Lead source", description="in lower case"),
    _D("page_views", "number", "Page views", grows=True, description="the CRM's own counter"),
    _D("visits", "number", "Visits", grows=True, description="the CRM's own counter"),
    _D(
        "form_submissions",
        "number",
        "Form submissions",
        grows=True,
        description="the CRM's own counter",
    ),
    _D("marketing_emails_opened", "number", "Marketing e-mails opened", grows=True),
    _D("marketing_emails_clicked", "number", "Marketing e-mails clicked", grows=True),
    _D(
        "text_intent",
        "choice",
        "What they want",
        INTENTS,
        description="read from the message",
    ),
    _D(
        "text_urgency",
        "choice",
        "Urgency",
        URGENCIES,
        description="read from the message",
    ),
    _D("text_timeline", "choice", "When they want it", TIMELINES),
    _D(
        "text_need",
        "list",
        "What they ask for",
        description="pricing, demo, integration …",
    ),
    _D("text_budget", "flag", "Budget is mentioned"),
    _D("email_opt_out", "flag", "Opted out of e-mail"),
    _D("email_bounced", "flag", "E-mail bounced"),
    _D("lifecycle_stage", "text", "Lifecycle stage", outcome_dependent=True),
    _D("lead_status", "text", "Lead status", outcome_dependent=True),
    _D("converted", "flag", "Converted in the CRM", outcome_dependent=True),
    _D("account_people", "number", "Known people at the company"),
    _D("age_days", "number", "Days since creation"),
)
#: Fields that identify or describe the person but are no facts themselves.
_NO_FACTS = frozenset({"email", "phone", "first_name", "last_name", "website", "message"})
_LOWER = frozenset({"industry", "lead_source", "lifecycle_stage", "lead_status"})
#: Account field → fact that it fills when no record of the person does.
_ACCOUNT_FACTS = {
    "name": "company",
    "domain": "domain",
    "industry": "industry",
    "employees": "employees",
    "annual_revenue": "annual_revenue",
    "country": "country",
}
#: Of two values from the same instant, the CRM that people edit by hand speaks first, a Contact
#: before the Lead it came from.
_CRM_ORDER = ("salesforce", "hubspot", "file")
_KIND_ORDER = ("contact", "lead", "row")


def build_facts(
    records: Sequence[CrmRecord],
    accounts: Mapping[RecordKey, Account],
    extra: Mapping[str, Fact],
    now: datetime,
    *,
    past: bool = False,
) -> dict[str, Fact]:
    """Everything known about one lead as of `now`, by fact name; what is unknown is absent.

    1. The newest value of any live record wins; absent is the only "missing": 0 and False are
       values. Ties go to Salesforce, then HubSpot. Deleted, merged records speak only if all are.
    2. The account fills company facts that no record knows.
    3. `extra` (enrichment, counts) fills what is still unknown: a CRM's value always stands.
    4. Facts read out of others are added: e-mail kind, seniority, department, phone, text, age.

    `past` leaves out what depends on the outcome or counts up: for scoring as of a past instant.
    """
    if not records:
        return dict(extra)
    speakers = _speakers(records)
    facts: dict[str, Fact] = {}
    for record in speakers:
        for name, value in record.fields.items():
            if name not in _NO_FACTS:
                facts.setdefault(name, _fact(name, value, record.key.crm, record.modified_at))
        website = record.fields.get("website")
        if website is not None:
            facts.setdefault("domain", Fact(website, record.key.crm, record.modified_at))
    for account in _accounts(speakers, accounts):
        for field, name in _ACCOUNT_FACTS.items():
            if field in account.fields:
                value = account.fields[field]
                facts.setdefault(name, _fact(name, value, account.key.crm, account.modified_at))
    for name, fact in extra.items():
        facts.setdefault(name, fact)
    facts |= _title_facts(facts) | _address_facts(speakers) | _text_facts(speakers)
    facts["age_days"] = _age(speakers, now)
    return dict(sorted(item for item in facts.items() if not (past and _not_then(item[0]))))


def _speakers(records: Sequence[CrmRecord]) -> list[CrmRecord]:
    live = [r for r in records if not r.deleted and r.merged_into is None]
    return sorted(live or records, key=_newest_first)


def _newest_first(record: CrmRecord) -> tuple[float, int, int, RecordKey]:
    return (
        -record.modified_at.timestamp(),
        _position(_CRM_ORDER, record.key.crm),
        _position(_KIND_ORDER, record.key.kind),
        record.key,
    )


def _position(order: tuple[str, ...], name: str) -> int:
    return order.index(name) if name in order else len(order)


def _accounts(
    speakers: Iterable[CrmRecord], accounts: Mapping[RecordKey, Account]
) -> list[Account]:
    """The accounts of the records, in the records' order of speaking."""
    keys = dict.fromkeys(r.account for r in speakers if r.account is not None)
    return [accounts[key] for key in keys if key in accounts]


def _fact(name: str, value: FieldValue, source: str, at: datetime) -> Fact:
    if name in _LOWER and isinstance(value, str):
        value = value.lower()
    return Fact(value, source, at)


def _title_facts(facts: Mapping[str, Fact]) -> dict[str, Fact]:
    title = facts.get("job_title")
    if title is None or not isinstance(title.value, str):
        return {}
    found = read_title(title.value)
    named = {"seniority": found.seniority, "department": found.department}
    return {name: Fact(value, "derived", title.at) for name, value in named.items() if value}


def _address_facts(speakers: Iterable[CrmRecord]) -> dict[str, Fact]:
    """E-mail kind and phone validity from the newest record that says anything about them."""
    facts: dict[str, Fact] = {}
    for record in speakers:
        at = record.modified_at
        if "email" in record.fields:
            kind = email_kind(str(record.fields["email"]))
            facts.setdefault("email_kind", Fact(kind, "derived", at))
        if "phone" in record.fields:
            valid = is_valid_phone(str(record.fields["phone"]))
            facts.setdefault("phone_valid", Fact(valid, "derived", at))
    for record in speakers:  # an unusable address counts only where no record has a usable one
        if "email" in record.raw:
            facts.setdefault("email_kind", Fact("invalid", "derived", record.modified_at))
        if "phone" in record.raw:
            facts.setdefault("phone_valid", Fact(False, "derived", record.modified_at))
    return facts


def _text_facts(speakers: Iterable[CrmRecord]) -> dict[str, Fact]:
    record = next((r for r in speakers if "message" in r.fields), None)
    if record is None:
        return {}
    return _read_message(str(record.fields["message"]), record.modified_at)


def _read_message(message: str, at: datetime) -> dict[str, Fact]:
    reading = read_text(message)
    found: dict[str, FieldValue] = {
        "text_intent": reading.intent,
        "text_need": reading.needs,
    }
    found["text_budget"] = reading.budget
    if reading.urgency:
        found["text_urgency"] = reading.urgency
    if reading.timeline:
        found["text_timeline"] = reading.timeline
    return {name: Fact(v, "text:lexicon", at) for name, v in found.items()}


def _age(speakers: Iterable[CrmRecord], now: datetime) -> Fact:
    created_at = min(record.created_at for record in speakers)
    return Fact(max(0.0, (now - created_at).total_seconds() / 86_400), "derived", created_at)


def _not_then(name: str) -> bool:
    return name in FACTS and (FACTS[name].outcome_dependent or FACTS[name].grows)


def message_facts(
    records: Sequence[CrmRecord], engagements: Iterable[Engagement]
) -> dict[str, Fact]:
    """What the newest message of a form says, for people whose records hold no message."""
    if any("message" in record.fields for record in records if not record.deleted):
        return {}
    written = [e for e in engagements if e.detail.get("message")]
    if not written:
        return {}
    newest = max(written, key=lambda e: (e.occurred_at, e.key))
    return _read_message(newest.detail["message"], newest.occurred_at)


def custom_fields(records: Iterable[CrmRecord]) -> set[str]:
    """Names of the custom fields that these records carry."""
    return {name for record in records for name in record.fields if name not in PERSON_FIELDS}
