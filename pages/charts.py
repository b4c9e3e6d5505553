"""Rows to Plotly figures: pure, coloured for light or dark, and readable without the colours."""

from __future__ import annotations

import itertools
import textwrap
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

import plotly.graph_objects as go

from pages import words
from pages.colours import Palette
from scoring.scores import DIMENSIONS, MILLI, Contribution, points_text

DIMENSION_LABELS = {"fit": "Fit", "engagement": "Engagement", "intent": "Intent", "": "Whole score"}
_LABEL_WIDTH = 42  # letters of a row label before it wraps
_ROW_PIXELS = 27
_TEXT_SIZE = 13
_FONT = "'Source Sans', 'Source Sans 3', sans-serif"  # the one Streamlit ships
#: How instants read below a figure: the time of day, or the day from a day's distance on.
_TICKS = [
    {"dtickrange": [None, 86_399_999], "value": "%H:%M"},
    {"dtickrange": [86_400_000, None], "value": "%-d %b"},
]
_SHORTEST_HISTORY = timedelta(hours=6)
#: What every figure is shown with: no tool bar, no zoom by accident.
CONFIG: dict[str, object] = {"displayModeBar": False, "scrollZoom": False, "doubleClick": False}


@dataclass(frozen=True, slots=True)
class Step:
    """One row of the contribution chart: a bar from `start` to `end`, in milli-points."""

    kind: str  # "dimension", "rule", "limit", "total"
    label: str
    start: int
    end: int
    known: bool = True

    @property
    def points(self) -> int:
        """What this row adds, in milli-points."""
        return self.end - self.start


def steps(contributions: Sequence[Contribution], value: int) -> list[Step]:
    """The contributions as a staircase that ends at `value`, grouped by dimension.

    Raises ValueError when they do not sum to `value`: such a chart would be a lie.
    """
    total = sum(item.points for item in contributions)
    if total != value:
        raise ValueError(f"contributions sum to {total} milli-points, the score is {value}")
    rows: list[Step] = []
    height = 0
    for dimension in (*DIMENSIONS, ""):
        own = [item for item in contributions if item.dimension == dimension]
        if not own:
            continue
        after = height + sum(item.points for item in own)
        if dimension:
            rows.append(Step("dimension", DIMENSION_LABELS[dimension], height, after))
        for item in sorted(own, key=lambda c: (c.kind == "limit", -abs(c.points))):
            rows.append(Step(item.kind, item.label, height, height + item.points, known=item.known))
            height += item.points
    rows.append(Step("total", "Score", 0, value))
    return rows


def contribution_chart(
    contributions: Sequence[Contribution],
    value: int,
    colours: Palette,
    *,
    band_colour: str,
    low: int | None = None,
    high: int | None = None,
) -> go.Figure:
    """A staircase of signed points that ends at the score; `value` and bounds in milli-points."""
    rows = steps(contributions, value)
    labels = [_wrapped(row) for row in rows]
    centres = list(_centres([label.count("<br>") + 1 for label in labels]))
    figure = go.Figure()
    figure.add_trace(_stairs(rows, centres, colours))
    figure.add_trace(_bars(rows, centres, colours, band_colour))
    if low is not None and high is not None and high > low:
        figure.add_trace(_bounds(low, high, centres[-1], colours))
    edges = [edge for row in rows for edge in (row.start, row.end)] + [low or 0, high or 0]
    least, most = min(0, *edges) / MILLI, max(*edges, 10 * MILLI) / MILLI
    room = (most - least) * 0.16
    _frame(figure, colours, height=int(-centres[-1] * _ROW_PIXELS) + 70)
    figure.update_layout(margin={"l": 8, "r": 8, "t": 4, "b": 28}, bargap=0.2, hovermode="closest")
    figure.update_xaxes(
        range=[least - (room if least < 0 else 0.5), most + room],
        showgrid=True,
        gridcolor=colours.line,
        zeroline=True,
        zerolinecolor=colours.muted,
        ticksuffix="",
    )
    figure.update_yaxes(
        tickvals=centres,
        ticktext=labels,
        range=[centres[-1] - 0.8, centres[0] + 0.8],
        showgrid=False,
        automargin=True,
        ticks="",
    )
    return figure


def _wrapped(row: Step) -> str:
    label = words.clean(row.label, 160)
    if row.kind in {"dimension", "total"}:
        return f"<b>{words.figure_text(label)}</b>"
    lines = textwrap.wrap(label, _LABEL_WIDTH, break_long_words=True) or [""]
    return "<br>".join(words.figure_text(line) for line in lines)


def _centres(line_counts: Sequence[int]) -> Iterator[float]:
    """The y of each row, downwards; a row of two lines takes the room it needs."""
    y = 0.0
    for lines in line_counts:
        height = 1.0 if lines == 1 else 0.45 + 0.62 * lines
        yield -(y + height / 2)
        y += height


def _bars(
    rows: Sequence[Step], centres: Sequence[float], colours: Palette, band_colour: str
) -> go.Bar:
    def colour(row: Step) -> str:
        if row.kind == "total":
            return band_colour
        if row.kind in {"dimension", "limit"} or not row.known:
            return colours.neutral
        return colours.up if row.points >= 0 else colours.down

    return go.Bar(
        orientation="h",
        y=list(centres),
        x=[row.points / MILLI for row in rows],
        base=[row.start / MILLI for row in rows],
        width=[0.16 if row.kind == "dimension" else 0.58 for row in rows],
        marker={
            "color": [colour(row) for row in rows],
            "cornerradius": 3,
            "line": {"width": 0},
            "pattern": {
                "shape": ["/" if not row.known else "" for row in rows],
                "fgcolor": colours.surface,
                "size": 5,
            },
        },
        text=[_amount(row) for row in rows],
        textposition="outside",
        cliponaxis=False,
        constraintext="none",
        textfont={"color": colours.text, "size": _TEXT_SIZE},
        customdata=[
            [words.figure_text(row.label, 160), _amount(row), _meaning(row)] for row in rows
        ],
        hovertemplate="<b>%{customdata[1]}</b>  %{customdata[0]}%{customdata[2]}<extra></extra>",
    )


def _amount(row: Step) -> str:
    text = points_text(row.points, signed=row.kind != "total")
    return f"<b>{text}</b>" if row.kind in {"dimension", "total"} else text


def _meaning(row: Step) -> str:
    if row.kind == "limit":
        return "<br>A limit of the rules took these points back"
    return "" if row.known else "<br>Not known yet: counted with its neutral value"


def _stairs(rows: Sequence[Step], centres: Sequence[float], colours: Palette) -> go.Scatter:
    """Thin lines from the end of each bar down to the start of the next."""
    x: list[float | None] = []
    y: list[float | None] = []
    bars = [(row, y0) for row, y0 in zip(rows, centres, strict=True) if row.kind != "dimension"]
    for (row, y0), (_, y1) in itertools.pairwise(bars):
        x += [row.end / MILLI, row.end / MILLI, None]
        y += [y0, y1, None]
    return go.Scatter(
        x=x, y=y, mode="lines", line={"color": colours.neutral, "width": 1}, hoverinfo="skip"
    )


def _bounds(low: int, high: int, y: float, colours: Palette) -> go.Scatter:
    text = f"Could be {points_text(low)} to {points_text(high)} once everything is known"
    return go.Scatter(
        x=[low / MILLI, high / MILLI],
        y=[y - 0.5, y - 0.5],
        mode="lines+markers",
        line={"color": colours.muted, "width": 1.5},
        marker={"symbol": "line-ns", "size": 7, "line": {"color": colours.muted, "width": 1.5}},
        hovertemplate=text + "<extra></extra>",
    )


@dataclass(frozen=True, slots=True)
class BandLine:
    """Where a band begins, in points, with its label and colour."""

    label: str
    threshold: float
    colour: str


def history_chart(
    points: Sequence[tuple[datetime, float]], bands: Sequence[BandLine], colours: Palette
) -> go.Figure:
    """The score over time as steps, with the bands behind it; `bands` best first."""
    figure = go.Figure()
    top = 100.0
    for band in bands:
        floor = max(band.threshold, 0.0)
        figure.add_hrect(y0=floor, y1=top, fillcolor=band.colour, opacity=0.09, line_width=0)
        if top - floor >= 8:
            figure.add_annotation(
                xref="paper",
                x=1,
                y=(floor + top) / 2,
                text=words.figure_text(band.label, 24),
                showarrow=False,
                xanchor="left",
                xshift=8,
                font={"color": band.colour, "size": 12},
            )
        top = floor
    figure.add_trace(
        go.Scatter(
            x=[at for at, _ in points],
            y=[value for _, value in points],
            mode="lines+markers",
            line={"shape": "hv", "color": colours.text, "width": 2},
            marker={"size": 5, "color": colours.text},
            hovertemplate="%{x|%-d %b %Y, %H:%M}<br><b>%{y:.1f}</b><extra></extra>",
        )
    )
    _frame(figure, colours, height=240)
    figure.update_layout(margin={"l": 8, "r": 60, "t": 8, "b": 8})
    edges = sorted({0.0, 100.0, *(band.threshold for band in bands)})
    figure.update_yaxes(range=[0, 102], tickvals=edges, gridcolor=colours.line)
    figure.update_xaxes(showgrid=False, tickformatstops=_TICKS, nticks=5)
    if points and points[-1][0] - points[0][0] < _SHORTEST_HISTORY:
        figure.update_xaxes(range=[points[-1][0] - _SHORTEST_HISTORY, points[-1][0]])
    return figure


@dataclass(frozen=True, slots=True)
class Quantiles:
    """How long it took in one time bucket, in seconds, over `n` leads."""

    start: datetime
    p50: float
    p95: float
    p99: float
    n: int


def latency_chart(
    rows: Sequence[Quantiles],
    colours: Palette,
    *,
    target_seconds: float,
    window: tuple[datetime, datetime],
) -> go.Figure:
    """p50, p95 and p99 in seconds per time bucket, with the target once it is near.

    The whole `window` is shown, however few buckets of it hold leads.
    """
    figure = go.Figure()
    most = max((row.p99 for row in rows), default=0.0)
    lines = (
        ("p99", [row.p99 for row in rows], "dot"),
        ("p95", [row.p95 for row in rows], "dash"),
        ("p50", [row.p50 for row in rows], "solid"),
    )
    for (name, values, dash), colour in zip(lines, colours.series, strict=True):
        figure.add_trace(
            go.Scatter(
                x=[row.start for row in rows],
                y=values,
                name=name,
                mode="lines+markers" if len(rows) < 40 else "lines",
                line={"color": colour, "width": 2, "dash": dash},
                marker={"size": 5},
                customdata=[
                    [words.duration(value), row.n] for value, row in zip(values, rows, strict=True)
                ],
                hovertemplate=f"<b>{name} %{{customdata[0]}}</b> of %{{customdata[1]}} leads"
                "<br>%{x|%-d %b, %H:%M}<extra></extra>",
            )
        )
    _frame(figure, colours, height=260, legend=True)
    if most >= target_seconds / 4:
        figure.add_hline(
            y=target_seconds,
            line={"color": colours.down, "width": 1, "dash": "dash"},
            annotation={
                "text": f"target {words.duration(target_seconds)}",
                "font": {"color": colours.down, "size": 12},
            },
            annotation_position="top left",
        )
    figure.update_yaxes(rangemode="tozero", ticksuffix=" s", gridcolor=colours.line)
    figure.update_xaxes(showgrid=False, range=window, tickformatstops=_TICKS)
    return figure


@dataclass(frozen=True, slots=True)
class BandRate:
    """How many leads of a band converted, in percent with its interval."""

    label: str
    colour: str
    leads: int
    converted: int
    rate: float
    low: float
    high: float


def conversion_chart(rows: Sequence[BandRate], colours: Palette) -> go.Figure:
    """Conversion per band with 95 % Wilson intervals and the number of leads behind each bar."""
    shown = list(reversed(rows))
    figure = go.Figure(
        go.Bar(
            orientation="h",
            y=[words.figure_text(row.label, 24) for row in shown],
            x=[row.rate if row.leads else 0.0 for row in shown],
            marker={"color": [row.colour for row in shown], "cornerradius": 3},
            width=0.46,
            error_x={
                "type": "data",
                "array": [row.high - row.rate if row.leads else 0 for row in shown],
                "arrayminus": [row.rate - row.low if row.leads else 0 for row in shown],
                "color": colours.text,
                "thickness": 1.3,
                "width": 5,
            },
            customdata=[
                [row.converted, row.leads, words.percent(row.low), words.percent(row.high)]
                for row in shown
            ],
            hovertemplate="<b>%{y}</b>: %{customdata[0]} of %{customdata[1]} leads"
            "<br>95 % interval %{customdata[2]} to %{customdata[3]}<extra></extra>",
        )
    )
    most = max((row.high for row in rows if row.leads), default=10.0)
    for row in shown:
        text = (
            f"<b>{words.percent(row.rate)}</b>  n = {row.leads:,}" if row.leads else "no leads yet"
        )
        figure.add_annotation(
            x=row.high if row.leads else 0,
            y=words.figure_text(row.label, 24),
            text=text,
            showarrow=False,
            xanchor="left",
            xshift=10,
            font={"color": colours.text, "size": _TEXT_SIZE},
        )
    _frame(figure, colours, height=56 + 68 * max(len(rows), 1))
    figure.update_xaxes(
        range=[0, max(most, 1.0) * 1.42], ticksuffix=" %", gridcolor=colours.line, nticks=6
    )
    figure.update_yaxes(showgrid=False, automargin=True)
    return figure


def stacked_days(
    days: Sequence[datetime],
    parts: Mapping[str, tuple[Sequence[int], str]],
    colours: Palette,
    *,
    window: tuple[datetime, datetime],
) -> go.Figure:
    """Counts per day (UTC), one stacked part per name; `parts` = name -> (counts, colour)."""
    return _days(days, parts, colours, window, barmode="stack")


def daily_pairs(
    days: Sequence[datetime],
    parts: Mapping[str, tuple[Sequence[int], str]],
    colours: Palette,
    *,
    window: tuple[datetime, datetime],
) -> go.Figure:
    """Counts per day (UTC), one bar per name side by side; `parts` = name -> (counts, colour)."""
    return _days(days, parts, colours, window, barmode="group")


def _days(
    days: Sequence[datetime],
    parts: Mapping[str, tuple[Sequence[int], str]],
    colours: Palette,
    window: tuple[datetime, datetime],
    *,
    barmode: str,
) -> go.Figure:
    first, last = (at.astimezone(UTC).date() for at in window)
    every = [first + timedelta(days=n) for n in range((last - first).days + 1)]
    figure = go.Figure()
    for name, (values, colour) in parts.items():
        counts = dict(zip((day.date() for day in days), values, strict=True))
        figure.add_trace(
            go.Bar(
                x=every,  # days without anything too: a bar is as wide as the closest two days
                y=[counts.get(day, 0) for day in every],
                name=name,
                marker={"color": colour, "cornerradius": 2},
                hovertemplate=f"%{{x|%-d %b}}: <b>%{{y:,}}</b> {name.lower()}<extra></extra>",
            )
        )
    _frame(figure, colours, height=220, legend=True)
    figure.update_layout(barmode=barmode, bargap=0.3)
    figure.update_yaxes(rangemode="tozero", gridcolor=colours.line, tickformat=",d", nticks=5)
    figure.update_xaxes(showgrid=False, tickformat="%-d %b")
    if len(every) <= 8:
        figure.update_xaxes(tickvals=every)
    return figure


def _frame(figure: go.Figure, colours: Palette, *, height: int, legend: bool = False) -> None:
    """The look all figures share: transparent paper, quiet lines, room for nothing but data."""
    figure.update_layout(
        height=height,
        margin={"l": 8, "r": 8, "t": 32 if legend else 8, "b": 8},
        paper_bgcolor="rgba(0,0,0,0)",
        plot_bgcolor="rgba(0,0,0,0)",
        font={"color": colours.text, "size": _TEXT_SIZE, "family": _FONT},
        showlegend=legend,
        legend={"orientation": "h", "y": 1.02, "yanchor": "bottom", "x": 0, "title": None},
        hoverlabel={"bgcolor": colours.surface, "font": {"color": colours.text}},
        dragmode=False,
    )
    figure.update_xaxes(
        color=colours.muted, fixedrange=True, linecolor=colours.line, automargin=True
    )
    figure.update_yaxes(color=colours.muted, fixedrange=True, zeroline=False, automargin=True)
    if figure.layout.yaxis.tickvals is None:
        figure.update_yaxes(tickfont={"color": colours.text, "size": _TEXT_SIZE})
