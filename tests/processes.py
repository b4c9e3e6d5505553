"""Starting, watching and finding real processes in tests."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import TypeVar

T = TypeVar("T")
LEADLIGHT = [sys.executable, "-m", "app.cli"]


def eventually(look: Callable[[], T], *, seconds: float = 30.0) -> T:
    """The first true value of `look`; fails when there is none in time."""
    deadline = time.monotonic() + seconds
    pause = threading.Event()
    while not (found := look()):
        assert time.monotonic() < deadline, f"not in {seconds} s: {look}"
        pause.wait(0.05)
    return found


class Started:
    """A `leadlight` process with what it says on standard error."""

    def __init__(self, arguments: list[str], home: Path, settings: Mapping[str, str]) -> None:
        self.home = home
        self._said = home / f"said-{time.monotonic_ns()}.txt"
        with self._said.open("wb") as file:
            self.process = subprocess.Popen(
                [*LEADLIGHT, *arguments],
                env=os.environ | {"LEADLIGHT_HOME": str(home), "LEADLIGHT_PORT": "0"} | settings,
                cwd=home,
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=file,
                text=True,
            )

    @property
    def said(self) -> str:
        return self._said.read_text("utf-8")

    def says(self, text: str) -> str:
        """The line with `text`, once it is there."""

        def look() -> str:
            if self.process.poll() is not None and text not in self.said:
                raise AssertionError(f"ended with {self.process.returncode}:\n{self.said}")
            return next((line for line in self.said.splitlines() if text in line), "")

        return eventually(look, seconds=60)

    def children(self) -> dict[str, int]:
        """Running children by their command: {"worker": 4711}."""
        return {
            command.split("app.cli ")[1].split()[0]: pid
            for pid, parent, command in _processes()
            if parent == self.process.pid and "app.cli " in command
        }

    def end(self, number: int = signal.SIGTERM) -> int:
        """Send a signal; the exit code."""
        self.process.send_signal(number)
        return self.process.wait(20)


def is_running(pid: int) -> bool:
    """Whether a process exists and is not just waiting to be collected."""
    return any(found == pid for found, _, _ in _processes())


def _processes() -> Iterator[tuple[int, int, str]]:
    listing = subprocess.run(
        ["ps", "-A", "-o", "pid=,ppid=,stat=,command="], capture_output=True, text=True, check=True
    )
    for line in listing.stdout.splitlines():
        pid, parent, state, *command = line.split(None, 3)
        if not state.startswith("Z"):
            yield int(pid), int(parent), command[0] if command else ""


@contextlib.contextmanager
def started(
    arguments: list[str], home: Path, settings: Mapping[str, str] | None = None
) -> Iterator[Started]:
    """Run `leadlight ARGUMENTS` until the block ends; nothing it started stays behind."""
    running = Started(arguments, home, settings or {})
    try:
        yield running
    finally:
        pids = [running.process.pid, *running.children().values()]
        for pid in pids if running.process.poll() is None else pids[1:]:
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        running.process.wait(20)
        assert running.process.stdout is not None
        running.process.stdout.close()
