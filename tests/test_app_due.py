"""Time costs a rescore only where it changes something; rescoring all the time says the same."""

from __future__ import annotations

import random
from collections.abc import Iterator, Sequence
from datetime import timedelta
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from band_world import DAY, LEAD, LOG, Office
from store_world import rows

from data.store import Store
from data.tables import CrmRecordRow, Outbox
from scoring.columns import columns_of
from scoring.facts import build_facts, message_facts
from scoring.kernel import NONE, ColumnScorer
from scoring.leads import CrmRecord, Engagement, RecordKey
from scoring.rule_set import RuleSet
from scoring.rules import DEFAULT_RULES_TEXT

QUIET = 1_000
KINDS = ("page_visit", "email_open", "email_click", "form_submission", "email_sent", "call_missed")


@pytest.fixture
def office(tmp_path: Path) -> Iterator[Office]:
    store = Store.open(f"sqlite:///{tmp_path / 'leads.db'}", migrate=True)
    yield Office(store)
    store.close()


def quiet_leads(office: Office, number: int) -> tuple[list[CrmRecord], list[Engagement]]:
    """People known for two weeks to three months, most of whom did something back then."""
    dice, now = random.Random(5), office.clock()
    people, engagements = [], []
    for n in range(number):
        born = now - timedelta(days=dice.uniform(14, 90))
        fields: dict[str, Any] = {
            "email": f"p{n}@company{n}.example",
            "job_title": dice.choice(("CEO", "Sales Manager", "Intern", "Engineer")),
            "employees": float(dice.choice((5, 60, 500))),
            "country": "US",
        }
        key = RecordKey("hubspot", "contact", str(n))
        people.append(CrmRecord(key, born, born, fields))
        for i in range(dice.choice((0, 0, 0, 1, 2))):
            at = born + (now - born) * dice.random()
            detail = {"url": dice.choice(("/pricing", "/product", "/")), "form": "Demo"}
            kind = dice.choice(KINDS)
            engagements.append(Engagement(f"{n}:{i}", kind, at, key, detail=detail))
    return people, engagements


class Often:
    """The same leads, all of them rescored again and again, in columns."""

    def __init__(self, office: Office, rule_set: RuleSet) -> None:
        self.rows = office.rows(LEAD)
        leads = []
        for row in self.rows:
            state = office.store.lead(row.id)
            assert state is not None
            records, events = tuple(state.records.values()), tuple(state.engagements.values())
            extra = state.enrichment | message_facts(records, events)
            leads.append((build_facts(records, {}, extra, office.clock()), events))
        self._scorer = ColumnScorer(rule_set, columns_of(leads, rule_set.fact_types))
        self._names = [band.key for band in rule_set.bands]
        self._band = np.full(len(leads), NONE, np.int8)

    def score(self, office: Office) -> tuple[Sequence[str], Sequence[int]]:
        """Bands and values now, given the bands of the last time."""
        found = self._scorer.score(office.clock(), self._band)
        self._band = found.band
        return [self._names[band] for band in found.band], found.value.tolist()


def test_a_thousand_quiet_leads_over_thirty_days_cost_what_changes(office: Office) -> None:
    office.publish(DEFAULT_RULES_TEXT)
    people, engagements = quiet_leads(office, QUIET)
    office.read(people, engagements)
    policy = office.pipeline.policy()
    often = Often(office, policy.scorer.rule_set)
    rescored = 0
    for hour in range(0, 30 * 24, 2):
        office.clock.advance(7_200)
        rescored += office.rescore()
        bands, values = often.score(office)
        if hour % 12 == 0:
            stored = office.bands_and_values()
            assert [band for band, _ in stored] == bands
            stale = [abs(value - v) for (_, value), v in zip(stored, values, strict=True)]
            assert max(stale) < policy.write_points
    changes = office.rows(LOG, LOG.c.cause == "time")
    assert rescored == len(changes)
    assert QUIET / 5 < rescored < QUIET
    before = {row.lead_id: row for row in office.rows(LOG, LOG.c.cause == "new")}
    for row in changes:
        last = before[row.lead_id]
        assert row.band != last.band or abs(row.value - last.value) >= policy.write_points
        before[row.lead_id] = row


def test_in_the_end_everybody_scores_as_if_rescored_every_day(office: Office) -> None:
    office.publish(DEFAULT_RULES_TEXT)
    people, engagements = quiet_leads(office, 60)
    office.read(people, engagements)
    often = Often(office, office.pipeline.policy().scorer.rule_set)
    for _ in range(30):
        office.clock.advance(86_400)
        office.rescore()
        often.score(office)
    office.read(people_changed(office, people))
    bands, values = often.score(office)
    stored = office.rows(LEAD)
    assert [(row.band, row.score_value) for row in stored] == list(zip(bands, values, strict=True))


def people_changed(office: Office, people: list[CrmRecord]) -> list[CrmRecord]:
    """The same people with another city, so that all are scored now."""
    now = office.clock()
    return [
        CrmRecord(one.key, one.created_at, now, one.fields | {"city": "Bonn"}) for one in people
    ]


def test_a_lead_that_time_never_changes_is_never_due(office: Office) -> None:
    office.publish(DEFAULT_RULES_TEXT)
    born = office.clock() - 400 * DAY
    key = RecordKey("hubspot", "contact", "1")
    office.read([CrmRecord(key, born, born, {"email": "p@company.example"})])
    (row,) = office.rows(LEAD)
    assert (row.due_at, row.next_band, row.next_band_at) == (None, "", None)


def test_what_a_crm_holds_never_differs_materially_for_long(office: Office) -> None:
    """A small change is not written; then time makes it a large one, and the lead is due."""
    office.publish(DEFAULT_RULES_TEXT)
    record = office.person(500.0)
    office.read([record], [office.visit(record, n, days=n) for n in range(3)])
    with office.store.engine.begin() as connection:
        source = CrmRecordRow.__table__  # type: ignore[attr-defined]
        (waiting,) = rows(office.store, Outbox)
        connection.execute(
            source.update().values(
                written_value=waiting.value,
                written_band=waiting.band,
                written_at=office.clock(),
            )
        )
        connection.execute(Outbox.__table__.delete())  # type: ignore[attr-defined]
    points = office.pipeline.policy().write_points
    office.read([], [office.visit(record, 7, days=4)])
    raised = office.rows(LEAD)[0]
    assert 0 < raised.score_value - waiting.value < points
    assert rows(office.store, Outbox) == []
    while not rows(office.store, Outbox):  # the decision instant is a look that writes nothing
        office.clock.moment = office.rows(LEAD)[0].due_at
        assert office.rescore() == 1
    (written,) = rows(office.store, Outbox)
    assert abs(written.value - waiting.value) >= points or written.band != waiting.band


def test_a_suppressed_lead_is_due_when_its_suppression_ends(office: Office) -> None:
    rules = DEFAULT_RULES_TEXT.replace(
        "disqualify:",
        """  - id: asked
    when: {engagement: {kind: page_visit, within_days: 3}}
    reason: Somebody talks to them
disqualify:""",
        1,
    )
    office.publish(rules)
    record = office.person(500.0)
    office.read([record], [office.visit(record, days=1)])
    (row,) = office.rows(LEAD)
    assert row.suppressed
    assert row.due_at == office.clock() + 2 * DAY + timedelta(microseconds=1)
    assert row.next_band != ""
    office.clock.moment = row.due_at
    office.rescore()
    assert office.rows(LEAD)[0].band == row.next_band


def test_the_decision_instant_is_not_missed(office: Office) -> None:
    office.publish(DEFAULT_RULES_TEXT)
    office.arrive(60)
    (row,) = office.rows(LEAD)
    assert row.due_at <= row.created_at + 7 * DAY
    office.clock.moment = row.created_at + 7 * DAY
    office.rescore()
    assert office.rows(LEAD)[0].decision_at == row.created_at + 7 * DAY
