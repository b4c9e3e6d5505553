"""Before rules are used, scoring one lead and scoring many are held against each other."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings

from scoring.agreement import MOST_NUMBERS, SAMPLE, disagreements
from scoring.columns import Coded, Columns, Dates, Log, Numbers, columns_of
from scoring.inputs import microseconds
from scoring.leads import Engagement
from scoring.rule_set import RuleSet
from scoring.rules import default_rule_set, parse_rule_set
from scoring.scores import Fact
from tests import reference_scorer as reference
from tests.reference_scorer import NOW, RECORD

FIELDS = {"plan": "text", "size": "number", "vip": "flag"}
PLAN = {"id": "plan", "label": "Plan", "when": {"plan": {"contains": "gold"}}, "points": 3}
SIZE = {"id": "size", "when": {"size": {"at_least": 5}}, "points": 2}
VISIT = {
    "id": "visit",
    "each": {"kind": "page_visit", "url": {"contains": "pricing"}},
    "points": 4,
    "frequency": 1,
    "decay": {"half_life_days": 1},
}


def rules(*entries: dict[str, Any], **more: Any) -> RuleSet:
    groups = [{"id": "g", "rules": list(entries)}]
    document = {"name": "x", "fields": FIELDS, "dimensions": {"fit": {"groups": groups}}} | more
    rule_set, problems = parse_rule_set(document)
    assert rule_set is not None, [str(problem) for problem in problems]
    return rule_set


def silent(n: int) -> Log:
    return Log(np.zeros(n + 1, np.int64), np.zeros(0, np.int64), np.zeros(0, np.int32), ())


def plans(*values: str, codes: tuple[int, ...] = (1, 0)) -> Columns:
    """Leads with plans, as whoever built the columns took the texts to be."""
    return Columns(
        len(codes), {"plan": Coded(np.array(codes, np.int32), values)}, silent(len(codes))
    )


def visits(*urls: str, ages_hours: tuple[int, ...]) -> Columns:
    """One lead's visits in the order given."""
    at = np.array([microseconds(NOW - timedelta(hours=age)) for age in ages_hours], np.int64)
    whats = tuple(("page_visit", {"url": url}) for url in urls)
    what = np.arange(len(at), dtype=np.int32) % len(urls)
    return Columns(1, {}, Log(np.array([0, len(at)], np.int64), at, what.astype(np.int32), whats))


@settings(max_examples=40, deadline=None)
@given(reference.documents(), reference.leads(12))
def test_the_evaluators_agree_on_any_rules(document: dict[str, Any], leads: Any) -> None:
    rule_set, problems = parse_rule_set(document, fields=reference.FIELDS)
    assert rule_set is not None, problems
    assert disagreements(rule_set, columns_of(leads, rule_set.fact_types), NOW) == []


def test_the_default_rules_are_agreed_on() -> None:
    facts = {
        "job_title": Fact("VP Sales", "x"),
        "seniority": Fact("vp", "x"),
        "employees": Fact(120, "x"),
        "phone_valid": Fact(True, "x"),
        "text_need": Fact(("demo", "pricing"), "x"),
        "age_days": Fact(40.0, "x", NOW - timedelta(days=40)),
    }
    events = [
        Engagement(f"e{i}", "page_visit", NOW - timedelta(days=i), RECORD, detail={"url": url})
        for i, url in enumerate(["/pricing", "/Jobs", "/product"])
    ]
    leads = [(facts, events), ({}, []), ({"text_intent": Fact("job", "x")}, events)]
    columns = columns_of(leads, default_rule_set().fact_types)
    assert disagreements(default_rule_set(), columns, NOW) == []


def test_a_text_that_only_one_of_them_understands_is_found() -> None:
    (problem, *_) = disagreements(rules(PLAN), plans("silver", "GOLD"), NOW)
    assert problem.message.startswith(
        "Scoring one lead and scoring many differ for “plan” “GOLD”: the score is 3000 and 0."
    )
    assert "please report it" in problem.message


def test_an_engagement_that_only_one_of_them_understands_is_found() -> None:
    said = disagreements(rules(VISIT), visits("/x", "/PRICING", ages_hours=(5,)), NOW)
    assert "engagements page_visit /PRICING: the score is" in said[0].message


def test_leads_are_compared_as_they_are() -> None:
    """Each value by itself is fine, but a log that is not in order makes the newest another one."""
    (problem,) = disagreements(rules(VISIT), visits("/pricing", ages_hours=(1, 30)), NOW)
    assert "for leads number 1 of the sample: the score is" in problem.message


@pytest.mark.parametrize(
    ("changed", "found"),
    [
        (rules(PLAN | {"points": 9}, SIZE), True),
        (rules(PLAN, SIZE | {"points": 9}), False),
        (rules(PLAN | {"label": "Plans"}, SIZE), True),
        (rules(PLAN, SIZE), False),
        (rules(PLAN, SIZE, suppress=[{"id": "s", "reason": "r", "when": {"plan": "gold"}}]), True),
        (rules(PLAN, SIZE | {"when": {"plan": "gold"}}), True),
    ],
)
def test_only_what_a_change_touches_is_gone_through(changed: RuleSet, found: bool) -> None:
    columns = plans("silver", "GOLD", codes=(1, 0, 1))  # no lead has the one that is wrong
    assert disagreements(rules(PLAN, SIZE), columns, NOW)
    assert bool(disagreements(changed, columns, NOW, rules(PLAN, SIZE))) == found


def test_a_suppressed_lead_is_compared_too() -> None:
    entry = {"id": "s", "reason": "r", "when": {"plan": {"contains": "gold"}}}
    held = {"id": "d", "reason": "r", "at_most": 1, "when": {"plan": {"contains": "gold"}}}
    for more in ({"suppress": [entry]}, {"disqualify": [held]}):
        rule_set = rules(SIZE | {"missing": {"points": 5}}, **more)  # type: ignore[arg-type]
        assert disagreements(rule_set, plans("silver", "gold"), NOW) == []
        assert disagreements(rule_set, plans("silver", "GOLD"), NOW)


def test_columns_without_leads_or_facts_are_agreed_on() -> None:
    for columns in (columns_of([], ()), Columns(3, {}, silent(3))):
        assert disagreements(rules(PLAN, SIZE, VISIT), columns, NOW) == []


def test_numbers_without_end_are_thinned_and_many_leads_are_sampled() -> None:
    n = max(2 * MOST_NUMBERS, 2 * SAMPLE) + 1
    columns = Columns(n, {"size": Numbers(np.arange(n) / 7 - 100)}, silent(n))
    assert disagreements(rules(SIZE), columns, NOW) == []


def test_dates_are_compared() -> None:
    rule = {"id": "d", "when": {"started": {"within_days": 7}}, "points": 3}
    rule_set = rules(rule, fields={"started": "date"})
    at = microseconds(NOW) - np.array([0, 1, 7 * 86_400_000_000, 7 * 86_400_000_000 + 1, -1])
    columns = Columns(5, {"started": Dates(at)}, silent(5))
    assert disagreements(rule_set, columns, NOW) == []
    growing = replace(columns, facts={"age_days": Dates(at, growing=True)})
    old = {"id": "o", "per": "age_days", "unit": 0.5, "points": 1, "cap": 9}
    assert disagreements(rules(old), growing, NOW) == []
