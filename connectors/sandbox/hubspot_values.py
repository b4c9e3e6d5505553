"""How HubSpot checks and spells property values: normalised text, or a named refusal."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import Any

from connectors.sandbox.hubspot_schema import Property, options_of

TEXT_LIMIT = 65_536
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_DAY_MS = 86_400_000
_EMAIL = re.compile(r"[^@\s,;<>]+@[^@\s,;<>]+\.[^@\s,;<>.]{2,}\Z")
_DIGITS = re.compile(r"-?\d{1,15}\Z", re.ASCII)


class Invalid(Exception):
    """A value HubSpot refuses: `code` and message as its error list shows them."""

    def __init__(self, code: str, message: str) -> None:
        super().__init__(message)
        self.code = code


def wire_time(milliseconds: int) -> str:
    """Milliseconds since 1970 as HubSpot writes them: 2026-11-23T15:31:00.123Z."""
    moment = _EPOCH + timedelta(milliseconds=milliseconds)
    return f"{moment:%Y-%m-%dT%H:%M:%S}.{moment.microsecond // 1_000:03d}Z"


def read_time(text: str) -> int:
    """Milliseconds since 1970 from ISO 8601 text or milliseconds; raises ValueError."""
    if _DIGITS.match(text):
        return int(text)
    moment = datetime.fromisoformat(text)
    moment = moment.replace(tzinfo=UTC) if moment.tzinfo is None else moment
    return (moment - _EPOCH) // timedelta(milliseconds=1)


def plain(value: Any) -> str:
    """A JSON value as HubSpot stores it: always text, "" for nothing."""
    if value is None:
        return ""
    if isinstance(value, bool):
        return "true" if value else "false"
    return str(value)


def check(found: Property, value: Any, known: str = "") -> str:
    """The text to store for a written value ("" clears); raises Invalid. `known`: the value now."""
    text = plain(value)
    if text == "":
        return ""
    if found.read_only:
        raise Invalid(
            "READ_ONLY_VALUE", f'"{found.name}" is a read only property; its value cannot be set.'
        )
    if found.name == "email" and found.type == "string":
        return _email(text)
    checks = {
        "number": _number,
        "date": _date,
        "datetime": _datetime,
        "bool": _flag,
    }
    if found.type == "enumeration":
        return _choice(found, text, known)
    if found.type in checks:
        return checks[found.type](text)
    if len(text) > TEXT_LIMIT:
        raise Invalid("INVALID_LENGTH", f"{len(text)} characters are more than {TEXT_LIMIT}.")
    return text


def _email(text: str) -> str:
    address = text.strip().lower()
    if not _EMAIL.match(address):
        raise Invalid("INVALID_EMAIL", f"Email address {text[:200]} is invalid")
    return address


def _number(text: str) -> str:
    try:
        number = float(text) if "_" not in text else math.nan
    except ValueError:
        number = math.nan
    if not math.isfinite(number):
        raise Invalid("INVALID_INTEGER", f"{text[:200]} was not a valid number.")
    return text.strip()


def _date(text: str) -> str:
    try:
        milliseconds = read_time(text)
        shown = wire_time(milliseconds)
    except (ValueError, OverflowError):
        raise Invalid("INVALID_DATE", f"{text[:200]} was not a valid date.") from None
    if milliseconds % _DAY_MS:
        raise Invalid("INVALID_DATE", f"{text[:200]} is at {shown[11:-1]} UTC, not midnight!")
    return shown[:10]


def _datetime(text: str) -> str:
    try:
        return wire_time(read_time(text))
    except (ValueError, OverflowError):
        raise Invalid("INVALID_LONG", f"{text[:200]} was not a valid long.") from None


def _flag(text: str) -> str:
    if text.lower() not in ("true", "false"):
        raise Invalid(
            "INVALID_OPTION", f"{text[:200]} was not one of the allowed options: [true, false]"
        )
    return text.lower()


def _choice(found: Property, text: str, known: str) -> str:
    if found.external:
        return text
    several = found.field_type == "checkbox"
    values = [part for part in text.split(";") if part] if several else [text]
    allowed = list(options_of(found))
    for value in values:
        if value not in allowed:
            raise Invalid(
                "INVALID_OPTION",
                f"{value[:200]} was not one of the allowed options: [{', '.join(allowed)}]",
            )
    if several and text.startswith(";"):
        values = list(dict.fromkeys([*filter(None, known.split(";")), *values]))
    return ";".join(values)


def refusal(name: str, code: str, message: str, portal_id: int) -> Mapping[str, Any]:
    """One entry of the list inside "Property values were not valid: […]"."""
    return {
        "isValid": False,
        "message": message,
        "error": code,
        "name": name,
        "localizedErrorMessage": message,
        "portalId": portal_id,
    }
