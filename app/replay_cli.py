"""`leadlight replay`: every logged score computed again, compared byte for byte."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from data.plain import contributions_to_json, situation_from_json
from data.score_log import LogEntry, log_entries, rule_document
from data.store import Store
from scoring.engine import ENGINE_VERSION, Scorer, compile_rule_set, inputs_from_json
from scoring.rules import parse_rule_set

SAME, DIFFERENT, NOT_ALL = 0, 1, 3
#: Differences that are shown; all are counted.
SHOWN = 20
#: What is compared, in this order.
COMPARED = ("value", "low", "high", "band", "scoring_mode", "contributions")


@dataclass(frozen=True, slots=True)
class Difference:
    """An entry that does not come out as it was logged."""

    entry: int
    lead: int
    scored_at: datetime
    what: str  # the first of COMPARED that differs, or why it could not be computed
    logged: str = ""
    computed: str = ""


@dataclass(slots=True)
class Replay:
    """What became of the entries."""

    same: int = 0
    differences: list[Difference] = field(default_factory=list)
    other_engines: Counter[str] = field(default_factory=Counter)  # entries by engine version
    lost_rules: Counter[str] = field(default_factory=Counter)  # entries by rule-set hash

    @property
    def entries(self) -> int:
        """How many were looked at."""
        others = self.other_engines.total() + self.lost_rules.total()
        return self.same + len(self.differences) + others

    @property
    def code(self) -> int:
        """The exit code."""
        if self.differences:
            return DIFFERENT
        return NOT_ALL if self.other_engines or self.lost_rules else SAME


def replay_log(
    store: Store,
    *,
    since: datetime | None = None,
    lead: int | None = None,
    sample: int | None = None,
) -> Replay:
    """Compute the store's logged scores again; see `data.score_log.log_entries` for which."""
    entries = log_entries(store, since=since, lead=lead, sample=sample)
    return replay_entries(entries, lambda rules: rule_document(store, rules))


def replay_entries(entries: Iterable[LogEntry], document_of: Callable[[str], str | None]) -> Replay:
    """Compute entries again with the rule documents they name.

    An entry of another engine version is counted and not computed: this engine does not claim to
    give the same answers. So is one whose rules are gone or can no longer be read.
    """
    found = Replay()
    scorers: dict[str, Scorer | None] = {}
    for entry in entries:
        if entry.engine_version != ENGINE_VERSION:
            found.other_engines[entry.engine_version] += 1
            continue
        rules = entry.rule_set_hash
        if rules not in scorers:
            scorers[rules] = _scorer(document_of(rules), rules)
        scorer = scorers[rules]
        if scorer is None:
            found.lost_rules[rules] += 1
        elif (difference := _difference(entry, scorer)) is not None:
            found.differences.append(difference)
        else:
            found.same += 1
    return found


def _scorer(document: str | None, rule_set_hash: str) -> Scorer | None:
    rule_set = parse_rule_set(document)[0] if document is not None else None
    return compile_rule_set(rule_set) if rule_set and rule_set.hash == rule_set_hash else None


def _difference(entry: LogEntry, scorer: Scorer) -> Difference | None:
    at = entry.id, entry.lead_id, entry.scored_at
    try:
        facts, engagements = inputs_from_json(entry.inputs)
    except ValueError as error:
        return Difference(*at, str(error))
    situation = situation_from_json(entry.situation) if entry.situation else None
    before = entry.previous_band or None
    score = scorer.score(facts, engagements, entry.scored_at, before, situation=situation)
    for name in COMPARED:
        logged, computed = getattr(entry, name), getattr(score, name)
        if name == "contributions":
            computed = contributions_to_json(computed)
        if _bytes(logged) != _bytes(computed):
            return Difference(*at, name, _bytes(logged), _bytes(computed))
    return None


def _bytes(value: Any) -> str:
    return json.dumps(value, ensure_ascii=True, separators=(",", ":"))


def summary(found: Replay) -> dict[str, Any]:
    """What `--json` prints."""
    return {
        "entries": found.entries,
        "same": found.same,
        "different": len(found.differences),
        "engine_version": ENGINE_VERSION,
        "other_engine_versions": dict(sorted(found.other_engines.items())),
        "rules_not_readable": dict(sorted(found.lost_rules.items())),
        "differences": [
            {
                "entry": each.entry,
                "lead": each.lead,
                "scored_at": each.scored_at.isoformat(),
                "what": each.what,
                "logged": each.logged,
                "computed": each.computed,
            }
            for each in found.differences[:SHOWN]
        ],
    }


def in_words(told: Mapping[str, Any]) -> str:
    """The same for people."""
    if not told["entries"]:
        return "No score is logged there, so there is nothing to compute again."
    lines = [
        f"{told['entries']:,} logged scores: {told['same']:,} computed again to the same bytes,"
        f" {told['different']:,} differ."
    ]
    for version, n in told["other_engine_versions"].items():
        lines.append(
            f"{n:,} are of engine version {version} and were not computed: this is version"
            f" {told['engine_version']}. Use the release that wrote them."
        )
    for rules, n in told["rules_not_readable"].items():
        lines.append(f"{n:,} are of rule set {rules[:8]}, whose document is gone or not readable.")
    for each in told["differences"]:
        lines.append(
            f"  entry {each['entry']}, lead {each['lead']}, {each['scored_at']}: {each['what']}"
            + (
                f"\n    logged   {each['logged']}\n    computed {each['computed']}"
                if each["computed"]
                else ""
            )
        )
    if told["different"] > len(told["differences"]):
        lines.append(f"  and {told['different'] - len(told['differences']):,} more.")
    return "\n".join(lines)
