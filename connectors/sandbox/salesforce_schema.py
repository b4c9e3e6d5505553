"""The objects and fields the Salesforce sandbox has from birth, as describe shows them."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

CRM = "salesforce"
API_VERSION = "66.0"
#: Fields that live in columns of the state, not in an object's JSON.
COLUMN_FIELDS = frozenset({"Id", "IsDeleted", "CreatedDate", "LastModifiedDate", "SystemModstamp"})

_SOAP = {
    "id": "tns:ID",
    "reference": "tns:ID",
    "boolean": "xsd:boolean",
    "int": "xsd:int",
    "double": "xsd:double",
    "currency": "xsd:double",
    "percent": "xsd:double",
    "date": "xsd:date",
    "datetime": "xsd:dateTime",
}


@dataclass(frozen=True, slots=True)
class Field:
    """One field; `refers` and `relationship` are set for lookups, `permission` for custom ones."""

    name: str
    type: str = "string"
    label: str = ""
    length: int = 0
    precision: int = 0
    scale: int = 0
    refers: tuple[str, ...] = ()
    relationship: str = ""
    writable: bool = True
    required: bool = False
    filterable: bool = True
    custom: bool = False
    picklist: tuple[str, ...] = ()

    def describe(self, *, editable: bool = True) -> dict[str, Any]:
        """The field as an entry of an sObject describe's `fields`."""
        writable = self.writable and editable
        return {
            "name": self.name,
            "label": self.label or _label(self.name),
            "type": self.type,
            "length": self.length,
            "byteLength": self.length * 3,
            "precision": self.precision,
            "scale": self.scale,
            "digits": 8 if self.type == "int" else 0,
            "soapType": _SOAP.get(self.type, "xsd:string"),
            "nillable": not self.required and self.type != "boolean",
            "createable": writable,
            "updateable": writable,
            "filterable": self.filterable,
            "sortable": self.filterable,
            "groupable": self.filterable and self.type not in ("double", "currency", "datetime"),
            "aggregatable": self.filterable,
            "calculated": False,
            "custom": self.custom,
            "unique": False,
            "externalId": False,
            "idLookup": self.name in ("Id", "Email") or self.type == "id",
            "permissionable": self.custom,
            "encrypted": False,
            "autoNumber": False,
            "compoundFieldName": None,
            "referenceTo": list(self.refers),
            "relationshipName": self.relationship or None,
            "polymorphicForeignKey": len(self.refers) > 1,
            "picklistValues": [
                {
                    "active": True,
                    "defaultValue": i == 0,
                    "label": v,
                    "validFor": None,
                    "value": v,
                }
                for i, v in enumerate(self.picklist)
            ],
            "restrictedPicklist": False,
            "defaultedOnCreate": self.type == "boolean",
            "nameField": self.name == "Name",
            "deprecatedAndHidden": False,
        }


@dataclass(frozen=True, slots=True)
class SObject:
    """One object type; `fields` by lower-cased name, because the API ignores case."""

    name: str
    prefix: str
    label: str
    fields: Mapping[str, Field] = field(default_factory=dict)
    readable_only: bool = False

    def describe_row(self, version: str) -> dict[str, Any]:
        """The object as an entry of the global describe's `sobjects`."""
        base = f"/services/data/v{version}/sobjects/{self.name}"
        return {
            "name": self.name,
            "label": self.label,
            "labelPlural": f"{self.label}s",
            "keyPrefix": self.prefix,
            "createable": not self.readable_only,
            "updateable": not self.readable_only,
            "deletable": not self.readable_only,
            "queryable": True,
            "replicateable": True,
            "retrieveable": True,
            "searchable": True,
            "undeletable": True,
            "mergeable": self.name in ("Lead", "Contact", "Account"),
            "custom": False,
            "customSetting": False,
            "deprecatedAndHidden": False,
            "triggerable": True,
            "urls": {
                "sobject": base,
                "describe": f"{base}/describe",
                "rowTemplate": f"{base}/{{ID}}",
            },
        }


def custom_field(name: str, definition: Mapping[str, Any]) -> Field:
    """A custom field from its stored Tooling metadata (`type` as Tooling spells it)."""
    kind = {
        "Number": "double",
        "Currency": "currency",
        "Percent": "percent",
        "Text": "string",
        "LongTextArea": "textarea",
        "TextArea": "textarea",
        "DateTime": "datetime",
        "Checkbox": "boolean",
        "Picklist": "picklist",
    }.get(str(definition.get("type", "Text")), str(definition.get("type", "Text")).lower())
    return Field(
        name=name,
        type=kind,
        label=str(definition.get("label") or name),
        length=int(definition.get("length") or (255 if kind in ("string", "textarea") else 0)),
        precision=int(definition.get("precision") or 0),
        scale=int(definition.get("scale") or 0),
        filterable=definition.get("type") != "LongTextArea",
        custom=True,
    )


def _label(name: str) -> str:
    return re.sub(r"(?<=[a-z])(?=[A-Z])", " ", name.removesuffix("Id") or name)


_FIELD = re.compile(r"(\w+)(?::(\w+)(?:\((\d+)(?:,(\d+))?\))?)?([!~]*)(?:>([\w|]+)@(\w+))?\Z")


def _fields(spec: str) -> list[Field]:
    """Fields from a compact line: `Name:type(length)`, `!` required, `~` fixed, `>To|To@Rel`."""
    found = []
    for word in spec.split():
        match = _FIELD.fullmatch(word)
        if match is None:
            raise ValueError(f"cannot read the field {word!r}")
        name, kind, size, scale, marks, refers, relationship = match.groups()
        kind = kind or ("reference" if refers else "string")
        number = kind in ("double", "currency", "percent")
        length = 0 if number else int(size or (18 if refers else 255 if kind == "string" else 0))
        found.append(
            Field(
                name=name,
                type=kind,
                length=length,
                precision=int(size or 18) if number else 0,
                scale=int(scale or 0) if number else 0,
                refers=tuple((refers or "").split("|")) if refers else (),
                relationship=relationship or "",
                writable="~" not in marks,
                required="!" in marks,
                filterable=not (kind == "textarea" and length > 255),
            )
        )
    return found


_SYSTEM = """Id:id(18)~ IsDeleted:boolean~ CreatedDate:datetime~ CreatedById~>User@CreatedBy
LastModifiedDate:datetime~ LastModifiedById~>User@LastModifiedBy SystemModstamp:datetime~"""

_SPECS: dict[str, tuple[str, str, str]] = {
    "Lead": (
        "00Q",
        "Lead",
        """MasterRecordId~>Lead@MasterRecord LastName:string(80)! FirstName:string(40)
        Salutation:picklist Name:string(121)~ Title:string(128) Company:string(255)!
        Street:textarea(255) City:string(40) State:string(80) PostalCode:string(20)
        Country:string(80) Phone:phone(40) MobilePhone:phone(40) Fax:phone(40) Email:email(80)
        Website:url(255) Description:textarea(32000) LeadSource:picklist Status:picklist
        Industry:picklist Rating:picklist AnnualRevenue:currency(18,0) NumberOfEmployees:int
        OwnerId>User|Group@Owner HasOptedOutOfEmail:boolean IsConverted:boolean~
        ConvertedDate:date~ ConvertedAccountId~>Account@ConvertedAccount
        ConvertedContactId~>Contact@ConvertedContact
        ConvertedOpportunityId~>Opportunity@ConvertedOpportunity IsUnreadByOwner:boolean
        LastActivityDate:date~ EmailBouncedReason:string(255) EmailBouncedDate:datetime""",
    ),
    "Contact": (
        "003",
        "Contact",
        """MasterRecordId~>Contact@MasterRecord AccountId>Account@Account LastName:string(80)!
        FirstName:string(40) Salutation:picklist Name:string(121)~ Title:string(128)
        Department:string(80) MailingStreet:textarea(255) MailingCity:string(40)
        MailingState:string(80) MailingPostalCode:string(20) MailingCountry:string(80)
        Phone:phone(40) MobilePhone:phone(40) Fax:phone(40) Email:email(80)
        Description:textarea(32000) LeadSource:picklist OwnerId>User@Owner
        HasOptedOutOfEmail:boolean DoNotCall:boolean LastActivityDate:date~
        EmailBouncedReason:string(255) EmailBouncedDate:datetime IsEmailBounced:boolean~""",
    ),
    "Account": (
        "001",
        "Account",
        """MasterRecordId~>Account@MasterRecord Name:string(255)! Type:picklist
        ParentId>Account@Parent BillingCity:string(40) BillingState:string(80)
        BillingCountry:string(80) Phone:phone(40) Website:url(255) Industry:picklist
        AnnualRevenue:currency(18,0) NumberOfEmployees:int Rating:picklist
        Description:textarea(32000) AccountSource:picklist OwnerId>User@Owner
        LastActivityDate:date~""",
    ),
    "Opportunity": (
        "006",
        "Opportunity",
        """AccountId>Account@Account Name:string(120)! Description:textarea(32000)
        StageName:picklist! Amount:currency(18,2) Probability:percent(3,0) CloseDate:date!
        Type:picklist LeadSource:picklist IsClosed:boolean~ IsWon:boolean~
        CampaignId>Campaign@Campaign OwnerId>User@Owner ContactId>Contact@Contact
        LastStageChangeDate:datetime~ LastActivityDate:date~""",
    ),
    "OpportunityContactRole": (
        "00K",
        "Opportunity Contact Role",
        """OpportunityId!>Opportunity@Opportunity ContactId!>Contact@Contact Role:picklist
        IsPrimary:boolean""",
    ),
    "Campaign": (
        "701",
        "Campaign",
        """Name:string(80)! Type:picklist Status:picklist StartDate:date EndDate:date
        IsActive:boolean OwnerId>User@Owner Description:textarea(32000)""",
    ),
    "CampaignMember": (
        "00v",
        "Campaign Member",
        """CampaignId!>Campaign@Campaign LeadId>Lead@Lead ContactId>Contact@Contact
        LeadOrContactId~>Lead|Contact@LeadOrContact Status:picklist HasResponded:boolean~
        FirstRespondedDate:date~""",
    ),
    "Task": (
        "00T",
        "Task",
        """WhoId>Lead|Contact@Who WhatId>Account|Opportunity|Campaign@What
        Subject:combobox(255) ActivityDate:date Status:picklist Priority:picklist
        OwnerId>User|Group@Owner Description:textarea(32000) IsClosed:boolean~
        IsArchived:boolean~ TaskSubtype:picklist CallType:picklist
        CallDurationInSeconds:int CallDisposition:string(255) CompletedDateTime:datetime~
        AccountId~>Account@Account""",
    ),
    "Event": (
        "00U",
        "Event",
        """WhoId>Lead|Contact@Who WhatId>Account|Opportunity|Campaign@What
        Subject:combobox(255) Location:string(255) StartDateTime:datetime EndDateTime:datetime
        ActivityDateTime:datetime ActivityDate:date DurationInMinutes:int
        OwnerId>User@Owner Description:textarea(32000) IsArchived:boolean~
        IsChild:boolean~ EventSubtype:picklist AccountId~>Account@Account""",
    ),
    "EmailMessage": (
        "02s",
        "Email Message",
        """ParentId~>Task@Parent ActivityId>Task@Activity Subject:string(3000)
        FromAddress:email(1000) ToAddress:string(4000) TextBody:textarea(131072)
        Incoming:boolean Status:picklist MessageDate:datetime
        RelatedToId>Account|Opportunity@RelatedTo IsTracked:boolean~ IsOpened:boolean~
        FirstOpenedDate:datetime LastOpenedDate:datetime IsBounced:boolean~
        ReplyToEmailMessageId>EmailMessage@ReplyToEmailMessage""",
    ),
    "EmailMessageRelation": (
        "0CZ",
        "Email Message Relation",
        """EmailMessageId!>EmailMessage@EmailMessage RelationId>Contact|Lead|User@Relation
        RelationObjectType:picklist~ RelationType:picklist RelationAddress:string(1000)""",
    ),
    "User": (
        "005",
        "User",
        """Username:string(80)! Name:string(121)~ FirstName:string(40) LastName:string(80)!
        Email:email(128) IsActive:boolean ProfileId:id(18)""",
    ),
    "Group": (
        "00G",
        "Group",
        "Name:string(40)! DeveloperName:string(80) Type:picklist",
    ),
    "Organization": (
        "00D",
        "Organization",
        """Name:string(80) OrganizationType:picklist IsSandbox:boolean InstanceName:string(5)
        DefaultLocaleSidKey:string(40) TimeZoneSidKey:string(40)""",
    ),
    "PermissionSet": (
        "0PS",
        "Permission Set",
        "Name:string(80)! Label:string(80)! Description:string(255) IsOwnedByProfile:boolean~",
    ),
    "FieldPermissions": (
        "01k",
        "Field Permissions",
        """ParentId!>PermissionSet@Parent SobjectType:picklist! Field:picklist!
        PermissionsRead:boolean PermissionsEdit:boolean""",
    ),
    "PermissionSetAssignment": (
        "0Pa",
        "Permission Set Assignment",
        """AssigneeId!>User@Assignee PermissionSetId!>PermissionSet@PermissionSet""",
    ),
}

OBJECTS: dict[str, SObject] = {
    name.lower(): SObject(
        name,
        prefix,
        label,
        {field.name.lower(): field for field in _fields(f"{_SYSTEM} {spec}")},
        readable_only=name == "Organization",
    )
    for name, (prefix, label, spec) in _SPECS.items()
}
PREFIXES: dict[str, str] = {entity.prefix: entity.name for entity in OBJECTS.values()}
