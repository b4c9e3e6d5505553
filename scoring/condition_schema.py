"""The JSON Schema of conditions: what can be asked of facts and engagements."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from scoring import rule_keys as keys
from scoring.criteria import DETAILS
from scoring.facts import FACTS, FactDefinition
from scoring.leads import ENGAGEMENT_KINDS
from scoring.operators import DETAIL_OPERATORS, FACT_TYPES, OPERATORS
from scoring.patterns import MAX_PATTERN

Schema = dict[str, Any]

#: How a flag may be written, besides as one.
TRUTH = ("yes", "no", "true", "false")
_TEXT: Schema = {"type": ["string", "number", "boolean"], "pattern": r"\S"}
_CLOSED: Schema = {"type": "object", "additionalProperties": False}


def condition_definitions() -> Schema:
    """Definitions of conditions, patterns of engagements and what operators take, by name."""
    return {
        "condition": _condition(),
        **{f"{kind}_tests": _tests(kind) for kind in FACT_TYPES},
        "field_tests": _field_tests(),
        "pattern": _pattern(),
        "kinds": _kinds(),
        "detail": _detail(),
        "engagement": _engagement(),
        "count": _count(),
        "silence": mapping(
            keys.SILENCE_KEYS, required=("days",), days=ref("days"), kind=ref("kinds")
        ),
        "text": _TEXT,
        "texts": {"anyOf": [_TEXT, _some(ref("text"))]},
        "number": {"type": "number", "minimum": -keys.MAX_NUMBER, "maximum": keys.MAX_NUMBER},
        "days": {"type": "number", "minimum": 1 / 86_400, "maximum": keys.MAX_DAYS},
        "range": {"type": "array", "items": ref("number"), "minItems": 2, "maxItems": 2},
        "flag": {"anyOf": [{"type": "boolean"}, {"type": "string", "pattern": either_case(TRUTH)}]},
    }


# -- bricks ----------------------------------------------------------------------------------------


def ref(name: str) -> Schema:
    """A definition, by name."""
    return {"$ref": f"#/$defs/{name}"}


def words(limit: int) -> Schema:
    """A text of at most so many characters, not blank."""
    return {"type": "string", "pattern": r"\S", "maxLength": limit}


def mapping(allowed: Iterable[str], required: Iterable[str] = (), **properties: Schema) -> Schema:
    """A mapping with these names and no others; every allowed name has its schema."""
    return {
        "type": "object",
        "properties": {name: properties[name] for name in allowed},
        "required": list(required),
        "additionalProperties": False,
    }


def either_case(words: Iterable[str]) -> str:
    """A pattern for any of the words, whatever their case and with spaces around."""
    spelt = ("".join(f"[{c}{c.upper()}]" if c.isalpha() else c for c in word) for word in words)
    return rf"^\s*({'|'.join(spelt)})\s*$"


def _some(item: Schema) -> Schema:
    return {"type": "array", "items": item, "minItems": 1}


# -- conditions ------------------------------------------------------------------------------------


def _condition() -> Schema:
    nested: Schema = {"type": "array", "items": ref("condition"), "minItems": 1}
    return {
        "type": "object",
        "minProperties": 1,
        "if": {"required": ["fact"]},
        "then": _explicit(),
        "else": {
            "properties": {
                "all": nested,
                "any": nested,
                "not": ref("condition"),
                "engagement": ref("engagement"),
                "silence": ref("silence"),
                **{name: _fact(fact) for name, fact in FACTS.items()},
            },
            "additionalProperties": ref("field_tests"),
        },
    }


def _explicit() -> Schema:
    """`{fact: NAME, OPERATOR: …}`."""
    return _CLOSED | {
        "properties": {"fact": {"type": ["string", "number", "boolean"]}} | _any_type(OPERATORS),
        "minProperties": 2,
    }


def _fact(fact: FactDefinition) -> Schema:
    described: Schema = {"description": fact.label}
    if fact.description:
        described["description"] += f": {fact.description}"
    if not fact.values:
        return described | ref(f"{fact.type}_tests")
    return described | _tests(fact.type, fact.values)


def _tests(kind: str, choices: tuple[str, ...] = ()) -> Schema:
    """What may be asked of a fact of one type: operators, or a value or list in short."""
    names = [name for name, operator in OPERATORS.items() if kind in operator.accepts]
    asked = {name: _operator(name, kind, choices) for name in names}
    longhand = _CLOSED | {"properties": asked, "minProperties": 1}
    short = _shorthand(kind, choices)
    return {"anyOf": [longhand, *short]} if short else longhand


def _shorthand(kind: str, choices: tuple[str, ...]) -> list[Schema]:
    if kind == "date":
        return []
    if kind == "list":
        return [_argument("values", kind, choices)]
    return [_argument("value" if kind == "flag" else "values", kind, choices)]


def _field_tests() -> Schema:
    """What may be asked of a custom field: as of any fact, its type is known to the parser only."""
    longhand = _CLOSED | {"properties": _any_type(OPERATORS), "minProperties": 1}
    return {"anyOf": [longhand, ref("texts")]}


def _any_type(names: Iterable[str]) -> Schema:
    return {
        name: {"anyOf": _distinct(_operator(name, kind) for kind in OPERATORS[name].accepts)}
        for name in names
    }


def _distinct(schemas: Iterable[Schema]) -> list[Schema]:
    found: list[Schema] = []
    for schema in schemas:
        if schema not in found:
            found.append(schema)
    return sorted(found, key=str)


def _operator(name: str, kind: str, choices: tuple[str, ...] = ()) -> Schema:
    operator = OPERATORS[name]
    described: Schema = {"description": f"{operator.label}, such as {operator.example}"}
    return described | _argument(operator.argument, kind, choices)


def _argument(argument: str, kind: str, choices: tuple[str, ...] = ()) -> Schema:
    match argument:
        case "value":
            return _value(kind, choices)
        case "values":
            single = _value("text" if kind == "list" else kind, choices)
            return ref("texts") if single == ref("text") else {"anyOf": [single, _some(single)]}
        case "texts" | "number" | "days" | "range":
            return ref(argument)
        case "pattern":
            return words(MAX_PATTERN)
    return {"const": True}


def _value(kind: str, choices: tuple[str, ...] = ()) -> Schema:
    if kind in ("number", "flag"):
        return ref(kind)
    if choices:
        spelt = {"type": "string", "pattern": either_case(choices)}
        return {"anyOf": [{"enum": list(choices)}, spelt]}
    return ref("text")


# -- engagements -----------------------------------------------------------------------------------


def _pattern() -> Schema:
    return mapping(("kind", *DETAILS), required=("kind",), **_pattern_parts())


def _pattern_parts() -> Mapping[str, Schema]:
    return {"kind": ref("kinds"), **dict.fromkeys(DETAILS, ref("detail"))}


def _kinds() -> Schema:
    kind: Schema = {"enum": list(ENGAGEMENT_KINDS)}
    return {"anyOf": [kind, _some(kind)]}


def _detail() -> Schema:
    asked = {name: _operator(name, "text") for name in DETAIL_OPERATORS}
    longhand = _CLOSED | {"properties": asked, "minProperties": 1}
    return {"anyOf": [longhand, ref("texts")]}


def _engagement() -> Schema:
    first: Schema = {"properties": {"occurrence": {"const": "first"}}, "required": ["occurrence"]}
    return mapping(
        ("kind", *DETAILS, *keys.ENGAGEMENT_KEYS),
        required=("kind",),
        **_pattern_parts(),
        count=ref("count"),
        within_days=ref("days"),
        occurrence={"enum": list(keys.OCCURRENCES)},
    ) | {"if": first, "then": {"not": {"required": ["count"]}}}


def _count() -> Schema:
    whole: Schema = {"type": "integer", "minimum": 0, "maximum": keys.MAX_COUNT}
    limits = {"type": "array", "items": {"type": "integer", "minimum": 0}, "minItems": 2,
              "maxItems": 2}  # fmt: skip
    at_least, at_most, between, exactly = keys.COUNT_KEYS
    return {
        "oneOf": [
            mapping((at_least, at_most), at_least=whole, at_most=whole) | {"minProperties": 1},
            mapping((between,), (between,), between=limits),
            mapping((exactly,), (exactly,), exactly=whole),
        ]
    }
