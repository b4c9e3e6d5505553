"""HubSpot's search language over the state's index: filters to SQL, with their limits."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from connectors.sandbox.hubspot_records import ApiError, Portal
from connectors.sandbox.hubspot_schema import CRM, ObjectType, Property, object_type
from connectors.sandbox.hubspot_values import plain, read_time, wire_time

GROUPS, FILTERS_IN_GROUP, FILTERS = 5, 6, 18
PAGE_DEFAULT, PAGE_LIMIT, CEILING = 10, 200, 10_000
BODY_LIMIT = 3_000
_COMPARISONS = {"EQ": "=", "NEQ": "<>", "LT": "<", "LTE": "<=", "GT": ">", "GTE": ">="}
_WORD = re.compile(r"[^\W_]+", re.UNICODE)
_SEARCHED = {
    "contacts": ("firstname", "lastname", "email", "phone", "company"),
    "companies": ("name", "domain", "website", "phone"),
    "deals": ("dealname",),
}


def search(portal: Portal, kind: ObjectType, body: Mapping[str, Any], size: int) -> dict[str, Any]:
    """The answer to a search whose request body has `size` characters; raises ApiError.

    Sees what is in the index by now: a change appears there some time after it was made.
    """
    if size > BODY_LIMIT:
        raise _refused(f"The request body has {size} characters: at most {BODY_LIMIT} are allowed")
    known = portal.properties(kind)
    query = _Query(kind, known)
    condition, values = query.where(body)
    limit = _number(body.get("limit"), PAGE_DEFAULT, "limit")
    after = _number(body.get("after"), 0, "after")
    if not 0 <= limit <= PAGE_LIMIT:
        raise _refused(f"limit {limit} is not between 0 and {PAGE_LIMIT}")
    if after + limit > CEILING:
        raise _refused(f"Paging beyond {CEILING} results is not possible: narrow the filters")
    where = f"crm=? AND type=? AND archived=0 AND indexed_at<=?{condition}"
    bound = [CRM, kind.name, portal.now_ms(), *values]
    total = int(portal.state.query(f"SELECT COUNT(*) FROM object WHERE {where}", bound)[0][0])
    order = query.order(body.get("sorts"))
    # the page is found in the index alone where the filters allow, and only its rows are read
    found = portal.state.query(
        f"SELECT id FROM object WHERE {where} ORDER BY {order} LIMIT ? OFFSET ?",
        [*bound, limit, after],
    )
    ids = [str(row[0]) for row in found]
    marks = ",".join("?" * len(ids))
    by_id = {
        row.id: row
        for row in portal.state.select(
            f"crm=? AND type=? AND id IN ({marks})", [CRM, kind.name, *ids]
        )
    }
    rows = [by_id[i] for i in ids]
    wanted = _names(body.get("properties"))
    answer: dict[str, Any] = {
        "total": total,
        "results": [portal.wire(kind, row, wanted, known) for row in rows],
    }
    if after + len(rows) < total and rows:
        answer["paging"] = {"next": {"after": str(after + len(rows))}}
    return answer


def tokens(text: str | None, pattern: str) -> bool:
    """Whether a text holds a word that matches the pattern (`*` stands for any characters)."""
    wanted = "".join(".*" if c == "*" else re.escape(c) for c in pattern.lower())
    whole = re.compile(rf"(?:^|[^\w]){wanted}(?:[^\w]|$)", re.UNICODE)
    return bool(text) and whole.search(str(text).lower()) is not None


class _Query:
    """Turns the filters of one request into an SQL condition over the `object` table."""

    def __init__(self, kind: ObjectType, known: Mapping[str, Property]) -> None:
        self._kind = kind
        self._known = known

    def where(self, body: Mapping[str, Any]) -> tuple[str, list[Any]]:
        """The condition (beginning with AND, or empty) and its bound values."""
        groups = body.get("filterGroups") or []
        if not groups and body.get("filters"):
            groups = [{"filters": body["filters"]}]
        if not isinstance(groups, list) or not all(isinstance(g, Mapping) for g in groups):
            raise _refused("filterGroups must be a list of groups")
        found = [group.get("filters") or [] for group in groups]
        if len(found) > GROUPS or any(len(filters) > FILTERS_IN_GROUP for filters in found):
            raise _refused(
                f"At most {GROUPS} filterGroups of {FILTERS_IN_GROUP} filters are allowed"
            )
        if sum(len(filters) for filters in found) > FILTERS:
            raise _refused(f"At most {FILTERS} filters are allowed in all")
        parts, bound = [], []
        for filters in found:
            if filters:
                conditions = [self._filter(one) for one in filters]
                parts.append("(" + " AND ".join(sql for sql, _ in conditions) + ")")
                bound += [value for _, values in conditions for value in values]
        condition = f" AND ({' OR '.join(parts)})" if parts else ""
        words, extra = self._words(plain(body.get("query")))
        return condition + words, bound + extra

    def order(self, sorts: Any) -> str:
        """The ORDER BY list: one rule at most, oldest first without one."""
        if sorts is None or sorts == []:
            return "created_at, number"
        if not isinstance(sorts, list) or len(sorts) > 1:
            raise _refused("Only one sort rule is allowed")
        rule = sorts[0]
        if isinstance(rule, Mapping):
            name = plain(rule.get("propertyName"))
            down = plain(rule.get("direction")).upper().startswith("DESC")
        else:
            name, down = plain(rule).lstrip("-"), plain(rule).startswith("-")
        column = self._column(name)
        direction = "DESC" if down else "ASC"
        return f"number {direction}" if column == "number" else f"{column} {direction}, number"

    def _column(self, name: str) -> str:
        if name == "hs_object_id":
            return "number"
        if name == self._kind.modified:
            return "modified_at"
        if name in (self._kind.created, "hs_createdate"):
            return "created_at"
        found = self._known.get(name)
        if found is None:
            raise _refused(f"Property '{name}' does not exist")
        text = f"json_extract(fields, '$.\"{name}\"')"
        return f"CAST({text} AS REAL)" if found.type == "number" else text

    def _words(self, query: str) -> tuple[str, list[Any]]:
        names = _SEARCHED.get(self._kind.name, ())
        sql, bound = "", []
        for word in _WORD.findall(query.lower()) if names else ():
            sql += " AND (" + " OR ".join(f"hs_token({self._column(n)}, ?)" for n in names) + ")"
            bound += [f"{word}*"] * len(names)
        return sql, bound

    def _filter(self, one: Any) -> tuple[str, list[Any]]:
        if not isinstance(one, Mapping):
            raise _refused("a filter must be an object")
        name, operator = plain(one.get("propertyName")), plain(one.get("operator")).upper()
        if name.startswith("associations."):
            return self._association(name, operator, one)
        column = self._column(name)
        if operator in ("HAS_PROPERTY", "NOT_HAS_PROPERTY"):
            if one.get("value") is not None or one.get("values"):
                raise _refused(f"operator {operator} must not have a value")
            return f"{column} IS {'NOT ' if operator[0] == 'H' else ''}NULL", []
        read, folded = self._reader(name)
        if operator in _COMPARISONS:
            left = f"lower({column})" if folded else column
            return f"{left} {_COMPARISONS[operator]} ?", [read(self._given(one, "value"))]
        if operator == "BETWEEN":
            low, high = read(self._given(one, "value")), read(self._given(one, "highValue"))
            return f"{column} BETWEEN ? AND ?", [low, high]
        if operator in ("IN", "NOT_IN"):
            # text is compared lower-cased on HubSpot's side only: values must come in lower case
            values = one.get("values")
            if not isinstance(values, Sequence) or isinstance(values, str) or not values:
                raise _refused(f"operator {operator} requires values")
            left = f"lower({column})" if folded else column
            bound = [plain(v) if folded else read(plain(v)) for v in values]
            marks = ",".join("?" * len(bound))
            return f"{left} {'NOT ' if operator[0] == 'N' else ''}IN ({marks})", bound
        if operator in ("CONTAINS_TOKEN", "NOT_CONTAINS_TOKEN"):
            hit = "" if operator[0] == "C" else "NOT "
            return f"{hit}hs_token({column}, ?)", [self._given(one, "value")]
        raise _refused(f"operator {operator or 'none'} is not known")

    def _association(
        self, name: str, operator: str, one: Mapping[str, Any]
    ) -> tuple[str, list[Any]]:
        target = object_type(name.partition(".")[2])
        if target is None:
            raise _refused(f"Property '{name}' does not exist")
        values = one.get("values") if operator == "IN" else [self._given(one, "value")]
        if operator not in ("EQ", "IN") or not isinstance(values, list):
            raise _refused(f"operator {operator} is not possible for {name}")
        marks = ",".join("?" * len(values))
        sql = (
            "id IN (SELECT from_id FROM link WHERE crm=? AND from_type=? AND to_type=?"
            f" AND to_id IN ({marks}))"
        )
        return sql, [CRM, self._kind.name, target.name, *map(plain, values)]

    @staticmethod
    def _given(one: Mapping[str, Any], key: str) -> str:
        value = one.get(key)
        if value is None or value == "":
            raise _refused(f"operator {one.get('operator')} requires {key}")
        return plain(value)

    def _reader(self, name: str) -> tuple[Callable[[str], Any], bool]:
        """How a filter value is read, and whether the comparison ignores case."""
        if name in (self._kind.modified, self._kind.created, "hs_createdate"):
            return _moment, False
        if name == "hs_object_id" or self._known[name].type == "number":
            return _quantity, False
        if self._known[name].type in ("datetime", "date"):
            short = self._known[name].type == "date"
            return lambda text: wire_time(_moment(text))[: 10 if short else None], False
        if self._known[name].type in ("enumeration", "bool"):
            return str, False
        return str.lower, True


def _moment(text: str) -> int:
    try:
        found = read_time(text)
    except (ValueError, OverflowError):
        raise _refused(f"{text[:100]} was not a valid date") from None
    if found == 0:  # theirs fails at the epoch itself
        raise ApiError(500, "INTERNAL_ERROR", "internal error")
    return found


def _quantity(text: str) -> float:
    try:
        return float(text)
    except ValueError:
        raise _refused(f"{text[:100]} was not a valid number") from None


def _number(value: Any, default: int, name: str) -> int:
    if value is None or value == "":
        return default
    try:
        return int(value)
    except (TypeError, ValueError):
        raise _refused(f"{name} must be a number") from None


def _names(value: Any) -> list[str]:
    return [plain(name) for name in value] if isinstance(value, list) else []


def _refused(message: str) -> ApiError:
    return ApiError(400, "VALIDATION_ERROR", f"There was a problem with the request: {message}")
