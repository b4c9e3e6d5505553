"""`leadlight score --engine spark`: the same kernel over any number of machines.

Leads and their engagements are divided into buckets by the lead's id; Spark brings each bucket
together as Arrow tables and hands it to what scores Parquet here. Spark itself decides nothing.
"""

from __future__ import annotations

import os
import shutil
import sys
import tempfile
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import datetime
from functools import cache
from pathlib import Path
from typing import Any

import pyarrow as pa

from app.parquet_job import (
    OUTPUT_SCHEMA,
    PART,
    REJECT_SCHEMA,
    ParquetJob,
    Part,
    parquet_job,
    score_parts,
)
from app.parquet_layout import ENGAGEMENT_COLUMNS
from app.score_output import ScoreFileError, text_file
from app.score_parquet import Counts, Rejects, summary

#: Both kinds of rows that a bucket gives; `table` is null for a score.
_SCHEMA = pa.schema([*OUTPUT_SCHEMA, *(f for f in REJECT_SCHEMA if f.name != "id")])
_DDL_TYPES = {"string": "string", "double": "double", "bool": "boolean"}
_PARTS_PER_CORE = 4
_ENGAGEMENTS_PER_BUCKET = 2_000_000
_LOCAL = {
    "spark.driver.host": "127.0.0.1",
    "spark.driver.bindAddress": "127.0.0.1",
    "spark.ui.enabled": "false",
}
_ALWAYS = {
    "spark.app.name": "leadlight score",
    "spark.sql.session.timeZone": "UTC",
    "spark.sql.adaptive.enabled": "false",  # it would put small buckets into one task
    "spark.sql.execution.arrow.maxRecordsPerBatch": "100000",
}


def score_spark(
    file: str,
    engagements: str | None,
    rules: Path | None = None,
    mapping: Path | None = None,
    output: str | None = None,
    rejects: Path | None = None,
    *,
    now: datetime | None = None,
    master: str = "local[*]",
    partitions: int | None = None,
) -> dict[str, Any]:
    """Score Parquet files or folders with Spark into a folder; the summary that `--json` prints.

    The rejects are one CSV file on this machine. Raises ScoreFileError.
    """
    output = output or f"{file.rstrip('/').removesuffix('.parquet')}.scored.parquet"
    rejects = rejects or _beside(output)
    if Path(output).exists():
        raise ScoreFileError(f"{output} exists already: remove it, or name another folder with -o.")
    if not rejects.parent.is_dir():
        raise ScoreFileError(f"The folder {rejects.parent} does not exist: create it first.")
    with _session(master) as spark:
        leads = spark.read.parquet(file)
        events = spark.read.parquet(engagements) if engagements else _nothing(spark)
        job = parquet_job(_schema(leads), _schema(events), rules, mapping, now)
        counts = Counts(engagements=events.count())
        rows = leads.count()
        if not rows:
            raise ScoreFileError(f"{file} has no rows.")
        cores = _PARTS_PER_CORE * spark.sparkContext.defaultParallelism
        enough = max(cores, rows // PART + 1, counts.engagements // _ENGAGEMENTS_PER_BUCKET + 1)
        result = _scored(job, leads, events, partitions or enough)
        _write(result, output, rejects, counts)
    return summary(job, counts, file, output, str(rejects), "Parquet, with Spark")


def _beside(output: str) -> Path:
    """Where rejects go: beside the output, or here when that is on other machines."""
    path = Path(output)
    return Path("." if "://" in output else path.parent) / f"{path.stem}.rejects.csv"


def _scored(job: ParquetJob, leads: Any, events: Any, buckets: int) -> Any:
    """The rows of all buckets, kept on disk: they are written, counted and looked through."""
    from pyspark import StorageLevel

    leads.sparkSession.conf.set("spark.sql.shuffle.partitions", str(buckets))
    sides = (
        leads.select(*map(_quoted, job.lead_columns)).groupBy(_bucket(job.id_column, buckets)),
        events.select(*map(_quoted, job.engagement_columns)).groupBy(_bucket("lead", buckets)),
    )
    ddl = ", ".join(f"{_quoted(f.name)} {_DDL_TYPES[str(f.type)]}" for f in _SCHEMA)
    found = sides[0].cogroup(sides[1]).applyInArrow(_bucket_scorer(job), ddl)
    return found.persist(StorageLevel.DISK_ONLY)


def _bucket(column: str, buckets: int) -> Any:
    from pyspark.sql import functions as F

    return F.pmod(F.xxhash64(F.col(_quoted(column)).cast("string")), F.lit(buckets))


def _quoted(name: str) -> str:
    return "`" + name.replace("`", "``") + "`"


def _bucket_scorer(job: ParquetJob) -> Callable[[pa.Table, pa.Table], pa.Table]:
    """What Spark calls for each bucket, in the Python of whichever machine has it."""

    def score(leads: pa.Table, engagements: pa.Table) -> pa.Table:
        parts = list(score_parts(job, leads, engagements))
        return pa.concat_tables([_rows(part) for part in parts]).combine_chunks()

    return score


def _rows(part: Part) -> pa.Table:
    both = [part.scores, part.rejects]
    return pa.concat_tables(both, promote_options="default").select(_SCHEMA.names).cast(_SCHEMA)


def _write(result: Any, output: str, rejects: Path, counts: Counts) -> None:
    from pyspark.sql import functions as F

    kept = F.col("table").isNull()
    result.where(kept).select(*OUTPUT_SCHEMA.names).write.parquet(output)
    groups = result.groupBy("table", "band", F.col("problems").isNotNull().alias("doubtful"))
    for row in groups.count().collect():
        if row["table"]:
            counts.rejected[row["table"]] += row["count"]
        else:
            counts.bands[row["band"]] += row["count"]
            counts.doubtful += row["count"] if row["doubtful"] else 0
    if counts.rejected:
        names = REJECT_SCHEMA.names
        lost = result.where(~kept).select(*names).coalesce(1).sortWithinPartitions(*names)
        with text_file(rejects) as stream:
            lines = Rejects(stream)
            for row in lost.toLocalIterator():
                lines.write([row.asDict()])
    else:
        rejects.unlink(missing_ok=True)


def _schema(frame: Any) -> pa.Schema:
    return frame.limit(0).toArrow().schema


def _nothing(spark: Any) -> Any:
    return spark.createDataFrame([], ", ".join(f"{name} string" for name in ENGAGEMENT_COLUMNS))


# -- Spark itself ------------------------------------------------------------------------------


@contextmanager
def _session(master: str) -> Iterator[Any]:
    """A running Spark, stopped at the end; raises ScoreFileError when it cannot be had."""
    try:
        from pyspark import SparkConf, SparkContext
        from pyspark.sql import SparkSession
    except ImportError:
        raise ScoreFileError(
            "Spark is not installed here: run `python3 app/install.py --spark` (half a gigabyte)"
            " in Leadlight's folder. Without it, --engine embedded gives the same scores."
        ) from None
    conf = SparkConf().setMaster(master).setAll(list(_ALWAYS.items()))
    conf.set("spark.ui.showConsoleProgress", str(sys.stderr.isatty()).lower())
    if master.startswith("local"):
        conf.setAll(list(_LOCAL.items()))
        os.environ.setdefault("SPARK_LOCAL_IP", "127.0.0.1")
    os.environ.setdefault("PYSPARK_PYTHON", sys.executable)
    with _in_words(), warnings.catch_warnings():
        warnings.filterwarnings("ignore", "PySpark does not yet fully support pandas")
        SparkContext(conf=conf, gateway=_gateway())
        spark = SparkSession.builder.getOrCreate()
        try:
            yield spark
        finally:
            spark.stop()


@cache
def _gateway() -> Any:
    """Java, started once for this process; what it says goes nowhere unless it does not start."""
    from pyspark.errors import PySparkRuntimeError
    from pyspark.java_gateway import launch_gateway

    home = os.environ.get("JAVA_HOME")
    if not (shutil.which("java") or (home and Path(home, "bin", "java").exists())):
        raise ScoreFileError("Spark needs Java 17 or newer: install it, or set JAVA_HOME.")
    with tempfile.TemporaryFile() as said:
        try:
            return launch_gateway(popen_kwargs={"stdout": said, "stderr": said})
        except PySparkRuntimeError:
            said.seek(0)
            reason = said.read().decode("utf-8", "replace").strip()[-600:]
            raise ScoreFileError(
                f"Java did not start Spark; it needs Java 17 or newer. It said:\n{reason}"
            ) from None


@contextmanager
def _in_words() -> Iterator[None]:
    """What Spark refuses becomes a message; what goes wrong in our own code there is a bug."""
    from py4j.protocol import Py4JError
    from pyspark.errors import PySparkException, PythonException

    try:
        yield
    except PythonException:
        raise
    except (PySparkException, Py4JError) as error:
        reason = (str(error).strip() or repr(error)).splitlines()[0]
        if "NANOS" in reason:
            reason = "it reads no nanoseconds: write times in microseconds."
        raise ScoreFileError(f"Spark: {reason}") from error
