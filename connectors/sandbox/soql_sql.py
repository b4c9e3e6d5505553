"""A SOQL tree to SQL over the sandbox's state: names checked, types checked, two-valued logic."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, time
from functools import lru_cache
from typing import Any

from connectors.sandbox.salesforce_schema import CRM, Field, SObject
from connectors.sandbox.soql import (
    Comparison,
    Condition,
    Junction,
    Negation,
    Path,
    Query,
    SoqlError,
    Value,
    pointed,
)

_STAMPS = {
    "CreatedDate": "created_at",
    "LastModifiedDate": "modified_at",
    "SystemModstamp": "modified_at",
}
_TEXTS = frozenset({"string", "picklist", "email", "phone", "url", "textarea", "combobox"})
_NUMBERS = frozenset({"int", "double", "currency", "percent"})
_COMPOUND = (
    "TRIM(COALESCE(json_extract({t}.fields,'$.FirstName')||' ','')"
    "||COALESCE(json_extract({t}.fields,'$.LastName'),''))"
)

#: Lookups that queries follow from the other side: each has an index over what is stored.
_LOOKUPS = (
    ("EmailMessageRelation", "EmailMessageId"),
    ("Lead", "ConvertedOpportunityId"),
    ("OpportunityContactRole", "OpportunityId"),
    ("Task", "WhoId"),
)
INDEXES = tuple(
    f"CREATE INDEX IF NOT EXISTS salesforce_{type_}_{name} ON object"
    f" (json_extract(fields,'$.{name}')) WHERE type='{type_}'"
    for type_, name in _LOOKUPS
)

EntityFinder = Callable[[str], SObject | None]


@dataclass(slots=True)
class Compiled:
    """SQL for the rows (columns of `object`, in order) and for their number, with parameters."""

    rows: str
    count: str
    parameters: list[Any]
    entity: SObject
    columns: tuple[tuple[str, ...], ...]  # canonical spelling, one tuple of parts per column


@dataclass(slots=True)
class _Scope:
    find: EntityFinder
    query: Query
    entity: SObject
    joins: dict[tuple[str, ...], str] = field(default_factory=dict)
    join_sql: list[str] = field(default_factory=list)


def compile_query(query: Query, find: EntityFinder, *, now_ms: int, deleted: bool) -> Compiled:
    """SQL for `query`; `find` gives an object type as this user sees it, None when they cannot.

    `deleted` includes the recycle bin and archived activities (queryAll). Raises SoqlError.
    """
    name = query.object
    entity = find(str(name))
    if entity is None:
        message = pointed(
            query.text,
            name.row,
            name.column,
            f"sObject type '{name}' is not supported. If you are attempting to use a custom object,"
            " be sure to append the '__c' after the entity name. Please reference your WSDL or the"
            " describe call for the appropriate names.",
        )
        raise SoqlError("INVALID_TYPE", message)
    scope = _Scope(find, query, entity)
    columns = tuple(canonical(scope, path) for path in query.columns)
    own = "+o.crm" if _looked_up(entity, query.where) else "o.crm"  # + keeps to the lookup's index
    conditions = [f"{own}='{CRM}'", f"o.type='{entity.name}'", "o.indexed_at<=?"]
    parameters: list[Any] = [now_ms]
    if not deleted:
        conditions.append("o.archived=0")
        if "isarchived" in entity.fields:
            conditions.append("NOT COALESCE(json_extract(o.fields,'$.IsArchived'),0)")
    if query.where is not None:
        sql, values = _condition(scope, query.where)
        conditions.append(sql)
        parameters += values
    order = [_sort(scope, sort.path, sort.descending, sort.nulls_last) for sort in query.order]
    source = f"FROM object o {' '.join(scope.join_sql)} WHERE {' AND '.join(conditions)}"
    tail = f" ORDER BY {', '.join(order or ['o.modified_at', 'o.id'])}"
    if query.limit is not None or query.offset:
        tail += f" LIMIT {-1 if query.limit is None else query.limit} OFFSET {query.offset}"
    return Compiled(
        rows=f"SELECT o.id {source}{tail}",
        count=f"SELECT COUNT(*) {source}",
        parameters=parameters,
        entity=entity,
        columns=columns,
    )


def canonical(scope: _Scope, path: Path) -> tuple[str, ...]:
    """The API's own spelling of a path's names; raises INVALID_FIELD for an unknown one."""
    _, found, parts = _walk(scope, path, join=False)
    return (*parts, found.name)


def _walk(scope: _Scope, path: Path, *, join: bool) -> tuple[str, Field, tuple[str, ...]]:
    """The SQL alias, the field and the canonical parents of a path."""
    entity, alias = scope.entity, "o"
    parts: tuple[str, ...] = ()
    names = path.parts
    if len(names) > 1 and names[0].lower() == entity.name.lower():
        names = names[1:]  # `SELECT Lead.Name FROM Lead` is allowed
    for name in names[:-1]:
        link = _relationship(entity, name)
        if link is None:
            raise _no_relationship(scope, path, name, entity)
        parts = (*parts, link.relationship)
        if join:
            alias = _join(scope, parts, alias, link)
        target = _target(scope, link)
        if target is None:
            raise _no_relationship(scope, path, name, entity)
        entity = target
    found = entity.fields.get(names[-1].lower())
    if found is None:
        raise _no_column(scope, path, names[-1], entity)
    return alias, found, parts


def _relationship(entity: SObject, name: str) -> Field | None:
    wanted = name.lower()
    return next((f for f in entity.fields.values() if f.relationship.lower() == wanted), None)


def _target(scope: _Scope, link: Field) -> SObject | None:
    """The parent's type; a polymorphic parent offers only the fields of Salesforce's `Name`."""
    if len(link.refers) == 1:
        return scope.find(link.refers[0])
    names = {"Id": "id", "Name": "string", "Type": "string", "FirstName": "string"}
    names |= {"LastName": "string", "Email": "email"}
    fields = {name.lower(): Field(name, kind, writable=False) for name, kind in names.items()}
    return SObject("Name", "", "Name", fields)


def _join(scope: _Scope, parts: tuple[str, ...], alias: str, link: Field) -> str:
    if parts not in scope.joins:
        joined = f"p{len(scope.joins)}"
        types = ", ".join(f"'{name}'" for name in link.refers)
        scope.join_sql.append(
            f"LEFT JOIN object {joined} ON {joined}.crm='{CRM}' AND {joined}.type IN ({types})"
            f" AND {joined}.id=json_extract({alias}.fields,'$.{link.name}')"
        )
        scope.joins[parts] = joined
    return scope.joins[parts]


def _expression(alias: str, found: Field) -> str:
    if found.name == "Id":
        return f"{alias}.id"
    if found.name == "IsDeleted":
        return f"{alias}.archived"
    if found.name in _STAMPS:
        return f"{alias}.{_STAMPS[found.name]}"
    if found.name == "Type" and alias != "o" and not found.picklist and not found.writable:
        return f"{alias}.type"
    if found.name == "Name" and not found.writable:
        stored = f"json_extract({alias}.fields,'$.Name')"
        return f"COALESCE({stored},{_COMPOUND.format(t=alias)})"
    plain = f"json_extract({alias}.fields,'$.{found.name}')"
    return f"COALESCE({plain},0)" if found.type == "boolean" else plain


def _sort(scope: _Scope, path: Path, descending: bool, nulls_last: bool) -> str:
    alias, found, _ = _walk(scope, path, join=True)
    if not found.filterable:
        message = f"field '{found.name}' can not be sorted in a query call"
        raise SoqlError("INVALID_FIELD", pointed(scope.query.text, path.row, path.column, message))
    text = _expression(alias, found)
    if found.type in _TEXTS:
        text += " COLLATE NOCASE"
    text += " DESC" if descending else ""
    if found.name in _STAMPS or found.name == "Id":
        return text  # never null: said without NULLS, so that the index gives the order
    return f"{text} NULLS {'LAST' if nulls_last else 'FIRST'}"


def _condition(scope: _Scope, condition: Condition) -> tuple[str, list[Any]]:
    if isinstance(condition, Negation):
        sql, values = _condition(scope, condition.part)
        return f"NOT {sql}", values
    if isinstance(condition, Junction):
        parts = [_condition(scope, part) for part in condition.parts]
        joined = f"({f' {condition.word.upper()} '.join(sql for sql, _ in parts)})"
        flat = [value for _, values in parts for value in values]
        floor = _floor(scope, condition) if condition.word.lower() == "or" else None
        if floor is not None:
            return f"({floor[0]}>=? AND {joined})", [floor[1], *flat]
        return joined, flat
    return _comparison(scope, condition)


def _floor(scope: _Scope, condition: Condition) -> tuple[str, int] | None:
    """The stamp and the milliseconds that all matching rows reach: the index then starts there."""
    if isinstance(condition, Junction):
        floors = [_floor(scope, part) for part in condition.parts]
        known = [floor for floor in floors if floor is not None]
        if condition.word.lower() == "and":
            return known[0] if known else None
        same = len(known) == len(floors) and len({name for name, _ in known}) == 1
        return min(known) if same else None
    if isinstance(condition, Negation) or condition.operator not in ("=", ">", ">="):
        return None
    alias, found, _ = _walk(scope, condition.path, join=False)
    if len(condition.path.parts) > 1 or found.name not in _STAMPS:
        return None
    if condition.values[0].kind == "null":
        return None
    value = int(_checked(scope, condition, found, condition.values[0]))
    return _expression(alias, found), value + 1_000 * (condition.operator == ">")


def _looked_up(entity: SObject, where: Condition | None) -> bool:
    """Whether rows are asked for by a lookup that has an index."""
    if isinstance(where, Junction) and where.word.lower() == "and":
        return any(_looked_up(entity, part) for part in where.parts)
    if not isinstance(where, Comparison) or where.operator not in ("=", "in"):
        return False
    found = entity.fields.get(where.path.parts[0].lower())
    plain = len(where.path.parts) == 1 and all(value.kind == "string" for value in where.values)
    return plain and found is not None and (entity.name, found.name) in _LOOKUPS


def _comparison(scope: _Scope, comparison: Comparison) -> tuple[str, list[Any]]:
    """One comparison as SQL that is never null: in SOQL a missing value simply does not match."""
    alias, found, _ = _walk(scope, comparison.path, join=True)
    if not found.filterable:
        raise _refused(
            scope,
            comparison,
            f"field '{found.name}' can not be filtered in a query call",
        )
    expression = _expression(alias, found)
    operator, values = comparison.operator, comparison.values
    if operator == "like":
        if found.type not in _TEXTS or values[0].kind != "string":
            raise _refused(scope, comparison, "invalid operator on field " + found.name)
        return f"COALESCE({expression} LIKE ? ESCAPE '\\', 0)", [values[0].pattern]
    if operator in ("in", "not_in"):
        sql, flat = _among(scope, comparison, found, expression)
        return (f"NOT {sql}" if operator == "not_in" else sql), flat
    if operator in ("=", "!="):
        sql, flat = _equals(scope, comparison, found, expression, values[0])
        return (f"NOT {sql}" if operator == "!=" else sql), flat
    if values[0].kind == "null" or found.type == "boolean":
        raise _refused(scope, comparison, f"invalid operator on {found.type} field")
    value = _checked(scope, comparison, found, values[0])
    if found.name in _STAMPS:
        return _stamp_range(expression, operator, value)
    collate = " COLLATE NOCASE" if found.type in _TEXTS else ""
    return f"COALESCE({expression} {operator} ?{collate}, 0)", [value]


def _among(
    scope: _Scope, comparison: Comparison, found: Field, expression: str
) -> tuple[str, list[Any]]:
    """One of a list; ids are looked up as a set, since a stored value is costly to take out."""
    values = comparison.values
    if found.type in ("id", "reference") and all(value.kind == "string" for value in values):
        ids = [_checked(scope, comparison, found, value) for value in values]
        return _never_null(expression, f"IN ({','.join('?' * len(ids))})"), ids
    parts = [_equals(scope, comparison, found, expression, value) for value in values]
    sql = "(" + " OR ".join(sql for sql, _ in parts) + ")"
    return sql, [value for _, some in parts for value in some]


def _never_null(expression: str, comparison: str) -> str:
    """False for a missing value, in a form that an index can serve."""
    return f"({expression} {comparison} AND {expression} IS NOT NULL)"


def _equals(
    scope: _Scope,
    comparison: Comparison,
    found: Field,
    expression: str,
    literal: Value,
) -> tuple[str, list[Any]]:
    if literal.kind == "null":
        return f"({expression} IS NULL)", []
    value = _checked(scope, comparison, found, literal)
    if found.name in _STAMPS:
        return f"({expression}>=? AND {expression}<?)", [value, value + 1_000]
    if found.type in ("id", "reference"):
        return _never_null(expression, "=?"), [value]
    collate = " COLLATE NOCASE" if found.type in _TEXTS else ""
    return f"COALESCE({expression}=?{collate}, 0)", [value]


def _stamp_range(expression: str, operator: str, milliseconds: int) -> tuple[str, list[Any]]:
    """Stamps have whole seconds on the wire: compare as if the stored ones were cut, by range."""
    return {
        ">=": (f"{expression}>=?", [milliseconds]),
        "<": (f"{expression}<?", [milliseconds]),
        ">": (f"{expression}>=?", [milliseconds + 1_000]),
        "<=": (f"{expression}<?", [milliseconds + 1_000]),
    }[operator]


def _checked(scope: _Scope, comparison: Comparison, found: Field, literal: Value) -> Any:
    """The literal as stored values of that field look; raises INVALID_FIELD for a wrong type."""
    kind, value = found.type, literal.value
    if kind in _TEXTS and literal.kind == "string":
        return value
    if kind in ("id", "reference") and literal.kind == "string":
        return long_id(value)
    if kind in _NUMBERS and literal.kind == "number":
        return value
    if kind == "boolean" and literal.kind == "boolean":
        return int(value)
    if kind == "date" and literal.kind == "date":
        return value.isoformat()
    if kind == "datetime" and literal.kind in ("datetime", "date"):
        moment = _moment(value).replace(microsecond=0)
        if found.name in _STAMPS:
            return int(moment.timestamp()) * 1_000
        return wire_time(int(moment.timestamp()) * 1_000)
    wanted = {"datetime": "dateTime", "reference": "id"}.get(kind, kind)
    wanted = "string" if kind in _TEXTS else wanted
    quoted = "should" if kind in _TEXTS or kind in ("id", "reference") else "should not"
    raise _refused(
        scope,
        comparison,
        f"value of filter criterion for field '{found.name}' must be of type {wanted} and"
        f" {quoted} be enclosed in quotes",
    )


def _moment(value: datetime | date) -> datetime:
    return value if isinstance(value, datetime) else datetime.combine(value, time(), UTC)


def _refused(scope: _Scope, comparison: Comparison, message: str) -> SoqlError:
    path = comparison.path
    return SoqlError("INVALID_FIELD", pointed(scope.query.text, path.row, path.column, message))


def _no_column(scope: _Scope, path: Path, name: str, entity: SObject) -> SoqlError:
    message = (
        f"No such column '{name}' on entity '{entity.name}'. If you are attempting to use a custom"
        " field, be sure to append the '__c' after the custom field name. Please reference your"
        " WSDL or the describe call for the appropriate names."
    )
    return SoqlError("INVALID_FIELD", pointed(scope.query.text, path.row, path.column, message))


def _no_relationship(scope: _Scope, path: Path, name: str, entity: SObject) -> SoqlError:
    message = (
        f"Didn't understand relationship '{name}' in field path. If you are attempting to use a"
        " custom relationship, be sure to append the '__r' after the custom relationship name."
        " Please reference your WSDL or the describe call for the appropriate names."
    )
    return SoqlError("INVALID_FIELD", pointed(scope.query.text, path.row, path.column, message))


@lru_cache(maxsize=4_096)
def wire_time(milliseconds: int) -> str:
    """A point in time as Salesforce writes it: whole seconds, `.000`, `+0000`."""
    moment = datetime.fromtimestamp(milliseconds // 1_000, UTC)
    return moment.strftime("%Y-%m-%dT%H:%M:%S.000+0000")


def long_id(text: str) -> str:
    """An 18-character id from a 15-character one; anything else as it is.

    The three extra characters encode which of the fifteen are capitals (object reference, "ID").
    """
    if len(text) != 15 or not text.isalnum():
        return text
    alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZ012345"
    bits = [sum(1 << i for i, c in enumerate(text[k : k + 5]) if c.isupper()) for k in (0, 5, 10)]
    return text + "".join(alphabet[value] for value in bits)
