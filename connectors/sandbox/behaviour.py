"""What invented people do: visits, answers, talks and, for some, a deal in the end.

Whether somebody becomes a deal depends on their hidden fit and interest and on being reached soon;
what they do beforehand depends on the same, so that what can be seen tells about what will come.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from random import Random

from connectors.sandbox.people import Person
from connectors.sandbox.vocabulary import (
    FORMS,
    PAGES_OF_APPLICANTS,
    PAGES_OF_BUYERS,
    PAGES_OF_READERS,
    SITE,
    SUBJECTS,
)

HOUR = 3_600_000
DAY = 24 * HOUR
MINUTE = 60_000
#: A deal is born between these days after the first contact, most often in the first half.
DEAL_DAYS = (8.0, 35.0)
_WON = 0.4
#: How often the only answer to an e-mail of ours comes from a machine.
_AWAY = 0.03


@dataclass(frozen=True, slots=True)
class Act:
    """One thing that happened; `at` in milliseconds since 1970."""

    at: int
    kind: str
    detail: dict[str, str] = field(default_factory=dict)


def chance_of_deal(person: Person) -> float:
    """How likely this person becomes a deal, by fit, interest and what they want."""
    if person.wants in ("job", "vendor", "support"):
        return 0.002
    logit = -7.6 + 4.6 * person.fit + 5.0 * person.interest
    logit += 0.8 if person.wants == "buying" else -0.6
    logit -= 0.9 if not person.reachable else 0.0
    return 1.0 / (1.0 + math.exp(-logit))


def live_through(rng: Random, person: Person, born: int, until: int) -> list[Act]:
    """Everything a person did from their first contact to `until`, in order of time."""
    acts = [*first_contact(rng, person, born)]
    deal = rng.random() < chance_of_deal(person)
    deal_at = born + int(_deal_day(rng) * DAY) if deal else 0
    acts += _browsing(rng, person, born, deal_at)
    acts += _marketing(rng, person, born)
    acts += _sales(rng, person, born, deal_at)
    acts += [held(rng, deal, act) for act in acts if act.kind == "meeting"]
    if deal:
        acts += _deal(rng, person, deal_at)
    return sorted((act for act in acts if act.at <= until), key=lambda act: act.at)


def first_contact(rng: Random, person: Person, at: int) -> list[Act]:
    """How somebody becomes known: a form after a look at the site, or an entry in a list."""
    if person.source[0] == "OFFLINE":
        return [Act(at, "arrived"), Act(at, "campaign", {"name": "Purchased list: August"})]
    if person.source[0] == "OTHER_CAMPAIGNS":
        return [Act(at, "arrived"), Act(at, "campaign", {"name": "Trade show: autumn expo"})]
    name, page, _ = rng.choices(FORMS, _form_weights(person))[0]
    url = SITE + page
    before = [Act(at - MINUTE * i, "visit", {"url": _page(rng, person)}) for i in (5, 3)]
    return [
        *(before if rng.random() < 0.6 else ()),
        Act(at, "arrived"),
        Act(at + 1, "visit", {"url": url}),
        Act(at + 2, "form", {"name": name, "url": url, "message": person.message}),
    ]


def held(rng: Random, deal: bool, meeting: Act) -> Act:
    """What became of a planned meeting, noted when its half hour is over."""
    missed = rng.random() < (0.05 if deal else 0.25)
    outcome = "NO_SHOW" if missed else "COMPLETED"
    return Act(int(meeting.detail["start"]) + 30 * MINUTE, "held", {"outcome": outcome})


def next_acts(rng: Random, person: Person, at: int, *, mailed: bool = True) -> list[Act]:
    """What somebody who is known already does now; `mailed`: newsletters still reach them."""
    mailed = mailed and person.reachable
    weights = {
        "visits": 5.0 + 6.0 * person.interest,
        "open": 3.0 if mailed else 0.0,
        "click": 0.4 + 2.0 * person.interest if mailed else 0.0,
        "form": 0.1 + 1.2 * person.interest,
        "reply": 1.2 * person.interest if person.reachable else 0.0,
        "call": 0.8,
        "meeting": 1.5 * chance_of_deal(person),
        "unsubscribe": 0.08 * (1.0 - person.interest) if mailed else 0.0,
    }
    kind = rng.choices([*weights], [*weights.values()])[0]
    if kind == "visits":
        return [Act(at + i, "visit", {"url": _page(rng, person)}) for i in range(rng.randint(1, 3))]
    if kind == "form":
        name, page, _ = rng.choices(FORMS, _form_weights(person))[0]
        detail = {"name": name, "url": SITE + page, "message": person.message}
        return [Act(at, "form", detail)]
    if kind == "click":
        return [Act(at, "open"), Act(at + 1, "click", {"url": SITE + rng.choice(PAGES_OF_BUYERS)})]
    if kind == "call":
        return [_call(rng, person, at)]
    if kind == "meeting":
        return [Act(at, "meeting", {"start": str(at + rng.randint(1, 5) * DAY)})]
    return [Act(at, kind, {"subject": rng.choice(SUBJECTS)} if kind == "reply" else {})]


def _browsing(rng: Random, person: Person, born: int, deal_at: int) -> list[Act]:
    """Sessions on the site: many and soon for the interested, hardly any for the others."""
    acts = []
    for _ in range(_poisson(rng, 0.4 + 5.0 * person.interest**1.3)):
        start = born + int(rng.expovariate(1 / (4.0 + 14.0 * person.interest)) * DAY)
        pages = 1 + _poisson(rng, 0.8 + 1.6 * person.interest)
        acts += [
            Act(start + i * 40_000, "visit", {"url": _page(rng, person)}) for i in range(pages)
        ]
    if deal_at:  # whoever is about to buy looks again
        for _ in range(rng.randint(2, 5)):
            start = deal_at - int(rng.uniform(0.3, 6.0) * DAY)
            acts.append(Act(max(start, born + HOUR), "visit", {"url": _page(rng, person)}))
        if rng.random() < 0.4:
            name, page, _ = rng.choice([form for form in FORMS if form[2]])
            at = max(born + HOUR, deal_at - int(rng.uniform(1.0, 7.0) * DAY))
            acts.append(Act(at, "form", {"name": name, "url": SITE + page, "message": ""}))
    return acts


def _marketing(rng: Random, person: Person, born: int) -> list[Act]:
    """Newsletters every two weeks: opened by many (some by machines), clicked by few."""
    if not person.email.strip():
        return []
    if not person.reachable:
        at = born + int(rng.uniform(0.1, 3.0) * DAY)
        return [Act(at, "bounce")] if rng.random() < 0.7 else []
    acts = []
    sent = born + int(rng.uniform(0.5, 14.0) * DAY)
    for _ in range(6):
        if rng.random() < 0.25 + 0.4 * person.interest:
            opened = sent + int(rng.expovariate(1 / 8.0) * HOUR)
            acts.append(Act(opened, "open"))
            if rng.random() < 0.5 * person.interest:
                url = SITE + rng.choice(PAGES_OF_BUYERS)
                acts.append(Act(opened + MINUTE, "click", {"url": url}))
                acts.append(Act(opened + MINUTE + 5, "visit", {"url": url}))
        if rng.random() < 0.012 * (1.2 - person.interest):
            acts.append(Act(sent + HOUR, "unsubscribe"))
            break
        sent += 14 * DAY
    return acts


def _sales(rng: Random, person: Person, born: int, deal_at: int) -> list[Act]:
    """What salespeople try, and what comes back."""
    if rng.random() < 0.25 and not deal_at:
        return []  # nobody ever called
    acts = []
    first = born + int(rng.expovariate(1 / 20.0) * HOUR) + 10 * MINUTE
    warm = 0.35 * person.interest + (0.35 if deal_at else 0.0)
    at = first
    for _ in range(rng.randint(1, 4)):
        if person.reachable and rng.random() < 0.7:
            acts.append(Act(at, "sent", {"subject": rng.choice(SUBJECTS)}))
            if rng.random() < 0.4 + 0.3 * person.interest:
                acts.append(Act(at + int(rng.uniform(0.2, 30) * HOUR), "sales_open"))
            if rng.random() < warm * 0.7:
                reply = at + int(rng.expovariate(1 / 14.0) * HOUR) + 5 * MINUTE
                acts.append(Act(reply, "reply", {"subject": rng.choice(SUBJECTS)}))
            elif rng.random() < _AWAY:
                acts.append(Act(at + MINUTE, "away", {"subject": rng.choice(SUBJECTS)}))
        elif person.phone:
            acts.append(_call(rng, person, at))
        at += int(rng.uniform(1.0, 6.0) * DAY)
    if rng.random() < warm * (0.9 if deal_at else 0.35):
        booked = (deal_at - int(rng.uniform(2.0, 6.0) * DAY)) if deal_at else at
        booked = max(booked, first)
        start = booked + int(rng.uniform(0.7, 4.0) * DAY)
        acts.append(Act(booked, "meeting", {"start": str(start)}))
    return acts


def _deal(rng: Random, person: Person, at: int) -> list[Act]:
    """The deal, and how it ends: won for the better part of those who suit us well."""
    size = person.company.employees if person.company else 5
    amount = str(int(max(1_200, size * rng.uniform(40, 160)) // 100 * 100))
    acts = [Act(at, "deal", {"amount": amount})]
    closed = at + int(rng.uniform(7.0, 40.0) * DAY)
    won = rng.random() < _WON + 0.3 * (person.fit - 0.5)
    acts.append(Act(closed, "won" if won else "lost"))
    return acts


def _call(rng: Random, person: Person, at: int) -> Act:
    connected = rng.random() < 0.2 + 0.45 * person.interest
    seconds = rng.randint(60, 1_500) if connected else 0
    return Act(at, "call", {"seconds": str(seconds)})


def _deal_day(rng: Random) -> float:
    low, high = DEAL_DAYS
    return low + (high - low) * rng.betavariate(1.4, 2.2)


def _page(rng: Random, person: Person) -> str:
    if person.wants == "job" and rng.random() < 0.7:
        return SITE + rng.choice(PAGES_OF_APPLICANTS)
    buying = 0.15 + 0.6 * person.interest
    return SITE + rng.choice(PAGES_OF_BUYERS if rng.random() < buying else PAGES_OF_READERS)


def _form_weights(person: Person) -> list[float]:
    asking = 0.25 + 2.2 * person.interest if person.wants == "buying" else 0.15
    return [asking if asks else 1.0 for _, _, asks in FORMS]


def _poisson(rng: Random, mean: float) -> int:
    """A Poisson number (Knuth's method, means are small here)."""
    limit, product, count = math.exp(-mean), rng.random(), 0
    while product > limit:
        product *= rng.random()
        count += 1
    return count
