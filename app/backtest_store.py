"""`leadlight backtest` over the store: what rules would have said then, and what came of it."""

from __future__ import annotations

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
    Instant,
    panel_of,
)
from scoring.rules import DEFAULT_RULES_TEXT, RuleSet, parse_rule_set


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
        "learned_later": late_facts(known_facts(history, panel, until), len(panel)),
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
