"""How values become words on a screen, and how text from outside stays harmless text."""

from __future__ import annotations

import re
import unicodedata
from datetime import datetime, timedelta, tzinfo

#: Marks that change the direction of the text after them; a name must not be able to turn a screen.
_DIRECTION_MARKS = dict.fromkeys(
    map(ord, "\u061c\u200e\u200f\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069")
)
_MARKDOWN = re.compile(r"([\\`*_{}\[\]()#+\-.!|~<>$^=&])")
_WORD_JOINER = "\u2060"  # invisible; breaks the patterns that Markdown escapes cannot switch off
_MINUTE, _HOUR, _DAY = 60, 3_600, 86_400


def clean(text: object, limit: int = 500) -> str:
    """`text` on one line, without control characters or direction marks, cut at `limit` letters."""
    one_line = " ".join(str(text or "").translate(_DIRECTION_MARKS).split())
    visible = "".join(c for c in one_line if unicodedata.category(c) not in {"Cc", "Cs"})
    return visible if len(visible) <= limit else visible[: limit - 1].rstrip() + "…"


def plain(text: object, limit: int = 500) -> str:
    """`text` for a Markdown place (caption, label, badge), so that it reads exactly as written.

    Backslashes stop formatting; icon and emoji codes and bare links are recognised after escapes
    are resolved, so a word joiner goes between their first two signs.
    """
    broken = re.sub(r":(?=\S)", ":" + _WORD_JOINER, clean(text, limit))
    broken = re.sub(r"(?i)\bwww(?=\.)", lambda hit: hit[0] + _WORD_JOINER, broken)
    broken = re.sub(r"(?<=\S)@(?=\S)", _WORD_JOINER + "@" + _WORD_JOINER, broken)
    broken = re.sub(r"(^| )(<?[-=~]+>?|[<>]=|~=)(?= |$)", rf"\1{_WORD_JOINER}\2", broken)
    return _MARKDOWN.sub(r"\\\1", broken)


def figure_text(text: object, limit: int = 500) -> str:
    """`text` for a Plotly label, where `<b>` and `<a>` would otherwise be obeyed."""
    shown = clean(text, limit).replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")
    return shown.replace("%{", "%" + _WORD_JOINER + "{")


def count(number: int) -> str:
    """12345 as '12,345'."""
    return f"{number:,}"


def many(number: int, one: str, more: str = "") -> str:
    """A number with its noun: '1 lead', '12 leads'; `more` for an irregular plural."""
    return f"{number:,} {one if number == 1 else more or one + 's'}"


def percent(value: float | None, digits: int = 1) -> str:
    """A percentage already between 0 and 100; truncated, so 99.96 never reads as 100."""
    if value is None:
        return "–"
    scale = 10**digits
    shown = int(value * scale + 1e-9) / scale
    return f"{shown:.{digits}f}".removesuffix("." + "0" * digits) + " %"


def duration(seconds: float | None) -> str:
    """Seconds as people say them: '40 ms', '4.2 s', '5 s', '5 min', '2 h 5 min', '3 days'."""
    if seconds is None:
        return "–"
    if seconds < 1:
        return f"{max(int(seconds * 1000), 0)} ms"
    if seconds < 10:
        return f"{seconds:.1f}".removesuffix(".0") + " s"
    whole = int(seconds)
    if whole < 2 * _MINUTE:
        return f"{whole} s"
    if whole < _HOUR:
        return f"{whole // _MINUTE} min"
    if whole < _DAY:
        hours, minutes = divmod(whole // _MINUTE, 60)
        return f"{hours} h {minutes} min" if minutes and hours < 10 else f"{hours} h"
    return many(whole // _DAY, "day")


def ago(moment: datetime | None, now: datetime, *, never: str = "never") -> str:
    """How long before `now`: 'just now', '5 min ago', 'yesterday', '3 weeks ago'."""
    if moment is None:
        return never
    seconds = (now - moment).total_seconds()
    if seconds < 0:
        return "in " + duration(-seconds) if seconds < -_MINUTE else "just now"
    if seconds < _MINUTE:
        return "just now"
    if seconds < _DAY:
        large = int(seconds // _HOUR)
        return f"{large} h ago" if large else f"{int(seconds // _MINUTE)} min ago"
    days = int(seconds // _DAY)
    if days == 1:
        return "yesterday"
    if days < 21:
        return f"{days} days ago"
    return f"{days // 7} weeks ago" if days < 70 else f"{days // 30} months ago"


def stamp(moment: datetime | None, zone: tzinfo, *, seconds: bool = False) -> str:
    """An instant in the reader's time zone: '12 Nov 2026, 14:05'."""
    if moment is None:
        return "–"
    return f"{moment.astimezone(zone):%-d %b %Y, %H:%M{':%S' if seconds else ''}}"


def when(moment: datetime, zone: tzinfo, now: datetime) -> str:
    """An instant in a list: 'today 14:05', 'yesterday 09:30', '12 Nov 14:05', '3 Mar 2025'."""
    local, today = moment.astimezone(zone), now.astimezone(zone).date()
    if local.date() == today:
        return f"today {local:%H:%M}"
    if local.date() == today - timedelta(days=1):
        return f"yesterday {local:%H:%M}"
    return f"{local:%-d %b %H:%M}" if local.year == today.year else f"{local:%-d %b %Y}"


def points(value: float | None) -> str:
    """A score as people read it: '72.4', '12', or '–' for a lead that has none yet."""
    return "–" if value is None else f"{value:.1f}".removesuffix(".0")
