"""HubSpot's calls beside the CRM: account, owners, pipelines, forms, e-mail events, page visits."""

from __future__ import annotations

import base64
import binascii
from collections.abc import Callable, Sequence
from typing import Any

from connectors.sandbox.hubspot_api import Answer, Call
from connectors.sandbox.hubspot_records import ApiError, Portal
from connectors.sandbox.hubspot_schema import CRM, object_type
from connectors.sandbox.hubspot_values import plain, read_time, wire_time
from connectors.sandbox.state import Stored

SUBMISSION_PAGE, SUBMISSION_LIMIT = 20, 50
EVENT_LIMIT, EVENT_PAGE, EMAIL_EVENT_LIMIT = 1_000, 20, 1_000
EVENT_TYPES = ("e_visited_page", "e_submitted_form", "e_v2_contact_booked_meeting_through_sequence")


class Marketing:
    """Operations by name, like `hubspot_api.Api`.

    Switch in the state's `meta`: `hubspot.tier` ("professional": no events API; default
    enterprise).
    """

    def __init__(self, portal: Portal) -> None:
        self.portal = portal
        self.operations: dict[str, Callable[..., Answer]] = {
            name: getattr(self, f"_{name}")
            for name in (
                "account_details",
                "list_owners",
                "get_owner",
                "list_pipelines",
                "list_forms",
                "form_submissions",
                "email_events",
                "events",
                "event_types",
            )
        }

    def _account_details(self, call: Call) -> Answer:
        return Answer(
            200,
            {
                "portalId": self.portal.portal_id,
                "accountType": "STANDARD",
                "timeZone": "US/Eastern",
                "companyCurrency": "USD",
                "additionalCurrencies": [],
                "utcOffset": "-05:00",
                "utcOffsetMilliseconds": -18_000_000,
                "uiDomain": call.host,
                "dataHostingLocation": "na1",
            },
        )

    # -- people who own, stages that sell ------------------------------------------------------

    def _list_owners(self, call: Call) -> Answer:
        limit = call.whole("limit", 100, 500)
        after = call.first("after", "0")
        email = call.first("email").lower()
        rows = self.portal.state.select(
            "crm=? AND type='owners' AND number>? AND archived=? ORDER BY number LIMIT ?",
            (
                CRM,
                int(after) if after.isdigit() else 0,
                int(call.first("archived").lower() == "true"),
                limit + 1,
            ),
        )
        found = [self._owner(row) for row in rows[:limit]]
        answer: dict[str, Any] = {
            "results": [o for o in found if not email or o["email"].lower() == email]
        }
        if len(rows) > limit:
            answer["paging"] = {"next": {"after": str(rows[limit - 1].number)}}
        return Answer(200, answer)

    def _get_owner(self, call: Call, id: str) -> Answer:
        stored = self.portal.state.get(CRM, "owners", id)
        if stored is None:
            raise ApiError(404, "OBJECT_NOT_FOUND", "resource not found")
        return Answer(200, self._owner(stored))

    @staticmethod
    def _owner(stored: Stored) -> dict[str, Any]:
        fields = stored.fields
        return {
            "id": stored.id,
            "email": plain(fields.get("email")),
            "type": "PERSON",
            "firstName": plain(fields.get("firstName")),
            "lastName": plain(fields.get("lastName")),
            "userId": fields.get("userId", stored.number),
            "userIdIncludingInactive": fields.get("userId", stored.number),
            "createdAt": wire_time(stored.created_at),
            "updatedAt": wire_time(stored.modified_at),
            "archived": stored.archived,
        }

    def _list_pipelines(self, call: Call, type: str) -> Answer:
        kind = object_type(type)
        if kind is None or kind.name != "deals":
            return Answer(200, {"results": []})
        found = self.portal.state.select("crm=? AND type='deal_pipelines' ORDER BY number", (CRM,))
        return Answer(
            200,
            {
                "results": [
                    {
                        "id": row.id,
                        **row.fields,
                        "createdAt": wire_time(row.created_at),
                        "updatedAt": wire_time(row.modified_at),
                        "archived": False,
                    }
                    for row in found
                ]
            },
        )

    # -- forms ---------------------------------------------------------------------------------

    def _list_forms(self, call: Call) -> Answer:
        limit = call.whole("limit", 20, 100)
        after = _position(call.first("after"))
        wanted = set(call.many("formTypes")) or {"hubspot"}
        rows = self.portal.state.select(
            "crm=? AND type='forms' AND archived=0 AND (number, id) > (?, ?)"
            " ORDER BY number, id LIMIT ?",
            (CRM, *after, limit + 1),
        )
        results = [
            {
                "id": row.id,
                "name": plain(row.fields.get("name")),
                "formType": plain(row.fields.get("formType")) or "hubspot",
                "createdAt": wire_time(row.created_at),
                "updatedAt": wire_time(row.modified_at),
                "archived": False,
            }
            for row in rows[:limit]
        ]
        chosen = [form for form in results if "all" in wanted or form["formType"] in wanted]
        answer: dict[str, Any] = {"results": chosen}
        if len(rows) > limit:
            last = rows[limit - 1]
            answer["paging"] = {"next": {"after": _place(last.number, last.id)}}
        return Answer(200, answer)

    def _form_submissions(self, call: Call, id: str) -> Answer:
        """Newest first, 50 a page at most, and no way to ask for a time."""
        form = self.portal.state.get(CRM, "forms", id)
        if form is None:
            raise ApiError(404, "OBJECT_NOT_FOUND", f"No form with guid {id[:50]} exists")
        if form.fields.get("formType") == "blog_comment":
            raise ApiError(
                400,
                "VALIDATION_ERROR",
                "Form type is not allowed",
                errors=[{"message": "Form type is not allowed", "code": "FORM_TYPE_NOT_ALLOWED"}],
            )
        limit = call.whole("limit", SUBMISSION_PAGE, SUBMISSION_LIMIT)
        rows = self._newest("form_submissions", call.first("after"), limit, "formId", id)
        results = [
            {
                "conversionId": row.id,
                "submittedAt": row.created_at,
                "values": row.fields.get("values", []),
                "pageUrl": row.fields.get("pageUrl", ""),
            }
            for row in rows[:limit]
        ]
        answer: dict[str, Any] = {"results": results}
        if len(rows) > limit:
            place = _place(rows[limit - 1].modified_at, rows[limit - 1].id)
            link = f"http://{call.host}{call.path}?limit={limit}&after={place}"
            answer["paging"] = {"next": {"after": place, "link": link}}
        return Answer(200, answer)

    # -- marketing e-mail ----------------------------------------------------------------------

    def _email_events(self, call: Call) -> Answer:
        limit = call.whole("limit", 100, EMAIL_EVENT_LIMIT)
        low, high = _whole(call, "startTimestamp"), _whole(call, "endTimestamp")
        filters, bound = "", []
        for name, key in (
            ("eventType", "type"),
            ("recipient", "recipient"),
            ("campaignId", "emailCampaignId"),
        ):
            if call.first(name):
                filters += f" AND CAST(json_extract(fields, '$.{key}') AS TEXT) = ?"
                bound.append(call.first(name))
        at, last = _position(call.first("offset"), (high or self.portal.now_ms(), "\U0010ffff"))
        rows = self.portal.state.select(
            "crm=? AND type='email_events' AND modified_at>=? AND (modified_at, id) < (?, ?)"
            f" AND indexed_at<=?{filters} ORDER BY modified_at DESC, id DESC LIMIT ?",
            (CRM, low or 0, at, last, self.portal.now_ms(), *bound, limit + 1),
        )
        events = [
            {
                "id": row.id,
                "created": row.created_at,
                "portalId": self.portal.portal_id,
                "sentBy": {"id": f"{row.id}-sent", "created": row.created_at},
                **row.fields,
            }
            for row in rows[:limit]
        ]
        more = len(rows) > limit
        offset = _place(rows[limit - 1].modified_at, rows[limit - 1].id) if more else ""
        return Answer(200, {"hasMore": more, "offset": offset, "events": events})

    # -- behaviour -----------------------------------------------------------------------------

    def _enterprise(self) -> None:
        if (self.portal.state.meta("hubspot.tier") or "enterprise") != "enterprise":
            raise ApiError(
                403,
                "FORBIDDEN",
                "You do not have permissions to view event data: this needs an Enterprise account",
            )

    def _event_types(self, call: Call) -> Answer:
        self._enterprise()
        return Answer(200, {"eventTypes": list(EVENT_TYPES)})

    def _events(self, call: Call) -> Answer:
        self._enterprise()
        limit = call.whole("limit", EVENT_PAGE, EVENT_LIMIT)
        down = not call.many("sort") or call.many("sort")[0].startswith("-")
        try:
            low = read_time(call.first("occurredAfter") or "0")
            high = read_time(call.first("occurredBefore") or str(self.portal.now_ms() + 1))
        except ValueError:
            raise ApiError(400, "VALIDATION_ERROR", "occurredAfter is not a date") from None
        filters, bound = "", []
        for name, key in (
            ("eventType", "eventType"),
            ("objectId", "objectId"),
        ):
            if call.first(name):
                filters += f" AND CAST(json_extract(fields, '$.{key}') AS TEXT) = ?"
                bound.append(call.first(name))
        sign, order = ("<", "DESC") if down else (">", "ASC")
        beyond = (high + 1, "") if down else (-1, "")
        rows = self.portal.state.select(
            "crm=? AND type='events' AND modified_at>=? AND modified_at<? AND indexed_at<=?"
            f" AND (modified_at, id) {sign} (?, ?){filters}"
            f" ORDER BY modified_at {order}, id {order} LIMIT ?",
            (
                CRM,
                low,
                high,
                self.portal.now_ms(),
                *_position(call.first("after"), beyond),
                *bound,
                limit + 1,
            ),
        )
        results = [
            {
                "id": row.id,
                "eventType": plain(row.fields.get("eventType")),
                "objectType": plain(row.fields.get("objectType")) or "CONTACT",
                "objectId": plain(row.fields.get("objectId")),
                "occurredAt": wire_time(row.created_at),
                "properties": row.fields.get("properties", {}),
            }
            for row in rows[:limit]
        ]
        answer: dict[str, Any] = {"results": results}
        if len(rows) > limit:
            place = _place(rows[limit - 1].modified_at, rows[limit - 1].id)
            answer["paging"] = {"next": {"after": place}}
        return Answer(200, answer)

    def _newest(self, type_: str, after: str, limit: int, key: str, value: str) -> Sequence[Stored]:
        now = self.portal.now_ms()
        return self.portal.state.select(
            "crm=? AND type=? AND (modified_at, id) < (?, ?) AND indexed_at<=?"
            f" AND json_extract(fields, '$.{key}') = ? ORDER BY modified_at DESC, id DESC LIMIT ?",
            (CRM, type_, *_position(after, (now + 1, "")), now, value, limit + 1),
        )


def _place(number: int, id_: str) -> str:
    return base64.urlsafe_b64encode(f"{number}|{id_}".encode()).decode()


def _position(text: str, beginning: tuple[int, str] = (-1, "")) -> tuple[int, str]:
    if not text:
        return beginning
    try:
        number, _, id_ = base64.urlsafe_b64decode(text).decode().partition("|")
        return int(number), id_
    except (binascii.Error, ValueError):
        raise ApiError(400, "VALIDATION_ERROR", "The paging cursor is not valid") from None


def _whole(call: Call, name: str) -> int | None:
    text = call.first(name)
    if text and not text.isdigit():
        raise ApiError(400, "VALIDATION_ERROR", f"{name} must be a number of milliseconds")
    return int(text) if text else None
