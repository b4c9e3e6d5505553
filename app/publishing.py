"""Putting rules in force: read, held against the leads there are, and only then activated."""

from __future__ import annotations

from datetime import datetime
from pathlib import Path

from data.columns import LeadColumns
from data.store import Store
from scoring.agreement import disagreements, fields_of_nobody
from scoring.documents import RuleProblem
from scoring.rules import parse_rule_set


def publish(
    store: Store, cache: Path, document: str, note: str, now: datetime
) -> tuple[int | None, list[RuleProblem]]:
    """Put a rule document in force: its version, or None and why the active rules stay.

    1. The document has no problem.  2. Every custom field it reads is one that a lead has.
    3. Both evaluators say the same of the leads (`scoring.agreement`).
    """
    rules, problems = parse_rule_set(document)
    if rules is None:
        return None, problems
    columns = LeadColumns(store.engine, cache).current().columns(rules.fact_types)
    active = store.active_rule_set()
    replaced = parse_rule_set(active.document)[0] if active is not None else None
    problems = fields_of_nobody(rules, columns) + disagreements(rules, columns, now, replaced)
    if problems:
        return None, problems
    return store.activate_rule_set(rules.document, rules.hash, rules.name, note, now), []
