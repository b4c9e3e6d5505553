"""Whether two ways of scoring say the same, held lead for lead before anything is timed."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import fields
from datetime import datetime

import numpy as np
from numpy.typing import NDArray

from benchmarks.engine.interpreter import Interpreter
from benchmarks.engine.leads import Lead, lead
from benchmarks.estate import DAY_US, NOW, document
from scoring.columns import Columns
from scoring.inputs import microseconds
from scoring.kernel import Scores
from scoring.scores import DIMENSIONS

#: One array for each of these.
Answers = Mapping[str, NDArray[np.generic]]
COLUMNS = ("value", "low", "high", "band", "certain", *DIMENSIONS)


def sample_of(columns: Columns, size: int) -> dict[int, Lead]:
    """Some leads one by one, by their position."""
    numbers = np.random.default_rng(5).choice(columns.n, min(size, columns.n), replace=False)
    return {int(n): lead(columns, int(n)) for n in np.sort(numbers)}


def own_instants(leads: int) -> NDArray[np.int64]:
    """An instant for each lead within the last 300 days, in microseconds."""
    random = np.random.default_rng(11)
    return microseconds(NOW) - random.integers(0, 300 * DAY_US, leads)


def compare(name: str, ours: Scores, theirs: Answers) -> None:
    """Raises AssertionError unless value, band and dimensions are the same for every lead.

    Others look at each rule's bounds by itself, ours are exact: theirs must contain ours.
    """
    exact = {"value": ours.value, "band": ours.band}
    exact |= dict(zip(DIMENSIONS, ours.dimensions, strict=True))
    for column, values in exact.items():
        _none(name, f"{column} differs", values != theirs[column])
    _none(name, "low is above ours", theirs["low"] > ours.low)
    _none(name, "high is below ours", theirs["high"] < ours.high)
    _none(name, "the band is certain to it alone", theirs["certain"] & ~ours.certain)


def _none(name: str, what: str, wrong: NDArray[np.bool_]) -> None:
    if wrong.any():
        raise AssertionError(f"{name}: {what} for {int(wrong.sum()):,} leads")


def compare_with_interpreter(
    interpreter: Interpreter,
    sample: Mapping[int, Lead],
    scores: Scores,
    instants: Mapping[int, datetime],
) -> None:
    """The same for some leads, each at its instant."""
    bands = list(document()["bands"])
    found = [
        interpreter.score(sample[number].facts, sample[number].engagements, at)
        for number, at in instants.items()
    ]
    theirs = {name: np.array([getattr(answer, name) for answer in found])
              for name in ("value", "low", "high", "certain")}  # fmt: skip
    theirs["band"] = np.array([bands.index(answer.band) for answer in found])
    for position, name in enumerate(DIMENSIONS):
        theirs[name] = np.array([answer.dimensions[position] for answer in found])
    compare("plain interpreter", _some(scores, list(instants)), theirs)


def _some(scores: Scores, numbers: list[int]) -> Scores:
    return Scores(**{field.name: getattr(scores, field.name)[..., numbers]
                     for field in fields(scores)})  # fmt: skip
