"""A process that starts from nothing but the file of columns: how long to scores, how much memory.

`python -m benchmarks.engine.cold FILE` is that process.
"""

from __future__ import annotations

import json
import resource
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from statistics import median
from typing import Any

import numpy as np
import pyarrow as pa

from benchmarks.engine.sizes import Sizes
from benchmarks.engine.table import Row, times_faster
from benchmarks.estate import NOW, Estate, rules
from benchmarks.measure import say, seconds, spoken
from data.column_cache import read, save
from data.column_values import Mark, Snapshot, Written
from data.inputs import DATE, FLAG, LIST, NUMBER, SINCE, TEXT
from scoring.columns import Coded, Columns, Dates, Numbers
from scoring.kernel import ColumnScorer

MOST_MEMORY = 1.6e9


def cold(great: Estate, sizes: Sizes, folder: Path, polars: float) -> list[Row]:
    """`polars`: seconds of its whole pipeline, with everything warm in memory."""
    say("from the file in a new process")
    path = folder / "columns.bin"
    save(path, snapshot(great.columns))
    scores = ColumnScorer(great.rule_set, great.columns).score(NOW)
    expected = int(scores.value.sum())
    peaks: list[float] = []

    def start() -> None:
        peak, total = _process(path)
        if total != expected:
            raise AssertionError("a new process scores otherwise")
        peaks.append(peak)

    start()  # the file is in the system's cache from now on
    took = median([seconds(start) for _ in range(sizes.rounds)])
    empty = median([seconds(_only_import) for _ in range(sizes.rounds)])
    peak, why = max(peaks), f"Cold process: {spoken(empty)} of it are Python and its imports."
    return [
        times_faster("cold process, columns on disk, to scores", took,
                     "Polars, warm in memory", polars, 1.5, why),
        Row("peak memory of that process", f"{peak / 1e9:.2f} GB", "–", "–", "–",
            f"under {MOST_MEMORY / 1e9:.1f} GB", peak < MOST_MEMORY),
    ]  # fmt: skip


def _process(path: Path) -> tuple[float, int]:
    """Bytes of memory at its peak, and the sum of all scores."""
    command = [sys.executable, "-m", "benchmarks.engine.cold", str(path)]
    answer = subprocess.run(command, check=True, capture_output=True, text=True)
    peak, total = json.loads(answer.stdout)
    return peak, total


def _only_import() -> None:
    subprocess.run([sys.executable, "-c", "import benchmarks.engine.cold"], check=True)


def main(path: Path) -> None:
    """Read the file, score, say the peak of memory and the sum of scores."""
    rule_set, found = rules(), read(path)
    if found is None:
        raise SystemExit(f"{path} is no file of columns")
    scores = ColumnScorer(rule_set, found.columns(rule_set.fact_types)).score(NOW)
    print(json.dumps([peak_memory(), int(scores.value.sum())]))


def peak_memory() -> int:
    """Bytes that this process had in memory at most, mapped files among them."""
    try:
        lines = Path("/proc/self/status").read_text("utf-8").splitlines()
    except OSError:
        unit = 1 if sys.platform == "darwin" else 1024
        return unit * resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    # getrusage also counts what the process that started this one had
    return next(1024 * int(line.split()[1]) for line in lines if line.startswith("VmHWM:"))


def snapshot(columns: Columns) -> Snapshot:
    """The estate as the store's columns hold it."""
    written, plain = {}, {}
    for name, column in columns.facts.items():
        if isinstance(column, Coded):
            kind, texts = _texts(column.values)
            values = pa.array(texts, pa.string())
            written[kind + name] = Written(column.codes, values, values)
        elif isinstance(column, Numbers):
            plain[NUMBER + name] = column.values
        elif isinstance(column, Dates):
            plain[(SINCE if column.growing else DATE) + name] = column.at
    ids = np.arange(1, columns.n + 1)
    return Snapshot(Mark(1, "estate"), ids, written, plain, columns.log)


def _texts(values: Sequence[Any]) -> tuple[str, list[str]]:
    """How values of one kind are written: the kind and a text for each."""
    if isinstance(values[0], bool):
        return FLAG, ["1" if value else "" for value in values]
    if isinstance(values[0], tuple):
        return LIST, [json.dumps(value) for value in values]
    return TEXT, list(values)


if __name__ == "__main__":
    main(Path(sys.argv[1]))
