"""Ports: free ones, taken ones, and those that are remembered."""

from __future__ import annotations

import socket
from collections.abc import Iterator
from pathlib import Path

import pytest

from app.ports import PortTaken, claim_port, free_port, sandbox_ports


@pytest.fixture
def taken() -> Iterator[int]:
    """A port that a program listens on."""
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        listener.listen()
        yield listener.getsockname()[1]


def test_a_taken_port_is_refused_with_what_to_do(taken: int) -> None:
    with pytest.raises(PortTaken, match=f"Port {taken} .*LEADLIGHT_PORT"):
        claim_port("127.0.0.1", taken)


def test_zero_means_any_free_port() -> None:
    assert claim_port("127.0.0.1", 0) > 0


def test_an_address_that_is_not_ours_counts_as_taken() -> None:
    assert free_port("192.0.2.1", 8501) is None


def test_the_sandbox_keeps_its_ports(tmp_path: Path) -> None:
    near = claim_port("127.0.0.1", 0)
    first = sandbox_ports(tmp_path, near)
    assert first[0] != first[1]
    assert sandbox_ports(tmp_path, 9000) == first


def test_a_port_of_the_sandbox_that_was_taken_meanwhile_is_replaced(
    tmp_path: Path, taken: int
) -> None:
    other = claim_port("127.0.0.1", 0)
    (tmp_path / "sandbox-ports.json").write_text(f"[{taken}, {other}]")
    first, second = sandbox_ports(tmp_path, 9000)
    assert first != taken
    assert second == other


@pytest.mark.parametrize("content", ["", "{}", "[1]", "nonsense", "[null, 2]"])
def test_a_damaged_memory_is_forgotten(tmp_path: Path, content: str) -> None:
    (tmp_path / "sandbox-ports.json").write_text(content)
    assert all(sandbox_ports(tmp_path, claim_port("127.0.0.1", 0)))
