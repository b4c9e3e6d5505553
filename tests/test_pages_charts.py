"""Figures tell the truth: what they add up to is what the rows say."""

from __future__ import annotations

import itertools
import json
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pages import charts
from pages.colours import DARK, LIGHT, theme_options
from scoring.scores import DIMENSIONS, Contribution

NOW = datetime(2026, 11, 23, 12, 0, tzinfo=UTC)


def contribution(points: int, dimension: str = "fit", **more: object) -> Contribution:
    known = bool(more.get("known", True))
    kind = str(more.get("kind", "rule"))
    label = str(more.get("label", "A reason"))
    return Contribution("r", kind, dimension, "g", points, label, known)


@given(
    st.lists(
        st.tuples(st.integers(-100_000, 100_000), st.sampled_from((*DIMENSIONS, ""))), max_size=30
    )
)
def test_the_staircase_ends_at_the_score(parts: list[tuple[int, str]]) -> None:
    items = [contribution(points, dimension) for points, dimension in parts]
    value = sum(points for points, _ in parts)
    rows = charts.steps(items, value)
    assert rows[-1].kind == "total"
    assert rows[-1].end == value
    bars = [row for row in rows if row.kind in {"rule", "limit"}]
    assert sum(row.points for row in bars) == value
    assert all(a.end == b.start for a, b in itertools.pairwise(bars))


def test_each_dimension_shows_its_own_sum() -> None:
    items = [contribution(15_000), contribution(-2_000, kind="limit"), contribution(500, "intent")]
    rows = {row.label: row.points for row in charts.steps(items, 13_500) if row.kind == "dimension"}
    assert rows == {"Fit": 13_000, "Intent": 500}


def test_contributions_that_do_not_add_up_are_refused() -> None:
    with pytest.raises(ValueError, match="sum to 15000"):
        charts.steps([contribution(15_000)], 15_001)


def test_the_chart_shows_the_points_as_text_with_their_sign() -> None:
    items = [contribution(15_500), contribution(-4_000, "engagement")]
    figure = charts.contribution_chart(items, 11_500, LIGHT, band_colour="#111111")
    bars = next(trace for trace in figure.data if trace.type == "bar")
    assert list(bars.text) == ["<b>+15.5</b>", "+15.5", "<b>−4</b>", "−4", "<b>11.5</b>"]


def test_hostile_labels_stay_text() -> None:
    items = [contribution(1_000, label='<b>x</b> <a href="javascript:alert(1)">y</a> %{x}')]
    figure = charts.contribution_chart(items, 1_000, DARK, band_colour="#111111")
    text = json.dumps(json.loads(figure.to_json()))
    assert "<a " not in text
    assert "%{x}" not in text


def test_an_unknown_fact_is_hatched() -> None:
    items = [contribution(1_000, known=False)]
    figure = charts.contribution_chart(items, 1_000, LIGHT, band_colour="#111111")
    bars = next(trace for trace in figure.data if trace.type == "bar")
    assert list(bars.marker.pattern.shape) == ["", "/", ""]


def test_every_figure_has_transparent_paper() -> None:
    for figure in _one_of_each():
        assert figure.layout.paper_bgcolor == "rgba(0,0,0,0)"
        assert figure.layout.plot_bgcolor == "rgba(0,0,0,0)"


def _one_of_each() -> list[object]:
    days = [NOW - timedelta(days=n) for n in range(3)]
    return [
        charts.contribution_chart([], 0, LIGHT, band_colour="#111111", low=0, high=50_000),
        charts.history_chart([(NOW, 40.0)], [charts.BandLine("Hot", 75, "#111111")], LIGHT),
        charts.history_chart([], [], LIGHT),
        charts.latency_chart(
            [charts.Quantiles(NOW, 1.0, 2.0, 90.0, 4)], LIGHT, target_seconds=60, window=(NOW, NOW)
        ),
        charts.latency_chart([], LIGHT, target_seconds=60, window=(NOW, NOW)),
        charts.conversion_chart([charts.BandRate("Hot", "#111111", 0, 0, 0, 0, 0)], LIGHT),
        charts.conversion_chart([], LIGHT),
        charts.stacked_days(days, {"Found": ([1, 2, 3], "#111111")}, LIGHT, window=(NOW, NOW)),
        charts.daily_pairs([], {}, LIGHT, window=(NOW, NOW)),
    ]


def test_a_rate_is_never_shown_without_its_sample_size() -> None:
    rows = [charts.BandRate("Hot", "#111111", 40, 12, 30.0, 18.1, 45.4)]
    notes = [note.text for note in charts.conversion_chart(rows, LIGHT).layout.annotations]
    assert notes == ["<b>30 %</b>  n = 40"]


@pytest.mark.parametrize("palette", [LIGHT, DARK])
def test_text_on_the_page_has_enough_contrast(palette: object) -> None:
    for name in ("text", "muted"):
        assert _contrast(getattr(palette, name), palette.surface) >= 4.5
    for colour in palette.bands[:4]:
        assert _contrast(colour, palette.surface) >= 3.0


def _contrast(one: str, other: str) -> float:
    """The contrast ratio of the Web Content Accessibility Guidelines."""
    light, dark = sorted((_luminance(one), _luminance(other)), reverse=True)
    return (light + 0.05) / (dark + 0.05)


def _luminance(colour: str) -> float:
    parts = [int(colour[i : i + 2], 16) / 255 for i in (1, 3, 5)]
    linear = [p / 12.92 if p <= 0.03928 else ((p + 0.055) / 1.055) ** 2.4 for p in parts]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]


def test_the_theme_names_no_font_or_file_from_outside() -> None:
    assert not any("http" in str(value) for value in theme_options().values())
