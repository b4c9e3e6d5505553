"""What a file's columns mean: a mapping document, or a guess from the header's names."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from difflib import get_close_matches
from typing import Any

import yaml

from scoring.amounts import read_flag, read_number
from scoring.cleaning import LIMITS, Unusable, clean, is_placeholder, letters_key, one_line, shorten
from scoring.facts import FACTS
from scoring.leads import PERSON_FIELDS, FieldValue
from scoring.normalise import FULL_NAME
from scoring.times import parse_time

ID, CREATED_AT, MODIFIED_AT = "id", "created_at", "modified_at"
#: Types a column may be given; facts of the catalogue bring their own.
COLUMN_TYPES = ("text", "number", "flag", "list", "date")
#: Kinds of person fields whose unusable value rejects the row: rules would count with a wrong one.
STRICT_KINDS = frozenset({"count", "money", "flag"})
#: Columns that a fact is read out of when no column is the fact itself.
SOURCES: Mapping[str, tuple[str, ...]] = {
    "seniority": ("job_title",),
    "department": ("job_title",),
    "email_kind": ("email",),
    "phone_valid": ("phone", "country"),
    "domain": ("website",),
    "age_days": (CREATED_AT, MODIFIED_AT),
    **{name: ("message",) for name in FACTS if name.startswith("text_")},
}
_TOP_KEYS = ("columns", "missing", "ignore")
_COLUMN_KEYS = ("as", "type", "values", "missing", "separator")

#: Header names (letters and digits only) that are understood without a mapping.
_GUESSES: dict[str, tuple[str, ...]] = {
    ID: ("id", "leadid", "contactid", "recordid", "leadnumber", "prospectid", "vid"),
    CREATED_AT: ("createdat", "createdate", "createddate", "created", "datecreated", "signupdate"),
    "email": ("email", "emailaddress", "workemail", "mail", "businessemail", "emailadresse"),
    "phone": ("phone", "phonenumber", "mobile", "mobilephone", "telephone", "tel", "telefon"),
    "first_name": ("firstname", "givenname", "vorname", "prenom", "nombre"),
    "last_name": ("lastname", "surname", "familyname", "nachname", "nom", "apellido"),
    FULL_NAME: ("name", "fullname", "contactname", "leadname"),
    "company": ("company", "companyname", "organization", "organisation", "account", "firma"),
    "website": ("website", "web", "url", "domain", "companydomain", "homepage"),
    "country": ("country", "countrycode", "countryregion", "land", "pays", "pais"),
    "city": ("city", "town", "stadt", "ort", "ville", "ciudad"),
    "job_title": ("jobtitle", "title", "position", "role", "jobrole", "berufsbezeichnung"),
    "industry": ("industry", "branche", "sector", "secteur"),
    "employees": ("employees", "numberofemployees", "companysize", "headcount", "mitarbeiter"),
    "annual_revenue": ("annualrevenue", "revenue", "umsatz", "turnover"),
    "lead_source": ("leadsource", "source", "originalsource", "channel", "quelle"),
    "campaign": ("campaign", "utmcampaign", "kampagne"),
    "message": ("message", "comments", "comment", "notes", "description", "nachricht"),
    "owner": ("owner", "leadowner", "contactowner", "assignedto"),
    "lead_status": ("leadstatus", "status"),
    "lifecycle_stage": ("lifecyclestage", "stage"),
    "email_opt_out": ("emailoptout", "optout", "donotemail", "unsubscribed", "hasoptedoutofemail"),
    "email_bounced": ("emailbounced", "bounced"),
    "page_views": ("pageviews", "numberofpageviews", "pagesviewed"),
    "visits": ("visits", "totalvisits", "sessions", "numberofsessions", "numberofvisits"),
    "form_submissions": ("formsubmissions", "numberofformsubmissions"),
    "marketing_emails_opened": ("marketingemailsopened", "emailsopened", "emailopens"),
    "marketing_emails_clicked": ("marketingemailsclicked", "emailsclicked", "emailclicks"),
}


class MappingError(Exception):
    """The mapping cannot be used; the message lists everything that is wrong with it."""


@dataclass(frozen=True, slots=True)
class Column:
    """How one column of the file is read."""

    column: str
    name: str  # a person field, a fact, a custom fact, or id / created_at / modified_at
    type: str  # "person", "time", "id", or one of COLUMN_TYPES
    values: Mapping[str, str] = field(default_factory=dict)  # folded text → replacement
    missing: frozenset[str] = frozenset()  # folded texts that mean "not filled in"
    choices: tuple[str, ...] = ()
    separator: str = ";"

    def text(self, cell: str) -> str:
        """The cell's text after missing markers and value replacements; "" = missing."""
        folded = one_line(cell).casefold()
        if not folded or folded in self.missing:
            return ""
        return self.values.get(folded, cell)


def read_columns(text: str, header: Sequence[str]) -> list[Column]:
    """The columns that a mapping document names; raises MappingError with all its problems."""
    try:
        document = yaml.safe_load(text)
    except yaml.YAMLError as error:
        raise MappingError(f"it is not valid YAML: {one_line(str(error))}") from None
    if not isinstance(document, dict) or not isinstance(document.get("columns"), dict):
        raise MappingError("it needs a 'columns:' section that says what each column means")
    problems = [_unknown(key, _TOP_KEYS) for key in document if key not in _TOP_KEYS]
    missing = _markers(document.get("missing"), "missing", problems)
    _markers(document.get("ignore"), "ignore", problems)
    found = []
    for name, entry in document["columns"].items():
        column = _column(str(name), entry, missing, problems)
        if str(name) not in header:
            near = _near(str(name), header)
            problems.append(f"the file has no column {str(name)!r}{near}")
        if column:
            found.append(column)
    problems += _doubles(found)
    if problems:
        raise MappingError("\n".join(f"- {problem}" for problem in problems))
    return found


def guess_columns(header: Sequence[str]) -> list[Column]:
    """The columns whose names say what they are; each meaning is given to one column only."""
    meanings = {key: name for name, keys in _GUESSES.items() for key in keys}
    found: dict[str, Column] = {}
    for column in header:
        name = meanings.get(letters_key(column))
        if name and name not in found:
            found[name] = Column(column, name, _type(name))
    return list(found.values())


def column_of(name: str, given: str) -> Column:
    """A column that is what its name says: a fact or field we know, or one of the type given."""
    return Column(name, name, _type(name, given), choices=_choices(name))


def custom_types(columns: Sequence[Column]) -> dict[str, str]:
    """Facts beyond the catalogue that these columns make known to the rules, with their types."""
    return {
        c.name: c.type
        for c in columns
        if c.type in COLUMN_TYPES and c.name not in FACTS and c.name not in PERSON_FIELDS
    }


def read_cell(column: Column, text: str) -> FieldValue | None:
    """A non-person column's value, None when it is missing; raises Unusable with the reason."""
    cleaned = clean(text)
    if is_placeholder(cleaned) and not column.choices:
        return None
    if column.type == "number":
        return read_number(cleaned)
    if column.type == "flag":
        return read_flag(cleaned)
    if column.type == "date":
        return read_moment(cleaned)
    if column.type == "list":
        parts = (one_line(part) for part in cleaned.split(column.separator))
        return tuple(part for part in parts if part)
    flat = one_line(cleaned)
    if column.choices and flat.casefold() not in column.choices:
        raise Unusable(f"it is none of {', '.join(column.choices)}")
    return flat.casefold() if column.choices else flat[: LIMITS["text"]]


def read_moment(text: str) -> datetime:
    """A date or time of a cell; raises Unusable with the reason."""
    try:
        return parse_time(text)
    except ValueError as error:
        raise Unusable(str(error)) from None


def without_advice(message: str) -> str:
    """A problem's message without its advice about the CRM, which a file has none of."""
    return re.sub(r"\.? (Correct|Enter|Choose|Confirm|Add)\b.*$", "", message)


def _type(name: str, given: str = "text") -> str:
    if name in {CREATED_AT, MODIFIED_AT}:
        return "time"
    if name == ID:
        return "id"
    if name in PERSON_FIELDS or name == FULL_NAME:
        return "person"
    if name in FACTS:
        return {"choice": "text"}.get(FACTS[name].type, FACTS[name].type)
    return given


def _choices(name: str) -> tuple[str, ...]:
    return FACTS[name].values if name in FACTS and name not in PERSON_FIELDS else ()


def _column(column: str, entry: Any, missing: frozenset[str], problems: list[str]) -> Column | None:
    settings = {"as": entry} if isinstance(entry, str) else entry
    if not isinstance(settings, dict) or not isinstance(settings.get("as"), str):
        problems.append(f"column {column!r}: say what it is, for example '{column}: email'")
        return None
    name = settings["as"].strip()
    problems += [
        f"column {column!r}: {_unknown(key, _COLUMN_KEYS)}"
        for key in settings
        if key not in _COLUMN_KEYS
    ]
    given = settings.get("type", "text")
    if given not in COLUMN_TYPES:
        problems.append(
            f"column {column!r}: the type {given!r} is none of {', '.join(COLUMN_TYPES)}"
        )
    known = _type(name) if name in PERSON_FIELDS or name in FACTS else None
    if "type" in settings and known and known != given:
        problems.append(f"column {column!r}: {name!r} has its own type, leave 'type' out")
    values = settings.get("values", {})
    if not isinstance(values, dict):
        problems.append(f"column {column!r}: 'values' must list old: new pairs")
        values = {}
    own = _markers(settings.get("missing"), f"column {column!r}: missing", problems)
    return Column(
        column=column,
        name=name,
        type=_type(name, str(given)),
        values={one_line(str(k)).casefold(): _plain(v) for k, v in values.items()},
        missing=missing | own,
        choices=_choices(name),
        separator=str(settings.get("separator", ";")),
    )


def _plain(value: Any) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    return "" if value is None else str(value)


def _markers(value: Any, where: str, problems: list[str]) -> frozenset[str]:
    if value is None:
        return frozenset()
    if not isinstance(value, list):
        problems.append(f"{where} must be a list of texts")
        return frozenset()
    return frozenset(one_line(_plain(item)).casefold() for item in value)


def _doubles(columns: Sequence[Column]) -> list[str]:
    seen: dict[str, str] = {}
    problems = []
    for column in columns:
        if column.name in seen:
            problems.append(
                f"columns {seen[column.name]!r} and {column.column!r} both give {column.name!r}"
            )
        seen[column.name] = column.column
    return problems


def _unknown(key: object, known: Sequence[str]) -> str:
    return f"{shorten(str(key))!r} is unknown{_near(str(key), known)}: use {', '.join(known)}"


def _near(name: str, known: Sequence[str]) -> str:
    close = get_close_matches(name, known, n=1)
    return f" (did you mean {close[0]!r}?)" if close else ""
