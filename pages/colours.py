"""Our colours for light and dark, each pair chosen to stay apart for colour-blind readers.

Bands go vermilion, amber, blue, grey (Okabe and Ito's order of hues, darkened to text contrast);
what raises a score is teal, what lowers it magenta. Every colour is doubled by words on screen.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

BadgeColour = Literal["red", "orange", "blue", "gray", "violet", "green"]
#: The theme's names of the band colours, best band first; a seventh band starts again.
BAND_BADGES: tuple[BadgeColour, ...] = ("red", "orange", "blue", "gray", "violet", "green")


@dataclass(frozen=True, slots=True)
class Palette:
    """Every colour a figure uses, in one appearance."""

    text: str
    muted: str
    line: str
    surface: str
    bands: tuple[str, ...]  # same order as BAND_BADGES
    up: str
    down: str
    neutral: str
    series: tuple[str, ...]  # one hue, strong to weak: p99, p95, p50

    def band(self, position: int) -> str:
        """The colour of the band at `position`, best band = 0; below 0 = no band."""
        return self.bands[position % len(self.bands)] if position >= 0 else self.neutral


LIGHT = Palette(
    text="#17211F",
    muted="#5B6B68",
    line="#DDE3E1",
    surface="#FFFFFF",
    bands=("#C2410C", "#B7800D", "#2563C9", "#6B7A78", "#7A4FBF", "#2E8540"),
    up="#0F7C74",
    down="#B0306F",
    neutral="#9AA7A4",
    series=("#0B4F6C", "#2A86AE", "#8CC3DC"),
)
DARK = Palette(
    text="#E4ECEA",
    muted="#9DB0AC",
    line="#2B3937",
    surface="#101817",
    bands=("#FF8A5B", "#E9B949", "#6EA8FE", "#9AACA8", "#B79CF2", "#6CC58A"),
    up="#3CC4B7",
    down="#F07FB4",
    neutral="#6E807C",
    series=("#A6DDF2", "#4FA9CF", "#2B6C8A"),
)


def palette(appearance: str | None) -> Palette:
    """The palette for `st.context.theme.type`; light when the browser has not said yet."""
    return DARK if appearance == "dark" else LIGHT


def theme_options() -> dict[str, str | int | float | bool | list[str] | list[int]]:
    """The whole look as Streamlit options, for both appearances: no CSS, no fonts from outside."""
    options: dict[str, str | int | float | bool | list[str] | list[int]] = {
        "theme.baseRadius": "8px",
        "theme.buttonRadius": "8px",
        "theme.baseFontSize": 14,
        "theme.headingFontSizes": ["1.75rem", "1.25rem", "1.05rem", "1rem", "0.9rem", "0.85rem"],
        "theme.headingFontWeights": [650, 600, 600, 600, 600, 600],
        "theme.metricValueFontSize": "1.7rem",
        "theme.linkUnderline": False,
        "theme.paddingTop": "1rem",
        "theme.paddingBottom": "3rem",
    }
    surfaces = {
        "light": ("#0F766E", "#FFFFFF", "#F3F6F5", "#0B6B63"),
        "dark": ("#169A90", "#101817", "#1A2523", "#5FD6CA"),
    }
    for name, colours in (("light", LIGHT), ("dark", DARK)):
        primary, background, secondary, link = surfaces[name]
        options |= {
            f"theme.{name}.primaryColor": primary,
            f"theme.{name}.backgroundColor": background,
            f"theme.{name}.secondaryBackgroundColor": secondary,
            f"theme.{name}.textColor": colours.text,
            f"theme.{name}.linkColor": link,
            f"theme.{name}.borderColor": colours.line,
            f"theme.{name}.dataframeBorderColor": colours.line,
            f"theme.{name}.dataframeHeaderBackgroundColor": secondary,
            f"theme.{name}.codeBackgroundColor": secondary,
            f"theme.{name}.codeTextColor": colours.text,
            f"theme.{name}.chartCategoricalColors": list(colours.bands),
        }
        for badge, colour in zip(BAND_BADGES, colours.bands, strict=True):
            options[f"theme.{name}.{badge}Color"] = colour
            options[f"theme.{name}.{badge}TextColor"] = colour
    return options
