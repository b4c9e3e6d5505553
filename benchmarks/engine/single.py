"""One lead at a time: the document against an interpreter, field rules against rule engines."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from statistics import mean, median
from time import perf_counter_ns
from typing import Any

import numpy as np

from benchmarks.engine.field_peers import Peer, peers
from benchmarks.engine.field_rules import field_document, field_rules, inputs, rule_set_of
from benchmarks.engine.interpreter import Interpreter
from benchmarks.engine.leads import Lead, lead
from benchmarks.engine.sizes import Sizes
from benchmarks.engine.table import Row, at_most, times_faster
from benchmarks.estate import NOW, Estate, document
from benchmarks.measure import by_turns, no_collector, percentile, say
from scoring.engine import compile_rule_set
from scoring.inputs import microseconds
from scoring.kernel import ColumnScorer
from scoring.rule_set import RuleSet

#: Each lead is taken so often; the middle time counts, so that a percentile is one over leads.
TURNS = 7
#: Leads for the field rules: some engines take long.
FIELD_LEADS = 2_000


@dataclass(frozen=True, slots=True)
class Single:
    """Rows of the table, and seconds a lead by name for the pictures."""

    rows: list[Row]
    spread: dict[str, list[float]]  # of each lead: ours and the interpreter's
    with_patterns: dict[str, float]  # field rules, regular expressions among them
    without: dict[str, float]
    many: dict[str, float]


def single(great: Estate, sizes: Sizes) -> Single:
    """Check and measure all of it."""
    numbers = np.random.default_rng(3).choice(great.columns.n, sizes.single, replace=False)
    leads = [lead(great.columns, int(number)) for number in numbers]
    rows, spread = _whole_document(great, leads)
    fewer = leads[:FIELD_LEADS]
    all_rules, some_rules = _Fields(great, fewer, True), _Fields(great, fewer, False)
    with_patterns, without = all_rules.one(), some_rules.one()
    many = some_rules.many() | {"ours, all rules": all_rules.many_of_ours()}
    rows += [
        _best("one lead, {} (in plain values)", all_rules, with_patterns, 20),
        _best("one lead, {} (in plain values)", some_rules, without, 1),
        _best("many leads, {}, a lead", some_rules, many, 15),
    ]
    return Single(rows, spread, with_patterns, without, many)


def _whole_document(
    great: Estate, leads: Sequence[Lead]
) -> tuple[list[Row], dict[str, list[float]]]:
    say("one lead, raw engagements")
    scorer, interpreter = compile_rule_set(great.rule_set), Interpreter(document())
    for one in leads:
        ours = scorer.tally(one.facts, one.engagements, NOW)
        theirs = interpreter.score(one.facts, one.engagements, NOW)
        if (ours.value, ours.band, tuple(ours.dimensions)) != (
            theirs.value, theirs.band, theirs.dimensions
        ) or not theirs.low <= ours.low <= ours.high <= theirs.high:  # fmt: skip
            raise AssertionError("the plain interpreter says something else")
    works: Mapping[str, Callable[[Lead], object]] = {
        "ours": lambda one: scorer.tally(one.facts, one.engagements, NOW),
        "plain interpreter": lambda one: interpreter.score(one.facts, one.engagements, NOW),
        "ours, in words": lambda one: scorer.score(one.facts, one.engagements, NOW),
    }
    spread = _each_lead(works, leads)
    rules = len(great.rule_set.rules())
    number = mean(len(one.engagements) for one in leads)
    work = f"one lead, {rules} rules, {number:.0f} raw engagements on average"
    rows = []
    for name, share in (("p50", 0.5), ("p99", 0.99)):
        ours, theirs = (percentile(spread[key], share) for key in ("ours", "plain interpreter"))
        rows.append(times_faster(f"{work}, {name}", ours, "plain Python interpreter", theirs, 5))
    rows.append(at_most(f"{work}, p99", percentile(spread["ours"], 0.99), 100e-6))
    return rows, spread


def _each_lead(
    works: Mapping[str, Callable[[Any], object]], leads: Sequence[Any]
) -> dict[str, list[float]]:
    """For each lead the middle of several times, all works by turns."""
    taken = {name: np.empty((TURNS, len(leads))) for name in works}
    with no_collector():
        for turn in range(TURNS):
            for name, work in works.items():
                times = taken[name][turn]
                for position, one in enumerate(leads):
                    began = perf_counter_ns()
                    work(one)
                    times[position] = perf_counter_ns() - began
    return {name: (np.median(times, axis=0) / 1e9).tolist() for name, times in taken.items()}


# -- field rules -----------------------------------------------------------------------------------


class _Fields:
    """The field rules with or without regular expressions: ours, and every peer that is right."""

    def __init__(self, great: Estate, leads: Sequence[Lead], regular_expressions: bool) -> None:
        content = field_document(regular_expressions=regular_expressions)
        self._great, self._leads = great, leads
        self._rule_set: RuleSet = rule_set_of(content)
        now = microseconds(NOW)
        self._inputs = [inputs(one.plain, self._rule_set, now) for one in leads]
        self._scorer = compile_rule_set(self._rule_set)
        self._peers = peers(field_rules(content))
        self.name = f"{len(self._rule_set.rules())} field rules" + (
            ", some with regular expressions" if regular_expressions else ""
        )
        self._check()

    def _check(self) -> None:
        """Raises AssertionError where a peer gives another sum of points, for any lead."""
        say(f"{self.name}: comparing answers")
        ours = [self._sum(one) for one in self._leads]
        for peer in self._peers:
            wrong = sum(a != peer.one(b) for a, b in zip(ours, self._inputs, strict=True))
            again = list(peer.many(peer.prepared(self._inputs))) != ours
            if wrong or again:
                raise AssertionError(f"{peer.name} differs for {wrong:,} of {len(ours):,} leads")

    def _sum(self, one: Lead) -> int:
        return sum(given.points for given in self._scorer.tally(one.facts, (), NOW).givens)

    def one(self) -> dict[str, float]:
        """Seconds a lead, one by one, p50 over leads."""
        pairs = list(zip(self._leads, self._inputs, strict=True))
        works: dict[str, Callable[[Any], object]] = {
            "ours": lambda pair: self._scorer.tally(pair[0].facts, (), NOW)
        }
        for peer in self._peers:
            works[peer.name] = lambda pair, peer=peer: peer.one(pair[1])
        return {name: median(times) for name, times in _each_lead(works, pairs).items()}

    def many(self) -> dict[str, float]:
        """Seconds a lead when many are asked at once, each peer in its quickest way."""
        works = {"ours": self._many_of_ours()}
        for peer in self._peers:
            works[peer.name] = _all_of(peer, peer.prepared(self._inputs))
        runs = by_turns(works, TURNS)
        sizes = {name: len(self._inputs) for name in runs} | {"ours": self._great.columns.n}
        return {name: median(times) / sizes[name] for name, times in runs.items()}

    def many_of_ours(self) -> float:
        """Seconds a lead of ours alone."""
        runs = by_turns({"ours": self._many_of_ours()}, TURNS)
        return median(runs["ours"]) / self._great.columns.n

    def _many_of_ours(self) -> Callable[[], object]:
        scorer = ColumnScorer(self._rule_set, self._great.columns)
        return lambda: scorer.score(NOW)


def _all_of(peer: Peer, prepared: Sequence[Any]) -> Callable[[], object]:
    return lambda: peer.many(prepared)


def _best(work: str, fields: _Fields, times: Mapping[str, float], bar: float) -> Row:
    theirs = {name: took for name, took in times.items() if not name.startswith("ours")}
    best = min(theirs, key=lambda name: theirs[name])
    name = f"best of {len(theirs)}: {best}"
    return times_faster(work.format(fields.name), times["ours"], name, theirs[best], bar)
