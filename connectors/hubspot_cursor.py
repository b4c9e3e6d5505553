"""Where a HubSpot stream stands: a closed window of time, a place in it, and what was just seen.

Search pages by record id inside a window of modified times, so ties and bulk edits are harmless and
the ceiling of 10,000 results is never met. The index lags: each window reaches back over the last
two minutes, and what was read there already is remembered by (id, time) and passed over.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta

#: How far each window reaches back for what the index shows late.
OVERLAP_SECONDS = 120
#: Things seen that are remembered; beyond it the oldest are read again (and still count once).
MEMORY = 3_000
#: The very beginning: a search from 0 is answered with an error 500.
BEGINNING = 1_000
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


@dataclass(frozen=True, slots=True)
class Cursor:
    """All times in milliseconds since 1970, UTC."""

    since: int = BEGINNING  # the window: since <= time <= until
    until: int = 0  # 0: not opened yet
    last_id: int = 0  # the highest record id read in it
    part: str = ""  # of several sources in one stream (forms, event types): the one being read
    after: str = ""  # HubSpot's own paging, where there is nothing better
    seen: Mapping[str, int] = field(default_factory=dict)
    total: int = 0  # rows of a first read, for its progress
    read: int = 0

    @classmethod
    def parse(cls, text: str) -> Cursor:
        """Read back what `text()` wrote; "" is the beginning. Raises ValueError for other text."""
        if not text:
            return cls()
        try:
            return cls(**json.loads(text))
        except (TypeError, json.JSONDecodeError) as error:
            raise ValueError(f"this is no cursor of a HubSpot stream: {text[:80]!r}") from error

    def text(self) -> str:
        """The cursor as it is stored."""
        values = {name: getattr(self, name) for name in self.__dataclass_fields__}
        shown = {name: value for name, value in values.items() if value not in ("", {}, 0)}
        return json.dumps(shown, separators=(",", ":"))

    @property
    def first_read(self) -> bool:
        """Whether the stream has never been read to its end."""
        return self.since <= BEGINNING

    def opened(self, now: datetime, hold_back_seconds: int = 0) -> Cursor:
        """The cursor with a window that ends now (or somewhat earlier), if none is open."""
        if self.until:
            return self
        return replace(self, until=max(milliseconds(now) - hold_back_seconds * 1_000, self.since))

    def limited(self, server_time: datetime | None) -> Cursor:
        """The cursor whose window ends at HubSpot's clock at the latest.

        Where our own clock is fast, a window up to our "now" would leave out what happens in
        between. To be called with the time of the window's first answer.
        """
        if server_time is None:
            return self
        end = milliseconds(server_time) + 1_000  # the header has whole seconds
        return replace(self, until=max(min(self.until, end), self.since))

    def new(self, key: str, stamp: int) -> bool:
        """Whether this thing, with this time, has not been seen yet."""
        return self.seen.get(key) != stamp

    def noted(self, things: Iterable[tuple[str, int]], overlap_seconds: int) -> Cursor:
        """The cursor that remembers things seen (key and time), as far as they can come again."""
        horizon = self.until - overlap_seconds * 1_000
        kept = sorted(
            ((stamp, key) for key, stamp in {**self.seen, **dict(things)}.items()), reverse=True
        )
        recent = [(stamp, key) for stamp, key in kept if stamp >= horizon][:MEMORY]
        return replace(self, seen={key: stamp for stamp, key in reversed(recent)})

    def closed(self, overlap_seconds: int) -> Cursor:
        """The cursor after its window was read to the end."""
        return Cursor(
            since=max(self.until - overlap_seconds * 1_000, self.since, BEGINNING + 1),
            seen=self.seen,
        )


def milliseconds(moment: datetime) -> int:
    """Milliseconds since 1970."""
    return (moment - _EPOCH) // timedelta(milliseconds=1)
