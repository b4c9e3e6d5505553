"""A file in, a file out: `leadlight score`, for people with no CRM at hand.

Every row of the input is in the output or, with its reason, in the rejects file. Exit codes: 0 all
rows were scored, 1 nothing could be done, 3 done but some rows were rejected (2 is a wrong command
line).
"""

from __future__ import annotations

import csv
import json
from collections.abc import Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass
from datetime import UTC, datetime
from enum import StrEnum
from pathlib import Path
from typing import Annotated, Any

import typer

from app.columns import (
    Column,
)
from app.file_rows import read_lead
from app.score_output import ScoreFileError, check_paths, progress, safe, text_file
from app.score_setup import check_outcome, read_rules, say_unprovided, table_columns, tells_outcome
from app.score_summary import Tally, in_words, outcome_summary
from app.tabular import Row, Table, TableError, open_table
from scoring.amounts import read_flag
from scoring.cleaning import Unusable
from scoring.engine import Scorer, compile_rule_set
from scoring.explain import reasons
from scoring.rules import RuleSet
from scoring.scores import Score, points_text
from scoring.times import parse_time

OK, NOTHING_DONE, SOME_REJECTED = 0, 1, 3
OUTPUT_COLUMNS = ("score", "band", "low", "high", "reasons", "problems")


class Engine(StrEnum):
    """What scores a file."""

    embedded = "embedded"
    spark = "spark"


@dataclass(frozen=True, slots=True)
class Job:
    """Everything needed to score one row."""

    columns: Sequence[Column]
    header: tuple[str, ...]
    scorer: Scorer
    rules: RuleSet
    now: datetime
    outcome: str = ""


def register(app: typer.Typer) -> None:
    """Add the `score` command."""
    app.command("score")(score_command)


def score_command(
    file: Annotated[
        str,
        typer.Argument(
            help="CSV, .xlsx, .xls or .ods file with one lead per row; or Parquet, file or folder."
        ),
    ],
    rules: Annotated[
        Path | None, typer.Option(help="Rule document; default: the built-in rules.")
    ] = None,
    map_: Annotated[
        Path | None, typer.Option("--map", help="What the columns mean (YAML); default: a guess.")
    ] = None,
    output: Annotated[
        str | None,
        typer.Option("--output", "-o", help="Default: FILE.scored.csv or FILE.scored.parquet."),
    ] = None,
    rejects: Annotated[
        Path | None, typer.Option(help="CSV of rejected rows; default: beside the output.")
    ] = None,
    outcome: Annotated[
        str, typer.Option(help="Column that says who converted: prints conversion by band.")
    ] = "",
    now: Annotated[
        str, typer.Option(help="Score as of this instant (ISO 8601); default: now.")
    ] = "",
    engagements: Annotated[
        str | None, typer.Option(help="Engagements of the leads (Parquet, file or folder).")
    ] = None,
    engine: Annotated[
        Engine, typer.Option(help="spark: on many machines, for Parquet of any size.")
    ] = Engine.embedded,
    master: Annotated[
        str, typer.Option(help="Spark: where it runs, such as spark://host:7077.")
    ] = "local[*]",
    partitions: Annotated[
        int | None, typer.Option(min=1, help="Spark: into how many parts leads are divided.")
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print the summary as JSON.")] = False,
) -> None:
    """Score the leads of a file: every column comes back, with score, band, bounds and reasons.

    Exit code 0: all rows scored. 1: nothing could be done. 3: done, some rows were rejected.
    """
    moment = _instant(now)
    try:
        if engine is Engine.embedded and not engagements and not _is_parquet(Path(file)):
            summary = score_file(
                Path(file), rules, map_, _path(output), rejects, outcome=outcome, now=moment
            )
        elif outcome:
            raise ScoreFileError("--outcome is for CSV files and spreadsheets.")
        elif engine is Engine.spark:
            from app.score_spark import score_spark

            summary = score_spark(
                file, engagements, rules, map_, output, rejects,
                now=moment, master=master, partitions=partitions,
            )  # fmt: skip
        else:
            from app.score_parquet import score_parquet

            summary = score_parquet(
                Path(file), _path(engagements), rules, map_, _path(output), rejects, now=moment
            )
    except ScoreFileError as error:
        if as_json:
            typer.echo(json.dumps({"error": str(error)}, ensure_ascii=False))
        typer.echo(f"Nothing was scored. {error}", err=True)
        raise typer.Exit(NOTHING_DONE) from None
    typer.echo(json.dumps(summary, ensure_ascii=False, indent=2) if as_json else in_words(summary))
    if summary["scored"] == 0:
        raise typer.Exit(NOTHING_DONE)
    raise typer.Exit(SOME_REJECTED if summary["rejects"] else OK)


def _path(text: str | None) -> Path | None:
    return Path(text) if text else None


def _is_parquet(path: Path) -> bool:
    if path.is_dir():
        return next(path.rglob("*.parquet"), None) is not None
    return path.suffix.lower() in {".parquet", ".pq"}


def score_file(
    file: Path,
    rules: Path | None = None,
    mapping: Path | None = None,
    output: Path | None = None,
    rejects: Path | None = None,
    *,
    outcome: str = "",
    now: datetime | None = None,
) -> dict[str, Any]:
    """Score `file` and return the summary that `--json` prints; raises ScoreFileError.

    1. The table, the mapping and the rules are read; anything wrong with them ends the run.
    2. Rows stream through; output and rejects are written beside their place and moved there at
       the end, so an interrupted run leaves no half file.
    """
    output = output or file.with_name(f"{file.stem}.scored.csv")
    rejects = rejects or output.with_name(f"{output.stem}.rejects.csv")
    check_paths([file], output, rejects)
    try:
        table = open_table(file)
    except TableError as error:
        raise ScoreFileError(str(error)) from None
    with closing(table):
        columns = table_columns(mapping, table)
        check_outcome(outcome, columns, table.columns)
        rule_set = read_rules(rules, columns)
        say_unprovided(rule_set, columns)
        moment = now or datetime.now(UTC)
        job = Job(columns, table.columns, compile_rule_set(rule_set), rule_set, moment, outcome)
        with text_file(output) as scored, text_file(rejects) as rejected:
            tally = _run(table, job, csv.writer(scored), csv.writer(rejected))
    if not tally.rejected:
        rejects.unlink(missing_ok=True)
    if not tally.rows:
        output.unlink(missing_ok=True)
        raise ScoreFileError(f"{file} has a header and no rows below it.")
    return _summary(tally, job, file, output, rejects, table)


def _run(table: Table, job: Job, scored: Any, rejected: Any) -> Tally:
    taken = {name.casefold() for name in table.columns}
    added = [f"leadlight_{n}" if n in taken else n for n in OUTPUT_COLUMNS]
    scored.writerow([*map(safe, table.columns), *added])
    rejected.writerow(["row", "reason", *map(safe, table.columns)])
    tally = Tally()
    with progress(table.size) as advance:
        for row in table.rows:
            tally.rows += 1
            advance(table.position())
            reason, cells = (row.problem, []) if row.problem else _score_row(row, job, tally)
            if reason:
                tally.rejected += 1
                rejected.writerow([row.number, reason, *map(safe, row.cells)])
            else:
                tally.scored += 1
                scored.writerow([*map(safe, row.cells), *map(safe, cells)])
    return tally


def _score_row(row: Row, job: Job, tally: Tally) -> tuple[str, list[str]]:
    """The reason for rejecting the row ("" = scored), and the cells to add to it."""
    cells = dict(zip(job.header, row.cells, strict=True))
    try:
        lead = read_lead(cells, job.columns, row.number, job.now)
    except Unusable as reason:
        return str(reason), []
    known = lead.facts
    if job.outcome:  # counters stay: whoever names them says that they are from before the outcome
        known = {name: fact for name, fact in known.items() if not tells_outcome(name)}
    score = job.scorer.score(known, (), job.now)
    _count(score, cells, job, tally)
    tally.doubtful += bool(lead.doubts)
    return "", [*_score_cells(score, job.rules), " | ".join(lead.doubts)]


def _count(score: Score, cells: Mapping[str, str], job: Job, tally: Tally) -> None:
    if score.suppressed:
        tally.suppressed += 1
        return
    tally.bands[score.band] += 1
    if not job.outcome:
        return
    try:
        converted = read_flag(cells[job.outcome])
    except Unusable:
        tally.no_outcome += 1
        return
    tally.outcomes.append((score.band, score.value, converted))


def _score_cells(score: Score, rules: RuleSet) -> list[str]:
    why = " | ".join(reasons(score))
    if score.suppressed:
        return ["", "", "", "", why]
    label = next(band.label for band in rules.bands if band.key == score.band)
    return [points_text(score.value), label, points_text(score.low), points_text(score.high), why]


def _instant(text: str) -> datetime | None:
    if not text:
        return None
    try:
        return parse_time(text)
    except ValueError as error:
        raise typer.BadParameter(str(error), param_hint="--now") from None


def _summary(
    tally: Tally, job: Job, file: Path, output: Path, rejects: Path, table: Table
) -> dict[str, Any]:
    summary: dict[str, Any] = {
        "file": str(file),
        "read_as": table.about,
        "rules": job.rules.name,
        "rule_set_hash": job.rules.hash,
        "now": job.now.isoformat(),
        "rows": tally.rows,
        "scored": tally.scored,
        "rejected": tally.rejected,
        "suppressed": tally.suppressed,
        "doubtful": tally.doubtful,
        "output": str(output),
        "rejects": str(rejects) if tally.rejected else None,
        "bands": {band.label: tally.bands[band.key] for band in job.rules.bands},
    }
    if job.outcome:
        summary["outcome"] = outcome_summary(tally, job.rules, job.outcome)
    return summary
