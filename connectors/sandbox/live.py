"""The live stream: at pace 1, a new lead every ten seconds and engagement every second."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable
from datetime import datetime
from random import Random
from typing import Any

from connectors.sandbox.behaviour import DAY, Act, chance_of_deal, first_contact, next_acts
from connectors.sandbox.people import Company, Person, invent_company, invent_person
from connectors.sandbox.state import State, Stored
from connectors.sandbox.unit import Unit
from connectors.sandbox.world import CRM, Known, World

LEAD_EVERY_SECONDS = 10.0
ENGAGEMENT_EVERY_SECONDS = 1.0
#: People live faster here than in their history; so do their deals.
_DEAL_SHARE = 0.02
_OLD_ENOUGH = 8 * DAY
log = logging.getLogger("leadlight.sandbox")


class LiveStream:
    """Lets new people arrive and known ones go on, in a thread of its own."""

    def __init__(
        self, state: State, pace: float, clock: Callable[[], datetime], crms: tuple[str, ...]
    ) -> None:
        self._state = state
        self._pace = pace
        self._clock = clock
        self._crms = crms
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._run, name="sandbox-live", daemon=True)

    def start(self) -> None:
        """Begin."""
        self._thread.start()

    def stop(self) -> None:
        """End; returns when the act under way is written."""
        self._stopping.set()
        self._thread.join(timeout=5.0)

    def step(self, newcomer: bool) -> None:
        """One new lead, or one thing that a known person does."""
        at = int(self._clock().timestamp() * 1_000)
        number = self._state.next_number("world.live")
        rng = Random(f"{self._state.meta('world.seed')} live {number}")
        with self._state.transaction():
            unit = Unit(self._state)
            world = World(self._state, unit, rng)
            if newcomer:
                self._newcomer(world, rng, at)
            else:
                self._go_on(world, unit, rng, at)
            unit.flush()

    def _run(self) -> None:
        turn = 0
        while not self._stopping.wait(ENGAGEMENT_EVERY_SECONDS / self._pace):
            turn += 1
            self.step(newcomer=False)
            if turn % round(LEAD_EVERY_SECONDS / ENGAGEMENT_EVERY_SECONDS) == 0:
                self.step(newcomer=True)

    def _newcomer(self, world: World, rng: Random, at: int) -> None:
        known = Known(self._invented(rng))
        acts = first_contact(rng, known.person, at)
        for act in sorted(acts, key=lambda act: act.kind != "arrived"):
            world.act(known, act)

    def _invented(self, rng: Random) -> Person:
        """Somebody new, in a CRM that is served."""
        taken = set[str]()
        company: Company | None = None if rng.random() < 0.12 else invent_company(rng, taken)
        while True:
            person = invent_person(rng, company)
            if any(crm in self._crms for crm in person.crms):
                return person

    def _go_on(self, world: World, unit: Unit, rng: Random, at: int) -> None:
        """Somebody known does something: mostly people of the last days, and the interested."""
        stored = self._somebody(rng)
        if stored is None:
            return
        known = _remembered(stored)
        deal = str(stored.fields.get("deal", ""))
        for act in self._next(rng, known.person, at, deal, at - stored.created_at):
            world.act(known, act)
            if act.kind in ("deal", "won", "lost"):
                unit.change(CRM, "person", stored.id, {"deal": act.kind}, at)

    def _next(self, rng: Random, person: Person, at: int, deal: str, age: int) -> list[Act]:
        if deal == "deal" and rng.random() < _DEAL_SHARE:
            won = rng.random() < 0.4 + 0.3 * (person.fit - 0.5)
            return [Act(at, "won" if won else "lost")]
        ripe = age > _OLD_ENOUGH and not deal
        if ripe and rng.random() < _DEAL_SHARE * chance_of_deal(person):
            return [Act(at, "deal", {"amount": str(rng.randint(20, 900) * 100)})]
        return next_acts(rng, person, at)

    def _somebody(self, rng: Random) -> Stored | None:
        """A known person: of several drawn, the one with the most interest."""
        rows = self._state.query("SELECT value FROM sequence WHERE name='world.person'")
        count = int(rows[0][0]) if rows else 0
        drawn = []
        for _ in range(3 if count else 0):
            number = max(1, count - int(rng.expovariate(3.0) * count))
            found = self._state.get(CRM, "person", str(number))
            if found is not None:
                drawn.append(found)
        return max(drawn, key=lambda one: float(one.fields["interest"]), default=None)


def _remembered(stored: Stored) -> Known:
    fields: dict[str, Any] = stored.fields
    person = Person(
        first="",
        last="",
        email=str(fields.get("email", "")),
        phone=str(fields.get("phone", "")),
        title="",
        company=None,
        company_text="",
        country="",
        city="",
        source=("", ""),
        wants=str(fields["wants"]),
        message=str(fields.get("message", "")),
        crms=(),
        fit=float(fields["fit"]),
        interest=float(fields["interest"]),
        reachable=bool(fields["reachable"]),
    )
    type_, id_ = fields["salesforce"]
    return Known(person, str(fields.get("hubspot", "")), (str(type_), str(id_)))
