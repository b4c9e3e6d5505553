from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from itertools import count

import pytest
from hypothesis import given
from hypothesis import strategies as st

from scoring.identity import Identified, identify, identity_keys
from scoring.leads import CrmRecord, RecordKey

AT = datetime(2026, 3, 1, tzinfo=UTC)


def person(number: int, crm: str = "hubspot", **fields: object) -> CrmRecord:
    links = fields.pop("links", ())
    merged_into = fields.pop("merged_into", None)
    return CrmRecord(
        RecordKey(crm, "contact", str(number)),
        AT + timedelta(hours=number),
        AT + timedelta(hours=number),
        fields,  # type: ignore[arg-type]  # only texts are passed
        links=links,  # type: ignore[arg-type]
        merged_into=merged_into,  # type: ignore[arg-type]
    )


def ids(start: int = 100) -> Callable[[], int]:
    numbers = count(start)
    return lambda: next(numbers)


def found(*records: CrmRecord, known: dict[int, list[CrmRecord]] | None = None) -> Identified:
    known = known or {}
    owners = {r.key: lead for lead, owned in known.items() for r in owned}
    keys = {k: lead for lead, owned in known.items() for r in owned for k in identity_keys(r)}
    return identify(records, owners, keys, known, ids())


def leads(result: Identified) -> int:
    return len(set(result.record_lead.values()))


PHONE = "+14155552671"


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ({"email": "ann@acme.com"}, {"email": "ann@acme.com"}),
        (
            {"phone": PHONE, "last_name": "Smith", "email": "a@gmail.com"},
            {"phone": PHONE, "last_name": "SMITH", "email": "b@acme.com"},
        ),
        ({"phone": PHONE, "email": "a@acme.com"}, {"phone": PHONE, "website": "acme.com"}),
        (
            {"email": "info@acme.com", "first_name": "Ann", "last_name": "Lee"},
            {"email": "info@acme.com", "first_name": "ann", "last_name": "Lee"},
        ),
    ],
)
def test_exact_evidence_makes_one_lead(one: dict[str, str], other: dict[str, str]) -> None:
    result = found(person(1, **one), person(2, "salesforce", **other))
    assert leads(result) == 1
    assert result.problems == []


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ({"phone": PHONE, "last_name": "Smith"}, {"phone": PHONE, "last_name": "Jones"}),
        (
            {"phone": PHONE, "first_name": "John", "last_name": "Smith"},
            {"phone": PHONE, "first_name": "Mary", "last_name": "Smith"},
        ),
        (
            {"email": "a@x.io", "first_name": "Ann", "last_name": "Lee", "company": "Acme Inc"},
            {"email": "b@x.io", "first_name": "Ann", "last_name": "Lee", "company": "ACME"},
        ),
        ({"email": "info@acme.com"}, {"email": "info@acme.com", "last_name": "Lee"}),
    ],
)
def test_doubtful_evidence_is_a_question(one: dict[str, str], other: dict[str, str]) -> None:
    result = found(person(1, **one), person(2, "salesforce", **other))
    assert leads(result) == 2
    assert [problem.kind for problem in result.problems] == ["duplicate_question"]


def test_colleagues_behind_one_switchboard_are_no_question() -> None:
    result = found(
        person(1, phone=PHONE, email="john@acme.com", first_name="John", last_name="Smith"),
        person(2, phone=PHONE, email="mary@acme.com", first_name="Mary", last_name="Jones"),
    )
    assert leads(result) == 2
    assert result.problems == []


def test_a_number_of_many_people_asks_nothing() -> None:
    crowd = [person(i, phone=PHONE, last_name=f"Name{chr(97 + i)}") for i in range(8)]
    assert found(*crowd).problems == []


def test_a_link_of_the_crm_joins_whichever_record_comes_first() -> None:
    contact = person(2, "salesforce", email="new@acme.com")
    lead = person(1, "salesforce", email="old@acme.com", links=(contact.key,))
    assert leads(found(lead, contact)) == 1
    assert found(contact, known={7: [lead]}).record_lead == {contact.key: 7}


def test_a_merged_record_goes_where_it_was_merged() -> None:
    survivor = person(2, email="new@acme.com")
    merged = person(1, email="old@acme.com", merged_into=survivor.key)
    result = found(merged, survivor, known={3: [person(1, email="old@acme.com")]})
    assert set(result.record_lead.values()) == {3}


def test_existing_leads_are_folded_into_the_lowest() -> None:
    one, other = person(1, email="a@acme.com"), person(2, "salesforce", email="b@acme.com")
    now_same = person(2, "salesforce", email="a@acme.com")
    result = found(now_same, known={9: [one], 4: [other]})
    assert result.merges == [(4, 9)]
    assert result.record_lead == {one.key: 4, other.key: 4}


def test_a_record_stays_with_its_lead_when_its_address_changes() -> None:
    before = person(1, email="a@acme.com")
    assert found(person(1, email="z@acme.com"), known={5: [before]}).record_lead[before.key] == 5


def test_the_same_id_twice_counts_with_its_newest_version() -> None:
    old, new = person(1, email="a@acme.com"), person(1, email="b@acme.com")
    new = CrmRecord(new.key, AT, AT + timedelta(days=2), new.fields)
    other = person(2, "salesforce", email="b@acme.com")
    assert leads(found(old, new, other)) == 1


def test_a_deleted_record_is_found_by_its_id_only() -> None:
    gone = CrmRecord(
        RecordKey("hubspot", "contact", "1"), AT, AT, {"email": "a@b.com"}, deleted=True
    )
    assert identity_keys(gone) == [("record", "hubspot:contact:1")]


@st.composite
def crowds(draw: st.DrawFn) -> list[CrmRecord]:
    def some(*texts: str) -> str:
        return draw(st.sampled_from(["", *texts]))

    records = []
    for number in range(draw(st.integers(1, 7))):
        fields = {
            "email": some("a@acme.com", "b@gmail.com", "info@acme.com", "c@acme.com"),
            "phone": some(PHONE, "+4930123456"),
            "first_name": some("Ann", "Bob", "A"),
            "last_name": some("Lee", "Smith"),
            "company": some("Acme"),
        }
        records.append(person(number, **{k: v for k, v in fields.items() if v}))
    return records


@given(st.data())
def test_the_order_of_records_does_not_matter(data: st.DataObject) -> None:
    records = data.draw(crowds())
    split = data.draw(st.integers(0, len(records)))
    known = {20 - i: [record] for i, record in enumerate(records[:split])}
    fresh = records[split:]
    shuffled = data.draw(st.permutations(fresh))
    assert found(*fresh, known=known) == found(*shuffled, known=known)


@given(crowds())
def test_every_record_gets_a_lead_and_equal_addresses_the_same(records: list[CrmRecord]) -> None:
    result = found(*records)
    assert result.record_lead.keys() == {record.key for record in records}
    for record in records:
        for other in records:
            email = record.fields.get("email")
            if email and email != "info@acme.com" and email == other.fields.get("email"):
                assert result.record_lead[record.key] == result.record_lead[other.key]
