"""Reading a document people write by hand: safely, with the line of everything that is wrong.

YAML is read from its event stream, not constructed: no tags, no anchors, no aliases, duplicate keys
refused, size and depth limited. Only `true`, `false`, `null` and plain numbers are not text, so the
country NO stays a country.
"""

from __future__ import annotations

import difflib
import json
import math
import re
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import NoReturn

import yaml

MAX_CHARACTERS = 1_000_000
MAX_DEPTH = 40
MAX_NODES = 100_000

Plain = str | int | float | bool | list["Plain"] | dict[str, "Plain"] | None

_NUMBER = re.compile(r"-?(0|[1-9][0-9]*)(\.[0-9]+)?([eE][+-]?[0-9]+)?")
_FLAGS = {word: flag for flag, text in ((True, "true"), (False, "false"))
          for word in (text, text.title(), text.upper())}  # fmt: skip
_NULLS = frozenset({"", "~", "null", "Null", "NULL"})


@dataclass(frozen=True, slots=True)
class RuleProblem:
    """One thing wrong in a rule document, in words for the person who edits it."""

    message: str
    path: str = ""  # "dimensions.fit.groups[0].rules[2].points"
    line: int | None = None  # from 1; None when the document did not come as text
    rule: str = ""  # id of the rule, suppression or disqualifier it is in
    suggestion: str = ""  # the word that was probably meant

    def __str__(self) -> str:
        place = f"line {self.line}" if self.line else self.path
        rule = f"rule {self.rule}" if self.rule else ""
        where = ", ".join(part for part in (place, rule) if part)
        hint = f" Did you mean {self.suggestion}?" if self.suggestion else ""
        return (f"{where}: " if where else "") + self.message + hint


@dataclass(slots=True)
class Node:
    """One value of the document and where it stands; lists and mappings hold nodes."""

    value: str | int | float | bool | list[Node] | dict[str, Node] | None
    path: str
    line: int | None
    text: str = ""  # a scalar as it was written
    key_lines: dict[str, int | None] = field(default_factory=dict)

    def items(self) -> Iterator[tuple[str, Node]]:
        """Pairs of a mapping; nothing for any other node."""
        return iter(self.value.items() if isinstance(self.value, dict) else ())

    def plain(self) -> Plain:
        """The value without positions."""
        if isinstance(self.value, dict):
            return {key: node.plain() for key, node in self.value.items()}
        if isinstance(self.value, list):
            return [node.plain() for node in self.value]
        return self.value


class _Unreadable(Exception):
    """The document cannot be read at all; carries the problem."""

    def __init__(self, message: str, path: str = "", line: int | None = None) -> None:
        super().__init__(message)
        self.problem = RuleProblem(message, path, line)


def read_document(
    source: str | Mapping[str, object],
) -> tuple[Node | None, list[RuleProblem]]:
    """Read YAML or JSON text, or a mapping, into nodes; never raises for bad content.

    Limits: 1,000,000 characters, 100,000 values, 40 levels. Duplicate keys are all reported.
    """
    problems: list[RuleProblem] = []
    try:
        if isinstance(source, str):
            root = _read_text(source, problems)
        elif isinstance(source, Mapping):
            root = _Plain(problems).node(source, "", 0)
        else:
            _refuse("A rule document is text or a mapping.")
    except _Unreadable as error:
        return None, [*problems, error.problem]
    except RecursionError:
        return None, [
            *problems,
            RuleProblem(f"Nested more than {MAX_DEPTH} levels deep."),
        ]
    if not isinstance(root.value, dict):
        message = "A rule document is a mapping of names to values, such as 'name: My rules'."
        return None, [*problems, RuleProblem(message, "", root.line)]
    return (None if problems else root), problems


def canonical_text(node: Node) -> str:
    """The content as one JSON line: keys sorted, no comments, 5.0 written as 5."""
    return json.dumps(
        node.plain(),
        ensure_ascii=False,
        sort_keys=True,
        separators=(",", ":"),
        allow_nan=False,
    )


def nearest(word: str, known: Collection[str]) -> str:
    """The known word that was probably meant, or "" when none is close."""
    folded = {name.casefold(): name for name in known}
    found = difflib.get_close_matches(word.strip().casefold()[:80], folded, n=1, cutoff=0.6)
    return folded[found[0]] if found else ""


def listed(words: Sequence[str], limit: int = 12) -> str:
    """ "a, b or c" for a message; long lists are cut."""
    shown = list(words[:limit])
    if len(words) > limit:
        return ", ".join(shown) + ", …"
    return " or ".join([", ".join(shown[:-1]), shown[-1]] if len(shown) > 1 else shown)


def _refuse(message: str, path: str = "", line: int | None = None) -> NoReturn:
    raise _Unreadable(message, path, line)


def _read_text(text: str, problems: list[RuleProblem]) -> Node:
    if len(text) > MAX_CHARACTERS:
        _refuse(f"The document has {len(text):,} characters; at most {MAX_CHARACTERS:,} are read.")
    if not text.strip():
        _refuse("The document is empty.")
    if text.lstrip().startswith("{"):  # JSON, or YAML in braces
        try:
            value = json.loads(text, object_pairs_hook=_Pairs, parse_constant=_no_constant)
        except ValueError:
            pass  # YAML's reader says where it is wrong
        else:
            return _Plain(problems).node(value, "", 0)
    try:
        return _Yaml(text, problems).read()
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        line = mark.line + 1 if mark else None
        reason = error.problem or error.context or "unreadable"
        _refuse(f"This is not readable YAML: {reason}. Check indentation, colons and quotes.",
                "", line)  # fmt: skip
    except yaml.YAMLError as error:
        _refuse(f"This is not readable YAML: {str(error).splitlines()[0]}.")
    except (ValueError, UnicodeError):
        _refuse("The document contains characters that are not text.")


class _Pairs(list[tuple[str, object]]):
    """A JSON object with its keys in order, duplicates included."""


def _no_constant(name: str) -> NoReturn:
    raise ValueError(name)


class _Builder:
    """What both readers share: counting, depth, duplicate keys."""

    def __init__(self, problems: list[RuleProblem]) -> None:
        self.problems = problems
        self.nodes = 0

    def count(self, path: str, line: int | None, depth: int) -> None:
        self.nodes += 1
        if self.nodes > MAX_NODES:
            _refuse(f"More than {MAX_NODES:,} values.", path, line)
        if depth > MAX_DEPTH:
            _refuse(f"Nested more than {MAX_DEPTH} levels deep.", path, line)

    def put(self, mapping: Node, key: str, line: int | None, child: Node) -> None:
        children = mapping.value
        if not isinstance(children, dict):
            raise TypeError("only a mapping takes entries")
        if key in children:
            message = f"'{key}' is given twice. Keep one of them."
            self.problems.append(RuleProblem(message, child.path, line))
            return
        children[key] = child
        mapping.key_lines[key] = line


class _Yaml(_Builder):
    """YAML text to nodes, event by event."""

    def __init__(self, text: str, problems: list[RuleProblem]) -> None:
        super().__init__(problems)
        self.events = iter(yaml.parse(text, Loader=getattr(yaml, "CSafeLoader", yaml.SafeLoader)))

    def read(self) -> Node:
        self.next(), self.next()  # stream start, document start
        root = self.node(self.next(), "", 0)
        self.next()  # document end
        event = self.next()
        if not isinstance(event, yaml.StreamEndEvent):
            _refuse("Only one document in a file: remove the line '---'.", "", _line(event))
        return root

    def next(self) -> yaml.Event:
        event = next(self.events, None)
        if event is None or (isinstance(event, yaml.StreamEndEvent) and self.nodes == 0):
            _refuse("The document is empty.")
        return event

    def node(self, event: yaml.Event, path: str, depth: int) -> Node:
        line = _line(event)
        self.count(path, line, depth)
        if isinstance(event, yaml.AliasEvent) or getattr(event, "anchor", None):
            _refuse(
                "Anchors and aliases (& and *) are not read: write the value out.",
                path,
                line,
            )
        tag = getattr(event, "tag", None)
        if tag not in (None, "!"):
            _refuse(f"Tags such as {tag} are not read: write a plain value.", path, line)
        if isinstance(event, yaml.ScalarEvent):
            plain = event.implicit[0]  # not in quotes, not a block of text
            value = _scalar(event.value, path, line) if plain else event.value
            return Node(value, path, line, event.value)
        if isinstance(event, yaml.SequenceStartEvent):
            return self.sequence(path, line, depth)
        return self.mapping(path, line, depth)

    def sequence(self, path: str, line: int | None, depth: int) -> Node:
        children: list[Node] = []
        while not isinstance(event := self.next(), yaml.SequenceEndEvent):
            children.append(self.node(event, f"{path}[{len(children)}]", depth + 1))
        return Node(children, path, line)

    def mapping(self, path: str, line: int | None, depth: int) -> Node:
        result = Node({}, path, line)
        while not isinstance(event := self.next(), yaml.MappingEndEvent):
            key = self.node(event, path, depth + 1)
            if isinstance(key.value, list | dict):
                _refuse(
                    "A name (before the colon) is a single word or text.",
                    path,
                    key.line,
                )
            child = self.node(self.next(), _joined(path, key.text), depth + 1)
            self.put(result, key.text, key.line, child)
        return result


class _Plain(_Builder):
    """Python or JSON values to nodes."""

    def node(self, value: object, path: str, depth: int) -> Node:
        self.count(path, None, depth)
        if isinstance(value, _Pairs | Mapping):
            return self.mapping(value, path, depth)
        if isinstance(value, list | tuple):
            items = [self.node(v, f"{path}[{i}]", depth + 1) for i, v in enumerate(value)]
            return Node(items, path, None)
        if isinstance(value, str) and not _encodable(value):
            _refuse("The document contains characters that are not text.", path)
        if value is None or isinstance(value, str | bool):
            return Node(value, path, None, _written(value))
        if isinstance(value, int) or (isinstance(value, float) and math.isfinite(value)):
            if not _usable(value):
                _refuse("This is too large a number.", path)
            number = int(value) if isinstance(value, float) and value.is_integer() else value
            return Node(number, path, None, _written(number))
        _refuse("Only text, finite numbers, true, false, lists and mappings are read.", path)

    def mapping(self, value: _Pairs | Mapping[str, object], path: str, depth: int) -> Node:
        result = Node({}, path, None)
        for key, item in value.items() if isinstance(value, Mapping) else value:
            if not isinstance(key, str | int | float):
                _refuse("A name (before the colon) is a single word or text.", path)
            name = _written(key)
            if not _encodable(name):
                _refuse("The document contains characters that are not text.", path)
            self.put(result, name, None, self.node(item, _joined(path, name), depth + 1))
        return result


def _line(event: yaml.Event) -> int | None:
    mark = event.start_mark
    return mark.line + 1 if mark else None


def _joined(path: str, key: str) -> str:
    return f"{path}.{key}" if path else key


def _written(value: str | float | bool | None) -> str:
    """A scalar as a person would write it in the document."""
    if value is None:
        return "null"
    if isinstance(value, bool):
        return "true" if value else "false"
    return str(value)


def _encodable(text: str) -> bool:
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True


def _usable(number: float) -> bool:
    return abs(number) < 1e15  # false for infinity and for what is not a number  # fmt: skip


def _scalar(text: str, path: str, line: int | None) -> str | int | float | bool | None:
    if text in _NULLS:
        return None
    if text in _FLAGS:
        return _FLAGS[text]
    if not _NUMBER.fullmatch(text):
        return text
    number = float(text) if len(text) < 40 else math.inf
    if not _usable(number):
        _refuse(f"{text[:20]} is too large a number.", path, line)
    return int(number) if number.is_integer() else number
