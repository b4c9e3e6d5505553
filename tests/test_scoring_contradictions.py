"""What can never be is refused when the document is read; what can be is not."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from scoring.engine import compile_rule_set
from scoring.operators import OPERATORS
from scoring.rule_set import RuleSet
from scoring.rules import parse_rule_set
from scoring.scores import Fact
from tests.reference_scorer import EMAIL_KINDS

NOW = datetime(2026, 11, 23, tzinfo=UTC)
FIELDS = {"size": "number", "plan": "text", "tags": "list", "started": "date", "vip": "flag"}


def read(*rules: dict[str, Any], **group: Any) -> tuple[RuleSet | None, str]:
    named = [{"id": f"r{i}"} | rule for i, rule in enumerate(rules)]
    groups = [{"id": "g", "rules": named} | group]
    document = {"name": "One", "fields": FIELDS, "dimensions": {"fit": {"groups": groups}}}
    rule_set, problems = parse_rule_set(document)
    return rule_set, " ".join(problem.message for problem in problems)


def when(condition: dict[str, Any]) -> tuple[RuleSet | None, str]:
    return read({"when": condition, "points": 1})


IMPOSSIBLE: list[dict[str, Any]] = [
    {"size": {"at_least": 9, "at_most": 5}},
    {"size": {"above": 5, "at_most": 5}},
    {"size": {"above": 5, "below": 5}},
    {"size": {"above": 9, "below": 5}},
    {"size": {"between": [1, 5], "above": 5}},
    {"size": {"between": [1, 5], "at_least": 6}},
    {"size": {"at_least": 5, "at_most": 5, "not_equals": 5}},
    {"size": {"equals": 5, "not_equals": 5}},
    {"size": {"equals": 5, "above": 5}},
    {"size": {"equals": 5, "in": [4, 6]}},
    {"size": {"in": [1, 2], "not_in": [2, 1, 3]}},
    {"plan": {"equals": "Gold", "not_equals": "gold"}},
    {"plan": {"equals": "gold", "starts_with": "silver"}},
    {"plan": {"in": ["gold", "silver"], "contains": "bronze"}},
    {"plan": {"equals": "gold", "matches": "^silver"}},
    {"vip": {"is_true": True, "is_false": True}},
    {"vip": {"equals": False, "is_true": True}},
    {"plan": {"is_known": True, "is_unknown": True}},
    {"plan": {"equals": "gold", "is_unknown": True}},
    {"tags": {"all_of": ["a", "b"], "none_of": ["B"]}},
    {"tags": {"any_of": ["a"], "none_of": ["a", "b"]}},
    {"started": {"within_days": 7, "older_than_days": 30}},
    {"started": {"within_days": 7, "older_than_days": 7}},
    {
        "engagement": {"kind": "email_open", "within_days": 7},
        "silence": {"days": 30, "kind": "email_open"},
    },
    {
        "engagement": {"kind": "page_visit", "occurrence": "first", "within_days": 30},
        "silence": {"days": 30},
    },
    {"fact": "size", "at_least": 9, "at_most": 5},
]
POSSIBLE: list[dict[str, Any]] = [
    {"size": {"at_least": 5, "at_most": 5}},
    {"size": {"at_least": 5, "not_equals": 5}},
    {"size": {"between": [1, 5], "at_least": 5}},
    {"size": {"above": 1, "below": 1.001}},
    {"size": {"in": [1, 2], "not_in": [2]}},
    {"size": {"is_known": True, "at_least": 1}},
    {"plan": {"equals": "Gold", "starts_with": "go"}},
    {"plan": {"not_equals": "gold", "contains": "gold"}},
    {"plan": {"is_unknown": True}},
    {"vip": {"equals": True, "is_true": True}},
    {"tags": {"all_of": ["a"], "any_of": ["a", "b"], "none_of": ["b"]}},
    {"started": {"within_days": 30, "older_than_days": 7}},
    {
        "engagement": {"kind": "email_open", "within_days": 60},
        "silence": {"days": 30, "kind": "email_open"},
    },
    {
        "engagement": {"kind": "email_open", "count": {"exactly": 0}, "within_days": 7},
        "silence": {"days": 30, "kind": "email_open"},
    },
    {
        "engagement": {"kind": ["email_sent", "page_visit"], "within_days": 7},
        "silence": {"days": 30},
    },
]


@pytest.mark.parametrize("condition", IMPOSSIBLE, ids=str)
def test_what_excludes_itself_is_a_problem(condition: dict[str, Any]) -> None:
    rule_set, said = when(condition)
    assert rule_set is None
    assert "exclude each other" in said


@pytest.mark.parametrize("condition", POSSIBLE, ids=str)
def test_what_is_only_narrow_is_none(condition: dict[str, Any]) -> None:
    assert when(condition)[1] == ""


def test_the_message_names_the_two_that_clash_and_no_other() -> None:
    said = when({"size": {"is_known": True, "above": 9, "below": 5, "not_equals": 3}})[1]
    assert said == "above 9 and below 5 exclude each other."


_some = st.integers(0, 4)
_numbers = st.fixed_dictionaries(
    {},
    optional={
        "at_least": _some,
        "at_most": _some,
        "above": _some,
        "below": _some,
        "equals": _some,
        "not_equals": _some,
        "between": st.tuples(_some, _some).map(sorted),
        "in": st.lists(_some, min_size=1, max_size=3),
        "not_in": st.lists(_some, min_size=1, max_size=3),
    },
).filter(bool)


@settings(max_examples=300, deadline=None)
@given(_numbers)
def test_a_range_is_refused_exactly_when_no_number_lies_in_it(asked: dict[str, Any]) -> None:
    halves = [half / 2 for half in range(-2, 12)]
    possible = any(all(OPERATORS[op].test(v, arg) for op, arg in asked.items()) for v in halves)
    assert (when({"size": asked})[0] is not None) == possible


_words = st.lists(st.sampled_from(["a", "b", "c"]), min_size=1, max_size=3, unique=True)
_lists = st.fixed_dictionaries(
    {}, optional={"any_of": _words, "all_of": _words, "none_of": _words}
).filter(bool)
_SUBSETS = [tuple(w for i, w in enumerate("abc") if n >> i & 1) for n in range(8)]


@settings(max_examples=100, deadline=None)
@given(_lists)
def test_a_list_is_refused_exactly_when_no_list_passes(asked: dict[str, Any]) -> None:
    possible = any(all(OPERATORS[op].test(v, arg) for op, arg in asked.items()) for v in _SUBSETS)
    assert (when({"tags": asked})[0] is not None) == possible


# -- limits below what is always given ---------------------------------------------------------

ALWAYS_SIX: dict[str, Any] = {
    "by": "email_kind",
    "points": dict.fromkeys(EMAIL_KINDS, 6),
    "missing": {"points": 6},
}


@pytest.mark.parametrize(
    ("rules", "limits", "floor"),
    [
        ([ALWAYS_SIX], {"max": 5}, "6"),
        ([ALWAYS_SIX, ALWAYS_SIX], {"max": 11}, "12"),
        ([{"by": "size", "points": {"from 1": 4}, "otherwise": 3.5}], {"max": 3}, "3.5"),
        ([{"by": "size", "points": {"from 1": 4}, "otherwise": 4}], {"min": 0, "max": 1}, "4"),
    ],
)
def test_a_group_with_a_limit_below_what_its_rules_always_give_is_a_problem(
    rules: list[dict[str, Any]], limits: dict[str, Any], floor: str
) -> None:
    rule_set, said = read(*rules, **limits)
    assert rule_set is None
    assert f"The rules of g give at least {floor} together, more than its 'max'" in said


@pytest.mark.parametrize(
    ("rules", "limits"),
    [
        ([ALWAYS_SIX], {"max": 6}),
        ([ALWAYS_SIX | {"missing": "zero"}], {"max": 5}),
        ([ALWAYS_SIX | {"when": {"vip": True}}], {"max": 5}),
        ([ALWAYS_SIX, {"when": {"vip": True}, "points": -1}], {"max": 5}),
        ([ALWAYS_SIX, {"each": {"kind": "email_open"}, "points": -1}], {"max": -50}),
        ([ALWAYS_SIX, {"each": {"kind": "email_open"}, "points": -9, "cap": 2}], {"max": 4}),
        ([ALWAYS_SIX, {"per": "size", "points": -1, "cap": 3}], {"max": 3}),
        ([{"by": "size", "points": {"from 1": 4}}], {"max": 0}),
    ],
)
def test_a_limit_that_some_lead_stays_below_is_none(
    rules: list[dict[str, Any]], limits: dict[str, Any]
) -> None:
    assert read(*rules, **limits)[1] == ""


@pytest.mark.parametrize(("most", "refused"), [(4, True), (5, False)])
def test_a_dimension_takes_what_its_groups_always_give(most: int, refused: bool) -> None:
    groups = [
        {"id": "a", "rules": [{"id": "r"} | ALWAYS_SIX]},
        {"id": "b", "min": -1, "rules": [{"id": "s", "when": {"vip": True}, "points": -9}]},
    ]
    document = {
        "name": "Two",
        "fields": FIELDS,
        "dimensions": {"fit": {"max": most, "groups": groups}},
    }
    rule_set, problems = parse_rule_set(document)
    assert (rule_set is None) == refused
    assert not refused or "The groups of fit give at least 5 together" in problems[0].message


# -- the customer's own fields -----------------------------------------------------------------


@pytest.mark.parametrize(
    ("name", "condition", "passing", "failing"),
    [
        ("size", {"at_least": 50}, ["50", "1e2", "120.5", 50], ["49.9", "-60"]),
        ("vip", {"is_true": True}, ["true", "Yes", True], ["false", "0"]),
        ("tags", {"all_of": ["Demo", "trial"]}, ["trial;demo", "DEMO ; x; Trial"], ["demo", "x"]),
        (
            "started",
            {"within_days": 7},
            ["2026-11-20", "2026-11-20T10:00:00Z", str(1_795_000_000_000), NOW],
            ["2026-11-01", NOW + timedelta(days=1)],
        ),
        ("plan", {"equals": "007"}, ["007"], ["7"]),
    ],
)
def test_a_field_that_comes_as_text_is_read_as_the_type_the_rules_give_it(
    name: str, condition: dict[str, Any], passing: list[Any], failing: list[Any]
) -> None:
    rule_set, said = when({name: condition})
    assert rule_set is not None, said
    scorer = compile_rule_set(rule_set)
    for value in [*passing, *failing]:
        score = scorer.score({name: Fact(value, "hubspot")}, (), NOW)
        assert (score.value, score.scoring_mode) == (1_000 * (value in passing), "rules"), value


@pytest.mark.parametrize(
    ("name", "value"),
    [("size", "many"), ("vip", "perhaps"), ("started", "soon"), ("size", ("1",)), ("vip", 1)],
)
def test_a_value_that_is_not_of_that_type_counts_as_unknown(name: str, value: Any) -> None:
    rule_set, said = when({name: {"is_known": True}})
    assert rule_set is not None, said
    score = compile_rule_set(rule_set).score({name: Fact(value, "hubspot")}, (), NOW)
    assert (score.value, score.high) == (0, 1_000)
