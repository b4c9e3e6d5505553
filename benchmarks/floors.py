"""One line of the product's table: what it takes, beside what it could not go below."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Result:
    """One line of the report; `ratio` compares ours with the floor (1 = nothing left to win)."""

    what: str
    ours: str
    floor: str
    ratio: str
    how: str


def ratio(ours: float, floor: float) -> str:
    """How many times the floor."""
    return f"{ours / floor:.1f}x"


def markdown(results: Iterable[Result]) -> list[str]:
    """The table's lines."""
    lines = ["| what | ours | floor | ratio | how |", "|---|---|---|---|---|"]
    return lines + [f"| {r.what} | {r.ours} | {r.floor} | {r.ratio} | {r.how} |" for r in results]
