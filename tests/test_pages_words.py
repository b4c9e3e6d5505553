"""Values become words that are true, and text from outside stays text."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pages import words

NOW = datetime(2026, 11, 23, 12, 0, tzinfo=UTC)


@pytest.mark.parametrize(
    ("seconds", "shown"),
    [
        (None, "–"),
        (0.0, "0 ms"),
        (0.42, "420 ms"),
        (4.26, "4.3 s"),
        (5.0, "5 s"),
        (42.9, "42 s"),
        (119, "119 s"),
        (120, "2 min"),
        (7_500, "2 h 5 min"),
        (40_000, "11 h"),
        (200_000, "2 days"),
    ],
)
def test_a_duration_reads_as_people_say_it(seconds: float | None, shown: str) -> None:
    assert words.duration(seconds) == shown


@pytest.mark.parametrize(
    ("before", "shown"),
    [
        (timedelta(seconds=20), "just now"),
        (timedelta(minutes=5), "5 min ago"),
        (timedelta(hours=5), "5 h ago"),
        (timedelta(days=1, hours=2), "yesterday"),
        (timedelta(days=9), "9 days ago"),
        (timedelta(days=30), "4 weeks ago"),
        (timedelta(days=100), "3 months ago"),
        (-timedelta(minutes=5), "in 5 min"),
        (-timedelta(seconds=2), "just now"),
    ],
)
def test_an_age_is_told_in_words(before: timedelta, shown: str) -> None:
    assert words.ago(NOW - before, NOW) == shown


def test_something_that_never_happened_says_so() -> None:
    assert words.ago(None, NOW) == "never"


@pytest.mark.parametrize(
    ("value", "shown"), [(None, "–"), (99.96, "99.9 %"), (100.0, "100 %"), (12.0, "12 %")]
)
def test_a_percentage_never_rounds_up_to_a_hundred(value: float | None, shown: str) -> None:
    assert words.percent(value) == shown


def test_days_are_named_in_the_readers_time_zone() -> None:
    late = datetime(2026, 11, 22, 23, 30, tzinfo=UTC)
    assert words.when(late, UTC, NOW) == "yesterday 23:30"
    assert words.when(late, ZoneInfo("Europe/Berlin"), NOW) == "today 00:30"
    assert words.when(late - timedelta(days=30), UTC, NOW) == "23 Oct 23:30"
    assert words.when(late - timedelta(days=400), UTC, NOW) == "18 Oct 2025"


def test_direction_marks_and_control_characters_are_taken_out() -> None:
    assert words.clean("\u202egnp.exe\x00\x1b[31m\n two") == "gnp.exe[31m two"


def test_letters_of_right_to_left_scripts_stay() -> None:
    assert words.clean("محمد بن عبد الله") == "محمد بن عبد الله"


def test_a_very_long_name_is_cut_with_an_ellipsis() -> None:
    assert words.clean("x" * 40_000, 20) == "x" * 19 + "…"


@given(st.text(max_size=200))
def test_plain_text_holds_every_letter_and_no_bare_markdown(text: str) -> None:
    shown = words.plain(text)
    bare = shown.replace("\u2060", "")
    unescaped = "".join(
        char for place, char in enumerate(bare) if not (char == "\\" and _escapes(bare, place))
    )
    assert unescaped == words.clean(text).replace("\u2060", "")


def _escapes(text: str, place: int) -> bool:
    """Whether the backslash at `place` escapes what follows (an odd one in its run)."""
    run = 0
    while place - run >= 0 and text[place - run] == "\\":
        run += 1
    return run % 2 == 1 and place + 1 < len(text)


@pytest.mark.parametrize("code", [":material/home:", ":smile:", ":red[x]", "http://x.example"])
def test_icon_codes_and_links_are_broken_apart(code: str) -> None:
    assert code not in words.plain(code).replace("\\", "")


def test_figure_text_cannot_hold_a_tag() -> None:
    assert words.figure_text('<a href="x">& y') == '&lt;a href="x"&gt;&amp; y'
