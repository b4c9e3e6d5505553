"""The fewest changes to a better or worse band, held against trying everything; and their words."""

from __future__ import annotations

import itertools
import random
from collections.abc import Iterator, Sequence
from typing import Any

import pytest
from hypothesis import HealthCheck, assume, given, settings
from hypothesis import strategies as st

from scoring.advice import cases_text, change_text, unknown_text
from scoring.engine import Scorer, compile_rule_set
from scoring.leads import Engagement
from scoring.least_change import Change
from scoring.possible import Imagined
from scoring.rules import default_rule_set, parse_rule_set
from scoring.scores import Fact
from scoring.unknowns import Unknown
from tests import reference_scorer as reference
from tests.reference_scorer import KINDS, NOW, RECORD, WORDS

DOMAINS: dict[str, list[Any]] = {
    "email_kind": list(reference.EMAIL_KINDS),
    "vip": [True, False],
    "size": [*(n / 2 for n in range(-2, 123)), *range(62, 151, 4), 1_000],
}
URLS = ["", *(f"/{'|'.join(some)}" for n in (1, 2) for some in itertools.combinations(WORDS, n))]
Facts = dict[str, Fact]


def scorer(document: dict[str, Any]) -> Scorer:
    rule_set, problems = parse_rule_set(document, fields=reference.FIELDS)
    assert rule_set is not None, problems
    return compile_rule_set(rule_set)


def engagement(key: str, kind: str, url: str) -> Engagement:
    return Engagement(key, kind, NOW, RECORD, detail={"url": url} if url else {})


def every_step() -> Iterator[tuple[str, Any]]:
    for name, values in DOMAINS.items():
        yield from ((name, value) for value in values)
    for kind in KINDS:
        yield from (("event", (kind, url)) for url in URLS)


def band_after(
    engine: Scorer, facts: Facts, events: list[Engagement], steps: Sequence[tuple[str, Any]]
) -> str:
    facts, events = dict(facts), list(events)
    for number, (name, value) in enumerate(steps):
        if name == "event":
            events.append(engagement(f"new{number}", *value))
        else:
            facts[name] = Fact(value, "file")
    return engine.tally(facts, events, NOW).band


def as_step(change: Change) -> list[tuple[str, Any]]:
    """A change as something that can really be done to the lead."""
    if change.kind != "happen":
        return [(change.fact, change.cases[0])]
    details = dict(change.details)
    url = details.get("url", "")
    if isinstance(url, Imagined):
        url = "/" + "|".join(word for word in WORDS if url.passes("contains", (word,)))
    return [("event", (change.engagement, url))] * change.times


@settings(max_examples=60, deadline=None, suppress_health_check=list(HealthCheck))
@given(reference.documents(reference.FACT_LEAVES), st.integers(0, 2**32), st.booleans())
def test_no_smaller_change_does_it_and_the_one_named_does(
    document: dict[str, Any], seed: int, upward: bool
) -> None:
    engine = scorer({**document, "suppress": []})
    assume(engine.bounds_are_exact({}, NOW))  # no fact has too many cases to try
    source = random.Random(seed)
    facts = {n: f for n, f in reference.facts(source).items() if n in DOMAINS}
    events = reference.engagements(source)
    order = [band.key for band in engine.rule_set.bands]
    now = order.index(engine.tally(facts, events, NOW).band)

    def reached(steps: Sequence[tuple[str, Any]]) -> bool:
        position = order.index(band_after(engine, facts, events, steps))
        return position < now if upward else position > now

    found = engine.least_change(facts, events, NOW, upward=upward)
    single = any(reached([step]) for step in every_step())
    if found is None:
        assert not single
        return
    steps = [step for change in found.changes for step in as_step(change)]
    assert reached(steps)
    assert (len(steps) == 1) == single or not found.exact
    for change in found.changes:
        others = [s for other in found.changes if other is not change for s in as_step(other)]
        assert not reached(others)  # none is superfluous
        for case in change.cases:
            assert reached([*others, (change.fact, case)])


def small() -> Scorer:
    return scorer(
        {
            "name": "Small",
            "bands": {"hot": {"from": 50}, "warm": {"from": 20}, "cold": {"from": 0}},
            "dimensions": {
                "fit": {
                    "groups": [
                        {
                            "id": "g",
                            "rules": [
                                {"id": "size", "by": "size", "missing": "zero",
                                 "points": {"from 10": 5, "from 50": 30, "from 90": 35}},
                                {"id": "vip", "when": {"vip": True}, "points": 20},
                                {"id": "plan", "when": {"plan": {"contains": ["pro"]}},
                                 "points": 20},
                            ],
                        }
                    ]
                },
                "engagement": {
                    "groups": [
                        {"id": "e", "rules": [
                            {"id": "pricing", "points": 6, "each": {
                                "kind": "page_visit", "url": {"contains": ["pricing"]}}}]}
                    ]
                },
            },
        }
    )  # fmt: skip


def known(**values: Any) -> Facts:
    return {name: Fact(value, "file") for name, value in values.items()}


def test_it_says_in_words_what_it_takes() -> None:
    engine = small()
    facts = known(vip=False, plan="free")
    assert engine.advice(facts, [], NOW)[0] == "Warm (30) if: Size: from 50"
    assert engine.advice(known(vip=True, plan="free", size=1), [], NOW)[0] == (
        "Hot (50) if: Size: from 50"
    )
    facts = known(vip=False, plan="free", size=1)
    assert engine.advice(facts, [], NOW)[0] == "Warm (20) if: Plan: “pro”"
    visits = [engagement(f"v{i}", "page_visit", "/pricing") for i in range(3)]
    assert engine.advice(facts, visits, NOW)[0] == (
        "Warm (24) if: Visited a page (url: “pricing”) once more"
    )


def test_the_unknown_fact_that_settles_the_band_comes_first() -> None:
    engine = small()
    found = engine.worth_knowing(known(vip=True, plan="pro"), [], NOW)
    assert [(u.fact, u.settles) for u in found] == [("size", "always")]
    assert (found[0].narrows_at_least, found[0].narrows_at_most) == (35_000, 35_000)
    both = engine.worth_knowing(known(plan="pro"), [], NOW)
    assert [(u.fact, u.settles) for u in both] == [("size", "always"), ("vip", "never")]
    assert engine.worth_knowing(known(vip=True, plan="", size=1), [], NOW)[0].fact == "plan"
    assert engine.worth_knowing(known(vip=True, plan="x", size=1), [], NOW) == ()


@settings(max_examples=60, deadline=None, suppress_health_check=list(HealthCheck))
@given(reference.documents(reference.FACT_LEAVES), st.integers(0, 2**32))
def test_what_a_fact_is_worth_is_what_learning_it_does(document: dict[str, Any], seed: int) -> None:
    engine = scorer({**document, "suppress": []})
    source = random.Random(seed)
    facts = {n: f for n, f in reference.facts(source).items() if n in DOMAINS}
    events = reference.engagements(source)
    before = engine.tally(facts, events, NOW)
    for unknown in engine.worth_knowing(facts, events, NOW):
        after = [
            engine.tally(facts | known(**{unknown.fact: value}), events, NOW)
            for value in DOMAINS[unknown.fact]
        ]
        width = before.high - before.low
        narrower = [width - (tally.high - tally.low) for tally in after]
        assert min(narrower) >= unknown.narrows_at_least >= 0
        assert max(narrower) <= unknown.narrows_at_most
        certain = {tally.band_certain for tally in after}
        if unknown.settles != "sometimes":
            assert certain == {unknown.settles == "always"}


def test_the_best_and_the_worst_lead_have_nowhere_to_go() -> None:
    engine = small()
    assert engine.least_change(known(vip=True, plan="pro", size=60), [], NOW) is None
    assert engine.least_change(known(vip=False, plan="", size=1), [], NOW, upward=False) is None


def test_a_long_way_is_found_step_by_step() -> None:
    engine = compile_rule_set(default_rule_set())
    found = engine.least_change({}, [], NOW)
    assert found is not None
    assert found.value > engine.tally({}, [], NOW).value


@pytest.mark.parametrize(
    ("chosen", "text"),
    [
        ([3, 4, 5], "from 50"),
        ([4, 5], "above 50"),
        ([0], "below 10"),
        ([0, 1], "up to 10"),
        ([1], "10"),
        ([1, 2, 3], "10 to 50"),
        ([0, 3], "below 10 or 50"),
        ([0, 1, 2, 3, 4, 5], "anything"),
    ],
)
def test_numbers_are_said_as_ranges(chosen: list[int], text: str) -> None:
    cases = [9, 10, 30, 50, 80, 90]  # the limits are 10, 50 and 90
    assert cases_text([cases[i] for i in chosen], cases) == text


def test_changes_and_unknowns_are_sentences() -> None:
    assert change_text(Change("happen", engagement="email_reply", times=2)) == (
        "Replied to an e-mail 2 more times"
    )
    change = Change("change", "seniority", ("director", "vp"))
    assert change_text(change, ["director", "vp", "manager"]) == "Seniority: director or VP"
    assert unknown_text(Unknown("vip", 1_000, 4_500, 2_000, "sometimes")) == (
        "Vip: narrows the score by 1 to 4.5 points, and may settle the band"
    )
