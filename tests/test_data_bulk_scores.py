"""Many scores at once: only what differs is written, and only into leads that are there."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta
from typing import Any

import pytest
from store_world import (
    DATABASES,
    NOW,
    commit,
    emptied,
    everything,
    key,
    opened,
    record,
    rows,
    visit,
)

from data.bulk_scores import ScoreRow
from data.store import Store
from data.tables import Lead

LATER = NOW + timedelta(minutes=5)


@pytest.fixture(scope="module", params=DATABASES)
def database(request: pytest.FixtureRequest, tmp_path_factory: Any) -> Iterator[Store]:
    """A store on either database, for all tests."""
    with opened(request, tmp_path_factory.mktemp("store")) as found:
        yield found


@pytest.fixture
def store(database: Store) -> Store:
    """Four people: one to warm up, one who stays, one joined with another, one deleted."""
    store = emptied(database)
    commit(store, records=[record(n) for n in range(1, 6)], engagements=[visit(1, key(2))])
    commit(store, records=[record(3, deleted=True), record(5, email="person4@example.com")])
    return store


def row(lead_id: int, value: int | None = 45_000, band: str | None = "warm") -> ScoreRow:
    return ScoreRow(lead_id, value, 40_000, 50_000, band, True, "rules", 30_000, 15_000, 0)


def save(store: Store, *scores: ScoreRow) -> dict[int, Any]:
    store.save_scores(scores, LATER)
    return {lead.id: lead for lead in rows(store, Lead)}


def test_a_score_that_differs_is_written_with_its_band_and_times(store: Store) -> None:
    lead = save(store, row(1))[1]
    assert (lead.score_value, lead.score_low, lead.score_high) == (45_000, 40_000, 50_000)
    assert (lead.band, lead.band_certain, lead.scoring_mode) == ("warm", True, "rules")
    assert (lead.fit, lead.engagement, lead.intent) == (30_000, 15_000, 0)
    assert (lead.scored_at, lead.band_entered_at) == (LATER, LATER)


def test_a_lead_whose_explanation_is_of_another_score_is_due_at_once(store: Store) -> None:
    lead = save(store, row(1))[1]
    assert (lead.reasons, lead.contributions, lead.next_step) == ([], [], "")
    assert lead.due_at == LATER


def test_who_stays_in_the_band_keeps_the_time_of_entering_it(store: Store) -> None:
    lead = save(store, row(1, 12_000, "cold"))[1]
    assert (lead.score_value, lead.scored_at, lead.band_entered_at) == (12_000, LATER, NOW)


def test_a_score_that_is_there_already_is_not_written(store: Store) -> None:
    save(store, row(1), row(2))
    before = everything(store)
    store.save_scores([row(1), row(2)], LATER + timedelta(days=1))
    assert everything(store) == before


def test_a_suppressed_lead_loses_value_and_band(store: Store) -> None:
    lead = save(store, row(2, None, None))[2]
    assert (lead.score_value, lead.band) == (None, None)
    assert save(store, row(2))[2].band == "warm"


def test_leads_that_are_gone_or_unknown_stay_as_they_are(store: Store) -> None:
    before = everything(store)
    gone = [lead.id for lead in rows(store, Lead) if lead.deleted or lead.merged_into_id]
    assert len(gone) == 2
    save(store, *map(row, gone), row(999))
    assert everything(store) == before


def test_no_scores_are_no_work(store: Store) -> None:
    before = everything(store)
    save(store)
    assert everything(store) == before
