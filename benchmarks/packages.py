"""What only benchmarks need (other engines, a plotter), in a folder nobody else looks into."""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path

from app.install import TOOLS, digest, find_uv, run, say
from benchmarks import PACKAGES

LOCK = Path(__file__).parent / "requirements.lock"
STAMP = PACKAGES / ".installed"


def install() -> None:
    """Fill the folder from the hashed lock, once; raises CalledProcessError when that fails."""
    wanted = digest(f"{sys.version_info[:2]} ".encode() + LOCK.read_bytes())
    if STAMP.exists() and STAMP.read_text() == wanted:
        return
    say(f"Fetching the engines to measure against into {PACKAGES.relative_to(TOOLS.parent)} …")
    shutil.rmtree(PACKAGES, ignore_errors=True)
    uv = find_uv()
    into = ["--quiet", "--no-deps", "--require-hashes", "--target", str(PACKAGES), "-r", str(LOCK)]
    if uv is None:
        run([sys.executable, "-m", "pip", "install", *into])
    else:
        run([uv, "pip", "install", "--python", sys.executable, *into])
    STAMP.write_text(wanted)


if __name__ == "__main__":
    try:
        install()
    except subprocess.CalledProcessError as error:
        raise SystemExit(f"The packages of benchmarks could not be installed: {error}") from error
