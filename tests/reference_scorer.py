"""A slow scorer that reads the plain document and does one thing at a time, to compare with.

It shares no code with `scoring.engine`: own truth tables, own operators, decimals for decay.
It understands the longhand that `documents()` below generates.
"""

from __future__ import annotations

import math
import random
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from decimal import Decimal, localcontext
from typing import Any

from hypothesis import strategies as st

from scoring.leads import Engagement, RecordKey
from scoring.scores import Fact

NOW = datetime(2026, 11, 23, 12, 0, tzinfo=UTC)
RECORD = RecordKey("file", "row", "1")
FIELDS = {
    "size": "number",
    "plan": "text",
    "tags": "list",
    "started": "date",
    "vip": "flag",
}
KINDS = ("page_visit", "email_open", "form_submission", "email_sent")
PASSIVE = ("email_sent", "email_bounce", "call_missed")
EMAIL_KINDS = ("business", "academic", "free", "disposable", "role", "invalid")


@dataclass
class Answer:
    """What the reference says about one lead."""

    value: int = 0
    low: int = 0
    high: int = 0
    band: str = ""
    band_certain: bool = False
    rows: list[tuple[str, int, bool]] = field(default_factory=list)
    suppressed: str = ""
    disqualified: str = ""
    next_step: str = ""


@dataclass
class Lead:
    """What is known of one lead."""

    facts: Mapping[str, Any]
    events: Sequence[Engagement]  # oldest first
    now: datetime


def days_old(moment: datetime, now: datetime) -> Decimal:
    return Decimal((now - moment) // timedelta(microseconds=1)) / Decimal(86_400_000_000)


def truth(condition: Mapping[str, Any], lead: Lead, bounds: bool) -> bool | None:
    """True, False, or None for unknown."""
    results = [part(key, wanted, lead, bounds) for key, wanted in condition.items()]
    return all_of(results)


def all_of(results: list[bool | None]) -> bool | None:
    if False in results:
        return False
    return None if None in results else True


def part(key: str, wanted: Any, lead: Lead, bounds: bool) -> bool | None:
    if key == "all":
        return all_of([truth(item, lead, bounds) for item in wanted])
    if key == "any":
        results = [truth(item, lead, bounds) for item in wanted]
        return True if True in results else None if None in results else False
    if key == "not":
        result = truth(wanted, lead, bounds)
        return None if result is None else not result
    if key == "engagement":
        count = len(matching(wanted, lead, wanted.get("within_days")))
        if wanted.get("occurrence") == "first":
            ages = matching(wanted, lead, None)
            return bool(ages) and ages[0] <= Decimal(wanted.get("within_days", 10**9))
        limits = wanted.get("count", {"at_least": 1})
        return bool(limits.get("at_least", 0) <= count <= limits.get("at_most", math.inf))
    if key == "silence":
        kinds = wanted.get("kind", [k for k in KINDS if k not in PASSIVE])
        return not matching({"kind": kinds}, lead, wanted["days"])
    return all_of([fact_test(key, op, arg, lead, bounds) for op, arg in wanted.items()])


def fact_test(
    name: str, operator: str, arg: Any, lead: Lead, bounds: bool
) -> bool | None:  # one case for each operator
    known = name in lead.facts
    if operator in ("is_known", "is_unknown"):
        if not known and bounds:
            return None
        return known == (operator == "is_known")
    if not known:
        return None
    value = lead.facts[name]
    lower = value.lower() if isinstance(value, str) else value
    match operator:
        case "equals":
            return bool(lower == (arg.lower() if isinstance(arg, str) else arg))
        case "in":
            return lower in arg
        case "not_in":
            return lower not in arg
        case "not_equals":
            return bool(lower != (arg.lower() if isinstance(arg, str) else arg))
        case "above":
            return bool(value > arg)
        case "below":
            return bool(value < arg)
        case "none_of":
            return not any(word in value for word in arg)
        case "at_least":
            return bool(value >= arg)
        case "at_most":
            return bool(value <= arg)
        case "between":
            return bool(arg[0] <= value <= arg[1])
        case "contains":
            return any(word in lower for word in arg)
        case "starts_with":
            return any(lower.startswith(word) for word in arg)
        case "ends_with":
            return any(lower.endswith(word) for word in arg)
        case "matches":
            return re.search(arg, lower) is not None
        case "any_of":
            return any(word in value for word in arg)
        case "all_of":
            return all(word in value for word in arg)
        case "is_true":
            return value is True
        case "is_false":
            return value is False
        case "within_days":
            return bool(0 <= days_old(value, lead.now) <= arg)
        case "older_than_days":
            return bool(days_old(value, lead.now) > arg)
    raise AssertionError(operator)


def matching(pattern: Mapping[str, Any], lead: Lead, within: float | None) -> list[Decimal]:
    """Ages in days, oldest first."""
    kinds = pattern["kind"] if isinstance(pattern["kind"], list) else [pattern["kind"]]
    ages = []
    for event in lead.events:
        age = days_old(event.occurred_at, lead.now)
        if event.kind not in kinds or age < 0 or (within is not None and age > Decimal(within)):
            continue
        if "url" in pattern:
            url = event.detail.get("url", "").lower()
            if not any(word in url for word in pattern["url"]["contains"]):
                continue
        ages.append(age)
    return ages


def milli(points: float) -> int:
    return round(points * 1000)


def off_grid(points: Decimal) -> int:
    whole = math.floor(abs(points) + Decimal("0.5") - Decimal("0.000001"))
    return -whole if points < 0 else whole


def half(total: int) -> int:
    return int(total / 2)  # toward zero


def ungated(rule: Mapping[str, Any], lead: Lead) -> tuple[int | None, int, int]:
    """(points or None for unknown, least, most) if the condition holds."""
    points = rule["points"]
    if "each" in rule:
        ages = matching(rule["each"], lead, rule.get("time_frame"))
        counted = ages[-rule["frequency"] :] if "frequency" in rule else ages
        if rule.get("occurrence") == "last":
            counted = ages[-1:]
        elif rule.get("occurrence") == "first":
            ever = matching(rule["each"], lead, None)[:1]
            counted = [age for age in ever if age in ages]
        total = Decimal(0)
        with localcontext() as context:
            context.prec = 40
            for age in counted:
                share = Decimal(1)
                decay = rule.get("decay", {})
                if "percent" in decay:
                    lost_after = int(age / Decimal(decay["every_days"]))
                    share = max(Decimal(0), 1 - lost_after * Decimal(str(decay["percent"])) / 100)
                elif decay:
                    share = Decimal(2) ** (-age / Decimal(rule["decay"]["half_life_days"]))
                total += milli(points) * share
        number = off_grid(total)
        if "cap" in rule:
            number = max(-milli(rule["cap"]), min(milli(rule["cap"]), number))
        return number, number, number
    if "per" in rule:
        full = milli(rule["cap"]) if points > 0 else -milli(rule["cap"])
        if rule["per"] not in lead.facts:
            return None, min(0, full), max(0, full)
        units = max(0, math.floor(float(lead.facts[rule["per"]]) / rule["unit"]))
        number = milli(points) * units
        number = min(number, full) if points > 0 else max(number, full)
        return number, number, number
    if "by" not in rule:
        return milli(points), milli(points), milli(points)
    other = rule.get("otherwise", 0)
    if rule["by"] not in lead.facts:
        possible = [*points.values(), other]
        if rule["by"] == "email_kind" and set(points) == set(EMAIL_KINDS):
            possible.remove(other)
        return None, milli(min(possible)), milli(max(possible))
    value = lead.facts[rule["by"]]
    if isinstance(value, str):
        number = milli(points.get(value, other))
    else:
        starts = {float(key.removeprefix("from ")): p for key, p in points.items()}
        below = [start for start in starts if start <= value]
        number = milli(starts[max(below)] if below else other)
    return number, number, number


def rule_points(rule: Mapping[str, Any], lead: Lead) -> tuple[int, int, int, bool]:
    """(points, least, most, known)."""
    when = rule.get("when", {})
    holds, may_hold = truth(when, lead, False), truth(when, lead, True)
    points, low, high = ungated(rule, lead)
    if may_hold is False:
        low = high = 0
    elif may_hold is None:
        low, high = min(low, 0), max(high, 0)
    missing = rule.get("missing", "neutral")
    declared = (
        0 if missing == "zero" else None if missing == "neutral" else milli(missing["points"])
    )
    settled = may_hold is False or (may_hold is True and points is not None)
    if declared is not None and not settled:
        low, high = min(low, declared), max(high, declared)
    if holds is False:
        return 0, low, high, True
    if holds is True and points is not None:
        return points, low, high, True
    assumed = half(low + high) if declared is None else declared
    low, high = min(low, assumed), max(high, assumed)
    return assumed, low, high, low == high  # one possibility only: nothing is unknown


def limited(number: int, limits: Mapping[str, Any]) -> int:
    if "min" in limits:
        number = max(number, milli(limits["min"]))
    if "max" in limits:
        number = min(number, milli(limits["max"]))
    return number


def answer(
    document: Mapping[str, Any],
    facts: Mapping[str, Fact],
    engagements: Sequence[Engagement],
    now: datetime,
) -> Answer:
    """The score of one lead."""
    ordered = sorted({e.key: e for e in engagements}.values(), key=lambda e: (e.occurred_at, e.key))
    lead = Lead({name: fact.value for name, fact in facts.items()}, ordered, now)
    for entry in document.get("suppress", []):
        if truth(entry["when"], lead, False) is True:
            return Answer(suppressed=entry["reason"])
    result = Answer()
    totals = [0, 0, 0]
    for name in ("fit", "engagement", "intent"):
        dimension = document["dimensions"].get(name)
        if not dimension:
            continue
        sums = [0, 0, 0]
        for group in dimension["groups"]:
            inside = [0, 0, 0]
            for rule in group["rules"]:
                *three, known = rule_points(rule, lead)
                inside = [a + b for a, b in zip(inside, three, strict=True)]
                if three[0] or not known:
                    result.rows.append((rule["id"], three[0], known))
            after = [limited(number, group) for number in inside]
            lost(result, f"limit:{group['id']}", inside[0], after[0])
            sums = [a + b for a, b in zip(sums, after, strict=True)]
        after = [limited(number, dimension) for number in sums]
        lost(result, f"limit:{name}", sums[0], after[0])
        totals = [a + b for a, b in zip(totals, after, strict=True)]
    final = [max(0, min(100_000, number)) for number in totals]
    lost(result, "limit:score", totals[0], final[0])
    result.value, result.low, result.high = final
    disqualify(document, lead, result)
    starts = sorted(document["bands"].items(), key=lambda item: -item[1]["from"])
    bands = [
        next(key for key, band in starts if number >= milli(band["from"]))
        for number in (result.value, result.low, result.high)
    ]
    result.band, result.band_certain = bands[0], len(set(bands)) == 1
    for step in document.get("next_steps", []):
        if step.get("band", result.band) == result.band and (
            truth(step.get("when", {}), lead, False) is True
        ):
            result.next_step = step["text"]
            break
    return result


def lost(result: Answer, row: str, before: int, after: int) -> None:
    if before != after:
        result.rows.append((row, after - before, True))


def disqualify(document: Mapping[str, Any], lead: Lead, result: Answer) -> None:
    before = result.value
    caps: list[tuple[int, int, Mapping[str, Any]]] = []
    for position, entry in enumerate(document.get("disqualify", [])):
        cap = milli(entry["at_most"])
        may_hold = truth(entry["when"], lead, True)
        if truth(entry["when"], lead, False) is True:
            caps.append((cap, position, entry))
        if may_hold is not False:
            result.low = min(result.low, cap)
        if may_hold is True:
            result.high = min(result.high, cap)
    if caps:
        cap, _, entry = min(caps, key=lambda item: item[:2])
        result.value = min(before, cap)
        result.disqualified = entry["reason"]
        lost(result, f"disqualifier:{entry['id']}", before, result.value)


# -- invented documents and leads --------------------------------------------------------------

WORDS = ("alpha", "beta", "gamma", "al", "ta")
_days = st.sampled_from([0.5, 1, 3, 7, 30, 90])
_points = st.integers(-30_000, 30_000).map(lambda n: n / 1000) | st.integers(-20, 20)
_words = st.lists(st.sampled_from(WORDS), min_size=1, max_size=3, unique=True)
_kinds = st.lists(st.sampled_from(KINDS), min_size=1, max_size=2, unique=True)
_size = st.integers(0, 60)


def _pair(name: str, operator: str, argument: st.SearchStrategy[Any]) -> st.SearchStrategy[Any]:
    return argument.map(lambda value: {name: {operator: value}})


_email_kinds = st.lists(st.sampled_from(EMAIL_KINDS), min_size=1, max_size=3, unique=True)
_pattern = st.fixed_dictionaries(
    {"kind": _kinds}, optional={"url": _words.map(lambda words: {"contains": words})}
)


def _counted(pattern: st.SearchStrategy[Any]) -> st.SearchStrategy[Any]:
    count = st.tuples(st.integers(0, 3), st.integers(0, 3)).map(
        lambda pair: {"at_least": min(pair), "at_most": max(pair)}
    ) | st.integers(0, 4).map(lambda n: {"at_least": n})
    extra = st.fixed_dictionaries(
        {}, optional={"count": count, "within_days": _days}
    ) | st.fixed_dictionaries({"occurrence": st.just("first")}, optional={"within_days": _days})
    return st.tuples(pattern, extra).map(lambda pair: {"engagement": pair[0] | pair[1]})


FACT_LEAVES = st.one_of(
    _pair("email_kind", "equals", st.sampled_from(EMAIL_KINDS)),
    _pair("email_kind", "in", _email_kinds),
    _pair("email_kind", "not_in", _email_kinds),
    _pair("size", "at_least", _size),
    _pair("size", "at_most", _size),
    _pair("size", "between", st.tuples(_size, _size).map(sorted)),
    _pair("size", "equals", _size),
    _pair("size", "above", _size),
    _pair("size", "below", _size),
    _pair("email_kind", "not_equals", st.sampled_from(EMAIL_KINDS)),
    _pair("vip", "is_true", st.just(True)),
    _pair("vip", "is_false", st.just(True)),
    st.sampled_from(["email_kind", "size", "vip"]).flatmap(
        lambda name: _pair(name, "is_known", st.just(True))
    ),
    st.sampled_from(["email_kind", "size", "vip"]).flatmap(
        lambda name: _pair(name, "is_unknown", st.just(True))
    ),
)
OTHER_LEAVES = st.one_of(
    _pair("plan", "contains", _words),
    _pair("plan", "starts_with", _words),
    _pair("plan", "ends_with", _words),
    _pair("plan", "matches", st.sampled_from(["al.*a", "^b", "a$", "[bg](et|am)"])),
    _pair("tags", "any_of", _words),
    _pair("tags", "all_of", _words),
    _pair("tags", "none_of", _words),
    _pair("started", "within_days", _days),
    _pair("started", "older_than_days", _days),
    _counted(_pattern),
    st.fixed_dictionaries({"days": _days}, optional={"kind": _kinds}).map(
        lambda silence: {"silence": silence}
    ),
)


def conditions(leaves: st.SearchStrategy[Any]) -> st.SearchStrategy[Any]:
    """Conditions in longhand, nested."""
    return st.recursive(
        leaves,
        lambda inner: st.one_of(
            st.lists(inner, min_size=1, max_size=3).map(lambda parts: {"all": parts}),
            st.lists(inner, min_size=1, max_size=3).map(lambda parts: {"any": parts}),
            inner.map(lambda part: {"not": part}),
        ),
        max_leaves=4,
    )


_missing = st.sampled_from(["neutral", "zero"]) | _points.map(lambda points: {"points": points})


@st.composite
def rules(draw: st.DrawFn, leaves: st.SearchStrategy[Any]) -> dict[str, Any]:
    """One rule without its id."""
    shape = draw(st.sampled_from(["fixed", "each", "each", "choice", "range", "per"]))
    rule: dict[str, Any] = {}
    if shape == "fixed" or draw(st.booleans()):
        rule["when"] = draw(conditions(leaves))
    if shape in ("choice", "range"):
        rule["otherwise"] = draw(_points)
        rule["missing"] = draw(_missing)
    if shape == "choice":
        rule["by"] = "email_kind"
        rule["points"] = draw(
            st.dictionaries(st.sampled_from(EMAIL_KINDS), _points, min_size=1, max_size=6)
        )
    elif shape == "range":
        rule["by"] = "size"
        starts = draw(st.lists(_size, min_size=1, max_size=3, unique=True))
        rule["points"] = {f"from {start}": draw(_points) for start in starts}
    else:
        rule["points"] = draw(_points)
    if shape == "per":
        rule["points"] = rule["points"] or 1
        rule |= {"per": "size", "unit": draw(st.sampled_from([0.1, 1, 7, 2.5]))}
        rule |= {"cap": draw(st.integers(1, 20)), "missing": draw(_missing)}
    if shape == "each":
        rule["each"] = draw(_pattern)
        rule |= draw(
            st.fixed_dictionaries(
                {},
                optional={
                    "frequency": st.integers(1, 3),
                    "cap": st.integers(1, 20),
                    "time_frame": _days,
                    "decay": _days.map(lambda days: {"half_life_days": days})
                    | st.tuples(st.sampled_from([0.3, 10, 25, 100]), _days).map(
                        lambda pair: {"percent": pair[0], "every_days": pair[1]}
                    ),
                },
            )
        )
        if "frequency" not in rule and draw(st.booleans()):
            rule["occurrence"] = draw(st.sampled_from(["first", "last"]))
    return rule


def floor(rule: dict[str, Any]) -> float:
    """At least so many points come from the rule for every lead, or none."""
    if "by" not in rule or "when" in rule:
        return 0
    given = list(rule["points"].values())
    other = [] if len(given) == len(EMAIL_KINDS) else [rule["otherwise"]]
    missing = [] if isinstance(rule["missing"], str) else [rule["missing"]["points"]]
    return max(0, min(given + other + missing))


_limits: st.SearchStrategy[dict[str, Any]] = st.sampled_from(
    [{}, {"max": 12}, {"min": -5, "max": 20}, {"min": 3}, {"max": 30.5}]
)


@st.composite
def documents(
    draw: st.DrawFn, leaves: st.SearchStrategy[Any] = FACT_LEAVES | OTHER_LEAVES
) -> dict[str, Any]:
    """A whole rule document that has no problems."""
    count = 0
    dimensions: dict[str, Any] = {}
    for name in draw(st.sampled_from([("fit",), ("fit", "engagement"), ("engagement", "intent")])):
        groups: list[Any] = []
        least: float = 0
        for _ in range(draw(st.integers(1, 2))):
            entries = []
            for rule in draw(st.lists(rules(leaves), min_size=1, max_size=4)):
                count += 1
                entries.append({"id": f"r{count}", **rule})
            count += 1
            group: dict[str, Any] = {"id": f"g{count}", "rules": entries}
            limits: dict[str, Any] = draw(_limits)
            floors = sum(map(floor, entries))
            if floors > limits.get("max", math.inf):  # a limit below what the rules always give
                limits = {}
            groups.append(group | limits)
            least += max(floors, limits.get("min", 0))
        dimensions[name] = {"groups": groups, **draw(st.sampled_from([{}, {"max": 60}]))}
        if least > 60:
            dimensions[name].pop("max", None)
    condition = conditions(leaves)
    some = st.lists(condition, max_size=2)
    return {
        "name": "Invented",
        "bands": {"hot": {"from": 40}, "warm": {"from": 12.5}, "cold": {"from": 0}},
        "suppress": [
            {"id": f"s{i}", "when": when, "reason": f"suppressed {i}"}
            for i, when in enumerate(draw(st.lists(condition, max_size=1)))
        ],
        "disqualify": [
            {"id": f"d{i}", "when": when, "reason": f"capped {i}", "at_most": 10 + i}
            for i, when in enumerate(draw(some))
        ],
        "dimensions": dimensions,
        "next_steps": [
            {"text": f"step {i}", "when": when} | ({"band": "cold"} if i else {})
            for i, when in enumerate(draw(some))
        ],
    }


def fact(value: Any) -> Fact:
    return Fact(value, "file")


_VALUES: dict[str, Callable[[random.Random], Any]] = {
    "email_kind": lambda r: r.choice(EMAIL_KINDS),
    "size": lambda r: r.choice([0, 60, r.randint(0, 60), r.uniform(0, 60)]),
    "vip": lambda r: r.random() < 0.5,
    "plan": lambda r: r.choice(["Alpha", "beta", "GAMMA al", "delta"]),
    "tags": lambda r: tuple(r.sample(WORDS, r.randint(0, 3))),
    "started": lambda r: NOW - timedelta(seconds=r.choice([0, 86_400, r.randint(-(10**6), 10**8)])),
}
_AGES = (0, 86_400, 7 * 86_400, 30 * 86_400)


def facts(source: random.Random) -> dict[str, Fact]:
    """Some known facts; each is known two times in three."""
    return {
        name: Fact(value(source), "file")
        for name, value in _VALUES.items()
        if source.random() < 2 / 3
    }


def engagements(source: random.Random) -> list[Engagement]:
    """Up to eight engagements, some in the future, some exactly on a boundary."""
    return [
        Engagement(
            key=f"e{i}",
            kind=source.choice(KINDS),
            occurred_at=NOW
            - timedelta(seconds=source.choice([*_AGES, source.randint(-86_400, 60 * 86_400)])),
            record=RECORD,
            detail={"url": source.choice(["/Alpha", "/beta/GAMMA", "/"])},
        )
        for i in range(source.randint(0, 8))
    ]


def leads(
    number: int,
) -> st.SearchStrategy[list[tuple[dict[str, Fact], list[Engagement]]]]:
    """Leads from a seed: drawing them one value at a time would take most of the test."""

    def invent(seed: int) -> list[tuple[dict[str, Fact], list[Engagement]]]:
        source = random.Random(seed)  # invented leads, no secrets
        return [(facts(source), engagements(source)) for _ in range(number)]

    return st.integers(0, 2**32).map(invent)
