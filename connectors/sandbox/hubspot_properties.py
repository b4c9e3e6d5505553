"""HubSpot's calls for properties and their groups: list, read, create, change, delete."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from typing import Any

from connectors.sandbox.hubspot_api import Answer, Call, complete, inputs_of, kind_of
from connectors.sandbox.hubspot_records import ApiError, Portal
from connectors.sandbox.hubspot_schema import CRM, FIELD_TYPES, ObjectType
from connectors.sandbox.hubspot_values import plain, wire_time

_NAME = re.compile(r"[a-z][a-z0-9_]{0,99}\Z")


class Properties:
    """The property operations of `hubspot_paths.ROUTES`, by name."""

    def __init__(self, portal: Portal) -> None:
        self.portal = portal
        self.operations: dict[str, Callable[..., Answer]] = {
            name: getattr(self, f"_{name}")
            for name in (
                "list_properties",
                "get_property",
                "create_property",
                "update_property",
                "archive_property",
                "batch_create_properties",
                "list_groups",
                "get_group",
                "create_group",
            )
        }

    def _list_properties(self, call: Call, type: str) -> Answer:
        found = self.portal.properties(kind_of(type))
        return Answer(200, {"results": [one.wire() for one in found.values()]})

    def _get_property(self, call: Call, type: str, name: str) -> Answer:
        found = self.portal.properties(kind_of(type)).get(name)
        if found is None:
            message = f'Property "{name}" does not exist'
            raise ApiError(404, "OBJECT_NOT_FOUND", message)
        return Answer(200, found.wire())

    def _create_property(self, call: Call, type: str) -> Answer:
        return Answer(201, self._made_property(kind_of(type), call.object()))

    def _made_property(self, kind: ObjectType, body: Mapping[str, Any]) -> dict[str, Any]:
        missing = [
            key
            for key in ("name", "label", "type", "fieldType", "groupName")
            if not plain(body.get(key))
        ]
        if missing:
            message = f"Invalid input JSON: required fields were not set: {missing}"
            raise ApiError(400, "VALIDATION_ERROR", message)
        name = plain(body["name"])
        if not _NAME.match(name):
            message = f"Property name {name[:100]} must be lower-case letters, digits and _"
            raise ApiError(400, "VALIDATION_ERROR", message)
        if name in self.portal.properties(kind):
            message = f"A property named '{name}' already exists."
            raise ApiError(409, "OBJECT_ALREADY_EXISTS", message)
        if body["fieldType"] not in FIELD_TYPES.get(plain(body["type"]), ()):
            message = f"fieldType {body['fieldType']} is not possible for type {body['type']}"
            raise ApiError(400, "VALIDATION_ERROR", message)
        if body["groupName"] not in self._groups(kind):
            message = f"Property group {body['groupName']} does not exist"
            raise ApiError(400, "VALIDATION_ERROR", message)
        now = wire_time(self.portal.now_ms())
        stamps = {"createdAt": now, "updatedAt": now}
        kept = {
            key: body[key]
            for key in ("name", "label", "type", "fieldType", "groupName", "options")
            if key in body
        }
        if body.get("description"):
            kept["description"] = body["description"]
        self.portal.state.define_field(CRM, kind.name, name, kept | stamps)
        return self.portal.properties(kind)[name].wire()

    def _batch_create_properties(self, call: Call, type: str) -> Answer:
        kind = kind_of(type)
        with self.portal.state.transaction():
            made = [self._made_property(kind, entry) for entry in inputs_of(call)]
        return complete(self.portal, made, (), 201)

    def _update_property(self, call: Call, type: str, name: str) -> Answer:
        kind = kind_of(type)
        known = self.portal.state.fields(CRM, kind.name).get(name)
        if known is None:
            self._get_property(call, type, name)  # raises the 404
            raise ApiError(400, "VALIDATION_ERROR", f"{name} cannot be changed")
        allowed = ("label", "groupName", "options", "fieldType", "description")
        change = {k: v for k, v in call.object().items() if k in allowed}
        stamp = {"updatedAt": wire_time(self.portal.now_ms())}
        self.portal.state.define_field(CRM, kind.name, name, known | change | stamp)
        return Answer(200, self.portal.properties(kind)[name].wire())

    def _archive_property(self, call: Call, type: str, name: str) -> Answer:
        kind = kind_of(type)
        if name in kind.properties:
            raise ApiError(400, "VALIDATION_ERROR", f"{name} cannot be deleted")
        with self.portal.state.transaction() as connection:
            connection.execute(
                "DELETE FROM field WHERE crm=? AND type=? AND name=?", (CRM, kind.name, name)
            )
        return Answer(204)

    def _groups(self, kind: ObjectType) -> dict[str, dict[str, Any]]:
        built_in = {"name": kind.group, "label": kind.group.capitalize(), "displayOrder": 0}
        own = self.portal.state.fields(CRM, f"{kind.name}.groups")
        return {
            name: {**found, "archived": False}
            for name, found in ({kind.group: built_in} | own).items()
        }

    def _list_groups(self, call: Call, type: str) -> Answer:
        return Answer(200, {"results": list(self._groups(kind_of(type)).values())})

    def _get_group(self, call: Call, type: str, name: str) -> Answer:
        found = self._groups(kind_of(type)).get(name)
        if found is None:
            message = f"Property group {name} does not exist"
            raise ApiError(404, "OBJECT_NOT_FOUND", message)
        return Answer(200, found)

    def _create_group(self, call: Call, type: str) -> Answer:
        kind, body = kind_of(type), call.object()
        name = plain(body.get("name"))
        if not _NAME.match(name) or not plain(body.get("label")):
            message = "Invalid input JSON: name and label are required"
            raise ApiError(400, "VALIDATION_ERROR", message)
        if name in self._groups(kind):
            message = f"A property group named '{name}' already exists."
            raise ApiError(409, "OBJECT_ALREADY_EXISTS", message)
        group = {
            "name": name,
            "label": plain(body["label"]),
            "displayOrder": int(body.get("displayOrder", -1)),
        }
        self.portal.state.define_field(CRM, f"{kind.name}.groups", name, group)
        return Answer(201, group | {"archived": False})
