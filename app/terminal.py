"""What commands share: settings or a sentence, errors as sentences, times as they are typed."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime
from typing import NoReturn

import typer
from sqlalchemy.exc import SQLAlchemyError

from app.log import masked
from app.settings import Settings, SettingsError, load_settings
from scoring.times import parse_time


def read_settings() -> Settings:
    """The settings in force; the command ends with a sentence when one cannot be used."""
    try:
        return load_settings()
    except SettingsError as error:
        fail(f"A setting cannot be used:\n{error}", code=2)


def read_time(text: str) -> datetime | None:
    """A time given on the command line; None for no text."""
    try:
        return parse_time(text) if text else None
    except ValueError as error:
        raise typer.BadParameter(str(error)) from None


@contextmanager
def in_sentences(settings: Settings | None) -> Iterator[None]:
    """Turn what can go wrong with files and the database into sentences."""
    try:
        yield
    except SQLAlchemyError as error:
        reason = masked(str(getattr(error, "orig", None) or error)).strip().splitlines()
        fail(
            f"The database cannot be used: {reason[0] if reason else type(error).__name__}.\n"
            "Check LEADLIGHT_DATABASE_URL and that the database runs; `leadlight doctor` says more."
        )
    except ValueError as error:
        fail(masked(str(error)))
    except OSError as error:
        where = f" ({error.filename})" if error.filename else ""
        home = f" LEADLIGHT_HOME is {settings.home}." if settings else ""
        fail(f"{error.strerror or error}{where}.{home}")


def fail(message: str, *, code: int = 1) -> NoReturn:
    """End the command with a message and an exit code."""
    typer.echo(message, err=True)
    raise typer.Exit(code)
