"""Salesforce Leads, Contacts and Accounts as our records, accounts and conversions."""

from __future__ import annotations

from connectors.salesforce_rows import (
    Batch,
    Context,
    Row,
    moment,
    person,
    precise,
    read_each,
    stamped,
    text,
    value,
)
from scoring.leads import Outcome, RecordKey
from scoring.normalise import build_account, build_record, creation_date

#: Field path -> our name; of several paths for one name, the first that holds a value counts.
LEAD_FIELDS = {
    "Email": "email",
    "Phone": "phone",
    "MobilePhone": "phone",
    "FirstName": "first_name",
    "LastName": "last_name",
    "Company": "company",
    "Website": "website",
    "Country": "country",
    "City": "city",
    "Title": "job_title",
    "Industry": "industry",
    "NumberOfEmployees": "employees",
    "AnnualRevenue": "annual_revenue",
    "LeadSource": "lead_source",
    "Description": "message",
    "Status": "lead_status",
    "Owner.Name": "owner",
    "HasOptedOutOfEmail": "email_opt_out",
    "IsConverted": "converted",
}
LEAD_EXTRA = (
    "CreatedDate",
    "MasterRecordId",
    "EmailBouncedDate",
    "ConvertedDate",
    "ConvertedContactId",
    "ConvertedContact.CreatedDate",
    "ConvertedOpportunityId",
    "ConvertedOpportunity.CreatedDate",
    "ConvertedOpportunity.Amount",
)
CONTACT_FIELDS = {
    "Email": "email",
    "Phone": "phone",
    "MobilePhone": "phone",
    "FirstName": "first_name",
    "LastName": "last_name",
    "Account.Name": "company",
    "MailingCountry": "country",
    "MailingCity": "city",
    "Title": "job_title",
    "LeadSource": "lead_source",
    "Owner.Name": "owner",
    "HasOptedOutOfEmail": "email_opt_out",
}
CONTACT_EXTRA = ("CreatedDate", "MasterRecordId", "EmailBouncedDate", "AccountId")
ACCOUNT_FIELDS = {
    "Name": "name",
    "Website": "website",
    "Industry": "industry",
    "NumberOfEmployees": "employees",
    "AnnualRevenue": "annual_revenue",
    "BillingCountry": "country",
}


def read_leads(context: Context, rows: list[Row]) -> Batch:
    """Leads as records; a converted one names its contact, and its conversion is an outcome."""
    batch = Batch()

    def read(row: Row) -> None:
        key = RecordKey(context.crm, "lead", str(row["Id"]))
        contact = person(context.crm, row.get("ConvertedContactId"))
        _record(batch, context, row, key, LEAD_FIELDS, (contact,) if contact else ())
        if row.get("IsConverted") and row.get("ConvertedDate"):
            converted_at = precise(
                stamped(row, "ConvertedDate"),
                moment(row, "ConvertedOpportunity.CreatedDate"),
                moment(row, "ConvertedContact.CreatedDate"),
            )
            batch.outcomes.append(
                Outcome(
                    f"{context.crm}:converted:{key.id}",
                    "converted",
                    converted_at,
                    key,
                    _amount(value(row, "ConvertedOpportunity.Amount")),
                )
            )

    read_each(batch, context, rows, read)
    return batch


def read_contacts(context: Context, rows: list[Row]) -> Batch:
    """Contacts as records of their account."""
    batch = Batch()

    def read(row: Row) -> None:
        key = RecordKey(context.crm, "contact", str(row["Id"]))
        _record(batch, context, row, key, CONTACT_FIELDS, ())

    read_each(batch, context, rows, read)
    return batch


def read_accounts(context: Context, rows: list[Row]) -> Batch:
    """Accounts, deleted ones left out: their people stay, with what is known."""
    batch = Batch()

    def read(row: Row) -> None:
        if row.get("IsDeleted"):
            return
        account, problems = build_account(
            RecordKey(context.crm, "account", str(row["Id"])),
            modified_at=stamped(row, "SystemModstamp"),
            values={ours: text(row, path) for path, ours in ACCOUNT_FIELDS.items()},
        )
        batch.accounts.append(account)
        batch.problems += problems

    read_each(batch, context, rows, read)
    return batch


def _record(
    batch: Batch,
    context: Context,
    row: Row,
    key: RecordKey,
    names: dict[str, str],
    links: tuple[RecordKey, ...],
) -> None:
    values: dict[str, str | None] = {name: text(row, name) for name in context.custom}
    for path, ours in names.items():
        values[ours] = values.get(ours) or text(row, path)
    if row.get("EmailBouncedDate"):
        values["email_bounced"] = "true"
    account_id = row.get("AccountId")
    modified_at = stamped(row, "SystemModstamp")
    created_at, undated = creation_date(key, (row.get("CreatedDate"),), modified_at=modified_at)
    record, problems = build_record(
        key,
        created_at=created_at,
        modified_at=modified_at,
        values=values,
        account=RecordKey(context.crm, "account", str(account_id)) if account_id else None,
        links=links,
        merged_into=person(context.crm, row.get("MasterRecordId")),
        deleted=bool(row.get("IsDeleted")),
        url=context.url(key.id),
    )
    batch.records.append(record)
    batch.problems += [*undated, *problems]


def _amount(found: object) -> float | None:
    if isinstance(found, bool) or not isinstance(found, int | float):
        return None
    return float(found)
