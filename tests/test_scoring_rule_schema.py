"""The published JSON Schema: up to date, and of one mind with the parser about structure."""

from __future__ import annotations

import copy
import json
import random
import re
from pathlib import Path
from typing import Any

import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st
from jsonschema import Draft202012Validator

from scoring.facts import FACTS
from scoring.leads import ENGAGEMENT_KINDS
from scoring.operators import OPERATORS
from scoring.rule_keys import DOCUMENT_KEYS, FIELD_TYPES, GROUP_KEYS, RULE_KEYS
from scoring.rule_schema import rule_schema
from scoring.rules import DEFAULT_RULES_TEXT, RuleProblem, parse_rule_set
from tests import reference_scorer as reference

ROOT = Path(__file__).resolve().parent.parent
SCHEMA = rule_schema()
VALIDATOR = Draft202012Validator(SCHEMA)

#: What only the parser can say, because it takes more than the shape: schema and parser may differ.
MEANING = re.compile(
    "already in use|exclude each other|has no meaning|three decimals|one decimal|given twice"
    "|starts at .* but ends|starts? 'from: 0'|start at the same score|takes all the rest"
    "|'leave_at' of|is above 'max'|give at least|There is no (fact|band)|change nothing"
)
#: The same where the type of a custom field decides.
TYPED = re.compile(
    "does not work on|is a number|is true or false|is a text|is not a step|'points' is a table"
    "|Say how|needs two numbers|lies between|'per' needs a number|use 'when' instead"
)


CUSTOM = {*reference.FIELDS, "fact"}


def parses(document: Any) -> list[str]:
    return [problem.message for problem in parse_rule_set(document)[1]]


def only_by_meaning(document: Any) -> bool:
    """Whether all problems are such that the shape of the document cannot show them."""
    rules = [
        rule
        for dimension in document["dimensions"].values()
        for group in dimension["groups"]
        for rule in group["rules"]
    ]
    own = {rule["id"] for rule in rules if str(rule.get("by") or rule.get("per")) in CUSTOM}

    def of_a_type(problem: RuleProblem) -> bool:
        names = {part.split("[")[0] for part in problem.path.split(".")}
        return bool(TYPED.search(problem.message)) and (problem.rule in own or bool(CUSTOM & names))

    return all(
        MEANING.search(problem.message) or of_a_type(problem)
        for problem in parse_rule_set(document)[1]
    )


def complaints(document: Any) -> list[str]:
    return [f"{e.json_path}: {e.message[:300]}" for e in VALIDATOR.iter_errors(document)]


def one(rule: dict[str, Any], **fields: str) -> dict[str, Any]:
    groups = [{"id": "g", "rules": [{"id": "r"} | rule]}]
    own = {"fields": fields} if fields else {}
    return {"name": "One", **own, "dimensions": {"fit": {"groups": groups}}}


def test_the_published_schema_is_up_to_date() -> None:
    published = ROOT / "docs" / "rules.schema.json"
    assert json.loads(published.read_text("utf-8")) == SCHEMA, (
        "write it anew: leadlight rules schema > docs/rules.schema.json"
    )


def test_the_schema_is_one() -> None:
    Draft202012Validator.check_schema(SCHEMA)


def test_it_names_every_operator_fact_and_kind_of_engagement() -> None:
    text = json.dumps(SCHEMA)
    for name in (*OPERATORS, *FACTS, *ENGAGEMENT_KINDS, *RULE_KEYS, *GROUP_KEYS, *DOCUMENT_KEYS):
        assert f'"{name}"' in text


@pytest.mark.parametrize(
    "text",
    [DEFAULT_RULES_TEXT, (ROOT / "benchmarks/xeducation/rules.yaml").read_text("utf-8")],
    ids=["default", "xeducation"],
)
def test_the_rules_we_ship_are_valid(text: str) -> None:
    assert complaints(yaml.safe_load(text)) == []


@pytest.mark.parametrize("name", OPERATORS)
def test_an_operators_example_is_valid(name: str) -> None:
    condition = yaml.safe_load("{" + OPERATORS[name].example + "}")
    document = one({"when": condition, "points": 1}, trial_started="date", last_order="date")
    assert parses(document) == []
    assert complaints(document) == []


SHORT: list[dict[str, Any]] = [
    {"when": {"seniority": " VP "}, "points": 1},
    {"when": {"seniority": ["vp", "Director"]}, "points": 1},
    {"when": {"phone_valid": "Yes"}, "points": 1},
    {"when": {"company": 7}, "points": 1},
    {"when": {"company": True}, "points": 0.029},
    {"when": {"text_need": "demo"}, "points": 1},
    {"when": {"employees": [5, 10.5]}, "points": 1},
    {"when": {"fact": "employees", "at_least": 5}, "points": 1},
    {"when": {"all": [{"any": [{"not": {"company": "x"}}]}]}, "points": 1},
    {"when": {"silence": {"days": 30}}, "points": -3},
    {"by": "phone_valid", "points": {"true": 1, "No": -1}},
    {"by": "employees", "points": {"from 1": 1, " from  2.5 ": 2}, "otherwise": -1},
    {"by": "company", "points": {"acme": 9}, "missing": {"points": 2}},
    {"per": "visits", "unit": 10, "points": 1, "cap": 5, "missing": "zero"},
    {"each": {"kind": ["email_open", "email_click"], "campaign": "x"}, "points": 1},
    {
        "each": {"kind": "page_visit", "url": ["/a", "/b"], "form": {"matches": "^x"}},
        "points": -100,
        "frequency": 3,
        "cap": 1000,
        "time_frame": 0.5,
        "decay": {"percent": 0.5, "every_days": 7},
        "occurrence": "last",
    },
    {
        "when": {"engagement": {"kind": "email_open", "count": {"between": [0, 5]}}},
        "points": 1,
    },
]


@pytest.mark.parametrize("rule", SHORT, ids=str)
def test_short_forms_are_valid_as_they_parse(rule: dict[str, Any]) -> None:
    rule = dict(rule)
    if rule.get("occurrence"):
        rule.pop("frequency")
    assert parses(one(rule)) == []
    assert complaints(one(rule)) == []


def with_fields(document: dict[str, Any]) -> dict[str, Any]:
    """A copy, to be damaged as one likes."""
    return copy.deepcopy({"version": 1, "fields": reference.FIELDS} | document)


@settings(max_examples=60, deadline=None)
@given(reference.documents())
def test_whatever_parses_is_valid(document: dict[str, Any]) -> None:
    document = with_fields(document)
    assert parses(document) == []
    assert complaints(document) == []


@settings(max_examples=150, deadline=None)
@given(reference.documents(), st.integers(0, 2**32))
def test_schema_and_parser_agree_on_damaged_documents(document: dict[str, Any], seed: int) -> None:
    document = with_fields(document)
    damage(document, random.Random(seed))
    said, invalid = parses(document), complaints(document)
    if not said:
        assert invalid == []
    elif not invalid:
        assert only_by_meaning(document), said


def test_damage_is_mostly_structural() -> None:
    """Guards the test above: it must meet many documents that both refuse, and some that pass."""
    good, refused = {"name": "x", "dimensions": {"fit": {"groups": []}}}, 0
    for seed in range(200):
        document = copy.deepcopy(good)
        damage(document, random.Random(seed))
        refused += bool(parses(document)) and bool(complaints(document))
    assert 60 < refused < 200


ARGUMENTS: list[Any] = [1, 1.5, True, "yes", "vp", [], ["vp"], [1, 2], {}, None, " ", "x" * 300]


@pytest.mark.parametrize("name", ["employees", "seniority", "phone_valid", "company", "text_need"])
@pytest.mark.parametrize("operator", [*OPERATORS, "short", "atleast"])
def test_facts_of_the_catalogue_take_the_same_arguments(name: str, operator: str) -> None:
    for argument in ARGUMENTS:
        asked = argument if operator == "short" else {operator: argument}
        document = one({"when": {name: asked}, "points": 1})
        assert bool(parses(document)) == bool(complaints(document)), (argument, parses(document))


WORDS = ["id", "when", "points", "by", "each", "kind", "all", "not", "count", "missing", "cap",
         "from", "groups", "rules", "min", "unit", "per", "fact", "decay", "size", "silence",
         "employees", "other", "version", "fields", "zero", "first", "", "from 5"]  # fmt: skip
VALUES: list[Any] = [None, True, 0, 1, -1, 2.5, 1e6, 101, [], {}, [1, 2], [None], {"points": 1}]
_INSIDE = (dict, list)


def damage(document: Any, dice: random.Random) -> None:
    """Somewhere a value is replaced, taken out, renamed or added."""
    node = document
    while True:
        keys: list[Any] = list(node) if isinstance(node, dict) else list(range(len(node)))
        deeper = [key for key in keys if isinstance(node[key], _INSIDE) and node[key]]
        if not deeper or dice.random() < 0.25:
            break
        node = node[dice.choice(deeper)]
    value = dice.choice([*VALUES, *WORDS, *FIELD_TYPES])
    value = copy.deepcopy(value)
    what = dice.choice(["replace", "replace", "remove", "rename", "add"])
    if not keys or what == "add":
        if isinstance(node, dict):
            node[dice.choice(WORDS)] = value
        else:
            node.append(value)
        return
    key = dice.choice(keys)
    if what == "replace":
        node[key] = value
    elif what == "remove":
        del node[key]
    elif isinstance(node, dict):
        node[dice.choice(WORDS)] = node.pop(key)
