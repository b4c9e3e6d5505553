"""What scoring reads of a lead is written with it, in lines that any value survives."""

from __future__ import annotations

from collections.abc import Iterator
from importlib import import_module
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from sqlalchemy import text
from store_world import DATABASES, NOW, commit, emptied, key, opened, record, rows, visit

from data.inputs import KEEP_CHANGES, escaped, facts_to_lines, restored
from data.store import Store
from data.tables import InputChange, LeadInput, table
from scoring.scores import Fact


@pytest.fixture(scope="module", params=DATABASES)
def database(request: pytest.FixtureRequest, tmp_path_factory: Any) -> Iterator[Store]:
    """A store on either database, for all tests."""
    with opened(request, tmp_path_factory.mktemp("store")) as found:
        yield found


@pytest.fixture
def store(database: Store) -> Store:
    """The same store, empty."""
    return emptied(database)


@given(st.text())
def test_any_text_fits_into_a_line_and_comes_back(written: str) -> None:
    line = escaped(written)
    assert not {"\t", "\n", "\r"} & set(line)
    assert restored(line) == written


@pytest.mark.parametrize(
    ("value", "line"),
    [
        ("Ada\tLovelace", "tx\tAda\\tLovelace\n"),
        (12, "nx\t12.0\n"),
        (True, "bx\t1\n"),
        (("a", "b"), 'lx\t["a", "b"]\n'),
        (NOW, "dx\t1795435200000000\n"),
        (float("nan"), ""),
        (10**400, ""),
    ],
)
def test_each_kind_of_value_has_its_line(value: Any, line: str) -> None:
    assert facts_to_lines({"x": Fact(value, "file")}) == line


def test_a_fact_that_grows_is_kept_as_the_time_it_counts_from() -> None:
    first, later = (Fact(days, "derived", NOW) for days in (1.0, 30.0))
    assert facts_to_lines({"age_days": first}) == facts_to_lines({"age_days": later})


def test_versions_count_up_and_old_ones_are_forgotten(store: Store) -> None:
    commit(store, records=[record(1)])
    with store.engine.begin() as connection:
        newest = {"version": KEEP_CHANGES, "token": "newest"}
        connection.execute(table(InputChange).insert().values(**newest))
    commit(store, engagements=[visit(1, key(1))])
    assert [row.version for row in rows(store, InputChange)] == [KEEP_CHANGES, KEEP_CHANGES + 1]
    assert [row.version for row in rows(store, LeadInput)] == [KEEP_CHANGES + 1]


def test_a_page_that_changes_no_lead_is_no_change(store: Store) -> None:
    commit(store, records=[record(1)])
    before = rows(store, InputChange)
    commit(store, records=[record(1)], engagements=[visit(1, email="stranger@example.com")])
    assert rows(store, InputChange) == before


def test_who_is_not_scored_any_more_leaves_no_facts(store: Store) -> None:
    commit(store, records=[record(1), record(2), record(3)])
    commit(store, records=[record(1, deleted=True), record(3, email="person2@example.com")])
    left = {lead.lead_id: lead.facts is not None for lead in rows(store, LeadInput)}
    assert sorted(left.values()) == [False, False, True]


def test_a_database_from_before_gets_the_inputs_of_its_leads(store: Store) -> None:
    commit(store, records=[record(n, job_title=f"Head of {n}") for n in range(5)])
    commit(store, records=[record(4, deleted=True)])
    expected = {one.lead_id: one.facts for one in rows(store, LeadInput) if one.facts}
    assert len(expected) == 4
    migration = import_module("data.migrations.versions.0002_inputs_of_scores")
    with store.engine.begin() as connection:
        connection.execute(text("DELETE FROM lead_input"))
        connection.execute(text("DELETE FROM input_change"))
        migration.fill(connection, table(LeadInput), table(InputChange))
    assert {one.lead_id: one.facts for one in rows(store, LeadInput)} == expected
    assert [change.version for change in rows(store, InputChange)] == [1]
