"""HubSpot's addresses in both dialects, in one table: what is called, and which scopes it takes."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, field

from connectors.sandbox.hubspot_schema import object_type

#: The dated dialects; `{v}` in a dated path stands for any of them.
VERSIONS = ("2025-09", "2026-03", "2026-09-beta", "2026-09")
_DATED = f"(?:{'|'.join(VERSIONS)})"


@dataclass(frozen=True, slots=True)
class Route:
    """One call: method, legacy and dated path, the operation's name and its scopes.

    Of `scopes` any one is enough; `{type}` in a scope stands for the object that guards the type
    in the path (`{type}` or `{source}`).
    """

    method: str
    operation: str
    paths: tuple[str, ...]
    scopes: tuple[str, ...] = ()
    search: bool = False  # has its own rate limit, and no rate limit headers
    patterns: tuple[re.Pattern[str], ...] = field(init=False)

    def __post_init__(self) -> None:
        compiled = tuple(re.compile(_pattern(path)) for path in self.paths)
        object.__setattr__(self, "patterns", compiled)


@dataclass(frozen=True, slots=True)
class Found:
    """A route that a request's path matched, with the path's parts."""

    route: Route
    parts: dict[str, str]

    def scopes(self) -> tuple[str, ...]:
        """The scopes of which one is needed."""
        kind = object_type(self.parts.get("type") or self.parts.get("source") or "")
        guard = kind.scopes if kind else "contacts"
        return tuple(scope.replace("{type}", guard) for scope in self.route.scopes)


def _pattern(path: str) -> str:
    dated = path.replace("{v}", _DATED)
    return (
        "".join(
            f"(?P<{part[1:-1]}>[^/]+)" if part.startswith("{") else part
            for part in re.split(r"(\{\w+\})", dated)
        )
        + r"\Z"
    )


_READ, _WRITE = ("crm.objects.{type}.read",), ("crm.objects.{type}.write",)
_SCHEMA_READ = ("crm.schemas.{type}.read", "crm.objects.{type}.read")
_SCHEMA_WRITE = ("crm.schemas.{type}.write",)


def _objects(
    method: str, operation: str, rest: str, scopes: tuple[str, ...], *, search: bool = False
) -> Route:
    paths = (f"/crm/v3/objects/{{type}}{rest}", f"/crm/objects/{{v}}/{{type}}{rest}")
    return Route(method, operation, paths, scopes, search)


def _properties(method: str, operation: str, rest: str, scopes: tuple[str, ...]) -> Route:
    paths = (f"/crm/v3/properties/{{type}}{rest}", f"/crm/properties/{{v}}/{{type}}{rest}")
    return Route(method, operation, paths, scopes)


def _associations(operation: str, rest: str, scopes: tuple[str, ...]) -> Route:
    path = "associations/{source}/{target}/batch/" + rest
    dated = "/crm/associations/{v}/{source}/{target}/batch/" + rest
    return Route("POST", operation, (f"/crm/v4/{path}", dated), scopes)


#: Fixed words before placeholders: the first match counts.
ROUTES: tuple[Route, ...] = (
    _objects("POST", "search", "/search", _READ, search=True),
    _objects("POST", "batch_read", "/batch/read", _READ),
    _objects("POST", "batch_create", "/batch/create", _WRITE),
    _objects("POST", "batch_update", "/batch/update", _WRITE),
    _objects("POST", "batch_upsert", "/batch/upsert", _WRITE),
    _objects("POST", "batch_archive", "/batch/archive", _WRITE),
    _objects("POST", "merge", "/merge", _WRITE),
    _objects("GET", "list_objects", "", _READ),
    _objects("POST", "create_object", "", _WRITE),
    _objects("GET", "get_object", "/{id}", _READ),
    _objects("PATCH", "update_object", "/{id}", _WRITE),
    _objects("DELETE", "archive_object", "/{id}", _WRITE),
    _associations("read_associations", "read", _READ),
    _associations("create_associations", "create", _WRITE),
    _associations("create_associations", "associate/default", _WRITE),
    Route(
        "GET",
        "list_associations",
        (
            "/crm/v4/objects/{source}/{id}/associations/{target}",
            "/crm/objects/{v}/{source}/{id}/associations/{target}",
        ),
        _READ,
    ),
    _properties("GET", "list_groups", "/groups", _SCHEMA_READ),
    _properties("POST", "create_group", "/groups", _SCHEMA_WRITE),
    _properties("GET", "get_group", "/groups/{name}", _SCHEMA_READ),
    _properties("POST", "batch_create_properties", "/batch/create", _SCHEMA_WRITE),
    _properties("GET", "list_properties", "", _SCHEMA_READ),
    _properties("POST", "create_property", "", _SCHEMA_WRITE),
    _properties("GET", "get_property", "/{name}", _SCHEMA_READ),
    _properties("PATCH", "update_property", "/{name}", _SCHEMA_WRITE),
    _properties("DELETE", "archive_property", "/{name}", _SCHEMA_WRITE),
    Route(
        "GET",
        "list_owners",
        ("/crm/v3/owners", "/crm/owners/{v}"),
        ("crm.objects.owners.read",),
    ),
    Route(
        "GET",
        "get_owner",
        ("/crm/v3/owners/{id}", "/crm/owners/{v}/{id}"),
        ("crm.objects.owners.read",),
    ),
    Route(
        "GET",
        "list_pipelines",
        ("/crm/v3/pipelines/{type}", "/crm/pipelines/{v}/{type}"),
        _SCHEMA_READ,
    ),
    Route("GET", "account_details", ("/account-info/v3/details", "/account-info/{v}/details")),
    Route("GET", "list_forms", ("/marketing/v3/forms", "/marketing/forms/{v}"), ("forms",)),
    Route(
        "GET",
        "form_submissions",
        ("/form-integrations/v1/submissions/forms/{id}",),
        ("forms", "forms-uploaded-files"),
    ),
    Route("GET", "email_events", ("/email/public/v1/events",), ("content",)),
    Route(
        "GET",
        "event_types",
        ("/events/v3/events/event-types", "/events/event-occurrences/{v}/event-types"),
        ("crm.objects.contacts.read",),
    ),
    Route(
        "GET",
        "events",
        ("/events/v3/events", "/events/event-occurrences/{v}"),
        ("crm.objects.contacts.read",),
    ),
)


def match(method: str, path: str) -> Found | Sequence[str]:
    """The route of a request (a trailing slash does not matter), else the methods its path has."""
    bare = path.rstrip("/")
    allowed = []
    for route in ROUTES:
        for pattern in route.patterns:
            found = pattern.match(bare)
            if found is None:
                continue
            if route.method == method:
                return Found(route, found.groupdict())
            allowed.append(route.method)
    return allowed
