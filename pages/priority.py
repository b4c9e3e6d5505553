"""The priority list: who to call now, why, and what next."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Any

import pandas as pd
import streamlit as st
from pandas.io.formats.style import Styler

from data import metrics
from data.metrics import FilterChoices, PriorityFilter, PriorityPage, PriorityRow
from data.store import Store
from pages import frame, words
from pages.frame import Bands, Clock, Links
from scoring.countries import country_name

PER_PAGE = 25
SORTS = {"score": "Highest score", "newest": "Newest lead", "last_touch": "Latest touch"}
#: Address parameter -> what it filters; the same names in every shared link.
LISTS = ("band", "crm", "owner", "source", "country")
_SOON = timedelta(days=7)
NO_BREAK = "\u00a0"
_STATE = "list_"  # prefix of this screen's session state


def render(store: Store, now: Clock, links: Links) -> None:
    """Show the list, filtered as the address says; choosing a row opens the lead."""
    _open_chosen(links)
    st.session_state[_STATE + "newest"] = metrics.newest_score_at(store)
    choices = _choices(store, str(store.engine.url))
    bands = frame.bands(store)
    _restore(bands)
    left, right = st.columns([3, 2], vertical_alignment="bottom")
    with left:
        st.title("Priority list", anchor=False)
    with right:
        _freshness(store, now)
    if not choices.bands and not _filtered():
        _nothing_yet(store, now)
        return
    wanted = _filters(choices, bands)
    moment = now()
    page = _fetch(store, wanted, moment)
    if page.total == 0:
        frame.empty(
            "No lead fits these filters",
            "Take a filter away, or search for a part of a name, company or e-mail address.",
            "search_off",
        )
    else:
        _table(page, bands, moment)
    _publish()


@st.cache_data(ttl=5, max_entries=4, show_spinner=False)
def _choices(_store: Store, database: str) -> FilterChoices:
    """What the filters offer; counted at most every 5 seconds, whoever asks."""
    return metrics.filter_choices(_store)


def _nothing_yet(store: Store, now: Clock) -> None:
    """What an empty database will show, and when; looks again by itself."""
    connected = [crm.label for crm in metrics.connections(store, now())]
    if connected:
        text = (
            f"{words.plain(' and '.join(connected))} connected. Leads appear here about a minute "
            "after the first read starts, the best first, each with its score and reasons."
        )
    else:
        text = (
            "No CRM is connected yet. Once the worker reads one, every lead appears here with its "
            "score, its reasons and the next step, usually within a minute."
        )
    frame.empty("No scored leads yet", text, "hourglass_empty")
    _look_again(store)


@st.fragment(run_every=3)
def _look_again(store: Store) -> None:
    if any(metrics.band_counts(store).values()):
        st.rerun()


@st.fragment(run_every=15)
def _freshness(store: Store, now: Clock) -> None:
    """Says when something newer is there, and leaves the list alone until the reader asks."""
    newest = metrics.newest_score_at(store)
    shown: datetime | None = st.session_state.get(_STATE + "newest")
    with st.container(horizontal_alignment="right"):
        if newest and shown and newest > shown:
            if st.button("New scores: refresh", icon=":material/refresh:", type="tertiary"):
                st.rerun()
        elif newest:
            st.caption(f"Latest score {words.ago(newest, now())}", text_alignment="right")


# -- filters, kept in the address so that a view can be shared ------------------------------------


def _restore(bands: Bands) -> None:
    """Fill the filters from the address: on arrival, and when the reader goes back or forward."""
    state, address = st.session_state, st.query_params
    if _STATE + "search" in state and state.get(_STATE + "address") == _address():
        return
    known = {band.key for band in bands.rows}
    for name in LISTS:
        values = address.get_all(name)
        state[_STATE + name] = [v for v in values if v in known] if name == "band" else values
    state[_STATE + "search"] = address.get("search", "")
    state[_STATE + "uncertain"] = address.get("uncertain") == "yes"
    sort = address.get("sort", "score")
    state[_STATE + "sort"] = sort if sort in SORTS else "score"
    page = address.get("page", "1")
    _go_to_page(int(page) if page.isascii() and page.isdecimal() and len(page) < 7 else 1)


def _publish() -> None:
    """Put the filters into the address."""
    state = st.session_state
    wanted: dict[str, Any] = {name: list(state[_STATE + name] or []) for name in LISTS}
    wanted["search"] = state[_STATE + "search"]
    wanted["uncertain"] = "yes" if state[_STATE + "uncertain"] else ""
    wanted["sort"] = "" if state[_STATE + "sort"] == "score" else state[_STATE + "sort"]
    wanted["page"] = "" if _page_number() == 1 else str(_page_number())
    st.query_params.from_dict({key: value for key, value in wanted.items() if value})
    state[_STATE + "address"] = _address()


def _address() -> dict[str, list[str]]:
    return {name: st.query_params.get_all(name) for name in st.query_params}


def _go_to_page(number: int = 1) -> None:
    """Show another page: a fresh pager starts there, because a pager's page cannot be set."""
    state = st.session_state
    state[_STATE + "pager"] = state.get(_STATE + "pager", 0) + 1
    state[_STATE + "start"] = max(number, 1)


def _pager_key() -> str:
    return f"{_STATE}page_{st.session_state[_STATE + 'pager']}"


def _page_number() -> int:
    number: int = st.session_state.get(_pager_key(), st.session_state[_STATE + "start"])
    return number


def _filtered() -> bool:
    state = st.session_state
    return bool(
        state[_STATE + "search"]
        or state[_STATE + "uncertain"]
        or any(state[_STATE + name] for name in LISTS)
    )


def _filters(choices: FilterChoices, bands: Bands) -> PriorityFilter:
    """The strip of bands with their counts, the search, and the rarer filters behind a button."""
    counts = dict(choices.bands)
    keys = [band.key for band in bands.rows] + [
        key for key in counts if bands.position(key) < 0 and key
    ]
    st.pills(
        "Bands",
        keys,
        selection_mode="multi",
        key=_STATE + "band",
        format_func=lambda key: (
            f":{bands.badge(key)}[●] {words.plain(bands.label(key))} **{counts.get(key, 0):,}**"
        ),
        label_visibility="collapsed",
        on_change=_go_to_page,
    )
    search, more, sort = st.columns([5, 2, 2], vertical_alignment="bottom")
    with search:
        st.text_input(
            "Search",
            key=_STATE + "search",
            type="search",
            live="400ms",
            placeholder="Name, company or e-mail",
            label_visibility="collapsed",
            on_change=_go_to_page,
        )
    with more:
        _more_filters(choices)
    with sort:
        st.selectbox(
            "Order",
            list(SORTS),
            key=_STATE + "sort",
            format_func=SORTS.__getitem__,
            label_visibility="collapsed",
            on_change=_go_to_page,
        )
    state = st.session_state
    return PriorityFilter(
        bands=tuple(state[_STATE + "band"] or ()),
        crms=tuple(state[_STATE + "crm"]),
        owners=tuple(state[_STATE + "owner"]),
        sources=tuple(state[_STATE + "source"]),
        countries=tuple(state[_STATE + "country"]),
        search=state[_STATE + "search"] or "",
        uncertain_only=bool(state[_STATE + "uncertain"]),
        sort=state[_STATE + "sort"],
    )


def _more_filters(choices: FilterChoices) -> None:
    state = st.session_state
    used = sum(bool(state[_STATE + name]) for name in LISTS[1:]) + bool(state[_STATE + "uncertain"])
    label = "Filters" + (f" ({used})" if used else "")
    with st.popover(label, icon=":material/filter_list:", width="stretch"):
        rows: Sequence[tuple[str, str, dict[str, int]]] = (
            ("owner", "Owner", dict(choices.owners)),
            ("source", "Source", dict(choices.sources)),
            ("country", "Country", dict(choices.countries)),
            ("crm", "CRM", dict(choices.crms)),
        )
        for name, title, counts in rows:
            chosen = [value for value in state[_STATE + name] if value not in counts]
            st.multiselect(
                title,
                [*counts, *chosen],
                key=_STATE + name,
                format_func=_choice(name, counts),
                placeholder="Any",
                on_change=_go_to_page,
            )
        st.toggle(
            "Only leads whose band is uncertain",
            key=_STATE + "uncertain",
            help="Facts that are still unknown could move them into another band.",
            on_change=_go_to_page,
        )


def _choice(name: str, counts: dict[str, int]) -> Any:
    read = {"crm": frame.crm_label, "country": country_name}.get(name, str)

    def text(value: str) -> str:
        return f"{words.clean(read(value), 60) or '(none)'} · {counts.get(value, 0):,}"

    return text


# -- the table ------------------------------------------------------------------------------------


def _fetch(store: Store, wanted: PriorityFilter, now: datetime) -> PriorityPage:
    """The asked page, or the last one when the address asks for one beyond it."""
    number = _page_number()
    page = metrics.priority_page(store, wanted, page=number, per_page=PER_PAGE, now=now)
    last = max(1, -(-page.total // PER_PAGE))
    if number > last:
        _go_to_page(last)
        page = metrics.priority_page(store, wanted, page=last, per_page=PER_PAGE, now=now)
    return page


def _table(page: PriorityPage, bands: Bands, now: datetime) -> None:
    first = (_page_number() - 1) * PER_PAGE + 1
    st.session_state[_STATE + "ids"] = [row.lead_id for row in page.rows]
    st.dataframe(
        _cells(page.rows, bands, now),
        key=_STATE + "table",
        hide_index=True,
        height="content",
        row_height=60,
        placeholder="–",
        on_select=_choose,
        selection_mode="single-cell",
        column_config=_columns(),
        alt="Leads in order of priority",
    )
    with st.container(
        horizontal=True, horizontal_alignment="distribute", vertical_alignment="center"
    ):
        st.caption(
            f"{first:,}–{first + len(page.rows) - 1:,} of {words.many(page.total, 'lead')} · "
            "choose a row to see why"
        )
        if page.total > PER_PAGE:
            st.pagination(-(-page.total // PER_PAGE), default=_page_number(), key=_pager_key())


def _cells(rows: Sequence[PriorityRow], bands: Bands, now: datetime) -> Styler:
    table = pd.DataFrame(
        {
            "rank": [row.rank for row in rows],
            "score": [row.score for row in rows],
            "band": [_band_text(row, bands, now) for row in rows],
            "lead": [words.clean(row.name or row.email or "Unnamed lead", 46) for row in rows],
            "company": [words.clean(row.company, 60) or None for row in rows],
            "why": [_fitting(row.reasons, 96) for row in rows],
            "next": [words.clean(row.next_step, 64) or None for row in rows],
            "touch": [words.ago(row.last_touch_at, now, never="") or None for row in rows],
            "trend": [row.trend if len(row.trend) > 1 else list(row.trend) * 2 for row in rows],
            "human": [words.ago(row.last_human_at, now, never="") or None for row in rows],
            "owner": [words.clean(row.owner, 40) or None for row in rows],
        }
    )
    colours = frame.colours()
    paint = [f"color: {colours.band(bands.position(row.band))}" for row in rows]
    return table.style.apply(lambda column: paint, subset=["band"])


def _band_text(row: PriorityRow, bands: Bands, now: datetime) -> str:
    """The band, and below it what it waits for or comes to within the next days."""
    text = f"● {words.clean(bands.label(row.band), 24)}" + ("" if row.band_certain else " ?")
    below = ""
    if row.waits_for:
        below = f"… {words.clean(bands.label(row.waits_for[0]), 20)}"
    elif row.next_band_at is not None and row.next_band_at - now <= _SOON:
        label = words.clean(bands.label(row.next_band), 20) if row.next_band else "no score"
        rises = 0 <= bands.position(row.next_band) < bands.position(row.band)
        days = max(0, (row.next_band_at - now).days)
        below = f"{'↗' if rises else '↘'} {label} {f'{days} d' if days else '< 1 d'}"
    return f"{text} {below.replace(' ', NO_BREAK)}" if below else text


def _fitting(reasons: Sequence[str], limit: int) -> str | None:
    """As many of the best reasons as three lines hold, each one whole."""
    text = ""
    for reason in map(words.clean, reasons):
        longer = f"{text} · {reason}" if text else reason
        if text and len(longer) > limit:
            break
        text = longer
    return words.clean(text, limit + 12) or None


def _columns() -> dict[str, Any]:
    """Widths in pixels: those up to "Last touch" fit a window of 1,024, all fit one of 1,440."""
    config = st.column_config
    return {
        "rank": config.NumberColumn("#", width=40, format="%d", pinned=True),
        "score": config.ProgressColumn(
            "Score", width=98, format="%.1f", min_value=0, max_value=100, pinned=True
        ),
        "band": config.TextColumn(
            "Band",
            width=84,
            help="A question mark: facts still unknown could move the lead into another band. "
            "An arrow: where it goes within a week if nothing happens. "
            "Dots: a better band that its score is enough for, and that has no room yet.",
        ),
        "lead": config.TextColumn("Lead", width=120),
        "company": config.TextColumn("Company", width=108),
        "why": config.TextColumn("Why now", width=208),
        "next": config.TextColumn("Next step", width=138),
        "touch": config.TextColumn("Last touch", width=88, help="When they last did something."),
        "trend": config.LineChartColumn(
            "Trend", width=80, y_min=-6, y_max=106, help="Score per day, up to the last 12 days."
        ),
        "human": config.TextColumn(
            "Last talk",
            width=88,
            help="When a person of ours and they last spoke, met or answered.",
        ),
        "owner": config.TextColumn("Owner", width=100),
    }


def _choose() -> None:
    """Remember which lead the reader chose, by what was on the screen, not by what is newest."""
    chosen = st.session_state[_STATE + "table"].selection
    rows = [cell[0] for cell in chosen.cells]
    shown: list[int] = st.session_state.get(_STATE + "ids", [])
    if rows and rows[0] < len(shown):
        st.session_state[_STATE + "chosen"] = shown[rows[0]]


def _open_chosen(links: Links) -> None:
    lead_id = st.session_state.pop(_STATE + "chosen", None)
    if lead_id is not None:
        st.session_state["came_from"] = st.session_state.get(_STATE + "address", {})
        st.switch_page(links.lead, query_params={"lead": str(lead_id)})
