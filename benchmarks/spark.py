"""Parquet to Parquet: in this process, and with Spark on one core and on more."""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from app.parquet_job import OUTPUT_SCHEMA
from app.score_parquet import score_parquet
from app.score_spark import score_spark
from benchmarks.estate import NOW, Estate, document, estate
from benchmarks.floors import Result, ratio
from benchmarks.measure import say, seconds, spoken
from scoring.columns import NEVER, Coded, Column, Dates, Log, Numbers

LEADS = 200_000
PARTITIONS = 8


def measure(folder: Path, leads: int = LEADS) -> list[Result]:
    """Lines of the report: the embedded engine beside mere copying, Spark on 1, 2 … cores."""
    say(f"writing {leads:,} leads and their engagements as Parquet")
    great = estate(leads)
    write(great, folder)
    say("Parquet, embedded engine")
    score = _embedded(folder)
    score()
    ours, floor = seconds(score), seconds(lambda: _copy(folder))
    size = f"{leads:,} leads, {len(great.columns.log.at):,} engagements, 50 rules"
    lines = [
        Result(
            "A Parquet file scored",
            spoken(ours),
            spoken(floor),
            ratio(ours, floor),
            f"{size}; files to file, against reading the same columns and writing the same table",
        )
    ]
    times: dict[int, float] = {}
    for cores in sorted({1, 2, os.cpu_count() or 1}):
        say(f"Parquet, Spark on {cores} core{'s' if cores > 1 else ''}")
        run = _spark(folder, cores)
        run()  # Java compiles while it runs
        assert _sorted(folder / "spark").equals(_sorted(folder / "scored.parquet"))
        times[cores] = seconds(run)
        perfect = times[1] / cores
        lines.append(
            Result(
                f"The same with Spark, local[{cores}]",
                spoken(times[cores]),
                spoken(perfect),
                ratio(times[cores], perfect),
                f"{PARTITIONS} partitions, Java running; against one core's time / {cores}",
            )
        )
    return lines


def write(great: Estate, folder: Path) -> None:
    """The estate as the files that `leadlight score` reads."""
    n, columns = great.columns.n, great.columns
    ids = np.arange(n)
    facts = {name: _arrow(column) for name, column in columns.facts.items()}
    facts["created_at"] = facts.pop("age_days")
    pq.write_table(pa.table({"id": ids, **facts}), folder / "leads.parquet")
    pq.write_table(_engagements(columns.log, ids), folder / "engagements.parquet")
    (folder / "rules.json").write_text(json.dumps(document()), "utf-8")


def _arrow(column: Column) -> pa.Array:
    if isinstance(column, Numbers):
        return pa.array(column.values, mask=np.isnan(column.values))
    if isinstance(column, Dates):
        return pa.array(column.at, mask=column.at == NEVER).cast(pa.timestamp("us", "UTC"))
    assert isinstance(column, Coded)
    values = [list(v) if isinstance(v, tuple) else v for v in column.values]
    return pa.array(values).take(pa.array(column.codes - 1, mask=column.codes == 0))


def _engagements(log: Log, ids: Any) -> pa.Table:
    what = pa.array(log.what)
    kinds, details = [kind for kind, _ in log.whats], [detail for _, detail in log.whats]
    keys = pc.binary_join_element_wise("k", pa.array(np.arange(len(log.at))).cast(pa.string()), "")
    return pa.table(
        {
            "lead": np.repeat(ids, np.diff(log.offsets)),
            "kind": pa.array(kinds).take(what),
            "occurred_at": pa.array(log.at).cast(pa.timestamp("us", "UTC")),
            "key": keys,
            "url": pa.array([detail.get("url") for detail in details], pa.string()).take(what),
            "campaign": pa.array([detail.get("campaign") for detail in details]).take(what),
        }
    )


def _embedded(folder: Path) -> Callable[[], object]:
    files = folder / "leads.parquet", folder / "engagements.parquet", folder / "rules.json"
    return lambda: score_parquet(*files, output=folder / "scored.parquet", now=NOW)


def _spark(folder: Path, cores: int) -> Callable[[], object]:
    leads, engagements = str(folder / "leads.parquet"), str(folder / "engagements.parquet")

    def run() -> None:
        shutil.rmtree(folder / "spark", ignore_errors=True)
        score_spark(
            leads,
            engagements,
            folder / "rules.json",
            output=str(folder / "spark"),
            rejects=folder / "rejects.csv",
            now=NOW,
            master=f"local[{cores}]",
            partitions=PARTITIONS,
        )

    return run


def _copy(folder: Path) -> None:
    pq.read_table(folder / "leads.parquet")
    pq.read_table(folder / "engagements.parquet")
    pq.write_table(pq.read_table(folder / "scored.parquet"), folder / "copy.parquet")


def _sorted(path: Path) -> pa.Table:
    return pq.read_table(path).cast(OUTPUT_SCHEMA).sort_by("id")
