"""What a scored file amounts to: counts, conversion by band, and both in words."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from scoring.quality import auc
from scoring.rules import RuleSet
from scoring.separation import conversion_by_band, top_rate


@dataclass(slots=True)
class Tally:
    """What happened to the rows."""

    rows: int = 0
    scored: int = 0
    rejected: int = 0
    suppressed: int = 0
    doubtful: int = 0  # scored, with a value that could not be used
    bands: Counter[str] = field(default_factory=Counter)
    outcomes: list[tuple[str, int, bool]] = field(default_factory=list)  # band, score, converted
    no_outcome: int = 0


def outcome_summary(tally: Tally, rules: RuleSet, column: str) -> dict[str, Any]:
    """Conversion by band, base rate, lift of the top tenth and AUC, as plain values."""
    scores = [(score, won) for _, score, won in tally.outcomes]
    base = sum(won for _, won in scores) / len(scores) if scores else None
    top = top_rate(scores)
    rows = conversion_by_band(
        [(band, won) for band, _, won in tally.outcomes], [band.key for band in rules.bands]
    )
    labels = {band.key: band.label for band in rules.bands}
    return {
        "column": column,
        "leads": len(scores),
        "without_outcome": tally.no_outcome,
        "base_rate": _rounded(base),
        "top_tenth_rate": _rounded(top),
        "top_tenth_lift": _rounded(top / base) if top is not None and base else None,
        "auc": _rounded(auc([score for score, _ in scores], [won for _, won in scores])),
        "bands": [
            {
                "band": labels[row.band],
                "leads": row.leads,
                "converted": row.converted,
                "rate": _rounded(row.rate),
                "low": _rounded(row.low),
                "high": _rounded(row.high),
            }
            for row in rows
        ],
    }


def _rounded(value: float | None) -> float | None:
    return None if value is None else round(value, 4)


def in_words(summary: Mapping[str, Any]) -> str:
    """The summary as a person reads it."""
    lines = [
        f"{_rows(summary['rows'])} read ({summary['read_as']}), {summary['scored']:,} scored into"
        f" {summary['output']}."
    ]
    if summary["rejected"]:
        lines.append(f"{_rows(summary['rejected'])} rejected, with reasons: {summary['rejects']}.")
    if summary["suppressed"]:
        lines.append(f"{_rows(summary['suppressed'])} suppressed by the rules (no score).")
    if summary["doubtful"]:
        lines.append(
            f"{_rows(summary['doubtful'])} with a value that could not be used: see 'problems'."
        )
    outcome = summary.get("outcome")
    if outcome is None:
        lines += [f"  {label:<14} {n:>8,}" for label, n in summary["bands"].items()]
        return "\n".join(lines)
    lines += ["", f"{'Band':<14} {'Leads':>8} {'Converted':>10} {'Rate':>7}   95 % interval"]
    for row in outcome["bands"]:
        rate = "-" if row["rate"] is None else f"{row['rate']:.1%}"
        interval = f"{row['low']:.1%} to {row['high']:.1%}" if row["leads"] else ""
        lines.append(
            f"{row['band']:<14} {row['leads']:>8,} {row['converted']:>10,} {rate:>7}   {interval}"
        )
    if outcome["base_rate"] is not None:
        lines.append(
            f"Base rate {outcome['base_rate']:.1%}, top tenth {outcome['top_tenth_rate']:.1%}"
        )
    if outcome["top_tenth_lift"] is not None:
        lines[-1] += f", {outcome['top_tenth_lift']:.2f} times the base rate"
    if outcome["auc"] is not None:
        lines[-1] += f"; AUC {outcome['auc']:.3f}"
    if outcome["without_outcome"]:
        lines.append(
            f"{_rows(outcome['without_outcome'])} without a readable outcome: not counted here."
        )
    return "\n".join(lines)


def _rows(number: int) -> str:
    return f"{number:,} {'row' if number == 1 else 'rows'}"
