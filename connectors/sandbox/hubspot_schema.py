"""What a HubSpot account knows from the start: object types, properties, association types."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

CRM = "hubspot"

#: Property kind -> (type, fieldType); a mismatch is refused when a property is created.
_KINDS = {
    "text": ("string", "text"),
    "area": ("string", "textarea"),
    "phone": ("string", "phonenumber"),
    "html": ("string", "html"),
    "number": ("number", "number"),
    "date": ("date", "date"),
    "datetime": ("datetime", "date"),
    "select": ("enumeration", "select"),
    "checks": ("enumeration", "checkbox"),
    "flag": ("bool", "booleancheckbox"),
}
#: fieldTypes a property of each type may have.
FIELD_TYPES: dict[str, frozenset[str]] = {
    "string": frozenset({"text", "textarea", "file", "html", "phonenumber"}),
    "number": frozenset({"number"}),
    "date": frozenset({"date"}),
    "datetime": frozenset({"date"}),
    "enumeration": frozenset({"select", "radio", "checkbox", "booleancheckbox"}),
    "bool": frozenset({"booleancheckbox"}),
}
LIFECYCLE = (
    "subscriber",
    "lead",
    "marketingqualifiedlead",
    "salesqualifiedlead",
    "opportunity",
    "customer",
    "evangelist",
    "other",
)
_LEAD_STATUS = (
    "NEW OPEN IN_PROGRESS OPEN_DEAL UNQUALIFIED ATTEMPTED_TO_CONTACT CONNECTED BAD_TIMING"
)
_SOURCES = (
    "ORGANIC_SEARCH PAID_SEARCH EMAIL_MARKETING SOCIAL_MEDIA REFERRALS OTHER_CAMPAIGNS"
    " DIRECT_TRAFFIC OFFLINE PAID_SOCIAL AI_REFERRALS"
)
_INDUSTRIES = (
    "ACCOUNTING AUTOMOTIVE BANKING BIOTECHNOLOGY CHEMICALS COMPUTER_HARDWARE COMPUTER_NETWORKING"
    " COMPUTER_SOFTWARE CONSTRUCTION CONSUMER_GOODS CONSUMER_SERVICES EDUCATION_MANAGEMENT"
    " ELECTRICAL_ELECTRONIC_MANUFACTURING FINANCIAL_SERVICES FOOD_BEVERAGES"
    " GOVERNMENT_ADMINISTRATION HEALTH_WELLNESS_AND_FITNESS HIGHER_EDUCATION"
    " HOSPITAL_HEALTH_CARE HOSPITALITY HUMAN_RESOURCES"
    " INFORMATION_TECHNOLOGY_AND_SERVICES INSURANCE INTERNET LAW_PRACTICE LEGAL_SERVICES"
    " LOGISTICS_AND_SUPPLY_CHAIN MACHINERY MANAGEMENT_CONSULTING MARKETING_AND_ADVERTISING"
    " MECHANICAL_OR_INDUSTRIAL_ENGINEERING NON_PROFIT_ORGANIZATION_MANAGEMENT OIL_ENERGY"
    " PHARMACEUTICALS REAL_ESTATE RENEWABLES_ENVIRONMENT RESTAURANTS RETAIL STAFFING_AND_RECRUITING"
    " TELECOMMUNICATIONS TRANSPORTATION_TRUCKING_RAILROAD UTILITIES WHOLESALE"
)


@dataclass(frozen=True, slots=True)
class Property:
    """One property: what the API says about it and how values are checked."""

    name: str
    label: str
    type: str
    field_type: str
    group: str
    options: tuple[tuple[str, str], ...] = ()  # value, label
    read_only: bool = False  # HubSpot sets the value
    external: bool = False  # options live elsewhere (owners, stages): none are listed
    own: bool = False  # made through the API
    extra: Mapping[str, Any] | None = None  # description and the like, as it was given

    def wire(self) -> dict[str, Any]:
        """As the properties API shows it."""
        extra = dict(self.extra or {})
        return {
            "name": self.name,
            "label": self.label,
            "type": self.type,
            "fieldType": self.field_type,
            "description": extra.pop("description", ""),
            "groupName": self.group,
            "options": [
                {"label": label, "value": value, "displayOrder": place, "hidden": False}
                for place, (value, label) in enumerate(self.options)
            ],
            "displayOrder": -1,
            "calculated": self.read_only,
            "externalOptions": self.external,
            "hasUniqueValue": False,
            "hidden": False,
            "hubspotDefined": not self.own,
            "formField": False,
            "archived": False,
            "modificationMetadata": {
                "archivable": self.own,
                "readOnlyDefinition": not self.own,
                "readOnlyValue": self.read_only,
                "readOnlyOptions": not self.own,
            },
            **extra,
        }


@dataclass(frozen=True, slots=True)
class ObjectType:
    """One kind of CRM object; `name` is both the path segment and the type in the state."""

    name: str
    singular: str
    type_id: str
    created: str  # the property that says when it was created, and when last changed
    modified: str
    defaults: tuple[str, ...]  # properties returned when none are asked for
    scopes: str  # the object whose read and write scopes guard it
    needs: tuple[str, ...]  # creating needs at least one of these
    properties: Mapping[str, Property]

    @property
    def group(self) -> str:
        """The built-in property group."""
        return f"{self.singular}information"


def _table(singular: str, rows: str) -> dict[str, Property]:
    """Properties from lines `name | label | kind [!] [options]`; `!` = HubSpot sets the value."""
    found = {}
    for line in rows.strip().splitlines():
        name, label, kind, *options = (part.strip() for part in line.split("|"))
        read_only = kind.endswith("!")
        external = kind.startswith("external")
        type_, field_type = _KINDS["select" if external else kind.rstrip("!")]
        values = options[0].split() if options else []
        found[name] = Property(
            name,
            label,
            type_,
            field_type,
            f"{singular}information",
            tuple((value, value.replace("_", " ").capitalize()) for value in values),
            read_only,
            external,
        )
    return found


_COMMON = """
hs_object_id | Record ID | number!
hs_createdate | Object create date/time | datetime!
hs_lastmodifieddate | Object last modified date/time | datetime!
hubspot_owner_id | Owner | external
hs_merged_object_ids | Merged record IDs | checks!
"""
_CONTACT = f"""
email | Email | text
hs_additional_emails | Additional email addresses | checks!
firstname | First name | text
lastname | Last name | text
phone | Phone number | phone
mobilephone | Mobile phone number | phone
company | Company name | text
website | Website URL | text
jobtitle | Job title | text
industry | Industry | text
numemployees | Number of employees | select | 1-5 5-25 25-50 50-100 100-500 500-1000 1000+
annualrevenue | Annual revenue | text
address | Street address | text
city | City | text
state | State/Region | text
zip | Postal code | text
country | Country/Region | text
message | Message | area
createdate | Create date | datetime!
lastmodifieddate | Last modified date | datetime!
associatedcompanyid | Primary associated company ID | number!
lifecyclestage | Lifecycle stage | select | {" ".join(LIFECYCLE)}
hs_lifecyclestage_customer_date | Became a customer date | datetime!
hs_lead_status | Lead status | select | {_LEAD_STATUS}
hs_calculated_merged_vids | Merged vids with timestamps | text!
hs_analytics_source | Original traffic source | select! | {_SOURCES}
hs_analytics_source_data_1 | Original traffic source drill-down 1 | text!
hs_analytics_source_data_2 | Original traffic source drill-down 2 | text!
hs_analytics_first_touch_converting_campaign | First touch converting campaign | text!
hs_analytics_num_page_views | Number of pageviews | number!
hs_analytics_num_visits | Number of sessions | number!
hs_analytics_first_timestamp | Time first seen | datetime!
hs_analytics_last_timestamp | Time last seen | datetime!
hs_analytics_last_visit_timestamp | Time of last session | datetime!
num_conversion_events | Number of form submissions | number!
first_conversion_event_name | First conversion | text!
recent_conversion_event_name | Recent conversion | text!
recent_conversion_date | Recent conversion date | datetime!
hs_email_optout | Unsubscribed from all email | flag!
hs_email_bounce | Marketing emails bounced | number!
hs_email_delivered | Marketing emails delivered | number!
hs_email_open | Marketing emails opened | number!
hs_email_click | Marketing emails clicked | number!
hs_email_last_open_date | Last marketing email open date | datetime!
hs_email_last_click_date | Last marketing email click date | datetime!
hs_sales_email_last_replied | Recent sales email replied date | datetime!
notes_last_contacted | Last contacted | datetime!
num_contacted_notes | Number of times contacted | number!
num_associated_deals | Number of associated deals | number!
hubspotscore | HubSpot score | number!
"""
_COMPANY = f"""
name | Company name | text
domain | Company domain name | text
website | Website URL | text
phone | Phone number | phone
industry | Industry | select | {_INDUSTRIES}
numberofemployees | Number of employees | number
annualrevenue | Annual revenue | number
city | City | text
country | Country/Region | text
description | Description | area
createdate | Create date | datetime!
lifecyclestage | Lifecycle stage | select | {" ".join(LIFECYCLE)}
num_associated_contacts | Number of associated contacts | number!
"""
_DEAL = """
dealname | Deal name | text
amount | Amount | number
closedate | Close date | datetime
pipeline | Pipeline | external
dealstage | Deal stage | external
createdate | Create date | datetime
hs_is_closed | Is deal closed? | flag!
hs_is_closed_won | Is closed won | flag!
hs_deal_stage_probability | Deal probability | number!
"""
_LEAD = """
hs_lead_name | Lead name | text
hs_lead_type | Lead type | text
hs_lead_label | Lead label | text
hs_pipeline | Lead pipeline | external
hs_pipeline_stage | Lead pipeline stage | external
"""
_ACTIVITY = """
hs_timestamp | Activity date | datetime
hs_activity_type | Call and meeting type | text
hs_body_preview | Body preview | text!
hs_attachment_ids | Attached file IDs | text
"""
_EMAIL = """
hs_email_direction | Email direction | select | EMAIL INCOMING_EMAIL FORWARDED_EMAIL
hs_email_status | Email send status | select | BOUNCED FAILED SCHEDULED SENDING SENT
hs_email_subject | Email subject | text
hs_email_text | Email body | area
hs_email_html | Email HTML | html
hs_email_thread_id | Thread ID | text
hs_email_from_email | Email from address | text
hs_email_from_firstname | Email from first name | text
hs_email_from_lastname | Email from last name | text
hs_email_to_email | Email to address | text
hs_email_headers | Headers | area
"""
_CALL_STATUS = (
    "BUSY CALLING_CRM_USER CANCELED COMPLETED CONNECTING FAILED IN_PROGRESS MISSED NO_ANSWER QUEUED"
    " RINGING"
)
_CALL = f"""
hs_call_title | Call title | text
hs_call_body | Call notes | html
hs_call_direction | Call direction | select | INBOUND OUTBOUND
hs_call_disposition | Call outcome | external
hs_call_duration | Call duration | number
hs_call_from_number | From number | text
hs_call_to_number | To number | text
hs_call_status | Call status | select | {_CALL_STATUS}
"""
_MEETING = """
hs_meeting_title | Meeting name | text
hs_meeting_body | Meeting description | html
hs_meeting_start_time | Meeting start time | datetime
hs_meeting_end_time | Meeting end time | datetime
hs_meeting_outcome | Meeting outcome | select | SCHEDULED COMPLETED RESCHEDULED NO_SHOW CANCELED
hs_meeting_source | Meeting source | text
hs_meeting_location | Meeting location | text
"""
_NOTE = """
hs_note_body | Note body | html
"""
_TASK = """
hs_task_subject | Task title | text
hs_task_body | Task notes | html
hs_task_status | Task status | select | NOT_STARTED IN_PROGRESS WAITING COMPLETED DEFERRED
hs_task_priority | Priority | select | NONE LOW MEDIUM HIGH
hs_task_type | Task type | select | EMAIL CALL TODO
hs_task_reminders | Reminders | text
hs_task_completion_date | Completed at | datetime!
"""
_ACTIVITY_DEFAULTS = ("hs_createdate", "hs_lastmodifieddate", "hs_object_id")


def _activity(name: str, singular: str, type_id: str, rows: str) -> ObjectType:
    properties = _table(singular, _COMMON) | _table(singular, _ACTIVITY) | _table(singular, rows)
    return ObjectType(
        name,
        singular,
        type_id,
        "hs_createdate",
        "hs_lastmodifieddate",
        _ACTIVITY_DEFAULTS,
        "contacts",
        ("hs_timestamp",),
        properties,
    )


OBJECTS: dict[str, ObjectType] = {
    found.name: found
    for found in (
        ObjectType(
            "contacts",
            "contact",
            "0-1",
            "createdate",
            "lastmodifieddate",
            ("createdate", "email", "firstname", "hs_object_id", "lastmodifieddate", "lastname"),
            "contacts",
            ("email", "firstname", "lastname"),
            _table("contact", _COMMON) | _table("contact", _CONTACT),
        ),
        ObjectType(
            "companies",
            "company",
            "0-2",
            "createdate",
            "hs_lastmodifieddate",
            ("createdate", "domain", "hs_lastmodifieddate", "hs_object_id", "name"),
            "companies",
            ("name", "domain"),
            _table("company", _COMMON) | _table("company", _COMPANY),
        ),
        ObjectType(
            "deals",
            "deal",
            "0-3",
            "createdate",
            "hs_lastmodifieddate",
            (
                "amount",
                "closedate",
                "createdate",
                "dealname",
                "dealstage",
                "hs_lastmodifieddate",
                "hs_object_id",
                "pipeline",
            ),
            "deals",
            ("dealname",),
            _table("deal", _COMMON) | _table("deal", _DEAL),
        ),
        ObjectType(
            "leads",
            "lead",
            "0-136",
            "hs_createdate",
            "hs_lastmodifieddate",
            _ACTIVITY_DEFAULTS,
            "leads",
            ("hs_lead_name",),
            _table("lead", _COMMON) | _table("lead", _LEAD),
        ),
        _activity("emails", "email", "0-49", _EMAIL),
        _activity("calls", "call", "0-48", _CALL),
        _activity("meetings", "meeting", "0-47", _MEETING),
        _activity("notes", "note", "0-46", _NOTE),
        _activity("tasks", "task", "0-27", _TASK),
    )
}
_NAMES = {
    alias: found.name
    for found in OBJECTS.values()
    for alias in (found.name, found.singular, found.type_id)
}

#: Association type id -> (from, to, the id of the way back).
ASSOCIATIONS: dict[int, tuple[str, str, int]] = {
    1: ("contacts", "companies", 2),
    2: ("companies", "contacts", 1),
    279: ("contacts", "companies", 280),
    280: ("companies", "contacts", 279),
    4: ("contacts", "deals", 3),
    3: ("deals", "contacts", 4),
    5: ("deals", "companies", 6),
    6: ("companies", "deals", 5),
    341: ("deals", "companies", 342),
    342: ("companies", "deals", 341),
    204: ("tasks", "contacts", 203),
    203: ("contacts", "tasks", 204),
    192: ("tasks", "companies", 191),
    191: ("companies", "tasks", 192),
    216: ("tasks", "deals", 215),
    215: ("deals", "tasks", 216),
    202: ("notes", "contacts", 201),
    201: ("contacts", "notes", 202),
    194: ("calls", "contacts", 193),
    193: ("contacts", "calls", 194),
    198: ("emails", "contacts", 197),
    197: ("contacts", "emails", 198),
    200: ("meetings", "contacts", 199),
    199: ("contacts", "meetings", 200),
    578: ("leads", "contacts", 579),
    579: ("contacts", "leads", 578),
}
_DEFAULT_ASSOCIATION = {
    (source, target): type_id
    for type_id, (source, target, _) in sorted(ASSOCIATIONS.items(), reverse=True)
    if type_id not in (1, 2, 5, 6)  # those are the primary ones
}

#: What a new account's deal pipeline looks like.
DEAL_PIPELINE: dict[str, Any] = {
    "label": "Sales Pipeline",
    "displayOrder": 0,
    "stages": [
        {
            "id": stage,
            "label": label,
            "displayOrder": place,
            "metadata": {
                "isClosed": "true" if probability in ("0.0", "1.0") else "false",
                "probability": probability,
            },
        }
        for place, (stage, label, probability) in enumerate(
            (
                ("appointmentscheduled", "Appointment Scheduled", "0.2"),
                ("qualifiedtobuy", "Qualified To Buy", "0.4"),
                ("presentationscheduled", "Presentation Scheduled", "0.6"),
                ("decisionmakerboughtin", "Decision Maker Bought-In", "0.8"),
                ("contractsent", "Contract Sent", "0.9"),
                ("closedwon", "Closed Won", "1.0"),
                ("closedlost", "Closed Lost", "0.0"),
            )
        )
    ],
}


def object_type(name: str) -> ObjectType | None:
    """An object type by its plural, singular or type id ("contacts", "contact", "0-1")."""
    found = _NAMES.get(name.lower())
    return OBJECTS[found] if found else None


def association(source: str, target: str) -> int:
    """The default association type id between two object types, 0 where there is none."""
    return _DEFAULT_ASSOCIATION.get((source, target), 0)


def options_of(found: Property) -> Iterable[str]:
    """The values an enumeration allows."""
    return (value for value, _ in found.options)
