"""The retry policy: what is tried again, how long it waits, and when it gives up."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from connectors.base import AuthFailed, RateLimited, TransientFailure
from connectors.retry import PATIENCE_SECONDS, retrying


def failing(*errors: Exception) -> Callable[[], str]:
    """An operation that raises these in turn and then succeeds."""
    waiting = list(errors)

    def operation() -> str:
        if waiting:
            raise waiting.pop(0)
        return "done"

    return operation


def test_a_transient_failure_is_tried_again_after_growing_jittered_waits():
    waits: list[float] = []
    answer = retrying(failing(TransientFailure("a"), TransientFailure("b")), sleep=waits.append)
    assert answer == "done"
    assert 0.5 <= waits[0] <= 1.0
    assert 1.0 <= waits[1] <= 1.5


def test_the_pause_that_the_other_side_asks_for_is_kept_exactly():
    waits: list[float] = []
    limited = RateLimited("slow down", retry_after_seconds=7.0)
    assert retrying(failing(limited, limited), sleep=waits.append) == "done"
    assert waits == [7.0, 7.0]


def test_a_long_pause_is_left_to_the_job():
    waits: list[float] = []
    limited = RateLimited("tomorrow", retry_after_seconds=PATIENCE_SECONDS + 1)
    with pytest.raises(RateLimited):
        retrying(failing(limited), sleep=waits.append)
    assert waits == []


def test_three_tries_and_the_last_error_is_raised():
    waits: list[float] = []
    with pytest.raises(TransientFailure, match="third"):
        retrying(
            failing(*(TransientFailure(text) for text in ("first", "second", "third", "fourth"))),
            sleep=waits.append,
        )
    assert len(waits) == 2


@pytest.mark.parametrize("error", [AuthFailed("no"), ValueError("a bug")])
def test_nothing_else_is_tried_again(error: Exception):
    waits: list[float] = []
    with pytest.raises(type(error)):
        retrying(failing(error), sleep=waits.append)
    assert waits == []
