"""A plain program that walks the rule document for each lead: what one writes before compiling.

Nothing is slow on purpose: arguments, tables and regular expressions are prepared once, each lead's
engagements are sorted by kind once. It knows what the estate's document uses and refuses the rest.
"""

from __future__ import annotations

import math
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from scoring.leads import Engagement
from scoring.scores import Facts

DAY_US = 86_400_000_000
TIE = 0.5 - 1e-6
MICROSECOND = timedelta(microseconds=1)
Events = Mapping[str, list[tuple[int, Mapping[str, str]]]]  # age and details, oldest first
Outcome = tuple[int, int, int]  # milli-points, least, most


@dataclass(frozen=True, slots=True)
class Answer:
    """What the interpreter says about one lead, in milli-points."""

    value: int
    low: int
    high: int
    band: str
    certain: bool
    dimensions: tuple[int, ...]
    contributions: list[tuple[str, int]]


class Interpreter:
    """One rule document, ready to be walked."""

    def __init__(self, document: Mapping[str, Any]) -> None:
        self._dimensions = [
            (
                _limits(dimension),
                [
                    (group["id"], _limits(group), [_rule(rule) for rule in group["rules"]])
                    for group in dimension["groups"]
                ],
            )
            for dimension in document["dimensions"].values()
        ]
        self._names = list(document["dimensions"])
        self._disqualify = [
            (entry["id"], _condition(entry["when"]), _milli(entry["at_most"]))
            for entry in document.get("disqualify", ())
        ]
        bands = [(_milli(band["from"]), key) for key, band in document["bands"].items()]
        self._bands = sorted(bands, reverse=True)

    def score(self, known: Facts, engagements: Sequence[Engagement], at: datetime) -> Answer:
        """The lead's score at one instant, with bounds and contributions."""
        facts, now = {name: fact.value for name, fact in known.items()}, at
        ages: dict[str, list[tuple[int, Mapping[str, str]]]] = {}
        once = {engagement.key: engagement for engagement in engagements}
        for engagement in sorted(once.values(), key=_when):
            age = (now - engagement.occurred_at) // MICROSECOND
            if age >= 0:
                ages.setdefault(engagement.kind, []).append((age, engagement.detail))
        rows: list[tuple[str, int]] = []
        total, dimensions = (0, 0, 0), []
        for name, (limits, groups) in zip(self._names, self._dimensions, strict=True):
            inside = (0, 0, 0)
            for group, group_limits, rules in groups:
                given = (0, 0, 0)
                for rule in rules:
                    found = _gives(rule, facts, ages, now)
                    if found[0]:
                        rows.append((rule["id"], found[0]))
                    given = _plus(given, found)
                inside = _plus(inside, _limited(f"limit:{group}", given, group_limits, rows))
            after = _limited(f"limit:{name}", inside, limits, rows)
            dimensions.append(after[0])
            total = _plus(total, after)
        scale = _limited("limit:score", total, (0, 100_000), rows)
        value, low, high = self._capped(scale, facts, ages, now, rows)
        band = self._band(value)
        certain = self._band(low) == band == self._band(high)
        return Answer(value, low, high, band, certain, tuple(dimensions), rows)

    def _capped(
        self,
        scale: Outcome,
        facts: Mapping[str, Any],
        ages: Events,
        now: datetime,
        rows: list[tuple[str, int]],
    ) -> Outcome:
        value, low, high = scale
        for name, when, cap in self._disqualify:
            holds = _truth(when, facts, ages, now, False)
            possible = _truth(when, facts, ages, now, True)
            if holds and value > cap:
                rows.append((f"disqualifier:{name}", cap - value))
                value = cap
            if possible:
                high = min(high, cap)
            if possible is not False:
                low = min(low, cap)
        return value, low, high

    def _band(self, value: int) -> str:
        for start, key in self._bands:
            if value >= start:
                return key
        return self._bands[-1][1]


# -- once for each document ------------------------------------------------------------------------


def _milli(points: float) -> int:
    return round(points * 1_000)


def _limits(entry: Mapping[str, Any]) -> tuple[float, float]:
    low = _milli(entry["min"]) if "min" in entry else -math.inf
    return low, _milli(entry["max"]) if "max" in entry else math.inf


def _rule(rule: Mapping[str, Any]) -> dict[str, Any]:
    """The rule with everything in it prepared; "form" says which kind it is."""
    ready: dict[str, Any] = {"id": rule["id"], "when": _condition(rule.get("when", {}))}
    ready["asks_known"] = "is_known" in str(rule.get("when", ""))
    points = rule["points"]
    if "each" in rule:
        each = rule["each"]
        ready |= {"form": "each", "kinds": _kinds(each), "texts": _texts(each)}
        ready |= {"points": _milli(abs(points)), "sign": 1 if points > 0 else -1}
        ready["half_life"] = rule["decay"]["half_life_days"] * DAY_US
        ready["cap"] = _milli(rule["cap"]) if "cap" in rule else None
        ready["time_frame"] = rule["time_frame"] * DAY_US if "time_frame" in rule else None
        ready["frequency"], ready["first"] = rule.get("frequency"), "occurrence" in rule
    elif "by" in rule:
        ready |= {"form": "choice", "fact": rule["by"]}
        table = {key: _milli(number) for key, number in points.items()}
        ready["table"] = table
        if next(iter(table)).startswith("from "):
            steps = [(float(key.removeprefix("from ")), n) for key, n in table.items()]
            ready |= {"form": "range", "steps": sorted(steps, reverse=True)}
        ready["unknown"] = _unknown(min(0, *table.values()), max(0, *table.values()))
    elif "per" in rule:
        ready |= {"form": "per", "fact": rule["per"], "unit": rule["unit"]}
        ready |= {"points": _milli(points), "cap": _milli(rule["cap"])}
        ready["unknown"] = _unknown(0, ready["cap"])
    else:
        number = _milli(points)
        ready |= {"form": "fixed", "points": number}
        ready["unknown"] = _unknown(min(0, number), max(0, number))
    return ready


def _unknown(low: int, high: int) -> Outcome:
    return int((low + high) / 2), low, high


def _kinds(pattern: Mapping[str, Any]) -> list[str]:
    return pattern["kind"] if isinstance(pattern["kind"], list) else [pattern["kind"]]


def _texts(pattern: Mapping[str, Any]) -> list[tuple[str, str]]:
    return [("url", pattern["url"]["contains"].casefold())] if "url" in pattern else []


def _condition(when: Mapping[str, Any]) -> list[tuple[Any, ...]]:
    """All of these must hold: (operator, fact, argument)."""
    parts: list[tuple[Any, ...]] = []
    for key, wanted in when.items():
        if key in ("all", "any"):
            parts.append((key, "", [_condition(part) for part in wanted]))
        elif key == "not":
            parts.append((key, "", _condition(wanted)))
        elif key == "engagement":
            span = wanted["within_days"] * DAY_US
            parts.append((key, "", (_kinds(wanted), span, wanted["count"]["at_least"])))
        elif isinstance(wanted, dict):
            parts.extend((op, key, _argument(op, argument)) for op, argument in wanted.items())
        else:
            parts.append(("in", key, _argument("in", wanted)))
    return parts


def _argument(operator: str, argument: Any) -> Any:
    match operator:
        case "matches":
            return re.compile(argument)
        case "within_days":
            return timedelta(days=argument)
        case "in" | "contains" | "any_of":
            several = argument if isinstance(argument, list) else [argument]
            return [one.casefold() for one in several]
        case _:
            return argument


# -- for each lead ---------------------------------------------------------------------------------


def _when(engagement: Engagement) -> tuple[datetime, str]:
    return engagement.occurred_at, engagement.key


def _clip(number: int, limits: tuple[float, float]) -> int:
    low, high = limits
    return int(low) if number < low else int(high) if number > high else number


def _plus(one: Outcome, other: Outcome) -> Outcome:
    return one[0] + other[0], one[1] + other[1], one[2] + other[2]


def _limited(
    name: str, given: Outcome, limits: tuple[float, float], rows: list[tuple[str, int]]
) -> Outcome:
    """Within the limits; what they changed is a contribution."""
    after = _clip(given[0], limits)
    if after != given[0]:
        rows.append((name, after - given[0]))
    return after, _clip(given[1], limits), _clip(given[2], limits)


def _truth(
    parts: list[tuple[Any, ...]],
    facts: Mapping[str, Any],
    events: Events,
    now: datetime,
    bounds: bool,
) -> bool | None:
    """True, False or None for unknown."""
    result: bool | None = True
    for operator, fact, argument in parts:
        found = _test(operator, fact, argument, facts, events, now, bounds)
        if found is False:
            return False
        if found is None:
            result = None
    return result


def _test(  # noqa: C901  # one case for each operator
    operator: str,
    fact: str,
    argument: Any,
    facts: Mapping[str, Any],
    events: Events,
    now: datetime,
    bounds: bool,
) -> bool | None:
    if operator == "engagement":
        kinds, span, least = argument
        return sum(age <= span for kind in kinds for age, _ in events.get(kind, ())) >= least
    if operator == "not":
        inner = _truth(argument, facts, events, now, bounds)
        return None if inner is None else not inner
    if operator in ("all", "any"):
        found = [_truth(part, facts, events, now, bounds) for part in argument]
        if (operator == "any") in found:
            return operator == "any"
        return None if None in found else operator == "all"
    value = facts.get(fact)
    if operator == "is_known":
        return True if value is not None else None if bounds else False
    if value is None:
        return None
    if isinstance(value, str):
        value = value.strip().casefold()
    match operator:
        case "in":
            return value in argument
        case "equals":
            return bool(value == argument)
        case "contains":
            return any(word in value for word in argument)
        case "matches":
            return argument.search(value) is not None
        case "any_of":
            return any(word in value for word in argument)
        case "is_true":
            return value is True
        case "at_least":
            return bool(value >= argument)
        case "below":
            return bool(value < argument)
        case "within_days":
            return bool(timedelta(0) <= now - value <= argument)
    raise ValueError(f"no way to test {operator!r}")


def _gives(
    rule: Mapping[str, Any], facts: Mapping[str, Any], events: Events, now: datetime
) -> Outcome:
    """Points of one rule, and the least and most they could become."""
    form = rule["form"]
    if form == "each":
        points = _faded(rule, events)
        return points, points, points
    if form == "fixed":
        holds = _truth(rule["when"], facts, events, now, False)
        points, (middle, low, high) = rule["points"], rule["unknown"]
        if rule["asks_known"]:
            if _truth(rule["when"], facts, events, now, True) is None:
                return (points if holds else 0), low, high
        elif holds is None:
            return middle, low, high
        return (points, points, points) if holds else (0, 0, 0)
    value = facts.get(rule["fact"])
    if value is None:
        unknown: Outcome = rule["unknown"]
        return unknown
    if form == "choice":
        points = rule["table"].get(value, 0)
    elif form == "range":
        points = next((number for start, number in rule["steps"] if value >= start), 0)
    else:
        units = max(0, math.floor(value / rule["unit"]))
        points = min(rule["points"] * units, rule["cap"])
    return points, points, points


def _faded(rule: Mapping[str, Any], events: Events) -> int:
    ages = []
    for kind in rule["kinds"]:
        for age, detail in events.get(kind, ()):
            if all(text in detail.get(name, "").casefold() for name, text in rule["texts"]):
                ages.append(age)
    if rule["first"]:
        ages = ages[:1]
    if rule["time_frame"] is not None:
        ages = [age for age in ages if age <= rule["time_frame"]]
    if rule["frequency"] is not None:
        ages = ages[-rule["frequency"] :]
    half_life = rule["half_life"]
    total = rule["points"] * sum(2.0 ** (-age / half_life) for age in ages)
    points = math.floor(total + TIE)
    if rule["cap"] is not None:
        points = min(points, rule["cap"])
    return int(points) * int(rule["sign"])
