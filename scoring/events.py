"""One lead's engagements as rules see them: for each pattern the ages of those that match."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence

from scoring.criteria import DETAILS, EngagementTest, Pattern, Silence, leaves
from scoring.inputs import Timed
from scoring.operators import OPERATORS, fold
from scoring.rule_set import Each, RuleSet

#: Distinct engagements whose patterns are kept in memory; more are worked out again.
REMEMBERED = 100_000


def patterns_of(rule_set: RuleSet) -> set[Pattern]:
    """Every pattern of engagements that the rule set looks for."""
    found = {rule.gives.pattern for rule in rule_set.rules() if isinstance(rule.gives, Each)}
    for condition in rule_set.conditions():
        for test in leaves(condition):
            if isinstance(test, EngagementTest):
                found.add(test.pattern)
            elif isinstance(test, Silence):
                found.add(Pattern(test.kinds))
    return found


def pattern_key(pattern: Pattern) -> str:
    """A name for the pattern: the same pattern has the same, however it came about."""
    return repr(pattern)


def matcher(pattern: Pattern) -> Callable[[str, Mapping[str, str]], bool]:
    """Whether an engagement of a kind, with folded details, is meant."""
    kinds = frozenset(pattern.kinds)
    tests = [(t.detail, OPERATORS[t.operator].prepare(t.argument)) for t in pattern.details]

    def matches(kind: str, detail: Mapping[str, str]) -> bool:
        if kind not in kinds:
            return False
        for name, predicate in tests:
            text = detail.get(name)
            if not text or not predicate(text):
                return False
        return True

    return matches


class Watch:
    """The patterns of a rule set; each distinct engagement is held against them once."""

    __slots__ = ("_known", "_matchers", "_read", "keys")

    def __init__(self, patterns: Iterable[Pattern]) -> None:
        some = list(patterns)
        self._matchers = [(pattern_key(pattern), matcher(pattern)) for pattern in some]
        self.keys = [key for key, _ in self._matchers]
        #: the details that matter of each kind, and the patterns that were found for them
        self._read: dict[str, tuple[str, ...]] = {
            kind: tuple(
                name
                for name in DETAILS
                if any(
                    kind in pattern.kinds and any(test.detail == name for test in pattern.details)
                    for pattern in some
                )
            )
            for pattern in some
            for kind in pattern.kinds
        }
        self._known: dict[object, tuple[str, ...]] = {}

    def matching(self, kind: str, detail: Mapping[str, str]) -> tuple[str, ...]:
        """Keys of the patterns that the engagement matches."""
        names = self._read.get(kind)
        if names is None:
            return ()
        what: object = kind
        if len(names) == 1:
            what = kind, detail.get(names[0])
        elif names:
            what = (kind, *[detail.get(name) for name in names])
        found = self._known.get(what)
        return self._learn(what, kind, detail) if found is None else found

    def _learn(self, what: object, kind: str, detail: Mapping[str, str]) -> tuple[str, ...]:
        if len(self._known) >= REMEMBERED:
            self._known.clear()
        folded = {name: fold(detail[name]) for name in DETAILS if name in detail}
        found = tuple(key for key, matches in self._matchers if matches(kind, folded))
        self._known[what] = found
        return found


class Events:
    """A lead's engagements up to `now`: ages in microseconds by pattern, oldest first."""

    __slots__ = ("by_pattern",)

    def __init__(self, ordered: Sequence[Timed], now_us: int, watch: Watch) -> None:
        #: of patterns that some engagement matches
        self.by_pattern: dict[str, list[int]] = {}
        ages, matching = self.by_pattern, watch.matching
        for at, _, engagement in ordered:
            if at > now_us:
                break
            for key in matching(engagement.kind, engagement.detail):
                if key in ages:
                    ages[key].append(now_us - at)
                else:
                    ages[key] = [now_us - at]

    def plus(self, keys: Iterable[str]) -> Events:
        """The same with one more engagement at `now`, which matches these patterns."""
        found = Events((), 0, Watch(()))
        found.by_pattern = {**self.by_pattern, **{key: [*self.ages(key), 0] for key in keys}}
        return found

    def ages(self, key: str) -> Sequence[int]:
        """Those of one pattern."""
        return self.by_pattern.get(key, ())
