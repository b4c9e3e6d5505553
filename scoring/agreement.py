"""Whether scoring one lead and scoring many say the same: asked before rules are put in force.

Both evaluators are held against each other over every distinct value of what the rules touch, and
over a sample of leads as they are.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from datetime import datetime
from typing import Any

import numpy as np

from scoring.columns import NEVER, Coded, Column, Columns, Dates, Integers, Log, Numbers
from scoring.condition_words import fact_label, value_text
from scoring.criteria import Condition, Pattern, facts_of
from scoring.documents import RuleProblem
from scoring.engine import Scorer, compile_rule_set
from scoring.events import patterns_of
from scoring.facts import FACTS
from scoring.history import rows_of, taken
from scoring.inputs import grown_days, instant, microseconds
from scoring.kernel import NONE, ColumnScorer
from scoring.leads import Engagement, utc
from scoring.operators import DAY_US
from scoring.rule_set import RuleSet
from scoring.scores import Fact
from scoring.tally import Tally

#: Leads that are compared as they are, evenly spread over all.
SAMPLE = 500
#: Leads that are compared at a time.
PART = 16_384
#: Numbers and dates of one fact that are compared; texts, choices and lists all are.
MOST_NUMBERS = 50_000
#: An engagement that is compared by itself happened so long ago.
_AGE_US = DAY_US // 2


def disagreements(
    rules: RuleSet, columns: Columns, now: datetime, replaced: RuleSet | None = None
) -> list[RuleProblem]:
    """What the two evaluators do not say alike of these leads at `now` (aware); none = they agree.

    1. Each fact that the rules touch, with every distinct value it has, everything else unknown.
    2. Each distinct engagement that the rules look for, by itself.
    3. A sample of leads with all that is known of them.

    With `replaced`, facts and engagements that only unchanged rules read are left out of 1 and 2.
    At most one problem for each fact, for engagements and for the sample.
    """
    scorer, moment = compile_rule_set(rules), utc(now)
    facts, patterns = _touched(rules, replaced)
    cases = [
        *((fact_label(fact), _each_value(fact, columns)) for fact in sorted(facts)),
        ("engagements", _each_engagement(columns.log, patterns, microseconds(moment))),
        ("leads", _sample(columns)),
    ]
    found = (_first_difference(scorer, what, case, moment) for what, case in cases)
    return [problem for problem in found if problem is not None]


def fields_of_nobody(rules: RuleSet, columns: Columns) -> list[RuleProblem]:
    """Custom fields that rules read and no lead has (any more); none while there are no leads."""
    custom = [name for name, _ in rules.fact_types if name not in FACTS]
    return [
        RuleProblem(
            f"No lead has the field {fact_label(name)}: "
            "the name is misspelt, or your CRM has it no longer."
        )
        for name in custom
        if columns.n and not _is_known(columns.facts.get(name))
    ]


def _is_known(column: Column | None) -> bool:
    """Whether anybody has the fact."""
    match column:
        case Coded():
            return bool(column.codes.any())
        case Numbers():
            return not bool(np.isnan(column.values).all())
        case Dates():
            return bool((column.at != NEVER).any())
    return False


def _touched(rules: RuleSet, replaced: RuleSet | None) -> tuple[set[str], set[Pattern]]:
    """Facts and patterns that a new or changed part of the rules reads."""
    if replaced is None or dict(rules.fact_types) != dict(replaced.fact_types):
        return {name for name, _ in rules.fact_types}, patterns_of(rules)
    known_rules, known = set(replaced.rules()), set(_conditions(replaced))
    facts = {f for rule in rules.rules() if rule not in known_rules for f in rule.facts()}
    for condition in _conditions(rules):
        if condition not in known:
            facts |= facts_of(condition)
    return facts, patterns_of(rules) - patterns_of(replaced)


def _conditions(rules: RuleSet) -> Iterable[Condition]:
    return [s.when for s in rules.suppressions] + [d.when for d in rules.disqualifiers]


# -- cases -----------------------------------------------------------------------------------------


def _each_value(fact: str, columns: Columns) -> Columns:
    """One lead for each distinct value of the fact, about whom nothing else is known."""
    column = columns.facts.get(fact)
    each: Column | None = None
    if isinstance(column, Coded):
        each = Coded(np.arange(1, len(column.values) + 1, dtype=np.int32), column.values)
    elif isinstance(column, Numbers):
        known = column.values[~np.isnan(column.values)]
        each = Numbers(_thinned(np.unique(known)))
    elif isinstance(column, Dates):
        each = Dates(_thinned(np.unique(column.at[column.at != NEVER])), column.growing)
    if each is None:
        return Columns(0, {}, _silent(0))
    n = len(each.codes if isinstance(each, Coded) else each.at if isinstance(each, Dates)
            else each.values)  # fmt: skip
    return Columns(n, {fact: each}, _silent(n))


def _each_engagement(log: Log, patterns: set[Pattern], now_us: int) -> Columns:
    """One lead for each distinct engagement of a kind that is looked for, with nothing else."""
    kinds = {kind for pattern in patterns for kind in pattern.kinds}
    what = np.array([i for i, (kind, _) in enumerate(log.whats) if kind in kinds], np.int32)
    at = np.full(len(what), now_us - _AGE_US, np.int64)
    return Columns(len(what), {}, Log(np.arange(len(what) + 1), at, what, log.whats))


def _sample(columns: Columns) -> Columns:
    """Some of the leads, evenly spread."""
    rows = np.linspace(0, columns.n - 1, min(columns.n, SAMPLE))
    return _taken(columns, np.unique(rows.astype(np.int64)))


def _taken(columns: Columns, leads: Integers) -> Columns:
    facts = {name: taken(column, leads) for name, column in columns.facts.items()}
    log = columns.log
    rows, owner = rows_of(log.offsets, leads)
    offsets = np.zeros(len(leads) + 1, np.int64)
    np.cumsum(np.bincount(owner, minlength=len(leads)), out=offsets[1:])
    return Columns(len(leads), facts, Log(offsets, log.at[rows], log.what[rows], log.whats))


def _thinned(values: Any) -> Any:
    """At most so many, evenly spread."""
    return values[:: -(-len(values) // MOST_NUMBERS)] if len(values) else values


def _silent(n: int) -> Log:
    return Log(np.zeros(n + 1, np.int64), np.zeros(0, np.int64), np.zeros(0, np.int32), ())


# -- comparing -------------------------------------------------------------------------------------


def _first_difference(
    scorer: Scorer, what: str, columns: Columns, now: datetime
) -> RuleProblem | None:
    """The first lead of whom the two say something different, in parts that fit the memory."""
    for low in range(0, columns.n, PART):
        part = _taken(columns, np.arange(low, min(low + PART, columns.n)))
        leads = [_lead(part, row, now) for row in range(part.n)]
        one = [scorer.tally(facts, events, now) for facts, events in leads]
        for row, said, rule in _differences(scorer.rule_set, part, one, now):
            of = _shown(*leads[row]) if what != "leads" else f"number {low + row + 1} of the sample"
            message = (
                f"Scoring one lead and scoring many differ for {what} {of}: {said}. This is a "
                "fault of Leadlight: please report it. Until then these rules cannot be used."
            )
            return RuleProblem(message, rule=rule)
    return None


def _differences(
    rules: RuleSet, columns: Columns, one: Sequence[Tally], now: datetime
) -> Iterator[tuple[int, str, str]]:
    """Row, what differs in words, and the rule it is in, one for each thing that differs."""
    scorer = ColumnScorer(rules, columns)
    many = scorer.score(now)
    bands = [band.key for band in rules.bands]
    numbers: list[tuple[str, list[int], Any]] = [
        ("the score", [t.value for t in one], many.value),
        ("the least it could become", [t.low for t in one], many.low),
        ("the most it could become", [t.high for t in one], many.high),
        ("the band", [bands.index(t.band) if t.band else NONE for t in one], many.band),
        ("whether the band is certain", [t.band_certain for t in one], many.certain),
        ("the suppression", [_at(rules.suppressions, t.suppressed) for t in one], many.suppressed),
        (
            "the disqualifier",
            [_at(rules.disqualifiers, t.disqualified) for t in one],
            many.disqualified,
        ),
    ]
    for what, mine, theirs in numbers:
        yield from _unequal(np.array(mine), theirs, what, "")
    scored = np.array([row for row, tally in enumerate(one) if tally.suppressed is None], np.int64)
    if len(scored):
        names, points = scorer.contributions(now, 0, columns.n)
        for position, rule in enumerate(rules.rules()):
            given = np.array([one[row].givens[position].points for row in scored])
            theirs = points[names.index(rule.id)][scored]
            for at, said, _ in _unequal(given, theirs, f"the rule “{rule.label}”", rule.id):
                yield int(scored[at]), said, rule.id


def _unequal(mine: Any, theirs: Any, what: str, rule: str) -> Iterator[tuple[int, str, str]]:
    for row in np.flatnonzero(mine != theirs)[:1]:
        yield int(row), f"{what} is {mine[row]} and {theirs[row]}", rule


def _at(entries: Sequence[object], entry: object | None) -> int:
    return NONE if entry is None else entries.index(entry)


def _lead(columns: Columns, row: int, now: datetime) -> tuple[dict[str, Fact], list[Engagement]]:
    """What the columns hold of one lead, as it is scored by itself."""
    facts = {}
    for name, column in columns.facts.items():
        fact = _fact(column, row, now)
        if fact is not None:
            facts[name] = fact
    log = columns.log
    events = []
    for at in range(int(log.offsets[row]), int(log.offsets[row + 1])):
        kind, detail = log.whats[log.what[at]]
        moment = instant(int(log.at[at]))
        events.append(Engagement(f"{at:012d}", kind, moment, email="sample", detail=detail))
    return facts, events


def _fact(column: Column, row: int, now: datetime) -> Fact | None:
    if isinstance(column, Coded):
        code = int(column.codes[row])
        return Fact(column.values[code - 1], "sample") if code else None
    if isinstance(column, Numbers):
        value = float(column.values[row])
        return None if np.isnan(value) else Fact(value, "sample")
    if column.at[row] == NEVER:
        return None
    at = int(column.at[row])
    if column.growing:
        return Fact(grown_days(at, microseconds(now)), "sample", instant(at))
    return Fact(instant(at), "sample")


def _shown(facts: dict[str, Fact], events: Sequence[Engagement]) -> str:
    """The one thing that is known of the lead."""
    for fact in facts.values():
        return value_text(fact.value)
    return " ".join([events[0].kind, *events[0].detail.values()])
