"""The estate's document by hand in Polars: value, bounds, band and dimensions of every lead.

Written to be fast: kinds and choices are enumerations, a fading weight is computed only for rows
that need it (one branch for each kind of engagement), shared expressions are shared, and unknown
facts ride on Polars' own three-valued logic.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from datetime import datetime
from functools import reduce
from typing import Literal, NamedTuple

import numpy as np
import polars as pl
from polars import col

from benchmarks.estate import KINDS
from scoring.columns import NEVER, Coded, Columns, Dates, Numbers
from scoring.criteria import EngagementTest, Pattern, leaves
from scoring.events import matcher
from scoring.inputs import microseconds
from scoring.rule_set import Each
from scoring.rules import RuleSet

Engine = Literal["streaming", "in-memory"]
DAY_US = 86_400_000_000
TIE = 0.5 - 1e-6
READ = ("job_title", "company", "domain", "industry", "country", "lead_source", "seniority",
        "department", "email_kind", "text_intent", "text_urgency", "text_timeline", "text_need",
        "text_budget", "phone_valid", "email_opt_out", "employees", "annual_revenue", "plan",
        "notes", "nps", "seats", "trial_at")  # fmt: skip


# -- what Polars starts from -----------------------------------------------------------------------


def leads_frame(columns: Columns) -> pl.DataFrame:
    """The facts that rules read, as strings, enumerations, numbers, flags, lists and times."""
    return pl.DataFrame({name: _series(name, columns) for name in READ}).with_row_index("lead")


def _series(name: str, columns: Columns) -> pl.Series:
    column = columns.facts[name]
    if isinstance(column, Numbers):
        return pl.Series(name, column.values, nan_to_null=True)
    if isinstance(column, Dates):
        at = pl.Series(name, column.at)
        return at.set(at == NEVER, None)
    assert isinstance(column, Coded)
    values = pl.Series(name, [None, *map(_plain, column.values)])
    if values.dtype == pl.String and len(column.values) < 50:
        values = values.cast(pl.Enum(list(column.values)))
    return values.gather(column.codes)


def _plain(value: object) -> object:
    return list(value) if isinstance(value, tuple) else value


def events_frame(columns: Columns) -> pl.DataFrame:
    """Every engagement: lead, microseconds since 1970, kind and page address."""
    log = columns.log
    kinds = pl.Series("kind", [kind for kind, _ in log.whats], dtype=pl.Enum(list(KINDS)))
    urls = pl.Series("url", [detail.get("url") for _, detail in log.whats], dtype=pl.String)
    lead = np.repeat(np.arange(columns.n, dtype=np.uint32), np.diff(log.offsets))
    return pl.DataFrame(
        {"lead": lead, "at": log.at, "kind": kinds.gather(log.what), "url": urls.gather(log.what)}
    )


def masks_frame(columns: Columns, rule_set: RuleSet) -> tuple[pl.DataFrame, dict[str, int]]:
    """Every engagement with the rules it counts for, one bit each, as our engine finds them."""
    log, bits = columns.log, {}
    masks = np.zeros(len(log.whats), np.uint32)
    for position, (name, pattern) in enumerate(_patterns(rule_set).items()):
        matches = matcher(pattern)
        bits[name.removesuffix("_page") if name == "trial_page" else name] = 1 << position
        found = np.array([matches(*what) for what in log.whats], np.uint32)
        masks |= found << np.uint32(position)
    lead = np.repeat(np.arange(columns.n, dtype=np.uint32), np.diff(log.offsets))
    return pl.DataFrame({"lead": lead, "at": log.at, "mask": masks[log.what]}), bits


def _patterns(rule_set: RuleSet) -> dict[str, Pattern]:
    found = {}
    for rule in rule_set.rules():
        if isinstance(rule.gives, Each):
            found[rule.id] = rule.gives.pattern
        for test in leaves(rule.when) if rule.when else ():
            if isinstance(test, EngagementTest):
                found[rule.id] = test.pattern
    return found


# -- engagements -----------------------------------------------------------------------------------


def _weight(now: int, days: float) -> pl.Expr:
    return ((col("at") - now).cast(pl.Float64) * (math.log(2) / (days * DAY_US))).exp()


def _rounded(points: float, total: pl.Expr, cap: float | None = None) -> pl.Expr:
    """Sum of weights to milli-points, rounded once, then capped."""
    whole = (total.fill_null(0.0) * (abs(points) * 1_000) + TIE).floor().cast(pl.Int32)
    if cap is not None:
        whole = whole.clip(upper_bound=round(cap * 1_000))
    return whole if points > 0 else -whole


def _where_strings() -> dict[str, pl.Expr]:
    """What each rule looks for, by kind and address; pages are asked among visits only."""
    kind, url = col("kind"), col("url").str
    pages = ("pricing", "demo", "docs", "careers", "contact", "trial")
    kinds = {"any_page": "page_visit", "opens": "email_open", "replies": "email_reply",
             "responses": "campaign_response", "meetings": "meeting_booked",
             "calls": "call_connected", "forms": "form_submission"}  # fmt: skip
    return (
        {rule: kind == name for rule, name in kinds.items()}
        | {page: url.contains(page, literal=True) for page in pages}
        | {"keen": kind.is_in(["email_open", "email_click"])}
    )


def _sums(events: pl.LazyFrame, where: Mapping[str, pl.Expr], now: int) -> list[pl.LazyFrame]:
    """Per lead sums of weights and counts: one branch for each group of engagements."""
    known = events.filter(col("at") <= now)

    def page(name: str, days: float) -> pl.Expr:
        return (where[name].cast(pl.Float64) * _weight(now, days)).sum().alias(name)

    def fresh(days: float) -> pl.Expr:
        return col("at") >= now - round(days * DAY_US)

    def fading(name: str, days: float) -> pl.LazyFrame:
        found = known.filter(where[name]).group_by("lead")
        return found.agg(_weight(now, days).sum().alias(name))

    visits, opened = known.filter(where["any_page"]), where["opens"]
    return [
        visits.group_by("lead").agg(
            page("pricing", 10), page("demo", 7), page("docs", 14), page("careers", 30),
            page("contact", 7),
            (fresh(90).cast(pl.Float64) * _weight(now, 14)).sum().alias("any_page"),
            fresh(7).sum().alias("often"),
        ),
        visits.filter(where["trial"])
        .group_by("lead").agg(_weight(now, 14).tail(3).sum().alias("trial")),
        known.filter(where["keen"]).group_by("lead").agg(
            (opened.cast(pl.Float64) * _weight(now, 7)).sum().alias("opens"),
            ((~opened).cast(pl.Float64) * _weight(now, 14)).sum().alias("clicks"),
            fresh(14).sum().alias("keen"),
        ),
        known.filter(where["forms"]).group_by("lead").agg(
            _weight(now, 14).sum().alias("forms"),
            _weight(now, 90).sum().alias("late_forms"),
            _weight(now, 60).min().alias("first_form"),
        ),
        fading("replies", 21), fading("responses", 30),
        fading("meetings", 30), fading("calls", 21),
    ]  # fmt: skip


# -- rules -----------------------------------------------------------------------------------------


class Gives(NamedTuple):
    """Milli-points of a rule, and the least and most they could become."""

    points: pl.Expr
    low: pl.Expr
    high: pl.Expr


def _open(known: pl.Expr, low: float, high: float) -> Gives:
    """Known points, null where unknown: then the midpoint, the least and the most."""
    least, most = round(low * 1_000), round(high * 1_000)
    return Gives(*(known.fill_null(n) for n in (int((least + most) / 2), least, most)))


def _test(holds: pl.Expr, points: float) -> Gives:
    return _open(holds.cast(pl.Int32) * round(points * 1_000), min(0, points), max(0, points))


def _choice(fact: str, table: Mapping[str, float]) -> Gives:
    known = pl.when(col(fact).is_null()).then(pl.lit(None, pl.Int32))
    for value, points in table.items():
        known = known.when(col(fact) == value).then(pl.lit(round(points * 1_000), pl.Int32))
    whole = known.otherwise(pl.lit(0, pl.Int32))
    return _open(whole, min(0, *table.values()), max(0, *table.values()))


def _range(fact: str, table: Mapping[float, float]) -> Gives:
    known = pl.when(col(fact).is_null()).then(pl.lit(None, pl.Int32))
    for start in sorted(table, reverse=True):
        points = pl.lit(round(table[start] * 1_000), pl.Int32)
        known = known.when(col(fact) >= start).then(points)
    whole = known.otherwise(pl.lit(0, pl.Int32))
    return _open(whole, min(0, *table.values()), max(0, *table.values()))


def _sure(points: pl.Expr) -> Gives:
    return Gives(points, points, points)


def _added(several: Iterable[Gives]) -> Gives:
    return Gives(*(reduce(lambda a, b: a + b, each) for each in zip(*several, strict=True)))


def _clipped(given: Gives, low: float | None, high: float | None) -> Gives:
    least = None if low is None else round(low * 1_000)
    most = None if high is None else round(high * 1_000)
    return Gives(*(one.clip(least, most) for one in given))


def _fit() -> Gives:
    title = col("job_title").str
    person = [
        _choice("seniority", {"c_level": 12, "vp": 11, "director": 9, "manager": 6,
                              "student": -12}),
        _choice("department", {"sales": 6, "marketing": 5, "it": 3}),
        _test(title.contains(r"\b(revenue|sales) ops\b"), 4),
        _test(title.contains(r"^(chief|head of)"), 3),
        _test(title.contains(r"\bintern\b"), -8),
        _test(title.contains(r"\bvp\b.*\d$"), 2),
    ]  # fmt: skip
    company = [
        _range("employees", {1: -3, 10: 2, 50: 7, 200: 10, 1000: 8}),
        _range("annual_revenue", {0: -1, 1_000_000: 2, 10_000_000: 5}),
        # of the twelve industries, only these two contain "software" or "saas"
        _test(col("industry").is_in(["software", "saas"]), 5),
        _test(col("industry").is_in(["education", "government"]), -3),
        _test(col("country").is_in(["us", "gb", "de", "ca"]), 3),
        _test(col("domain").str.contains(r"^company\d{1,3}\.example$"), 1),
    ]
    address = [
        _choice("email_kind", {"business": 5, "free": -2, "disposable": -10}),
        _test(col("phone_valid"), 2),
        _test(col("email_opt_out"), -5),
    ]
    known = (col("company").is_not_null()).cast(pl.Int32) * 1_000
    seats = (col("seats") / 5).floor().clip(0, 8).cast(pl.Int32) * 1_000
    own = [
        _choice("plan", {"team": 3, "business": 6, "enterprise": 9}),
        _test(col("nps") >= 9, 4),
        _test(col("nps") < 5, -4),
        _open(seats, 0, 8),
        _test((col("country") == "us") | (col("industry") == "banking"), 2),
        Gives(known, known, pl.lit(1_000, pl.Int32)),
    ]
    groups = [_clipped(_added(person), None, 25), _clipped(_added(company), None, 30),
              _clipped(_added(address), -10, 10), _clipped(_added(own), None, 15)]  # fmt: skip
    return _clipped(_added(groups), -20, 45)


def _intent(now: int) -> Gives:
    notes, need = col("notes").str, col("text_need").list
    said = [
        _choice("text_intent", {"buying": 14, "support": -4, "job": -15}),
        _choice("text_urgency", {"high": 6, "medium": 3}),
        _choice("text_timeline", {"now": 8, "quarter": 5, "later": -2}),
        _test(need.contains("pricing") | need.contains("demo"), 5),
        _test(col("text_budget"), 4),
        _test(notes.contains(r"\bbudget\b"), 3),
        _test(notes.contains(r"\burgent\b"), 4),
        _test(notes.contains("later", literal=True), -2),
    ]
    age = now - col("trial_at")
    source, senior, country = col("lead_source"), col("seniority"), col("country")
    came = [
        _choice("lead_source", {"referral": 8, "partner": 6, "import": -4}),
        _test((age >= 0) & (age <= 30 * DAY_US), 6),
        _test((source == "event") & (senior == "vp") & (country != "in"), 3),
    ]
    groups = [_clipped(_added(said), None, 40), _clipped(_added(came), None, 12)]
    return _clipped(_added(groups), None, 40)


def _engagement() -> pl.Expr:
    def count(name: str, least: int, points: int) -> pl.Expr:
        return (col(name).fill_null(0) >= least).cast(pl.Int32) * (points * 1_000)

    web = [
        _rounded(6, col("pricing"), 15), _rounded(7, col("demo"), 14), _rounded(2, col("docs"), 6),
        _rounded(-4, col("careers"), 10), _rounded(0.5, col("any_page"), 6),
        _rounded(5, col("trial")), _rounded(6, col("contact"), 12), count("often", 3, 5),
    ]  # fmt: skip
    mail = [
        _rounded(0.3, col("opens"), 3), _rounded(2, col("clicks"), 10),
        _rounded(9, col("replies"), 18), _rounded(3, col("responses"), 9), count("keen", 5, 2),
    ]  # fmt: skip
    talk = [_rounded(12, col("meetings"), 20), _rounded(8, col("calls"), 16)]
    form = [
        _rounded(8, col("forms"), 16), _rounded(1, col("late_forms"), 4),
        _rounded(3, col("first_form")),
    ]  # fmt: skip
    limits = ((web, 25), (mail, 20), (talk, 25), (form, 18))
    groups = [reduce(lambda a, b: a + b, rules).clip(upper_bound=most * 1_000)
              for rules, most in limits]  # fmt: skip
    return reduce(lambda a, b: a + b, groups).clip(upper_bound=45_000)


def _band(value: pl.Expr) -> pl.Expr:
    return (value < 65_000).cast(pl.Int8) + (value < 40_000) + (value < 20_000)


def _pipeline(leads: pl.DataFrame, sums: list[pl.LazyFrame], now: int) -> pl.LazyFrame:
    rows = leads.lazy()
    for branch in sums:
        rows = rows.join(branch, on="lead", how="left", maintain_order="left")
    dimensions = [_fit(), _sure(_engagement()), _intent(now)]
    names = ("fit", "engagement", "intent")
    given = rows.select(
        "text_intent",
        *(
            expression.alias(f"{name}_{which}")
            for name, gives in zip(names, dimensions, strict=True)
            for which, expression in zip(("points", "low", "high"), gives, strict=True)
        ),
    )
    job = col("text_intent") == "job"

    def total(which: str) -> pl.Expr:
        return reduce(lambda a, b: a + b, (col(f"{n}_{which}") for n in names)).clip(0, 100_000)

    def capped(points: pl.Expr, where: pl.Expr) -> pl.Expr:
        return pl.when(where).then(points.clip(upper_bound=5_000)).otherwise(points)

    scores = given.select(
        *(col(f"{name}_points").alias(name) for name in names),
        value=capped(total("points"), job),
        low=capped(total("low"), job.fill_null(True)),
        high=capped(total("high"), job),
    )
    band = _band(col("value"))
    certain = (_band(col("low")) == band) & (_band(col("high")) == band)
    return scores.with_columns(band=band, certain=certain)


def scores(leads: pl.DataFrame, events: pl.DataFrame, at: datetime, engine: Engine) -> pl.DataFrame:
    """Every lead's value, low, high, band, certain and dimensions, in the order of the leads."""
    now = microseconds(at)
    sums = _sums(events.lazy(), _where_strings(), now)
    return _pipeline(leads, sums, now).collect(engine=engine)


def scores_by_mask(
    leads: pl.DataFrame, events: pl.DataFrame, bits: Mapping[str, int], at: datetime, engine: Engine
) -> pl.DataFrame:
    """The same from `masks_frame`: no text of an engagement is looked at."""
    now = microseconds(at)
    where = {rule: (col("mask") & bit) != 0 for rule, bit in bits.items()}
    return _pipeline(leads, _sums(events.lazy(), where, now), now).collect(engine=engine)
