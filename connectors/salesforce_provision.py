"""Our own fields on Lead and Contact: created, made visible, and verified; every gap is named."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from connectors.salesforce_describe import Described, Describer
from connectors.salesforce_session import Refused, SalesforceSession
from scoring.problems import Problem

OBJECTS = ("Lead", "Contact")
PERMISSION_SET = "Leadlight"
_KNOWN_ALREADY = frozenset({"DUPLICATE_DEVELOPER_NAME", "DUPLICATE_VALUE"})


@dataclass(frozen=True, slots=True)
class OwnField:
    """One field of ours: its Tooling metadata, and what describe then says of it."""

    name: str
    label: str
    metadata: Mapping[str, Any]
    described_as: tuple[str, ...]


_NUMBER = {"type": "Number", "precision": 5, "scale": 1}
OWN_FIELDS = (
    OwnField("Leadlight_Score__c", "Leadlight Score", _NUMBER, ("double",)),
    OwnField("Leadlight_Band__c", "Leadlight Band", {"type": "Text", "length": 40}, ("string",)),
    OwnField("Leadlight_Fit__c", "Leadlight Fit", _NUMBER, ("double",)),
    OwnField("Leadlight_Engagement__c", "Leadlight Engagement", _NUMBER, ("double",)),
    OwnField("Leadlight_Intent__c", "Leadlight Intent", _NUMBER, ("double",)),
    OwnField(
        "Leadlight_Confidence__c",
        "Leadlight Confidence",
        {"type": "Text", "length": 40},
        ("string",),
    ),
    OwnField(
        "Leadlight_Reasons__c",
        "Leadlight Reasons",
        {"type": "LongTextArea", "length": 4_000, "visibleLines": 6},
        ("textarea",),
    ),
    OwnField(
        "Leadlight_Next_Step__c",
        "Leadlight Next Step",
        {"type": "Text", "length": 255},
        ("string",),
    ),
    OwnField("Leadlight_Scored_At__c", "Leadlight Scored At", {"type": "DateTime"}, ("datetime",)),
    OwnField(
        "Leadlight_Rule_Set__c", "Leadlight Rule Set", {"type": "Text", "length": 80}, ("string",)
    ),
)


def verify(describer: Describer) -> list[Problem]:
    """Problems naming every own field that is missing, hidden, read-only or of another type."""
    problems = []
    for object_ in OBJECTS:
        described = describer.object(object_)
        if described is None:
            problems.append(
                _problem(
                    f"Salesforce does not show us {object_}: grant the API user read and edit"
                    f" access to the object {object_}.",
                    object_,
                )
            )
            continue
        missing = [own for own in OWN_FIELDS if own.name not in described.fields]
        if missing:
            problems.append(_problem(_missing(object_, missing), f"{object_}.{missing[0].name}"))
        for own in OWN_FIELDS:
            wrong = "" if own in missing else _wrong(described, own)
            if wrong:
                problems.append(_problem(wrong, f"{object_}.{own.name}"))
    return problems


def provision(session: SalesforceSession, describer: Describer, user_id: str) -> list[Problem]:
    """Create what is missing, in order, and verify. Safe to call again; raises connector errors.

    1. custom fields (Tooling API)  2. the permission set, its field permissions, and its assignment
    to our own user (a new field is invisible even to its creator)  3. describe and verify.
    """
    describer.forget()
    if not verify(describer):
        return []
    problems = []
    for object_ in OBJECTS:
        described = describer.object(object_)
        missing = [own for own in OWN_FIELDS if not (described and described.readable(own.name))]
        problems += _create_fields(session, object_, missing)
    problems += _grant(session, user_id)
    describer.forget()
    return [*problems, *verify(describer)]


def _missing(object_: str, missing: list[OwnField]) -> str:
    names = ", ".join(f"{own.name} ({own.metadata['type']})" for own in missing)
    return (
        f"Missing or hidden on {object_}: {names}. Leadlight creates them when it first"
        " runs, if its user may (Customize Application, Manage Profiles and Permission Sets);"
        f" otherwise create them and assign the permission set “{PERMISSION_SET}” to that user."
    )


def _wrong(described: Described, own: OwnField) -> str:
    where = f"{described.name}.{own.name}"
    found = described.fields[own.name]
    if found.get("type") not in own.described_as:
        return (
            f"The field {where} has the type {found.get('type')}: rename or delete it, then check"
            " again."
        )
    if own.metadata["type"] == "Number" and int(found.get("scale") or 0) < 1:
        return f"The field {where} has no decimal place: set it to Number(4, 1), then check again."
    if not described.writable(own.name):
        return (
            f"The field {where} is read-only for the API user: allow editing it in the permission"
            f" set “{PERMISSION_SET}”."
        )
    return ""


def _create_fields(
    session: SalesforceSession, object_: str, missing: list[OwnField]
) -> list[Problem]:
    for own in missing:
        body = {
            "FullName": f"{object_}.{own.name}",
            "Metadata": {
                "label": own.label,
                "description": "Written by Leadlight. Do not edit.",
                "externalId": False,
                **own.metadata,
            },
        }
        if own.metadata["type"] in ("LongTextArea", "DateTime"):
            del body["Metadata"]["externalId"]  # type: ignore[attr-defined]  # a dict, see above
        try:
            session.rest("tooling/sobjects/CustomField/", "POST", body, again=False)
        except Refused as refused:
            if not _KNOWN_ALREADY & set(refused.codes):
                return [
                    _problem(
                        f"Salesforce does not let us create fields on {object_}"
                        f" ({refused.codes[0]}): grant the API user “Customize Application”, or"
                        " create the fields by hand.",
                        f"{object_}.{own.name}",
                        detail=str(refused)[:300],
                    )
                ]
    return []


def _grant(session: SalesforceSession, user_id: str) -> list[Problem]:
    """The permission set with every own field readable and editable, assigned to our user."""
    try:
        set_id = _found_or_made(
            session,
            "PermissionSet",
            f"Name = '{PERMISSION_SET}'",
            {"Name": PERMISSION_SET, "Label": PERMISSION_SET},
        )
        refusals = _grant_fields(session, set_id)
        _found_or_made(
            session,
            "PermissionSetAssignment",
            f"AssigneeId = '{user_id}' AND PermissionSetId = '{set_id}'",
            {"AssigneeId": user_id, "PermissionSetId": set_id},
        )
    except Refused as refused:
        return [
            _problem(
                f"Salesforce does not let us give ourselves access to our own fields"
                f" ({refused.codes[0]}): grant the API user “Manage Profiles and Permission Sets”"
                f" and “Assign Permission Sets”, or create and assign the permission set"
                f" “{PERMISSION_SET}” by hand.",
                "PermissionSet",
                detail=str(refused)[:300],
            )
        ]
    return refusals


def _found_or_made(
    session: SalesforceSession, object_: str, condition: str, body: Mapping[str, str]
) -> str:
    found = session.query_all(f"SELECT Id FROM {object_} WHERE {condition} LIMIT 1")
    if found:
        return str(found[0]["Id"])
    try:
        return str(session.rest(f"sobjects/{object_}/", "POST", dict(body), again=False)["id"])
    except Refused as refused:
        if not _KNOWN_ALREADY & set(refused.codes):
            raise
        again = session.query_all(f"SELECT Id FROM {object_} WHERE {condition} LIMIT 1")
        if not again:
            raise
        return str(again[0]["Id"])


def _grant_fields(session: SalesforceSession, set_id: str) -> list[Problem]:
    """Read and edit on every own field for the permission set; a problem for each refused one."""
    held = {
        str(row["Field"]): row
        for row in session.query_all(
            f"SELECT Id, Field, PermissionsEdit FROM FieldPermissions WHERE ParentId = '{set_id}'"
        )
    }
    new, changed = [], []
    for object_ in OBJECTS:
        for own in OWN_FIELDS:
            name = f"{object_}.{own.name}"
            allowed = {"PermissionsRead": True, "PermissionsEdit": True}
            attributes = {"attributes": {"type": "FieldPermissions"}}
            if name not in held:
                parent = {"ParentId": set_id, "SobjectType": object_, "Field": name}
                new.append(attributes | parent | allowed)
            elif not held[name].get("PermissionsEdit"):
                changed.append(attributes | {"id": held[name]["Id"]} | allowed)
    problems = []
    for method, records in (("POST", new), ("PATCH", changed)):
        if records:
            body = {"allOrNone": False, "records": records}
            answers = session.rest("composite/sobjects", method, body, again=False)
            problems += _refused_grants(records, answers)
    return problems


def _refused_grants(records: list[dict[str, Any]], answers: Any) -> list[Problem]:
    """A field that is not there yet is verify's to name; anything else has a reason of its own."""
    problems = []
    for record, answer in zip(records, answers or (), strict=False):
        failures = answer.get("errors") or () if isinstance(answer, Mapping) else ()
        codes = {str(failure.get("statusCode")) for failure in failures}
        if codes and not codes & {*_KNOWN_ALREADY, "INVALID_FIELD", "FIELD_INTEGRITY_EXCEPTION"}:
            name = str(record.get("Field") or record.get("id"))
            problems.append(
                _problem(
                    f"Salesforce does not let us give ourselves access to {name}"
                    f" ({', '.join(sorted(codes))}): allow reading and editing it in the permission"
                    f" set “{PERMISSION_SET}” by hand.",
                    name,
                    detail="; ".join(str(failure.get("message")) for failure in failures)[:300],
                )
            )
    return problems


def _problem(message: str, field: str, *, detail: str = "") -> Problem:
    return Problem("missing_permission", message, detail=detail, field=field)
