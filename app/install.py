"""Set-up with nothing but the standard library: an environment in `.venv`, made once.

Run by any Python 3.11+: `python3 app/install.py`. Packages come from the hashed lock file through
whatever index this machine uses; `uv` does it in seconds, pip does it without.
"""

from __future__ import annotations

import hashlib
import os
import shutil
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
LOCK = ROOT / "requirements.lock"
VENV = ROOT / ".venv"
TOOLS = ROOT / ".tools"
STAMP = VENV / ".installed"
UV = "uv==0.13.9"


def main() -> int:
    """Make `.venv` match the lock file; at once when it already does."""
    if sys.version_info < (3, 11):
        found = ".".join(map(str, sys.version_info[:3]))
        return fail(f"Leadlight needs Python 3.11 or newer; this is {found}. Try PYTHON=python3.12.")
    if not LOCK.exists():
        return fail("requirements.lock is missing: get a complete copy of the project.")
    wanted = fingerprint()
    if STAMP.exists() and STAMP.read_text() == wanted and venv_python().exists():
        return 0
    STAMP.unlink(missing_ok=True)
    say("Setting up .venv (once; a minute or two without a cache) …")
    uv = find_uv()
    try:
        install_with_uv(uv) if uv else install_with_pip()
    except subprocess.CalledProcessError as error:
        return fail(
            f"A set-up step failed with code {error.returncode}:\n  {' '.join(map(str, error.cmd))}\n"
            "Its own message is above. Check the network and the package index, then run this again."
        )
    STAMP.write_text(wanted)
    say("Ready.")
    return 0


def fingerprint() -> str:
    """Changes with the lock file, the project's metadata or the Python in use."""
    digest = hashlib.sha256(LOCK.read_bytes())
    digest.update((ROOT / "pyproject.toml").read_bytes())
    digest.update(f"{sys.version_info[:2]} {ROOT}".encode())
    return digest.hexdigest()


def venv_python() -> Path:
    """The environment's interpreter."""
    return VENV / "bin" / "python"


def find_uv() -> list[str] | None:
    """A command that runs uv: the machine's own, ours, or a fresh one by pip; None without pip."""
    if shutil.which("uv"):
        return ["uv"]
    ours = TOOLS / "bin" / "uv"
    if not ours.exists():
        command = [sys.executable, "-m", "pip", "install", "--quiet", "--target", str(TOOLS), UV]
        if subprocess.run(command, cwd=ROOT, stderr=subprocess.DEVNULL).returncode != 0:
            return None
    return [str(ours)] if ours.exists() else None


def install_with_uv(uv: list[str]) -> None:
    """Seconds: uv makes the environment and installs the lock."""
    python = str(venv_python())
    run([*uv, "venv", "--quiet", "--clear", "--python", sys.executable, str(VENV)])
    install = [*uv, "pip", "install", "--quiet", "--python", python]
    run([*install, "--require-hashes", "-r", str(LOCK)])
    run([*install, "--no-deps", "--no-build-isolation", "-e", str(ROOT)])


def install_with_pip() -> None:
    """A minute: the standard library makes the environment, pip installs the lock."""
    try:
        run([sys.executable, "-m", "venv", "--clear", str(VENV)])
    except subprocess.CalledProcessError:
        say("This Python cannot make environments (on Debian: apt install python3-venv).")
        raise
    install = [str(venv_python()), "-m", "pip", "install", "--quiet"]
    run([*install, "--require-hashes", "-r", str(LOCK)])
    run([*install, "--no-deps", "--no-build-isolation", "-e", str(ROOT)])


def run(command: list[str]) -> None:
    """Run one step in the project's folder; raises CalledProcessError."""
    environment = {**os.environ, "PIP_DISABLE_PIP_VERSION_CHECK": "1"}
    subprocess.run(command, check=True, cwd=ROOT, env=environment)


def say(text: str) -> None:
    """One line for the person who waits."""
    sys.stderr.write(text + "\n")


def fail(text: str) -> int:
    """Say what is wrong; the exit code of a failed set-up."""
    say(text)
    return 1


if __name__ == "__main__":
    raise SystemExit(main())
