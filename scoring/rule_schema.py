"""The JSON Schema of rule documents, from the tables that the parser reads.

It says what is structurally valid, for editors and other programs. What needs a second look at the
document (ids that are unique, ranges that exclude each other, custom fields and their types, a safe
regular expression) only the parser says.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from scoring import rule_keys as keys
from scoring.criteria import DETAILS
from scoring.facts import FACTS, FactDefinition
from scoring.leads import ENGAGEMENT_KINDS
from scoring.operators import DETAIL_OPERATORS, FACT_TYPES, OPERATORS
from scoring.patterns import MAX_PATTERN
from scoring.scores import DIMENSIONS

Schema = dict[str, Any]

_NUMBER: Schema = {"type": "number", "minimum": -keys.MAX_NUMBER, "maximum": keys.MAX_NUMBER}
_DAYS: Schema = {"type": "number", "minimum": 1 / 86_400, "maximum": keys.MAX_DAYS}
_TEXT: Schema = {"type": ["string", "number", "boolean"], "pattern": r"\S"}
_POINTS: Schema = {"type": "number", "minimum": -keys.MAX_POINTS, "maximum": keys.MAX_POINTS}
_LIMIT: Schema = {"type": "number", "minimum": -keys.MAX_LIMIT, "maximum": keys.MAX_LIMIT}
_SCORE: Schema = {"type": "number", "minimum": 0, "maximum": 100}
_TRUTH = ("yes", "no", "true", "false")
_TABLE_TYPES = ("text", "choice", "flag", "number")  # facts that `by` works on


def rule_schema() -> Schema:
    """The schema (JSON Schema 2020-12) as plain values."""
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": "Leadlight rule document",
        "description": f"Version {keys.LANGUAGE_VERSION} of the language; see docs/rules.md.",
        **_mapping(
            keys.DOCUMENT_KEYS,
            required=("name", "dimensions"),
            version={"type": "integer", "minimum": 1, "maximum": keys.LANGUAGE_VERSION},
            name=_words(keys.MAX_NAME),
            fields=_fields(),
            bands=_entries(keys.BAND_KEY, _band()),
            suppress=_list(_ref("suppression")),
            disqualify=_list(_ref("disqualifier")),
            dimensions=_dimensions(),
            next_steps=_list(_ref("next_step")),
        ),
        "$defs": _definitions(),
    }


def _definitions() -> Schema:
    return {
        "condition": _condition(),
        **{f"{kind}_tests": _tests(kind) for kind in FACT_TYPES},
        "field_tests": _field_tests(),
        "pattern": _pattern(),
        "kinds": _kinds(),
        "detail": _detail(),
        "engagement": _engagement(),
        "count": _count(),
        "silence": _mapping(
            keys.SILENCE_KEYS, required=("days",), days=_ref("days"), kind=_ref("kinds")
        ),
        "suppression": _mapping(
            keys.SUPPRESSION_KEYS, keys.SUPPRESSION_KEYS, **_named(_words(keys.MAX_REASON))
        ),
        "disqualifier": _mapping(
            keys.DISQUALIFIER_KEYS,
            keys.DISQUALIFIER_KEYS,
            **_named(_words(keys.MAX_REASON)),
            at_most=_SCORE,
        ),
        "next_step": _next_step(),
        "group": _group(),
        "rule": _rule(),
        "decay": _decay(),
        "text": _TEXT,
        "texts": {"anyOf": [_TEXT, _some(_ref("text"))]},
        "number": _NUMBER,
        "days": _DAYS,
        "range": {"type": "array", "items": _ref("number"), "minItems": 2, "maxItems": 2},
        "flag": {
            "anyOf": [{"type": "boolean"}, {"type": "string", "pattern": _either_case(_TRUTH)}]
        },
        "steps": _table(rf"^\s*{keys.STEP}\s*$"),
        "choices": _table(r"\S"),
    }


# -- bricks ----------------------------------------------------------------------------------------


def _ref(name: str) -> Schema:
    return {"$ref": f"#/$defs/{name}"}


def _words(limit: int) -> Schema:
    return {"type": "string", "pattern": r"\S", "maxLength": limit}


def _id() -> Schema:
    return {"type": "string", "pattern": f"^{keys.ID}$"}


def _list(items: Schema) -> Schema:
    return {"type": "array", "items": items, "maxItems": keys.MAX_RULES}


def _named(reason: Schema) -> Schema:
    return {"id": _id(), "when": _ref("condition"), "reason": reason}


def _mapping(allowed: Iterable[str], required: Iterable[str] = (), **properties: Schema) -> Schema:
    """A mapping with these names and no others; every allowed name has its schema."""
    return {
        "type": "object",
        "properties": {name: properties[name] for name in allowed},
        "required": list(required),
        "additionalProperties": False,
    }


def _entries(name: str, entry: Schema) -> Schema:
    """A mapping of names of a person's own to entries."""
    return {
        "type": "object",
        "propertyNames": {"pattern": f"^{name}$"},
        "additionalProperties": entry,
        "minProperties": 1,
    }


def _either_case(words: Iterable[str]) -> str:
    """A pattern for any of the words, whatever their case and with spaces around."""
    spelt = ("".join(f"[{c}{c.upper()}]" if c.isalpha() else c for c in word) for word in words)
    return rf"^\s*({'|'.join(spelt)})\s*$"


# -- upper levels ----------------------------------------------------------------------------------


def _fields() -> Schema:
    return {
        "type": "object",
        "description": "Custom fields that rules read, with their types.",
        "propertyNames": {
            "pattern": r"\S",
            "maxLength": keys.MAX_NAME,
            "not": {"enum": list(FACTS)},
        },
        "additionalProperties": {"enum": list(keys.FIELD_TYPES)},
        "maxProperties": keys.MAX_FIELDS,
    }


def _band() -> Schema:
    per_week: Schema = {"type": "integer", "minimum": 1, "maximum": keys.MAX_CAPACITY}
    return _mapping(
        keys.BAND_KEYS,
        required=("from",),
        **{"from": _SCORE},
        label=_words(keys.MAX_BAND_LABEL),
        leave_at=_SCORE,
        dwell_days={"type": "number", "minimum": 0, "maximum": keys.MAX_DWELL_DAYS},
        capacity=_mapping(
            keys.CAPACITY_KEYS, ("per_week",), per_week=per_week, per={"enum": list(keys.SHARES)}
        ),
    )


def _next_step() -> Schema:
    band: Schema = {"type": "string", "pattern": f"^{keys.BAND_KEY}$"}
    return _mapping(
        keys.NEXT_STEP_KEYS,
        required=("text",),
        band={"anyOf": [band, {"type": "array", "items": band}]},
        when=_ref("condition"),
        text=_words(keys.MAX_NEXT_STEP),
    )


def _dimensions() -> Schema:
    dimension = _mapping(
        keys.DIMENSION_KEYS,
        required=("groups",),
        min=_LIMIT,
        max=_LIMIT,
        groups=_list(_ref("group")),
    )
    return _mapping(DIMENSIONS, **dict.fromkeys(DIMENSIONS, dimension)) | {"minProperties": 1}


def _group() -> Schema:
    return _mapping(
        keys.GROUP_KEYS,
        required=("id", "rules"),
        id=_id() | {"not": {"enum": [*DIMENSIONS, "score"]}},
        label=_words(keys.MAX_GROUP_LABEL),
        min=_LIMIT,
        max=_LIMIT,
        rules=_list(_ref("rule")),
    )


# -- rules -----------------------------------------------------------------------------------------


def _rule() -> Schema:
    missing = {"anyOf": [{"enum": ["neutral", "zero"]}, _mapping(["points"], ["points"],
                                                                 points=_POINTS)]}  # fmt: skip
    schema = _mapping(
        keys.RULE_KEYS,
        required=("id", "points"),
        id=_id(),
        label=_words(keys.MAX_LABEL),
        when=_ref("condition"),
        by={"type": "string"},
        per={"type": "string"},
        unit={"type": "number", "minimum": 1e-6, "maximum": 1e12},
        each=_ref("pattern"),
        occurrence={"enum": list(keys.OCCURRENCES)},
        points={"type": ["number", "object"]},
        otherwise=_POINTS,
        frequency={"type": "integer", "minimum": 1, "maximum": keys.MAX_FREQUENCY},
        cap={"type": "number", "exclusiveMinimum": 0, "maximum": keys.MAX_LIMIT},
        time_frame=_ref("days"),
        decay=_ref("decay"),
        missing=missing,
    )
    needs = {
        key: {"anyOf": [{"required": [other]} for other in others]}
        for key, (others, _) in keys.NEEDS.items()
    }
    shapes = [{"required": [shape]} for shape in ("by", "each", "per")]
    fixed: Schema = {"required": ["when"], "not": {"anyOf": shapes}}
    return schema | {
        "dependentSchemas": needs | {"per": {"required": ["cap"]}},
        "oneOf": [*shapes, fixed],
        "not": {"required": ["occurrence", "frequency"]},
        "if": shapes[0],
        "then": {"allOf": [{"properties": {"points": {"type": "object"}}}, *_by_tables()]},
        "else": {"properties": {"points": _POINTS}},
    }


def _by_tables() -> list[Schema]:
    """Which table of points goes with which fact; a custom field may have either."""
    of_type = {
        kind: [name for name, fact in FACTS.items() if fact.type == kind] for kind in FACT_TYPES
    }
    tables: list[Schema] = [
        {
            "if": {"properties": {"by": {"enum": of_type["number"]}}},
            "then": {"properties": {"points": _ref("steps")}},
            "else": {"properties": {"points": _ref("choices")}},
        }
    ]
    for name, fact in FACTS.items():
        if fact.values and fact.type == "choice":
            tables.append(_by_choices(name, _either_case(fact.values)))
        elif fact.type == "flag":
            tables.append(_by_choices(name, _either_case(_TRUTH)))
    unusable = [name for name, fact in FACTS.items() if fact.type not in _TABLE_TYPES]
    return [*tables, {"properties": {"by": {"not": {"enum": unusable}}}}]


def _by_choices(name: str, pattern: str) -> Schema:
    return {
        "if": {"properties": {"by": {"const": name}}},
        "then": {"properties": {"points": {"propertyNames": {"pattern": pattern}}}},
    }


def _table(name: str) -> Schema:
    return {
        "type": "object",
        "propertyNames": {"pattern": name},
        "additionalProperties": _POINTS,
        "minProperties": 1,
    }


def _decay() -> Schema:
    percent = {"type": "number", "minimum": 0.1, "maximum": 100}
    half_life, *steps = keys.DECAY_KEYS
    return {
        "oneOf": [
            _mapping([half_life], [half_life], half_life_days=_ref("days")),
            _mapping(steps, steps, percent=percent, every_days=_ref("days")),
        ]
    }


# -- conditions ------------------------------------------------------------------------------------


def _condition() -> Schema:
    nested: Schema = {"type": "array", "items": _ref("condition"), "minItems": 1}
    return {
        "type": "object",
        "minProperties": 1,
        "if": {"required": ["fact"]},
        "then": _explicit(),
        "else": {
            "properties": {
                "all": nested,
                "any": nested,
                "not": _ref("condition"),
                "engagement": _ref("engagement"),
                "silence": _ref("silence"),
                **{name: _fact(fact) for name, fact in FACTS.items()},
            },
            "additionalProperties": _ref("field_tests"),
        },
    }


def _explicit() -> Schema:
    """`{fact: NAME, OPERATOR: …}`."""
    return _operators(OPERATORS) | {
        "properties": {"fact": {"type": ["string", "number", "boolean"]}} | _any_type(OPERATORS),
        "minProperties": 2,
    }


def _fact(fact: FactDefinition) -> Schema:
    described: Schema = {"description": fact.label}
    if fact.description:
        described["description"] += f": {fact.description}"
    if not fact.values:
        return described | _ref(f"{fact.type}_tests")
    return described | _tests(fact.type, fact.values)


def _tests(kind: str, choices: tuple[str, ...] = ()) -> Schema:
    """What may be asked of a fact of one type: operators, or a value or list in short."""
    names = [name for name, operator in OPERATORS.items() if kind in operator.accepts]
    asked = {name: _operator(name, kind, choices) for name in names}
    longhand = _operators(names) | {"properties": asked, "minProperties": 1}
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
    longhand = _operators(OPERATORS) | {"properties": _any_type(OPERATORS), "minProperties": 1}
    return {"anyOf": [longhand, _ref("texts")]}


def _operators(names: Iterable[str]) -> Schema:
    return {"type": "object", "additionalProperties": False}


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
            return _ref("texts") if single == _ref("text") else {"anyOf": [single, _some(single)]}
        case "texts" | "number" | "days" | "range":
            return _ref(argument)
        case "pattern":
            return _words(MAX_PATTERN)
    return {"const": True}


def _value(kind: str, choices: tuple[str, ...] = ()) -> Schema:
    if kind in ("number", "flag"):
        return _ref(kind)
    if choices:
        spelt = {"type": "string", "pattern": _either_case(choices)}
        return {"anyOf": [{"enum": list(choices)}, spelt]}
    return _ref("text")


def _some(item: Schema) -> Schema:
    return {"type": "array", "items": item, "minItems": 1}


# -- engagements -----------------------------------------------------------------------------------


def _pattern() -> Schema:
    return _mapping(("kind", *DETAILS), required=("kind",), **_pattern_parts())


def _pattern_parts() -> Mapping[str, Schema]:
    return {"kind": _ref("kinds"), **dict.fromkeys(DETAILS, _ref("detail"))}


def _kinds() -> Schema:
    kind: Schema = {"enum": list(ENGAGEMENT_KINDS)}
    return {"anyOf": [kind, _some(kind)]}


def _detail() -> Schema:
    asked = {name: _operator(name, "text") for name in DETAIL_OPERATORS}
    longhand = _operators(DETAIL_OPERATORS) | {"properties": asked, "minProperties": 1}
    return {"anyOf": [longhand, _ref("texts")]}


def _engagement() -> Schema:
    first: Schema = {"properties": {"occurrence": {"const": "first"}}, "required": ["occurrence"]}
    return _mapping(
        ("kind", *DETAILS, *keys.ENGAGEMENT_KEYS),
        required=("kind",),
        **_pattern_parts(),
        count=_ref("count"),
        within_days=_ref("days"),
        occurrence={"enum": list(keys.OCCURRENCES)},
    ) | {"if": first, "then": {"not": {"required": ["count"]}}}


def _count() -> Schema:
    whole: Schema = {"type": "integer", "minimum": 0, "maximum": keys.MAX_COUNT}
    limits = {"type": "array", "items": {"type": "integer", "minimum": 0}, "minItems": 2,
              "maxItems": 2}  # fmt: skip
    at_least, at_most, between, exactly = keys.COUNT_KEYS
    return {
        "oneOf": [
            _mapping((at_least, at_most), at_least=whole, at_most=whole) | {"minProperties": 1},
            _mapping((between,), (between,), between=limits),
            _mapping((exactly,), (exactly,), exactly=whole),
        ]
    }
