"""What comes out: a score with its bounds, band and the contributions that add up to it.

Points are integers in thousandths ("milli-points", 1 point = 1,000), so sums are exact.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime

from scoring.leads import FieldValue

MILLI = 1_000
DIMENSIONS = ("fit", "engagement", "intent")


@dataclass(frozen=True, slots=True)
class Fact:
    """One known thing about a lead, with where it came from and when it was true."""

    value: FieldValue
    source: str  # "hubspot", "salesforce", "enrichment:embedded", "text:lexicon", "derived", "file"
    at: datetime | None = None


Facts = Mapping[str, Fact]


@dataclass(frozen=True, slots=True)
class Contribution:
    """Signed points of one rule, or of one limit that took points back (`kind` "limit")."""

    rule: str  # rule id, or the limit's id: "limit:<group>", "limit:<dimension>", "limit:score"
    kind: str  # "rule" or "limit"
    dimension: str  # fit, engagement, intent; "" for limit:score
    group: str
    points: int  # milli-points, after decay and cap
    label: str  # in words with numbers: "Visited pricing 3 times, last 2 days ago"
    known: bool = True  # False: a fact was missing and `points` is the declared neutral value


@dataclass(frozen=True, slots=True)
class Score:
    """The answer for one lead at one instant; contributions sum to `value` exactly."""

    value: int  # milli-points, 0 to 100,000
    low: int  # the least it could become if every unknown fact were known
    high: int  # the most
    band: str
    band_certain: bool  # low and high fall into the same band
    dimensions: Mapping[str, int]  # milli-points per dimension, after its limits
    contributions: tuple[Contribution, ...]
    scoring_mode: str  # "rules", "fallback" (something was unknown that a rule asks for)
    rule_set_hash: str
    engine_version: str
    now: datetime
    suppressed: str = ""  # reason, when the lead is not to be scored at all
    disqualified: str = ""  # reason, when the score was capped
    inputs_hash: str = ""
    next_step: str = ""
    reasons: tuple[str, ...] = field(default=())


def points_text(milli: int, *, signed: bool = False) -> str:
    """Milli-points as people read them: one decimal, '12' not '12.0'; never rounds across a tenth.

    Truncates toward zero, so a score of 99.96 is shown as 99.9 and never as 100.
    """
    tenths = abs(milli) // 100
    text = f"{tenths // 10}" + (f".{tenths % 10}" if tenths % 10 else "")
    sign = "−" if milli < 0 and tenths else ("+" if signed else "")
    return sign + text
