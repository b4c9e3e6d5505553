"""A rule set in words: one sentence a rule, with its limits, and how its points fade."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from scoring.arithmetic import clip
from scoring.bands import Band
from scoring.compiling import faded
from scoring.condition_words import (
    condition_words,
    days_text,
    fact_label,
    number_text,
    pattern_words,
    value_text,
)
from scoring.facts import FACTS
from scoring.operators import DAY_US, FACT_TYPES
from scoring.rule_set import (
    ByChoice,
    ByRange,
    Disqualifier,
    Each,
    Fixed,
    Group,
    NextStep,
    PerUnit,
    Rule,
    RuleSet,
    Suppression,
)
from scoring.scores import MILLI

#: Ages at which decay is shown, in days.
SHOWN_AGES = (1, 7, 30, 90)

#: How the number of a lead comes about, in this order.
ORDER_OF_OPERATIONS = (
    "Suppression: whoever is not to be scored gets no score and no band.",
    "Each rule looks at the lead: its condition, then its points. Of engagements it takes those "
    "within the time frame, of these the newest up to its frequency, each faded by its age.",
    "The rule's sum is rounded to a thousandth of a point, then cut at the rule's cap.",
    "A group adds up its rules and keeps within its limits; a dimension adds up its groups and "
    "keeps within its own.",
    "Dimensions add up to the score, which stays between 0 and 100.",
    "Disqualifiers hold the score down; the lowest wins.",
    "The score decides the band.",
)


@dataclass(frozen=True, slots=True)
class Section:
    """A heading and lines below it."""

    title: str
    lines: tuple[str, ...]


def rule_set_words(rules: RuleSet) -> tuple[Section, ...]:
    """The whole rule set, to be read from top to bottom."""
    sections = [Section("Bands", tuple(map(band_words, rules.bands)))]
    own = [f"{fact_label(n)} is {FACT_TYPES[t]}" for n, t in rules.fact_types if n not in FACTS]
    sections.append(Section("Custom fields that rules read", tuple(own)))
    sections.append(Section("Not scored at all", tuple(map(suppression_words, rules.suppressions))))
    held = tuple(map(disqualifier_words, rules.disqualifiers))
    sections.append(Section("Scored, but held down", held))
    for dimension in rules.dimensions:
        limits = limits_words(dimension.low, dimension.high)
        for group in dimension.groups:
            title = f"{dimension.id.capitalize()}{limits}: {group_title(group)}"
            sections.append(Section(title, tuple(map(rule_words, group.rules))))
    labels = band_labels(rules)
    steps = tuple(next_step_words(step, labels) for step in rules.next_steps)
    sections.append(Section("Next steps", steps))
    sections.append(Section("How the number comes about, in this order", ORDER_OF_OPERATIONS))
    return tuple(section for section in sections if section.lines)


def rule_words(rule: Rule) -> str:
    """One sentence: what the rule gives, to whom, and how it fades and is limited."""
    aspects = _limit_aspects(rule)
    text = f"{rule.label}: {_points_words(rule.gives)}"
    parts = (aspects[name] for name in ("time frame", "frequency", "decay", "cap"))
    text += "".join(f", {part}" for part in parts if part)
    text += f"; only if {aspects['condition']}" if aspects["condition"] else ""
    if rule.facts():
        text += f". While unknown: {aspects['while unknown']}"
    shown = decay_examples(rule.gives) if isinstance(rule.gives, Each) else ""
    return f"{text}. {shown}".rstrip()


def rule_aspects(rule: Rule) -> dict[str, str]:
    """Everything that can differ between two versions of a rule, in words, by name; "" = none."""
    return {"label": rule.label} | points_aspects(rule.gives) | _limit_aspects(rule)


def _limit_aspects(rule: Rule) -> dict[str, str]:
    gives = rule.gives
    each = gives if isinstance(gives, Each) else None
    cap = gives.cap if isinstance(gives, Each | PerUnit) else None
    frame = each.time_frame_days if each else None
    return {
        "condition": condition_words(rule.when) if rule.when else "",
        "time frame": f"of the last {days_text(frame)}" if frame is not None else "",
        "frequency": f"the newest {each.frequency:,} of them" if each and each.frequency else "",
        "decay": decay_words(each) if each else "",
        "cap": f"at most {exact_points(cap)} in all" if cap is not None else "",
        "while unknown": missing_words(rule),
    }


def missing_words(rule: Rule) -> str:
    """What is assumed while a fact of the rule is unknown; "" for a rule that reads none."""
    if not rule.facts():
        return ""
    return "the middle of what is possible" if rule.missing is None else signed(rule.missing)


def decay_words(each: Each) -> str:
    """How points fade with an engagement's age; "" when they do not."""
    if each.half_life_days is not None:
        return f"halving every {days_text(each.half_life_days)}"
    if each.step is not None:
        percent = number_text(each.step.loss / 10).removesuffix(".0")
        return f"losing {percent} % after every {days_text(each.step.every_days)}"
    return ""


def decay_examples(each: Each) -> str:
    """ "One is worth +5.6 after 1 day, +3.693 after 7 days, …"; "" for points that stay."""
    worth = [(days, worth_after(each, days)) for days in SHOWN_AGES]
    if len({points for _, points in worth}) == 1:
        return ""
    told = ", ".join(f"{signed(points)} after {days_text(days)}" for days, points in worth)
    return f"One is worth {told}."


def worth_after(each: Each, days: float) -> int:
    """Milli-points of a single engagement of this age."""
    if each.time_frame_days is not None and days > each.time_frame_days:
        return 0
    low = None if each.cap is None else -each.cap
    return clip(faded(each, [round(days * DAY_US)]), low, each.cap)


def band_words(band: Band) -> str:
    """ "Hot: from 65, kept down to 60, for at least 3 days, at most 40 new leads a week"."""
    return f"{band.label}: " + ", ".join(text for text in band_aspects(band).values() if text)


def band_aspects(band: Band) -> dict[str, str]:
    """Everything that can differ between two versions of a band, in words."""
    leave, dwell, room = band.leave_at, band.dwell_days, band.capacity
    each = " for each owner" if band.per_owner else ""
    return {
        "start": f"from {exact_points(band.threshold)}",
        "end": f"kept down to {exact_points(leave)}" if leave is not None else "",
        "dwell": f"for at least {days_text(dwell)}" if dwell is not None else "",
        "capacity": f"at most {room:,} new leads a week{each}" if room is not None else "",
    }


def suppression_words(entry: Suppression) -> str:
    """ "Already a customer: Lifecycle stage is …"."""
    return f"{entry.reason}: {condition_words(entry.when)}"


def disqualifier_words(entry: Disqualifier) -> str:
    """ "Applies for a job: at most 5, if …"."""
    return (
        f"{entry.reason}: at most {exact_points(entry.at_most)}, if {condition_words(entry.when)}"
    )


def band_labels(rules: RuleSet) -> dict[str, str]:
    """What people call each band."""
    return {band.key: band.label for band in rules.bands}


def next_step_words(step: NextStep, labels: Mapping[str, str]) -> str:
    """ "Hot, if …: Call today"."""
    who = " or ".join(labels[key] for key in step.bands) or "Any band"
    when = f", if {condition_words(step.when)}" if step.when else ""
    return f"{who}{when}: {step.text}"


def group_title(group: Group) -> str:
    """ "The person (−12 to 18)"."""
    return group.label + limits_words(group.low, group.high)


def limits_words(low: int | None, high: int | None) -> str:
    """ " (−12 to 18)", " (at most 40)"; "" without limits."""
    if low is not None and high is not None:
        return f" ({exact_points(low)} to {exact_points(high)})"
    if low is None and high is None:
        return ""
    return (
        f" (at {'least' if high is None else 'most'} {exact_points(low if high is None else high)})"
    )


def exact_points(milli: int | None) -> str:
    """Milli-points as points with every decimal: "12", "−2.125"."""
    whole, rest = divmod(abs(milli or 0), MILLI)
    sign = "−" if (milli or 0) < 0 else ""
    return f"{sign}{whole:,}" + (f".{rest:03d}".rstrip("0") if rest else "")


def signed(milli: int) -> str:
    """The same with a sign: "+12", "−2.125", "0"."""
    return ("+" if milli > 0 else "") + exact_points(milli)


def points_aspects(gives: Fixed | Each | ByChoice | ByRange | PerUnit) -> dict[str, str]:
    """The points of a rule, those of a table line by line."""
    match gives:
        case Fixed(points):
            return {"points": signed(points)}
        case Each():
            which = "only the first time ever" if gives.first else "each time"
            return {
                "points": signed(gives.points),
                "counted": f"{which}: {pattern_words(gives.pattern)}",
            }
        case PerUnit():
            unit = f"for every full {number_text(gives.unit)} of {fact_label(gives.fact)}"
            return {"points": signed(gives.points), "counted": unit}
        case ByChoice():
            table = sorted(gives.table, key=lambda entry: -entry[1])
            lines = {value_text(value): signed(points) for value, points in table}
            rest = {} if gives.exhaustive else {"anything else": signed(gives.otherwise)}
            return {"by": f"by {fact_label(gives.fact)}"} | lines | rest
        case ByRange():
            below = {f"below {number_text(gives.steps[0][0])}": signed(gives.otherwise)}
            steps = {f"from {number_text(start)}": signed(points) for start, points in gives.steps}
            return {"by": f"by {fact_label(gives.fact)}"} | below | steps


def _points_words(gives: Fixed | Each | ByChoice | ByRange | PerUnit) -> str:
    aspects = points_aspects(gives)
    if "points" in aspects:
        return " ".join(aspects.values())
    lines = (f"{name}: {points}" for name, points in aspects.items() if name != "by")
    return ", ".join([aspects["by"], *lines])
