"""Every screen over an empty, a starting, a small and a rich database: true numbers, no errors."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from dashboard_data import HOSTILE_NAMES, fill_first_read, fill_rich, fill_small
from sqlalchemy import update
from streamlit.testing.v1 import AppTest

from data import metrics
from data.database import writing
from data.lists import PriorityFilter
from data.store import Store
from data.tables import ConnectionRow, Lead, Worker, table
from scoring.scores import points_text

Fill = Callable[[Store, datetime], None]


def nothing(store: Store, now: datetime) -> None:
    """An empty database."""


FILLS: dict[str, Fill] = {
    "empty": nothing,
    "first read": fill_first_read,
    "small": fill_small,
    "rich": fill_rich,
}


@pytest.fixture(scope="module")
def templates(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """One database file per filling, made once."""
    folder = tmp_path_factory.mktemp("databases")
    made = {}
    for name, fill in FILLS.items():
        made[name] = folder / f"{name.replace(' ', '_')}.db"
        store = Store.open(f"sqlite:///{made[name]}", migrate=True)
        fill(store, datetime.now(UTC))
        store.close()
    return made


@pytest.fixture
def filled(tmp_path: Path, templates: dict[str, Path]) -> Iterator[Callable[[str], Store]]:
    """Opens an own copy of the database that is filled as asked."""
    opened: list[Store] = []

    def fill(name: str) -> Store:
        copy = shutil.copy(templates[name], tmp_path / "leadlight.db")
        opened.append(Store.open(f"sqlite:///{copy}"))
        return opened[-1]

    yield fill
    for store in opened:
        store.close()


def _script(url: str, screen: str) -> None:
    """The frame of `app/main.py` around one screen, without the address deciding which."""
    from datetime import UTC, datetime

    import streamlit as st

    from data.store import Store
    from pages import frame, lead, overview, priority

    if "store" not in st.session_state:
        st.session_state["store"] = Store.open(url)
    store = st.session_state["store"]

    def now() -> datetime:
        return datetime.now(UTC)

    def page(name: str, default: bool = False) -> st.Page:
        return st.Page(lambda: None, title=name, url_path=name, default=default)

    links = frame.Links(page("priority", default=True), page("lead"), page("overview"))
    st.navigation([links.priority, links.lead, links.overview], position="hidden")
    frame.notices(store, now)
    {"priority": priority, "lead": lead, "overview": overview}[screen].render(store, now, links)


def show(store: Store, screen: str, **address: str) -> AppTest:
    """The screen after one run."""
    app = AppTest.from_function(
        _script, args=(store.engine.url.render_as_string(False), screen), default_timeout=30
    )
    for name, value in address.items():
        app.query_params[name] = value
    app.context = {"timezone": "Europe/Berlin", "theme": "dark"}
    return app.run()


def text_of(app: AppTest) -> str:
    """All words on the screen."""
    parts = [*app.title, *app.subheader, *app.markdown, *app.caption, *app.warning, *app.error]
    return "\n".join(str(part.value) for part in [*parts, *app.info])


@pytest.mark.parametrize("screen", ["priority", "lead", "overview"])
@pytest.mark.parametrize("name", FILLS)
def test_a_screen_shows_without_an_exception(
    filled: Callable[[str], Store], name: str, screen: str
) -> None:
    app = show(filled(name), screen, **({"lead": "1"} if screen == "lead" else {}))
    assert not app.exception
    assert text_of(app)


def test_an_empty_list_says_what_will_appear(filled: Callable[[str], Store]) -> None:
    app = show(filled("empty"), "priority")
    assert "No scored leads yet" in text_of(app)
    assert "has not reported yet" in text_of(app)


def test_the_first_read_shows_its_progress(filled: Callable[[str], Store]) -> None:
    app = show(filled("first read"), "priority")
    assert "Reading HubSpot for the first time" in text_of(app)
    assert [bar.value for bar in app.progress] == [42]
    assert "1 kind of record read" in text_of(app)


def test_the_list_shows_the_best_lead_first_with_its_band(filled: Callable[[str], Store]) -> None:
    rows = show(filled("small"), "priority").dataframe[0].value
    assert list(rows["lead"]) == ["Anna Rossi", "Björn Tanaka"]
    assert list(rows["score"]) == [84.3, 51.2]
    assert list(rows["band"]) == ["● Hot", "● Warm ?"]


def come(store: Store, lead_id: int, **values: Any) -> None:
    """Let something lie ahead of a lead."""
    with writing(store.engine) as connection:
        lead = table(Lead)
        connection.execute(update(lead).where(lead.c.id == lead_id).values(**values))


def test_the_list_shows_where_a_lead_goes_within_a_week(filled: Callable[[str], Store]) -> None:
    store, now = filled("small"), datetime.now(UTC)
    come(store, 1, next_band="warm", next_band_at=now + timedelta(days=3, hours=1))
    come(store, 2, waits_for=" hot ", next_band="nurture", next_band_at=now + timedelta(days=2))
    bands = show(store, "priority").dataframe[0].value["band"]
    assert [text.replace("\u00a0", " ") for text in bands] == ["● Hot ↘ Warm 3 d", "● Warm ? … Hot"]
    come(store, 1, next_band="warm", next_band_at=now + timedelta(days=9))
    assert show(store, "priority").dataframe[0].value["band"][0] == "● Hot"


def test_the_lead_says_what_comes_if_nothing_happens(filled: Callable[[str], Store]) -> None:
    store, now = filled("small"), datetime.now(UTC)
    come(store, 2, waits_for=" hot ", next_band="nurture", next_band_at=now + timedelta(days=9.1))
    shown = text_of(show(store, "lead", lead="2"))
    assert "Waits for Hot: the score is enough" in shown
    assert "Cools to Nurture in 9 days if nothing happens" in shown
    come(store, 2, waits_for="", next_band="hot", next_band_at=now - timedelta(seconds=9))
    shown = text_of(show(store, "lead", lead="2"))
    assert "Warms to Hot within the hour if nothing happens" in shown
    assert "Waits" not in shown


def test_every_band_is_named_with_its_count(filled: Callable[[str], Store]) -> None:
    store = filled("rich")
    options = " ".join(show(store, "priority").pills[0].options)
    for count in metrics.band_counts(store).values():
        assert f"**{count:,}**" in options


def test_a_filtered_address_narrows_the_list(filled: Callable[[str], Store]) -> None:
    store = filled("rich")
    app = show(store, "priority", band="warm", search="acme")
    wanted = metrics.priority_page(
        store,
        PriorityFilter(bands=("warm",), search="acme"),
        page=1,
        per_page=25,
        now=datetime.now(UTC),
    )
    assert 0 < wanted.total < 400
    assert f"of {wanted.total} leads" in text_of(app)
    assert set(app.dataframe[0].value["company"]) == {"Acme Robotics"}


def test_a_search_puts_itself_into_the_address(filled: Callable[[str], Store]) -> None:
    app = show(filled("rich"), "priority", band="hot")
    app.text_input[0].set_value("Rossi").run()
    assert app.query_params.get("search") in ("Rossi", ["Rossi"])
    assert app.query_params.get("band") in ("hot", ["hot"])


def test_a_page_beyond_the_last_shows_the_last(filled: Callable[[str], Store]) -> None:
    app = show(filled("rich"), "priority", page="99999")
    assert not app.exception
    assert "376–400 of 400" in text_of(app)


@pytest.mark.parametrize(
    "address",
    [{"band": "nonsense"}, {"page": "-1"}, {"page": "٣"}, {"sort": "x"}, {"owner": "Nobody"}],
)
def test_a_nonsense_address_is_no_error(
    filled: Callable[[str], Store], address: dict[str, str]
) -> None:
    assert not show(filled("small"), "priority", **address).exception


@pytest.mark.parametrize("asked", ["", "0", "99999", "-1", "abc", "1e3", "9" * 30, "<b>"])
def test_an_unknown_lead_is_explained(filled: Callable[[str], Store], asked: str) -> None:
    app = show(filled("small"), "lead", lead=asked)
    assert not app.exception
    assert not app.metric
    assert "There is no lead" in text_of(app) or "Which lead?" in text_of(app)


def test_the_lead_shows_its_score_and_dimensions_that_add_up(
    filled: Callable[[str], Store],
) -> None:
    store = filled("small")
    app = show(store, "lead", lead="1")
    detail = metrics.lead_detail(store, 1, datetime.now(UTC))
    assert detail is not None
    values = {metric.label: metric.value for metric in app.metric}
    assert values["Score"] == "84.3"
    sums = [
        points_text(sum(c.points for c in detail.contributions if c.dimension == name))
        for name in ("fit", "engagement", "intent")
    ]
    assert [values["Fit"], values["Engagement"], values["Intent"]] == sums
    assert sum(c.points for c in detail.contributions) == detail.score_value


def test_a_lead_without_a_score_says_why(filled: Callable[[str], Store]) -> None:
    shown = text_of(show(filled("small"), "lead", lead="3"))
    assert "no score yet" in shown
    assert "Nobody to recognise" in shown


def test_contributions_that_do_not_add_up_are_named_a_defect(
    filled: Callable[[str], Store],
) -> None:
    store = filled("small")
    with writing(store.engine) as connection:
        connection.execute(update(table(Lead)).values(score_value=Lead.score_value + 1))
    app = show(store, "lead", lead="1")
    assert not app.exception
    assert "do not add up" in text_of(app)


@pytest.mark.parametrize("lead_id", range(1, len(HOSTILE_NAMES) + 1))
def test_a_hostile_name_is_escaped_in_the_title(
    filled: Callable[[str], Store], lead_id: int
) -> None:
    title = show(filled("rich"), "lead", lead=str(lead_id)).title[0].value
    assert "](" not in title.replace("\\]\\(", "")
    assert "<script" not in title.replace("\\<", "")
    assert ":smile:" not in title
    assert "\u202e" not in title
    assert len(title) < 400


def test_a_stopped_worker_is_announced_with_what_to_do(filled: Callable[[str], Store]) -> None:
    store = filled("small")
    old = datetime.now(UTC) - timedelta(minutes=7)
    with writing(store.engine) as connection:
        connection.execute(update(table(Worker)).values(beat_at=old))
    warning = show(store, "overview").warning[0].value
    assert "stopped 7 min ago" in warning
    assert "`leadlight worker`" in warning


def test_a_refused_sign_in_is_announced_without_markup(filled: Callable[[str], Store]) -> None:
    store = filled("small")
    with writing(store.engine) as connection:
        connection.execute(
            update(table(ConnectionRow))
            .where(table(ConnectionRow).c.crm == "hubspot")
            .values(state="auth_failed", message="Refused: [click](http://evil.example)")
        )
    error = show(store, "priority").error[0].value
    assert "HubSpot refuses our sign-in" in error
    assert "](http" not in error


def test_the_overview_shows_the_five_measures(filled: Callable[[str], Store]) -> None:
    store = filled("rich")
    app = show(store, "overview")
    now = datetime.now(UTC)
    values = {metric.label: (metric.value, metric.delta) for metric in app.metric}
    assert list(values) == [
        "Score latency, p99",
        "Coverage",
        "Conversion, best band",
        "Enrichment success",
        "Open exceptions",
    ]
    assert values["Coverage"] == ("100 %", "400 leads")
    assert values["Open exceptions"][0] == "15"
    live = metrics.latency(store, since=now - timedelta(days=7), now=now, bucket="day")
    assert values["Score latency, p99"][1] == f"{live.overall['created→written'].n} live leads"


def test_the_overview_shows_what_is_wrong_with_a_job(filled: Callable[[str], Store]) -> None:
    jobs = show(filled("rich"), "overview").table[-1].value
    states = dict(zip(jobs.index, jobs["State"], strict=True))
    assert "failing for 9 min" in states["Read Salesforce"]
    assert "late" in states["Write scores"]
    assert "not run yet" in states["Enrich leads"]


def test_an_empty_overview_promises_nothing_it_has_not_measured(
    filled: Callable[[str], Store],
) -> None:
    values = {m.label: m.value for m in show(filled("empty"), "overview").metric}
    assert values["Score latency, p99"] == values["Coverage"] == values["Enrichment success"] == "–"
