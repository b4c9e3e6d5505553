"""HubSpot's record calls over one account: single records, batches, search, associations."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from connectors.sandbox.hubspot_records import ApiError, Portal
from connectors.sandbox.hubspot_schema import (
    CRM,
    ObjectType,
    association,
    object_type,
)
from connectors.sandbox.hubspot_search import search
from connectors.sandbox.hubspot_values import plain, wire_time
from connectors.sandbox.state import Stored

BATCH_LIMIT, HISTORY_LIMIT, ASSOCIATION_LIMIT, PAGE_LIMIT = 100, 50, 1_000, 100


@dataclass(frozen=True, slots=True)
class Call:
    """One request as an operation sees it."""

    method: str
    path: str
    query: Mapping[str, Sequence[str]] = field(default_factory=dict)
    body: Any = None
    size: int = 0  # characters of the body
    host: str = ""

    def first(self, name: str, default: str = "") -> str:
        """One query value."""
        found = self.query.get(name)
        return found[0] if found else default

    def many(self, name: str) -> list[str]:
        """Query values, repeated or separated by commas."""
        return [p for value in self.query.get(name, ()) for p in value.split(",") if p]

    def whole(self, name: str, default: int, most: int) -> int:
        """A number of the query; raises the 400 for anything else."""
        text = self.first(name)
        if not text:
            return default
        if not text.isdigit() or not 0 < int(text) <= most:
            raise ApiError(400, "VALIDATION_ERROR", f"{name} must be between 1 and {most}")
        return int(text)

    def object(self) -> Mapping[str, Any]:
        """The JSON object of the body; raises the 400 for anything else."""
        if not isinstance(self.body, Mapping):
            raise ApiError(400, "VALIDATION_ERROR", "Invalid input JSON: an object is expected")
        return self.body


@dataclass(frozen=True, slots=True)
class Answer:
    """Status and JSON of an answer; None = an empty body."""

    status: int
    body: Any = None


def inputs_of(call: Call, limit: int = BATCH_LIMIT) -> list[Mapping[str, Any]]:
    """The inputs of a batch; raises the 400 for too many, or for no list."""
    inputs = call.object().get("inputs")
    if not isinstance(inputs, list) or not all(isinstance(i, Mapping) for i in inputs):
        raise ApiError(400, "VALIDATION_ERROR", "Invalid input JSON: inputs must be a list")
    if len(inputs) > limit:
        message = f"Batch operations are limited to {limit} records at a time."
        raise ApiError(400, "VALIDATION_ERROR", message)
    return inputs


def complete(
    portal: Portal, results: list[Any], errors: Sequence[Mapping[str, Any]] = (), status: int = 200
) -> Answer:
    """A batch's answer: 207 where some inputs have errors."""
    now = wire_time(portal.now_ms())
    body: dict[str, Any] = {
        "status": "COMPLETE",
        "results": results,
        "startedAt": now,
        "completedAt": now,
    }
    if errors:
        return Answer(207, body | {"numErrors": len(errors), "errors": list(errors)})
    return Answer(status, body)


class Api:
    """The record operations of `hubspot_paths.ROUTES`, by name."""

    def __init__(self, portal: Portal) -> None:
        self.portal = portal
        self.operations: dict[str, Callable[..., Answer]] = {
            name: getattr(self, f"_{name}")
            for name in (
                "search",
                "list_objects",
                "create_object",
                "get_object",
                "update_object",
                "archive_object",
                "merge",
                "batch_read",
                "batch_create",
                "batch_update",
                "batch_upsert",
                "batch_archive",
                "read_associations",
                "create_associations",
                "list_associations",
            )
        }

    # -- single records ------------------------------------------------------------------------

    def _search(self, call: Call, type: str) -> Answer:
        return Answer(200, search(self.portal, kind_of(type), call.object(), call.size))

    def _list_objects(self, call: Call, type: str) -> Answer:
        kind = kind_of(type)
        limit = call.whole("limit", 10, PAGE_LIMIT)
        archived = call.first("archived").lower() == "true"
        after = call.first("after", "0")
        if not after.isdigit():
            raise ApiError(400, "VALIDATION_ERROR", f"after {after[:50]} is not a record id")
        rows = self.portal.state.select(
            "crm=? AND type=? AND number>=? AND archived=? ORDER BY number LIMIT ?",
            (CRM, kind.name, int(after), int(archived), limit + 1),
        )
        known = self.portal.properties(kind)
        wanted = call.many("properties")
        results = [self.portal.wire(kind, row, wanted, known) for row in rows[:limit]]
        linked = call.many("associations")
        for row, body in zip(rows, results, strict=False):
            if linked:
                body["associations"] = self._linked(kind, row, linked)
        answer: dict[str, Any] = {"results": results}
        if len(rows) > limit:
            next_id = rows[limit].id
            link = f"http://{call.host}{call.path}?limit={limit}&after={next_id}"
            answer["paging"] = {"next": {"after": next_id, "link": link}}
        return Answer(200, answer)

    def _linked(self, kind: ObjectType, row: Stored, wanted: Sequence[str]) -> dict[str, Any]:
        found = {}
        for name in wanted:
            target = kind_of(name)
            ids = dict.fromkeys(
                i for i, _ in self.portal.state.linked(CRM, kind.name, row.id, target.name)
            )
            if ids:
                label = f"{kind.singular}_to_{target.singular}"
                found[target.name] = {"results": [{"id": i, "type": label} for i in ids]}
        return found

    def _get_object(self, call: Call, type: str, id: str) -> Answer:
        kind = kind_of(type)
        archived = call.first("archived").lower() == "true"
        if call.first("idProperty"):
            stored = self.portal.find_by(kind, call.first("idProperty"), id)
        else:
            stored = self.portal.find(kind, id, archived=archived)
        if stored is None:
            raise _not_found()
        body = self.portal.wire(kind, stored, call.many("properties"))
        if call.many("associations"):
            body["associations"] = self._linked(kind, stored, call.many("associations"))
        return Answer(200, body)

    def _create_object(self, call: Call, type: str) -> Answer:
        kind = kind_of(type)
        stored = self.portal.create(kind, *_new(call.object()))
        return Answer(201, self.portal.wire(kind, stored, stored.fields))

    def _update_object(self, call: Call, type: str, id: str) -> Answer:
        kind = kind_of(type)
        stored = (
            self.portal.find_by(kind, call.first("idProperty"), id)
            if call.first("idProperty")
            else self.portal.find(kind, id)
        )
        if stored is None:
            raise _not_found()
        given = _values(call.object())
        changed = self.portal.update(kind, stored, given)
        return Answer(200, self.portal.wire(kind, changed, given))

    def _archive_object(self, call: Call, type: str, id: str) -> Answer:
        kind = kind_of(type)
        stored = self.portal.find(kind, id)
        if stored is not None:
            self.portal.archive(kind, stored)
        return Answer(204)

    def _merge(self, call: Call, type: str) -> Answer:
        kind = kind_of(type)
        body = call.object()
        found = [
            self.portal.find(kind, plain(body.get(name)))
            for name in ("primaryObjectId", "objectIdToMerge")
        ]
        primary, other = found
        if primary is None or other is None or primary.id == other.id:
            raise _not_found()
        return Answer(200, self.portal.wire(kind, self.portal.merge(kind, primary, other)))

    # -- batches -------------------------------------------------------------------------------

    def _batch_read(self, call: Call, type: str) -> Answer:
        kind, body = kind_of(type), call.object()
        history = bool(body.get("propertiesWithHistory"))
        inputs = inputs_of(call)
        if history and len(inputs) > HISTORY_LIMIT:
            raise ApiError(
                400,
                "VALIDATION_ERROR",
                "The maximum number of inputs supported in a batch request for property histories"
                f" is {HISTORY_LIMIT}. Please reduce the number of items and try again",
            )
        unique = plain(body.get("idProperty"))
        archived = call.first("archived").lower() == "true"
        known, wanted = self.portal.properties(kind), body.get("properties") or ()
        found: dict[str, Stored] = {}
        missing = []
        for entry in inputs:
            given = plain(entry.get("id"))
            stored = (
                self.portal.find_by(kind, unique, given)
                if unique
                else self.portal.find(kind, given, archived=archived)
            )
            if stored is None:
                missing.append(given)
            else:
                found[stored.id] = stored
        results = [self.portal.wire(kind, row, wanted, known) for row in found.values()]
        return complete(self.portal, results, [_some_missing(kind, missing)] if missing else ())

    def _batch_create(self, call: Call, type: str) -> Answer:
        """All or nothing, unless every input can be told apart by its objectWriteTraceId."""
        kind, inputs = kind_of(type), inputs_of(call)
        traces = [plain(entry.get("objectWriteTraceId")) for entry in inputs]
        partial = all(traces) and len(set(traces)) == len(traces)
        results, errors = [], []
        with self.portal.state.transaction():
            for entry, trace in zip(inputs, traces, strict=True):
                try:
                    stored = self.portal.create(kind, *_new(entry))
                except ApiError as error:
                    if not partial:
                        raise
                    errors.append(error.short() | {"context": {"objectWriteTraceId": [trace]}})
                    continue
                body = self.portal.wire(kind, stored, stored.fields)
                results.append(body | ({"objectWriteTraceId": trace} if trace else {}))
        return complete(self.portal, results, errors, 201)

    def _batch_update(self, call: Call, type: str) -> Answer:
        """A value that cannot be stored refuses the whole batch; a missing record only itself."""
        kind, inputs = kind_of(type), inputs_of(call)
        _refuse_doubles([plain(entry.get("id")) for entry in inputs])
        results, missing, errors = [], [], []
        with self.portal.state.transaction():
            for entry in inputs:
                given = plain(entry.get("id"))
                if plain(entry.get("idProperty")):
                    message = "Unable to perform update/upsert by non-unique 0-1 property"
                    raise ApiError(400, "VALIDATION_ERROR", message)
                stored = self.portal.find(kind, given)
                if stored is None:
                    missing.append(given)
                    continue
                values = _values(entry)
                self.portal.checked(kind, values, stored.fields)
                try:
                    changed = self.portal.update(kind, stored, values)
                except ApiError as error:
                    errors.append(error.short([given]))
                    continue
                results.append(self.portal.wire(kind, changed, values))
        if missing:
            errors.append(_some_missing(kind, missing))
        return complete(self.portal, results, errors)

    def _batch_upsert(self, call: Call, type: str) -> Answer:
        kind, inputs = kind_of(type), inputs_of(call)
        _refuse_doubles([plain(entry.get("id")).lower() for entry in inputs])
        results = []
        with self.portal.state.transaction():
            for entry in inputs:
                given, unique = plain(entry.get("id")), plain(entry.get("idProperty"))
                values = dict(_values(entry))
                stored = (
                    self.portal.find_by(kind, unique, given)
                    if unique
                    else self.portal.find(kind, given)
                )
                if stored is None and not unique:
                    raise _not_found()
                new = stored is None
                if stored is None:
                    stored = self.portal.create(kind, {unique: given, **values})
                else:
                    stored = self.portal.update(kind, stored, values)
                results.append(self.portal.wire(kind, stored, values) | {"new": new})
        return complete(self.portal, results)

    def _batch_archive(self, call: Call, type: str) -> Answer:
        kind = kind_of(type)
        for entry in inputs_of(call):
            stored = self.portal.find(kind, plain(entry.get("id")))
            if stored is not None:
                self.portal.archive(kind, stored)
        return Answer(204)

    # -- associations --------------------------------------------------------------------------

    def _edges(self, source: ObjectType, id_: str, target: ObjectType) -> list[dict[str, Any]]:
        found: dict[str, list[int]] = {}
        for to_id, type_id in self.portal.state.linked(CRM, source.name, id_, target.name):
            found.setdefault(to_id, []).append(type_id or association(source.name, target.name))
        return [
            {
                "toObjectId": int(to_id),
                "associationTypes": [
                    {"category": "HUBSPOT_DEFINED", "typeId": type_id, "label": None}
                    for type_id in type_ids
                ],
            }
            for to_id, type_ids in found.items()
        ]

    def _read_associations(self, call: Call, source: str, target: str) -> Answer:
        from_, to = kind_of(source), kind_of(target)
        results, errors = [], []
        for entry in inputs_of(call, ASSOCIATION_LIMIT):
            given = plain(entry.get("id"))
            stored = self.portal.find(from_, given)
            edges = self._edges(from_, stored.id, to) if stored is not None else []
            if edges:
                results.append({"from": {"id": given}, "to": edges})
            else:
                error = ApiError(
                    404, "OBJECT_NOT_FOUND", f"No {to.singular} is associated with {given}."
                )
                errors.append(
                    error.short()
                    | {
                        "subCategory": "crm.associations.NO_ASSOCIATIONS_FOUND",
                        "context": {"fromObjectId": [given]},
                    }
                )
        return complete(self.portal, results, errors)

    def _create_associations(self, call: Call, source: str, target: str) -> Answer:
        from_, to = kind_of(source), kind_of(target)
        results = []
        with self.portal.state.transaction():
            for entry in inputs_of(call, 2 * ASSOCIATION_LIMIT):
                ids = [plain((entry.get(end) or {}).get("id")) for end in ("from", "to")]
                types = entry.get("types") or [{}]
                for type_ in types:
                    self.portal.associate(
                        from_.name, ids[0], to.name, ids[1], int(type_.get("associationTypeId", 0))
                    )
                results.append({"fromObjectId": int(ids[0]), "toObjectId": int(ids[1])})
        return complete(self.portal, results, (), 201)

    def _list_associations(self, call: Call, source: str, id: str, target: str) -> Answer:
        from_, to = kind_of(source), kind_of(target)
        stored = self.portal.find(from_, id)
        if stored is None:
            raise _not_found()
        return Answer(200, {"results": self._edges(from_, stored.id, to)})


def kind_of(name: str) -> ObjectType:
    """The object type of a path segment; raises the 400 for an unknown one."""
    found = object_type(name)
    if found is None:
        message = f"Unable to infer object type from: {name[:100]}"
        raise ApiError(400, "VALIDATION_ERROR", message)
    return found


def _not_found() -> ApiError:
    return ApiError(404, "OBJECT_NOT_FOUND", "resource not found")


def _some_missing(kind: ObjectType, ids: Sequence[str]) -> dict[str, Any]:
    message = (
        f"Could not get some {kind.singular.upper()} objects, they may be deleted or not exist."
        " Check that ids are valid."
    )
    return ApiError(404, "OBJECT_NOT_FOUND", message).short(ids)


def _values(entry: Mapping[str, Any]) -> Mapping[str, Any]:
    found = entry.get("properties")
    if not isinstance(found, Mapping):
        raise ApiError(400, "VALIDATION_ERROR", "Invalid input JSON: properties are required")
    return found


def _new(entry: Mapping[str, Any]) -> tuple[Mapping[str, Any], Sequence[Mapping[str, Any]]]:
    return _values(entry), entry.get("associations") or ()


def _refuse_doubles(ids: Sequence[str]) -> None:
    seen: set[str] = set()
    twice = {i for i in ids if i in seen or seen.add(i)}  # type: ignore[func-returns-value]  # the usual idiom
    if twice:
        message = f"Duplicate IDs found in batch input: {sorted(twice)}"
        raise ApiError(400, "VALIDATION_ERROR", message)
