"""A draft beside the active rules: one weight, one condition or one half-life is another."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from itertools import cycle, islice
from statistics import median
from typing import Any

import numpy as np

from benchmarks.engine.sizes import Sizes
from benchmarks.engine.table import Row, at_most, times_faster
from benchmarks.estate import CUSTOM, NOW, Estate, document, estate
from benchmarks.measure import no_collector, percentile, say, seconds, spoken
from scoring.kernel import ColumnScorer
from scoring.preview import Preview
from scoring.rules import RuleSet, parse_rule_set
from scoring.scores import MILLI

Document = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Edits:
    """Rows of the table, and seconds of every draft by what was changed, for the picture."""

    rows: list[Row]
    times: dict[str, list[float]]


def edits(great: Estate, sizes: Sizes, full: float, polars: float) -> Edits:
    """Check drafts on few leads, then measure; `full` and `polars`: seconds of scoring all."""
    say("drafts: comparing with the real thing")
    weights = list(islice(cycle(_drafts(_other_weight)), sizes.edits))
    others = [*_drafts(_other_half_life), *_drafts(_other_condition)]
    _check(estate(sizes.small), [*_drafts(_other_weight), *others])
    say("drafts: measuring")
    times = {
        "weight": _measured(great, weights),
        "weight, fewer": _measured(estate(sizes.middle), weights),
        "condition or half-life": _measured(great, others),
    }
    text = json.dumps(document())
    reading = median(seconds(lambda: parse_rule_set(text, fields=CUSTOM)) for _ in range(9))
    rows = [*_rows(times, great.columns.n, sizes.middle, full, polars),
            Row("a draft read and checked", spoken(reading), "–", "–", "–", "–", None)]  # fmt: skip
    return Edits(rows, times)


def _rows(
    times: dict[str, list[float]], leads: int, fewer: int, full: float, polars: float
) -> list[Row]:
    what = "one weight changed: scores, bounds, bands, histogram, movers"
    p95 = {name: percentile(took, 0.95) for name, took in times.items()}
    work, name = "one condition or half-life changed", "condition or half-life"
    return [
        times_faster(f"{what}, {leads:,} leads, p50", median(times["weight"]),
                     "Polars, everything anew", polars, 250),
        at_most(f"the same, p95 of {len(times['weight'])} edits", p95["weight"], 20e-3),
        at_most(f"the same, {fewer:,} leads, p95", p95["weight, fewer"], 3e-3),
        times_faster(f"{work}, {leads:,} leads, p50 of {len(times[name])} edits",
                     median(times[name]), "full rescore", full, 4),
        times_faster("the same, the slowest edit", max(times[name]), "full rescore", full, 4),
    ]  # fmt: skip


def _measured(great: Estate, drafts: list[RuleSet]) -> list[float]:
    preview = Preview(great.rule_set, great.columns, NOW)
    preview.compare(drafts[0])
    with no_collector():
        return [seconds(lambda draft=draft: preview.compare(draft)) for draft in drafts]


def _check(few: Estate, drafts: list[RuleSet]) -> None:
    """Raises AssertionError unless every preview is what scoring by the draft gives."""
    preview = Preview(few.rule_set, few.columns, NOW)
    before = ColumnScorer(few.rule_set, few.columns).score(NOW)
    for draft in drafts:
        change, after = preview.compare(draft), ColumnScorer(draft, few.columns).score(NOW)
        for name in ("value", "low", "high", "band", "certain", "dimensions"):
            if not np.array_equal(getattr(change.scores, name), getattr(after, name)):
                raise AssertionError(f"a draft's {name} differs from the preview's")
        moved = np.flatnonzero(before.band != after.band)
        bars = np.bincount(after.value // MILLI, minlength=len(change.bars_after))
        if not np.array_equal(change.movers, moved) or not np.array_equal(change.bars_after, bars):
            raise AssertionError("a draft moves other leads than the preview says")
        if change.changed != int((before.value != after.value).sum()):
            raise AssertionError("a draft changes other scores than the preview says")


# -- drafts ----------------------------------------------------------------------------------------


def _drafts(change: Callable[[Document], bool]) -> Iterator[RuleSet]:
    """For each rule that `change` can change, a document where it did."""
    for position in range(len(_rules(document()))):
        content = document()
        if change(_rules(content)[position]):
            draft, problems = parse_rule_set(json.dumps(content), fields=CUSTOM)
            if draft is None:
                raise AssertionError("; ".join(map(str, problems)))
            yield draft


def _rules(content: Document) -> list[Document]:
    return [
        rule
        for dimension in content["dimensions"].values()
        for group in dimension["groups"]
        for rule in group["rules"]
    ]


def _other_weight(rule: Document) -> bool:
    points = rule["points"]
    if isinstance(points, dict):
        first = next(iter(points))
        points[first] += 1
    else:
        rule["points"] = points + (1 if points > 0 else -1)
    return True


def _other_half_life(rule: Document) -> bool:
    if "decay" in rule:
        rule["decay"]["half_life_days"] *= 1.5
    return "decay" in rule


#: Another condition for some rules: few distinct values, thousands, hundreds of thousands, numbers,
#: counts and addresses.
_CONDITIONS: dict[str, Document] = {
    "t3": {"job_title": {"matches": r"\b(intern|engineer)\b"}},
    "core": {"industry": {"contains": ["software", "saas", "media"]}},
    "market": {"country": ["US", "GB", "DE", "CA", "FR"]},
    "dom": {"domain": {"matches": r"^company\d{1,4}\.example$"}},
    "nps_high": {"nps": {"at_least": 8}},
    "both": {"any": [{"country": "US"}, {"industry": "insurance"}]},
    "n1": {"notes": {"matches": r"\b(budget|later)\b"}},
    "n3": {"notes": {"contains": ["later", "urgent"]}},
    "trial": {"trial_at": {"within_days": 45}},
    "often": {"engagement": {"kind": "page_visit", "count": {"at_least": 4}, "within_days": 7}},
}


def _other_condition(rule: Document) -> bool:
    if rule["id"] == "careers":
        rule["each"]["url"] = {"contains": "customers"}
        return True
    if rule["id"] in _CONDITIONS:
        rule["when"] = _CONDITIONS[rule["id"]]
    return rule["id"] in _CONDITIONS
