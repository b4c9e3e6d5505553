"""Which band a score falls into: one place decides, so that no two places can disagree."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from types import MappingProxyType
from typing import Protocol


@dataclass(frozen=True, slots=True)
class Band:
    """A named part of the scale, from `threshold` up to the next better band."""

    key: str  # "hot"
    label: str  # "Hot"
    threshold: int  # milli-points: a score enters at or above it
    leave_at: int | None = None  # milli-points: a lead already in the band leaves below this
    dwell_days: float | None = None  # a lead that entered stays at least so long
    capacity: int | None = None  # at most so many leads enter within any 7 days
    per_owner: bool = False  # the capacity is each owner's, not all of them together


class HasBands(Protocol):
    """Anything with bands, best first: a rule set."""

    @property
    def bands(self) -> tuple[Band, ...]: ...


@dataclass(frozen=True, slots=True)
class BandState:
    """The band a lead is in, and since when (aware)."""

    band: str
    entered_at: datetime


#: Used when a rule document names no bands.
DEFAULT_BANDS = (
    Band("hot", "Hot", 70_000),
    Band("warm", "Warm", 45_000),
    Band("nurture", "Nurture", 20_000),
    Band("low_fit", "Low fit", 0),
)

#: The greatest score there is, in milli-points.
TOP = 100_000
#: No band's threshold has moved: all are entered where the document says.
UNMOVED: Mapping[str, int] = MappingProxyType({})


@dataclass(frozen=True, slots=True)
class Situation:
    """What decides a lead's band besides its score: enough to decide it again later."""

    state: BandState | None = None  # the band it was in
    moved: Mapping[str, int] = field(default_factory=lambda: UNMOVED)
    full: tuple[str, ...] = ()


def settled_band(
    bands: HasBands | Sequence[Band],
    situation: Situation,
    score: tuple[int, int, int],
    now: datetime,
    *,
    disqualified: bool,
) -> tuple[str, bool]:
    """The band of a score (value, low, high), and whether no unknown fact can change it.

    An unknown fact may turn out to disqualify, so that at its low a lead is not held by a dwell.
    """

    def band(value: int, capped: bool) -> str:
        after = next_band(
            bands,
            situation.state,
            value,
            now,
            moved=situation.moved,
            full=situation.full,
            disqualified=capped,
        )
        assert after is not None
        return after.band

    value, low, high = score
    found = band(value, disqualified)
    certain = low == high or band(low, True) == found == band(high, disqualified)
    return found, certain


def next_band(
    bands: HasBands | Sequence[Band],
    state: BandState | None,
    value: int | None,
    now: datetime,
    *,
    moved: Mapping[str, int] = UNMOVED,
    full: Collection[str] = (),
    disqualified: bool = False,
) -> BandState | None:
    """The lead's band from `now` on; the same `state` comes back while nothing changes.

    `value`: milli-points, or None for a suppressed lead, which has no band, at once. `moved`:
    thresholds that now differ from the document's, by band. `full`: bands that let nobody in now.
    A lead is held for the `dwell_days` of the band it is in, except from falling when disqualified.
    A `state` whose band no longer exists counts as none.
    """
    if value is None:
        return None
    ordered = best_first(bands)
    held = _named(ordered, state.band) if state else None
    fitting = _fitting(ordered, held, value, moved, full)
    if state is None or held is None:
        return BandState(fitting.key, now)
    if fitting is held:
        return state
    if _dwells(held, state, now):
        falls = ordered.index(fitting) > ordered.index(held)
        if not (falls and disqualified):
            return state
    return BandState(fitting.key, now)


def kept(
    bands: HasBands | Sequence[Band],
    state: BandState | None,
    now: datetime,
    *,
    moved: Mapping[str, int] = UNMOVED,
    full: Collection[str] = (),
    disqualified: bool = False,
) -> tuple[int, int]:
    """The values, least and greatest, with which `next_band` leaves a lead in its band.

    Without a band, or in one that no longer exists, no value does: the least is above the greatest.
    """
    ordered = best_first(bands)
    held = _named(ordered, state.band) if state else None
    if state is None or held is None:
        return 1, 0
    dwells = _dwells(held, state, now)
    least, greatest = _leaves_below(held), TOP
    if held is ordered[-1] or (dwells and not disqualified):
        least = 0
    if not dwells:
        better = ordered[: ordered.index(held)]
        entered = [moved.get(b.key, b.threshold) for b in better if b.key not in full]
        greatest = min(entered, default=TOP + 1) - 1
    return least, greatest


def band_of(bands: HasBands | Sequence[Band], value: int) -> str:
    """Key of the band that `value` (milli-points) falls into; the lowest band takes the rest."""
    return _fitting(best_first(bands), None, value).key


def band_after(bands: HasBands | Sequence[Band], previous: str | None, value: int) -> str:
    """The band of a lead that was in `previous`: it stays there down to that band's `leave_at`.

    By score alone, as if there were room everywhere and nobody had to dwell. Without a previous
    band, or with one that no longer exists, the plain threshold decides.
    """
    ordered = best_first(bands)
    return _fitting(ordered, _named(ordered, previous), value).key


def band_label(bands: HasBands | Sequence[Band], key: str) -> str:
    """What people call the band; the key itself when it is not one of these bands."""
    band = _named(best_first(bands), key)
    return band.label if band else key


def best_first(bands: HasBands | Sequence[Band]) -> Sequence[Band]:
    """The bands themselves, of a rule set or as they are."""
    return bands if isinstance(bands, Sequence) else bands.bands


def _named(ordered: Sequence[Band], key: str | None) -> Band | None:
    return next((band for band in ordered if band.key == key), None)


def _fitting(
    ordered: Sequence[Band],
    held: Band | None,
    value: int,
    moved: Mapping[str, int] = UNMOVED,
    full: Collection[str] = (),
) -> Band:
    """The best band the lead may enter, or is in already and has no reason to leave.

    A moved threshold and a lack of room concern who enters; who is in leaves by the document alone.
    """
    for band in ordered:
        if band is held:
            if value >= _leaves_below(band):
                return band
        elif value >= moved.get(band.key, band.threshold) and band.key not in full:
            return band
    return ordered[-1]


def _leaves_below(band: Band) -> int:
    return band.threshold if band.leave_at is None else band.leave_at


def _dwells(band: Band, state: BandState, now: datetime) -> bool:
    return band.dwell_days is not None and now < state.entered_at + timedelta(days=band.dwell_days)
