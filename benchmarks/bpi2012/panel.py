"""A weekly panel of the BPI 2012 log: at each Monday, every open application, and what came next.

Who is in the panel and what is scored depend on events dated before the instant; only the label
looks ahead. `poisoned` rewrites the future of a log, to prove it.
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

import yaml

from scoring.engine import Scorer, compile_rule_set
from scoring.leads import Engagement, RecordKey
from scoring.rules import parse_rule_set

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
_TICK = timedelta(microseconds=1)


@dataclass(frozen=True, slots=True)
class Event:
    """One completed activity of one application."""

    at: datetime
    activity: str


Log = Mapping[str, Sequence[Event]]  # application -> its events, in order of time


@dataclass(frozen=True, slots=True)
class Row:
    """One open application at one instant."""

    application: str
    instant: datetime
    accepted: bool  # within the horizon


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


def mondays(log: Log, horizon: timedelta) -> list[datetime]:
    """Mondays 00:00 UTC that have a week of log before them and the whole horizon after them.

    Without the latter, applications accepted after the log's end would count as not accepted.
    """
    times = [event.at for events in log.values() for event in events]
    day = min(times).replace(hour=0, minute=0, second=0, microsecond=0) + timedelta(days=7)
    day += timedelta(days=(7 - day.weekday()) % 7)
    found = []
    while day + horizon <= max(times):
        found.append(day)
        day += timedelta(days=7)
    return found


def panel(log: Log, instants: Sequence[datetime], horizon: timedelta) -> list[Row]:
    """A row for every application that was submitted and not yet closed at an instant."""
    return [
        Row(application, instant, _accepted(events, instant, horizon))
        for instant in instants
        for application, events in log.items()
        if _is_open(events, instant)
    ]


def _is_open(events: Sequence[Event], instant: datetime) -> bool:
    return events[0].at < instant and not any(
        event.activity in CLOSED for event in events if event.at < instant
    )


def _accepted(events: Sequence[Event], instant: datetime, horizon: timedelta) -> bool:
    return any(
        event.activity in ACCEPTED and instant <= event.at < instant + horizon for event in events
    )


def engagements(log: Log) -> dict[str, list[Engagement]]:
    """Each application's events as engagements; activities without points are left out."""
    found = {}
    for application, events in log.items():
        record = RecordKey("file", "row", application)
        found[application] = [
            Engagement(f"{application}:{i}", kind, event.at, record, detail={name: event.activity})
            for i, event in enumerate(events)
            if event.activity in KINDS
            for kind, name in [KINDS[event.activity]]
        ]
    return found


def scorer(rules: Path, half_life_days: float | None) -> Scorer:
    """The rule document with this half-life in every rule; None takes decay out."""
    document: dict[str, Any] = yaml.safe_load(rules.read_text("utf-8"))
    for rule in _rules(document):
        rule.pop("decay")
        if half_life_days is not None:
            rule["decay"] = {"half_life_days": half_life_days}
    rule_set, problems = parse_rule_set(document)
    if rule_set is None:
        raise ValueError("\n".join(map(str, problems)))
    return compile_rule_set(rule_set)


def _rules(document: Mapping[str, Any]) -> Iterator[dict[str, Any]]:
    for dimension in document["dimensions"].values():
        for group in dimension["groups"]:
            yield from group["rules"]


def score_rows(
    rows: Sequence[Row], known: Mapping[str, Sequence[Engagement]], engine: Scorer
) -> list[int]:
    """Milli-points of each row from what was dated before its instant.

    The engine is given all events of the application: leaving later ones out is its duty.
    """
    return [
        engine.score({}, known[row.application], row.instant - _TICK).value  # before, not at
        for row in rows
    ]


@dataclass(frozen=True, slots=True)
class LookAhead:
    """What a rewritten future changed; `moved` and `scores` must be 0, the others must not."""

    rows: int
    moved: int  # applications that came into a panel or left it
    scores: int
    labels: int
    control: int  # scores that change when they are computed a horizon late, so do see the future


def look_ahead(
    log: Log, instants: Sequence[datetime], horizon: timedelta, engine: Scorer
) -> LookAhead:
    """Rewrite everything from each instant on, and count what it changes in that instant's rows."""
    known = engagements(log)
    rows = moved = scores = labels = control = 0
    for instant in instants:
        changed = poisoned(log, instant)
        future = engagements(changed)
        before = {row.application: row for row in panel(log, [instant], horizon)}
        after = {row.application: row for row in panel(changed, [instant], horizon)}
        moved += len(before.keys() ^ after.keys())
        both = [row for name, row in before.items() if name in after]
        late = [replace(row, instant=instant + horizon) for row in both]
        scores += _differences(score_rows(both, known, engine), score_rows(both, future, engine))
        control += _differences(score_rows(late, known, engine), score_rows(late, future, engine))
        labels += sum(row.accepted != after[row.application].accepted for row in both)
        rows += len(before)
    return LookAhead(rows, moved, scores, labels, control)


def _differences(before: Sequence[int], after: Sequence[int]) -> int:
    return sum(a != b for a, b in zip(before, after, strict=True))


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
