"""What changed between two rule sets, in the words of the people who own them."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TypeVar

from scoring.condition_words import fact_label
from scoring.facts import FACTS
from scoring.operators import FACT_TYPES
from scoring.rule_set import Dimension, Group, Rule, RuleSet
from scoring.rule_words import (
    band_aspects,
    band_labels,
    band_words,
    disqualifier_words,
    exact_points,
    limits_words,
    next_step_words,
    rule_aspects,
    rule_words,
    suppression_words,
)

T = TypeVar("T")
Aspects = Mapping[str, str]


@dataclass(frozen=True, slots=True)
class RuleChange:
    """One difference; `before` is empty for what was added, `after` for what was removed."""

    what: str  # "rule", "group", "band", "suppression", "disqualifier", "next step", …
    id: str  # "" where there is none
    aspect: str  # "points", "decay", "limits", …; "" for the whole
    before: str
    after: str
    label: str = ""

    def __str__(self) -> str:
        name = " ".join(part for part in (self.what, self.label and f"“{self.label}”") if part)
        subject = name[:1].upper() + name[1:]
        if not self.aspect:
            verb, told = ("removed", self.before) if self.before else ("added", self.after)
            return f"{subject} {verb}: {told}"
        before, after = self.before or "none", self.after or "none"
        return f"{subject}, {self.aspect}: {before} → {after}"


def rule_changes(old: RuleSet, new: RuleSet) -> list[RuleChange]:
    """Every difference in what the rule sets say, top to bottom; none when only the form differs.

    Rules, groups and the other entries are recognised by their ids, bands by their names.
    """
    return [
        *_aspects("rule set", "", "", {"name": old.name}, {"name": new.name}),
        *_aspects("custom field", "", "", _fields(old), _fields(new)),
        *_bands(old, new),
        *_listed(
            "suppression",
            {entry.id: (entry.reason, suppression_words(entry)) for entry in old.suppressions},
            {entry.id: (entry.reason, suppression_words(entry)) for entry in new.suppressions},
        ),
        *_listed(
            "disqualifier",
            {entry.id: (entry.reason, disqualifier_words(entry)) for entry in old.disqualifiers},
            {entry.id: (entry.reason, disqualifier_words(entry)) for entry in new.disqualifiers},
        ),
        *_dimensions(old, new),
        *_groups(old, new),
        *_rules(old, new),
        *_next_steps(old, new),
    ]


def _fields(rules: RuleSet) -> Aspects:
    own = {name: kind for name, kind in rules.fact_types if name not in FACTS}
    return {f"type of {fact_label(name)}": FACT_TYPES[kind] for name, kind in own.items()}


def _bands(old: RuleSet, new: RuleSet) -> list[RuleChange]:
    before, after = ({band.key: band for band in rules.bands} for rules in (old, new))
    found = _entries("band", before, after, lambda band: band.label, band_words)
    for key in _both(before, after):
        was, now = before[key], after[key]
        found += _aspects(
            "band",
            key,
            now.label,
            {"label": was.label} | band_aspects(was),
            {"label": now.label} | band_aspects(now),
        )
    return found


def _listed(
    what: str, before: Mapping[str, tuple[str, str]], after: Mapping[str, tuple[str, str]]
) -> list[RuleChange]:
    """Entries with a reason and one sentence each; the order among them matters."""
    found = _entries(what, before, after, lambda entry: entry[0], lambda entry: entry[1])
    for key in _both(before, after):
        was, now = {"wording": before[key][1]}, {"wording": after[key][1]}
        found += _aspects(what, key, after[key][0], was, now)
    return found + _order(what, list(before), list(after))


def _dimensions(old: RuleSet, new: RuleSet) -> list[RuleChange]:
    before, after = ({d.id: d for d in rules.dimensions} for rules in (old, new))
    found = _entries("dimension", before, after, lambda d: d.id, _dimension_words)
    for key in _both(before, after):
        found += _limits("dimension", key, key, before[key], after[key])
    return found


def _dimension_words(dimension: Dimension) -> str:
    rules = sum(len(group.rules) for group in dimension.groups)
    limits = limits_words(dimension.low, dimension.high)
    return f"{_count(len(dimension.groups), 'group')}, {_count(rules, 'rule')}{limits}"


def _groups(old: RuleSet, new: RuleSet) -> list[RuleChange]:
    before, after = _placed_groups(old), _placed_groups(new)
    found = _entries("group", before, after, lambda g: g[1].label, _group_words)
    for key in _both(before, after):
        (was_in, was), (now_in, now) = before[key], after[key]
        found += _aspects(
            "group",
            key,
            now.label,
            {"label": was.label, "dimension": was_in},
            {"label": now.label, "dimension": now_in},
        )
        found += _limits("group", key, now.label, was, now)
    return found


def _placed_groups(rules: RuleSet) -> dict[str, tuple[str, Group]]:
    return {g.id: (d.id, g) for d in rules.dimensions for g in d.groups}


def _group_words(placed: tuple[str, Group]) -> str:
    dimension, group = placed
    limits = limits_words(group.low, group.high)
    return f"in {dimension}, {_count(len(group.rules), 'rule')}{limits}"


def _count(number: int, what: str) -> str:
    return f"{number} {what}{'' if number == 1 else 's'}"


def _limits(
    what: str, key: str, label: str, was: Group | Dimension, now: Group | Dimension
) -> list[RuleChange]:
    before, after = (
        {
            "lower limit": "" if each.low is None else exact_points(each.low),
            "upper limit": "" if each.high is None else exact_points(each.high),
        }
        for each in (was, now)
    )
    return _aspects(what, key, label, before, after)


def _rules(old: RuleSet, new: RuleSet) -> list[RuleChange]:
    before, after = _placed_rules(old), _placed_rules(new)
    found = _entries("rule", before, after, lambda r: r[1].label, lambda r: rule_words(r[1]))
    for key in _both(before, after):
        (was_in, was), (now_in, now) = before[key], after[key]
        found += _aspects(
            "rule",
            key,
            now.label,
            rule_aspects(was) | {"group": was_in},
            rule_aspects(now) | {"group": now_in},
        )
    return found


def _placed_rules(rules: RuleSet) -> dict[str, tuple[str, Rule]]:
    return {
        rule.id: (group.id, rule)
        for dimension in rules.dimensions
        for group in dimension.groups
        for rule in group.rules
    }


def _next_steps(old: RuleSet, new: RuleSet) -> list[RuleChange]:
    labels = band_labels(old) | band_labels(new)  # a band's new name changes no step
    before = [next_step_words(step, labels) for step in old.next_steps]
    after = [next_step_words(step, labels) for step in new.next_steps]
    gone = [RuleChange("next step", "", "", text, "") for text in before if text not in after]
    come = [RuleChange("next step", "", "", "", text) for text in after if text not in before]
    return gone + come + _order("next step", before, after)


# -- comparing -------------------------------------------------------------------------------------


def _both(before: Mapping[str, T], after: Mapping[str, T]) -> list[str]:
    return [key for key in after if key in before]


def _entries(
    what: str,
    before: Mapping[str, T],
    after: Mapping[str, T],
    label: Callable[[T], str],
    words: Callable[[T], str],
) -> list[RuleChange]:
    """What is in one only."""
    gone = [
        RuleChange(what, key, "", words(entry), "", label(entry))
        for key, entry in before.items()
        if key not in after
    ]
    come = [
        RuleChange(what, key, "", "", words(entry), label(entry))
        for key, entry in after.items()
        if key not in before
    ]
    return gone + come


def _aspects(what: str, key: str, label: str, before: Aspects, after: Aspects) -> list[RuleChange]:
    names = dict.fromkeys([*before, *after])
    return [
        RuleChange(what, key, name, before.get(name, ""), after.get(name, ""), label)
        for name in names
        if before.get(name, "") != after.get(name, "")
    ]


def _order(what: str, before: Sequence[str], after: Sequence[str]) -> list[RuleChange]:
    """The first that fits wins, so their order says something too."""
    was = [key for key in before if key in after]
    now = [key for key in after if key in before]
    if was == now:
        return []
    return [RuleChange(f"{what}s", "", "order", "; ".join(was), "; ".join(now))]
