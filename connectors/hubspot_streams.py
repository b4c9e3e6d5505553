"""How one page of a HubSpot stream is read, and what happens where the account lacks it."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from datetime import datetime
from functools import partial
from typing import Any

from connectors.base import Page, Stream, TransientFailure
from connectors.hubspot_account import AccountFacts
from connectors.hubspot_cursor import BEGINNING, OVERLAP_SECONDS, Cursor, milliseconds
from connectors.hubspot_errors import Refused, refusal, wanted
from connectors.hubspot_marketing import (
    EVENT_OVERLAP_SECONDS,
    FormReader,
    Step,
    read_email_events,
    read_visits,
)
from connectors.hubspot_people import STAGE_ENTERED, read_deleted_contacts
from connectors.hubspot_rows import Batch, Context, row_id, text, unique
from connectors.hubspot_session import SEARCH_ROWS, HubSpotSession, Row
from connectors.hubspot_sources import DELETED, EMAIL_EVENTS, FORMS, OWNERS, SOURCES, VISITS, Source
from scoring.normalise import parse_time
from scoring.problems import Problem

#: A search's body may have 3,000 characters; what is left of it for property names.
PROPERTY_CHARACTERS = 2_400
#: Searches after which a page is handed on although nothing new was found.
SEARCHES_A_PAGE = 10
#: A stream that the account lacks is asked for again after this long.
DENIED_SECONDS = 600.0
#: Counters and associations change without moving any time: all is read again once a day.
SWEEP_SECONDS = 86_400


_NEEDS = {
    "form_submissions": "the scope forms",
    "email_events": "the scope content (Marketing Hub)",
    "page_visits": "an Enterprise subscription of any Hub (its events API)",
    "deals": "the scope crm.objects.deals.read",
    "owners": "the scope crm.objects.owners.read",
    "companies": "the scope crm.objects.companies.read",
}


class StreamReader:
    """Reads pages of streams of one account."""

    def __init__(self, crm: str, session: HubSpotSession, account: AccountFacts) -> None:
        self._crm = crm
        self._session = session
        self._account = account
        self._forms = FormReader(crm, session, account.forms)
        self._denied: dict[str, float] = {}
        self._paged: dict[str, tuple[int, Callable[[Cursor], Step]]] = {
            FORMS.name: (EVENT_OVERLAP_SECONDS, self._forms.step),
            EMAIL_EVENTS.name: (
                EVENT_OVERLAP_SECONDS,
                lambda cursor: read_email_events(crm, session, cursor),
            ),
            VISITS.name: (EVENT_OVERLAP_SECONDS, lambda cursor: read_visits(crm, session, cursor)),
        }

    def forget_denials(self) -> None:
        """Ask again for what was denied."""
        self._denied.clear()

    def gaps(self) -> list[Problem]:
        """What this token or account does not show us, found by asking for one row of each."""
        found = []
        for stream, look in self._looks():
            try:
                look()
            except Refused as refused:
                if refused.status != 403:
                    raise
                found.append(denied(stream, refused))
        return found

    def _looks(self) -> list[tuple[Stream, Callable[[], Any]]]:
        session = self._session
        kinds = {source.type: source.stream for source in reversed(SOURCES.values())}
        return [
            *(
                (stream, partial(session.search, type_, {"limit": 1}))
                for type_, stream in kinds.items()
            ),
            (FORMS, session.forms),
            (EMAIL_EVENTS, lambda: session.plain("/email/public/v1/events", {"limit": 1})),
            (VISITS, lambda: session.events("e_visited_page", "", "", "", 1)),
            (OWNERS, session.owners),
        ]

    def page(self, stream: Stream, cursor: str, now: datetime) -> Page:
        """The next page of a stream; one that the account lacks is named once, and skipped."""
        place = Cursor.parse(cursor)
        if self._denied.get(stream.name, 0.0) > time.monotonic():
            return Page(next_cursor=cursor)
        try:
            if stream.name in self._paged:
                page = self._step(stream.name, place.opened(now))
            elif stream.name == DELETED.name:
                page = self._deleted(place, now)
            else:
                page = self._search(SOURCES[stream.name], place, now)
        except Refused as refused:
            if refused.status != 403 or stream.required:
                raise refusal(refused, f"reading {stream.label.lower()}") from None
            self._denied[stream.name] = time.monotonic() + DENIED_SECONDS
            return Page(problems=(denied(stream, refused),), next_cursor=cursor)
        notes = self._account.notes()
        return replace(page, problems=(*notes, *page.problems)) if notes else page

    # -- search --------------------------------------------------------------------------------

    def _search(self, source: Source, cursor: Cursor, now: datetime) -> Page:
        """Search on until something new is found or the window is read."""
        if source.sweep and not cursor.until and not _is_due(cursor, now):
            return Page(next_cursor=cursor.text())
        cursor = cursor.opened(now, source.hold_back_seconds)
        first = cursor.first_read
        if first and (source.recent_only or source.sweep):
            return Page(next_cursor=cursor.closed(source.overlap_seconds).text())
        custom = self._custom(source)
        names = [*self._account.present(source.type, self._wished(source)), *custom]
        done, new = False, []
        for _ in range(SEARCHES_A_PAGE):
            rows, total = self._rows(source, cursor, names)
            if not cursor.last_id:
                cursor = cursor.limited(self._session.server_time())
            if first and not cursor.total:
                cursor = replace(cursor, total=total)
            new = [row for row in rows if source.sweep or self._is_new(row, source, cursor)]
            done = len(rows) < SEARCH_ROWS
            cursor = self._advanced(source, cursor, rows)
            if new or done:
                break
        batch = self._read(source, new, custom, now)
        progress = None
        if first:
            progress = 1.0 if done or not cursor.total else min(1.0, cursor.read / cursor.total)
        following = cursor.closed(source.overlap_seconds) if done else cursor
        return _page(batch, following, more=not done, progress=progress)

    def _rows(self, source: Source, cursor: Cursor, names: Sequence[str]) -> tuple[list[Row], int]:
        filters = [
            (source.stamp, "GTE", BEGINNING if source.sweep else cursor.since),
            (source.stamp, "LTE", cursor.until),
            ("hs_object_id", "GT", cursor.last_id),
        ]
        body = {
            "filterGroups": [
                {
                    "filters": [
                        {"propertyName": name, "operator": operator, "value": str(value)}
                        for name, operator, value in filters
                    ]
                }
            ],
            "sorts": [{"propertyName": "hs_object_id", "direction": "ASCENDING"}],
            "properties": list(names),
            "limit": SEARCH_ROWS,
        }
        answer = self._session.search(source.type, body)
        total = answer.get("total")
        return list(answer["results"]), total if isinstance(total, int) else 0

    def _advanced(self, source: Source, cursor: Cursor, rows: Sequence[Row]) -> Cursor:
        """The cursor beyond these rows; raises TransientFailure where they do not lead on."""
        ids = [found for row in rows if (found := row_id(row)) is not None]
        highest = max(ids, default=cursor.last_id)
        if len(rows) >= SEARCH_ROWS and highest <= cursor.last_id:
            raise TransientFailure(
                f"HubSpot sent {source.stream.label.lower()} without usable ids: the page is read"
                " again.",
                detail=str(rows[0])[:200],
            )
        things = [
            (str(row["id"]), stamp)
            for row in rows
            if (stamp := _stamp(row, source.stamp)) and row_id(row)
        ]
        noted = cursor.noted(things, source.overlap_seconds)
        return replace(noted, last_id=max(highest, cursor.last_id), read=cursor.read + len(rows))

    @staticmethod
    def _is_new(row: Row, source: Source, cursor: Cursor) -> bool:
        stamp = _stamp(row, source.stamp)
        return not stamp or cursor.new(str(row.get("id")), stamp)

    def _read(
        self, source: Source, rows: Sequence[Row], custom: Sequence[str], now: datetime
    ) -> Batch:
        context = Context(
            crm=self._crm,
            now=now,
            url=self._account.contact_url,
            contacts_of=lambda type_, ids: (
                self._session.linked(type_, "contacts", [i for i in ids if i.isdigit()])
                if ids
                else {}
            ),
            owner=self._account.owner,
            stages=self._account.closed_stages,
            custom=custom,
        )
        return source.read(context, unique(rows, lambda row: _stamp(row, source.stamp)))

    def _wished(self, source: Source) -> list[str]:
        if source.type != "deals":
            return list(source.fields)
        return [*source.fields, *(f"{STAGE_ENTERED}{s}" for s in self._account.closed_stages())]

    def _custom(self, source: Source) -> list[str]:
        """The account's own properties, as many as a search's body has room for."""
        if not source.custom:
            return []
        room = PROPERTY_CHARACTERS - len(json.dumps(list(source.fields)))
        found = []
        for name in self._account.custom(source.type):
            room -= len(name) + 4
            if room < 0:
                break
            if name not in source.fields:
                found.append(name)
        return found

    # -- streams with their own paging ---------------------------------------------------------

    def _step(self, name: str, cursor: Cursor) -> Page:
        overlap_seconds, step = self._paged[name]
        found = step(cursor)
        for _ in range(SEARCHES_A_PAGE):
            if found.done or found.batch.engagements or found.batch.problems:
                break
            found = step(found.cursor)
        reached = found.cursor.limited(self._session.server_time())
        following = reached.closed(overlap_seconds) if found.done else reached
        return _page(found.batch, following, more=not found.done)

    def _deleted(self, cursor: Cursor, now: datetime) -> Page:
        """A page of the recycle bin, told as far as it is newer than the last time.

        Archiving moves no modified time and search never shows it, so the whole bin is listed.
        Whoever was in it before we came is none of our leads.
        """
        first = cursor.first_read
        cursor = cursor.opened(now)
        body = self._session.archived("contacts", cursor.after, ("createdate",))
        rows = [
            row
            for row in body["results"]
            if not first
            and _archived(row) >= cursor.since
            and cursor.new(str(row.get("id")), _archived(row))
        ]
        batch = self._read(
            Source(DELETED, "contacts", (), read_deleted_contacts, "archivedAt"), rows, (), now
        )
        things = [(str(row.get("id")), _archived(row)) for row in body["results"]]
        cursor = cursor.noted(things, OVERLAP_SECONDS)
        after = str(_next(body) or "")
        if after and after != cursor.after:
            return _page(batch, replace(cursor, after=after), more=True)
        return _page(batch, cursor.closed(OVERLAP_SECONDS), more=False)


def _is_due(cursor: Cursor, now: datetime) -> bool:
    """Whether a day has passed since the last sweep; the first read itself counts as one."""
    return cursor.first_read or milliseconds(now) - cursor.since >= SWEEP_SECONDS * 1_000


def denied(stream: Stream, refused: Refused) -> Problem:
    """The problem for a stream that this account or token does not have."""
    need = wanted(refused, _NEEDS.get(stream.name, "the missing permission"))
    return Problem(
        "missing_permission",
        f"HubSpot does not show us {stream.label.lower()}: it takes {need}. Grant it (Development >"
        " Keys > Service keys in HubSpot), or go on without; it is asked for again by itself.",
        detail=str(refused),
        field=stream.name,
    )


def _page(batch: Batch, cursor: Cursor, *, more: bool, progress: float | None = None) -> Page:
    return Page(
        records=tuple(batch.records),
        accounts=tuple(batch.accounts),
        engagements=tuple(batch.engagements),
        outcomes=tuple(batch.outcomes),
        problems=tuple(batch.problems),
        next_cursor=cursor.text(),
        more=more,
        progress=progress,
    )


def _stamp(row: Row, name: str) -> int:
    """A row's time in milliseconds; 0 where it is missing or impossible."""
    found: Any = text(row, name) or row.get("archivedAt" if name == "archivedAt" else "updatedAt")
    try:
        return milliseconds(parse_time(str(found or "")))
    except ValueError:
        return 0


def _archived(row: Row) -> int:
    return _stamp(row, "archivedAt")


def _next(body: Mapping[str, Any]) -> Any:
    paging = body.get("paging")
    following = paging.get("next") if isinstance(paging, Mapping) else None
    return following.get("after") if isinstance(following, Mapping) else None
