"""Scores in words, and how the default rules judge typical leads."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from scoring.bands import BandState
from scoring.engine import compile_rule_set
from scoring.explain import (
    ago,
    confidence,
    contribution_text,
    outlook_text,
    reasons,
    summary,
    times_label,
    top_reasons,
    value_label,
    waiting_text,
)
from scoring.leads import Engagement, RecordKey
from scoring.operators import DAY_US
from scoring.rules import default_rule_set, parse_rule_set
from scoring.scores import Contribution, Fact, Score

NOW = datetime(2026, 11, 23, 12, 0, tzinfo=UTC)
RECORD = RecordKey("hubspot", "contact", "1")


def known(**values: Any) -> dict[str, Fact]:
    return {name: Fact(value, "hubspot") for name, value in values.items()}


def event(kind: str, days: float, **detail: str) -> Engagement:
    at = NOW - timedelta(days=days)
    return Engagement(f"{kind}:{days}", kind, at, RECORD, detail=detail)


def row(points: int, label: str = "Rule", kind: str = "rule", known: bool = True) -> Contribution:
    return Contribution(f"r{points}", kind, "fit", "g", points, label, known)


@pytest.mark.parametrize(
    ("days", "text"),
    [
        (0, "within the last hour"),
        (1 / 24, "1 hour ago"),
        (1.99, "47 hours ago"),
        (2, "2 days ago"),
        (59.9, "59 days ago"),
        (60, "2 months ago"),
        (719, "23 months ago"),
        (1000, "2 years ago"),
    ],
)
def test_an_age_is_cut_off_and_never_rounded_up(days: float, text: str) -> None:
    assert ago(round(days * DAY_US)) == text


@pytest.mark.parametrize(
    ("label", "days", "better", "text"),
    [
        ("Warm", 3.9, False, "Cools to Warm in 3 days if nothing happens"),
        ("Hot", 0.01, True, "Warms to Hot within the hour if nothing happens"),
        ("Hot", 0.5, True, "Warms to Hot in 12 hours if nothing happens"),
        ("", 61, False, "No longer scored in 2 months if nothing happens"),
    ],
)
def test_what_lies_ahead_is_said_in_words(label: str, days: float, better: bool, text: str) -> None:
    assert outlook_text(label, round(days * DAY_US), better=better) == text


def test_what_a_lead_waits_for_is_said_in_words() -> None:
    expected = "Waits for Hot and Warm: the score is enough, this week's room is taken"
    assert waiting_text(["Hot", "Warm"]) == expected


def test_a_label_counts_and_dates() -> None:
    assert times_label("Visited a pricing page", 3, 2 * DAY_US) == (
        "Visited a pricing page 3 times, last 2 days ago"
    )
    assert times_label("Booked a meeting", 1, 5 * DAY_US) == "Booked a meeting, 5 days ago"


@pytest.mark.parametrize(
    ("value", "text"),
    [
        ("c_level", "Is: C-level"),
        (1200, "Is: 1,200"),
        (2.5, "Is: 2.5"),
        (85.753678, "Is: 85.75"),
        (12_953_458_000.0, "Is: 12,953,458,000"),
        (True, "Is: yes"),
        (("pricing", "demo"), "Is: pricing, demo"),
        ("x" * 100, "Is: " + "x" * 59 + "…"),
    ],
)
def test_a_value_is_shown_as_people_write_it(value: Any, text: str) -> None:
    assert value_label("Is", value) == text


def test_a_contribution_is_a_sentence_with_its_number() -> None:
    label = "Visited a pricing page 3 times, last 2 days ago"
    assert contribution_text(row(11_437, label)) == f"{label} (+11.4)"
    assert contribution_text(row(-3_000, "E-mail bounced")) == "E-mail bounced (−3)"


def test_the_strongest_come_first_and_assumptions_are_no_reasons() -> None:
    rows = [row(n * 1_000, str(n)) for n in (1, 9, 5, 7, -2, -8)]
    rows += [row(50_000, "assumed", known=False), row(-40_000, "limit", kind="limit")]
    assert top_reasons(rows, 2) == ("9 (+9)", "7 (+7)", "-8 (−8)", "-2 (−2)")


def engine_score(**more: Any) -> Score:
    rules = [{"id": "vip", "label": "Very important", "when": {"vip": True}, "points": 60}]
    groups = [{"id": "g", "rules": rules}]
    document = {"name": "One", "dimensions": {"fit": {"groups": groups}}} | more
    rule_set, problems = parse_rule_set(document, fields={"vip": "flag"})
    assert rule_set is not None, problems
    return compile_rule_set(rule_set).score(known(vip=True), [], NOW)


def test_a_suppressed_lead_says_so_instead() -> None:
    score = engine_score(suppress=[{"id": "s", "when": {"vip": True}, "reason": "A customer"}])
    assert reasons(score) == ("Not scored: A customer",)
    assert summary(score) == "Not scored: A customer"


def test_a_disqualifier_is_the_first_reason() -> None:
    score = engine_score(
        disqualify=[{"id": "d", "when": {"vip": True}, "reason": "A rival", "at_most": 5}]
    )
    assert score.reasons == (
        "A rival: Limit of the score: at most 5 (−55)",
        "Very important (+60)",
    )


def test_confidence_has_three_steps() -> None:
    rules = [{"id": "a", "when": {"vip": True}, "points": 10}]
    rules += [{"id": "b", "when": {"gold": True}, "points": 15, "missing": "zero"}]
    document = {
        "name": "One",
        "bands": {"up": {"from": 5}, "down": {"from": 0}},
        "dimensions": {"fit": {"groups": [{"id": "g", "rules": rules}]}},
    }
    rule_set, problems = parse_rule_set(document, fields={"vip": "flag", "gold": "flag"})
    assert rule_set is not None, problems
    engine = compile_rule_set(rule_set)
    assert confidence(engine.score(known(vip=True, gold=False), [], NOW)) == "certain"
    assert confidence(engine.score(known(vip=False), [], NOW)) == "likely"  # 0 to 15
    assert confidence(engine.score({}, [], NOW)) == "uncertain"  # 0 to 25


# -- the default rules -------------------------------------------------------------------------

STRONG = known(
    email_kind="business",
    seniority="director",
    department="marketing",
    job_title="Director of Marketing",
    company="Acme",
    industry="computer software",
    employees=350,
    annual_revenue=20_000_000,
    country="US",
    phone_valid=True,
    lead_source="organic search",
    age_days=12.0,
    text_intent="buying",
    text_need=("demo", "pricing"),
    text_timeline="quarter",
    text_budget=True,
)
BUSY = [event("page_visit", 1 + i, url="https://example.com/pricing") for i in range(3)]
BUSY += [event("form_submission", 2, form="Request a demo"), event("email_reply", 1)]
TYPICAL = known(
    email_kind="business",
    seniority="manager",
    department="it",
    job_title="IT Manager",
    company="Acme",
    employees=40,
    country="US",
    lead_source="social media",
    age_days=20.0,
)
default = compile_rule_set(default_rule_set())


def test_a_strong_lead_is_hot_and_told_to_be_called() -> None:
    score = default.score(STRONG, BUSY, NOW)
    assert score.band == "hot"
    assert score.next_step == "Call today: asked for a demo, budget mentioned"
    text = summary(score, band_label="Hot")
    assert text.startswith("Score 100 of 100, Hot (certain, could be 96 to 100)\nNext: Call today")
    assert "Asked for a demo, a price or a call, 2 days ago (+14)" in text


def test_a_good_fit_that_does_nothing_is_not_hot() -> None:
    quiet = {name: fact for name, fact in STRONG.items() if not name.startswith("text_")}
    assert default.score(quiet, [], NOW).band in ("warm", "nurture")


def test_a_typical_lead_is_worth_nurturing() -> None:
    opens = [
        event("email_open", 3),
        event("page_visit", 5, url="https://example.com/blog"),
    ]
    assert default.score(TYPICAL, opens, NOW).band == "nurture"


def test_a_lead_nobody_knows_anything_about_is_low() -> None:
    score = default.score({}, [], NOW)
    assert score.band == "low_fit"
    assert (confidence(score), score.scoring_mode) == ("uncertain", "fallback")


def test_mail_opens_alone_lift_nobody() -> None:
    opens = [event("email_open", i / 2) for i in range(40)]
    gained = default.score(TYPICAL, opens, NOW).value - default.score(TYPICAL, [], NOW).value
    assert 0 < gained <= 1_000


@pytest.mark.parametrize(
    ("fact", "band"),
    [({"text_intent": "job"}, "low_fit"), ({"email_kind": "disposable"}, "low_fit")],
)
def test_a_disqualified_lead_is_low_whatever_else_it_does(fact: dict[str, Any], band: str) -> None:
    score = default.score(STRONG | known(**fact), BUSY, NOW)
    assert score.band == band
    assert score.disqualified


def test_an_existing_customer_is_not_scored() -> None:
    score = default.score(STRONG | known(lifecycle_stage="customer"), BUSY, NOW)
    assert score.suppressed == "Already a customer"


def test_support_and_a_bounce_cost_points() -> None:
    best = default.score(TYPICAL, [], NOW).value
    assert default.score(TYPICAL | known(text_intent="support"), [], NOW).value < best
    assert default.score(TYPICAL, [event("email_bounce", 2)], NOW).value < best
    assert default.score(TYPICAL, [event("email_unsubscribe", 2)], NOW).value < best


def test_interest_fades() -> None:
    score = default.score(TYPICAL, BUSY, NOW)
    later = default.score(TYPICAL, BUSY, NOW + timedelta(days=45))
    found = default.outlook(TYPICAL, BUSY, NOW, BandState(score.band, NOW))
    assert found.change is not None
    assert found.change.at < NOW + timedelta(days=45)
    assert later.value < score.value


@given(st.lists(st.text(min_size=1, max_size=400), min_size=1, max_size=12))
def test_a_summary_fits_the_crms_field(labels: list[str]) -> None:
    rows = tuple(row(1_000 + i, label) for i, label in enumerate(labels))
    base = engine_score()
    score = Score(
        value=base.value,
        low=base.low,
        high=base.high,
        band=base.band,
        band_certain=False,
        dimensions=base.dimensions,
        contributions=rows,
        scoring_mode="rules",
        rule_set_hash=base.rule_set_hash,
        engine_version=base.engine_version,
        now=NOW,
        next_step=labels[0],
    )
    assert len(summary(score)) <= 1_000
    assert summary(score).startswith("Score 60 of 100")
