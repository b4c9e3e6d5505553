"""Low and high are attained: by trying everything that unknown facts could turn out to be."""

from __future__ import annotations

import itertools
import math
import random
from datetime import timedelta
from typing import Any

from hypothesis import HealthCheck, assume, given, settings
from hypothesis import strategies as st

from scoring.engine import Scorer, compile_rule_set
from scoring.leads import Engagement
from scoring.rules import parse_rule_set
from scoring.scores import Fact
from tests import reference_scorer as reference
from tests.reference_scorer import NOW, WORDS

#: Every value that differs for the invented rules; numbers and dates are cut where they are.
DOMAINS: dict[str, list[Any]] = {
    "email_kind": list(reference.EMAIL_KINDS),
    "vip": [True, False],
    "size": [*(n / 2 for n in range(-2, 123)), *range(62, 151, 4), 1_000],
    "plan": [
        f"{start}|{'|'.join(some)}|{end}"
        for start in ("", *WORDS)
        for end in ("", *WORDS)
        for size in range(4)
        for some in itertools.combinations(WORDS, size)
    ],
    "tags": [some for n in range(len(WORDS) + 1) for some in itertools.combinations(WORDS, n)],
    "started": [NOW - timedelta(hours=h) for h in (-1, 0, 6, 12, 24, 40, 72, 100, 168, 200, 720,
                                                   800, 2160, 3000)],
}  # fmt: skip


def scorer(document: dict[str, Any]) -> Scorer:
    rule_set, problems = parse_rule_set(document, fields=reference.FIELDS)
    assert rule_set is not None, problems
    return compile_rule_set(rule_set)


def everything(
    engine: Scorer, facts: dict[str, Fact], events: list[Engagement], names: list[str]
) -> set[int]:
    """The values of the lead over all ways in which these facts become known, some or all."""
    return {
        engine.tally(
            facts
            | {n: Fact(v, "file") for n, v in zip(names, found, strict=True) if v is not None},
            events,
            NOW,
        ).value
        for found in itertools.product(*([None, *DOMAINS[name]] for name in names))
    }


def product_of(names: list[str]) -> int:
    return math.prod(1 + len(DOMAINS[name]) for name in names)


@settings(
    max_examples=150,
    deadline=None,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.filter_too_much],
)
@given(reference.documents(), st.integers(0, 2**32), st.data())
def test_bounds_are_attained_and_never_exceeded(
    document: dict[str, Any], seed: int, data: st.DataObject
) -> None:
    assume("matches" not in repr(document))  # whose answers count as independent of each other
    engine = scorer({**document, "suppress": []})
    source = random.Random(seed)
    events = reference.engagements(source)
    read = [name for name, _ in engine.rule_set.fact_types]
    unknown = data.draw(st.lists(st.sampled_from(read), max_size=3, unique=True)) if read else []
    assume(product_of(unknown) <= 6_000)
    facts = {
        name: Fact(source.choice(values), "file")
        for name, values in DOMAINS.items()
        if name not in unknown
    }
    assume(engine.bounds_are_exact(facts, NOW))
    tally = engine.tally(facts, events, NOW)
    values = everything(engine, facts, events, unknown)
    assert (tally.low, tally.high) == (min(values), max(values))
    assert tally.low <= tally.value <= tally.high
