"""One lead at a time, from its facts and raw engagements: against a plain interpreter."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from statistics import mean

from benchmarks.engine.agreement import sample_of
from benchmarks.engine.interpreter import Interpreter
from benchmarks.engine.leads import Lead
from benchmarks.engine.sizes import Sizes
from benchmarks.engine.table import Row, at_most, times_faster
from benchmarks.estate import NOW, Estate, document
from benchmarks.measure import one_by_one, percentile, say
from scoring.engine import compile_rule_set

TURNS = 7
#: Engagements of a lead that is like most.
USUAL = range(15, 26)
MOST = 100e-6


@dataclass(frozen=True, slots=True)
class Single:
    """Rows of the table, and seconds of each lead by name for the picture."""

    rows: list[Row]
    spread: dict[str, list[float]]


def single(great: Estate, sizes: Sizes) -> Single:
    """Check every lead, then measure."""
    say("one lead, raw engagements")
    leads = list(sample_of(great.columns, sizes.single).values())
    interpreter = Interpreter(document())
    _check(great, interpreter, leads)
    fresh: Mapping[str, Callable[[], Callable[[Lead], object]]] = {
        "ours": lambda: _tally(great),
        "plain interpreter": lambda: lambda one: interpreter.score(one.facts, one.engagements, NOW),
        "ours, in words": lambda: _score(great),
    }
    spread = one_by_one(fresh, leads, TURNS)
    number = [len(one.engagements) for one in leads[len(leads) // 2 :]]
    return Single(_rows(spread, number, len(great.rule_set.rules())), spread)


def _tally(great: Estate) -> Callable[[Lead], object]:
    tally = compile_rule_set(great.rule_set).tally
    return lambda one: tally(one.facts, one.engagements, NOW)


def _score(great: Estate) -> Callable[[Lead], object]:
    score = compile_rule_set(great.rule_set).score
    return lambda one: score(one.facts, one.engagements, NOW)


def _check(great: Estate, interpreter: Interpreter, leads: Sequence[Lead]) -> None:
    scorer = compile_rule_set(great.rule_set)
    for one in leads:
        ours = scorer.tally(one.facts, one.engagements, NOW)
        theirs = interpreter.score(one.facts, one.engagements, NOW)
        if (ours.value, ours.band, tuple(ours.dimensions)) != (
            theirs.value, theirs.band, theirs.dimensions
        ) or not theirs.low <= ours.low <= ours.high <= theirs.high:  # fmt: skip
            raise AssertionError("the plain interpreter says something else")


def _rows(spread: Mapping[str, list[float]], number: Sequence[int], rules: int) -> list[Row]:
    work = f"one lead, {rules} rules, {mean(number):.0f} raw engagements on average"
    rows, plain = [], "plain interpreter"
    for name, share in (("p50", 0.5), ("p99", 0.99)):
        ours, theirs = (percentile(spread[key], share) for key in ("ours", plain))
        rows.append(times_faster(f"{work}, {name}", ours, "plain Python interpreter", theirs, 5))
    usual = [took for took, n in zip(spread["ours"], number, strict=True) if n in USUAL]
    why = (
        f"One lead: one in a hundred has more than {percentile(number, 0.99):.0f} engagements;"
        " putting each in order, matching it and working out its age is about half a microsecond"
        " of Python."
    )
    like_most = f"the same, {USUAL[0]} to {USUAL[-1]} engagements, p99"
    return [
        *rows,
        at_most(like_most, percentile(usual, 0.99), MOST),
        at_most("the same, all leads, p99", percentile(spread["ours"], 0.99), MOST, why),
    ]
