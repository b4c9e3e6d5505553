"""What changed between two rule sets: everything that matters, nothing that does not."""

from __future__ import annotations

import copy
import random
from typing import Any

import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st

from scoring.engine import compile_rule_set
from scoring.rule_changes import rule_changes
from scoring.rule_set import RuleSet
from scoring.rules import parse_rule_set
from tests import reference_scorer as reference
from tests.test_scoring_rules import shuffled

BASE = yaml.safe_load("""
name: Ours
fields: {seats: number, plan: text}
bands: {hot: {from: 60, leave_at: 55}, cold: {from: 0}}
suppress: [{id: ours, when: {lifecycle_stage: customer}, reason: A customer}]
disqualify:
  - {id: vendor, when: {text_intent: vendor}, at_most: 5, reason: Sells to us}
  - {id: job, when: {text_intent: job}, at_most: 5, reason: Wants a job}
dimensions:
  fit:
    max: 40
    groups:
      - id: company
        max: 20
        rules:
          - {id: size, label: Seats, by: seats, points: {from 1: 1, from 10: 2}}
          - {id: market, label: Market, when: {country: [US, CA]}, points: 3}
      - {id: other, rules: []}
  engagement:
    groups:
      - id: web
        rules:
          - id: pricing
            label: Pricing
            each: {kind: page_visit, url: {contains: pricing}}
            points: 6
            decay: {half_life_days: 10}
next_steps:
  - {band: hot, text: Call}
  - {text: Wait}
""")


def parsed(document: dict[str, Any]) -> RuleSet:
    rule_set, problems = parse_rule_set(document, fields=reference.FIELDS)
    assert rule_set is not None, [str(problem) for problem in problems]
    return rule_set


def at(document: Any, path: str) -> tuple[Any, Any]:
    *way, last = [int(part) if part.isdigit() else part for part in path.split("/")]
    for part in way:
        document = document[part]
    return document, last


def said(path: str, value: Any) -> list[str]:
    """What is said to have changed after one value of the document was set (None: taken out)."""
    new = copy.deepcopy(BASE)
    node, key = at(new, path)
    if value is None:
        del node[key]
    else:
        node[key] = value
    return [str(change) for change in rule_changes(parsed(BASE), parsed(new))]


FIT = "dimensions/fit/groups"
PRICING = "dimensions/engagement/groups/0/rules/0"


@pytest.mark.parametrize(
    ("path", "value", "expected"),
    [
        ("name", "Yours", ["Rule set, name: Ours → Yours"]),
        ("bands/hot/from", 65, ["Band “Hot”, start: from 60 → from 65"]),
        ("bands/hot/leave_at", None, ["Band “Hot”, end: kept down to 55 → none"]),
        ("bands/hot/label", "Heiß", ["Band “Heiß”, label: Hot → Heiß"]),
        ("bands/warm", {"from": 30}, ["Band “Warm” added: Warm: from 30"]),
        ("suppress", [],
         ["Suppression “A customer” removed: A customer: Lifecycle stage is “customer”"]),
        ("disqualify/0/at_most", 6,
         ["Disqualifier “Sells to us”, wording: "
          "Sells to us: at most 5, if What they want is “vendor”"
          " → Sells to us: at most 6, if What they want is “vendor”"]),
        (f"{FIT}/0/max", 25, ["Group “Company”, upper limit: 20 → 25"]),
        ("dimensions/fit/min", -10, ["Dimension “fit”, lower limit: none → −10"]),
        ("dimensions/engagement", None,
         ["Dimension “engagement” removed: 1 group, 1 rule",
          "Group “Web” removed: in engagement, 1 rule",
          "Rule “Pricing” removed: Pricing: +6 each time: visited a page (url contains “pricing”), "
          "halving every 10 days. One is worth +5.598 after 1 day, +3.693 after 7 days, "
          "+0.75 after 30 days, +0.012 after 90 days."]),
        (f"{FIT}/0/rules/0/points/from 10", 4, ["Rule “Seats”, from 10: +2 → +4"]),
        (f"{FIT}/0/rules/0/missing", "zero",
         ["Rule “Seats”, while unknown: the middle of what is possible → 0"]),
        (f"{FIT}/0/rules/1/points", -1, ["Rule “Market”, points: +3 → −1"]),
        (f"{FIT}/0/rules/1/when/country", "US",
         ["Rule “Market”, condition: Country is one of “US” or “CA” → Country is “US”"]),
        (f"{PRICING}/decay", {"percent": 25, "every_days": 30},
         ["Rule “Pricing”, decay: halving every 10 days → losing 25 % after every 30 days"]),
        (f"{PRICING}/frequency", 3, ["Rule “Pricing”, frequency: none → the newest 3 of them"]),
        (f"{PRICING}/cap", 9, ["Rule “Pricing”, cap: none → at most 9 in all"]),
        (f"{PRICING}/time_frame", 90, ["Rule “Pricing”, time frame: none → of the last 90 days"]),
        (f"{PRICING}/each/url", {"contains": "price"},
         ["Rule “Pricing”, counted: each time: visited a page (url contains “pricing”) → "
          "each time: visited a page (url contains “price”)"]),
        ("next_steps/1", None, ["Next step removed: Any band: Wait"]),
        ("next_steps/0/text", "Ring",
         ["Next step removed: Hot: Call", "Next step added: Hot: Ring"]),
    ],
)  # fmt: skip
def test_a_change_is_said_in_words(path: str, value: Any, expected: list[str]) -> None:
    assert said(path, value) == expected


def test_a_rule_that_moved_is_not_removed_and_added() -> None:
    new = copy.deepcopy(BASE)
    groups = new["dimensions"]["fit"]["groups"]
    groups[1]["rules"].append(groups[0]["rules"].pop())
    (change,) = rule_changes(parsed(BASE), parsed(new))
    assert str(change) == "Rule “Market”, group: company → other"


def test_the_type_of_a_custom_field_matters() -> None:
    new = copy.deepcopy(BASE) | {"fields": {"seats": "text", "plan": "text"}}
    new["dimensions"]["fit"]["groups"][0]["rules"][0]["points"] = {"many": 2}
    (first, *_) = rule_changes(parsed(BASE), parsed(new))
    assert str(first) == "Custom field, type of “seats”: a number → a text"


def test_the_order_of_what_is_tried_in_turn_matters() -> None:
    new = copy.deepcopy(BASE)
    new["next_steps"].reverse()
    new["disqualify"].reverse()
    assert [str(change) for change in rule_changes(parsed(BASE), parsed(new))] == [
        "Disqualifiers, order: vendor; job → job; vendor",
        "Next steps, order: Hot: Call; Any band: Wait → Any band: Wait; Hot: Call",
    ]


@settings(max_examples=30, deadline=None)
@given(reference.documents(), st.randoms(use_true_random=False))
def test_form_is_no_change(document: dict[str, Any], dice: Any) -> None:
    again = yaml.safe_dump(shuffled(document, dice), sort_keys=False)
    other, _ = parse_rule_set(again, fields=reference.FIELDS)
    assert other is not None
    assert rule_changes(parsed(document), other) == []


@settings(max_examples=50, deadline=None)
@given(reference.documents(), st.integers(0, 2**32), reference.leads(4))
def test_where_nothing_is_said_every_lead_scores_alike(
    document: dict[str, Any], seed: int, leads: Any
) -> None:
    new = copy.deepcopy(document)
    touch(new, random.Random(seed))
    other, _ = parse_rule_set(new, fields=reference.FIELDS)
    if other is None:
        return
    old = parsed(document)
    there, back = rule_changes(old, other), rule_changes(other, old)
    assert bool(there) == bool(back)
    if not there:
        before, after = compile_rule_set(old), compile_rule_set(other)
        for facts, engagements in leads:
            was, now = (s.score(facts, engagements, reference.NOW) for s in (before, after))
            assert (was.value, was.low, was.high, was.band, was.suppressed, was.next_step) == (
                now.value, now.low, now.high, now.band, now.suppressed, now.next_step
            )  # fmt: skip


def test_a_touch_is_nearly_always_said() -> None:
    """Guards the test above: a change of a value in the document is one of the rule set."""
    found = 0
    for seed in range(100):
        new = copy.deepcopy(BASE)
        touch(new, random.Random(seed))
        other, _ = parse_rule_set(new)
        found += other is not None and bool(rule_changes(parsed(BASE), other))
    assert found > 20


def touch(document: Any, dice: random.Random) -> None:
    """Change one number, take one entry out, or turn one list round."""
    spots: list[tuple[Any, Any]] = []

    def walk(node: Any) -> None:
        for key in list(node) if isinstance(node, dict) else range(len(node)):
            spots.append((node, key))
            if isinstance(node[key], dict | list):
                walk(node[key])

    walk(document)
    node, key = dice.choice(spots)
    value = node[key]
    if isinstance(value, bool) or not isinstance(value, int | float | list):
        if isinstance(node, dict):
            del node[key]
    elif isinstance(value, list):
        value.reverse()
    else:
        node[key] = value + dice.choice([1, -1, 0.5])
