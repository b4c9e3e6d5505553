"""The live stream: at pace 1, a new lead every ten seconds and engagement every second."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable
from dataclasses import replace
from datetime import datetime
from random import Random
from typing import Any

from connectors.sandbox.behaviour import (
    DAY,
    MINUTE,
    Act,
    chance_of_deal,
    first_contact,
    held,
    next_acts,
)
from connectors.sandbox.people import Company, Person, invent_company, invent_person
from connectors.sandbox.state import State, Stored
from connectors.sandbox.unit import Unit
from connectors.sandbox.world import CRM, Known, World

LEAD_EVERY_SECONDS = 10.0
ENGAGEMENT_EVERY_SECONDS = 1.0
#: People live faster here than in their history; so do their deals.
_DEAL_SHARE = 0.02
_OLD_ENOUGH = 8 * DAY
#: What one step writes lies within so many milliseconds, all of them past.
_STEP_MS = 5
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
        at = int(self._clock().timestamp() * 1_000) - _STEP_MS
        with self._state.transaction():
            unit = Unit(self._state)
            number = unit.next_number("world.live")
            rng = Random(f"{unit.meta('world.seed')} live {number}")
            world = World(unit, rng, self._crms)
            if newcomer:
                self._newcomer(world, rng, at)
            else:
                self._go_on(world, rng, at)
            unit.flush()

    def _run(self) -> None:
        turn = 0
        while not self._stopping.wait(ENGAGEMENT_EVERY_SECONDS / self._pace):
            turn += 1
            self._step_or_say(newcomer=False)
            if turn % round(LEAD_EVERY_SECONDS / ENGAGEMENT_EVERY_SECONDS) == 0:
                self._step_or_say(newcomer=True)

    def _step_or_say(self, newcomer: bool) -> None:
        """A step that fails is undone and reported; the next one may do better."""
        try:
            self.step(newcomer)
        except Exception:
            log.exception("The sandbox's people stumbled; they go on with the next step.")

    def _newcomer(self, world: World, rng: Random, at: int) -> None:
        known = Known(self._invented(rng))
        acts = first_contact(rng, known.person, at)
        for act in sorted(acts, key=lambda act: act.kind != "arrived"):
            # what came before the first entry is attached to it afterwards, as CRMs do
            world.act(known, replace(act, at=max(act.at, at)))

    def _invented(self, rng: Random) -> Person:
        """Somebody new, in a CRM that is served."""
        taken = set[str]()
        company: Company | None = None if rng.random() < 0.12 else invent_company(rng, taken)
        while True:
            person = invent_person(rng, company)
            if served := tuple(crm for crm in person.crms if crm in self._crms):
                return replace(person, crms=served)

    def _go_on(self, world: World, rng: Random, at: int) -> None:
        """Somebody known does something: mostly people of the last days, and the interested."""
        stored = self._somebody(rng)
        if stored is None:
            return
        known = remembered(stored)
        for act in self._next(rng, known.person, at, stored):
            world.act(known, act)

    def _next(self, rng: Random, person: Person, at: int, stored: Stored) -> list[Act]:
        """What this person does now, given what is remembered of them."""
        deal = str(stored.fields.get("deal", ""))
        meeting = int(stored.fields.get("meeting") or 0)
        if meeting and at >= meeting + 30 * MINUTE:
            planned = Act(meeting, "meeting", {"start": str(meeting)})
            return [replace(held(rng, bool(deal), planned), at=at)]
        if deal == "deal" and rng.random() < _DEAL_SHARE:
            won = rng.random() < 0.4 + 0.3 * (person.fit - 0.5)
            return [Act(at, "won" if won else "lost")]
        ripe = at - stored.created_at > _OLD_ENOUGH and not deal
        if ripe and rng.random() < _DEAL_SHARE * chance_of_deal(person):
            return [Act(at, "deal", {"amount": str(rng.randint(20, 900) * 100)})]
        mailed = not stored.fields.get("unsubscribed")
        acts = next_acts(rng, person, at, mailed=mailed)
        # one meeting at a time
        return [] if meeting and acts[0].kind == "meeting" else acts

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


def remembered(stored: Stored) -> Known:
    """Somebody as the state remembers them: what moves them, and their records."""
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
    return Known(person, str(fields.get("hubspot", "")), (str(type_), str(id_)), stored.id)
