"""What decisions about leads depend on besides the leads themselves."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta

from scoring.engine import Scorer
from scoring.scores import MILLI


@dataclass(frozen=True, slots=True)
class Policy:
    """What a decision depends on besides the leads themselves."""

    scorer: Scorer
    rule_set_version: int = 1
    write_points: int = 2 * MILLI  # a smaller change inside the same band is not written
    write_wait: timedelta = timedelta(seconds=30)  # later scores are gathered this long
