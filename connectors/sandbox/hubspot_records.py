"""One HubSpot account over the state: records created, changed, merged and shown as theirs."""

from __future__ import annotations

import json
import uuid
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

from connectors.sandbox.hubspot_schema import (
    ASSOCIATIONS,
    CRM,
    DEAL_PIPELINE,
    LIFECYCLE,
    ObjectType,
    Property,
    association,
)
from connectors.sandbox.hubspot_values import Invalid, check, plain, refusal, wire_time
from connectors.sandbox.state import State, Stored

FIRST_NUMBER = 101
DEFAULT_LAG_SECONDS = 5.0
STAGE_ENTERED = "hs_v2_date_entered_"
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


class ApiError(Exception):
    """An answer that is an error: status, category and message in HubSpot's envelope."""

    def __init__(self, status: int, category: str, message: str, **extra: Any) -> None:
        super().__init__(message)
        self.status = status
        self.category = category
        self.message = message
        self.extra = extra

    def body(self) -> dict[str, Any]:
        """The error envelope."""
        return {
            "status": "error",
            "message": self.message,
            "correlationId": str(uuid.uuid4()),
            "category": self.category,
            **self.extra,
        }

    def short(self, ids: Sequence[str] = ()) -> dict[str, Any]:
        """As an entry of a 207 answer's `errors`, which leaves most of the envelope out."""
        entry: dict[str, Any] = {
            "status": "error",
            "category": self.category,
            "message": self.message,
        }
        return entry | ({"context": {"ids": list(ids)}} if ids else {})


class Portal:
    """The account as its API user meets it.

    Switches, all in the state's `meta` under `hubspot.…`, empty = default: `index_lag_seconds`
    (when search sees a change), `refused_ids` (JSON: record id -> why its update is refused).
    """

    def __init__(self, state: State, clock: Callable[[], datetime]) -> None:
        self.state = state
        self.clock = clock
        with state.transaction() as connection:
            connection.execute(
                "CREATE INDEX IF NOT EXISTS object_window"
                " ON object (crm, type, number, modified_at, indexed_at, archived)"
            )
            connection.execute(
                "CREATE INDEX IF NOT EXISTS hubspot_email"
                " ON object (json_extract(fields, '$.email'))"
                " WHERE crm = 'hubspot' AND type = 'contacts'"
            )
            if not state.select("crm=? AND type='deal_pipelines' LIMIT 1", (CRM,)):
                now = self.now_ms()
                state.put(
                    Stored(CRM, "deal_pipelines", "default", 1, DEAL_PIPELINE, now, now, now, False)
                )
            self.portal_id = int(state.meta("hubspot.portal_id") or 24_400_001)

    def now_ms(self) -> int:
        """The account's time in milliseconds since 1970."""
        return (self.clock() - _EPOCH) // timedelta(milliseconds=1)

    def indexed_at(self, now: int) -> int:
        """When search will see a change made now."""
        lag = self.state.meta("hubspot.index_lag_seconds")
        return now + int(float(lag or DEFAULT_LAG_SECONDS) * 1_000)

    # -- properties ----------------------------------------------------------------------------

    def properties(self, kind: ObjectType) -> dict[str, Property]:
        """Every property of an object type: built in, made through the API, one per deal stage."""
        found = dict(kind.properties)
        if kind.name == "deals":
            for stage in self.stages():
                name = f"{STAGE_ENTERED}{stage}"
                label = f"Date entered {stage}"
                found[name] = Property(name, label, "datetime", "date", kind.group, read_only=True)
        for name, raw in self.state.fields(CRM, kind.name).items():
            extra = {k: v for k, v in raw.items() if k not in _PROPERTY_KEYS}
            found[name] = Property(
                name,
                raw["label"],
                raw["type"],
                raw["fieldType"],
                raw["groupName"],
                tuple((option["value"], option["label"]) for option in raw.get("options", ())),
                own=True,
                extra=extra,
            )
        return found

    def stages(self) -> dict[str, float]:
        """Every deal stage with its probability (1 = won; 0 and closed = lost)."""
        return {
            stage["id"]: float(stage["metadata"]["probability"])
            for pipeline in self.state.select("crm=? AND type='deal_pipelines'", (CRM,))
            for stage in pipeline.fields["stages"]
        }

    # -- reading -------------------------------------------------------------------------------

    def find(self, kind: ObjectType, record_id: str, *, archived: bool = False) -> Stored | None:
        """A record by id; ids of merged records lead to the record they became."""
        found = self.state.get(CRM, kind.name, record_id)
        if found is not None and (not found.archived or archived):
            return found
        for _ in range(250):
            rows = self.state.query(
                "SELECT new_id FROM alias WHERE crm=? AND type=? AND old_id=?",
                (CRM, kind.name, record_id),
            )
            if not rows:
                break
            record_id = str(rows[0][0])
        found = self.state.get(CRM, kind.name, record_id)
        return found if found is not None and not found.archived else None

    def find_by(self, kind: ObjectType, property_: str, value: str) -> Stored | None:
        """A living record by a unique property: contacts by e-mail (secondary ones too)."""
        if kind.name != "contacts" or property_ != "email":
            raise ApiError(400, "VALIDATION_ERROR", f"{property_} is not a unique property.")
        return self.by_email(value)

    def by_email(self, address: str) -> Stored | None:
        """The living contact that owns this address, as its main or an additional one."""
        wanted = address.strip().lower()
        found = self.state.select(
            "crm = 'hubspot' AND type = 'contacts' AND json_extract(fields, '$.email') = ?"
            " AND archived = 0 LIMIT 1",
            (wanted,),
        ) or self.state.select(
            "crm = 'hubspot' AND type = 'contacts' AND archived = 0"
            " AND instr(';' || json_extract(fields, '$.hs_additional_emails') || ';', ?) > 0"
            " LIMIT 1",
            (f";{wanted};",),
        )
        return found[0] if found else None

    def value(self, kind: ObjectType, stored: Stored, name: str) -> str | None:
        """One property's value as the API shows it."""
        given = stored.fields.get(name)
        if given is not None and given != "":
            return plain(given)
        if name == "hs_object_id":
            return stored.id
        if name in (kind.created, "hs_createdate"):
            return wire_time(stored.created_at)
        if name == kind.modified:
            return wire_time(stored.modified_at)
        return None

    def wire(
        self,
        kind: ObjectType,
        stored: Stored,
        wanted: Iterable[str] = (),
        known: Mapping[str, Property] | None = None,
    ) -> dict[str, Any]:
        """A record as the API shows it; undefined properties are left out, empty ones are null."""
        defined = known if known is not None else self.properties(kind)
        names = [name for name in wanted if name in defined]
        names = list(names if wanted else kind.defaults)
        names += [kind.created, kind.modified, "hs_object_id"]
        body: dict[str, Any] = {
            "id": stored.id,
            "properties": {name: self.value(kind, stored, name) for name in sorted(set(names))},
            "createdAt": wire_time(stored.created_at),
            "updatedAt": wire_time(stored.modified_at),
            "archived": stored.archived,
        }
        if stored.archived:
            body["archivedAt"] = stored.fields.get("~archived_at", body["updatedAt"])
        return body

    # -- writing -------------------------------------------------------------------------------

    def checked(
        self, kind: ObjectType, given: Mapping[str, Any], before: Mapping[str, Any]
    ) -> dict[str, str]:
        """Written values as they are stored; raises the 400 that lists every refused one."""
        known = self.properties(kind)
        values, wrong = {}, []
        for name, value in given.items():
            found = known.get(name)
            if found is None:
                message = f'Property "{name}" does not exist'
                wrong.append(refusal(name, "PROPERTY_DOESNT_EXIST", message, self.portal_id))
                continue
            try:
                values[name] = check(found, value, plain(before.get(name)))
            except Invalid as reason:
                wrong.append(refusal(name, reason.code, str(reason), self.portal_id))
        stage = values.get("dealstage")
        if kind.name == "deals" and stage and stage not in self.stages():
            message = f"{stage} was not one of the allowed options: {list(self.stages())}"
            wrong.append(refusal("dealstage", "INVALID_OPTION", message, self.portal_id))
        if wrong:
            raise ApiError(
                400,
                "VALIDATION_ERROR",
                f"Property values were not valid: {json.dumps(wrong, ensure_ascii=False)}",
            )
        return values

    def create(
        self,
        kind: ObjectType,
        given: Mapping[str, Any],
        associations: Sequence[Mapping[str, Any]] = (),
    ) -> Stored:
        """A new record; raises ApiError (400 for values, 409 for a contact's known e-mail)."""
        with self.state.transaction():
            values = {k: v for k, v in self.checked(kind, given, {}).items() if v != ""}
            if not any(values.get(name) for name in kind.needs):
                message = f"One of these properties is required: {', '.join(kind.needs)}"
                raise ApiError(400, "VALIDATION_ERROR", message)
            self._refuse_double(kind, values, "")
            now = self.now_ms()
            fields: dict[str, Any] = self._consequences(kind, {}, values, now)
            number = self.state.next_number(f"hubspot.{kind.name}", FIRST_NUMBER)
            stored = Stored(
                CRM,
                kind.name,
                str(number),
                number,
                fields,
                now,
                now,
                self.indexed_at(now),
                False,
            )
            self.state.put(stored)
            for wish in associations:
                self._associate_new(kind, stored.id, wish)
            return self.state.get(CRM, kind.name, stored.id) or stored

    def update(self, kind: ObjectType, stored: Stored, given: Mapping[str, Any]) -> Stored:
        """Change a record; its modified time moves even if the values are the same."""
        refused = json.loads(self.state.meta("hubspot.refused_ids") or "{}")
        if stored.id in refused:
            raise ApiError(400, "VALIDATION_ERROR", str(refused[stored.id]))
        with self.state.transaction():
            values = self.checked(kind, given, stored.fields)
            self._refuse_double(kind, values, stored.id)
            now = max(self.now_ms(), stored.modified_at)
            fields = self._consequences(kind, stored.fields, values, now)
            changed = replace(
                stored, fields=fields, modified_at=now, indexed_at=self.indexed_at(now)
            )
            self.state.put(changed)
            return changed

    def archive(self, kind: ObjectType, stored: Stored) -> None:
        """Into the recycle bin; the modified time does not move."""
        fields = stored.fields | {"~archived_at": wire_time(self.now_ms())}
        self.state.put(replace(stored, fields=fields, archived=True))

    def merge(self, kind: ObjectType, primary: Stored, other: Stored) -> Stored:
        """Both become a new record with a new id; the old ids keep leading to it."""
        with self.state.transaction() as connection:
            number = self.state.next_number(f"hubspot.{kind.name}", FIRST_NUMBER)
            now = self.now_ms()
            fields = {**other.fields, **primary.fields}
            merged = [
                part
                for stored in (primary, other)
                for part in (
                    *plain(stored.fields.get("hs_merged_object_ids")).split(";"),
                    stored.id,
                )
                if part
            ]
            fields["hs_merged_object_ids"] = ";".join(dict.fromkeys(merged))
            addresses = [plain(s.fields.get("email")) for s in (primary, other)]
            extra = {a for a in addresses if a and a != fields.get("email")}
            if extra:
                fields["hs_additional_emails"] = ";".join(sorted(extra))
            created_at = min(primary.created_at, other.created_at)
            new = Stored(
                CRM,
                kind.name,
                str(number),
                number,
                fields,
                created_at,
                now,
                self.indexed_at(now),
                False,
            )
            self.state.put(new)
            for old in (primary, other):
                self.state.put(replace(old, archived=True))
                connection.execute(
                    "INSERT OR REPLACE INTO alias VALUES (?,?,?,?)",
                    (CRM, kind.name, old.id, new.id),
                )
                for column, type_column in (("from_id", "from_type"), ("to_id", "to_type")):
                    connection.execute(
                        f"UPDATE OR REPLACE link SET {column}=? WHERE crm=? AND {type_column}=?"
                        f" AND {column}=?",
                        (new.id, CRM, kind.name, old.id),
                    )
            return new

    def _refuse_double(self, kind: ObjectType, values: Mapping[str, str], own_id: str) -> None:
        if kind.name == "contacts" and values.get("email"):
            owner = self.by_email(values["email"])
            if owner is not None and owner.id != own_id:
                message = f"Contact already exists. Existing ID: {owner.id}"
                raise ApiError(409, "CONFLICT", message)

    def _consequences(
        self, kind: ObjectType, before: Mapping[str, Any], values: Mapping[str, str], now: int
    ) -> dict[str, Any]:
        """The fields after a write, with what HubSpot sets by itself; empty values are dropped."""
        after = {**before, **values}
        if kind.name in ("contacts", "companies"):
            old, new = plain(before.get("lifecyclestage")), values.get("lifecyclestage", "")
            if (
                old in LIFECYCLE
                and new in LIFECYCLE
                and LIFECYCLE.index(new) < LIFECYCLE.index(old)
            ):
                after["lifecyclestage"] = old  # forward only, unless it was cleared before
            if kind.name == "contacts" and new == "customer":
                after.setdefault("hs_lifecyclestage_customer_date", wire_time(now))
        stage = values.get("dealstage")
        if kind.name == "deals" and stage and stage != before.get("dealstage"):
            probability = self.stages()[stage]
            closed = probability in (0.0, 1.0)
            after[f"{STAGE_ENTERED}{stage}"] = wire_time(now)
            after["hs_deal_stage_probability"] = str(probability)
            after["hs_is_closed"] = "true" if closed else "false"
            after["hs_is_closed_won"] = "true" if probability == 1.0 else "false"
            if closed and not values.get("closedate"):
                after["closedate"] = wire_time(now)
        return {name: value for name, value in after.items() if value != ""}

    # -- associations --------------------------------------------------------------------------

    def _associate_new(self, kind: ObjectType, record_id: str, wish: Mapping[str, Any]) -> None:
        target_id = plain((wish.get("to") or {}).get("id"))
        for type_ in wish.get("types") or ():
            type_id = type_.get("associationTypeId")
            known = ASSOCIATIONS.get(type_id) if isinstance(type_id, int) else None
            if known is None or known[0] != kind.name:
                message = f"association type {type_id} doesn't exist for {kind.name}"
                raise ApiError(400, "VALIDATION_ERROR", message)
            self.associate(kind.name, record_id, known[1], target_id, type_id)

    def associate(
        self, source: str, source_id: str, target: str, target_id: str, type_id: int = 0
    ) -> None:
        """Link two records both ways; raises ApiError when one is not there."""
        type_id = type_id or association(source, target)
        if type_id not in ASSOCIATIONS:
            message = f"{source} cannot be associated with {target}"
            raise ApiError(400, "VALIDATION_ERROR", message)
        for type_, id_ in ((source, source_id), (target, target_id)):
            found = self.state.get(CRM, type_, id_)
            if found is None or found.archived:
                message = f"No {type_} with ID {id_} exists"
                raise ApiError(404, "OBJECT_NOT_FOUND", message)
        back = ASSOCIATIONS[type_id][2]
        self.state.link(CRM, source, source_id, target, target_id, type_id)
        self.state.link(CRM, target, target_id, source, source_id, back)
        pair = {source: source_id, target: target_id}
        if set(pair) == {"contacts", "companies"}:
            self._silently(
                "contacts", pair["contacts"], {"associatedcompanyid": pair["companies"]}, keep=True
            )
        if set(pair) == {"contacts", "deals"}:
            count = len(set(self.state.linked(CRM, "contacts", pair["contacts"], "deals")))
            self._silently("contacts", pair["contacts"], {"num_associated_deals": str(count)})

    def _silently(
        self, type_: str, id_: str, values: Mapping[str, str], *, keep: bool = False
    ) -> None:
        """Set calculated values: the record's modified time does not move."""
        stored = self.state.get(CRM, type_, id_)
        if stored is not None:
            fields = {**values, **stored.fields} if keep else {**stored.fields, **values}
            self.state.put(replace(stored, fields=fields))


_PROPERTY_KEYS = frozenset({"name", "label", "type", "fieldType", "groupName", "options"})
