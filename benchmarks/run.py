"""`make bench`: measures, compares with other engines and with floors, writes the report.

Nothing here is a test: numbers depend on the machine, ratios less so. `--quick` measures the engine
alone, at small sizes, and prints its table instead: a look whether all of it works.
"""

from __future__ import annotations

import shutil
import sys
import tempfile
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path

from benchmarks import columns, floors
from benchmarks.engine.report import Measured, draw, measure, section
from benchmarks.engine.sizes import FULL, QUICK
from benchmarks.engine.table import markdown
from benchmarks.floors import Result
from benchmarks.measure import machine, say
from benchmarks.product import product

DOCS = Path(__file__).resolve().parent.parent / "docs"
REPORT, PICTURES = DOCS / "performance.md", DOCS / "images" / "bench"


def main(arguments: Sequence[str]) -> None:
    """Run everything, then write the report."""
    with tempfile.TemporaryDirectory(prefix="leadlight-bench-") as folder:
        if "--quick" in arguments:
            print("\n".join(markdown(measure(QUICK, Path(folder)).rows)))
            return
        engine = measure(FULL, Path(folder))
        results = product(Path(folder)) + columns.measure(Path(folder))
        results += _on_many_machines(Path(folder))
    draw(engine, PICTURES)
    REPORT.write_text(report(engine, results, datetime.now(UTC)), "utf-8")
    say(f"Written to {REPORT.name}.")


def _on_many_machines(folder: Path) -> list[Result]:
    if shutil.which("java") is None:
        say("No Java here: Spark is left out.")
        return []
    from benchmarks import spark  # PySpark is there only where Java is

    return spark.measure(folder)


def report(engine: Measured, results: Sequence[Result], at: datetime) -> str:
    """The report as Markdown."""
    lines = [
        "# Performance",
        "",
        "Written by `make bench`. Each number stands beside others from the same run: what other",
        "engines take for the same work, what it costs when nothing is done, or what physics",
        "imposes. A ratio travels between machines better than the number does.",
        "",
        f"Measured on {at:%Y-%m-%d}: {machine()}.",
        "",
        *section(engine),
        "## The whole product",
        "",
        *floors.markdown(results),
    ]
    return "\n".join([*lines, ""])


if __name__ == "__main__":
    main(sys.argv[1:])
