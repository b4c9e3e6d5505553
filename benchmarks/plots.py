"""Pictures for the report: small SVG files that can be read on white and on black."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path

import matplotlib as mpl
import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from benchmarks.measure import spoken

INK, OURS, THEIRS, BAR = "#7d8590", "#2f81f7", "#8b949e", "#d29922"
STYLE = {
    "svg.fonttype": "none",
    "svg.hashsalt": "leadlight",
    "font.size": 10,
    "text.color": INK,
    "axes.edgecolor": INK,
    "axes.labelcolor": INK,
    "xtick.color": INK,
    "ytick.color": INK,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "legend.frameon": False,
}


@contextmanager
def picture(path: Path, height: float = 2.8) -> Iterator[Axes]:
    """Axes to draw on; written to the file at the end."""
    with mpl.rc_context(STYLE):
        figure = Figure(figsize=(7.6, height), layout="constrained")
        yield figure.add_subplot()
        figure.savefig(path, format="svg", transparent=True, metadata={"Date": None})


def bars(path: Path, times: Mapping[str, float], label: str) -> None:
    """A bar for each time (seconds) on a logarithmic scale, the quickest on top; ours stand out."""
    ordered = sorted(times.items(), key=lambda item: -item[1])
    with picture(path, 0.8 + 0.34 * len(ordered)) as axes:
        colours = [OURS if name.startswith("ours") else THEIRS for name, _ in ordered]
        drawn = axes.barh([name for name, _ in ordered], [t for _, t in ordered], color=colours)
        axes.bar_label(drawn, [spoken(took) for _, took in ordered], padding=4)
        axes.set_xscale("log")
        axes.set_xlim(right=3 * ordered[0][1])
        axes.xaxis.set_major_formatter(lambda took, _: spoken(took))
        axes.set_xlabel(label)
        axes.grid(axis="x", alpha=0.25)
        axes.set_axisbelow(True)


def shares(
    path: Path, times: Mapping[str, Sequence[float]], label: str, limits: Mapping[str, float]
) -> None:
    """For each name the share of times (seconds) that are not above one; dotted: its limit."""
    with picture(path) as axes:
        for colour, (name, taken) in zip((OURS, THEIRS, BAR), times.items(), strict=False):
            share = np.linspace(0, 1, min(len(taken), 200))
            axes.plot(np.quantile(taken, share), share, color=colour, label=name)
            if name in limits:
                axes.axvline(limits[name], color=colour, linestyle=":")
        axes.set_xscale("log")
        axes.xaxis.set_major_formatter(lambda took, _: spoken(took))
        axes.xaxis.set_minor_formatter("")
        axes.set_xlabel(label)
        axes.set_ylabel("share of all")
        axes.legend(loc="lower left", bbox_to_anchor=(0, 1), ncols=3, borderaxespad=0)
        axes.grid(alpha=0.25)


def line(path: Path, times: Mapping[int, float], label: str, tolerance: float) -> None:
    """A time (seconds) by number of leads; the band is how far it may be above the least."""
    with picture(path) as axes:
        least = min(times.values())
        axes.plot(list(times), list(times.values()), color=OURS, marker="o")
        axes.axhspan(least, tolerance * least, color=THEIRS, alpha=0.2, linewidth=0)
        axes.set_xscale("log")
        axes.set_xticks(list(times), [f"{leads:,}" for leads in times])
        axes.xaxis.set_minor_formatter("")
        axes.yaxis.set_major_formatter(lambda took, _: spoken(took) if took else "0")
        axes.set_ylim(0, max(tolerance * least, *times.values()) * 1.15)
        axes.set_xlabel("leads")
        axes.set_ylabel(label)
        axes.grid(alpha=0.25)
