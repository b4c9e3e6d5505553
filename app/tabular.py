"""Tables from files, row by row: CSV in any usual encoding and delimiter, Excel, OpenDocument.

A row that cannot be read comes out with its problem and its text; nothing is skipped in silence.
"""

from __future__ import annotations

import codecs
import csv
from collections import Counter, deque
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime, time
from pathlib import Path
from typing import TextIO

from charset_normalizer import from_bytes
from python_calamine import CalamineError, CalamineWorkbook, PasswordError

SPREADSHEETS = frozenset({".xlsx", ".xlsm", ".xlsb", ".xls", ".ods"})
DELIMITERS = ",;\t|"
_DELIMITER_NAMES = {",": "commas", ";": "semicolons", "\t": "tabs", "|": "bars"}
_SAMPLE_BYTES = 1 << 18
_CHUNK_BYTES = 1 << 20
#: A quoted cell over more lines than this is taken for a quote that nobody closed.
_LONGEST_CELL_LINES = 500
_LONGEST_CELL = 16 << 20

_BOMS = (
    (codecs.BOM_UTF8, "utf-8-sig"),
    (codecs.BOM_UTF32_LE, "utf-32"),
    (codecs.BOM_UTF32_BE, "utf-32"),
    (codecs.BOM_UTF16_LE, "utf-16"),
    (codecs.BOM_UTF16_BE, "utf-16"),
)
#: What spreadsheets write when it is not Unicode: a short text would pass for many others.
_DOUBLE_BYTE = ("cp932", "gb18030", "big5", "cp949")
_CODE_PAGES = ["cp1252", "cp1250", "cp1251", "cp1253", "cp1254", "cp1255", "cp1256", "cp1257"]
_CODE_PAGES += ["mac_roman", *_DOUBLE_BYTE]

#: Bytes that are no text in the file's encoding are read as this (a lone surrogate, so it cannot
#: occur in real text) and the row is rejected by name.
BROKEN = "\udcff"
_MARKED = "leadlight.mark"
codecs.register_error(_MARKED, lambda error: (BROKEN, _end_of(error)))


class TableError(Exception):
    """The file as a whole cannot be read; the message says what to do."""


@dataclass(frozen=True, slots=True)
class Row:
    """One row: its line number (the header is 1), its cells, and what is wrong with it."""

    number: int
    cells: tuple[str, ...]
    problem: str = ""


@dataclass(slots=True)
class Table:
    """An open table: its columns, its rows (read once), and how far reading has come.

    `close` it when it is no longer needed, read to its end or not.
    """

    columns: tuple[str, ...]
    rows: Iterator[Row]
    about: str  # "CSV, utf-8, commas"
    size: int  # bytes, or rows of a spreadsheet
    position: Callable[[], int] = field(default=lambda: 0)
    close: Callable[[], None] = field(default=lambda: None)


def open_table(path: Path) -> Table:
    """Open a CSV file or the first sheet of a spreadsheet; raises TableError with what to do."""
    try:
        size = path.stat().st_size
    except OSError as error:
        raise TableError(f"{path} cannot be opened: {error.strerror}.") from None
    if path.is_dir():
        raise TableError(f"{path} is a folder: name a file in it.")
    if size == 0:
        raise TableError(f"{path} is empty: there is not even a header row.")
    if path.suffix.lower() in SPREADSHEETS:
        return _open_spreadsheet(path)
    return _open_csv(path, size)


def _open_spreadsheet(path: Path) -> Table:
    try:
        sheet = CalamineWorkbook.from_path(str(path)).get_sheet_by_index(0)
        content = sheet.to_python(skip_empty_area=False)
    except PasswordError:
        raise TableError(f"{path} is protected by a password: save it without one.") from None
    except (CalamineError, OSError, ValueError, IndexError) as error:
        raise TableError(
            f"{path} cannot be read as a spreadsheet ({error}): open it and save it again,"
            " or save it as CSV."
        ) from None
    lines = [tuple(_cell_text(cell) for cell in line) for line in content]
    while lines and not any(lines[0]):
        lines.pop(0)
    skipped = len(content) - len(lines)
    if not lines:
        raise TableError(f"{path}: the first sheet is empty.")
    columns = _columns(lines[0], path)
    progress = [0]

    def rows() -> Iterator[Row]:
        for number, cells in enumerate(lines[1:], start=skipped + 2):
            progress[0] += 1
            if any(cells):
                yield _checked(Row(number, cells), columns)

    return Table(
        columns, rows(), f"spreadsheet, sheet {sheet.name!r}", len(lines) - 1, lambda: progress[0]
    )


def _cell_text(cell: object) -> str:
    if isinstance(cell, bool):
        return "true" if cell else "false"
    if isinstance(cell, float) and cell.is_integer():
        return str(int(cell))
    if isinstance(cell, datetime | date | time):
        return cell.isoformat()
    return str(cell)


def _open_csv(path: Path, size: int) -> Table:
    encoding, guessed = _encoding(path)
    stream = path.open(encoding=encoding, errors=_MARKED, newline="")
    try:
        delimiter, skip = _delimiter(stream, path)
        stream.seek(0)
        lines = _Lines(stream, size)
        if skip:
            next(lines)
        records = _records(lines, delimiter)
        header = next((row for row in records if any(row.cells) or row.problem), None)
        if header is None:
            raise TableError(f"{path} has no header row, only empty lines.")
        if header.problem:
            raise TableError(f"{path}: the header row cannot be read: {header.problem}.")
        columns = _columns(header.cells, path)
    except BaseException:
        stream.close()
        raise

    def rows() -> Iterator[Row]:
        for row in records:
            if any(row.cells) or row.problem:
                yield _checked(row, columns)

    shown = encoding.removesuffix("-sig")
    if guessed:
        shown += " by guess: save it as CSV UTF-8 if letters look wrong"
    about = f"CSV, {shown}, separated by {_DELIMITER_NAMES[delimiter]}"
    return Table(columns, rows(), about, size, lambda: lines.position, stream.close)


class _Lines:
    """Lines of a text file that can be given back, with those of the current record remembered."""

    def __init__(self, stream: TextIO, size: int) -> None:
        self._stream = stream
        self._again: deque[str] = deque()
        self._size = size
        self.number = 0  # of the last line given out
        self.record: list[str] = []
        self.position = 0  # characters read: near enough to bytes for a progress bar

    def __iter__(self) -> _Lines:
        return self

    def __next__(self) -> str:
        if len(self.record) >= _LONGEST_CELL_LINES:
            raise _Unclosed
        line = self._again.popleft() if self._again else next(self._stream)
        self.number += 1
        self.position = min(self._size, self.position + len(line))
        self.record.append(line)
        return line

    def give_back_all_but_first(self) -> None:
        """Read every line of the current record again, except its first one."""
        rest = self.record[1:]
        self._again.extendleft(reversed(rest))
        self.number -= len(rest)
        self.record = self.record[:1]


class _Unclosed(Exception):
    """A quoted cell runs over too many lines."""


def _records(lines: _Lines, delimiter: str) -> Iterator[Row]:
    """Records of a CSV file; a broken quote costs its own line only, the rest is read again."""
    csv.field_size_limit(_LONGEST_CELL)
    width = 0
    while True:
        lines.record = []
        reader = csv.reader(lines, delimiter=delimiter, strict=True)
        start = lines.number + 1
        try:
            cells = next(reader)
        except StopIteration:
            return
        except (csv.Error, _Unclosed) as error:
            lines.give_back_all_but_first()
            text = lines.record[0].rstrip("\r\n") if lines.record else ""
            yield Row(start, (text,), _quote_problem(error))
            continue
        if width and len(lines.record) > 1 and len(cells) != width:
            lines.give_back_all_but_first()
            text = lines.record[0].rstrip("\r\n")
            yield Row(start, (text,), "a quote is opened in this row and not closed in it")
            continue
        width = width or len(cells)
        yield Row(start, tuple(cells))


def _quote_problem(error: Exception) -> str:
    text = str(error)
    if isinstance(error, _Unclosed) or "end of data" in text:
        return "a quote is opened in this row and never closed"
    if "expected after" in text:
        return "there is text after a closing quote: write quotes inside a cell twice"
    return text


def _checked(row: Row, columns: Sequence[str]) -> Row:
    if row.problem:
        return row
    extra = row.cells[len(columns) :]
    if extra and not any(extra):
        row = Row(row.number, row.cells[: len(columns)])
    if len(row.cells) != len(columns):
        missing = len(columns) - len(row.cells)
        counted = f"it has {len(row.cells)} cells, the header has {len(columns)}"
        return Row(
            row.number,
            row.cells,
            f"{counted}: {abs(missing)} {'too few' if missing > 0 else 'too many'}",
        )
    broken = [c for c, cell in zip(columns, row.cells, strict=True) if BROKEN in cell]
    if broken:
        return Row(
            row.number,
            row.cells,
            f"broken characters (bytes that are no text) in {', '.join(broken)}",
        )
    return row


def _end_of(error: UnicodeError) -> int:
    if isinstance(error, UnicodeDecodeError):
        return error.end
    raise error


def _columns(cells: Sequence[str], path: Path) -> tuple[str, ...]:
    names = [" ".join(cell.replace("\ufeff", "").split()) for cell in cells]
    while len(names) > 1 and not names[-1]:
        names.pop()
    named = tuple(name or f"column {i}" for i, name in enumerate(names, start=1))
    twice = [name for name, n in Counter(named).items() if n > 1]
    if twice:
        shown = ", ".join(repr(name) for name in twice)
        raise TableError(f"{path}: more than one column is named {shown}. Rename one of them.")
    if any(BROKEN in name for name in named):
        raise TableError(f"{path}: the header holds broken characters. Save the file as CSV UTF-8.")
    return named


def _encoding(path: Path) -> tuple[str, bool]:
    """The file's encoding and whether it is a guess.

    It is "utf-8" also for mostly valid UTF-8, whose bad rows are named later.
    """
    with path.open("rb") as stream:
        sample = stream.read(_SAMPLE_BYTES)
    for bom, name in _BOMS:
        if sample.startswith(bom):
            return name, False
    if b"\0" in sample:
        return _wide_encoding(sample, path), False
    invalid, multibyte = _utf8_check(path)
    if invalid <= multibyte:
        return "utf-8", False
    guess = from_bytes(sample, cp_isolation=_CODE_PAGES).best()
    name = codecs.lookup(guess.encoding).name if guess else ""
    if multibyte and name not in _DOUBLE_BYTE:
        return "utf-8", False  # in one-byte text nothing looks like UTF-8 by chance
    if not name:
        raise TableError(f"{path} is not a text file in any known encoding. Save it as CSV UTF-8.")
    return ("cp1252" if name in {"ascii", "utf-8"} else name), True


def _wide_encoding(sample: bytes, path: Path) -> str:
    """UTF-16 without a byte order mark shows as a zero in every other byte."""
    even, odd = sample[::2].count(0), sample[1::2].count(0)
    if odd > len(sample) // 5 and even * 10 < odd:
        return "utf-16-le"
    if even > len(sample) // 5 and odd * 10 < even:
        return "utf-16-be"
    control = sum(byte < 32 and byte not in b"\t\n\r" for byte in sample)
    if control < 1 + len(sample) // 100:
        return "utf-8"  # stray NUL bytes in text: they are removed from the values
    raise TableError(f"{path} is not a text file: save the table as CSV or .xlsx and try again.")


def _utf8_check(path: Path) -> tuple[int, int]:
    """How many characters of the file are no valid UTF-8, and how many are valid beyond ASCII."""
    decoder = codecs.getincrementaldecoder("utf-8")(_MARKED)
    invalid = beyond = 0
    with path.open("rb") as stream:
        while chunk := stream.read(_CHUNK_BYTES):
            text = decoder.decode(chunk)
            if not text.isascii():
                bad = text.count(BROKEN)
                invalid += bad
                beyond += sum(c > "\x7f" for c in text) - bad
    return invalid + len(decoder.decode(b"", True)), beyond


def _delimiter(stream: TextIO, path: Path) -> tuple[str, bool]:
    """The delimiter, and whether the first line only announces it ("sep=;", as Excel writes)."""
    sample = stream.read(_SAMPLE_BYTES // 4)
    first = sample.partition("\n")[0]
    if first.lower().startswith("sep=") and len(first.strip()) == 5 and first[4] in DELIMITERS:
        return first[4], True
    complete = sample if len(sample) < _SAMPLE_BYTES // 4 else sample.rpartition("\n")[0] or sample
    best = max(DELIMITERS, key=lambda delimiter: _fit(complete, delimiter))
    return best, False


def _fit(sample: str, delimiter: str) -> tuple[float, int]:
    """How well a delimiter cuts the first rows into equally many cells, more than one each."""
    widths: list[int] = []
    try:
        for row in csv.reader(sample.splitlines(keepends=True), delimiter=delimiter):
            if row:
                widths.append(len(row))
            if len(widths) >= 50:
                break
    except csv.Error:
        return 0.0, 0
    if not widths or widths[0] < 2:
        return 0.0, 0
    return sum(width == widths[0] for width in widths) / len(widths), widths[0]
