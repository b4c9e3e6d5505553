"""Set-up: the locks name exact files and no places, and a finished set-up is seen at once."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest

from app import install

LOCKS = sorted(install.ROOT.glob("**/requirements*.lock"))


@pytest.mark.parametrize("lock", LOCKS, ids=lambda path: path.name)
def test_every_locked_package_is_pinned_and_hashed_and_no_address_is_named(lock: Path) -> None:
    text = lock.read_text("utf-8")
    packages = re.sub(r" \\\n", " ", text).strip().splitlines()
    assert packages
    assert [line for line in packages if not re.match(r"[\w.-]+==\S+ ", line)] == []
    assert [line for line in packages if "--hash=sha256:" not in line] == []
    assert re.findall(r"\w+://|@ |--index|--find-links", text) == []


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A project of the test's own whose set-up has finished."""
    for name in ("requirements.lock", "pyproject.toml"):
        (tmp_path / name).write_text(name)
    python = tmp_path / ".venv" / "bin" / "python"
    python.parent.mkdir(parents=True)
    python.touch()
    for name, path in {
        "ROOT": tmp_path,
        "LOCK": tmp_path / "requirements.lock",
        "PYTHON": python,
        "STAMP": tmp_path / ".venv" / ".installed",
    }.items():
        monkeypatch.setattr(install, name, path)
    install.STAMP.write_text(f"{install.environment()} {install.wanted()}")
    assert install.is_installed()
    return tmp_path


def test_a_finished_set_up_does_nothing(project: Path) -> None:
    assert install.main() == 0
    assert not (project / ".tools").exists()


@pytest.mark.parametrize("changed", ["requirements.lock", "pyproject.toml"])
def test_what_is_to_be_installed_may_change(project: Path, changed: str) -> None:
    (project / changed).write_text("more")
    assert not install.is_installed()


def test_an_environment_that_was_moved_is_not_used(
    project: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    elsewhere = project / "elsewhere"
    elsewhere.mkdir()
    (elsewhere / "pyproject.toml").write_text("pyproject.toml")
    monkeypatch.setattr(install, "ROOT", elsewhere)
    assert not install.is_installed()


def test_a_set_up_that_was_cut_off_is_not_used(project: Path) -> None:
    (project / ".venv" / ".installed").unlink()
    assert not install.is_installed()


def test_a_python_without_packages_can_read_it() -> None:
    program = "import runpy, sys; runpy.run_path(sys.argv[1])"
    bare = [sys.executable, "-I", "-S", "-c", program, str(Path(install.__file__))]
    ended = subprocess.run(bare, capture_output=True, text=True, check=False)
    assert ended.returncode == 0, ended.stderr
