"""Conditions of a rule: what can be asked of facts and engagements, as data."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from scoring.operators import Argument

#: What an engagement's detail can be asked about.
DETAILS = ("url", "form", "campaign", "subject")


@dataclass(frozen=True, slots=True)
class FactSpec:
    """What a rule may ask about one fact."""

    type: str  # FACT_TYPES
    choices: tuple[str, ...] = ()  # of a choice or list; () = any


Catalogue = Mapping[str, FactSpec]


@dataclass(frozen=True, slots=True)
class FactTest:
    """One operator on one fact; unknown while the fact is."""

    fact: str
    type: str
    operator: str
    argument: Argument


@dataclass(frozen=True, slots=True)
class DetailTest:
    """One operator on one detail of an engagement; an absent detail fails it."""

    detail: str
    operator: str
    argument: Argument


@dataclass(frozen=True, slots=True)
class Pattern:
    """Which engagements are meant."""

    kinds: tuple[str, ...]
    details: tuple[DetailTest, ...] = ()


@dataclass(frozen=True, slots=True)
class EngagementTest:
    """Between `least` and `most` engagements of a pattern, within the last days if given."""

    pattern: Pattern
    least: int = 1
    most: int | None = None
    within_days: float | None = None
    first: bool = False  # asks whether the first one ever is within the last days


@dataclass(frozen=True, slots=True)
class Silence:
    """None of these engagements within the last days."""

    kinds: tuple[str, ...]
    days: float


@dataclass(frozen=True, slots=True)
class All:
    """True when all parts are; false when one is false."""

    parts: tuple[Condition, ...]


@dataclass(frozen=True, slots=True)
class Any_:
    """True when one part is; false when all are false."""

    parts: tuple[Condition, ...]


@dataclass(frozen=True, slots=True)
class Not:
    """The opposite; unknown stays unknown."""

    part: Condition


Condition = FactTest | EngagementTest | Silence | All | Any_ | Not


def facts_of(condition: Condition) -> frozenset[str]:
    """Names of all facts that the condition reads."""
    return frozenset(test.fact for test in leaves(condition) if isinstance(test, FactTest))


def leaves(condition: Condition) -> list[FactTest | EngagementTest | Silence]:
    """All tests in the condition, in order."""
    if isinstance(condition, All | Any_):
        return [leaf for part in condition.parts for leaf in leaves(part)]
    return leaves(condition.part) if isinstance(condition, Not) else [condition]
