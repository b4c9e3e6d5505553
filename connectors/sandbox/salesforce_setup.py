"""The Tooling API's custom fields: created here, invisible until field permissions are granted."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from connectors.sandbox.salesforce_org import Org, RecordError
from connectors.sandbox.salesforce_schema import CRM, OBJECTS
from connectors.sandbox.soql import (
    Comparison,
    Condition,
    Junction,
    Negation,
    Query,
    SoqlError,
)

_NAME = re.compile(r"([A-Za-z]\w*)\.([A-Za-z](?:\w*[A-Za-z0-9])?)__c\Z")
_NEEDS = {
    "Text": ("length",),
    "Number": ("precision", "scale"),
    "Currency": ("precision", "scale"),
    "Percent": ("precision", "scale"),
    "LongTextArea": ("length", "visibleLines"),
    "Checkbox": ("defaultValue",),
    "DateTime": (),
    "Date": (),
    "TextArea": (),
    "Picklist": ("valueSet",),
}


def create_custom_field(org: Org, body: Mapping[str, Any]) -> str:
    """Create a field from Tooling's `FullName` and `Metadata`; its id. Raises RecordError."""
    if org.state.meta("salesforce.may_customize") == "no":
        raise RecordError(
            "INSUFFICIENT_ACCESS",
            "insufficient access rights on cross-reference id",
            status=403,
        )
    full_name, metadata = str(body.get("FullName", "")), body.get("Metadata")
    match = _NAME.match(full_name)
    if match is None or not isinstance(metadata, dict):
        raise RecordError(
            "FIELD_INTEGRITY_EXCEPTION",
            f"Invalid field name: {full_name}",
            ["FullName"],
        )
    entity = OBJECTS.get(match[1].lower())
    if entity is None:
        raise RecordError("INVALID_TYPE", f"Unknown entity: {match[1]}", ["TableEnumOrId"])
    kind = str(metadata.get("type", ""))
    if kind not in _NEEDS:
        raise RecordError("FIELD_INTEGRITY_EXCEPTION", f"Unknown field type: {kind}", ["Type"])
    missing = [name for name in ("label", *_NEEDS[kind]) if metadata.get(name) is None]
    if missing:
        message = f"Required field is missing: {missing[0]}"
        raise RecordError("FIELD_INTEGRITY_EXCEPTION", message, missing)
    name = f"{match[2]}__c"
    with org.state.transaction():
        known = {custom.lower() for custom in org.state.fields(CRM, entity.name)}
        if name.lower() in known:
            message = f"There is already a field named {match[2]} on {entity.label}."
            raise RecordError("DUPLICATE_DEVELOPER_NAME", message, ["DeveloperName"])
        record_id = org.found_custom_field()
        org.state.define_field(CRM, entity.name, name, {**metadata, "id": record_id})
    return record_id


def query_tooling(org: Org, query: Query, version: str) -> dict[str, Any]:
    """`SELECT … FROM CustomField`, the one Tooling object served; raises SoqlError."""
    if str(query.object).lower() != "customfield":
        raise SoqlError("INVALID_TYPE", f"sObject type '{query.object}' is not supported.")
    rows = []
    for entity in OBJECTS.values():
        for name, definition in org.state.fields(CRM, entity.name).items():
            row = {
                "Id": str(definition.get("id", "")),
                "DeveloperName": name.removesuffix("__c"),
                "TableEnumOrId": entity.name,
                "FullName": f"{entity.name}.{name}",
            }
            if query.where is None or _holds(query.where, row):
                rows.append(row)
    columns = [path.parts[0] for path in query.columns]
    url = f"/services/data/v{version}/tooling/sobjects/CustomField/"
    records = [
        {"attributes": {"type": "CustomField", "url": url + row["Id"]}}
        | {_spelled(row, column): row[_spelled(row, column)] for column in columns}
        for row in rows
    ]
    return {
        "size": len(records),
        "totalSize": len(records),
        "done": True,
        "records": records,
    }


def _spelled(row: Mapping[str, str], column: str) -> str:
    for name in row:
        if name.lower() == column.lower():
            return name
    raise SoqlError("INVALID_FIELD", f"No such column '{column}' on entity 'CustomField'.")


def _holds(condition: Condition, row: Mapping[str, str]) -> bool:
    if isinstance(condition, Junction):
        parts = [_holds(part, row) for part in condition.parts]
        return all(parts) if condition.word == "and" else any(parts)
    if isinstance(condition, Negation):
        return not _holds(condition.part, row)
    return _compared(condition, row)


def _compared(comparison: Comparison, row: Mapping[str, str]) -> bool:
    value = row[_spelled(row, comparison.path.parts[-1])].lower()
    wanted = [str(literal.value).lower() for literal in comparison.values]
    if comparison.operator in ("=", "in"):
        return value in wanted
    if comparison.operator in ("!=", "not_in"):
        return value not in wanted
    if comparison.operator == "like":
        pattern = re.escape(wanted[0]).replace("%", ".*").replace("_", ".")
        return re.fullmatch(pattern, value) is not None
    raise SoqlError("INVALID_QUERY_FILTER_OPERATOR", "invalid operator on CustomField")
