"""Writing a rule document: YAML in one order and one layout, with nothing lost, comments included.

Comments stand where people put them: above the entry that follows, or at the end of its line. An
entry that moves takes its comments along.
"""

from __future__ import annotations

import re
from bisect import bisect_left, bisect_right
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import NamedTuple

import yaml

from scoring import rule_keys as keys
from scoring.documents import Node, RuleProblem, canonical_text, read_document
from scoring.scores import DIMENSIONS

WIDTH = 100
_BREAK = re.compile(r"\r\n|[\n\r\x85\u2028\u2029]")
_COMMENT = re.compile(r"(?:^|(?<=\s))#.*$")
_PLAIN = re.compile(r"(?:[^\W\d]|/)(?:[\w/.+&@%()-]| (?! |$))*")
#: The same where no brackets are around it: commas and other marks are part of the text.
_PLAIN_ALONE = re.compile(r"(?:[^\W\d]|/)(?:[\w/.+&@%(),;!?'\"’“”…–-]| (?! |$))*")
_FLOW_ITEM = re.compile(r"\s*-\s+[{\[]")
#: Words that this or another reader of YAML takes for something else than text.
_SPECIAL = frozenset({"true", "false", "null", "yes", "no", "on", "off", "y", "n"})

#: Parts of a document that are always one entry to a line -> order of their keys, and the parts
#: they consist of ("*": whatever the key).
_PARTS: Mapping[str, tuple[tuple[str, ...], Mapping[str, str]]] = {
    "document": (
        keys.DOCUMENT_KEYS,
        {
            "bands": "bands",
            "suppress": "suppressions",
            "disqualify": "disqualifiers",
            "dimensions": "dimensions",
            "next_steps": "next_steps",
        },
    ),
    "bands": ((), {"*": "band"}),
    "suppressions": ((), {"*": "suppression"}),
    "suppression": (keys.SUPPRESSION_KEYS, {}),
    "disqualifiers": ((), {"*": "disqualifier"}),
    "disqualifier": (keys.DISQUALIFIER_KEYS, {}),
    "dimensions": (DIMENSIONS, {"*": "dimension"}),
    "dimension": (keys.DIMENSION_KEYS, {"groups": "groups"}),
    "groups": ((), {"*": "group"}),
    "group": (keys.GROUP_KEYS, {"rules": "rules"}),
    "rules": ((), {"*": "rule"}),
    "rule": (keys.RULE_KEYS, {}),
    "next_steps": ((), {"*": "next_step"}),
    "next_step": (keys.NEXT_STEP_KEYS, {}),
}
_ORDER_ONLY = {"band": keys.BAND_KEYS}  # on one line where it fits
_AIRY = frozenset({"dimensions", "groups"})  # an empty line between their entries

Entry = tuple[int, str | int]  # a mapping or list, by identity, and the key or position in it

Way = tuple[Entry, ...]  # from the outermost entry to this one


def formatted(text: str) -> tuple[str | None, list[RuleProblem]]:
    """The document in canonical layout, or why it cannot be read; it need not be free of problems.

    Same content, same hash, every comment kept; formatting twice changes nothing more.
    """
    text = text.removeprefix("\ufeff")
    root, problems = read_document(text)
    if root is None:
        return None, problems
    comments = _Comments.of(text, root) if root.line is not None else _Comments()
    lines = [*comments.header, *_Writer(comments).document(root), *comments.footer]
    result = "\n".join(lines) + "\n"
    again, problems = read_document(result)
    if again is None or canonical_text(again) != canonical_text(root):
        return None, problems or [RuleProblem("This cannot be written as YAML without a loss.")]
    return result, []


# -- comments --------------------------------------------------------------------------------------


class _Comment(NamedTuple):
    line: int  # from 1
    text: str
    alone: bool  # has the line to itself
    inner: bool  # no bracket opens after the dash of an item: it is its first entry's


@dataclass(slots=True)
class _Comments:
    """Every comment of a document, by the entry it belongs to."""

    above: dict[Entry, list[str]] = field(default_factory=dict)
    beside: dict[Entry, str] = field(default_factory=dict)
    inside: set[int] = field(default_factory=set)  # mappings and lists with comments in them
    header: list[str] = field(default_factory=list)  # set off from the first entry
    footer: list[str] = field(default_factory=list)

    @classmethod
    def of(cls, text: str, root: Node) -> _Comments:
        """Find the comments in the text that `root` was read from."""
        found = cls()
        lines = _BREAK.split(text)
        entries = sorted(_entries(root, 0, ()), key=lambda entry: entry[:2])
        starts = [line for line, _, _ in entries]
        first = starts[0] if starts else len(lines)
        gaps = [i for i in range(first - 1) if not lines[i].strip()]
        for comment in _comments(text, lines):
            if comment.alone and gaps and comment.line <= gaps[-1]:
                found.header.append(comment.text)
            else:
                low, high = (cut(starts, comment.line) for cut in (bisect_left, bisect_right))
                below = entries[high][2] if high < len(entries) else None
                found.add(comment, [way for _, _, way in entries[low:high]], below)
        if found.header:
            found.header.append("")
        return found

    def add(self, comment: _Comment, same: list[Way], below: Way | None) -> None:
        """Give the comment to an entry on its line, outermost first, or to the next one below."""
        here = same[0] if same else None
        if comment.inner and len(same) > 1 and isinstance(same[0][-1][1], int):
            here = same[1]  # the item's first entry
        if not comment.alone and here is not None and here[-1] not in self.beside:
            self.beside[here[-1]] = comment.text
        elif below is None:
            self.footer.append(comment.text)
            return
        else:
            here = below
            self.above.setdefault(here[-1], []).append(comment.text)
        self.inside.update(parent for parent, _ in here)


def _entries(node: Node, depth: int, path: Way) -> Iterator[tuple[int, int, Way]]:
    """Line, depth and way down to every entry."""
    pairs: list[tuple[str | int, Node, int | None]] = []
    if isinstance(node.value, dict):
        pairs = [(key, child, node.key_lines.get(key)) for key, child in node.items()]
    elif isinstance(node.value, list):
        pairs = [(position, child, child.line) for position, child in enumerate(node.value)]
    for key, child, line in pairs:
        way = (*path, (id(node), key))
        yield line or 0, depth, way
        yield from _entries(child, depth + 1, way)


def _comments(text: str, lines: list[str]) -> Iterator[_Comment]:
    """Every comment; what looks like one inside a text is none."""
    bare = list(lines)
    for event in yaml.parse(text, Loader=getattr(yaml, "CSafeLoader", yaml.SafeLoader)):
        start, end = event.start_mark, event.end_mark
        if isinstance(event, yaml.ScalarEvent) and event.style and start and end:
            skip = 1 if event.style in "|>" else 0
            for number in range(start.line + skip, min(end.line + 1, len(bare))):
                low = start.column if number == start.line else 0
                high = end.column if number == end.line else len(bare[number])
                bare[number] = bare[number][:low] + "x" * (high - low) + bare[number][high:]
    for number, line in enumerate(bare):
        found = _COMMENT.search(line)
        if found:
            comment = lines[number][found.start() :].rstrip()
            alone = not line[: found.start()].strip()
            yield _Comment(number + 1, comment, alone, not _FLOW_ITEM.match(line))


# -- layout ----------------------------------------------------------------------------------------


class _Writer:
    """Nodes to lines."""

    def __init__(self, comments: _Comments) -> None:
        self.comments = comments

    def document(self, root: Node) -> list[str]:
        """All lines; parts of the document are set off by empty lines."""
        lines: list[str] = []
        for key, child in _ordered(root, "document"):
            entry = self.entry(root, key, child, "document", 0)
            if lines and (len(entry) > 1 or key in _PARTS["document"][1]):
                lines.append("")
            lines += entry
        return lines

    def block(self, node: Node, part: str, indent: int) -> list[str]:
        """A mapping or list, one entry to a line or more."""
        lines: list[str] = []
        if isinstance(node.value, list):
            for position, child in enumerate(node.value):
                lines += self._apart(lines, part) + self.item(node, position, child, part, indent)
        else:
            for key, child in _ordered(node, part):
                lines += self._apart(lines, part) + self.entry(node, key, child, part, indent)
        return lines

    def entry(self, node: Node, key: str, child: Node, part: str, indent: int) -> list[str]:
        """One entry of a mapping with its comments."""
        pad = " " * indent
        above = [pad + comment for comment in self.comments.above.get((id(node), key), ())]
        head = f"{pad}{_text(key, name=True)}:"
        beside = self._beside(node, key)
        inner = _part_of(part, key)
        flow = self.flow(child, inner, alone=True)
        if flow is not None and (not _has_more(child) or len(head) + 1 + len(flow) <= WIDTH):
            return [*above, f"{head} {flow}{beside}"]
        return [*above, head + beside, *self.block(child, inner, indent + 2)]

    def item(self, node: Node, position: int, child: Node, part: str, indent: int) -> list[str]:
        """One entry of a list with its comments."""
        pad = " " * indent
        above = [pad + comment for comment in self.comments.above.get((id(node), position), ())]
        beside = self._beside(node, position)
        inner = _part_of(part, "*")
        flow = None if _is_single(child) else self.flow(child, inner, alone=True)
        if flow is not None and (not _has_more(child) or indent + 2 + len(flow) <= WIDTH):
            return [*above, f"{pad}- {flow}{beside}"]
        lines = self.block(child, inner, indent + 2)
        if not isinstance(child.value, dict):
            return [*above, f"{pad}-{beside}", *lines]
        first = next(i for i, line in enumerate(lines) if not line.lstrip().startswith("#"))
        above += [pad + line.lstrip() for line in lines[:first]]
        if beside and _ordered(child, inner)[0][0] in self._with_beside(child):
            above, beside = [*above, pad + beside.lstrip()], ""  # two do not fit on one line
        return [*above, f"{pad}- {lines[first].lstrip()}{beside}", *lines[first + 1 :]]

    def flow(self, node: Node, part: str, *, alone: bool = False) -> str | None:
        """On one line; None for what always has more, or has comments inside."""
        if not isinstance(node.value, dict | list):
            return "null" if node.value is None else _text(node, alone=alone)
        if not node.value:
            return "{}" if isinstance(node.value, dict) else "[]"
        if part in _PARTS or id(node) in self.comments.inside:
            return None
        if isinstance(node.value, list):
            return "[" + ", ".join(str(self.flow(child, "")) for child in node.value) + "]"
        pairs = [
            f"{_text(key, name=True)}: {self.flow(child, '')}"
            for key, child in _ordered(node, part)
        ]
        return "{" + ", ".join(pairs) + "}"

    def _apart(self, lines: list[str], part: str) -> list[str]:
        return [""] if lines and part in _AIRY else []

    def _beside(self, node: Node, key: str | int) -> str:
        comment = self.comments.beside.get((id(node), key))
        return f"  {comment}" if comment else ""

    def _with_beside(self, node: Node) -> set[str | int]:
        return {key for parent, key in self.comments.beside if parent == id(node)}


def _has_more(node: Node) -> bool:
    return isinstance(node.value, dict | list) and bool(node.value)


def _is_single(node: Node) -> bool:
    return isinstance(node.value, dict) and len(node.value) == 1


def _part_of(part: str, key: str) -> str:
    inner = _PARTS[part][1] if part in _PARTS else {}
    return inner.get(key, inner.get("*", ""))


def _ordered(node: Node, part: str) -> list[tuple[str, Node]]:
    """A mapping's entries: known keys in the language's order, others after them as they are."""
    order = _ORDER_ONLY.get(part) or (_PARTS[part][0] if part in _PARTS else ())
    place = {key: position for position, key in enumerate(order)}
    return sorted(node.items(), key=lambda entry: place.get(entry[0], len(place)))


def _text(value: Node | str, *, name: bool = False, alone: bool = False) -> str:
    """A scalar: plain where every reader sees the same text, numbers as they were written.

    `name`: it stands before a colon. `alone`: no brackets are around it.
    """
    if isinstance(value, Node) and not isinstance(value.value, str):
        return value.text
    text = str(value.value) if isinstance(value, Node) else value
    plain = (_PLAIN_ALONE if alone else _PLAIN).fullmatch(text) and text.isprintable()
    if plain and (name or text.casefold() not in _SPECIAL):
        return text
    if text.isprintable():
        return "'" + text.replace("'", "''") + "'"
    return '"' + "".join(map(_escaped, text)) + '"'


def _escaped(character: str) -> str:
    if character in '"\\':
        return "\\" + character
    code = ord(character)
    if character.isprintable():
        return character
    return (
        f"\\x{code:02x}" if code < 256 else f"\\u{code:04x}" if code < 65_536 else f"\\U{code:08x}"
    )
