"""The official Salesforce client with its traps disarmed: sign-in, timeouts, retries, errors.

What the client would do by itself and must not (simple-salesforce 1.12.10): speak https to a
loopback sandbox, wait for ever, renew a dead session endlessly, drop our headers when it does.
"""

from __future__ import annotations

import ipaddress
import threading
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import Any
from urllib.parse import urlsplit

import requests
from requests.adapters import HTTPAdapter
from requests.auth import HTTPBasicAuth
from simple_salesforce.api import Salesforce
from simple_salesforce.exceptions import SalesforceError, SalesforceExpiredSession

from connectors.base import AuthFailed, RateLimited, TransientFailure
from connectors.retry import retrying

API_VERSION = "66.0"
CONNECT_SECONDS = 10.0
#: Pause after the org's daily allowance is used up (it is a rolling 24 hours), and after too many
#: long-running calls at once.
DAILY_PAUSE_SECONDS, CONCURRENT_PAUSE_SECONDS = 3_600.0, 30.0
#: Sent with every call. Without the first, Salesforce would give every lead we write a new owner.
HEADERS = {
    "Sforce-Auto-Assign": "FALSE",
    "Sforce-Duplicate-Rule-Header": "allowSave=true; includeRecordDetails=false",
    "Sforce-Mru": "updateMru=false",
    "Sforce-Call-Options": "client=Leadlight",
    "User-Agent": "Leadlight",
}
_RETRIABLE = frozenset({406, 408, 420, 425, 502, 503, 504})
_BUSY_CODES = frozenset({"SERVER_UNAVAILABLE", "UNABLE_TO_LOCK_ROW", "QUERY_TIMEOUT"})
_STALE_CODES = frozenset({"INVALID_QUERY_LOCATOR", "UNKNOWN_EXCEPTION"})
_SIGN_IN_ADVICE = {
    "request not supported on this domain": (
        "Use your My Domain address (https://….my.salesforce.com), not login or test."
    ),
    "no client credentials user enabled": (
        "Choose a “Run As” user in the External Client App's client credentials flow."
    ),
}


class Refused(Exception):
    """Salesforce understood a call and said no: `codes` say why, the caller knows what it means."""

    def __init__(self, status: int, errors: list[dict[str, Any]]) -> None:
        self.status = status
        self.codes = [str(error.get("errorCode") or error.get("statusCode")) for error in errors]
        self.messages = [str(error.get("message", "")).strip() for error in errors]
        super().__init__(f"{', '.join(self.codes)}: {'; '.join(self.messages)}")


class _Transport(HTTPAdapter):
    """Sends with a timeout, counts, remembers the server's clock, and can speak plain http."""

    def __init__(self, owner: SalesforceSession, *, plain: bool) -> None:
        super().__init__(max_retries=0)
        self._owner = owner
        self._plain = plain

    def send(  # type: ignore[override]  # the same parameters, only by keyword
        self, request: requests.PreparedRequest, **options: Any
    ) -> requests.Response:
        if options.get("timeout") is None:
            options["timeout"] = (CONNECT_SECONDS, self._owner.timeout_seconds)
        if self._plain and request.url is not None:
            request.url = request.url.replace("https://", "http://", 1)
        self._owner.on_call()
        response = super().send(request, **options)
        self._owner.note_date(response.headers.get("Date", ""))
        return response


class SalesforceSession:
    """One signed-in connection; safe to share between threads."""

    def __init__(
        self,
        instance_url: str,
        *,
        client_id: str = "",
        client_secret: str = "",
        access_token: str = "",
        timeout_seconds: float,
        sleep: Callable[[float], None],
        on_call: Callable[[], None],
    ) -> None:
        self.host, plain = _address(instance_url)
        self.timeout_seconds = timeout_seconds
        self.on_call = on_call
        self._client_id, self._client_secret = client_id, client_secret
        self._given_token = access_token
        if not access_token and not (client_id and client_secret):
            raise AuthFailed(
                "Salesforce needs a client id and a client secret (External Client App), or an"
                " access token: enter them for this connection."
            )
        self._sleep = sleep
        self._signing_in = threading.Lock()
        self._local = threading.local()
        self._client: Salesforce | None = None
        self._http = requests.Session()
        self._http.headers.update(HEADERS)
        self._http.auth = _own_header_only
        self._http.trust_env = not plain  # a proxy is for the world outside, not for loopback
        self._http.mount("https://", _Transport(self, plain=plain))

    @property
    def url(self) -> str:
        """Where people and calls reach the org, without a trailing slash."""
        return f"https://{self.host}"

    def note_date(self, header: str) -> None:
        """Remember the server's clock of this thread's last answer."""
        try:
            self._local.date = parsedate_to_datetime(header.rsplit("GMT, ", 1)[-1])
        except ValueError:
            self._local.date = None

    def server_time(self) -> datetime | None:
        """The server's clock at this thread's last answer, in whole seconds."""
        moment = getattr(self._local, "date", None)
        return moment.astimezone(UTC) if isinstance(moment, datetime) else None

    def close(self) -> None:
        """Let go of connections."""
        self._http.close()

    # calls

    def query(self, soql: str, *, deleted: bool = False, page: int = 2_000) -> dict[str, Any]:
        """The first page of a query; `deleted` includes the recycle bin (queryAll)."""
        headers = {"Sforce-Query-Options": f"batchSize={page}"}

        def ask(client: Salesforce) -> dict[str, Any]:
            return _page(client.query(soql, include_deleted=deleted, headers=headers))

        return dict(self.call(ask))

    def query_more(self, next_url: str) -> dict[str, Any]:
        """The next page of a query, by the address the last one named."""
        return dict(self.call(lambda c: _page(c.query_more(next_url, identifier_is_url=True))))

    def query_all(self, soql: str, *, deleted: bool = False) -> list[dict[str, Any]]:
        """Every row of a (small) query."""
        page = self.query(soql, deleted=deleted)
        rows = list(page["records"])
        while not page["done"]:
            page = self.query_more(page["nextRecordsUrl"])
            rows += page["records"]
        return rows

    def rest(self, path: str, method: str = "GET", body: Any = None, *, again: bool = True) -> Any:
        """Any resource below the API version; `again` False for what must not happen twice."""
        options: dict[str, Any] = {} if body is None else {"json": body}
        return self.call(lambda c: c.restful(path, method=method, **options), again=again)

    def versions(self) -> list[str]:
        """API versions the org serves, asked without sign-in."""

        def ask(_: Salesforce) -> list[str]:
            answer = self._http.get(f"{self.url}/services/data/")
            if answer.status_code != 200:
                raise TransientFailure(
                    "Salesforce did not answer properly: check that the address is your My Domain.",
                    detail=f"status {answer.status_code}: {answer.text[:200]}",
                )
            rows = answer.json()
            if not isinstance(rows, list):
                raise _unreadable(answer.text)
            return [str(row.get("version")) for row in rows if isinstance(row, Mapping)]

        return list(self.call(ask))

    def call(self, work: Callable[[Salesforce], Any], *, again: bool = True) -> Any:
        """Run `work` on the signed-in client; a dead session is renewed once.

        Raises Refused where the caller must know what it means, else AuthFailed, RateLimited or
        TransientFailure.
        """
        if not again:
            return self._attempt(work)
        return retrying(lambda: self._attempt(work), sleep=self._sleep)

    def _attempt(self, work: Callable[[Salesforce], Any]) -> Any:
        client = self._signed_in()
        token = client.session_id
        try:
            return _translated(work, client)
        except SalesforceExpiredSession as error:
            self._renew(token, error)
        try:
            return _translated(work, self._signed_in())
        except SalesforceExpiredSession as error:
            raise _sign_in_lost(error) from None

    # sign-in

    def _signed_in(self) -> Salesforce:
        with self._signing_in:
            if self._client is None:
                self._client = Salesforce(
                    session_id=self._given_token or self._new_token(),
                    instance_url=self.url,
                    session=self._http,
                    version=API_VERSION,
                )
            return self._client

    def _renew(self, dead_token: str, error: SalesforceExpiredSession) -> None:
        """A new token in place of a dead one, unless another thread was faster."""
        codes = Refused(401, _errors(error.content)).codes
        if self._given_token or "INVALID_SESSION_ID" not in codes:
            raise _sign_in_lost(error)
        with self._signing_in:
            client = self._client
            if client is not None and client.session_id == dead_token:
                client.session_id = self._new_token()
                client._generate_headers()  # the documented way keeps the old token in the headers

    def _new_token(self) -> str:
        """A token by the client credentials flow (OAuth 2.0, posted to My Domain)."""
        try:
            response = self._http.post(
                f"{self.url}/services/oauth2/token",
                data={"grant_type": "client_credentials"},
                auth=HTTPBasicAuth(self._client_id, self._client_secret),
            )
        except requests.RequestException as error:
            raise _unreachable(error) from None
        try:
            body = response.json()
        except ValueError:
            body = None
        if response.status_code >= 500 or not isinstance(body, Mapping):
            raise TransientFailure(
                "Salesforce's sign-in did not answer properly: we try again by ourselves.",
                detail=f"status {response.status_code}: {response.text[:200]}",
            )
        if response.status_code != 200 or not isinstance(body.get("access_token"), str):
            code, why = body.get("error", ""), str(body.get("error_description", ""))
            advice = _SIGN_IN_ADVICE.get(why, "Check them: enter a valid client id and secret.")
            raise AuthFailed(
                f"Salesforce refused the sign-in ({code}: {why}). {advice}",
                detail=f"status {response.status_code}",
            )
        return str(body["access_token"])


def _address(instance_url: str) -> tuple[str, bool]:
    """Host (with port) of an instance address, and whether plain http is to be spoken."""
    parts = urlsplit(instance_url.strip())
    host = parts.hostname or ""
    if not host or parts.scheme not in ("http", "https"):
        raise AuthFailed(
            f"{instance_url!r} is not a Salesforce address: enter your My Domain, for example"
            " https://acme.my.salesforce.com."
        )
    if parts.scheme == "http" and not _is_loopback(host):
        raise AuthFailed(
            f"{instance_url!r} would send the password and your data unencrypted: enter the"
            " address with https://."
        )
    if host.endswith(".lightning.force.com"):
        raise AuthFailed(
            f"{host} is the address of the user interface: enter your My Domain,"
            f" https://{host.removesuffix('.lightning.force.com')}.my.salesforce.com."
        )
    return (f"{host}:{parts.port}" if parts.port else host), parts.scheme == "http"


def _is_loopback(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def _own_header_only(request: requests.PreparedRequest) -> requests.PreparedRequest:
    """No credentials from the machine's .netrc: they would replace our own header."""
    return request


def _translated(work: Callable[[Salesforce], Any], client: Salesforce) -> Any:
    """Run `work`; every way it can fail becomes an error of ours, but for a dead session."""
    try:
        return work(client)
    except SalesforceExpiredSession:
        raise
    except SalesforceError as error:
        raise _meaning(error) from None
    except requests.exceptions.JSONDecodeError as error:
        raise _unreadable(error.doc) from None
    except requests.RequestException as error:
        raise _unreachable(error) from None


def _meaning(error: SalesforceError) -> Exception:
    """Facts of the status table: what to do next about an error answer."""
    refused = Refused(error.status, _errors(error.content))
    detail = f"status {error.status}: {refused}"[:500]
    if "REQUEST_LIMIT_EXCEEDED" in refused.codes:
        concurrent = any("Concurrent" in message for message in refused.messages)
        pause = CONCURRENT_PAUSE_SECONDS if concurrent else DAILY_PAUSE_SECONDS
        what = "too many long calls at once" if concurrent else "the daily API allowance is used up"
        return RateLimited(
            f"Salesforce asks us to pause ({what}): polling resumes by itself.",
            retry_after_seconds=pause,
            detail=detail,
        )
    if error.status == 429:
        return RateLimited(retry_after_seconds=CONCURRENT_PAUSE_SECONDS, detail=detail)
    busy = (_BUSY_CODES | _STALE_CODES) & set(refused.codes)
    if error.status in _RETRIABLE or error.status >= 500 or busy:
        return TransientFailure(
            "Salesforce did not answer properly: we try again by ourselves, look at"
            " status.salesforce.com if it lasts.",
            detail=detail,
        )
    if error.status == 410:
        return AuthFailed(
            f"This Salesforce org no longer serves API version {API_VERSION}: update Leadlight.",
            detail=detail,
        )
    return refused


def _errors(content: Any) -> list[dict[str, Any]]:
    """The error entries of an answer; an unreadable body becomes one entry with its beginning."""
    if isinstance(content, Mapping):
        return [dict(content)]
    if isinstance(content, list):
        return [dict(entry) for entry in content if isinstance(entry, Mapping)]
    return [{"errorCode": "UNREADABLE", "message": str(content)[:200]}]


def _page(answer: Any) -> dict[str, Any]:
    """A query result whose parts have the right types; anything else is no query result."""
    good = (
        isinstance(answer, Mapping)
        and isinstance(answer.get("records"), list)
        and isinstance(answer.get("done"), bool)
        and isinstance(answer.get("totalSize"), int)
        and (answer["done"] or isinstance(answer.get("nextRecordsUrl"), str))
    )
    if not good:
        raise _unreadable(str(answer))
    return dict(answer)


def _unreadable(text: str) -> TransientFailure:
    return TransientFailure(
        "Salesforce sent something that is not its API's format: the page is read again.",
        detail=text[:200],
    )


def _unreachable(error: requests.RequestException) -> TransientFailure:
    return TransientFailure(
        "Salesforce cannot be reached: we try again by ourselves, check the network if it lasts.",
        detail=f"{type(error).__name__}: {error}"[:300],
    )


def _sign_in_lost(error: SalesforceExpiredSession) -> AuthFailed:
    refused = Refused(401, _errors(error.content))
    return AuthFailed(
        "Salesforce no longer accepts our sign-in: enter valid credentials for this connection.",
        detail=str(refused)[:300],
    )
