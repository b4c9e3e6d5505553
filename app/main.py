"""The Streamlit script: opens the store, lays out navigation, and runs the chosen screen.

It lives outside `pages/` on purpose: Streamlit would serve a `pages` folder beside its main script
without running this file first.
"""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

import streamlit as st

from app.dashboard import open_store
from pages import frame, lead, overview, priority

ICON = Path(priority.__file__).with_name("leadlight.svg")


def now() -> datetime:
    """The present, in UTC."""
    return datetime.now(UTC)


def main() -> None:
    """Run the screen that the address asks for; `/?lead=ID` opens the lead as well."""
    # The icon is a file: a Material icon here would be fetched from a foreign host.
    st.set_page_config(page_title="Leadlight", page_icon=str(ICON), layout="wide")
    st.logo(str(ICON.with_name("wordmark.svg")), size="large")
    store = open_store()
    state = store.check()
    if state != "ok":
        st.error(
            "**The database is not ready.** Run `leadlight doctor`: it says what is wrong and what "
            f"to do. ({state})",
            icon=":material/database_off:",
        )
        st.stop()

    def show_priority() -> None:
        priority.render(store, now, links)

    def show_lead() -> None:
        lead.render(store, now, links)

    def show_overview() -> None:
        overview.render(store, now, links)

    links = frame.Links(
        priority=st.Page(
            show_priority,
            title="Priority list",
            icon=":material/format_list_numbered:",
            url_path="priority",
            default=True,
            help="Every scored lead, the best first, with its reasons and the next step.",
        ),
        lead=st.Page(
            show_lead,
            title="Lead",
            icon=":material/person:",
            url_path="lead",
            visibility="hidden",
            help="One lead: every point of its score, its timeline, facts and CRM records.",
        ),
        overview=st.Page(
            show_overview,
            title="Overview",
            icon=":material/monitoring:",
            url_path="overview",
            help="Latency, coverage, conversion, enrichment, exceptions, jobs and connections.",
        ),
    )
    page = st.navigation({"": [links.priority, links.overview, links.lead]}, position="top")
    if page is links.priority and "lead" in st.query_params:
        st.switch_page(links.lead, query_params={"lead": st.query_params["lead"]})
    frame.notices(store, now)
    page.run()


main()
