"""Conditions of rules in words, for people who do not read YAML."""

from __future__ import annotations

from collections.abc import Sequence

from scoring.criteria import (
    All,
    Any_,
    Condition,
    DetailTest,
    EngagementTest,
    FactTest,
    Not,
    Pattern,
    Silence,
)
from scoring.facts import FACTS
from scoring.leads import ENGAGEMENT_KINDS, PASSIVE_KINDS
from scoring.operators import OPERATORS, Argument

_THEIRS = frozenset(ENGAGEMENT_KINDS) - PASSIVE_KINDS


def condition_words(condition: Condition, *, nested: bool = False) -> str:
    """ "Country is one of “US” or “CA”, and Employees is at least 50"; brackets where needed."""
    match condition:
        case FactTest():
            return _fact_words(condition)
        case EngagementTest():
            return _engagement_words(condition)
        case Silence():
            return _silence_words(condition)
        case Not(part=part):
            return f"not ({condition_words(part)})"
        case All(parts=parts):
            text = " and ".join(condition_words(part, nested=True) for part in parts)
        case Any_(parts=parts):
            text = " or ".join(condition_words(part, nested=True) for part in parts)
    return f"({text})" if nested and len(parts) > 1 else text


def pattern_words(pattern: Pattern) -> str:
    """ "visited a page (url contains “pricing”)"."""
    kinds = either([_lower(ENGAGEMENT_KINDS[kind]) for kind in pattern.kinds])
    tests = " and ".join(map(_detail_words, pattern.details))
    return f"{kinds} ({tests})" if tests else kinds


def fact_label(name: str) -> str:
    """What people call a fact; a custom field in quotes."""
    return FACTS[name].label if name in FACTS else f"“{name}”"


def number_text(number: int | float) -> str:
    """A number with all its digits: "1,200", "0.25"."""
    return f"{number:,}"


def days_text(days: float) -> str:
    """ "1 day", "90 days"."""
    return f"{number_text(days)} day{'' if days == 1 else 's'}"


def either(words: Sequence[str], joint: str = "or") -> str:
    """ "a, b or c"."""
    return f" {joint} ".join([", ".join(words[:-1]), words[-1]] if len(words) > 1 else words)


def value_text(value: object) -> str:
    """A value of a rule document: texts in quotes, yes and no for flags."""
    if isinstance(value, bool):
        return "yes" if value else "no"
    return number_text(value) if isinstance(value, int | float) else f"“{value}”"


def _fact_words(test: FactTest) -> str:
    label = fact_label(test.fact)
    if test.type == "flag" and test.operator in ("equals", "is_true", "is_false"):
        yes = test.argument if test.operator == "equals" else test.operator == "is_true"
        return f"{label}: {value_text(yes)}"
    return f"{label} {_asked(test.operator, test.argument)}"


def _asked(operator: str, argument: Argument) -> str:
    label = OPERATORS[operator].label
    match OPERATORS[operator].argument:
        case "true":
            return label
        case "days" if isinstance(argument, int | float):
            return f"{label.removesuffix(' days')} {days_text(argument)}"
        case "range" if isinstance(argument, tuple):
            low, high = map(value_text, argument)
            return f"{label} {low} and {high}"
        case "values" | "texts" if isinstance(argument, tuple):
            joint = "and" if operator == "all_of" else "or"
            return f"{label} {either([value_text(value) for value in argument], joint)}"
    return f"{label} {value_text(argument)}"


def _detail_words(test: DetailTest) -> str:
    return f"{test.detail} {_asked(test.operator, test.argument)}"


def _engagement_words(test: EngagementTest) -> str:
    what = pattern_words(test.pattern)
    within = "" if test.within_days is None else f" within {days_text(test.within_days)}"
    if test.first:
        return f"{what} for the first time{within or ' ever'}"
    if test.most == 0:
        return f"never {what}{within}"
    return f"{what} {times_text(test.least, test.most)}{within}"


def times_text(least: int, most: int | None) -> str:
    """ "at least once", "exactly 3 times", "2 to 5 times"; `most` is above 0."""
    if most is None:
        return f"at least {_times(least)}" if least else "any number of times"
    if least == most:
        return f"exactly {_times(least)}"
    return f"{least:,} to {_times(most)}" if least else f"at most {_times(most)}"


def _times(count: int) -> str:
    return "once" if count == 1 else f"{count:,} times"


def _silence_words(silence: Silence) -> str:
    if set(silence.kinds) == _THEIRS:
        return f"nothing from them for {days_text(silence.days)}"
    kinds = either([_lower(ENGAGEMENT_KINDS[kind]) for kind in silence.kinds])
    return f"for {days_text(silence.days)} never: {kinds}"


def _lower(label: str) -> str:
    return label[:1].lower() + label[1:]
