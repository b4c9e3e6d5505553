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
    owner: str = ""  # whose lead it is


@dataclass(frozen=True, slots=True)
class Standing:
    """One lead as admission sees it."""

    lead: int
    value: int | None  # milli-points; None: suppressed
    state: BandState | None = None  # None: in no band yet
    disqualified: bool = False
    owner: str = ""


@dataclass(frozen=True, slots=True)
class Placement:
    """Where a lead is from now on, and which better bands it only waits for."""

    state: BandState | None
    waits_for: tuple[str, ...] = ()  # best first: the score is enough, there is no room


def queue_of(band: Band, owner: str) -> str:
    """Who shares the capacity of a band: all leads, or those of one owner ("" = of nobody yet)."""
    return f"{band.key}:{owner}" if band.per_owner else band.key


def thresholds_for(
    bands: HasBands | Sequence[Band], moved: Mapping[str, int], owner: str
) -> Mapping[str, int]:
    """Where an owner's leads enter bands with a capacity, from what `moved_thresholds` gave."""
    return {
        band.key: max(moved.get(queue_of(band, owner), 0), band.threshold)
        for band in best_first(bands)
        if band.capacity is not None and queue_of(band, owner) in moved
    }


def place(
    bands: HasBands | Sequence[Band],
    leads: Iterable[Standing],
    entries: Iterable[Entry],
    now: datetime,
    *,
    moved: Mapping[str, int] = UNMOVED,
    closed: Collection[str] = (),
) -> tuple[dict[int, Placement], tuple[Entry, ...]]:
    """Decide the bands of all these leads at once: their placements, and the entries they make.

    The best go first, whatever the order of `leads`; at the same score the one that is longer in
    its band, then the smaller number. `entries`: all of the last 7 days into bands with a capacity
    (others change nothing). `moved`: what `moved_thresholds` gave. `closed`: bands that let nobody
    in for now. Raises ValueError when a lead is given twice.
    """
    ordered = best_first(bands)
    limited = [band for band in ordered[:-1] if band.capacity is not None or band.key in closed]
    room = rooms(ordered, entries, now)
    placed: dict[int, Placement] = {}
    made: list[Entry] = []
    for standing in sorted(leads, key=lambda each: _turn(each, now)):
        if standing.lead in placed:
            raise ValueError(f"lead {standing.lead} is given twice")
        owner = standing.owner
        full = {b.key for b in limited if b.key in closed or free(b, owner, room) < 1}
        thresholds = thresholds_for(ordered, moved, owner)
        placement = _placement(ordered, standing, now, thresholds, full)
        placed[standing.lead] = placement
        state = placement.state
        if state is not None and state is not standing.state:
            made.append(Entry(state.band, state.entered_at, owner))
            for band in limited:
                if band.key == state.band:
                    room[queue_of(band, owner)] = free(band, owner, room) - 1
    return placed, tuple(made)


def free(band: Band, owner: str, room: Mapping[str, int]) -> int:
    """How many more leads of an owner may enter a band with a capacity, given its `rooms`."""
    return room.get(queue_of(band, owner), band.capacity or 0)


def rooms(
    bands: HasBands | Sequence[Band], entries: Iterable[Entry], now: datetime
) -> dict[str, int]:
    """How many more leads may enter at `now`, by queue; one without entries has all its capacity.

    An entry counts for exactly 7 days. Entries after `now` count as well, so that two processes
    whose clocks differ cannot let in too many between them. The lowest band has no room to count.
    """
    limited = {band.key: band for band in best_first(bands)[:-1] if band.capacity is not None}
    found = {key: band.capacity or 0 for key, band in limited.items() if not band.per_owner}
    for entry in entries:
        if entry.band in limited and entry.entered_at > now - WEEK:
            band = limited[entry.band]
            found[queue_of(band, entry.owner)] = free(band, entry.owner, found) - 1
    return {queue: max(0, left) for queue, left in found.items()}


def moved_thresholds(
    bands: HasBands | Sequence[Band],
    peaks: Mapping[str, Sequence[int]],
    period: timedelta,
    previous: Mapping[str, int] = UNMOVED,
    held: Collection[str] = (),
) -> dict[str, int]:
    """Where each queue of a band with a capacity is entered now, in milli-points; from `from` up.

    `peaks`: for each queue, the highest score within the `period` of every lead that entered the
    band or was outside it then. `period`: how long we have been watching, at most `LOOK_BACK`; less
    than a week counts as one. `previous`: what this function gave last. `held`: queues whose
    threshold does not come down yet, because it has moved lately.

    The threshold rises as soon as more than the capacity would have come in, and falls only when
    less than `SLACK_PERCENT` of it would have: in between it stays, so that it never goes to and
    fro. Where so many share the very best score that no threshold parts them, it stands at that
    score, and admission alone holds the inflow down.
    """
    weeks = max(period, WEEK)
    found: dict[str, int] = {}
    better: list[Band] = []
    for band in best_first(bands):
        if band.capacity is not None:
            wanted = band.capacity * weeks // WEEK
            own = [queue for queue in peaks if queue.startswith(f"{band.key}:")]
            for queue in own if band.per_owner else [band.key]:
                # Who is good enough for the better band enters that one.
                ceiling = min((_entered_at(b, queue, found) for b in better), default=TOP + 1)
                scores = (peak for peak in peaks.get(queue, ()) if peak < ceiling)
                known = sorted(scores, reverse=True)
                low = _letting_in(known, wanted, band.threshold)
                high = _letting_in(known, wanted * SLACK_PERCENT // 100, band.threshold)
                before = previous.get(queue, low)
                found[queue] = max(before, low) if queue in held else min(max(before, low), high)
        better.append(band)
    return found


def _entered_at(band: Band, queue: str, found: Mapping[str, int]) -> int:
    """Where a better band is entered by the leads of a queue; of several queues, by all of them."""
    if not band.per_owner:
        return found.get(band.key, band.threshold)
    owner = queue.partition(":")[2]
    if queue_of(band, owner) in found:
        return found[queue_of(band, owner)]
    own = [value for key, value in found.items() if key.startswith(f"{band.key}:")]
    return band.threshold if ":" in queue or not own else max(own)


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
