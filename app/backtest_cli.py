"""`leadlight backtest`: what rules would have said at a past instant, and what then came."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

from app.backtest_words import (
    day,
    instant_words,
    late_facts,
    notes_on,
    summary,
    suspicions,
)
from data.history import data_end, read_history
from data.store import Store
from scoring.backtest import known_facts, score_panel, suspects
from scoring.history import LEFT_OUT
from scoring.panel import (
    AtFirstTouch,
    AtSla,
    BeforeOutcome,
    Instant,
    Weekly,
    panel_of,
)
from scoring.rules import DEFAULT_RULES_TEXT, RuleSet, parse_rule_set

#: The forms of `--at`: name -> instant from the number after the colon, and the default number.
_FORMS: dict[str, tuple[Callable[[float], Instant], float | None]] = {
    "sla": (AtSla, AtSla().seconds),
    "before-outcome": (BeforeOutcome, None),
}
_PLAIN: dict[str, Instant] = {"first-touch": AtFirstTouch(), "weekly": Weekly()}


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


def backtest_store(
    store: Store,
    rules: Path | None,
    instant: Instant,
    horizon: timedelta,
    now: datetime,
    *,
    since: datetime | None = None,
    todays_facts: bool = False,
) -> dict[str, Any]:
    """The summary for the store's leads: the active rules, or a draft against them.

    Raises ValueError in words when rules cannot be read or nothing can come of it.
    """
    names, rule_sets = ["Active"], [_active(store)]
    if rules is not None:
        names, rule_sets = ["Draft", "Active"], [read_rules(rules), *rule_sets]
    types = {name: kind for each in rule_sets for name, kind in each.fact_types}
    until = data_end(store, now)
    history = read_history(store, types.items(), todays_facts=todays_facts)
    panel = panel_of(history, instant, horizon, until, since)
    scores = score_panel(history, panel, rule_sets)
    left_out = sorted(LEFT_OUT & types.keys())
    told = summary(
        panel,
        scores,
        names,
        {
            "instant": instant_words(instant),
            "horizon_days": horizon / timedelta(days=1),
            "data_until": until.isoformat(),
            "mature_until": day(until - horizon),
        },
    )
    notes = notes_on(instant, rule_sets, left_out)
    if todays_facts:
        notes.append(
            "Facts are today's: one that was filled in or corrected later reaches earlier scores."
        )
    return {
        **told,
        "notes": notes,
        "learned_later": late_facts(known_facts(history, panel), len(panel)),
        "suspicious": suspicions(suspects(history, panel)),
    }


def read_rules(path: Path) -> RuleSet:
    """A rule document from a file; raises ValueError with all its problems."""
    try:
        text = path.read_text("utf-8")
    except UnicodeError:
        raise ValueError(f"The rules {path} are not UTF-8 text.") from None
    return _parsed(text, f"The rules {path}")


def _active(store: Store) -> RuleSet:
    row = store.active_rule_set()
    return _parsed(DEFAULT_RULES_TEXT if row is None else row.document, "The active rules")


def _parsed(text: str, which: str) -> RuleSet:
    rule_set, problems = parse_rule_set(text)
    if rule_set is None:
        listed = "\n".join(f"- {problem}" for problem in problems)
        raise ValueError(f"{which} cannot be used:\n{listed}")
    return rule_set
