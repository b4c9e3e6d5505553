"""Which ports `leadlight run` uses: the dashboard's as asked, the sandbox's the same every time."""

from __future__ import annotations

import json
import socket
from pathlib import Path


class PortTaken(RuntimeError):
    """The dashboard's port is in use by another program."""


def claim_port(host: str, port: int) -> int:
    """`port` if it is free, any free one for 0; raises PortTaken with what to do."""
    found = free_port(host, port)
    if found is None:
        raise PortTaken(
            f"Port {port} of {host} is taken, perhaps by a Leadlight that is running already. "
            "Stop that program, or choose another port: LEADLIGHT_PORT=8601 make run."
        )
    return found


def sandbox_ports(home: Path, near: int) -> tuple[int, int]:
    """The ports of both sandbox CRMs: those of last time, so that links to records stay good.

    The first time they are the two after the dashboard's. One that is taken is replaced.
    """
    memory = home / "sandbox-ports.json"
    try:
        wanted = [int(port) for port in json.loads(memory.read_text("utf-8"))]
    except (OSError, ValueError, TypeError):  # not there yet, or damaged: chosen anew
        wanted = []
    wanted = wanted if len(wanted) == 2 else [min(near + 1, 65_534), min(near + 2, 65_535)]
    first, second = (_free_or_any(port) for port in wanted)
    memory.parent.mkdir(parents=True, exist_ok=True)
    memory.write_text(json.dumps([first, second]), "utf-8")
    return first, second


def _free_or_any(port: int) -> int:
    return free_port("127.0.0.1", port) or free_port("127.0.0.1", 0) or 0


def free_port(host: str, port: int) -> int | None:
    """`port` (any free one for 0) if a program could listen on it now, else None."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    with socket.socket(family) as probe:
        # as servers do: a port whose last connections are still closing counts as free
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((host, port))
        except OSError:
            return None
        return int(probe.getsockname()[1])
