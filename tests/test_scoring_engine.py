"""The score of one lead: exact numbers, and invariants against a slow reference."""

from __future__ import annotations

import itertools
from datetime import UTC, timedelta, timezone
from typing import Any

import pytest
from hypothesis import HealthCheck, assume, given, settings
from hypothesis import strategies as st

from scoring.engine import (
    ENGINE_VERSION,
    Scorer,
    compile_rule_set,
    inputs_from_json,
    inputs_to_json,
    replay,
)
from scoring.leads import Engagement, RecordKey
from scoring.rules import parse_rule_set
from scoring.scores import Fact, Score
from tests import reference_scorer as reference
from tests.reference_scorer import NOW, RECORD

Leads = list[tuple[dict[str, Fact], list[Engagement]]]


def cases(number: int) -> settings:
    """So many invented cases, however long each takes to invent."""
    return settings(
        max_examples=number,
        deadline=None,
        suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large],
    )


def scorer(document: dict[str, Any]) -> Scorer:
    rule_set, problems = parse_rule_set(document, fields=reference.FIELDS)
    assert rule_set is not None, [str(problem) for problem in problems]
    return compile_rule_set(rule_set)


def one_group(*rules: dict[str, Any], dimension: str = "fit", **more: Any) -> dict[str, Any]:
    """A document with one group; `more` goes into the document, `group` into the group."""
    limits = more.pop("group", {})
    numbered = [{"id": f"r{i}"} | rule for i, rule in enumerate(rules)]
    groups = [{"id": "g", "label": "Web", "rules": numbered} | limits]
    return {"name": "One", "dimensions": {dimension: {"groups": groups}}} | more


def event(kind: str, days: float, key: str = "", **detail: str) -> Engagement:
    at = NOW - timedelta(days=days)
    return Engagement(key or f"{kind}:{days}:{detail}", kind, at, RECORD, detail=detail)


def known(**values: Any) -> dict[str, Fact]:
    return {name: Fact(value, "file") for name, value in values.items()}


def rows(score: Score) -> list[tuple[str, int]]:
    return [(c.rule, c.points) for c in score.contributions]


# -- exact numbers -----------------------------------------------------------------------------


def test_a_fixed_rule_gives_its_points() -> None:
    document = one_group({"when": {"email_kind": "business"}, "points": 4.5})
    score = scorer(document).score(known(email_kind="business"), [], NOW)
    assert (score.value, score.low, score.high) == (4_500, 4_500, 4_500)
    assert score.scoring_mode == "rules"


def test_three_visits_fade_by_half_life() -> None:
    rule = {
        "each": {"kind": "page_visit", "url": {"contains": "pricing"}},
        "points": 6,
        "decay": {"half_life_days": 10},
    }
    visits = [event("page_visit", days, url="https://acme.com/Pricing") for days in (2, 10, 20)]
    score = scorer(one_group(rule, dimension="engagement")).score({}, visits, NOW)
    # 6000 * (2^-0.2 + 2^-1 + 2^-2) = 5223.303 + 3000 + 1500
    assert score.value == 9_723
    assert score.contributions[0].label == "R0 3 times, last 2 days ago"


def test_frequency_counts_the_newest_and_cap_comes_after_decay() -> None:
    rule = {
        "each": {"kind": "page_visit"},
        "points": 8,
        "frequency": 2,
        "cap": 9,
        "decay": {"half_life_days": 10},
    }
    visits = [event("page_visit", days) for days in (0, 10, 10.5, 20)]
    engine = scorer(one_group(rule))
    assert engine.score({}, visits, NOW).value == 9_000  # 8 + 4, capped
    assert engine.score({}, visits[1:], NOW).value == 7_864  # 4 + 8 * 2^-1.05


def test_a_cap_limits_negative_points_too() -> None:
    penalty = {"each": {"kind": "email_bounce"}, "points": -4, "cap": 6}
    base = {"when": {"vip": True}, "points": 20}
    bounces = [event("email_bounce", days) for days in (1, 2, 3)]
    assert scorer(one_group(base, penalty)).score(known(vip=True), bounces, NOW).value == 14_000


@pytest.mark.parametrize(("seconds", "points"), [(0, 5_000), (-1, 0)])
def test_a_time_frame_ends_on_the_second(seconds: int, points: int) -> None:
    rule = {"each": {"kind": "page_visit"}, "points": 5, "time_frame": 7}
    at = NOW - timedelta(days=7) + timedelta(seconds=seconds)
    visit = Engagement("v", "page_visit", at, RECORD)
    assert scorer(one_group(rule)).score({}, [visit], NOW).value == points


def test_a_sum_on_a_rounding_tie_rounds_toward_zero() -> None:
    rule = {
        "each": {"kind": "page_visit"},
        "points": 0.001,
        "decay": {"half_life_days": 1},
    }
    engine = scorer(one_group(rule))
    assert engine.score({}, [event("page_visit", 1)], NOW).value == 0
    assert engine.score({}, [event("page_visit", 0.99)], NOW).value == 1


def test_a_range_table_holds_from_each_step_to_the_next() -> None:
    document = one_group({"by": "size", "points": {"from 10": 2, "from 50": 7}, "otherwise": -1})
    engine = scorer(document)
    points = [engine.score(known(size=n), [], NOW).contributions for n in (9.5, 10, 49.9, 50)]
    assert [c[0].points for c in points] == [-1_000, 2_000, 2_000, 7_000]


def test_a_choice_table_takes_an_unlisted_value_as_otherwise() -> None:
    document = one_group({"by": "email_kind", "points": {"business": 5}, "otherwise": 1})
    engine = scorer(document)
    assert engine.score(known(email_kind="business"), [], NOW).value == 5_000
    assert engine.score(known(email_kind="free"), [], NOW).value == 1_000


@pytest.mark.parametrize(
    ("missing", "points", "low", "high"),
    [
        ("neutral", 3_000, 0, 6_000),
        ("zero", 0, 0, 6_000),
        ({"points": 2}, 2_000, 0, 6_000),
        ({"points": 8}, 8_000, 0, 8_000),
    ],
)
def test_an_unknown_fact_counts_as_declared(missing: Any, points: int, low: int, high: int) -> None:
    document = one_group({"when": {"vip": True}, "points": 6, "missing": missing})
    score = scorer(document).score({}, [], NOW)
    assert (score.value, score.low, score.high) == (points, low, high)
    assert score.scoring_mode == "fallback"
    assert rows(score) == [("r0", points)]
    assert not score.contributions[0].known


def test_zero_and_false_are_known() -> None:
    document = one_group(
        {"when": {"size": {"at_most": 0}}, "points": 3},
        {"when": {"vip": False}, "points": 4},
    )
    score = scorer(document).score(known(size=0, vip=False), [], NOW)
    assert (score.value, score.scoring_mode) == (7_000, "rules")


def test_limits_are_rows_and_rows_sum() -> None:
    document = one_group(
        {"when": {"vip": True}, "points": 90},
        {"when": {"size": {"at_least": 1}}, "points": 60},
        group={"max": 120},
    )
    score = scorer(document).score(known(vip=True, size=2), [], NOW)
    assert rows(score) == [
        ("r0", 90_000),
        ("r1", 60_000),
        ("limit:g", -30_000),
        ("limit:score", -20_000),
    ]
    assert score.value == 100_000
    assert score.dimensions == {"fit": 120_000, "engagement": 0, "intent": 0}


def test_the_scale_ends_at_zero() -> None:
    document = one_group({"when": {"vip": True}, "points": -7})
    score = scorer(document).score(known(vip=True), [], NOW)
    assert rows(score) == [("r0", -7_000), ("limit:score", 7_000)]


def test_a_dimension_limit_holds_over_its_groups() -> None:
    document = one_group({"when": {"vip": True}, "points": 30})
    document["dimensions"]["fit"]["max"] = 20
    score = scorer(document).score(known(vip=True), [], NOW)
    assert rows(score) == [("r0", 30_000), ("limit:fit", -10_000)]
    assert score.contributions[1].label == "Limit of fit: at most 20"


def test_a_suppressed_lead_has_no_band_and_says_why() -> None:
    document = one_group(
        {"when": {"vip": True}, "points": 50},
        suppress=[{"id": "s", "when": {"plan": "customer"}, "reason": "Already a customer"}],
    )
    engine = scorer(document)
    score = engine.score(known(vip=True, plan="Customer"), [], NOW)
    assert (score.value, score.band, score.suppressed) == (0, "", "Already a customer")
    assert score.contributions == ()
    assert engine.score(known(vip=True), [], NOW).suppressed == ""


def test_a_disqualified_lead_is_scored_and_capped() -> None:
    document = one_group(
        {"when": {"vip": True}, "points": 50},
        disqualify=[
            {
                "id": "a",
                "when": {"text_intent": "vendor"},
                "at_most": 20,
                "reason": "Vendor",
            },
            {"id": "b", "when": {"size": 0}, "at_most": 5, "reason": "Nobody there"},
        ],
    )
    engine = scorer(document)
    score = engine.score(known(vip=True, text_intent="vendor", size=0), [], NOW)
    assert (score.value, score.disqualified) == (5_000, "Nobody there")
    assert rows(score) == [("r0", 50_000), ("disqualifier:b", -45_000)]
    open_question = engine.score(known(vip=True, size=3), [], NOW)
    assert (open_question.value, open_question.low, open_question.high) == (
        50_000,
        20_000,
        50_000,
    )


def test_known_facts_settle_the_band() -> None:
    document = one_group({"when": {"vip": True}, "points": 60})
    engine = scorer(document)
    assert not engine.score({}, [], NOW).band_certain
    assert engine.score(known(vip=True), [], NOW).band_certain


def test_asking_whether_a_fact_is_known_leaves_the_bounds_open() -> None:
    document = one_group({"when": {"plan": {"is_known": True}}, "points": 6})
    score = scorer(document).score({}, [], NOW)
    assert (score.value, score.low, score.high, score.scoring_mode) == (
        0,
        0,
        6_000,
        "rules",
    )


def test_a_fact_of_the_wrong_type_counts_as_unknown() -> None:
    document = one_group({"when": {"size": {"at_least": 1}}, "points": 6})
    engine = scorer(document)
    for value in ("twelve", True, float("nan"), float("inf"), ("1",)):
        assert engine.score(known(size=value), [], NOW).scoring_mode == "fallback"


def test_one_engagement_given_twice_counts_once() -> None:
    document = one_group({"each": {"kind": "page_visit"}, "points": 2})
    visit = event("page_visit", 1)
    other = Engagement(visit.key, "page_visit", visit.occurred_at, RECORD, detail={"url": "/x"})
    engine = scorer(document)
    assert engine.score({}, [visit, visit, other], NOW).value == 2_000
    assert engine.score({}, [visit, other], NOW) == engine.score({}, [other, visit], NOW)


def test_what_has_not_happened_yet_does_not_count() -> None:
    engine = scorer(one_group({"each": {"kind": "page_visit"}, "points": 2}))
    future = event("page_visit", -1)
    assert engine.score({}, [future], NOW).value == 0
    assert engine.score({}, [future], NOW + timedelta(days=2)).value == 2_000


@pytest.mark.parametrize(
    ("count", "passing"),
    [
        ({"exactly": 2}, [2]),
        ({"exactly": 0}, [0]),
        ({"between": [1, 2]}, [1, 2]),
        ({"at_most": 1}, [0, 1]),
        ({"at_least": 1, "at_most": 2}, [1, 2]),
        ({"at_least": 3}, [3]),
    ],
)
def test_engagements_are_counted_as_asked(count: dict[str, Any], passing: list[int]) -> None:
    rule = {"when": {"engagement": {"kind": "page_visit", "count": count}}, "points": 5}
    engine = scorer(one_group(rule))
    visits = [event("page_visit", days) for days in (1, 2, 3)]
    assert [n for n in range(4) if engine.score({}, visits[:n], NOW).value] == passing


@pytest.mark.parametrize(
    ("test", "value"),
    [
        ("/pricing", 1_000),
        (["/pricing", "/demo"], 2_000),
        ({"not_in": ["/pricing"]}, 1_000),
        ({"starts_with": "/", "ends_with": "o"}, 1_000),
        ({"matches": "^/(pricing|demo)$"}, 2_000),
    ],
)
def test_a_detail_that_is_absent_fails_every_test_on_it(test: Any, value: int) -> None:
    engine = scorer(one_group({"each": {"kind": "page_visit", "url": test}, "points": 1}))
    visits = [event("page_visit", 1, url="/pricing"), event("page_visit", 2, url="/DEMO")]
    visits.append(event("page_visit", 3, campaign="spring"))
    assert engine.score({}, visits, NOW).value == value


def test_silence_looks_at_what_the_person_did() -> None:
    engine = scorer(one_group({"when": {"silence": {"days": 30}}, "points": 5}))
    assert engine.score({}, [event("email_sent", 1)], NOW).value == 5_000
    assert engine.score({}, [event("page_visit", 30)], NOW).value == 0
    assert engine.score({}, [event("page_visit", 30.001)], NOW).value == 5_000


def test_a_naive_time_is_refused() -> None:
    engine = scorer(one_group({"each": {"kind": "page_visit"}, "points": 2}))
    with pytest.raises(ValueError, match="naive"):
        engine.score({}, [], NOW.replace(tzinfo=None))
    naive = Engagement("k", "page_visit", NOW.replace(tzinfo=None), RECORD)
    with pytest.raises(ValueError, match="naive"):
        engine.score({}, [naive], NOW)


def test_a_time_zone_changes_nothing() -> None:
    engine = scorer(one_group({"each": {"kind": "page_visit"}, "points": 2}))
    elsewhere = timezone(timedelta(hours=-7))
    visit = event("page_visit", 1)
    moved = Engagement(visit.key, visit.kind, visit.occurred_at.astimezone(elsewhere), RECORD)
    assert engine.score({}, [visit], NOW) == engine.score({}, [moved], NOW.astimezone(elsewhere))
    assert engine.score({}, [visit], NOW.astimezone(elsewhere)).now.tzinfo is UTC


def test_a_lead_stays_in_its_band_down_to_leave_at() -> None:
    bands = {"hot": {"from": 50, "leave_at": 40}, "cold": {"from": 0}}
    document = one_group({"by": "size", "points": {"from 0": 0, "from 1": 45}}, bands=bands)
    engine = scorer(document)
    facts = known(size=1)
    assert engine.score(facts, [], NOW).band == "cold"
    held = engine.score(facts, [], NOW, previous_band="hot")
    assert (held.band, held.band_certain) == ("hot", True)
    assert engine.score(known(size=0), [], NOW, previous_band="hot").band == "cold"


def test_the_first_next_step_that_fits_is_shown() -> None:
    document = one_group(
        {"when": {"vip": True}, "points": 80},
        next_steps=[
            {"band": "hot", "when": {"plan": "gold"}, "text": "Call today"},
            {"band": ["hot", "warm"], "text": "Write"},
            {"text": "Wait"},
        ],
    )
    engine = scorer(document)
    assert engine.score(known(vip=True, plan="gold"), [], NOW).next_step == "Call today"
    assert engine.score(known(vip=True), [], NOW).next_step == "Write"
    assert engine.score(known(vip=False), [], NOW).next_step == "Wait"


# -- time --------------------------------------------------------------------------------------


@cases(40)
@given(reference.documents(), reference.leads(3))
def test_scoring_hourly_or_once_after_thirty_days_is_the_same(
    document: dict[str, Any], leads: Leads
) -> None:
    often, once = scorer(document), scorer(document)
    later = NOW + timedelta(days=30)
    for facts, events in leads:
        for hours in range(0, 720, 24):
            often.score(facts, events, NOW + timedelta(hours=hours))
        assert often.score(facts, events, later) == once.score(facts, events, later)


# -- against the reference ---------------------------------------------------------------------


@cases(200)
@given(reference.documents(), reference.leads(20))
def test_the_engine_and_the_reference_agree(document: dict[str, Any], leads: Leads) -> None:
    engine = scorer(document)
    for facts, events in leads:
        score = engine.score(facts, events, NOW)
        right = reference.answer(document, facts, events, NOW)
        # the reference looks at each rule by itself: exact bounds lie within its own
        assert right.low <= score.low <= score.high <= right.high
        assert score.band_certain or not right.band_certain
        right.low, right.high, right.band_certain = score.low, score.high, score.band_certain
        found = reference.Answer(
            score.value,
            score.low,
            score.high,
            score.band,
            score.band_certain,
            [(c.rule, c.points, c.known) for c in score.contributions],
            score.suppressed,
            score.disqualified,
            score.next_step,
        )
        assert found == right
        assert sum(c.points for c in score.contributions) == score.value
        assert score.low <= score.value <= score.high
        unknown = not all(c.known for c in score.contributions)
        assert score.scoring_mode == ("fallback" if unknown else "rules")


DOMAINS: dict[str, list[Any]] = {
    "email_kind": list(reference.EMAIL_KINDS),
    "vip": [True, False],
    "size": [0, 5, 17, 60],
}


@cases(120)
@given(
    reference.documents(reference.FACT_LEAVES),
    st.fixed_dictionaries(
        {}, optional={name: st.sampled_from(values) for name, values in DOMAINS.items()}
    ),
    reference.leads(1),
)
def test_bounds_contain_every_completion(
    document: dict[str, Any], values: dict[str, Any], leads: Leads
) -> None:
    engine, events = scorer(document), leads[0][1]
    score = engine.score(known(**values), events, NOW)
    assume(not score.suppressed)
    unknown = [name for name in DOMAINS if name not in values]
    for completion in itertools.product(*([None, *DOMAINS[name]] for name in unknown)):
        learned = {n: v for n, v in zip(unknown, completion, strict=True) if v is not None}
        after = engine.score(known(**values, **learned), events, NOW)
        if not after.suppressed:
            assert score.low <= after.value <= score.high
            assert score.low <= after.low <= after.high <= score.high
            assert not score.band_certain or after.band == score.band


# -- replay ------------------------------------------------------------------------------------


@cases(40)
@given(reference.documents(), reference.leads(5))
def test_a_score_replays_to_the_same_bytes(document: dict[str, Any], leads: Leads) -> None:
    engine = scorer(document)
    for facts, events in leads:
        score = engine.score(facts, events, NOW)
        logged = inputs_to_json(facts, events)
        assert repr(replay(logged, engine.rule_set, NOW)) == repr(score)
        assert inputs_to_json(*inputs_from_json(logged)) == logged
        assert score.engine_version == ENGINE_VERSION


def test_every_kind_of_value_survives_the_log() -> None:
    facts = known(
        a="Zoë \ud83d",
        b=1,
        c=2.5,
        d=False,
        e=("x", "y"),
        f=NOW,
        g=float("nan"),
        h=10**30,
        i=5.0,
    )
    facts["j"] = Fact("late", "hubspot", NOW)
    one = Engagement("k", "page_visit", NOW, RECORD, "a@b.c", {"url": "/x", "message": "secret"})
    two = Engagement("l", "email_open", NOW - timedelta(microseconds=1), email="a@b.c")
    logged = inputs_to_json(facts, [one, two])
    back, events = inputs_from_json(logged)
    assert repr(back) == repr(dict(sorted(facts.items())))
    assert logged.isascii()
    assert "secret" not in logged
    assert [e.key for e in events] == ["l", "k"]
    assert events[1].record == RecordKey("file", "row", "1")


def test_inputs_that_are_not_inputs_are_refused() -> None:
    for text in ("", "[]", "{}", '{"facts": {"a": 1}, "engagements": []}', "null"):
        with pytest.raises(ValueError, match="not a score's inputs"):
            inputs_from_json(text)


def test_the_inputs_hash_changes_with_what_can_change_a_score() -> None:
    engine = scorer(one_group({"each": {"kind": "page_visit"}, "points": 5}))
    visit = event("page_visit", 1)

    def of(facts: dict[str, Fact], events: list[Engagement]) -> str:
        return engine.score(facts, events, NOW).inputs_hash

    created = Fact(1.0, "derived", NOW - timedelta(days=1))
    base = of(known(size=1) | {"age_days": created}, [visit])
    older = Fact(2.0, "derived", created.at)
    assert of({"size": Fact(1, "hubspot", NOW), "age_days": older}, [visit]) == base
    assert of(known(size=2) | {"age_days": created}, [visit]) != base
    assert of(known(size=1) | {"age_days": created}, []) != base
