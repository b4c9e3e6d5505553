"""Reading back everything that a page touches, in a handful of statements."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, TypeVar

from sqlalchemy import Connection, func, select

from data.plain import (
    account_from_row,
    engagement_from_row,
    facts_from_json,
    outcome_from_row,
    record_from_row,
)
from data.rows import chunks, select_in
from data.states import Admission, Incoming, LastScore, LeadState, Recall, Written
from data.tables import (
    AccountRow,
    CrmRecordRow,
    EngagementRow,
    Enrichment,
    Identity,
    Lead,
    Outbox,
    OutcomeRow,
    table,
)
from scoring.identity import identity_keys
from scoring.leads import Account, CrmRecord, Engagement, Outcome, RecordKey
from scoring.problems import Problem

LEAD, RECORD, ACCOUNT = table(Lead), table(CrmRecordRow), table(AccountRow)
ENGAGEMENT, OUTCOME = table(EngagementRow), table(OutcomeRow)
IDENTITY, OUTBOX, ENRICHMENT = table(Identity), table(Outbox), table(Enrichment)

Dated = TypeVar("Dated", CrmRecord, Account)


def changed_records(
    connection: Connection, records: Sequence[CrmRecord]
) -> tuple[list[CrmRecord], set[RecordKey]]:
    """Records with new content, the newest of each key; and which are older than what is stored."""
    newest = _newest(records)
    outdated = set()
    columns = RECORD.c.key, RECORD.c.fingerprint, RECORD.c.modified_at
    for row in select_in(
        newest, lambda keys: connection.execute(select(*columns).where(RECORD.c.key.in_(keys)))
    ):
        record = newest[row.key]
        if row.modified_at > record.modified_at:
            outdated.add(record.key)
        if record.key in outdated or row.fingerprint == record.fingerprint():
            del newest[row.key]
    return list(newest.values()), outdated


def newer_accounts(
    connection: Connection, accounts: Sequence[Account]
) -> tuple[dict[str, Account], dict[str, Account], set[RecordKey]]:
    """Companies to store, by key; those with new content; and which are older than the stored."""
    newer = _newest(accounts)
    changed = dict(newer)
    outdated = set()
    for row in select_in(
        newer, lambda keys: connection.execute(select(ACCOUNT).where(ACCOUNT.c.key.in_(keys)))
    ):
        account = newer[row.key]
        if row.modified_at > account.modified_at:
            outdated.add(account.key)
        same = account_from_row(row).fields == account.fields
        if account.key in outdated or same:
            del changed[row.key]
        if account.key in outdated or (same and row.modified_at == account.modified_at):
            del newer[row.key]
    return newer, changed, outdated


def _newest(items: Sequence[Dated]) -> dict[str, Dated]:
    newest: dict[str, Dated] = {}
    for item in items:
        known = newest.get(str(item.key))
        if known is None or item.modified_at >= known.modified_at:
            newest[str(item.key)] = item
    return newest


def news(incoming: Incoming, fresh: Iterable[CrmRecord | Account]) -> list[Problem]:
    """The page's problems but those of records and companies in it that are not `fresh`."""
    read: set[RecordKey] = {record.key for record in incoming.records}
    read |= {account.key for account in incoming.accounts}
    echoes = read - {item.key for item in fresh}
    return [problem for problem in incoming.problems if problem.record not in echoes]


def new_engagements(
    connection: Connection, engagements: Sequence[Engagement]
) -> dict[str, Engagement]:
    """Engagements that are not stored yet, by key."""
    found = {engagement.key: engagement for engagement in engagements}
    for row in select_in(
        found,
        lambda keys: connection.execute(select(ENGAGEMENT.c.key).where(ENGAGEMENT.c.key.in_(keys))),
    ):
        del found[row.key]
    return found


def new_outcomes(connection: Connection, outcomes: Sequence[Outcome]) -> dict[str, Outcome]:
    """Outcomes that are not stored yet, or that changed (a deal reopened, an amount corrected)."""
    found = {outcome.key: outcome for outcome in outcomes}
    for row in select_in(
        found, lambda keys: connection.execute(select(OUTCOME).where(OUTCOME.c.key.in_(keys)))
    ):
        if outcome_from_row(row) == found[row.key]:
            del found[row.key]
    return found


def recall(
    connection: Connection,
    incoming: Incoming,
    records: Sequence[CrmRecord],
    accounts: Mapping[str, Account],
    engagements: Mapping[str, Engagement],
    outcomes: Mapping[str, Outcome],
    admission: Admission,
) -> Recall:
    """Every lead that the page's news can concern, with all that its score is made of."""
    waiting_for = {str(key) for r in records for key in (r.key, *_links(r))}
    emails = {str(r.fields["email"]) for r in records if "email" in r.fields}
    orphans = _waiting_engagements(connection, waiting_for, emails)
    lost = _waiting_outcomes(connection, waiting_for)
    engagements = {**{e.key: e for e in orphans}, **engagements}
    outcomes = {**{o.key: o for o in lost}, **outcomes}
    identities = _identities(connection, records, engagements.values())
    lead_ids = set(incoming.also_leads) | set(identities.values())
    lead_ids |= _owners(connection, waiting_for, engagements.values(), outcomes.values())
    lead_ids |= _people_of(connection, accounts)
    leads = load_leads(connection, lead_ids)
    highest = connection.execute(select(func.max(LEAD.c.id))).scalar() or 0
    numbers = iter(range(highest + 1, highest + 1 + 10 * (len(records) + 1)))
    needed = {r.account for s in leads.values() for r in s.records.values() if r.account}
    needed |= {r.account for r in records if r.account}
    stored = _accounts(connection, needed)
    stored.update({account.key: account for account in accounts.values()})
    return Recall(
        leads=leads,
        identities=identities,
        records=tuple(records),
        accounts=stored,
        engagements=tuple(engagements.values()),
        outcomes=tuple(outcomes.values()),
        new_lead_id=numbers.__next__,
        admission=admission,
    )


def _links(record: CrmRecord) -> tuple[RecordKey, ...]:
    return (*record.links, record.merged_into) if record.merged_into else record.links


def _waiting_engagements(
    connection: Connection, keys: Iterable[str], emails: Iterable[str]
) -> list[Engagement]:
    nobody = ENGAGEMENT.c.lead_id.is_(None)
    by_key = select_in(
        keys,
        lambda part: connection.execute(
            select(ENGAGEMENT).where(nobody, ENGAGEMENT.c.record_key.in_(part))
        ),
    )
    by_email = select_in(
        emails,
        lambda part: connection.execute(
            select(ENGAGEMENT).where(nobody, ENGAGEMENT.c.email.in_(part))
        ),
    )
    return [engagement_from_row(row) for row in (*by_key, *by_email)]


def _waiting_outcomes(connection: Connection, keys: Iterable[str]) -> list[Outcome]:
    return [
        outcome_from_row(row)
        for row in select_in(
            keys,
            lambda part: connection.execute(
                select(OUTCOME).where(OUTCOME.c.lead_id.is_(None), OUTCOME.c.record_key.in_(part))
            ),
        )
    ]


def _identities(
    connection: Connection, records: Sequence[CrmRecord], engagements: Iterable[Engagement]
) -> dict[tuple[str, str], int]:
    wanted = {pair for record in records for pair in identity_keys(record)}
    wanted |= {("email", e.email) for e in engagements if e.email}
    found: dict[tuple[str, str], int] = {}
    for kind in sorted({kind for kind, _ in wanted}):
        values = sorted(value for k, value in wanted if k == kind)
        for part in chunks(values):
            rows = connection.execute(
                select(IDENTITY).where(IDENTITY.c.kind == kind, IDENTITY.c.value.in_(part))
            )
            found.update({(row.kind, row.value): row.lead_id for row in rows})
    return found


def _owners(
    connection: Connection,
    keys: Iterable[str],
    engagements: Iterable[Engagement],
    outcomes: Iterable[Outcome],
) -> set[int]:
    wanted = {*keys, *(str(e.record) for e in engagements if e.record)}
    wanted |= {str(o.record) for o in outcomes}
    return {
        row.lead_id
        for row in select_in(
            wanted,
            lambda part: connection.execute(select(RECORD.c.lead_id).where(RECORD.c.key.in_(part))),
        )
    }


def _people_of(connection: Connection, accounts: Mapping[str, Account]) -> set[int]:
    return {
        row.lead_id
        for row in select_in(
            accounts,
            lambda part: connection.execute(
                select(RECORD.c.lead_id).where(RECORD.c.account_key.in_(part))
            ),
        )
    }


def _accounts(connection: Connection, keys: Iterable[RecordKey]) -> dict[RecordKey, Account]:
    rows = select_in(
        {str(key) for key in keys},
        lambda part: connection.execute(select(ACCOUNT).where(ACCOUNT.c.key.in_(part))),
    )
    return {account.key: account for account in map(account_from_row, rows)}


def load_leads(connection: Connection, lead_ids: Iterable[int]) -> dict[int, LeadState]:
    """Leads by id with records, engagements, outcomes, last score and what the CRMs hold of ours.

    Merged leads are followed to the one they were merged into.
    """
    ids = set(lead_ids)
    rows = list(_by_lead(connection, LEAD, LEAD.c.id, ids))
    moved = {row.merged_into_id for row in rows if row.merged_into_id is not None} - ids
    while moved:
        more = list(_by_lead(connection, LEAD, LEAD.c.id, moved))
        rows += more
        ids |= moved
        moved = {row.merged_into_id for row in more if row.merged_into_id is not None} - ids
    leads = {row.id: _state(row) for row in rows if row.merged_into_id is None}
    for row in _by_lead(connection, RECORD, RECORD.c.lead_id, leads):
        record = record_from_row(row)
        leads[row.lead_id].records[record.key] = record
        if row.written_at is not None:
            written = Written(row.written_value, row.written_band, row.written_at)
            leads[row.lead_id].written[record.key] = written
    for row in _by_lead(connection, ENGAGEMENT, ENGAGEMENT.c.lead_id, leads):
        leads[row.lead_id].engagements[row.key] = engagement_from_row(row)
    for row in _by_lead(connection, OUTCOME, OUTCOME.c.lead_id, leads):
        leads[row.lead_id].outcomes[row.key] = outcome_from_row(row)
    for row in _by_lead(connection, OUTBOX, OUTBOX.c.lead_id, leads):
        leads[row.lead_id].waiting[RecordKey.parse(row.record_key)] = row.value
    newest = sorted(
        _by_lead(connection, ENRICHMENT, ENRICHMENT.c.lead_id, leads), key=lambda row: row.id
    )
    for row in newest:
        leads[row.lead_id].enrichment_hash = row.input_hash
        if row.status == "success":
            leads[row.lead_id].enrichment = facts_from_json(row.facts)
    return leads


def _by_lead(connection: Connection, source: Any, column: Any, ids: Iterable[int]) -> Iterable[Any]:
    return select_in(ids, lambda part: connection.execute(select(source).where(column.in_(part))))


def _state(row: Any) -> LeadState:
    scored = row.scored_at is not None
    return LeadState(
        id=row.id,
        created_at=row.created_at,
        seen_at=row.seen_at,
        live=row.live,
        first_scored_at=row.first_scored_at,
        last=LastScore(
            row.score_value or 0,
            row.score_low or 0,
            row.score_high or 0,
            row.band or "",
            row.band_entered_at,
            row.scored_at,
            row.rule_set_hash,
            row.inputs_hash,
            row.suppressed,
        )
        if scored
        else None,
    )
