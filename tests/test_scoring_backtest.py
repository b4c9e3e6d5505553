"""A backtest sees the past only: nothing dated after a lead's instant changes a byte of it."""

from __future__ import annotations

import random
from collections.abc import Mapping, Sequence
from dataclasses import astuple, replace
from datetime import UTC, datetime, timedelta
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from scoring.backtest import compare, known_facts, report, score_panel, suspects
from scoring.columns import columns_of
from scoring.engine import compile_rule_set
from scoring.history import (
    FOREVER,
    LEFT_OUT,
    TOUCHES,
    History,
    LeadHistory,
    Version,
    history_of,
)
from scoring.inputs import microseconds
from scoring.leads import Engagement, Outcome, RecordKey
from scoring.panel import (
    AtFirstTouch,
    AtSla,
    BeforeOutcome,
    Instant,
    Panel,
    Weekly,
    panel_of,
)
from scoring.rules import RuleSet, parse_rule_set
from scoring.scores import Fact
from tests import reference_scorer as reference

DAY = timedelta(days=1)
TICK = timedelta(microseconds=1)
START = datetime(2026, 6, 1, tzinfo=UTC)  # a Monday
UNTIL = START + 120 * DAY
HORIZON = 14 * DAY
WHO = RecordKey("file", "row", "1")
SIZE = [("size", "number")]
KINDS = ("page_visit", "email_open", "form_submission", "email_sent", "call_missed", "email_reply")
INSTANTS: tuple[Instant, ...] = (AtSla(), AtSla(7 * 86_400), AtFirstTouch(), Weekly())
DOCUMENT = """
name: Backtest
bands: {hot: {from: 20}, warm: {from: 5}, cold: {from: 0}}
suppress: [{id: mine, when: {plan: mine}, reason: Already ours}]
dimensions:
  fit: {groups: [{id: who, rules: [{id: size, by: size, points: {from 10: 5, from 40: 12}}]}]}
  engagement:
    groups:
      - id: web
        rules:
          - {id: visits, each: {kind: page_visit}, points: 6, decay: {half_life_days: 10}}
          - {id: quiet, when: {silence: {days: 20}}, points: -3}
"""


def rules(document: str | Mapping[str, Any] = DOCUMENT) -> RuleSet:
    rule_set, problems = parse_rule_set(document, fields=reference.FIELDS)
    assert rule_set is not None, [str(problem) for problem in problems]
    return rule_set


def happened(key: str, kind: str, at: datetime) -> Engagement:
    return Engagement(key, kind, at, WHO, detail={"url": "/alpha"})


def ended(kind: str, at: datetime) -> Outcome:
    return Outcome(f"{kind}:{at.isoformat()}", kind, at, WHO)


def at(days: float) -> datetime:
    return START + days * DAY


def fact(value: Any, days: float | None = None, known: float | None = None) -> Version:
    dated = None if days is None else at(days)
    return Version(
        None if value is None else Fact(value, "file", dated),
        dated,
        None if known is None else at(known),
    )


# -- invented leads ------------------------------------------------------------------------------


def some_time(source: random.Random, since: datetime) -> datetime:
    return since + timedelta(seconds=source.choice([0, 60, 86_400, source.randint(0, 10**7)]))


def some_version(source: random.Random, name: str, since: datetime) -> Version:
    moment = some_time(source, since)
    value = reference.facts(source).get(name)
    known = some_time(source, moment) if source.random() < 0.3 else None
    return Version(value, moment, known)


def in_time(versions: Sequence[Version]) -> list[Version]:
    return sorted(versions, key=lambda version: version.at or START - 1_000 * DAY)


def invented(source: random.Random, lead: int) -> LeadHistory:
    """A lead whose facts change, who does things and may end in some way."""
    created_at = START + timedelta(seconds=source.randint(0, 90 * 86_400))
    engagements = [
        happened(f"{lead}:{i}", source.choice(KINDS), some_time(source, created_at))
        for i in range(source.randint(0, 8))
    ]
    return LeadHistory(
        lead,
        created_at,
        {
            name: in_time(
                [some_version(source, name, created_at) for _ in range(source.randint(0, 3))]
            )
            for name in reference.FIELDS
        },
        engagements,
        [
            ended(source.choice(["converted", "won", "lost"]), some_time(source, created_at + DAY))
            for _ in range(source.choice([0, 0, 1, 2]))
        ],
        {e.key: some_time(source, e.occurred_at) for e in engagements if source.random() < 0.3},
    )


def invented_leads(seed: int, n: int = 25) -> list[LeadHistory]:
    source = random.Random(seed)
    return [invented(source, lead) for lead in range(n)]


def poisoned(lead: LeadHistory, then: datetime, settled: datetime, seed: int) -> LeadHistory:
    """The lead with everything after `then` made up anew, outcomes only after `settled`."""
    source = random.Random(seed)
    later = then + TICK
    kept = [e for e in lead.engagements if e.occurred_at <= then]
    late_known = {
        key: some_time(source, later) if known > then else known
        for key, known in lead.known_at.items()
    }
    backdated = [happened(f"back:{i}", "page_visit", then - i * DAY) for i in range(2)]
    added = [happened(f"new:{i}", source.choice(KINDS), some_time(source, later)) for i in range(3)]
    facts = {
        name: in_time(
            [v for v in lead.facts.get(name, ()) if v.at is None or v.at <= then]
            + [replace(some_version(source, name, later), at=some_time(source, later))]
        )
        for name in reference.FIELDS
    }
    outcomes = [o for o in lead.outcomes if o.occurred_at <= settled]
    outcomes.append(ended(source.choice(["won", "lost"]), some_time(source, settled + TICK)))
    return replace(
        lead,
        facts=facts,
        engagements=[*kept, *backdated, *added],
        outcomes=outcomes,
        known_at=late_known | {e.key: some_time(source, later) for e in backdated},
    )


def result_of(
    leads: Sequence[LeadHistory], instant: Instant, rule_set: RuleSet, until: datetime = UNTIL
) -> tuple[bytes, str]:
    """Every row with its score as bytes, and everything that is told about them."""
    history = history_of(leads, rule_set.fact_types)
    panel = panel_of(history, instant, HORIZON, until)
    (scores,) = score_panel(history, panel, [rule_set])
    arrays = (history.ids[panel.lead], panel.at, panel.won, scores.value, scores.band)
    told = (report(panel, scores), panel.excluded)
    return b"".join(array.tobytes() for array in arrays), repr(told)


def instants_of(leads: Sequence[LeadHistory], instant: Instant) -> dict[int, datetime | None]:
    """When each lead is looked at, said a second time."""
    if isinstance(instant, AtSla):
        return {lead.lead: lead.created_at + timedelta(seconds=instant.seconds) for lead in leads}
    touched = {
        lead.lead: min((e.occurred_at for e in lead.engagements if e.kind in TOUCHES), default=None)
        for lead in leads
    }
    return {lead: None if first is None else first - TICK for lead, first in touched.items()}


def known_then(lead: LeadHistory, then: datetime) -> tuple[dict[str, Fact], list[Engagement]]:
    """What a scorer of one lead is given, by going through everything."""
    facts = {}
    for name, versions in lead.facts.items():
        seen = [
            v
            for v in versions
            if (v.at is None or v.at <= then) and (v.known_at is None or v.known_at <= then)
        ]
        if seen and (newest := seen[-1].fact) is not None:
            facts[name] = newest
    engagements = [
        e
        for e in lead.engagements
        if e.occurred_at <= then and lead.known_at.get(e.key, e.occurred_at) <= then
    ]
    return facts, engagements


SEEDS = st.integers(0, 2**32)


def cases(number: int) -> settings:
    slow = [HealthCheck.too_slow, HealthCheck.data_too_large]
    return settings(max_examples=number, deadline=None, suppress_health_check=slow)


# -- poison --------------------------------------------------------------------------------------


@cases(60)
@given(SEEDS, SEEDS, st.sampled_from([AtSla(), AtSla(7 * 86_400), AtFirstTouch()]))
def test_nothing_after_a_leads_instant_changes_a_byte(seed: int, other: int, instant: Any) -> None:
    leads = invented_leads(seed)
    changed = []
    for lead in leads:
        then = instants_of([lead], instant)[lead.lead]
        if then is None:  # a touch would give it an instant
            changed.append(replace(lead, outcomes=[ended("won", at(other % 100))]))
            continue
        settled = then + HORIZON if then + HORIZON <= UNTIL else then
        touched = poisoned(lead, then, settled, other + lead.lead)
        first = [e for e in lead.engagements if e.occurred_at == then + TICK]
        changed.append(replace(touched, engagements=[*touched.engagements, *first]))
    rule_set = rules()
    assert result_of(changed, instant, rule_set) == result_of(leads, instant, rule_set)


@cases(30)
@given(SEEDS, SEEDS, st.integers(1, 12))
def test_weekly_rows_do_not_change_with_what_came_after_them(
    seed: int, other: int, week: int
) -> None:
    then = at(7 * week) - TICK
    leads, rule_set = invented_leads(seed), rules()
    changed = [poisoned(lead, then, then, other + lead.lead) for lead in leads]
    changed = [
        after for before, after in zip(leads, changed, strict=True) if before.created_at <= then
    ]
    strangers = [replace(invented(random.Random(other), 900), created_at=then + TICK)]

    def until_then(known: Sequence[LeadHistory]) -> list[tuple[int, ...]]:
        history = history_of(known, rule_set.fact_types)
        panel = panel_of(history, Weekly(), HORIZON, UNTIL)
        (scores,) = score_panel(history, panel, [rule_set])
        rows = zip(history.ids[panel.lead], panel.at, scores.value, scores.band, strict=True)
        return [tuple(map(int, row)) for row in rows if row[1] <= microseconds(then)]

    assert until_then([*changed, *strangers]) == until_then(leads)


@cases(20)
@given(SEEDS, SEEDS, st.sampled_from(INSTANTS))
def test_other_leads_change_nothing_about_a_lead(seed: int, other: int, instant: Any) -> None:
    leads, strangers = invented_leads(seed), invented_leads(other, 5)
    strangers = [replace(lead, lead=lead.lead + 1_000) for lead in strangers]
    rule_set = rules()
    alone, _ = rows_of_leads(leads, instant, rule_set)
    among, _ = rows_of_leads([*strangers[:2], *leads, *strangers[2:]], instant, rule_set)
    assert [row for row in among if row[0] < 1_000] == alone


def rows_of_leads(
    leads: Sequence[LeadHistory], instant: Instant, rule_set: RuleSet
) -> tuple[list[tuple[int, ...]], Panel]:
    history = history_of(leads, rule_set.fact_types)
    panel = panel_of(history, instant, HORIZON, UNTIL)
    (scores,) = score_panel(history, panel, [rule_set])
    columns = (history.ids[panel.lead], panel.at, panel.won, scores.value, scores.band)
    return [tuple(map(int, row)) for row in zip(*columns, strict=True)], panel


@cases(40)
@given(SEEDS, st.sampled_from([*INSTANTS, BeforeOutcome(5)]), st.integers(20, 110))
def test_the_backtest_of_a_day_is_the_same_ever_after(seed: int, instant: Any, day: int) -> None:
    leads, rule_set, then = invented_leads(seed), rules(), at(day)
    now = [
        replace(
            lead,
            facts={
                name: [v for v in versions if max(v.at or then, v.known_at or then) <= then]
                for name, versions in lead.facts.items()
            },
            engagements=[e for e in lead.engagements if e.occurred_at <= then],
            outcomes=[o for o in lead.outcomes if o.occurred_at <= then],
        )
        for lead in leads
        if lead.created_at <= then
    ]
    assert result_of(leads, instant, rule_set, then) == result_of(now, instant, rule_set, then)


def test_the_poison_is_seen_by_a_backtest_that_looks_later() -> None:
    leads = invented_leads(7)
    then = {lead.lead: lead.created_at + DAY for lead in leads}
    changed = [poisoned(lead, then[lead.lead], then[lead.lead], lead.lead) for lead in leads]
    late = AtSla(5 * 86_400)
    assert result_of(changed, late, rules()) != result_of(leads, late, rules())


@cases(40)
@given(SEEDS, reference.documents(), st.sampled_from(INSTANTS), st.sampled_from([10, 10**6]))
def test_a_row_scores_like_one_lead_given_what_was_known_then(
    seed: int, document: Mapping[str, Any], instant: Any, part: int
) -> None:
    leads, rule_set = invented_leads(seed, 12), rules(document)
    history = history_of(leads, rule_set.fact_types)
    panel = panel_of(history, instant, HORIZON, UNTIL)
    (scores,) = score_panel(history, panel, [rule_set], part)
    scorer = compile_rule_set(rule_set)
    for row, (lead, moment) in enumerate(zip(panel.lead, panel.at, strict=True)):
        then = datetime(1970, 1, 1, tzinfo=UTC) + timedelta(microseconds=int(moment))
        one = scorer.score(*known_then(leads[lead], then), then)
        position = int(scores.band[row])
        assert (rule_set.bands[position].key if position >= 0 else "") == one.band
        assert scores.value[row] == one.value


# -- the instant and the label -------------------------------------------------------------------


@cases(40)
@given(SEEDS, SEEDS, st.sampled_from(INSTANTS))
def test_the_instant_does_not_depend_on_how_a_lead_ends(
    seed: int, other: int, instant: Any
) -> None:
    source = random.Random(other)
    leads = [replace(lead, outcomes=[]) for lead in invented_leads(seed)]
    ends = [at(source.randint(0, 200)) for _ in leads]
    closed = [
        replace(lead, outcomes=[ended(source.choice(["won", "lost"]), end)])
        for lead, end in zip(leads, ends, strict=True)
    ]
    whole, kept = (panel_of(history_of(g, []), instant, HORIZON, UNTIL) for g in (leads, closed))
    rows = zip(whole.lead.tolist(), whole.at.tolist(), strict=True)
    still_open = [(lead, moment) for lead, moment in rows if microseconds(ends[lead]) > moment]
    assert list(zip(kept.lead.tolist(), kept.at.tolist(), strict=True)) == still_open


def test_before_an_outcome_the_others_are_as_old_as_those_with_one() -> None:
    source = random.Random(5)
    ages = [source.expovariate(1 / 20) for _ in range(300)]
    won = [
        LeadHistory(i, START, outcomes=[ended("won", at(age + 7))]) for i, age in enumerate(ages)
    ]
    others = [LeadHistory(1_000 + i, at(i % 3)) for i in range(3_000)]
    history = history_of([*won, *others], [])
    panel = panel_of(history, BeforeOutcome(7), HORIZON, at(1_000))
    old = (panel.at - history.created_at[panel.lead]) / 86_400_000_000
    assert len(panel) == 3_300
    assert panel.won.sum() == 300
    for quantile in (0.1, 0.25, 0.5, 0.75, 0.9):
        theirs = np.quantile(old[~panel.won], quantile)
        assert theirs == pytest.approx(np.quantile(old[panel.won], quantile), rel=0.15)


def test_before_an_outcome_one_that_is_immature_changes_nothing() -> None:
    leads = invented_leads(11, 60)
    late = [ended("won", at(2_000))]  # as if nobody knew of it
    changed = [lead if lead.outcomes else replace(lead, outcomes=late) for lead in leads]
    assert changed != leads
    instant = BeforeOutcome(5)
    assert result_of(changed, instant, rules()) == result_of(leads, instant, rules())


def test_an_outcome_beyond_the_horizon_by_construction_is_refused() -> None:
    with pytest.raises(ValueError, match="beyond a horizon of 14 days"):
        panel_of(history_of([], []), BeforeOutcome(15), HORIZON, UNTIL)


def test_the_label_is_a_success_after_the_instant_and_within_the_horizon() -> None:
    def label(days: float, kind: str = "won") -> list[bool]:
        lead = LeadHistory(1, START, outcomes=[ended(kind, at(days))])
        return panel_of(history_of([lead], []), AtSla(86_400), HORIZON, UNTIL).won.tolist()

    assert [label(d) for d in (1.5, 15, 15.01, 100)] == [[True], [True], [False], [False]]
    assert label(1) == []  # decided at the instant
    assert label(3, "lost") == [False]
    assert label(3, "converted") == [True]


def test_a_row_whose_horizon_is_not_over_is_out_even_if_it_converted_already() -> None:
    lead = LeadHistory(1, START, outcomes=[ended("won", at(2))])
    history = history_of([lead], [])
    ripe = START + DAY + HORIZON
    assert len(panel_of(history, AtSla(86_400), HORIZON, ripe)) == 1
    young = panel_of(history, AtSla(86_400), HORIZON, ripe - TICK)
    assert (len(young), young.excluded["immature"]) == (0, 1)


def test_who_is_left_out_is_counted_once_by_reason() -> None:
    touched = [happened("a", "email_sent", at(3))]
    leads = [
        LeadHistory(1, START),
        LeadHistory(2, START, engagements=touched),
        LeadHistory(3, at(4), engagements=touched),
        LeadHistory(4, START, engagements=touched, outcomes=[ended("lost", at(2))]),
        LeadHistory(5, START, engagements=[happened("b", "call_connected", at(110))]),
    ]
    panel = panel_of(history_of(leads, []), AtFirstTouch(), HORIZON, UNTIL)
    assert panel.lead.tolist() == [1]
    assert panel.excluded == {"untouched": 1, "early": 1, "decided": 1, "immature": 1}


def test_first_touch_is_ours_and_its_own_points_do_not_count() -> None:
    lead = LeadHistory(
        1,
        START,
        {"size": [fact(1)]},
        [
            happened("a", "page_visit", at(1)),
            happened("b", "email_bounce", at(2)),
            happened("c", "call_missed", at(3)),
            happened("d", "page_visit", at(3)),
        ],
    )
    rule_set = rules(DOCUMENT.replace("decay: {half_life_days: 10}", "cap: 50"))
    ((_, moment, _, value, _),), _ = rows_of_leads([lead], AtFirstTouch(), rule_set)
    assert moment == microseconds(at(3)) - 1
    assert value == 6_000


def test_weeks_run_from_creation_to_the_first_outcome() -> None:
    lead = LeadHistory(1, at(3), outcomes=[ended("lost", at(21))])
    panel = panel_of(history_of([lead], []), Weekly(), HORIZON, UNTIL)
    assert panel.at.tolist() == [microseconds(at(7 * week)) - 1 for week in (1, 2, 3)]


@pytest.mark.parametrize(
    ("created", "ended_at", "weeks"),
    [
        (at(7) - TICK, None, 15),
        (at(7), None, 14),
        (at(1), at(14) - TICK, 1),
        (at(1), at(14), 2),
    ],
)
def test_a_week_counts_when_the_lead_was_open_before_its_monday(
    created: datetime, ended_at: datetime | None, weeks: int
) -> None:
    outcomes = [ended("lost", ended_at)] if ended_at else []
    lead = LeadHistory(1, created, outcomes=outcomes)
    panel = panel_of(history_of([lead], []), Weekly(), HORIZON, at(7 * 15) + HORIZON)
    assert len(panel) == weeks


def test_since_leaves_earlier_instants_out() -> None:
    lead = LeadHistory(1, START)
    history = history_of([lead], [])
    assert len(panel_of(history, Weekly(), HORIZON, at(44), since=at(14))) == 2  # from the 21st
    found = panel_of(history, AtSla(), HORIZON, UNTIL, since=at(1))
    assert (len(found), found.excluded["early"]) == (0, 1)


# -- what was known ------------------------------------------------------------------------------


def known(versions: Sequence[Version], days: float) -> Any:
    """The value of `size` that columns hold at an instant; None = unknown."""
    history = history_of([LeadHistory(1, START, {"size": versions})], [("size", "number")])
    column: Any = history.as_of(np.array([0]), np.array([microseconds(at(days))])).facts["size"]
    return None if np.isnan(column.values[0]) else float(column.values[0])


def test_a_fact_is_what_it_was_then() -> None:
    versions = [fact(10, 1), fact(40, 5), fact(None, 9)]
    assert [known(versions, d) for d in (0, 1, 4.9, 5, 8, 9)] == [None, 10, 10, 40, 40, None]


def test_a_fact_counts_once_it_was_true_and_known() -> None:
    versions = [fact(10, 1, known=8), fact(40, 5, known=6)]
    assert [known(versions, d) for d in (1, 5, 6, 9)] == [None, None, 40, 40]


def test_a_fact_without_a_date_was_always_so() -> None:
    assert known([fact(3)], -5_000) == 3


def test_an_engagement_counts_once_it_happened_and_was_read() -> None:
    lead = LeadHistory(1, START, {}, [happened("a", "page_visit", at(1))], known_at={"a": at(2)})
    rule_set = rules(DOCUMENT.replace("decay: {half_life_days: 10}", "cap: 50"))
    history = history_of([lead], rule_set.fact_types)
    instants = np.array([microseconds(at(days)) for days in (0.5, 1.5, 2)])
    log = history.as_of(np.array([0, 0, 0]), instants).log
    assert np.diff(log.offsets).tolist() == [0, 0, 1]


@pytest.mark.parametrize("name", sorted(LEFT_OUT))
def test_what_moves_with_the_outcome_or_counts_up_is_unknown_at_every_instant(name: str) -> None:
    history = history_of([LeadHistory(1, START, {name: [fact("customer")]})], [(name, "text")])
    assert history.facts == {}


def test_columns_of_the_far_future_are_all_that_is_known() -> None:
    """The log and the facts are those that scoring at the present sees."""
    leads = invented_leads(3)
    rule_set = rules()
    end = START + 10_000 * DAY
    present = columns_of([known_then(lead, end) for lead in leads], rule_set.fact_types)
    history = history_of(leads, rule_set.fact_types)
    then = history.as_of(np.arange(len(leads)), np.full(len(leads), microseconds(end)))
    assert then.log.offsets.tolist() == present.log.offsets.tolist()
    assert then.log.at.tolist() == present.log.at.tolist()
    assert [then.log.whats[i] for i in then.log.what] == [
        present.log.whats[i] for i in present.log.what
    ]


# -- the report ----------------------------------------------------------------------------------


def told(n: int = 40) -> tuple[History, Panel]:
    """Leads of which the larger companies buy more often; every tenth is ours already."""
    leads = []
    for i in range(n):
        size, wins = (50, i % 4 != 0) if i % 2 else (1, i % 8 == 0)
        facts = {"size": [fact(size)]} | ({"plan": [fact("mine")]} if i % 10 == 9 else {})
        outcomes = [ended("won", at(i + 2))] if wins else []
        leads.append(LeadHistory(i, at(i), facts, outcomes=outcomes))
    history = history_of(leads, rules().fact_types)
    return history, panel_of(history, AtSla(), HORIZON, at(200))


def test_the_report_counts_by_hand() -> None:
    history, panel = told()
    (scores,) = score_panel(history, panel, [rules()])
    found = report(panel, scores)
    assert (found.rows, found.suppressed, found.suppressed_won) == (36, 4, 4)
    assert [(b.band, b.leads, b.converted) for b in found.bands] == [
        ("hot", 0, 0),
        ("warm", 16, 16),
        ("cold", 20, 5),
    ]
    assert found.won == 21
    assert found.auc is not None
    assert found.auc.value == pytest.approx((16 * 15 + 5 * 15 / 2) / (21 * 15))
    assert found.lift == pytest.approx(1 / (21 / 36))


def test_forecasts_come_from_rows_whose_horizon_was_over_when_the_later_begin() -> None:
    history, panel = told()
    (scores,) = score_panel(history, panel, [rules()])
    by_band = {row.band: row for row in report(panel, scores).calibration}
    assert by_band.keys() == {"warm", "cold"}
    # 36 rows: the later third begins with that of day 26, so forecasts end with that of day 12
    assert {name: (row.earlier, row.later) for name, row in by_band.items()} == {
        "warm": (5, 5),
        "cold": (7, 7),
    }
    assert by_band["warm"].holds
    assert (by_band["warm"].forecast, by_band["warm"].observed) == (1.0, 1.0)


def test_an_empty_panel_says_nothing_and_does_not_fail() -> None:
    history = history_of([], rules().fact_types)
    panel = panel_of(history, AtSla(), HORIZON, UNTIL)
    (scores,) = score_panel(history, panel, [rules()])
    found = report(panel, scores)
    assert (found.rows, found.auc, found.lift, found.calibration) == (0, None, None, [])


def test_two_rule_sets_are_compared_on_the_same_rows() -> None:
    history, panel = told()
    draft = rules(DOCUMENT.replace("from 40: 12", "from 40: 30").replace("plan: mine", "plan: no"))
    ours, theirs = score_panel(history, panel, [draft, rules()])
    found = compare(panel, ours, theirs)
    assert found.rows == 36  # those that the active suppresses are scored by one only
    assert found.moved == 16  # from warm to hot
    assert found.gain is not None
    assert astuple(found.gain) == pytest.approx((0, 0, 0))


def test_a_shared_scorer_gives_what_a_fresh_one_gives() -> None:
    history, panel = told()
    draft = rules(DOCUMENT.replace("points: 6", "points: 9"))
    shared = score_panel(history, panel, [rules(), draft])[1]
    fresh = score_panel(history, panel, [draft])[0]
    assert shared.value.tolist() == fresh.value.tolist()


def test_the_leak_guard_sees_each_lead_once_and_dates_too() -> None:
    leads = []
    for i in range(200):
        wins = i % 4 == 0
        facts = {"plan": [fact("basic" if i % 3 else "team")], "size": [fact(i % 7)]}
        if wins:
            facts["started"] = [fact(START)]
        leads.append(LeadHistory(i, START, facts, outcomes=[ended("won", at(70))] if wins else []))
    history = history_of(leads, [("plan", "text"), ("size", "number"), ("started", "date")])
    for instant in (AtSla(60 * 86_400), Weekly()):
        panel = panel_of(history, instant, HORIZON, UNTIL)
        assert [found.column for found in suspects(history, panel)] == ["started"]


def test_the_leak_guard_is_silent_where_only_one_outcome_occurs() -> None:
    history = history_of([LeadHistory(i, START, {"size": [fact(i)]}) for i in range(9)], SIZE)
    assert suspects(history, panel_of(history, AtSla(), HORIZON, UNTIL)) == []


def test_facts_that_were_learned_later_are_counted() -> None:
    leads = [LeadHistory(i, START, {"size": [fact(i, 0, known=i)]}) for i in range(10)]
    history = history_of(leads, SIZE)
    panel = panel_of(history, AtSla(4 * 86_400), HORIZON, UNTIL)
    assert known_facts(history, panel, at(7)) == {"size": (5, 8)}


def test_forever_is_later_than_every_instant() -> None:
    assert datetime.max.replace(tzinfo=UTC).timestamp() * 1e6 < FOREVER
