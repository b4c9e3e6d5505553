"""A weekly panel of the BPI 2012 log: at each Monday, every open application, and what came next.

The panel, its labels and its scores are the product's own (`scoring.panel`, `scoring.backtest`).
`poisoned` rewrites the future of a log, to prove that only labels look ahead.
"""

from __future__ import annotations

import csv
import gzip
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from random import Random
from typing import Any

import numpy as np
import yaml

from scoring.backtest import score_panel
from scoring.history import History, LeadHistory, history_of
from scoring.leads import Engagement, Outcome, RecordKey
from scoring.panel import Panel, Weekly, panel_of
from scoring.rules import RuleSet, parse_rule_set

ACCEPTED = frozenset({"A_APPROVED", "A_ACTIVATED", "A_REGISTERED"})
CLOSED = ACCEPTED | {"A_DECLINED", "A_CANCELLED"}
#: Activities of the log as kinds of engagement, and the detail that carries the activity's name.
KINDS: dict[str, tuple[str, str]] = {
    "A_SUBMITTED": ("form_submission", "form"),
    "A_PREACCEPTED": ("form_submission", "form"),
    "A_ACCEPTED": ("form_submission", "form"),
    "O_SENT": ("email_sent", "subject"),
    "O_SENT_BACK": ("email_reply", "subject"),
    "W_Completeren aanvraag": ("call_connected", "subject"),
    "W_Nabellen offertes": ("call_connected", "subject"),
    "W_Nabellen incomplete dossiers": ("call_connected", "subject"),
    "W_Valideren aanvraag": ("call_connected", "subject"),
}
WEEK = timedelta(days=7)
_TICK = timedelta(microseconds=1)
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


@dataclass(frozen=True, slots=True)
class Event:
    """One completed activity of one application."""

    at: datetime
    activity: str


Log = Mapping[str, Sequence[Event]]  # application -> its events, in order of time


def read_log(path: Path) -> dict[str, list[Event]]:
    """Completed activities by application; scheduled and started work is not yet done, and out."""
    log: dict[str, list[Event]] = {}
    with gzip.open(path, "rt", encoding="utf-8", newline="") as stream:
        for row in csv.DictReader(stream):
            if row["transition"] == "COMPLETE":
                at = datetime.fromisoformat(row["ts"]).astimezone(UTC)
                log.setdefault(row["case"], []).append(Event(at, row["event"]))
    for events in log.values():
        events.sort(key=lambda event: event.at)
    return log


def weekly_panel(log: Log, horizon: timedelta) -> tuple[History, Panel]:
    """Every application on every Monday on which it is open, from a week into the log on.

    Mondays whose horizon runs past the log's end are immature: later acceptances would be missing.
    """
    times = [event.at for events in log.values() for event in events]
    leads = history(log)
    return leads, panel_of(leads, Weekly(), horizon, max(times), since=min(times) + WEEK)


def history(log: Log) -> History:
    """The log as leads in time: submitted, then closed; accepted is success."""
    known = engagements(log)
    return history_of(
        (
            LeadHistory(
                lead,
                events[0].at,
                engagements=known[application],
                outcomes=[
                    Outcome(f"{application}:{i}", _ending(event), event.at, _record(application))
                    for i, event in enumerate(events)
                    if event.activity in CLOSED
                ],
            )
            for lead, (application, events) in enumerate(log.items())
        ),
        (),
    )


def _ending(event: Event) -> str:
    return "won" if event.activity in ACCEPTED else "lost"


def _record(application: str) -> RecordKey:
    return RecordKey("file", "row", application)


def engagements(log: Log) -> dict[str, list[Engagement]]:
    """Each application's events as engagements; activities without points are left out."""
    found = {}
    for application, events in log.items():
        who = _record(application)
        found[application] = [
            Engagement(f"{application}:{i}", kind, event.at, who, detail={name: event.activity})
            for i, event in enumerate(events)
            if event.activity in KINDS
            for kind, name in [KINDS[event.activity]]
        ]
    return found


def rules_with(rules: Path, half_life_days: float | None) -> RuleSet:
    """The rule document with this half-life in every rule; None takes decay out."""
    document: dict[str, Any] = yaml.safe_load(rules.read_text("utf-8"))
    for rule in _rules(document):
        rule.pop("decay")
        if half_life_days is not None:
            rule["decay"] = {"half_life_days": half_life_days}
    rule_set, problems = parse_rule_set(document)
    if rule_set is None:
        raise ValueError("\n".join(map(str, problems)))
    return rule_set


def _rules(document: Mapping[str, Any]) -> Iterator[dict[str, Any]]:
    for dimension in document["dimensions"].values():
        for group in dimension["groups"]:
            yield from group["rules"]


@dataclass(frozen=True, slots=True)
class LookAhead:
    """What a rewritten future changed; `moved` and `scores` must be 0, the others must not."""

    rows: int
    moved: int  # applications that came into a panel or left it
    scores: int
    labels: int
    control: int  # scores that change when they are computed a horizon late, so do see the future


def mondays(panel: Panel) -> list[datetime]:
    """The Mondays of a weekly panel; its instants are the last ones before them."""
    return [_EPOCH + timedelta(microseconds=int(at)) + _TICK for at in np.unique(panel.at)]


def look_ahead(log: Log, on: Sequence[datetime], horizon: timedelta, rules: RuleSet) -> LookAhead:
    """Rewrite everything from each Monday on, and count what it changes in that Monday's rows."""
    real = history(log)
    rows = moved = scores = labels = control = 0
    for monday in on:
        made_up = history(poisoned(log, monday))
        before, after = (_rows_on(monday, leads, horizon) for leads in (real, made_up))
        moved += len(np.setxor1d(before.lead, after.lead))
        scores += _changed(real, before, made_up, rules)
        late = replace(before, at=before.at + before.horizon_us)
        control += _changed(real, late, made_up, rules)
        _, ours, theirs = np.intersect1d(before.lead, after.lead, return_indices=True)
        labels += int((before.won[ours] != after.won[theirs]).sum())
        rows += len(before)
    return LookAhead(rows, moved, scores, labels, control)


def _rows_on(monday: datetime, leads: History, horizon: timedelta) -> Panel:
    """The rows of one Monday, matured or not."""
    return panel_of(leads, Weekly(), horizon, monday + horizon, since=monday - _TICK)


def _changed(real: History, panel: Panel, made_up: History, rules: RuleSet) -> int:
    """How many rows score otherwise with another future; leads keep their positions."""
    before, after = (score_panel(leads, panel, [rules])[0].value for leads in (real, made_up))
    return int((before != after).sum())


def poisoned(log: Log, instant: datetime, seed: int = 2012) -> dict[str, list[Event]]:
    """The log with everything from `instant` on made up: other activities, times and applications.

    At the instant itself each application gets points and is closed; new ones are submitted.
    """
    random = Random(seed)
    worth, closing = sorted(KINDS), sorted(CLOSED)

    def future() -> list[Event]:
        later = [
            instant + timedelta(days=random.uniform(0, 60)) for _ in range(random.randrange(9))
        ]
        return [
            Event(instant, random.choice(worth)),
            Event(instant, random.choice(closing)),
            *(Event(at, random.choice(worth + closing)) for at in sorted(later)),
        ]

    changed = {
        application: [*(event for event in events if event.at < instant), *future()]
        for application, events in log.items()
    }
    changed |= {f"invented {i}": [Event(instant, "A_SUBMITTED"), *future()] for i in range(50)}
    return changed
