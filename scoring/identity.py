"""Who is who: which records are one person, on exact evidence only; doubts become questions.

Exact evidence: the same e-mail address; links that a CRM itself keeps (converted lead → contact,
merged ids); the same phone number together with the same last name or company domain. Shared
addresses (info@ …) count only when the names agree as well. A family that shares one phone is kept
apart: where first names under one number and last name differ, only equal ones are joined.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise

from scoring.cleaning import letters_key, shorten
from scoring.companies import company_key
from scoring.domains import registered_domain
from scoring.emails import is_personal_domain, is_role
from scoring.leads import CrmRecord, RecordKey
from scoring.problems import Problem

#: A number that more leads than this share is a switchboard: no evidence, not even for a question.
SWITCHBOARD_LEADS = 5


@dataclass(frozen=True, slots=True)
class Identified:
    """Where every record belongs, which leads turned out to be one, and what is doubtful."""

    record_lead: dict[RecordKey, int]  # every changed record, and every record of a folded lead
    merges: list[tuple[int, int]]  # (survivor, folded): the lowest lead id survives
    problems: list[Problem]  # kind "duplicate_question"


@dataclass(frozen=True, slots=True)
class _Person:
    """What identification looks at in one record."""

    key: RecordKey
    email: str
    role: bool
    phone: str
    first: str
    last: str
    domain: str
    company: str

    @property
    def name(self) -> str:
        return f"{self.first} {self.last}" if self.first and self.last else ""


def identity_keys(record: CrmRecord) -> list[tuple[str, str]]:
    """Every (kind, value) that finds this record again; kinds email, phone, record, name.

    Values with a second key ("+14155550132 smith") are exact. Plain phone numbers, shared mailboxes
    and kind "name" only find candidates: several leads may own the same one, any one may be kept.
    A deleted or merged record is found by its id and links alone.
    """
    keys = [("record", str(key)) for key in (record.key, *_linked(record))]
    if record.deleted or record.merged_into is not None:
        return keys
    person = _person(record)
    if person.email:
        keys.append(("email", person.email))
        if person.role and person.name:
            keys.append(("email", f"{person.email} {person.name}"))
    if person.phone:
        seconds = ["", person.last, person.name, person.domain]
        keys += [("phone", f"{person.phone} {second}".strip()) for second in seconds if second]
        keys.append(("phone", person.phone))
    if person.name and person.company:
        keys.append(("name", f"{person.name} {person.company}"))
    return list(dict.fromkeys(keys))


def identify(
    records: Sequence[CrmRecord],
    record_leads: Mapping[RecordKey, int],
    identity_leads: Mapping[tuple[str, str], int],
    lead_records: Mapping[int, Sequence[CrmRecord]],
    new_lead_id: Callable[[], int],
) -> Identified:
    """Assign every changed record to a lead, whatever order the records come in.

    `record_leads` and `identity_leads` are what is already known, `lead_records` the records of
    every lead that either names. A record never leaves the lead it once joined. New ids are taken
    in the order of creation. Of an id that occurs twice in `records`, the newest version counts.
    """
    changed = _newest(records)
    known = {r.key: r for owned in lead_records.values() for r in owned}
    everyone = {**known, **changed}
    people = {
        key: _person(record)
        for key, record in everyone.items()
        if not record.deleted and record.merged_into is None
    }
    groups = _Groups()
    owners = {r.key: lead for lead, owned in lead_records.items() for r in owned}
    owners |= {key: lead for key, lead in record_leads.items() if key in everyone}
    for key, lead in owners.items():
        groups.join(key, lead)
    for key, record in everyone.items():
        groups.join(key, *_linked(record))
    _join_recalled(groups, changed, identity_leads, lead_records)
    doubts = _join_evidence(groups, people)
    leads, merges = _name_groups(groups, everyone, new_lead_id)
    folded = {lead for _, lead in merges}
    record_lead = {
        key: leads[groups.root(key)]
        for key in sorted(everyone)
        if key in changed or owners.get(key) in folded
    }
    problems = list(_questions(doubts, groups, leads, everyone, changed))
    return Identified(record_lead, merges, problems)


class _Groups:
    """Sets of records and lead ids that are one person (union-find)."""

    def __init__(self) -> None:
        self._parent: dict[RecordKey | int, RecordKey | int] = {}

    def root(self, node: RecordKey | int) -> RecordKey | int:
        parent = self._parent.setdefault(node, node)
        while parent != node:
            self._parent[node] = self._parent.setdefault(parent, parent)
            node, parent = parent, self._parent[parent]
        return node

    def join(self, *nodes: RecordKey | int) -> None:
        for one, other in pairwise(nodes):
            self._parent[self.root(other)] = self.root(one)
        if len(nodes) == 1:
            self.root(nodes[0])

    def nodes(self) -> list[RecordKey | int]:
        return list(self._parent)


@dataclass(frozen=True, slots=True, order=True)
class _Doubt:
    one: RecordKey
    other: RecordKey
    shared: str  # in words: "the phone number +1…"


def _newest(records: Iterable[CrmRecord]) -> dict[RecordKey, CrmRecord]:
    newest: dict[RecordKey, CrmRecord] = {}
    for record in records:
        seen = newest.get(record.key)
        if seen is None or _version(record) > _version(seen):
            newest[record.key] = record
    return newest


def _version(record: CrmRecord) -> tuple[float, str]:
    return record.modified_at.timestamp(), record.fingerprint()


def _linked(record: CrmRecord) -> list[RecordKey]:
    return [*record.links, *([record.merged_into] if record.merged_into else [])]


def _person(record: CrmRecord) -> _Person:
    fields = record.fields
    text = {name: str(fields.get(name, "")) for name in ("email", "phone", "company", "website")}
    domain = registered_domain(text["email"].rpartition("@")[2]) if text["email"] else ""
    if not domain or is_personal_domain(domain):
        domain = text["website"]
    return _Person(
        key=record.key,
        email=text["email"],
        role=bool(text["email"]) and is_role(text["email"]),
        phone=text["phone"],
        first=letters_key(str(fields.get("first_name", ""))),
        last=letters_key(str(fields.get("last_name", ""))),
        domain=domain,
        company=company_key(text["company"]) if text["company"] else "",
    )


def _join_recalled(
    groups: _Groups,
    changed: Mapping[RecordKey, CrmRecord],
    identity_leads: Mapping[tuple[str, str], int],
    lead_records: Mapping[int, Sequence[CrmRecord]],
) -> None:
    """Evidence from the identity table alone: links always, addresses of leads without records."""
    for record in changed.values():
        for kind, value in identity_keys(record):
            lead = identity_leads.get((kind, value))
            if lead is None:
                continue
            exact = kind == "record" or (
                kind == "email" and lead not in lead_records and not is_role(value)
            )
            if exact:
                groups.join(record.key, lead)


def _join_evidence(groups: _Groups, people: Mapping[RecordKey, _Person]) -> list[_Doubt]:
    doubts: list[_Doubt] = []
    for email, same in _by(people.values(), lambda person: person.email):
        if not same[0].role:
            groups.join(*(person.key for person in same))
            continue
        for _, agreeing in _by(same, lambda person: person.name):
            groups.join(*(person.key for person in agreeing))
        nameless = [person for person in same if not person.name]
        doubts += _pairs(nameless, same, f"the shared mailbox {email}")
    for phone, same in _by(people.values(), lambda person: person.phone):
        for second in (lambda person: person.last, lambda person: person.domain):
            for _, agreeing in _by(same, second):
                _join_namesakes(groups, agreeing)
        doubts += _phone_doubts(groups, phone, same)
    for _, same in _by(
        people.values(), lambda p: f"{p.name} {p.company}" * bool(p.name and p.company)
    ):
        doubts += _pairs(same, same, "their name and company, but not the e-mail address")
    return doubts


def _by(
    people: Iterable[_Person], value: Callable[[_Person], str]
) -> list[tuple[str, list[_Person]]]:
    """People with the same non-empty value, at least two of them, in the order of their keys."""
    found: defaultdict[str, list[_Person]] = defaultdict(list)
    for person in people:
        if value(person):
            found[value(person)].append(person)
    return sorted(
        (shared, sorted(same, key=lambda person: person.key))
        for shared, same in found.items()
        if len(same) > 1
    )


def _join_namesakes(groups: _Groups, people: Sequence[_Person]) -> None:
    """Join all people when no two names contradict each other, else only those with equal names."""
    if all(_compatible(one, other) for i, one in enumerate(people) for other in people[:i]):
        groups.join(*(person.key for person in people))
        return
    for _, same in _by(people, lambda person: person.name):
        groups.join(*(person.key for person in same))


def _compatible(one: _Person, other: _Person) -> bool:
    lasts = one.last and other.last and one.last != other.last
    return not lasts and _same_first(one.first, other.first)


def _same_first(one: str, other: str) -> bool:
    """Equal, or one unknown, or one the initial of the other."""
    if not one or not other or one == other:
        return True
    return one[0] == other[0] and 1 in (len(one), len(other))


def _phone_doubts(groups: _Groups, phone: str, same: Sequence[_Person]) -> list[_Doubt]:
    one_each = {groups.root(person.key): person for person in reversed(same)}
    if len(one_each) > SWITCHBOARD_LEADS:
        return []
    colleagues = [
        (one, other)
        for one in same
        for other in same
        if one.name and other.name and one.domain and one.domain == other.domain
    ]
    doubts = _pairs(same, same, f"the phone number {phone}")
    apart = {frozenset((one.key, other.key)) for one, other in colleagues}
    return [doubt for doubt in doubts if frozenset((doubt.one, doubt.other)) not in apart]


def _pairs(some: Sequence[_Person], all_: Sequence[_Person], shared: str) -> list[_Doubt]:
    pairs = {
        (min(one.key, other.key), max(one.key, other.key))
        for one in some[:50]
        for other in all_[:50]
        if one.key != other.key
    }
    return [_Doubt(one, other, shared) for one, other in sorted(pairs)]


def _name_groups(
    groups: _Groups,
    everyone: Mapping[RecordKey, CrmRecord],
    new_lead_id: Callable[[], int],
) -> tuple[dict[RecordKey | int, int], list[tuple[int, int]]]:
    """The lead id of every group, and the leads that were folded into another."""
    existing: defaultdict[RecordKey | int, list[int]] = defaultdict(list)
    for node in groups.nodes():
        if isinstance(node, int):
            existing[groups.root(node)].append(node)
    leads: dict[RecordKey | int, int] = {}
    merges: list[tuple[int, int]] = []
    for root, ids in existing.items():
        survivor, *folded = sorted(ids)
        leads[root] = survivor
        merges += [(survivor, lead) for lead in folded]
    in_order = sorted(everyone.values(), key=lambda record: (record.created_at, record.key))
    for record in in_order:
        root = groups.root(record.key)
        if root not in leads:
            leads[root] = new_lead_id()
    return leads, sorted(merges)


def _questions(
    doubts: Iterable[_Doubt],
    groups: _Groups,
    leads: Mapping[RecordKey | int, int],
    everyone: Mapping[RecordKey, CrmRecord],
    changed: Mapping[RecordKey, CrmRecord],
) -> Iterator[Problem]:
    """One question per pair of leads that stayed apart and that a changed record speaks of."""
    asked: set[tuple[int, int]] = set()
    for doubt in sorted(doubts):
        one, other = leads[groups.root(doubt.one)], leads[groups.root(doubt.other)]
        pair = (min(one, other), max(one, other))
        if one == other or pair in asked or not {doubt.one, doubt.other} & changed.keys():
            continue
        asked.add(pair)
        yield Problem(
            "duplicate_question",
            f"{_who(everyone[doubt.one])} and {_who(everyone[doubt.other])} share {doubt.shared}."
            " Say whether they are one person.",
            detail=f"leads {pair[0]} and {pair[1]}",
            record=doubt.one if doubt.one in changed else doubt.other,
            field="identity",
            value=f"{doubt.one}|{doubt.other}",
        )


def _who(record: CrmRecord) -> str:
    names = (record.fields.get("first_name"), record.fields.get("last_name"))
    name = " ".join(str(part) for part in names if part)
    address = str(record.fields.get("email") or record.fields.get("phone") or "no address")
    return f"{shorten(name or address)} ({f'{address}, ' if name else ''}{record.key})"
