"""What the screens read, against the same thing reckoned from all rows, on both databases."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from dashboard_data import OWNERS, fill_rich, fill_small
from sqlalchemy import update
from store_world import DATABASES, emptied, opened, rows

from data import metrics
from data.database import writing
from data.lists import PriorityFilter, priority_page
from data.store import Store
from data.tables import (
    EngagementRow,
    Enrichment,
    ExceptionItem,
    Lead,
    OutcomeRow,
    ScoreLog,
    table,
)
from scoring.cleaning import fold
from scoring.quality import wilson

NOW = datetime(2026, 11, 23, 12, 0, tzinfo=UTC)
WEEK = NOW - timedelta(days=7)
PER_PAGE = 30
LEAD = table(Lead)
BANDS = ("hot", "warm", "nurture", "low")


@pytest.fixture(scope="module", params=DATABASES)
def database(request: pytest.FixtureRequest, tmp_path_factory: Any) -> Iterator[Store]:
    """A store on either database, for all tests."""
    with opened(request, tmp_path_factory.mktemp("reads")) as found:
        yield found


@pytest.fixture(scope="module")
def store(database: Store) -> Store:
    """Many leads, of which one was merged away, one deleted and one is suppressed."""
    fill_rich(emptied(database), NOW)
    with writing(database.engine) as connection:
        for lead_id, values in (
            (101, {"merged_into_id": 1}),
            (102, {"deleted": True}),
            (103, {"band": None, "score_value": None, "suppressed": "Is a competitor"}),
            (104, {"band": None, "score_value": None, "scored_at": None}),
        ):
            connection.execute(update(LEAD).where(LEAD.c.id == lead_id).values(**values))
    return database


def on_the_list(store: Store) -> list[Any]:
    return [
        row
        for row in rows(store, Lead)
        if row.band is not None and row.merged_into_id is None and not row.deleted
    ]


def page(store: Store, number: int = 1, **narrowed: Any) -> metrics.PriorityPage:
    return priority_page(store, PriorityFilter(**narrowed), page=number, per_page=PER_PAGE, now=NOW)


# -- the list ----------------------------------------------------------------------------------

Keep = Callable[[Any], bool]
NARROWED: dict[str, tuple[dict[str, Any], Keep]] = {
    "nothing": ({}, lambda row: True),
    "a band": ({"bands": ["hot"]}, lambda row: row.band == "hot"),
    "two bands": ({"bands": ["warm", "low"]}, lambda row: row.band in ("warm", "low")),
    "a CRM": ({"crms": ["salesforce"]}, lambda row: "salesforce" in row.crms),
    "both CRMs": ({"crms": ["salesforce", "hubspot"]}, lambda row: True),
    "an owner": ({"owners": [OWNERS[1]]}, lambda row: row.owner == OWNERS[1]),
    "a source": ({"sources": ["event"]}, lambda row: row.source == "event"),
    "a country": ({"countries": ["DE", "JP"]}, lambda row: row.country in ("DE", "JP")),
    "uncertain": ({"uncertain_only": True}, lambda row: not row.band_certain),
    "all at once": (
        {"bands": ["warm"], "countries": ["DE"], "crms": ["hubspot"], "search": "acme"},
        lambda row: (
            (row.band, row.country) == ("warm", "DE")
            and "hubspot" in row.crms
            and "Acme" in row.company
        ),
    ),
    "nobody": ({"owners": ["Nobody"]}, lambda row: False),
}


@pytest.mark.parametrize("case", NARROWED)
def test_the_list_holds_exactly_the_leads_that_match_best_first(store: Store, case: str) -> None:
    narrowed, keep = NARROWED[case]
    wanted = [row for row in on_the_list(store) if keep(row)]
    wanted.sort(key=lambda row: (-row.score_value, -row.id))
    first = page(store, **narrowed)
    found = list(first.rows)
    for number in range(2, -(-first.total // PER_PAGE) + 1):
        found += page(store, number, **narrowed).rows
    assert first.total == len(wanted)
    assert [row.lead_id for row in found] == [row.id for row in wanted]
    assert [row.rank for row in found] == list(range(1, len(wanted) + 1))


@pytest.mark.parametrize(
    "typed",
    [
        *("rossi", "ROSSI", "Bjorn", "björn", "JOAO", "ünal", "unal tekstil", "acme person1"),
        *("محمد", "100%", "_", "\\", "<script>", "vp  sales", "garcia-marquez anna"),
    ],
)
def test_the_search_finds_every_word_anywhere_whatever_its_case_and_accents(
    store: Store, typed: str
) -> None:
    def holds(row: Any) -> bool:
        told = fold(" ".join((row.name, row.email, row.company, row.job_title)))
        return all(word in told for word in fold(typed).split())

    wanted = {row.id for row in on_the_list(store) if holds(row)}
    first = page(store, search=typed)
    assert first.total == len(wanted)
    assert {row.lead_id for row in first.rows} <= wanted


def test_the_list_can_begin_with_the_newest_or_the_last_touched(store: Store) -> None:
    listed = on_the_list(store)
    newest = sorted(listed, key=lambda row: (row.created_at, row.id), reverse=True)
    assert [row.lead_id for row in page(store, sort="newest").rows] == [
        row.id for row in newest[:PER_PAGE]
    ]
    never = datetime.min.replace(tzinfo=UTC)
    touched = sorted(listed, key=lambda row: (row.last_touch_at or never, row.id), reverse=True)
    last = -(-len(listed) // PER_PAGE)
    for number in (1, last):
        start = (number - 1) * PER_PAGE
        assert [row.lead_id for row in page(store, number, sort="last_touch").rows] == [
            row.id for row in touched[start : start + PER_PAGE]
        ]


def test_a_page_past_the_end_is_empty_and_still_says_how_many_there_are(store: Store) -> None:
    far = page(store, 1_000)
    assert (far.rows, far.total) == ([], len(on_the_list(store)))
    assert page(store, 0).rows == page(store, 1).rows


def test_the_trend_is_the_score_in_force_at_the_end_of_each_day(store: Store) -> None:
    for row in page(store).rows:
        log = [entry for entry in rows(store, ScoreLog) if entry.lead_id == row.lead_id]
        log = sorted(log, key=lambda entry: (entry.scored_at, entry.id))
        log = [entry for entry in log if entry.scored_at >= NOW - timedelta(days=60)]

        def then(at: datetime, log: list[Any] = log) -> int | None:
            before = [entry.value for entry in log if entry.scored_at <= at]
            return before[-1] if before else None

        days = [then(NOW - timedelta(days=back)) for back in range(11, 0, -1)]
        wanted = [value // 100 / 10 for value in days if value is not None]
        assert row.trend == [*wanted, row.score]
        week = then(NOW - timedelta(days=7))
        assert (row.change_7d is None) == (week is None)


def test_the_filters_offer_what_there_is_with_true_counts(store: Store) -> None:
    listed = on_the_list(store)
    choices = metrics.filter_choices(store)
    for name, offered in (
        ("band", choices.bands),
        ("owner", choices.owners),
        ("source", choices.sources),
        ("country", choices.countries),
    ):
        values = [getattr(row, name) for row in listed if getattr(row, name)]
        assert offered == {value: values.count(value) for value in set(values)}
        assert list(offered.values()) == sorted(offered.values(), reverse=True)
    for crm, count in choices.crms.items():
        assert count == sum(crm in row.crms for row in listed)


def test_the_list_is_read_from_indexes_that_hold_only_listed_leads(store: Store) -> None:
    if store.engine.dialect.name != "sqlite":
        pytest.skip("PostgreSQL plans by the size of the table, which is small here")
    listed = "band IS NOT NULL AND merged_into_id IS NULL AND NOT deleted"
    for query, index in (
        (f"SELECT count(*) FROM lead WHERE {listed} AND score_value >= 0", "score"),
        (f"SELECT * FROM lead WHERE {listed} ORDER BY score_value DESC, id DESC LIMIT 5", "score"),
        (f"SELECT * FROM lead WHERE {listed} ORDER BY created_at DESC, id DESC LIMIT 5", "newest"),
        (f"SELECT owner, count(*) FROM lead WHERE {listed} GROUP BY owner", "owner"),
    ):
        with store.engine.connect() as connection:
            plan = connection.exec_driver_sql(f"EXPLAIN QUERY PLAN {query}").all()
        assert any(f"ix_lead_listed_{index}" in step[3] for step in plan), (query, plan)


# -- the lead ----------------------------------------------------------------------------------


def test_a_lead_page_has_everything_of_its_lead_and_nothing_of_others(store: Store) -> None:
    for lead_id in (1, 7, 47, 200):
        detail = metrics.lead_detail(store, lead_id, NOW)
        assert detail is not None
        (row,) = [row for row in rows(store, Lead) if row.id == lead_id]
        assert (detail.name, detail.score_value, detail.band) == (
            row.name,
            row.score_value,
            row.band,
        )
        assert sum(c.points for c in detail.contributions) == detail.score_value
        kinds = [event.kind for event in detail.timeline]
        for source, kind in ((EngagementRow, "engagement"), (ScoreLog, "score")):
            own = [r for r in rows(store, source) if r.lead_id == lead_id]
            assert kinds.count(kind) == len(own)
        moments = [event.at for event in detail.timeline]
        assert moments == sorted(moments, reverse=True)
        assert {record.crm for record in detail.records} == set(row.crms.split("+"))


def test_there_is_no_page_for_a_lead_that_never_was(store: Store) -> None:
    assert metrics.lead_detail(store, 999_999, NOW) is None


# -- the five measures -------------------------------------------------------------------------


def test_latency_is_that_of_live_leads_by_nearest_rank(store: Store) -> None:
    found = metrics.latency(store, since=WEEK, now=NOW)
    live = [r for r in rows(store, Lead) if r.live and WEEK <= r.created_at <= NOW]
    for stage, begin, end in (
        ("created→seen", "created_at", "seen_at"),
        ("seen→scored", "seen_at", "first_scored_at"),
        ("scored→written", "first_scored_at", "first_written_at"),
        ("created→written", "created_at", "first_written_at"),
    ):
        seconds = sorted(
            (getattr(r, end) - getattr(r, begin)).total_seconds() for r in live if getattr(r, end)
        )
        overall = found.overall[stage]
        assert overall.n == len(seconds) > 50
        assert overall.p50 == seconds[(len(seconds) + 1) // 2 - 1]
        assert sum(second <= overall.p99 for second in seconds) >= 0.99 * len(seconds)
        assert sum(point.n for point in found.points if point.stage == stage) == overall.n


def test_coverage_counts_every_lead_once(store: Store) -> None:
    found = metrics.coverage(store, NOW)
    alive = [r for r in rows(store, Lead) if r.merged_into_id is None and not r.deleted]
    unscored = [r for r in alive if r.scored_at is None]
    owned = {r.lead_id for r in rows(store, ExceptionItem) if r.state == "open"}
    assert found.leads == len(alive) == found.scored + found.in_exception + found.unscored
    assert found.in_exception == sum(r.id in owned for r in unscored)
    assert found.unscored == len(unscored) - found.in_exception == 1
    assert found.percent == pytest.approx(100 * (len(alive) - 1) / len(alive))
    assert found.oldest_unscored_seconds == (NOW - unscored[0].seen_at).total_seconds()


def test_conversion_looks_only_at_what_could_have_happened_by_now(store: Store) -> None:
    found = metrics.conversion_by_band(store, NOW, BANDS)
    endings: dict[int, list[datetime]] = {}
    for row in rows(store, OutcomeRow):
        endings.setdefault(row.lead_id, []).append(row.occurred_at)
    alive = [r for r in rows(store, Lead) if r.merged_into_id is None and not r.deleted]
    mature = [r for r in alive if r.created_at <= NOW - timedelta(days=37)]
    assert found.immature == len(alive) - len(mature)
    counted = 0
    for conversion in found.bands:
        leads = [
            r
            for r in mature
            if r.decision_band == conversion.band
            and r.decision_at is not None
            and not any(at <= r.decision_at for at in endings.get(r.id, ()))
        ]
        won = sum(
            any(at <= r.decision_at + timedelta(days=30) for at in endings.get(r.id, ()))
            for r in leads
        )
        low, high = wilson(won, len(leads))
        assert (conversion.leads, conversion.converted) == (len(leads), won)
        assert (conversion.low, conversion.high) == (100 * low, 100 * high)
        counted += len(leads)
    assert found.excluded == len(mature) - counted
    assert sum(band.converted for band in found.bands) > 0


def test_enrichment_and_exceptions_count_what_there_is(store: Store) -> None:
    attempts = [r for r in rows(store, Enrichment) if WEEK <= r.started_at <= NOW]
    (rate,) = metrics.enrichment(store, since=WEEK, now=NOW).providers
    assert rate.attempts == len(attempts) == rate.success + rate.no_match + rate.failed
    assert rate.percent == 100 * sum(r.status == "success" for r in attempts) / len(attempts)
    volume = metrics.exceptions(store, since=WEEK, now=NOW)
    items = rows(store, ExceptionItem)
    waiting = [r for r in items if r.state == "open"]
    assert sum(volume.open.values()) == len(waiting)
    assert sum(day.opened for day in volume.days) == sum(r.created_at >= WEEK for r in items)
    resolved = [r for r in items if r.resolved_at and r.resolved_at >= WEEK]
    assert sum(day.resolved for day in volume.days) == len(resolved)
    oldest = min(r.created_at for r in waiting)
    assert volume.oldest_open_seconds == (NOW - oldest).total_seconds()
    assert [row.id for row in metrics.open_exceptions(store, 4)] == [
        r.id for r in sorted(waiting, key=lambda r: (r.created_at, r.id), reverse=True)[:4]
    ]


def test_health_names_what_stands_still(store: Store) -> None:
    later = NOW + timedelta(days=2)
    states = {job.name: job.state for job in metrics.job_health(store, NOW)}
    assert "ok" in states.values()
    for job in metrics.job_health(store, later):
        assert job.state == ("late" if states[job.name] == "ok" else states[job.name])
    worker = metrics.worker_age_seconds(store, later)
    assert worker is not None
    assert worker >= timedelta(days=2).total_seconds() - 60
    for connection in metrics.connections(store, NOW):
        assert connection.records > 0
        assert connection.streams


def test_an_empty_store_has_nothing_to_say_and_says_so(database: Store) -> None:
    store = emptied(database)
    assert page(store) == metrics.PriorityPage([], 0)
    assert metrics.latency(store, since=WEEK, now=NOW) == metrics.Latency([], {})
    assert metrics.coverage(store, NOW).percent == 100
    assert all(b.rate is None for b in metrics.conversion_by_band(store, NOW, BANDS).bands)
    assert metrics.enrichment(store, since=WEEK, now=NOW).providers == []
    assert metrics.worker_age_seconds(store, NOW) is None
    assert metrics.newest_score_at(store) is None
    fill_small(store, NOW)
    assert [row.name for row in page(store).rows] == ["Anna Rossi", "Björn Tanaka"]
