"""What a rule set would have said, and what then came: leak-free, on leads of the past."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from itertools import pairwise

import numpy as np

from scoring.areas import Area, area, gain
from scoring.columns import NEVER, Coded, Column, Integers, Numbers
from scoring.history import History
from scoring.inputs import GROWING_FACTS, microseconds
from scoring.kernel import NONE, ColumnScorer, Points
from scoring.panel import Flags, Panel
from scoring.quality import Cell, ColumnReading, leaky, lift_at, wilson
from scoring.rule_set import RuleSet
from scoring.separation import BandRate

#: Engagements that are brought together at a time: memory grows with this, not with the panel.
PART = 4_000_000
#: Leads that the leak guard looks at.
SAMPLED = 20_000
#: The part of the rows, by time, whose rates are forecasts for the rest.
EARLIER = 2 / 3


@dataclass(frozen=True, slots=True)
class PanelScores:
    """A rule set's answers for the rows of a panel."""

    rule_set: RuleSet
    value: Points  # milli-points
    band: np.ndarray[tuple[int], np.dtype[np.int8]]  # as in `kernel.Scores`

    @property
    def scored(self) -> Flags:
        """Which rows have a score: the others were suppressed."""
        found: Flags = self.band != NONE
        return found


@dataclass(frozen=True, slots=True)
class BandForecast:
    """A band's rate among the earlier rows held against what the later ones did."""

    band: str
    earlier: int
    forecast: float
    later: int
    observed: float
    low: float  # 95 % interval of what was observed
    high: float

    @property
    def holds(self) -> bool:
        """Whether the forecast is inside the interval."""
        return self.low <= self.forecast <= self.high


@dataclass(frozen=True, slots=True)
class Report:
    """How well one rule set separates the rows of a panel that it scores."""

    rows: int
    won: int
    suppressed: int
    suppressed_won: int
    bands: list[BandRate]
    auc: Area | None
    lift: float | None  # of the best tenth
    calibration: list[BandForecast]


@dataclass(frozen=True, slots=True)
class Comparison:
    """Two rule sets on the rows that both score."""

    rows: int
    gain: Area | None  # AUC of the draft less that of the active
    moved: int  # rows in another band


def score_panel(
    history: History, panel: Panel, rule_sets: Sequence[RuleSet], part: int = PART
) -> list[PanelScores]:
    """The rows scored at their own instants by each rule set, from what was known then.

    Bands are those of the thresholds: without a band before, without dwell and capacity. `part`:
    about so many engagements are in memory at a time.
    """
    found = [
        PanelScores(r, np.empty(len(panel), np.int32), np.empty(len(panel), np.int8))
        for r in rule_sets
    ]
    for low, high in _parts(history, panel, part):
        columns = history.as_of(panel.lead[low:high], panel.at[low:high])
        like: ColumnScorer | None = None
        for scores in found:
            scorer = like = ColumnScorer(scores.rule_set, columns, like)
            answers = scorer.score(panel.at[low:high])
            scores.value[low:high], scores.band[low:high] = answers.value, answers.band
    return found


def _parts(history: History, panel: Panel, part: int) -> list[tuple[int, int]]:
    """Cut the rows where their engagements add up to `part`."""
    offsets = history.log.offsets
    running = np.cumsum(offsets[panel.lead + 1] - offsets[panel.lead] + 1)
    total = int(running[-1]) if len(running) else 0
    cuts = np.searchsorted(running, np.arange(part, total, part))
    edges = sorted({0, *map(int, cuts), len(panel)})
    return list(pairwise(edges))


def report(panel: Panel, scores: PanelScores) -> Report:
    """Conversion by band, AUC, lift, and whether the rates hold over time."""
    scored = scores.scored
    won, lead, band = panel.won[scored], panel.lead[scored], scores.band[scored]
    value = scores.value[scored]
    return Report(
        rows=len(won),
        won=int(won.sum()),
        suppressed=int((~scored).sum()),
        suppressed_won=int(panel.won[~scored].sum()),
        bands=_band_rates(scores.rule_set, band, won),
        auc=area(value, won, lead),
        lift=lift_at(value.tolist(), won.tolist()) if len(won) else None,
        calibration=_forecasts(panel, scores),
    )


def compare(panel: Panel, draft: PanelScores, active: PanelScores) -> Comparison:
    """The draft against the active rule set, row for row."""
    both = draft.scored & active.scored
    ours, theirs = (
        np.array([band.key for band in scores.rule_set.bands])[scores.band[both]]
        for scores in (draft, active)
    )
    found = gain(draft.value[both], active.value[both], panel.won[both], panel.lead[both])
    return Comparison(int(both.sum()), found, int((ours != theirs).sum()))


def known_facts(history: History, panel: Panel, until: datetime) -> dict[str, tuple[int, int]]:
    """For each fact: rows that knew it at their instant, and rows that know it at `until`."""
    late = np.full(len(panel), microseconds(until), np.int64)
    return {
        name: (_known(facts.at(panel.lead, panel.at)), _known(facts.at(panel.lead, late)))
        for name, facts in history.facts.items()
    }


def _known(column: Column) -> int:
    """How many leads have the fact."""
    if isinstance(column, Coded):
        return int(np.count_nonzero(column.codes))
    if isinstance(column, Numbers):
        return int(np.count_nonzero(~np.isnan(column.values)))
    return int(np.count_nonzero(column.at != NEVER))


def suspects(history: History, panel: Panel) -> list[ColumnReading]:
    """Facts that may know the outcome, as the rows have them: a question to a person.

    A CRM's formula field changes without a date of its own; so do columns of a file. Looked at in
    the last row of each lead, of `SAMPLED` leads at most.
    """
    lasts = len(panel) - 1 - np.unique(panel.lead[::-1], return_index=True)[1]
    n = min(len(lasts), SAMPLED)
    rows = lasts[np.arange(n) * len(lasts) // max(1, n)]
    won: list[bool] = panel.won[rows].tolist()
    if len(set(won)) < 2:
        return []
    facts = {
        name: cells(versions.at(panel.lead[rows], panel.at[rows]))
        for name, versions in history.facts.items()
        if name not in GROWING_FACTS
    }
    return leaky(facts, won)


def cells(column: Column) -> list[Cell]:
    """A column's values one by one, None where unknown; dates as microseconds since 1970."""
    if isinstance(column, Coded):
        values = [None, *(v if isinstance(v, str) else str(v) for v in column.values)]
        return [values[code] for code in column.codes.tolist()]
    if isinstance(column, Numbers):
        return [None if number != number else number for number in column.values.tolist()]
    return [None if at == NEVER else float(at) for at in column.at.tolist()]


def _band_rates(
    rule_set: RuleSet, band: np.ndarray[tuple[int], np.dtype[np.int8]], won: Flags
) -> list[BandRate]:
    rows = []
    for position, each in enumerate(rule_set.bands):
        inside = won[band == position]
        n, hits = len(inside), int(inside.sum())
        rows.append(BandRate(each.key, n, hits, hits / n if n else None, *wilson(hits, n)))
    return rows


def _forecasts(panel: Panel, scores: PanelScores) -> list[BandForecast]:
    """Rates of the earlier rows as forecasts; a row is earlier once its own horizon was over."""
    at: Integers = (panel.at if panel.order is None else panel.order)[scores.scored]
    if len(at) == 0:
        return []
    band, won = scores.band[scores.scored], panel.won[scores.scored]
    cut = np.sort(at)[min(len(at) - 1, int(len(at) * EARLIER))]
    late = at >= cut
    early = (at + panel.horizon_us <= cut) & ~late
    rates = zip(
        _band_rates(scores.rule_set, band[early], won[early]),
        _band_rates(scores.rule_set, band[late], won[late]),
        strict=True,
    )
    return [
        BandForecast(b.band, a.leads, a.rate, b.leads, b.rate, b.low, b.high)
        for a, b in rates
        if a.rate is not None and b.rate is not None
    ]
