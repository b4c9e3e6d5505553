"""Reading one rule of a rule document: whom it concerns, what it gives, and how that fades."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from typing import TypeVar

from scoring.conditions import ConditionReader
from scoring.criteria import Condition, FactSpec, facts_of
from scoring.documents import Node, listed, nearest
from scoring.operators import FACT_TYPES, fold
from scoring.rule_keys import (
    DECAY_KEYS,
    ID,
    MAX_FREQUENCY,
    MAX_LABEL,
    MAX_LIMIT,
    MAX_POINTS,
    NEEDS,
    RULE_KEYS,
    STEP,
)
from scoring.rule_set import ByChoice, ByRange, Each, Fixed, PerUnit, Rule, Step
from scoring.scores import MILLI

T = TypeVar("T")


def _optional(entries: dict[str, Node], key: str, read: Callable[[Node], T]) -> T | None:
    return read(entries[key]) if key in entries else None


def _reads_facts(when: Condition | None) -> bool:
    return when is not None and bool(facts_of(when))


class RuleReader(ConditionReader):
    """Reads rules, and keeps which facts they read and which ids are taken."""

    def __init__(self, catalogue: Mapping[str, FactSpec]) -> None:
        super().__init__(catalogue)
        self.ids: set[str] = set()
        self.facts_read: set[str] = set()

    def identifier(self, entries: dict[str, Node], what: str) -> str:
        """The `id` entry, unique in the document; "" when there is none that can be used."""
        node = entries.get("id")
        if node is None:
            return ""
        if not isinstance(node.value, str) or not re.fullmatch(ID, node.value):
            hint = re.sub(r"[^a-z0-9]+", "_", node.text.strip().lower()).strip("_")[:60]
            suggestion = hint if re.fullmatch(ID, hint) else ""
            self.problem(
                node,
                f"The id of {what} is lower-case letters, digits and _.",
                suggestion,
            )
            return ""
        if node.value in self.ids:
            self.problem(
                node,
                f"The id '{node.value}' is already in use. Give {what} another one.",
            )
        self.ids.add(node.value)
        return node.value

    def criteria(self, node: Node) -> Condition | None:
        """A condition, remembering which facts it reads."""
        condition = self.condition(node)
        if condition is not None:
            self.facts_read |= facts_of(condition)
        return condition

    def points(self, node: Node, what: str, most: int = MAX_POINTS) -> int | None:
        """Points with at most three decimals, as milli-points."""
        value = self.number(node, what, -most, most)
        if value is None:
            return None
        milli = round(value * MILLI)
        if abs(value * MILLI - milli) > 1e-6:
            self.problem(node, f"{what} has at most three decimals.")
            return None
        return milli

    def read_rule(self, node: Node) -> Rule | None:
        """One rule; its id is named in all problems found in it."""
        before = len(self.problems)
        entries = self.mapping(node, RULE_KEYS, "A rule", ("id", "points"))
        if entries is None:
            return None
        self.rule = self.identifier(entries, "a rule")
        label = self.text(entries["label"], "'label'", MAX_LABEL) if "label" in entries else ""
        when = self.criteria(entries["when"]) if "when" in entries else None
        gives = self._gives(node, entries)
        missing = self._missing(entries["missing"]) if "missing" in entries else None
        if "missing" in entries and isinstance(gives, Fixed | Each) and not _reads_facts(when):
            self.problem(entries["missing"], "'missing' has no meaning: this rule reads no fact.")
        if len(self.problems) > before or gives is None or label is None:
            return None
        label = label or self.rule.replace("_", " ").capitalize()
        return Rule(self.rule, label, gives, when, missing)

    def _gives(
        self, node: Node, entries: dict[str, Node]
    ) -> Fixed | Each | ByChoice | ByRange | PerUnit | None:
        shapes = [key for key in ("by", "each", "per") if key in entries]
        if len(shapes) > 1:
            self.problem(node, f"A rule has one of 'by', 'each' and 'per', not {len(shapes)}.")
            return None
        self._misplaced(entries)
        if "points" not in entries:
            return None
        if "each" in entries:
            return self._each(entries)
        if "by" in entries:
            return self._by(entries)
        if "per" in entries:
            return self._per(entries)
        if "when" not in entries:
            self.problem(
                node, "A rule needs 'when', 'each', 'by' or 'per': otherwise all leads get it."
            )
        points = self.points(entries["points"], "'points'")
        return None if points is None else Fixed(points)

    def _misplaced(self, entries: dict[str, Node]) -> None:
        """Keys that mean nothing without another one."""
        for key, (needed, why) in NEEDS.items():
            if key in entries and not any(other in entries for other in needed):
                names = " or ".join(f"'{name}'" for name in needed)
                self.problem(entries[key], f"'{key}' needs {names}{why}.")

    def _each(self, entries: dict[str, Node]) -> Each | None:
        pattern = self.pattern(entries["each"])
        points = self.points(entries["points"], "'points'")
        frequency = _optional(
            entries, "frequency", lambda n: self.whole(n, "'frequency'", 1, MAX_FREQUENCY)
        )
        cap = self._cap(entries)
        frame = _optional(entries, "time_frame", lambda n: self.days(n, "'time_frame' (days)"))
        half_life, step = self._decay(entries["decay"]) if "decay" in entries else (None, None)
        occurrence = _optional(entries, "occurrence", self.occurrence) or "all"
        if occurrence != "all" and "frequency" in entries:
            self.problem(entries["frequency"], f"Only the {occurrence} counts: no 'frequency'.")
        if pattern is None or points is None:
            return None
        frequency = 1 if occurrence == "last" else frequency
        first = occurrence == "first"
        return Each(pattern, points, frequency, cap, frame, half_life, step, first)

    def _cap(self, entries: dict[str, Node]) -> int | None:
        cap = _optional(entries, "cap", lambda n: self.points(n, "'cap'", MAX_LIMIT))
        if cap is not None and cap <= 0:
            self.problem(entries["cap"], "'cap' is above 0; it holds for points taken away too.")
        return cap

    def _decay(self, node: Node) -> tuple[float | None, Step | None]:
        """A half-life, or a percentage of the points that goes after each interval."""
        entries = self.mapping(node, DECAY_KEYS, "'decay'") or {}
        if set(entries) == {"half_life_days"}:
            return self.days(entries["half_life_days"], "'half_life_days'"), None
        if set(entries) != {"percent", "every_days"}:
            if isinstance(node.value, dict):
                self.problem(
                    node,
                    "'decay' is {half_life_days: 14} or {percent: 25, every_days: 30}.",
                )
            return None, None
        percent = self.number(entries["percent"], "'percent'", 0.1, 100)
        every = self.days(entries["every_days"], "'every_days'")
        if percent is None or every is None:
            return None, None
        if abs(percent * 10 - round(percent * 10)) > 1e-9:
            self.problem(entries["percent"], "'percent' has at most one decimal.")
        return None, Step(round(percent * 10), every)

    def _per(self, entries: dict[str, Node]) -> PerUnit | None:
        name = entries["per"]
        spec = self.fact(name, name.text) if isinstance(name.value, str) else None
        if not isinstance(name.value, str):
            self.problem(name, "'per' is the name of a fact that is a number.")
        elif spec is not None and spec.type != "number":
            self.problem(name, f"'per' needs a number; '{name.value}' is {FACT_TYPES[spec.type]}.")
        unit = self.number(entries["unit"], "'unit'", 1e-6, 1e12) if "unit" in entries else 1
        points = self.points(entries["points"], "'points'")
        cap = self._cap(entries)
        if "cap" not in entries:
            self.problem(name, "'per' needs a 'cap': a number can be large beyond all sense.")
        if points == 0:
            self.problem(entries["points"], "0 points for each unit change nothing.")
        if spec is None or spec.type != "number" or not unit or not points or not cap:
            return None
        self.facts_read.add(name.text)
        return PerUnit(name.text, unit, points, cap)

    def _by(self, entries: dict[str, Node]) -> ByChoice | ByRange | None:
        name = entries["by"]
        if not isinstance(name.value, str):
            self.problem(name, "'by' is the name of a fact.")
            return None
        spec = self.fact(name, name.value)
        table = entries["points"]
        otherwise = 0
        if "otherwise" in entries:
            otherwise = self.points(entries["otherwise"], "'otherwise'") or 0
        if spec is None:
            return None
        self.facts_read.add(name.value)
        if spec.type in ("list", "date"):
            self.problem(name, f"'by' does not work on '{name.value}'; use 'when' instead.")
            return None
        if not isinstance(table.value, dict) or not table.value:
            example = "from 10: 3" if spec.type == "number" else "value: 3"
            self.problem(
                table,
                f"With 'by', 'points' is a table, one line for each: '{example}'.",
            )
            return None
        if spec.type == "number":
            return self._steps(name.value, table, otherwise)
        return self._choices(name.value, spec, table, otherwise)

    def _steps(self, fact: str, table: Node, otherwise: int) -> ByRange | None:
        steps: dict[float, int] = {}
        for key, node in table.items():
            match = re.fullmatch(STEP, key.strip())
            points = self.points(node, "A step")
            if not match:
                message = f"'{key[:60]}' is not a step: write 'from 10' (it holds up to the next)."
                self.problem(node, message, line=table.key_lines.get(key))
            elif points is not None:
                number = float(match.group(1))
                start = int(number) if number.is_integer() else number
                if start in steps:
                    self.problem(node, f"The step 'from {start}' is given twice.")
                steps[start] = points
        return ByRange(fact, tuple(sorted(steps.items())), otherwise) if steps else None

    def _choices(self, fact: str, spec: FactSpec, table: Node, otherwise: int) -> ByChoice | None:
        found: dict[str | bool, int] = {}
        for key, node in table.items():
            line = table.key_lines.get(key)
            value = self.value(Node(key, node.path, line, key), spec)
            points = self.points(node, "The value's points")
            if value is None or points is None:
                continue
            known = fold(value) if isinstance(value, str) else bool(value)
            if known in found:
                self.problem(node, f"'{key}' is given twice (case does not matter).", line=line)
            found[known] = points
        possible: set[str | bool] = (
            {True, False} if spec.type == "flag" else set(map(fold, spec.choices))
        )
        exhaustive = bool(possible) and possible <= set(found)
        return ByChoice(
            fact,
            spec.type,
            tuple(sorted(found.items(), key=str)),
            otherwise,
            exhaustive,
        )

    def _missing(self, node: Node) -> int | None:
        if node.value == "neutral":
            return None
        if node.value == "zero":
            return 0
        if isinstance(node.value, dict):
            entries = self.mapping(node, ("points",), "'missing'", ("points",))
            return self.points(entries["points"], "'points'") if entries else None
        known = ["neutral", "zero", "points"]
        self.problem(node, f"'missing' is {listed(['neutral', 'zero', '{points: 2}'])}.",
                     "" if isinstance(node.value, list) else nearest(node.text, known))  # fmt: skip
        return None
