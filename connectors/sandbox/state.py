"""The sandbox's memory: one SQLite file that both CRMs' servers read and the world writes.

An object is one CRM record of any type, kept as plain JSON under the CRM's own field names.
`indexed_at` is when a change becomes visible to searches (HubSpot's index lag, Salesforce's late
commits); direct reads see it at once. All times are milliseconds since 1970, UTC.
"""

from __future__ import annotations

import json
import sqlite3
import threading
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

_SCHEMA = """
CREATE TABLE IF NOT EXISTS meta (name TEXT PRIMARY KEY, value TEXT NOT NULL);
CREATE TABLE IF NOT EXISTS sequence (name TEXT PRIMARY KEY, value INTEGER NOT NULL);
CREATE TABLE IF NOT EXISTS object (
    crm TEXT NOT NULL,
    type TEXT NOT NULL,
    id TEXT NOT NULL,
    number INTEGER NOT NULL,  -- creation order within (crm, type); HubSpot's id as a number
    fields TEXT NOT NULL,
    created_at INTEGER NOT NULL,
    modified_at INTEGER NOT NULL,
    indexed_at INTEGER NOT NULL,
    archived INTEGER NOT NULL DEFAULT 0,
    PRIMARY KEY (crm, type, id)
) WITHOUT ROWID;
CREATE INDEX IF NOT EXISTS object_modified ON object (crm, type, modified_at, id);
CREATE INDEX IF NOT EXISTS object_number ON object (crm, type, number);
CREATE TABLE IF NOT EXISTS link (
    crm TEXT NOT NULL, from_type TEXT NOT NULL, from_id TEXT NOT NULL,
    to_type TEXT NOT NULL, to_id TEXT NOT NULL, type_id INTEGER NOT NULL DEFAULT 0,
    PRIMARY KEY (crm, from_type, from_id, to_type, to_id, type_id)
) WITHOUT ROWID;
CREATE INDEX IF NOT EXISTS link_back ON link (crm, to_type, to_id, from_type);
CREATE TABLE IF NOT EXISTS field (   -- fields that exist beyond the built-in ones
    crm TEXT NOT NULL, type TEXT NOT NULL, name TEXT NOT NULL, definition TEXT NOT NULL,
    PRIMARY KEY (crm, type, name)
) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS alias (   -- merged records: the old id keeps resolving
    crm TEXT NOT NULL, type TEXT NOT NULL, old_id TEXT NOT NULL, new_id TEXT NOT NULL,
    PRIMARY KEY (crm, type, old_id)
) WITHOUT ROWID;
"""


@dataclass(frozen=True, slots=True)
class Stored:
    """One object as kept."""

    crm: str
    type: str
    id: str
    number: int
    fields: dict[str, Any]
    created_at: int
    modified_at: int
    indexed_at: int
    archived: bool


class State:
    """The one door to the sandbox's file; safe to share between threads of one process."""

    def __init__(self, path: Path | str) -> None:
        if str(path) != ":memory:":
            Path(path).parent.mkdir(parents=True, exist_ok=True)
        self._connection = sqlite3.connect(str(path), check_same_thread=False, isolation_level=None)
        self._connection.execute("PRAGMA journal_mode=WAL")
        self._connection.execute("PRAGMA synchronous=NORMAL")
        self._connection.executescript(_SCHEMA)
        self._lock = threading.RLock()
        self._depth = 0

    @contextmanager
    def transaction(self) -> Iterator[sqlite3.Connection]:
        """One write transaction; nested calls join it, an exception rolls all of it back."""
        with self._lock:
            if self._depth == 0:
                self._connection.execute("BEGIN IMMEDIATE")
            self._depth += 1
            try:
                yield self._connection
            except BaseException:
                self._depth -= 1
                if self._depth == 0:
                    self._connection.execute("ROLLBACK")
                raise
            self._depth -= 1
            if self._depth == 0:
                self._connection.execute("COMMIT")

    def query(self, sql: str, parameters: Iterable[Any] = ()) -> list[tuple[Any, ...]]:
        """Rows of a read-only statement, for the servers' own search and query languages."""
        with self._lock:
            return self._connection.execute(sql, tuple(parameters)).fetchall()

    def select(self, where: str, parameters: Iterable[Any] = ()) -> list[Stored]:
        """Objects matching an SQL condition (and ORDER BY, LIMIT) over the `object` columns."""
        rows = self.query(
            "SELECT crm, type, id, number, fields, created_at, modified_at, indexed_at, archived"
            f" FROM object WHERE {where}",
            parameters,
        )
        return [
            Stored(crm, type_, id_, number, json.loads(fields), created, changed, seen, bool(gone))
            for crm, type_, id_, number, fields, created, changed, seen, gone in rows
        ]

    def get(self, crm: str, type_: str, id_: str) -> Stored | None:
        """One object by id, archived ones included; merged ids are not followed here."""
        found = self.select("crm=? AND type=? AND id=?", (crm, type_, id_))
        return found[0] if found else None

    def next_number(self, name: str, start: int = 1) -> int:
        """The next value of a named counter."""
        with self.transaction() as connection:
            row = connection.execute(
                "INSERT INTO sequence VALUES (?, ?) ON CONFLICT (name)"
                " DO UPDATE SET value = value + 1 RETURNING value",
                (name, start),
            ).fetchone()
            return int(row[0])

    def put(self, stored: Stored) -> None:
        """Insert or replace one object."""
        with self.transaction() as connection:
            connection.execute(
                "INSERT OR REPLACE INTO object VALUES (?,?,?,?,?,?,?,?,?)",
                (
                    stored.crm,
                    stored.type,
                    stored.id,
                    stored.number,
                    json.dumps(stored.fields, ensure_ascii=False),
                    stored.created_at,
                    stored.modified_at,
                    stored.indexed_at,
                    int(stored.archived),
                ),
            )

    def link(
        self, crm: str, from_type: str, from_id: str, to_type: str, to_id: str, type_id: int = 0
    ) -> None:
        """Associate two objects (one direction; call twice for both)."""
        with self.transaction() as connection:
            connection.execute(
                "INSERT OR IGNORE INTO link VALUES (?,?,?,?,?,?)",
                (crm, from_type, from_id, to_type, to_id, type_id),
            )

    def linked(self, crm: str, from_type: str, from_id: str, to_type: str) -> list[tuple[str, int]]:
        """Ids (with association type) of `to_type` objects that this object points to."""
        return [
            (row[0], row[1])
            for row in self.query(
                "SELECT to_id, type_id FROM link WHERE crm=? AND from_type=? AND from_id=?"
                " AND to_type=? ORDER BY to_id",
                (crm, from_type, from_id, to_type),
            )
        ]

    def meta(self, name: str, default: str = "") -> str:
        """A named setting of the sandbox itself."""
        rows = self.query("SELECT value FROM meta WHERE name=?", (name,))
        return str(rows[0][0]) if rows else default

    def set_meta(self, name: str, value: str) -> None:
        """Remember a named setting of the sandbox itself."""
        with self.transaction() as connection:
            connection.execute("INSERT OR REPLACE INTO meta VALUES (?,?)", (name, value))

    def define_field(self, crm: str, type_: str, name: str, definition: Mapping[str, Any]) -> None:
        """Create or replace a custom field's definition."""
        with self.transaction() as connection:
            connection.execute(
                "INSERT OR REPLACE INTO field VALUES (?,?,?,?)",
                (crm, type_, name, json.dumps(definition, ensure_ascii=False)),
            )

    def fields(self, crm: str, type_: str) -> dict[str, dict[str, Any]]:
        """Custom field definitions of one object type, by name."""
        rows = self.query("SELECT name, definition FROM field WHERE crm=? AND type=?", (crm, type_))
        return {row[0]: json.loads(row[1]) for row in rows}

    def close(self) -> None:
        """Close the file."""
        with self._lock:
            self._connection.close()
