"""A Salesforce sandbox on loopback for tests: the real server app, a clock that stands still."""

from __future__ import annotations

import json
import socket
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from typing import Any

import uvicorn
from starlette.types import Receive, Scope, Send

from connectors.salesforce import SalesforceCrm
from connectors.sandbox.salesforce import build_app
from connectors.sandbox.salesforce_org import new_id
from connectors.sandbox.salesforce_schema import CRM, OBJECTS
from connectors.sandbox.soql_sql import wire_time
from connectors.sandbox.state import State, Stored

START = datetime(2026, 11, 2, 9, 0, tzinfo=UTC)


class ServedOrg:
    """A served org: its state, its address, its clock."""

    client_id, client_secret = "consumer-key", "consumer-secret"

    def __init__(self) -> None:
        self.now = START
        self.state = State(":memory:")
        self.url = ""
        self.waits: list[float] = []  # what adapters waited, in seconds
        self.requests: list[str] = []  # method and path of every call received

    def clock(self) -> datetime:
        return self.now

    def wait(self, seconds: float) -> None:
        self.now += timedelta(seconds=seconds)

    def sleep(self, seconds: float) -> None:
        """Wait as an adapter does here: the clock moves."""
        self.waits.append(seconds)
        self.wait(seconds)

    def empty(self) -> None:
        """Back to a new org at the start of time, with its switches off."""
        self.now = START
        self.waits.clear()
        self.requests.clear()
        with self.state.transaction() as connection:
            connection.execute(
                "DELETE FROM meta WHERE name LIKE 'salesforce.%'"
                " AND name NOT LIKE 'salesforce.own.%'"
            )
            founded = "('Organization', 'User', 'Group')"
            connection.execute(f"DELETE FROM object WHERE type NOT IN {founded}")
            connection.execute("DELETE FROM field")

    def crm(self, **options: Any) -> SalesforceCrm:
        """A new adapter, signed in to this org; its waits move the clock."""
        credentials = {"client_id": self.client_id, "client_secret": self.client_secret}
        return SalesforceCrm(self.url, **{"sleep": self.sleep, **credentials, **options})

    def add(
        self, type_: str, *, at: datetime | None = None, seen_after: float = 0.0, **fields: Any
    ) -> str:
        """Put a record into the org as entered at `at`, seen by queries so many seconds later."""
        number = self.state.next_number(f"salesforce.{type_}")
        record_id = new_id(OBJECTS[type_.lower()].prefix, number)
        stamp = int((at or self.now).timestamp()) * 1_000
        seen = stamp + int(seen_after * 1_000)
        self.state.put(Stored(CRM, type_, record_id, number, fields, stamp, stamp, seen, False))
        return record_id

    def lead(self, *, at: datetime | None = None, seen_after: float = 0.0, **fields: Any) -> str:
        """Put a plausible lead into the org."""
        number = self.state.next_number("test.lead")
        plain = {
            "FirstName": "Ada",
            "LastName": f"Lovelace{number}",
            "Company": f"Engines {number}",
            "Email": f"ada{number}@engines{number}.example",
        }
        return self.add("Lead", at=at, seen_after=seen_after, **(plain | fields))

    def change(self, type_: str, record_id: str, *, archived: bool = False, **fields: Any) -> None:
        """Change a record now, as the CRM would."""
        stored = self.state.get(CRM, type_, record_id)
        assert stored is not None
        stamp = int(self.now.timestamp()) * 1_000
        present = {k: v for k, v in (stored.fields | fields).items() if v is not None}
        self.state.put(
            Stored(
                CRM,
                type_,
                record_id,
                stored.number,
                present,
                stored.created_at,
                stamp,
                stamp,
                archived,
            )
        )

    def fields(self, type_: str, record_id: str) -> dict[str, Any]:
        stored = self.state.get(CRM, type_, record_id)
        assert stored is not None
        return stored.fields

    def fault(
        self, kind: str, *, path: str = "", times: int = 1, after: int = 0, **more: Any
    ) -> None:
        """Disturb the next calls whose path holds `path`, after so many that go well."""
        planned = json.loads(self.state.meta("salesforce.faults") or "[]")
        planned.append({"kind": kind, "path": path, "times": times, "after": after, **more})
        self.state.set_meta("salesforce.faults", json.dumps(planned))

    def wire(self, moment: datetime) -> str:
        return wire_time(int(moment.timestamp()) * 1_000)


@contextmanager
def serve_org() -> Iterator[ServedOrg]:
    """Serve an empty org until the block ends."""
    org = ServedOrg()
    # with the protocol named, asyncio sends small answers at once
    listener = socket.socket(socket.AF_INET, socket.SOCK_STREAM, socket.IPPROTO_TCP)
    listener.bind(("127.0.0.1", 0))
    org.url = f"http://127.0.0.1:{listener.getsockname()[1]}"
    app = build_app(
        org.state,
        client_id=org.client_id,
        client_secret=org.client_secret,
        clock=org.clock,
        base_url=org.url,
    )

    async def noted(scope: Scope, receive: Receive, send: Send) -> None:
        org.requests.append(f"{scope['method']} {scope['path']}")
        await app(scope, receive, send)

    config = uvicorn.Config(noted, log_level="warning", date_header=False, lifespan="off")
    server = uvicorn.Server(config)
    thread = threading.Thread(target=server.run, kwargs={"sockets": [listener]}, daemon=True)
    thread.start()
    deadline = time.monotonic() + 10
    while not server.started and time.monotonic() < deadline:
        time.sleep(0.002)
    try:
        yield org
    finally:
        server.should_exit = True
        thread.join(timeout=10)
        listener.close()
        org.state.close()
