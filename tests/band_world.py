"""A store with the product's own decisions and no CRM: leads are fed in by hand."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

from conftest import FakeClock
from sqlalchemy import Table, select

from app.decide import decide
from app.pipeline import Pipeline
from data.store import Decision, Incoming, Recall, Store
from data.tables import BandEntry, BandThreshold, Lead, ScoreLog, table
from scoring.leads import CrmRecord, Engagement, RecordKey
from scoring.rules import parse_rule_set

LEAD, LOG = table(Lead), table(ScoreLog)
ENTRY, THRESHOLD = table(BandEntry), table(BandThreshold)
DAY = timedelta(days=1)
WEEK = timedelta(days=7)


def rules(
    hot: str, warm: str = "from: 30, leave_at: 28", half_life_days: float = 40, turned: bool = False
) -> str:
    """A point for every employee (`turned`: from 100 down) and ten for a visit, which fade."""
    sign = "-" if turned else ""
    return f"""\
name: Ours
bands:
  hot: {{{hot}}}
  warm: {{{warm}}}
  cold: {{from: 0}}
dimensions:
  fit:
    groups:
      - id: company
        rules:
          - {{id: base, when: {{employees: {{at_least: 0}}}}, points: {100 if turned else 0}}}
          - {{id: size, per: employees, unit: 0.001, points: {sign}0.001, cap: 100}}
  engagement:
    groups:
      - id: web
        rules:
          - id: visits
            each: {{kind: page_visit}}
            points: 10
            cap: 60
            decay: {{half_life_days: {half_life_days}}}
"""


@dataclass
class Office:
    """A worker on one store; what it decides is the product's own code."""

    store: Store
    clock: FakeClock = field(default_factory=FakeClock)
    people: int = 0

    def __post_init__(self) -> None:
        self.pipeline = Pipeline(self.store, (), self.clock)

    def publish(self, document: str) -> None:
        """Put a rule document in force."""
        found, problems = parse_rule_set(document)
        assert found is not None, [str(problem) for problem in problems]
        self.store.activate_rule_set(found.document, found.hash, found.name, "", self.clock())

    def person(self, employees: float, owner: str = "") -> CrmRecord:
        """A new record; the score of its lead is `employees` without visits."""
        self.people += 1
        fields: dict[str, Any] = {"employees": employees, "email": f"p{self.people}@example.com"}
        key = RecordKey("hubspot", "contact", str(self.people))
        now = self.clock()
        return CrmRecord(key, now, now, fields | ({"owner": owner} if owner else {}))

    def visit(self, record: CrmRecord, number: int = 0, *, days: float = 0) -> Engagement:
        """A visit so many days ago."""
        at = self.clock() - timedelta(days=days)
        return Engagement(f"{record.key}:{number}:{at.isoformat()}", "page_visit", at, record.key)

    def read(self, records: Sequence[CrmRecord], engagements: Sequence[Engagement] = ()) -> None:
        """One page of a CRM."""
        policy = self.pipeline.policy()

        def decision(recall: Recall) -> Decision:
            now = self.clock()
            return decide(recall, policy, now, "changed", seen_at=now, live_since=None)

        self.store.commit_page(
            Incoming(records=records, engagements=engagements),
            now=self.clock(),
            decide=decision,
            rule_set=policy.scorer.rule_set,
            write_points=policy.write_points,
        )

    def arrive(self, *scores: float, owner: str = "") -> list[CrmRecord]:
        """New leads with these scores, on one page."""
        records = [self.person(score, owner) for score in scores]
        self.read(records)
        return records

    def rescore(self) -> int:
        """What the worker does until nothing is due; how many leads it scored."""
        leads = 0
        while True:
            outcome = self.pipeline.rescore(self.clock())
            leads += outcome.items
            if not outcome.again:
                return leads

    def rows(self, source: Table, *where: Any) -> list[Any]:
        """Rows of a table, in order."""
        with self.store.engine.connect() as connection:
            ordered = select(source).where(*where).order_by(*source.primary_key)
            return list(connection.execute(ordered))

    def bands_and_values(self) -> list[tuple[str, int]]:
        """Of all leads, in order."""
        wanted = select(LEAD.c.band, LEAD.c.score_value).order_by(LEAD.c.id)
        with self.store.engine.connect() as connection:
            return [(row.band, row.score_value) for row in connection.execute(wanted)]

    def scores_in(self, band: str) -> list[float]:
        """The scores of those in a band, best first."""
        found = [row.score_value / 1_000 for row in self.rows(LEAD, LEAD.c.band == band)]
        return sorted(found, reverse=True)

    def scores_waiting(self, band: str = "hot") -> list[float]:
        """The scores of those who wait for a band, best first."""
        waiting = LEAD.c.waits_for.contains(f" {band} ")
        found = [row.score_value / 1_000 for row in self.rows(LEAD, waiting)]
        return sorted(found, reverse=True)

    def entered(self, band: str) -> list[datetime]:
        """When leads came into a band, by the score log."""
        came = (LOG.c.band == band, LOG.c.previous_band != band)
        return [row.scored_at for row in self.rows(LOG, *came)]
