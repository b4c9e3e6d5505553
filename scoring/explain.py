"""A score in words: every contribution as a sentence with its number, and a summary for the CRM."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from scoring.leads import FieldValue
from scoring.operators import DAY_US
from scoring.scores import Contribution, Score, points_text

SUMMARY_CHARACTERS = 1_000
#: Bounds no further apart than this (milli-points) make an uncertain band at least likely.
LIKELY_WIDTH = 20_000
_HOUR_US = DAY_US // 24
_SPELLED = {"c_level": "C-level", "vp": "VP", "it": "IT", "hr": "HR"}


def times_label(label: str, count: int, newest_us: int) -> str:
    """ "Visited a pricing page 3 times, last 2 days ago"; age of the newest in microseconds."""
    if count == 1:
        return f"{label}, {ago(newest_us)}"
    return f"{label} {count:,} times, last {ago(newest_us)}"


def value_label(label: str, value: FieldValue) -> str:
    """ "Seniority: director", "Employees: 1,200"; long texts are cut at 60 characters."""
    if isinstance(value, bool):
        text = "yes" if value else "no"
    elif isinstance(value, int | float):
        text = f"{value:,.0f}" if abs(value) >= 1_000 else f"{value:,.4g}"
    elif isinstance(value, tuple):
        text = ", ".join(value).replace("_", " ")
    else:
        text = _SPELLED.get(str(value), str(value).replace("_", " "))
    return f"{label}: {text if len(text) <= 60 else text[:59] + '…'}"


def unknown_label(label: str) -> str:
    """For a rule that had to assume something."""
    return f"{label} (not known)"


def limit_label(label: str, limit: int, *, floor: bool = False) -> str:
    """For what a limit (milli-points) took back or filled up."""
    return f"Limit of {label}: at {'least' if floor else 'most'} {points_text(limit)}"


def ago(age_us: int) -> str:
    """How long ago, in the largest sensible unit, cut off and never rounded up."""
    if age_us < _HOUR_US:
        return "within the last hour"
    for unit, size, below in (
        ("hour", _HOUR_US, 48),
        ("day", DAY_US, 60),
        ("month", 30 * DAY_US, 24),
    ):
        if age_us < below * size:
            return _plural(age_us // size, unit)
    return _plural(age_us // (365 * DAY_US), "year")


def ahead(after_us: int) -> str:
    """How soon, in the largest sensible unit, cut off and never rounded up."""
    if after_us < _HOUR_US:
        return "within the hour"
    return "in " + ago(after_us).removesuffix(" ago")


def outlook_text(label: str, after_us: int, *, better: bool) -> str:
    """ "Cools to Warm in 3 days if nothing happens"; `label`: of the band to come, "" for none."""
    if not label:
        return f"No longer scored {ahead(after_us)} if nothing happens"
    return f"{'Warms' if better else 'Cools'} to {label} {ahead(after_us)} if nothing happens"


def waiting_text(labels: Sequence[str]) -> str:
    """For a lead whose score is enough for better bands that have no room."""
    return f"Waits for {' and '.join(labels)}: the score is enough, this week's room is taken"


def contribution_text(contribution: Contribution) -> str:
    """ "Visited a pricing page 3 times, last 2 days ago (+11.4)"."""
    return f"{contribution.label} ({points_text(contribution.points, signed=True)})"


def top_reasons(contributions: Iterable[Contribution], n: int = 3) -> tuple[str, ...]:
    """The `n` strongest known reasons for, then the `n` strongest against, disqualifiers first.

    What was only assumed is not a reason, nor is what a limit took back.
    """
    known: list[Contribution] = []
    disqualified: list[Contribution] = []
    for contribution in contributions:
        if contribution.kind == "rule":
            if contribution.known:
                known.append(contribution)
        elif contribution.rule.startswith("disqualifier:"):
            disqualified.append(contribution)
    best = sorted((c for c in known if c.points > 0), key=lambda c: -c.points)[:n]
    worst = sorted((c for c in known if c.points < 0), key=lambda c: c.points)[:n]
    return tuple(contribution_text(c) for c in [*disqualified, *best, *worst])


def reasons(score: Score, n: int = 3) -> tuple[str, ...]:
    """Why this score: the strongest `n` for and `n` against, or why it is suppressed."""
    if score.suppressed:
        return (f"Not scored: {score.suppressed}",)
    return top_reasons(score.contributions, n)


def confidence(score: Score) -> str:
    """`certain`: no unknown fact can change the band; `likely`: bounds at most 20 apart."""
    if score.band_certain:
        return "certain"
    return "likely" if score.high - score.low <= LIKELY_WIDTH else "uncertain"


def summary(score: Score, *, band_label: str = "") -> str:
    """The score in a few lines for a text field of the CRM, at most 1,000 characters.

    Whole lines only: what does not fit is left out, the strongest reasons stay.
    """
    if score.suppressed:
        return f"Not scored: {score.suppressed}"[:SUMMARY_CHARACTERS]
    low, high = points_text(score.low), points_text(score.high)
    spread = "" if low == high else f", could be {low} to {high}"
    how_sure = f"{confidence(score)}{spread}"
    lines = [f"Score {points_text(score.value)} of 100, {band_label or score.band} ({how_sure})"]
    if score.next_step:
        lines.append(f"Next: {score.next_step}")
    lines += [f"- {text}" for text in reasons(score, 5)]
    unknown = [c.label.removesuffix(" (not known)") for c in score.contributions if not c.known]
    if unknown:
        rest = f" and {len(unknown) - 5} more" if len(unknown) > 5 else ""
        lines.append(f"Not known: {', '.join(unknown[:5])}{rest}")
    return _fitting(lines, SUMMARY_CHARACTERS)


def _fitting(lines: list[str], limit: int) -> str:
    text = lines[0][:limit]
    for line in lines[1:]:
        if len(text) + 1 + len(line) <= limit:
            text += "\n" + line
    return text


def _plural(count: int, unit: str) -> str:
    return f"{count} {unit}{'' if count == 1 else 's'} ago"
