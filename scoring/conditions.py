"""Reading the conditions of a rule document."""

from __future__ import annotations

from scoring.contradictions import excluding, never_silent
from scoring.criteria import (
    DETAILS,
    All,
    Any_,
    Condition,
    DetailTest,
    EngagementTest,
    FactSpec,
    FactTest,
    Not,
    Pattern,
    Silence,
)
from scoring.documents import Node, listed
from scoring.leads import ENGAGEMENT_KINDS, PASSIVE_KINDS
from scoring.operators import DETAIL_OPERATORS, FACT_TYPES, OPERATORS, Argument
from scoring.reading import Reader
from scoring.rule_keys import COUNT_KEYS, ENGAGEMENT_KEYS, MAX_COUNT, OCCURRENCES, SILENCE_KEYS


class ConditionReader(Reader):
    """Reads conditions and engagement patterns."""

    def condition(self, node: Node) -> Condition | None:
        """A condition: facts with tests that must all hold, or nested all/any/not."""
        if not isinstance(node.value, dict) or not node.value:
            self.problem(node, "A condition is a mapping such as 'seniority: director'.")
            return None
        if "fact" in node.value:
            return self._explicit(node)
        parts: list[Condition | None] = []
        for key, child in sorted(node.items()):
            if key in ("all", "any"):
                parts.append(self._nested(child, key))
            elif key == "not":
                inner = self.condition(child)
                parts.append(Not(inner) if inner else None)
            elif key == "engagement":
                parts.append(self._engagement(child))
            elif key == "silence":
                parts.append(self._silence(child))
            else:
                parts.append(self._fact(child, key))
        if never_silent([part for part in parts if part is not None]):
            self.problem(node, "'engagement' and 'silence' exclude each other.")
        return _joined(parts)

    def _nested(self, node: Node, key: str) -> Condition | None:
        items = self.items(node, f"'{key}'")
        if items is not None and not items:
            self.problem(node, f"'{key}' is empty: it would always be the same.")
            return None
        parts = [self.condition(item) for item in items or ()]
        known = tuple(part for part in parts if part is not None)
        if not parts or len(known) < len(parts):
            return None
        return All(known) if key == "all" else Any_(known)

    def _explicit(self, node: Node) -> Condition | None:
        """`{fact: NAME, OPERATOR: …}`: for facts whose name is a word of the language."""
        rest = dict(node.items())
        name = rest.pop("fact")
        if isinstance(name.value, list | dict | None):
            self.problem(name, "'fact' is the name of a fact.")
            return None
        return self._fact(Node(rest, node.path, node.line, "", node.key_lines), name.text)

    def _fact(self, node: Node, name: str) -> Condition | None:
        spec = self.fact(node, name)
        if spec is None:
            return None
        if not isinstance(node.value, dict):
            return self._shorthand(node, name, spec)
        if not node.value:
            self.problem(node, f"Say what '{name}' must be, for example 'is_known: true'.")
            return None
        parts: list[Condition | None] = []
        for key, child in sorted(node.items()):
            operator = OPERATORS.get(key)
            if operator is None:
                self.unknown(child, key, "operator", list(OPERATORS))
            elif spec.type not in operator.accepts:
                usable = [o for o, entry in OPERATORS.items() if spec.type in entry.accepts]
                self.problem(
                    child,
                    f"'{key}' does not work on '{name}', which is {FACT_TYPES[spec.type]}. "
                    f"Use {listed(usable)}.",
                )
            else:
                argument = self._argument(child, operator.argument, spec, key)
                if argument is not None:
                    parts.append(FactTest(name, spec.type, key, argument))
                    continue
            parts.append(None)
        self._contradiction(node, parts)
        return _joined(parts)

    def _shorthand(self, node: Node, name: str, spec: FactSpec) -> Condition | None:
        """`fact: value` is equals, `fact: [a, b]` is in (of a list fact: any_of)."""
        many = isinstance(node.value, list)
        operator = "any_of" if spec.type == "list" else "in" if many else "equals"
        if spec.type not in OPERATORS[operator].accepts:
            self.problem(node, f"Say how '{name}' is compared, for example {{is_known: true}}.")
            return None
        kind = OPERATORS[operator].argument
        argument = self._argument(node, kind, spec, operator)
        return None if argument is None else FactTest(name, spec.type, operator, argument)

    def _contradiction(self, node: Node, parts: list[Condition | None]) -> None:
        """Tests of one fact that no lead could ever pass together."""
        clash = excluding([part for part in parts if isinstance(part, FactTest)])
        if clash:
            asked = [f"{test.operator} {_shown(test.argument)}" for test in clash]
            message = f"{', '.join(asked[:-1])} and {asked[-1]} exclude each other."
            self.problem(node, message)

    # -- engagements ---------------------------------------------------------------------------

    def pattern(self, node: Node, extra: tuple[str, ...] = ()) -> Pattern | None:
        """Which engagements: `kind` and conditions on url, form, campaign, subject."""
        entries = self.mapping(node, ("kind", *DETAILS, *extra), "An engagement", ("kind",))
        if entries is None or "kind" not in entries:
            return None
        kinds = self.kinds(entries["kind"])
        details = [self._detail(entries[name], name) for name in DETAILS if name in entries]
        if kinds is None or None in details:
            return None
        return Pattern(kinds, tuple(test for found in details if found for test in found))

    def kinds(self, node: Node) -> tuple[str, ...] | None:
        """One engagement kind or a list of them, sorted."""
        items = node.value if isinstance(node.value, list) else [node]
        if not items:
            self.problem(node, "Name at least one kind of engagement.")
        for item in items:
            if item.text not in ENGAGEMENT_KINDS:
                self.unknown(item, item.text, "engagement kind", list(ENGAGEMENT_KINDS))
        known = sorted({item.text for item in items if item.text in ENGAGEMENT_KINDS})
        return tuple(known) if items and all(i.text in ENGAGEMENT_KINDS for i in items) else None

    def _detail(self, node: Node, name: str) -> list[DetailTest] | None:
        spec = FactSpec("text")
        if not isinstance(node.value, dict):
            operator = "in" if isinstance(node.value, list) else "equals"
            entries = {operator: node}
        else:
            entries = node.value
        tests: list[DetailTest] = []
        for key, child in sorted(entries.items()):
            if key not in DETAIL_OPERATORS:
                self.unknown(child, key, f"operator for '{name}'", list(DETAIL_OPERATORS))
                return None
            argument = self._argument(child, OPERATORS[key].argument, spec, key)
            if argument is None:
                return None
            tests.append(DetailTest(name, key, argument))
        if not tests:
            self.problem(node, f"Say what '{name}' must be, such as {{contains: pricing}}.")
        return tests or None

    def _engagement(self, node: Node) -> EngagementTest | None:
        pattern = self.pattern(node, ENGAGEMENT_KEYS)
        entries = dict(node.items())
        before = len(self.problems)
        least, most = self._count(entries["count"]) if "count" in entries else (1, None)
        within = (
            self.days(entries["within_days"], "'within_days'") if "within_days" in entries else None
        )
        occurrence = self.occurrence(entries["occurrence"]) if "occurrence" in entries else None
        if occurrence == "first" and "count" in entries:
            self.problem(entries["count"], "The first is one: leave out 'count' or 'occurrence'.")
        if pattern is None or len(self.problems) > before:
            return None
        return EngagementTest(pattern, least, most, within, occurrence == "first")

    def occurrence(self, node: Node) -> str | None:
        """`first` or `last`."""
        if node.value not in OCCURRENCES:
            self.unknown(node, node.text, "occurrence", OCCURRENCES)
            return None
        return str(node.value)

    def _count(self, node: Node) -> tuple[int, int | None]:
        entries = self.mapping(node, COUNT_KEYS, "'count'") or {}
        if not entries and isinstance(node.value, dict):
            self.problem(node, f"'count' needs one of {listed(COUNT_KEYS)}.")
        if len(entries) > 1 and set(entries) != {"at_least", "at_most"}:
            self.problem(node, "'count' takes one of these, or at_least together with at_most.")
            return 1, None
        if "between" in entries:
            limits = self._range(entries["between"], "between")
            if limits is None or not all(isinstance(n, int) and n >= 0 for n in limits):
                if limits is not None:
                    self.problem(entries["between"], "A count is a whole number from 0.")
                return 1, None
            return int(limits[0]), int(limits[1])
        if "exactly" in entries:
            exact = self._whole_count(entries, "exactly")
            return exact or 0, exact
        least = self._whole_count(entries, "at_least")
        most = self._whole_count(entries, "at_most")
        if least is not None and most is not None and least > most:
            self.problem(node, f"at_least {least} and at_most {most} exclude each other.")
        return least or 0, most

    def _whole_count(self, entries: dict[str, Node], key: str) -> int | None:
        return self.whole(entries[key], f"'{key}'", 0, MAX_COUNT) if key in entries else None

    def _silence(self, node: Node) -> Silence | None:
        entries = self.mapping(node, SILENCE_KEYS, "'silence'", ("days",))
        if entries is None or "days" not in entries:
            return None
        days = self.days(entries["days"], "'days'")
        kinds: tuple[str, ...] | None = tuple(sorted(set(ENGAGEMENT_KINDS) - PASSIVE_KINDS))
        if "kind" in entries:
            kinds = self.kinds(entries["kind"])
        return None if days is None or kinds is None else Silence(kinds, days)


def _joined(parts: list[Condition | None]) -> Condition | None:
    known = tuple(part for part in parts if part is not None)
    if not known or len(known) < len(parts):
        return None
    return known[0] if len(known) == 1 else All(known)


def _shown(argument: Argument) -> str:
    """An argument as it is written in a document, cut to a readable length."""
    if isinstance(argument, bool):
        return str(argument).lower()
    text = f"[{', '.join(map(str, argument))}]" if isinstance(argument, tuple) else str(argument)
    return text if len(text) <= 60 else text[:59] + "…"
