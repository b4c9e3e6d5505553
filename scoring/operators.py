"""What a rule can ask about a fact: one table, read by the parser, the engine, docs and tests."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, TypeVar

from scoring.amounts import read_flag, read_number
from scoring.leads import FieldValue, utc
from scoring.patterns import compile_pattern
from scoring.times import parse_time

#: Every type a fact can have -> in words.
FACT_TYPES: dict[str, str] = {
    "text": "a text",
    "choice": "a choice",
    "number": "a number",
    "flag": "true or false",
    "list": "a list",
    "date": "a date",
}
DAY_US = 86_400_000_000  # microseconds; ages are whole microseconds, so that comparisons are exact
_MICROSECOND = timedelta(microseconds=1)

#: A fact's value as operators see it: texts folded, dates as their age at `now` in microseconds.
Value = str | int | float | bool | tuple[str, ...]
Argument = str | int | float | bool | tuple[str, ...] | tuple[int | float, ...]
Predicate = Callable[[Any], bool]
T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Operator:
    """One way to ask: `prepare(argument)` gives the test of one known value."""

    label: str  # "is at least"
    accepts: frozenset[str]  # FACT_TYPES
    argument: str  # "value", "values", "number", "range", "texts", "pattern", "true", "days"
    prepare: Callable[[Any], Predicate]
    example: str  # one line for the documentation
    asks_known: bool = False  # True: it also answers for an unknown fact

    def test(self, value: Value, argument: Argument) -> bool:
        """Whether `value` (as `read_value` gives it) passes; for one-off use and tests."""
        return self.prepare(argument)(value)


def fold(text: str) -> str:
    """Text as it is compared: trimmed, without upper and lower case."""
    return text.strip().casefold()


def days_us(days: float) -> int:
    """Days as whole microseconds."""
    return round(days * DAY_US)


def age_us(moment: datetime, now: datetime) -> int:
    """Whole microseconds from `moment` to `now`, negative for the future; both must be aware."""
    return (now - moment) // _MICROSECOND


def _text(value: FieldValue, now: datetime) -> Value | None:
    return (fold(value) or None) if isinstance(value, str) else None


def _number(value: FieldValue, now: datetime) -> Value | None:
    if isinstance(value, str):
        return _understood(read_number, value)
    if isinstance(value, bool) or not isinstance(value, int | float):
        return None
    try:
        number = float(value)  # all numbers are doubles, so that one and many leads compare alike
    except OverflowError:
        return None
    return number if math.isfinite(number) else None


def _flag(value: FieldValue, now: datetime) -> Value | None:
    if isinstance(value, str):
        return _understood(read_flag, value)
    return value if isinstance(value, bool) else None


def _list(value: FieldValue, now: datetime) -> Value | None:
    if isinstance(value, str):  # both CRMs separate what was ticked by semicolons
        return tuple(word for word in map(fold, value.split(";")) if word)
    return tuple(fold(item) for item in value) if isinstance(value, tuple) else None


def _date(value: FieldValue, now: datetime) -> Value | None:
    moment = moment_of(value)
    return None if moment is None else age_us(moment, now)


def moment_of(value: FieldValue) -> datetime | None:
    """The instant that a date's value means, in UTC; None when it is not usable."""
    if isinstance(value, str):
        return _understood(parse_time, value)
    return utc(value) if isinstance(value, datetime) and value.tzinfo else None


def _understood(read: Callable[[str], T], text: str) -> T | None:
    try:
        return read(text)
    except ValueError:
        return None


#: How a fact of each type is read. A CRM's own fields arrive as text and are read as the type that
#: the rules give them; any other value of another type counts as unknown.
READERS: Mapping[str, Callable[[FieldValue, datetime], Value | None]] = {
    "text": _text,
    "choice": _text,
    "number": _number,
    "flag": _flag,
    "list": _list,
    "date": _date,
}


def read_value(fact_type: str, value: FieldValue, now: datetime) -> Value | None:
    """`value` as operators of `fact_type` see it; None (unknown) when it is not usable."""
    return READERS[fact_type](value, now)


def _folded(argument: Any) -> Any:
    return fold(argument) if isinstance(argument, str) else argument


def _equals(argument: Any) -> Predicate:
    wanted = _folded(argument)
    return lambda value: bool(value == wanted)


def _in(argument: Any) -> Predicate:
    wanted = frozenset(map(_folded, argument))
    return lambda value: value in wanted


def _not_in(argument: Any) -> Predicate:
    wanted = frozenset(map(_folded, argument))
    return lambda value: value not in wanted


def _not_equals(argument: Any) -> Predicate:
    wanted = _folded(argument)
    return lambda value: bool(value != wanted)


def _above(argument: Any) -> Predicate:
    return lambda value: bool(value > argument)


def _below(argument: Any) -> Predicate:
    return lambda value: bool(value < argument)


def _at_least(argument: Any) -> Predicate:
    return lambda value: bool(value >= argument)


def _at_most(argument: Any) -> Predicate:
    return lambda value: bool(value <= argument)


def _between(argument: Any) -> Predicate:
    low, high = argument
    return lambda value: bool(low <= value <= high)


def _contains(argument: Any) -> Predicate:
    wanted = tuple(map(fold, argument))
    if len(wanted) == 1:
        only = wanted[0]
        return lambda value: only in value

    def contains_any(value: str) -> bool:
        for word in wanted:  # noqa: SIM110  # any() with a generator takes twice as long
            if word in value:
                return True
        return False

    return contains_any


def _starts_with(argument: Any) -> Predicate:
    wanted = tuple(map(fold, argument))
    return lambda value: bool(value.startswith(wanted))


def _ends_with(argument: Any) -> Predicate:
    wanted = tuple(map(fold, argument))
    return lambda value: bool(value.endswith(wanted))


def _any_of(argument: Any) -> Predicate:
    wanted = frozenset(map(fold, argument))
    return lambda value: not wanted.isdisjoint(value)


def _all_of(argument: Any) -> Predicate:
    wanted = frozenset(map(fold, argument))
    return lambda value: wanted.issubset(value)


def _none_of(argument: Any) -> Predicate:
    wanted = frozenset(map(fold, argument))
    return lambda value: wanted.isdisjoint(value)


def _always(argument: Any) -> Predicate:
    return lambda value: True


def _never(argument: Any) -> Predicate:
    return lambda value: False


def _is_true(argument: Any) -> Predicate:
    return lambda value: value is True


def _is_false(argument: Any) -> Predicate:
    return lambda value: value is False


def _within_days(argument: Any) -> Predicate:
    span = days_us(argument)
    return lambda age: bool(0 <= age <= span)


def _older_than_days(argument: Any) -> Predicate:
    span = days_us(argument)
    return lambda age: bool(age > span)


_TEXT = frozenset({"text", "choice"})
_SCALAR = frozenset({"text", "choice", "number"})

#: Every operator: its name in a rule document -> how it is read, shown and evaluated.
OPERATORS: dict[str, Operator] = {
    "equals": Operator(
        "is", _SCALAR | {"flag"}, "value", _equals, "email_kind: {equals: business}"
    ),
    "not_equals": Operator(
        "is not", _SCALAR, "value", _not_equals, "email_kind: {not_equals: free}"
    ),
    "in": Operator("is one of", _SCALAR, "values", _in, "country: {in: [US, CA, GB]}"),
    "not_in": Operator("is none of", _SCALAR, "values", _not_in, "country: {not_in: [US, CA]}"),
    "at_least": Operator(
        "is at least",
        frozenset({"number"}),
        "number",
        _at_least,
        "employees: {at_least: 50}",
    ),
    "at_most": Operator(
        "is at most",
        frozenset({"number"}),
        "number",
        _at_most,
        "employees: {at_most: 10}",
    ),
    "above": Operator(
        "is above", frozenset({"number"}), "number", _above, "employees: {above: 50}"
    ),
    "below": Operator(
        "is below", frozenset({"number"}), "number", _below, "employees: {below: 10}"
    ),
    "between": Operator(
        "is between",
        frozenset({"number"}),
        "range",
        _between,
        "employees: {between: [50, 1000]}",
    ),
    "contains": Operator(
        "contains", _TEXT, "texts", _contains, "industry: {contains: [software, saas]}"
    ),
    "starts_with": Operator(
        "starts with", _TEXT, "texts", _starts_with, "job_title: {starts_with: head of}"
    ),
    "ends_with": Operator("ends with", _TEXT, "texts", _ends_with, "domain: {ends_with: .edu}"),
    "matches": Operator(
        "matches", _TEXT, "pattern", compile_pattern, r"job_title: {matches: '\bvp\b'}"
    ),
    "any_of": Operator(
        "has any of",
        frozenset({"list"}),
        "values",
        _any_of,
        "text_need: {any_of: [pricing]}",
    ),
    "all_of": Operator(
        "has all of",
        frozenset({"list"}),
        "values",
        _all_of,
        "text_need: {all_of: [pricing, demo]}",
    ),
    "none_of": Operator(
        "has none of",
        frozenset({"list"}),
        "values",
        _none_of,
        "text_need: {none_of: [support]}",
    ),
    "is_known": Operator(
        "is known",
        frozenset(FACT_TYPES),
        "true",
        _always,
        "phone_valid: {is_known: true}",
        True,
    ),
    "is_unknown": Operator(
        "is unknown",
        frozenset(FACT_TYPES),
        "true",
        _never,
        "domain: {is_unknown: true}",
        True,
    ),
    "is_true": Operator(
        "is true", frozenset({"flag"}), "true", _is_true, "phone_valid: {is_true: true}"
    ),
    "is_false": Operator(
        "is false",
        frozenset({"flag"}),
        "true",
        _is_false,
        "phone_valid: {is_false: true}",
    ),
    "within_days": Operator(
        "is within days",
        frozenset({"date"}),
        "days",
        _within_days,
        "trial_started: {within_days: 14}",
    ),
    "older_than_days": Operator(
        "is older than days",
        frozenset({"date"}),
        "days",
        _older_than_days,
        "last_order: {older_than_days: 365}",
    ),
}
#: Operators that conditions on an engagement's detail (url, form, campaign, subject) may use.
DETAIL_OPERATORS = (
    "equals",
    "not_equals",
    "in",
    "not_in",
    "contains",
    "starts_with",
    "ends_with",
    "matches",
)
