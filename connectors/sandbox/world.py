"""The invented world: 90 days of people becoming known, living and buying, in both CRMs.

Everything follows from the seed. What nobody sees of a person (fit, interest, wishes) is kept in
the state under the name "world", so that the live stream goes on with the same people.
"""

from __future__ import annotations

import heapq
from collections.abc import Iterator
from dataclasses import dataclass, replace
from datetime import datetime
from random import Random

from connectors.sandbox.behaviour import DAY, Act, live_through
from connectors.sandbox.hubspot_world import HubSpotWorld
from connectors.sandbox.people import (
    Company,
    Person,
    invent_company,
    invent_person,
    private_address,
)
from connectors.sandbox.salesforce_world import SalesforceWorld
from connectors.sandbox.state import State
from connectors.sandbox.unit import Unit
from connectors.sandbox.vocabulary import MESSAGES, ODD_MESSAGE

HISTORY_DAYS = 90
CRMS = ("hubspot", "salesforce")
CRM = "world"
#: People per company, and people who name none.
_PEOPLE_PER_COMPANY = 1.7
_WITHOUT_COMPANY = 0.12
#: Seen in both CRMs, an act that marketing tools notice goes to HubSpot, the rest to Salesforce.
_MARKETING = frozenset({"visit", "form", "open", "click", "bounce", "unsubscribe"})
#: Share of leads that somebody enters a second time, by another address or a slip.
_ENTERED_TWICE = 0.02
#: Characters of the longest message; HubSpot takes up to 65,536, Salesforce 32,000.
_NOVEL = 40_000


@dataclass(slots=True)
class Known:
    """A person as the world remembers them: who they are and which records they have."""

    person: Person
    hubspot: str = ""
    salesforce: tuple[str, str] = ("", "")
    id: str = ""

    def as_fields(self) -> dict[str, object]:
        """What the live stream needs to let this person go on."""
        person = self.person
        return {
            "hubspot": self.hubspot,
            "salesforce": list(self.salesforce),
            "fit": person.fit,
            "interest": person.interest,
            "wants": person.wants,
            "reachable": person.reachable,
            "message": person.message,
            "phone": person.phone,
            "email": person.email,
        }


class World:
    """Writes people and what they do into the CRMs that they are known in."""

    def __init__(self, unit: Unit, rng: Random, crms: tuple[str, ...] = CRMS) -> None:
        self._unit = unit
        self._crms = crms
        self._hubspot = HubSpotWorld(unit, rng)
        self._salesforce = SalesforceWorld(unit, rng)

    def act(self, known: Known, act: Act) -> None:
        """Let one thing happen; "arrived" enters the person first."""
        if act.kind == "arrived":
            self._arrive(known, act.at)
            return
        hubspot = bool(known.hubspot) and "hubspot" in self._crms
        salesforce = bool(known.salesforce[1]) and "salesforce" in self._crms
        marketing = act.kind in _MARKETING
        if hubspot and (marketing or not salesforce):
            self._hubspot.act(known.hubspot, act)
        if salesforce and not (marketing and hubspot):
            self._salesforce.act(known.salesforce, act)
        if kept := _memory(act):
            self._unit.change(CRM, "person", known.id, kept, act.at)

    def remember(self, known: Known, at: int) -> None:
        """Keep what nobody sees of a person."""
        number = self._unit.next_number("world.person")
        known.id = str(number)
        self._unit.add(CRM, "person", known.id, number, known.as_fields(), at)

    def _arrive(self, known: Known, at: int) -> None:
        if "hubspot" in known.person.crms:
            known.hubspot = self._hubspot.arrive(known.person, at)
        if "salesforce" in known.person.crms:
            known.salesforce = self._salesforce.arrive(known.person, at)
        self.remember(known, at)


def invent(state: State, *, seed: int, leads: int, history_days: int, now: datetime) -> None:
    """Fill an empty state with the history of `leads` people up to `now`."""
    until = int(now.timestamp() * 1_000)
    start = until - history_days * DAY
    HubSpotWorld.found(state, start - DAY)
    SalesforceWorld.found(state, start - DAY)
    state.set_meta("world.seed", str(seed))
    rng = Random(f"{seed} people")
    companies = invent_companies(rng, leads)
    people = [invent_person(rng, _employer(rng, companies)) for _ in range(leads)]
    _make_odd(rng, people)
    unit = Unit(state)
    world = World(unit, Random(f"{seed} writing"))
    for _, _, known, act in _in_order(seed, people, start, until):
        world.act(known, act)
    unit.flush()


def _memory(act: Act) -> dict[str, object]:
    """What the live stream must know later of what happened."""
    if act.kind in ("deal", "won", "lost"):
        return {"deal": act.kind}
    if act.kind == "unsubscribe":
        return {"unsubscribed": True}
    if act.kind == "meeting":
        return {"meeting": int(act.detail["start"])}
    return {"meeting": 0} if act.kind == "held" else {}


def _make_odd(rng: Random, people: list[Person]) -> None:
    """Two that every world has: a novel in the message, and characters that nobody expects."""
    if len(people) < 2:
        return
    novel, odd = rng.sample(range(len(people)), 2)
    told = MESSAGES["support"]["en"] + MESSAGES["curious"]["en"]
    text = " ".join(rng.choices(told, k=_NOVEL // 20))[:_NOVEL]
    people[novel] = replace(people[novel], message=text, crms=("hubspot",))
    people[odd] = replace(people[odd], message=ODD_MESSAGE, crms=("hubspot",))


def invent_companies(rng: Random, leads: int) -> list[Company]:
    """The companies that people of the world work for."""
    taken: set[str] = set()
    return [invent_company(rng, taken) for _ in range(int(leads / _PEOPLE_PER_COMPANY) + 3)]


def _employer(rng: Random, companies: list[Company]) -> Company | None:
    return None if rng.random() < _WITHOUT_COMPANY else rng.choice(companies)


def _in_order(
    seed: int, people: list[Person], start: int, until: int
) -> Iterator[tuple[int, int, Known, Act]]:
    """Everybody's acts merged by time; each person's first entry comes before the rest."""
    lives = []
    for place, person in enumerate(people):
        rng = Random(f"{seed} life {place}")
        born = _birth(rng, start, until)
        known = Known(person)
        acts = live_through(rng, person, born, until)
        lives.append(_life(place, known, acts))
        if rng.random() < _ENTERED_TWICE:
            again = _birth(rng, born, until)
            twin = Known(_entered_again(rng, person))
            lives.append(_life(place + len(people), twin, [Act(again, "arrived")]))
    yield from heapq.merge(*lives, key=lambda one: (one[0], one[1]))


def _life(place: int, known: Known, acts: list[Act]) -> list[tuple[int, int, Known, Act]]:
    born = next((act for act in acts if act.kind == "arrived"), None)
    if born is None:
        return []
    # what came before the first entry is attached to it afterwards, as CRMs do
    after = [
        act if act.at >= born.at else replace(act, at=born.at) for act in acts if act is not born
    ]
    return [(act.at, place, known, act) for act in [born, *after]]


def _entered_again(rng: Random, person: Person) -> Person:
    """The same person typed in by somebody else: in short, or with their private address."""
    again = ("salesforce",) if rng.random() < 0.7 else ("hubspot",)
    private = again == ("hubspot",) or rng.random() < 0.3
    return replace(
        person,
        first=f"{person.first.strip()[:1]}.",
        last=person.last.strip().title(),
        email=private_address(rng, person.first, person.last) if private else person.email,
        crms=again,
        message="",
        title="",
    )


def _birth(rng: Random, start: int, until: int) -> int:
    """A moment in working hours, more often than not."""
    at = start + int(rng.random() * (until - start))
    hour = at // 3_600_000 % 24
    weekday = (at // DAY + 3) % 7  # 1970 began on a Thursday
    if (hour < 6 or hour > 20 or weekday > 4) and rng.random() < 0.7:
        at = start + int(rng.random() * (until - start))
    return at
