"""Everything scored anew: against other engines, against memory, and against less to do."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import timedelta
from statistics import median
from typing import Any

import numpy as np

from benchmarks.engine import polars_peer
from benchmarks.engine.agreement import (
    COLUMNS,
    compare,
    compare_with_interpreter,
    own_instants,
    sample_of,
)
from benchmarks.engine.duckdb_peer import Database
from benchmarks.engine.interpreter import Interpreter
from benchmarks.engine.leads import moment
from benchmarks.engine.limits import Limits, limits_of
from benchmarks.engine.sizes import Sizes
from benchmarks.engine.table import Row, times_faster
from benchmarks.estate import NOW, Estate, document
from benchmarks.measure import Work, by_turns, say, spoken
from scoring.columns import Columns
from scoring.kernel import ColumnScorer, Scores

LATER = NOW + timedelta(days=1)
BOUND = (
    "Bandwidth: memory does not bind a full rescore. Each rule takes several NumPy passes (ages,"
    " powers of two, sums for each lead, rounding, limits) over arrays that stay in the processor's"
    " cache, at about one number in a nanosecond on each thread."
)
#: Leads whose answers at other times than now are compared.
SOME = 2_000


@dataclass(frozen=True, slots=True)
class Rescore:
    """Rows of the table, and seconds by name for the picture."""

    rows: list[Row]
    times: dict[str, float]
    polars: float  # seconds of the fastest way through Polars on texts


def rescore(great: Estate, sizes: Sizes) -> Rescore:
    """Check every engine's answers for every lead, then measure all by turns."""
    ours = _Ours(great)
    ours.bind()
    ours.forget()
    ours.now()
    sample = sample_of(great.columns, sizes.sample)
    interpreter = Interpreter(document())
    compare_with_interpreter(interpreter, sample, ours.found, {n: NOW for n in sample})
    others = _others(great, ours.found)
    some = list(sample)[:SOME]
    ours.keep()
    ours.later()
    compare_with_interpreter(interpreter, sample, ours.found, {n: LATER for n in some})
    ours.at_own_instants()
    instants = {n: moment(int(ours.instants[n])) for n in some}
    compare_with_interpreter(interpreter, sample, ours.found, instants)

    def interpret() -> None:
        for one in sample.values():
            interpreter.score(one.facts, one.engagements, NOW)

    say("rescore: measuring")
    works: dict[str, Work] = {
        "bind": ours.bind,
        "full": ours.now,
        "decay": ours.later,
        "backtest": ours.at_own_instants,
    }
    before = {"full": ours.forget, "decay": ours.keep, "backtest": ours.forget}
    works |= others | {"plain interpreter": interpret}
    runs = by_turns(works, sizes.rounds, before)
    times = {name: median(took) for name, took in runs.items()}
    times["plain interpreter"] *= great.columns.n / len(sample)
    limits = limits_of(great)
    times["memory bandwidth"] = limits.moving_seconds
    return Rescore(_rows(times, limits, great.columns), times, _polars(times))


class _Ours:
    """Our kernel, step by step."""

    def __init__(self, great: Estate) -> None:
        self._estate = great
        self.found = Scores.empty(0)
        self.instants = own_instants(great.columns.n)

    def bind(self) -> None:
        """What depends on the rules and the values alone: texts, regular expressions, hits."""
        self._keeping = ColumnScorer(self._estate.rule_set, self._estate.columns)
        self.groups = sum(len(groups) for _, groups in self._keeping.dimensions)

    def forget(self) -> None:
        """A scorer that is bound and has scored nobody: it knows no sum from an earlier time."""
        self._fresh = self._keeping.over(self._estate.columns)

    def now(self) -> None:
        """Every lead, from the hits."""
        self.found = self._fresh.score(NOW)

    def at_own_instants(self) -> None:
        """Every lead at an instant of its own, from what was there then."""
        self.found = self._fresh.score(self.instants)

    def keep(self) -> None:
        """Every lead now, by the scorer that keeps what time does not change."""
        self._keeping.score(NOW)

    def later(self) -> None:
        """Every lead a day later, with nothing new."""
        self.found = self._keeping.score(LATER)


# -- other engines ---------------------------------------------------------------------------------


def _others(great: Estate, ours: Scores) -> dict[str, Work]:
    """The other engines' work, each checked for every lead."""
    say("rescore: giving other engines their data, comparing answers")
    leads, events = polars_peer.leads_frame(great.columns), polars_peer.events_frame(great.columns)
    masks, bits = polars_peer.masks_frame(great.columns, great.rule_set)
    database = Database(leads, events)
    works: dict[str, Callable[[], Any]] = {
        "Polars, streaming": lambda: polars_peer.scores(leads, events, NOW, "streaming"),
        "Polars, in memory": lambda: polars_peer.scores(leads, events, NOW, "in-memory"),
        "Polars, our bitmasks, streaming": lambda: polars_peer.scores_by_mask(
            leads, masks, bits, NOW, "streaming"
        ),
        "Polars, our bitmasks, in memory": lambda: polars_peer.scores_by_mask(
            leads, masks, bits, NOW, "in-memory"
        ),
        "DuckDB": lambda: database.scores(NOW),
    }
    for name, work in works.items():
        answers = work()
        compare(name, ours, {column: np.asarray(answers[column]) for column in COLUMNS})
    return dict(works)


# -- the table -------------------------------------------------------------------------------------


def _polars(times: Mapping[str, float], on: str = "Polars") -> float:
    """Seconds of the faster of its two engines."""
    return min(times[f"{on}, streaming"], times[f"{on}, in memory"])


def _rows(times: Mapping[str, float], limits: Limits, columns: Columns) -> list[Row]:
    full, size = times["full"], f"{columns.n:,} leads, {len(columns.log.at):,} engagements"
    work = f"full rescore, {size}"
    plain = "plain Python interpreter (sampled, scaled)"
    moved, computed = limits.moving_seconds / full, limits.fading_seconds / full
    return [
        times_faster(work, full, plain, times["plain interpreter"], 250),
        times_faster("the same", full, "Polars, the faster of two engines", _polars(times), 8),
        times_faster("the same", full, "DuckDB", times["DuckDB"], 8),
        times_faster("the same", full, "Polars, our bitmasks, the faster of two engines",
                     _polars(times, "Polars, our bitmasks"), 4),
        Row("the same", spoken(full), f"memory bandwidth: {limits.moving}",
            spoken(limits.moving_seconds), f"{moved:.1%}", "at least 5 %", moved >= 0.05, BOUND),
        Row("the same", spoken(full), f"arithmetic: {limits.fading}",
            spoken(limits.fading_seconds), f"{computed:.1%}", "–", None),
        times_faster("rules bound to columns anew, and full rescore", times["bind"] + full,
                     "Polars, the faster of two engines", _polars(times), None),
        times_faster("decay to a new now, no new engagements", times["decay"], "full rescore",
                     full, 3),
        _slower("backtest, an own instant for each lead", times["backtest"], full, 1.2),
    ]  # fmt: skip


def _slower(work: str, ours: float, full: float, bar: float) -> Row:
    ratio = ours / full
    limit = f"at most {bar:g}x the time"
    return Row(work, spoken(ours), "one now", spoken(full), f"{ratio:.2f}x", limit, ratio <= bar)
