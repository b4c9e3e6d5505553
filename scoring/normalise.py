"""From a CRM's raw text to normalised records: every value read, or named as a problem and kept."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping
from datetime import datetime

from scoring.amounts import read_count, read_flag, read_money
from scoring.cleaning import (
    CUT_KINDS,
    LIMITS,
    RAW_LIMIT,
    Reading,
    Unusable,
    clean,
    is_placeholder,
    one_line,
    shorten,
)
from scoring.companies import tidy_company
from scoring.countries import normalise_country
from scoring.domains import normalise_domain
from scoring.emails import is_nobody, normalise_email
from scoring.leads import PERSON_FIELDS, Account, CrmRecord, FieldValue, RecordKey
from scoring.names import split_name, tidy_name
from scoring.phones import is_nobody_number, is_region, normalise_phone
from scoring.problems import Problem
from scoring.times import parse_time

__all__ = [
    "build_account",
    "build_record",
    "normalise_email",
    "parse_time",
    "read_value",
]

#: Fields of an account, read as the person's field of the same kind.
ACCOUNT_FIELDS: dict[str, str] = {
    "name": "company",
    "domain": "domain",
    "website": "domain",
    "industry": "text",
    "employees": "count",
    "annual_revenue": "money",
    "country": "country",
}
#: Accepted instead of first_name and last_name, and split where these are missing.
FULL_NAME = "full_name"

_LABELS = {
    "email": "e-mail",
    "job_title": "job title",
    FULL_NAME: "full name",
    "created_at": "creation date",
}
_ADVICE = {
    "email": "Correct the address in the CRM.",
    "phone": "Correct the number in the CRM, best with its country code (+1 …).",
    "domain": "Enter the company's own web address.",
    "country": "Choose a country from the list.",
    "count": "Enter a whole number.",
    "money": "Enter an amount such as 1200000.",
    "flag": "Enter yes or no.",
    "date": "Another date of the record stands in until it is.",
}
_READERS: dict[str, Callable[[str], FieldValue | Reading]] = {
    "email": normalise_email,
    "company": tidy_company,
    "domain": normalise_domain,
    "country": normalise_country,
    "title": one_line,
    "text": one_line,
    "long_text": clean,
    "count": read_count,
    "money": read_money,
    "flag": read_flag,
}


def creation_date(
    key: RecordKey, candidates: Iterable[object], *, modified_at: datetime
) -> tuple[datetime, list[Problem]]:
    """When a record was created: the first of several wordings that is a date.

    An impossible one costs the date only, never the record: it is named in a problem, and with none
    left the time of the last change stands in.
    """
    problems: list[Problem] = []
    for given in candidates:
        if given is None or given == "":
            continue
        text = str(given)
        try:
            return parse_time(text), problems
        except ValueError as reason:
            problems.append(_unusable(key, "created_at", "date", text, str(reason)))
    return modified_at, problems


def build_record(
    key: RecordKey,
    *,
    created_at: datetime,
    modified_at: datetime,
    values: Mapping[str, str | None],
    account: RecordKey | None = None,
    links: Iterable[RecordKey] = (),
    merged_into: RecordKey | None = None,
    deleted: bool = False,
    url: str = "",
    default_region: str = "US",
) -> tuple[CrmRecord, list[Problem]]:
    """A record from raw text per field name (`PERSON_FIELDS`, `full_name` or a custom name).

    Placeholders count as missing. An unusable value stays out of `fields`, is kept in `raw` (its
    first 2,000 characters) and named in a problem. Never raises for any text; `default_region`
    (ISO alpha-2) is used for phone numbers without country code when the country is unknown.
    """
    problems: list[Problem] = []
    fields: dict[str, FieldValue] = {}
    raw: dict[str, str] = {}
    for name in sorted(values, key=lambda field: field == "phone"):  # phones need the country
        text = values[name]
        if text is None:
            continue
        kind = PERSON_FIELDS.get(name, "name" if name == FULL_NAME else "text")
        region = _region(fields.get("country"), default_region)
        try:
            reading = read_value(str(text), kind, name=name, region=region, fallback=default_region)
        except Unusable as reason:
            raw[name] = clean(str(text)[: RAW_LIMIT * 2])[:RAW_LIMIT]
            problems.append(_unusable(key, name, kind, str(text), str(reason)))
            continue
        if reading is None:
            continue
        fields[name] = reading.value
        if reading.note:
            problems.append(_doubtful(key, name, str(text), reading))
    _split_full_name(fields)
    if not deleted and merged_into is None and not fields.keys() & {"email", "phone"}:
        problems.append(_no_identity(key, fields))
    record = CrmRecord(
        key=key,
        created_at=created_at,
        modified_at=modified_at,
        fields=dict(sorted(fields.items())),
        raw=dict(sorted(raw.items())),
        account=account,
        links=tuple(sorted(set(links) - {key})),
        merged_into=merged_into if merged_into != key else None,
        deleted=deleted,
        url=url,
    )
    return record, problems


def build_account(
    key: RecordKey, *, modified_at: datetime, values: Mapping[str, str | None]
) -> tuple[Account, list[Problem]]:
    """A company from raw text per `ACCOUNT_FIELDS` name; other names are kept as custom text.

    `website` fills `domain` where that is missing. Unusable values become problems, never errors.
    """
    problems: list[Problem] = []
    fields: dict[str, FieldValue] = {}
    for name, text in values.items():
        if text is None:
            continue
        kind = ACCOUNT_FIELDS.get(name, "text")
        try:
            reading = read_value(str(text), kind, name=name)
        except Unusable as reason:
            problems.append(_unusable(key, name, kind, str(text), str(reason)))
            continue
        if reading is not None:
            fields[name] = reading.value
            if reading.note:
                problems.append(_doubtful(key, name, str(text), reading))
    website = fields.pop("website", None)
    if website is not None:
        fields.setdefault("domain", website)
    return Account(key, modified_at, dict(sorted(fields.items()))), problems


def read_value(
    text: str, kind: str, *, name: str = "", region: str = "US", fallback: str = ""
) -> Reading | None:
    """One value of a kind named in `PERSON_FIELDS`, None when it is missing or a placeholder.

    `name` (the field's) decides how names are capitalised, `region` and `fallback` (ISO alpha-2)
    how phone numbers without a country code are read. Raises Unusable with the reason.
    """
    cut = text[: LIMITS[kind] * 2 + 2_000] if kind in CUT_KINDS else text
    cleaned = clean(cut)
    if _is_missing(cleaned, kind):
        return None
    if kind == "phone":
        return Reading(normalise_phone(cleaned, region, fallback))
    note = ""
    if kind in CUT_KINDS and (len(cleaned) > LIMITS[kind] or len(cut) < len(text)):
        note = f"it has {len(text):,} characters, the first {LIMITS[kind]:,} are used"
        cleaned = cleaned[: LIMITS[kind]].rstrip()
    if kind == "name":
        value = tidy_name(cleaned, last=name == "last_name") if name != FULL_NAME else cleaned
        return Reading(value, note) if value else None
    found = _READERS[kind](cleaned)
    if isinstance(found, Reading):
        return found
    return Reading(found, note) if found != "" else None


def _is_missing(cleaned: str, kind: str) -> bool:
    if kind == "country" and cleaned == "NA":  # Namibia's code, as a picklist writes it
        return False
    if kind == "long_text":  # "none" or "?" alone is no message, but a sentence always is one
        return is_placeholder(cleaned)
    if is_placeholder(cleaned, name=kind == "name"):
        return True
    if kind == "email":
        return is_nobody(cleaned)
    return kind == "phone" and is_nobody_number(cleaned)


def _region(country: FieldValue | None, default: str) -> str:
    return country if isinstance(country, str) and is_region(country) else default


def _split_full_name(fields: dict[str, FieldValue]) -> None:
    full = fields.pop(FULL_NAME, None)
    if isinstance(full, str) and not fields.keys() & {"first_name", "last_name"}:
        first, last = split_name(full)
        fields.update({k: v for k, v in (("first_name", first), ("last_name", last)) if v})


def _label(name: str) -> str:
    return _LABELS.get(name, re.sub(r"[_\s]+", " ", one_line(name))[:60])


def _unusable(key: RecordKey, name: str, kind: str, text: str, reason: str) -> Problem:
    shown = shorten(text)
    advice = _ADVICE.get(kind, "Correct it in the CRM.")
    return Problem(
        "bad_value",
        f"The {_label(name)} “{shown}” cannot be used: {reason}. {advice}",
        record=key,
        field=name,
        value=shown,
    )


def _doubtful(key: RecordKey, name: str, text: str, reading: Reading) -> Problem:
    shown = shorten(text)
    if reading.kind == "email_typo":
        advice = "Confirm it, then correct it in the CRM."
        message = f"The e-mail “{shown}” looks mistyped: {reading.note} {advice}"
    else:
        advice = "Correct it in the CRM."
        message = f"The {_label(name)} “{shown}” is used in part: {reading.note}. {advice}"
    return Problem(reading.kind, message, record=key, field=name, value=shown)


def _no_identity(key: RecordKey, fields: Mapping[str, FieldValue]) -> Problem:
    who = " ".join(str(fields[n]) for n in ("first_name", "last_name") if n in fields) or str(key)
    return Problem(
        "no_identity",
        f"{shorten(who)} has no usable e-mail address and no usable phone number."
        " Add one in the CRM, so that the person can be recognised.",
        record=key,
    )
