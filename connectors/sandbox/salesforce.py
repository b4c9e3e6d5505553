"""The Salesforce sandbox over HTTP: sign-in, sessions, limits and headers round the resources."""

from __future__ import annotations

import base64
import binascii
import hmac
import json
import secrets
from collections.abc import Callable
from datetime import datetime, timedelta
from email.utils import format_datetime
from typing import Any
from urllib.parse import parse_qsl

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route
from starlette.types import ASGIApp

from connectors.sandbox.salesforce_api import Answer, Api, Call, errors, not_found
from connectors.sandbox.salesforce_org import Org
from connectors.sandbox.state import State

#: Bytes of a request line, and of line and headers together (414 and 431 beyond).
URI_LIMIT = 16_384
_HTML = "<!DOCTYPE html><html><body><h1>We are down for maintenance.</h1></body></html>"


class Sessions:
    """Access tokens: given for client credentials, valid until they age or are revoked.

    Switches in the state's `meta`: `salesforce.token_seconds` (life of a token; empty = a day) and
    `salesforce.sessions_from` (milliseconds; older tokens are expired), `salesforce.revoked`
    ("yes": the client is refused, with all its tokens).
    """

    def __init__(self, org: Org, client_id: str, client_secret: str, base_url: str) -> None:
        self._org = org
        self._client = (client_id, client_secret)
        self._base_url = base_url.rstrip("/")
        self._issued: dict[str, datetime] = {}

    def token(self, form: dict[str, str], authorization: str) -> Answer:
        """`POST /services/oauth2/token`, credentials in the body or as Basic."""
        grant = form.get("grant_type", "")
        if not grant:
            return _oauth_error("invalid_request", "grant type is missing")
        if grant != "client_credentials":
            return _oauth_error("unsupported_grant_type", "grant type not supported")
        client_id, client_secret = _basic(authorization) or (
            form.get("client_id", ""),
            form.get("client_secret", ""),
        )
        if not _same(client_id, self._client[0]):
            return _oauth_error("invalid_client_id", "client identifier invalid")
        if not _same(client_secret, self._client[1]) or self._revoked():
            return _oauth_error("invalid_client", "invalid client credentials")
        now = self._org.clock()
        token = f"{self._org.org_id[:15]}!{secrets.token_urlsafe(48)}"
        self._issued[token] = now
        identity = f"{self._base_url}/id/{self._org.org_id}/{self._org.user_id}"
        body = {
            "access_token": token,
            "signature": base64.b64encode(secrets.token_bytes(32)).decode(),
            "scope": "api",
            "instance_url": self._base_url,
            "id": identity,
            "token_type": "Bearer",
            "issued_at": str(int(now.timestamp() * 1_000)),
            "api_instance_url": "https://api.salesforce.com",
        }
        return Answer(200, body)

    def valid(self, authorization: str) -> bool:
        """Whether this Authorization header carries a living session."""
        scheme, _, token = authorization.partition(" ")
        issued = self._issued.get(token)
        if scheme.lower() not in ("bearer", "oauth") or issued is None:
            return False
        if self._revoked():
            return False
        meta = self._org.state.meta
        life = timedelta(seconds=float(meta("salesforce.token_seconds") or 86_400))
        revoked = float(meta("salesforce.sessions_from") or 0)
        return self._org.clock() - issued < life and issued.timestamp() * 1_000 >= revoked

    def _revoked(self) -> bool:
        return self._org.state.meta("salesforce.revoked") == "yes"


def build_app(
    state: State,
    *,
    client_id: str,
    client_secret: str,
    clock: Callable[[], datetime],
    base_url: str,
) -> ASGIApp:
    """The sandbox's ASGI app; `clock` gives the org's time (also sent as the Date header).

    Serve it with the HTTP server's own Date header off. Switches are documented at `Org`,
    `Sessions` and `connectors.sandbox.faults`.
    """
    org = Org(state, clock)
    api = Api(org, base_url)
    sessions = Sessions(org, client_id, client_secret, base_url)

    async def serve(request: Request) -> Response:
        raw = await request.body()
        answer, limited = _answer(request, raw, api, sessions)
        headers = {
            "Date": format_datetime(clock(), usegmt=True),
            "Vary": "Accept-Encoding",
        }
        if limited:
            usage = f"api-usage={api.calls}/{api.daily_limit()}; api-bursts=1/750"
            headers["Sforce-Limit-Info"] = usage
        if isinstance(answer, Response):
            answer.headers.update(headers)
            return answer
        if answer.body is None:
            return Response(status_code=answer.status, headers=headers)
        text = json.dumps(answer.body, ensure_ascii=False)
        media = "application/json;charset=UTF-8"
        return Response(text, answer.status, headers=headers, media_type=media)

    methods = ["GET", "POST", "PATCH", "PUT", "DELETE", "HEAD"]
    return Starlette(routes=[Route("/{path:path}", serve, methods=methods)])


def _answer(
    request: Request, raw: bytes, api: Api, sessions: Sessions
) -> tuple[Answer | Response, bool]:
    """The answer, and whether the call counts against the daily limit."""
    path = request.url.path.rstrip("/")
    if path == "/services/oauth2/token" and request.method == "POST":
        form = dict(parse_qsl(raw.decode("utf-8", "replace"), keep_blank_values=True))
        return sessions.token(form, request.headers.get("authorization", "")), False
    if path == "/services/data":
        return Answer(200, Api.versions()), False
    if not path.startswith("/services/data/"):
        return not_found(), False
    too_long = _too_long(request)
    if too_long is not None:
        return too_long, False
    if not sessions.valid(request.headers.get("authorization", "")):
        return errors(401, "INVALID_SESSION_ID", "Session expired or invalid"), False
    return _counted(request, path, raw, api), True


def _too_long(request: Request) -> Response | None:
    """The refusal of a request line, or of a line with its headers, beyond the limit."""
    line = len(request.url.path) + len(request.url.query)
    if line > URI_LIMIT:
        return Response("<h1>URI Too Long</h1>", 414, media_type="text/html")
    if line + sum(len(name) + len(value) for name, value in request.headers.raw) > URI_LIMIT:
        return Response("<h1>Header Too Large</h1>", 431, media_type="text/html")
    return None


def _counted(request: Request, path: str, raw: bytes, api: Api) -> Answer | Response:
    """The answer to a signed-in call, within the daily limit."""
    if api.calls >= api.daily_limit():
        return errors(403, "REQUEST_LIMIT_EXCEEDED", "TotalRequests Limit exceeded.")
    api.calls += 1
    fault = _planned(api.org.state, path)
    if fault is not None and fault["kind"] != "lost":
        return _disturbed(fault)
    body: Any = None
    if raw:
        try:
            body = json.loads(raw)
        except ValueError as error:
            return errors(400, "JSON_PARSER_ERROR", f"Unexpected character: {error}")
    call = Call(
        method=request.method,
        path=path,
        query=dict(request.query_params),
        headers={name.lower(): value for name, value in request.headers.items()},
        body=body,
    )
    answer = api.handle(call)
    return answer if fault is None else Response(_HTML, 503, media_type="text/html")


def _planned(state: State, path: str) -> dict[str, Any] | None:
    """The disturbance planned for this call, used up one call at a time.

    `salesforce.faults` in the meta: a JSON list of {"path": part of it, "kind", "times", "after"};
    `after` calls pass before it begins. Of kind "lost" only the answer is; "answer" gives `body`.
    """
    planned = json.loads(state.meta("salesforce.faults") or "[]")
    fault: dict[str, Any] | None = next((o for o in planned if o.get("path", "") in path), None)
    if fault is None:
        return None
    waiting = int(fault.get("after", 0)) > 0
    count = "after" if waiting else "times"
    fault[count] = int(fault.get(count, 1)) - 1
    left = [one for one in planned if one.get("times", 1) > 0]
    state.set_meta("salesforce.faults", json.dumps(left) if left else "")
    return None if waiting else fault


def _disturbed(fault: dict[str, Any]) -> Answer | Response:
    """The answer of a disturbance."""
    kind = fault["kind"]
    if kind == "answer":
        return Answer(int(fault.get("status", 200)), fault["body"])
    if kind == "html":
        return Response(_HTML, 200, media_type="text/html")
    if kind == "cut":
        return Response('{"totalSize":3,"done":tr', 200, media_type="application/json")
    if kind == "unavailable":
        return Response(_HTML, 503, media_type="text/html")
    if kind == "concurrent":
        return errors(403, "REQUEST_LIMIT_EXCEEDED", "ConcurrentPerOrgLongTxn Limit exceeded.")
    if kind == "timeout":
        message = "Your query request was running for too long."
        return errors(400, "QUERY_TIMEOUT", message)
    if kind == "server":
        return errors(500, "UNKNOWN_EXCEPTION", "An unexpected error occurred.")
    raise ValueError(f"unknown fault {kind!r}")


def _oauth_error(code: str, description: str) -> Answer:
    return Answer(400, {"error": code, "error_description": description})


def _basic(authorization: str) -> tuple[str, str] | None:
    scheme, _, encoded = authorization.partition(" ")
    if scheme.lower() != "basic":
        return None
    try:
        text = base64.b64decode(encoded, validate=True).decode("utf-8")
    except (binascii.Error, UnicodeDecodeError):
        return None
    name, _, secret = text.partition(":")
    return name, secret


def _same(given: str, known: str) -> bool:
    return hmac.compare_digest(given.encode(), known.encode())
