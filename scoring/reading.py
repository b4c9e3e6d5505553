"""Reading single values of a rule document, with a problem for everything that is wrong."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from scoring.criteria import FactSpec
from scoring.documents import Node, RuleProblem, listed, nearest
from scoring.operators import Argument, fold
from scoring.patterns import PatternRefused, compile_pattern
from scoring.rule_keys import MAX_DAYS, MAX_NUMBER, RESERVED


class Reader:
    """Collects problems while a document is read; every method returns None for what is wrong."""

    def __init__(self, catalogue: Mapping[str, FactSpec]) -> None:
        self.catalogue = dict(catalogue)  # the document may add fields of its own
        self.problems: list[RuleProblem] = []
        self.rule = ""  # id of the rule being read, for the messages

    def problem(
        self, node: Node, message: str, suggestion: str = "", line: int | None = None
    ) -> None:
        """Record one problem at `node`."""
        self.problems.append(
            RuleProblem(message, node.path, line or node.line, self.rule, suggestion)
        )

    def unknown(self, node: Node, word: str, what: str, known: Sequence[str]) -> None:
        """Record that `word` is not one of the `known` ones."""
        suggestion = nearest(word, known)
        choices = "" if suggestion else f" Known: {listed(sorted(known))}."
        self.problem(node, f"There is no {what} '{word[:60]}'.{choices}", suggestion)

    def mapping(
        self,
        node: Node,
        allowed: tuple[str, ...],
        what: str,
        required: tuple[str, ...] = (),
    ) -> dict[str, Node] | None:
        """The entries of a mapping; names that are not allowed are problems."""
        if not isinstance(node.value, dict):
            self.problem(node, f"{what} is a mapping with the names {listed(allowed, 20)}.")
            return None
        for key, child in node.items():
            if key not in allowed:
                suggestion = nearest(key, allowed)
                known = "" if suggestion else f" Allowed: {listed(allowed, 20)}."
                message = f"{what} has no '{key[:60]}'.{known}"
                self.problem(child, message, suggestion, node.key_lines.get(key))
        for key in required:
            if key not in node.value:
                self.problem(node, f"{what} needs '{key}'.")
        return {key: child for key, child in node.items() if key in allowed}

    def items(self, node: Node, what: str) -> list[Node] | None:
        """The entries of a list."""
        if isinstance(node.value, list):
            return node.value
        self.problem(node, f"{what} is a list: start each entry with '- '.")
        return None

    def text(self, node: Node, what: str, limit: int = 300) -> str | None:
        """A text of at most `limit` characters."""
        if not isinstance(node.value, str) or not node.value.strip():
            self.problem(node, f"{what} is a text.")
        elif len(node.value) > limit:
            self.problem(node, f"{what} is longer than {limit} characters.")
        else:
            return node.value.strip()
        return None

    def number(self, node: Node, what: str, low: float, high: float) -> int | float | None:
        """A number from `low` to `high`."""
        value = node.value
        if isinstance(value, bool) or not isinstance(value, int | float):
            note = " A finite one: no infinity, no NaN." if _is_no_number(node) else ""
            self.problem(node, f"{what} is a number.{note}")
        elif not low <= value <= high:
            self.problem(node, f"{what} lies between {low:,.10g} and {high:,.10g}.")
        else:
            return value
        return None

    def whole(self, node: Node, what: str, low: int, high: int) -> int | None:
        """A whole number from `low` to `high`."""
        value = self.number(node, what, low, high)
        if isinstance(value, float):
            self.problem(node, f"{what} is a whole number.")
            return None
        return value

    def days(self, node: Node, what: str) -> int | float | None:
        """A positive number of days."""
        value = self.number(node, what, 0, MAX_DAYS)
        if value is not None and value * 86_400 < 1:
            self.problem(node, f"{what} is at least one second (in days).")
            return None
        return value

    def fact(self, node: Node, name: str, line: int | None = None) -> FactSpec | None:
        """The catalogue's entry for a fact; a problem when there is none."""
        spec = self.catalogue.get(name)
        if spec is None:
            suggestion = nearest(name, [*self.catalogue, *RESERVED])
            own = "" if suggestion else " A field of your own is named under 'fields', with a type."
            self.problem(node, f"There is no fact '{name[:60]}'.{own}", suggestion, line)
        return spec

    def _argument(self, node: Node, kind: str, spec: FactSpec, operator: str) -> Argument | None:
        match kind:
            case "value":
                return self.value(node, spec)
            case "values":
                return self._values(node, spec, operator)
            case "texts":
                return self._values(node, FactSpec("text"), operator)
            case "number":
                return self.number(node, f"'{operator}'", -MAX_NUMBER, MAX_NUMBER)
            case "days":
                return self.days(node, f"'{operator}'")
            case "range":
                return self._range(node, operator)
            case "pattern":
                return self._pattern(node)
        if node.value is not True:
            self.problem(node, f"'{operator}' is followed by 'true'; wrap it in 'not' for less.")
            return None
        return True

    def value(self, node: Node, spec: FactSpec) -> str | int | float | bool | None:
        """One value that a fact of this type can have."""
        if spec.type == "number":
            return self.number(node, "The value", -MAX_NUMBER, MAX_NUMBER)
        if spec.type == "flag":
            flag = _flag(node)
            if flag is None:
                self.problem(node, "The value is true or false.")
            return flag
        if node.value is None or isinstance(node.value, list | dict) or not node.text.strip():
            self.problem(node, "The value is a text.")
            return None
        number = isinstance(node.value, int | float) and not isinstance(node.value, bool)
        if number and str(node.value) != node.text:
            self.problem(node, f"Put quotes around {node.text}: it is compared as text.")
            return None
        if spec.choices and fold(node.text) not in map(fold, spec.choices):
            self.unknown(node, node.text, "choice", list(spec.choices))
            return None
        return node.text

    def _values(self, node: Node, spec: FactSpec, operator: str) -> tuple[str, ...] | None:
        items = node.value if isinstance(node.value, list) else [node]
        if not items:
            self.problem(node, f"'{operator}' needs at least one value.")
            return None
        single = FactSpec("text", spec.choices) if spec.type == "list" else spec
        values = [self.value(item, single) for item in items]
        return None if None in values else tuple(values)  # type: ignore[arg-type]  # None is out

    def _range(self, node: Node, operator: str) -> tuple[int | float, ...] | None:
        if not isinstance(node.value, list) or len(node.value) != 2:
            self.problem(node, f"'{operator}' needs two numbers, such as [10, 50].")
            return None
        low, high = (self.number(item, "A limit", -MAX_NUMBER, MAX_NUMBER) for item in node.value)
        if low is None or high is None:
            return None
        if low > high:
            self.problem(node, f"The range starts at {low} but ends lower, at {high}.")
            return None
        return low, high

    def _pattern(self, node: Node) -> str | None:
        pattern = self.text(node, "A pattern")
        if pattern is None:
            return None
        try:
            compile_pattern(pattern)
        except PatternRefused as error:
            self.problem(node, str(error))
            return None
        return pattern


def _is_no_number(node: Node) -> bool:
    return node.text.strip().lstrip("+-.").casefold() in ("nan", "inf", "infinity")


def _flag(node: Node) -> bool | None:
    if isinstance(node.value, bool):
        return node.value
    return {"yes": True, "no": False, "true": True, "false": False}.get(fold(node.text))
