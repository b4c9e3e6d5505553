"""All measurements of the engine, as a part of the report with its pictures."""

from __future__ import annotations

import gc
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path

from benchmarks import plots
from benchmarks.engine.cold import cold
from benchmarks.engine.edits import Edits, edits
from benchmarks.engine.fields import Fields, fields
from benchmarks.engine.growth import Growth, growth
from benchmarks.engine.increments import increments
from benchmarks.engine.rescore import Rescore, rescore
from benchmarks.engine.single import Single, single
from benchmarks.engine.sizes import Sizes
from benchmarks.engine.table import Row, markdown, reasons
from benchmarks.estate import estate
from benchmarks.measure import load, say

PEERS = ("polars", "duckdb", "zen-engine", "common-expression-language", "rule-engine",
         "business-rules", "datalogic-py", "numpy")  # fmt: skip

METHOD = """\
An invented estate, the same bytes every time: {leads:,} leads with 24 facts, 20 engagements each on
average (a few leads do most of it), and a document of 50 rules: 32 over facts, 7 of them with
regular expressions, 16 that fade with the age of engagements, 2 that count them; caps, limits of
groups and dimensions, a disqualifier, bands.

- Every answer is compared before anything is timed. Value, band and dimensions are the same for
  every lead in every engine. Our bounds are exact; the others take each rule's bounds by itself,
  which is less work, and theirs contain ours.
- The plain interpreter is a Python program that walks the prepared document; it scores {sample:,}
  leads and its time is scaled to all.
- Polars and DuckDB get the document written by hand, with all data in memory in the types they
  like best; Polars' time is that of the faster of its two engines. With our bitmasks Polars need
  not look at the texts of engagements.
- Ours starts from columns in memory, rules bound to them: regular expressions asked of each
  distinct text, hits of engagements listed. Binding is done once for each rule set and has lines of
  its own. A full rescore keeps no sum from an earlier one.
- Memory bandwidth is that of adding two arrays into a third on two threads; the least traffic is
  each matching engagement's time once, a code for each lead and fact, and the scores. The least
  arithmetic is one power of two for each engagement that fades and each of its half-lives.
- Rule engines that know neither engagements nor limits are given the field rules alone, unknown
  facts filled in, each in its own language, as plain Python values.
- Works that compete take turns; a time is the middle one of {rounds} after a warm-up, with the
  garbage collector off. A single lead's time is the middle one of seven, each after as many other
  leads, so that what is remembered of earlier values is what it would be in use; percentiles are
  over leads.
"""


@dataclass(frozen=True, slots=True)
class Measured:
    """Everything about the engine from one run."""

    sizes: Sizes
    rescore: Rescore
    edits: Edits
    single: Single
    fields: Fields
    growth: Growth
    cold: list[Row]
    increments: list[Row]
    load: tuple[float, float]  # before and after

    @property
    def rows(self) -> list[Row]:
        """The whole table."""
        return [*self.rescore.rows, *self.cold, *self.edits.rows, *self.increments,
                *self.single.rows, *self.fields.rows, *self.growth.rows]  # fmt: skip


def measure(sizes: Sizes, folder: Path) -> Measured:
    """Run it all; `folder` is for files that may go afterwards."""
    before = load()
    say(f"inventing {sizes.leads:,} leads")
    great = estate(sizes.leads)
    gc.freeze()  # the collector need not look at a million texts again and again
    whole = rescore(great, sizes)
    full = whole.times["full"]
    drafts = edits(great, sizes, full, whole.polars)
    one, rules = single(great, sizes), fields(great, sizes)
    process = cold(great, sizes, folder, whole.polars)
    new = increments(great, sizes)
    more = growth(sizes, full)
    return Measured(sizes, whole, drafts, one, rules, more, process, new, (before, load()))


def section(measured: Measured) -> list[str]:
    """The report's lines."""
    sizes = measured.sizes
    method = METHOD.format(leads=sizes.leads, sample=sizes.sample, rounds=sizes.rounds)
    versions = ", ".join(f"{name} {version(name)}" for name in PEERS)
    before, after = measured.load
    return [
        "## The engine",
        "",
        method,
        f"With {versions}. Load of the machine before and after: {before:.1f} and {after:.1f}.",
        "",
        *markdown(measured.rows),
        "",
        *reasons(measured.rows),
        "",
        *(f"![{text}](images/bench/{name}.svg)\n" for name, text in PICTURES.items()),
    ]


PICTURES = {
    "rescore": "Everything scored anew, by engine",
    "edits": "Times of drafts",
    "one-lead": "Times of single leads",
    "field-rules": "Field rules, one lead, by engine",
    "growth": "Time for one lead by number of leads",
}


def draw(measured: Measured, folder: Path) -> None:
    """Write every picture."""
    folder.mkdir(parents=True, exist_ok=True)
    files = {name: folder / f"{name}.svg" for name in PICTURES}
    leads = measured.sizes.leads
    ours = {"full": "ours", "decay": "ours, decay only", "backtest": "ours, backtest",
            "bind": "ours, rules bound to columns"}  # fmt: skip
    times = {ours.get(name, name): took for name, took in measured.rescore.times.items()}
    plots.bars(files["rescore"], times, f"time for {leads:,} leads")
    many, fewer = f"{leads:,} leads", f"{measured.sizes.middle:,} leads"
    names = {
        "weight": f"a weight, {many}",
        "weight, fewer": f"a weight, {fewer}",
        "condition or half-life": "a condition or half-life",
    }
    drafts = {names[name]: took for name, took in measured.edits.times.items()}
    limits = {names["weight"]: 20e-3, names["weight, fewer"]: 3e-3}
    plots.shares(files["edits"], drafts, "time for a draft (dotted: the bar for 95 %)", limits)
    label = "time for one lead (dotted: the bar for 99 %)"
    plots.shares(files["one-lead"], measured.single.spread, label, {"ours": 100e-6})
    plots.bars(files["field-rules"], _field_rules(measured.fields), "time for one lead")
    plots.line(files["growth"], measured.growth.each, "time for one lead", 1.5)


def _field_rules(rules: Fields) -> dict[str, float]:
    patterns = rules.with_patterns.items()
    found = {f"{name}, with regular expressions": took for name, took in patterns}
    found |= {f"{name}, without": took for name, took in rules.without.items()}
    return found | {"ours, many leads at once, without": rules.many["ours"]}
