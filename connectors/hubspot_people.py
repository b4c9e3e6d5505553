"""HubSpot contacts, companies and deals as our records, accounts and outcomes."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime

from connectors.hubspot_rows import Batch, Context, contact, moment, read_each, stamped, text, words
from connectors.hubspot_session import Row
from scoring.leads import Outcome, RecordKey
from scoring.normalise import build_account, build_record, creation_date

#: Property -> our name; of several properties for one name, the first that holds a value counts.
CONTACT_FIELDS = {
    "email": "email",
    "phone": "phone",
    "mobilephone": "phone",
    "firstname": "first_name",
    "lastname": "last_name",
    "company": "company",
    "website": "website",
    "country": "country",
    "city": "city",
    "jobtitle": "job_title",
    "industry": "industry",
    "numemployees": "employees",
    "annualrevenue": "annual_revenue",
    "hs_analytics_source": "lead_source",
    "hs_analytics_first_touch_converting_campaign": "campaign",
    "message": "message",
    "lifecyclestage": "lifecycle_stage",
    "hs_lead_status": "lead_status",
    "hubspot_owner_id": "owner",
    "hs_email_optout": "email_opt_out",
    "hs_analytics_num_page_views": "page_views",
    "hs_analytics_num_visits": "visits",
    "num_conversion_events": "form_submissions",
    "hs_email_open": "marketing_emails_opened",
    "hs_email_click": "marketing_emails_clicked",
}
CONTACT_EXTRA = (
    "createdate",
    "lastmodifieddate",
    "associatedcompanyid",
    "hs_merged_object_ids",
    "hs_email_bounce",
    "num_associated_deals",
)
COMPANY_FIELDS = {
    "name": "name",
    "domain": "domain",
    "website": "website",
    "industry": "industry",
    "numberofemployees": "employees",
    "annualrevenue": "annual_revenue",
    "country": "country",
}
DEAL_FIELDS = ("createdate", "closedate", "dealstage", "amount", "hs_lastmodifieddate")
STAGE_ENTERED = "hs_v2_date_entered_"
_WORDS = frozenset({"industry", "lead_source"})
_CONVERTED_STAGES = frozenset({"opportunity", "customer", "evangelist"})
MODIFIED = "lastmodifieddate"
OTHER_MODIFIED = "hs_lastmodifieddate"


def read_contacts(context: Context, rows: Sequence[Row]) -> Batch:
    """Contacts as records; each id that was merged into one becomes a record that says so."""
    batch = Batch()

    def read(row: Row) -> None:
        _read_contact(batch, context, row)

    read_each(batch, context.crm, "contacts", rows, read)
    return batch


def read_deleted_contacts(context: Context, rows: Sequence[Row]) -> Batch:
    """Contacts in the recycle bin, as deleted records (those that were merged live on by links)."""
    batch = Batch()

    def read(row: Row) -> None:
        key, deleted_at = contact(context.crm, row["id"]), stamped(row, "", "archivedAt")
        created = (text(row, "createdate"), row.get("createdAt"))
        record, _ = build_record(
            key,
            created_at=creation_date(key, created, modified_at=deleted_at)[0],
            modified_at=deleted_at,
            values={},
            deleted=True,
        )
        batch.records.append(record)

    read_each(batch, context.crm, "contacts", rows, read)
    return batch


def _read_contact(batch: Batch, context: Context, row: Row) -> None:
    key = contact(context.crm, row["id"])
    modified_at = stamped(row, MODIFIED, "updatedAt")
    created_at, undated = creation_date(
        key, (text(row, "createdate"), row.get("createdAt")), modified_at=modified_at
    )
    old = [
        contact(context.crm, part)
        for part in (text(row, "hs_merged_object_ids") or "").split(";")
        if part.strip().isdigit()
    ]
    company = text(row, "associatedcompanyid")
    record, problems = build_record(
        key,
        created_at=created_at,
        modified_at=modified_at,
        values=_values(context, row),
        account=RecordKey(context.crm, "company", company) if company else None,
        links=old,
        url=context.url(key.id),
    )
    batch.records.append(record)
    batch.problems += [*undated, *problems]
    for gone in old:
        if gone != key:
            merged, _ = build_record(
                gone, created_at=created_at, modified_at=modified_at, values={}, merged_into=key
            )
            batch.records.append(merged)


def _values(context: Context, row: Row) -> dict[str, str | None]:
    values: dict[str, str | None] = {name: text(row, name) for name in context.custom}
    for name, ours in CONTACT_FIELDS.items():
        found = text(row, name)
        values[ours] = values.get(ours) or (words(found) if ours in _WORDS else found)
    if values["owner"]:
        values["owner"] = context.owner(values["owner"]) or None
    bounces = text(row, "hs_email_bounce")
    values["email_bounced"] = "true" if bounces and bounces not in ("0", "0.0") else None
    deals, stage = text(row, "num_associated_deals"), values["lifecycle_stage"]
    if deals or stage:
        converted = deals not in (None, "0", "0.0") or stage in _CONVERTED_STAGES
        values["converted"] = "true" if converted else "false"
    return values


def read_companies(context: Context, rows: Sequence[Row]) -> Batch:
    """Companies as accounts."""
    batch = Batch()

    def read(row: Row) -> None:
        values = {ours: text(row, name) for name, ours in COMPANY_FIELDS.items()}
        values["industry"] = words(values["industry"])
        account, problems = build_account(
            RecordKey(context.crm, "company", str(row["id"])),
            modified_at=stamped(row, OTHER_MODIFIED, "updatedAt"),
            values=values,
        )
        batch.accounts.append(account)
        batch.problems += problems

    read_each(batch, context.crm, "companies", rows, read)
    return batch


def read_deals(context: Context, rows: Sequence[Row]) -> Batch:
    """Deals as outcomes of the contacts associated with them: converted, and won or lost."""
    batch = Batch()
    people = context.contacts_of("deals", [str(row.get("id")) for row in rows])
    closed = context.stages()

    def read(row: Row) -> None:
        deal = str(row["id"])
        amount = _amount(text(row, "amount"))
        base = f"{context.crm}:deal:{deal}"
        born_at = stamped(row, "createdate", "createdAt")
        stage = text(row, "dealstage") or ""
        for person_id in people.get(deal, ()):
            who = contact(context.crm, person_id)
            outcome = Outcome(f"{base}:converted:{who.id}", "converted", born_at, who, amount)
            batch.outcomes.append(outcome)
            if stage in closed:
                kind = "won" if closed[stage] >= 1.0 else "lost"
                at = _closed_at(context, row, stage)
                batch.outcomes.append(Outcome(f"{base}:{kind}:{who.id}", kind, at, who, amount))

    read_each(batch, context.crm, "deals", rows, read)
    return batch


def closed_stages(pipelines: Sequence[Row]) -> dict[str, float]:
    """Probability of every stage that ends a deal: 1 is won, 0 is lost."""
    found = {}
    for pipeline in pipelines:
        for stage in pipeline.get("stages") or ():
            metadata = stage.get("metadata") if isinstance(stage, Mapping) else None
            if not isinstance(metadata, Mapping):
                continue
            try:
                probability = float(str(metadata.get("probability") or "nan"))
            except ValueError:
                continue
            told = str(metadata.get("isClosed") or "").lower()
            if probability == 1.0 or (probability == 0.0 and told != "false"):
                found[str(stage.get("id"))] = probability
    return found


def _closed_at(context: Context, row: Row, stage: str) -> datetime:
    """When the deal entered its last stage; people set close dates freely, even in the future."""
    entered = moment(row, f"{STAGE_ENTERED}{stage}")
    if entered is not None:
        return entered
    changed_at = stamped(row, OTHER_MODIFIED, "updatedAt")
    day = moment(row, "closedate")
    return day if day is not None and day <= context.now else changed_at


def _amount(found: str | None) -> float | None:
    try:
        return float(found) if found else None
    except ValueError:
        return None
