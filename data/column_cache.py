"""The file that keeps columns: mapped into memory, every byte checked before it is believed.

A line of magic, the header's length and checksum, the header (JSON), then sections, each at a
multiple of 64 bytes. Whatever is odd about a file makes it no file: columns are then read from the
database again.
"""

from __future__ import annotations

import fcntl
import json
import mmap
import os
import sys
import tempfile
import zlib
from collections.abc import Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from data.column_values import Mark, Snapshot, Strings, Written
from data.inputs import NUMBER, TEXT
from scoring.columns import Log
from scoring.engine import ENGINE_VERSION

#: Goes up when the same columns are written differently; older files are then read no more.
FORMAT = 1
MAGIC = b"Leadlight columns\n"

_ALIGN = 64
_PREFIX = len(MAGIC) + 8
_HEADER_LIMIT = 16_000_000
_THREADS = 2

Bytes = NDArray[np.uint8]


def cache_path(folder: Path) -> Path:
    """The file in a cache folder."""
    return folder / "columns.bin"


@contextmanager
def locked(folder: Path) -> Iterator[None]:
    """Be the only process or thread that reads or writes the file; waits for the others.

    Raises OSError when the folder cannot be written.
    """
    folder.mkdir(parents=True, exist_ok=True)
    with (folder / "columns.lock").open("a") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield


# -- writing -----------------------------------------------------------------------------------


def save(path: Path, snapshot: Snapshot) -> None:
    """Write the file beside itself, then put it in place; the caller holds the lock.

    Who has the older file mapped keeps it. Raises OSError when the disk is full or read-only.
    """
    sections = dict(_sections(snapshot))
    with ThreadPoolExecutor(_THREADS) as threads:  # checksums leave the interpreter to others
        sums = list(threads.map(zlib.crc32, sections.values()))
    table = [
        [name, len(content), total]
        for (name, content), total in zip(sections.items(), sums, strict=True)
    ]
    mark = [snapshot.mark.version, snapshot.mark.token]
    header = json.dumps({**_meaning(), "mark": mark, "sections": table}).encode()
    for left in path.parent.glob(f"{path.stem}-*.tmp"):  # of a process that died while writing
        left.unlink(missing_ok=True)
    handle, name = tempfile.mkstemp(".tmp", f"{path.stem}-", path.parent)
    try:
        with os.fdopen(handle, "wb") as file:
            checks = len(header).to_bytes(4, "little") + zlib.crc32(header).to_bytes(4, "little")
            file.write(MAGIC + checks + header)
            for content in sections.values():
                file.write(b"\0" * (-file.tell() % _ALIGN))
                file.write(content.data)
        Path(name).replace(path)  # no fsync: a torn file is found by its checksums
    except BaseException:
        Path(name).unlink(missing_ok=True)
        raise


def _meaning() -> dict[str, Any]:
    """What must be the same for a file to be of use; the engine's version is that of folding."""
    return {"format": FORMAT, "engine": ENGINE_VERSION, "order": sys.byteorder}


def _sections(snapshot: Snapshot) -> Iterator[tuple[str, Bytes]]:
    yield "ids", _bytes(snapshot.lead_ids)
    for name, fact in snapshot.written.items():
        yield f"codes:{name}", _bytes(fact.codes)
        yield from _strings(f"values:{name}", fact.values)
        if name[0] == TEXT:
            yield from _strings(f"folded:{name}", fact.folded)
    for name, values in snapshot.plain.items():
        yield f"plain:{name}", _bytes(values)
    log = snapshot.log
    yield "log:offsets", _bytes(log.offsets)
    yield "log:at", _bytes(log.at)
    yield "log:what", _bytes(log.what)
    whats = json.dumps([[kind, *detail.items()] for kind, detail in log.whats])
    yield "log:whats", np.frombuffer(whats.encode("ascii"), np.uint8)


def _bytes(array: NDArray[Any]) -> Bytes:
    return np.ascontiguousarray(array).view(np.uint8).reshape(-1)


def _strings(name: str, strings: Strings) -> Iterator[tuple[str, Bytes]]:
    whole = pa.concat_arrays([strings])  # from its first byte on
    offsets = np.zeros(1, np.int32)
    if len(whole):
        offsets = np.frombuffer(whole.buffers()[1], np.int32)[: len(whole) + 1]
    content = np.frombuffer(whole.buffers()[2] or b"", np.uint8)[: offsets[-1]]
    yield f"{name}:offsets", _bytes(offsets)
    yield f"{name}:bytes", content


# -- reading -----------------------------------------------------------------------------------


def read(path: Path) -> Snapshot | None:
    """The file's columns, mapped; None when there is no file or anything about it is odd."""
    try:
        with path.open("rb") as file:
            content = np.frombuffer(mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ), np.uint8)
        header, begin = _checked_header(content)
        return _snapshot(Mark(*header["mark"]), _checked_sections(content, header, begin))
    except (OSError, ValueError, KeyError, TypeError, IndexError):
        return None


def _checked_header(content: Bytes) -> tuple[dict[str, Any], int]:
    """The header and where it ends."""
    prefix = content[:_PREFIX].tobytes()
    length = int.from_bytes(prefix[-8:-4], "little")
    if prefix[: len(MAGIC)] != MAGIC or length > _HEADER_LIMIT:
        raise ValueError("no file of columns")
    text = content[_PREFIX : _PREFIX + length].tobytes()
    if zlib.crc32(text) != int.from_bytes(prefix[-4:], "little"):
        raise ValueError("the header is damaged")
    header = json.loads(text)
    meaning = _meaning()
    if {name: header[name] for name in meaning} != meaning:
        raise ValueError("of another version")
    return header, _PREFIX + length


def _checked_sections(content: Bytes, header: Mapping[str, Any], begin: int) -> dict[str, Bytes]:
    found: dict[str, Bytes] = {}
    for name, length, _ in header["sections"]:
        begin += -begin % _ALIGN
        found[name] = content[begin : begin + length]
        begin += length
    if begin != len(content):
        raise ValueError("cut off, or longer than it was written")
    with ThreadPoolExecutor(_THREADS) as threads:
        sums = list(threads.map(zlib.crc32, found.values()))
    if sums != [total for *_, total in header["sections"]]:
        raise ValueError("damaged")
    return found


def _snapshot(mark: Mark, sections: Mapping[str, Bytes]) -> Snapshot:
    written, plain = {}, {}
    for section, content in sections.items():
        kind, _, name = section.partition(":")
        if kind == "codes":
            values = _read_strings(sections, f"values:{name}")
            texts = _read_strings(sections, f"folded:{name}") if name[0] == TEXT else values
            written[name] = Written(content.view(np.int32), values, texts)
        elif kind == "plain":
            plain[name] = content.view(np.float64 if name[0] == NUMBER else np.int64)
    log = Log(
        sections["log:offsets"].view(np.int64),
        sections["log:at"].view(np.int64),
        sections["log:what"].view(np.int32),
        tuple(
            (kind, dict(detail)) for kind, *detail in json.loads(sections["log:whats"].tobytes())
        ),
    )
    return Snapshot(mark, sections["ids"].view(np.int64), written, plain, log)


def _read_strings(sections: Mapping[str, Bytes], name: str) -> Strings:
    offsets, content = sections[f"{name}:offsets"], sections[f"{name}:bytes"]
    strings = len(offsets) // offsets.view(np.int32).itemsize - 1
    return pa.StringArray.from_buffers(strings, pa.py_buffer(offsets), pa.py_buffer(content))
