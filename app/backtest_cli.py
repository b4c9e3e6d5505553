"""`leadlight backtest`: rules held against leads of the past, of the store or of a file."""

from __future__ import annotations

import json
from collections.abc import Callable
from contextlib import closing
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Annotated, Any

import typer

from app.terminal import fail, in_sentences, read_settings, read_time
from scoring.panel import AtFirstTouch, AtSla, BeforeOutcome, Instant, Weekly

#: The forms of `--at`: name -> instant from the number after the colon, and the default number.
_FORMS: dict[str, tuple[Callable[[float], Instant], float | None]] = {
    "sla": (AtSla, AtSla().seconds),
    "before-outcome": (BeforeOutcome, None),
}
_PLAIN: dict[str, Instant] = {"first-touch": AtFirstTouch(), "weekly": Weekly()}


def register(app: typer.Typer) -> None:
    """Add the `backtest` command."""
    app.command("backtest")(backtest_command)


def backtest_command(
    file: Annotated[
        Path | None, typer.Argument(help="A file of leads with an outcome; default: the store.")
    ] = None,
    rules: Annotated[
        Path | None, typer.Option(help="Rules; for the store a draft against the active ones.")
    ] = None,
    at: Annotated[
        str,
        typer.Option(
            help="Store: sla[:SECONDS] (default), first-touch, before-outcome:DAYS or weekly."
        ),
    ] = "",
    horizon_days: Annotated[
        float, typer.Option(min=0.0, max=3_650.0, help="Days after that in which success counts.")
    ] = 30.0,
    since: Annotated[str, typer.Option(help="Store: no instant before then (ISO 8601).")] = "",
    todays_facts: Annotated[
        bool, typer.Option("--todays-facts", help="Store: facts as now; they may know too much.")
    ] = False,
    outcome: Annotated[str, typer.Option(help="File: the column that says who converted.")] = "",
    map_: Annotated[
        Path | None, typer.Option("--map", help="File: what the columns mean (YAML).")
    ] = None,
    order: Annotated[
        str, typer.Option(help="File: the column that rises with time; default: row by row.")
    ] = "",
    as_json: Annotated[bool, typer.Option("--json", help="For machines.")] = False,
) -> None:
    """Say how rules would have sorted leads of the past, and who then converted.

    Leads of the store are scored at an instant of their own, from what was known then; those of a
    file as the file has them.
    """
    from app.backtest_words import in_words

    of_store, of_file = bool(at or since or todays_facts), bool(outcome or map_ or order)
    horizon = timedelta(days=horizon_days)
    if file is None:
        if of_file:
            raise typer.BadParameter("--outcome, --map and --order are for a FILE: name it.")
        told = _over_store(rules, at or "sla", horizon, since, todays_facts)
    elif of_store or not outcome:
        raise typer.BadParameter(
            "A file needs --outcome COLUMN, and takes no --at, --since and --todays-facts."
        )
    else:
        told = _over_file(file, rules, map_, outcome, order, horizon)
    typer.echo(json.dumps(told, ensure_ascii=False) if as_json else in_words(told))


def _over_store(
    rules: Path | None, at: str, horizon: timedelta, since: str, todays_facts: bool
) -> dict[str, Any]:
    from app.backtest_store import backtest_store
    from data.store import Store

    first = read_time(since)
    try:
        instant = read_instant(at)
    except ValueError as error:
        raise typer.BadParameter(str(error), param_hint="--at") from None
    settings = read_settings()
    with in_sentences(settings), closing(Store.open(settings.database_url)) as store:
        now = datetime.now(UTC)
        return backtest_store(
            store, rules, instant, horizon, now, since=first, todays_facts=todays_facts
        )


def _over_file(
    file: Path, rules: Path | None, map_: Path | None, outcome: str, order: str, horizon: timedelta
) -> dict[str, Any]:
    from app.backtest_file import backtest_file, file_summary
    from app.score_output import ScoreFileError

    now = datetime.now(UTC)
    try:
        found = backtest_file(file, rules, map_, outcome, now, order=order, horizon=horizon)
    except ScoreFileError as error:
        fail(str(error))
    return file_summary(found)


def read_instant(text: str) -> Instant:
    """The instant that `--at` names; raises ValueError saying what it may be."""
    name, colon, number = text.strip().casefold().partition(":")
    if name in _PLAIN and not colon:
        return _PLAIN[name]
    if name in _FORMS:
        make, default = _FORMS[name]
        value = _number(number) if colon else default
        if value is not None and 0 <= value <= 3_650 * 86_400:
            return make(value)
    raise ValueError(
        f"“{text}” is no instant. Use sla, sla:SECONDS, first-touch, before-outcome:DAYS or weekly."
    )


def _number(text: str) -> float | None:
    try:
        return float(text)
    except ValueError:
        return None
