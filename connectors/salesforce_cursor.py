"""Where a Salesforce stream stands: a closed window, a keyset place in it, and what was just seen.

Stamps have whole seconds, so ties are normal and a page may end inside one: the place is the pair
(stamp, Id). Rows can become visible after their stamp, so each window reaches back over the last
ten minutes; what was read there already is remembered by (Id, stamp) and passed over.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime

#: How far each window reaches back for rows that became visible late.
OVERLAP_SECONDS = 600
#: New rows per page, and rows a query may ask for at once.
PAGE_ROWS, QUERY_ROWS = 200, 2_000
#: Seen rows remembered; beyond it the oldest are read again (and dropped by their fingerprint).
MEMORY = QUERY_ROWS - PAGE_ROWS


@dataclass(frozen=True, slots=True)
class Cursor:
    """All times in whole seconds since 1970, UTC; None = open."""

    start: int | None = None  # the window: start <= stamp < end
    end: int | None = None
    at: int | None = None  # the last row read in it: stamp and id
    id: str = ""
    seen: Mapping[str, int] = field(default_factory=dict)
    total: int | None = None  # rows of a first read, for its progress
    read: int = 0

    @classmethod
    def parse(cls, text: str) -> Cursor:
        """Read back what `text()` wrote; "" is the beginning. Raises ValueError otherwise."""
        if not text:
            return cls()
        try:
            return cls(**json.loads(text))
        except (TypeError, json.JSONDecodeError) as error:
            raise ValueError(f"this is no cursor of a Salesforce stream: {text[:80]!r}") from error

    def text(self) -> str:
        """The cursor as it is stored."""
        values = {name: getattr(self, name) for name in self.__dataclass_fields__}
        plain = Cursor()
        shown = {name: found for name, found in values.items() if found != getattr(plain, name)}
        return json.dumps(shown, separators=(",", ":"))

    @property
    def first_read(self) -> bool:
        """Whether the stream has never been read to its end."""
        return self.start is None

    def limit(self) -> int:
        """Rows to ask for: a page of new ones on top of those known already."""
        place = self.start if self.at is None else self.at
        known = sum(1 for stamp in self.seen.values() if place is None or stamp >= place)
        return min(QUERY_ROWS, PAGE_ROWS + known)

    def condition(self, stamp: str) -> str:
        """The WHERE clause (empty at the very beginning) over the stamp field."""
        parts = []
        if self.at is not None:
            place = soql_time(self.at)
            parts.append(f"(({stamp} = {place} AND Id > '{self.id}') OR {stamp} > {place})")
        elif self.start is not None:
            parts.append(f"{stamp} >= {soql_time(self.start)}")
        if self.end is not None:
            parts.append(f"{stamp} < {soql_time(self.end)}")
        return f" WHERE {' AND '.join(parts)}" if parts else ""

    def after(
        self, rows: list[tuple[str, int]], *, complete: bool, server_time: datetime
    ) -> Cursor:
        """The cursor to store once `rows` (id and stamp, in order) are; `complete` ends the window.

        The window ends with the second its first page was read in, so a busy org cannot keep a
        window open for ever.
        """
        end = self.end if self.end is not None else int(server_time.timestamp()) + 1
        horizon = end - OVERLAP_SECONDS
        recent = {**self.seen, **dict(rows)}
        kept = sorted(
            ((stamp, row) for row, stamp in recent.items() if stamp >= horizon), reverse=True
        )[:MEMORY]
        seen = {row: stamp for stamp, row in reversed(kept)}
        if complete:
            start = max(horizon, self.start or 0)
            return Cursor(start=start, seen=seen)
        at, last = (rows[-1][1], rows[-1][0]) if rows else (self.at, self.id)
        return replace(self, end=end, at=at, id=last, seen=seen, read=self.read + len(rows))


def soql_time(seconds: int) -> str:
    """A SOQL dateTime literal, in UTC and without a plus sign (which an address would eat)."""
    return datetime.fromtimestamp(seconds, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
