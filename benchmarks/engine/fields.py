"""Field rules, as every rule engine knows them: one lead and many leads, against five engines."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from statistics import median
from typing import Any

from benchmarks.engine.agreement import sample_of
from benchmarks.engine.field_peers import Peer, peers
from benchmarks.engine.field_rules import field_document, field_rules, inputs, rule_set_of
from benchmarks.engine.leads import Lead
from benchmarks.engine.sizes import Sizes
from benchmarks.engine.table import Row, times_faster
from benchmarks.estate import NOW, Estate
from benchmarks.measure import Work, by_turns, one_by_one, say
from scoring.engine import compile_rule_set
from scoring.inputs import microseconds
from scoring.kernel import ColumnScorer

TURNS = 5


@dataclass(frozen=True, slots=True)
class Fields:
    """Rows of the table, and seconds a lead by name for the picture."""

    rows: list[Row]
    with_patterns: dict[str, float]  # one by one, regular expressions among the rules
    without: dict[str, float]  # one by one
    many: dict[str, float]  # at once, without regular expressions


def fields(great: Estate, sizes: Sizes) -> Fields:
    """Check every engine, then measure."""
    leads = list(sample_of(great.columns, sizes.fields).values())
    all_rules, some_rules = _Rules(great, leads, True), _Rules(great, leads, False)
    with_patterns, without, many = all_rules.one(), some_rules.one(), some_rules.many()
    at_once = f"many leads, {some_rules.name}"
    rows = [
        _against_best(f"one lead, {all_rules.name}", with_patterns, "ours", 20),
        _against_best(f"one lead, {some_rules.name}", without, "ours", 1),
        _against_best(f"{at_once}, time for one", many, "ours", 15),
        _against_best("the same, rules bound to columns anew", many, "ours, bound anew", None),
    ]
    return Fields(rows, with_patterns, without, many)


class _Rules:
    """The field rules with or without regular expressions: ours, and every engine that is right."""

    def __init__(self, great: Estate, leads: Sequence[Lead], regular_expressions: bool) -> None:
        content = field_document(regular_expressions=regular_expressions)
        self._great, self._leads = great, leads
        self._rule_set = rule_set_of(content)
        now = microseconds(NOW)
        self._inputs = [inputs(one.plain, self._rule_set, now) for one in leads]
        self._peers = peers(field_rules(content))
        self.name = f"{len(self._rule_set.rules())} field rules" + (
            ", 7 with regular expressions" if regular_expressions else ""
        )
        self._check()

    def _check(self) -> None:
        """Raises AssertionError where an engine gives another sum of points, for any lead."""
        say(f"{self.name}: comparing answers")
        scorer = compile_rule_set(self._rule_set)
        ours = [
            sum(given.points for given in scorer.tally(one.facts, (), NOW).givens)
            for one in self._leads
        ]
        for peer in self._peers:
            wrong = sum(a != peer.one(b) for a, b in zip(ours, self._inputs, strict=True))
            again = list(peer.many(peer.prepared(self._inputs))) != ours
            if wrong or again:
                raise AssertionError(f"{peer.name} differs for {wrong:,} of {len(ours):,} leads")

    def one(self) -> dict[str, float]:
        """Seconds a lead, one by one, p50 over leads."""
        say(f"{self.name}: measuring")
        pairs = list(zip(self._leads, self._inputs, strict=True))
        fresh = {"ours": self._tally} | {peer.name: _asked(peer) for peer in self._peers}
        return {name: median(took) for name, took in one_by_one(fresh, pairs, TURNS).items()}

    def _tally(self) -> Callable[[Any], object]:
        tally = compile_rule_set(self._rule_set).tally
        return lambda pair: tally(pair[0].facts, (), NOW)

    def many(self) -> dict[str, float]:
        """Seconds a lead when many are asked at once, each engine in its quickest way."""
        columns = self._great.columns
        bound = ColumnScorer(self._rule_set, columns)
        bound.score(NOW)
        fresh = [bound]

        def forget() -> None:
            fresh[0] = bound.over(columns)

        works: dict[str, Work] = {
            "ours": lambda: fresh[0].score(NOW),
            "ours, bound anew": lambda: ColumnScorer(self._rule_set, columns).score(NOW),
        }
        leads = dict.fromkeys(works, columns.n)
        for peer in self._peers:
            works[peer.name] = _all_of(peer, peer.prepared(self._inputs))
            leads[peer.name] = len(self._inputs)
        runs = by_turns(works, TURNS, {"ours": forget})
        return {name: median(times) / leads[name] for name, times in runs.items()}


def _asked(peer: Peer) -> Callable[[], Callable[[Any], object]]:
    return lambda: lambda pair: peer.one(pair[1])


def _all_of(peer: Peer, prepared: Sequence[Any]) -> Work:
    return lambda: peer.many(prepared)


def _against_best(work: str, times: Mapping[str, float], ours: str, bar: float | None) -> Row:
    theirs = {name: took for name, took in times.items() if not name.startswith("ours")}
    best = min(theirs, key=lambda name: theirs[name])
    name = f"best of {len(theirs)}: {best}"
    return times_faster(work, times[ours], name, theirs[best], bar)
