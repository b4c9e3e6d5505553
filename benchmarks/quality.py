"""`python -m benchmarks.quality`: does a score say who converts? Measured on public data.

The data sets are not part of the project. They are looked for in the folder that LEADLIGHT_DATA
names, else in `../shared/data` beside the project; what is missing is named and skipped. The report
`docs/quality.md` is written only when nothing is missing. The same data give the same report.
"""

from __future__ import annotations

import csv
import os
import tempfile
from collections.abc import Callable, Hashable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from random import Random
from textwrap import wrap

import numpy as np
from numpy.typing import NDArray

from app.score_file import score_file
from benchmarks.bpi2012 import panel as bpi
from benchmarks.xeducation.leaks import CHECKS, XEDUCATION, leak_section
from scoring.backtest import PanelScores, Report, compare, report, score_panel
from scoring.inputs import microseconds
from scoring.panel import Panel
from scoring.quality import auc, calibration, lift_at, wilson

PROJECT = Path(__file__).parent.parent
REPORT = PROJECT / "docs" / "quality.md"
HERE = Path(__file__).parent
HALF_LIVES = (None, 1, 3, 7, 14, 30, 60)
HORIZONS = (7, 14, 30)
HORIZON = 14
LATER_INSTANTS = 4
BANDS = ("Hot", "Warm", "Nurture", "Low fit")
RESAMPLES, SEED = 500, 2012
WIDTH = 100
NOW = datetime(2026, 1, 1, tzinfo=UTC)  # no rule of these files reads the clock


BPI_LOG = "bpi2012/events.csv.gz"


# -- the words ------------------------------------------------------------------------------------

HEAD = """
# Quality

Does the score say who converts? Written by `python -m benchmarks.quality` from public data that are
not part of this project: name their folder in `LEADLIGHT_DATA`. The same data give the same report.
AUC is the chance that a converted lead scores above another one (.5 = a coin). Intervals are 95 %:
Wilson for rates, the bootstrap for AUC.
"""
XEDUCATION_TEXT = """
## Rules written by hand

X Education: inbound leads of a seller of online courses, scored by `leadlight score` with
[these rules](../benchmarks/xeducation/README.md). Lead Number rises with time.
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
7,455 of the log's 13,087 applications. Each Monday 00:00 UTC the engine scores every open one from
events dated before that instant, with [the same points](../benchmarks/bpi2012/README.md) at every
half-life. The label: accepted within the horizon after it. Mondays whose horizon runs past the
log's end are left out, or late acceptances would count as refusals. AUC over all rows, by horizon;
lift of the top tenth at 14 days.
"""
DECAY_LIMITS = """
What this does not show: that 14 days suits your funnel, or how well fitted points would do. The
points were chosen by hand before any AUC was seen, and not tuned. The shorter the horizon, the
smaller the gain, and a half-life much too short is worse than no decay. An application that stays
open is in several rows, so rows are not independent: the interval resamples whole applications.
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


def resampled(
    groups: Sequence[Hashable], statistic: Callable[[Sequence[int]], float | None]
) -> tuple[float, float]:
    """The 95 % percentile interval of a statistic of row numbers; whole groups are drawn."""
    members: dict[Hashable, list[int]] = {}
    for i, group in enumerate(groups):
        members.setdefault(group, []).append(i)
    random, kept = Random(SEED), list(members.values())
    found = []
    for _ in range(RESAMPLES):
        drawn = [i for rows in random.choices(kept, k=len(kept)) for i in rows]
        value = statistic(drawn)
        if value is not None:
            found.append(value)
    found.sort()
    return found[int(0.025 * len(found))], found[int(0.975 * len(found))]


# -- X Education: rules written by hand -----------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Scored:
    """One lead of the file as `leadlight score` left it."""

    number: int  # rises with time
    score: float
    band: str
    converted: bool


def scored_leads(folder: Path) -> list[Scored]:
    """X Education through `leadlight score`, in the order in which the leads came."""
    with tempfile.TemporaryDirectory(prefix="leadlight-quality-") as home:
        output = Path(home) / "scored.csv"
        rules, columns = (HERE / "xeducation" / f"{name}.yaml" for name in ("rules", "columns"))
        source = folder / XEDUCATION.path
        score_file(source, rules, columns, output, outcome=XEDUCATION.outcome, now=NOW)
        with output.open(encoding="utf-8", newline="") as stream:
            leads = [
                Scored(
                    int(row["Lead Number"]),
                    float(row["score"]),
                    row["band"],
                    row[XEDUCATION.outcome] == XEDUCATION.wins,
                )
                for row in csv.DictReader(stream)
            ]
    return sorted(leads, key=lambda lead: lead.number)


def in_thirds(leads: Sequence[Scored]) -> tuple[Sequence[Scored], Sequence[Scored]]:
    """The earlier two thirds and the later third."""
    cut = len(leads) * 2 // 3
    return leads[:cut], leads[cut:]


def xeducation_section(folder: Path) -> list[str]:
    """AUC, lift and conversion by band, over all and in the later third."""
    leads = scored_leads(folder)
    earlier, later = in_thirds(leads)
    parts = {"all leads": leads, "earlier two thirds": earlier, "later third": later}
    lines = [
        *XEDUCATION_TEXT.splitlines(),
        "",
        "| leads | n | base rate | AUC (95 %) | lift of the top tenth |",
    ]
    lines.append("|---|---|---|---|---|")
    for name, part in parts.items():
        scores, won = [lead.score for lead in part], [lead.converted for lead in part]
        base = sum(won) / len(won)
        low, high = resampled(range(len(won)), _auc_of(scores, won))
        lines.append(
            f"| {name} | {len(part):,} | {base:.1%} | {auc(scores, won):.3f} ({low:.3f} to"
            f" {high:.3f}) | {lift_at(scores, won):.2f} of at most {min(10, 1 / base):.2f} |"
        )
    lines += ["", "| band | earlier two thirds | later third |", "|---|---|---|"]
    lines += [f"| {band} | {_rate(earlier, band)} | {_rate(later, band)} |" for band in BANDS]
    lines += ["", *_forecast_table(earlier, later)]
    return [*lines, *XEDUCATION_LIMITS.splitlines()]


def _auc_of(
    scores: Sequence[float], won: Sequence[bool]
) -> Callable[[Sequence[int]], float | None]:
    return lambda rows: auc([scores[i] for i in rows], [won[i] for i in rows])


def _rate(leads: Sequence[Scored], band: str) -> str:
    won = [lead.converted for lead in leads if lead.band == band]
    low, high = wilson(sum(won), len(won))
    return f"{sum(won):,} of {len(won):,} = {sum(won) / len(won):.1%} ({low:.1%} to {high:.1%})"


def _forecast_table(earlier: Sequence[Scored], later: Sequence[Scored]) -> list[str]:
    """The earlier leads' rate in each band, held against what the later ones did."""
    rates = {}
    for band in BANDS:
        won = [lead.converted for lead in earlier if lead.band == band]
        rates[band] = sum(won) / len(won)
    table = calibration([rates[lead.band] for lead in later], [lead.converted for lead in later])
    lines = [
        "Calibration: the earlier leads' rate in a band as the forecast for the later third.",
        "",
        "| n | forecast | observed (95 %) | inside |",
        "|---|---|---|---|",
    ]
    for row in reversed(table):
        inside = "yes" if row.low <= row.forecast <= row.high else "no"
        lines.append(
            f"| {row.n:,} | {row.forecast:.1%} | {row.observed:.1%}"
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
        panel = replace(
            self.panel,
            lead=self.panel.lead[rows], at=self.panel.at[rows], won=self.panel.won[rows],
        )  # fmt: skip
        scores = {
            each: replace(found, value=found.value[rows], band=found.band[rows])
            for each, found in self.scores.items()
        }
        return Weeks(panel, scores)

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
