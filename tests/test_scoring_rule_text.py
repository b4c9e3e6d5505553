"""Formatting a rule document: one layout, the same content, every comment kept."""

from __future__ import annotations

import json
import random
import re
from typing import Any

import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st

from scoring.documents import canonical_text, read_document
from scoring.rule_text import formatted
from scoring.rules import DEFAULT_RULES_TEXT, default_rule_set, parse_rule_set
from tests import reference_scorer as reference
from tests.test_scoring_rules import shuffled


def format_twice(text: str) -> str:
    """The formatted text, after making sure that formatting it again changes nothing."""
    result, problems = formatted(text)
    assert result is not None, [*map(str, problems), text]
    assert formatted(result) == (result, [])
    return result


def content(text: str) -> str:
    root, problems = read_document(text)
    assert root is not None, problems
    return canonical_text(root)


UNTIDY = """\
# Our rules, agreed in March.

dimensions:
    engagement:
        groups:
        - rules:
          # the best sign there is
          - points: 6      # was 5
            each: {kind: page_visit,
                   url: {contains: pricing}}  # not /plans
            id: pricing_pages
            decay:
                half_life_days: 10
          id: website
    fit:   # who they are
        max: 40
        groups:
        - id: "company"
          rules:
          - {id: market, when: {country: ["NO",
              "SE"  # since May
              ]}, points: 3}
          - {points: 2.50, when: {any: [{employees: {at_least: 50}}, {company: Acme}]}, id: size}
name: 'Our rules'
# the end
"""
TIDY = """\
# Our rules, agreed in March.

name: Our rules

dimensions:
  fit:  # who they are
    max: 40
    groups:
      - id: company
        rules:
          - id: market
            when:
              country:
                - 'NO'
                - SE  # since May
            points: 3
          - id: size
            when: {any: [{employees: {at_least: 50}}, {company: Acme}]}
            points: 2.50

  engagement:
    groups:
      - id: website
        rules:
          # the best sign there is
          - id: pricing_pages
            each:
              kind: page_visit
              url: {contains: pricing}  # not /plans
            points: 6  # was 5
            decay: {half_life_days: 10}
# the end
"""


def test_a_document_is_put_in_order_and_keeps_its_comments() -> None:
    assert content(UNTIDY) == content(TIDY)
    assert format_twice(UNTIDY).splitlines() == TIDY.splitlines()


def test_the_default_rules_stay_what_they_are() -> None:
    result = format_twice(DEFAULT_RULES_TEXT)
    assert parse_rule_set(result) == (default_rule_set(), [])
    said = re.findall("#.*", DEFAULT_RULES_TEXT)
    assert sorted(re.findall("#.*", result)) == sorted(said)


@settings(max_examples=60, deadline=None)
@given(
    reference.documents(), st.randoms(use_true_random=False), st.sampled_from([None, True, False])
)
def test_any_document_keeps_its_hash(
    document: dict[str, Any], dice: Any, flow: bool | None
) -> None:
    mixed = shuffled(document, dice)
    before = parse_rule_set(document, fields=reference.FIELDS)
    for text in (
        yaml.safe_dump(mixed, sort_keys=False, default_flow_style=flow, width=40),
        json.dumps(mixed),
    ):
        assert parse_rule_set(format_twice(text), fields=reference.FIELDS) == before


@settings(max_examples=100, deadline=None)
@given(reference.documents(), st.integers(0, 2**32))
def test_no_comment_is_lost_or_doubled(document: dict[str, Any], seed: int) -> None:
    dice = random.Random(seed)
    mixed = shuffled(document, dice)
    flow = yaml.safe_dump(
        mixed, sort_keys=False, default_flow_style=dice.choice([None, False]), width=10_000
    )
    text, said = commented(dice.choice([flow, json.dumps(mixed, indent=1)]), dice)
    result = format_twice(text)
    assert content(result) == content(text)
    assert sorted(re.findall("# c[0-9]+", result)) == sorted(said)


def commented(text: str, dice: random.Random) -> tuple[str, list[str]]:
    """Comments above and beside lines, some with empty lines around."""
    lines: list[str] = []
    said: list[str] = []
    for line in text.splitlines():
        if dice.random() < 0.2:
            lines += [""] * dice.randint(0, 1)
            for _ in range(dice.randint(1, 2)):
                said.append(f"# c{len(said)}")
                lines.append(" " * dice.randint(0, 9) + said[-1])
            lines += [""] * dice.randint(0, 1)
        lines.append(line)
        if dice.random() < 0.2:
            said.append(f"# c{len(said)}")
            lines[-1] += "  " + said[-1]
    return "\n".join(lines) + "\n", said


_any_text = st.text(max_size=12) | st.sampled_from(
    ["yes", "NO", "null", "~", "1.50", "0x1f", ".5", "a: b", "a #b", "- a", "[a", "'", '"', "a,",
     "x" * 150, " a ", "a\nb", "\x85", "\u2028", "\ufeff", "😀", "\x7f", "2026-11-23", "12:30:00",
     "!x", "&a", "*a", "%a", "@a", "`a", "|", ">", "?", "-", "=", "<<", "\\", "é", "true"]
)  # fmt: skip
_any_value = st.recursive(
    st.none() | st.booleans() | st.integers(-(10**14), 10**14) | st.floats(-1e14, 1e14) | _any_text,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(_any_text, inner, max_size=4),
    max_leaves=12,
)


@settings(max_examples=300, deadline=None)
@given(st.dictionaries(_any_text, _any_value, min_size=1, max_size=4))
def test_any_text_comes_back_whatever_is_in_it(document: dict[str, Any]) -> None:
    text = json.dumps(document)
    root, _ = read_document(text)
    if root is not None:  # lone surrogates and the like are no text
        assert content(format_twice(text)) == canonical_text(root)


@pytest.mark.parametrize("line_break", ["\r\n", "\r"])
def test_other_line_breaks_and_a_byte_order_mark_make_no_difference(line_break: str) -> None:
    text = "\ufeff" + UNTIDY.replace("\n", line_break)
    assert format_twice(text).splitlines() == TIDY.splitlines()


def test_a_hash_sign_inside_a_text_is_no_comment() -> None:
    text = "name: 'a # b'  # c\nx: |  # d\n  e # f\n  # g\ny: \"h\n  # i\"\nz: j#k\n"
    result = format_twice(text)
    assert content(result) == content(text)
    assert re.findall("(?<=  )# [a-z]$", result, re.M) == ["# c", "# d"]


def test_a_number_stays_as_it_was_written() -> None:
    text = "name: x\nwhen: {plan: 1.50, seats: 1e3, vip: TRUE}\n"
    assert "{plan: 1.50, seats: 1e3, vip: TRUE}" in format_twice(text)


def test_a_document_with_problems_can_be_formatted_but_not_one_that_is_unreadable() -> None:
    assert format_twice("nam: {}\nrules: []\n") == "nam: {}\nrules: []\n"
    result, problems = formatted("name: [1, 2")
    assert result is None
    assert "not readable YAML" in str(problems[0])


def test_what_yaml_cannot_write_on_one_line_is_said() -> None:
    result, problems = formatted(json.dumps({"k" * 2_000: 1}))
    assert result is None
    assert problems
