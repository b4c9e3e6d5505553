"""What the supervisor and its children agree on."""

from __future__ import annotations

import json
import os
import signal
import sys
import threading

#: Set for processes that the supervisor started.
SUPERVISED = "LEADLIGHT_SUPERVISED"
#: Addresses to listen on that stand for every address of the machine.
EVERYWHERE = ("0.0.0.0", "::")  # noqa: S104 - compared, not bound

_SANDBOX_SETTINGS = {
    ("hubspot", "base_url"): "LEADLIGHT_HUBSPOT_BASE_URL",
    ("hubspot", "token"): "LEADLIGHT_HUBSPOT_TOKEN",
    ("salesforce", "instance_url"): "LEADLIGHT_SALESFORCE_INSTANCE_URL",
    ("salesforce", "client_id"): "LEADLIGHT_SALESFORCE_CLIENT_ID",
    ("salesforce", "client_secret"): "LEADLIGHT_SALESFORCE_CLIENT_SECRET",
}


def is_supervised() -> bool:
    """Whether the supervisor started this process."""
    return SUPERVISED in os.environ


def stop_with_supervisor() -> None:
    """Send ourselves SIGTERM once the supervisor is gone: it holds the other end of our input."""

    def watch() -> None:
        while os.read(sys.stdin.fileno(), 1_024):
            pass
        os.kill(os.getpid(), signal.SIGTERM)

    threading.Thread(target=watch, name="stop-with-supervisor", daemon=True).start()


def sandbox_environment(line: bytes) -> dict[str, str]:
    """Settings for the worker from the line that the sandbox prints when it is ready."""
    ready = json.loads(line)
    return {
        name: str(ready[crm][key])
        for (crm, key), name in _SANDBOX_SETTINGS.items()
        if key in ready.get(crm, {})
    }


def how_it_ended(code: int) -> str:
    """A process's return code in words."""
    return f"code {code}" if code >= 0 else f"killed by {signal.Signals(-code).name}"
