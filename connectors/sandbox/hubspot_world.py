"""The world's happenings as the HubSpot sandbox keeps them, with what HubSpot does by itself."""

from __future__ import annotations

import uuid
from datetime import UTC, datetime
from random import Random
from typing import Any

from connectors.sandbox.behaviour import Act
from connectors.sandbox.hubspot_records import DEFAULT_LAG_SECONDS, FIRST_NUMBER, STAGE_ENTERED
from connectors.sandbox.hubspot_schema import ASSOCIATIONS, CRM, association
from connectors.sandbox.hubspot_values import wire_time
from connectors.sandbox.people import Company, Person
from connectors.sandbox.state import State
from connectors.sandbox.unit import Unit
from connectors.sandbox.vocabulary import FORMS, SALESPEOPLE

CONNECTED = "f240bbac-87c9-4f6e-bf70-924b57d47db7"
NO_ANSWER = "73a0d17f-1163-4015-bdd5-ec830791da20"
_LAG = int(DEFAULT_LAG_SECONDS * 1_000)
_HOUR = 3_600_000
_SIZES = ((5, "1-5"), (25, "5-25"), (50, "25-50"), (100, "50-100"), (500, "100-500"))
_BIGGER = ((1_000, "500-1000"), (10**9, "1000+"))


class HubSpotWorld:
    """Writes acts of people into the account; one instance per unit of work."""

    def __init__(self, unit: Unit, rng: Random) -> None:
        self._unit = unit
        self._state: State = unit.state
        self._rng = rng

    @staticmethod
    def found(state: State, at: int) -> None:
        """What the account has before the first lead: salespeople and forms."""
        unit = Unit(state)
        for first, last in SALESPEOPLE:
            number = state.next_number("hubspot.owners", FIRST_NUMBER)
            email = f"{first}.{last}@sandbox-vendor.example".lower()
            fields = {"email": email, "firstName": first, "lastName": last, "userId": number}
            unit.add(CRM, "owners", str(number), number, fields, at)
        for place, (name, _, _) in enumerate(FORMS, 1):
            fields = {"name": name, "formType": "hubspot"}
            unit.add(CRM, "forms", form_id(name), place, fields, at)
        unit.flush()

    def arrive(self, person: Person, at: int) -> str:
        """A new contact (the known one, when its address is taken); the contact's id."""
        address = person.email.strip().lower()
        known = self._by_email(address)
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
        if person.company and address.endswith(f"@{person.company.domain}"):
            company = self._company(person.company, at)
            self._link("contacts", id_, "companies", company)
            self._unit.change(CRM, "contacts", id_, {"associatedcompanyid": company}, at, _LAG)
        return id_

    def act(self, contact: str, act: Act) -> None:
        """Write one act of a contact; kinds that HubSpot cannot see are left out."""
        write = getattr(self, f"_{act.kind}", None)
        if write is not None:
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
        values = {"hs_analytics_last_visit_timestamp": wire_time(act.at)}
        if not last or act.at - _ms(str(last)) > _HOUR // 2:
            self._count(contact, "hs_analytics_num_visits", act.at)
        self._count(contact, "hs_analytics_num_page_views", act.at, **values)

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
        self._count(contact, "num_conversion_events", act.at, **more)

    def _open(self, contact: str, act: Act) -> None:
        values = {"hs_email_last_open_date": wire_time(act.at)}
        if self._mail_event(contact, "OPEN", act):
            self._count(contact, "hs_email_open", act.at, **values)

    def _click(self, contact: str, act: Act) -> None:
        values = {"hs_email_last_click_date": wire_time(act.at)}
        if self._mail_event(contact, "CLICK", act, url=act.detail["url"]):
            self._count(contact, "hs_email_click", act.at, **values)

    def _bounce(self, contact: str, act: Act) -> None:
        if self._mail_event(contact, "BOUNCE", act):
            self._count(contact, "hs_email_bounce", act.at)

    def _unsubscribe(self, contact: str, act: Act) -> None:
        if self._mail_event(contact, "STATUSCHANGE", act, portalSubscriptionStatus="UNSUBSCRIBED"):
            values = {"hs_email_optout": "true"}
            self._unit.change(CRM, "contacts", contact, values, act.at, _LAG)

    # -- what happens with salespeople -------------------------------------------------------------

    def _sent(self, contact: str, act: Act) -> None:
        fields = {
            "hs_email_direction": "EMAIL",
            "hs_email_status": "SENT",
            "hs_email_subject": act.detail["subject"],
            "hs_email_to_email": self._email(contact),
        }
        self._activity("emails", contact, fields, act.at)

    def _reply(self, contact: str, act: Act) -> None:
        fields = {
            "hs_email_direction": "INCOMING_EMAIL",
            "hs_email_status": "SENT",
            "hs_email_subject": f"Re: {act.detail['subject']}",
            "hs_email_from_email": self._email(contact),
        }
        self._activity("emails", contact, fields, act.at)
        values = {"hs_sales_email_last_replied": wire_time(act.at)}
        self._unit.change(CRM, "contacts", contact, values, act.at, _LAG)

    def _call(self, contact: str, act: Act) -> None:
        seconds = int(act.detail["seconds"])
        fields = {
            "hs_call_title": "Call",
            "hs_call_status": "COMPLETED" if seconds else "NO_ANSWER",
            "hs_call_disposition": CONNECTED if seconds else NO_ANSWER,
            "hs_call_duration": str(seconds * 1_000),
        }
        self._activity("calls", contact, fields, act.at)
        values = {"hs_lead_status": "CONNECTED" if seconds else "ATTEMPTED_TO_CONTACT"}
        self._unit.change(CRM, "contacts", contact, values, act.at, _LAG)

    def _meeting(self, contact: str, act: Act) -> None:
        start = int(act.detail["start"])
        fields = {
            "hs_meeting_title": "Introduction",
            "hs_meeting_start_time": wire_time(start),
            "hs_meeting_end_time": wire_time(start + _HOUR // 2),
            "hs_meeting_outcome": act.detail.get("outcome", "SCHEDULED"),
        }
        self._activity("meetings", contact, fields, act.at)

    def _deal(self, contact: str, act: Act) -> None:
        stored = self._unit.get(CRM, "contacts", contact)
        company = (stored.fields.get("company") if stored else "") or self._email(contact)
        fields = {
            "dealname": f"{company} - new business",
            "amount": act.detail["amount"],
            "pipeline": "default",
            "dealstage": "appointmentscheduled",
            f"{STAGE_ENTERED}appointmentscheduled": wire_time(act.at),
            "hs_is_closed": "false",
            "hs_is_closed_won": "false",
        }
        deal = self._add("deals", fields, act.at)
        self._link("deals", deal, "contacts", contact)
        values = {
            "lifecyclestage": "opportunity",
            "num_associated_deals": "1",
            "hs_lead_status": "OPEN_DEAL",
        }
        self._unit.change(CRM, "contacts", contact, values, act.at, _LAG)

    def _won(self, contact: str, act: Act) -> None:
        values = {
            "lifecyclestage": "customer",
            "hs_lifecyclestage_customer_date": wire_time(act.at),
        }
        if self._close(contact, act, "closedwon"):
            self._unit.change(CRM, "contacts", contact, values, act.at, _LAG)

    def _lost(self, contact: str, act: Act) -> None:
        self._close(contact, act, "closedlost")

    def _close(self, contact: str, act: Act, stage: str) -> bool:
        deals = self._state.linked(CRM, "contacts", contact, "deals")
        for deal in {id_ for id_, _ in deals}:
            values = {
                "dealstage": stage,
                f"{STAGE_ENTERED}{stage}": wire_time(act.at),
                "closedate": wire_time(act.at),
                "hs_is_closed": "true",
                "hs_is_closed_won": "true" if stage == "closedwon" else "false",
            }
            self._unit.change(CRM, "deals", deal, values, act.at, _LAG)
        return bool(deals)

    # -- pieces ----------------------------------------------------------------------------------

    def _add(self, type_: str, fields: dict[str, Any], at: int) -> str:
        number = self._state.next_number(f"hubspot.{type_}", FIRST_NUMBER)
        self._unit.add(CRM, type_, str(number), number, fields, at)
        return str(number)

    def _event(self, type_: str, fields: dict[str, Any], at: int) -> None:
        number = self._state.next_number(f"hubspot.{type_}", FIRST_NUMBER)
        id_ = str(uuid.UUID(int=self._rng.getrandbits(128), version=4))
        self._unit.add(CRM, type_, id_, number, fields, at)

    def _activity(self, type_: str, contact: str, fields: dict[str, Any], at: int) -> None:
        id_ = self._add(type_, {**fields, "hs_timestamp": wire_time(at)}, at)
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

    def _count(self, contact: str, name: str, at: int, **values: str) -> None:
        stored = self._unit.get(CRM, "contacts", contact)
        counted = int(stored.fields.get(name) or 0) + 1 if stored else 1
        self._unit.change(CRM, "contacts", contact, {name: str(counted), **values}, at, _LAG)

    def _email(self, contact: str) -> str:
        stored = self._unit.get(CRM, "contacts", contact)
        return str(stored.fields.get("email") or "") if stored else ""

    def _link(self, source: str, source_id: str, target: str, target_id: str) -> None:
        type_id = association(source, target)
        self._state.link(CRM, source, source_id, target, target_id, type_id)
        back = ASSOCIATIONS[type_id][2]
        self._state.link(CRM, target, target_id, source, source_id, back)

    def _by_email(self, address: str) -> str:
        return self._state.meta(f"world.hubspot.email.{address}") if address else ""

    def _company(self, company: Company, at: int) -> str:
        """The account's company of this domain, entered when its first person arrives."""
        known = self._state.meta(f"world.hubspot.domain.{company.domain}")
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
        self._state.set_meta(f"world.hubspot.domain.{company.domain}", id_)
        return id_


def form_id(name: str) -> str:
    """The id of a form: a GUID made of its name, so that it is the same in every world."""
    return str(uuid.uuid5(uuid.NAMESPACE_URL, f"https://sandbox-vendor.example/forms/{name}"))


def _ms(text: str) -> int:
    return int(datetime.fromisoformat(text).astimezone(UTC).timestamp() * 1_000)


def _size(employees: int) -> str:
    return next(label for limit, label in (*_SIZES, *_BIGGER) if employees <= limit)
