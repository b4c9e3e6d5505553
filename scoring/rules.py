"""Reading a rule document: a rule set, or every problem it has, never half of one."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Callable, Mapping
from functools import cache
from importlib.resources import files
from itertools import pairwise

from scoring.bands import DEFAULT_BANDS, Band
from scoring.criteria import Catalogue, FactSpec
from scoring.documents import Node, RuleProblem, canonical_text, listed, read_document
from scoring.facts import FACTS
from scoring.operators import FACT_TYPES
from scoring.rule_reader import MAX_LIMIT, RuleReader, T
from scoring.rule_set import (
    Dimension,
    Disqualifier,
    Group,
    NextStep,
    Rule,
    RuleSet,
    Suppression,
)
from scoring.scores import DIMENSIONS, points_text

__all__ = [
    "DEFAULT_RULES_TEXT",
    "Band",
    "Rule",
    "RuleProblem",
    "RuleSet",
    "default_rule_set",
    "fact_catalogue",
    "parse_rule_set",
]

MAX_RULES = 2_000
MAX_DWELL_DAYS = 365
MAX_CAPACITY = 1_000_000

DEFAULT_RULES_TEXT = files("scoring").joinpath("default_rules.yaml").read_text(encoding="utf-8")


def parse_rule_set(
    source: str | Mapping[str, object], *, fields: Mapping[str, str] | None = None
) -> tuple[RuleSet | None, list[RuleProblem]]:
    """Read a rule document (YAML or JSON text, or a mapping); None when there is any problem.

    `fields`: further facts that rules may read, name -> type (see `FACT_TYPES`), for custom fields.
    """
    root, problems = read_document(source)
    if root is None:
        return None, problems
    reader = _RuleSetReader(fact_catalogue(fields))
    rule_set = reader.rule_set(root)
    return (None if reader.problems else rule_set), reader.problems


@cache
def default_rule_set() -> RuleSet:
    """The rule set that ships with the product; raises ValueError if its document is broken."""
    rule_set, problems = parse_rule_set(DEFAULT_RULES_TEXT)
    if rule_set is None:
        raise ValueError("default_rules.yaml: " + "; ".join(map(str, problems)))
    return rule_set


def fact_catalogue(fields: Mapping[str, str] | None = None) -> Catalogue:
    """Every fact that rules may read; raises ValueError for a field of an unknown type."""
    catalogue = {name: FactSpec(fact_type) for name, fact_type in (fields or {}).items()}
    for name, spec in catalogue.items():
        if spec.type not in FACT_TYPES:
            raise ValueError(f"field {name!r}: unknown type {spec.type!r}, use one of {FACT_TYPES}")
    for name, fact in FACTS.items():
        catalogue[name] = FactSpec(fact.type, tuple(fact.values))
    return catalogue


class _RuleSetReader(RuleReader):
    """Reads the document's upper levels: bands, dimensions, groups and the lists beside them."""

    bands: tuple[Band, ...] = DEFAULT_BANDS

    def rule_set(self, root: Node) -> RuleSet | None:
        """The whole document."""
        names = ("name", "bands", "suppress", "disqualify", "dimensions", "next_steps")
        entries = self.mapping(root, names, "The document", ("name", "dimensions"))
        if entries is None:
            return None
        name = self.text(entries["name"], "'name'", 100) if "name" in entries else None
        if "bands" in entries:
            self.bands = self._bands(entries["bands"])
        dimensions = self._dimensions(entries["dimensions"]) if "dimensions" in entries else ()
        suppressions = self._list(entries.get("suppress"), "'suppress'", self._suppression)
        disqualifiers = self._list(entries.get("disqualify"), "'disqualify'", self._disqualifier)
        next_steps = self._list(entries.get("next_steps"), "'next_steps'", self._next_step)
        if self.problems or name is None:
            return None
        document = canonical_text(root)
        return RuleSet(
            name=name,
            bands=self.bands,
            dimensions=dimensions,
            suppressions=suppressions,
            disqualifiers=disqualifiers,
            next_steps=next_steps,
            fact_types=tuple((fact, self.catalogue[fact].type) for fact in sorted(self.facts_read)),
            document=document,
            hash=hashlib.sha256(document.encode()).hexdigest(),
        )

    def _list(
        self, node: Node | None, what: str, read: Callable[[Node], T | None]
    ) -> tuple[T, ...]:
        if node is None:
            return ()
        items = self.items(node, what) or []
        if len(items) > MAX_RULES:
            self.problem(
                node,
                f"{what} has {len(items):,} entries; at most {MAX_RULES:,} are read.",
            )
            return ()
        found: list[T] = []
        for item in items:
            entry = read(item)
            self.rule = ""
            if entry is not None:
                found.append(entry)
        return tuple(found)

    def _bands(self, node: Node) -> tuple[Band, ...]:
        before = len(self.problems)
        if not isinstance(node.value, dict) or not node.value:
            self.problem(node, "'bands' is a mapping such as 'hot: {label: Hot, from: 70}'.")
            return DEFAULT_BANDS
        found = [self._band(key, child) for key, child in node.items()]
        bands = sorted((b for b in found if b is not None), key=lambda b: -b.threshold)
        if len(self.problems) == before:
            lowest = bands[-1]
            if lowest.threshold != 0:
                self.problem(
                    node,
                    "The lowest band starts 'from: 0', so that no score is left out.",
                )
            if lowest.capacity is not None:
                message = f"The lowest band, {lowest.key}, takes all the rest: no 'capacity' here."
                self.problem(_entry(node, lowest.key, "capacity"), message)
            for band, lower in pairwise(bands):
                self._band_limits(node, band, lower)
        return tuple(bands) or DEFAULT_BANDS

    def _band(self, key: str, node: Node) -> Band | None:
        if not re.fullmatch(r"[a-z][a-z0-9_]{0,29}", key):
            self.problem(node, "The name of a band is lower-case letters, digits and _.")
        keys = ("label", "from", "leave_at", "dwell_days", "capacity")
        entries = self.mapping(node, keys, "A band", ("from",))
        if entries is None or "from" not in entries:
            return None
        threshold = self._milli(entries["from"], "'from'", 0, 100)
        leave_at = (
            self._milli(entries["leave_at"], "'leave_at'", 0, 100)
            if "leave_at" in entries
            else None
        )
        label = self.text(entries["label"], "'label'", 40) if "label" in entries else None
        dwell_days = (
            self.number(entries["dwell_days"], "'dwell_days'", 0, MAX_DWELL_DAYS)
            if "dwell_days" in entries
            else None
        )
        capacity = self._capacity(entries["capacity"]) if "capacity" in entries else None
        if threshold is None:
            return None
        label = label or key.replace("_", " ").capitalize()
        return Band(key, label, threshold, leave_at, dwell_days, capacity)

    def _capacity(self, node: Node) -> int | None:
        if not isinstance(node.value, dict):
            message = "'capacity' is a mapping such as '{per_week: 40}': new leads within 7 days."
            self.problem(node, message)
            return None
        entries = self.mapping(node, ("per_week",), "'capacity'", ("per_week",))
        if not entries:
            return None
        return self.whole(entries["per_week"], "'per_week'", 1, MAX_CAPACITY)

    def _band_limits(self, node: Node, band: Band, lower: Band) -> None:
        if band.threshold == lower.threshold:
            self.problem(node, f"The bands {band.key} and {lower.key} start at the same score.")
        leave_at = band.leave_at
        if leave_at is not None and not lower.threshold < leave_at <= band.threshold:
            message = f"'leave_at' of {band.key} is above the start of {lower.key}, up to its own."
            self.problem(_entry(node, band.key, "leave_at"), message)

    def _milli(self, node: Node, what: str, low: float, high: float) -> int | None:
        return (
            None
            if self.number(node, what, low, high) is None
            else self.points(node, what, MAX_LIMIT)
        )

    def _dimensions(self, node: Node) -> tuple[Dimension, ...]:
        entries = self.mapping(node, DIMENSIONS, "'dimensions'") or {}
        found = tuple(
            self._dimension(name, entries[name]) for name in DIMENSIONS if name in entries
        )
        known = [dimension for dimension in found if dimension is not None]
        count = sum(len(group.rules) for dimension in known for group in dimension.groups)
        if isinstance(node.value, dict) and not node.value:
            self.problem(node, f"'dimensions' has at least one of {listed(DIMENSIONS)}.")
        if count > MAX_RULES:
            self.problem(node, f"{count:,} rules; at most {MAX_RULES:,} are read.")
        return tuple(known)

    def _dimension(self, name: str, node: Node) -> Dimension | None:
        entries = self.mapping(node, ("min", "max", "groups"), "A dimension", ("groups",))
        if entries is None:
            return None
        low, high = self._limits(node, entries)
        groups = self._list(entries.get("groups"), "'groups'", self._group)
        floors = [group.low for group in groups if group.low is not None]
        if high is not None and len(floors) == len(groups) and sum(floors) > high:
            message = f"The groups of {name} give at least {points_text(sum(floors))} together, "
            self.problem(node, message + f"more than its 'max' of {points_text(high)}.")
        return Dimension(name, low, high, groups)

    def _limits(self, node: Node, entries: dict[str, Node]) -> tuple[int | None, int | None]:
        low, high = (
            self.points(entries[key], f"'{key}'", MAX_LIMIT) if key in entries else None
            for key in ("min", "max")
        )
        if low is not None and high is not None and low > high:
            self.problem(node, f"'min' {points_text(low)} is above 'max' {points_text(high)}.")
        return low, high

    def _group(self, node: Node) -> Group | None:
        keys = ("id", "label", "min", "max", "rules")
        entries = self.mapping(node, keys, "A group", ("id", "rules"))
        if entries is None:
            return None
        group_id = self.identifier(entries, "a group")
        if group_id in (*DIMENSIONS, "score"):
            self.problem(entries["id"], f"The id '{group_id}' is a word of the language.")
        label = self.text(entries["label"], "'label'", 80) if "label" in entries else None
        low, high = self._limits(node, entries)
        rules = self._list(entries.get("rules"), "'rules'", self.read_rule)
        return Group(group_id, label or group_id.replace("_", " ").capitalize(), low, high, rules)

    def _named(self, node: Node, extra: tuple[str, ...], what: str) -> dict[str, Node] | None:
        keys = ("id", "when", "reason", *extra)
        entries = self.mapping(node, keys, what.capitalize(), keys)
        if entries is None:
            return None
        self.rule = self.identifier(entries, what)
        return entries if set(keys) <= set(entries) else None

    def _suppression(self, node: Node) -> Suppression | None:
        entries = self._named(node, (), "a suppression")
        if entries is None:
            return None
        when, reason = (
            self.criteria(entries["when"]),
            self.text(entries["reason"], "'reason'", 120),
        )
        return Suppression(self.rule, when, reason) if when and reason else None

    def _disqualifier(self, node: Node) -> Disqualifier | None:
        entries = self._named(node, ("at_most",), "a disqualifier")
        if entries is None:
            return None
        when, reason = (
            self.criteria(entries["when"]),
            self.text(entries["reason"], "'reason'", 120),
        )
        at_most = self._milli(entries["at_most"], "'at_most'", 0, 100)
        if when is None or reason is None or at_most is None:
            return None
        return Disqualifier(self.rule, when, reason, at_most)

    def _next_step(self, node: Node) -> NextStep | None:
        entries = self.mapping(node, ("band", "when", "text"), "A next step", ("text",))
        if entries is None or "text" not in entries:
            return None
        text = self.text(entries["text"], "'text'", 200)
        when = self.criteria(entries["when"]) if "when" in entries else None
        keys = [band.key for band in self.bands]
        wanted: list[str] = []
        band = entries.get("band")
        for item in (band.value if isinstance(band.value, list) else [band]) if band else []:
            wanted.append(item.text)
            if item.text not in keys:
                self.unknown(item, item.text, "band", keys)
        return NextStep(text, tuple(wanted), when) if text else None


def _entry(node: Node, *keys: str) -> Node:
    """The node found by going down these keys, which are there."""
    for key in keys:
        node = dict(node.items())[key]
    return node
