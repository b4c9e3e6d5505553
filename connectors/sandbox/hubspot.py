"""The HubSpot sandbox over HTTP: tokens, scopes, rate limits and disturbances round the calls."""

from __future__ import annotations

import hmac
import html
import json
import math
import uuid
from collections import deque
from collections.abc import Callable, Mapping
from datetime import datetime
from email.utils import format_datetime
from typing import Any

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import HTMLResponse, Response
from starlette.routing import Route as Address
from starlette.types import ASGIApp

from connectors.sandbox.hubspot_api import Answer, Api, Call
from connectors.sandbox.hubspot_marketing import Marketing
from connectors.sandbox.hubspot_paths import Found, match
from connectors.sandbox.hubspot_properties import Properties
from connectors.sandbox.hubspot_records import ApiError, Portal
from connectors.sandbox.hubspot_schema import object_type
from connectors.sandbox.hubspot_search import tokens
from connectors.sandbox.state import State

URI_LIMIT = 16_000
TEN_SECONDS, SEARCHES_PER_SECOND, DAILY = 190, 5, 625_000
_DOCS = "https://developers.hubspot.com/scopes"
_JSON = "application/json;charset=utf-8"
_HTML_PAGE = "<!DOCTYPE html><html><body><h1>We'll be right back.</h1></body></html>"
_TOO_LONG = "<html><head><title>414 Request-URI Too Large</title></head><body></body></html>"
_METHODS = ["GET", "POST", "PATCH", "PUT", "DELETE"]


class Limits:
    """How often may be called: a rolling ten seconds, searches per second, and the day.

    Switches in `meta`: `hubspot.ten_seconds`, `hubspot.searches_per_second`, `hubspot.daily`
    (numbers; empty = default), `hubspot.retry_after` ("yes": 429 says how long).
    """

    def __init__(self, portal: Portal) -> None:
        self._portal = portal
        self._calls: deque[float] = deque()
        self._searches: deque[float] = deque()
        self._today, self._day = 0, ""

    def take(self, *, search: bool) -> Response | None:
        """Count one call; the 429 when there were too many."""
        moment = self._portal.clock()
        if self._day != f"{moment:%Y-%m-%d}":
            self._today, self._day = 0, f"{moment:%Y-%m-%d}"
        self._today += 1
        now = moment.timestamp()
        if self._today > self._limit("daily", DAILY):
            return self._refused("You have reached your daily limit.", "DAILY", 3_600)
        window, seconds = (self._searches, 1.0) if search else (self._calls, 10.0)
        name, default = (
            ("searches_per_second", SEARCHES_PER_SECOND) if search else ("ten_seconds", TEN_SECONDS)
        )
        while window and (window[0] <= now - seconds or window[0] > now):
            window.popleft()
        if len(window) >= self._limit(name, default):
            wait = max(1, math.ceil(window[0] + seconds - now)) if window else 1
            if search:
                return self._refused("You have reached your secondly limit.", "SECONDLY", wait)
            words = "You have reached your ten_secondly_rolling limit."
            return self._refused(words, "TEN_SECONDLY_ROLLING", wait)
        window.append(now)
        return None

    def headers(self) -> dict[str, str]:
        """What answers to calls (never to searches) say about the limits."""
        limit, daily = self._limit("ten_seconds", TEN_SECONDS), self._limit("daily", DAILY)
        return {
            "X-HubSpot-RateLimit-Max": str(limit),
            "X-HubSpot-RateLimit-Remaining": str(max(0, limit - len(self._calls))),
            "X-HubSpot-RateLimit-Interval-Milliseconds": "10000",
            "X-HubSpot-RateLimit-Daily": str(daily),
            "X-HubSpot-RateLimit-Daily-Remaining": str(max(0, daily - self._today)),
            "X-HubSpot-RateLimit-Secondly": "19",
            "X-HubSpot-RateLimit-Secondly-Remaining": "18",
        }

    def _limit(self, name: str, default: int) -> int:
        return int(self._portal.state.meta(f"hubspot.{name}") or default)

    def _refused(self, message: str, policy: str, wait: int) -> Response:
        body = {
            "status": "error",
            "message": message,
            "errorType": "RATE_LIMIT",
            "correlationId": str(uuid.uuid4()),
            "policyName": policy,
            "groupName": f"publicapi:private-apps:calls-per:{policy}",
        }
        told = self._portal.state.meta("hubspot.retry_after") == "yes"
        headers = {"Retry-After": str(wait)} if told else {}
        return Response(json.dumps(body), 429, headers, media_type=_JSON)


class Server:
    """One account behind one token.

    Switches in `meta`: `hubspot.auth` ("expired" or "invalid": every call is a 401),
    `hubspot.scopes` (comma-separated; empty = all), `hubspot.faults` (see `_disturbed`).
    """

    def __init__(self, state: State, token: str, clock: Callable[[], datetime]) -> None:
        self.state = state
        self.portal = Portal(state, clock)
        self._token = token
        self._limits = Limits(self.portal)
        self._operations: Mapping[str, Callable[..., Answer]] = (
            Api(self.portal).operations
            | Properties(self.portal).operations
            | Marketing(self.portal).operations
        )
        with state.transaction() as connection:
            connection.create_function("hs_token", 2, tokens, deterministic=True)

    def answer(self, request: Request, raw: bytes) -> Response:
        """The whole way of one call: address, token, limits, scopes, disturbance, operation."""
        path = request.url.path
        if len(path) + len(request.url.query) > URI_LIMIT:
            return HTMLResponse(_TOO_LONG, 414)
        found = match(request.method, path)
        if not isinstance(found, Found):
            message = "Method Not Allowed" if found else "resource not found"
            status = 405 if found else 404
            return _json(status, ApiError(status, "OBJECT_NOT_FOUND", message).body())
        refused = self._unauthorized(request.headers.get("authorization", ""))
        if refused is not None:
            return refused
        limited = self._limits.take(search=found.route.search)
        response = limited or self._served(request, raw, found)
        if not found.route.search:
            response.headers.update(self._limits.headers())
        return response

    def _served(self, request: Request, raw: bytes, found: Found) -> Response:
        denied = self._denied(found)
        if denied is not None:
            return denied
        disturbed, commits = self._disturbed(request.url.path)
        if disturbed is not None and not commits:
            return disturbed
        try:
            call = _call(request, raw)
            answer = self._operations[found.route.operation](call, **found.parts)
        except ApiError as error:
            return _json(error.status, error.body())
        if disturbed is not None:
            return disturbed
        if answer.body is None:
            return Response(status_code=answer.status)
        return _json(answer.status, answer.body)

    def _unauthorized(self, header: str) -> Response | None:
        scheme, _, token = header.partition(" ")
        switch = self.state.meta("hubspot.auth")
        known = scheme.lower() == "bearer" and hmac.compare_digest(
            token.strip().encode(), self._token.encode()
        )
        if known and not switch:
            return None
        if known and switch == "expired":
            error = ApiError(
                401,
                "EXPIRED_AUTHENTICATION",
                "The OAuth token used to make this call expired 0 second(s) ago.",
                context={"expire time": [self.portal.clock().isoformat()]},
            )
        else:
            error = ApiError(
                401,
                "INVALID_AUTHENTICATION",
                "Authentication credentials not found. This API supports OAuth 2.0 authentication"
                " and you can find more details at"
                " https://developers.hubspot.com/docs/methods/auth/oauth-overview",
            )
        headers = {"x-hubspot-auth-failure": "401 Unauthorized"}
        return _json(401, error.body(), headers)

    def _denied(self, found: Found) -> Response | None:
        granted = {s.strip() for s in self.state.meta("hubspot.scopes").split(",") if s.strip()}
        needed = found.scopes()
        if not granted or not needed or granted & set(needed):
            return None
        message = (
            "This app hasn't been granted all required scopes to make this call. Read more about"
            f" required scopes here: {_DOCS}."
        )
        errors = [
            {
                "message": "One or more of the following scopes are required.",
                "context": {"requiredScopes": list(needed)},
            }
        ]
        error = ApiError(403, "MISSING_SCOPES", message, errors=errors, links={"scopes": _DOCS})
        return _json(403, error.body())

    def _disturbed(self, path: str) -> tuple[Response | None, bool]:
        """A planned disturbance, used up one call at a time, and whether the call happens anyway.

        `hubspot.faults`: a JSON list of {"path": part of it, "kind", "times", …}. Kinds: "html"
        (a page with status 200), "cut" (broken JSON), "unavailable" (503), "lost" (done, but the
        answer is a 504), "answer" (`status`, `body` as given, `headers`).
        """
        planned = json.loads(self.state.meta("hubspot.faults") or "[]")
        fault = next((one for one in planned if one.get("path", "") in path), None)
        if fault is None:
            return None, False
        fault["times"] = int(fault.get("times", 1)) - 1
        left = [one for one in planned if one["times"] > 0]
        self.state.set_meta("hubspot.faults", json.dumps(left) if left else "")
        kind = fault["kind"]
        if kind == "html":
            return HTMLResponse(_HTML_PAGE), False
        if kind == "cut":
            return Response('{"results":[{"id":"1"', media_type=_JSON), False
        if kind == "unavailable":
            return HTMLResponse(_HTML_PAGE, 503), False
        if kind == "lost":
            return HTMLResponse(_HTML_PAGE, 504), True
        if kind == "answer":
            headers = {str(k): str(v) for k, v in fault.get("headers", {}).items()}
            return _json(int(fault.get("status", 200)), fault.get("body"), headers), False
        raise ValueError(f"unknown fault {kind!r}")

    def page(self, type_: str, record_id: str) -> Response:
        """What a person sees who follows a link to a record: its values, as a plain page."""
        kind = object_type(type_)
        stored = self.portal.find(kind, record_id) if kind else None
        if kind is None or stored is None:
            return HTMLResponse("<h1>This record does not exist</h1>", 404)
        values = {**stored.fields, "hs_object_id": stored.id}
        rows = "".join(
            f"<tr><th align=left>{html.escape(name)}</th><td>{html.escape(str(value))}</td></tr>"
            for name, value in sorted(values.items())
            if not name.startswith("~")
        )
        title = f"{kind.singular.capitalize()} {html.escape(stored.id)}"
        return HTMLResponse(
            f"<!DOCTYPE html><title>{title}</title><h1>{title} in the HubSpot sandbox</h1>"
            f"<table>{rows}</table>"
        )


def build_app(state: State, *, token: str, clock: Callable[[], datetime]) -> ASGIApp:
    """The sandbox's ASGI app for one account; `clock` gives its time (sent as the Date header).

    Serve it with the HTTP server's own Date header off.
    Switches are documented at `Server`, `Limits`, `Marketing` and `hubspot_records.Portal`.
    """
    server = Server(state, token, clock)

    async def serve(request: Request) -> Response:
        response = server.answer(request, await request.body())
        response.headers["Date"] = format_datetime(clock(), usegmt=True)
        return response

    async def show(request: Request) -> Response:
        return server.page(request.path_params["type"], request.path_params["id"])

    return Starlette(
        routes=[
            Address("/contacts/{portal}/record/{type}/{id}", show, methods=["GET"]),
            Address("/{path:path}", serve, methods=_METHODS),
        ]
    )


def _call(request: Request, raw: bytes) -> Call:
    body: Any = None
    if raw and request.method != "GET":
        try:
            body = json.loads(raw)
        except ValueError:
            raise ApiError(400, "VALIDATION_ERROR", "Invalid input JSON: it is malformed") from None
    query: dict[str, list[str]] = {}
    for name, value in request.query_params.multi_items():
        query.setdefault(name, []).append(value)
    return Call(
        method=request.method,
        path=request.url.path,
        query=query,
        body=body,
        size=len(raw.decode("utf-8", "replace")),
        host=request.headers.get("host", ""),
    )


def _json(status: int, body: Any, headers: Mapping[str, str] | None = None) -> Response:
    text = json.dumps(body, ensure_ascii=False, separators=(",", ":"))
    raw = text.encode("utf-8", "surrogatepass")
    return Response(raw, status, dict(headers or {}), media_type=_JSON)
