"""Capacity: a hard limit on who enters, the best first, and a threshold that moves with care."""

from __future__ import annotations

import random
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from scoring.bands import Band, BandState, band_after, next_band
from scoring.capacity import (
    LOOK_BACK,
    WEEK,
    Entry,
    Placement,
    Standing,
    moved_thresholds,
    place,
    rooms,
    thresholds_for,
)

NOW = datetime(2026, 11, 23, 12, tzinfo=UTC)
DAY = timedelta(days=1)
HOT = Band("hot", "Hot", 65_000, 60_000, capacity=2)
WARM = Band("warm", "Warm", 40_000, 36_000)
LOW = Band("low_fit", "Low fit", 0)
BANDS = (HOT, WARM, LOW)
RANK = {band.key: rank for rank, band in enumerate(BANDS)}


def standings(*values: int | None) -> list[Standing]:
    return [Standing(number, value) for number, value in enumerate(values)]


def bands_of(placed: dict[int, Placement]) -> dict[int, str]:
    return {
        lead: placement.state.band if placement.state else "" for lead, placement in placed.items()
    }


# -- admission -----------------------------------------------------------------------------------


def test_the_best_are_let_in_and_the_rest_wait_in_the_next_band() -> None:
    placed, made = place(BANDS, standings(70_000, 90_000, 50_000, 80_000, None), [], NOW)
    assert bands_of(placed) == {0: "warm", 1: "hot", 2: "warm", 3: "hot", 4: ""}
    assert [placed[lead].waits_for for lead in range(5)] == [("hot",), (), (), (), ()]
    assert sorted(entry.band for entry in made) == ["hot", "hot", "warm", "warm"]


def test_who_waits_is_let_in_best_first_when_room_comes() -> None:
    entries = [Entry("hot", NOW - 7 * DAY), Entry("hot", NOW - 6 * DAY)]
    warm = BandState("warm", NOW - 5 * DAY)
    waiting = [Standing(1, 70_000, warm), Standing(2, 75_000, warm)]
    early, made = place(BANDS, waiting, entries, NOW - timedelta(microseconds=1))
    assert bands_of(early) == {1: "warm", 2: "warm"}
    assert made == ()
    now, made = place(BANDS, waiting, entries, NOW)
    assert bands_of(now) == {1: "warm", 2: "hot"}
    assert made == (Entry("hot", NOW),)
    assert now[1] == Placement(warm, ("hot",))


def test_at_the_same_score_the_one_who_waits_longest_goes_first() -> None:
    bands = (replace(HOT, capacity=1), WARM, LOW)
    leads = [
        Standing(1, 70_000),
        Standing(2, 70_000, BandState("warm", NOW - DAY)),
        Standing(3, 70_000, BandState("warm", NOW - 2 * DAY)),
    ]
    placed, _ = place(bands, leads, [], NOW)
    assert bands_of(placed) == {1: "warm", 2: "warm", 3: "hot"}


def test_who_is_in_the_band_needs_no_room() -> None:
    hot = BandState("hot", NOW - 9 * DAY)
    full = [Entry("hot", NOW)] * 2
    placed, made = place(BANDS, [Standing(1, 61_000, hot), Standing(2, 99_000)], full, NOW)
    assert placed[1].state is hot
    assert bands_of(placed)[2] == "warm"
    assert [entry.band for entry in made] == ["warm"]


def test_coming_back_or_falling_into_a_band_takes_room_too() -> None:
    bands = (replace(HOT, capacity=None), replace(WARM, capacity=1), LOW)
    falling = [Standing(n, 50_000 + n, BandState("hot", NOW - DAY)) for n in (1, 2)]
    placed, _ = place(bands, falling, [], NOW)
    assert bands_of(placed) == {1: "low_fit", 2: "warm"}
    assert placed[1].waits_for == ("warm",)


def test_a_closed_band_lets_nobody_in_but_the_lowest_is_never_closed() -> None:
    placed, _ = place(BANDS, standings(90_000), [], NOW, closed=["hot", "warm", "low_fit"])
    assert placed[0] == Placement(BandState("low_fit", NOW), ("hot", "warm"))


def test_a_lead_that_dwells_does_not_wait_and_takes_no_room() -> None:
    bands = (replace(HOT, capacity=1), replace(WARM, dwell_days=2), LOW)
    leads = [Standing(1, 99_000, BandState("warm", NOW - DAY)), Standing(2, 70_000)]
    placed, _ = place(bands, leads, [], NOW)
    assert bands_of(placed) == {1: "warm", 2: "hot"}
    assert placed[1].waits_for == ()


def test_after_the_capacity_was_lowered_nobody_enters_until_there_is_room() -> None:
    entries = [Entry("hot", NOW - day * DAY) for day in range(7)]
    assert rooms(BANDS, entries, NOW) == {"hot": 0}
    assert rooms(BANDS, entries, NOW + 5 * DAY) == {"hot": 0}
    assert rooms(BANDS, entries, NOW + 6 * DAY) == {"hot": 1}


def test_a_lead_given_twice_is_refused() -> None:
    with pytest.raises(ValueError, match="lead 3 is given twice"):
        place(BANDS, [Standing(3, 1), Standing(3, 2)], [], NOW)


states = st.none() | st.builds(
    BandState,
    st.sampled_from(["hot", "warm", "low_fit", "gone"]),
    st.integers(0, 240).map(lambda hours: NOW - timedelta(hours=hours)),
)
everyone = st.lists(
    st.tuples(st.none() | st.integers(0, 100).map(lambda p: p * 1_000), states, st.booleans()),
    max_size=12,
).map(lambda found: [Standing(n, *each) for n, each in enumerate(found)])
some_bands = st.builds(
    lambda hot, warm, dwell, short: (
        replace(HOT, capacity=hot, dwell_days=dwell),
        replace(WARM, capacity=warm, dwell_days=short),
        LOW,
    ),
    st.none() | st.integers(1, 4),
    st.none() | st.integers(1, 4),
    st.none() | st.integers(0, 5),
    st.none() | st.floats(0, 3),
)
some_entries = st.lists(
    st.builds(
        Entry,
        st.sampled_from(["hot", "warm", "low_fit"]),
        st.integers(0, 200).map(lambda hours: NOW - timedelta(hours=hours)),
    ),
    max_size=6,
)
moves = st.fixed_dictionaries({}, optional={"hot": st.integers(65_000, 95_000)})


@given(some_bands, everyone, some_entries, moves, st.randoms(use_true_random=False))
def test_the_order_of_the_leads_means_nothing(
    bands: Sequence[Band],
    leads: list[Standing],
    entries: list[Entry],
    moved: dict[str, int],
    dice: random.Random,
) -> None:
    shuffled, mixed = list(leads), list(entries)
    dice.shuffle(shuffled)
    dice.shuffle(mixed)
    assert place(bands, leads, entries, NOW, moved=moved) == place(
        bands, shuffled, mixed, NOW, moved=moved
    )


@given(some_bands, everyone, some_entries, moves)
def test_nobody_better_is_passed_over_and_nobody_waits_beside_free_room(
    bands: Sequence[Band], leads: list[Standing], entries: list[Entry], moved: dict[str, int]
) -> None:
    placed, made = place(bands, leads, entries, NOW, moved=moved)
    left = rooms(bands, [*entries, *made], NOW)
    entered: dict[str, list[int]] = {}
    for lead in leads:
        after = placed[lead.lead].state
        if after is not None and after is not lead.state and lead.value is not None:
            entered.setdefault(after.band, []).append(lead.value)
    for lead in leads:
        for band in placed[lead.lead].waits_for:
            assert left[band] == 0
            assert all(value >= (lead.value or 0) for value in entered.get(band, []))


@given(some_bands, everyone, some_entries, moves)
def test_one_function_decides_the_band(
    bands: Sequence[Band], leads: list[Standing], entries: list[Entry], moved: dict[str, int]
) -> None:
    placed, _ = place(bands, leads, entries, NOW, moved=moved)
    for lead in leads:
        found = placed[lead.lead]
        assert found.state == next_band(
            bands,
            lead.state,
            lead.value,
            NOW,
            moved=thresholds_for(bands, moved, lead.owner),
            full=found.waits_for,
            disqualified=lead.disqualified,
        )


# -- the threshold -------------------------------------------------------------------------------


def threshold(
    peaks: Sequence[int], *, weeks: float = 1, previous: int | None = None, capacity: int = 2
) -> int:
    before = {} if previous is None else {"hot": previous}
    bands = (replace(HOT, capacity=capacity), WARM, LOW)
    return moved_thresholds(bands, {"hot": peaks}, weeks * WEEK, before)["hot"]


def test_the_threshold_lets_in_as_many_a_week_as_there_is_capacity_for() -> None:
    week = [99_000, 90_000, 80_000, 70_000, 50_000]
    assert threshold(week) == 80_001
    assert threshold(week, weeks=2) == 65_000  # four a fortnight reach 'from' as it is
    assert threshold(week, weeks=0.1) == 80_001  # a few hours say nothing about a week
    assert threshold([]) == 65_000


def test_where_the_best_score_is_shared_by_too_many_it_stays_reachable() -> None:
    assert threshold([100_000] * 9) == 100_000
    assert threshold([90_000] * 9 + [70_000]) == 90_000
    assert threshold([95_000] + [90_000] * 9) == 90_001


def test_the_threshold_comes_down_when_fewer_arrive() -> None:
    busy = list(range(66_000, 96_000, 1_000))
    high = threshold(busy, capacity=10)
    assert high == 85_001
    assert threshold([], capacity=10, previous=high) == 65_000
    assert threshold(busy[::3], capacity=10, previous=high) < high


def test_a_small_change_of_the_inflow_moves_nothing() -> None:
    busy = list(range(66_000, 96_000, 1_000))
    start = threshold(busy, capacity=10)
    assert start == 85_001  # ten of them reach it
    assert threshold([*busy, 95_500], capacity=10, previous=start) == 86_001  # eleven would
    assert threshold(busy, capacity=10, previous=86_001) == 86_001  # nine do: near enough
    assert threshold(busy[:-1], capacity=10, previous=86_001) == 85_001  # eight: room is left


def test_without_a_capacity_no_threshold_moves() -> None:
    assert moved_thresholds((WARM, LOW), {"warm": [99_000] * 99}, WEEK) == {}


def test_who_is_good_enough_for_the_better_band_does_not_move_the_next_one() -> None:
    bands = (HOT, replace(WARM, capacity=1), LOW)
    peaks = [99_000, 98_000, 97_000, 50_000, 45_000]
    found = moved_thresholds(bands, {"hot": peaks, "warm": peaks}, WEEK)
    assert found == {"hot": 97_001, "warm": 50_001}
    alone = moved_thresholds(bands, {"hot": peaks[:2], "warm": peaks}, WEEK)
    assert alone == {"hot": 65_000, "warm": 45_001}


peaks_seen = st.lists(st.integers(0, 100_000) | st.integers(60, 100).map(lambda p: p * 1_000))


@given(peaks_seen, st.integers(1, 20), st.integers(7, 28), st.none() | st.integers(0, 100_000))
def test_the_expected_inflow_is_never_above_the_capacity(
    peaks: list[int], capacity: int, days: int, previous: int | None
) -> None:
    found = threshold(peaks, weeks=days / 7, previous=previous, capacity=capacity)
    assert 65_000 <= found <= 100_000
    if found <= max(peaks, default=0) and found > 65_000 and len({*peaks}) > 1:
        reach = [peak for peak in peaks if peak >= found]
        assert len(reach) * 7 <= capacity * days or len({*reach}) == 1


@given(st.lists(peaks_seen, min_size=1, max_size=8), st.integers(1, 20))
def test_the_threshold_moves_no_further_than_it_must(
    months: list[list[int]], capacity: int
) -> None:
    before = None
    for peaks in months:
        found = threshold(peaks, previous=before, capacity=capacity)
        assert threshold(peaks, previous=found, capacity=capacity) == found
        if before is not None and found != before:
            fresh = threshold(peaks, capacity=capacity)
            assert found == fresh if found > before else found >= fresh
        before = found


# -- weeks of it ---------------------------------------------------------------------------------


@dataclass
class Weeks:
    """Leads that arrive over weeks, whose scores walk, and who are suppressed now and then."""

    bands: tuple[Band, ...]
    seed: int
    a_day: float
    at_once: int = 0  # so many are there on the first day
    moving: bool = True
    leads: dict[int, Standing] = field(default_factory=dict)
    entries: list[Entry] = field(default_factory=list)
    steps: list[tuple[Standing, BandState | None, datetime]] = field(default_factory=list)
    peaks: dict[int, tuple[datetime, int]] = field(default_factory=dict)
    moved: dict[str, int] = field(default_factory=dict)

    def run(self, days: int) -> Weeks:
        self.dice = random.Random(self.seed)
        self._arrive(self.at_once)
        for step in range(days * 3):
            now = NOW + timedelta(hours=step * 8, microseconds=self.dice.randint(0, 9))
            self._walk()
            if self.moving:
                recent = [peak for at, peak in self.peaks.values() if at > now - LOOK_BACK]
                known = {band.key: recent for band in self.bands}
                period = min(now - NOW, LOOK_BACK)
                self.moved = moved_thresholds(self.bands, known, period, self.moved)
            self._place(now)
        return self

    def _walk(self) -> None:
        dice = self.dice
        for lead in self.leads.values():
            if dice.random() < 0.3:
                value = (lead.value or 50_000) + dice.randint(-12_000, 12_000)
                self.leads[lead.lead] = replace(
                    lead,
                    value=None if dice.random() < 0.02 else min(100_000, max(0, value)),
                    disqualified=dice.random() < 0.05,
                )
        self._arrive(int(self.a_day / 3 + dice.random()))

    def _arrive(self, leads: int) -> None:
        for _ in range(leads):
            number = len(self.leads)
            self.leads[number] = Standing(number, self.dice.randint(0, 100) * 1_000)

    def _place(self, now: datetime) -> None:
        some = self.dice.sample(list(self.leads.values()), len(self.leads))
        placed, made = place(self.bands, some, self.entries, now, moved=self.moved)
        self.entries += made
        for lead in some:
            after = placed[lead.lead].state
            self.steps.append((lead, after, now))
            if lead.value is not None and (lead.state is None or lead.state.band != "hot"):
                best = self.peaks.get(lead.lead, (now, 0))[1]
                self.peaks[lead.lead] = (now, max(lead.value, best))
            self.leads[lead.lead] = replace(lead, state=after)


def busiest(times: Sequence[datetime]) -> int:
    """The most of these times that fall within any 7 days."""
    ordered = sorted(times)
    most = first = 0
    for last, at in enumerate(ordered):
        while ordered[first] <= at - WEEK:
            first += 1
        most = max(most, last - first + 1)
    return most


seeds = st.integers(0, 1 << 32)
worlds = st.builds(
    Weeks, some_bands, seeds, st.floats(4, 20), st.sampled_from([0, 150]), st.booleans()
)


@settings(max_examples=8, deadline=None)
@given(worlds)
def test_over_weeks_no_more_than_the_capacity_enters_within_any_seven_days(world: Weeks) -> None:
    world.run(35)
    for band in world.bands:
        entered = [entry.entered_at for entry in world.entries if entry.band == band.key]
        assert band.capacity is None or busiest(entered) <= band.capacity
        assert world.moved.get(band.key, band.threshold) >= band.threshold


@settings(max_examples=8, deadline=None)
@given(worlds)
def test_over_weeks_a_lead_changes_its_band_once_in_a_dwell(world: Weeks) -> None:
    dwell = {band.key: timedelta(days=band.dwell_days or 0) for band in world.bands}
    for lead, after, now in world.run(35).steps:
        before = lead.state
        if before is None or after is None or after is before:
            assert after is not None or lead.value is None
            continue
        falls_at_once = lead.disqualified and RANK[after.band] > RANK[before.band]
        assert falls_at_once or now - before.entered_at >= dwell[before.band]
        assert after.band != before.band
        assert after.entered_at == now


@settings(max_examples=8, deadline=None)
@given(worlds)
def test_over_weeks_a_lead_between_leave_at_and_from_keeps_its_band(world: Weeks) -> None:
    between = 0
    for lead, after, _ in world.run(35).steps:
        held = next((b for b in world.bands if lead.state and b.key == lead.state.band), None)
        if held is None or held.leave_at is None or lead.value is None:
            continue
        if held.leave_at <= lead.value < held.threshold:
            between += 1
            assert after is lead.state
    assert between


@settings(max_examples=8, deadline=None)
@given(seeds)
def test_over_weeks_without_capacity_and_dwell_only_the_score_counts(seed: int) -> None:
    world = Weeks((replace(HOT, capacity=None), WARM, LOW), seed, a_day=6).run(35)
    assert world.moved == {}
    for lead, after, _ in world.steps:
        if lead.value is not None and after is not None:
            assert after.band == band_after(
                world.bands, lead.state.band if lead.state else None, lead.value
            )


def test_in_a_steady_stream_the_capacity_is_used_and_the_threshold_settles() -> None:
    bands = (replace(HOT, capacity=15), WARM, LOW)
    world = Weeks(bands, 7, a_day=12).run(84)
    entered = [entry.entered_at for entry in world.entries if entry.band == "hot"]
    later = [at for at in entered if at >= NOW + 4 * WEEK]
    assert busiest(entered) == 15
    assert len(later) >= 0.9 * 15 * 8
    assert world.moved["hot"] > 65_000


def test_a_threshold_that_is_held_rises_but_does_not_come_down() -> None:
    bands = (replace(HOT, capacity=2), WARM, LOW)
    many, few = [90_000, 85_000, 80_000], [90_000]
    for peaks, found in ((many, 80_001), (few, 75_000)):
        before = {"hot": 75_000}
        assert moved_thresholds(bands, {"hot": peaks}, WEEK, before, ["hot"]) == {"hot": found}
    assert moved_thresholds(bands, {"hot": few}, WEEK, {"hot": 75_000}) == {"hot": 65_000}


# -- each owner's own ----------------------------------------------------------------------------

owners = st.sampled_from(["", "Ann", "Bob"])


@given(everyone, some_entries, st.lists(owners, min_size=12, max_size=12), st.integers(1, 3))
def test_what_each_owner_has_of_their_own_is_decided_for_each_alone(
    leads: list[Standing], entries: list[Entry], whose: list[str], capacity: int
) -> None:
    bands = (
        replace(HOT, capacity=capacity, per_owner=True),
        replace(WARM, capacity=2, per_owner=True),
        LOW,
    )
    owned = [replace(lead, owner=whose[n]) for n, lead in enumerate(leads)]
    came = [replace(entry, owner=whose[-1 - n]) for n, entry in enumerate(entries)]
    together, _ = place(bands, owned, came, NOW)
    alone = (replace(bands[0], per_owner=False), replace(bands[1], per_owner=False), LOW)
    for owner in {*whose}:
        own = [lead for lead in owned if lead.owner == owner]
        theirs = [entry for entry in came if entry.owner == owner]
        placed, _ = place(alone, own, theirs, NOW)
        assert placed == {lead.lead: together[lead.lead] for lead in own}


def test_each_owners_threshold_follows_their_own_leads() -> None:
    bands = (replace(HOT, capacity=1, per_owner=True), replace(WARM, capacity=9), LOW)
    peaks = {
        "hot:Ann": [99_000, 98_000],
        "hot:": [70_000],
        "warm": [97_000, 96_000, 60_000],
    }
    found = moved_thresholds(bands, peaks, WEEK)
    assert found == {"hot:Ann": 98_001, "hot:": 65_000, "warm": 40_000}
    assert thresholds_for(bands, found, "Ann") == {"hot": 98_001, "warm": 40_000}
    assert thresholds_for(bands, found, "Bob") == {"warm": 40_000}


def test_a_threshold_from_older_rules_means_nothing_where_it_does_not_belong() -> None:
    assert thresholds_for(BANDS, {"hot": 10_000}, "") == {"hot": 65_000}
    unlimited = (replace(HOT, capacity=None), WARM, LOW)
    assert thresholds_for(unlimited, {"hot": 90_000}, "") == {}
