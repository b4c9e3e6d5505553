"""Whether a score can change by time alone, so that only such leads are looked at again."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

from scoring.compiling import ages_of, counted_ages, faded
from scoring.criteria import Condition, EngagementTest, FactTest, Pattern, Silence, leaves
from scoring.events import Events, Watch
from scoring.inputs import GROWING_FACTS, Timed
from scoring.operators import Value, days_us
from scoring.rule_set import ByRange, Each, PerUnit, RuleSet

_Values = Mapping[str, Value]
_Check = Callable[[_Values, Events], bool]


class Timing:
    """The time-dependent parts of a rule set, each with the question whether it is still moving."""

    def __init__(self, rule_set: RuleSet, watch: Watch) -> None:
        self._watch = watch
        self._suppressions = _checks([s.when for s in rule_set.suppressions])
        conditions = [rule.when for rule in rule_set.rules() if rule.when is not None]
        conditions += [d.when for d in rule_set.disqualifiers]
        self._checks = _checks(conditions)
        self._kinds: set[str] = set()
        for condition in [*conditions, *(s.when for s in rule_set.suppressions)]:
            for leaf in leaves(condition):
                if isinstance(leaf, EngagementTest):
                    self._kinds |= set(leaf.pattern.kinds)
                elif isinstance(leaf, Silence):
                    self._kinds |= set(leaf.kinds)
        for rule in rule_set.rules():
            if isinstance(rule.gives, Each):
                self._kinds |= set(rule.gives.pattern.kinds)
                self._checks += _each_check(rule.gives)
            elif isinstance(rule.gives, ByRange) and rule.gives.fact in GROWING_FACTS:
                self._checks.append(_below(rule.gives.fact, rule.gives.steps[-1][0]))
            elif isinstance(rule.gives, PerUnit) and rule.gives.fact in GROWING_FACTS:
                per = rule.gives
                self._checks.append(_below(per.fact, per.unit * (per.cap / abs(per.points) + 1)))

    def pending(
        self, values: _Values, ordered: Sequence[Timed], now_us: int, suppressed: bool
    ) -> bool:
        """True when something can still move at that instant: never False when it can."""
        if any(at > now_us and e.kind in self._kinds for at, _, e in ordered):
            return True
        events = Events(ordered, now_us, self._watch)
        checks = self._suppressions if suppressed else self._suppressions + self._checks
        return any(check(values, events) for check in checks)


def _checks(conditions: Sequence[Condition]) -> list[_Check]:
    return [
        check
        for condition in conditions
        for leaf in leaves(condition)
        if (check := _leaf_check(leaf)) is not None
    ]


def _leaf_check(leaf: FactTest | EngagementTest | Silence) -> _Check | None:
    if isinstance(leaf, Silence):
        recent = ages_of(Pattern(leaf.kinds), leaf.days)
        return lambda values, events: bool(recent(events))
    if isinstance(leaf, EngagementTest):
        if leaf.within_days is None:
            return None
        ages = ages_of(leaf.pattern, leaf.within_days)  # of the first, too: it is the last to go
        return lambda values, events: bool(ages(events))
    if leaf.type == "date" and leaf.operator in ("within_days", "older_than_days"):
        days = leaf.argument
        return _below(leaf.fact, days_us(days)) if isinstance(days, int | float) else None
    if leaf.fact in GROWING_FACTS and leaf.type == "number":
        argument = leaf.argument if isinstance(leaf.argument, tuple) else (leaf.argument,)
        limits = [limit for limit in argument if isinstance(limit, int | float)]
        if leaf.operator in ("is_known", "is_unknown") or not limits:
            return None
        return _below(leaf.fact, max(limits))
    return None


def _below(fact: str, limit: float) -> _Check:
    """Moving while the fact has not passed the last place where something happens."""

    def check(values: _Values, events: Events) -> bool:
        value = values.get(fact)
        return isinstance(value, int | float) and value <= limit

    return check


def _each_check(each: Each) -> list[_Check]:
    fades = each.half_life_days is not None or each.step is not None
    if not each.points or (not fades and each.time_frame_days is None):
        return []
    ages = counted_ages(each)

    def check(values: _Values, events: Events) -> bool:
        found = ages(events)
        return bool(found) and (not fades or faded(each, found) != 0)

    return [check]
