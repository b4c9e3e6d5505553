"""Names of people: shouted and whispered ones get their capitals back, others stay as written."""

from __future__ import annotations

from nameparser import HumanName

from scoring.cleaning import letters_key, one_line


def tidy_name(text: str, *, last: bool = False) -> str:
    """One name part in one line; ALL CAPS and all lower case are capitalised ("O'NEILL", "anna").

    Mixed case is what somebody chose, and scripts without case stay as they are. `last` for family
    names, whose particles ("van", "de la") stay small.
    """
    flat = one_line(text).strip(" ,;\"'")
    if not _needs_capitals(flat):
        return flat
    part = HumanName(last=flat) if last else HumanName(first=flat)
    part.capitalize(force=True)
    fixed = part.last if last else part.first
    return fixed if letters_key(fixed) == letters_key(flat) else flat.title()


def split_name(text: str) -> tuple[str, str]:
    """First and last name of a full name ("Smith, Dr. John" → John, Smith); "" where unknown."""
    flat = one_line(text)
    parsed = HumanName(flat)
    first, last = parsed.first, parsed.last
    if not first and not last:
        return "", tidy_name(flat, last=True)
    if not last:
        return tidy_name(first), ""
    return tidy_name(first), tidy_name(last, last=True)


def name_key(first: str, last: str) -> str:
    """First and last name for comparing, "" unless both are known."""
    first_key, last_key = letters_key(first), letters_key(last)
    return f"{first_key} {last_key}" if first_key and last_key else ""


def _needs_capitals(text: str) -> bool:
    letters = [c for c in text if c.isalpha()]
    cased = [c for c in letters if c.lower() != c.upper()]
    if not cased:
        return False
    if len(letters) <= 2 and text.isupper():
        return False  # initials: "JR", "J."
    return all(c.isupper() for c in cased) or all(c.islower() for c in cased)
