"""`leadlight run`: starts the dashboard, the worker and, if needed, the sandbox, and keeps them up.

Children live in their own process groups, so that Ctrl-C reaches only the supervisor. Each holds a
pipe from the supervisor as its standard input and stops when that closes: nothing outlives the
supervisor, however it ends (see `app.child`).
"""

from __future__ import annotations

import contextlib
import os
import select
import signal
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime

from app import child
from app.ports import PortTaken, claim_port, sandbox_ports
from app.settings import Settings
from data.store import Store

FIRST_BACKOFF_SECONDS = 0.2
LONGEST_BACKOFF_SECONDS = 30.0
#: A child that lives this long has started properly; its backoff begins anew.
SETTLED_SECONDS = 10.0
MOST_QUICK_FAILURES = 5
STOP_SECONDS = 10.0
LOOK_SECONDS = 0.2
#: A worker beats every few seconds; one that has not for this long hangs.
HEARTBEAT_LIMIT_SECONDS = 60.0
_ANSWER_SECONDS = 1.0
_LEADLIGHT = (sys.executable, "-m", "app.cli")


class GivingUp(RuntimeError):
    """A part keeps failing; its own message is above."""


@dataclass
class Child:
    """One process that is kept running."""

    name: str
    command: Sequence[str]
    environment: Mapping[str, str]
    talks: bool = False  # prints a line when it is ready; read it with `line()`
    process: subprocess.Popen[bytes] | None = None
    started: float = 0.0
    start_after: float = 0.0
    quick_failures: int = 0
    _heard: bytes = field(default=b"", repr=False)

    def start(self, now: float) -> None:
        """Start the process in a group of its own."""
        self.started, self._heard = now, b""
        self.process = subprocess.Popen(
            self.command,
            env={**os.environ, **self.environment, child.SUPERVISED: "1"},
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE if self.talks else None,
            process_group=0,
        )

    def keep(self, now: float) -> None:
        """Start the process again if it ended; raises GivingUp when it ends again and again."""
        if self.process is None:
            if now >= self.start_after:
                self.start(now)
            return
        code = self.process.poll()
        if code is None:
            return
        quick = now - self.started < SETTLED_SECONDS
        self.quick_failures = self.quick_failures + 1 if quick else 1
        if self.quick_failures >= MOST_QUICK_FAILURES:
            raise GivingUp(f"The {self.name} keeps failing; its own message is above.")
        wait = min(FIRST_BACKOFF_SECONDS * 2**self.quick_failures, LONGEST_BACKOFF_SECONDS)
        self.start_after = now + wait
        self._let_go()
        say(f"The {self.name} ended ({child.how_it_ended(code)}); starting it again.")

    def line(self) -> bytes | None:
        """The line that the process prints when it is ready; None while it has not."""
        if self.process is None or self.process.stdout is None:
            return None
        if select.select([self.process.stdout], [], [], 0)[0]:
            self._heard += os.read(self.process.stdout.fileno(), 65_536)
        line, end, _ = self._heard.partition(b"\n")
        return line if end else None

    def kill(self) -> None:
        """End the process and whatever it started, at once."""
        if self.process is not None:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(self.process.pid, signal.SIGKILL)

    def ask_to_stop(self) -> None:
        """Let the process finish what it is doing and end."""
        if self.process is not None:
            self.process.terminate()

    def wait_for_end(self, deadline: float) -> None:
        """Wait until the process has ended; past the deadline, end it."""
        if self.process is None:
            return
        try:
            self.process.wait(max(0.0, deadline - time.monotonic()))
        except subprocess.TimeoutExpired:
            self.kill()
            self.process.wait()
        self._let_go()

    def _let_go(self) -> None:
        assert self.process is not None
        for pipe in (self.process.stdin, self.process.stdout):
            if pipe is not None:
                pipe.close()
        self.process = None


class Supervisor:
    """Keeps the children running until it is told to stop."""

    def __init__(
        self, settings: Settings, *, heartbeat_limit_seconds: float = HEARTBEAT_LIMIT_SECONDS
    ) -> None:
        self.settings = settings
        self.heartbeat_limit_seconds = heartbeat_limit_seconds
        self.host = "127.0.0.1" if settings.host in child.EVERYWHERE else settings.host
        self.port = settings.port
        self.children: list[Child] = []
        self.sandbox: Child | None = None
        self.stopping = False
        self.announced = False

    def run(self) -> int:
        """Start everything and watch it; the exit code: 0 after a stop, 1 after giving up.

        Raises PortTaken, and whatever opening the database raises.
        """
        wake, self._wake = os.pipe()
        os.set_blocking(self._wake, False)
        signal.set_wakeup_fd(self._wake)
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, self._stop)
        signal.signal(signal.SIGCHLD, lambda *_: None)  # wakes the loop when a child ends
        say("Leadlight is starting …")
        try:
            self.port = claim_port(self.settings.host, self.settings.port)
            Store.open(self.settings.database_url, migrate=True).close()
            self._start()
            self._watch(wake)
        except GivingUp as error:
            say(f"{error} Stopping everything.")
            return 1
        finally:
            self._stop_children()
            signal.set_wakeup_fd(-1)
            os.close(wake)
            os.close(self._wake)
        return 0

    # -- starting ------------------------------------------------------------------------------

    def _start(self) -> None:
        """The dashboard answers at once; the worker waits for the sandbox, where there is one."""
        common = {
            "LEADLIGHT_HOME": str(self.settings.home),
            "LEADLIGHT_DATABASE_URL": self.settings.database_url,
            "LEADLIGHT_HOST": self.settings.host,
            "LEADLIGHT_PORT": str(self.port),
            "LEADLIGHT_POLL_SECONDS": str(self.settings.poll_seconds),
        }
        self.worker = Child("worker", [*_LEADLIGHT, "worker"], common)
        self.children = [Child("dashboard", [*_LEADLIGHT, "dashboard"], common)]
        if self.settings.has_crm:
            self.children.append(self.worker)
            return
        hubspot, salesforce = sandbox_ports(self.settings.home, self.port)
        command = [*_LEADLIGHT, "sandbox", "--home", str(self.settings.home)]
        command += ["--hubspot-port", str(hubspot), "--salesforce-port", str(salesforce)]
        self.sandbox = Child("sandbox", command, common, talks=True)
        self.children.append(self.sandbox)

    def _watch(self, wake: int) -> None:
        checked = time.monotonic()
        while not self.stopping:
            now = time.monotonic()
            for each in self.children:
                each.keep(now)
            if self.sandbox is not None and self.worker not in self.children:
                self._start_worker(self.sandbox)
            if not self.announced and self._answers():
                self._announce()
            if now - checked > self.heartbeat_limit_seconds / 4:
                checked = now
                self._check_heartbeat(now)
            if select.select([wake], [], [], LOOK_SECONDS)[0]:
                os.read(wake, 4_096)

    def _start_worker(self, sandbox: Child) -> None:
        """Start the worker once the sandbox has said where it is and how to sign in."""
        line = sandbox.line()
        if line is not None:
            found = child.sandbox_environment(line)
            self.worker.environment = {**self.worker.environment, **found}
            self.children.append(self.worker)

    def _answers(self) -> bool:
        host = f"[{self.host}]" if ":" in self.host else self.host
        self.address = f"http://{host}:{self.port}"
        opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
        try:
            with opener.open(f"{self.address}/_stcore/health", timeout=_ANSWER_SECONDS) as answer:
                return bool(answer.status == 200)
        except (urllib.error.URLError, OSError):
            return False

    def _announce(self) -> None:
        self.announced = True
        if self.sandbox is not None:
            say("No CRM is configured: a sandbox HubSpot and Salesforce with invented people run.")
        say(f"Leadlight is ready: {self.address}  (Ctrl-C stops it)")

    # -- watching ------------------------------------------------------------------------------

    def _check_heartbeat(self, now: float) -> None:
        """Restart a worker that runs but has shown no sign of life for too long."""
        lived = now - self.worker.started
        if self.worker.process is None or lived < self.heartbeat_limit_seconds:
            return
        store = Store.open(self.settings.database_url)
        try:
            if store.check() != "ok":
                return  # a database that is away is no reason to restart anything
            beat = store.heartbeat()
        finally:
            store.close()
        age = (datetime.now(UTC) - beat[1]).total_seconds() if beat else lived
        if age > self.heartbeat_limit_seconds:
            say(f"The worker has shown no sign of life for {age:.0f} seconds.")
            self.worker.kill()

    # -- stopping ------------------------------------------------------------------------------

    def _stop(self, *_: object) -> None:
        self.stopping = True

    def _stop_children(self) -> None:
        """Stop the sandbox last: a worker that still reads must not find it gone."""
        others = [each for each in self.children if each is not self.sandbox]
        for group in (others, [self.sandbox] if self.sandbox else []):
            for each in group:
                each.ask_to_stop()
            deadline = time.monotonic() + STOP_SECONDS
            for each in group:
                each.wait_for_end(deadline)


def run(settings: Settings) -> int:
    """Run everything until SIGTERM or Ctrl-C; the exit code."""
    try:
        return Supervisor(settings).run()
    except PortTaken as error:
        say(str(error))
        return 1


def say(text: str) -> None:
    """One calm line for the person at the terminal."""
    sys.stderr.write(text + "\n")
    sys.stderr.flush()
