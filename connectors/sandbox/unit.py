"""A unit of work on the sandbox's state: read once, change in memory, write at the end."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from connectors.sandbox.state import State, Stored


class Unit:
    """Objects read and changed together; use it inside one transaction of the state and `flush`."""

    def __init__(self, state: State) -> None:
        self.state = state
        self._kept: dict[tuple[str, str, str], Stored] = {}
        self._changed: set[tuple[str, str, str]] = set()

    def add(
        self, crm: str, type_: str, id_: str, number: int, fields: Mapping[str, Any], at: int
    ) -> None:
        """A new object, created and changed at `at` and visible at once."""
        key = (crm, type_, id_)
        present = {name: value for name, value in fields.items() if value not in (None, "")}
        self._kept[key] = Stored(crm, type_, id_, number, present, at, at, at, False)
        self._changed.add(key)

    def get(self, crm: str, type_: str, id_: str) -> Stored | None:
        """An object as this unit sees it."""
        key = (crm, type_, id_)
        if key not in self._kept:
            found = self.state.get(*key)
            if found is None:
                return None
            self._kept[key] = found
        return self._kept[key]

    def change(
        self, crm: str, type_: str, id_: str, values: Mapping[str, Any], at: int, lag: int = 0
    ) -> None:
        """Set fields of an object at `at`; searches see it `lag` milliseconds later."""
        stored = self.get(crm, type_, id_)
        if stored is None or stored.archived:
            return
        at = max(at, stored.modified_at)
        fields = {**stored.fields, **values}
        key = (crm, type_, id_)
        self._kept[key] = replace(stored, fields=fields, modified_at=at, indexed_at=at + lag)
        self._changed.add(key)

    def flush(self) -> None:
        """Write what was changed."""
        with self.state.transaction():
            for key in sorted(self._changed):
                self.state.put(self._kept[key])
        self._changed.clear()
