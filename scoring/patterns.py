"""Regular expressions whose worst case is bounded, whatever text a stranger sends.

Allowed: literals, `.`, classes, `\\d \\w \\s \\b` and their opposites, `^ $`, groups, `|`,
`? * + {m,n}`. Refused: back-references, look-around, flags, quantifiers inside a quantified group.
The number of ways a search can go is the product of its choices; it is counted here and limited,
with only the first 1,000 characters of a text searched.
"""

from __future__ import annotations

import re
from collections.abc import Callable

MAX_TEXT = 1_000  # characters of a value that are searched
MAX_PATTERN = 200
MAX_STEPS = 4_000_000  # choices in the worst case: about 50 ms

_ESCAPES = frozenset("dDwWsSbBnt")
_REPEAT = re.compile(r"[*+?]|\{(\d*)(,?)(\d*)\}")


class PatternRefused(ValueError):
    """The regular expression is not one that we run; the message says why, for a person."""


def compile_pattern(pattern: str) -> Callable[[str], bool]:
    """A search for `pattern` in lower-cased text; raises PatternRefused for an unsafe pattern.

    `$` means the very end of the text.
    """
    checked = _Check(pattern).translated()
    try:
        search = re.compile(checked, re.IGNORECASE).search
    except (re.error, OverflowError, RecursionError) as error:
        raise PatternRefused(f"This is not a regular expression: {error}.") from None
    return lambda value: search(value[:MAX_TEXT]) is not None


class _Check:
    """One pass over the pattern that counts choices and refuses what we do not run."""

    def __init__(self, pattern: str) -> None:
        if not pattern:
            raise PatternRefused("The pattern is empty.")
        if len(pattern) > MAX_PATTERN:
            raise PatternRefused(f"The pattern is longer than {MAX_PATTERN} characters.")
        self.pattern = pattern
        self.at = 0
        self.out: list[str] = []
        # where a search may begin: anywhere, or only at the start (not when "|" reopens the choice)
        self.anchored = pattern.startswith("^")

    def translated(self) -> str:
        """The pattern for Python's `re`."""
        cost, _ = self.alternatives(0)
        if self.at < len(self.pattern):
            raise PatternRefused("A closing bracket ')' has no opening one.")
        if cost * (1 if self.anchored else MAX_TEXT) > MAX_STEPS:
            raise PatternRefused(
                "This pattern could take too long on some texts: use fewer *, +, ? and |. "
                "It is searched anywhere in the text, so .* at either end is not needed."
            )
        return "".join(self.out)

    def alternatives(self, depth: int) -> tuple[int, bool]:
        """Read up to ')' or the end: (number of ways, whether anything in it repeats or varies)."""
        if depth > 10:
            raise PatternRefused("Groups are nested more than 10 deep.")
        total, ways, varies = 0, 1, False
        while self.at < len(self.pattern) and self.pattern[self.at] != ")":
            if self.pattern[self.at] == "|":
                self.take(1)
                self.anchored = self.anchored and depth > 0
                total, ways, varies = total + ways, 1, True
                continue
            inner, inner_varies = self.item(depth)
            ways *= inner
            varies = varies or inner_varies or inner > 1
            if ways > MAX_STEPS:
                ways = MAX_STEPS + 1  # keeps the arithmetic small; refused at the end
        return total + ways, varies

    def item(self, depth: int) -> tuple[int, bool]:
        """One atom and its quantifier."""
        ways, varies = self.atom(depth)
        match = _REPEAT.match(self.pattern, self.at)
        if not match:
            return ways, varies
        low, high = self.bounds(match)
        self.take(match.end() - match.start())
        if self.pattern[self.at : self.at + 1] in ("*", "+", "?", "{"):
            raise PatternRefused("One quantifier directly after another (such as .*?) is not read.")
        if varies and high > 1:
            raise PatternRefused(
                "A repeated group must not contain *, +, ?, {} or |: nested repetition can take "
                "for ever."
            )
        return ways * (high - low + 1), True

    def bounds(self, match: re.Match[str]) -> tuple[int, int]:
        simple = {"*": (0, MAX_TEXT), "+": (1, MAX_TEXT), "?": (0, 1)}.get(match.group())
        if simple:
            return simple
        first, comma, last = match.groups()
        if not first:
            raise PatternRefused("Write a repetition as {2}, {2,5} or {2,}.")
        low = int(first[:4])
        high = low if not comma else int(last[:4]) if last else MAX_TEXT
        if high < low or low > 100 or (last and high > 100):
            raise PatternRefused("A repetition counts from a smaller to a larger number up to 100.")
        return low, high

    def atom(self, depth: int) -> tuple[int, bool]:
        character = self.pattern[self.at]
        if character == "(":
            return self.group(depth)
        if character == "[":
            self.character_class()
        elif character == "\\":
            self.escape()
        elif character == "$":
            self.at += 1
            self.out.append(r"\Z")  # `$` would also match before a final line break
        elif character in "*+?{":
            raise PatternRefused(
                f"'{character}' has nothing before it to repeat; write \\{character}."
            )
        else:
            self.take(1)
        return 1, False

    def group(self, depth: int) -> tuple[int, bool]:
        self.at += 1
        if self.pattern.startswith("?:", self.at):
            self.at += 2
        elif self.pattern.startswith("?", self.at):
            raise PatternRefused("Look-around, named groups and flags '(?…' are not read.")
        self.out.append("(?:")
        ways, varies = self.alternatives(depth + 1)
        if self.at >= len(self.pattern):
            raise PatternRefused("An opening bracket '(' is not closed.")
        self.take(1)
        return ways, varies

    def character_class(self) -> None:
        start = self.at + (2 if self.pattern.startswith("[^", self.at) else 1)
        end = start
        while end < len(self.pattern) and (self.pattern[end] != "]" or end == start):
            if self.pattern[end] == "\\":
                following = self.pattern[end + 1 : end + 2]
                if following.isalnum() and following not in "dDwWsSnt":
                    raise PatternRefused(f"'\\{following}' is not read inside [ ].")
                end += 1
            end += 1
        if end >= len(self.pattern):
            raise PatternRefused("A '[' is not closed.")
        if any(pair in self.pattern[start:end] for pair in ("[", "--", "&&", "||", "~~")):
            raise PatternRefused("Inside [ ], name every character once; '[' is not read there.")
        self.take(end + 1 - self.at)

    def escape(self) -> None:
        following = self.pattern[self.at + 1 : self.at + 2]
        if not following:
            raise PatternRefused("The pattern ends in a lone backslash.")
        if following.isdigit():
            raise PatternRefused("Back-references such as \\1 are not read.")
        if following.isalpha() and following not in _ESCAPES:
            raise PatternRefused(f"'\\{following}' is not read.")
        self.take(2)

    def take(self, count: int) -> None:
        self.out.append(self.pattern[self.at : self.at + count])
        self.at += count
