"""Which band a score falls into: one place decides, so that no two places can disagree."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol


@dataclass(frozen=True, slots=True)
class Band:
    """A named part of the scale, from `threshold` up to the next better band."""

    key: str  # "hot"
    label: str  # "Hot"
    threshold: int  # milli-points: a score enters at or above it
    leave_at: int | None = None  # milli-points: a lead already in the band leaves below this


class HasBands(Protocol):
    """Anything with bands, best first: a rule set."""

    @property
    def bands(self) -> tuple[Band, ...]: ...


#: Used when a rule document names no bands.
DEFAULT_BANDS = (
    Band("hot", "Hot", 70_000),
    Band("warm", "Warm", 45_000),
    Band("nurture", "Nurture", 20_000),
    Band("low_fit", "Low fit", 0),
)


def band_of(bands: HasBands | Sequence[Band], value: int) -> str:
    """Key of the band that `value` (milli-points) falls into; the lowest band takes the rest."""
    ordered = bands if isinstance(bands, Sequence) else bands.bands
    for band in ordered:
        if value >= band.threshold:
            return band.key
    return ordered[-1].key


def band_after(bands: HasBands | Sequence[Band], previous: str | None, value: int) -> str:
    """The band of a lead that was in `previous`: it stays there down to that band's `leave_at`.

    Without a previous band, or with one that no longer exists, the plain threshold decides.
    """
    ordered = bands if isinstance(bands, Sequence) else bands.bands
    plain = band_of(ordered, value)
    held = next((band for band in ordered if band.key == previous), None)
    if held is None or held.leave_at is None:
        return plain
    return held.key if held.leave_at <= value < held.threshold else plain


def band_label(bands: HasBands | Sequence[Band], key: str) -> str:
    """What people call the band; the key itself when it is not one of these bands."""
    ordered = bands if isinstance(bands, Sequence) else bands.bands
    return next((band.label for band in ordered if band.key == key), key)
