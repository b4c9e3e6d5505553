"""A rule set as data: what the parser gives and the engine compiles. Points are milli-points."""

from __future__ import annotations

from dataclasses import dataclass

from scoring.bands import Band
from scoring.criteria import Condition, Pattern, facts_of


@dataclass(frozen=True, slots=True)
class Fixed:
    """The same points for everybody who meets the rule's condition."""

    points: int


@dataclass(frozen=True, slots=True)
class Step:
    """Decay in steps: after each full interval so many thousandths of the points are gone."""

    loss: int  # thousandths, 1 to 1000
    every_days: float


@dataclass(frozen=True, slots=True)
class Each:
    """Points for every matching engagement, fading with its age."""

    pattern: Pattern
    points: int
    frequency: int | None = None  # only the newest N count
    cap: int | None = None  # at most so many points, in the direction of `points`
    time_frame_days: float | None = None  # older engagements do not count
    half_life_days: float | None = None
    step: Step | None = None  # instead of a half-life
    first: bool = False  # only the first one ever counts, if it is within the time frame


@dataclass(frozen=True, slots=True)
class PerUnit:
    """Points for every full `unit` of a number, up to the cap; nothing below one unit."""

    fact: str
    unit: int | float
    points: int
    cap: int  # at most so many points, in the direction of `points`


@dataclass(frozen=True, slots=True)
class ByChoice:
    """Points by the value of a text, choice or flag."""

    fact: str
    type: str
    table: tuple[tuple[str | bool, int], ...]
    otherwise: int
    exhaustive: bool  # the table names every value the fact can have


@dataclass(frozen=True, slots=True)
class ByRange:
    """Points by the size of a number: each step holds from its start up to the next."""

    fact: str
    steps: tuple[tuple[int | float, int], ...]  # ascending
    otherwise: int  # below the first step


@dataclass(frozen=True, slots=True)
class Rule:
    """A condition and points."""

    id: str
    label: str
    gives: Fixed | Each | ByChoice | ByRange | PerUnit
    when: Condition | None = None
    missing: int | None = None  # assumed while a fact is unknown; None = neutral midpoint

    def facts(self) -> frozenset[str]:
        """Names of all facts that the rule reads."""
        read = frozenset() if self.when is None else facts_of(self.when)
        own = isinstance(self.gives, ByChoice | ByRange | PerUnit)
        return read | {self.gives.fact} if own else read  # type: ignore[union-attr]  # these have


@dataclass(frozen=True, slots=True)
class Group:
    """Rules that share a limit."""

    id: str
    label: str
    low: int | None
    high: int | None
    rules: tuple[Rule, ...]


@dataclass(frozen=True, slots=True)
class Dimension:
    """fit, engagement or intent."""

    id: str
    low: int | None
    high: int | None
    groups: tuple[Group, ...]


@dataclass(frozen=True, slots=True)
class Suppression:
    """Who is not scored at all."""

    id: str
    when: Condition
    reason: str


@dataclass(frozen=True, slots=True)
class Disqualifier:
    """Who is scored, but never above `at_most`."""

    id: str
    when: Condition
    reason: str
    at_most: int


@dataclass(frozen=True, slots=True)
class NextStep:
    """What to do with a lead in one of `bands` (empty = any) that meets `when`."""

    text: str
    bands: tuple[str, ...] = ()
    when: Condition | None = None


@dataclass(frozen=True, slots=True)
class RuleSet:
    """One version of the rules; two with the same hash score alike, whatever their formatting."""

    name: str
    bands: tuple[Band, ...]  # best first
    dimensions: tuple[Dimension, ...]
    suppressions: tuple[Suppression, ...]
    disqualifiers: tuple[Disqualifier, ...]
    next_steps: tuple[NextStep, ...]
    fact_types: tuple[tuple[str, str], ...]  # type of each fact that is read, by name
    document: str  # canonical text: JSON, keys sorted; parses to this same rule set
    hash: str  # sha256 of `document`
    choices: tuple[tuple[str, tuple[str, ...]], ...] = ()  # of facts that have no other values

    def conditions(self) -> list[Condition]:
        """Every condition in it."""
        some = [rule.when for rule in self.rules()] + [step.when for step in self.next_steps]
        always = [s.when for s in self.suppressions] + [d.when for d in self.disqualifiers]
        return [when for when in some if when is not None] + always

    def rules(self) -> tuple[Rule, ...]:
        """All rules in order."""
        return tuple(r for d in self.dimensions for g in d.groups for r in g.rules)
