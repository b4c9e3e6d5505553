"""Bands that a team can only work so much of: who is let in, and where the threshold moves.

Two things hold the inflow of a band with a `capacity` down. Its *threshold* moves with the scores
of the last weeks, so that about as many leads reach it as there is capacity for. And *admission*
guarantees it: never more entries within 7 days than the capacity, the best first, the rest wait in
the next band. Everything here is a function of its arguments; `next_band` alone decides the band.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from scoring.bands import TOP, UNMOVED, Band, BandState, HasBands, best_first, next_band

WEEK = timedelta(days=7)
#: The threshold looks back so far: long enough to even out single days and campaigns.
LOOK_BACK = timedelta(days=28)
#: A threshold comes down again only where fewer than this many per cent of the capacity arrive.
SLACK_PERCENT = 90


@dataclass(frozen=True, slots=True)
class Entry:
    """A lead came into a band, from above or below or as a new lead."""

    band: str
    entered_at: datetime


@dataclass(frozen=True, slots=True)
class Standing:
    """One lead as admission sees it."""

    lead: int
    value: int | None  # milli-points; None: suppressed
    state: BandState | None = None  # None: in no band yet
    disqualified: bool = False


@dataclass(frozen=True, slots=True)
class Placement:
    """Where a lead is from now on, and which better bands it only waits for."""

    state: BandState | None
    waits_for: tuple[str, ...] = ()  # best first: the score is enough, there is no room


def place(
    bands: HasBands | Sequence[Band],
    leads: Iterable[Standing],
    entries: Iterable[Entry],
    now: datetime,
    *,
    moved: Mapping[str, int] = UNMOVED,
    closed: Iterable[str] = (),
) -> tuple[dict[int, Placement], tuple[Entry, ...]]:
    """Decide the bands of all these leads at once: their placements, and the entries they make.

    The best go first, whatever the order of `leads`; at the same score the one that is longer in
    its band, then the smaller number. `entries`: all of the last 7 days into bands with a capacity
    (others change nothing). `moved`: thresholds that have moved. `closed`: bands that let nobody in
    for now. Raises ValueError when a lead is given twice.
    """
    ordered = best_first(bands)
    room = rooms(ordered, entries, now) | dict.fromkeys(closed, 0)
    room.pop(ordered[-1].key, None)  # somewhere everybody must be
    placed: dict[int, Placement] = {}
    made: list[Entry] = []
    for standing in sorted(leads, key=lambda each: _turn(each, now)):
        if standing.lead in placed:
            raise ValueError(f"lead {standing.lead} is given twice")
        full = {key for key, free in room.items() if free < 1}
        placement = _placement(ordered, standing, now, moved, full)
        placed[standing.lead] = placement
        state = placement.state
        if state is not None and state is not standing.state:
            made.append(Entry(state.band, state.entered_at))
            if state.band in room:
                room[state.band] -= 1
    return placed, tuple(made)


def rooms(
    bands: HasBands | Sequence[Band], entries: Iterable[Entry], now: datetime
) -> dict[str, int]:
    """How many more leads may enter each band with a capacity at `now`; the lowest has none.

    An entry counts for exactly 7 days. Entries after `now` count as well, so that two processes
    whose clocks differ cannot let in too many between them.
    """
    ordered = best_first(bands)
    recent = [entry.band for entry in entries if entry.entered_at > now - WEEK]
    return {
        band.key: max(0, band.capacity - recent.count(band.key))
        for band in ordered[:-1]
        if band.capacity is not None
    }


def moved_thresholds(
    bands: HasBands | Sequence[Band],
    peaks: Mapping[str, Sequence[int]],
    period: timedelta,
    previous: Mapping[str, int] = UNMOVED,
) -> dict[str, int]:
    """Where each band with a capacity is entered now, in milli-points; never below its `from`.

    `peaks`: for each such band, the highest score within the `period` of every lead that entered it
    or was outside it then. `period`: how long we have been watching, at most `LOOK_BACK`; less than
    a week counts as one. `previous`: what this function gave last.

    The threshold rises as soon as more than the capacity would have come in, and falls only when
    less than `SLACK_PERCENT` of it would have: in between it stays, so that it never goes to and
    fro. Where so many share the very best score that no threshold parts them, it stands at that
    score, and admission alone holds the inflow down.
    """
    ordered = best_first(bands)
    weeks = max(period, WEEK)
    found: dict[str, int] = {}
    ceiling = TOP + 1
    for band in ordered:
        if band.capacity is not None:
            # Who is good enough for the better band enters that one.
            known = sorted((p for p in peaks.get(band.key, ()) if p < ceiling), reverse=True)
            wanted = band.capacity * weeks // WEEK
            low = _letting_in(known, wanted, band.threshold)
            high = _letting_in(known, wanted * SLACK_PERCENT // 100, band.threshold)
            found[band.key] = min(max(previous.get(band.key, low), low), high)
        ceiling = min(ceiling, found.get(band.key, band.threshold))
    return found


def _turn(standing: Standing, now: datetime) -> tuple[int, datetime, int]:
    since = standing.state.entered_at if standing.state else now
    return -(standing.value or 0), since, standing.lead


def _placement(
    ordered: Sequence[Band],
    standing: Standing,
    now: datetime,
    moved: Mapping[str, int],
    full: Collection[str],
) -> Placement:
    waits_for: tuple[str, ...] = ()
    while True:
        state = next_band(
            ordered,
            standing.state,
            standing.value,
            now,
            moved=moved,
            full=waits_for,
            disqualified=standing.disqualified,
        )
        if state is None or state is standing.state or state.band not in full:
            return Placement(state, waits_for)
        waits_for = (*waits_for, state.band)


def _letting_in(known: Sequence[int], wanted: int, least: int) -> int:
    """The lowest threshold from `least` up that at most `wanted` of the `known` scores reach."""
    if len(known) <= wanted:
        return least
    first_too_many = known[wanted]
    parted = first_too_many < known[0]
    return max(least, first_too_many + 1 if parted else first_too_many)
