"""Points in time as CRMs and files write them, checked for years that cannot be."""

from __future__ import annotations

import math
import re
from datetime import UTC, datetime, timedelta

EARLIEST = datetime(1990, 1, 1, tzinfo=UTC)  # before any CRM
LATEST = datetime(2100, 1, 1, tzinfo=UTC)
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_NUMBER = re.compile(r"[+-]?\d+(\.\d+)?\Z", re.ASCII)
_LONG_YEAR = re.compile(r"\+?(\d{5,})-\d{1,2}(-|\b)", re.ASCII)


def parse_time(value: str | int | float) -> datetime:
    """An aware UTC instant from ISO 8601 text or milliseconds since 1970.

    Accepts what HubSpot ("2024-05-01T10:00:00.123Z", ms as number or text) and Salesforce
    ("2024-05-01T10:00:00.000+0000") send, and plain dates (midnight UTC). Text without a zone is
    UTC. Raises ValueError, with a message for a person, for anything else and for years before
    1990 or after 2099.
    """
    if isinstance(value, bool):
        raise ValueError(f"{value} is not a date")
    if isinstance(value, int | float):
        return _from_milliseconds(value)
    text = value.strip()
    shown = text[:40] + ("…" if len(text) > 40 else "")
    if not text:
        raise ValueError("an empty text is not a date")
    if _NUMBER.match(text) and len(text) > 8:
        return _from_milliseconds(float(text) if len(text) < 40 else math.inf)
    if found := _LONG_YEAR.match(text):
        raise ValueError(f"the year {found[1][:12]} in {shown!r} is impossible: correct the date")
    try:
        moment = datetime.fromisoformat(text)
        moment = moment.replace(tzinfo=UTC) if moment.tzinfo is None else moment.astimezone(UTC)
    except (ValueError, OverflowError):
        raise ValueError(
            f"{shown!r} is not a date: write it as 2024-05-31 or 2024-05-31T10:00:00Z"
        ) from None
    return _checked(moment, shown)


def _from_milliseconds(milliseconds: int | float) -> datetime:
    try:
        seconds = float(milliseconds) / 1_000
    except OverflowError:
        seconds = math.inf
    if not math.isfinite(seconds) or abs(seconds) > 3e11:
        raise ValueError(
            "a number of milliseconds since 1970 that lies beyond the year 9999 is not a date:"
            " correct it"
        )
    if seconds > LATEST.timestamp():
        year = 1970 + int(seconds / 31_556_952)
        raise ValueError(f"{milliseconds} ms since 1970 is in the year {year}: correct the date")
    whole = int(milliseconds)
    if whole < EARLIEST.timestamp() * 1_000:
        hint = " (is it in seconds instead of milliseconds?)" if whole > 0 else ""
        raise ValueError(f"{whole} ms since 1970 is before 1990{hint}: correct the date")
    return _EPOCH + timedelta(milliseconds=whole)


def _checked(moment: datetime, shown: str) -> datetime:
    if moment < EARLIEST:
        raise ValueError(f"{shown!r} is before 1990: correct the date")
    if moment >= LATEST:
        raise ValueError(f"the year {moment.year} in {shown!r} is impossible: correct the date")
    return moment
