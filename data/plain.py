"""Between our values and JSON columns, and text that every database accepts."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any, TypeVar, cast

from data.states import Incoming
from scoring.bands import UNMOVED, BandState, Situation
from scoring.cleaning import fold
from scoring.leads import (
    Account,
    CrmRecord,
    Engagement,
    FieldValue,
    Outcome,
    RecordKey,
)
from scoring.scores import Contribution, Fact

T = TypeVar("T")
#: Longer than any address that can be somebody's (254), short enough to be indexed.
ADDRESS_LIMIT = 320


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


def searchable(columns: Mapping[str, Any]) -> str:
    """What the list's search looks into: a lead's texts without case and accents, a line each."""
    return fold("\n".join(columns[name] for name in ("name", "email", "company", "job_title")))


def cleaned_page(page: Incoming) -> Incoming:
    """The page with only text that databases accept, keys included.

    What is compared, decided on and stored is then the same text everywhere.
    """
    return replace(
        page,
        records=[_restored(record) for record in page.records],
        accounts=[_restored(account) for account in page.accounts],
        engagements=[_restored(_with_address(event)) for event in page.engagements],
        outcomes=[_restored(outcome) for outcome in page.outcomes],
    )


def _with_address(event: Engagement) -> Engagement:
    """The engagement with no more of its address than an index takes: anybody may fill a form."""
    if len(event.email) <= ADDRESS_LIMIT:
        return event
    return replace(event, email=event.email[:ADDRESS_LIMIT])


def _restored(value: T) -> T:
    """One value of ours, cleaned; the same object when there was nothing to clean."""
    return cast(T, _clean_copy(value)) if _dirty(value) else value


def _dirty(value: Any) -> bool:
    if isinstance(value, str):
        return clean(value) != value
    if isinstance(value, Mapping):
        return any(_dirty(name) or _dirty(item) for name, item in value.items())
    if isinstance(value, tuple | list):
        return any(map(_dirty, value))
    return any(_dirty(getattr(value, name)) for name in _fields(value))


def _clean_copy(value: Any) -> Any:
    if isinstance(value, str):
        return clean(value)
    if isinstance(value, Mapping):
        return {clean(name): _clean_copy(item) for name, item in value.items()}
    if isinstance(value, tuple | list):
        return tuple(map(_clean_copy, value))
    names = _fields(value)
    return replace(value, **{n: _clean_copy(getattr(value, n)) for n in names}) if names else value


def _fields(value: Any) -> tuple[str, ...]:
    """Names of a dataclass value's fields; none for anything else."""
    return tuple(getattr(value, "__dataclass_fields__", ()))


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


def situation_to_json(situation: Situation) -> dict[str, Any] | None:
    """What decided a band besides the score; None when it was the score alone."""
    found: dict[str, Any] = {}
    if situation.state is not None:
        since = situation.state.entered_at.astimezone(UTC).isoformat()
        found["state"] = [situation.state.band, since]
    if situation.moved:
        found["moved"] = dict(situation.moved)
    if situation.full:
        found["full"] = list(situation.full)
    return found or None


def situation_from_json(found: Mapping[str, Any]) -> Situation:
    """The inverse of `situation_to_json`."""
    band, since = found.get("state", (None, None))
    return Situation(
        BandState(band, datetime.fromisoformat(since)) if band else None,
        found.get("moved", UNMOVED),
        tuple(found.get("full", ())),
    )


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
