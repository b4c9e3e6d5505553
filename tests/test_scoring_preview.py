"""A preview is what really happens: every lead, every band, whatever the draft changes."""

from __future__ import annotations

import copy
import random
from collections.abc import Callable, Sequence
from datetime import timedelta
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from scoring.blocks import BLOCK
from scoring.columns import Columns, columns_of, some_of
from scoring.fading import Fading
from scoring.givers import FactTable
from scoring.kernel import NONE, ColumnScorer, Scores
from scoring.leads import Engagement
from scoring.preview import WRITE_POINTS, Change, Preview
from scoring.rules import RuleSet, parse_rule_set
from scoring.scores import MILLI, Fact
from tests import reference_scorer as reference
from tests.reference_scorer import NOW, RECORD

LEADS = 60
ARRAYS = Scores.__slots__
Document = dict[str, Any]


def parsed(document: Document) -> RuleSet:
    rule_set, problems = parse_rule_set(document, fields=reference.FIELDS)
    assert rule_set is not None, [str(problem) for problem in problems]
    return rule_set


def assert_same(mine: Scores, theirs: Scores) -> None:
    for name in ARRAYS:
        assert getattr(mine, name).tobytes() == getattr(theirs, name).tobytes(), name


# -- edits -----------------------------------------------------------------------------------------

Edit = Callable[[Document, Document, random.Random], None]


def _group(draft: Document, chance: random.Random) -> Any:
    return chance.choice(chance.choice(list(draft["dimensions"].values()))["groups"])


def _points(draft: Document, other: Document, chance: random.Random) -> None:
    rule = chance.choice(_group(draft, chance)["rules"])
    if isinstance(rule["points"], dict):
        key = chance.choice(list(rule["points"]))
        rule["points"][key] = rule["points"][key] / 2 + 1
    else:
        rule["points"] = rule["points"] / 2 + 1


def _rename(draft: Document, other: Document, chance: random.Random) -> None:
    chance.choice(_group(draft, chance)["rules"])["id"] = "renamed"


def _condition(draft: Document, other: Document, chance: random.Random) -> None:
    theirs = [rule for rule in _group(other, chance)["rules"] if "when" in rule]
    chance.choice(_group(draft, chance)["rules"])["when"] = chance.choice(theirs)["when"]


def _decay(draft: Document, other: Document, chance: random.Random) -> None:
    mine = [rule for rule in _group(draft, chance)["rules"] if "each" in rule]
    chance.choice(mine)["decay"] = {"half_life_days": chance.choice([1, 5, 30])}


def _missing(draft: Document, other: Document, chance: random.Random) -> None:
    chance.choice(_group(draft, chance)["rules"])["missing"] = {"points": chance.randint(-5, 5)}


def _remove(draft: Document, other: Document, chance: random.Random) -> None:
    group = _group(draft, chance)
    group["rules"].remove(chance.choice(group["rules"]))


def _add(draft: Document, other: Document, chance: random.Random) -> None:
    new = chance.choice(_group(other, chance)["rules"])
    _group(draft, chance)["rules"].append({**new, "id": "added"})


def _twice(draft: Document, other: Document, chance: random.Random) -> None:
    group = _group(draft, chance)
    group["rules"].append({**chance.choice(group["rules"]), "id": "again"})


def _order(draft: Document, other: Document, chance: random.Random) -> None:
    _group(draft, chance)["rules"].reverse()


def _limit(draft: Document, other: Document, chance: random.Random) -> None:
    limited = chance.choice([*draft["dimensions"].values(), _group(draft, chance)])
    limited["max"] = chance.randint(2, 30)
    limited.pop("min", None)


def _regroup(draft: Document, other: Document, chance: random.Random) -> None:
    _group(draft, chance)["id"] = "regrouped"


def _drop(draft: Document, other: Document, chance: random.Random) -> None:
    del draft["dimensions"][chance.choice(list(draft["dimensions"]))]


def _dimension(draft: Document, other: Document, chance: random.Random) -> None:
    theirs = copy.deepcopy(other["dimensions"])
    for dimension in theirs.values():
        for entry in [*dimension["groups"], *(r for g in dimension["groups"] for r in g["rules"])]:
            entry["id"] = f"other_{entry['id']}"
    draft["dimensions"] |= theirs


def _bands(draft: Document, other: Document, chance: random.Random) -> None:
    draft["next_steps"] = []
    draft["bands"] = chance.choice(
        [
            {"hot": {"from": 30}, "warm": {"from": 12.5}, "cold": {"from": 0}},
            {"hot": {"from": 30}, "new": {"from": 9}, "cold": {"from": 0}},
            {"cold": {"from": 20}, "warm": {"from": 5}, "hot": {"from": 0}},
            {"hot": {"from": 40, "leave_at": 25}, "cold": {"from": 0}},
        ]
    )


def _cap(draft: Document, other: Document, chance: random.Random) -> None:
    draft["disqualify"], draft["suppress"] = other["disqualify"], other["suppress"]


def _all(draft: Document, other: Document, chance: random.Random) -> None:
    draft.clear()
    draft |= copy.deepcopy(other)


def _nothing(draft: Document, other: Document, chance: random.Random) -> None:
    pass


EDITS: Sequence[Edit] = (
    _points, _rename, _condition, _decay, _missing, _remove, _add, _twice, _order, _limit, _regroup,
    _drop, _dimension, _bands, _cap, _all, _nothing,
)  # fmt: skip


def edited(document: Document, other: Document, seed: int) -> RuleSet:
    """A draft by the first edit, in random order, that leaves a document without problems."""
    chance = random.Random(seed)  # invented drafts, no secrets
    for edit in chance.sample(EDITS, len(EDITS)):
        draft = copy.deepcopy(document)
        try:
            edit(draft, other, chance)
        except IndexError:  # nothing there to edit in this way
            continue
        rule_set, _ = parse_rule_set(draft, fields=reference.FIELDS)
        if rule_set is not None:
            return rule_set
    raise AssertionError("not even the document itself")


def invented(seed: int, number: int = LEADS) -> list[tuple[dict[str, Fact], list[Engagement]]]:
    source = random.Random(seed)  # invented leads, no secrets
    return [(reference.facts(source), reference.engagements(source)) for _ in range(number)]


def over_both(leads: Any, *rule_sets: RuleSet) -> Columns:
    types = {fact: kind for rules in rule_sets for fact, kind in rules.fact_types}
    return columns_of(leads, sorted(types.items()))


# -- the prediction ------------------------------------------------------------------------------


def assert_realised(
    change: Change, active: RuleSet, draft: RuleSet, before: Scores, after: Scores
) -> None:
    """The change told is the one from the scores before to the scores after."""
    assert_same(change.scores, after)
    keys = [[*(band.key for band in rules.bands), ""] for rules in (active, draft)]
    moves = np.zeros_like(change.moves)
    movers, changed, writes = [], 0, 0
    for row in range(len(before.value)):
        old, new = int(before.band[row]), int(after.band[row])
        moves[old, new] += 1
        moved = keys[0][old] != keys[1][new]
        movers += [row] * moved
        difference = abs(int(before.value[row]) - int(after.value[row]))
        changed += difference > 0
        writes += new != NONE and (moved or difference >= WRITE_POINTS)
    assert change.moves.tolist() == moves.tolist()
    assert change.movers.tolist() == movers
    assert (change.changed, change.writes) == (changed, writes)
    for position in range(len(keys[1]) - 1):
        entering = [row for row in movers if after.band[row] == position]
        assert change.entering(position).tolist() == entering
        assert change.bands_after[position] == int((after.band == position).sum())
    for bars, scores in ((change.bars_before, before), (change.bars_after, after)):
        wanted = [0] * 101
        for value in scores.value[scores.band != NONE]:
            wanted[int(value) // MILLI] += 1
        assert bars.tolist() == wanted


@settings(
    max_examples=60,
    deadline=None,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large],
)
@given(
    reference.documents(),
    reference.documents(),
    st.lists(st.integers(0, 2**32), min_size=1, max_size=3),
    st.booleans(),
)
def test_what_publishing_does_was_predicted_lead_for_lead(
    document: Document, other: Document, seeds: list[int], in_bands: bool
) -> None:
    active = parsed(document)
    drafts = [edited(document, other, seed) for seed in seeds]
    columns = over_both(invented(seeds[0]), active, *drafts)
    held = np.arange(LEADS).astype(np.int8) % (len(active.bands) + 1) - 1 if in_bands else None
    preview = Preview(active, columns, NOW, held)
    before = ColumnScorer(active, columns).score(NOW, held)
    assert_same(preview.scores, before)
    for draft in drafts:
        names = [band.key for band in draft.bands]
        now_held = None
        if held is not None:
            keys = [active.bands[i].key if i != NONE else "" for i in held]
            places = [names.index(key) if key in names else NONE for key in keys]
            now_held = np.array(places, np.int8)
        after = ColumnScorer(draft, columns).score(NOW, now_held)
        assert_realised(preview.compare(draft), active, draft, before, after)


def document_of(*rules: Document) -> Document:
    return {
        "name": "One",
        "dimensions": {
            "fit": {"max": 60, "groups": [{"id": "g", "max": 40, "rules": list(rules)}]},
            "engagement": {
                "groups": [
                    {"id": "web", "rules": [
                        {"id": "visits", "each": {"kind": "page_visit"}, "points": 3,
                         "decay": {"half_life_days": 7}},
                        {"id": "opens", "each": {"kind": "email_open"}, "points": 2,
                         "time_frame": 30}]},
                ]
            },
        },
    }  # fmt: skip


RULES: dict[str, Document] = {
    "size": {"id": "size", "per": "size", "points": 1, "cap": 50},
    "kind": {"id": "kind", "by": "email_kind", "points": {"free": -5, "business": 4}},
    "plan": {"id": "plan", "when": {"plan": {"contains": ["al"]}}, "points": 6},
    "two": {"id": "two", "when": {"any": [{"vip": {"is_true": True}}, {"size": {"above": 30}}]},
            "points": 7},
}  # fmt: skip


def test_comparing_again_and_again_does_not_wear_the_preview_down() -> None:
    active = parsed(document_of(*RULES.values()))
    columns = columns_of(invented(1, 500), active.fact_types)
    preview = Preview(active, columns, NOW)
    for points in (2, 3, 0.5, 2, 1):
        draft = parsed(document_of({**RULES["size"], "points": points}, *list(RULES.values())[1:]))
        change = preview.compare(draft)
        assert_same(change.scores, ColumnScorer(draft, columns).score(NOW))
    assert (change.changed, change.writes, change.movers.tolist()) == (0, 0, [])


def many_times(columns: Columns) -> Columns:
    """The same leads again and again, until they are three blocks."""
    times = 2 * BLOCK // columns.n + 1
    return some_of(columns, np.tile(np.arange(columns.n), times))


def test_leads_of_several_blocks_are_counted_in_order() -> None:
    some = invented(2, 2_000)
    active = parsed(document_of(*RULES.values()))
    draft = parsed(document_of({**RULES["two"], "points": 30}))
    columns = many_times(columns_of(some, active.fact_types))
    change = Preview(active, columns, NOW).compare(draft)
    before, after = (ColumnScorer(rules, columns).score(NOW) for rules in (active, draft))
    assert_realised(change, active, draft, before, after)
    assert len(change.movers) > 0


def test_the_caller_says_how_large_a_change_is_written() -> None:
    active = parsed(document_of(RULES["size"]))
    draft = parsed(document_of({**RULES["size"], "points": 1.5}))
    columns = columns_of([({"size": Fact(float(n), "file")}, []) for n in range(12)],
                         active.fact_types)  # fmt: skip
    preview = Preview(active, columns, NOW)
    assert preview.compare(draft).writes == 8  # from 4 units on, half a point each
    assert preview.compare(draft, write_points=5 * MILLI).writes == 2


@pytest.mark.parametrize(
    ("changed", "looked_up", "measured"),
    [
        ({"kind": {"points": {"free": -6, "business": 4}}}, 1, 0),
        ({"plan": {"points": 5}}, 1, 0),
        ({"two": {"points": 5}}, 0, 0),
        ({"size": {"points": 2}}, 0, 0),
        ({"visits": {"points": 4}}, 0, 1),
        ({"opens": {"points": 4}}, 0, 1),
        ({"opens": {"label": "Opened a mail"}}, 0, 0),
    ],
)
def test_one_changed_weight_looks_at_one_rule_only(
    changed: dict[str, Document],
    looked_up: int,
    measured: int,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    document = document_of(*RULES.values())
    active = parsed(document)
    columns = columns_of(invented(3, 100), active.fact_types)
    preview = Preview(active, columns, NOW)
    draft = copy.deepcopy(document)
    for dimension in draft["dimensions"].values():
        for group in dimension["groups"]:
            for rule in group["rules"]:
                rule |= changed.get(rule["id"], {})
    asked = {"table": 0, "amounts": 0, "measure": 0}

    def counting(kind: str, owner: type, name: str) -> None:
        real = getattr(owner, name)

        def wrapped(*arguments: Any) -> Any:
            asked[kind] += 1
            return real(*arguments)

        monkeypatch.setattr(owner, name, wrapped)

    counting("table", FactTable, "rows")
    counting("amounts", Fading, "amounts")
    counting("measure", Fading, "_measure")
    change = preview.compare(parsed(draft))
    assert asked == {"table": looked_up, "amounts": measured, "measure": 0}
    monkeypatch.undo()
    assert_same(change.scores, ColumnScorer(parsed(draft), columns).score(NOW))


def test_an_engagement_to_come_is_not_previewed() -> None:
    active = parsed(document_of(RULES["size"]))
    draft = parsed(document_of({**RULES["size"], "points": 2}))
    later = Engagement("e", "page_visit", NOW + timedelta(days=1), RECORD)
    columns = columns_of([({"size": Fact(10.0, "file")}, [later])], active.fact_types)
    assert Preview(active, columns, NOW).compare(draft).scores.value.tolist() == [20 * MILLI]


def test_nobody_changes_nothing() -> None:
    active = parsed(document_of(RULES["size"]))
    change = Preview(active, columns_of([], active.fact_types), NOW).compare(
        parsed(document_of(RULES["plan"]))
    )
    assert (change.changed, change.writes, change.movers.tolist()) == (0, 0, [])
    assert change.bars_after.tolist() == [0] * 101
