"""Columns of a store hold what its leads were scored from, whatever has changed since."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from conftest import FakeClock
from hypothesis import given, settings
from hypothesis import strategies as st
from loop_world import Loop, running
from sqlalchemy import select
from store_world import DATABASES, NOW, commit, emptied, key, opened, record, visit

from data import column_cache
from data import columns as columns_module
from data.column_cache import cache_path, locked, read, save
from data.column_reader import read_everything
from data.column_values import Snapshot, in_order
from data.columns import LeadColumns
from data.database import reading, writing
from data.inputs import CHANGE, INPUT, save_inputs
from data.plain import facts_from_json
from data.recall import ENGAGEMENT, LEAD, load_leads
from data.store import Store
from data.tables import ScoreLog, table
from scoring.columns import Coded, Columns, Dates, Numbers, columns_of
from scoring.inputs import microseconds
from scoring.kernel import NONE, ColumnScorer
from scoring.leads import Engagement
from scoring.operators import FACT_TYPES
from scoring.rule_set import RuleSet
from scoring.rules import parse_rule_set
from scoring.scores import Fact

LOG = table(ScoreLog)


@pytest.fixture(scope="module", params=DATABASES)
def loop(request: pytest.FixtureRequest, tmp_path_factory: Any) -> Iterator[Loop]:
    """The product over both CRMs of an invented world, read once, on either database."""
    folder = tmp_path_factory.mktemp("columns")
    with opened(request, folder) as store:
        url = store.engine.url.render_as_string(hide_password=False)
        with running(folder, FakeClock(), database_url=url, leads=30) as started:
            started.settle()
            yield started


@pytest.fixture(scope="module", params=DATABASES)
def database(request: pytest.FixtureRequest, tmp_path_factory: Any) -> Iterator[Store]:
    """A store on either database, for all tests."""
    with opened(request, tmp_path_factory.mktemp("store")) as found:
        yield found


@pytest.fixture
def store(database: Store) -> Store:
    """The same store, empty."""
    return emptied(database)


def cold(store: Store) -> Snapshot:
    with reading(store.engine) as connection:
        return read_everything(connection)


def content(snapshot: Snapshot, folder: Path) -> bytes:
    """Every byte that is kept of it."""
    path = folder / "content.bin"
    save(path, in_order(snapshot))
    return path.read_bytes()


def scored(store: Store) -> list[Any]:
    """Rows of leads that have a score, or a reason to have none."""
    with store.engine.connect() as connection:
        wanted = (LEAD.c.scored_at.is_not(None), LEAD.c.merged_into_id.is_(None), ~LEAD.c.deleted)
        return list(connection.execute(select(LEAD).where(*wanted).order_by(LEAD.c.id)))


def one_by_one(store: Store, rule_set: RuleSet) -> Columns:
    """The columns of the same leads, read as the pipeline reads them."""
    rows = scored(store)
    with reading(store.engine) as connection:
        states = load_leads(connection, [row.id for row in rows])
    leads = [(facts_from_json(r.facts), [*states[r.id].engagements.values()]) for r in rows]
    return columns_of(leads, rule_set.fact_types)


def assert_same_columns(found: Columns, expected: Columns) -> None:
    assert found.n == expected.n
    for name, column in expected.facts.items():
        mine = found.facts.get(name)
        if mine is None:  # nobody has it
            assert not isinstance(column, Coded) or not column.codes.any()
            assert not isinstance(column, Numbers) or np.isnan(column.values).all()
        elif isinstance(column, Coded):
            assert isinstance(mine, Coded)
            assert mine.codes.dtype == column.codes.dtype
            assert said(mine) == said(column)
        elif isinstance(column, Numbers):
            assert isinstance(mine, Numbers)
            assert np.array_equal(mine.values, column.values, equal_nan=True)
        else:
            assert isinstance(mine, Dates)
            assert (mine.at.tolist(), mine.growing) == (column.at.tolist(), column.growing)
    assert found.log.offsets.tolist() == expected.log.offsets.tolist()
    assert found.log.at.tolist() == expected.log.at.tolist()
    assert [found.log.whats[i] for i in found.log.what] == [
        expected.log.whats[i] for i in expected.log.what
    ]


def said(column: Coded) -> list[Any]:
    values = (None, *column.values)
    return [values[code] for code in column.codes]


# -- the whole loop ----------------------------------------------------------------------------


def test_every_lead_scores_in_columns_as_it_was_scored_alone(loop: Loop, tmp_path: Path) -> None:
    rule_set = loop.pipeline.policy().scorer.rule_set
    snapshot = LeadColumns(loop.store.engine, tmp_path).current()
    rows = scored(loop.store)
    assert snapshot.lead_ids.tolist() == [row.id for row in rows]
    now = np.array([microseconds(row.scored_at) for row in rows])
    names = [band.key for band in rule_set.bands]
    before = np.array([names.index(b) if b else NONE for b in previous_bands(loop, rows)], np.int8)
    found = ColumnScorer(rule_set, snapshot.columns(rule_set.fact_types)).score(now, before)
    for i, row in enumerate(rows):
        suppressed = int(found.suppressed[i]) != NONE
        assert suppressed == bool(row.suppressed)
        if not suppressed:
            mine = (found.value[i], found.low[i], found.high[i], names[found.band[i]])
            assert mine == (row.score_value, row.score_low, row.score_high, row.band)
            assert found.dimensions[:, i].tolist() == [row.fit, row.engagement, row.intent]
            assert found.certain[i] == row.band_certain
    assert len({row.score_value for row in rows}) > 12


def previous_bands(loop: Loop, rows: list[Any]) -> list[str]:
    """The band that each lead had when it was scored last: a score that stays is not logged."""
    with loop.store.engine.connect() as connection:
        logged = {
            (row.lead_id, row.scored_at): row.previous_band
            for row in connection.execute(select(LOG).order_by(LOG.c.id))
        }
    return [logged.get((row.id, row.scored_at), row.band or "") for row in rows]


def test_columns_are_those_of_the_leads_read_one_by_one(loop: Loop) -> None:
    rule_set = loop.pipeline.policy().scorer.rule_set
    found = cold(loop.store).columns(rule_set.fact_types)
    assert_same_columns(found, one_by_one(loop.store, rule_set))


def test_what_changes_in_the_crms_arrives_as_if_everything_were_read_anew(
    loop: Loop, tmp_path: Path
) -> None:
    """New, changed, joined, deleted; each time the columns are caught up, not read again."""
    kept = LeadColumns(loop.store.engine, tmp_path)
    first = kept.current()
    before, rule_set = content(first, tmp_path), loop.pipeline.policy().scorer.rule_set
    rosa = loop.client.add_contact(firstname="Rosa", email="rosa.l@lindqvist.example")
    loop.client.add("Lead", LastName="Lindqvist", Company="Lind AB", Email="rosa@lindqvist.example")
    ada = loop.client.add_contact(firstname="Ada", email="ada@lindqvist.example")
    loop.settle()
    grown = kept.current()
    assert len(grown.lead_ids) == len(first.lead_ids) + 3
    assert content(grown, tmp_path) == content(cold(loop.store), tmp_path)
    loop.client.change_contact(rosa, email="rosa@lindqvist.example", jobtitle="CEO")
    loop.settle()
    joined = kept.current()
    assert len(joined.lead_ids) == len(grown.lead_ids) - 1
    assert content(joined, tmp_path) == content(cold(loop.store), tmp_path)
    loop.client.hubspot.delete(f"/crm/v3/objects/contacts/{ada.id}")
    loop.run_for(2 * 3_600, step=3_600)  # what is deleted is asked for now and then
    left = kept.current()
    assert len(left.lead_ids) == len(joined.lead_ids) - 1
    assert content(left, tmp_path) == content(cold(loop.store), tmp_path)
    assert_same_columns(left.columns(rule_set.fact_types), one_by_one(loop.store, rule_set))
    assert content(first, tmp_path) == before  # who holds older columns keeps them as they were


def test_other_rules_for_the_same_leads_are_no_change(loop: Loop, tmp_path: Path) -> None:
    loop.settle()
    kept = LeadColumns(loop.store.engine, tmp_path)
    before = kept.current()
    document = json.loads(loop.pipeline.policy().scorer.rule_set.document)
    other, _ = parse_rule_set(json.dumps({**document, "name": "Other rules"}))
    assert other is not None
    loop.store.activate_rule_set(other.document, other.hash, other.name, "", loop.clock())
    loop.tick(31)
    assert {row.rule_set_hash for row in scored(loop.store)} == {other.hash}
    assert kept.current() is before


# -- pages -------------------------------------------------------------------------------------


def test_engagements_stand_in_the_order_in_which_one_lead_reads_them(store: Store) -> None:
    """At one instant the key decides, whatever is in it and in whatever order they came."""
    keys = ["b", "a", "B", 'quoted"', "back\\slash", "two\nlines", "tab\tbed", "é", "漢", "a b"]
    events = [
        Engagement(f"visit:{name}", "page_visit", NOW, key(1), detail={"url": f"/{i} {name}"})
        for i, name in enumerate(keys)
    ]
    near = [visit(f"near{i}", key(1), occurred_at=NOW + timedelta(microseconds=i)) for i in (3, 1)]
    commit(store, records=[record(1), record(2)], engagements=[*near, *reversed(events)])
    expected = columns_of(
        [({}, [*events, *near]), ({}, [])],
        (),
    )
    assert_same_columns(cold(store).columns(()), expected)


def test_engagements_that_nobody_owns_count_for_nobody(store: Store) -> None:
    commit(store, engagements=[visit(1, email="stranger@example.com"), visit(2, key(9))])
    commit(store, records=[record(1)], engagements=[visit(3, key(1))])
    assert cold(store).log.offsets.tolist() == [0, 1]


def test_a_store_without_leads_has_columns_without_leads(store: Store, tmp_path: Path) -> None:
    found = LeadColumns(store.engine, tmp_path).current()
    assert found.columns([("seniority", "choice")]).n == 0
    commit(store, records=[record(1)], engagements=[visit(1, key(1))])
    grown = LeadColumns(store.engine, tmp_path).current()
    assert content(grown, tmp_path) == content(cold(store), tmp_path)


def test_nothing_is_missed_while_others_write(store: Store, tmp_path: Path) -> None:
    """Three writers, and a reader that catches up all the time."""
    kept = LeadColumns(store.engine, tmp_path)
    begun, failures = threading.Barrier(4), []

    def write(writer: int) -> None:
        try:
            begun.wait(10)
            for page in range(12):
                people = [f"{writer}-{page}", f"{writer}-{page // 2}", f"shared-{page % 3}"]
                moment = NOW + timedelta(seconds=page)
                commit(
                    store,
                    moment,
                    records=[record(p, job_title=f"{page}", modified_at=moment) for p in people],
                    engagements=[visit(f"{writer}-{page}", key(people[page % 3]))],
                )
        except Exception as error:
            failures.append(error)

    writers = [threading.Thread(target=write, args=(number,)) for number in range(3)]
    for writer in writers:
        writer.start()
    begun.wait(10)
    seen = set()
    while any(writer.is_alive() for writer in writers):
        seen.add(kept.current().mark)
    assert failures == []
    assert len(seen) > 2
    assert content(kept.current(), tmp_path) == content(cold(store), tmp_path)


# -- facts of any kind -------------------------------------------------------------------------


TEXTS = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"), max_size=12)
MOMENTS = st.integers(-(10**10), 10**10).map(lambda ms: NOW + timedelta(milliseconds=ms))
VALUES = (
    TEXTS
    | st.sampled_from(
        ["12", " 1,000 ", "yes", "No", "2026-01-02", "a;b", "Straße", "\u0130x", "\r"]
    )
    | st.integers(-(2**70), 2**70)
    | st.just(10**400)
    | st.floats()
    | st.booleans()
    | MOMENTS
    | st.lists(TEXTS, max_size=3).map(tuple)
)
NAMES = ("plain", "with\ttab", "#", "\\n", "age_days", "ünï")
LEADS = st.lists(
    st.dictionaries(st.sampled_from(NAMES), st.tuples(VALUES, MOMENTS), max_size=4), max_size=6
)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: Any) -> Path:
    """A cache folder that is used again and again, as if databases were exchanged beside it."""
    return Path(tmp_path_factory.mktemp("cache"))


@settings(max_examples=40, deadline=None)
@given(LEADS, LEADS, st.sampled_from(sorted(FACT_TYPES)))
def test_any_value_is_read_as_from_one_lead_before_and_after_a_change(
    database: Store, folder: Path, written: list[Any], changed: list[Any], kind: str
) -> None:
    types = [(name, kind) for name in NAMES]
    kept = LeadColumns(database.engine, folder)
    put(database, written, instead=True)
    kept.current()
    put(database, changed)
    leads = [*changed, *written[len(changed) :]]
    expected = columns_of([(facts_of(lead), []) for lead in leads], types)
    assert_same_columns(kept.current().columns(types), expected)
    assert_same_columns(cold(database).columns(types), expected)


def put(store: Store, leads: list[Any], *, instead: bool = False) -> None:
    with writing(store.engine, alone=True) as connection:
        if instead:  # of everything: another history begins
            connection.execute(INPUT.delete())
            connection.execute(CHANGE.delete())
            connection.execute(ENGAGEMENT.delete())
        save_inputs(connection, dict(enumerate(map(facts_of, leads), 1)))


def facts_of(lead: dict[str, Any]) -> dict[str, Fact]:
    return {name: Fact(value, "file", at) for name, (value, at) in lead.items()}


# -- the file ----------------------------------------------------------------------------------


def people(store: Store, number: int) -> None:
    commit(
        store,
        records=[record(n, job_title=f"Title {n % 7}") for n in range(number)],
        engagements=[visit(n, key(n % 5), detail={"url": f"/{n % 4}"}) for n in range(3 * number)],
    )


def test_the_next_start_reads_the_file_and_what_changed_since(store: Store, tmp_path: Path) -> None:
    people(store, 12)
    LeadColumns(store.engine, tmp_path).current()
    written = cache_path(tmp_path).read_bytes()
    commit(store, records=[record(99)], engagements=[visit("x", key(3), email="")])
    found = LeadColumns(store.engine, tmp_path).current()
    assert len(found.lead_ids) == 13
    assert content(found, tmp_path) == content(cold(store), tmp_path)
    assert cache_path(tmp_path).read_bytes() == written  # one change is no reason to write it all


def test_after_many_changes_the_file_is_written_anew(
    store: Store, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(columns_module, "MOST_CHANGES", 3)
    people(store, 12)
    kept = LeadColumns(store.engine, tmp_path)
    kept.current()
    for n in range(4):
        commit(store, records=[record(100 + n)], engagements=[visit(f"x{n}", key(n))])
        kept.current()
    assert cache_path(tmp_path).read_bytes() == content(cold(store), tmp_path)
    assert content(kept.current(), tmp_path) == content(cold(store), tmp_path)


def test_a_file_of_another_database_is_not_believed(store: Store, tmp_path: Path) -> None:
    """Nor one of this database before it was restored: versions alone look alike."""
    people(store, 12)
    kept = LeadColumns(store.engine, tmp_path)
    kept.current()
    emptied(store)
    people(store, 7)
    expected = content(cold(store), tmp_path)
    for one in (kept, LeadColumns(store.engine, tmp_path)):
        assert content(one.current(), tmp_path) == expected


@pytest.mark.parametrize("place", [0, 5, 20, 30, 60, 500, -1])
def test_a_damaged_file_is_read_from_the_database_again(
    store: Store, tmp_path: Path, place: int
) -> None:
    people(store, 12)
    LeadColumns(store.engine, tmp_path).current()
    path = cache_path(tmp_path)
    whole = path.read_bytes()
    spoiled = bytearray(whole)
    spoiled[place] ^= 1
    for damaged in (spoiled, whole[:place], b"", whole + b"\0" * 64):
        path.unlink()
        path.write_bytes(damaged)
        found = LeadColumns(store.engine, tmp_path).current()
        assert content(found, tmp_path) == whole
        assert path.read_bytes() == whole


def test_no_bit_of_the_file_changes_unseen(database: Store, tmp_path: Path) -> None:
    """But in the gaps between sections, which nobody reads."""
    people(emptied(database), 12)
    save(path := cache_path(tmp_path), cold(database))
    whole = path.read_bytes()
    for place in range(0, len(whole), 7):
        path.write_bytes(whole[:place] + bytes([whole[place] ^ 1]) + whole[place + 1 :])
        found = read(path)
        assert found is None or content(found, tmp_path) == whole


def test_a_file_of_an_older_version_is_not_believed(
    store: Store, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    save(path := cache_path(tmp_path), cold(store))
    assert read(path) is not None
    monkeypatch.setattr(column_cache, "FORMAT", column_cache.FORMAT + 1)
    assert read(path) is None


def test_a_folder_that_cannot_be_written_costs_only_time(store: Store, tmp_path: Path) -> None:
    people(store, 5)
    (tmp_path / "cache").write_text("a file where the folder should be")
    kept = LeadColumns(store.engine, tmp_path / "cache")
    assert len(kept.current().lead_ids) == 5
    commit(store, records=[record(9)])
    assert len(kept.current().lead_ids) == 6


def test_who_starts_while_another_reads_everything_takes_its_file(
    store: Store, tmp_path: Path
) -> None:
    people(store, 5)
    found: list[Snapshot] = []
    with locked(tmp_path):
        second = threading.Thread(
            target=lambda: found.append(LeadColumns(store.engine, tmp_path).current())
        )
        second.start()
        save(cache_path(tmp_path), cold(store))
        stamp = cache_path(tmp_path).stat().st_ino
        assert found == []
    second.join(10)
    assert len(found[0].lead_ids) == 5
    assert cache_path(tmp_path).stat().st_ino == stamp
