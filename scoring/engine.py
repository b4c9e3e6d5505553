"""Scoring one lead: a rule set compiled once, then facts, engagements and `now` to a score.

The order of operations, for every lead: points per rule (decay, then rounding, frequency before
and cap after the sum), group limits, dimension limits, the 0-100 scale, disqualifiers. After the
decayed sums everything is whole milli-points, so contributions add up exactly.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from functools import lru_cache

from scoring.arithmetic import Sum, Total
from scoring.bands import band_after
from scoring.compiling import (
    FALSE,
    TRUE,
    Events,
    Given,
    Gives,
    Truth,
    Values,
    rule_function,
    truth_of,
)
from scoring.criteria import Condition
from scoring.explain import (
    limit_label,
    times_label,
    top_reasons,
    unknown_label,
    value_label,
)
from scoring.inputs import (
    Timed,
    in_order,
    inputs_from_json,
    inputs_hash,
    inputs_to_json,
    microseconds,
)
from scoring.leads import Engagement, utc
from scoring.operators import READERS, Value
from scoring.rule_set import (
    ByChoice,
    ByRange,
    Dimension,
    Disqualifier,
    Group,
    PerUnit,
    Rule,
    RuleSet,
)
from scoring.scores import DIMENSIONS, MILLI, Contribution, Facts, Score
from scoring.timing import Timing

__all__ = [
    "ENGINE_VERSION",
    "Scorer",
    "compile_rule_set",
    "inputs_from_json",
    "inputs_to_json",
    "replay",
]

#: Changes when the same inputs could give another score; written into every score.
ENGINE_VERSION = "2"
TOP = 100 * MILLI


def compile_rule_set(rule_set: RuleSet) -> Scorer:
    """A scorer for the rule set; takes a millisecond or two, so keep it."""
    return Scorer(rule_set)


def replay(
    inputs_json: str,
    rule_set: RuleSet,
    now: datetime,
    *,
    previous_band: str | None = None,
) -> Score:
    """The score again from what was logged; raises ValueError when the inputs are unreadable."""
    facts, engagements = inputs_from_json(inputs_json)
    return compile_rule_set(rule_set).score(facts, engagements, now, previous_band=previous_band)


class _Condition:
    """A condition with its truth for the value and for the bounds."""

    __slots__ = ("possible", "truth")

    def __init__(self, condition: Condition) -> None:
        self.truth: Truth = truth_of(condition)
        self.possible: Truth = truth_of(condition, for_bounds=True)


class Scorer:
    """A compiled rule set. It keeps no state between leads and is safe to share."""

    def __init__(self, rule_set: RuleSet) -> None:
        self.rule_set = rule_set
        self._readers = [(name, READERS[kind]) for name, kind in rule_set.fact_types]
        self._dimensions: list[tuple[Dimension, list[tuple[Group, list[tuple[Rule, Gives]]]]]] = [
            (d, [(g, [(r, rule_function(r)) for r in g.rules]) for g in d.groups])
            for d in rule_set.dimensions
        ]
        self._suppressions = [(s, _Condition(s.when)) for s in rule_set.suppressions]
        self._disqualifiers = [(d, _Condition(d.when)) for d in rule_set.disqualifiers]
        self._next_steps = [
            (step, truth_of(step.when) if step.when else None) for step in rule_set.next_steps
        ]
        self._timing = Timing(rule_set)

    def score(
        self,
        facts: Facts,
        engagements: Sequence[Engagement],
        now: datetime,
        previous_band: str | None = None,
    ) -> Score:
        """The lead's score at `now` (aware); engagements after `now` are not looked at.

        `previous_band`: the band the lead is in, for bands with a `leave_at`. A suppressed lead has
        no band and value 0, and says why. Raises ValueError for a naive time.
        """
        moment = utc(now)
        values = self._values(facts, moment)
        ordered = in_order(engagements)
        events = Events(ordered, microseconds(moment))
        for suppression, condition in self._suppressions:
            if condition.truth(values, events) == TRUE:
                return self._suppressed(suppression.reason, facts, ordered, moment)
        rows: list[Contribution] = []
        dimensions = dict.fromkeys(DIMENSIONS, 0)
        total = Total()
        for dimension, groups in self._dimensions:
            part = self._dimension(dimension, groups, values, events, facts, rows)
            dimensions[dimension.id] = part.points
            total.add(*part)
        scale = total.clipped(0, TOP)
        if scale.points != total.points:
            rows.append(_limit("score", "", "", "the scale", scale.points, total.points))
        final, reason = self._disqualify(scale, values, events, rows)
        band = band_after(self.rule_set.bands, previous_band, final.points)
        return Score(
            value=final.points,
            low=final.low,
            high=final.high,
            band=band,
            band_certain=all(
                band_after(self.rule_set.bands, previous_band, bound) == band
                for bound in (final.low, final.high)
            ),
            dimensions=dimensions,
            contributions=tuple(rows),
            scoring_mode="rules" if all(row.known for row in rows) else "fallback",
            rule_set_hash=self.rule_set.hash,
            engine_version=ENGINE_VERSION,
            now=moment,
            disqualified=reason,
            inputs_hash=inputs_hash(facts, ordered),
            next_step=self._next_step(band, values, events),
            reasons=top_reasons(rows),
        )

    def decays(
        self,
        score: Score,
        engagements: Sequence[Engagement],
        now: datetime,
        facts: Facts | None = None,
    ) -> bool:
        """Whether the value can change by time alone: decay, time frames, silence, dates, ages.

        Never False when it could change; may be True when in the end it does not (a cap hides it).
        Without `facts`, conditions on dates and on `age_days` count as pending.
        """
        moment = utc(now)
        values = None if facts is None else self._values(facts, moment)
        return self._timing.pending(
            values, in_order(engagements), microseconds(moment), bool(score.suppressed)
        )

    def _values(self, facts: Facts, now: datetime) -> dict[str, Value]:
        values: dict[str, Value] = {}
        for name, read in self._readers:
            fact = facts.get(name)
            if fact is not None:
                value = read(fact.value, now)
                if value is not None:
                    values[name] = value
        return values

    def _dimension(
        self,
        dimension: Dimension,
        groups: list[tuple[Group, list[tuple[Rule, Gives]]]],
        values: Values,
        events: Events,
        facts: Facts,
        rows: list[Contribution],
    ) -> Sum:
        total = Total()
        for group, rules in groups:
            points = low = high = 0
            for rule, gives in rules:
                given = gives(values, events)
                points += given.points
                low += given.low
                high += given.high
                if given.points or not given.known:
                    rows.append(_row(rule, dimension.id, group.id, given, facts))
            part = Sum(points, low, high).clipped(group.low, group.high)
            if part.points != points:
                label = group.label
                rows.append(_limit(group.id, dimension.id, group.id, label, part.points, points))
            total.add(*part)
        result = total.clipped(dimension.low, dimension.high)
        if result.points != total.points:
            rows.append(
                _limit(
                    dimension.id,
                    dimension.id,
                    "",
                    dimension.id,
                    result.points,
                    total.points,
                )
            )
        return result

    def _disqualify(
        self, scale: Sum, values: Values, events: Events, rows: list[Contribution]
    ) -> tuple[Sum, str]:
        points, low, high = scale
        lowest: Disqualifier | None = None
        for disqualifier, condition in self._disqualifiers:
            cap = disqualifier.at_most
            possible = condition.possible(values, events)
            if condition.truth(values, events) == TRUE:
                if lowest is None or cap < lowest.at_most:
                    lowest = disqualifier
                points = min(points, cap)
            if possible == TRUE:
                high = min(high, cap)
            if possible != FALSE:
                low = min(low, cap)
        if lowest is None:
            return Sum(points, low, high), ""
        if points < scale.points:
            label = f"{lowest.reason}: {limit_label('the score', lowest.at_most)}"
            rows.append(
                Contribution(
                    f"disqualifier:{lowest.id}",
                    "limit",
                    "",
                    "",
                    points - scale.points,
                    label,
                )
            )
        return Sum(points, low, high), lowest.reason

    def _next_step(self, band: str, values: Values, events: Events) -> str:
        for step, truth in self._next_steps:
            if (not step.bands or band in step.bands) and (
                truth is None or truth(values, events) == TRUE
            ):
                return step.text
        return ""

    def _suppressed(
        self, reason: str, facts: Facts, ordered: Sequence[Timed], now: datetime
    ) -> Score:
        return Score(
            value=0,
            low=0,
            high=0,
            band="",
            band_certain=False,
            dimensions=dict.fromkeys(DIMENSIONS, 0),
            contributions=(),
            scoring_mode="rules",
            rule_set_hash=self.rule_set.hash,
            engine_version=ENGINE_VERSION,
            now=now,
            suppressed=reason,
            inputs_hash=inputs_hash(facts, ordered),
            reasons=(f"Not scored: {reason}",),
        )


#: Rows whose words do not depend on engagements recur from lead to lead; they never change.
_recurring = lru_cache(maxsize=4_096)(Contribution)


def _row(rule: Rule, dimension: str, group: str, given: Given, facts: Facts) -> Contribution:
    points, _, _, known, count, newest_us = given
    if not known:
        label = unknown_label(rule.label)
    elif count:
        label = times_label(rule.label, count, newest_us)
        return Contribution(rule.id, "rule", dimension, group, points, label)
    elif isinstance(rule.gives, ByChoice | ByRange | PerUnit) and rule.gives.fact in facts:
        label = value_label(rule.label, facts[rule.gives.fact].value)
    else:
        label = rule.label
    return _recurring(rule.id, "rule", dimension, group, points, label, known)


def _limit(
    limit: str, dimension: str, group: str, label: str, after: int, before: int
) -> Contribution:
    return Contribution(
        f"limit:{limit}",
        "limit",
        dimension,
        group,
        after - before,
        limit_label(label, after, floor=after > before),
    )
