"""SOQL text to a tree: the query language's own grammar, with its own error messages."""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import UTC, date, datetime
from typing import Any, Literal

from lark import Lark, Token, Transformer, UnexpectedInput
from lark.exceptions import UnexpectedCharacters, UnexpectedToken, VisitError

#: Salesforce's limits on a statement and on one text in it, in characters.
STATEMENT_LIMIT = 100_000
STRING_LIMIT = 4_000
#: The largest OFFSET Salesforce accepts.
OFFSET_LIMIT = 2_000

_GRAMMAR = r"""
start: SELECT select FROM PATH where? order? limit? offset?

select: COUNT "(" ")"             -> count
      | PATH ("," PATH)*          -> columns

where: WHERE condition
?condition: operand
          | operand (AND operand)+ -> all_of
          | operand (OR operand)+  -> any_of
?operand: "(" condition ")"
        | NOT operand             -> negation
        | comparison
comparison: PATH OPERATOR value   -> compare
          | PATH LIKE value       -> like
          | PATH IN "(" value ("," value)* ")"     -> within
          | PATH NOT IN "(" value ("," value)* ")" -> outside

order: ORDER BY sort ("," sort)*
sort: PATH DIRECTION? nulls?
nulls: NULLS PLACE
limit: LIMIT INTEGER
offset: OFFSET INTEGER

?value: STRING   -> string
      | DATETIME -> moment
      | DATE     -> day
      | DECIMAL  -> number
      | INTEGER  -> number
      | TRUE     -> true
      | FALSE    -> false
      | NULL     -> null

SELECT.3: /SELECT\b/i
FROM.3: /FROM\b/i
WHERE.3: /WHERE\b/i
AND.3: /AND\b/i
OR.3: /OR\b/i
NOT.3: /NOT\b/i
LIKE.3: /LIKE\b/i
IN.3: /IN\b/i
ORDER.3: /ORDER\b/i
BY.3: /BY\b/i
NULLS.3: /NULLS\b/i
PLACE.3: /(FIRST|LAST)\b/i
DIRECTION.3: /(ASC|DESC)\b/i
LIMIT.3: /LIMIT\b/i
OFFSET.3: /OFFSET\b/i
COUNT.3: /COUNT(?=\s*\()/i
TRUE.3: /TRUE\b/i
FALSE.3: /FALSE\b/i
NULL.3: /NULL\b/i
OPERATOR: /<=|>=|!=|<>|=|<|>/
PATH: /[A-Za-z][A-Za-z0-9_]*(\.[A-Za-z][A-Za-z0-9_]*)*/
STRING: /'(\\.|[^'\\])*'/s
DATETIME.5: /\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?(Z|[+-]\d\d:?\d\d)/i
DATE.4: /\d{4}-\d\d-\d\d(?![T\d])/
DECIMAL.3: /[+-]?\d+\.\d+/
INTEGER.2: /[+-]?\d+/
%ignore /\s+/
"""

_ESCAPES = {
    "n": "\n",
    "r": "\r",
    "t": "\t",
    "b": "\b",
    "f": "\f",
    '"': '"',
    "'": "'",
    "\\": "\\",
}
_ESCAPE = re.compile(r"\\(u[0-9a-fA-F]{4}|.)", re.DOTALL)


class SoqlError(Exception):
    """A query Salesforce would refuse: its error code, its message, and where it points to."""

    def __init__(self, code: str, message: str) -> None:
        super().__init__(message)
        self.code = code
        self.message = message


@dataclass(frozen=True, slots=True)
class Path:
    """A field, perhaps through parents: `Account.Name`; `column` counts characters from 1."""

    parts: tuple[str, ...]
    row: int = 1
    column: int = 1

    def __str__(self) -> str:
        return ".".join(self.parts)


@dataclass(frozen=True, slots=True)
class Value:
    """A value in a query; `pattern` is the same text with its LIKE escapes left in."""

    kind: Literal["string", "number", "datetime", "date", "boolean", "null"]
    value: Any
    pattern: str = ""


@dataclass(frozen=True, slots=True)
class Comparison:
    """`operator` is one of = != < <= > >= like in not_in; several values only for the last two."""

    path: Path
    operator: str
    values: tuple[Value, ...]


@dataclass(frozen=True, slots=True)
class Junction:
    """Conditions that must all (`and`) or not all fail (`or`) hold."""

    word: Literal["and", "or"]
    parts: tuple[Condition, ...]


@dataclass(frozen=True, slots=True)
class Negation:
    """A condition that must not hold."""

    part: Condition


Condition = Comparison | Junction | Negation


@dataclass(frozen=True, slots=True)
class Sort:
    """One ORDER BY term; Salesforce puts nulls first unless told otherwise."""

    path: Path
    descending: bool = False
    nulls_last: bool = False


@dataclass(frozen=True, slots=True)
class Query:
    """One SELECT; no columns means COUNT()."""

    text: str
    columns: tuple[Path, ...]
    object: Path
    where: Condition | None = None
    order: tuple[Sort, ...] = ()
    limit: int | None = None
    offset: int = 0


def parse(text: str) -> Query:
    """The tree of a SOQL statement; raises SoqlError with Salesforce's code and wording."""
    if len(text) > STATEMENT_LIMIT:
        raise SoqlError(
            "MALFORMED_QUERY",
            "SOQL statements cannot be longer than 100000 characters.",
        )
    try:
        tree = _PARSER.parse(text)
        query: Query = _Builder(text).transform(tree)
    except UnexpectedInput as error:
        raise _malformed(text, error) from None
    except VisitError as error:
        if isinstance(error.orig_exc, SoqlError):
            raise error.orig_exc from None
        raise
    if query.offset > OFFSET_LIMIT:
        raise SoqlError(
            "NUMBER_OUTSIDE_VALID_RANGE",
            f"Maximum SOQL offset allowed is {OFFSET_LIMIT}",
        )
    return query


def pointed(text: str, row: int, column: int, message: str) -> str:
    """Salesforce's picture of an error: the line, a caret, the place, and what is wrong."""
    lines = text.split("\n")
    line = lines[row - 1] if 0 < row <= len(lines) else ""
    start = max(0, column - 40)
    excerpt = line[start : column + 40]
    caret = " " * (column - 1 - start) + "^"
    return f"\n{excerpt}\n{caret}\nERROR at Row:{row}:Column:{column}\n{message}"


def _malformed(text: str, error: UnexpectedInput) -> SoqlError:
    if isinstance(error, UnexpectedToken) and error.token.type == "$END":
        return SoqlError("MALFORMED_QUERY", "unexpected token: '<EOF>'")
    if isinstance(error, UnexpectedToken):
        word = str(error.token)
    elif isinstance(error, UnexpectedCharacters):
        found = re.compile(r"[A-Za-z0-9_.]+|.", re.DOTALL).match(text, error.pos_in_stream or 0)
        word = found[0] if found else ""
    else:
        return SoqlError("MALFORMED_QUERY", "unexpected token: '<EOF>'")
    message = pointed(text, error.line, error.column, f"unexpected token: '{word}'")
    return SoqlError("MALFORMED_QUERY", message)


class _Builder(Transformer[Token, Query]):
    """Tree nodes to our own; one method per grammar rule."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self._text = text

    def start(self, children: list[Any]) -> Query:
        columns, entity = children[1], _path(children[3])
        clauses = dict(children[4:])
        return Query(text=self._text, columns=columns, object=entity, **clauses)

    def count(self, _: list[Any]) -> tuple[Path, ...]:
        return ()

    def columns(self, names: list[Token]) -> tuple[Path, ...]:
        return tuple(map(_path, names))

    def where(self, children: list[Any]) -> tuple[str, Condition]:
        return "where", children[1]

    def all_of(self, children: list[Any]) -> Junction:
        return Junction("and", tuple(part for part in children if not isinstance(part, Token)))

    def any_of(self, children: list[Any]) -> Junction:
        return Junction("or", tuple(part for part in children if not isinstance(part, Token)))

    def negation(self, children: list[Any]) -> Negation:
        return Negation(children[1])

    def compare(self, children: list[Any]) -> Comparison:
        name, operator, value = children
        return Comparison(_path(name), {"<>": "!="}.get(operator, str(operator)), (value,))

    def like(self, children: list[Any]) -> Comparison:
        return Comparison(_path(children[0]), "like", (children[2],))

    def within(self, children: list[Any]) -> Comparison:
        return Comparison(_path(children[0]), "in", tuple(children[2:]))

    def outside(self, children: list[Any]) -> Comparison:
        return Comparison(_path(children[0]), "not_in", tuple(children[3:]))

    def order(self, children: list[Any]) -> tuple[str, tuple[Sort, ...]]:
        return "order", tuple(part for part in children if isinstance(part, Sort))

    def sort(self, children: list[Any]) -> Sort:
        words = {str(word).upper() for word in children[1:]}
        return Sort(_path(children[0]), "DESC" in words, "LAST" in words)

    def nulls(self, children: list[Token]) -> str:
        return str(children[1])

    def limit(self, children: list[Token]) -> tuple[str, int]:
        return "limit", _whole(children[1])

    def offset(self, children: list[Token]) -> tuple[str, int]:
        return "offset", _whole(children[1])

    def string(self, children: list[Token]) -> Value:
        body = str(children[0])[1:-1]
        if len(body) > STRING_LIMIT:
            raise SoqlError(
                "MALFORMED_QUERY",
                f"string literal is longer than {STRING_LIMIT} characters",
            )
        return Value("string", _unescape(body, pattern=False), _unescape(body, pattern=True))

    def number(self, children: list[Token]) -> Value:
        text = str(children[0])
        return Value("number", float(text) if "." in text else int(text))

    def moment(self, children: list[Token]) -> Value:
        try:
            moment = datetime.fromisoformat(str(children[0]).upper())
        except ValueError:
            raise SoqlError(
                "INVALID_QUERY_FILTER_OPERATOR", f"invalid date: {children[0]}"
            ) from None
        return Value("datetime", moment.astimezone(UTC))

    def day(self, children: list[Token]) -> Value:
        try:
            return Value("date", date.fromisoformat(str(children[0])))
        except ValueError:
            raise SoqlError(
                "INVALID_QUERY_FILTER_OPERATOR", f"invalid date: {children[0]}"
            ) from None

    def true(self, _: list[Token]) -> Value:
        return Value("boolean", True)

    def false(self, _: list[Token]) -> Value:
        return Value("boolean", False)

    def null(self, _: list[Token]) -> Value:
        return Value("null", None)


def _path(token: Token) -> Path:
    return Path(tuple(str(token).split(".")), token.line or 1, token.column or 1)


def _whole(token: Token) -> int:
    number = int(token)
    if number < 0:
        raise SoqlError("MALFORMED_QUERY", f"unexpected token: '{token}'")
    return number


def _unescape(body: str, *, pattern: bool) -> str:
    """Text of a literal; as a pattern, `\\%`, `\\_` and `\\\\` keep their backslash for LIKE."""

    def replace(found: re.Match[str]) -> str:
        code = found[1]
        if code in ("%", "_"):
            return f"\\{code}" if pattern else code
        if code[0] == "u" and len(code) == 5:
            return chr(int(code[1:], 16))
        if code.lower() not in _ESCAPES:
            raise SoqlError(
                "MALFORMED_QUERY",
                f"Invalid string literal '{body}'. Illegal character sequence '\\{code}' in string"
                " literal.",
            )
        plain = _ESCAPES[code.lower()]
        return "\\\\" if pattern and plain == "\\" else plain

    return _ESCAPE.sub(replace, body)


_PARSER = Lark(_GRAMMAR, parser="lalr", propagate_positions=True)
