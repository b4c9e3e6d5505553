"""Rules in words: what is told is what is scored."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from scoring.condition_words import condition_words
from scoring.engine import compile_rule_set
from scoring.leads import ENGAGEMENT_KINDS, Engagement
from scoring.operators import FACT_TYPES, OPERATORS
from scoring.rule_set import Each, RuleSet
from scoring.rule_words import (
    SHOWN_AGES,
    exact_points,
    rule_set_words,
    rule_words,
    signed,
    worth_after,
)
from scoring.rules import default_rule_set, parse_rule_set
from tests import reference_scorer as reference
from tests.test_scoring_rules import EXAMPLES

NOW = datetime(2026, 11, 23, tzinfo=UTC)
FIELDS = {"seats": "number", "plan": "text", "tags": "list", "started": "date", "vip": "flag"}


def parsed(document: dict[str, Any]) -> RuleSet:
    rule_set, problems = parse_rule_set({"fields": FIELDS} | document)
    assert rule_set is not None, [str(problem) for problem in problems]
    return rule_set


def one(rule: dict[str, Any], **more: Any) -> RuleSet:
    groups = [{"id": "g", "rules": [{"id": "r", "label": "It"} | rule]}]
    return parsed({"name": "One", "dimensions": {"engagement": {"groups": groups}}} | more)


def told(rule: dict[str, Any]) -> str:
    return rule_words(one(rule).rules()[0])


@pytest.mark.parametrize(
    ("rule", "words"),
    [
        ({"when": {"seniority": "vp"}, "points": 3},
         "It: +3; only if Seniority is “vp”. While unknown: the middle of what is possible."),
        ({"when": {"seats": {"at_least": 1200}}, "points": -2.125, "missing": "zero"},
         "It: −2.125; only if “seats” is at least 1,200. While unknown: 0."),
        ({"by": "seats", "points": {"from 10": 2, "from 0.5": 1}, "missing": {"points": 1}},
         "It: by “seats”, below 0.5: 0, from 0.5: +1, from 10: +2. While unknown: +1."),
        ({"by": "phone_valid", "points": {"true": 1, "false": -1}},
         "It: by Phone number is valid, yes: +1, no: −1. "
         "While unknown: the middle of what is possible."),
        ({"per": "visits", "unit": 10, "points": 1, "cap": 5, "missing": "zero"},
         "It: +1 for every full 10 of Visits, at most 5 in all. While unknown: 0."),
        ({"each": {"kind": "page_visit", "url": {"contains": ["pricing", "/plans"]}}, "points": 6,
          "frequency": 4, "cap": 15, "time_frame": 80, "decay": {"half_life_days": 10}},
         "It: +6 each time: visited a page (url contains “pricing” or “/plans”), "
         "of the last 80 days, the newest 4 of them, halving every 10 days, at most 15 in all. "
         "One is worth +5.598 after 1 day, +3.693 after 7 days, +0.75 after 30 days, "
         "0 after 90 days."),
        ({"each": {"kind": ["email_open", "email_click"]}, "points": -1, "occurrence": "first",
          "decay": {"percent": 12.5, "every_days": 1}},
         "It: −1 only the first time ever: clicked in an e-mail or opened an e-mail, "
         "losing 12.5 % after every 1 day. One is worth −0.875 after 1 day, −0.125 after 7 days, "
         "0 after 30 days, 0 after 90 days."),
        ({"each": {"kind": "email_open"}, "points": 1}, "It: +1 each time: opened an e-mail."),
    ],
)  # fmt: skip
def test_a_rule_is_one_sentence(rule: dict[str, Any], words: str) -> None:
    assert told(rule) == words


@pytest.mark.parametrize(
    ("condition", "words"),
    [
        ({"country": ["US", "CA"]}, "Country is one of “US” or “CA”"),
        ({"vip": True}, "“vip”: yes"),
        ({"vip": {"is_false": True}}, "“vip”: no"),
        ({"tags": {"all_of": ["a", "b"]}}, "“tags” has all of “a” and “b”"),
        ({"seats": {"between": [1, 2.5]}}, "“seats” is between 1 and 2.5"),
        ({"started": {"within_days": 1}}, "“started” is within 1 day"),
        ({"plan": {"is_unknown": True}}, "“plan” is unknown"),
        ({"not": {"plan": "x"}}, "not (“plan” is “x”)"),
        ({"any": [{"plan": "x"}, {"plan": "y", "vip": True}]},
         "“plan” is “x” or (“plan” is “y” and “vip”: yes)"),
        ({"engagement": {"kind": "email_open"}}, "opened an e-mail at least once"),
        ({"engagement": {"kind": "email_open", "count": {"exactly": 0}, "within_days": 7}},
         "never opened an e-mail within 7 days"),
        ({"engagement": {"kind": "email_open", "count": {"exactly": 2}}},
         "opened an e-mail exactly 2 times"),
        ({"engagement": {"kind": "email_open", "count": {"between": [2, 5]}}},
         "opened an e-mail 2 to 5 times"),
        ({"engagement": {"kind": "email_open", "count": {"at_most": 1}}},
         "opened an e-mail at most once"),
        ({"engagement": {"kind": "email_open", "count": {"at_least": 0}}},
         "opened an e-mail any number of times"),
        ({"engagement": {"kind": "email_open", "occurrence": "first", "within_days": 3}},
         "opened an e-mail for the first time within 3 days"),
        ({"engagement": {"kind": "email_open", "occurrence": "first"}},
         "opened an e-mail for the first time ever"),
        ({"silence": {"days": 30}}, "nothing from them for 30 days"),
        ({"silence": {"days": 30, "kind": ["email_reply", "meeting_held"]}},
         "for 30 days never: replied to an e-mail or met us"),
    ],
)  # fmt: skip
def test_a_condition_reads_like_a_sentence(condition: dict[str, Any], words: str) -> None:
    when = one({"when": condition, "points": 1}).rules()[0].when
    assert when is not None
    assert condition_words(when) == words


@pytest.mark.parametrize("operator", OPERATORS)
def test_every_operator_can_be_told(operator: str) -> None:
    kinds = dict(
        zip(FACT_TYPES, ("plan", "country", "seats", "vip", "tags", "started"), strict=True)
    )
    for fact_type, argument, *_ in EXAMPLES[operator]:
        wanted = list(argument) if isinstance(argument, tuple) else argument
        words = told({"when": {kinds[fact_type]: {operator: wanted}}, "points": 1})
        assert words.startswith("It: +1; only if ")
        for part in argument if isinstance(argument, tuple) else (argument,):
            assert part is True or part is False or str(part) in words


def test_every_kind_of_engagement_can_be_told() -> None:
    for kind, label in ENGAGEMENT_KINDS.items():
        assert label[1:] in told({"each": {"kind": kind}, "points": 1})


def test_the_default_rules_are_told_in_full() -> None:
    rules = default_rule_set()
    sections = rule_set_words(rules)
    lines = [line for section in sections for line in section.lines]
    assert [rule_words(rule) for rule in rules.rules() if rule_words(rule) not in lines] == []
    text = "\n".join(lines)
    for entry in (*rules.suppressions, *rules.disqualifiers):
        assert entry.reason in text
    for step in rules.next_steps:
        assert step.text in text
    assert "Hot: from 65, kept down to 60" in lines
    assert sections[-1].title.startswith("How the number comes about")
    assert "Fit (−20 to 38): The person (−12 to 18)" in [section.title for section in sections]


def test_limits_capacity_and_custom_fields_are_told() -> None:
    bands = {
        "hot": {"from": 50, "dwell_days": 3, "capacity": {"per_week": 1_000}},
        "cold": {"from": 0},
    }
    rule = {"when": {"vip": True}, "points": 1}
    groups = [
        {"id": "g", "max": 9.5, "rules": [{"id": "r"} | rule]},
        {"id": "h", "min": -2, "rules": [{"id": "s"} | rule]},
    ]
    rules = parsed({"name": "x", "bands": bands, "dimensions": {"fit": {"groups": groups}}})
    found = {section.title: section.lines for section in rule_set_words(rules)}
    assert found["Bands"][0] == "Hot: from 50, for at least 3 days, at most 1,000 new leads a week"
    assert found["Custom fields that rules read"] == ("“vip” is true or false",)
    assert {"Fit: G (at most 9.5)", "Fit: H (at least −2)"} <= set(found)


@settings(max_examples=30, deadline=None)
@given(reference.documents())
def test_any_rule_set_can_be_told(document: dict[str, Any]) -> None:
    rule_set, _ = parse_rule_set(document, fields=reference.FIELDS)
    assert rule_set is not None
    assert all(section.lines for section in rule_set_words(rule_set))


_days = st.sampled_from([0.5, 1, 7, 30, 89.5])
_fading = st.fixed_dictionaries(
    {"points": st.integers(-9_999, 9_999).map(lambda milli: milli / 1_000)},
    optional={
        "cap": st.integers(1, 9),
        "time_frame": _days,
        "decay": _days.map(lambda days: {"half_life_days": days})
        | _days.map(lambda days: {"percent": 12.5, "every_days": days}),
    },
)


@settings(max_examples=80, deadline=None)
@given(_fading, st.sampled_from(SHOWN_AGES))
def test_what_an_engagement_is_said_to_be_worth_is_what_it_gives(
    rule: dict[str, Any], days: int
) -> None:
    rule_set = one({"each": {"kind": "page_visit"}} | rule)
    at = NOW - timedelta(days=days)
    event = Engagement("e", "page_visit", at, reference.RECORD)
    (given_,) = compile_rule_set(rule_set).tally({}, [event], NOW).givens
    gives = rule_set.rules()[0].gives
    assert isinstance(gives, Each)
    assert given_.points == worth_after(gives, days)


@pytest.mark.parametrize(
    ("milli", "text"),
    [(0, "0"), (500, "+0.5"), (-125, "−0.125"), (12_000, "+12"), (1_000_010, "+1,000.01")],
)
def test_points_are_told_with_every_decimal(milli: int, text: str) -> None:
    assert signed(milli) == text
    assert exact_points(milli) == text.removeprefix("+")
