"""The estate's field rules without limits: what every rule engine can do, for each in its language.

An unknown fact gives nothing (`missing: zero`), so that two values of truth are enough. Other
engines get leads with unknown texts as "", numbers and ages as -1, flags as false, lists as [].
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from benchmarks.estate import CUSTOM, document
from scoring.rules import RuleSet, fact_catalogue, parse_rule_set

DAY_US = 86_400_000_000


@dataclass(frozen=True, slots=True)
class Question:
    """One question: "equals", "in", "contains", "matches", "any_of", "true", "known", or a number
    "at_least", "below"; "all", "any" and "not" hold further tests in `argument`."""

    operator: str
    fact: str = ""
    argument: Any = None


@dataclass(frozen=True, slots=True)
class Cases:
    """A rule: milli-points of the first test that holds, else nothing."""

    id: str
    cases: tuple[tuple[Question, int], ...]


@dataclass(frozen=True, slots=True)
class Units:
    """A rule: milli-points for each full unit of a number, up to so many units."""

    id: str
    fact: str
    unit: int
    points: int
    most: int


FieldRule = Cases | Units


def field_document(*, regular_expressions: bool) -> dict[str, Any]:
    """The document's field rules: no engagements, no limits, nothing for what is unknown."""
    dimensions = {}
    for name in ("fit", "intent"):
        groups = []
        for group in document()["dimensions"][name]["groups"]:
            rules = [
                rule | {"missing": "zero"}
                for rule in group["rules"]
                if regular_expressions or "matches" not in str(rule.get("when"))
            ]
            groups.append({"id": group["id"], "rules": rules})
        dimensions[name] = {"groups": groups}
    return {"name": "Field rules", "bands": document()["bands"], "dimensions": dimensions}


def rule_set_of(content: Mapping[str, Any]) -> RuleSet:
    """The document parsed; raises ValueError if it has a problem."""
    rule_set, problems = parse_rule_set(content, fields=CUSTOM)
    if rule_set is None:
        raise ValueError("; ".join(map(str, problems)))
    return rule_set


def field_rules(content: Mapping[str, Any]) -> list[FieldRule]:
    """The document's rules in the few terms that all engines know."""
    return [
        _rule(rule)
        for dimension in content["dimensions"].values()
        for group in dimension["groups"]
        for rule in group["rules"]
    ]


def _rule(rule: Mapping[str, Any]) -> FieldRule:
    points = rule["points"]
    if "per" in rule:
        most = round(rule["cap"] / points)
        return Units(rule["id"], rule["per"], rule["unit"], round(points * 1_000), most)
    if "by" not in rule:
        return Cases(rule["id"], ((_condition(rule["when"]), round(points * 1_000)),))
    if next(iter(points)).startswith("from "):
        steps = [(float(key.removeprefix("from ")), number) for key, number in points.items()]
        ordered = sorted(steps, reverse=True)
        tests = [(Question("at_least", rule["by"], start), number) for start, number in ordered]
    else:
        tests = [
            (Question("equals", rule["by"], value), number) for value, number in points.items()
        ]
    return Cases(rule["id"], tuple((test, round(number * 1_000)) for test, number in tests))


def _condition(when: Mapping[str, Any]) -> Question:
    parts = []
    for key, wanted in when.items():
        if key in ("all", "any"):
            parts.append(Question(key, argument=tuple(_condition(part) for part in wanted)))
        elif key == "not":
            parts.append(Question(key, argument=_condition(wanted)))
        elif isinstance(wanted, dict):
            parts += [_test(key, operator, argument) for operator, argument in wanted.items()]
        else:
            parts.append(_test(key, "in", wanted if isinstance(wanted, list) else [wanted]))
    return parts[0] if len(parts) == 1 else Question("all", argument=tuple(parts))


def _test(fact: str, operator: str, argument: Any) -> Question:
    match operator:
        case "in" | "contains" | "any_of":
            return Question(operator, fact, tuple(text.casefold() for text in argument))
        case "is_true":
            return Question("true", fact)
        case "is_known":
            return Question("known", fact)
        case "within_days":
            # the age in days, exact in binary for what is asked here
            both = (Question("at_least", fact, 0.0), Question("at_most", fact, float(argument)))
            return Question("all", argument=both)
        case "equals" if isinstance(argument, str):
            return Question("equals", fact, argument.casefold())
        case "at_least" | "below" | "matches":
            return Question(operator, fact, argument)
    raise ValueError(f"other engines are not asked {operator!r}")


_UNKNOWN: Mapping[str, Any] = {"text": "", "choice": "", "number": -1.0, "flag": False,
                               "list": [], "date": -1.0}  # fmt: skip


def inputs(plain: Mapping[str, Any], rule_set: RuleSet, now: int) -> dict[str, Any]:
    """A lead as other engines get it: every fact that rules read, in plain types; dates as age in
    days, `now` in microseconds."""
    catalogue, found = fact_catalogue(CUSTOM), {}
    for name, _ in rule_set.fact_types:
        kind, value = catalogue[name].type, plain.get(name)
        if value is None:
            value = _UNKNOWN[kind]
        elif kind == "date":
            value = (now - value) / DAY_US
        found[name] = list(value) if isinstance(value, tuple) else value
    return found


def numbered(rules: Sequence[FieldRule]) -> str:
    """How many rules, and how many of them use a regular expression."""
    using = sum("matches" in repr(rule) for rule in rules)
    return f"{len(rules)} rules, {using} with a regular expression" if using else f"{len(rules)}"
