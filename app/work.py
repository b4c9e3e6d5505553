"""What a job is, without the scheduler that repeats it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime


@dataclass(frozen=True, slots=True)
class JobOutcome:
    """What one run came to; `items` = 0 means there was nothing to do."""

    message: str = ""
    items: int = 0
    again: bool = False  # there is more: run again at once
    ok: bool = True
    wait_seconds: float | None = None  # run again after this long instead of the usual interval


@dataclass(frozen=True, slots=True)
class Job:
    """One repeated unit of work."""

    name: str
    label: str
    every_seconds: float
    run: Callable[[datetime], JobOutcome]
