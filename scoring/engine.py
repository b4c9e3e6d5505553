"""Scoring one lead: a rule set compiled once, then facts, engagements and `now` to a score.

The order of operations, for every lead: points per rule (decay, then rounding, frequency before
and cap after the sum), group limits, dimension limits, the 0-100 scale, disqualifiers. After the
decayed sums everything is whole milli-points, so contributions add up exactly.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from datetime import datetime
from functools import lru_cache

from scoring.advice import least_change_text, unknown_text
from scoring.bands import UNMOVED, BandState, Situation, band_label, settled_band
from scoring.compiling import TRUE, Given, Values, truth_of
from scoring.events import Events
from scoring.explain import (
    limit_label,
    times_label,
    top_reasons,
    unknown_label,
    value_label,
)
from scoring.horizon import ANY_VALUE, Horizon, Outlook
from scoring.inputs import (
    Timed,
    in_order,
    inputs_from_json,
    inputs_hash,
    inputs_to_json,
    microseconds,
)
from scoring.leads import Engagement, utc
from scoring.least_change import LeastChange, least_change
from scoring.rule_set import ByChoice, ByRange, PerUnit, Rule, RuleSet
from scoring.scores import DIMENSIONS, Contribution, Facts, Score
from scoring.tally import Tallier, Tally
from scoring.unknowns import Unknown, worth_knowing

__all__ = [
    "ENGINE_VERSION",
    "Scorer",
    "compile_rule_set",
    "inputs_from_json",
    "inputs_to_json",
    "replay",
]

#: Changes when the same inputs could give another score; written into every score.
ENGINE_VERSION = "3"


def compile_rule_set(rule_set: RuleSet) -> Scorer:
    """A scorer for the rule set; takes a millisecond or two, so keep it."""
    return Scorer(rule_set)


def replay(
    inputs_json: str,
    rule_set: RuleSet,
    now: datetime,
    *,
    previous_band: str | None = None,
    situation: Situation | None = None,
) -> Score:
    """The score again from what was logged; raises ValueError when the inputs are unreadable."""
    facts, engagements = inputs_from_json(inputs_json)
    scorer = compile_rule_set(rule_set)
    return scorer.score(facts, engagements, now, previous_band, situation=situation)


class Scorer:
    """A compiled rule set. It keeps no state between leads and is safe to share."""

    def __init__(self, rule_set: RuleSet) -> None:
        self.rule_set = rule_set
        self._tallier = Tallier(rule_set)
        self._next_steps = [
            (step, truth_of(step.when) if step.when else None) for step in rule_set.next_steps
        ]
        self._horizon = Horizon(rule_set, self._tallier)

    def tally(
        self,
        facts: Facts,
        engagements: Sequence[Engagement],
        now: datetime,
        previous_band: str | None = None,
    ) -> Tally:
        """The numbers of `score` without its words: value, bounds, band, what each rule gives."""
        return self._tallier.tally(facts, in_order(engagements), utc(now), previous_band)

    def score(
        self,
        facts: Facts,
        engagements: Sequence[Engagement],
        now: datetime,
        previous_band: str | None = None,
        *,
        situation: Situation | None = None,
    ) -> Score:
        """The lead's score at `now` (aware); engagements after `now` are not looked at.

        `previous_band`: the band the lead is in, for bands with a `leave_at`; where it dwells or
        room is short, its whole `situation` instead. A suppressed lead has no band and value 0, and
        says why. Raises ValueError for a naive time.
        """
        moment = utc(now)
        ordered = in_order(engagements)
        tally = self._tallier.tally(facts, ordered, moment, previous_band)
        rows = () if tally.suppressed else tuple(self._contributions(tally, facts))
        why = tally.suppressed.reason if tally.suppressed else ""
        dimensions = dict.fromkeys(DIMENSIONS, 0)
        for dimension, points in zip(self.rule_set.dimensions, tally.dimensions, strict=False):
            dimensions[dimension.id] = points
        band, certain = tally.band, tally.band_certain
        if situation is not None and not why:
            numbers = tally.value, tally.low, tally.high
            capped = tally.disqualified is not None
            band, certain = settled_band(
                self.rule_set, situation, numbers, moment, disqualified=capped
            )
        return Score(
            value=tally.value,
            low=tally.low,
            high=tally.high,
            band=band,
            band_certain=certain,
            dimensions=dimensions,
            contributions=rows,
            scoring_mode="rules" if all(row.known for row in rows) else "fallback",
            rule_set_hash=self.rule_set.hash,
            engine_version=ENGINE_VERSION,
            now=moment,
            suppressed=why,
            disqualified=tally.disqualified.reason if tally.disqualified else "",
            inputs_hash=inputs_hash(facts, ordered),
            next_step=self._next_step(band, facts, ordered, moment) if not why else "",
            reasons=(f"Not scored: {why}",) if why else top_reasons(rows),
        )

    def bounds_are_exact(self, facts: Facts, now: datetime) -> bool:
        """Whether the bounds of a lead with these facts are attained, not only never exceeded."""
        return self._tallier.bounds.exact(self._tallier.values(facts, utc(now)))

    def worth_knowing(
        self,
        facts: Facts,
        engagements: Sequence[Engagement],
        now: datetime,
        previous_band: str | None = None,
    ) -> tuple[Unknown, ...]:
        """The unknown facts, most worth finding out first: see `unknowns.worth_knowing`."""
        values, events = self._seen(facts, engagements, now)
        return worth_knowing(self._tallier, values, events, previous_band)

    def least_change(
        self,
        facts: Facts,
        engagements: Sequence[Engagement],
        now: datetime,
        previous_band: str | None = None,
        *,
        upward: bool = True,
    ) -> LeastChange | None:
        """The fewest changes to a better (or worse) band: see `least_change.least_change`."""
        values, events = self._seen(facts, engagements, now)
        return least_change(self._tallier, values, events, previous_band, upward=upward)

    def advice(
        self,
        facts: Facts,
        engagements: Sequence[Engagement],
        now: datetime,
        previous_band: str | None = None,
        *,
        facts_named: int = 3,
    ) -> tuple[str, ...]:
        """Sentences: what it takes to reach the next band, then what is worth finding out."""
        found = self.least_change(facts, engagements, now, previous_band)
        said = []
        if found is not None:
            label = band_label(self.rule_set, found.band)
            cases = [self._tallier.bounds.cases(c.fact) if c.fact else () for c in found.changes]
            said.append(least_change_text(found, label, cases))
        unknown = self.worth_knowing(facts, engagements, now, previous_band)
        return (*said, *map(unknown_text, unknown[:facts_named]))

    def _seen(
        self, facts: Facts, engagements: Sequence[Engagement], now: datetime
    ) -> tuple[Values, Events]:
        moment = utc(now)
        events = Events(in_order(engagements), microseconds(moment), self._tallier.watch)
        return self._tallier.values(facts, moment), events

    def outlook(
        self,
        facts: Facts,
        engagements: Sequence[Engagement],
        now: datetime,
        state: BandState | None,
        *,
        moved: Mapping[str, int] = UNMOVED,
        full: Collection[str] = (),
        within: tuple[int, int] = ANY_VALUE,
    ) -> Outlook:
        """What becomes of a lead in `state` if nothing happens: see `Horizon.outlook`."""
        ordered = in_order(engagements)
        return self._horizon.outlook(
            facts, ordered, utc(now), state, moved=moved, full=full, within=within
        )

    def _contributions(self, tally: Tally, facts: Facts) -> Iterator[Contribution]:
        """Every rule that gave or assumed something, and what each limit took, in order."""
        givens, taken = iter(tally.givens), iter(tally.taken)
        total = 0
        for dimension, after in zip(self.rule_set.dimensions, tally.dimensions, strict=True):
            inside = 0
            for group in dimension.groups:
                before = 0
                for rule, given in zip(group.rules, givens, strict=False):
                    before += given.points
                    if given.points or not given.known:
                        yield _row(rule, dimension.id, group.id, given, facts)
                inside += before + (change := next(taken))
                if change:
                    yield _limit(
                        group.id, dimension.id, group.id, group.label, before + change, before
                    )
            if change := next(taken):
                yield _limit(dimension.id, dimension.id, "", dimension.id, after, after - change)
            total += after
        scale = total + next(taken)
        if scale != total:
            yield _limit("score", "", "", "the scale", scale, total)
        if tally.disqualified and tally.value < scale:
            entry = tally.disqualified
            label = f"{entry.reason}: {limit_label('the score', entry.at_most)}"
            yield Contribution(
                f"disqualifier:{entry.id}", "limit", "", "", tally.value - scale, label
            )

    def _next_step(self, band: str, facts: Facts, ordered: Sequence[Timed], now: datetime) -> str:
        if not self._next_steps:
            return ""
        values = self._tallier.values(facts, now)
        events = Events(ordered, microseconds(now), self._tallier.watch)
        for step, truth in self._next_steps:
            if (not step.bands or band in step.bands) and (
                truth is None or truth(values, events) == TRUE
            ):
                return step.text
        return ""


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
