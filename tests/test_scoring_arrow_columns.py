"""A table of Arrow gives the kernel what the same leads give one by one."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import timedelta
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from scoring.arrow_columns import (
    FACT_ARROW_TYPES,
    MOMENT,
    SCORE_SCHEMA,
    columns_from,
    scores_table,
)
from scoring.columns import Coded, Columns, Dates, Numbers, columns_of
from scoring.criteria import DETAILS
from scoring.engine import compile_rule_set
from scoring.inputs import in_order
from scoring.kernel import ColumnScorer
from scoring.leads import ENGAGEMENT_KINDS, Engagement, RecordKey
from scoring.rules import parse_rule_set
from scoring.scores import DIMENSIONS, Fact
from tests import reference_scorer as reference
from tests.reference_scorer import NOW

Leads = Sequence[tuple[dict[str, Fact], list[Engagement]]]
TYPES = (
    ("age_days", "number"),
    ("plan", "text"),
    ("seniority", "choice"),
    ("size", "number"),
    ("started", "date"),
    ("tags", "list"),
    ("vip", "flag"),
)

words = st.text(st.characters(exclude_categories=["Cs"]), max_size=3) | st.sampled_from(
    ["Gold", "gold ", " GOLD", "ſ", "İ", "ẞ", ""]
)
moments = st.integers(-(10**15), 3 * 10**15).map(lambda us: NOW + timedelta(microseconds=us))
VALUES: dict[str, st.SearchStrategy[Any]] = {
    "plan": words,
    "seniority": words,
    "size": st.floats(width=64) | st.integers(-(2**53), 2**53).map(float),
    "started": moments,
    "tags": st.lists(words, max_size=3).map(tuple),
    "vip": st.booleans(),
}


@st.composite
def many(draw: st.DrawFn) -> Leads:
    """Leads with any values, engagements at the same time and engagements given twice."""
    found = []
    keys = st.sampled_from(["a", "b", "c", "é", "𝔘", "\uffff"])
    for _ in range(draw(st.integers(0, 6))):
        facts = {
            name: Fact(draw(values), "file")
            for name, values in VALUES.items()
            if draw(st.booleans())
        }
        created = draw(moments)
        facts["age_days"] = Fact(0.0, "file", created)
        found.append((facts, draw(st.lists(engagements(keys), max_size=5))))
    return found


@st.composite
def engagements(draw: st.DrawFn, keys: st.SearchStrategy[str]) -> Engagement:
    return Engagement(
        key=draw(keys),
        kind=draw(st.sampled_from(sorted(ENGAGEMENT_KINDS)[:3])),
        occurred_at=NOW - timedelta(days=draw(st.integers(0, 2))),
        record=RecordKey("file", "row", "1"),
        detail={name: draw(words) for name in DETAILS if draw(st.integers(0, 3)) == 0},
    )


def tables(leads: Leads, types: Sequence[tuple[str, str]]) -> tuple[pa.Table, pa.Table]:
    """The same leads as Arrow tables."""
    columns = {"id": pa.array([str(i) for i in range(len(leads))], pa.string())}
    for name, kind in types:
        found = [facts.get(name) for facts, _ in leads]
        if name == "age_days":
            columns[name] = pa.array([fact and fact.at for fact in found], MOMENT)
        else:
            values = [fact and fact.value for fact in found]
            columns[name] = pa.array(values, FACT_ARROW_TYPES[kind])
    events = [(row, e) for row, (_, all_of_it) in enumerate(leads) for e in all_of_it]
    return pa.table(columns), pa.table(
        {
            "lead": pa.array([row for row, _ in events], pa.int64()),
            "kind": pa.array([e.kind for _, e in events], pa.string()),
            "occurred_at": pa.array([e.occurred_at for _, e in events], MOMENT),
            "key": pa.array([e.key for _, e in events], pa.string()),
            **{
                name: pa.array([e.detail.get(name) for _, e in events], pa.string())
                for name in DETAILS
            },
        }
    )


def spelt_out(columns: Columns) -> dict[str, Any]:
    """What columns say, whatever numbers stand for a value."""
    found: dict[str, Any] = {}
    for name, column in columns.facts.items():
        if isinstance(column, Coded):
            found[name] = [None if c == 0 else column.values[c - 1] for c in column.codes]
        elif isinstance(column, Numbers):
            found[name] = [None if np.isnan(v) else v for v in column.values]
        else:
            assert isinstance(column, Dates)
            found[name] = (column.growing, column.at.tolist())
    log = columns.log
    found["log"] = (log.offsets.tolist(), log.at.tolist(), [log.whats[w] for w in log.what])
    return found


@settings(max_examples=200, deadline=None)
@given(many())
def test_a_table_gives_the_columns_that_its_rows_give(leads: Leads) -> None:
    expected = columns_of(leads, TYPES)
    columns, _ = columns_from(*tables(leads, TYPES), TYPES)
    assert columns.n == expected.n
    assert spelt_out(columns) == spelt_out(expected)


@settings(max_examples=100, deadline=None)
@given(many())
def test_every_engagement_is_in_the_log_or_named_as_repeated(leads: Leads) -> None:
    _, events = tables(leads, TYPES)
    columns, repeated = columns_from(*tables(leads, TYPES), TYPES)
    assert len(columns.log.at) + repeated.sum() == len(events)
    for row, (_, own) in enumerate(leads):
        of_lead = events["lead"].to_numpy() == row
        left = [e for e, r in zip(own, repeated[of_lead], strict=True) if not r]
        assert sorted(e.key for e in left) == sorted(item[1] for item in in_order(own))


def test_spellings_of_a_text_are_one_value_and_its_dictionary_may_be_larger() -> None:
    text = pa.array(["Gold", None, " gold", "x"], pa.string()).dictionary_encode()
    table = pa.table({"id": ["1", "2", "3"], "plan": text[:3]})
    nobody = tables([], ())[1]
    columns, _ = columns_from(table, nobody, [("plan", "text")])
    plan = columns.facts["plan"]
    assert isinstance(plan, Coded)
    assert (plan.codes.tolist(), plan.values) == ([1, 0, 1], ("gold",))


def test_nanoseconds_are_cut_off_and_a_table_may_come_in_parts() -> None:
    at = pa.array([-1, 1_500, None], pa.timestamp("ns", "UTC"))
    table = pa.table({"id": ["1", "2", "3"], "started": at})
    parts = pa.concat_tables([table.slice(0, 1), table.slice(1)])
    columns, _ = columns_from(parts, tables([], ())[1], [("started", "date")])
    started = columns.facts["started"]
    assert isinstance(started, Dates)
    assert started.at.tolist()[:2] == [-1, 1]
    assert started.at[2] == np.iinfo(np.int64).min


def test_an_engagement_without_a_key_is_one_of_its_own() -> None:
    events = pa.table(
        {
            "lead": pa.array([0, 0], pa.int64()),
            "kind": ["page_visit", "page_visit"],
            "occurred_at": pa.array([NOW, NOW], MOMENT),
            "key": pa.array([None, None], pa.string()),
        }
    )
    columns, repeated = columns_from(pa.table({"id": ["1"]}), events, [])
    assert len(columns.log.at) == 2
    assert not repeated.any()


@settings(max_examples=40, deadline=None)
@given(reference.documents(), reference.leads(20))
def test_scores_come_back_in_points_as_one_lead_has_them(
    document: dict[str, Any], leads: Any
) -> None:
    rule_set, _ = parse_rule_set(document, fields=reference.FIELDS)
    assert rule_set is not None
    table, events = tables(leads, [(n, k) for n, k in rule_set.fact_types if n != "age_days"])
    columns, _ = columns_from(table, events, rule_set.fact_types)
    scores = ColumnScorer(rule_set, columns).score(NOW)
    rows = scores_table(table["id"], scores, rule_set)
    assert rows.schema == SCORE_SCHEMA
    scorer = compile_rule_set(rule_set)
    for row, (facts, own) in zip(rows.to_pylist(), leads, strict=True):
        known = {name: fact for name, fact in facts.items() if name != "age_days"}
        one = scorer.score(known, own, NOW)
        if one.suppressed:
            expected = {"suppressed": one.suppressed}
        else:
            expected = {
                "value": one.value / 1000,
                "low": one.low / 1000,
                "high": one.high / 1000,
                "band": next(b.label for b in rule_set.bands if b.key == one.band),
                "certain": one.band_certain,
                "mode": one.scoring_mode,
                "disqualified": one.disqualified or None,
                **{name: one.dimensions[name] / 1000 for name in DIMENSIONS},
            }
        assert {k: v for k, v in row.items() if k != "id"} == {
            **dict.fromkeys(SCORE_SCHEMA.names[1:]),
            **expected,
        }


@pytest.mark.parametrize("kind", FACT_ARROW_TYPES)
def test_a_fact_that_nobody_has_is_unknown(kind: str) -> None:
    table = pa.table({"id": ["1"], "x": pa.array([None], FACT_ARROW_TYPES[kind])})
    columns, _ = columns_from(table, tables([], ())[1], [("x", kind), ("y", kind)])
    expected = columns_of([({}, [])], [("x", kind)])
    assert spelt_out(columns) == spelt_out(expected)
