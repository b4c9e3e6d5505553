"""Between our values and JSON columns, and text that every database accepts."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

from scoring.leads import (
    Account,
    CrmRecord,
    Engagement,
    FieldValue,
    Outcome,
    RecordKey,
)
from scoring.scores import Contribution, Fact


def clean(text: str) -> str:
    """Text without what databases refuse: NUL characters and halves of surrogate pairs."""
    if text.isascii() and "\0" not in text:
        return text
    return text.replace("\0", "").encode("utf-8", "replace").decode("utf-8")


def cleaned(value: Any) -> Any:
    """`clean` over a JSON value, keys included."""
    if isinstance(value, str):
        return clean(value)
    if isinstance(value, Mapping):
        return {clean(str(k)): cleaned(v) for k, v in value.items()}
    if isinstance(value, list | tuple):
        return [cleaned(item) for item in value]
    return value


def value_to_json(value: FieldValue) -> Any:
    """A field's value as JSON; instants as `{"at": ISO 8601}`."""
    if isinstance(value, datetime):
        return {"at": value.astimezone(UTC).isoformat()}
    return cleaned(value)


def value_from_json(value: Any) -> FieldValue:
    """The inverse of `value_to_json`."""
    if isinstance(value, dict):
        return datetime.fromisoformat(value["at"])
    if isinstance(value, list):
        return tuple(str(item) for item in value)
    return value  # type: ignore[no-any-return]


def fields_to_json(fields: Mapping[str, FieldValue]) -> dict[str, Any]:
    """All fields of a record or account as JSON."""
    return {clean(name): value_to_json(value) for name, value in fields.items()}


def fields_from_json(fields: Mapping[str, Any]) -> dict[str, FieldValue]:
    """The inverse of `fields_to_json`."""
    return {name: value_from_json(value) for name, value in fields.items()}


def facts_to_json(facts: Mapping[str, Fact]) -> dict[str, Any]:
    """Facts as `{name: [value, source, ISO time or null]}`."""
    return {
        clean(name): [
            value_to_json(fact.value),
            fact.source,
            fact.at.astimezone(UTC).isoformat() if fact.at else None,
        ]
        for name, fact in facts.items()
    }


def facts_from_json(facts: Mapping[str, Any]) -> dict[str, Fact]:
    """The inverse of `facts_to_json`."""
    return {
        name: Fact(value_from_json(value), source, datetime.fromisoformat(at) if at else None)
        for name, (value, source, at) in facts.items()
    }


def contributions_to_json(contributions: tuple[Contribution, ...]) -> list[Any]:
    """Contributions as rows `[rule, kind, dimension, group, points, label, known]`."""
    return [
        [c.rule, c.kind, c.dimension, c.group, c.points, clean(c.label), c.known]
        for c in contributions
    ]


def contributions_from_json(rows: list[Any]) -> tuple[Contribution, ...]:
    """The inverse of `contributions_to_json`."""
    return tuple(Contribution(*row) for row in rows)


def record_from_row(row: Any) -> CrmRecord:
    """A stored record in our own words."""
    return CrmRecord(
        key=RecordKey(row.crm, row.kind, row.record_id),
        created_at=row.created_at,
        modified_at=row.modified_at,
        fields=fields_from_json(row.fields),
        raw=row.raw,
        account=RecordKey.parse(row.account_key) if row.account_key else None,
        links=tuple(RecordKey.parse(link) for link in row.links),
        merged_into=RecordKey.parse(row.merged_into) if row.merged_into else None,
        deleted=row.deleted,
        url=row.url,
    )


def account_from_row(row: Any) -> Account:
    """A stored company in our own words."""
    return Account(RecordKey.parse(row.key), row.modified_at, fields_from_json(row.fields))


def engagement_from_row(row: Any) -> Engagement:
    """A stored engagement in our own words."""
    return Engagement(
        key=row.key,
        kind=row.kind,
        occurred_at=row.occurred_at,
        record=RecordKey.parse(row.record_key) if row.record_key else None,
        email=row.email,
        detail=row.detail,
    )


def outcome_from_row(row: Any) -> Outcome:
    """A stored outcome in our own words."""
    return Outcome(row.key, row.kind, row.occurred_at, RecordKey.parse(row.record_key), row.amount)
