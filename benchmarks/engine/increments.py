"""One new engagement among all leads: how long until its lead has its new score in the columns."""

from __future__ import annotations

from datetime import timedelta
from statistics import median

import numpy as np

from benchmarks.engine.agreement import sample_of
from benchmarks.engine.leads import RECORD
from benchmarks.engine.sizes import Sizes
from benchmarks.engine.table import Row, at_most
from benchmarks.estate import NOW, Estate
from benchmarks.measure import no_collector, percentile, say, seconds
from scoring.columns import Columns, Log, some_of
from scoring.engine import compile_rule_set
from scoring.inputs import microseconds
from scoring.kernel import ColumnScorer
from scoring.leads import Engagement

AT = NOW - timedelta(minutes=1)
CALLS = (
    "One new engagement: the kernel makes some dozens of NumPy calls for each rule, a microsecond"
    " or two each, whether for one lead or for sixteen thousand."
)
WHAT = ("page_visit", {"url": "/pricing"})


def increments(great: Estate, sizes: Sizes) -> list[Row]:
    """Check some leads against scoring them one by one, then measure."""
    say("one new engagement")
    scorer = ColumnScorer(great.rule_set, great.columns)
    scores = scorer.score(NOW)

    def add(number: int) -> None:
        rows = np.array([number])
        scorer.rescore(scores, rows, with_visit(great.columns, number), NOW)

    single = compile_rule_set(great.rule_set)
    for number, one in sample_of(great.columns, min(sizes.single, 500)).items():
        add(number)
        visit = Engagement("new", WHAT[0], AT, RECORD, detail=WHAT[1])
        expected = single.tally(one.facts, [*one.engagements, visit], NOW).value
        if expected != scores.value[number]:
            raise AssertionError(f"lead {number} scores otherwise after a new engagement")
    chosen = np.random.default_rng(13).choice(great.columns.n, sizes.single)
    with no_collector():
        times = [seconds(lambda number=number: add(int(number))) for number in chosen]
    work = f"one new engagement among {great.columns.n:,} leads, to its lead's score in the columns"
    return [
        at_most(f"{work}, p50", median(times), 1e-3, CALLS),
        at_most("the same, p99", percentile(times, 0.99), 1e-3, CALLS),
    ]


def with_visit(columns: Columns, number: int) -> Columns:
    """One lead's columns, with a new visit after everything else."""
    one = some_of(columns, np.array([number]))
    what = columns.log.whats.index(WHAT)
    log = Log(
        np.array([0, len(one.log.at) + 1]),
        np.append(one.log.at, microseconds(AT)),
        np.append(one.log.what, np.int32(what)),
        one.log.whats,
    )
    return Columns(1, one.facts, log)
