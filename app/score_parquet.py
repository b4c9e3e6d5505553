"""`leadlight score` on Parquet with the engine of this process: no Spark, no Java."""

from __future__ import annotations

import csv
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Any, TextIO

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.dataset
import pyarrow.parquet

from app.parquet_job import (
    ENGAGEMENTS,
    LEADS,
    NO_ENGAGEMENTS,
    OUTPUT_SCHEMA,
    REJECT_SCHEMA,
    ParquetJob,
    Part,
    parquet_job,
    score_parts,
)
from app.score_output import ScoreFileError, check_paths, placed, progress, safe, text_file


@dataclass(slots=True)
class Counts:
    """What became of the rows."""

    bands: Counter[str | None] = field(default_factory=Counter)  # by label; None = suppressed
    doubtful: int = 0
    engagements: int = 0
    rejected: Counter[str] = field(default_factory=Counter)  # by table

    @property
    def leads(self) -> int:
        """Leads read."""
        return self.bands.total() + self.rejected[LEADS]

    def add(self, part: Part) -> None:
        """Count a part."""
        self.engagements += part.engagements
        self.doubtful += len(part.scores) - part.scores["problems"].null_count
        for name, counter in (("band", self.bands), ("table", self.rejected)):
            column = (part.rejects if name == "table" else part.scores)[name]
            for entry in pc.value_counts(column).to_pylist():
                counter[entry["values"]] += entry["counts"]


def score_parquet(
    file: Path,
    engagements: Path | None,
    rules: Path | None = None,
    mapping: Path | None = None,
    output: Path | None = None,
    rejects: Path | None = None,
    *,
    now: datetime | None = None,
) -> dict[str, Any]:
    """Score Parquet files in this process; the summary that `--json` prints.

    Output and rejects take their place at the end. Raises ScoreFileError.
    """
    output = output or file.with_name(f"{file.stem}.scored.parquet")
    rejects = rejects or output.with_name(f"{output.stem}.rejects.csv")
    check_paths([path for path in (file, engagements) if path], output, rejects)
    source, others = _opened(file), engagements and _opened(engagements)
    job = parquet_job(source.schema, others and others.schema, rules, mapping, now)
    table = _read(file, source, job.lead_columns)
    if not len(table):
        raise ScoreFileError(f"{file} has no rows.")
    events = NO_ENGAGEMENTS
    if engagements:
        events = _read(engagements, others, job.engagement_columns)
    counts = Counts()
    with (
        progress(len(table)) as advance,
        placed(output) as scored,
        pyarrow.parquet.ParquetWriter(scored, OUTPUT_SCHEMA) as writer,
        text_file(rejects) as stream,
    ):
        lines = Rejects(stream)
        for part in score_parts(job, table, events):
            writer.write_table(part.scores)
            lines.write(part.rejects.to_pylist())
            counts.add(part)
            advance(counts.leads)
    if not counts.rejected:
        rejects.unlink()
    return summary(job, counts, str(file), str(output), str(rejects), "Parquet")


def _opened(path: Path) -> Any:
    try:
        return pyarrow.dataset.dataset(path, format="parquet", partitioning="hive")
    except (OSError, pa.ArrowException) as error:
        reason = str(error).splitlines()[0]
        raise ScoreFileError(f"{path} cannot be read as Parquet: {reason}") from None


def _read(path: Path, source: Any, columns: Sequence[str]) -> pa.Table:
    try:
        return source.to_table(columns=list(columns))
    except (OSError, pa.ArrowException) as error:
        reason = str(error).splitlines()[0]
        raise ScoreFileError(f"{path} cannot be read: {reason}") from None


class Rejects:
    """The CSV of rejected rows."""

    def __init__(self, stream: TextIO) -> None:
        self._lines = csv.writer(stream)
        self._lines.writerow(REJECT_SCHEMA.names)

    def write(self, rows: Sequence[dict[str, str | None]]) -> None:
        """Add rows of REJECT_SCHEMA."""
        for row in rows:
            self._lines.writerow([safe(row[name] or "") for name in REJECT_SCHEMA.names])


def summary(
    job: ParquetJob, counts: Counts, file: str, output: str, rejects: str, read_as: str
) -> dict[str, Any]:
    """What `--json` prints, as for other files."""
    return {
        "file": file,
        "read_as": read_as,
        "rules": job.rule_set.name,
        "rule_set_hash": job.rule_set.hash,
        "now": job.now.isoformat(),
        "rows": counts.leads,
        "scored": counts.bands.total(),
        "rejected": counts.rejected[LEADS],
        "engagements": counts.engagements,
        "engagements_rejected": counts.rejected[ENGAGEMENTS],
        "suppressed": counts.bands[None],
        "doubtful": counts.doubtful,
        "output": output,
        "rejects": rejects if counts.rejected else None,
        "bands": {band.label: counts.bands[band.label] for band in job.rule_set.bands},
    }
