"""What is measured is the same work: every engine gives the same answers on a small estate."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

import numpy as np
import pytest

from benchmarks.engine.agreement import (
    COLUMNS,
    compare,
    compare_with_interpreter,
    own_instants,
    sample_of,
)
from benchmarks.engine.field_rules import field_document, field_rules, inputs, rule_set_of
from benchmarks.engine.interpreter import Interpreter
from benchmarks.engine.leads import Lead, moment
from benchmarks.engine.table import at_most, markdown, times_faster
from benchmarks.estate import NOW, Estate, document, estate
from benchmarks.measure import by_turns, spoken
from scoring.columns import Coded, Dates, Numbers
from scoring.engine import compile_rule_set
from scoring.inputs import microseconds
from scoring.kernel import ColumnScorer, Scores
from scoring.rule_set import Each

LEADS = 2_000


@pytest.fixture(scope="module")
def small() -> Estate:
    return estate(LEADS)


@pytest.fixture(scope="module")
def ours(small: Estate) -> ColumnScorer:
    return ColumnScorer(small.rule_set, small.columns)


@pytest.fixture(scope="module")
def scores(ours: ColumnScorer) -> Scores:
    return ours.score(NOW)


@pytest.fixture(scope="module")
def leads(small: Estate) -> dict[int, Lead]:
    return sample_of(small.columns, LEADS)


# -- what is scored -------------------------------------------------------------------------------


def _arrays(world: Estate) -> list[np.ndarray]:
    log, found = world.columns.log, []
    for column in world.columns.facts.values():
        match column:
            case Coded():
                found.append(column.codes)
            case Numbers():
                found.append(column.values)
            case Dates():
                found.append(column.at)
    return [*found, log.offsets, log.at, log.what]


def test_the_same_seed_gives_the_same_estate(small: Estate) -> None:
    again = zip(_arrays(small), _arrays(estate(LEADS)), strict=True)
    assert all(np.array_equal(a, b, equal_nan=a.dtype == float) for a, b in again)
    other = zip(_arrays(small), _arrays(estate(LEADS, seed=8)), strict=True)
    assert not any(np.array_equal(a, b) for a, b in other)


def test_the_document_has_fifty_rules_of_every_kind(small: Estate) -> None:
    rules = small.rule_set.rules()
    fading = [rule for rule in rules if isinstance(rule.gives, Each)]
    counting = [rule for rule in rules if "EngagementTest" in repr(rule.when)]
    patterns = [rule for rule in rules if "operator='matches'" in repr(rule.when)]
    assert (len(rules), len(fading), len(counting), len(patterns)) == (50, 16, 2, 7)


def test_engagements_are_twenty_a_lead_and_few_leads_have_most(small: Estate) -> None:
    number = np.sort(np.diff(small.columns.log.offsets))[::-1]
    assert number.sum() == 20 * LEADS
    assert number[: LEADS // 10].sum() > 0.3 * number.sum()


# -- equal answers --------------------------------------------------------------------------------


@pytest.mark.parametrize("days", [0, 1, 100])
def test_many_leads_score_as_the_plain_interpreter_says(
    ours: ColumnScorer, leads: dict[int, Lead], days: int
) -> None:
    at = NOW + timedelta(days=days)
    compare_with_interpreter(
        Interpreter(document()), leads, ours.score(at), dict.fromkeys(leads, at)
    )


def test_each_lead_at_its_own_instant_scores_as_the_plain_interpreter_says(
    ours: ColumnScorer, leads: dict[int, Lead]
) -> None:
    instants = own_instants(LEADS)
    found = ours.score(instants)
    times = {number: moment(int(instants[number])) for number in leads}
    compare_with_interpreter(Interpreter(document()), leads, found, times)


def test_one_lead_scores_as_the_plain_interpreter_says(
    small: Estate, leads: dict[int, Lead]
) -> None:
    scorer, interpreter = compile_rule_set(small.rule_set), Interpreter(document())
    for one in list(leads.values())[:300]:
        score = scorer.score(one.facts, one.engagements, NOW)
        theirs = interpreter.score(one.facts, one.engagements, NOW)
        assert (score.value, score.band) == (theirs.value, theirs.band)
        assert {row.rule: row.points for row in score.contributions if row.points} == dict(
            theirs.contributions
        )


def test_a_difference_in_one_lead_is_noticed(scores: Scores) -> None:
    theirs = {name: getattr(scores, name, None) for name in COLUMNS}
    theirs |= dict(zip(COLUMNS[-3:], scores.dimensions, strict=True))
    compare("itself", scores, theirs)
    value = scores.value.copy()
    value[7] += 1
    with pytest.raises(AssertionError, match="value differs for 1 leads"):
        compare("another", replace(scores, value=value), theirs)
    with pytest.raises(AssertionError, match="low is above ours"):
        compare("another", scores, theirs | {"low": scores.low + (np.arange(LEADS) == 3)})


@pytest.mark.parametrize("engine", ["streaming", "in-memory"])
def test_polars_scores_alike(small: Estate, scores: Scores, engine: str) -> None:
    pytest.importorskip("polars")
    from benchmarks.engine import polars_peer

    frames = polars_peer.leads_frame(small.columns), polars_peer.events_frame(small.columns)
    found = polars_peer.scores(*frames, NOW, engine)
    compare("Polars", scores, {name: found[name].to_numpy() for name in COLUMNS})


def test_polars_with_our_bitmasks_scores_alike(small: Estate, scores: Scores) -> None:
    pytest.importorskip("polars")
    from benchmarks.engine import polars_peer

    masks, bits = polars_peer.masks_frame(small.columns, small.rule_set)
    frame = polars_peer.leads_frame(small.columns)
    found = polars_peer.scores_by_mask(frame, masks, bits, NOW, "streaming")
    compare("Polars", scores, {name: found[name].to_numpy() for name in COLUMNS})


def test_duckdb_scores_alike(small: Estate, scores: Scores) -> None:
    pytest.importorskip("polars")
    pytest.importorskip("duckdb")
    from benchmarks.engine import duckdb_peer, polars_peer

    database = duckdb_peer.Database(
        polars_peer.leads_frame(small.columns), polars_peer.events_frame(small.columns)
    )
    compare("DuckDB", scores, database.scores(NOW))
    database.close()


@pytest.mark.parametrize("regular_expressions", [True, False])
def test_rule_engines_add_up_field_rules_alike(
    leads: dict[int, Lead], regular_expressions: bool
) -> None:
    pytest.importorskip("zen")
    from benchmarks.engine.field_peers import peers

    content = field_document(regular_expressions=regular_expressions)
    rule_set, some = rule_set_of(content), list(leads.values())[:100]
    scorer, now = compile_rule_set(rule_set), microseconds(NOW)
    expected = [sum(g.points for g in scorer.tally(one.facts, (), NOW).givens) for one in some]
    plain = [inputs(one.plain, rule_set, now) for one in some]
    found = {peer.name: [peer.one(one) for one in plain] for peer in peers(field_rules(content))}
    assert found == dict.fromkeys(found, expected)
    assert ("datalogic-py" in found) is not regular_expressions


# -- how it is told -------------------------------------------------------------------------------


def test_a_row_says_whether_its_bar_is_met() -> None:
    rows = [
        times_faster("much", 0.5, "them", 2.0, 4),
        times_faster("much", 0.5, "them", 1.9, 4),
        at_most("little", 0.02, 0.02),
        at_most("little", 0.021, 0.02),
    ]
    assert [row.met for row in rows] == [True, False, True, False]
    assert markdown(rows)[3] == (
        "| much | 500 ms | them | 1.9 s | 3.8x | at least 4x | **missed** |"
    )


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (120.04, "120 s"),
        (1.234, "1.23 s"),
        (0.0999, "99.9 ms"),
        (12e-6, "12 µs"),
        (3e-8, "0.03 µs"),
    ],
)
def test_times_are_told_in_three_digits(seconds: float, text: str) -> None:
    assert spoken(seconds) == text


def test_works_take_turns_and_the_first_round_does_not_count() -> None:
    order: list[str] = []
    found = by_turns({"a": lambda: order.append("a"), "b": lambda: order.append("b")}, 2)
    assert order == ["a", "b"] * 3
    assert {name: len(times) for name, times in found.items()} == {"a": 2, "b": 2}
