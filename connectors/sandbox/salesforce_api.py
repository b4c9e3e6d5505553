"""Salesforce's REST resources over one org: method and path in, status and JSON out."""

from __future__ import annotations

import json
import re
import secrets
from collections import OrderedDict
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any
from urllib.parse import parse_qsl, urlsplit

from connectors.sandbox.salesforce_org import Org, RecordError
from connectors.sandbox.salesforce_schema import API_VERSION, CRM, OBJECTS
from connectors.sandbox.salesforce_setup import create_custom_field, query_tooling
from connectors.sandbox.soql import SoqlError, parse
from connectors.sandbox.soql_sql import compile_query, long_id, wire_time
from connectors.sandbox.state import Stored

#: Records per collections call, runs of one type in it, subrequests of a composite, queries in it.
COLLECTION_LIMIT, CHUNK_LIMIT, COMPOSITE_LIMIT, COMPOSITE_QUERIES = 200, 10, 25, 5
RETRIEVE_LIMIT = 2_000
PAGE_LIMIT, PAGE_FLOOR = 2_000, 200
OLDEST, NEWEST, RETIRED = 41, 68, 30
_LOCATORS_KEPT = 500
_LOCATOR_LIFE = timedelta(days=2)
_REFERENCE = re.compile(r"@\{([A-Za-z0-9_]+)\.([A-Za-z0-9_.\[\]]+)\}")
_ESCAPED_BATCH = re.compile(r"batchSize\s*=\s*(\d+)", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class Call:
    """One request as a resource sees it, whether it came by HTTP or inside a composite."""

    method: str
    path: str
    query: Mapping[str, str] = field(default_factory=dict)
    headers: Mapping[str, str] = field(default_factory=dict)  # names in lower case
    body: Any = None

    @property
    def auto_assign(self) -> bool:
        """Whether assignment rules run: they do unless `Sforce-Auto-Assign: FALSE` is sent."""
        return self.headers.get("sforce-auto-assign", "TRUE").strip().upper() != "FALSE"


@dataclass(frozen=True, slots=True)
class Answer:
    """Status and JSON of an answer; a body of None is an empty one."""

    status: int
    body: Any = None


@dataclass(frozen=True, slots=True)
class _Cursor:
    ids: list[str]
    columns: tuple[tuple[str, ...], ...]
    type: str
    page: int
    expires_at: datetime


class _RolledBack(Exception):
    """Undo the surrounding transaction; what happened is kept beside it."""


def errors(status: int, code: str, message: str) -> Answer:
    """A refusal in Salesforce's form."""
    return Answer(status, [{"message": message, "errorCode": code}])


def not_found() -> Answer:
    """What Salesforce says about an address or record that is not there."""
    return errors(404, "NOT_FOUND", "The requested resource does not exist")


class Api:
    """The resources below `/services/data`."""

    def __init__(self, org: Org, base_url: str) -> None:
        self.org = org
        self.base_url = base_url.rstrip("/")
        self.calls = 0
        self._cursors: OrderedDict[str, _Cursor] = OrderedDict()
        resources: list[tuple[str, str, Callable[..., Answer]]] = [
            ("GET", r"", self._resources),
            ("GET", r"/(query|queryAll)", self._query),
            ("GET", r"/(?:query|queryAll)/([\w-]+)", self._query_more),
            ("GET", r"/sobjects", self._describe_global),
            ("GET", r"/sobjects/(\w+)", self._basic),
            ("POST", r"/sobjects/(\w+)", self._create),
            ("GET", r"/sobjects/(\w+)/describe", self._describe),
            ("GET", r"/sobjects/(\w+)/(updated|deleted)", self._replication),
            ("GET", r"/sobjects/(\w+)/(\w{15}|\w{18})", self._read),
            ("PATCH", r"/sobjects/(\w+)/(\w{15}|\w{18})", self._update),
            ("DELETE", r"/sobjects/(\w+)/(\w{15}|\w{18})", self._delete),
            ("POST", r"/composite", self._composite),
            ("POST", r"/composite/sobjects", self._collection_create),
            ("PATCH", r"/composite/sobjects", self._collection_update),
            ("DELETE", r"/composite/sobjects", self._collection_delete),
            ("GET", r"/composite/sobjects/(\w+)", self._collection_read),
            ("POST", r"/composite/sobjects/(\w+)", self._collection_read),
            ("GET", r"/limits", self._limits),
            ("POST", r"/tooling/sobjects/CustomField", self._create_field),
            ("GET", r"/tooling/query", self._tooling_query),
        ]
        self._routes = [(m, re.compile(p + r"\Z"), run) for m, p, run in resources]

    def handle(self, call: Call) -> Answer:
        """The answer to a call below `/services/data/vXX.X`; errors in Salesforce's form."""
        found = re.match(r"/services/data/v(\d+)\.0(/.*)?\Z", call.path)
        if found is None:
            return not_found()
        version = int(found[1])
        if version <= RETIRED:
            return errors(410, "GONE", "The requested REST API version has been retired.")
        if not OLDEST <= version <= NEWEST:
            return not_found()
        path, method = (
            found[2] or "",
            call.query.get("_HttpMethod", call.method).upper(),
        )
        allowed = []
        for wanted, pattern, run in self._routes:
            match = pattern.match(path)
            if match is None:
                continue
            if wanted == method:
                return self._guarded(run, call, f"{version}.0", match.groups())
            allowed.append(wanted)
        if allowed:
            message = f"HTTP Method '{method}' not allowed. Allowed are {','.join(allowed)}"
            return errors(405, "METHOD_NOT_ALLOWED", message)
        return not_found()

    @staticmethod
    def _guarded(
        run: Callable[..., Answer],
        call: Call,
        version: str,
        parts: Sequence[str | None],
    ) -> Answer:
        try:
            return run(call, version, *parts)
        except SoqlError as error:
            return errors(400, error.code, error.message)
        except RecordError as error:
            return Answer(error.status, [error.top()])

    # versions and resources

    @staticmethod
    def versions() -> list[dict[str, str]]:
        """`GET /services/data`: every supported version, without sign-in."""
        seasons = ("Spring", "Summer", "Winter")
        rows = []
        for number in range(OLDEST, NEWEST + 1):
            turn = (number - 66) % 3
            year = 26 + (number - 66) // 3 + (turn == 2)
            rows.append(
                {
                    "label": f"{seasons[turn]} '{year:02d}",
                    "url": f"/services/data/v{number}.0",
                    "version": f"{number}.0",
                }
            )
        return rows

    def _resources(self, _: Call, version: str) -> Answer:
        base = f"/services/data/v{version}"
        names = (
            "sobjects",
            "query",
            "queryAll",
            "composite",
            "limits",
            "tooling",
            "jobs",
        )
        listed = {name: f"{base}/{name}" for name in names}
        identity = f"{self.base_url}/id/{self.org.org_id}/{self.org.user_id}"
        return Answer(200, listed | {"identity": identity})

    def _limits(self, _: Call, __: str) -> Answer:
        total = self.daily_limit()
        limits = {
            "DailyApiRequests": {"Max": total, "Remaining": max(0, total - self.calls)},
            "DailyBulkApiBatches": {"Max": 15_000, "Remaining": 15_000},
            "DailyBulkV2QueryJobs": {"Max": 10_000, "Remaining": 10_000},
            "DataStorageMB": {"Max": 1_024, "Remaining": 1_000},
            "PermissionSets": {
                "Max": 1_500,
                "Remaining": 1_499,
                "CreateCustom": {"Max": 1_000, "Remaining": 999},
            },
        }
        return Answer(200, limits)

    def daily_limit(self) -> int:
        """The org's API calls per 24 hours (meta `salesforce.daily_limit`)."""
        return int(self.org.state.meta("salesforce.daily_limit") or 100_000)

    # queries

    def _query(self, call: Call, version: str, resource: str) -> Answer:
        text = call.query.get("q", "")
        if not text:
            return errors(400, "MALFORMED_QUERY", "A query string has to be specified")
        deleted = resource == "queryAll"
        compiled = compile_query(
            parse(text), self.org.entity, now_ms=_now_ms(self.org), deleted=deleted
        )
        if not compiled.columns:
            total = self.org.state.query(compiled.count, compiled.parameters)[0][0]
            return Answer(200, {"totalSize": total, "done": True, "records": []})
        rows = self.org.state.query(compiled.rows, compiled.parameters)
        page = self._page_size(call)
        long_texts = [
            path
            for path in compiled.columns
            if len(path) == 1
            and (found := compiled.entity.fields.get(path[0].lower()))
            and found.type == "textarea"
            and not found.filterable
        ]
        if len(long_texts) > 1:
            page = min(page, PAGE_FLOOR)
        cursor = _Cursor(
            [row[0] for row in rows],
            compiled.columns,
            compiled.entity.name,
            page,
            self.org.clock() + _LOCATOR_LIFE,
        )
        return self._page(cursor, 0, "", version)

    def _page_size(self, call: Call) -> int:
        """What the client asked for, within Salesforce's bounds; a switch makes pages shorter."""
        asked = _ESCAPED_BATCH.search(call.headers.get("sforce-query-options", ""))
        page = max(PAGE_FLOOR, min(PAGE_LIMIT, int(asked[1]))) if asked else PAGE_LIMIT
        short = self.org.state.meta("salesforce.page_size")
        return min(page, int(short)) if short else page

    def _query_more(self, call: Call, version: str, locator: str) -> Answer:
        name, _, offset = locator.rpartition("-")
        cursor = self._cursors.get(name)
        if not offset.isdigit() or not name:
            return errors(400, "INVALID_QUERY_LOCATOR", "invalid query locator")
        if cursor is None or cursor.expires_at < self.org.clock():
            return errors(400, "INVALID_QUERY_LOCATOR", "invalid query locator")
        return self._page(cursor, int(offset), name, version)

    def _page(self, cursor: _Cursor, offset: int, name: str, version: str) -> Answer:
        ids = cursor.ids[offset : offset + cursor.page]
        records = self._rendered(cursor.type, ids, cursor.columns, version)
        result: dict[str, Any] = {
            "totalSize": len(cursor.ids),
            "done": True,
            "records": records,
        }
        if offset + cursor.page < len(cursor.ids):
            if not name:
                name = "0r8Lt" + secrets.token_hex(5)
                self._cursors[name] = cursor
                while len(self._cursors) > _LOCATORS_KEPT:
                    self._cursors.popitem(last=False)
            result["done"] = False
            more = f"/services/data/v{version}/query/{name}-{offset + cursor.page}"
            result["nextRecordsUrl"] = more
        return Answer(200, result)

    def _rendered(
        self,
        type_: str,
        ids: list[str],
        columns: Sequence[tuple[str, ...]],
        version: str,
    ) -> list[dict[str, Any]]:
        marks = ",".join("?" * len(ids))
        found = self.org.state.select(f"crm=? AND type=? AND id IN ({marks})", [CRM, type_, *ids])
        by_id = {stored.id: stored for stored in found}
        parents: dict[str, Stored | None] = {}
        return [
            self.org.render(by_id[i], columns, version=version, parents=parents)
            for i in ids
            if i in by_id
        ]

    # single records

    def _describe_global(self, _: Call, version: str) -> Answer:
        rows = [self.org.entity(name) for name in OBJECTS]
        shown = [entity.describe_row(version) for entity in rows if entity is not None]
        return Answer(200, {"encoding": "UTF-8", "maxBatchSize": 200, "sobjects": shown})

    def _basic(self, _: Call, version: str, type_: str) -> Answer:
        entity = self.org.entity(type_)
        if entity is None:
            return not_found()
        return Answer(200, {"objectDescribe": entity.describe_row(version), "recentItems": []})

    def _describe(self, _: Call, version: str, type_: str) -> Answer:
        entity = self.org.entity(type_)
        if entity is None:
            return not_found()
        editable = self.org.editable(entity)
        fields = [
            found.describe(editable=found.name in editable) for found in entity.fields.values()
        ]
        row = entity.describe_row(version)
        return Answer(
            200,
            row | {"fields": fields, "childRelationships": [], "recordTypeInfos": []},
        )

    def _create(self, call: Call, _: str, type_: str) -> Answer:
        body = _object(call.body)
        record_id = self.org.create(type_, body, auto_assign=call.auto_assign)
        return Answer(201, {"id": record_id, "success": True, "errors": []})

    def _read(self, call: Call, version: str, type_: str, record_id: str) -> Answer:
        entity = self.org.entity(type_)
        if entity is None:
            return not_found()
        stored = self.org.find(entity.name, record_id)
        columns = self._columns(entity.name, call.query.get("fields", ""))
        return Answer(200, self.org.render(stored, columns, version=version))

    def _columns(self, type_: str, fields: str | Sequence[str]) -> list[tuple[str, ...]]:
        """Asked field names in their own spelling; all readable ones when none is asked for."""
        entity = self.org.entity(type_)
        if entity is None:
            raise RecordError("NOT_FOUND", "The requested resource does not exist", status=404)
        names = fields.split(",") if isinstance(fields, str) else fields
        asked = [name.strip() for name in names if name.strip()]
        if not asked:
            return [(found.name,) for found in entity.fields.values()]
        unknown = [name for name in asked if name.lower() not in entity.fields]
        if unknown:
            message = f"No such column '{unknown[0]}' on sobject of type {entity.name}"
            raise RecordError("INVALID_FIELD", message)
        return [(entity.fields[name.lower()].name,) for name in asked]

    def _update(self, call: Call, _: str, type_: str, record_id: str) -> Answer:
        body = _object(call.body)
        if any(name.lower() == "id" for name in body):
            message = "The Id field should not be specified in the sobject data."
            raise RecordError("INVALID_FIELD", message)
        self.org.update(type_, record_id, body, auto_assign=call.auto_assign)
        return Answer(204)

    def _delete(self, _: Call, __: str, type_: str, record_id: str) -> Answer:
        self.org.delete(type_, record_id)
        return Answer(204)

    def _replication(self, call: Call, _: str, type_: str, kind: str) -> Answer:
        """getUpdated and getDeleted: seconds are ignored, 30 or 15 days back at most."""
        entity = self.org.entity(type_)
        if entity is None:
            return not_found()
        now = self.org.clock()
        try:
            start, end = (
                datetime.fromisoformat(call.query[name]).replace(second=0, microsecond=0)
                for name in ("start", "end")
            )
        except (KeyError, ValueError):
            return errors(400, "INVALID_REPLICATION_DATE", "start and end must be ISO 8601 dates")
        oldest = now - timedelta(days=30 if kind == "updated" else 15)
        if start < oldest or end - start <= timedelta(minutes=1):
            message = f"startDate before org replication enabled date: {oldest.isoformat()}"
            return errors(400, "INVALID_REPLICATION_DATE", message)
        rows = self.org.state.select(
            "crm=? AND type=? AND archived=? AND modified_at>=? AND modified_at<? AND indexed_at<=?"
            " ORDER BY modified_at, id",
            (
                CRM,
                entity.name,
                int(kind == "deleted"),
                _ms(start),
                _ms(end),
                _now_ms(self.org),
            ),
        )
        covered = wire_time(_ms(min(end, now)))
        if kind == "updated":
            return Answer(200, {"ids": [row.id for row in rows], "latestDateCovered": covered})
        gone = [{"id": row.id, "deletedDate": wire_time(row.modified_at)} for row in rows]
        earliest = wire_time(_ms(oldest))
        body = {"deletedRecords": gone, "earliestDateAvailable": earliest}
        return Answer(200, body | {"latestDateCovered": covered})

    # collections

    def _collection_create(self, call: Call, _: str) -> Answer:
        def write(record: Mapping[str, Any]) -> str:
            return self.org.create(_type(record), record, auto_assign=call.auto_assign)

        return self._collection(call, write)

    def _collection_update(self, call: Call, _: str) -> Answer:
        def write(record: Mapping[str, Any]) -> str:
            record_id = next((str(v) for k, v in record.items() if k.lower() == "id"), "")
            if not record_id:
                raise RecordError("MISSING_ARGUMENT", "Id not specified in an update call")
            self.org.update(_type(record), record_id, record, auto_assign=call.auto_assign)
            return long_id(record_id)

        return self._collection(call, write)

    def _collection(self, call: Call, write: Callable[[Mapping[str, Any]], str]) -> Answer:
        body = _object(call.body)
        records = body.get("records")
        if not isinstance(records, list):
            return errors(400, "JSON_PARSER_ERROR", "records: a list of records is expected")
        if len(records) > COLLECTION_LIMIT:
            message = f"The number of records cannot exceed {COLLECTION_LIMIT}"
            return errors(400, "LIMIT_EXCEEDED", message)
        types = [_type(record) for record in records]
        chunks = sum(1 for i, name in enumerate(types) if i == 0 or types[i - 1] != name)
        if chunks > CHUNK_LIMIT:
            message = f"The number of chunks cannot exceed {CHUNK_LIMIT}"
            return errors(400, "LIMIT_EXCEEDED", message)
        return Answer(200, self._written(records, write, bool(body.get("allOrNone"))))

    def _written(
        self,
        records: list[Any],
        write: Callable[[Mapping[str, Any]], str],
        all_or_none: bool,
    ) -> list[dict[str, Any]]:
        results: list[dict[str, Any]] = []
        try:
            with self.org.state.transaction():
                for record in records:
                    results.append(_result(write, record))
                if all_or_none and not all(result["success"] for result in results):
                    raise _RolledBack
        except _RolledBack:
            message = (
                "Record rolled back because not all records were valid and the request was using"
                " AllOrNone header"
            )
            rolled = RecordError("ALL_OR_NONE_OPERATION_ROLLED_BACK", message).row()
            results = [
                row | {"success": False, "errors": [rolled]} if row["success"] else row
                for row in results
            ]
        return results

    def _collection_delete(self, call: Call, _: str) -> Answer:
        ids = [part for part in call.query.get("ids", "").split(",") if part]
        if not ids or len(ids) > COLLECTION_LIMIT:
            return errors(400, "LIMIT_EXCEEDED", f"1 to {COLLECTION_LIMIT} ids are expected")

        def write(record: Mapping[str, Any]) -> str:
            self.org.delete(self.org.type_of(record["id"]) or "", record["id"])
            return long_id(record["id"])

        all_or_none = call.query.get("allOrNone", "false").lower() == "true"
        return Answer(200, self._written([{"id": i} for i in ids], write, all_or_none))

    def _collection_read(self, call: Call, version: str, type_: str) -> Answer:
        source = _object(call.body) if call.method == "POST" else call.query
        ids, fields = source.get("ids", ""), source.get("fields", "")
        ids = [part for part in ids.split(",") if part] if isinstance(ids, str) else ids
        if len(ids) > RETRIEVE_LIMIT:
            return errors(400, "LIMIT_EXCEEDED", f"at most {RETRIEVE_LIMIT} ids are allowed")
        columns = self._columns(type_, fields)
        name = OBJECTS[type_.lower()].name
        found = [self.org.state.get(CRM, name, long_id(i)) for i in ids]
        shown = [
            self.org.render(row, columns, version=version) if row and not row.archived else None
            for row in found
        ]
        return Answer(200, shown)

    # composite

    def _composite(self, call: Call, _: str) -> Answer:
        body = _object(call.body)
        requests = body.get("compositeRequest")
        if not isinstance(requests, list) or not requests:
            return errors(400, "JSON_PARSER_ERROR", "compositeRequest: a list is expected")
        if len(requests) > COMPOSITE_LIMIT:
            message = f"The number of subrequests cannot exceed {COMPOSITE_LIMIT}"
            return errors(400, "LIMIT_EXCEEDED", message)
        heavy = sum(
            "/query" in str(r.get("url")) or "/composite/sobjects" in str(r.get("url"))
            for r in requests
        )
        if heavy > COMPOSITE_QUERIES:
            message = (
                f"The number of query and collection subrequests cannot exceed {COMPOSITE_QUERIES}"
            )
            return errors(400, "LIMIT_EXCEEDED", message)
        names = [str(r.get("referenceId", "")) for r in requests]
        if any(not re.fullmatch(r"[A-Za-z0-9_]+", name) for name in names):
            return errors(400, "JSON_PARSER_ERROR", "invalid referenceId")
        answers: list[tuple[str, Answer]] = []
        try:
            with self.org.state.transaction():
                for request in requests:
                    answers.append(
                        (
                            request["referenceId"],
                            self._sub(call, request, dict(answers)),
                        )
                    )
                if body.get("allOrNone") and any(answer.status >= 400 for _, answer in answers):
                    raise _RolledBack
        except _RolledBack:
            halted = errors(
                400,
                "PROCESSING_HALTED",
                "The transaction was rolled back since another operation in the same transaction"
                " failed.",
            )
            answers = [(n, a if a.status >= 400 else halted) for n, a in answers]
        rows = [
            {
                "body": a.body,
                "httpHeaders": {},
                "httpStatusCode": a.status,
                "referenceId": name,
            }
            for name, a in answers
        ]
        return Answer(200, {"compositeResponse": rows})

    def _sub(self, call: Call, request: Mapping[str, Any], done: Mapping[str, Answer]) -> Answer:
        def resolve(found: re.Match[str]) -> str:
            answer = done.get(found[1])
            value = answer.body if answer else None
            for part in found[2].split("."):
                value = value.get(part) if isinstance(value, Mapping) else None
            return str(value) if value is not None else found[0]

        text = _REFERENCE.sub(resolve, json.dumps([request.get("url", ""), request.get("body")]))
        url, body = json.loads(text)
        if "@{" in text:
            return errors(400, "PROCESSING_HALTED", "Invalid reference specified.")
        parts = urlsplit(url)
        own = {k.lower(): v for k, v in (request.get("httpHeaders") or {}).items()}
        return self.handle(
            Call(
                method=str(request.get("method", "GET")).upper(),
                path=parts.path.rstrip("/"),
                query=dict(parse_qsl(parts.query)),
                headers={**call.headers, **own},
                body=body,
            )
        )

    # set-up

    def _create_field(self, call: Call, _: str) -> Answer:
        record_id = create_custom_field(self.org, _object(call.body))
        body = {
            "id": record_id,
            "success": True,
            "errors": [],
            "warnings": [],
            "infos": [],
        }
        return Answer(201, body)

    def _tooling_query(self, call: Call, version: str) -> Answer:
        return Answer(200, query_tooling(self.org, parse(call.query.get("q", "")), version))


def _result(write: Callable[[Mapping[str, Any]], str], record: Mapping[str, Any]) -> dict[str, Any]:
    try:
        return {"id": write(record), "success": True, "errors": []}
    except RecordError as error:
        return {"success": False, "errors": [error.row()]}


def _object(body: Any) -> dict[str, Any]:
    if not isinstance(body, dict):
        raise RecordError("JSON_PARSER_ERROR", "Unexpected content: a JSON object is expected")
    return body


def _type(record: Any) -> str:
    attributes = record.get("attributes") if isinstance(record, dict) else None
    name = attributes.get("type") if isinstance(attributes, dict) else None
    if not name:
        raise RecordError("INVALID_INPUT", "Include the attributes.type of each record")
    return str(name)


def _ms(moment: datetime) -> int:
    aware = moment if moment.tzinfo else moment.replace(tzinfo=UTC)
    return int(aware.timestamp() * 1_000)


def _now_ms(org: Org) -> int:
    return _ms(org.clock())


__all__ = ["API_VERSION", "Answer", "Api", "Call", "errors", "not_found"]
