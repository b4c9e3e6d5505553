"""Many leads at once give, for every lead, exactly what one lead gives and the slow scorer says."""

from __future__ import annotations

import random
from datetime import datetime, timedelta
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from scoring.blocks import BLOCK
from scoring.columns import Columns, columns_of, some_of
from scoring.engine import compile_rule_set
from scoring.inputs import microseconds
from scoring.kernel import NONE, ColumnScorer, Scores
from scoring.leads import Engagement
from scoring.rules import default_rule_set, parse_rule_set
from scoring.scores import DIMENSIONS, Fact, Score
from tests import reference_scorer as reference
from tests.reference_scorer import NOW, RECORD

Leads = list[tuple[dict[str, Fact], list[Engagement]]]
LEADS = 40


def cases(number: int) -> settings:
    """So many invented documents, however long each takes to invent."""
    return settings(
        max_examples=number,
        deadline=None,
        suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large],
    )


def parsed(document: dict[str, Any]) -> Any:
    rule_set, problems = parse_rule_set(document, fields=reference.FIELDS)
    assert rule_set is not None, [str(problem) for problem in problems]
    return rule_set


def kernel(rule_set: Any, leads: Leads) -> ColumnScorer:
    return ColumnScorer(rule_set, columns_of(leads, rule_set.fact_types))


def many_times(columns: Columns) -> Columns:
    """The same leads again and again, until they are two blocks."""
    return some_of(columns, np.tile(np.arange(columns.n), BLOCK // columns.n + 1))


def one_by_one(rule_set: Any, leads: Leads, now: datetime) -> list[Score]:
    scorer = compile_rule_set(rule_set)
    return [scorer.score(facts, engagements, now) for facts, engagements in leads]


def assert_same(rule_set: Any, many: Any, row: int, one: Any) -> None:
    """One lead's row of the columns against a score of `engine` or an answer of the reference."""
    position = int(many.suppressed[row])
    assert (rule_set.suppressions[position].reason if position != NONE else "") == one.suppressed
    band = int(many.band[row])
    assert (rule_set.bands[band].key if band != NONE else "") == one.band
    assert (many.value[row], many.low[row], many.high[row]) == (one.value, one.low, one.high)
    assert many.certain[row] == one.band_certain
    if not one.suppressed:
        cap = int(many.disqualified[row])
        reason = rule_set.disqualifiers[cap].reason if cap != NONE else ""
        assert reason == one.disqualified


@cases(300)
@given(reference.documents(), reference.leads(LEADS))
def test_many_leads_score_like_one_and_like_the_slow_scorer(
    document: dict[str, Any], leads: Leads
) -> None:
    rule_set = parsed(document)
    scorer = kernel(rule_set, leads)
    many = scorer.score(NOW)
    names, points = scorer.contributions(NOW, 0, len(leads))
    for row, one in enumerate(one_by_one(rule_set, leads, NOW)):
        assert_same(rule_set, many, row, one)
        assert many.fallback[row] == (one.scoring_mode == "fallback")
        found = {name: many.dimensions[i, row] for i, name in enumerate(DIMENSIONS)}
        assert found == dict(one.dimensions)
        if not one.suppressed:
            rows = {c.rule: c.points for c in one.contributions if c.points}
            mine = {n: int(p) for n, p in zip(names, points[:, row], strict=True) if p}
            assert mine == rows
            assert sum(mine.values()) == one.value
        facts, engagements = leads[row]
        right = reference.answer(document, facts, engagements, NOW)
        assert right.low <= many.low[row] <= many.value[row] <= many.high[row] <= right.high
        # the reference looks at each rule by itself: exact bounds lie within its own
        right.low, right.high = one.low, one.high
        right.band_certain = one.band_certain
        assert_same(rule_set, many, row, right)


@cases(150)
@given(
    reference.documents(),
    reference.leads(LEADS),
    st.lists(st.integers(-40 * 86_400, 40 * 86_400), min_size=LEADS, max_size=LEADS),
)
def test_every_lead_may_have_its_own_now(
    document: dict[str, Any], leads: Leads, shifts: list[int]
) -> None:
    rule_set = parsed(document)
    moments = [NOW + timedelta(seconds=shift) for shift in shifts]
    many = kernel(rule_set, leads).score(np.array([microseconds(m) for m in moments], np.int64))
    scorer = compile_rule_set(rule_set)
    for row, ((facts, engagements), moment) in enumerate(zip(leads, moments, strict=True)):
        assert_same(rule_set, many, row, scorer.score(facts, engagements, moment))


@cases(50)
@given(reference.documents(), reference.leads(LEADS))
def test_nothing_after_now_changes_a_byte(document: dict[str, Any], leads: Leads) -> None:
    rule_set = parsed(document)
    past = [(facts, [e for e in events if e.occurred_at <= NOW]) for facts, events in leads]
    with_future, without = kernel(rule_set, leads).score(NOW), kernel(rule_set, past).score(NOW)
    for name in ("value", "low", "high", "band", "certain", "fallback", "dimensions"):
        assert getattr(with_future, name).tobytes() == getattr(without, name).tobytes()


@cases(50)
@given(reference.documents(), reference.leads(LEADS), st.randoms(use_true_random=False))
def test_the_order_and_number_of_leads_make_no_difference(
    document: dict[str, Any], leads: Leads, random: Any
) -> None:
    rule_set = parsed(document)
    order = random.sample(range(len(leads)), len(leads))
    all_at_once = kernel(rule_set, leads).score(NOW)
    shuffled = kernel(rule_set, [leads[i] for i in order]).score(NOW)
    assert shuffled.value.tolist() == [int(all_at_once.value[i]) for i in order]


@cases(50)
@given(
    reference.documents(),
    reference.leads(LEADS),
    st.lists(
        st.sampled_from([0.0, 1e-11, 1 / 86_400, 0.04, 1, 7, 30, 400, 9_000]) | st.floats(-30, 100),
        min_size=2,
        max_size=6,
    ),
)
def test_what_is_kept_from_one_time_to_the_next_changes_no_byte(
    document: dict[str, Any], leads: Leads, days: list[float]
) -> None:
    """Engagements come, fall out of their time frames and fade, wherever time goes."""
    rule_set = parsed(document)
    scorer = kernel(rule_set, leads)
    now = NOW
    for step in days:
        now += timedelta(days=step)
        assert_equal(scorer.score(now), kernel(rule_set, leads).score(now))


def assert_equal(mine: Scores, theirs: Scores) -> None:
    for name in Scores.__slots__:
        assert getattr(mine, name).tobytes() == getattr(theirs, name).tobytes(), name


@cases(50)
@given(
    reference.documents(),
    reference.leads(LEADS),
    reference.leads(LEADS),
    st.lists(st.integers(0, LEADS - 1), min_size=1, max_size=5, unique=True),
)
def test_rescoring_leads_that_changed_is_scoring_all_again(
    document: dict[str, Any], leads: Leads, later: Leads, changed: list[int]
) -> None:
    """Whether or not their texts and engagements have occurred before."""
    rule_set = parsed(document)
    now_all = [later[row] if row in changed else lead for row, lead in enumerate(leads)]
    both = columns_of([*leads, *later], rule_set.fact_types)
    before = some_of(both, np.arange(LEADS))
    rows = np.array(changed)
    wanted = kernel(rule_set, now_all).score(NOW)
    for columns in (
        some_of(both, rows + LEADS),
        columns_of([later[row] for row in changed], rule_set.fact_types),
    ):
        scorer = ColumnScorer(rule_set, before)
        found = scorer.score(NOW)
        scorer.rescore(found, rows, columns, NOW)
        assert_equal(found, wanted)


def test_some_leads_of_columns_are_the_columns_of_those_leads() -> None:
    leads: Leads = [
        (reference.facts(random.Random(n)), reference.engagements(random.Random(n)))
        for n in range(30)
    ]
    rule_set = parsed(
        {
            "name": "All",
            "dimensions": {"fit": {"groups": [{"id": "g", "rules": [
                {"id": "a", "per": "size", "points": 1, "cap": 50},
                {"id": "b", "when": {"plan": {"contains": ["al"]}}, "points": 5},
                {"id": "c", "when": {"started": {"within_days": 300}}, "points": 9},
                {"id": "d", "each": {"kind": "page_visit"}, "points": 3},
            ]}]}},
        }
    )  # fmt: skip
    rows = np.array([7, 3, 3, 29])
    some = some_of(columns_of(leads, rule_set.fact_types), rows)
    found = ColumnScorer(rule_set, some).score(NOW)
    assert_equal(found, kernel(rule_set, [leads[row] for row in rows]).score(NOW))


def test_points_beyond_what_32_bits_hold_are_added_up_like_one_leads() -> None:
    """30,000 visits of 100 points are 3,000,000,000 milli-points; another rule takes most back."""
    visits = {"id": "visits", "each": {"kind": "page_visit"}, "points": 100}
    fewer = {**visits, "id": "fewer", "points": -99.999}
    rule_set = parsed(
        {
            "name": "Many",
            "dimensions": {"engagement": {"groups": [{"id": "g", "rules": [visits, fewer]}]}},
        }
    )
    events = [
        Engagement(f"e{i}", "page_visit", NOW - timedelta(minutes=i), RECORD) for i in range(30_000)
    ]
    leads: Leads = [({}, events), ({}, events[:2])]
    names, points = kernel(rule_set, leads).contributions(NOW, 0, 2)
    assert dict(zip(names, points.T[0].tolist(), strict=True))["visits"] == 3_000_000_000
    assert kernel(rule_set, leads).score(NOW).value.tolist() == [30_000, 2]


def test_contributions_of_any_leads_are_those_among_all() -> None:
    """Also where they stand in two blocks."""
    rule_set = default_rule_set()
    visit = Engagement("e", "page_visit", NOW - timedelta(days=3), RECORD,
                       detail={"url": "/pricing"})  # fmt: skip
    some: Leads = [
        ({"employees": Fact(float(n * 7), "crm")}, [visit] if n % 3 else []) for n in range(99)
    ]
    columns = many_times(columns_of(some, rule_set.fact_types))
    scorer = ColumnScorer(rule_set, columns)
    _, all_points = scorer.contributions(NOW, 0, columns.n)
    _, points = scorer.contributions(NOW, BLOCK - 20, BLOCK + 30)
    assert points.tolist() == all_points[:, BLOCK - 20 : BLOCK + 30].tolist()
    assert len(np.unique(points, axis=1)[0]) > 1


@pytest.mark.parametrize("previous", [None, "hot", "warm", "cold"])
def test_a_band_is_left_late_as_for_one_lead(previous: str | None) -> None:
    bands = {"hot": {"from": 40, "leave_at": 30}, "warm": {"from": 12.5, "leave_at": 5}}
    rule = {"id": "size", "per": "size", "points": 1, "cap": 60}
    rule_set = parsed(
        {
            "name": "Bands",
            "bands": {**bands, "cold": {"from": 0}},
            "dimensions": {"fit": {"groups": [{"id": "g", "rules": [rule]}]}},
        }
    )
    leads: Leads = [({"size": Fact(float(n), "file")}, []) for n in range(60)]
    names = [band.key for band in rule_set.bands]
    before = np.full(60, names.index(previous) if previous else NONE, np.int8)
    many = kernel(rule_set, leads).score(NOW, before)
    scorer = compile_rule_set(rule_set)
    for row, (facts, _) in enumerate(leads):
        assert names[many.band[row]] == scorer.score(facts, [], NOW, previous).band


def test_more_leads_than_a_block_holds_score_alike_with_the_default_rules() -> None:
    """One lead's score must not depend on where it stands among very many."""
    rule_set = default_rule_set()
    some: Leads = [
        (
            {
                "seniority": Fact(("vp", "student", "manager")[n % 3], "derived"),
                "employees": Fact(n % 900, "crm"),
                "age_days": Fact(n % 40 / 1.0, "derived", NOW - timedelta(days=n % 40)),
            },
            [
                Engagement(
                    f"e{n}:{i}", "page_visit", NOW - timedelta(hours=7 * i + n % 24), RECORD,
                    detail={"url": "/pricing" if i % 2 else "/blog"},
                )
                for i in range(n % 7)
            ],
        )
        for n in range(2_520)
    ]  # fmt: skip
    columns = many_times(columns_of(some, rule_set.fact_types))
    many = ColumnScorer(rule_set, columns).score(NOW)
    ones = one_by_one(rule_set, some, NOW)
    assert many.value.tolist() == [one.value for one in ones] * (columns.n // len(some))


def test_nobody_scores_nothing() -> None:
    assert kernel(default_rule_set(), []).score(NOW).value.tolist() == []
