"""A HubSpot sandbox on loopback for tests: the real server app, a clock that moves when told."""

from __future__ import annotations

import json
import socket
import threading
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from typing import Any

import httpx
import uvicorn

from connectors.hubspot import HubSpotCrm
from connectors.hubspot_cursor import milliseconds
from connectors.sandbox.hubspot import build_app
from connectors.sandbox.hubspot_schema import ASSOCIATIONS, CRM, association
from connectors.sandbox.hubspot_values import wire_time
from connectors.sandbox.state import State, Stored

START = datetime(2026, 11, 2, 9, 0, tzinfo=UTC)


class ServedPortal:
    """A served account: its state, its address, its clock."""

    token = "pat-na1-00000000-0000-4000-8000-000000000000"

    def __init__(self) -> None:
        self.now = START
        self.state = State(":memory:")
        self.url = ""
        self.waits: list[float] = []

    def clock(self) -> datetime:
        return self.now

    def wait(self, seconds: float) -> None:
        """Let time pass in the account, in whole milliseconds as HubSpot counts it."""
        self.now += timedelta(milliseconds=round(seconds * 1_000))

    def sleep(self, seconds: float) -> None:
        """What the adapter calls to wait: remembered, and time passes in the account."""
        self.waits.append(seconds)
        self.wait(seconds)

    def crm(self, **options: Any) -> HubSpotCrm:
        """The adapter, connected to this account."""
        given = {"base_url": self.url, "sleep": self.sleep, **options}
        return HubSpotCrm(given.pop("token", self.token), **given)

    def http(self, token: str | None = None) -> httpx.Client:
        """A bare client, for what the official one hides."""
        headers = {"Authorization": f"Bearer {token or self.token}"}
        return httpx.Client(base_url=self.url, headers=headers, trust_env=False)

    def add(
        self, type_: str, *, at: datetime | None = None, seen_after: float = 0.0, **fields: Any
    ) -> str:
        """Put a record into the account as if it had been entered at `at`."""
        number = self.state.next_number(f"hubspot.{type_}", 101)
        stamp = _ms(at or self.now)
        visible = stamp + int(seen_after * 1_000)
        id_ = str(fields.pop("id", number))
        self.state.put(Stored(CRM, type_, id_, number, fields, stamp, stamp, visible, False))
        return id_

    def contact(self, **fields: Any) -> str:
        """Put a plausible contact into the account."""
        number = self.state.next_number("test.contact")
        plain = {
            "firstname": "Ada",
            "lastname": f"Lovelace{number}",
            "company": f"Engines {number}",
            "email": f"ada{number}@engines{number}.example",
        }
        return self.add("contacts", **(plain | fields))

    def change(self, type_: str, id_: str, *, archived: bool = False, **fields: Any) -> None:
        """Change a record now, as a person in the CRM would."""
        old = self.fields_of(type_, id_)
        stored = self.state.get(CRM, type_, id_)
        assert stored is not None
        stamp = _ms(self.now)
        present = {k: v for k, v in (old | fields).items() if v is not None}
        created = stored.created_at
        self.state.put(
            Stored(CRM, type_, id_, stored.number, present, created, stamp, stamp, archived)
        )

    def link(self, source: str, source_id: str, target: str, target_id: str) -> None:
        """Associate two records, both ways."""
        type_id = association(source, target)
        self.state.link(CRM, source, source_id, target, target_id, type_id)
        self.state.link(CRM, target, target_id, source, source_id, ASSOCIATIONS[type_id][2])

    def fields_of(self, type_: str, id_: str) -> dict[str, Any]:
        stored = self.state.get(CRM, type_, id_)
        assert stored is not None
        return stored.fields

    def switch(self, name: str, value: str) -> None:
        """Turn one of the server's switches."""
        self.state.set_meta(f"hubspot.{name}", value)

    def fault(self, kind: str, *, path: str = "", times: int = 1, **more: Any) -> None:
        """Disturb the next calls whose path holds `path`."""
        planned = json.loads(self.state.meta("hubspot.faults") or "[]")
        planned.append({"kind": kind, "path": path, "times": times, **more})
        self.switch("faults", json.dumps(planned))

    def answer(self, body: Mapping[str, Any], *, path: str, **more: Any) -> None:
        """Let the next call get exactly this answer."""
        self.fault("answer", path=path, body=body, **more)

    def empty(self) -> None:
        """As new, an hour later (so that no rate limit remembers what was before)."""
        self.wait(3_600)
        self.waits.clear()
        with self.state.transaction() as connection:
            connection.execute("DELETE FROM meta WHERE name LIKE 'hubspot.%'")
            connection.execute("DELETE FROM object WHERE type <> 'deal_pipelines'")
            for table in ("link", "field", "alias", "sequence"):
                connection.execute(f"DELETE FROM {table}")
        self.switch("index_lag_seconds", "0")


def wire(moment: datetime) -> str:
    """As HubSpot writes it."""
    return wire_time(_ms(moment))


def _ms(moment: datetime) -> int:
    return milliseconds(moment)


@contextmanager
def serve_portal() -> Iterator[ServedPortal]:
    """Serve an empty account until the block ends."""
    portal = ServedPortal()
    # with the protocol named, asyncio sends small answers at once
    listener = socket.socket(socket.AF_INET, socket.SOCK_STREAM, socket.IPPROTO_TCP)
    listener.bind(("127.0.0.1", 0))
    portal.url = f"http://127.0.0.1:{listener.getsockname()[1]}"
    app = build_app(portal.state, token=portal.token, clock=portal.clock)
    config = uvicorn.Config(app, log_level="warning", date_header=False, lifespan="off")
    server = uvicorn.Server(config)
    thread = threading.Thread(target=server.run, kwargs={"sockets": [listener]}, daemon=True)
    thread.start()
    deadline = time.monotonic() + 10
    while not server.started and time.monotonic() < deadline:
        time.sleep(0.002)
    try:
        yield portal
    finally:
        server.should_exit = True
        thread.join(timeout=10)
        listener.close()
        portal.state.close()
