"""Reading the score log back: entries with all that their scores were computed from."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import Select, select

from data.database import reading
from data.rows import chunks
from data.store import RULES, Store
from data.tables import ScoreLog, table

LOG = table(ScoreLog)
#: Entries that are fetched at a time; each holds some kilobytes of inputs.
BATCH = 500


@dataclass(frozen=True, slots=True)
class LogEntry:
    """One logged score as it was written."""

    id: int
    lead_id: int
    scored_at: datetime
    value: int
    low: int
    high: int
    band: str
    scoring_mode: str
    contributions: list[Any]  # rows as `data.plain.contributions_to_json` gives them
    previous_band: str
    situation: dict[str, Any] | None  # see `data.plain.situation_from_json`
    rule_set_hash: str
    engine_version: str
    inputs: str


def log_entries(
    store: Store,
    *,
    since: datetime | None = None,
    lead: int | None = None,
    sample: int | None = None,
) -> Iterator[LogEntry]:
    """Entries, oldest first; with `sample` about so many of them, evenly spread over the log."""
    ids = select(LOG.c.id).order_by(LOG.c.id)
    if since is not None:
        ids = ids.where(LOG.c.scored_at >= since)
    if lead is not None:
        ids = ids.where(LOG.c.lead_id == lead)
    with reading(store.engine) as connection:
        found = connection.execute(ids).scalars().all()
        if sample is not None and sample < len(found):
            found = [found[i * len(found) // sample] for i in range(sample)]
        for part in chunks(found, BATCH):
            yield from (_entry(row) for row in connection.execute(_these(list(part))))


def rule_document(store: Store, rule_set_hash: str) -> str | None:
    """The document of a rule set that is or was in force; None when the store has none such."""
    with reading(store.engine) as connection:
        document = select(RULES.c.document).where(RULES.c.hash == rule_set_hash)
        return connection.execute(document).scalar()


def _these(ids: list[int]) -> Select[Any]:
    columns = [LOG.c[name] for name in LogEntry.__dataclass_fields__]
    return select(*columns).where(LOG.c.id.in_(ids)).order_by(LOG.c.id)


def _entry(row: Any) -> LogEntry:
    return LogEntry(**row._mapping)
