"""`python -m benchmarks.quality`: does a score say who converts? Measured on public data.

The data sets are not part of the project. They are looked for in the folder that LEADLIGHT_DATA
names, else in `../shared/data` beside the project; what is missing is named and skipped. The report
`docs/quality.md` is written only when nothing is missing. The same data give the same report.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from textwrap import wrap

import numpy as np
from numpy.typing import NDArray

from app.backtest_file import FileBacktest, backtest_file
from benchmarks.bpi2012 import panel as bpi
from benchmarks.xeducation.leaks import CHECKS, XEDUCATION, leak_section
from scoring.backtest import PanelScores, Report, compare, report, score_panel
from scoring.inputs import microseconds
from scoring.panel import Panel
from scoring.separation import BandRate

PROJECT = Path(__file__).parent.parent
REPORT = PROJECT / "docs" / "quality.md"
HERE = Path(__file__).parent
HALF_LIVES = (None, 1, 3, 7, 14, 30, 60)
HORIZONS = (7, 14, 30)
HORIZON = 14
LATER_INSTANTS = 4
WIDTH = 100
NOW = datetime(2026, 1, 1, tzinfo=UTC)  # no rule of these files reads the clock


BPI_LOG = "bpi2012/events.csv.gz"


# -- the words ------------------------------------------------------------------------------------

HEAD = """
# Quality

Does the score say who converts? Written by `python -m benchmarks.quality` from public data that are
not part of this project: name their folder in `LEADLIGHT_DATA`. The same data give the same report.
AUC is the chance that a converted lead scores above another one (.5 = a coin). Intervals are 95 %:
Wilson for rates, DeLong for AUC, with all rows of one application taken together (Obuchowski).
"""
XEDUCATION_TEXT = """
## Rules written by hand

X Education: inbound leads of a seller of online courses, through `leadlight backtest` with
[these rules](../benchmarks/xeducation/README.md), earlier and later by Lead Number.
"""
XEDUCATION_LIMITS = """
What this does not show: the person who chose the points had seen the rates of the whole file. So
the later third tells whether the rules hold over time, not how rules would do that were written
before. Occupation and specialization were partly filled in later (see the leak guard). Bands keep
their order, but a band's rate moves with the base rate: two of four forecasts miss. Read the rates
anew from your own recent leads.
"""
DECAY_TEXT = """
## What decay is worth

BPI Challenge 2012: a bank's loan applications, event by event; a copy that ends with 2011 and holds
7,455 of the log's 13,087 applications. The weekly panel of the product's own
[backtest](backtest.md): each Monday 00:00 UTC every open one is scored from events dated before
that instant, with [the same points](../benchmarks/bpi2012/README.md) at every half-life. The label:
accepted within the horizon after it. Mondays whose horizon runs past the log's end are left out, or
late acceptances would count as refusals. AUC over all rows, by horizon; lift of the top tenth at 14
days.
"""
DECAY_LIMITS = """
What this does not show: that 14 days suits your funnel, or how well fitted points would do. The
points were chosen by hand before any AUC was seen, and not tuned. The shorter the horizon, the
smaller the gain, and a half-life much too short is worse than no decay. An application that stays
open is in several rows, so rows are not independent: the interval takes them together.
"""


def data_folder() -> Path:
    """Where the data sets are looked for; it may not exist."""
    return Path(os.environ.get("LEADLIGHT_DATA") or PROJECT.parent / "shared" / "data")


def main() -> None:
    """Measure what is there; write the report when nothing is missing, else print it."""
    folder = data_folder()
    parts: list[tuple[tuple[str, ...], Callable[[Path], list[str]]]] = [
        ((XEDUCATION.path,), xeducation_section),
        ((BPI_LOG,), decay_section),
        ((XEDUCATION.path, *(check.path for check in CHECKS)), leak_section),
    ]
    lines = HEAD.strip().splitlines()
    missing = set()
    for paths, section in parts:
        gone = {path for path in paths if not (folder / path).is_file()}
        missing |= gone
        if not gone:
            lines += section(folder)
    text = "\n".join([*lines, ""])
    if missing:
        print(text)
        print(f"Skipped, not in {folder}: {', '.join(sorted(missing))}.")
        print("Name the folder that has them in LEADLIGHT_DATA. The report was left as it is.")
        return
    REPORT.write_text(text, "utf-8")
    print(f"Written to {REPORT.relative_to(PROJECT)}.")


# -- X Education: rules written by hand -----------------------------------------------------------


def scored_leads(folder: Path) -> FileBacktest:
    """X Education through `leadlight backtest`, earlier and later by Lead Number."""
    rules, columns = (HERE / "xeducation" / f"{name}.yaml" for name in ("rules", "columns"))
    source = folder / XEDUCATION.path
    return backtest_file(source, rules, columns, XEDUCATION.outcome, NOW, order="Lead Number")


def in_thirds(found: FileBacktest) -> tuple[NDArray[np.bool_], NDArray[np.bool_]]:
    """The rows of the earlier two thirds, and those of the later."""
    assert found.panel.order is not None
    later = found.panel.order >= len(found.panel) * 2 // 3
    return ~later, later


def report_on(found: FileBacktest, rows: NDArray[np.bool_]) -> Report:
    """The report of some of the rows."""
    return report(*part_of(found.panel, found.scores, rows))


def part_of(
    panel: Panel, scores: PanelScores, rows: NDArray[np.bool_]
) -> tuple[Panel, PanelScores]:
    """Some rows of a panel with their scores."""
    order = None if panel.order is None else panel.order[rows]
    return (
        replace(panel, lead=panel.lead[rows], at=panel.at[rows], won=panel.won[rows], order=order),
        replace(scores, value=scores.value[rows], band=scores.band[rows]),
    )


def xeducation_section(folder: Path) -> list[str]:
    """AUC, lift and conversion by band, over all and in the later third."""
    found = scored_leads(folder)
    earlier, later = in_thirds(found)
    parts = {
        "all leads": report_on(found, earlier | later),
        "earlier two thirds": report_on(found, earlier),
        "later third": report_on(found, later),
    }
    lines = [
        *XEDUCATION_TEXT.splitlines(),
        "",
        "| leads | n | base rate | AUC (95 %) | lift of the top tenth |",
    ]
    lines.append("|---|---|---|---|---|")
    for name, part in parts.items():
        base = part.won / part.rows
        assert part.auc is not None  # both outcomes occur
        lines.append(
            f"| {name} | {part.rows:,} | {base:.1%} | {part.auc.value:.3f} ({part.auc.low:.3f} to"
            f" {part.auc.high:.3f}) | {part.lift:.2f} of at most {min(10, 1 / base):.2f} |"
        )
    labels = {band.key: band.label for band in found.scores.rule_set.bands}
    lines += ["", "| band | earlier two thirds | later third |", "|---|---|---|"]
    lines += [
        f"| {labels[was.band]} | {_rate(was)} | {_rate(now)} |"
        for was, now in zip(
            parts["earlier two thirds"].bands, parts["later third"].bands, strict=True
        )
    ]
    lines += ["", *_forecast_table(parts["all leads"])]
    return [*lines, *XEDUCATION_LIMITS.splitlines()]


def _rate(row: BandRate) -> str:
    return (
        f"{row.converted:,} of {row.leads:,} = {row.converted / row.leads:.1%}"
        f" ({row.low:.1%} to {row.high:.1%})"
    )


def _forecast_table(found: Report) -> list[str]:
    """The earlier leads' rate in each band, held against what the later ones did."""
    lines = [
        "Calibration: the earlier leads' rate in a band as the forecast for the later third.",
        "",
        "| n | forecast | observed (95 %) | inside |",
        "|---|---|---|---|",
    ]
    for row in found.calibration:
        inside = "yes" if row.holds else "no"
        lines.append(
            f"| {row.later:,} | {row.forecast:.1%} | {row.observed:.1%}"
            f" ({row.low:.1%} to {row.high:.1%}) | {inside} |"
        )
    return lines


# -- BPI 2012: what decay is worth ----------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Weeks:
    """The weekly panel for one horizon, and the reports of every half-life over it."""

    panel: Panel
    scores: Mapping[int | None, PanelScores]

    def part(self, rows: NDArray[np.bool_]) -> Weeks:
        """The same for some of the rows."""
        scores = {e: part_of(self.panel, each, rows)[1] for e, each in self.scores.items()}
        return Weeks(part_of(self.panel, self.scores[None], rows)[0], scores)

    def report(self, half_life: int | None) -> Report:
        """What a half-life comes to."""
        return report(self.panel, self.scores[half_life])

    def auc(self, half_life: int | None) -> float:
        """Its AUC."""
        found = self.report(half_life).auc
        assert found is not None  # both outcomes occur
        return found.value


def weeks(log: bpi.Log, days: int) -> Weeks:
    """Every open application on every Monday, scored at every half-life."""
    leads, panel = bpi.weekly_panel(log, timedelta(days=days))
    rules = [bpi.rules_with(HERE / "bpi2012" / "rules.yaml", each) for each in HALF_LIVES]
    return Weeks(panel, dict(zip(HALF_LIVES, score_panel(leads, panel, rules), strict=True)))


def decay_section(folder: Path) -> list[str]:
    """AUC per half-life, a choice made on earlier Mondays, and the poison check."""
    log = bpi.read_log(folder / BPI_LOG)
    panels = {days: weeks(log, days) for days in HORIZONS}
    main_panel = panels[HORIZON]
    lines = [
        *DECAY_TEXT.splitlines(),
        "",
        "| half-life |" + "".join(f" {d} days |" for d in HORIZONS) + " lift |",
    ]
    lines.append("|---|" + "---|" * (len(HORIZONS) + 1))
    for each in HALF_LIVES:
        cells = "".join(f" {panels[days].auc(each):.3f} |" for days in HORIZONS)
        lines.append(f"| {_days(each)} |{cells} {main_panel.report(each).lift:.2f} |")
    counts: dict[str, Callable[[Panel], str]] = {
        "rows": lambda p: f"{len(p):,}",
        "applications": lambda p: f"{len(np.unique(p.lead)):,}",
        "accepted": lambda p: f"{p.won.mean():.1%}",
        "Mondays": lambda p: str(len(bpi.mondays(p))),
        "rows left out as immature": lambda p: f"{p.excluded['immature']:,}",
    }
    for label, count in counts.items():
        cells = "".join(f" {count(panels[days].panel)} |" for days in HORIZONS)
        lines.append(f"| {label} |{cells} |")
    lines += ["", *_chosen_earlier(main_panel)]
    lines += ["", *_poison(log, bpi.mondays(main_panel.panel))]
    return [*lines, *DECAY_LIMITS.splitlines()]


def _chosen_earlier(found: Weeks) -> list[str]:
    start = bpi.mondays(found.panel)[-LATER_INSTANTS]
    begin = microseconds(start) - 1
    # A label is known when its horizon is over: nearer Mondays may not take part in the choice.
    early = found.part(found.panel.at + found.panel.horizon_us <= begin)
    late = found.part(found.panel.at >= begin)
    best = max(HALF_LIVES, key=early.auc)
    gained = compare(late.panel, late.scores[best], late.scores[None]).gain
    assert gained is not None
    return wrap(
        f"Chosen on Mondays whose {HORIZON} days were over by {start:%Y-%m-%d}"
        f" ({len(early.panel):,} rows): {_days(best)}. On the {LATER_INSTANTS} Mondays from then on"
        f" ({len(late.panel):,} rows): **AUC {late.auc(best):.3f} against {late.auc(None):.3f}"
        f" without decay**, a gain of {gained.value:.3f} (95 %: {gained.low:.3f} to"
        f" {gained.high:.3f}).",
        WIDTH,
    )


def _poison(log: bpi.Log, mondays: Sequence[datetime]) -> list[str]:
    rules = bpi.rules_with(HERE / "bpi2012" / "rules.yaml", HORIZON)
    found = bpi.look_ahead(log, mondays, timedelta(days=HORIZON), rules)
    return wrap(
        f"Poison check: for each Monday everything from that instant on was made up anew. In"
        f" {found.rows:,} rows, {found.moved} came or went and **{found.scores} scores changed**"
        f" (half-life {HORIZON} days), while {found.labels:,} labels did. The check can fail:"
        f" scored {HORIZON} days late, {found.control:,} scores change.",
        WIDTH,
    )


def _days(half_life: int | None) -> str:
    if half_life is None:
        return "no decay"
    return f"{half_life} day" + ("" if half_life == 1 else "s")


if __name__ == "__main__":
    main()
