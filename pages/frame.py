"""What every screen shares: links, the reader's clock and colours, bands, and standing notices."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime, tzinfo
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

import streamlit as st

from data import metrics
from data.store import Store
from pages import words
from pages.charts import BandLine
from pages.colours import BAND_BADGES, BadgeColour, Palette, palette
from scoring.rules import Band, default_rule_set, parse_rule_set
from scoring.scores import MILLI

Clock = Callable[[], datetime]
#: A worker that has been silent for longer than this is shown as stopped (also by /healthz).
WORKER_STALE_SECONDS = 60.0
CRM_LABELS = {"hubspot": "HubSpot", "salesforce": "Salesforce", "file": "File"}


@dataclass(frozen=True, slots=True)
class Links:
    """The screens one screen can lead to."""

    priority: st.Page
    lead: st.Page
    overview: st.Page


@dataclass(frozen=True, slots=True)
class Bands:
    """The bands of the rule set in force, best first, with their look."""

    rows: tuple[Band, ...]

    def label(self, key: str | None) -> str:
        """The band's name for people; the key itself for a band that no longer exists."""
        return next((band.label for band in self.rows if band.key == key), key or "No band")

    def position(self, key: str | None) -> int:
        """0 for the best band; -1 for a band that the rules no longer have."""
        return next((i for i, band in enumerate(self.rows) if band.key == key), -1)

    def badge(self, key: str | None) -> BadgeColour:
        """The theme colour of the band's badge."""
        position = self.position(key)
        return BAND_BADGES[position % len(BAND_BADGES)] if position >= 0 else "gray"

    def lines(self, colours: Palette) -> list[BandLine]:
        """Where each band begins, for the history chart."""
        return [
            BandLine(band.label, band.threshold / MILLI, colours.band(i))
            for i, band in enumerate(self.rows)
        ]


def bands(store: Store) -> Bands:
    """The bands of the active rule set, or of the default one before any is active."""
    active = store.active_rule_set()
    return _bands_of(active.document) if active else Bands(tuple(default_rule_set().bands))


@st.cache_data(max_entries=8, show_spinner=False)
def _bands_of(document: str) -> Bands:
    rules, _ = parse_rule_set(document)
    return Bands(tuple((rules or default_rule_set()).bands))


def colours() -> Palette:
    """The palette of the appearance the reader chose."""
    return palette(st.context.theme.type)


def zone() -> tzinfo:
    """The reader's time zone as their browser says it; UTC when it does not."""
    try:
        return ZoneInfo(st.context.timezone or "UTC")
    except (ZoneInfoNotFoundError, ValueError):
        return UTC


def crm_label(crms: str) -> str:
    """'hubspot+salesforce' as 'HubSpot + Salesforce'."""
    return " + ".join(CRM_LABELS.get(crm, crm.capitalize()) for crm in crms.split("+") if crm)


@st.fragment(run_every=10)
def notices(store: Store, now: Clock) -> None:
    """What the reader must know on every screen: stopped work, refused sign-in, first read."""
    moment = now()
    _worker_notice(metrics.worker_age_seconds(store, moment))
    for crm in metrics.connections(store, moment):
        if crm.state == "auth_failed":
            st.error(
                f"**{words.plain(crm.label)} refuses our sign-in.** {words.plain(crm.message)} "
                "Correct the credentials and start again; reading goes on where it stopped.",
                icon=":material/key_off:",
            )
        elif crm.backfilled_at is None:
            _first_read(crm)


def _worker_notice(age: float | None) -> None:
    if age is None:
        st.info(
            "**The worker has not reported yet.** It reads and scores leads in the background. "
            "If this stays, start it with `leadlight worker` or restart `make run`.",
            icon=":material/hourglass_top:",
        )
    elif age > WORKER_STALE_SECONDS:
        st.warning(
            f"**The worker stopped {words.duration(age)} ago.** What you see is from then: nothing "
            "is read, scored or written back. Start it with `leadlight worker` or restart "
            "`make run`; it goes on where it stopped.",
            icon=":material/heart_broken:",
        )


def _first_read(crm: metrics.ConnectionHealth) -> None:
    with st.container(border=True, gap="xsmall"):
        st.markdown(
            f":material/sync: **Reading {words.plain(crm.label)} for the first time.** "
            f"{words.many(crm.records, 'record')} so far; leads appear as they are scored."
        )
        running = [(name, part) for name, _, part in crm.streams if part is not None and part < 1]
        with st.grid("auto", min_column_width=200):
            for name, part in running:
                share = min(max(part, 0.0), 1.0)
                label = f"{words.plain(name.replace('_', ' '))} {words.percent(share * 100, 0)}"
                st.progress(share, text=label)
        done = sum(part is not None and part >= 1 for _, _, part in crm.streams)
        st.caption(f"{words.many(done, 'kind')} of record read completely so far.")


def empty(title: str, text: str, icon: str) -> None:
    """A calm place-holder that says what will appear here, and when."""
    with st.container(border=True, horizontal_alignment="center"):
        st.space("small")
        st.markdown(f"### :material/{icon}: {title}", text_alignment="center")
        st.caption(text, text_alignment="center")
        st.space("small")
