"""Set-up with nothing but the standard library: an environment in `.venv`, made once.

Run by any Python 3.11+: `python3 app/install.py`, with `--spark` for scoring on many machines as
well. Packages come from the hashed lock files through whatever index this machine uses; `uv` does
it in seconds, pip does it without.
"""

from __future__ import annotations

import fcntl
import hashlib
import os
import shutil
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
LOCK = ROOT / "requirements.lock"
SPARK_LOCK = ROOT / "requirements-spark.lock"
VENV = ROOT / ".venv"
PYTHON = VENV / "bin" / "python"
STAMP = VENV / ".installed"
SPARK_STAMP = VENV / ".installed-spark"
TOOLS = ROOT / ".tools"
UV = "0.13.9"
ROOMS = ("app", "connectors", "data", "pages", "scoring")
OLDEST = (3, 11)
NEWER = ("python3.14", "python3.13", "python3.12", "python3.11")


def main(*options: str) -> int:
    """Make `.venv` match the lock file; at once when it already does. Option: `--spark`."""
    if sys.version_info < OLDEST:
        return with_a_newer_python()
    if not LOCK.exists():
        return fail("requirements.lock is missing: get a complete copy of the project.")
    spark = "--spark" in options
    if is_installed(spark):
        return 0
    TOOLS.mkdir(exist_ok=True)
    with (TOOLS / "lock").open("w") as alone:
        fcntl.flock(alone, fcntl.LOCK_EX)  # `make run` and `make test` may start together
        try:
            if not is_installed():
                install()
            if not is_installed(spark):
                install_spark()
        except subprocess.CalledProcessError as error:
            return fail(
                f"A set-up step failed with code {error.returncode}:\n"
                f"  {' '.join(map(str, error.cmd))}\n"
                "Its own message is above. Check the network, the package index and the space on "
                "the disk, then run this again: it goes on where it can."
            )
        except KeyboardInterrupt:
            return fail("Interrupted. Run this again to finish.", code=130)
    say("Ready.")
    return 0


def with_a_newer_python() -> int:
    """Run this program again with a newer Python of this machine."""
    newer = next(filter(None, map(shutil.which, NEWER)), None)
    if newer is None:
        found = ".".join(map(str, sys.version_info[:3]))
        return fail(
            f"Leadlight needs Python 3.11 or newer; this is {found}. Install one; where it is not "
            "found by itself, name it: make run PYTHON=/path/to/python3."
        )
    os.execv(newer, [newer, str(Path(__file__).resolve()), *sys.argv[1:]])


def is_installed(spark: bool = False) -> bool:
    """Whether the last set-up finished and was for this lock file, Python and folder."""
    if spark and stamp(SPARK_STAMP) != digest(SPARK_LOCK.read_bytes()):
        return False
    return stamp(STAMP) == f"{environment()} {wanted()}" and PYTHON.exists()


def stamp(path: Path) -> str:
    """What the last finished set-up was for; "" when there was none."""
    return path.read_text() if path.exists() else ""


def environment() -> str:
    """Changes with what an environment cannot survive: another Python, another folder."""
    return digest(f"{sys.version_info[:2]} {ROOT}".encode())


def wanted() -> str:
    """Changes with what is to be installed."""
    return digest(LOCK.read_bytes() + (ROOT / "pyproject.toml").read_bytes())


def digest(content: bytes) -> str:
    """A short name for some content."""
    return hashlib.sha256(content).hexdigest()[:24]


def install() -> None:
    """Make the environment anew, or bring a finished one up to date; the stamp comes last."""
    usable = stamp(STAMP).startswith(environment()) and PYTHON.exists()
    STAMP.unlink(missing_ok=True)
    SPARK_STAMP.unlink(missing_ok=True)  # what follows takes Spark out again
    if usable:
        say("Bringing .venv up to date …")
    else:
        say("Setting up .venv (once; up to a minute or two) …")
        shutil.rmtree(VENV, ignore_errors=True)
    uv = find_uv()
    if uv is None or not install_with_uv(uv, usable):
        install_with_pip()
    # Read-only or set-up-only machines never write these; without them each start takes seconds.
    run([str(PYTHON), "-m", "compileall", "-q", *ROOMS])
    STAMP.write_text(f"{environment()} {wanted()}")


def install_spark() -> None:
    """Add Spark to a finished environment; raises CalledProcessError."""
    say("Adding Spark to .venv (once: half a gigabyte) …")
    locked = ["--quiet", "--no-deps", "--require-hashes", "-r", str(SPARK_LOCK)]
    uv = find_uv()
    if uv is not None:
        run([uv, "pip", "install", "--python", str(PYTHON), *locked])
    else:
        run([*venv_pip(), "install", *locked])
    SPARK_STAMP.write_text(digest(SPARK_LOCK.read_bytes()))


def find_uv() -> str | None:
    """A uv that runs: the machine's own, ours, or a fresh one by pip; None where pip cannot."""
    ours = TOOLS / f"uv-{UV}"
    for path in (shutil.which("uv"), str(ours / "bin" / "uv")):
        if path and works([path, "--version"]):
            return path
    shutil.rmtree(ours, ignore_errors=True)
    pip = [sys.executable, "-m", "pip", "install", "--quiet", "--retries", "1"]
    if not works([*pip, "--target", str(ours), f"uv=={UV}"]):
        return None
    return str(ours / "bin" / "uv")


def install_with_uv(uv: str, usable: bool) -> bool:
    """Seconds: uv makes the environment match the lock; False when pip should try."""
    python = ["--quiet", "--python", str(PYTHON)]
    try:
        if not usable:
            run([uv, "venv", "--quiet", "--python", sys.executable, str(VENV)])
        run([uv, "pip", "sync", *python, "--compile-bytecode", "--require-hashes", str(LOCK)])
        run([uv, "pip", "install", *python, "--no-deps", "--no-build-isolation", "-e", str(ROOT)])
    except subprocess.CalledProcessError:
        say("uv could not do it; trying pip, which takes longer …")
        shutil.rmtree(VENV, ignore_errors=True)
        return False
    return True


def install_with_pip() -> None:
    """A minute or two: the standard library makes the environment, pip installs the lock."""
    if has_pip():
        # Debian's Python cannot put pip into an environment, but its own pip can fill one.
        run([sys.executable, "-m", "venv", "--clear", "--without-pip", str(VENV)])
    else:
        say("This Python has no pip. If the next step fails: apt install python3-pip python3-venv.")
        run([sys.executable, "-m", "venv", "--clear", str(VENV)])
    pip = venv_pip()
    # "-qq": errors, not pip's warnings about how this machine is configured
    run([*pip, "install", "-qq", "--require-hashes", "-r", str(LOCK)])
    run([*pip, "install", "-qq", "--no-deps", "--no-build-isolation", "-e", str(ROOT)])


def has_pip() -> bool:
    """Whether this Python has a pip of its own."""
    return works([sys.executable, "-m", "pip", "--version"])


def venv_pip() -> list[str]:
    """The pip that fills `.venv`: this Python's own, or else the environment's."""
    if has_pip():
        return [sys.executable, "-m", "pip", "--python", str(PYTHON)]
    return [str(PYTHON), "-m", "pip"]


def works(command: list[str]) -> bool:
    """Whether a command ends well; what it says is not shown."""
    try:
        return subprocess.run(command, cwd=ROOT, capture_output=True).returncode == 0
    except OSError:
        return False


def run(command: list[str]) -> None:
    """Run one step in the project's folder; raises CalledProcessError."""
    quiet = {"PIP_DISABLE_PIP_VERSION_CHECK": "1", "PIP_ROOT_USER_ACTION": "ignore"}
    subprocess.run(command, check=True, cwd=ROOT, env={**os.environ, **quiet})


def say(text: str) -> None:
    """One line for the person who waits."""
    sys.stderr.write(text + "\n")
    sys.stderr.flush()


def fail(text: str, *, code: int = 1) -> int:
    """Say what is wrong; the exit code of a failed set-up."""
    say(text)
    return code


if __name__ == "__main__":
    raise SystemExit(main(*sys.argv[1:]))
