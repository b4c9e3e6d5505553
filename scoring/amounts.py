"""Counts, money and yes/no answers, as people, exports and APIs write them."""

from __future__ import annotations

import math
import re

from scoring.cleaning import LIMITS, Unusable, fold, one_line

_TRUE = frozenset(
    {
        "true",
        "yes",
        "y",
        "1",
        "1.0",
        "t",
        "on",
        "x",
        "ja",
        "j",
        "oui",
        "si",
        "wahr",
        "vrai",
        "verdadero",
    }
)
_FALSE = frozenset(
    {
        "false",
        "no",
        "n",
        "0",
        "0.0",
        "f",
        "off",
        "nein",
        "non",
        "nee",
        "falsch",
        "faux",
        "falso",
    }
)
#: A larger number is taken for a slip.
LARGEST = 1e15
_RANGE = re.compile(
    r"\s*(?P<low>.*?\d[^\s]*?(?:\s*[a-z]+)?)\s*(?:-|–|—|\bto\b|\bbis\b)\s*[^\d-]{0,8}\d.*",
    re.IGNORECASE,
)
_NUMBER = re.compile(r"(?P<digits>\d[\d.,'’ ]*)(?P<exponent>e[+-]?\d{1,3})?", re.IGNORECASE)
_SCALES = {
    **dict.fromkeys(("k", "thousand", "tsd", "mil"), 1e3),
    **dict.fromkeys(("m", "mm", "mn", "mio", "million", "millions", "millionen", "millones"), 1e6),
    **dict.fromkeys(("b", "bn", "mrd", "billion", "billions", "milliarden", "milliard"), 1e9),
    **dict.fromkeys(("t", "tn", "trillion"), 1e12),
}
_WORD = re.compile(r"[a-z]+")
#: Words that may stand around a count without changing it.
_UNITS = frozenset(
    {
        "employees",
        "employee",
        "people",
        "persons",
        "staff",
        "mitarbeiter",
        "mitarbeitende",
        "employes",
        "empleados",
        "dipendenti",
        "medewerkers",
        "visits",
        "views",
        "about",
        "approx",
        "ca",
        "circa",
        "over",
        "more",
        "than",
        "plus",
        "and",
        "up",
        "fte",
        "ftes",
    }
)
_CURRENCIES = frozenset(
    {
        "usd",
        "eur",
        "gbp",
        "chf",
        "cad",
        "aud",
        "nzd",
        "jpy",
        "cny",
        "inr",
        "brl",
        "mxn",
        "sek",
        "nok",
        "dkk",
        "pln",
        "czk",
        "huf",
        "zar",
        "sgd",
        "hkd",
        "aed",
        "sar",
        "us",
        "dollar",
        "dollars",
        "euro",
        "euros",
        "pounds",
        "per",
        "year",
        "pa",
        "annual",
        "approx",
        "about",
        "ca",
        "over",
        "more",
        "than",
    }
)


def read_count(text: str) -> int:
    """A whole number of things: "1,200", "1.200", "6.0", "10,000+", "1.5k"; "11-50" counts as 11.

    Three digits after one point are thousands ("1.200" = 1200). Raises Unusable.
    """
    number = _read(text, _UNITS, "a number", grouped=True)
    if number < 0:
        raise Unusable("a count cannot be negative")
    return int(number)


def read_money(text: str) -> float:
    """An amount in whatever currency the CRM keeps: "$1,200,000", "1.5M", "€ 1.200,50", "2 Mio".

    A range counts as its lower end, "1.200" as 1200. Raises Unusable.
    """
    return _read(text, _CURRENCIES, "an amount of money", grouped=True)


def read_number(text: str) -> float:
    """A plain number with point or comma for decimals; raises Unusable."""
    return _read(text, frozenset(), "a number", grouped=False)


def read_flag(text: str) -> bool:
    """Yes or no, in the languages exports come in; raises Unusable."""
    word = fold(one_line(text[: LIMITS["flag"] + 1]))
    if word in _TRUE:
        return True
    if word in _FALSE:
        return False
    raise Unusable("it is neither yes nor no")


def _read(text: str, words: frozenset[str], what: str, *, grouped: bool) -> float:
    if len(text) > LIMITS["count"]:
        raise Unusable(f"it is {len(text):,} characters long, no number is")
    flat = fold(one_line(text)).replace("−", "-")
    if lower := _RANGE.fullmatch(flat):
        flat = lower["low"]
    found = list(_NUMBER.finditer(flat))
    if len(found) != 1:
        raise Unusable(f"it is not {what}")
    before, after = flat[: found[0].start()], flat[found[0].end() :]
    scale = 1.0
    for word in _WORD.findall(before) + _WORD.findall(after):
        if word in _SCALES and word in _WORD.findall(after):
            scale *= _SCALES[word]
        elif word not in words:
            raise Unusable(f"it is not {what}")
    digits = _decimal(found[0]["digits"], grouped=grouped and scale == 1.0)
    value = float(digits + (found[0]["exponent"] or "")) * scale
    negative = before.rstrip(" $€£¥").endswith("-") or (
        before.lstrip().startswith("(") and after.rstrip().endswith(")")
    )
    if not math.isfinite(value) or abs(value) > LARGEST:
        raise Unusable("it is too large to be true")
    return -value if negative else value


def _decimal(digits: str, *, grouped: bool) -> str:
    """Digits with one point for decimals, from any of the usual ways to group thousands."""
    plain = re.sub(r"[\s'’]", "", digits).rstrip(".,")
    comma, point = plain.rfind(","), plain.rfind(".")
    if comma >= 0 and point >= 0:
        decimal = "," if comma > point else "."
        other = "." if decimal == "," else ","
        if plain.count(decimal) > 1:
            raise Unusable("its points and commas cannot be told apart")
        return plain.replace(other, "").replace(decimal, ".")
    for mark in ",.":
        if mark not in plain:
            continue
        parts = plain.split(mark)
        threes = all(len(part) == 3 for part in parts[1:]) and 0 < len(parts[0]) <= 3
        if len(parts) > 2 and not threes:
            raise Unusable("its points and commas cannot be told apart")
        if len(parts) > 2 or (threes and parts[0] != "0" and (grouped or mark == ",")):
            return "".join(parts)
        return ".".join(parts)
    return plain
