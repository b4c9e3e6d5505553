"""Logging: one line per event on standard error; JSON when no person is watching."""

from __future__ import annotations

import logging
import sys

import structlog


def set_up_logging(*, level: int = logging.INFO) -> None:
    """Set up structlog for this process; libraries speak only from warnings up."""
    logging.basicConfig(level=logging.WARNING, format="%(levelname)s %(name)s %(message)s")
    watched = sys.stderr.isatty()
    renderer = (
        structlog.dev.ConsoleRenderer() if watched else structlog.processors.JSONRenderer()
    )
    structlog.configure(
        processors=[
            structlog.processors.add_log_level,
            structlog.processors.TimeStamper(fmt="iso", utc=True),
            *([] if watched else [structlog.processors.format_exc_info]),
            renderer,
        ],
        wrapper_class=structlog.make_filtering_bound_logger(level),
        logger_factory=structlog.PrintLoggerFactory(sys.stderr),
    )
