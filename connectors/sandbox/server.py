"""The sandbox as a whole: both CRMs on loopback over one state, and the world that moves in it."""

from __future__ import annotations

import logging
import secrets
import socket
import sqlite3
import threading
import time
from collections import deque
from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from types import TracebackType
from typing import Any, NamedTuple, Self

import uvicorn
from starlette.types import ASGIApp, Receive, Scope, Send

from connectors.sandbox import hubspot, salesforce
from connectors.sandbox.live import LiveStream
from connectors.sandbox.state import State
from connectors.sandbox.world import HISTORY_DAYS, invent

STATE_FILE = "sandbox.sqlite"
_START_SECONDS = 20.0
_STOP_SECONDS = 5.0
_REQUESTS_KEPT = 100_000
log = logging.getLogger("leadlight.sandbox")


class SeenRequest(NamedTuple):
    """One call that a CRM received."""

    crm: str
    method: str
    path: str


@dataclass(frozen=True, slots=True)
class _Served:
    """One CRM being served."""

    server: uvicorn.Server
    thread: threading.Thread
    listener: socket.socket

    def stop(self) -> None:
        self.server.should_exit = True
        self.thread.join(timeout=_STOP_SECONDS)
        self.listener.close()


class Sandbox:
    """A running sandbox; stop it with `stop()` or by leaving its `with` block.

    `hubspot_url` and `salesforce_url` are empty for a CRM that is not served. `requests` holds the
    calls received so far, oldest first.
    """

    def __init__(self, state: State, clock: Callable[[], datetime]) -> None:
        self.state = state
        self.hubspot_url = self.salesforce_url = ""
        self.hubspot_token = _remembered(state, "hubspot_token", "pat-na1-")
        self.salesforce_client_id = _remembered(state, "salesforce_client_id", "3MVG9")
        self.salesforce_client_secret = _remembered(state, "salesforce_client_secret", "")
        self.requests: deque[SeenRequest] = deque(maxlen=_REQUESTS_KEPT)
        self._clock = clock
        self._served: list[_Served] = []
        self._stream: LiveStream | None = None

    def serve_hubspot(self, listener: socket.socket) -> None:
        """Serve HubSpot on a bound socket."""
        self.hubspot_url = _address(listener)
        app = hubspot.build_app(self.state, token=self.hubspot_token, clock=self._clock)
        self._serve("hubspot", app, listener)

    def serve_salesforce(self, listener: socket.socket) -> None:
        """Serve Salesforce on a bound socket."""
        self.salesforce_url = _address(listener)
        app = salesforce.build_app(
            self.state,
            client_id=self.salesforce_client_id,
            client_secret=self.salesforce_client_secret,
            clock=self._clock,
            base_url=self.salesforce_url,
        )
        self._serve("salesforce", app, listener)

    def live(self, rate: float, crms: tuple[str, ...]) -> None:
        """Let people go on living: new leads and new engagement, until the sandbox stops."""
        self._stream = LiveStream(self.state, rate, self._clock, crms)
        self._stream.start()

    def stop(self) -> None:
        """Stop everything and close the state; what happened stays in its file."""
        if self._stream is not None:
            self._stream.stop()
        for served in self._served:
            served.stop()
        self._served.clear()
        self.state.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.stop()

    def _serve(self, crm: str, app: ASGIApp, listener: socket.socket) -> None:
        async def noted(scope: Scope, receive: Receive, send: Send) -> None:
            if scope["type"] == "http":
                self.requests.append(SeenRequest(crm, scope["method"], scope["path"]))
            await app(scope, receive, send)

        # the apps send the Date of their own clock
        config = uvicorn.Config(noted, log_level="warning", date_header=False, lifespan="off")
        server = uvicorn.Server(config)
        thread = threading.Thread(
            target=server.run, kwargs={"sockets": [listener]}, name=f"sandbox-{crm}", daemon=True
        )
        thread.start()
        self._served.append(_Served(server, thread, listener))
        deadline = time.monotonic() + _START_SECONDS
        while not server.started:
            if not thread.is_alive() or time.monotonic() > deadline:
                raise RuntimeError(f"The sandbox {crm} did not start.")
            time.sleep(0.002)


def start_sandbox(
    home: Path,
    *,
    seed: int = 1,
    leads: int = 2_500,
    live: float = 0.0,
    hubspot_port: int | None = 0,
    salesforce_port: int | None = 0,
    history_days: int = HISTORY_DAYS,
    now: Callable[[], datetime] | None = None,
) -> Sandbox:
    """Serve the sandbox whose state lies in `home`, invented on the first start.

    `live` is the pace of the live stream (1: a new lead every 10 s and engagement every second;
    0: nothing moves by itself). A port of None leaves that CRM out, 0 takes any. Raises OSError
    when a port cannot be used, ValueError when the state's file is none.
    """
    clock = now or (lambda: datetime.now(UTC))
    ports = {"hubspot": hubspot_port, "salesforce": salesforce_port}
    # ports first: nobody waits for a world to be invented only to hear that a port is taken
    with ExitStack() as opened:
        listeners = {
            crm: opened.enter_context(_listen(port))
            for crm, port in ports.items()
            if port is not None
        }
        sandbox = Sandbox(_state(home / STATE_FILE), clock)
        opened.callback(sandbox.stop)
        _invent_once(sandbox.state, seed, leads, history_days, clock())
        if "hubspot" in listeners:
            sandbox.serve_hubspot(listeners["hubspot"])
        if "salesforce" in listeners:
            sandbox.serve_salesforce(listeners["salesforce"])
        if live > 0:
            sandbox.live(live, tuple(listeners))
        opened.pop_all()
    return sandbox


def _state(path: Path) -> State:
    try:
        return State(path)
    except sqlite3.Error as error:
        message = f"The sandbox cannot use {path}: {error}. Move it away to begin anew."
        raise ValueError(message) from error


def _invent_once(state: State, seed: int, leads: int, history_days: int, now: datetime) -> None:
    wanted = f"seed {seed}, {leads} leads, {history_days} days"
    there = state.meta("world.of")
    if there and there != wanted:
        log.warning("The sandbox keeps the world it has (%s), not the one asked for.", there)
    if not there:
        with state.transaction():
            invent(state, seed=seed, leads=leads, history_days=history_days, now=now)
            state.set_meta("world.of", wanted)


def _remembered(state: State, name: str, prefix: str) -> str:
    """A credential of this sandbox, the same at every start."""
    known = state.meta(f"server.{name}")
    if not known:
        known = prefix + secrets.token_hex(20)
        state.set_meta(f"server.{name}", known)
    return known


def _listen(port: int) -> socket.socket:
    # with the protocol named, asyncio sends small answers at once
    listener = socket.socket(socket.AF_INET, socket.SOCK_STREAM, socket.IPPROTO_TCP)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listener.bind(("127.0.0.1", port))
    except OSError as error:
        listener.close()
        reason = f"Port {port} of 127.0.0.1 cannot be used for the sandbox: {error.strerror}"
        raise OSError(error.errno, f"{reason}. Choose another, or 0 for any") from error
    return listener


def _address(listener: socket.socket) -> str:
    address: Any = listener.getsockname()
    return f"http://127.0.0.1:{address[1]}"
