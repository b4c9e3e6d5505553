"""What machines ask the dashboard's server: `/healthz` for life, `/metrics` for Prometheus."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from importlib.metadata import version
from typing import Any

from prometheus_client import CONTENT_TYPE_LATEST, CollectorRegistry, generate_latest
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.registry import Collector
from sqlalchemy.exc import SQLAlchemyError
from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from data import metrics
from data.store import Store
from pages.frame import WORKER_STALE_SECONDS

VERSION = version("leadlight")

Clock = Callable[[], datetime]


def utc_now() -> datetime:
    """The present, in UTC."""
    return datetime.now(UTC)


def routes(store: Callable[[], Store], now: Clock = utc_now) -> list[Route]:
    """Both routes over the store that `store()` gives; each answers from a worker thread."""

    async def healthz(request: Request) -> Response:
        body, status = await run_in_threadpool(health, store, now)
        return JSONResponse(body, status_code=status, headers={"Cache-Control": "no-store"})

    async def scrape(request: Request) -> Response:
        return Response(
            await run_in_threadpool(exposition, store(), now), media_type=CONTENT_TYPE_LATEST
        )

    return [Route("/healthz", healthz), Route("/metrics", scrape)]


def health(store: Callable[[], Store], now: Clock) -> tuple[dict[str, Any], int]:
    """Version, database, worker and job ages in seconds; 503 when nothing is being scored."""
    body: dict[str, Any] = {"status": "ok", "version": VERSION, "database": "ok"}
    try:
        moment = now()
        opened = store()
        # Its short form: the rest is for `leadlight doctor`, not for whoever can reach this port.
        body["database"] = opened.check().split(":")[0]
        if body["database"] != "ok":
            return body | {"status": "database"}, 503
        age = metrics.worker_age_seconds(opened, moment)
        body["worker_age_seconds"] = None if age is None else round(age, 1)
        body["jobs"] = {
            job.name: None if job.age_seconds is None else round(job.age_seconds, 1)
            for job in metrics.job_health(opened, moment)
        }
    except (SQLAlchemyError, OSError) as error:
        # The type only: a driver's message can hold the connection's password.
        return body | {"status": "database", "database": f"failed: {type(error).__name__}"}, 503
    if age is None or age > WORKER_STALE_SECONDS:
        return body | {"status": "worker stale"}, 503
    return body, 200


def exposition(store: Store, now: Clock) -> bytes:
    """Everything we measure in Prometheus' text format, read from the database at this instant."""
    registry = CollectorRegistry()
    registry.register(_Leadlight(store, now()))
    return generate_latest(registry)


class _Leadlight(Collector):
    """Metrics computed at scrape time, so that they are right whichever process asks."""

    def __init__(self, store: Store, now: datetime) -> None:
        self._store, self._now = store, now

    def collect(self) -> Iterator[Metric]:
        yield _gauge(
            "build_info", "Constant 1, labelled with the version.", ("version",), {VERSION: 1}
        )
        yield from self._leads()
        yield from self._latency()
        yield from self._jobs()
        yield from self._connections()

    def _leads(self) -> Iterator[Metric]:
        coverage = metrics.coverage(self._store, self._now)
        yield _gauge("leads", "Leads known, without deleted and merged ones.", (), coverage.leads)
        yield _gauge("leads_scored", "Leads with a score.", (), coverage.scored)
        yield _gauge(
            "leads_unscored", "Leads with neither score nor reason.", (), coverage.unscored
        )
        yield _gauge(
            "coverage_ratio",
            "Share of leads that have a score or a reason to have none.",
            (),
            coverage.percent / 100,
        )
        bands = metrics.band_counts(self._store)
        yield _gauge("band_leads", "Scored leads per band.", ("band",), dict(bands))
        volume = metrics.exceptions(self._store, since=self._now, now=self._now)
        yield _gauge("exceptions_open", "Open exceptions.", ("kind",), dict(volume.open))

    def _latency(self) -> Iterator[Metric]:
        since = self._now - timedelta(hours=24)
        latency = metrics.latency(self._store, since=since, now=self._now, bucket="day")
        seconds = GaugeMetricFamily(
            "leadlight_score_latency_seconds",
            "Score latency of live leads of the last 24 hours.",
            labels=("stage", "quantile"),
        )
        leads: dict[str, float] = {}
        for name, row in latency.overall.items():
            stage = name.replace("→", "_to_")
            leads[stage] = row.n
            for quantile, value in (("0.5", row.p50), ("0.95", row.p95), ("0.99", row.p99)):
                if value is not None:
                    seconds.add_metric((stage, quantile), value)
        yield seconds
        yield _gauge("score_latency_leads", "Leads behind each latency.", ("stage",), leads)

    def _jobs(self) -> Iterator[Metric]:
        jobs = metrics.job_health(self._store, self._now)
        ages = {job.name: job.age_seconds for job in jobs if job.age_seconds is not None}
        yield _gauge("job_age_seconds", "Since the job's last finished run.", ("job",), ages)
        good = {job.name: float(job.state == "ok") for job in jobs}
        yield _gauge("job_ok", "1 when the job ran in time and succeeded.", ("job",), good)
        age = metrics.worker_age_seconds(self._store, self._now)
        if age is not None:
            yield _gauge("worker_heartbeat_age_seconds", "Since the worker's last sign.", (), age)

    def _connections(self) -> Iterator[Metric]:
        crms = metrics.connections(self._store, self._now)
        pending = {crm.crm: crm.pending_writes for crm in crms}
        rejected = {crm.crm: crm.rejected_writes for crm in crms}
        yield _gauge("outbox_pending", "Scores waiting to be written.", ("crm",), pending)
        yield _gauge("outbox_rejected", "Scores the CRM refused.", ("crm",), rejected)
        yield _gauge("crm_records", "Records read.", ("crm",), {c.crm: c.records for c in crms})
        calls = CounterMetricFamily("leadlight_crm_calls", "API calls made.", labels=("crm",))
        for crm in crms:
            calls.add_metric((crm.crm,), crm.calls)
        yield calls


def _gauge(
    name: str, text: str, labels: tuple[str, ...], value: float | dict[str, Any]
) -> GaugeMetricFamily:
    family = GaugeMetricFamily("leadlight_" + name, text, labels=labels)
    if isinstance(value, dict):
        for label, number in value.items():
            family.add_metric((label,), float(number))
    else:
        family.add_metric((), float(value))
    return family
