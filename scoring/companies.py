"""Company names: shown as written, compared without legal forms ("Acme GmbH & Co. KG" = "ACME")."""

from __future__ import annotations

from functools import lru_cache

from cleanco import basename

from scoring.cleaning import letters_key, one_line


def tidy_company(text: str) -> str:
    """The company's name in one line, otherwise as somebody wrote it."""
    return one_line(text).strip(" ,;\"'")


@lru_cache(maxsize=20_000)
def company_key(name: str) -> str:
    """The name without legal form, case, accents and punctuation; "" only for an empty name."""
    return letters_key(basename(name)) or letters_key(name)
