"""`leadlight backtest FILE`: what rules say about the rows of a file, held against their outcomes.

A file has one state of each lead, and only its reader knows from when; so there is no instant to
choose, and the leak guard asks about every column that rules read.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from contextlib import closing
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

from app.backtest_words import day, notes_on, summary, suspicions
from app.columns import CREATED_AT, Column
from app.file_rows import FileLead, read_lead
from app.score_output import ScoreFileError
from app.score_setup import check_outcome, read_rules, say_unprovided, table_columns
from app.tabular import Table, TableError, open_table
from scoring.amounts import read_flag
from scoring.backtest import PanelScores, score_panel, suspects
from scoring.cleaning import Unusable
from scoring.facts import FACTS
from scoring.history import History, LeadHistory, Version, history_of
from scoring.panel import Panel, panel_at_creation, panel_in_order
from scoring.rule_set import RuleSet

_OUTCOME_DEPENDENT = frozenset(name for name, fact in FACTS.items() if fact.outcome_dependent)


@dataclass(slots=True)
class _Rows:
    """The usable rows, and how many were not."""

    leads: list[FileLead] = field(default_factory=list)
    won: list[bool] = field(default_factory=list)
    order: list[str] = field(default_factory=list)  # cells of the column that orders rows
    unusable: Counter[str] = field(default_factory=Counter)  # by `FILE_EXCLUSIONS`


@dataclass(frozen=True, slots=True)
class FileBacktest:
    """The rows of a file as a panel, scored."""

    history: History
    panel: Panel
    scores: PanelScores
    order: str  # what is earlier and later, in words
    mature_until: datetime | None  # None: no column says when leads were created


def backtest_file(
    file: Path,
    rules: Path | None,
    mapping: Path | None,
    outcome: str,
    now: datetime,
    *,
    order: str = "",
    horizon: timedelta = timedelta(0),
) -> FileBacktest:
    """Score the file's rows; raises ScoreFileError with what to do.

    Rows are earlier and later by their creation where a column gives it, else by the column
    `order`, else by their place. With a creation, rows younger than `horizon` at `now` are left
    out, and each is scored as of its creation.
    """
    try:
        table = open_table(file)
    except TableError as error:
        raise ScoreFileError(str(error)) from None
    with closing(table):
        columns = table_columns(mapping, table)
        check_outcome(outcome, columns, table.columns)
        if order and order not in table.columns:
            raise ScoreFileError(f"There is no column {order!r} to order the rows by.")
        rule_set = read_rules(rules, columns)
        say_unprovided(rule_set, columns)
        rows = _read(table, columns, outcome, order, now)
    history = _history(rows, rule_set, now)
    if any(column.name == CREATED_AT for column in columns):
        panel = panel_at_creation(history, rows.won, horizon, now)
        order, mature_until = "their creation", now - horizon
    else:
        panel = panel_in_order(history, rows.won, _keys(rows.order))
        order, mature_until = order or "their place in the file", None
    panel = replace(panel, excluded={**rows.unusable, **panel.excluded})
    scores = score_panel(history, panel, [rule_set])[0]
    return FileBacktest(history, panel, scores, order, mature_until)


def file_summary(found: FileBacktest) -> dict[str, Any]:
    """What `--json` prints for a file."""
    head: dict[str, Any] = {"instant": "", "order": found.order}
    if found.mature_until is not None:
        head["mature_until"] = day(found.mature_until)
    return {
        **summary(found.panel, [found.scores], ["Rules"], head),
        "notes": notes_on(None, [found.scores.rule_set], ()),
        "suspicious": suspicions(suspects(found.history, found.panel)),
    }


def _read(
    table: Table, columns: Sequence[Column], outcome: str, order: str, now: datetime
) -> _Rows:
    rows = _Rows()
    dated = any(column.name == CREATED_AT for column in columns)
    for row in table.rows:
        cells = dict(zip(table.columns, row.cells, strict=True)) if not row.problem else {}
        try:
            if row.problem:
                raise Unusable(row.problem)
            lead = read_lead(cells, columns, row.number, now)
        except Unusable:
            rows.unusable["rejected"] += 1
            continue
        try:
            won = read_flag(cells[outcome])
        except Unusable:
            rows.unusable["no_outcome"] += 1
            continue
        if dated and lead.created_at is None:
            rows.unusable["undated"] += 1
            continue
        rows.leads.append(lead)
        rows.won.append(won)
        rows.order.append(cells[order] if order else "")
    return rows


def _history(rows: _Rows, rule_set: RuleSet, now: datetime) -> History:
    leads = (
        LeadHistory(
            number,
            lead.created_at or now,
            {name: [Version(fact)] for name, fact in lead.facts.items()},
        )
        for number, lead in enumerate(rows.leads)
    )
    return history_of(leads, rule_set.fact_types, left_out=_OUTCOME_DEPENDENT)


def _keys(cells: Sequence[str]) -> Sequence[float] | Sequence[str]:
    """What rows are ordered by: numbers where all are, else text; without any, as they stand."""
    if not any(cells):
        return range(len(cells))
    try:
        return [float(cell) for cell in cells]
    except ValueError:
        return cells
