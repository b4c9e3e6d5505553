"""What the columns of Parquet files mean, and whether their types can be read."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace

import pyarrow as pa

from app.columns import ID, SOURCES, Column, MappingError, column_of, read_columns
from scoring.cleaning import shorten
from scoring.criteria import DETAILS
from scoring.facts import FACTS
from scoring.leads import PERSON_FIELDS

ENGAGEMENT_COLUMNS = ("lead", "kind", "occurred_at", "key", *DETAILS)
_REQUIRED = ("lead", "kind", "occurred_at")


def lead_columns(schema: pa.Schema, mapping: str | None) -> list[Column]:
    """The columns by the mapping document, or else each as the fact of its own name.

    Raises MappingError with everything that is wrong with the mapping or the types.
    """
    if mapping is None:
        types = {field.name: fact_type(field.type) for field in schema}
        columns = [column_of(name, given or "text") for name, given in types.items()]
    else:
        columns = read_columns(mapping, schema.names)
    if not any(column.name == ID for column in columns):
        raise MappingError("no column is the id: name it 'id', or say which one it is with --map")
    return columns


def needed_columns(
    columns: Sequence[Column], kinds: Mapping[str, str], schema: pa.Schema
) -> tuple[Column, ...]:
    """The columns that these facts are read from, with the types that the rules give them.

    Raises MappingError when one of them has a type that cannot be read.
    """
    wanted = set(kinds) | {source for name in kinds for source in SOURCES.get(name, ())} | {ID}
    found = tuple(
        replace(column, type=kinds[column.name]) if _is_custom(column, kinds) else column
        for column in columns
        if column.name in wanted
    )
    problems = [
        f"column {column.column!r} is {schema.field(column.column).type}, which cannot be read"
        for column in found
        if not _readable(column, schema.field(column.column).type)
    ]
    if problems:
        raise MappingError("\n".join(f"- {problem}" for problem in problems))
    return found


def check_engagements(schema: pa.Schema) -> tuple[str, ...]:
    """The columns of engagements that are read; raises MappingError when one is missing."""
    missing = [name for name in _REQUIRED if name not in schema.names]
    if missing:
        raise MappingError(
            f"the engagements have no column {', '.join(missing)}; there are"
            f" {shorten(', '.join(schema.names), 300)}"
        )
    wrong = [
        f"- column {name!r} is {schema.field(name).type}, which cannot be read"
        for name in ENGAGEMENT_COLUMNS
        if name in schema.names and fact_type(schema.field(name).type) in (None, "list")
    ]
    if wrong or not _is_name(schema.field("lead").type):
        raise MappingError("\n".join(wrong) or "- column 'lead' holds neither texts nor numbers")
    return tuple(name for name in ENGAGEMENT_COLUMNS if name in schema.names)


def _is_custom(column: Column, kinds: Mapping[str, str]) -> bool:
    return column.name in kinds and column.name not in FACTS and column.name not in PERSON_FIELDS


def fact_type(arrow: pa.DataType) -> str | None:
    """The type of fact that an Arrow type is; None when it cannot be read."""
    types = pa.types
    if types.is_dictionary(arrow):
        arrow = arrow.value_type
    if types.is_string(arrow) or types.is_large_string(arrow) or types.is_null(arrow):
        return "text"
    if types.is_boolean(arrow):
        return "flag"
    if types.is_integer(arrow) or types.is_floating(arrow) or types.is_decimal(arrow):
        return "number"
    if types.is_date(arrow) or types.is_timestamp(arrow):
        return "date"
    if types.is_list(arrow) or types.is_large_list(arrow):
        return "list" if fact_type(arrow.value_type) == "text" else None
    return None


def _is_name(arrow: pa.DataType) -> bool:
    return fact_type(arrow) == "text" or pa.types.is_integer(arrow)


def _readable(column: Column, arrow: pa.DataType) -> bool:
    if column.name == ID:
        return _is_name(arrow)
    return fact_type(arrow) is not None and (fact_type(arrow) != "list" or column.type == "list")
