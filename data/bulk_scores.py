"""Saving the scores of many leads at once, as the kernel gives them: no statement per lead.

Numbers and bands only. A score's explanation, log entry and write-back are made where one lead is
scored; so the explanation of the score before is taken away, and the lead is due at once.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import datetime
from typing import Any, NamedTuple

from sqlalchemy import Connection

from data.tables import Lead, Utc, table

LEAD = table(Lead)


class ScoreRow(NamedTuple):
    """One lead's score; points are milli-points. A suppressed lead has no value and no band."""

    lead_id: int
    value: int | None
    low: int | None
    high: int | None
    band: str | None
    certain: bool
    mode: str
    fit: int
    engagement: int
    intent: int


#: Column of `lead` for each field of a ScoreRow but the first.
_COLUMNS = (
    "score_value",
    "score_low",
    "score_high",
    "band",
    "band_certain",
    "scoring_mode",
    "fit",
    "engagement",
    "intent",
)
_NO_REASONS = "reasons = '[]', contributions = '[]', next_step = ''"
_THERE = "merged_into_id IS NULL AND NOT deleted"


def save_scores(connection: Connection, rows: Iterable[ScoreRow], now: datetime) -> None:
    """Put scores into their leads; those that stay as they are cost a look and no write.

    Leads that are gone by now stay untouched. On PostgreSQL the caller is the only writer
    (`data.database.writing` with `alone`), or two calls could wait for each other for ever.
    """
    if connection.dialect.name == "postgresql":
        _copy(connection, rows)
        news = ", ".join(f"{c} = n.{c}" for c in _COLUMNS)
        old = ", ".join(f"lead.{c}" for c in _COLUMNS)
        new = ", ".join(f"n.{c}" for c in _COLUMNS)
        connection.exec_driver_sql(
            f"UPDATE lead SET {news}, {_moments('n.band', '%s')}, {_NO_REASONS}"
            f" FROM new_score n WHERE lead.id = n.id AND {_THERE}"
            f" AND ({old}) IS DISTINCT FROM ({new})",
            (now, now, now),
        )
        connection.exec_driver_sql("DROP TABLE new_score")
        return
    at = Utc().bind_processor(connection.dialect)(now)  # type: ignore[misc]
    sets = ", ".join(f"{c} = ?{i}" for i, c in enumerate(_COLUMNS, 2))
    differ = " OR ".join(f"{c} IS NOT ?{i}" for i, c in enumerate(_COLUMNS, 2))
    last = len(_COLUMNS) + 2
    values: Sequence[Any] = [(*row, at) for row in rows]
    if values:
        connection.exec_driver_sql(
            f"UPDATE lead SET {sets}, {_moments('?5', f'?{last}')}, {_NO_REASONS}"
            f" WHERE id = ?1 AND {_THERE} AND ({differ})",
            values,
        )


def _moments(band: str, now: str) -> str:
    held = f"CASE WHEN lead.band = {band} THEN lead.band_entered_at ELSE {now} END"
    return f"scored_at = {now}, due_at = {now}, band_entered_at = {held}"


def _copy(connection: Connection, rows: Iterable[ScoreRow]) -> None:
    """The rows in a table of this transaction's own."""
    names = ", ".join(_COLUMNS)
    connection.exec_driver_sql(
        f"CREATE TEMPORARY TABLE new_score ON COMMIT DROP AS SELECT id, {names} FROM lead LIMIT 0"
    )
    driver: Any = connection.connection.driver_connection
    with driver.cursor().copy(f"COPY new_score (id, {names}) FROM STDIN") as copy:
        copy.write("".join("\t".join(map(_copied, row)) + "\n" for row in rows))
    connection.exec_driver_sql("ANALYZE new_score")


def _copied(value: object) -> str:
    return "\\N" if value is None else str(value)
