"""Leads and engagements in Parquet, scored many at once: what every engine does with its part.

Every row of both files is in the output, counts in it, or is in the rejects with its reason.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from app.columns import ID, Column, MappingError
from app.parquet_layout import ENGAGEMENT_COLUMNS, check_engagements, lead_columns, needed_columns
from app.parquet_rows import Texts, read_engagements, read_leads, texts_of
from app.score_output import ScoreFileError
from app.score_setup import read_mapping, read_rules, say_unprovided
from scoring.arrow_columns import (
    MOMENT,
    SCORE_SCHEMA,
    columns_from,
    encoded,
    microseconds_of,
    scores_table,
)
from scoring.cleaning import shorten
from scoring.columns import NEVER, Integers
from scoring.kernel import ColumnScorer
from scoring.rules import RuleSet

OUTPUT_SCHEMA = SCORE_SCHEMA.append(pa.field("problems", pa.string()))
REJECT_SCHEMA = pa.schema([(name, pa.string()) for name in ("table", ID, "key", "reason", "row")])
LEADS, ENGAGEMENTS = "leads", "engagements"
#: Leads that are read and scored at once; what they need beside the files stays small.
PART = 50_000
NO_ENGAGEMENTS = pa.schema([(name, pa.string()) for name in ENGAGEMENT_COLUMNS]).empty_table()
REPEATED = "its lead has another engagement with this key: it counts once"


@dataclass(frozen=True, slots=True)
class ParquetJob:
    """Everything needed to score any part of the leads; it can be sent to another machine."""

    columns: tuple[Column, ...]  # of the leads, the id among them
    engagement_columns: tuple[str, ...]  # () = there are no engagements
    rule_set: RuleSet
    now: datetime

    @property
    def id_column(self) -> str:
        """The column that holds the leads' ids."""
        return next(column.column for column in self.columns if column.name == ID)

    @property
    def lead_columns(self) -> list[str]:
        """The columns of leads that are read."""
        return [column.column for column in self.columns]


@dataclass(frozen=True, slots=True)
class Part:
    """What became of some leads and their engagements."""

    engagements: int
    scores: pa.Table  # OUTPUT_SCHEMA
    rejects: pa.Table  # REJECT_SCHEMA


def parquet_job(
    leads: pa.Schema,
    engagements: pa.Schema | None,
    rules: Path | None,
    mapping: Path | None,
    now: datetime | None,
) -> ParquetJob:
    """The job for files of these columns; raises ScoreFileError with all that is wrong."""
    try:
        columns = lead_columns(leads, read_mapping(mapping) if mapping else None)
        rule_set = read_rules(rules, columns)
        needed = needed_columns(columns, dict(rule_set.fact_types), leads)
        others = () if engagements is None else check_engagements(engagements)
    except MappingError as error:
        raise ScoreFileError(f"The columns cannot be used:\n{error}") from None
    say_unprovided(rule_set, needed)
    return ParquetJob(needed, others, rule_set, now or datetime.now(UTC))


def score_parts(job: ParquetJob, leads: pa.Table, engagements: pa.Table) -> Iterator[Part]:
    """Score leads with their engagements, both as they are in the files, part by part.

    All leads of one id and all their engagements must be here; the parts do not change a score.
    """
    ids = texts_of(leads[job.id_column])
    problems = _id_problems(ids)
    names = texts_of(engagements["lead"])
    positions = _positions(names, ids)
    order = np.argsort(positions, kind="stable")
    positions = positions[order]
    lost = order[: np.searchsorted(positions, 0)]
    if len(lost):
        yield Part(len(lost), OUTPUT_SCHEMA.empty_table(), _lost(engagements, names, lost))
    for low in range(0, len(leads), PART):
        rows = leads.slice(low, PART)
        high = low + len(rows)
        own = slice(*np.searchsorted(positions, (low, high)))
        events = engagements.take(pa.array(order[own]))
        yield _score(job, rows, problems[low:high], events, positions[own] - low)


def _score(
    job: ParquetJob, rows: pa.Table, problems: Texts, events: pa.Table, lead: Integers
) -> Part:
    """Score some leads; `lead`: for each of their engagements the position of its lead."""
    read = read_leads(rows, job.columns, dict(job.rule_set.fact_types), job.now)
    reasons = np.where(problems == "", read.reasons, problems)
    good = reasons == ""
    found = read_engagements(events)
    why = np.where((found.reasons == "") & ~good[lead], "its lead is rejected", found.reasons)
    kept = np.flatnonzero(why == "")
    places = pa.array((np.cumsum(good) - 1)[lead[kept]], pa.int64())
    known = read.table.filter(pa.array(good))
    columns, repeated = columns_from(
        known,
        found.table.take(pa.array(kept)).append_column("lead", places),
        job.rule_set.fact_types,
    )
    why[kept[repeated]] = REPEATED
    scores = ColumnScorer(job.rule_set, columns).score(job.now)
    doubts = read.doubts[good]
    table = scores_table(known["id"], scores, job.rule_set).append_column(
        OUTPUT_SCHEMA.field("problems"), pa.array(doubts, pa.string(), mask=doubts == "")
    )
    rejects = [
        _rejects(LEADS, rows, job.id_column, None, reasons),
        _rejects(ENGAGEMENTS, events, "lead", "key", why),
    ]
    return Part(len(lead), table, pa.concat_tables(rejects))


def _id_problems(ids: pa.ChunkedArray) -> Texts:
    """What is wrong with each lead's id; "" = nothing."""
    codes, names = encoded(ids)
    times = np.bincount(codes[codes >= 0], minlength=len(names))
    texts = ["" if n == 1 else f"{n} rows have this id: keep one of them" for n in times]
    problems: Texts = np.array([*texts, "it has no id"], np.object_)[codes]
    problems[pc.equal(ids, "").fill_null(False).to_numpy()] = "it has no id"
    return problems


def _positions(names: pa.ChunkedArray, ids: pa.ChunkedArray) -> Integers:
    """For each engagement the position of its lead, -1 when there is none."""
    known = ids.cast(pa.string()).combine_chunks()
    found = pc.index_in(names.cast(pa.string()), value_set=known, skip_nulls=True)
    positions: Integers = found.fill_null(-1).to_numpy().astype(np.int64)
    positions[pc.equal(names, "").fill_null(False).to_numpy()] = -1
    return positions


def _lost(engagements: pa.Table, names: pa.ChunkedArray, lost: Integers) -> pa.Table:
    """Rejects of engagements that are nobody's."""
    rows = engagements.take(pa.array(lost))
    whose = names.take(pa.array(lost)).to_pylist()
    reasons = [f"no lead has the id “{shorten(n)}”" if n else "it names no lead" for n in whose]
    return _rejects(ENGAGEMENTS, rows, "lead", "key", np.array(reasons, np.object_))


def _rejects(table: str, rows: pa.Table, name: str, key: str | None, reasons: Texts) -> pa.Table:
    bad = np.flatnonzero(reasons != "")
    rows = rows.take(pa.array(bad))
    keyed = key in rows.column_names
    return pa.table(
        {
            "table": pa.array([table] * len(bad), pa.string()),
            ID: texts_of(rows[name]).cast(pa.string()),
            "key": texts_of(rows[key]).cast(pa.string()) if keyed else pa.nulls(len(bad)),
            "reason": pa.array(reasons[bad], pa.string()),
            "row": pa.array(_as_json(rows), pa.string()),
        },
        REJECT_SCHEMA,
    )


def _as_json(rows: pa.Table) -> list[str]:
    """Each row with what is known of it."""
    for i, field in enumerate(rows.schema):
        if pa.types.is_timestamp(field.type) or pa.types.is_date(field.type):
            at = microseconds_of(rows[field.name])
            texts = pa.array(at, mask=at == NEVER).cast(MOMENT).cast(pa.string())
            rows = rows.set_column(i, field.name, texts)
    return [
        json.dumps({k: _plain(v) for k, v in row.items() if v is not None}, ensure_ascii=False)
        for row in rows.to_pylist()
    ]


def _plain(value: object) -> object:
    return float(value) if isinstance(value, Decimal) else value
