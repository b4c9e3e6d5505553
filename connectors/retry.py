"""The one retry policy for calls to the outside, and the only home of tenacity."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import TypeVar

from tenacity import (
    RetryCallState,
    Retrying,
    retry_if_exception,
    stop_after_attempt,
    wait_exponential_jitter,
)

from connectors.base import RateLimited, TransientFailure

T = TypeVar("T")

TRIES = 3
FIRST_WAIT_SECONDS = 0.5
LONGEST_WAIT_SECONDS = 8.0
#: A longer pause is not slept through: the job gives up and comes back when it is over.
PATIENCE_SECONDS = 30.0


def retrying(
    operation: Callable[[], T],
    *,
    sleep: Callable[[float], None] = time.sleep,
    tries: int = TRIES,
) -> T:
    """Call `operation` up to `tries` times; what it raised last is raised.

    Only TransientFailure and RateLimited are tried again: after 0.5 s, 1 s, … with jitter, or after
    exactly the pause that the other side asked for, where that is at most 30 s.
    """
    policy = Retrying(
        stop=stop_after_attempt(tries),
        wait=_wait,
        retry=retry_if_exception(_worth_another_try),
        sleep=sleep,
        reraise=True,
    )
    return policy(operation)


def _worth_another_try(error: BaseException) -> bool:
    if isinstance(error, RateLimited):
        return error.retry_after_seconds <= PATIENCE_SECONDS
    return isinstance(error, TransientFailure)


_backoff = wait_exponential_jitter(
    multiplier=FIRST_WAIT_SECONDS, max=LONGEST_WAIT_SECONDS, jitter=FIRST_WAIT_SECONDS
)


def _wait(state: RetryCallState) -> float:
    error = state.outcome.exception() if state.outcome else None
    if isinstance(error, RateLimited):
        return error.retry_after_seconds
    return float(_backoff(state))
