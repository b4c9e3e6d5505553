"""The kernel's columns of a store's leads: kept in a file, caught up with what changed since.

A file of everything, memory-mapped, is the base; leads that changed later are read from the
database and put in their place in memory. Now and then the file is written anew.
"""

from __future__ import annotations

from contextlib import ExitStack, suppress
from pathlib import Path
from threading import Lock

from sqlalchemy import Engine

from data.column_cache import cache_path, locked, read, save
from data.column_reader import count_changes, read_changes, read_everything
from data.column_values import Snapshot, in_order, with_changes
from data.database import reading

#: When as many leads changed since the file was written, it is written anew: at least so many,
MOST_CHANGES = 5_000
#: or this share of all.
MOST_SHARE = 0.02
#: Above this share of changed leads, reading everything is quicker than finding places for them.
REREAD_SHARE = 0.3


class LeadColumns:
    """Columns of one store, safe to share between threads; processes share the file."""

    def __init__(self, engine: Engine, folder: Path) -> None:
        self._engine, self._folder = engine, folder
        self._lock = Lock()
        self._held: Snapshot | None = None
        self._changed = 0  # leads that changed since the file was written

    def current(self) -> Snapshot:
        """All scored leads as they are in the database now.

        1. The file is read, unless this has been done; one that is damaged counts for nothing.
        2. What the database changed since is put in; a file of another history counts for nothing.
        3. Without a file, or after very many changes, everything is read.
        4. After many changes the file is written.

        A file that cannot be written costs only the time to read everything at the next start.
        """
        with self._lock:
            found = None if self._held is None else self._caught_up(self._held)
            if found is None:
                found = self._begun()
            if self._changed > max(MOST_CHANGES, MOST_SHARE * len(found.lead_ids)):
                with suppress(OSError), locked(self._folder):
                    found = self._written(in_order(found))
            self._held = found
            return found

    def _begun(self) -> Snapshot:
        """From the file if it is of use, else from the database."""
        with ExitStack() as stack:
            # who comes second waits, and finds the file that the first one wrote
            with suppress(OSError):
                stack.enter_context(locked(self._folder))
            self._changed = 0
            known = read(cache_path(self._folder))
            found = None if known is None else self._caught_up(known)
            if found is not None:
                return found
            with reading(self._engine) as connection:
                found = read_everything(connection)
            with suppress(OSError):
                found = self._written(found)
            return found

    def _written(self, snapshot: Snapshot) -> Snapshot:
        """The same from the new file: mapped, it takes no memory of its own."""
        self._changed = 0
        path = cache_path(self._folder)
        save(path, snapshot)
        return read(path) or snapshot

    def _caught_up(self, known: Snapshot) -> Snapshot | None:
        """With all later changes; None when it is no earlier state of this database, or too old."""
        with reading(self._engine) as connection:
            changes = count_changes(connection, known.mark)
            if changes is None or changes > MOST_CHANGES + REREAD_SHARE * len(known.lead_ids):
                return None
            if not changes:
                return known
            gone, changed = read_changes(connection, known.mark)
        self._changed += changes
        return with_changes(known, gone, changed)
