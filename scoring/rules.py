"""Reading a rule document: a rule set, or every problem it has, never half of one."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping, Sequence
from functools import cache
from importlib.resources import files

from scoring.band_reader import BandReader
from scoring.bands import DEFAULT_BANDS, Band
from scoring.contradictions import group_floor, rule_floor
from scoring.criteria import Catalogue, FactSpec
from scoring.documents import Node, RuleProblem, canonical_text, listed, read_document
from scoring.facts import FACTS
from scoring.operators import FACT_TYPES
from scoring.rule_keys import (
    DIMENSION_KEYS,
    DISQUALIFIER_KEYS,
    DOCUMENT_KEYS,
    FIELD_TYPES,
    GROUP_KEYS,
    LANGUAGE_VERSION,
    MAX_FIELDS,
    MAX_GROUP_LABEL,
    MAX_LIMIT,
    MAX_NAME,
    MAX_NEXT_STEP,
    MAX_REASON,
    MAX_RULES,
    NEXT_STEP_KEYS,
    SUPPRESSION_KEYS,
)
from scoring.rule_reader import T
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


class _RuleSetReader(BandReader):
    """Reads the document's upper levels: dimensions, groups and the lists beside them."""

    bands: tuple[Band, ...] = DEFAULT_BANDS
    band_keys: Sequence[str] = tuple(band.key for band in DEFAULT_BANDS)  # broken ones too

    def rule_set(self, root: Node) -> RuleSet | None:
        """The whole document."""
        if not self._reads_version(root):
            return None
        entries = self.mapping(root, DOCUMENT_KEYS, "The document", ("name", "dimensions"))
        if entries is None:
            return None
        name = self.text(entries["name"], "'name'", MAX_NAME) if "name" in entries else None
        if "fields" in entries:
            self._fields(entries["fields"])
        if "bands" in entries:
            self.bands = self.read_bands(entries["bands"])
            self.band_keys = [key for key, _ in entries["bands"].items()]
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
            choices=tuple(
                (fact, self.catalogue[fact].choices)
                for fact in sorted(self.facts_read)
                if self.catalogue[fact].choices
            ),
        )

    def _reads_version(self, root: Node) -> bool:
        """Whether the document is in a version of the language that is read here; it may say so."""
        node = dict(root.items()).get("version")
        if node is None:
            return True
        value = node.value
        if not isinstance(value, int) or isinstance(value, bool) or value < 1:
            self.problem(node, f"'version' is the language's: write 'version: {LANGUAGE_VERSION}'.")
        elif value > LANGUAGE_VERSION:
            self.problem(
                node,
                f"The document is in version {value} of the language; this Leadlight reads "
                f"{LANGUAGE_VERSION}. Install a newer Leadlight.",
            )
            return False
        return True

    def _fields(self, node: Node) -> None:
        """The customer's own fields and their types: facts beside those of the catalogue."""
        if not isinstance(node.value, dict):
            self.problem(node, "'fields' is a mapping of names to types, such as 'seats: number'.")
            return
        if len(node.value) > MAX_FIELDS:
            self.problem(node, f"'fields' has {len(node.value):,} entries; at most {MAX_FIELDS:,}.")
            return
        for name, child in node.items():
            known = self.catalogue.get(name)
            if not name.strip() or len(name) > MAX_NAME:
                message = f"The name of a field has 1 to {MAX_NAME} characters."
                self.problem(child, message, line=node.key_lines.get(name))
            elif child.value not in FIELD_TYPES:
                self.unknown(child, child.text, "type of a field", FIELD_TYPES)
            elif name in FACTS:
                message = f"'{name}' is a fact with a type of its own: leave it out here."
                self.problem(child, message, line=node.key_lines.get(name))
            elif known is not None and known.type not in ("text", child.value):
                message = f"'{name}' is mapped as {FACT_TYPES[known.type]}: say the same here."
                self.problem(child, message, known.type)
            else:
                self.catalogue[name] = FactSpec(str(child.value))

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
        entries = self.mapping(node, DIMENSION_KEYS, "A dimension", ("groups",))
        if entries is None:
            return None
        low, high = self._limits(node, entries)
        groups = self._list(entries.get("groups"), "'groups'", self._group)
        floor = sum(map(group_floor, groups))
        if high is not None and floor > high:
            message = f"The groups of {name} give at least {points_text(int(floor))} together, "
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
        entries = self.mapping(node, GROUP_KEYS, "A group", ("id", "rules"))
        if entries is None:
            return None
        group_id = self.identifier(entries, "a group")
        if group_id in (*DIMENSIONS, "score"):
            self.problem(entries["id"], f"The id '{group_id}' is a word of the language.")
        label = (
            self.text(entries["label"], "'label'", MAX_GROUP_LABEL) if "label" in entries else None
        )
        low, high = self._limits(node, entries)
        rules = self._list(entries.get("rules"), "'rules'", self.read_rule)
        floor = sum(map(rule_floor, rules))
        if high is not None and floor > high:
            message = f"The rules of {group_id} give at least {points_text(int(floor))} together, "
            self.problem(node, message + f"more than its 'max' of {points_text(high)}.")
        return Group(group_id, label or group_id.replace("_", " ").capitalize(), low, high, rules)

    def _named(self, node: Node, keys: tuple[str, ...], what: str) -> dict[str, Node] | None:
        entries = self.mapping(node, keys, what.capitalize(), keys)
        if entries is None:
            return None
        self.rule = self.identifier(entries, what)
        return entries if set(keys) <= set(entries) else None

    def _suppression(self, node: Node) -> Suppression | None:
        entries = self._named(node, SUPPRESSION_KEYS, "a suppression")
        if entries is None:
            return None
        when, reason = (
            self.criteria(entries["when"]),
            self.text(entries["reason"], "'reason'", MAX_REASON),
        )
        return Suppression(self.rule, when, reason) if when and reason else None

    def _disqualifier(self, node: Node) -> Disqualifier | None:
        entries = self._named(node, DISQUALIFIER_KEYS, "a disqualifier")
        if entries is None:
            return None
        when, reason = (
            self.criteria(entries["when"]),
            self.text(entries["reason"], "'reason'", MAX_REASON),
        )
        at_most = self.milli(entries["at_most"], "'at_most'", 0, 100)
        if when is None or reason is None or at_most is None:
            return None
        return Disqualifier(self.rule, when, reason, at_most)

    def _next_step(self, node: Node) -> NextStep | None:
        entries = self.mapping(node, NEXT_STEP_KEYS, "A next step", ("text",))
        if entries is None or "text" not in entries:
            return None
        text = self.text(entries["text"], "'text'", MAX_NEXT_STEP)
        when = self.criteria(entries["when"]) if "when" in entries else None
        wanted: list[str] = []
        band = entries.get("band")
        for item in (band.value if isinstance(band.value, list) else [band]) if band else []:
            wanted.append(item.text)
            if item.text not in self.band_keys:
                self.unknown(item, item.text, "band", self.band_keys)
        return NextStep(text, tuple(wanted), when) if text else None
