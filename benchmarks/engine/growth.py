"""Does the time for one lead stay the same when there are more of them?"""

from __future__ import annotations

from dataclasses import dataclass
from statistics import median

from benchmarks.engine.sizes import Sizes
from benchmarks.engine.table import Row
from benchmarks.estate import NOW, estate
from benchmarks.measure import by_turns, say, spoken
from scoring.kernel import ColumnScorer

ONE_BLOCK = (
    "Growth: leads are taken in blocks of 16,384, so ten thousand are one block on one thread, and"
    " what a block costs whatever its size is shared by fewer leads."
)


@dataclass(frozen=True, slots=True)
class Growth:
    """Rows of the table, and seconds a lead by number of leads."""

    rows: list[Row]
    each: dict[int, float]


def growth(sizes: Sizes, full: float) -> Growth:
    """`full`: seconds of a full rescore of the great estate."""
    say("growth")
    each = {leads: _rescore(leads, sizes) / leads for leads in (sizes.small, sizes.middle)}
    each[sizes.leads] = full / sizes.leads
    ratio = max(each.values()) / min(each.values())
    shown = " / ".join(spoken(took) for took in each.values())
    work = " / ".join(f"{leads:,}" for leads in each)
    least = min(each.values())
    work = f"full rescore of {work} leads, time for one lead"
    row = Row(work, shown, "the least of them", spoken(least), f"{ratio:.2f}x",
              "flat within 1.5x", ratio <= 1.5, ONE_BLOCK)  # fmt: skip
    return Growth([row], each)


def _rescore(leads: int, sizes: Sizes) -> float:
    """Seconds of a full rescore with nothing worked out before."""
    world = estate(leads)
    scorer = ColumnScorer(world.rule_set, world.columns)
    scorer.score(NOW)
    fresh = [scorer]

    def forget() -> None:
        fresh[0] = scorer.over(world.columns)

    runs = by_turns({"full": lambda: fresh[0].score(NOW)}, 3 * sizes.rounds, {"full": forget})
    return median(runs["full"])
