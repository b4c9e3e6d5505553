"""The official HubSpot client with its traps disarmed: timeouts, retries, answers, errors.

What the client would do by itself and must not (hubspot-api-client 12.0.0): wait for ever, sleep
through a long Retry-After, open a new connection per call, turn an HTML page into `results=None`.
"""

from __future__ import annotations

import ipaddress
import json
import re
import threading
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from functools import partial
from typing import Any
from urllib.parse import urlsplit

import hubspot.crm.associations.v4
import hubspot.crm.objects
import hubspot.crm.owners
import hubspot.crm.pipelines
import hubspot.crm.properties
import hubspot.events
import hubspot.marketing.forms
from hubspot import HubSpot
from hubspot.discovery.discovery_base import DiscoveryBase
from urllib3.exceptions import HTTPError
from urllib3.util.retry import Retry

from connectors.base import AuthFailed
from connectors.hubspot_errors import meaning, unreachable, unreadable
from connectors.retry import retrying

CONNECT_SECONDS = 10.0
#: Records per batch call, inputs per association call, rows per search (vendor limits).
BATCH_ROWS, ASSOCIATION_ROWS, SEARCH_ROWS = 100, 1_000, 200
#: HubSpot allows five searches a second to all integrations of an account together.
SEARCHES_PER_SECOND = 4.0
_TOKEN = re.compile(r"[\x21-\x7e]+\Z")
_PACKAGES = (
    hubspot.crm.objects,
    hubspot.crm.properties,
    hubspot.crm.associations.v4,
    hubspot.crm.owners,
    hubspot.crm.pipelines,
    hubspot.events,
    hubspot.marketing.forms,
)
_API_ERRORS = tuple(package.ApiException for package in _PACKAGES)

Row = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Batched:
    """A batch's answer: what went through, and what did not."""

    results: list[Row]
    errors: list[Row]


class HubSpotSession:
    """One account behind one token; safe to share between threads."""

    def __init__(
        self,
        token: str,
        base_url: str,
        *,
        timeout_seconds: float,
        sleep: Callable[[float], None],
        on_call: Callable[[], None],
    ) -> None:
        self.base_url = _address(base_url)
        token = token.strip()
        if not _TOKEN.match(token):
            raise AuthFailed(
                "HubSpot needs the token of a service key or a private app: enter it for this"
                " connection (Development > Keys > Service keys in HubSpot)."
            )
        self._sleep = sleep
        self._on_call = on_call
        self._pace = Pace(1 / SEARCHES_PER_SECOND, sleep)
        self._options = {
            "_preload_content": False,  # we read the answers ourselves
            "_request_timeout": (CONNECT_SECONDS, timeout_seconds),
        }
        self._apis: dict[tuple[str, str], Any] = {}
        self._pool: Any = None
        self._making = threading.Lock()
        self._local = threading.local()
        self._client = HubSpot(
            access_token=token,
            host=self.base_url,
            base_url=self.base_url,
            retry=Retry(0, respect_retry_after_header=False),
            api_factory=self._api,
        )

    def server_time(self) -> datetime | None:
        """HubSpot's clock at this thread's last answer, in whole seconds; None while unknown."""
        found = getattr(self._local, "date", None)
        return found if isinstance(found, datetime) else None

    def close(self) -> None:
        """Let go of connections."""
        if self._pool is not None:
            self._pool.clear()

    # -- calls ---------------------------------------------------------------------------------

    def search(self, type_: str, body: Mapping[str, Any]) -> Mapping[str, Any]:
        """One page of a search, at the pace that HubSpot allows."""

        def ask() -> Any:
            self._pace.wait()
            api = self._client.crm.objects.search_api
            return api.do_search(type_, body, **self._options)

        return self.answer(ask, lists=("results",))

    def read(self, type_: str, ids: Sequence[str], properties: Sequence[str]) -> Batched:
        """Records by id, from the store itself; a merged record comes with its new id."""
        parts = []
        for chunk in _chunks(ids, BATCH_ROWS):
            body = {"inputs": [{"id": i} for i in chunk], "properties": list(properties)}
            parts.append(self._batch(partial(self._batches.read, type_, body, **self._options)))
        return _joined(parts)

    def update(self, type_: str, inputs: Sequence[Row]) -> Batched:
        """Change at most 100 records by id; the same values again change nothing."""
        body = {"inputs": list(inputs)}
        return self._batch(partial(self._batches.update, type_, body, **self._options))

    def get(self, type_: str, record_id: str, properties: Sequence[str]) -> Row:
        """One record by id; a merged one comes with its new id."""
        api = self._client.crm.objects.basic_api
        return self.answer(
            lambda: api.get_by_id(type_, record_id, properties=list(properties), **self._options)
        )

    def archived(self, type_: str, after: str, properties: Sequence[str]) -> Mapping[str, Any]:
        """A page of 100 records from the recycle bin, by id."""
        api = self._client.crm.objects.basic_api
        more = {"after": after} if after else {}
        return self.answer(
            lambda: api.get_page(
                type_,
                limit=BATCH_ROWS,
                archived=True,
                properties=list(properties),
                **more,
                **self._options,
            ),
            lists=("results",),
        )

    def create(self, type_: str, body: Mapping[str, Any]) -> Row:
        """A new record, asked for once: a lost answer is not asked for again."""
        api = self._client.crm.objects.basic_api
        return self.answer(lambda: api.create(type_, body, **self._options), again=False)

    def linked(self, source: str, target: str, ids: Iterable[str]) -> dict[str, list[str]]:
        """Ids of the `target` records that each `source` record is associated with."""
        api = self._client.crm.associations.v4.batch_api
        found: dict[str, list[str]] = {}
        for chunk in _chunks(list(dict.fromkeys(ids)), ASSOCIATION_ROWS):
            body = {"inputs": [{"id": i} for i in chunk]}
            while body["inputs"]:
                part = self._batch(partial(api.get_page, source, target, body, **self._options))
                body = {"inputs": []}
                for row in part.results:
                    from_id = str(_under(row, "from", "id") or "")
                    edges = row.get("to") if isinstance(row.get("to"), list) else []
                    here = found.setdefault(from_id, [])
                    here += [str(e["toObjectId"]) for e in edges or () if "toObjectId" in e]
                    after = _under(row, "paging", "next", "after")
                    if after:
                        body["inputs"].append({"id": from_id, "after": str(after)})
        return {from_id: list(dict.fromkeys(to)) for from_id, to in found.items()}

    def properties(self, type_: str) -> list[Row]:
        """Every property of an object type."""
        api = self._client.crm.properties.core_api
        return list(
            self.answer(lambda: api.get_all(type_, **self._options), lists=("results",))["results"]
        )

    def create_property(self, type_: str, body: Mapping[str, Any]) -> Row:
        """A new property; raises Refused (409) where it exists."""
        api = self._client.crm.properties.core_api
        return self.answer(lambda: api.create(type_, body, **self._options))

    def group(self, type_: str, name: str) -> Row:
        """One property group; raises Refused (404) where it does not exist."""
        api = self._client.crm.properties.groups_api
        return self.answer(lambda: api.get_by_name(type_, name, **self._options))

    def create_group(self, type_: str, body: Mapping[str, Any]) -> Row:
        """A new property group; raises Refused (409) where it exists."""
        api = self._client.crm.properties.groups_api
        return self.answer(lambda: api.create(type_, body, **self._options))

    def owners(self) -> list[Row]:
        """Every owner."""
        api = self._client.crm.owners.owners_api
        return self._all(lambda more: api.get_page(limit=500, **more, **self._options))

    def pipelines(self, type_: str) -> list[Row]:
        """The pipelines of an object type, with their stages."""
        api = self._client.crm.pipelines.pipelines_api
        return list(
            self.answer(lambda: api.get_all(type_, **self._options), lists=("results",))["results"]
        )

    def forms(self) -> list[Row]:
        """Every form that people can submit."""
        api = self._client.marketing.forms.forms_api
        types = ["hubspot", "captured", "flow"]
        return self._all(
            lambda more: api.get_page(form_types=types, limit=100, **more, **self._options)
        )

    def events(self, event_type: str, since: str, until: str, after: str, limit: int) -> Row:
        """A page of behavioural events, oldest first (the events API, Enterprise only)."""
        api = self._client.events.events_api
        wishes = {"after": after, "occurred_after": since, "occurred_before": until}
        more = {name: value for name, value in wishes.items() if value}
        return self.answer(
            lambda: api.get_page(
                event_type=event_type,
                object_type="contact",
                sort=["occurredAt"],
                limit=limit,
                **more,
                **self._options,
            ),
            lists=("results",),
        )

    def plain(self, path: str, query: Mapping[str, str | int], *, lists: Sequence[str] = ()) -> Row:
        """A GET that the client has no method for, over its own connection and sign-in."""
        api = self._client.crm.objects.basic_api.api_client
        return self.answer(
            lambda: api.call_api(
                path,
                "GET",
                query_params=list(query.items()),
                header_params={"Accept": "application/json"},
                auth_settings=["oauth2"],
                **self._options,
            ),
            lists=lists,
        )

    def account(self) -> Row:
        """Which account this is: portalId, uiDomain, timeZone, accountType."""
        return self.plain("/account-info/v3/details", {})

    # -- answers -------------------------------------------------------------------------------

    def answer(
        self, ask: Callable[[], Any], *, lists: Sequence[str] = (), again: bool = True
    ) -> Mapping[str, Any]:
        """What HubSpot answered, a JSON object in which each of `lists` is a list.

        `again` False for what must not happen twice. Raises Refused where the caller must know what
        it means, else AuthFailed, RateLimited or TransientFailure.
        """

        def attempt() -> Mapping[str, Any]:
            return self._attempt(ask, lists)

        return retrying(attempt, sleep=self._sleep) if again else attempt()

    def _attempt(self, ask: Callable[[], Any], lists: Sequence[str]) -> Mapping[str, Any]:
        try:
            response = ask()
            raw = response.data
            self._local.date = _date(response.headers.get("Date"))
        except _API_ERRORS as error:
            raise meaning(error) from None
        except HTTPError as error:
            raise unreachable(error) from None
        except UnicodeDecodeError as error:  # an error page in another encoding
            raise unreadable(str(error)) from None
        finally:
            self._on_call()
        try:
            body = json.loads(raw)
        except ValueError:
            raise unreadable(raw[:200].decode("utf-8", "replace")) from None
        good = isinstance(body, Mapping) and all(_is_rows(body.get(name)) for name in lists)
        if not good:
            raise unreadable(raw[:200].decode("utf-8", "replace"))
        return dict(body)

    def _batch(self, ask: Callable[[], Any]) -> Batched:
        body = self.answer(ask, lists=("results",))
        errors = body.get("errors")
        rows = errors if isinstance(errors, list) else []
        return Batched(list(body["results"]), [e for e in rows if isinstance(e, Mapping)])

    def _all(self, ask: Callable[[Mapping[str, str]], Any]) -> list[Row]:
        rows: list[Row] = []
        more: dict[str, str] = {}
        while True:
            body = self.answer(partial(ask, more), lists=("results",))
            rows += body["results"]
            after = str(_under(body, "paging", "next", "after") or "")
            if not after or after == more.get("after"):
                return rows
            more = {"after": after}

    @property
    def _batches(self) -> Any:
        return self._client.crm.objects.batch_api

    def _api(self, package: Any, name: str, config: Mapping[str, Any]) -> Any:
        """The client's API objects, made once, all over one pool of connections."""
        key = (package.__name__, name)
        with self._making:
            if key not in self._apis:
                made = DiscoveryBase._default_api_factory(package, name, config)
                transport = made.api_client.rest_client
                self._pool = self._pool or transport.pool_manager
                transport.pool_manager = self._pool
                self._apis[key] = made
            return self._apis[key]


class Pace:
    """Keeps calls a fixed time apart, over all threads."""

    def __init__(
        self,
        seconds: float,
        sleep: Callable[[float], None],
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._seconds = seconds
        self._sleep = sleep
        self._clock = clock
        self._last = clock() - seconds
        self._lock = threading.Lock()

    def wait(self) -> None:
        """Wait until the next call may be made."""
        with self._lock:
            left = self._last + self._seconds - self._clock()
            if left > 0:
                self._sleep(left)
            self._last = self._clock()


def _address(base_url: str) -> str:
    text = base_url.strip().rstrip("/")
    parts = urlsplit(text)
    host = parts.hostname or ""
    if not host or parts.scheme not in ("http", "https"):
        raise AuthFailed(f"{base_url!r} is not HubSpot's API address: use https://api.hubapi.com.")
    if parts.scheme == "http" and not is_loopback(host):
        raise AuthFailed(
            f"{base_url!r} would send the token and your data unencrypted: use https://."
        )
    return text


def is_loopback(host: str) -> bool:
    """Whether a host name is this machine."""
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def _date(header: str | None) -> datetime | None:
    """The instant of a Date header (of the last one, where a proxy added its own)."""
    try:
        return parsedate_to_datetime((header or "").rsplit("GMT, ", 1)[-1]).astimezone(UTC)
    except ValueError:
        return None


def _is_rows(value: Any) -> bool:
    return isinstance(value, list) and all(isinstance(row, Mapping) for row in value)


def _under(row: Any, *path: str) -> Any:
    for name in path:
        row = row.get(name) if isinstance(row, Mapping) else None
    return row


def _chunks(rows: Sequence[str], size: int) -> Iterable[Sequence[str]]:
    return (rows[start : start + size] for start in range(0, len(rows), size))


def _joined(parts: Iterable[Batched]) -> Batched:
    found = list(parts)
    return Batched([r for p in found for r in p.results], [e for p in found for e in p.errors])
