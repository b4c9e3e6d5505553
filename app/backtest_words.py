"""What a backtest found, as plain values and in words."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

from scoring.areas import Area
from scoring.backtest import Comparison, PanelScores, Report, compare, report
from scoring.bands import band_label
from scoring.facts import FACTS
from scoring.panel import (
    EXCLUSIONS,
    AtFirstTouch,
    AtSla,
    BeforeOutcome,
    Instant,
    Panel,
    Weekly,
)
from scoring.quality import ColumnReading
from scoring.rule_set import RuleSet

#: Why a row of a file is not in the panel.
FILE_EXCLUSIONS = {
    "rejected": "not readable",
    "no_outcome": "without a readable outcome",
    "undated": "without a time of creation",
}
#: A fact is named as learned late when so much less of the rows knew it at their instant.
LATE = 0.9
#: Facts that are named one by one.
SHOWN = 5


def summary(
    panel: Panel, scores: Sequence[PanelScores], names: Sequence[str], head: Mapping[str, Any]
) -> dict[str, Any]:
    """What `--json` prints: `head`, then counts, then each rule set; the first is the draft."""
    told: dict[str, Any] = {
        **head,
        "rows": len(panel),
        "leads": len(set(panel.lead.tolist())),
        "converted": int(panel.won.sum()),
        "excluded": {name: n for name, n in panel.excluded.items() if n},
        "rule_sets": [
            _rule_set(name, each, report(panel, each))
            for name, each in zip(names, scores, strict=True)
        ],
    }
    if len(scores) > 1:
        told["comparison"] = _comparison(compare(panel, scores[0], scores[1]))
    return told


def _rule_set(name: str, scores: PanelScores, found: Report) -> dict[str, Any]:
    rules = scores.rule_set
    return {
        "which": name,
        "name": rules.name,
        "hash": rules.hash,
        "rows": found.rows,
        "converted": found.won,
        "suppressed": found.suppressed,
        "suppressed_converted": found.suppressed_won,
        "bands": [
            {
                "band": band_label(rules, row.band),
                "leads": row.leads,
                "converted": row.converted,
                "rate": _rounded(row.rate),
                "low": _rounded(row.low),
                "high": _rounded(row.high),
            }
            for row in found.bands
        ],
        "auc": _area(found.auc),
        "top_tenth_lift": _rounded(found.lift),
        "calibration": [
            {
                "band": band_label(rules, row.band),
                "earlier_leads": row.earlier,
                "forecast": _rounded(row.forecast),
                "later_leads": row.later,
                "observed": _rounded(row.observed),
                "low": _rounded(row.low),
                "high": _rounded(row.high),
                "holds": row.holds,
            }
            for row in found.calibration
        ],
    }


def _comparison(found: Comparison) -> dict[str, Any]:
    return {"rows": found.rows, "auc_gain": _area(found.gain), "other_band": found.moved}


def _area(found: Area | None) -> dict[str, float | None] | None:
    if found is None:
        return None
    parts = {"value": found.value, "low": found.low, "high": found.high}
    return {name: _rounded(part) for name, part in parts.items()}


def _rounded(value: float | None) -> float | None:
    return None if value is None else round(value, 4)


def late_facts(known: Mapping[str, tuple[int, int]], rows: int) -> list[dict[str, Any]]:
    """Facts of which clearly less was known at the instants than is known now."""
    return [
        {"fact": name, "then": _rounded(then / rows), "now": _rounded(now / rows)}
        for name, (then, now) in sorted(known.items())
        if rows and then < now * LATE
    ]


def suspicions(found: Sequence[ColumnReading]) -> list[dict[str, Any]]:
    """What the leak guard says, as plain values."""
    return [{"fact": each.column, "reasons": list(each.reasons)} for each in found]


# -- in words ------------------------------------------------------------------------------------


def instant_words(instant: Instant) -> str:
    """When leads are looked at."""
    match instant:
        case AtSla(seconds):
            return f"{duration(seconds)} after creation"
        case AtFirstTouch():
            return "just before our side first wrote, called or spoke"
        case BeforeOutcome(days):
            return f"{days:g} days before the first success, the others at the same ages"
        case Weekly():
            return "each Monday 00:00 UTC while open, from what was dated before it"


def duration(seconds: float) -> str:
    """Seconds in the largest unit that they are a whole number of."""
    for unit, size in (("days", 86_400), ("hours", 3_600), ("minutes", 60)):
        if seconds >= size and seconds % size == 0:
            return f"{seconds / size:g} {unit if seconds != size else unit[:-1]}"
    return f"{seconds:g} seconds"


def notes_on(
    instant: Instant | None, rule_sets: Sequence[RuleSet], left_out: Sequence[str]
) -> list[str]:
    """What a reader of the numbers has to know."""
    notes = []
    if left_out:
        listed = ", ".join(_label(name) for name in left_out)
        notes.append(
            f"Unknown at every instant, because they move with the outcome or count up without a"
            f" date: {listed}."
        )
    if isinstance(instant, BeforeOutcome):
        notes.append(
            "This cut-off depends on the outcome. Leads without success are looked at as old as a"
            " lead with one was, so age alone tells nothing; what people do shortly before they buy"
            " still does. For honest rates use --at sla or --at first-touch."
        )
    if isinstance(instant, Weekly):
        notes.append(
            "A lead is in a row for every week, so the intervals of the bands are too narrow; those"
            " of the AUC count each lead once."
        )
    if any(b.capacity or b.dwell_days or b.leave_at for r in rule_sets for b in r.bands):
        notes.append("Bands by their thresholds alone: as if nobody had been in one before.")
    return notes


def in_words(told: Mapping[str, Any]) -> str:
    """The summary as a person reads it."""
    lines = [*_head(told), ""]
    for rules in told["rule_sets"]:
        lines += [*_rules_in_words(rules), ""]
    if "comparison" in told:
        lines += [*_comparison_in_words(told["comparison"]), ""]
    for note in told["notes"]:
        lines.append(f"Note: {note}")
    if learned := told.get("learned_later"):
        lines.append(
            "Learned after the instant, and unknown until then: "
            + _listed(
                [
                    f"{_label(f['fact'])} ({f['then']:.0%} of rows then, {f['now']:.0%} now)"
                    for f in learned
                ]
            )
            + ". --since leaves earlier instants out, --todays-facts takes facts as they are now."
        )
    if suspicious := told["suspicious"]:
        lines.append(
            "May know the outcome, was it filled in before? "
            + _listed([f"{_label(f['fact'])} ({'; '.join(f['reasons'])})" for f in suspicious])
            + "."
        )
    return "\n".join(lines).rstrip()


def _head(told: Mapping[str, Any]) -> list[str]:
    lines = [
        f"{told['rows']:,} rows of {told['leads']:,} leads, {told['converted']:,} converted"
        + (f" ({told['converted'] / told['rows']:.1%})." if told["rows"] else ".")
    ]
    if told["instant"]:
        lines.append(
            f"Scored {told['instant']}; converted = within {told['horizon_days']:g} days after it."
        )
    else:
        lines.append(f"Scored from the columns as they are; earlier and later by {told['order']}.")
    until, reasons = told.get("mature_until"), {**EXCLUSIONS, **FILE_EXCLUSIONS}
    for name, n in told["excluded"].items():
        when = f" (instants after {until})" if name == "immature" and until else ""
        lines.append(f"Left out: {n:,} rows, {reasons[name]}{when}.")
    return lines


def _rules_in_words(rules: Mapping[str, Any]) -> list[str]:
    lines = [
        f"{rules['which']}: {rules['name']} ({rules['hash'][:8]})",
        f"{'Band':<14} {'Rows':>8} {'Converted':>10} {'Rate':>7}   95 % interval",
    ]
    for row in rules["bands"]:
        rate = "-" if row["rate"] is None else f"{row['rate']:.1%}"
        interval = f"{row['low']:.1%} to {row['high']:.1%}" if row["leads"] else ""
        lines.append(
            f"{row['band']:<14} {row['leads']:>8,} {row['converted']:>10,} {rate:>7}   {interval}"
        )
    if rules["suppressed"]:
        lines.append(
            f"{'(suppressed)':<14} {rules['suppressed']:>8,} {rules['suppressed_converted']:>10,}"
        )
    measures = []
    if rules["auc"]:
        measures.append(f"AUC {_area_words(rules['auc'])}")
    if rules["top_tenth_lift"] is not None:
        measures.append(f"top tenth {rules['top_tenth_lift']:.2f} times the base rate")
    lines.append("; ".join(measures) or "Neither AUC nor lift: only one outcome occurs.")
    for row in rules["calibration"]:
        holds = "holds" if row["holds"] else "does not hold"
        lines.append(
            f"  {row['band']}: {row['forecast']:.1%} of {row['earlier_leads']:,} earlier rows,"
            f" then {row['observed']:.1%} of {row['later_leads']:,} ({row['low']:.1%} to"
            f" {row['high']:.1%}): {holds}"
        )
    return lines


def _comparison_in_words(found: Mapping[str, Any]) -> list[str]:
    lines = [f"Both on the same {found['rows']:,} rows: {found['other_band']:,} change band."]
    gained = found["auc_gain"]
    if gained is None:
        return lines
    low, high = gained["low"], gained["high"]
    verdict = "cannot be told apart"
    if low is not None and (low > 0 or high < 0):
        verdict = "the draft separates better" if low > 0 else "the draft separates worse"
    lines.append(f"AUC {gained['value']:+.3f}{_interval(low, high)}: {verdict}.")
    return lines


def _area_words(found: Mapping[str, float | None]) -> str:
    return f"{found['value']:.3f}{_interval(found['low'], found['high'])}"


def _interval(low: float | None, high: float | None) -> str:
    return "" if low is None or high is None else f" (95 %: {low:.3f} to {high:.3f})"


def _listed(texts: Sequence[str]) -> str:
    more = len(texts) - SHOWN
    return "; ".join(texts[:SHOWN]) + (f"; and {more} more" if more > 0 else "")


def _label(fact: str) -> str:
    return FACTS[fact].label if fact in FACTS else fact


def day(at: datetime) -> str:
    """A date as people read it."""
    return f"{at.astimezone(UTC):%Y-%m-%d}"
