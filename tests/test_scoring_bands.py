"""Bands: one function decides, and leaving is harder than entering where the document says so."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from scoring.bands import DEFAULT_BANDS, Band, band_after, band_label, band_of
from scoring.rules import default_rule_set

BANDS = (
    Band("hot", "Hot", 70_000, 60_000),
    Band("warm", "Warm", 45_000, 40_000),
    Band("nurture", "Nurture", 20_000),
    Band("low_fit", "Low fit", 0),
)
values = st.integers(0, 100_000)
keys = st.sampled_from([band.key for band in BANDS])


@pytest.mark.parametrize(
    ("value", "key"),
    [
        (100_000, "hot"),
        (70_000, "hot"),
        (69_999, "warm"),
        (45_000, "warm"),
        (20_000, "nurture"),
        (19_999, "low_fit"),
        (0, "low_fit"),
    ],
)
def test_a_band_begins_exactly_at_its_threshold(value: int, key: str) -> None:
    assert band_of(BANDS, value) == key
    assert band_after(BANDS, None, value) == key


@pytest.mark.parametrize(
    ("previous", "value", "key"),
    [
        ("hot", 60_000, "hot"),
        ("hot", 59_999, "warm"),
        ("hot", 41_000, "nurture"),  # left Hot, and never was in Warm
        ("warm", 40_000, "warm"),
        ("warm", 39_999, "nurture"),
        ("warm", 70_000, "hot"),
        ("nurture", 19_999, "low_fit"),
        ("nurture", 69_999, "warm"),
        ("gone", 41_000, "nurture"),
    ],
)
def test_a_lead_stays_until_it_falls_below_leave_at(previous: str, value: int, key: str) -> None:
    assert band_after(BANDS, previous, value) == key


def test_a_wobble_around_the_threshold_changes_the_band_once() -> None:
    band, seen = "warm", []
    for value in (69_000, 70_100, 69_900, 70_050, 69_500, 61_000, 70_000):
        band = band_after(BANDS, band, value)
        seen.append(band)
    assert seen == ["warm"] + ["hot"] * 6


@given(keys, values)
def test_deciding_twice_changes_nothing(previous: str, value: int) -> None:
    once = band_after(BANDS, previous, value)
    assert band_after(BANDS, once, value) == once


@given(keys, values, values)
def test_more_points_never_mean_a_worse_band(previous: str, one: int, other: int) -> None:
    order = [band.key for band in BANDS]
    low, high = sorted((one, other))
    ranks = [order.index(band_after(BANDS, previous, value)) for value in (high, low)]
    assert ranks == sorted(ranks)


def test_a_rule_set_is_as_good_as_its_bands() -> None:
    rule_set = default_rule_set()
    hot = rule_set.bands[0]
    assert band_of(rule_set, hot.threshold) == band_of(rule_set.bands, hot.threshold) == "hot"
    assert band_label(rule_set, "low_fit") == "Low fit"
    assert band_label(DEFAULT_BANDS, "gone") == "gone"
