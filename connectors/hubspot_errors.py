"""HubSpot's refusals and failures as ours: what each status and body means, and what to do next."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from typing import Any

from connectors.base import AuthFailed, RateLimited, TransientFailure

#: Pause after a 429 that does not say how long: by its policyName, as HubSpot's own client does it;
#: the daily allowance is looked at again every hour.
_PAUSES = {"SECONDLY": 1.0, "TEN_SECONDLY_ROLLING": 10.0, "DAILY": 3_600.0}
_PAUSE_UNKNOWN, _PAUSE_MIGRATION, _PAUSE_LOCKED = 10.0, 60.0, 2.0
_RETRIABLE = frozenset({408, 425, 500, 502, 503, 504, 520, 521, 522, 523, 524, 525, 526, 530})


class Refused(Exception):
    """HubSpot understood a call and said no: the caller knows what it means."""

    def __init__(self, status: int, body: Mapping[str, Any]) -> None:
        self.status = status
        self.category = str(body.get("category") or body.get("errorType") or "")
        self.message = str(body.get("message") or f"status {status}")
        self.scopes = _scopes(body)
        self.codes = _codes(body)
        super().__init__(f"{status} {self.category}: {self.message}"[:500])


def refusal(refused: Refused, doing: str) -> Exception:
    """The error for a refusal nobody expected: permissions need a person, the rest is a bug."""
    if refused.status == 403:
        return AuthFailed(
            f"HubSpot does not allow {doing}: grant {wanted(refused)} to the service key or app"
            " (Development > Keys > Service keys), then check the connection again.",
            detail=str(refused),
        )
    return refused


def wanted(refused: Refused, otherwise: str = "the missing scope") -> str:
    """The scopes a 403 asks for, in words; the name HubSpot gives is sometimes a wrong one."""
    if not refused.scopes:
        return otherwise
    return f"the scope {' or '.join(refused.scopes)}"


def meaning(error: Any) -> Exception:
    """The status table: what to do next about an error answer (the client's ApiException)."""
    status = int(error.status or 0)
    text = error.body if isinstance(error.body, str) else ""
    try:
        body = json.loads(text)
    except ValueError:
        body = None
    if not isinstance(body, Mapping):
        body = {"message": _title(text) or str(error.reason or "")}
    refused = Refused(status, body)
    if status == 0:
        return unreachable(error)
    if status == 401:
        expired = refused.category == "EXPIRED_AUTHENTICATION"
        return AuthFailed(
            f"HubSpot {'says the token has expired' if expired else 'refused the token'}. Enter a"
            " valid one for this connection (Development > Keys > Service keys).",
            detail=str(refused),
        )
    if status in (423, 429, 477):
        return RateLimited(
            _limit_words(status, body),
            retry_after_seconds=_pause(status, body, error.headers),
            detail=str(refused),
        )
    if status in _RETRIABLE:
        return TransientFailure(
            "HubSpot did not answer properly: we try again by ourselves, look at"
            " status.hubspot.com if it lasts.",
            detail=str(refused),
        )
    return refused


def _limit_words(status: int, body: Mapping[str, Any]) -> str:
    if status == 423:
        return "HubSpot has locked these records for a moment: they are tried again."
    if status == 477:
        return "HubSpot is moving this account to other servers: polling resumes by itself."
    what = {
        "DAILY": "the account's daily API allowance is used up",
        "SECONDLY": "too many searches a second, other integrations included",
    }.get(_policy(body), "too many calls in ten seconds")
    return f"HubSpot asks us to pause ({what}): polling resumes by itself."


def _policy(body: Mapping[str, Any]) -> str:
    """Which limit was hit; every part of the body is optional."""
    policy = str(body.get("policyName") or "").upper()
    if policy in _PAUSES:
        return policy
    message = str(body.get("message") or "").lower()
    if "daily" in message:
        return "DAILY"
    if "ten_secondly" in message:
        return "TEN_SECONDLY_ROLLING"
    return "SECONDLY" if "secondly" in message else ""


def _pause(status: int, body: Mapping[str, Any], headers: Any) -> float:
    told = headers.get("Retry-After") if headers is not None else None
    try:
        seconds = float(told) if told else 0.0
    except ValueError:
        seconds = 0.0
    if 0 < seconds <= 86_400:
        return seconds
    if status == 423:
        return _PAUSE_LOCKED
    return _PAUSE_MIGRATION if status == 477 else _PAUSES.get(_policy(body), _PAUSE_UNKNOWN)


def _scopes(body: Mapping[str, Any]) -> list[str]:
    found: list[str] = []
    for entry in body.get("errors") or ():
        context = entry.get("context") if isinstance(entry, Mapping) else None
        for name in ("requiredGranularScopes", "requiredScopes"):
            scopes = context.get(name) if isinstance(context, Mapping) else None
            found += [str(scope) for scope in scopes] if isinstance(scopes, list) else []
    return list(dict.fromkeys(found))


def _codes(body: Mapping[str, Any]) -> list[str]:
    errors = body.get("errors")
    rows = errors if isinstance(errors, list) else []
    return [str(e.get("code") or "") for e in rows if isinstance(e, Mapping)]


def _title(text: str) -> str:
    found = re.search(r"<title>(.{0,200}?)</title>", text, re.IGNORECASE | re.DOTALL)
    return found[1].strip() if found else ""


def unreadable(text: str) -> TransientFailure:
    """An answer that is not the API's."""
    return TransientFailure(
        "HubSpot sent something that is not its API's format: the page is read again.",
        detail=text[:200],
    )


def unreachable(error: Exception) -> TransientFailure:
    """No answer at all."""
    return TransientFailure(
        "HubSpot cannot be reached: we try again by ourselves, check the network if it lasts.",
        detail=f"{type(error).__name__}: {error}"[:300],
    )
