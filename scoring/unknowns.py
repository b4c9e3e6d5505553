"""What is worth finding out: how much each unknown fact, once known, narrows a score's bounds."""

from __future__ import annotations

from dataclasses import dataclass

from scoring.compiling import Values
from scoring.events import Events
from scoring.possible import Case
from scoring.tally import Tallier


@dataclass(frozen=True, slots=True)
class Unknown:
    """One fact that is not known of a lead; widths are milli-points between low and high."""

    fact: str
    narrows_at_least: int  # by so much the bounds narrow whatever the fact turns out to be
    narrows_at_most: int
    narrows_on_average: int  # over its cases, each counted once
    settles: str  # the band is then certain: "always", "sometimes" or "never"


def worth_knowing(
    tallier: Tallier, values: Values, events: Events, previous_band: str | None
) -> tuple[Unknown, ...]:
    """Every unknown fact that the score depends on: those that always settle the band first, then
    those that narrow the bounds most on average. Suppressions are not looked at.

    Where a fact could be more than rules tell apart in reasonable time it is left out.
    """
    before = tallier.unsuppressed(values, events, previous_band)
    found = []
    for fact in sorted(tallier.bounds.facts):
        cases = tallier.bounds.distinct_cases(fact)
        if fact in values or not cases:
            continue
        widths, certain = [], []
        for case in cases:
            after = tallier.unsuppressed(learned(values, fact, case), events, previous_band)
            widths.append(before.high - before.low - (after.high - after.low))
            certain.append(after.band_certain)
        found.append(
            Unknown(
                fact,
                min(widths),
                max(widths),
                sum(widths) // len(widths),
                "always" if all(certain) else "sometimes" if any(certain) else "never",
            )
        )
    order = ("always", "sometimes", "never")
    return tuple(
        sorted(
            found,
            key=lambda u: (u.settles != order[0], -u.narrows_on_average, u.fact),
        )
    )


def learned(values: Values, fact: str, case: Case) -> dict[str, Case]:
    """The values with one more known, or known otherwise."""
    return {**values, fact: case}
