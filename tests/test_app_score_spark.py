"""Spark gives what this process gives, however the leads are divided."""

from __future__ import annotations

import csv
import json
import os
import random
import shutil
import subprocess
import sys
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import typer
from typer.testing import CliRunner, Result

from app.parquet_job import OUTPUT_SCHEMA
from app.score_file import register
from tests.conftest import lacking

NOW = datetime(2026, 3, 1, tzinfo=UTC)
LEADS, EVENTS = 3_000, 9_000
TITLES = ["CEO", "Head of Sales", "Größter Chef", "学生", "engineer", "𝔙𝔓 of ☃", None]
KINDS = ["page_visit", "email_open", "form_submission", "email_reply", "meeting_booked"]
ROOT = Path(__file__).resolve().parent.parent


@pytest.fixture(scope="module")
def spark() -> Iterator[None]:
    """Fails in CI, and skips elsewhere, where Spark cannot run."""
    if find_spec("pyspark") is None:
        lacking("Spark", "python3 app/install.py --spark")
    if not (shutil.which("java") or os.environ.get("JAVA_HOME")):
        lacking("Java", "install version 17 or newer.")
    with pytest.MonkeyPatch.context() as patch:
        # A few small jobs: a thorough compiler would take longer than it saves.
        patch.setenv("JAVA_TOOL_OPTIONS", "-XX:TieredStopAtLevel=1 -XX:+UseSerialGC")
        yield


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An invented estate with everything in it that can go wrong."""
    folder = tmp_path_factory.mktemp("estate")
    source = random.Random(11)
    names = [f"{source.choice('aé学')}{i}" for i in range(LEADS)]
    names[5] = names[6] = names[7]  # one id three times
    names[8] = ""
    pick = source.choice
    leads = {
        "id": [*names[:-1], None],
        "email": [
            pick([f"ann{i % 700}@acme.com", "x@gmail.com", "no", None]) for i in range(LEADS)
        ],
        "job_title": [pick(TITLES) for _ in names],
        "phone": [pick(["+49 30 123456", "030 1234567", "12", None]) for _ in names],
        "country": [pick(["DE", "Germany", "us", "Narnia", None]) for _ in names],
        "employees": pa.array([pick([5, 60, 1_200, -1, None]) for _ in names], pa.int32()),
        "created_at": [NOW - timedelta(days=source.randint(0, 400)) for _ in names],
        "email_opt_out": [pick([False, False, False, True, None]) for _ in names],
        "lifecycle_stage": [pick(["lead", "customer", None]) for _ in names],
    }
    at = [NOW - timedelta(hours=source.randint(-9, 2_000)) for _ in range(EVENTS)]  # many ties
    events = {
        "lead": [pick([*names[: LEADS // 2], "nobody", None]) for _ in range(EVENTS)],
        "kind": [pick([*KINDS * 20, "visit", None]) for _ in range(EVENTS)],
        "occurred_at": [pick([*[moment] * 200, None]) for moment in at],
        "key": [f"k{source.randint(0, EVENTS * 20)}" if i % 9 else None for i in range(EVENTS)],
        "url": [pick(["/pricing", "/Démo", "/", None]) for _ in range(EVENTS)],
    }
    twice = pa.concat_tables([pa.table(events), pa.table(events).slice(0, 50)])
    pq.write_table(pa.table(leads), folder / "leads.parquet")
    (folder / "events").mkdir()
    pq.write_table(twice.slice(0, 4_000), folder / "events" / "a.parquet")
    pq.write_table(twice.slice(4_000), folder / "events" / "b.parquet")
    return folder


def score(file: Path, output: Path, *options: str) -> Result:
    app = typer.Typer()
    app.callback()(lambda: None)
    register(app)
    arguments = ["score", str(file), "-o", str(output), "--now", NOW.isoformat(), "--json"]
    arguments += ["--rejects", f"{output}.csv", *options]
    return CliRunner().invoke(app, arguments)


def rows(output: Path) -> pa.Table:
    return pq.read_table(output).cast(OUTPUT_SCHEMA).sort_by("id")


def rejected(output: Path) -> list[list[str]]:
    with Path(f"{output}.csv").open(encoding="utf-8", newline="") as stream:
        return sorted(csv.reader(stream))


def said(result: Result) -> dict[str, Any]:
    """The summary without what names the files and the engine."""
    summary = json.loads(result.stdout)
    return {k: v for k, v in summary.items() if k not in ("read_as", "output", "rejects", "file")}


@pytest.fixture(scope="module")
def embedded(files: Path) -> tuple[Path, Result]:
    """The estate scored in this process."""
    events = ("--engagements", str(files / "events"))
    return files / "embedded", score(files / "leads.parquet", files / "embedded", *events)


@pytest.mark.parametrize("partitions", [1, 2, 7])
def test_any_number_of_partitions_gives_the_rows_of_the_embedded_engine(
    spark: None, files: Path, embedded: tuple[Path, Result], partitions: int
) -> None:
    expected, result = embedded
    assert result.exit_code == 3, result.output
    output = files / f"spark-{partitions}"
    where = ["--engine", "spark", "--master", "local[2]", "--partitions", str(partitions)]
    found = score(files / "leads.parquet", output, "--engagements", str(files / "events"), *where)
    assert found.exit_code == 3, found.output
    assert said(found) == said(result)
    assert rows(output).equals(rows(expected))
    assert rejected(output) == rejected(expected)


def test_the_estate_holds_what_can_go_wrong(files: Path, embedded: tuple[Path, Result]) -> None:
    output, result = embedded
    table = rows(output)
    summary = said(result)
    assert 0 < summary["suppressed"] < summary["scored"] < summary["rows"] == LEADS
    assert table["value"].null_count == summary["suppressed"]
    reasons = {row[3].split("“")[0] for row in rejected(output)}
    assert {
        "reason",
        "3 rows have this id: keep one of them",
        "it has no id",
        "it has no kind",
        "it has no time",
        "it names no lead",
        "its lead has another engagement with this key: it counts once",
        "its lead is rejected",
        "no lead has the id ",
        "",  # “visit” is no kind of engagement
        "The employees ",
    } <= reasons


def test_paths_may_be_addresses_and_folders_divided_by_a_column(
    spark: None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    for country in ("DE", "FR"):
        (tmp_path / "leads" / f"country={country}").mkdir(parents=True)
        table = pa.table({"id": [1 if country == "DE" else None], "employees": [60]})
        pq.write_table(table, tmp_path / "leads" / f"country={country}" / "part.parquet")
    where = ["--engine", "spark", "--master", "local[2]", "--now", NOW.isoformat()]
    app = typer.Typer()
    app.callback()(lambda: None)
    register(app)
    leads = (tmp_path / "leads").as_uri()
    result = CliRunner().invoke(app, ["score", leads, *where])
    assert result.exit_code == 3, result.output
    score(tmp_path / "leads", tmp_path / "embedded")
    assert rows(tmp_path / "leads.scored.parquet").equals(rows(tmp_path / "embedded"))
    assert (tmp_path / "leads.scored.rejects.csv").exists()


def test_spark_says_what_it_cannot_do(spark: None, files: Path, tmp_path: Path) -> None:
    where = ["--engine", "spark", "--master", "local[2]"]
    missing = score(files / "nowhere.parquet", tmp_path / "out", *where)
    assert missing.exit_code == 1
    assert "PATH_NOT_FOUND" in missing.output
    (tmp_path / "kept").mkdir()
    kept = score(files / "leads.parquet", tmp_path / "kept", *where)
    assert kept.exit_code == 1
    assert "exists already" in kept.output
    pq.write_table(pa.table({"x": ["1"]}), tmp_path / "x.parquet")
    nameless = score(tmp_path / "x.parquet", tmp_path / "out", *where)
    assert "no column is the id" in nameless.output
    fine = pa.array([NOW], pa.timestamp("ns", "UTC"))
    pq.write_table(pa.table({"id": ["1"], "created_at": fine}), tmp_path / "ns.parquet")
    assert "microseconds" in score(tmp_path / "ns.parquet", tmp_path / "out", *where).output
    assert not (tmp_path / "out").exists()


def test_without_spark_it_is_said_how_to_get_it(
    files: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "pyspark", None)
    result = score(files / "leads.parquet", tmp_path / "out", "--engine", "spark")
    assert result.exit_code == 1
    assert "python3 app/install.py --spark" in result.output


def test_without_java_it_is_said_what_is_needed(spark: None, files: Path, tmp_path: Path) -> None:
    command = [sys.executable, "-m", "app.cli", "score", str(files / "leads.parquet")]
    command += ["-o", str(tmp_path / "out"), "--engine", "spark"]
    bare = {"PATH": str(tmp_path), "PYTHONPATH": str(ROOT)}
    ran = subprocess.run(command, cwd=tmp_path, env=bare, capture_output=True, text=True)
    assert ran.returncode == 1
    assert "Spark needs Java 17 or newer" in ran.stderr
