"""What scoring a file writes: files in their place at the end, cells no spreadsheet runs."""

from __future__ import annotations

import os
import re
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TextIO

from rich.console import Console
from rich.progress import BarColumn, Progress, TaskProgressColumn, TextColumn, TimeRemainingColumn

from app.tabular import BROKEN

_HARMLESS = re.compile(r"[-+][\d\s().,/%-]*\Z", re.ASCII)


class ScoreFileError(Exception):
    """Nothing can be done; the message says why and what to do."""


def check_paths(inputs: list[Path], output: Path, rejects: Path) -> None:
    """Raises ScoreFileError when writing would overwrite an input or is not possible."""
    for file in inputs:
        if file.resolve() in {output.resolve(), rejects.resolve()}:
            raise ScoreFileError(f"The output would overwrite the input {file}: name another file.")
    if output.resolve() == rejects.resolve():
        raise ScoreFileError("Output and rejects are the same file: name two.")
    for path in (output, rejects):
        if not path.parent.is_dir():
            raise ScoreFileError(f"The folder {path.parent} does not exist: create it first.")


def safe(cell: str) -> str:
    """A cell that no spreadsheet takes for a formula (OWASP: CSV injection); numbers stay."""
    cell = cell.replace("\0", "").replace(BROKEN, "\ufffd")
    if cell[:1] in {"=", "@", "\t", "\r", "+", "-"} and not _HARMLESS.match(cell):
        return "'" + cell
    return cell


@contextmanager
def placed(path: Path) -> Iterator[Path]:
    """A path beside `path` to write to; the file takes its place only when all went well."""
    draft = path.with_name(f".{path.name}.{os.getpid()}.part")
    try:
        yield draft
        draft.replace(path)
    except OSError as error:
        raise ScoreFileError(f"{path} cannot be written: {error.strerror or error}.") from None
    finally:
        draft.unlink(missing_ok=True)


@contextmanager
def text_file(path: Path) -> Iterator[TextIO]:
    """A text file to write to, which takes its place only when all went well."""
    with placed(path) as draft, draft.open("w", encoding="utf-8", newline="") as stream:
        yield stream


@contextmanager
def progress(total: int) -> Iterator[Callable[[int], None]]:
    """A progress bar on stderr when a person looks on; it is told how much is done of `total`."""
    if not sys.stderr.isatty():
        yield lambda done: None
        return
    parts = (TextColumn("Scoring"), BarColumn(), TaskProgressColumn(), TimeRemainingColumn())
    with Progress(*parts, console=Console(stderr=True), transient=True) as bar:
        task = bar.add_task("", total=max(1, total))
        yield lambda done: bar.update(task, completed=done)
