"""An invented estate of any size, as columns: leads with 22 facts, Zipf-distributed engagements,
and a document of 50 rules of every kind. The same seed gives the same bytes.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

import numpy as np
from numpy.typing import NDArray

from scoring.columns import Coded, Column, Columns, Dates, Log, Numbers
from scoring.inputs import microseconds
from scoring.rules import RuleSet, parse_rule_set

NOW = datetime(2026, 11, 1, tzinfo=UTC)
DAY_US = 86_400_000_000
EVENTS_A_LEAD = 20

TITLE_WORDS = ("chief", "head of", "vp", "director", "manager", "analyst", "intern", "engineer")
AREAS = ("sales", "marketing", "it", "finance", "operations", "revenue ops", "crm", "people")
INDUSTRIES = ("software", "saas", "banking", "insurance", "retail", "education", "government",
              "health", "logistics", "energy", "media", "consulting")  # fmt: skip
COUNTRIES = ("us", "gb", "de", "fr", "in", "br", "jp", "ca", "nl", "es", "it", "pl", "se", "au")
SOURCES = ("organic search", "paid search", "referral", "event", "partner", "import", "webinar")
SENIORITIES = ("c_level", "vp", "director", "manager", "senior", "individual", "student")
DEPARTMENTS = ("executive", "sales", "marketing", "it", "engineering", "finance", "operations")
EMAIL_KINDS = ("business", "academic", "free", "disposable", "role", "invalid")
NEEDS = ("pricing", "demo", "integration", "migration", "security", "trial", "contract")
KINDS = ("email_open", "page_visit", "email_click", "form_submission", "meeting_booked",
         "call_connected", "email_reply", "campaign_response")  # fmt: skip
KIND_SHARES = (0.36, 0.40, 0.12, 0.04, 0.01, 0.02, 0.02, 0.03)
PAGES = ("/", "/blog/a", "/blog/b", "/pricing", "/pricing/teams", "/demo", "/docs", "/careers",
         "/customers", "/integrations", "/security", "/contact", "/trial", "/webinar")  # fmt: skip


@dataclass(frozen=True, slots=True)
class Estate:
    """Columns and the rules over them."""

    columns: Columns
    rule_set: RuleSet


def estate(leads: int, seed: int = 7) -> Estate:
    """So many leads with twenty engagements each on average, and 50 rules."""
    random = np.random.default_rng(seed)
    return Estate(Columns(leads, _facts(leads, random), _log(leads, random)), rules())


def rules() -> RuleSet:
    """The rule set of `document`; raises ValueError if it has a problem."""
    rule_set, problems = parse_rule_set(json.dumps(document()), fields=CUSTOM)
    if rule_set is None:
        raise ValueError("; ".join(map(str, problems)))
    return rule_set


#: Facts of a customer's own.
CUSTOM = {"plan": "text", "notes": "text", "nps": "number", "seats": "number", "trial_at": "date"}


def _coded(
    random: np.random.Generator, n: int, values: Any, missing: float, skew: float = 0.0
) -> Coded:
    shares = None
    if skew:
        shares = 1 / np.arange(1, len(values) + 1) ** skew
        shares /= shares.sum()
    codes = random.choice(len(values), n, p=shares).astype(np.int32) + 1
    codes[random.random(n) < missing] = 0
    return Coded(codes, values)


def _numbers(random: np.random.Generator, n: int, missing: float, scale: float) -> Numbers:
    values = np.floor(random.lognormal(3.5, 1.6, n) * scale)
    values[random.random(n) < missing] = np.nan
    return Numbers(values)


def _facts(n: int, random: np.random.Generator) -> dict[str, Column]:
    titles = tuple(f"{w} {a}{s}" for w in TITLE_WORDS for a in AREAS
                   for s in ("", *(f" {i}" for i in range(90))))  # fmt: skip
    domains = tuple(f"company{i}.example" for i in range(max(10, n // 5)))
    notes = tuple(
        f"note {i} {'budget' if i % 7 == 0 else 'later'} {'urgent' if i % 11 == 0 else ''}"
        for i in range(max(10, n * 2 // 5))
    )
    needs = tuple((a, b) for a in NEEDS for b in NEEDS if a < b) + tuple((a,) for a in NEEDS)
    flag = (False, True)
    created = microseconds(NOW) - random.integers(0, 400 * DAY_US, n)
    return {
        "job_title": _coded(random, n, titles, 0.15, 0.6),
        "company": _coded(random, n, domains, 0.1, 0.3),
        "domain": _coded(random, n, domains, 0.2, 0.3),
        "industry": _coded(random, n, INDUSTRIES, 0.25, 0.5),
        "country": _coded(random, n, COUNTRIES, 0.05, 0.8),
        "lead_source": _coded(random, n, SOURCES, 0.05, 0.5),
        "seniority": _coded(random, n, SENIORITIES, 0.3),
        "department": _coded(random, n, DEPARTMENTS, 0.3),
        "email_kind": _coded(random, n, EMAIL_KINDS, 0.05, 1.0),
        "text_intent": _coded(random, n, ("buying", "support", "job", "vendor", "none"), 0.6),
        "text_urgency": _coded(random, n, ("high", "medium", "low"), 0.7),
        "text_timeline": _coded(random, n, ("now", "quarter", "year", "later"), 0.7),
        "text_need": _coded(random, n, needs, 0.6),
        "text_budget": _coded(random, n, flag, 0.6),
        "phone_valid": _coded(random, n, flag, 0.3),
        "email_opt_out": _coded(random, n, flag, 0.02, 3.0),
        "employees": _numbers(random, n, 0.3, 1.0),
        "annual_revenue": _numbers(random, n, 0.4, 100_000.0),
        "plan": _coded(random, n, ("free", "team", "business", "enterprise"), 0.5, 1.0),
        "notes": _coded(random, n, notes, 0.5),
        "nps": Numbers(np.where(random.random(n) < 0.8, np.nan, random.integers(0, 11, n))),
        "seats": _numbers(random, n, 0.5, 0.2),
        "trial_at": Dates(np.where(random.random(n) < 0.7, np.iinfo(np.int64).min, created)),
        "age_days": Dates(created, growing=True),
    }


def _log(n: int, random: np.random.Generator) -> Log:
    """A few leads do most of what is done (Zipf), recent days more than old ones."""
    weights = 1 / np.arange(1, n + 1) ** 0.6
    number = np.floor(weights / weights.sum() * n * EVENTS_A_LEAD).astype(np.int64)
    number[: n * EVENTS_A_LEAD - int(number.sum())] += 1  # what rounding down has lost
    random.shuffle(number)
    offsets = np.concatenate([[0], np.cumsum(number)])
    total = int(offsets[-1])
    ages = np.minimum(random.exponential(60 * DAY_US, total), 390 * DAY_US).astype(np.int64)
    at = microseconds(NOW) - ages
    lead = np.repeat(np.arange(n), number)
    order = np.lexsort((at, lead))
    whats = [(kind, {"url": page} if kind == "page_visit" else {"campaign": f"c{i}"})
             for kind in KINDS for i, page in enumerate(PAGES)]  # fmt: skip
    shares = np.repeat(KIND_SHARES, len(PAGES)) / len(PAGES)
    what = random.choice(len(whats), total, p=shares / shares.sum()).astype(np.int32)
    return Log(offsets, at[order], what, whats)


def _rule(name: str, **rest: Any) -> dict[str, Any]:
    return {"id": name, **rest}


def document() -> dict[str, Any]:
    """50 rules: 32 over facts (8 of them regular expressions), 16 fading, 2 counting."""
    when = lambda **facts: {"when": facts}  # noqa: E731  # a shorthand for this table only
    title = lambda pattern: {"when": {"job_title": {"matches": pattern}}}  # noqa: E731
    fit = [
        {"id": "person", "max": 25, "rules": [
            _rule("seniority", by="seniority", points={"c_level": 12, "vp": 11, "director": 9,
                                                      "manager": 6, "student": -12}),
            _rule("department", by="department", points={"sales": 6, "marketing": 5, "it": 3}),
            _rule("t1", points=4, **title(r"\b(revenue|sales) ops\b")),
            _rule("t2", points=3, **title(r"^(chief|head of)")),
            _rule("t3", points=-8, **title(r"\bintern\b")),
            _rule("t4", points=2, **title(r"\bvp\b.*\d$")),
        ]},
        {"id": "company", "max": 30, "rules": [
            _rule("size", by="employees", points={"from 1": -3, "from 10": 2, "from 50": 7,
                                                 "from 200": 10, "from 1000": 8}),
            _rule("revenue", by="annual_revenue", points={"from 0": -1, "from 1000000": 2,
                                                         "from 10000000": 5}),
            _rule("core", points=5, **when(industry={"contains": ["software", "saas"]})),
            _rule("far", points=-3, **when(industry={"in": ["education", "government"]})),
            _rule("market", points=3, **when(country=["US", "GB", "DE", "CA"])),
            _rule("dom", points=1, **when(domain={"matches": r"^company\d{1,3}\.example$"})),
        ]},
        {"id": "address", "min": -10, "max": 10, "rules": [
            _rule("kind", by="email_kind", points={"business": 5, "free": -2, "disposable": -10}),
            _rule("phone", points=2, **when(phone_valid={"is_true": True})),
            _rule("out", points=-5, **when(email_opt_out={"is_true": True})),
        ]},
        {"id": "own", "max": 15, "rules": [
            _rule("plan", by="plan", points={"free": 0, "team": 3, "business": 6, "enterprise": 9}),
            _rule("nps_high", points=4, **when(nps={"at_least": 9})),
            _rule("nps_low", points=-4, **when(nps={"below": 5})),
            _rule("seats", per="seats", unit=5, points=1, cap=8),
            _rule("both", points=2, **when(any=[{"country": "US"}, {"industry": "banking"}])),
            _rule("named", points=1, **when(company={"is_known": True})),
        ]},
    ]  # fmt: skip
    intent = [
        {"id": "said", "max": 40, "rules": [
            _rule("wants", by="text_intent", points={"buying": 14, "support": -4, "job": -15}),
            _rule("urgent", by="text_urgency", points={"high": 6, "medium": 3}),
            _rule("when", by="text_timeline", points={"now": 8, "quarter": 5, "later": -2}),
            _rule("asks", points=5, **when(text_need={"any_of": ["pricing", "demo"]})),
            _rule("budget", points=4, **when(text_budget={"is_true": True})),
            _rule("n1", points=3, **when(notes={"matches": r"\bbudget\b"})),
            _rule("n2", points=4, **when(notes={"matches": r"\burgent\b"})),
            _rule("n3", points=-2, **when(notes={"contains": ["later"]})),
        ]},
        {"id": "came", "max": 12, "rules": [
            _rule("source", by="lead_source", points={"referral": 8, "partner": 6, "import": -4}),
            _rule("trial", points=6, **when(trial_at={"within_days": 30})),
            _rule("match", points=3, **when(all=[{"lead_source": "event"}, {"seniority": "vp"},
                                                 {"not": {"country": "IN"}}])),
        ]},
    ]  # fmt: skip
    return {
        "name": "Benchmark",
        "bands": {"hot": {"from": 65}, "warm": {"from": 40}, "nurture": {"from": 20},
                  "low": {"from": 0}},
        "disqualify": [
            {"id": "job", "when": {"text_intent": "job"}, "at_most": 5, "reason": "Job"}],
        "dimensions": {"fit": {"min": -20, "max": 45, "groups": fit},
                       "engagement": {"max": 45, "groups": _behaviour()},
                       "intent": {"max": 40, "groups": intent}},
    }  # fmt: skip


def _behaviour() -> list[dict[str, Any]]:
    def fading(name: str, kind: str, points: float, days: float, **more: Any) -> dict[str, Any]:
        url = more.pop("url", None)
        each = {"kind": kind} | ({"url": {"contains": url}} if url else {})
        return _rule(name, each=each, points=points, decay={"half_life_days": days}, **more)

    visits = [
        fading("pricing", "page_visit", 6, 10, url="pricing", cap=15),
        fading("demo", "page_visit", 7, 7, url="demo", cap=14),
        fading("docs", "page_visit", 2, 14, url="docs", cap=6),
        fading("careers", "page_visit", -4, 30, url="careers", cap=10),
        fading("any_page", "page_visit", 0.5, 14, cap=6, time_frame=90),
        fading("trial_page", "page_visit", 5, 14, url="trial", frequency=3),
        fading("contact", "page_visit", 6, 7, url="contact", cap=12),
        {"id": "often", "points": 5, "when": {"engagement": {
            "kind": "page_visit", "count": {"at_least": 3}, "within_days": 7}}},
    ]  # fmt: skip
    mails = [
        fading("opens", "email_open", 0.3, 7, cap=3),
        fading("clicks", "email_click", 2, 14, cap=10),
        fading("replies", "email_reply", 9, 21, cap=18),
        fading("responses", "campaign_response", 3, 30, cap=9),
        {"id": "keen", "points": 2, "when": {"engagement": {
            "kind": ["email_open", "email_click"], "count": {"at_least": 5}, "within_days": 14}}},
    ]  # fmt: skip
    talks = [
        fading("meetings", "meeting_booked", 12, 30, cap=20),
        fading("calls", "call_connected", 8, 21, cap=16),
    ]
    forms = [
        fading("forms", "form_submission", 8, 14, cap=16),
        fading("late_forms", "form_submission", 1, 90, cap=4),
        fading("first_form", "form_submission", 3, 60, occurrence="first"),
    ]
    return [
        {"id": "web", "max": 25, "rules": visits},
        {"id": "mail", "max": 20, "rules": mails},
        {"id": "talk", "max": 25, "rules": talks},
        {"id": "form", "max": 18, "rules": forms},
    ]


def texts(column: Coded) -> NDArray[Any]:
    """A coded column as its strings, None where unknown: what other engines start from."""
    return np.array([None, *column.values], dtype=object)[column.codes]
