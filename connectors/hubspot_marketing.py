"""What people did by themselves: forms, marketing e-mail, page visits. Each has its own paging."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import Any
from urllib.parse import quote

from connectors.hubspot_cursor import Cursor, milliseconds
from connectors.hubspot_errors import Refused
from connectors.hubspot_rows import DETAIL_LIMIT, Batch, bad_record, contact, details
from connectors.hubspot_session import HubSpotSession, Row
from scoring.leads import Engagement
from scoring.normalise import parse_time

#: Submissions per call (vendor limit), and submissions after which a page is handed on.
SUBMISSIONS, PAGE_FULL = 50, 150
EVENTS = 200
#: E-mail events and page visits become visible some minutes late.
EVENT_OVERLAP_SECONDS = 600
MESSAGE_LIMIT = 10_000
EMAIL_EVENTS = {
    "OPEN": "email_open",
    "CLICK": "email_click",
    "BOUNCE": "email_bounce",
    "STATUSCHANGE": "email_unsubscribe",
}
_PARTS = list(EMAIL_EVENTS)
#: What a person wrote, by the names that such form fields have.
_MESSAGE_FIELDS = ("message", "comments", "comment", "how_can_we_help", "question", "description")


@dataclass(frozen=True, slots=True)
class Step:
    """What one page of a stream with its own paging brought, and where it goes on."""

    batch: Batch
    cursor: Cursor
    done: bool


class FormReader:
    """Submissions of every form. HubSpot lists them newest first and knows no time filter."""

    def __init__(self, crm: str, session: HubSpotSession, forms: Callable[[], Sequence[Row]]):
        self._crm = crm
        self._session = session
        self._forms = forms

    def step(self, cursor: Cursor) -> Step:
        """Go on through the forms until a page is full or all were read."""
        batch = Batch()
        forms = {str(form.get("id")): form for form in self._forms() if form.get("id")}
        names = sorted(forms)
        while len(batch.engagements) < PAGE_FULL:
            waiting = [n for n in names if n >= cursor.part] if cursor.part else names
            if not waiting:
                return Step(batch, cursor, done=True)
            form = forms[waiting[0]]
            rows, after = self._page(waiting[0], cursor.after if cursor.part == waiting[0] else "")
            older = self._read(batch, form, rows, cursor)
            seen = [(_key(row), int(row["submittedAt"])) for row in rows if _is_dated(row)]
            cursor = cursor.noted(seen, EVENT_OVERLAP_SECONDS)
            if older or not after:
                if waiting[1:] == []:
                    return Step(batch, cursor, done=True)
                cursor = replace(cursor, part=waiting[1], after="")
            else:
                cursor = replace(cursor, part=waiting[0], after=after)
        return Step(batch, cursor, done=False)

    def _page(self, form_id: str, after: str) -> tuple[list[Row], str]:
        path = f"/form-integrations/v1/submissions/forms/{quote(form_id, safe='')}"
        query: dict[str, str | int] = {"limit": SUBMISSIONS}
        try:
            body = self._session.plain(
                path, query | ({"after": after} if after else {}), lists=("results",)
            )
        except Refused as refused:
            # some kinds of form have no submissions, and a form may have been deleted just now
            if refused.status == 404 or _no_submissions(refused):
                return [], ""
            raise
        paging = body.get("paging")
        following = paging.get("next") if isinstance(paging, Mapping) else None
        after = str(following.get("after") or "") if isinstance(following, Mapping) else ""
        return list(body["results"]), after

    def _read(self, batch: Batch, form: Row, rows: Sequence[Row], cursor: Cursor) -> bool:
        """Read a page; True when it reaches back beyond the window."""
        older = False
        for row in rows:
            try:
                at = parse_time(row["submittedAt"])
                if int(row["submittedAt"]) < cursor.since:
                    older = True
                    continue
                if not cursor.new(_key(row), int(row["submittedAt"])):
                    continue
                found = self._engagement(form, row, at)
            except (ValueError, KeyError, TypeError, AttributeError) as error:
                batch.problems.append(bad_record(self._crm, "form submission", row, error))
                continue
            if found is not None:
                batch.engagements.append(found)
        return older

    def _engagement(self, form: Row, row: Row, at: datetime) -> Engagement | None:
        values = {
            str(value.get("name")): str(value.get("value") or "").strip()
            for value in row.get("values") or ()
        }
        email = values.get("email", "").lower()
        if "@" not in email:
            return None  # an anonymous submission belongs to nobody
        message = next((values[n] for n in _MESSAGE_FIELDS if values.get(n)), "")
        detail = details(form=str(form.get("name") or ""), url=str(row.get("pageUrl") or ""))
        if message:
            detail["message"] = message[:MESSAGE_LIMIT]
        key = f"{self._crm}:form:{row['conversionId']}"
        return Engagement(key, "form_submission", at, email=email, detail=detail)


def read_email_events(crm: str, session: HubSpotSession, cursor: Cursor) -> Step:
    """One page of marketing e-mail events, one event type after the other."""
    part = cursor.part if cursor.part in _PARTS else _PARTS[0]
    query: dict[str, str | int] = {
        "startTimestamp": cursor.since,
        "endTimestamp": cursor.until,
        "eventType": part,
        "limit": EVENTS,
    }
    if cursor.after:
        query["offset"] = cursor.after
    body = session.plain("/email/public/v1/events", query, lists=("events",))
    batch, seen = Batch(), []
    for row in body["events"]:
        try:
            stamp, key = int(row["created"]), f"{row['id']}"
            if not cursor.new(_short(key), stamp):
                continue
            found = _email_event(crm, row, part)
            seen.append((_short(key), stamp))
        except (ValueError, KeyError, TypeError, AttributeError) as error:
            batch.problems.append(bad_record(crm, "email event", row, error))
            continue
        if found is not None:
            batch.engagements.append(found)
    cursor = cursor.noted(seen, EVENT_OVERLAP_SECONDS)
    offset = str(body.get("offset") or "")
    if body.get("hasMore") and offset and offset != cursor.after:
        return Step(batch, replace(cursor, part=part, after=offset), done=False)
    place = _PARTS.index(part) + 1
    if place == len(_PARTS):
        return Step(batch, cursor, done=True)
    return Step(batch, replace(cursor, part=_PARTS[place], after=""), done=False)


def _email_event(crm: str, row: Row, part: str) -> Engagement | None:
    """An event as an engagement; None for what machines do and for other status changes."""
    if row.get("filteredEvent") in (True, "true"):  # HubSpot says: a bot, or the sender
        return None
    if part == "STATUSCHANGE" and "UNSUBSCRIBED" not in _statuses(row):
        return None
    email = str(row.get("recipient") or "").strip().lower()
    if "@" not in email:
        raise ValueError("it names no recipient")
    detail = details(
        campaign=str(row.get("emailCampaignId") or ""), url=str(row.get("url") or "") or None
    )
    key = f"{crm}:email_event:{row['id']}:{row['created']}"
    return Engagement(
        key, EMAIL_EVENTS[part], parse_time(row["created"]), email=email, detail=detail
    )


def _statuses(row: Row) -> set[str]:
    found = {str(row.get("portalSubscriptionStatus") or "").upper()}
    for entry in row.get("subscriptions") or ():
        if isinstance(entry, Mapping):
            found.add(str(entry.get("status") or "").upper())
    return found


def read_visits(crm: str, session: HubSpotSession, cursor: Cursor) -> Step:
    """One page of page visits, oldest first."""
    body = session.events(
        "e_visited_page",
        _iso(cursor.since),
        _iso(cursor.until + 1),  # the end is exclusive
        cursor.after,
        EVENTS,
    )
    batch, seen = Batch(), []
    for row in body["results"]:
        try:
            at = parse_time(str(row.get("occurredAt") or ""))
            stamp, key = milliseconds(at), _short(str(row["id"]))
            if not cursor.new(key, stamp):
                continue
            batch.engagements.append(_visit(crm, row, at))
            seen.append((key, stamp))
        except (ValueError, KeyError, TypeError, AttributeError) as error:
            batch.problems.append(bad_record(crm, "page visit", row, error))
    cursor = cursor.noted(seen, EVENT_OVERLAP_SECONDS)
    paging = body.get("paging")
    following = paging.get("next") if isinstance(paging, Mapping) else None
    after = str(following.get("after") or "") if isinstance(following, Mapping) else ""
    if after and after != cursor.after:
        return Step(batch, replace(cursor, after=after), done=False)
    return Step(batch, cursor, done=True)


def _visit(crm: str, row: Row, at: datetime) -> Engagement:
    properties: Any = row.get("properties")
    url = properties.get("hs_url") if isinstance(properties, Mapping) else None
    title = properties.get("hs_title") if isinstance(properties, Mapping) else None
    detail = details(url=str(url or "") or None, subject=str(title or "")[:DETAIL_LIMIT] or None)
    who = contact(crm, row.get("objectId"))
    return Engagement(f"{crm}:visit:{row['id']}", "page_visit", at, who, detail=detail)


def _no_submissions(refused: Refused) -> bool:
    told = f"{refused.codes} {refused.message}".lower().replace("_", " ")
    return refused.status == 400 and "form type" in told and "not allowed" in told


def _is_dated(row: Row) -> bool:
    return isinstance(row.get("submittedAt"), int)


def _key(row: Row) -> str:
    return _short(str(row.get("conversionId") or ""))


def _short(key: str) -> str:
    """Enough of an id to recognise it: a random id's first half, or all of a short one."""
    return key[:18]


def _iso(milliseconds: int) -> str:
    moment = datetime.fromtimestamp(milliseconds / 1_000, UTC)
    return moment.isoformat(timespec="milliseconds").replace("+00:00", "Z")
