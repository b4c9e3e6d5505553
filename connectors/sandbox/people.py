"""Invents people and companies: who they really are, and how untidily a CRM hears of them."""

from __future__ import annotations

import unicodedata
from collections.abc import Sequence
from dataclasses import dataclass
from random import Random
from typing import TypeVar

from connectors.sandbox.vocabulary import (
    BROKEN_EMAILS,
    BROKEN_PHONES,
    COMPANY_FORMS,
    COMPANY_HEADS,
    COMPANY_TAILS,
    COUNTRIES,
    DISPOSABLE,
    FREE_MAIL,
    FREE_MAIL_TYPOS,
    INDUSTRIES,
    MESSAGES,
    SOURCES,
    TITLES,
    Country,
)

T = TypeVar("T")
#: People who are known in both CRMs.
IN_BOTH = 0.08
IN_HUBSPOT = 0.55
#: How many of those who give a number give that of their company's switchboard; with so few
#: people per company, about 2 % of all share a number.
_SWITCHBOARD = 0.25
#: Names and titles with a picture in them, as phones' keyboards suggest.
_WITH_EMOJI = 0.004
_SIZES = (
    (1, 9, 14),
    (10, 49, 26),
    (50, 199, 26),
    (200, 999, 20),
    (1_000, 9_999, 10),
    (10_000, 60_000, 4),
)


@dataclass(frozen=True, slots=True)
class Company:
    """A company; `fit` is how well we suit it (0..1)."""

    name: str
    domain: str
    industry: tuple[str, str]  # as HubSpot and Salesforce spell it
    employees: int
    revenue: int
    country: Country
    city: str
    fit: float
    switchboard: str = ""  # a number that several of its people give


@dataclass(frozen=True, slots=True)
class Person:
    """A person as the CRMs first hear of them, with what nobody sees: fit and interest (0..1)."""

    first: str
    last: str
    email: str
    phone: str
    title: str
    company: Company | None
    company_text: str
    country: str
    city: str
    source: tuple[str, str]
    wants: str  # buying, curious, support, job, vendor
    message: str
    crms: tuple[str, ...]
    fit: float
    interest: float
    reachable: bool


def invent_company(rng: Random, taken: set[str]) -> Company:
    """A company whose domain nobody in `taken` has; adds it there."""
    country = _weighted(rng, COUNTRIES, [c.weight for c in COUNTRIES])
    while True:
        head, tail = rng.choice(COMPANY_HEADS), rng.choice(COMPANY_TAILS)
        words = f"{head.replace('-', ' ')} {tail}"
        stem = f"{head}-{tail}".lower() if rng.random() < 0.3 else f"{head}{tail}".lower()
        if f"{stem}.example" in taken:
            stem += str(rng.randint(2, 999))
        if f"{stem}.example" not in taken:
            break
    hubspot, salesforce, fit, _ = _weighted(rng, INDUSTRIES, [row[3] for row in INDUSTRIES])
    if salesforce == "Education":
        words, stem = f"University of {head}", f"uni-{head.lower()}{rng.randint(1, 99)}"
    taken.add(f"{stem}.example")
    low, high, _ = _weighted(rng, _SIZES, [row[2] for row in _SIZES])
    employees = rng.randint(low, high)
    form = rng.choice(COMPANY_FORMS.get(country.code, ("",)))
    sized = (
        1.0
        if 50 <= employees < 1_000
        else 0.8
        if employees >= 1_000
        else 0.5
        if employees >= 10
        else 0.1
    )
    return Company(
        name=f"{words} {form}".strip(),
        domain=f"{stem}.example",
        industry=(hubspot, salesforce),
        employees=employees,
        revenue=int(employees * rng.uniform(60_000, 240_000)) // 1_000 * 1_000,
        country=country,
        city=rng.choice(country.cities),
        fit=0.55 * fit + 0.45 * sized,
        switchboard=_number(rng, country),
    )


def invent_person(rng: Random, company: Company | None) -> Person:
    """A person of this company, or of none that they tell."""
    country = (
        company.country if company else _weighted(rng, COUNTRIES, [c.weight for c in COUNTRIES])
    )
    first, last = rng.choice(country.first), rng.choice(country.last)
    title, senior, near, _ = _weighted(rng, TITLES, [row[3] for row in TITLES])
    hubspot, salesforce, pull, _ = _weighted(rng, SOURCES, [row[3] for row in SOURCES])
    home = 1.0 if country.code in ("US", "GB", "DE", "FR", "SE", "AU") else 0.4
    fit = 0.42 * (company.fit if company else 0.1) + 0.26 * senior + 0.22 * near + 0.10 * home
    interest = min(1.0, max(0.0, rng.betavariate(1.3, 2.2) * (0.45 + pull) + 0.25 * (fit - 0.5)))
    wants = _wants(rng, interest, title)
    email, reachable = _address(rng, first, last, company)
    message = ""
    if wants in ("support", "job", "vendor") or rng.random() < 0.25 + 0.4 * interest:
        message = _message(rng, wants, country.language)
    draw = rng.random()
    crms: tuple[str, ...] = ("hubspot",) if draw < IN_HUBSPOT else ("salesforce",)
    if rng.random() < IN_BOTH and reachable:
        crms = ("hubspot", "salesforce")
    return Person(
        first=_untidy(rng, first),
        last=_untidy(rng, last),
        email=email,
        phone=_phone(rng, country, company),
        title="" if rng.random() < 0.12 else _untidy(rng, title),
        company=company,
        company_text="" if company is None or rng.random() < 0.06 else _untidy(rng, company.name),
        country="" if rng.random() < 0.12 else rng.choice(country.spellings),
        city="" if rng.random() < 0.35 else rng.choice(country.cities),
        source=(hubspot, salesforce),
        wants=wants,
        message=message,
        crms=crms,
        fit=fit,
        interest=interest,
        reachable=reachable,
    )


def _wants(rng: Random, interest: float, title: str) -> str:
    draw = rng.random()
    if title in ("Student", "Intern", "PhD candidate", "Recruiter") and draw < 0.4:
        return "job"
    if draw < 0.02:
        return "job"
    if draw < 0.05:
        return "vendor"
    if draw < 0.09:
        return "support"
    return "buying" if rng.random() < interest * 1.15 else "curious"


def _message(rng: Random, wants: str, language: str) -> str:
    spoken = MESSAGES[wants]
    text = rng.choice(spoken[language if language in spoken and rng.random() < 0.8 else "en"])
    return text.replace("{n}", str(rng.choice((8, 12, 20, 35, 60, 120, 400))))


def _address(rng: Random, first: str, last: str, company: Company | None) -> tuple[str, bool]:
    """An e-mail address as it was typed, and whether mail to it would arrive."""
    local = f"{_plain(first) or 'x'}-{_plain(last) or 'y'}{rng.randint(1, 999)}"
    draw = rng.random()
    if draw < 0.035:
        return "", False
    if draw < 0.055:
        domain = company.domain if company else "mail.example"
        return rng.choice(BROKEN_EMAILS).format(local=local, domain=domain), False
    if draw < 0.075:
        return f"{local}@{rng.choice(DISPOSABLE)}", False
    if draw < 0.095:
        # a hyphen before the @: these providers give out no such address
        return f"{local}@{rng.choice(FREE_MAIL_TYPOS)}", False
    if company is None or draw < 0.22:
        return private_address(rng, first, last), True
    if draw < 0.24:
        return f"{rng.choice(('info', 'sales', 'office'))}@{company.domain}", True
    pattern = rng.random()
    first_, last_ = _plain(first) or "mail", _plain(last) or str(rng.randint(10, 99))
    named = f"{first_}.{last_}" if pattern < 0.6 else f"{first_[0]}{last_}"
    # a number often tells namesakes apart
    named += str(rng.randint(2, 99)) if pattern > 0.45 else ""
    address = f"{named}@{company.domain}"
    if rng.random() < 0.05:
        address = address.title() if rng.random() < 0.5 else f" {address} "
    return address, True


def private_address(rng: Random, first: str, last: str) -> str:
    """An address at a mail provider; with its hyphen it is one that they give to nobody."""
    local = f"{_plain(first) or 'x'}-{_plain(last) or 'y'}{rng.randint(1, 999)}"
    return f"{local}@{rng.choice(FREE_MAIL)}"


def _phone(rng: Random, country: Country, company: Company | None) -> str:
    draw = rng.random()
    if draw < 0.35:
        return ""
    if draw < 0.40:
        return rng.choice(BROKEN_PHONES)
    if company and rng.random() < _SWITCHBOARD:
        return company.switchboard
    return _number(rng, country)


def _number(rng: Random, country: Country) -> str:
    """A number that the country keeps free for fiction; empty where there is none."""
    if not country.phones:
        return ""
    shape = rng.choice(country.phones)
    return "".join(str(rng.randint(0, 9)) if c == "#" else c for c in shape)


def _untidy(rng: Random, text: str) -> str:
    draw = rng.random()
    if draw > 1.0 - _WITH_EMOJI:
        return f"{text} 🚀"
    if draw < 0.04:
        return text.upper()
    if draw < 0.08:
        return text.lower()
    if draw < 0.10:
        return f"  {text} "
    return text


def _plain(text: str) -> str:
    """Lower-case ASCII letters of a name; empty for scripts that have none."""
    split = unicodedata.normalize("NFKD", text.lower().replace("ß", "ss").replace("ł", "l"))
    return "".join(c for c in split if c.isascii() and c.isalnum())


def _weighted(rng: Random, rows: Sequence[T], weights: list[int]) -> T:
    return rng.choices(rows, weights)[0]
