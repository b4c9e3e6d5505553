"""What Salesforce lets us poll: one table row per stream, and how one page of it is read."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import Any

from connectors.base import Page, Stream, TransientFailure
from connectors.salesforce_activity import (
    CAMPAIGN_FIELDS,
    EMAIL_FIELDS,
    EVENT_FIELDS,
    OPPORTUNITY_FIELDS,
    ROLE_FIELDS,
    TASK_FIELDS,
    read_campaign_members,
    read_contact_roles,
    read_emails,
    read_events,
    read_opportunities,
    read_tasks,
)
from connectors.salesforce_cursor import PAGE_ROWS, Cursor
from connectors.salesforce_describe import Described, Describer, refusal
from connectors.salesforce_people import (
    ACCOUNT_FIELDS,
    CONTACT_EXTRA,
    CONTACT_FIELDS,
    LEAD_EXTRA,
    LEAD_FIELDS,
    read_accounts,
    read_contacts,
    read_leads,
)
from connectors.salesforce_rows import Batch, Context, Row, custom_fields
from connectors.salesforce_session import Refused, SalesforceSession
from scoring.normalise import parse_time
from scoring.problems import Problem

_STAMP = "SystemModstamp"


@dataclass(frozen=True, slots=True)
class Source:
    """One stream: its object, the fields it wishes for, and those it cannot do without."""

    stream: Stream
    object: str
    fields: tuple[str, ...]
    needs: tuple[str, ...]
    read: Callable[[Context, list[Row]], Batch]
    stamp: str = _STAMP
    custom: bool = False  # read the org's own fields too


def _source(
    name: str,
    label: str,
    object_: str,
    read: Callable[[Context, list[Row]], Batch],
    fields: tuple[str, ...],
    needs: tuple[str, ...],
    *,
    every: int,
    required: bool = False,
    stamp: str = _STAMP,
    custom: bool = False,
) -> Source:
    stream = Stream(name, label, every=every, required=required)
    return Source(stream, object_, fields, needs, read, stamp, custom)


#: People first. An event's time passes without any change of the event: a stream of its own, by
#: end time, finds the meetings that were held since. Nor does a person who joins an opportunity
#: change it: the roles are a stream of their own too.
SOURCES: dict[str, Source] = {
    source.stream.name: source
    for source in (
        _source(
            "leads",
            "Leads",
            "Lead",
            read_leads,
            (*LEAD_FIELDS, *LEAD_EXTRA),
            ("CreatedDate", "Email"),
            every=1,
            required=True,
            custom=True,
        ),
        _source(
            "contacts",
            "Contacts",
            "Contact",
            read_contacts,
            (*CONTACT_FIELDS, *CONTACT_EXTRA),
            ("CreatedDate", "Email"),
            every=2,
            required=True,
            custom=True,
        ),
        _source(
            "accounts",
            "Accounts",
            "Account",
            read_accounts,
            tuple(ACCOUNT_FIELDS),
            ("Name",),
            every=4,
        ),
        _source(
            "campaign_members",
            "Campaign answers",
            "CampaignMember",
            read_campaign_members,
            CAMPAIGN_FIELDS,
            ("CreatedDate", "HasResponded", "LeadId", "ContactId"),
            every=2,
        ),
        _source(
            "tasks",
            "Calls and tasks",
            "Task",
            read_tasks,
            TASK_FIELDS,
            ("CreatedDate", "WhoId"),
            every=2,
        ),
        _source(
            "events",
            "Meetings",
            "Event",
            read_events,
            EVENT_FIELDS,
            ("CreatedDate", "WhoId"),
            every=4,
        ),
        _source(
            "meetings_held",
            "Meetings that took place",
            "Event",
            read_events,
            (*EVENT_FIELDS, _STAMP),
            ("CreatedDate", "WhoId", "EndDateTime"),
            every=4,
            stamp="EndDateTime",
        ),
        _source(
            "email_messages",
            "E-mails",
            "EmailMessage",
            read_emails,
            EMAIL_FIELDS,
            ("CreatedDate", "MessageDate"),
            every=2,
        ),
        _source(
            "opportunities",
            "Opportunities",
            "Opportunity",
            read_opportunities,
            OPPORTUNITY_FIELDS,
            ("CreatedDate", "CloseDate"),
            every=4,
        ),
        _source(
            "contact_roles",
            "People of opportunities",
            "OpportunityContactRole",
            read_contact_roles,
            ROLE_FIELDS,
            ROLE_FIELDS,
            every=4,
        ),
    )
}


class StreamReader:
    """Reads pages of streams; names every gap in the user's permissions once."""

    def __init__(
        self, crm: str, session: SalesforceSession, describer: Describer, url: Callable[[str], str]
    ) -> None:
        self._crm = crm
        self._session = session
        self._describer = describer
        self._url = url
        self._named: set[str] = set()

    def page(self, source: Source, cursor: Cursor, now: datetime) -> Page:
        """The next page of a stream. Raises connector errors; the cursor then stays where it is."""
        described = self._describer.object(source.object)
        gaps = self.gaps(source, described)
        problems = [gap for gap in gaps if gap.message not in self._named]
        self._named.update(gap.message for gap in problems)
        if described is None or not self._usable(source, described):
            return Page(problems=tuple(problems), next_cursor=cursor.text())
        columns = self._columns(source, described)
        try:
            total = self._total(source, cursor)
            rows, finished = self._rows(source, columns, cursor)
        except Refused as refused:
            self._describer.forget()  # permissions may have changed under us
            raise refusal(refused, f"reading {source.stream.label.lower()}") from None
        server_time = self._session.server_time() or now.astimezone(UTC)
        return self._read(source, described, cursor, rows, finished, server_time, total, problems)

    def gaps(self, source: Source, described: Described | None) -> list[Problem]:
        """Problems naming the object or the fields this user cannot read."""
        label = source.stream.label
        if described is None:
            return [
                self._missing(
                    f"Salesforce does not show us {source.object}: {label} are not read. Grant the"
                    f" API user read access to the object {source.object}"
                    + (
                        " (tick “Marketing User” on the user)."
                        if source.object == "CampaignMember"
                        else "."
                    ),
                    source.object,
                )
            ]
        hidden = [path for path in source.fields if not self._describer.can_select(described, path)]
        return [
            self._missing(
                f"Salesforce hides the field {source.object}.{path}: grant the API user read access"
                " to it (field-level security)"
                + (f", without it {label} are not read." if path in source.needs else "."),
                f"{source.object}.{path}",
            )
            for path in hidden
        ]

    def _missing(self, message: str, field: str) -> Problem:
        return Problem("missing_permission", message, field=field)

    def _usable(self, source: Source, described: Described) -> bool:
        stamp = described.fields.get(source.stamp, {})
        readable = all(described.readable(name) for name in source.needs)
        return readable and bool(stamp.get("filterable", False))

    def _columns(self, source: Source, described: Described) -> list[str]:
        wanted = ["Id", source.stamp, "IsDeleted", *source.fields]
        columns = [path for path in wanted if self._describer.can_select(described, path)]
        if source.custom:
            columns += custom_fields(described.fields)
        return list(dict.fromkeys(columns))

    def _total(self, source: Source, cursor: Cursor) -> int | None:
        """How many rows a first read has before it, asked once."""
        if not cursor.first_read or cursor.at is not None:
            return cursor.total
        return int(self._session.query(f"SELECT COUNT() FROM {source.object}")["totalSize"])

    def _rows(self, source: Source, columns: list[str], cursor: Cursor) -> tuple[list[Row], bool]:
        """New rows of one page, in order, and whether the window ends with them.

        The server may cut its pages shorter than asked, so only `done` ends the reading.
        """
        limit = cursor.limit()
        condition = cursor.condition(source.stamp) or f" WHERE {source.stamp} != null"
        soql = (
            f"SELECT {', '.join(columns)} FROM {source.object}{condition}"
            f" ORDER BY {source.stamp}, Id LIMIT {limit}"
        )
        answer = self._session.query(soql, deleted=True, page=max(200, limit))
        got = list(answer["records"])
        while not answer["done"]:
            answer = self._session.query_more(answer["nextRecordsUrl"])
            got += answer["records"]
        new = [row for row in got if not self._known(row, source.stamp, cursor)]
        cut = new[:PAGE_ROWS]
        return cut, len(got) < limit and len(cut) == len(new)

    @staticmethod
    def _known(row: Any, stamp: str, cursor: Cursor) -> bool:
        """Whether a row was read before, or lies before our place: asked for were later ones."""
        if not isinstance(row, dict):
            return False
        seconds = _seconds(row, stamp)
        if cursor.at is not None and seconds is not None and seconds < cursor.at:
            return True
        return seconds is not None and cursor.seen.get(str(row.get("Id"))) == seconds

    def _read(
        self,
        source: Source,
        described: Described,
        cursor: Cursor,
        rows: list[Row],
        finished: bool,
        server_time: datetime,
        total: int | None,
        problems: list[Problem],
    ) -> Page:
        if source.stamp != _STAMP:  # what lies in the future has not happened yet
            past = [
                row for row in rows if (_seconds(row, source.stamp) or 0) < server_time.timestamp()
            ]
            finished, rows = finished or len(past) < len(rows), past
        places = [
            (str(row["Id"]), seconds)
            for row in rows
            if row.get("Id") and (seconds := _seconds(row, source.stamp)) is not None
        ]
        if not finished and (not places or places[-1] == (cursor.id, cursor.at)):
            raise TransientFailure(
                f"Salesforce sent {source.stream.label.lower()} that lead nowhere (no new rows, ids"
                " or dates): the page is read again.",
                detail=str(rows[:1])[:200],
            )
        context = Context(
            crm=self._crm,
            server_time=server_time,
            url=self._url,
            query=self._session.query_all,
            can_select=self._can_select,
            custom=custom_fields(described.fields) if source.custom else (),
        )
        unique = list({row.get("Id"): row for row in rows}.values())
        try:
            batch = source.read(context, unique)
        except Refused as refused:
            self._describer.forget()
            raise refusal(refused, f"reading {source.stream.label.lower()}") from None
        following = cursor.after(places, complete=finished, server_time=server_time)
        if not finished and cursor.first_read:
            following = replace(following, total=total)
        progress = None
        if cursor.first_read and total:
            progress = 1.0 if finished else min(1.0, following.read / total)
        return Page(
            records=tuple(batch.records),
            accounts=tuple(batch.accounts),
            engagements=tuple(batch.engagements),
            outcomes=tuple(batch.outcomes),
            problems=(*problems, *batch.problems),
            next_cursor=following.text(),
            more=not finished,
            progress=progress,
        )

    def _can_select(self, object_: str, path: str) -> bool:
        described = self._describer.object(object_)
        return described is not None and self._describer.can_select(described, path)


def _seconds(row: Row, stamp: str) -> int | None:
    """A row's stamp in whole seconds; None when it is missing or impossible."""
    try:
        return int(parse_time(str(row.get(stamp) or "")).timestamp())
    except ValueError:
        return None
