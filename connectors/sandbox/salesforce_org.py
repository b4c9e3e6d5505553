"""One Salesforce org over the state: what its API user may see, read, create, change and delete."""

from __future__ import annotations

import json
import re
import string
from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, date, datetime
from typing import Any

from connectors.sandbox.salesforce_schema import (
    API_VERSION,
    COLUMN_FIELDS,
    CRM,
    OBJECTS,
    PREFIXES,
    Field,
    SObject,
    custom_field,
)
from connectors.sandbox.soql_sql import INDEXES, long_id, wire_time
from connectors.sandbox.state import State, Stored

_DIGITS = string.digits + string.ascii_uppercase + string.ascii_lowercase
_EMAIL = re.compile(r"[^@\s,;]+@[^@\s,;]+\.[^@\s,;.]{2,}\Z")
_CLOSED = frozenset({"Completed", "Closed"})
_ASSIGNED = frozenset({"Lead", "Case"})
#: Objects whose activity moves the person's LastActivityDate (and so their SystemModstamp).
_PEOPLE = frozenset({"Lead", "Contact"})
_DEFAULTS: dict[str, dict[str, Any]] = {
    "Lead": {
        "Status": "Open - Not Contacted",
        "IsConverted": False,
        "IsUnreadByOwner": True,
    },
    "Task": {"Status": "Not Started", "Priority": "Normal", "TaskSubtype": "Task"},
    "CampaignMember": {"Status": "Sent", "HasResponded": False},
    "Opportunity": {"IsClosed": False, "IsWon": False},
}
#: Fields that an org works out, and object types that have a field `Type` of their own.
_DERIVED = frozenset({"Name", "CreatedById", "LastModifiedById", "LeadOrContactId", "Type"})
_WITH_TYPE = frozenset({"Account", "Opportunity", "Campaign", "Group"})
#: Checkboxes by object type: they are never empty.
_FLAGS = {
    entity.name: frozenset(f.name for f in entity.fields.values() if f.type == "boolean")
    for entity in OBJECTS.values()
}


class RecordError(Exception):
    """One record cannot be written: `code`, `message` and `fields` as the API reports them."""

    def __init__(
        self, code: str, message: str, fields: Sequence[str] = (), status: int = 400
    ) -> None:
        super().__init__(message)
        self.code = code
        self.message = message
        self.fields = list(fields)
        self.status = status

    def top(self) -> dict[str, Any]:
        """As an entry of an error answer."""
        body: dict[str, Any] = {"message": self.message, "errorCode": self.code}
        return body | {"fields": self.fields} if self.code != "NOT_FOUND" else body

    def row(self) -> dict[str, Any]:
        """As an entry of a collection result's `errors` (where the code is called statusCode)."""
        return {"statusCode": self.code, "message": self.message, "fields": self.fields}


class Org:
    """The org as its integration user meets it.

    Switches, all in the state's `meta` under `salesforce.…`, empty = off: `hidden_objects`,
    `hidden_fields` and `readonly_fields` (comma-separated `CampaignMember`, `Lead.Industry`),
    `validation_rule` (JSON with object, field, equals, message), `locked_ids` (comma-separated;
    refused once each), `assignment_owner_id` (who the active lead assignment rule gives leads to),
    `may_customize` ("no": fields and permission sets cannot be created).
    """

    def __init__(self, state: State, clock: Callable[[], datetime]) -> None:
        self.state = state
        self.clock = clock
        with state.transaction() as connection:
            for index in INDEXES:
                connection.execute(index)
            self.org_id = self._founded("Organization", {"Name": "Sandbox", "IsSandbox": True})
            user = {
                "Username": "integration@sandbox.example",
                "LastName": "Integration",
            }
            self.user_id = self._founded(
                "User", user | {"FirstName": "Leadlight", "IsActive": True}
            )
            self.queue_id = self._founded("Group", {"Name": "Inbound queue", "Type": "Queue"})

    def now_ms(self) -> int:
        """The org's time in whole seconds, as milliseconds since 1970."""
        return int(self.clock().timestamp()) * 1_000

    def _founded(self, type_: str, fields: Mapping[str, Any]) -> str:
        name = f"salesforce.own.{type_}"
        known = self.state.meta(name)
        if not known:
            known = self._insert(type_, dict(fields))
            self.state.set_meta(name, known)
        return known

    def _switch(self, name: str) -> str:
        return self.state.meta(f"salesforce.{name}")

    def _names(self, name: str) -> set[str]:
        return {part.strip().lower() for part in self._switch(name).split(",") if part.strip()}

    # what this user can see

    def entity(self, name: str) -> SObject | None:
        """An object type with the fields this user may read; None when it is not theirs to see."""
        known = OBJECTS.get(name.lower())
        if known is None or known.name.lower() in self._names("hidden_objects"):
            return None
        hidden = self._names("hidden_fields")
        fields = {
            key: found
            for key, found in known.fields.items()
            if f"{known.name.lower()}.{key}" not in hidden
        }
        granted = self._granted(known.name)
        for custom, definition in self.state.fields(CRM, known.name).items():
            # A new custom field is invisible even to its creator until FieldPermissions say so.
            if definition.get("visible") or custom.lower() in granted:
                fields[custom.lower()] = custom_field(custom, definition)
        return SObject(known.name, known.prefix, known.label, fields, known.readable_only)

    def editable(self, entity: SObject) -> frozenset[str]:
        """The names of an object type's fields that this user may write."""
        fixed = self._names("readonly_fields")
        definitions = self.state.fields(CRM, entity.name)
        granted = self._granted(entity.name)

        def free(found: Field) -> bool:
            if found.custom:
                visible = definitions.get(found.name, {}).get("visible")
                return bool(visible or granted.get(found.name.lower()))
            return f"{entity.name}.{found.name}".lower() not in fixed

        fields = entity.fields.values()
        return frozenset(found.name for found in fields if found.writable and free(found))

    def _granted(self, type_: str) -> dict[str, bool]:
        """Readable custom fields of a type (lower-cased), with whether they may be edited."""
        rows = self.state.query(
            "SELECT json_extract(p.fields,'$.Field'), json_extract(p.fields,'$.PermissionsEdit')"
            " FROM object a JOIN object p ON p.crm=a.crm AND p.type='FieldPermissions'"
            " AND json_extract(p.fields,'$.ParentId')=json_extract(a.fields,'$.PermissionSetId')"
            " WHERE a.crm=? AND a.type='PermissionSetAssignment' AND a.archived=0 AND p.archived=0"
            " AND json_extract(a.fields,'$.AssigneeId')=?"
            " AND json_extract(p.fields,'$.SobjectType')=?"
            " AND json_extract(p.fields,'$.PermissionsRead')",
            (CRM, self.user_id, type_),
        )
        granted: dict[str, bool] = {}
        for name, edit in rows:
            short = str(name).split(".")[-1].lower()
            granted[short] = granted.get(short, False) or bool(edit)
        return granted

    def find(self, type_: str, record_id: str) -> Stored:
        """One live record by its 15 or 18 character id; raises NOT_FOUND or ENTITY_IS_DELETED."""
        stored = self.state.get(CRM, type_, long_id(record_id))
        if stored is None:
            raise RecordError("NOT_FOUND", "The requested resource does not exist", status=404)
        if stored.archived:
            raise RecordError("ENTITY_IS_DELETED", "entity is deleted", status=404)
        return stored

    # reading

    def value(self, stored: Stored, name: str) -> Any:
        """One field's value as the API shows it."""
        value = stored.fields.get(name)
        if value is not None:
            return value if value != "" else None  # an empty text is no value to Salesforce
        if name in COLUMN_FIELDS:
            return _column(stored, name)
        if name not in _DERIVED:
            return False if name in _FLAGS[stored.type] else None
        if name == "Name" and "LastName" in stored.fields:
            first, last = stored.fields.get("FirstName"), stored.fields["LastName"]
            return f"{first} {last}" if first else last
        if name in ("CreatedById", "LastModifiedById"):
            return self.user_id
        if name == "LeadOrContactId":
            return stored.fields.get("ContactId") or stored.fields.get("LeadId")
        if name == "Type" and stored.type not in _WITH_TYPE:
            return stored.type
        return None

    def render(
        self,
        stored: Stored,
        columns: Sequence[tuple[str, ...]],
        *,
        version: str = API_VERSION,
        parents: dict[str, Stored | None] | None = None,
    ) -> dict[str, Any]:
        """A record with its `attributes` and the asked columns, parents nested."""
        cache = {} if parents is None else parents
        shown: dict[str, Any] = {"attributes": self._attributes(stored, version)}
        nested: dict[str, list[tuple[str, ...]]] = {}
        for column in columns:
            if len(column) == 1:
                shown[column[0]] = self.value(stored, column[0])
            else:
                nested.setdefault(column[0], []).append(column[1:])
                shown.setdefault(column[0], None)
        for relationship, inner in nested.items():
            parent = self._parent(stored, relationship, cache)
            if parent is not None:
                shown[relationship] = self.render(parent, inner, version=version, parents=cache)
        return shown

    def _parent(
        self, stored: Stored, relationship: str, cache: dict[str, Stored | None]
    ) -> Stored | None:
        fields = OBJECTS[stored.type.lower()].fields.values()
        link = next(found for found in fields if found.relationship == relationship)
        parent_id = self.value(stored, link.name)
        if not parent_id:
            return None
        if parent_id not in cache:
            candidates = (self.state.get(CRM, type_, parent_id) for type_ in link.refers)
            cache[parent_id] = next((found for found in candidates if found), None)
        return cache[parent_id]

    @staticmethod
    def _attributes(stored: Stored, version: str) -> dict[str, str]:
        url = f"/services/data/v{version}/sobjects/{stored.type}/{stored.id}"
        return {"type": stored.type, "url": url}

    # writing

    def create(self, type_: str, body: Mapping[str, Any], *, auto_assign: bool = True) -> str:
        """Create a record and return its id; raises RecordError."""
        entity = self._writable_entity(type_)
        if any(name.lower() == "id" for name in body):
            raise RecordError(
                "INVALID_FIELD",
                "The Id field should not be specified in the sobject data.",
            )
        fields = _DEFAULTS.get(entity.name, {}) | self._accepted(entity, body)
        missing = [
            found.name
            for found in entity.fields.values()
            if found.required and fields.get(found.name) in (None, "")
        ]
        if missing:
            message = f"Required fields are missing: [{', '.join(missing)}]"
            raise RecordError("REQUIRED_FIELD_MISSING", message, missing)
        if "ownerid" in entity.fields:
            fields.setdefault("OwnerId", self.user_id)
        if auto_assign and entity.name in _ASSIGNED:
            fields["OwnerId"] = self._switch("assignment_owner_id") or self.queue_id
        with self.state.transaction():
            self._derive(entity.name, fields)
            self._validate(entity.name, fields)
            self._check_unique(entity.name, fields)
            record_id = self._insert(entity.name, fields)
            self._touch_person(entity.name, fields)
        return record_id

    def update(
        self,
        type_: str,
        record_id: str,
        body: Mapping[str, Any],
        *,
        auto_assign: bool = True,
    ) -> None:
        """Change a record; raises RecordError. Assignment rules run unless told otherwise."""
        entity = self._writable_entity(type_)
        if not long_id(record_id).startswith(entity.prefix) or len(record_id) not in (
            15,
            18,
        ):
            message = f"{entity.name} ID: id value of incorrect type: {record_id}"
            raise RecordError("MALFORMED_ID", message, ["Id"])
        self._refuse_locked(long_id(record_id))  # outside: a refusal must not undo its own count
        with self.state.transaction():
            stored = self.find(entity.name, record_id)
            if entity.name == "Lead" and stored.fields.get("IsConverted"):
                raise RecordError("CANNOT_UPDATE_CONVERTED_LEAD", "cannot reference converted lead")
            fields = stored.fields | self._accepted(entity, body)
            if auto_assign and entity.name in _ASSIGNED:
                fields["OwnerId"] = self._switch("assignment_owner_id") or self.queue_id
            self._derive(entity.name, fields)
            self._validate(entity.name, fields)
            self._save(stored, fields)

    def delete(self, type_: str, record_id: str) -> None:
        """Move a record to the recycle bin; raises RecordError."""
        entity = self._writable_entity(type_)
        with self.state.transaction():
            stored = self.find(entity.name, record_id)
            self._save(stored, stored.fields, archived=True)

    def type_of(self, record_id: str) -> str | None:
        """The object type an id's prefix names."""
        return PREFIXES.get(record_id[:3])

    def found_custom_field(self) -> str:
        """The id of a new custom field."""
        return new_id("00N", self.state.next_number("salesforce.CustomField"))

    def _writable_entity(self, type_: str) -> SObject:
        entity = self.entity(type_)
        if entity is None or entity.readable_only:
            raise RecordError("NOT_FOUND", "The requested resource does not exist", status=404)
        return entity

    def _accepted(self, entity: SObject, body: Mapping[str, Any]) -> dict[str, Any]:
        """The body under the API's own spelling, each value checked against its field's type."""
        accepted: dict[str, Any] = {}
        refused: list[str] = []
        editable = self.editable(entity)
        for name, value in body.items():
            if name.lower() in ("attributes", "id"):
                continue
            found = entity.fields.get(name.lower())
            if found is None:
                message = f"No such column '{name}' on sobject of type {entity.name}"
                raise RecordError("INVALID_FIELD", message)
            if found.name not in editable:
                refused.append(found.name)
                continue
            accepted[found.name] = _typed(found, value)
        if refused:
            message = (
                f"Unable to create/update fields: {', '.join(refused)}. Please check the security"
                " settings of this field and verify that it is read/write for your profile or"
                " permission set."
            )
            raise RecordError("INVALID_FIELD_FOR_INSERT_UPDATE", message, refused)
        return accepted

    def _derive(self, type_: str, fields: dict[str, Any]) -> None:
        """What Salesforce fills in by itself."""
        if type_ == "Task":
            closed = fields.get("Status") in _CLOSED
            if closed and not fields.get("IsClosed"):
                fields["CompletedDateTime"] = wire_time(self.now_ms())
            fields["IsClosed"] = closed
        if type_ == "CampaignMember" and fields.get("ContactId"):
            fields.pop("LeadId", None)  # given both, Salesforce keeps the contact
        if type_ == "Opportunity":
            stage = str(fields.get("StageName") or "")
            fields["IsClosed"] = stage.startswith("Closed")
            fields["IsWon"] = stage == "Closed Won"
        person = fields.get("WhoId") if type_ in ("Task", "Event") else None
        if isinstance(person, str) and self.type_of(person) == "Lead":
            lead = self.state.get(CRM, "Lead", long_id(person))
            if lead is not None and lead.fields.get("IsConverted"):
                raise RecordError(
                    "CANNOT_UPDATE_CONVERTED_LEAD",
                    "cannot reference converted lead",
                    ["WhoId"],
                )
        if (
            isinstance(person, str)
            and self.state.get(CRM, self.type_of(person) or "", long_id(person)) is None
        ):
            raise RecordError(
                "INVALID_CROSS_REFERENCE_KEY",
                f"invalid cross reference id: {person}",
                ["WhoId"],
            )

    def _validate(self, type_: str, fields: Mapping[str, Any]) -> None:
        rule = self._switch("validation_rule")
        if not rule:
            return
        wanted = json.loads(rule)
        if wanted["object"] == type_ and fields.get(wanted["field"]) == wanted["equals"]:
            raise RecordError(
                "FIELD_CUSTOM_VALIDATION_EXCEPTION",
                wanted["message"],
                [wanted["field"]],
            )

    def _check_unique(self, type_: str, fields: Mapping[str, Any]) -> None:
        """The three set-up objects that may not be made twice."""
        unique = {
            "PermissionSet": ("Name",),
            "FieldPermissions": ("ParentId", "Field"),
            "PermissionSetAssignment": ("AssigneeId", "PermissionSetId"),
        }.get(type_)
        if unique is None:
            return
        if self._switch("may_customize") == "no":
            raise RecordError(
                "INSUFFICIENT_ACCESS_OR_READONLY",
                "insufficient access rights on object id",
            )
        same = " AND ".join(f"json_extract(fields,'$.{name}')=?" for name in unique)
        values = [fields.get(name) for name in unique]
        twins = self.state.select(
            f"crm=? AND type=? AND archived=0 AND {same}", [CRM, type_, *values]
        )
        if twins:
            message = (
                f"duplicate value found: {unique[-1]} duplicates value on record with id:"
                f" {twins[0].id}"
            )
            raise RecordError("DUPLICATE_VALUE", message)

    def _refuse_locked(self, record_id: str) -> None:
        locked = [part for part in self._switch("locked_ids").split(",") if part]
        if record_id not in locked:
            return
        locked.remove(record_id)
        self.state.set_meta("salesforce.locked_ids", ",".join(locked))
        raise RecordError("UNABLE_TO_LOCK_ROW", "unable to obtain exclusive access to this record")

    def _touch_person(self, type_: str, fields: Mapping[str, Any]) -> None:
        """A closed task or an event moves the person's LastActivityDate and SystemModstamp."""
        if type_ not in ("Task", "Event") or (type_ == "Task" and not fields.get("IsClosed")):
            return
        person_id = str(fields.get("WhoId") or "")
        type_of_person = self.type_of(person_id)
        if type_of_person not in _PEOPLE:
            return
        person = self.state.get(CRM, type_of_person, long_id(person_id))
        if person is not None:
            day = fields.get("ActivityDate") or self.clock().astimezone(UTC).date().isoformat()
            latest = max(str(person.fields.get("LastActivityDate") or ""), str(day))
            self._save(person, person.fields | {"LastActivityDate": latest})

    def _insert(self, type_: str, fields: dict[str, Any]) -> str:
        now = self.now_ms()
        number = self.state.next_number(f"salesforce.{type_}")
        record_id = new_id(OBJECTS[type_.lower()].prefix, number)
        present = {name: value for name, value in fields.items() if value is not None}
        self.state.put(Stored(CRM, type_, record_id, number, present, now, now, now, False))
        return record_id

    def _save(self, stored: Stored, fields: Mapping[str, Any], *, archived: bool = False) -> None:
        now = max(self.now_ms(), stored.modified_at)
        present = {name: value for name, value in fields.items() if value is not None}
        self.state.put(
            Stored(
                CRM,
                stored.type,
                stored.id,
                stored.number,
                present,
                stored.created_at,
                now,
                self.now_ms(),
                archived or stored.archived,
            )
        )


def _column(stored: Stored, name: str) -> Any:
    """A field that is kept as a column of its own."""
    if name == "Id":
        return stored.id
    if name == "IsDeleted":
        return stored.archived
    return wire_time(stored.created_at if name == "CreatedDate" else stored.modified_at)


def new_id(prefix: str, number: int) -> str:
    """An 18-character id: type prefix, a pod, a base-62 number, and the checksum."""
    digits = ""
    while number:
        number, rest = divmod(number, 62)
        digits = _DIGITS[rest] + digits
    return long_id(f"{prefix}Lt0{digits.rjust(9, '0')}")


def _typed(found: Field, value: Any) -> Any:
    """The value as stored; raises the error Salesforce gives for a wrong type or size."""
    if value is None:
        return None
    if found.type in ("double", "currency", "percent", "int"):
        return _numeric(found, value)
    if found.type == "boolean":
        if not isinstance(value, bool):
            raise _wrong_type(found, value, "boolean")
        return value
    if not isinstance(value, str):
        raise _wrong_type(found, value, "string")
    if found.type in ("reference", "id"):
        return long_id(value)
    return {"datetime": _moment, "date": _day}.get(found.type, _text)(found, value)


def _text(found: Field, value: str) -> str:
    if found.type == "email" and not _EMAIL.match(value):
        message = f"{found.label or found.name}: invalid email address: {value}"
        raise RecordError("INVALID_EMAIL_ADDRESS", message, [found.name])
    limit = found.length or 255
    if len(value) > limit:
        message = (
            f"{found.label or found.name}: data value too large: {value[:80]} (max length={limit})"
        )
        raise RecordError("STRING_TOO_LONG", message, [found.name])
    return value


def _numeric(found: Field, value: Any) -> float | int:
    if isinstance(value, bool) or not isinstance(value, int | float | str):
        raise _wrong_type(found, value, found.type)
    try:
        number = float(value)
    except ValueError:
        raise _wrong_type(found, value, found.type) from None
    if found.type == "int":
        return int(number)
    if abs(number) >= 10 ** (found.precision - found.scale):
        message = (
            f"{found.label or found.name}: value outside of valid range on numeric field: {value}"
        )
        raise RecordError("NUMBER_OUTSIDE_VALID_RANGE", message, [found.name])
    factor = 10.0**found.scale
    return int(round(number * factor, 6)) / factor  # digits beyond the scale are cut silently


def _day(found: Field, value: str) -> str:
    try:
        return date.fromisoformat(value[:10]).isoformat()
    except ValueError:
        raise _wrong_type(found, value, "date") from None


def _moment(found: Field, value: str) -> str:
    try:
        moment = datetime.fromisoformat(value)
    except ValueError:
        raise _wrong_type(found, value, "datetime") from None
    moment = moment if moment.tzinfo else moment.replace(tzinfo=UTC)
    return wire_time(int(moment.timestamp()) * 1_000)


def _wrong_type(found: Field, value: Any, kind: str) -> RecordError:
    shown = "VALUE_STRING" if isinstance(value, str) else f"VALUE_{type(value).__name__.upper()}"
    message = (
        f"Cannot deserialize instance of {kind} from {shown} value {str(value)[:80]} or request may"
        f" be missing a required field: {found.name}"
    )
    return RecordError("JSON_PARSER_ERROR", message)
