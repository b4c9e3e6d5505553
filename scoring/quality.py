"""How good a score is, and how sure that is: rates, separation, lift, calibration, leaks."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from math import isfinite, sqrt

#: A column that alone separates this well knows more than honest columns do.
SEPARATES = 0.80
#: A value is one-sided when, at 95 %, its leads show at most a tenth of the other outcome's usual
#: share. Such values count once they hold this share of all leads with that outcome.
ONE_SIDED, ONE_SIDED_SHARE = 0.1, 0.1
#: Knowing only whether the column is filled in separates this well.
FILLED_IN = 0.55
#: Words that name a snapshot, a verdict or a stage: things written while or after a lead is worked.
TELLING_WORDS = frozenset(
    {"last", "latest", "tag", "tags", "quality", "rating", "grade", "score", "index", "status"}
    | {"stage", "outcome", "result", "reason", "won", "lost", "close", "closed", "converted"}
)
_FOLDS, _NUMBER_BINS, _LEAST_LEADS, _PRIOR = 5, 20, 20, 10.0

Cell = str | float | None


def wilson(successes: int, n: int, z: float = 1.959964) -> tuple[float, float]:
    """The score interval of a share (E. B. Wilson, 1927, JASA 22:209-212), 95 % by default.

    Unlike the textbook interval it stays inside 0 to 1 and holds for few leads and for rates near
    0 or 1; with no leads at all it is (0, 1). Raises ValueError for impossible counts.
    """
    if not 0 <= successes <= n:
        raise ValueError(f"{successes} of {n} is not a share")
    if n == 0:
        return 0.0, 1.0
    rate = successes / n
    centre = (rate + z * z / (2 * n)) / (1 + z * z / n)
    half = z / (1 + z * z / n) * sqrt(rate * (1 - rate) / n + z * z / (4 * n * n))
    low = 0.0 if successes == 0 else max(0.0, centre - half)
    high = 1.0 if successes == n else min(1.0, centre + half)
    return low, high


def auc(scores: Sequence[float], outcomes: Sequence[bool]) -> float | None:
    """The chance that a lead with the outcome outscores one without, ties half; None if one kind.

    Mann and Whitney's U over the number of pairs (1947, Ann. Math. Stat. 18:50-60). Raises
    ValueError when the two differ in length or a score is not a number.
    """
    leads, converted = _counts(scores, outcomes)
    positives = converted.total()
    negatives = len(outcomes) - positives
    if not positives or not negatives:
        return None
    below, twice = 0, 0  # whole numbers: half a tie would round in large files
    for score in sorted(leads):
        others = leads[score] - converted[score]
        twice += converted[score] * (2 * below + others)
        below += others
    return twice / (2 * positives * negatives)


def lift_at(scores: Sequence[float], outcomes: Sequence[bool], share: float = 0.1) -> float | None:
    """How many times the base rate the best `share` of leads converts; None without an outcome.

    Leads tied at the cut count by the part of them that still fits, so order does not matter.
    """
    if not 0 < share <= 1:
        raise ValueError(f"{share} is not a share of the leads")
    leads, converted = _counts(scores, outcomes)
    if not converted.total():
        return None
    wanted = max(1, round(len(outcomes) * share))
    left, found = float(wanted), 0.0
    for score in sorted(leads, reverse=True):
        part = min(1.0, left / leads[score])
        found += part * converted[score]
        left -= part * leads[score]
        if left <= 0:
            break
    return found / wanted / (converted.total() / len(outcomes))


def _counts(
    scores: Sequence[float], outcomes: Sequence[bool]
) -> tuple[Counter[float], Counter[float]]:
    """Leads per score, and those with the outcome."""
    pairs = list(zip(scores, outcomes, strict=True))
    if any(score != score for score, _ in pairs):
        raise ValueError("a score is not a number")
    return Counter(score for score, _ in pairs), Counter(score for score, won in pairs if won)


@dataclass(frozen=True, slots=True)
class CalibrationRow:
    """Leads of about the same forecast: what was promised and what came."""

    n: int
    forecast: float  # mean
    observed: float
    low: float  # 95 % interval of what was observed
    high: float


def calibration(
    forecasts: Sequence[float], outcomes: Sequence[bool], rows: int = 10
) -> list[CalibrationRow]:
    """Forecast chance against observed rate, lowest first, in up to `rows` groups of equal size.

    Equal forecasts stay together. Raises ValueError for a forecast outside 0 to 1.
    """
    if any(not 0 <= forecast <= 1 for forecast in forecasts):
        raise ValueError("a forecast is a chance between 0 and 1")
    leads, converted = _counts(forecasts, outcomes)
    table: list[CalibrationRow] = []
    group: list[float] = []
    done = 0
    for forecast in sorted(leads):
        group.append(forecast)
        done += leads[forecast]
        if done * rows >= len(outcomes) * (len(table) + 1):
            n = sum(leads[each] for each in group)
            won = sum(converted[each] for each in group)
            mean = sum(each * leads[each] for each in group) / n
            table.append(CalibrationRow(n, mean, won / n, *wilson(won, n)))
            group = []
    return table


@dataclass(frozen=True, slots=True)
class ColumnReading:
    """What one column gives away about the outcome."""

    column: str
    auc: float  # of the column alone, each lead judged by other leads only
    one_sided: float  # share of leads of one outcome whose value all but settles that outcome
    filled_in: float  # AUC of "is it filled in?" alone, at least .5
    words: tuple[str, ...]  # words of its name that tell of an after-the-fact column

    @property
    def reasons(self) -> tuple[str, ...]:
        """Why the column may know the outcome, strongest first; empty = nothing was found."""
        found = []
        if self.auc >= SEPARATES:
            found.append(f"alone it separates with AUC {self.auc:.3f}")
        if self.one_sided >= ONE_SIDED_SHARE:
            found.append(f"values that settle the outcome of {self.one_sided:.0%} of such leads")
        if self.filled_in >= FILLED_IN:
            found.append(f"being filled in alone gives AUC {self.filled_in:.3f}")
        if self.words:
            found.append(f"its name says {', '.join(self.words)}")
        return tuple(found)

    @property
    def by_values(self) -> bool:
        """Whether the values themselves give it away, whatever the name."""
        return self.auc >= SEPARATES or self.one_sided >= ONE_SIDED_SHARE


def leaky(columns: Mapping[str, Sequence[Cell]], outcome: Sequence[bool]) -> list[ColumnReading]:
    """The columns that may not have been known before the outcome, each with its reasons.

    A question to a person, not a verdict: a column that was filled in late and separates no better
    than honest ones is found by its name or not at all.
    """
    return [found for found in read_leaks(columns, outcome) if found.reasons]


def read_leaks(
    columns: Mapping[str, Sequence[Cell]], outcome: Sequence[bool]
) -> list[ColumnReading]:
    """What every column gives away; None and blank text are "not filled in", numbers are binned.

    Raises ValueError when a column is not as long as the outcome, or only one outcome occurs.
    """
    if len(set(map(bool, outcome))) < 2:
        raise ValueError("finding leaks needs leads with the outcome and leads without it")
    return [_reading(name, cells, outcome) for name, cells in columns.items()]


def _reading(name: str, cells: Sequence[Cell], outcome: Sequence[bool]) -> ColumnReading:
    if len(cells) != len(outcome):
        raise ValueError(f"{name} has {len(cells)} cells for {len(outcome)} outcomes")
    values = _binned([None if _is_blank(cell) else cell for cell in cells])
    filled = auc([value is not None for value in values], outcome)
    assert filled is not None  # both outcomes occur
    words = re.findall(r"[a-z]+", re.sub(r"(?<=[a-z])(?=[A-Z])", " ", name).lower())
    return ColumnReading(
        column=name,
        auc=_auc_by_others(values, outcome),
        one_sided=_one_sided(values, outcome),
        filled_in=max(filled, 1 - filled),
        words=tuple(word for word in dict.fromkeys(words) if word in TELLING_WORDS),
    )


def _is_blank(cell: Cell) -> bool:
    if isinstance(cell, str):
        return not cell.strip()
    return cell is None or not isfinite(cell)


def _binned(cells: Sequence[Cell]) -> list[Cell]:
    """Columns of numbers as their quantile bins; columns with any text as they are."""
    known = [cell for cell in cells if cell is not None]
    numbers = sorted(cell for cell in known if not isinstance(cell, str))
    if len(numbers) < len(known):
        return list(cells)
    bins: dict[Cell, Cell] = {None: None}
    for rank, number in enumerate(numbers):  # equal numbers share the bin of the first of them
        bins.setdefault(number, rank * _NUMBER_BINS // len(numbers))
    return [bins[cell] for cell in cells]


def _auc_by_others(values: Sequence[Cell], outcome: Sequence[bool]) -> float:
    """AUC of each value's rate among the leads of the other folds, so that an id gives .5."""
    base = sum(outcome) / len(outcome)
    leads, won = Counter(values), Counter(v for v, y in zip(values, outcome, strict=True) if y)
    area = weight = 0.0
    for fold in range(_FOLDS):
        part = list(zip(values[fold::_FOLDS], outcome[fold::_FOLDS], strict=True))
        own, own_won = Counter(v for v, _ in part), Counter(v for v, y in part if y)
        rates = [
            (won[v] - own_won[v] + base * _PRIOR) / (leads[v] - own[v] + _PRIOR) for v, _ in part
        ]
        found = auc(rates, [y for _, y in part])
        if found is not None:
            pairs = own_won.total() * (len(part) - own_won.total())
            area, weight = area + found * pairs, weight + pairs
    return area / weight if weight else 0.5


def _one_sided(values: Sequence[Cell], outcome: Sequence[bool]) -> float:
    """The larger share, over both outcomes, of leads whose value goes with that outcome only.

    "Not filled in" is no value here: it has a measure of its own.
    """
    leads = Counter(values)
    share = 0.0
    for wanted in (True, False):
        with_it = Counter(v for v, y in zip(values, outcome, strict=True) if bool(y) is wanted)
        usual = 1 - with_it.total() / len(outcome)
        settled = sum(
            with_it[value]
            for value, n in leads.items()
            if value is not None
            and n >= _LEAST_LEADS
            and wilson(n - with_it[value], n)[1] <= usual * ONE_SIDED
        )
        share = max(share, settled / with_it.total())
    return share
