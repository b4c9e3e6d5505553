"""The next band change is found to the microsecond: none is missed, and none is announced early."""

from __future__ import annotations

import random
from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from scoring.bands import BandState, kept, next_band
from scoring.engine import Scorer, compile_rule_set
from scoring.horizon import ANY_VALUE, HORIZON, Change, Outlook
from scoring.inputs import as_of
from scoring.leads import Engagement
from scoring.rules import default_rule_set, parse_rule_set
from scoring.scores import Fact
from tests import reference_scorer as reference
from tests.reference_scorer import NOW, RECORD

MICROSECOND = timedelta(microseconds=1)
DAY = timedelta(days=1)
Lead = tuple[dict[str, Fact], list[Engagement]]


def cases(number: int) -> settings:
    """So many invented documents, however long each takes to invent."""
    return settings(
        max_examples=number,
        deadline=None,
        suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large],
    )


def scorer(document: dict[str, Any]) -> Scorer:
    rule_set, problems = parse_rule_set(document, fields=reference.FIELDS)
    assert rule_set is not None, [str(problem) for problem in problems]
    return compile_rule_set(rule_set)


def one_group(*rules: dict[str, Any], **more: Any) -> dict[str, Any]:
    numbered = [{"id": f"r{i}"} | rule for i, rule in enumerate(rules)]
    bands = {"hot": {"from": 40}, "warm": {"from": 20}, "cold": {"from": 0}}
    groups = [{"id": "g", "rules": numbered}]
    return {"name": "One", "bands": bands, "dimensions": {"fit": {"groups": groups}}} | more


def event(kind: str, days: float) -> Engagement:
    return Engagement(f"{kind}:{days}", kind, NOW - timedelta(days=days), RECORD)


def state_at(
    engine: Scorer, lead: Lead, at: datetime, state: BandState | None, **more: Any
) -> tuple[BandState | None, int]:
    """The band and the value at an instant, by scoring the lead there."""
    tally = engine.tally(as_of(lead[0], at), lead[1], at)
    value = None if tally.suppressed else tally.value
    capped = tally.disqualified is not None
    return next_band(engine.rule_set, state, value, at, disqualified=capped, **more), tally.value


def changed(
    engine: Scorer,
    lead: Lead,
    at: datetime,
    state: BandState | None,
    within: tuple[int, int] = ANY_VALUE,
    **more: Any,
) -> bool:
    after, value = state_at(engine, lead, at, state, **more)
    if after is None:
        return state is not None
    return after is not state or not within[0] <= value <= within[1]


def instants(lead: Lead, until: datetime, seed: int, number: int) -> list[datetime]:
    """A grid of instants, with those just before and after whole days from every known time."""
    dice = random.Random(seed)
    span = (until - NOW) // MICROSECOND
    found = [NOW + MICROSECOND * dice.randint(1, max(1, span)) for _ in range(number)]
    times = [e.occurred_at for e in lead[1]] + [
        fact.value for fact in lead[0].values() if isinstance(fact.value, datetime)
    ]
    for at in times:
        for days in (0, 0.5, 1, 3, 7, 30, 90):
            edge = at + timedelta(days=days)
            found += [edge, edge + MICROSECOND]
    return [at for at in found if NOW < at < until]


def assert_first(
    engine: Scorer, lead: Lead, state: BandState | None, found: Change | None, **more: Any
) -> None:
    """Nothing changes before the instant found, something does at it."""
    until = NOW + HORIZON if found is None else found.at
    for at in [*instants(lead, until, 1, 40), until - MICROSECOND]:
        assert at == NOW or not changed(engine, lead, at, state, **more), at
    if found is not None and found.at < NOW + HORIZON:
        assert changed(engine, lead, found.at, state, **more)
        if "within" not in more:
            after, _ = state_at(engine, lead, found.at, state, **more)
            assert found.band == (after.band if after else "")


def with_age(lead: Lead, days: float) -> Lead:
    born = NOW - timedelta(days=days)
    facts, events = lead
    return as_of({**facts, "age_days": Fact(0.0, "derived", born)}, NOW), events


AGES = {
    "when": {"any": [{"age_days": {"between": [3, 40]}}, {"age_days": {"equals": 50}}]},
    "points": 20,
}
COUNTED = {"per": "age_days", "unit": 0.7, "points": -1.5, "cap": 30}
TABLE = {"by": "age_days", "points": {"from 2": 9, "from 20": -9, "from 21": 30}}


@cases(60)
@given(
    reference.documents(),
    reference.leads(6),
    st.sampled_from([None, 0.5, 4]),
    st.sampled_from([None, 5]),
    st.lists(st.sampled_from([AGES, COUNTED, TABLE]), max_size=2),
)
def test_no_change_is_missed_and_none_comes_early(
    document: dict[str, Any],
    leads: list[Lead],
    dwell: float | None,
    leave: float | None,
    ageing: list[dict[str, Any]],
) -> None:
    warm = document["bands"]["warm"] | ({} if leave is None else {"leave_at": leave})
    bands = document["bands"] | {"warm": warm}
    if dwell is not None:
        bands = {key: band | {"dwell_days": dwell} for key, band in bands.items()}
    first = next(iter(document["dimensions"].values()))["groups"][0]
    first["rules"] = first["rules"] + [{"id": f"age{i}"} | r for i, r in enumerate(ageing)]
    engine = scorer(document | {"bands": bands})
    for number, lead in enumerate(leads):
        lead = with_age(lead, number * 5.3)
        before = None if number % 2 else BandState("warm", NOW - 3 * DAY)
        state, _ = state_at(engine, lead, NOW, before)
        found = engine.outlook(*lead, NOW, state).change
        assert_first(engine, lead, state, found)


@cases(40)
@given(reference.documents(), reference.leads(6), st.integers(1, 3_000))
def test_a_value_that_leaves_what_is_allowed_is_a_change_too(
    document: dict[str, Any], leads: list[Lead], room: int
) -> None:
    engine = scorer(document)
    for lead in leads:
        state, value = state_at(engine, lead, NOW, None)
        within = (value - room, value + room)
        found = engine.outlook(*lead, NOW, state, within=within)
        assert_first(engine, lead, state, found.change)
        due = None if found.due_at is None else Change(found.due_at, "")
        assert_first(engine, lead, state, due, within=within)
        assert found.change is None or (due is not None and due.at <= found.change.at)


@cases(30)
@given(reference.documents(), reference.leads(6))
def test_moved_thresholds_and_full_bands_are_heeded(
    document: dict[str, Any], leads: list[Lead]
) -> None:
    engine = scorer(document)
    for lead in leads:
        for more in ({"moved": {"hot": 55_000, "warm": 30_000}}, {"full": ("hot",)}):
            state, _ = state_at(engine, lead, NOW, None, **more)
            found = engine.outlook(*lead, NOW, state, **more).change
            assert_first(engine, lead, state, found, **more)


@cases(30)
@given(reference.documents(), reference.leads(4))
def test_the_slow_scorer_sees_the_same_change(document: dict[str, Any], leads: list[Lead]) -> None:
    engine = scorer(document)
    for lead in leads:
        answer = reference.answer(document, *lead, NOW)
        state = BandState(answer.band, NOW) if answer.band else None
        found = engine.outlook(*lead, NOW, state).change
        until = NOW + HORIZON if found is None else found.at
        for at in [*instants(lead, until, 2, 3), until - MICROSECOND]:
            assert reference.answer(document, *lead, at).band == answer.band
        if found is not None and found.at < NOW + HORIZON:
            assert reference.answer(document, *lead, found.at).band == found.band != answer.band


# -- by hand ---------------------------------------------------------------------------------------

FADES = {"each": {"kind": "page_visit"}, "points": 40, "decay": {"half_life_days": 10}}
BAD = {"each": {"kind": "email_open"}, "points": -40, "decay": {"half_life_days": 1}}


def test_a_fading_score_cools_at_the_microsecond_its_rounded_points_do() -> None:
    engine = scorer(one_group(FADES))
    found = engine.outlook({}, [event("page_visit", 0)], NOW, BandState("hot", NOW)).change
    assert found is not None
    assert found.band == "warm"
    # 40,000 milli-points are 39,999 as soon as the exact sum is below 39,999.500001
    assert timedelta(seconds=15) < found.at - NOW < timedelta(seconds=16)
    later = engine.outlook({}, [event("page_visit", 1)], NOW, BandState("warm", NOW)).change
    assert later is not None
    assert later.band == "cold"
    assert timedelta(days=9) < later.at - NOW < timedelta(days=9, minutes=1)


def test_what_fades_upwards_warms() -> None:
    engine = scorer(one_group({"when": {"vip": True}, "points": 45}, BAD))
    lead = {"vip": Fact(True, "file")}, [event("email_open", 0)]
    found = engine.outlook(*lead, NOW, BandState("cold", NOW)).change
    assert found is not None
    assert found.band == "warm"
    assert found.at - NOW < 2 * DAY


def test_rising_and_falling_points_together_are_followed_through_the_dip() -> None:
    """It starts warm, dips below while the slow loss outweighs the fast gain, and comes back."""
    rules = (
        {"when": {"vip": True}, "points": 22},
        {"each": {"kind": "form_submission"}, "points": 10, "decay": {"half_life_days": 1}},
        {"each": {"kind": "email_open"}, "points": -9, "decay": {"half_life_days": 5}},
    )
    engine = scorer(one_group(*rules))
    lead = {"vip": Fact(True, "file")}, [event("form_submission", 0), event("email_open", 0)]
    down = engine.outlook(*lead, NOW, BandState("warm", NOW)).change
    assert down is not None
    assert down.band == "cold"
    assert_first(engine, lead, BandState("warm", NOW), down)
    up = engine.outlook(*lead, down.at, BandState("cold", down.at)).change
    assert up is not None
    assert up.band == "warm"
    assert up.at > down.at + DAY


@pytest.mark.parametrize(
    ("rule", "days", "after"),
    [
        (
            {"each": {"kind": "page_visit"}, "points": 25, "time_frame": 7},
            2,
            5 * DAY + MICROSECOND,
        ),
        ({"when": {"silence": {"days": 7}}, "points": 25}, 2, 5 * DAY + MICROSECOND),
        ({"each": {"kind": "page_visit"}, "points": 25}, -3, 3 * DAY),
        (
            {
                "each": {"kind": "page_visit"},
                "points": 25,
                "decay": {"percent": 25, "every_days": 4},
            },
            3,
            DAY,
        ),
        ({"when": {"started": {"within_days": 7}}, "points": 25}, 2, 5 * DAY + MICROSECOND),
        ({"when": {"started": {"older_than_days": 7}}, "points": 25}, 2, 5 * DAY + MICROSECOND),
        ({"when": {"age_days": {"at_least": 3}}, "points": 25}, 2, DAY),
        ({"by": "age_days", "points": {"from 0": 25, "from 5": 3}}, 2, 3 * DAY),
        ({"per": "age_days", "unit": 1, "points": 7, "cap": 30}, 1.5, 1.5 * DAY),
    ],
)
def test_every_jump_is_found_to_the_microsecond(
    rule: dict[str, Any], days: float, after: timedelta
) -> None:
    engine = scorer(one_group(rule))
    started = NOW - timedelta(days=days)
    facts = as_of(
        {"started": Fact(started, "file"), "age_days": Fact(0.0, "derived", started)}, NOW
    )
    lead = facts, [event("page_visit", days)]
    state, _ = state_at(engine, lead, NOW, None)
    found = engine.outlook(*lead, NOW, state).change
    assert found is not None
    assert found.at - NOW == after


def test_a_lead_that_dwells_changes_when_the_dwell_ends() -> None:
    bands = {"hot": {"from": 40, "dwell_days": 3}, "cold": {"from": 0}}
    engine = scorer(one_group(FADES, bands=bands))
    entered = NOW - DAY
    lead: Lead = ({}, [event("page_visit", 2)])
    found = engine.outlook(*lead, NOW, BandState("hot", entered)).change
    assert found == Change(entered + 3 * DAY, "cold")


def test_a_suppression_that_ends_or_begins_is_a_change() -> None:
    recent = {"engagement": {"kind": "email_open", "within_days": 5}}
    more = {"suppress": [{"id": "s", "when": recent, "reason": "Just written to"}]}
    engine = scorer(one_group({"when": {"vip": True}, "points": 45}, **more))
    vip = {"vip": Fact(True, "file")}
    ending = engine.outlook(vip, [event("email_open", 1)], NOW, None).change
    assert ending == Change(NOW + 4 * DAY + MICROSECOND, "hot")
    beginning = engine.outlook(vip, [event("email_open", -1)], NOW, BandState("hot", NOW)).change
    assert beginning == Change(NOW + DAY, "")


def test_where_nothing_will_ever_change_there_is_no_change() -> None:
    engine = scorer(one_group({"when": {"vip": True}, "points": 45}, FADES))
    nothing = Outlook(None, None)
    for visits in ([], [event("page_visit", 300)]):
        lead = {"vip": Fact(False, "file")}, visits
        assert engine.outlook(*lead, NOW, BandState("cold", NOW), within=(0, 0)) == nothing


def test_what_still_moves_at_the_end_of_the_horizon_is_looked_at_then() -> None:
    slow = {"each": {"kind": "page_visit"}, "points": 30, "decay": {"half_life_days": 1_000}}
    engine = scorer(one_group(slow))
    found = engine.outlook({}, [event("page_visit", 0)], NOW, BandState("warm", NOW))
    assert found == Outlook(NOW + HORIZON, None)


VISITS = {"each": {"kind": "page_visit"}, "points": 5}
RECENT = {"engagement": {"kind": "page_visit", "count": {"at_least": 2}, "within_days": 7}}
QUICK = VISITS | {"decay": {"half_life_days": 1}}


@pytest.mark.parametrize(
    ("rule", "days", "moves"),
    [
        (QUICK, 1, True),
        (QUICK, 20, False),  # 5 * 2^-20 is less than half a milli-point
        (VISITS | {"time_frame": 7}, 6, True),
        (VISITS | {"time_frame": 7}, 8, False),
        ({"when": RECENT, "points": 5}, 6, True),
        ({"when": RECENT, "points": 5}, 8, False),
        ({"when": {"silence": {"days": 7}}, "points": -5}, 6, True),
        ({"when": {"silence": {"days": 7}}, "points": -5}, 8, False),
        ({"when": {"started": {"within_days": 7}}, "points": 5}, 6, True),
        ({"when": {"started": {"within_days": 7}}, "points": 5}, 8, False),
        ({"when": {"age_days": {"at_most": 7}}, "points": 5}, 6, True),
        ({"when": {"age_days": {"at_most": 7}}, "points": 5}, 8, False),
        ({"by": "age_days", "points": {"from 0": 3, "from 7": 1}}, 6, True),
        ({"by": "age_days", "points": {"from 0": 3, "from 7": 1}}, 8, False),
        (VISITS, 1, False),
        (VISITS, -1, True),
    ],
)
def test_whether_time_alone_can_change_the_value_at_all_is_known(
    rule: dict[str, Any], days: float, moves: bool
) -> None:
    engine = scorer(one_group(rule | {"id": "r"}, {"when": {"vip": True}, "points": 10}))
    facts = {"started": Fact(NOW - timedelta(days=days), "file"), "vip": Fact(True, "file")}
    lead = with_age((facts, [event("page_visit", days), event("page_visit", days - 0.5)]), days)
    state, value = state_at(engine, lead, NOW, None)
    found = engine.outlook(*lead, NOW, state, within=(value, value))
    assert (found.due_at is not None) is moves


# -- the values that keep a band -------------------------------------------------------------------


@given(
    st.sampled_from(["hot", "warm", "nurture", "low_fit", "gone"]),
    st.integers(0, 6),
    st.fixed_dictionaries({}, optional={"hot": st.integers(70_000, 99_000)}),
    st.sets(st.sampled_from(["hot", "warm", "nurture"])),
    st.booleans(),
    st.integers(0, 100_000) | st.sampled_from([44_999, 45_000, 69_999, 70_000, 20_000, 19_999]),
)
def test_exactly_the_kept_values_keep_the_band(
    band: str, days: int, moved: dict[str, int], full: set[str], capped: bool, value: int
) -> None:
    bands = default_rule_set().bands
    bands = (
        *tuple(replace(b, dwell_days=3, leave_at=b.threshold - 3000 or None) for b in bands[:-1]),
        bands[-1],
    )
    state = BandState(band, NOW - timedelta(days=days))
    more: dict[str, Any] = {"moved": moved, "full": full, "disqualified": capped}
    least, greatest = kept(bands, state, NOW, **more)
    assert (least <= value <= greatest) == (next_band(bands, state, value, NOW, **more) is state)


def test_without_a_band_no_value_keeps_it() -> None:
    least, greatest = kept(default_rule_set(), None, NOW)
    assert least > greatest


def busy(seed: int, number: int = 20) -> Sequence[Engagement]:
    dice = random.Random(seed)
    kinds = ("page_visit", "email_open", "email_click", "form_submission", "email_reply")
    return [
        Engagement(
            f"e{n}",
            dice.choice(kinds),
            NOW - timedelta(seconds=dice.randint(0, 60 * 86_400)),
            RECORD,
            detail={"url": dice.choice(["/pricing", "/demo", "/product", "/"])},
        )
        for n in range(number)
    ]


@cases(15)
@given(st.integers(0, 1_000_000))
def test_the_shipped_rules_cool_when_they_say(seed: int) -> None:
    engine = compile_rule_set(default_rule_set())
    lead = with_age(({"seniority": Fact("vp", "file")}, list(busy(seed))), 20)
    state, _ = state_at(engine, lead, NOW, None)
    found = engine.outlook(*lead, NOW, state).change
    assert_first(engine, lead, state, found)


def test_many_rules_against_each_other_are_followed_only_so_far() -> None:
    """A score that hovers at a threshold is looked at too early, never too late."""
    rules = []
    for n in range(20):
        gain, loss = {"half_life_days": 30 + n}, {"half_life_days": 30.5 + n}
        rules.append({"each": {"kind": "page_visit"}, "points": 50 + n / 100, "decay": gain})
        rules.append({"each": {"kind": "email_open"}, "points": -50 - n / 200, "decay": loss})
    rules.append({"each": {"kind": "form_submission"}, "points": 40})
    kinds = [*["page_visit"] * 5, *["email_open"] * 5, "form_submission"]
    lead: Lead = ({}, [event(kind, n % 5 / 24) for n, kind in enumerate(kinds)])
    free = scorer(one_group(*rules))
    lowest = min(state_at(free, lead, NOW + n * DAY, None)[1] for n in range(400))
    bands = {"hot": {"from": (lowest - 5) / 1_000}, "cold": {"from": 0}}
    engine = scorer(one_group(*rules, bands=bands))
    found = engine.outlook(*lead, NOW, BandState("hot", NOW))
    assert found.change is None
    assert found.due_at is not None
    for at in instants(lead, found.due_at, 3, 200):
        assert not changed(engine, lead, at, BandState("hot", NOW)), at
    assert found.due_at > NOW + DAY
