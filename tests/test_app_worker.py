"""`leadlight worker` with real processes: its modes, and what its exit code says."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from pathlib import Path

import pytest
from processes import Started, started

from connectors.sandbox.server import start_sandbox
from data import metrics
from data.store import Store


@pytest.fixture(scope="module")
def crm(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Mapping[str, str]]:
    """Settings that name a small and still sandbox HubSpot."""
    home = tmp_path_factory.mktemp("crm")
    with start_sandbox(home, leads=12, live=0.0, salesforce_port=None) as sandbox:
        yield {
            "LEADLIGHT_HUBSPOT_TOKEN": sandbox.hubspot_token,
            "LEADLIGHT_HUBSPOT_BASE_URL": sandbox.hubspot_url,
        }


def ended(worker: Started) -> tuple[int, str]:
    """The exit code and what was printed, once the process has ended by itself."""
    printed, _ = worker.process.communicate(timeout=60)
    return worker.process.returncode, printed


def test_once_connects_reads_scores_and_writes_every_due_thing(
    tmp_path: Path, crm: Mapping[str, str]
) -> None:
    with started(["worker", "--once"], tmp_path, crm) as worker:
        code, printed = ended(worker)
    assert code == 0, worker.said
    store = Store.open(f"sqlite:///{tmp_path / 'leadlight.db'}")
    now = datetime.now(UTC)
    (hubspot,), leads = metrics.connections(store, now), metrics.coverage(store, now)
    store.close()
    assert leads.scored > 5
    assert (hubspot.state, hubspot.pending_writes) == ("ready", 0)
    assert printed.splitlines()[-1].startswith(f"Leads: {leads.leads}, scored: {leads.scored}; ")


def test_only_one_worker_works_on_a_database(tmp_path: Path, crm: Mapping[str, str]) -> None:
    with started(["worker"], tmp_path, crm) as first:
        first.says("worker started")
        with started(["worker", "--until-idle"], tmp_path, crm) as second:
            code, _ = ended(second)
        assert code == 1
        assert "Another worker" in second.said
        assert first.end() == 0


def test_a_refused_sign_in_shows_in_the_exit_code(tmp_path: Path, crm: Mapping[str, str]) -> None:
    wrong = {**crm, "LEADLIGHT_HUBSPOT_TOKEN": "pat-na1-wrong"}
    with started(["worker", "--until-idle"], tmp_path, wrong) as worker:
        code, printed = ended(worker)
    assert code == 1
    assert "FAILED HubSpot: check the connection" in printed


def test_without_a_crm_there_is_nothing_to_poll(tmp_path: Path) -> None:
    with started(["worker", "--once"], tmp_path) as worker:
        code, _ = ended(worker)
    assert code == 2
    assert "No CRM is configured" in worker.said
    assert not (tmp_path / "leadlight.db").exists()
