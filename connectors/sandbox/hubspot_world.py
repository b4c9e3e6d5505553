"""The world's happenings as the HubSpot sandbox keeps them, with what HubSpot does by itself."""

from __future__ import annotations

import uuid
from datetime import UTC, datetime
from random import Random
from typing import Any

from connectors.sandbox.behaviour import Act
from connectors.sandbox.hubspot_records import DEFAULT_LAG_SECONDS, FIRST_NUMBER, STAGE_ENTERED
from connectors.sandbox.hubspot_schema import ASSOCIATIONS, CRM, LIFECYCLE, OBJECTS, association
from connectors.sandbox.hubspot_values import Invalid, check, wire_time
from connectors.sandbox.people import Company, Person
from connectors.sandbox.state import State
from connectors.sandbox.unit import Unit
from connectors.sandbox.vocabulary import FORMS, SALESPEOPLE

CONNECTED = "f240bbac-87c9-4f6e-bf70-924b57d47db7"
NO_ANSWER = "73a0d17f-1163-4015-bdd5-ec830791da20"
OURS = "sales@sandbox-vendor.example"
_HOUR = 3_600_000
_SIZES = ((5, "1-5"), (25, "5-25"), (50, "25-50"), (100, "50-100"), (500, "100-500"))
_BIGGER = ((1_000, "500-1000"), (10**9, "1000+"))
#: What a salesperson noted about a lead only ever moves on in this order.
_STATUS = ("NEW", "ATTEMPTED_TO_CONTACT", "CONNECTED", "OPEN_DEAL", "BAD_TIMING")
_ASKING = frozenset(name for name, _, asks in FORMS if asks)


class HubSpotWorld:
    """Writes acts of people into the account; one instance per unit of work."""

    def __init__(self, unit: Unit, rng: Random) -> None:
        self._unit = unit
        self._rng = rng
        lag = unit.meta("hubspot.index_lag_seconds")
        self._lag = int(float(lag or DEFAULT_LAG_SECONDS) * 1_000)

    @staticmethod
    def found(state: State, at: int) -> None:
        """What the account has before the first lead: salespeople and forms."""
        unit = Unit(state)
        for first, last in SALESPEOPLE:
            number = unit.next_number("hubspot.owners", FIRST_NUMBER)
            email = f"{first}.{last}@sandbox-vendor.example".lower()
            fields = {"email": email, "firstName": first, "lastName": last, "userId": number}
            unit.add(CRM, "owners", str(number), number, fields, at)
        for place, (name, _, _) in enumerate(FORMS, 1):
            fields = {"name": name, "formType": "hubspot"}
            unit.add(CRM, "forms", form_id(name), place, fields, at)
        unit.flush()

    def arrive(self, person: Person, at: int) -> str:
        """A new contact (the known one, when its address is taken); the contact's id."""
        address = _acceptable(person.email)
        known = self._unit.meta(f"world.hubspot.email.{address}") if address else ""
        if known:
            return known
        owner = FIRST_NUMBER + self._rng.randrange(len(SALESPEOPLE))
        fields: dict[str, Any] = {
            "email": address,
            "firstname": person.first,
            "lastname": person.last,
            "phone": person.phone,
            "jobtitle": person.title,
            "company": person.company_text,
            "country": person.country,
            "city": person.city,
            "message": person.message,
            "hs_analytics_source": person.source[0],
            "lifecyclestage": "lead",
            "hs_lead_status": "NEW",
            "hubspot_owner_id": str(owner) if self._rng.random() < 0.7 else "",
        }
        if self._rng.random() < 0.02:
            fields["createdate"] = "20226-01-01T00:00:00Z"  # a date such as imports bring
        if person.company and self._rng.random() < 0.3:
            fields["numemployees"] = _size(person.company.employees)
        id_ = self._add("contacts", fields, at)
        if address:
            self._unit.set_meta(f"world.hubspot.email.{address}", id_)
        if person.company and address.endswith(f"@{person.company.domain}"):
            company = self._company(person.company, at)
            self._link("contacts", id_, "companies", company)
            self._change(id_, {"associatedcompanyid": company}, at)
        return id_

    def act(self, contact: str, act: Act) -> None:
        """Write one act of a contact; kinds that HubSpot cannot see are left out."""
        write = getattr(self, f"_{act.kind}", None)
        contact = self._now_called(contact)
        if write is not None and contact:
            write(contact, act)

    # -- what people do by themselves ------------------------------------------------------------

    def _visit(self, contact: str, act: Act) -> None:
        url = act.detail["url"]
        title = url.rstrip("/").rpartition("/")[2].partition("?")[0].replace("-", " ").capitalize()
        fields = {
            "eventType": "e_visited_page",
            "objectType": "CONTACT",
            "objectId": contact,
            "properties": {"hs_url": url, "hs_title": title},
        }
        self._event("events", fields, act.at)
        stored = self._unit.get(CRM, "contacts", contact)
        last = stored.fields.get("hs_analytics_last_visit_timestamp") if stored else None
        names = ["hs_analytics_num_page_views"]
        if not last or act.at - _ms(str(last)) > _HOUR // 2:
            names.append("hs_analytics_num_visits")
        values = {"hs_analytics_last_visit_timestamp": wire_time(act.at)}
        self._count(contact, names, act.at, **values)

    def _form(self, contact: str, act: Act) -> None:
        stored = self._unit.get(CRM, "contacts", contact)
        if stored is None or not stored.fields.get("email"):
            return
        values = [{"name": "email", "value": stored.fields["email"], "objectTypeId": "0-1"}]
        if act.detail.get("message"):
            message = {"name": "message", "value": act.detail["message"], "objectTypeId": "0-1"}
            values.append(message)
        name = act.detail["name"]
        fields = {"formId": form_id(name), "pageUrl": act.detail["url"], "values": values}
        self._event("form_submissions", fields, act.at)
        more = {"recent_conversion_event_name": name, "recent_conversion_date": wire_time(act.at)}
        if act.detail.get("message"):
            more["message"] = act.detail["message"]
        if name in _ASKING:
            more |= self._stage(contact, "marketingqualifiedlead")
        self._count(contact, ["num_conversion_events"], act.at, **more)

    def _open(self, contact: str, act: Act) -> None:
        values = {"hs_email_last_open_date": wire_time(act.at)}
        if self._mail_event(contact, "OPEN", act):
            self._count(contact, ["hs_email_open"], act.at, **values)

    def _click(self, contact: str, act: Act) -> None:
        values = {"hs_email_last_click_date": wire_time(act.at)}
        if self._mail_event(contact, "CLICK", act, url=act.detail["url"]):
            self._count(contact, ["hs_email_click"], act.at, **values)

    def _bounce(self, contact: str, act: Act) -> None:
        if self._mail_event(contact, "BOUNCE", act):
            self._count(contact, ["hs_email_bounce"], act.at)

    def _unsubscribe(self, contact: str, act: Act) -> None:
        if self._mail_event(contact, "STATUSCHANGE", act, portalSubscriptionStatus="UNSUBSCRIBED"):
            self._change(contact, {"hs_email_optout": "true"}, act.at)

    def _campaign(self, contact: str, act: Act) -> None:
        values = {"hs_analytics_first_touch_converting_campaign": act.detail["name"]}
        self._change(contact, values, act.at)

    # -- what happens with salespeople -------------------------------------------------------------

    def _sent(self, contact: str, act: Act) -> None:
        fields = {
            "hs_email_direction": "EMAIL",
            "hs_email_status": "SENT",
            "hs_email_subject": act.detail["subject"],
            "hs_email_from_email": OURS,
            "hs_email_to_email": self._email(contact),
        }
        self._activity("emails", contact, fields, act.at)

    def _reply(self, contact: str, act: Act) -> None:
        self._incoming(contact, f"Re: {act.detail['subject']}", act.at)
        self._change(contact, {"hs_sales_email_last_replied": wire_time(act.at)}, act.at)

    def _away(self, contact: str, act: Act) -> None:
        self._incoming(contact, f"Automatic reply: {act.detail['subject']}", act.at)

    def _incoming(self, contact: str, subject: str, at: int) -> None:
        fields = {
            "hs_email_direction": "INCOMING_EMAIL",
            "hs_email_status": "SENT",
            "hs_email_subject": subject,
            "hs_email_from_email": self._email(contact),
            "hs_email_to_email": OURS,
        }
        self._activity("emails", contact, fields, at)

    def _call(self, contact: str, act: Act) -> None:
        seconds = int(act.detail["seconds"])
        fields = {
            "hs_call_title": "Call",
            "hs_call_direction": "OUTBOUND",
            "hs_call_status": "COMPLETED" if seconds else "NO_ANSWER",
            "hs_call_disposition": CONNECTED if seconds else NO_ANSWER,
            "hs_call_duration": str(seconds * 1_000),
        }
        self._activity("calls", contact, fields, act.at)
        status = "CONNECTED" if seconds else "ATTEMPTED_TO_CONTACT"
        self._change(contact, self._status(contact, status), act.at)

    def _meeting(self, contact: str, act: Act) -> None:
        start = int(act.detail["start"])
        fields = {
            "hs_meeting_title": "Introduction",
            "hs_meeting_start_time": wire_time(start),
            "hs_meeting_end_time": wire_time(start + _HOUR // 2),
            "hs_meeting_outcome": "SCHEDULED",
        }
        self._activity("meetings", contact, fields, act.at)
        values = self._stage(contact, "salesqualifiedlead") | self._status(contact, "CONNECTED")
        self._change(contact, values, act.at)

    def _held(self, contact: str, act: Act) -> None:
        """What became of the meetings that were planned; salespeople note it afterwards."""
        for meeting in self._unit.linked(CRM, "contacts", contact, "meetings"):
            stored = self._unit.get(CRM, "meetings", meeting)
            if stored and stored.fields.get("hs_meeting_outcome") == "SCHEDULED":
                values = {"hs_meeting_outcome": act.detail["outcome"]}
                self._unit.change(CRM, "meetings", meeting, values, act.at, self._lag)

    def _deal(self, contact: str, act: Act) -> None:
        stored = self._unit.get(CRM, "contacts", contact)
        known = stored.fields if stored else {}
        company = known.get("company") or known.get("email") or known.get("lastname") or contact
        fields = {
            "dealname": f"{str(company).strip()} - new business",
            "hubspot_owner_id": known.get("hubspot_owner_id"),
            "amount": act.detail["amount"],
            "pipeline": "default",
            "dealstage": "appointmentscheduled",
            f"{STAGE_ENTERED}appointmentscheduled": wire_time(act.at),
            "hs_is_closed": "false",
            "hs_is_closed_won": "false",
        }
        deal = self._add("deals", fields, act.at)
        self._link("deals", deal, "contacts", contact)
        if employer := known.get("associatedcompanyid"):
            self._link("deals", deal, "companies", str(employer))
        values = self._stage(contact, "opportunity") | {"hs_lead_status": "OPEN_DEAL"}
        self._count(contact, ["num_associated_deals"], act.at, **values)

    def _won(self, contact: str, act: Act) -> None:
        values = {
            "lifecyclestage": "customer",
            "hs_lifecyclestage_customer_date": wire_time(act.at),
        }
        if self._close(contact, act, "closedwon"):
            self._change(contact, values, act.at)

    def _lost(self, contact: str, act: Act) -> None:
        if self._close(contact, act, "closedlost"):
            self._change(contact, self._status(contact, "BAD_TIMING"), act.at)

    def _close(self, contact: str, act: Act, stage: str) -> bool:
        """End the open deals of a contact; whether there were any."""
        open_ = [
            deal
            for deal in self._unit.linked(CRM, "contacts", contact, "deals")
            if (stored := self._unit.get(CRM, "deals", deal))
            and stored.fields.get("hs_is_closed") != "true"
        ]
        for deal in open_:
            values = {
                "dealstage": stage,
                f"{STAGE_ENTERED}{stage}": wire_time(act.at),
                "closedate": wire_time(act.at),
                "hs_is_closed": "true",
                "hs_is_closed_won": "true" if stage == "closedwon" else "false",
            }
            self._unit.change(CRM, "deals", deal, values, act.at, self._lag)
        return bool(open_)

    # -- pieces ----------------------------------------------------------------------------------

    def _add(self, type_: str, fields: dict[str, Any], at: int) -> str:
        number = self._unit.next_number(f"hubspot.{type_}", FIRST_NUMBER)
        self._unit.add(CRM, type_, str(number), number, fields, at, self._lag)
        return str(number)

    def _now_called(self, contact: str) -> str:
        """A contact that was merged goes on as the one it became; empty for a deleted one."""
        stored = self._unit.get(CRM, "contacts", contact)
        if stored is not None and not stored.archived:
            return contact
        into = self._unit.state.query(
            "SELECT new_id FROM alias WHERE crm=? AND type='contacts' AND old_id=?", (CRM, contact)
        )
        return self._now_called(str(into[0][0])) if into else ""

    def _change(self, contact: str, values: dict[str, str], at: int) -> None:
        if values:
            self._unit.change(CRM, "contacts", contact, values, at, self._lag)

    def _stage(self, contact: str, stage: str) -> dict[str, str]:
        """The lifecycle stage, when the contact is not that far yet: it never goes back."""
        return self._onwards(contact, "lifecyclestage", stage, LIFECYCLE)

    def _status(self, contact: str, status: str) -> dict[str, str]:
        return self._onwards(contact, "hs_lead_status", status, _STATUS)

    def _onwards(
        self, contact: str, name: str, value: str, order: tuple[str, ...]
    ) -> dict[str, str]:
        stored = self._unit.get(CRM, "contacts", contact)
        known = str(stored.fields.get(name, "")) if stored else ""
        reached = order.index(known) if known in order else -1
        return {name: value} if order.index(value) > reached else {}

    def _event(self, type_: str, fields: dict[str, Any], at: int) -> None:
        number = self._unit.next_number(f"hubspot.{type_}", FIRST_NUMBER)
        id_ = str(uuid.UUID(int=self._rng.getrandbits(128), version=4))
        self._unit.add(CRM, type_, id_, number, fields, at, self._lag)

    def _activity(self, type_: str, contact: str, fields: dict[str, Any], at: int) -> None:
        stored = self._unit.get(CRM, "contacts", contact)
        owner = stored.fields.get("hubspot_owner_id") if stored else None
        more = {"hs_timestamp": wire_time(at), "hubspot_owner_id": owner}
        id_ = self._add(type_, {**fields, **more}, at)
        self._link(type_, id_, "contacts", contact)

    def _mail_event(self, contact: str, type_: str, act: Act, **more: str) -> bool:
        recipient = self._email(contact)
        local, _, domain = recipient.partition("@")
        if not local or "." not in domain or "@" in domain or " " in recipient:
            return False  # nothing can have been sent there
        campaign = act.at // (14 * 24 * _HOUR)
        fields = {"type": type_, "recipient": recipient, "emailCampaignId": campaign, "appId": 113}
        self._event("email_events", {**fields, **more}, act.at)
        return True

    def _count(self, contact: str, names: list[str], at: int, **values: str) -> None:
        stored = self._unit.get(CRM, "contacts", contact)
        known = stored.fields if stored else {}
        counted = {name: str(int(known.get(name) or 0) + 1) for name in names}
        self._change(contact, {**counted, **values}, at)

    def _email(self, contact: str) -> str:
        stored = self._unit.get(CRM, "contacts", contact)
        return str(stored.fields.get("email") or "") if stored else ""

    def _link(self, source: str, source_id: str, target: str, target_id: str) -> None:
        type_id = association(source, target)
        self._unit.link(CRM, source, source_id, target, target_id, type_id)
        back = ASSOCIATIONS[type_id][2]
        self._unit.link(CRM, target, target_id, source, source_id, back)

    def _company(self, company: Company, at: int) -> str:
        """The account's company of this domain, entered when its first person arrives."""
        known = self._unit.meta(f"world.hubspot.domain.{company.domain}")
        if known:
            return known
        gaps = self._rng.random
        fields: dict[str, Any] = {
            "name": company.name,
            "domain": company.domain,
            "website": f"https://www.{company.domain}",
            "industry": company.industry[0] if gaps() > 0.15 else "",
            "numberofemployees": str(company.employees) if gaps() > 0.2 else "",
            "annualrevenue": str(company.revenue) if gaps() > 0.35 else "",
            "country": self._rng.choice(company.country.spellings) if gaps() > 0.2 else "",
            "city": company.city,
        }
        id_ = self._add("companies", fields, at)
        self._unit.set_meta(f"world.hubspot.domain.{company.domain}", id_)
        return id_


def form_id(name: str) -> str:
    """The id of a form: a GUID made of its name, so that it is the same in every world."""
    return str(uuid.uuid5(uuid.NAMESPACE_URL, f"https://sandbox-vendor.example/forms/{name}"))


def _acceptable(email: str) -> str:
    """HubSpot refuses addresses without an @ and a domain; the field then stays empty."""
    try:
        return check(OBJECTS["contacts"].properties["email"], email)
    except Invalid:
        return ""


def _ms(text: str) -> int:
    return int(datetime.fromisoformat(text).astimezone(UTC).timestamp() * 1_000)


def _size(employees: int) -> str:
    return next(label for limit, label in (*_SIZES, *_BIGGER) if employees <= limit)
