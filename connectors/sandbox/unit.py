"""A unit of work on the sandbox's state: read once, change in memory, write at the end."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from connectors.sandbox.state import State, Stored

_ENCODE = json.JSONEncoder(ensure_ascii=False).encode


class Unit:
    """Objects, links, settings and counters read and changed together.

    Use it inside one transaction of the state, and `flush` before that ends: nothing is written
    earlier, and nobody else can take a counter's next number meanwhile.
    """

    def __init__(self, state: State) -> None:
        self.state = state
        self._kept: dict[tuple[str, str], dict[str, Stored]] = {}
        self._changed: set[tuple[str, str, str]] = set()
        self._new: dict[str, set[str]] = {}  # ids of what this unit added, by CRM
        self._meta: dict[str, str] = {}
        self._set: set[str] = set()
        self._counters: dict[str, int] = {}
        self._links: dict[tuple[str, str, str], set[tuple[str, str, int]]] = {}

    # -- objects -----------------------------------------------------------------------------------

    def add(
        self,
        crm: str,
        type_: str,
        id_: str,
        number: int,
        fields: Mapping[str, Any],
        at: int,
        lag: int = 0,
    ) -> None:
        """A new object, created and changed at `at`; searches see it `lag` milliseconds later."""
        present = {name: value for name, value in fields.items() if value not in (None, "")}
        self._new.setdefault(crm, set()).add(id_)
        self._keep(Stored(crm, type_, id_, number, present, at, at, at + lag, False))

    def get(self, crm: str, type_: str, id_: str) -> Stored | None:
        """An object as this unit sees it."""
        kept = self._kept.setdefault((crm, type_), {})
        if id_ not in kept:
            found = self.state.get(crm, type_, id_)
            if found is None:
                return None
            kept[id_] = found
        return kept[id_]

    def pointing(self, crm: str, type_: str, field: str, id_: str) -> list[Stored]:
        """Objects of a type whose `field` holds this id, which only this CRM gives out."""
        kept = self._kept.setdefault((crm, type_), {})
        if id_ not in self._new.get(crm, ()):  # else nothing older can know it
            where = f"crm=? AND type='{type_}' AND json_extract(fields,'$.{field}')=?"
            for found in self.state.select(where, (crm, id_)):
                kept.setdefault(found.id, found)
        return [one for one in kept.values() if one.fields.get(field) == id_]

    def change(
        self, crm: str, type_: str, id_: str, values: Mapping[str, Any], at: int, lag: int = 0
    ) -> None:
        """Set fields of an object at `at`; searches see it `lag` milliseconds later."""
        stored = self.get(crm, type_, id_)
        if stored is None or stored.archived:
            return
        at = max(at, stored.modified_at)
        fields = {**stored.fields, **values}
        number, created_at = stored.number, stored.created_at
        # not by `replace`, which takes as long as all the rest of this
        self._keep(Stored(crm, type_, id_, number, fields, created_at, at, at + lag, False))

    def archive(self, crm: str, type_: str, id_: str, at: int) -> None:
        """Delete an object as CRMs do: it stays, marked."""
        stored = self.get(crm, type_, id_)
        if stored is not None and not stored.archived:
            at = max(at, stored.modified_at)
            self._keep(replace(stored, archived=True, modified_at=at, indexed_at=at))

    def _keep(self, stored: Stored) -> None:
        self._kept.setdefault((stored.crm, stored.type), {})[stored.id] = stored
        self._changed.add((stored.crm, stored.type, stored.id))

    # -- counters, settings, links -----------------------------------------------------------------

    def next_number(self, name: str, start: int = 1) -> int:
        """The next value of a named counter of the state."""
        if name not in self._counters:
            rows = self.state.query("SELECT value FROM sequence WHERE name=?", (name,))
            self._counters[name] = int(rows[0][0]) if rows else start - 1
        self._counters[name] += 1
        return self._counters[name]

    def meta(self, name: str) -> str:
        """A named setting of the state as this unit sees it; empty when it is not set."""
        if name not in self._meta:
            self._meta[name] = self.state.meta(name)
        return self._meta[name]

    def set_meta(self, name: str, value: str) -> None:
        """Remember a named setting."""
        self._meta[name] = value
        self._set.add(name)

    def link(
        self, crm: str, from_type: str, from_id: str, to_type: str, to_id: str, type_id: int
    ) -> None:
        """Associate two objects (one direction; call twice for both)."""
        self._links.setdefault((crm, from_type, from_id), set()).add((to_type, to_id, type_id))

    def linked(self, crm: str, from_type: str, from_id: str, to_type: str) -> list[str]:
        """Ids of `to_type` objects that this object points to, in order."""
        new = self._links.get((crm, from_type, from_id), ())
        found = {id_ for id_, _ in self.state.linked(crm, from_type, from_id, to_type)}
        return sorted(found | {id_ for type_, id_, _ in new if type_ == to_type})

    # -- the end -----------------------------------------------------------------------------------

    def flush(self) -> None:
        """Write what was changed; the unit can be used on."""
        objects = [
            (
                *(one.crm, one.type, one.id, one.number, _ENCODE(one.fields)),
                *(one.created_at, one.modified_at, one.indexed_at, int(one.archived)),
            )
            for crm, type_, id_ in sorted(self._changed)
            for one in (self._kept[crm, type_][id_],)
        ]
        links = [
            (*source, *target)
            for source, targets in self._links.items()
            for target in sorted(targets)
        ]
        settings = [(name, self._meta[name]) for name in sorted(self._set)]
        with self.state.transaction() as connection:
            connection.executemany(
                "INSERT OR REPLACE INTO object VALUES (?,?,?,?,?,?,?,?,?)", objects
            )
            connection.executemany("INSERT OR IGNORE INTO link VALUES (?,?,?,?,?,?)", links)
            connection.executemany("INSERT OR REPLACE INTO meta VALUES (?,?)", settings)
            connection.executemany(
                "INSERT OR REPLACE INTO sequence VALUES (?,?)", list(self._counters.items())
            )
        self._changed.clear()
        self._links.clear()
        self._set.clear()
        self._counters.clear()
