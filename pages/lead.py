"""One lead: the score and every point of it, what happened, what is known, and where it lives."""

from __future__ import annotations

from datetime import datetime
from typing import Any

import pandas as pd
import streamlit as st

from data import metrics
from data.metrics import LeadDetail
from data.store import Store
from pages import charts, frame, words
from pages.frame import Bands, Clock, Links
from scoring.countries import country_name
from scoring.explain import outlook_text, waiting_text
from scoring.facts import FACTS
from scoring.operators import age_us
from scoring.problems import PROBLEM_KINDS
from scoring.scores import DIMENSIONS, points_text

EVENT_ICONS = {
    "engagement": "touch_app",
    "score": "speed",
    "arrival": "person_add",
    "enrichment": "auto_awesome",
    "outcome": "flag",
    "exception": "report",
    "write": "upload",
}
MODES = {
    "rules": "every fact the rules ask for is known",
    "fallback": "facts are missing: unknown ones count with their neutral value",
    "model": "scored by the predictive model",
}
#: Where a fact is from, besides the CRMs.
SOURCES = {
    "derived": "worked out",
    "text:lexicon": "what they wrote",
    "enrichment:embedded": "packaged data",
}
_TIMELINE_STEP = 40


def render(store: Store, now: Clock, links: Links) -> None:
    """Show the lead that the address names (`?lead=ID`)."""
    _back(links)
    asked = st.query_params.get("lead", "")
    detail = metrics.lead_detail(store, int(asked), now()) if _is_id(asked) else None
    if detail is None:
        _not_found(asked)
        return
    if detail.merged_into_id is not None:
        st.info("This lead was merged into another one.", icon=":material/merge:")
        st.page_link(
            links.lead,
            label="Open the lead it became",
            query_params={"lead": str(detail.merged_into_id)},
        )
    bands = frame.bands(store)
    _header(detail, bands, now())
    if detail.deleted:
        st.warning("This lead was deleted in the CRM. It is no longer scored.")
    left, right = st.columns([7, 4], gap="medium")
    with left:
        _why(detail, bands)
    with right:
        _next_step(detail)
        _open_exceptions(detail, now())
        _person(detail, now())
        _records(detail, now())
        _history(detail, bands, now())
    timeline, facts = st.tabs(["Timeline", f"What we know ({len(detail.facts)})"])
    with timeline:
        _timeline(detail, now())
    with facts:
        _facts(detail)


def _is_id(text: str) -> bool:
    return text.isascii() and text.isdecimal() and len(text) < 16


def _back(links: Links) -> None:
    st.page_link(
        links.priority,
        label="Priority list",
        icon=":material/arrow_back:",
        query_params=st.session_state.get("came_from") or None,
    )


def _not_found(asked: str) -> None:
    if asked:
        frame.empty(
            f"There is no lead {words.plain(asked, 40)}",
            "It may have been removed in the CRM, or the address is incomplete. "
            "Go back to the list and search for the name.",
            "person_off",
        )
    else:
        frame.empty(
            "Which lead?", "Choose a row of the priority list to see its score.", "person_search"
        )


# -- who, and the number --------------------------------------------------------------------------


def _header(detail: LeadDetail, bands: Bands, now: datetime) -> None:
    with st.container(horizontal=True, vertical_alignment="center", gap="medium"):
        st.title(
            words.plain(detail.name or detail.email or "Unnamed lead", 120),
            anchor=False,
            width="content",
        )
        _badges(detail, bands)
    subtitle = " · ".join(
        words.plain(part, 120) for part in (detail.job_title, detail.company) if part
    )
    if subtitle:
        st.markdown(subtitle)
    if detail.score is None:
        _unscored(detail, bands, now)
        return
    with st.grid(4, min_column_width=190):
        st.metric(
            "Score",
            words.points(detail.score),
            delta=_week(detail),
            delta_description="in 7 days" if detail.change_7d is not None else None,
            border=True,
            height="stretch",
            help=MODES.get(detail.scoring_mode or ""),
        )
        for dimension in DIMENSIONS:
            st.metric(
                charts.DIMENSION_LABELS[dimension],
                points_text(_dimension(detail, dimension)),
                border=True,
                height="stretch",
                help=_DIMENSION_HELP[dimension],
            )
    st.caption("  \n".join([_about_score(detail, bands, now), *_to_come(detail, bands, now)]))


_DIMENSION_HELP = {
    "fit": "Who they are: role, company, place.",
    "engagement": "What they do: visits, opens, forms, talks. Fades with time.",
    "intent": "What they say they want: need, timeline, budget, source.",
}


def _dimension(detail: LeadDetail, dimension: str) -> int:
    return sum(item.points for item in detail.contributions if item.dimension == dimension)


def _week(detail: LeadDetail) -> float | None:
    if detail.change_7d is None:
        return None
    return round(detail.change_7d, 1) or 0  # the number 0 is shown without an arrow


def _badges(detail: LeadDetail, bands: Bands) -> None:
    if detail.score is not None:
        st.badge(words.plain(bands.label(detail.band)), color=bands.badge(detail.band))
        if not detail.band_certain:
            st.badge("band uncertain", color="gray", icon=":material/question_mark:")
    if detail.suppressed:
        st.badge("not scored", color="gray", icon=":material/block:")
    if detail.disqualified:
        st.badge("capped", color="gray", icon=":material/vertical_align_top:")


def _about_score(detail: LeadDetail, bands: Bands, now: datetime) -> str:
    parts = [f"Scored {words.ago(detail.scored_at, now)}"]
    if detail.low is not None and detail.high is not None and detail.high > detail.low:
        parts.append(
            f"could be {words.points(detail.low)} to {words.points(detail.high)} "
            "once everything is known"
        )
    if detail.band_entered_at:
        label = words.plain(bands.label(detail.band))
        parts.append(f"{label} since {words.stamp(detail.band_entered_at, frame.zone())}")
    if detail.disqualified:
        parts.append(f"capped: {words.plain(detail.disqualified)}")
    return " · ".join(parts)


def _to_come(detail: LeadDetail, bands: Bands, now: datetime) -> list[str]:
    """What becomes of the lead if nothing happens, and what it waits for."""
    lines = []
    if detail.waits_for:
        labels = [words.plain(bands.label(key)) for key in detail.waits_for]
        lines.append(f":material/hourglass_top: {waiting_text(labels)}")
    if detail.next_band_at is not None:
        better = not detail.band or bands.position(detail.next_band) < bands.position(detail.band)
        after_us = max(0, age_us(now, detail.next_band_at))
        label = words.plain(bands.label(detail.next_band)) if detail.next_band else ""
        icon = "trending_up" if better and label else "trending_down"
        lines.append(f":material/{icon}: {outlook_text(label, after_us, better=better)}")
    return lines


def _unscored(detail: LeadDetail, bands: Bands, now: datetime) -> None:
    if detail.suppressed:
        st.info(
            f"This lead is not scored: {words.plain(detail.suppressed)}.", icon=":material/block:"
        )
        for line in _to_come(detail, bands, now):
            st.caption(line)
    elif detail.exceptions:
        st.warning(
            "This lead has no score yet; the open question on the right says why.",
            icon=":material/report:",
        )
    else:
        st.info(
            "This lead has no score yet. It is scored within seconds of being read.",
            icon=":material/hourglass_top:",
        )


# -- why ------------------------------------------------------------------------------------------


def _why(detail: LeadDetail, bands: Bands) -> None:
    if detail.score is None or detail.score_value is None:
        return
    colours = frame.colours()
    with st.container(border=True):
        st.subheader("Why this score", anchor=False)
        if sum(item.points for item in detail.contributions) != detail.score_value:
            st.error(
                f"The stored reasons of lead {detail.id} do not add up to its score. This is a "
                "defect of Leadlight: please report it. The next scoring run replaces both.",
                icon=":material/bug_report:",
            )
            return
        st.caption(
            f"Every point, from 0 to {words.points(detail.score)}. "
            "Teal raises, magenta lowers; hatched grey counts an unknown fact with its neutral "
            "value, plain grey is a limit of the rules."
        )
        st.plotly_chart(
            charts.contribution_chart(
                detail.contributions,
                detail.score_value,
                colours,
                band_colour=colours.band(bands.position(detail.band)),
                low=detail.score_low,
                high=detail.score_high,
            ),
            config=charts.CONFIG,
            theme=None,
            key="contributions",
            alt=f"Contributions that add up to the score of {words.points(detail.score)}",
        )


def _history(detail: LeadDetail, bands: Bands, now: datetime) -> None:
    if not detail.history or detail.score is None:
        return
    points = [*detail.history, (now, detail.score)]  # the last score still holds
    colours = frame.colours()
    zone = frame.zone()
    with st.container(border=True):
        st.subheader("Score over time", anchor=False)
        st.plotly_chart(
            charts.history_chart(
                [(at.astimezone(zone), value) for at, value in points],
                bands.lines(colours),
                colours,
            ),
            config=charts.CONFIG,
            theme=None,
            key="history",
            alt="Score over time against the bands",
        )


# -- the right-hand side --------------------------------------------------------------------------


def _next_step(detail: LeadDetail) -> None:
    if not detail.next_step:
        return
    with st.container(border=True):
        st.subheader("Next step", anchor=False)
        st.markdown(words.plain(detail.next_step, 300))
        for reason in detail.reasons[:3]:
            st.caption(f":material/arrow_right: {words.plain(reason, 200)}")


def _open_exceptions(detail: LeadDetail, now: datetime) -> None:
    for item in detail.exceptions:
        label, advice = PROBLEM_KINDS.get(item.kind, (item.kind, ""))
        with st.container(border=True, gap="xsmall"):
            st.markdown(f":material/report: **{words.plain(label)}**")
            st.markdown(words.plain(item.message, 400))
            st.caption(
                f"{advice} Open for {words.duration((now - item.created_at).total_seconds())}."
            )


def _person(detail: LeadDetail, now: datetime) -> None:
    rows = {
        "E-mail": detail.email,
        "Phone": detail.phone,
        "Country": country_name(detail.country) if detail.country else "",
        "Owner": detail.owner,
        "Source": detail.source,
    }
    known = {label: words.plain(value, 120) for label, value in rows.items() if value}
    known["Created"] = words.ago(detail.created_at, now)
    known["Last touch"] = words.ago(detail.last_touch_at, now)
    known["Last talk"] = words.ago(detail.last_human_at, now)
    with st.container(border=True):
        st.subheader("Person", anchor=False)
        st.table(known, border="horizontal", alt="Contact details")


def _records(detail: LeadDetail, now: datetime) -> None:
    with st.container(border=True):
        st.subheader("In the CRM", anchor=False)
        if len(detail.records) > 1:
            st.caption(f"{len(detail.records)} records of one person, one score in all of them.")
        for record in detail.records:
            with st.container(
                horizontal=True, horizontal_alignment="distribute", vertical_alignment="center"
            ):
                with st.container(gap=None, width="content"):
                    st.markdown(f"**{frame.crm_label(record.crm)}** {words.plain(record.kind, 40)}")
                    st.caption(_written(record, detail, now))
                if _is_web(record.url):
                    st.link_button("Open", record.url, icon=":material/open_in_new:")


def _written(record: Any, detail: LeadDetail, now: datetime) -> str:
    if record.deleted:
        return "deleted there"
    if record.converted:
        return "converted: the contact carries the score"
    if record.written_at is None or record.written_value is None:
        return "score not written yet" if detail.score is not None else "no score to write"
    return f"shows {points_text(record.written_value)} since {words.ago(record.written_at, now)}"


def _is_web(url: str) -> bool:
    """Only web addresses become links: a CRM field must not smuggle in `javascript:`."""
    return url.startswith(("https://", "http://"))


# -- below ----------------------------------------------------------------------------------------


def _timeline(detail: LeadDetail, now: datetime) -> None:
    if not detail.timeline:
        st.caption("Nothing has happened yet.")
        return
    key = f"timeline_rows_{detail.id}"
    many = st.session_state.get(key, _TIMELINE_STEP)
    zone = frame.zone()
    events = detail.timeline[:many]
    table = pd.DataFrame(
        {
            "When": [words.when(event.at, zone, now) for event in events],
            "What": [
                f":material/{EVENT_ICONS[event.kind]}: {words.plain(event.title, 200)}"
                for event in events
            ],
            "Detail": [words.plain(event.detail, 240) for event in events],
        }
    ).set_index("When")
    st.table(table, border="horizontal", alt="What happened, newest first")
    if len(detail.timeline) > many and st.button("Show more", icon=":material/expand_more:"):
        st.session_state[key] = many + 2 * _TIMELINE_STEP
        st.rerun()


def _facts(detail: LeadDetail) -> None:
    if not detail.facts:
        st.caption(
            "No facts yet. They come from the CRM, from enrichment and from what they write."
        )
        return
    rows = [
        {
            "fact": _fact_label(fact.name),
            "value": words.clean(_value(fact.name, fact.value), 200) or None,
            "source": words.clean(_source(fact.source), 60),
            "at": fact.at,
        }
        for fact in detail.facts
    ]
    table = pd.DataFrame(rows)
    table["at"] = pd.to_datetime(table["at"], utc=True)
    st.dataframe(
        table,
        hide_index=True,
        height="content",
        placeholder="–",
        key="facts",
        column_config={
            "fact": st.column_config.TextColumn("Fact", width=180),
            "value": st.column_config.TextColumn("Value", width=360),
            "source": st.column_config.TextColumn("From", width=160),
            "at": st.column_config.DatetimeColumn("Known since", format="distance", width=140),
        },
        alt="Facts with their source and age",
    )


def _fact_label(name: str) -> str:
    return FACTS[name].label if name in FACTS else name.replace("_", " ")


def _source(source: str) -> str:
    return SOURCES.get(source) or frame.crm_label(source)


def _value(name: str, value: object) -> str:
    if name == "country":
        return country_name(str(value))
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, tuple | list):
        return ", ".join(map(str, value))
    if isinstance(value, float):
        return f"{value:,.1f}".removesuffix(".0")
    return f"{value:,}" if isinstance(value, int) else str(value)
