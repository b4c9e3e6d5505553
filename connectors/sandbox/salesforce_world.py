"""The world's happenings as the Salesforce sandbox keeps them, and what Salesforce adds to them."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime
from random import Random
from typing import Any

from connectors.sandbox.behaviour import Act
from connectors.sandbox.people import Company, Person
from connectors.sandbox.salesforce_org import new_id
from connectors.sandbox.salesforce_schema import CRM, OBJECTS
from connectors.sandbox.soql_sql import wire_time
from connectors.sandbox.state import State, Stored
from connectors.sandbox.unit import Unit
from connectors.sandbox.vocabulary import CAMPAIGN_OF_FORM, CAMPAIGNS, OLD_SOURCES, SALESPEOPLE

#: People whom sales entered as contacts of an account rather than as leads.
_AS_CONTACT = 0.12
_MEETING_MS = 1_800_000
_DESCRIPTION = 32_000
#: What points to a lead and goes over to the contact when it is converted.
_POINTING: tuple[tuple[str, str, str, dict[str, str]], ...] = (
    ("Task", "WhoId", "WhoId", {}),
    ("Event", "WhoId", "WhoId", {}),
    ("CampaignMember", "LeadId", "ContactId", {}),  # a membership names both from then on
    ("EmailMessageRelation", "RelationId", "RelationId", {"RelationObjectType": "Contact"}),
)


class SalesforceWorld:
    """Writes acts of people into the org; one instance per unit of work, stamps whole seconds."""

    def __init__(self, unit: Unit, rng: Random) -> None:
        self._unit = unit
        self._rng = rng

    @staticmethod
    def found(state: State, at: int) -> None:
        """What the org has before the first lead: salespeople and campaigns."""
        unit = Unit(state)
        world = SalesforceWorld(unit, Random(0))
        for first, last in SALESPEOPLE:
            name = f"{first}.{last}@sandbox-vendor.example".lower()
            fields = {"FirstName": first, "LastName": last, "Username": name, "Email": name}
            user = world._add("User", fields | {"IsActive": True}, at)
            unit.set_meta(f"world.salesforce.user.{first}", user)
        for name, kind in CAMPAIGNS.items():
            fields = {"Name": name, "Type": kind, "Status": "In Progress"}
            campaign = world._add("Campaign", fields | {"IsActive": True}, at)
            unit.set_meta(f"world.salesforce.campaign.{name}", campaign)
        unit.flush()

    def arrive(self, person: Person, at: int) -> tuple[str, str]:
        """A new lead or contact; its type and id."""
        shared: dict[str, Any] = {
            "FirstName": person.first.strip()[:40],
            "LastName": (person.last.strip() or "Unknown")[:80],
            "Email": _acceptable(person.email),
            "Phone": person.phone,
            "Title": person.title,
            "LeadSource": self._source(person.source[1]),
            "OwnerId": self._owner(),
            "HasOptedOutOfEmail": False,
        }
        if person.company and self._rng.random() < _AS_CONTACT:
            address = {"MailingCountry": person.country, "MailingCity": person.city}
            account = self._account(person.company, at)
            fields = {**shared, **address, "AccountId": account}
            return "Contact", self._add("Contact", fields, at)
        company, gaps = person.company, self._rng.random
        fields = {
            **shared,
            "Company": person.company_text.strip() or "[not provided]",
            "Country": person.country,
            "City": person.city,
            "Description": _written(person.message),
            "Status": "Open - Not Contacted",
            "IsConverted": False,
            "IsUnreadByOwner": True,
            "Rating": self._rng.choice(("Hot", "Warm", "Cold")) if gaps() < 0.15 else "",
        }
        if company is not None:
            fields |= {
                "Industry": company.industry[1] if gaps() > 0.25 else "",
                "NumberOfEmployees": company.employees if gaps() > 0.3 else None,
                "AnnualRevenue": float(company.revenue) if gaps() > 0.5 else None,
                "Website": f"www.{company.domain}" if gaps() > 0.4 else "",
            }
        return "Lead", self._add("Lead", fields, at)

    def act(self, who: tuple[str, str], act: Act) -> None:
        """Write one act of a person; kinds that Salesforce cannot see are left out."""
        write = getattr(self, f"_{act.kind}", None)
        now_called = self._now_called(who)
        if write is not None and now_called is not None:
            write(now_called, replace(act, at=_second(act.at)))

    # -- campaigns and mail ------------------------------------------------------------------------

    def _campaign(self, who: tuple[str, str], act: Act) -> None:
        name = act.detail["name"]
        campaign = self._unit.meta(f"world.salesforce.campaign.{name}")
        key = f"world.salesforce.member.{campaign}.{who[1]}"
        if self._unit.meta(key):
            return  # a person is a member of a campaign once
        responded = not name.startswith("Purchased")
        fields: dict[str, Any] = {
            "CampaignId": campaign,
            f"{who[0]}Id": who[1],
            "Status": "Responded" if responded else "Sent",
            "HasResponded": responded,
        }
        if responded:
            fields["FirstRespondedDate"] = _day(act.at)
        self._unit.set_meta(key, self._add("CampaignMember", fields, act.at))

    def _form(self, who: tuple[str, str], act: Act) -> None:
        name = CAMPAIGN_OF_FORM[act.detail["name"]]
        self._campaign(who, replace(act, detail={"name": name}))

    def _sent(self, who: tuple[str, str], act: Act) -> None:
        if self._email(who):
            self._mail(who, act, act.detail["subject"], incoming=False)

    def _sales_open(self, who: tuple[str, str], act: Act) -> None:
        mail = self._unit.meta(f"world.salesforce.mail.{who[1]}")
        if not mail:
            return
        stored = self._unit.get(CRM, "EmailMessage", mail)
        first = stored.fields.get("FirstOpenedDate") if stored else None
        values = {
            "IsOpened": True,
            "FirstOpenedDate": first or wire_time(act.at),
            "LastOpenedDate": wire_time(act.at),
        }
        self._unit.change(CRM, "EmailMessage", mail, values, act.at)

    _open = _sales_open

    def _reply(self, who: tuple[str, str], act: Act) -> None:
        if self._email(who):
            self._mail(who, act, f"Re: {act.detail['subject']}", incoming=True)

    def _away(self, who: tuple[str, str], act: Act) -> None:
        if self._email(who):
            self._mail(who, act, f"Automatic reply: {act.detail['subject']}", incoming=True)

    def _bounce(self, who: tuple[str, str], act: Act) -> None:
        if not self._email(who):
            return  # nothing can have been sent there
        values: dict[str, Any] = {
            "EmailBouncedDate": wire_time(act.at),
            "EmailBouncedReason": "550 5.1.1 no such user",
        }
        if who[0] == "Contact":
            values["IsEmailBounced"] = True
        self._unit.change(CRM, *who, values, act.at)

    def _unsubscribe(self, who: tuple[str, str], act: Act) -> None:
        self._unit.change(CRM, *who, {"HasOptedOutOfEmail": True}, act.at)

    def _mail(self, who: tuple[str, str], act: Act, subject: str, *, incoming: bool) -> None:
        address = self._email(who)
        ours = "sales@sandbox-vendor.example"
        fields = {
            "Subject": subject,
            "FromAddress": address if incoming else ours,
            "ToAddress": ours if incoming else address,
            "Incoming": incoming,
            "Status": "1" if incoming else "3",  # read, sent
            "MessageDate": wire_time(act.at),
            "IsTracked": not incoming,
            "IsOpened": False,
            "IsBounced": False,
        }
        mail = self._add("EmailMessage", fields, act.at)
        relation = {
            "EmailMessageId": mail,
            "RelationId": who[1],
            "RelationObjectType": who[0],
            "RelationType": "FromAddress" if incoming else "ToAddress",
            "RelationAddress": address,
        }
        self._add("EmailMessageRelation", relation, act.at)
        if not incoming:
            self._unit.set_meta(f"world.salesforce.mail.{who[1]}", mail)
        self._touch(who, act.at)

    # -- calls, meetings, deals --------------------------------------------------------------------

    def _call(self, who: tuple[str, str], act: Act) -> None:
        seconds = int(act.detail["seconds"])
        fields = {
            "WhoId": who[1],
            "Subject": "Call",
            "Status": "Completed",
            "IsClosed": True,
            "Priority": "Normal",
            "TaskSubtype": "Call",
            "CallType": "Outbound",
            "CallDurationInSeconds": seconds,
            "CallDisposition": "Connected" if seconds else "No answer",
            "ActivityDate": _day(act.at),
            "CompletedDateTime": wire_time(act.at),
            "OwnerId": self._owner_of(who),
        }
        self._add("Task", fields, act.at)
        if who[0] == "Lead":
            values = {"Status": "Working - Contacted", "IsUnreadByOwner": False}
            self._unit.change(CRM, *who, values, act.at)
        self._touch(who, act.at)

    def _meeting(self, who: tuple[str, str], act: Act) -> None:
        start = _second(int(act.detail["start"]))
        fields = {
            "WhoId": who[1],
            "Subject": "Introduction",
            "StartDateTime": wire_time(start),
            "EndDateTime": wire_time(start + _MEETING_MS),
            "ActivityDateTime": wire_time(start),
            "ActivityDate": _day(start),
            "DurationInMinutes": 30,
            "OwnerId": self._owner_of(who),
        }
        meeting = self._add("Event", fields, act.at)
        self._unit.set_meta(f"world.salesforce.meeting.{who[1]}", meeting)
        self._touch(who, act.at)

    def _held(self, who: tuple[str, str], act: Act) -> None:
        """A planned meeting's time has passed; salespeople delete what did not take place."""
        meeting = self._unit.meta(f"world.salesforce.meeting.{who[1]}")
        if meeting and act.detail["outcome"] != "COMPLETED":
            self._unit.archive(CRM, "Event", meeting, act.at)

    def _deal(self, who: tuple[str, str], act: Act) -> None:
        """An opportunity; a lead is converted into account and contact on the way."""
        stored = self._unit.get(CRM, *who)
        if stored is None:
            return
        account = str(stored.fields.get("AccountId") or self._account_of(stored, act.at))
        contact = who[1] if who[0] == "Contact" else self._converted(who[1], account, act.at)
        employer = self._unit.get(CRM, "Account", account)
        name = str(employer.fields["Name"]) if employer else str(stored.fields["LastName"])
        fields = {
            "AccountId": account,
            "Name": f"{name[:100]} - new",
            "StageName": "Qualification",
            "Amount": float(act.detail["amount"]),
            "Probability": 10,
            "CloseDate": _day(act.at + 45 * 86_400_000),
            "IsClosed": False,
            "IsWon": False,
            "LeadSource": stored.fields.get("LeadSource"),
            "OwnerId": self._owner_of(who),
            "ContactId": contact,
            "LastStageChangeDate": wire_time(act.at),
        }
        opportunity = self._add("Opportunity", fields, act.at)
        role = {"OpportunityId": opportunity, "ContactId": contact, "IsPrimary": True}
        self._add("OpportunityContactRole", role, act.at)
        self._unit.set_meta(f"world.salesforce.deal.{contact}", opportunity)
        if who[0] == "Lead":
            values = {"ConvertedOpportunityId": opportunity}
            self._unit.change(CRM, "Lead", who[1], values, act.at)

    def _won(self, who: tuple[str, str], act: Act) -> None:
        self._close(who, act, "Closed Won", 100)

    def _lost(self, who: tuple[str, str], act: Act) -> None:
        self._close(who, act, "Closed Lost", 0)

    def _close(self, who: tuple[str, str], act: Act, stage: str, probability: int) -> None:
        opportunity = self._unit.meta(f"world.salesforce.deal.{who[1]}")
        values = {
            "StageName": stage,
            "Probability": probability,
            "IsClosed": True,
            "IsWon": probability == 100,
            "CloseDate": _day(act.at),
            "LastStageChangeDate": wire_time(act.at),
        }
        if opportunity:
            self._unit.change(CRM, "Opportunity", opportunity, values, act.at)

    def _converted(self, lead: str, account: str, at: int) -> str:
        """Convert a lead: its contact's id. Activities and memberships move to the contact."""
        stored = self._unit.get(CRM, "Lead", lead)
        if stored is None:
            raise LookupError(f"there is no lead {lead}")
        kept = ("FirstName", "LastName", "Email", "Phone", "Title", "LeadSource", "OwnerId")
        fields = {name: stored.fields.get(name) for name in (*kept, "HasOptedOutOfEmail")}
        fields |= {
            "AccountId": account,
            "MailingCountry": stored.fields.get("Country"),
            "MailingCity": stored.fields.get("City"),
        }
        contact = self._add("Contact", fields, at)
        values = {
            "IsConverted": True,
            "Status": "Closed - Converted",
            "ConvertedDate": _day(at),
            "ConvertedAccountId": account,
            "ConvertedContactId": contact,
        }
        self._unit.change(CRM, "Lead", lead, values, at)
        for type_, field, pointer, more in _POINTING:
            for one in self._unit.pointing(CRM, type_, field, lead):
                self._unit.change(CRM, type_, one.id, {pointer: contact, **more}, at)
                if type_ == "CampaignMember":
                    key = f"world.salesforce.member.{one.fields['CampaignId']}.{contact}"
                    self._unit.set_meta(key, one.id)
        for kind in ("mail", "meeting"):
            if known := self._unit.meta(f"world.salesforce.{kind}.{lead}"):
                self._unit.set_meta(f"world.salesforce.{kind}.{contact}", known)
        return contact

    # -- pieces ----------------------------------------------------------------------------------

    def _now_called(self, who: tuple[str, str]) -> tuple[str, str] | None:
        """A merged record goes on as its master, a converted lead as its contact."""
        stored = self._unit.get(CRM, *who)
        if stored is None:
            return None
        if stored.archived:
            master = stored.fields.get("MasterRecordId")
            return self._now_called((who[0], str(master))) if master else None
        contact = stored.fields.get("ConvertedContactId")
        return self._now_called(("Contact", str(contact))) if contact else who

    def _add(self, type_: str, fields: dict[str, Any], at: int) -> str:
        number = self._unit.next_number(f"salesforce.{type_}")
        id_ = new_id(OBJECTS[type_.lower()].prefix, number)
        self._unit.add(CRM, type_, id_, number, fields, _second(at))
        return id_

    def _touch(self, who: tuple[str, str], at: int) -> None:
        self._unit.change(CRM, *who, {"LastActivityDate": _day(at)}, at)

    def _email(self, who: tuple[str, str]) -> str:
        stored = self._unit.get(CRM, *who)
        return str(stored.fields.get("Email") or "") if stored else ""

    def _owner(self) -> str:
        first, _ = self._rng.choice(SALESPEOPLE)
        return self._unit.meta(f"world.salesforce.user.{first}")

    def _owner_of(self, who: tuple[str, str]) -> str:
        stored = self._unit.get(CRM, *who)
        return str(stored.fields.get("OwnerId") or self._owner()) if stored else self._owner()

    def _source(self, source: str) -> str:
        """Picklists are not restricted here: imports bring values of their own."""
        return self._rng.choice(OLD_SOURCES) if self._rng.random() < 0.01 else source

    def _account_of(self, lead: Stored, at: int) -> str:
        """The account a lead is converted into: its company's, when the org has that already."""
        known = lead.fields
        domain = str(known.get("Email", "")).rpartition("@")[2].lower()
        key = f"world.salesforce.account.{domain}"
        if account := self._unit.meta(key):
            return account
        fields = {
            "Name": known.get("Company") or known.get("LastName"),
            "Industry": known.get("Industry"),
            "NumberOfEmployees": known.get("NumberOfEmployees"),
            "AnnualRevenue": known.get("AnnualRevenue"),
            "Website": known.get("Website"),
            "BillingCountry": known.get("Country"),
            "OwnerId": known.get("OwnerId"),
        }
        account = self._add("Account", fields, at)
        if domain.endswith(".example"):  # a mail provider's domain is nobody's company
            self._unit.set_meta(key, account)
        return account

    def _account(self, company: Company, at: int) -> str:
        """The org's account of this company, entered when its first contact is."""
        key = f"world.salesforce.account.{company.domain}"
        known = self._unit.meta(key)
        if known:
            return known
        gaps = self._rng.random
        fields = {
            "Name": company.name,
            "Website": f"https://{company.domain}",
            "Industry": company.industry[1] if gaps() > 0.15 else "",
            "NumberOfEmployees": company.employees if gaps() > 0.2 else None,
            "AnnualRevenue": float(company.revenue) if gaps() > 0.35 else None,
            "BillingCountry": self._rng.choice(company.country.spellings) if gaps() > 0.2 else "",
            "BillingCity": company.city,
            "OwnerId": self._owner(),
        }
        id_ = self._add("Account", fields, at)
        self._unit.set_meta(key, id_)
        return id_


def _written(text: str) -> str:
    """What fits into a description; Salesforce leaves out characters that XML cannot hold."""
    return text.replace("\0", "")[:_DESCRIPTION]


def _acceptable(email: str) -> str:
    """Salesforce refuses addresses without an @ and a dot; people then leave the field empty."""
    text = email.strip()
    local, _, domain = text.partition("@")
    fine = local and "." in domain and "@" not in domain and " " not in text
    return text[:80] if fine else ""


def _second(at: int) -> int:
    return at // 1_000 * 1_000


def _day(at: int) -> str:
    return datetime.fromtimestamp(at / 1_000, UTC).date().isoformat()
