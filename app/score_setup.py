"""What a file is scored with: the meaning of its columns and the rules, checked before any row."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import typer

from app.columns import SOURCES, Column, MappingError, custom_types, guess_columns, read_columns
from app.score_output import ScoreFileError
from app.tabular import Table
from scoring.cleaning import shorten
from scoring.facts import FACTS
from scoring.rules import DEFAULT_RULES_TEXT, RuleSet, parse_rule_set


def table_columns(mapping: Path | None, table: Table) -> Sequence[Column]:
    """What a table's columns mean, by the mapping or by a guess, which is said on stderr."""
    if mapping is not None:
        try:
            return read_columns(read_mapping(mapping), table.columns)
        except MappingError as error:
            raise ScoreFileError(f"The mapping {mapping} cannot be used:\n{error}") from None
    columns = guess_columns(table.columns)
    if not columns:
        raise ScoreFileError(
            f"No column name was understood ({shorten(', '.join(table.columns), 300)})."
            " Say what the columns mean with --map columns.yaml."
        )
    guessed = ", ".join(f"{column.column} = {column.name}" for column in columns)
    typer.echo(f"No --map given, so the columns were guessed: {guessed}", err=True)
    return columns


def read_mapping(path: Path) -> str:
    """The text of a mapping document; raises ScoreFileError."""
    try:
        return path.read_text(encoding="utf-8")
    except (OSError, UnicodeError) as error:
        raise ScoreFileError(f"The mapping {path} cannot be read: {_plain(error)}.") from None


def _plain(error: OSError | UnicodeError) -> str:
    return (error.strerror if isinstance(error, OSError) else None) or str(error)


def check_outcome(outcome: str, columns: Sequence[Column], header: Sequence[str]) -> None:
    """Raises ScoreFileError when the outcome's column is missing, or rules could read it."""
    if not outcome:
        return
    if outcome not in header:
        raise ScoreFileError(
            f"There is no outcome column {outcome!r}."
            f" The file has: {shorten(', '.join(header), 400)}."
        )
    if any(column.column == outcome for column in columns):
        raise ScoreFileError(
            f"The outcome column {outcome!r} is also mapped to a fact, so the rules could read the"
            " answer. Take it out of the mapping."
        )
    leaks = [column.column for column in columns if tells_outcome(column.name)]
    if leaks:
        typer.echo(
            f"Left out of the scores, because they move with the outcome: {', '.join(leaks)}",
            err=True,
        )


def read_rules(path: Path | None, columns: Sequence[Column]) -> RuleSet:
    """The rules of a document, or the default ones; raises ScoreFileError with all its problems."""
    try:
        text = path.read_text(encoding="utf-8") if path else DEFAULT_RULES_TEXT
    except (OSError, UnicodeError) as error:
        raise ScoreFileError(f"The rules {path} cannot be read: {_plain(error)}.") from None
    rule_set, problems = parse_rule_set(text, fields=custom_types(columns))
    if rule_set is None:
        listed = "\n".join(f"- {problem}" for problem in problems)
        raise ScoreFileError(f"The rules {path or '(built in)'} cannot be used:\n{listed}")
    return rule_set


def say_unprovided(rules: RuleSet, columns: Sequence[Column]) -> None:
    """Name on stderr the facts that the rules read and no column gives."""
    given = {column.name for column in columns}
    missing = [
        name
        for name, _ in rules.fact_types
        if name not in given and SOURCES.get(name, (name,))[0] not in given
    ]
    if missing:
        typer.echo(
            f"The rules also read {', '.join(missing)}: no column gives them, so they are unknown.",
            err=True,
        )


def tells_outcome(name: str) -> bool:
    """Whether a fact moves because the lead converted."""
    return name in FACTS and FACTS[name].outcome_dependent
