"""The estate's document by hand in DuckDB's SQL: the same answers as `polars_peer`.

Native tables with enumerations; each stage is materialised once (otherwise every rule would be
worked out again wherever it is named); weights only for the rows that need them.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from typing import NamedTuple

import duckdb
import numpy as np
import polars as pl
from numpy.typing import NDArray

from scoring.inputs import microseconds

DAY_US = 86_400_000_000
THREADS = 2


class Gives(NamedTuple):
    """SQL of a rule's milli-points, and of the least and most they could become."""

    points: str
    low: str
    high: str


class Database:
    """Leads and engagements in DuckDB's own tables, in memory."""

    def __init__(self, leads: pl.DataFrame, events: pl.DataFrame) -> None:
        """From the frames of `polars_peer`; they are copied and not kept."""
        self._database = duckdb.connect(":memory:", config={"threads": THREADS})
        self._copy("leads", leads)
        self._copy("events", events)

    def _copy(self, table: str, frame: pl.DataFrame) -> None:
        self._database.register("frame", frame.to_arrow())
        self._database.execute(f"CREATE TABLE {table} AS SELECT * FROM frame")
        self._database.unregister("frame")

    def scores(self, at: datetime) -> Mapping[str, NDArray[np.generic]]:
        """Every lead's value, low, high, band, certain and dimensions, in the order of leads."""
        return self._database.execute(query(microseconds(at))).fetchnumpy()

    def close(self) -> None:
        """Give the memory back."""
        self._database.close()


# -- engagements -----------------------------------------------------------------------------------


def _weight(now: int, days: float) -> str:
    return f"exp((events.at - {now}) * {math.log(2) / (days * DAY_US)!r})"


def _sums(now: int) -> dict[str, str]:
    """One query for each group of engagements."""

    def page(name: str, days: float) -> str:
        url = f"contains(url, '{name}')"
        return f"sum(CASE WHEN {url} THEN {_weight(now, days)} ELSE 0 END) AS {name}"

    def fresh(days: int) -> str:
        return f"events.at >= {now - days * DAY_US}"

    def grouped(columns: Iterable[str], where: str) -> str:
        chosen = ", ".join(columns)
        return (
            f"SELECT lead, {chosen} FROM events WHERE events.at <= {now} AND {where} GROUP BY lead"
        )

    def fading(name: str, kind: str, days: float) -> str:
        return grouped([f"sum({_weight(now, days)}) AS {name}"], f"kind = '{kind}'")

    visits = [
        page("pricing", 10), page("demo", 7), page("docs", 14), page("careers", 30),
        page("contact", 7),
        f"sum(CASE WHEN {fresh(90)} THEN {_weight(now, 14)} ELSE 0 END) AS any_page",
        f"count(*) FILTER ({fresh(7)}) AS often",
    ]  # fmt: skip
    mails = [
        f"sum(CASE WHEN kind = 'email_open' THEN {_weight(now, 7)} ELSE 0 END) AS opens",
        f"sum(CASE WHEN kind = 'email_click' THEN {_weight(now, 14)} ELSE 0 END) AS clicks",
        f"count(*) FILTER ({fresh(14)}) AS keen",
    ]
    forms = [
        f"sum({_weight(now, 14)}) AS forms", f"sum({_weight(now, 90)}) AS late_forms",
        f"min({_weight(now, 60)}) AS first_form",
    ]  # fmt: skip
    trial = [f"list_sum(max({_weight(now, 14)}, 3)) AS trial"]
    return {
        "visits": grouped(visits, "kind = 'page_visit'"),
        "trials": grouped(trial, "kind = 'page_visit' AND contains(url, 'trial')"),
        "mails": grouped(mails, "kind IN ('email_open', 'email_click')"),
        "form": grouped(forms, "kind = 'form_submission'"),
        "reply": fading("replies", "email_reply", 21),
        "response": fading("responses", "campaign_response", 30),
        "meeting": fading("meetings", "meeting_booked", 30),
        "call": fading("calls", "call_connected", 21),
    }


# -- rules -----------------------------------------------------------------------------------------


def _open(known: str, low: float, high: float) -> Gives:
    least, most = round(low * 1_000), round(high * 1_000)
    middle = int((least + most) / 2)
    return Gives(*(f"coalesce({known}, {n})" for n in (middle, least, most)))


def _test(holds: str, points: float) -> Gives:
    known = f"(({holds})::INTEGER * {round(points * 1_000)})"
    return _open(known, min(0, points), max(0, points))


def _choice(fact: str, table: Mapping[str, float]) -> Gives:
    cases = " ".join(f"WHEN {fact} = '{v}' THEN {round(p * 1_000)}" for v, p in table.items())
    known = f"CASE WHEN {fact} IS NULL THEN NULL {cases} ELSE 0 END"
    return _open(known, min(0, *table.values()), max(0, *table.values()))


def _range(fact: str, table: Mapping[float, float]) -> Gives:
    steps = sorted(table.items(), reverse=True)
    cases = " ".join(f"WHEN {fact} >= {start} THEN {round(p * 1_000)}" for start, p in steps)
    known = f"CASE WHEN {fact} IS NULL THEN NULL {cases} ELSE 0 END"
    return _open(known, min(0, *table.values()), max(0, *table.values()))


def _rounded(points: float, column: str, cap: float | None = None) -> str:
    size = abs(points) * 1_000
    whole = f"floor(coalesce({column}, 0.0::DOUBLE) * {size}::DOUBLE + 0.499999::DOUBLE)::INTEGER"
    if cap is not None:
        whole = f"least({whole}, {round(cap * 1_000)})"
    return whole if points > 0 else f"(-{whole})"


def _count(column: str, least: int, points: int) -> str:
    return f"CASE WHEN coalesce({column}, 0) >= {least} THEN {points * 1_000} ELSE 0 END"


def _clipped(sql: str, low: float | None, high: float | None) -> str:
    if low is not None:
        sql = f"greatest({sql}, {round(low * 1_000)})"
    return sql if high is None else f"least({sql}, {round(high * 1_000)})"


def _added(parts: Iterable[str]) -> str:
    return f"({' + '.join(parts)})"


Rules = Sequence[tuple[Sequence[Gives], float | None, float | None]]


def _dimension(groups: Rules, low: float | None, high: float | None) -> Gives:
    """Each group within its limits, all of them within the dimension's."""

    def one(which: int) -> str:
        parts = [_clipped(_added(g[which] for g in rules), *limits) for rules, *limits in groups]
        return _clipped(_added(parts), low, high)

    return Gives(one(0), one(1), one(2))


def _fit() -> Gives:
    def title(pattern: str) -> str:
        return f"regexp_matches(job_title, '{pattern}')"

    person = [
        _choice("seniority", {"c_level": 12, "vp": 11, "director": 9, "manager": 6,
                              "student": -12}),
        _choice("department", {"sales": 6, "marketing": 5, "it": 3}),
        _test(title(r"\b(revenue|sales) ops\b"), 4),
        _test(title(r"^(chief|head of)"), 3),
        _test(title(r"\bintern\b"), -8),
        _test(title(r"\bvp\b.*\d$"), 2),
    ]  # fmt: skip
    company = [
        _range("employees", {1: -3, 10: 2, 50: 7, 200: 10, 1000: 8}),
        _range("annual_revenue", {0: -1, 1_000_000: 2, 10_000_000: 5}),
        _test("industry IN ('software', 'saas')", 5),
        _test("industry IN ('education', 'government')", -3),
        _test("country IN ('us', 'gb', 'de', 'ca')", 3),
        _test(r"regexp_matches(domain, '^company\d{1,3}\.example$')", 1),
    ]
    address = [
        _choice("email_kind", {"business": 5, "free": -2, "disposable": -10}),
        _test("phone_valid", 2),
        _test("email_opt_out", -5),
    ]
    known = "(company IS NOT NULL)::INTEGER * 1000"
    own = [
        _choice("plan", {"team": 3, "business": 6, "enterprise": 9}),
        _test("nps >= 9", 4),
        _test("nps < 5", -4),
        _open(
            "CASE WHEN seats IS NULL THEN NULL"
            " ELSE greatest(0, least(8, floor(seats / 5)))::INTEGER * 1000 END", 0, 8),
        _test("country = 'us' OR industry = 'banking'", 2),
        Gives(known, known, "1000"),
    ]  # fmt: skip
    groups = [(person, None, 25), (company, None, 30), (address, -10, 10), (own, None, 15)]
    return _dimension(groups, -20, 45)


def _intent(now: int) -> Gives:
    said = [
        _choice("text_intent", {"buying": 14, "support": -4, "job": -15}),
        _choice("text_urgency", {"high": 6, "medium": 3}),
        _choice("text_timeline", {"now": 8, "quarter": 5, "later": -2}),
        _test("list_has_any(text_need, ['pricing', 'demo'])", 5),
        _test("text_budget", 4),
        _test(r"regexp_matches(notes, '\bbudget\b')", 3),
        _test(r"regexp_matches(notes, '\burgent\b')", 4),
        _test("contains(notes, 'later')", -2),
    ]
    came = [
        _choice("lead_source", {"referral": 8, "partner": 6, "import": -4}),
        _test(f"trial_at BETWEEN {now - 30 * DAY_US} AND {now}", 6),
        _test("lead_source = 'event' AND seniority = 'vp' AND country <> 'in'", 3),
    ]
    return _dimension([(said, None, 40), (came, None, 12)], None, 40)


def _engagement() -> str:
    web = [
        _rounded(6, "pricing", 15), _rounded(7, "demo", 14), _rounded(2, "docs", 6),
        _rounded(-4, "careers", 10), _rounded(0.5, "any_page", 6), _rounded(5, "trial"),
        _rounded(6, "contact", 12), _count("often", 3, 5),
    ]  # fmt: skip
    mail = [
        _rounded(0.3, "opens", 3), _rounded(2, "clicks", 10), _rounded(9, "replies", 18),
        _rounded(3, "responses", 9), _count("keen", 5, 2),
    ]  # fmt: skip
    talk = [_rounded(12, "meetings", 20), _rounded(8, "calls", 16)]
    form = [_rounded(8, "forms", 16), _rounded(1, "late_forms", 4), _rounded(3, "first_form")]
    limits = ((web, 25), (mail, 20), (talk, 25), (form, 18))
    return _clipped(_added(_clipped(_added(rules), None, most) for rules, most in limits), None, 45)


def query(now: int) -> str:
    """The whole document as one statement; `now` in microseconds since 1970."""
    sums = _sums(now)
    parts = ",\n".join(f"{name} AS MATERIALIZED ({sql})" for name, sql in sums.items())
    joins = " ".join(f"LEFT JOIN {name} USING (lead)" for name in sums)
    engagement = _engagement()
    dimensions = {
        "fit": _fit(),
        "engagement": Gives(engagement, engagement, engagement),
        "intent": _intent(now),
    }
    given = ", ".join(
        f"{sql} AS {name}_{which}"
        for name, gives in dimensions.items()
        for which, sql in zip(("points", "low", "high"), gives, strict=True)
    )
    job = "text_intent = 'job'"

    def total(which: str, where: str) -> str:
        whole = _clipped(_added(f"{name}_{which}" for name in dimensions), 0, 100)
        return f"CASE WHEN {where} THEN least({whole}, 5000) ELSE {whole} END"

    def band(score: str) -> str:
        starts = ((65_000, 0), (40_000, 1), (20_000, 2))
        cases = " ".join(f"WHEN {score} >= {start} THEN {place}" for start, place in starts)
        return f"CASE {cases} ELSE 3 END"

    return f"""
WITH {parts},
given AS MATERIALIZED (SELECT lead, text_intent, {given} FROM leads {joins}),
totals AS MATERIALIZED (
    SELECT lead, fit_points AS fit, engagement_points AS engagement, intent_points AS intent,
        {total("points", job)} AS value, {total("low", f"coalesce({job}, true)")} AS low,
        {total("high", job)} AS high
    FROM given)
SELECT fit, engagement, intent, value, low, high, {band("value")} AS band,
    {band("low")} = {band("value")} AND {band("high")} = {band("value")} AS certain
FROM totals ORDER BY lead"""
