"""How times are taken: by turns, without the garbage collector, the middle one of several."""

from __future__ import annotations

import gc
import os
import platform
import statistics
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np

Work = Callable[[], object]


def seconds(work: Work) -> float:
    """Seconds of one run."""
    began = time.perf_counter()
    work()
    return time.perf_counter() - began


def fastest(work: Work, times: int) -> float:
    """Seconds of the fastest of several runs: what the machine can do undisturbed."""
    return min(seconds(work) for _ in range(times))


def median(work: Work, times: int) -> float:
    """Seconds of the middle one of several runs."""
    return statistics.median(seconds(work) for _ in range(times))


def by_turns(
    works: Mapping[str, Work], rounds: int, before: Mapping[str, Work] | None = None
) -> dict[str, list[float]]:
    """Seconds of every run of each work; in each round all take their turn, so that whatever else
    the machine does hits them alike. One round before these warms up and is thrown away.

    `before`: what has to be done before each run of a work, and is not its own.
    """
    found: dict[str, list[float]] = {name: [] for name in works}
    with no_collector():
        for turn in range(rounds + 1):
            for name, work in works.items():
                if before and name in before:
                    before[name]()
                gc.collect()
                took = seconds(work)
                if turn:
                    found[name].append(took)
    return found


def one_by_one(
    fresh: Mapping[str, Callable[[], Callable[[Any], object]]], items: Sequence[Any], turns: int
) -> dict[str, list[float]]:
    """For each of the second half of the items the middle of its seconds in several turns.

    In every turn each work starts afresh and takes the first half unmeasured: what it remembers of
    earlier items is what it would remember in use, and the same in every turn.
    """
    begin = len(items) // 2
    taken = {name: np.empty((turns, len(items) - begin)) for name in fresh}
    with no_collector():
        for turn in range(turns):
            for name, make in fresh.items():
                work, times = make(), taken[name][turn]
                for item in items[:begin]:
                    work(item)
                for position, item in enumerate(items[begin:]):
                    began = time.perf_counter_ns()
                    work(item)
                    times[position] = time.perf_counter_ns() - began
    return {name: (np.median(times, axis=0) / 1e9).tolist() for name, times in taken.items()}


@contextmanager
def no_collector() -> Iterator[None]:
    """Nothing is collected inside."""
    gc.collect()
    gc.disable()
    try:
        yield
    finally:
        gc.enable()


def percentile(times: Sequence[float], share: float) -> float:
    """Such a share of the times is not above this one."""
    return float(np.percentile(times, share * 100))


def load() -> float:
    """How many processes wanted the machine in the last minute, on average; 0 where unknown."""
    return os.getloadavg()[0] if hasattr(os, "getloadavg") else 0.0


def machine() -> str:
    """The machine in a few words."""
    system = f"{os.cpu_count()} cores, {platform.system()}, Python {platform.python_version()}"
    return f"{_processor()}, {system}"


def _processor() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text("utf-8").splitlines()
    except OSError:
        return platform.processor() or platform.machine()
    models = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return models[0] if models else platform.machine()


def spoken(time_seconds: float) -> str:
    """A time as people write it, three digits."""
    for unit, size in (("s", 1.0), ("ms", 1e-3), ("µs", 1e-6)):
        if time_seconds >= size or unit == "µs":
            number = time_seconds / size
            return f"{number:.0f} {unit}" if number >= 100 else f"{number:.3g} {unit}"
    raise AssertionError


def say(text: str) -> None:
    """One line of progress."""
    print(f"bench: {text}", flush=True)
