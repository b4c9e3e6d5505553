"""The sandbox as a service: what it keeps, what it serves, and what it says when it cannot."""

from __future__ import annotations

import json
import socket
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
from conftest import FakeClock
from processes import started

from connectors.sandbox.server import STATE_FILE, Sandbox, SeenRequest, start_sandbox

Start = Callable[..., Sandbox]


def hubspot(running: Sandbox) -> httpx.Client:
    headers = {"Authorization": f"Bearer {running.hubspot_token}"}
    return httpx.Client(base_url=running.hubspot_url, headers=headers, trust_env=False)


def salesforce(running: Sandbox) -> httpx.Client:
    url = running.salesforce_url
    form = {
        "grant_type": "client_credentials",
        "client_id": running.salesforce_client_id,
        "client_secret": running.salesforce_client_secret,
    }
    answer = httpx.post(f"{url}/services/oauth2/token", data=form, trust_env=False)
    headers = {"Authorization": f"Bearer {answer.raise_for_status().json()['access_token']}"}
    return httpx.Client(base_url=f"{url}/services/data/v66.0", headers=headers, trust_env=False)


def objects(running: Sandbox) -> list[tuple[Any, ...]]:
    return running.state.query("SELECT * FROM object ORDER BY crm, type, id")


def test_a_restart_keeps_credentials_records_and_changes(tmp_path: Path, clock: FakeClock) -> None:
    with start_sandbox(tmp_path, leads=30, now=clock) as first:
        with hubspot(first) as client:
            body = {"properties": {"email": "rosa@lindqvist.example", "firstname": "Rosa"}}
            made = client.post("/crm/v3/objects/contacts", json=body).raise_for_status().json()
        with salesforce(first) as client:
            person = {"LastName": "Lindqvist", "Company": "Lindqvist AB"}
            lead = client.post("/sobjects/Lead", json=person).raise_for_status().json()["id"]
            client.patch(f"/sobjects/Lead/{lead}", json={"Title": "CEO"}).raise_for_status()
        before = objects(first)
        known = first.hubspot_token, first.salesforce_client_id, first.salesforce_client_secret
    with start_sandbox(tmp_path, leads=30, now=clock) as second:
        assert objects(second) == before
        assert known == (
            second.hubspot_token,
            second.salesforce_client_id,
            second.salesforce_client_secret,
        )
        with hubspot(second) as client:
            found = client.get(f"/crm/v3/objects/contacts/{made['id']}").json()
            assert found["properties"]["email"] == "rosa@lindqvist.example"
        with salesforce(second) as client:
            assert client.get(f"/sobjects/Lead/{lead}").json()["Title"] == "CEO"


def test_another_home_has_other_credentials(tmp_path: Path, sandbox: Start) -> None:
    here, there = sandbox(tmp_path / "a"), sandbox(tmp_path / "b")
    assert here.hubspot_token != there.hubspot_token
    assert here.salesforce_client_id != there.salesforce_client_id
    assert here.salesforce_client_secret != there.salesforce_client_secret
    with httpx.Client(base_url=here.hubspot_url, trust_env=False) as client:
        headers = {"Authorization": f"Bearer {there.hubspot_token}"}
        assert client.get("/crm/v3/objects/contacts", headers=headers).status_code == 401


def test_a_world_is_kept_and_not_invented_anew(
    tmp_path: Path, clock: FakeClock, caplog: pytest.LogCaptureFixture
) -> None:
    with start_sandbox(tmp_path, seed=1, leads=20, now=clock) as first:
        before = objects(first)
    with start_sandbox(tmp_path, seed=2, leads=40, now=clock) as second:
        assert objects(second) == before
    assert "keeps the world it has (seed 1, 20 leads" in caplog.text


@pytest.mark.parametrize("left_out", ["hubspot", "salesforce"])
def test_a_crm_whose_port_is_left_out_is_not_served(left_out: str, sandbox: Start) -> None:
    running = sandbox(**{f"{left_out}_port": None})
    urls = {"hubspot": running.hubspot_url, "salesforce": running.salesforce_url}
    assert urls.pop(left_out) == ""
    ((_, url),) = urls.items()
    assert httpx.get(url, trust_env=False).status_code in (401, 404)


def test_requests_are_counted_by_crm_in_order(sandbox: Start) -> None:
    running = sandbox()
    with hubspot(running) as client:
        client.get("/crm/v3/objects/contacts")
    salesforce(running).close()
    with hubspot(running) as client:
        client.post("/crm/v3/objects/contacts/search", json={})
    assert list(running.requests) == [
        SeenRequest("hubspot", "GET", "/crm/v3/objects/contacts"),
        SeenRequest("salesforce", "POST", "/services/oauth2/token"),
        SeenRequest("hubspot", "POST", "/crm/v3/objects/contacts/search"),
    ]


def test_a_stopped_sandbox_leaves_its_ports_free(tmp_path: Path) -> None:
    with start_sandbox(tmp_path, leads=0) as running:
        url = running.hubspot_url
    port = int(url.rpartition(":")[2])
    running.stop()  # once more does no harm
    with pytest.raises(httpx.ConnectError):
        httpx.get(url, trust_env=False)
    with start_sandbox(tmp_path, leads=0, hubspot_port=port) as again:
        assert again.hubspot_url == url


# -- when it cannot ----------------------------------------------------------------------------


@pytest.fixture
def taken() -> Iterator[int]:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        listener.listen()
        yield listener.getsockname()[1]


@pytest.mark.parametrize("crm", ["hubspot", "salesforce"])
def test_a_taken_port_is_named_before_anything_is_invented(
    tmp_path: Path, taken: int, crm: str
) -> None:
    ports: dict[str, Any] = {f"{crm}_port": taken}
    with pytest.raises(OSError, match=f"Port {taken} of 127.0.0.1 cannot be used"):
        start_sandbox(tmp_path, leads=50, **ports)
    assert not (tmp_path / STATE_FILE).exists()


def test_a_broken_state_file_is_named(tmp_path: Path) -> None:
    file = tmp_path / STATE_FILE
    file.write_bytes(b"this is no database" * 100)
    with pytest.raises(ValueError, match=r"cannot use .*sandbox\.sqlite.*Move it away"):
        start_sandbox(tmp_path, leads=0)
    assert file.read_bytes().startswith(b"this is no database")


# -- the command -------------------------------------------------------------------------------


def command(home: Path, *more: str) -> list[str]:
    return ["sandbox", "--home", str(home), "--leads", "50", "--live", "0", *more]


def test_the_command_prints_one_line_of_addresses_and_stops_when_told(tmp_path: Path) -> None:
    ports = ("--hubspot-port", "0", "--salesforce-port", "0")
    with started(command(tmp_path / "world", *ports), tmp_path) as running:
        assert running.process.stdout is not None
        ready = json.loads(running.process.stdout.readline())
        assert set(ready) == {"hubspot", "salesforce"}
        assert set(ready["hubspot"]) == {"base_url", "token"}
        assert set(ready["salesforce"]) == {"instance_url", "client_id", "client_secret"}
        answer = httpx.get(
            f"{ready['hubspot']['base_url']}/crm/v3/objects/contacts",
            headers={"Authorization": f"Bearer {ready['hubspot']['token']}"},
            trust_env=False,
        )
        assert len(answer.json()["results"]) == 10
        assert running.end() == 0
        assert running.process.stdout.read() == ""
        assert "Traceback" not in running.said
    assert (tmp_path / "world" / STATE_FILE).exists()


def test_the_command_says_which_port_is_taken(tmp_path: Path, taken: int) -> None:
    with started(command(tmp_path, "--hubspot-port", str(taken)), tmp_path) as running:
        assert running.process.wait(30) != 0
        assert f"Port {taken} of 127.0.0.1 cannot be used for the sandbox" in running.said
        assert "Choose another, or 0 for any." in running.said
        assert "Traceback" not in running.said


def test_the_command_wants_at_least_one_port(tmp_path: Path) -> None:
    with started(command(tmp_path), tmp_path) as running:
        assert running.process.wait(30) == 2
        assert "--hubspot-port 0" in running.said
