"""Logging: one line per event on standard error; JSON when no person is watching.

Nothing secret or personal: what looks like an e-mail address, a token or the password of an address
is masked in every line, whoever wrote it.
"""

from __future__ import annotations

import logging
import re
import sys
from collections.abc import MutableMapping
from typing import Any

import structlog

_MASKS = (
    (re.compile(r"[\w.+%-]+@[\w-]+(\.[\w-]+)+"), "<e-mail>"),
    (re.compile(r"(://[^\s/:@]*):[^\s/@]+@"), r"\1:<secret>@"),
    (re.compile(r"\b(pat-[a-z0-9]+-|00D\w{12,15}!|Bearer\s+)[\w.!-]+", re.I), "<secret>"),
    (
        re.compile(r"\b((?:\w+_)?(?:secret|token|password)[\"']?\s*[=:]\s*)[^\s&,]+", re.I),
        r"\1<secret>",
    ),
    # the values that a database driver and a validator put into their messages
    (re.compile(r"\[parameters: .*?\](?=\n|$)", re.S), "[parameters: <hidden>]"),
    (re.compile(r"input_value=.*?(?=, input_type=)", re.S), "input_value=<hidden>"),
)


def set_up_logging(*, calm: bool = False) -> None:
    """Log this process's events to standard error, other libraries' from warnings up.

    `calm`: warnings only, for a person who watches several processes at once.
    """
    watched = sys.stderr.isatty()
    shared: list[Any] = [
        structlog.processors.add_log_level,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
        structlog.processors.format_exc_info,
        mask,
    ]
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(
        structlog.stdlib.ProcessorFormatter(
            foreign_pre_chain=shared,
            processors=[
                structlog.stdlib.ProcessorFormatter.remove_processors_meta,
                structlog.dev.ConsoleRenderer()
                if watched
                else structlog.processors.JSONRenderer(ensure_ascii=False),
            ],
        )
    )
    logging.basicConfig(handlers=[handler], level=logging.WARNING, force=True)
    logging.getLogger("leadlight").setLevel(logging.WARNING if calm else logging.INFO)
    # A failing job is ours to tell, once; the scheduler would repeat it with each run.
    logging.getLogger("apscheduler").setLevel(logging.CRITICAL)
    # Our screens are imported before Streamlit's runtime is there, which it would warn about.
    logging.getLogger("streamlit.runtime.caching.cache_data_api").addFilter(_not_about_runtime)
    structlog.configure(
        processors=[
            structlog.stdlib.filter_by_level,
            *shared,
            structlog.stdlib.ProcessorFormatter.wrap_for_formatter,
        ],
        logger_factory=_logger,
        wrapper_class=structlog.stdlib.BoundLogger,
        cache_logger_on_first_use=False,
    )


def _not_about_runtime(record: logging.LogRecord) -> bool:
    return not str(record.msg).startswith("No runtime found")


def _logger(*arguments: Any) -> logging.Logger:
    name = str(arguments[0]) if arguments else "app"
    return logging.getLogger(f"leadlight.{name}")


def mask(_logger: Any, _method: str, event: MutableMapping[str, Any]) -> MutableMapping[str, Any]:
    """Mask what is secret or personal in every text of an event, traces included."""
    return {
        name: masked(value) if isinstance(value, str) else value for name, value in event.items()
    }


def masked(text: str) -> str:
    """`text` without e-mail addresses, tokens and passwords."""
    for pattern, instead in _MASKS:
        text = pattern.sub(instead, text)
    return text
