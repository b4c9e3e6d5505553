"""Log lines: one a event, for machines when nobody watches, with nothing secret or personal."""

from __future__ import annotations

import json
import logging
from collections.abc import Iterator

import pytest
import structlog

from app.log import masked, set_up_logging


@pytest.fixture(autouse=True)
def _log_as_before() -> Iterator[None]:
    root = logging.getLogger()
    handlers, level = root.handlers[:], root.level
    yield
    root.handlers[:] = handlers
    root.setLevel(level)
    structlog.reset_defaults()


def lines(captured: pytest.CaptureFixture[str]) -> list[dict[str, str]]:
    return [json.loads(line) for line in captured.readouterr().err.splitlines()]


def test_an_event_is_one_json_line(capsys: pytest.CaptureFixture[str]) -> None:
    set_up_logging()
    structlog.get_logger("test").info("worker started", jobs=3)
    (line,) = lines(capsys)
    assert (line["event"], line["jobs"], line["level"]) == ("worker started", 3, "info")
    assert line["timestamp"].endswith("Z")


def test_other_libraries_speak_from_warnings_up(capsys: pytest.CaptureFixture[str]) -> None:
    set_up_logging()
    logging.getLogger("someone").info("chatter")
    logging.getLogger("someone").warning("trouble with %s", "jane.doe@example.com")
    (line,) = lines(capsys)
    assert line["event"] == "trouble with <e-mail>"


def test_calm_means_warnings_only(capsys: pytest.CaptureFixture[str]) -> None:
    set_up_logging(calm=True)
    log = structlog.get_logger("test")
    log.info("worker started")
    log.error("job failing")
    assert [line["event"] for line in lines(capsys)] == ["job failing"]


def test_a_trace_is_masked_and_stays_on_its_line(capsys: pytest.CaptureFixture[str]) -> None:
    set_up_logging()
    try:
        raise ValueError("cannot reach postgresql://me:hunter2@db/leads for jane@example.com")
    except ValueError:
        structlog.get_logger("test").exception("broken", job="poll")
    (line,) = lines(capsys)
    assert "ValueError" in line["exception"]
    assert "hunter2" not in line["exception"]
    assert "jane" not in line["exception"]


@pytest.mark.parametrize(
    "text",
    [
        "write to hush@example.co.uk now",
        "<hush.me+x@sub.example.com>",
        "postgresql://me:hush@db/leads",
        "Authorization: Bearer hush.abc-123",
        "pat-na1-hush0000-0000",
        "00D5g000001hushAB!AQ8hush.x_y",
        '{"access_token": "hush"}',
        "client_secret=hush&grant_type=x",
        "INSERT …\n[parameters: ('hush', 1)]\n(Background)",
        "email\n  Input is bad [type=x, input_value='hush', input_type=str]",
    ],
)
def test_what_is_secret_or_personal_is_masked(text: str) -> None:
    assert "hush" not in masked(text)


@pytest.mark.parametrize(
    "text", ["poll:hubspot:contacts", "12:30 @ noon", "https://api.hubapi.com/crm/v3", "3 leads"]
)
def test_other_text_stays_as_it_is(text: str) -> None:
    assert masked(text) == text
