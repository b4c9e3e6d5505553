"""The JSON Schema of rule documents, from the tables that the parser reads.

It says what is structurally valid, for editors and other programs. What needs a second look at the
document (ids that are unique, ranges that exclude each other, custom fields and their types, a safe
regular expression) only the parser says.
"""

from __future__ import annotations

from scoring import rule_keys as keys
from scoring.condition_schema import (
    TRUTH,
    Schema,
    condition_definitions,
    either_case,
    mapping,
    ref,
    words,
)
from scoring.facts import FACTS
from scoring.operators import FACT_TYPES
from scoring.scores import DIMENSIONS

_POINTS: Schema = {"type": "number", "minimum": -keys.MAX_POINTS, "maximum": keys.MAX_POINTS}
_LIMIT: Schema = {"type": "number", "minimum": -keys.MAX_LIMIT, "maximum": keys.MAX_LIMIT}
_SCORE: Schema = {"type": "number", "minimum": 0, "maximum": 100}
_TABLE_TYPES = ("text", "choice", "flag", "number")  # facts that `by` works on


def rule_schema() -> Schema:
    """The schema (JSON Schema 2020-12) as plain values."""
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": "Leadlight rule document",
        "description": f"Version {keys.LANGUAGE_VERSION} of the language; see docs/rules.md.",
        **mapping(
            keys.DOCUMENT_KEYS,
            required=("name", "dimensions"),
            version={"type": "integer", "minimum": 1, "maximum": keys.LANGUAGE_VERSION},
            name=words(keys.MAX_NAME),
            fields=_fields(),
            bands=_entries(keys.BAND_KEY, _band()),
            suppress=_list(ref("suppression")),
            disqualify=_list(ref("disqualifier")),
            dimensions=_dimensions(),
            next_steps=_list(ref("next_step")),
        ),
        "$defs": _definitions(),
    }


def _definitions() -> Schema:
    return {
        **condition_definitions(),
        "suppression": mapping(
            keys.SUPPRESSION_KEYS, keys.SUPPRESSION_KEYS, **_named(words(keys.MAX_REASON))
        ),
        "disqualifier": mapping(
            keys.DISQUALIFIER_KEYS,
            keys.DISQUALIFIER_KEYS,
            **_named(words(keys.MAX_REASON)),
            at_most=_SCORE,
        ),
        "next_step": _next_step(),
        "group": _group(),
        "rule": _rule(),
        "decay": _decay(),
        "steps": _table(rf"^\s*{keys.STEP}\s*$"),
        "choices": _table(r"\S"),
    }


# -- bricks ----------------------------------------------------------------------------------------


def _id() -> Schema:
    return {"type": "string", "pattern": f"^{keys.ID}$"}


def _list(items: Schema) -> Schema:
    return {"type": "array", "items": items, "maxItems": keys.MAX_RULES}


def _named(reason: Schema) -> Schema:
    return {"id": _id(), "when": ref("condition"), "reason": reason}


def _entries(name: str, entry: Schema) -> Schema:
    """A mapping of names of a person's own to entries."""
    return {
        "type": "object",
        "propertyNames": {"pattern": f"^{name}$"},
        "additionalProperties": entry,
        "minProperties": 1,
    }


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
    return mapping(
        keys.BAND_KEYS,
        required=("from",),
        **{"from": _SCORE},
        label=words(keys.MAX_BAND_LABEL),
        leave_at=_SCORE,
        dwell_days={"type": "number", "minimum": 0, "maximum": keys.MAX_DWELL_DAYS},
        capacity=mapping(
            keys.CAPACITY_KEYS, ("per_week",), per_week=per_week, per={"enum": list(keys.SHARES)}
        ),
    )


def _next_step() -> Schema:
    band: Schema = {"type": "string", "pattern": f"^{keys.BAND_KEY}$"}
    return mapping(
        keys.NEXT_STEP_KEYS,
        required=("text",),
        band={"anyOf": [band, {"type": "array", "items": band}]},
        when=ref("condition"),
        text=words(keys.MAX_NEXT_STEP),
    )


def _dimensions() -> Schema:
    dimension = mapping(
        keys.DIMENSION_KEYS,
        required=("groups",),
        min=_LIMIT,
        max=_LIMIT,
        groups=_list(ref("group")),
    )
    return mapping(DIMENSIONS, **dict.fromkeys(DIMENSIONS, dimension)) | {"minProperties": 1}


def _group() -> Schema:
    return mapping(
        keys.GROUP_KEYS,
        required=("id", "rules"),
        id=_id() | {"not": {"enum": [*DIMENSIONS, "score"]}},
        label=words(keys.MAX_GROUP_LABEL),
        min=_LIMIT,
        max=_LIMIT,
        rules=_list(ref("rule")),
    )


# -- rules -----------------------------------------------------------------------------------------


def _rule() -> Schema:
    missing = {"anyOf": [{"enum": ["neutral", "zero"]}, mapping(["points"], ["points"],
                                                                 points=_POINTS)]}  # fmt: skip
    schema = mapping(
        keys.RULE_KEYS,
        required=("id", "points"),
        id=_id(),
        label=words(keys.MAX_LABEL),
        when=ref("condition"),
        by={"type": "string"},
        per={"type": "string"},
        unit={"type": "number", "minimum": 1e-6, "maximum": 1e12},
        each=ref("pattern"),
        occurrence={"enum": list(keys.OCCURRENCES)},
        points={"type": ["number", "object"]},
        otherwise=_POINTS,
        frequency={"type": "integer", "minimum": 1, "maximum": keys.MAX_FREQUENCY},
        cap={"type": "number", "exclusiveMinimum": 0, "maximum": keys.MAX_LIMIT},
        time_frame=ref("days"),
        decay=ref("decay"),
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
            "then": {"properties": {"points": ref("steps")}},
            "else": {"properties": {"points": ref("choices")}},
        }
    ]
    for name, fact in FACTS.items():
        if fact.values and fact.type == "choice":
            tables.append(_by_choices(name, either_case(fact.values)))
        elif fact.type == "flag":
            tables.append(_by_choices(name, either_case(TRUTH)))
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
            mapping([half_life], [half_life], half_life_days=ref("days")),
            mapping(steps, steps, percent=percent, every_days=ref("days")),
        ]
    }
