"""What every field goes through first: control characters and placeholders out, lengths in hand."""

from __future__ import annotations

import re
import unicodedata
from dataclasses import dataclass

from scoring.leads import FieldValue

#: Most characters kept per kind of field (`scoring.leads.PERSON_FIELDS` names the kinds). Kinds in
#: CUT_KINDS are cut at the limit and say so; for the others a longer text cannot be a real value.
LIMITS: dict[str, int] = {
    "email": 254,  # RFC 5321: the longest address that mail servers carry
    "phone": 80,
    "name": 120,
    "company": 200,
    "domain": 2_000,  # web addresses carry long query texts
    "country": 120,
    "title": 200,
    "text": 500,
    "long_text": 10_000,
    "count": 80,
    "money": 80,
    "flag": 80,
}
CUT_KINDS = frozenset({"name", "company", "title", "text", "long_text"})
#: Most characters of an unusable value that `CrmRecord.raw` keeps.
RAW_LIMIT = 2_000
_SHOWN = 80

#: Texts that mean "nobody filled this in", compared after casefolding and without outer brackets.
PLACEHOLDERS = frozenset(
    {
        *(
            "select",
            "please select",
            "select one",
            "select...",
            "choose",
            "please choose",
        ),
        *(
            "n/a",
            "n.a.",
            "n.a",
            "na",
            "#n/a",
            "nan",
            "null",
            "nil",
            "none",
            "undefined",
            "nothing",
        ),
        *(
            "unknown",
            "not provided",
            "not specified",
            "not available",
            "not applicable",
            "no value",
        ),
        *(
            "tbd",
            "tba",
            "tbc",
            "to be determined",
            "no data",
            "keine angabe",
            "k.a.",
            "unbekannt",
        ),
        *(
            "bitte auswählen",
            "inconnu",
            "non renseigné",
            "desconocido",
            "sconosciuto",
            "onbekend",
        ),
    }
)
#: "Null", "None", "Na" and "Select" are real family names somewhere, so names lose fewer texts.
NAME_PLACEHOLDERS = frozenset(
    {
        "n/a",
        "n.a.",
        "#n/a",
        "unknown",
        "not provided",
        "undefined",
        "keine angabe",
        "unbekannt",
    }
)

_BREAKS = re.compile(r"[^\S\n]+")
_BRACKETS = "[](){}<>-–—_*.?!#/\\ \t\n"


class Unusable(ValueError):
    """A value that cannot be read; the message says what is wrong with it, for a person."""


@dataclass(frozen=True, slots=True)
class Reading:
    """A usable value, and what a person should still know about it ("" = nothing)."""

    value: FieldValue
    note: str = ""
    kind: str = "bad_value"  # kind of the problem that `note` becomes


def clean(text: str) -> str:
    """`text` without control, unpaired or zero-width characters, and with single blanks."""
    if not text.isprintable():
        text = text.replace("\r\n", "\n").replace("\r", "\n")
        text = "".join(_readable(character) for character in text)
    return _BREAKS.sub(" ", text).strip()


def one_line(text: str) -> str:
    """`clean` text with line breaks turned into blanks."""
    return " ".join(clean(text).split())


def is_placeholder(text: str, *, name: bool = False) -> bool:
    """Whether a cleaned text only says that nobody filled the field in; `name` for name fields."""
    if not text:
        return True
    folded = text.casefold()
    bare = folded.strip(_BRACKETS)
    known = NAME_PLACEHOLDERS if name else PLACEHOLDERS
    return not bare or folded in known or bare in known


def shorten(text: str, limit: int = _SHOWN) -> str:
    """`text` in one line of at most `limit` characters, the cut shown as an ellipsis."""
    flat = one_line(text[: limit * 4])
    if len(flat) <= limit and len(text) <= limit * 4:
        return flat
    return flat[: limit - 1].rstrip() + "…"


def fold(text: str) -> str:
    """`text` for comparing: case, accents and width gone ("Müller" = "muller")."""
    decomposed = unicodedata.normalize("NFKD", text.casefold())
    return "".join(c for c in decomposed if not unicodedata.combining(c))


def letters_key(text: str) -> str:
    """Only the letters and digits of the folded text: how names and companies are compared."""
    return "".join(c for c in fold(text) if c.isalnum())


def _readable(character: str) -> str:
    if character in "\n\t":
        return character
    category = unicodedata.category(character)
    if category in {"Cc", "Cs", "Co", "Cn"} or character in "\u200b\u200e\u200f\u2060\ufeff":
        return ""
    return " " if category in {"Zs", "Zl", "Zp"} else character
