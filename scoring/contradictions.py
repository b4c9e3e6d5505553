"""What a rule document asks for that can never be: found before anyone waits for it to happen."""

from __future__ import annotations

import math
from collections.abc import Sequence
from itertools import combinations

from scoring.arithmetic import clip
from scoring.criteria import Condition, EngagementTest, FactTest, Silence
from scoring.operators import OPERATORS, Argument, Value, fold
from scoring.rule_set import ByChoice, ByRange, Each, Fixed, Group, PerUnit, Rule


def excluding(tests: Sequence[FactTest]) -> tuple[FactTest, ...]:
    """Tests of one fact that no value can pass together: two of them if two suffice, () if none."""
    for some in [*combinations(tests, 2), tuple(tests)]:
        if len(some) > 1 and not _can_hold(some):
            return some
    return ()


def never_silent(parts: Sequence[Condition]) -> bool:
    """Whether an engagement is asked for within a time in which there must have been none."""
    wanted = [p for p in parts if isinstance(p, EngagementTest) and (p.least or p.first)]
    silences = [p for p in parts if isinstance(p, Silence)]
    return any(
        test.within_days is not None
        and test.within_days <= silence.days
        and set(test.pattern.kinds) <= set(silence.kinds)
        for test in wanted
        for silence in silences
    )


def _can_hold(tests: Sequence[FactTest]) -> bool:
    by_name = {test.operator: test.argument for test in tests}
    if "is_unknown" in by_name:
        return False  # everything else asks for a known value
    if tests[0].type == "date":
        older, within = by_name.get("older_than_days"), by_name.get("within_days")
        return older is None or within is None or _number(older) < _number(within)
    candidates = _candidates(tests[0].type, by_name)
    predicates = [OPERATORS[test.operator].prepare(test.argument) for test in tests]
    return candidates is None or any(all(p(value) for p in predicates) for value in candidates)


def _candidates(fact_type: str, by_name: dict[str, Argument]) -> Sequence[Value] | None:
    """Values of which one passes if any value does; None where nearly every value might."""
    if fact_type == "flag":
        return (True, False)
    if fact_type == "list":
        none = {fold(word) for word in _words(by_name, "none_of")}
        words = {fold(w) for name in ("any_of", "all_of") for w in _words(by_name, name)}
        return (tuple(sorted(words - none)),)
    if "equals" in by_name:
        return (_folded(by_name["equals"]),)
    if "in" in by_name:
        return tuple(map(_folded, _words(by_name, "in")))
    return _between_limits(by_name) if fact_type == "number" else None


def _between_limits(by_name: dict[str, Argument]) -> Sequence[Value] | None:
    """Numbers between the limits: none of them, the only one there is, or None for plenty."""
    between = by_name.get("between")
    ends = between if isinstance(between, tuple) else (-math.inf, math.inf)
    low = max(_number(by_name.get(name, -math.inf)) for name in ("at_least", "above"))
    high = min(_number(by_name.get(name, math.inf)) for name in ("at_most", "below"))
    low, high = max(low, _number(ends[0])), min(high, _number(ends[1]))
    return None if low < high else (low,) if low == high else ()


def _words(by_name: dict[str, Argument], name: str) -> Sequence[str]:
    found = by_name.get(name, ())
    return found if isinstance(found, tuple) else ()  # type: ignore[return-value]  # of texts


def _folded(argument: object) -> Value:
    return fold(argument) if isinstance(argument, str) else argument  # type: ignore[return-value]


def _number(argument: object) -> float:
    if not isinstance(argument, int | float):
        raise TypeError(f"{argument!r} is no number")
    return argument


# -- points ----------------------------------------------------------------------------------------


def rule_floor(rule: Rule) -> float:
    """The fewest milli-points that the rule can give; -inf where nothing limits it."""
    least = _least(rule)
    if rule.when is not None:
        least = min(least, 0)
    if rule.missing is not None and rule.facts():
        least = min(least, rule.missing)
    return least


def group_floor(group: Group) -> float:
    """The fewest milli-points that the group can give, after its own limits."""
    inside = sum(map(rule_floor, group.rules))
    if math.isinf(inside):
        return inside if group.low is None else group.low
    return clip(int(inside), group.low, group.high)


def _least(rule: Rule) -> float:
    match rule.gives:
        case Fixed(points):
            return points
        case ByChoice(table=table, otherwise=otherwise, exhaustive=exhaustive):
            return min([points for _, points in table] + [otherwise] * (not exhaustive))
        case ByRange(steps=steps, otherwise=otherwise):
            return min([points for _, points in steps] + [otherwise])
        case PerUnit(points=points, cap=cap):
            return min(0, -cap if points < 0 else 0)
        case Each(points=points, cap=cap):
            return 0 if points >= 0 else -math.inf if cap is None else -cap
