"""`leadlight run` with real processes: what dies is started again, and nothing stays behind."""

from __future__ import annotations

import os
import signal
import socket
import sys
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime, timedelta
from pathlib import Path

import httpx
import pytest
from processes import Started, eventually, is_running, started
from salesforce_serving import serve_org

from app.settings import Settings
from app.supervisor import MOST_QUICK_FAILURES, Child, GivingUp, Supervisor
from data.store import Store


@pytest.fixture(scope="module")
def org() -> Iterator[Mapping[str, str]]:
    """Settings that name an empty Salesforce org on this machine."""
    with serve_org() as served:
        yield {
            "LEADLIGHT_SALESFORCE_INSTANCE_URL": served.url,
            "LEADLIGHT_SALESFORCE_CLIENT_ID": served.client_id,
            "LEADLIGHT_SALESFORCE_CLIENT_SECRET": served.client_secret,
        }


def ready(running: Started) -> str:
    """The dashboard's address, once it is announced."""
    return running.says("Leadlight is ready").split()[3]


def beating_worker(home: Path) -> int:
    """Process id of the worker that beat last; 0 when none has."""
    store = Store.open(f"sqlite:///{home / 'leadlight.db'}")
    try:
        beat = store.heartbeat() if store.check() == "ok" else None
    finally:
        store.close()
    return beat[0] if beat else 0


def test_a_killed_worker_is_replaced_and_a_stop_leaves_nothing(
    tmp_path: Path, org: Mapping[str, str]
) -> None:
    with started(["run"], tmp_path, org) as running:
        address = ready(running)
        children = running.children()
        assert set(children) == {"dashboard", "worker"}
        eventually(lambda: httpx.get(f"{address}/healthz").status_code == 200)
        assert beating_worker(tmp_path) == children["worker"]

        os.kill(children["worker"], signal.SIGKILL)
        eventually(lambda: beating_worker(tmp_path) not in (0, children["worker"]))
        after = running.children()
        assert after["dashboard"] == children["dashboard"]
        assert "killed by SIGKILL" in running.said

        assert running.end() == 0
        assert not any(is_running(pid) for pid in after.values())
        assert "Traceback" not in running.said


def test_children_stop_when_the_supervisor_is_killed(
    tmp_path: Path, org: Mapping[str, str]
) -> None:
    with started(["run"], tmp_path, org) as running:
        ready(running)
        children = running.children()
        running.end(signal.SIGKILL)
        eventually(lambda: not any(is_running(pid) for pid in children.values()), seconds=15)


def test_without_a_crm_a_sandbox_is_polled(tmp_path: Path) -> None:
    with started(["run"], tmp_path) as running:
        address = ready(running)
        eventually(lambda: httpx.get(f"{address}/healthz").status_code == 200, seconds=60)
        assert set(running.children()) == {"dashboard", "sandbox", "worker"}
        read = 'crm_records{crm="hubspot"}'
        eventually(lambda: read in httpx.get(f"{address}/metrics").text, seconds=60)
        assert "invented people" in running.said
        assert running.end() == 0  # in the middle of its first read
        assert "failing" not in running.said


def test_a_port_in_use_is_said_before_anything_starts(tmp_path: Path) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = str(taken.getsockname()[1])
        with started(["run"], tmp_path, {"LEADLIGHT_PORT": port}) as running:
            assert running.process.wait(30) == 1
            assert f"Port {port} of 127.0.0.1 is taken" in running.said
            assert "LEADLIGHT_PORT" in running.said
    assert not (tmp_path / "leadlight.db").exists()


def child(code: str) -> Child:
    """A child that runs a line of Python."""
    return Child("part", [sys.executable, "-c", code], {})


def end_of(part: Child, now: float) -> None:
    """Let the child end by itself, then let it be noticed at `now`."""
    assert part.process is not None
    part.process.wait(20)
    part.keep(now)


def test_a_child_that_fails_at_once_is_given_up_after_five_times() -> None:
    part = child("raise SystemExit(3)")
    for _ in range(MOST_QUICK_FAILURES - 1):
        part.keep(part.start_after)
        end_of(part, part.start_after)
    part.keep(part.start_after)
    with pytest.raises(GivingUp, match="The part keeps failing"):
        end_of(part, part.start_after)
    part.wait_for_end(0)


def test_the_pause_before_a_restart_doubles_and_is_kept() -> None:
    part, pauses, now = child("pass"), [], 0.0
    for _ in range(3):
        part.keep(now)
        end_of(part, now)
        pauses.append(round(part.start_after - now, 3))
        part.keep(part.start_after - 0.01)
        assert part.process is None
        now = part.start_after
    assert pauses == [0.4, 0.8, 1.6]


def test_a_child_that_had_settled_starts_over_with_its_failures() -> None:
    part, now = child("pass"), 0.0
    for _ in range(3 * MOST_QUICK_FAILURES):
        part.keep(now)
        end_of(part, now + 60)
        now = part.start_after
    assert part.quick_failures == 1


def test_a_worker_without_a_heartbeat_is_killed(tmp_path: Path) -> None:
    settings = Settings(home=tmp_path)
    store = Store.open(settings.database_url, migrate=True)
    supervisor = Supervisor(settings, heartbeat_limit_seconds=30)
    supervisor.worker = child("import signal; signal.pause()")
    supervisor.worker.start(now=0.0)
    process = supervisor.worker.process
    assert process is not None
    try:
        store.beat("worker", process.pid, datetime.now(UTC))
        supervisor._check_heartbeat(now=100.0)
        assert process.poll() is None
        store.beat("worker", process.pid, datetime.now(UTC) - timedelta(seconds=31))
        supervisor._check_heartbeat(now=20.0)  # it has only just started
        assert process.poll() is None
        supervisor._check_heartbeat(now=100.0)
        assert process.wait(20) == -signal.SIGKILL
    finally:
        process.kill()
        store.close()
        supervisor.worker.wait_for_end(0)
