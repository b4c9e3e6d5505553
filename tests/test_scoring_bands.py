"""Bands: one function decides, and leaving is harder than entering where the document says so."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from scoring.bands import (
    DEFAULT_BANDS,
    Band,
    BandState,
    band_after,
    band_label,
    band_of,
    next_band,
)
from scoring.rules import default_rule_set, parse_rule_set

BANDS = (
    Band("hot", "Hot", 70_000, 60_000),
    Band("warm", "Warm", 45_000, 40_000),
    Band("nurture", "Nurture", 20_000),
    Band("low_fit", "Low fit", 0),
)
DWELLING = (
    Band("hot", "Hot", 70_000, 60_000, dwell_days=3),
    Band("warm", "Warm", 45_000, 40_000, dwell_days=0.5),
    Band("low_fit", "Low fit", 0),
)
NOW = datetime(2026, 11, 23, 12, tzinfo=UTC)
DAY = timedelta(days=1)
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


# -- with time: dwell, moved thresholds, room ----------------------------------------------------


@given(st.none() | st.sampled_from(["hot", "warm", "nurture", "low_fit", "gone"]), values)
def test_without_dwell_and_capacity_only_the_score_counts(previous: str | None, value: int) -> None:
    state = BandState(previous, NOW) if previous else None
    after = next_band(BANDS, state, value, NOW)
    assert after is not None
    assert after.band == band_after(BANDS, previous, value) == by_hand(previous, value)
    assert (after is state) == (after.band == previous)


def by_hand(previous: str | None, value: int) -> str:
    """The rule in its simplest words: below its own start, a lead stays down to 'leave_at'."""
    plain = next(band for band in BANDS if value >= band.threshold)
    for band in BANDS:
        if band.key == previous and band.leave_at is not None:
            return band.key if band.leave_at <= value < band.threshold else plain.key
    return plain.key


def test_a_lead_that_stays_keeps_the_time_it_entered() -> None:
    state = BandState("hot", NOW - 9 * DAY)
    assert next_band(BANDS, state, 61_000, NOW) is state
    assert next_band(BANDS, state, 59_000, NOW) == BandState("warm", NOW)


@pytest.mark.parametrize(
    ("band", "value", "days", "after"),
    [
        ("hot", 0, 2.999, "hot"),  # falls, but not yet
        ("hot", 0, 3, "low_fit"),
        ("warm", 90_000, 0.49, "warm"),  # rises, but not yet
        ("warm", 90_000, 0.5, "hot"),
        ("low_fit", 90_000, 0, "hot"),  # no dwell in this band
        ("gone", 90_000, 0, "hot"),  # the band was removed from the document
    ],
)
def test_a_lead_dwells_in_the_band_it_is_in(band: str, value: int, days: float, after: str) -> None:
    state = BandState(band, NOW - days * DAY)
    assert next_band(DWELLING, state, value, NOW) == (
        state if after == band else BandState(after, NOW)
    )


def test_a_disqualified_lead_falls_at_once_but_does_not_rise_at_once() -> None:
    hot, warm = BandState("hot", NOW), BandState("warm", NOW)
    assert next_band(DWELLING, hot, 5_000, NOW, disqualified=True) == BandState("low_fit", NOW)
    assert next_band(DWELLING, hot, 65_000, NOW, disqualified=True) is hot  # has not to leave
    assert next_band(DWELLING, warm, 80_000, NOW, disqualified=True) is warm


def test_a_suppressed_lead_has_no_band_from_that_moment() -> None:
    assert next_band(DWELLING, BandState("hot", NOW), None, NOW) is None
    assert next_band(DWELLING, None, None, NOW) is None
    assert next_band(DWELLING, None, 80_000, NOW) == BandState("hot", NOW)


@given(st.none() | keys, values, st.integers(70_000, 100_000), st.booleans())
def test_a_moved_threshold_and_a_full_band_concern_only_who_enters(
    previous: str | None, value: int, start: int, full: bool
) -> None:
    state = BandState(previous, NOW) if previous else None
    after = next_band(BANDS, state, value, NOW, moved={"hot": start}, full=["hot"] if full else [])
    assert after is not None
    if previous == "hot" and value >= 60_000:
        assert after is state
    elif after.band == "hot":
        assert value >= start
        assert not full
    else:
        assert full or value < start
        below = next_band(BANDS[1:], None if previous == "hot" else state, value, NOW)
        assert after == below


@given(st.none() | keys, values, values, st.integers(70_000, 100_000), st.floats(0, 5))
def test_more_points_never_mean_a_worse_band_with_time_either(
    previous: str | None, one: int, other: int, start: int, days: float
) -> None:
    order = [band.key for band in DWELLING]
    state = BandState(previous, NOW - days * DAY) if previous in order else None
    low, high = sorted((one, other))
    found = [next_band(DWELLING, state, value, NOW, moved={"hot": start}) for value in (high, low)]
    ranks = [order.index(after.band) for after in found if after]
    assert ranks == sorted(ranks)


# -- in the document -----------------------------------------------------------------------------


def document(hot: str) -> str:
    return f"""\
name: Ours
bands:
  hot:
    {hot}
    from: 65
  cold: {{from: 0}}
dimensions: {{fit: {{groups: [{{id: g, rules: [{{id: r, when: {{seniority: vp}}, points: 5}}]}}]}}}}
"""


def test_dwell_and_capacity_are_read() -> None:
    rule_set, found = parse_rule_set(document("dwell_days: 1.5\n    capacity: {per_week: 40}"))
    assert rule_set is not None, found
    hot, cold = rule_set.bands
    assert hot == Band("hot", "Hot", 65_000, dwell_days=1.5, capacity=40)
    assert (cold.dwell_days, cold.capacity) == (None, None)
    rule_set, found = parse_rule_set(document("capacity: {per_week: 5, per: owner}"))
    assert rule_set is not None, found
    assert rule_set.bands[0] == Band("hot", "Hot", 65_000, capacity=5, per_owner=True)


@pytest.mark.parametrize(
    ("hot", "said"),
    [
        ("capacity: {per_week: 0}", "'per_week' lies between 1 and 1,000,000"),
        ("capacity: {per_week: -3}", "'per_week' lies between 1 and 1,000,000"),
        ("capacity: {per_week: 2.5}", "'per_week' is a whole number"),
        ("capacity: {per_week: many}", "'per_week' is a number"),
        ("capacity: {}", "'capacity' needs 'per_week'"),
        ("capacity: {per: owner}", "'capacity' needs 'per_week'"),
        ("capacity: {per_week: 5, per: team}", "There is no share of a capacity 'team'"),
        ("capacity: {perweek: 3}", "Did you mean per_week?"),
        ("capacity: 40", "'capacity' is a mapping such as '{per_week: 40}'"),
        ("dwell_days: 366", "'dwell_days' lies between 0 and 365"),
        ("dwell_days: -1", "'dwell_days' lies between 0 and 365"),
        ("dwell_days: long", "'dwell_days' is a number"),
        ("dwel_days: 3", "Did you mean dwell_days?"),
        ("leave_at: 70", "'leave_at' of hot"),
    ],
)
def test_a_wrong_entry_is_explained_with_its_line(hot: str, said: str) -> None:
    rule_set, found = parse_rule_set(document(hot))
    assert rule_set is None
    assert any(str(problem).startswith("line 4: ") and said in str(problem) for problem in found)


def test_the_lowest_band_has_no_capacity() -> None:
    text = document("label: Hot").replace("{from: 0}", "{from: 0, capacity: {per_week: 9}}")
    _, (problem,) = parse_rule_set(text)
    assert str(problem) == "line 6: The lowest band, cold, takes all the rest: no 'capacity' here."


def test_documents_that_say_nothing_of_capacity_and_dwell_keep_their_hash() -> None:
    older: dict[str, Any] = {
        "name": "One",
        "bands": {"hot": {"from": 65, "leave_at": 60}, "cold": {"from": 0}},
        "dimensions": {
            "fit": {
                "groups": [
                    {"id": "g", "rules": [{"id": "r", "when": {"seniority": "vp"}, "points": 5}]}
                ]
            }
        },
    }
    rule_set, _ = parse_rule_set(older)
    assert rule_set is not None
    assert rule_set.hash == "48ee1c4c332abcb26456c471b858cfbc7c60dd37280e5608e064b346fe476f65"
    older["bands"]["hot"]["dwell_days"] = 3
    changed, _ = parse_rule_set(older)
    assert changed is not None
    assert changed.hash != rule_set.hash
