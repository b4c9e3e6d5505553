"""Rule engines from the package index, each given the field rules in its own language.

Each adds up the points of all rules in one call where it can, and is asked what it can answer:
JSONLogic knows no regular expressions.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import business_rules
import cel
import datalogic_py
import rule_engine
import zen
from business_rules.actions import BaseActions, rule_action
from business_rules.fields import FIELD_NUMERIC
from business_rules.variables import (
    BaseVariables,
    boolean_rule_variable,
    numeric_rule_variable,
    select_multiple_rule_variable,
    string_rule_variable,
)

from benchmarks.engine.field_rules import Cases, FieldRule, Question, Units

Inputs = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Peer:
    """An engine with its rules compiled."""

    name: str
    one: Callable[[Inputs], float]  # a lead's milli-points
    many: Callable[[Sequence[Any]], Sequence[float]]  # of leads as `prepared` gives them
    prepared: Callable[[Sequence[Inputs]], Sequence[Any]]  # leads as the engine likes them best


def peers(rules: Sequence[FieldRule]) -> list[Peer]:
    """Every engine that can express these rules."""
    found = [_zen(rules), _cel(rules), _rule_engine(rules), _business_rules(rules)]
    if not any("matches" in repr(rule) for rule in rules):
        found.append(_datalogic(rules))
    return found


def _one_by_one(one: Callable[[Inputs], float]) -> Callable[[Sequence[Any]], Sequence[float]]:
    return lambda leads: [one(lead) for lead in leads]


def _as_they_are(leads: Sequence[Inputs]) -> Sequence[Inputs]:
    return leads


# -- languages of expressions ----------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Language:
    """How an expression language says what differs between them."""

    both: str
    either: str
    negation: str
    contains: str  # of {text} in {fact}
    matches: str
    any_of: str  # of {values} in the list {fact}
    units: str  # {most} at most, of {unit} in {fact}
    escapes: bool = True  # whether a backslash in a string is written twice

    def expression(self, rules: Sequence[FieldRule]) -> str:
        """One expression: the sum of what the rules give."""
        return " + ".join(self._rule(rule) for rule in rules)

    def _rule(self, rule: FieldRule) -> str:
        if isinstance(rule, Units):
            units = self.units.format(fact=rule.fact, unit=float(rule.unit), most=rule.most)
            return f"({units}) * {rule.points}"
        chain = "".join(f"{self._test(test)} ? {points} : " for test, points in rule.cases)
        return f"({chain}0)"

    def _test(self, test: Question) -> str:  # noqa: C901  # one case for each operator
        fact, argument = test.fact, test.argument
        match test.operator:
            case "all":
                return f"({f' {self.both} '.join(map(self._test, argument))})"
            case "any":
                return f"({f' {self.either} '.join(map(self._test, argument))})"
            case "not":
                return f"({self.negation}({self._test(argument)}))"
            case "equals":
                return f"{fact} == {json.dumps(argument)}"
            case "in" if len(argument) == 1:
                return f"{fact} == {json.dumps(argument[0])}"
            case "in":
                return f"{fact} in {json.dumps(argument)}"
            case "contains":
                texts = (self.contains.format(fact=fact, text=json.dumps(t)) for t in argument)
                return f"({f' {self.either} '.join(texts)})"
            case "matches":
                pattern = json.dumps(argument) if self.escapes else f'"{argument}"'
                return self.matches.format(fact=fact, pattern=pattern)
            case "any_of":
                return self.any_of.format(fact=fact, values=json.dumps(argument))
            case "true":
                return fact
            case "known":
                return f'{fact} != ""'
            case "at_least":
                return f"{fact} >= {float(argument)}"
            case "at_most":
                return f"{fact} <= {float(argument)}"
            case "below":
                return f"({fact} >= 0.0 {self.both} {fact} < {float(argument)})"
        raise ValueError(test.operator)


def _zen(rules: Sequence[FieldRule]) -> Peer:
    language = Language(
        "and", "or", "not ", "contains({fact}, {text})", "matches({fact}, {pattern})",
        "some({fact}, # in {values})",
        "{fact} < 0 ? 0 : min([floor({fact} / {unit}), {most}])", escapes=False,
    )  # fmt: skip
    one = zen.compile_expression(language.expression(rules)).evaluate
    return Peer("zen-engine", one, _one_by_one(one), _as_they_are)


def _cel(rules: Sequence[FieldRule]) -> Peer:
    language = Language(
        "&&", "||", "!", "{fact}.contains({text})", "{fact}.matches({pattern})",
        "{fact}.exists(x, x in {values})",
        "{fact} < 0.0 ? 0 : int({fact} / {unit}) < {most} ? int({fact} / {unit}) : {most}",
    )  # fmt: skip
    one = cel.compile(language.expression(rules)).execute
    return Peer("common-expression-language", one, _one_by_one(one), _as_they_are)


def _rule_engine(rules: Sequence[FieldRule]) -> Peer:
    language = Language(
        "and", "or", "not ", "{text} in {fact}", "{fact} =~~ {pattern}",
        "$any([x in {values} for x in {fact}])",
        "{fact} < 0 ? 0 : $min([({fact} / {unit}).floor, {most}])",
    )  # fmt: skip
    one = rule_engine.Rule(language.expression(rules)).evaluate
    return Peer("rule-engine", one, _one_by_one(one), _as_they_are)


# -- rules as data ---------------------------------------------------------------------------------


def _datalogic(rules: Sequence[FieldRule]) -> Peer:
    engine = datalogic_py.Engine()
    rule = engine.compile({"+": [_logic_of(rule) for rule in rules]})
    session = engine.session()

    def prepared(leads: Sequence[Inputs]) -> Sequence[Any]:
        return [datalogic_py.DataHandle(lead) for lead in leads]

    def many(leads: Sequence[Any]) -> Sequence[float]:
        return [json.loads(answer) for answer in session.evaluate_batch(rule, leads)]

    return Peer("datalogic-py", lambda lead: session.evaluate(rule, lead), many, prepared)


def _logic_of(rule: FieldRule) -> dict[str, Any]:
    if isinstance(rule, Units):
        variable = {"var": rule.fact}
        units = {"floor": [{"/": [variable, rule.unit]}]}
        inside = {"max": [0, {"min": [units, rule.most]}]}
        return {"*": [inside, rule.points]}
    chain: list[Any] = []
    for test, points in rule.cases:
        chain += [_logic(test), points]
    return {"if": [*chain, 0]}


def _logic(test: Question) -> Any:  # noqa: C901  # one case for each operator
    variable, argument = {"var": test.fact}, test.argument
    match test.operator:
        case "all":
            return {"and": [_logic(part) for part in argument]}
        case "any":
            return {"or": [_logic(part) for part in argument]}
        case "not":
            return {"!": [_logic(argument)]}
        case "equals":
            return {"===": [variable, argument]}
        case "in" if len(argument) == 1:
            return {"===": [variable, argument[0]]}
        case "in":
            return {"in": [variable, list(argument)]}
        case "contains":
            return {"or": [{"in": [text, variable]} for text in argument]}
        case "any_of":
            return {"some": [variable, {"in": [{"var": ""}, list(argument)]}]}
        case "true":
            return variable
        case "known":
            return {"!==": [variable, ""]}
        case "at_least":
            return {">=": [variable, argument]}
        case "at_most":
            return {"<=": [variable, argument]}
        case "below":
            return {"and": [{">=": [variable, 0]}, {"<": [variable, argument]}]}
    raise ValueError(test.operator)


class _Points(BaseActions):  # type: ignore[misc]  # the library has no types
    def __init__(self) -> None:
        self.total = 0

    @rule_action(params={"points": FIELD_NUMERIC})  # type: ignore[untyped-decorator]
    def give(self, points: int) -> None:
        self.total += points


def _business_rules(rules: Sequence[FieldRule]) -> Peer:
    entries = [
        {
            "conditions": condition,
            "actions": [{"name": "give", "params": {"points": points}}],
        }
        for rule in rules
        for condition, points in _entries(rule)
    ]
    variables = _variables(rules)

    def one(lead: Inputs) -> float:
        points = _Points()
        business_rules.run_all(entries, variables(lead), points)
        return points.total

    return Peer("business-rules", one, _one_by_one(one), _as_they_are)


def _entries(rule: FieldRule) -> list[tuple[dict[str, Any], int]]:
    """Conditions that exclude each other: the engine runs every rule that holds."""
    if isinstance(rule, Units):
        # no arithmetic: a condition for each unit
        steps = [rule.unit * (i + 1) for i in range(rule.most)]
        return [
            (_asks(Question("at_least", rule.fact, float(step))), rule.points) for step in steps
        ]
    tests = [test for test, _ in rule.cases]
    if len(tests) > 1 and tests[0].operator == "at_least":
        above = [None, *(test.argument for test in tests)]
        return [
            (
                _asks(test if top is None else Question("all", argument=(test, _under(test, top)))),
                points,
            )
            for (test, points), top in zip(rule.cases, above, strict=False)
        ]
    return [(_asks(test), points) for test, points in rule.cases]


def _under(test: Question, top: float) -> Question:
    return Question("less", test.fact, top)


def _asks(test: Question) -> dict[str, Any]:  # noqa: C901  # one case for each operator
    fact, argument = test.fact, test.argument

    def ask(operator: str, value: Any) -> dict[str, Any]:
        return {"name": fact, "operator": operator, "value": value}

    match test.operator:
        case "all" | "any":
            return {test.operator: [_asks(part) for part in argument]}
        case "not":  # only "is not one text" is asked, and never of an unknown one
            return {
                "all": [
                    _asks(Question("known", argument.fact)),
                    _asks(Question("other", argument.fact, argument.argument)),
                ]
            }
        case "other":
            return ask("matches_regex", f"^(?!{argument[0]}$)")
        case "equals":
            return ask("equal_to", argument)
        case "in":
            return {"any": [ask("equal_to", text) for text in argument]}
        case "contains":
            return {"any": [ask("contains", text) for text in argument]}
        case "matches":
            return ask("matches_regex", argument)
        case "any_of":
            return ask("shares_at_least_one_element_with", list(argument))
        case "true":
            return ask("is_true", True)
        case "known":
            return ask("non_empty", True)
        case "at_least":
            return ask("greater_than_or_equal_to", argument)
        case "at_most":
            return ask("less_than_or_equal_to", argument)
        case "less":
            return ask("less_than", argument)
        case "below":
            return {"all": [ask("greater_than_or_equal_to", 0), ask("less_than", argument)]}
    raise ValueError(test.operator)


def _variables(rules: Sequence[FieldRule]) -> Callable[[Inputs], BaseVariables]:
    """A class with a method for each fact, as the library wants it."""
    methods: dict[str, Any] = {}

    def add(test: Question) -> None:
        if test.operator in ("all", "any"):
            for part in test.argument:
                add(part)
        elif test.operator == "not":
            add(test.argument)
        else:
            methods[test.fact] = _variable(test)

    for rule in rules:
        if isinstance(rule, Cases):
            for test, _ in rule.cases:
                add(test)
        else:
            add(Question("at_least", rule.fact))

    def start(self: Any, lead: Mapping[str, Any]) -> None:
        self.lead = lead

    return type("Lead", (BaseVariables,), {"__init__": start, **methods})


def _variable(test: Question) -> Any:
    fact = test.fact

    def read(self: Any) -> Any:
        return self.lead[fact]

    match test.operator:
        case "true":
            return boolean_rule_variable()(read)
        case "any_of":
            return select_multiple_rule_variable()(read)
        case "at_least" | "at_most" | "below":
            return numeric_rule_variable()(read)
        case _:
            return string_rule_variable()(read)
