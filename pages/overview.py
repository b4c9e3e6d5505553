"""The whole at a glance: five measures of the loop, the jobs behind it, and the connections."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta

import pandas as pd
import streamlit as st

from data import metrics
from data.store import Store
from pages import charts, frame, words
from pages.colours import BadgeColour
from pages.frame import Clock, Links
from scoring.problems import PROBLEM_KINDS

PERIODS = {"day": ("24 hours", 1), "week": ("7 days", 7), "month": ("30 days", 30)}
#: What we promise from a lead's creation in the CRM to its score being readable there.
LATENCY_TARGET_SECONDS = 60.0
STAGES = {
    "created→written": "Created → score in the CRM",
    "created→seen": "Created → read",
    "seen→scored": "Read → scored",
    "scored→written": "Scored → written",
}
JOB_STATES = {
    "ok": ("on time", "check_circle"),
    "late": ("late", "schedule"),
    "failing": ("failing", "error"),
    "never": ("not run yet", "hourglass_empty"),
}


CONNECTION_STATES: dict[str, tuple[str, str, BadgeColour]] = {
    "new": ("not checked yet", "hourglass_empty", "gray"),
    "ready": ("connected", "check_circle", "green"),
    "waiting": ("waiting", "schedule", "gray"),
    "degraded": ("limited", "warning", "orange"),
    "auth_failed": ("sign-in refused", "key_off", "red"),
}


def render(store: Store, now: Clock, links: Links) -> None:
    """Show the measures for the period in the address (`?period=day|week|month`)."""
    head, choice = st.columns([3, 2], vertical_alignment="bottom")
    with head:
        st.title("Overview", anchor=False)
    with choice, st.container(horizontal_alignment="right"):
        asked = st.query_params.get("period", "week")
        period = st.segmented_control(
            "Period",
            list(PERIODS),
            default=asked if asked in PERIODS else "week",
            required=True,
            format_func=lambda key: PERIODS[key][0],
            label_visibility="collapsed",
            key="period",
        )
    st.query_params["period"] = period
    _live(store, now, period)


@st.fragment(run_every=15)
def _live(store: Store, now: Clock, period: str) -> None:
    moment = now()
    since = moment - timedelta(days=PERIODS[period][1])
    bucket = "hour" if period == "day" else "day"
    latency = metrics.latency(store, since=since, now=moment, bucket=bucket)
    coverage = metrics.coverage(store, moment)
    conversion = metrics.conversion_by_band(
        store, moment, bands=[band.key for band in frame.bands(store).rows]
    )
    enrichment = metrics.enrichment(store, since=since, now=moment)
    exceptions = metrics.exceptions(store, since=since, now=moment)
    _measures(latency, coverage, conversion, enrichment, exceptions)
    left, right = st.columns(2)
    with left:
        _latency(latency, PERIODS[period][0], (since, moment))
    with right:
        _conversion(store, conversion)
    left, right = st.columns(2)
    with left:
        _enrichment(enrichment, (since, moment))
    with right:
        _exceptions(exceptions, PERIODS[period][0], (since, moment))
    _connections(store, moment)
    _jobs(store, moment)
    st.caption(
        f"As of {words.stamp(moment, frame.zone(), seconds=True)}; refreshed every 15 seconds."
    )


def _measures(
    latency: metrics.Latency,
    coverage: metrics.Coverage,
    conversion: metrics.Conversion,
    enrichment: metrics.Enrichment,
    exceptions: metrics.ExceptionVolume,
) -> None:
    """The five numbers of the product, each with what it is counted over."""
    whole = latency.overall.get("created→written")
    cards = (
        (
            "Score latency, p99",
            words.duration(whole.p99) if whole and whole.n else "–",
            f"{words.many(whole.n, 'live lead')}" if whole and whole.n else "no live leads yet",
            (
                "From a lead's creation in the CRM to its score being readable there. "
                "Leads of the first read do not count."
            ),
        ),
        (
            "Coverage",
            words.percent(coverage.percent) if coverage.leads else "–",
            words.many(coverage.leads, "lead"),
            (
                "Leads that have a score, or are left unscored on purpose. Without one: "
                f"{words.count(coverage.in_exception)} with an open exception, "
                f"{words.count(coverage.unscored)} waiting."
            ),
        ),
        _conversion_card(conversion),
        _enrichment_card(enrichment),
        (
            "Open exceptions",
            words.count(sum(exceptions.open.values())),
            f"oldest {words.duration(exceptions.oldest_open_seconds)}"
            if exceptions.oldest_open_seconds is not None
            else "nothing to settle",
            "Doubtful things that wait for a person's answer.",
        ),
    )
    with st.grid(5, min_column_width=150):
        for label, value, basis, help_text in cards:
            st.metric(
                label,
                value,
                delta=basis,
                delta_color="off",
                delta_arrow="off",
                border=True,
                height="stretch",
                help=help_text,
            )


def _conversion_card(conversion: metrics.Conversion) -> tuple[str, str, str, str]:
    best = conversion.bands[0] if conversion.bands else None
    everyone = sum(row.leads for row in conversion.bands)
    converted = sum(row.converted for row in conversion.bands)
    text = "Leads of the best band that converted, against all leads of every band."
    if best is None or not best.leads or best.rate is None:
        return "Conversion, best band", "–", "no mature leads yet", text
    base = words.percent(100 * converted / everyone)
    return "Conversion, best band", words.percent(best.rate), f"all: {base}", text


def _enrichment_card(enrichment: metrics.Enrichment) -> tuple[str, str, str, str]:
    attempts = sum(row.attempts for row in enrichment.providers)
    success = sum(row.success for row in enrichment.providers)
    value = words.percent(100 * success / attempts) if attempts else "–"
    basis = words.many(attempts, "attempt") if attempts else "no attempts yet"
    return ("Enrichment success", value, basis, "Attempts that brought at least one fact.")


# -- the five figures -----------------------------------------------------------------------------


def _latency(latency: metrics.Latency, period: str, window: tuple[datetime, datetime]) -> None:
    with st.container(border=True, height="stretch"):
        st.subheader("Score latency", anchor=False)
        whole = latency.overall.get("created→written")
        if whole is None or not whole.n:
            st.caption(
                "From a lead's creation in the CRM to its score being readable there. The first "
                "lead that arrives after the first read starts this chart."
            )
            return
        st.caption(
            f"Creation to score in the CRM, {words.many(whole.n, 'live lead')} in {period}; "
            f"target {words.duration(LATENCY_TARGET_SECONDS)}."
        )
        zone = frame.zone()
        rows = [
            charts.Quantiles(
                point.bucket_start.astimezone(zone), point.p50, point.p95, point.p99, point.n
            )
            for point in latency.points
            if point.stage == "created→written"
        ]
        st.plotly_chart(
            charts.latency_chart(
                rows,
                frame.colours(),
                target_seconds=LATENCY_TARGET_SECONDS,
                window=(window[0].astimezone(zone), window[1].astimezone(zone)),
            ),
            config=charts.CONFIG,
            theme=None,
            key="latency",
            alt=f"Score latency, 99 % within {words.duration(whole.p99)}",
        )
        st.table(_stage_table(latency), border="horizontal", alt="Latency per stage")


def _stage_table(latency: metrics.Latency) -> pd.DataFrame:
    rows = {
        label: latency.overall[stage] for stage, label in STAGES.items() if stage in latency.overall
    }
    return pd.DataFrame(
        {
            "p50": [words.duration(row.p50) for row in rows.values()],
            "p95": [words.duration(row.p95) for row in rows.values()],
            "p99": [words.duration(row.p99) for row in rows.values()],
            "Leads": [words.count(row.n) for row in rows.values()],
        },
        index=pd.Index(list(rows), name="Stage"),
    )


def _conversion(store: Store, conversion: metrics.Conversion) -> None:
    with st.container(border=True, height="stretch"):
        st.subheader("Conversion by band", anchor=False)
        counted = sum(row.leads for row in conversion.bands)
        if not counted:
            st.caption(
                f"A lead counts once {conversion.horizon_days} days have passed since its score "
                f"was decided. {words.many(conversion.immature, 'lead')} still "
                f"{'waits' if conversion.immature == 1 else 'wait'}."
            )
            return
        bands = frame.bands(store)
        colours = frame.colours()
        rows = [
            charts.BandRate(
                label=bands.label(row.band),
                colour=colours.band(bands.position(row.band)),
                leads=row.leads,
                converted=row.converted,
                rate=row.rate or 0.0,
                low=row.low,
                high=row.high,
            )
            for row in conversion.bands
        ]
        st.caption(
            f"Converted within {conversion.horizon_days} days, by the band at decision time; "
            f"95 % intervals. {words.many(counted, 'lead')} counted, "
            f"{words.count(conversion.immature)} too young, "
            f"{words.count(conversion.excluded)} decided before their score."
        )
        st.plotly_chart(
            charts.conversion_chart(rows, colours),
            config=charts.CONFIG,
            theme=None,
            height="stretch",
            key="conversion",
            alt="Share of leads that converted, per band",
        )


def _speed(row: metrics.EnrichmentRate) -> str:
    if row.p95_ms < 1:
        return "each at once"
    half, most = words.duration(row.p50_ms / 1000), words.duration(row.p95_ms / 1000)
    return f"half within {half}, 95 % within {most}"


def _enrichment(enrichment: metrics.Enrichment, window: tuple[datetime, datetime]) -> None:
    with st.container(border=True, height="stretch"):
        st.subheader("Enrichment", anchor=False)
        if not enrichment.providers:
            st.caption("Attempts to learn more about a lead appear here, with how they ended.")
            return
        for row in enrichment.providers:
            st.caption(
                f"{words.plain(row.provider)}: {words.percent(row.percent)} of "
                f"{words.many(row.attempts, 'attempt')} found something, {_speed(row)}."
            )
        colours = frame.colours()
        days = enrichment.days
        st.plotly_chart(
            charts.stacked_days(
                [row.day for row in days],
                {
                    "Found": ([row.success for row in days], colours.up),
                    "No match": ([row.no_match for row in days], colours.neutral),
                    "Failed": ([row.failed for row in days], colours.down),
                },
                colours,
                window=window,
            ),
            config=charts.CONFIG,
            theme=None,
            height="stretch",
            key="enrichment",
            alt="Enrichment attempts per day and how they ended",
        )


def _exceptions(
    volume: metrics.ExceptionVolume, period: str, window: tuple[datetime, datetime]
) -> None:
    with st.container(border=True, height="stretch"):
        st.subheader("Exceptions", anchor=False)
        if not volume.open and not any(row.opened or row.resolved for row in volume.days):
            st.caption("Nothing doubtful has come up. What a person must settle appears here.")
            return
        with st.container(horizontal=True, gap="small"):
            for kind, number in sorted(volume.open.items(), key=lambda item: -item[1]):
                label = PROBLEM_KINDS.get(kind, (kind, ""))[0]
                st.badge(f"{words.plain(label)} {number:,}", color="gray")
        colours = frame.colours()
        st.caption(f"Opened and settled per day, {period}.")
        st.plotly_chart(
            charts.daily_pairs(
                [row.day for row in volume.days],
                {
                    "Opened": ([row.opened for row in volume.days], colours.down),
                    "Settled": ([row.resolved for row in volume.days], colours.up),
                },
                colours,
                window=window,
            ),
            config=charts.CONFIG,
            theme=None,
            height="stretch",
            key="exceptions",
            alt="Exceptions opened and settled per day",
        )


# -- what keeps it going --------------------------------------------------------------------------


def _connections(store: Store, now: datetime) -> None:
    crms = metrics.connections(store, now)
    st.subheader("Connections", anchor=False)
    if not crms:
        st.caption("No CRM has been read yet. Connections appear here when the worker starts.")
        return
    with st.grid(len(crms), min_column_width=320):
        for crm in crms:
            with st.container(border=True, height="stretch", gap="xsmall"):
                _connection(crm, now)


def _connection(crm: metrics.ConnectionHealth, now: datetime) -> None:
    label, icon, colour = CONNECTION_STATES.get(crm.state, (crm.state, "help", "gray"))
    with st.container(horizontal=True, vertical_alignment="center"):
        st.markdown(f"**{words.plain(crm.label)}**", width="content")
        st.badge(label, icon=f":material/{icon}:", color=colour)
    moved = max((at for _, at, _ in crm.streams if at is not None), default=None)
    st.caption(
        " · ".join(
            part
            for part in (
                words.plain(crm.account),
                words.many(crm.records, "record"),
                f"{words.many(crm.calls, 'API call')} since the start",
                f"last news {words.ago(moved, now)}",
            )
            if part
        )
    )
    if crm.message and crm.state != "ready":
        st.markdown(words.plain(crm.message))
    waiting = f"{words.many(crm.pending_writes, 'score')} waiting to be written"
    refused = f", {words.count(crm.rejected_writes)} refused" if crm.rejected_writes else ""
    st.caption(waiting + refused)


def _jobs(store: Store, now: datetime) -> None:
    st.subheader("Jobs", anchor=False)
    jobs = metrics.job_health(store, now)
    if not jobs:
        st.caption("The worker's jobs appear here when it starts.")
        return
    st.table(_job_table(jobs, now), border="horizontal", alt="Background jobs and their health")


def _job_table(jobs: Sequence[metrics.JobHealth], now: datetime) -> pd.DataFrame:
    def state(job: metrics.JobHealth) -> str:
        label, icon = JOB_STATES.get(job.state, (job.state, "help"))
        since = ""
        if job.state == "failing" and job.failing_since:
            since = " for " + words.duration((now - job.failing_since).total_seconds())
        return f":material/{icon}: {label}{since}"

    return pd.DataFrame(
        {
            "State": [state(job) for job in jobs],
            "Last finished": [words.ago(job.last_finished_at, now) for job in jobs],
            "Every": [words.duration(job.every_seconds) for job in jobs],
            "Message": [words.plain(job.message, 200) for job in jobs],
        },
        index=pd.Index([words.plain(job.label) for job in jobs], name="Job"),
    )
