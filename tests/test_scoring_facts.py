from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from scoring.facts import FACTS, build_facts
from scoring.leads import Account, CrmRecord, FieldValue, RecordKey
from scoring.scores import Fact

AT = datetime(2026, 3, 1, tzinfo=UTC)
NOW = AT + timedelta(days=10)
ACCOUNT = RecordKey("hubspot", "company", "1")


def record(
    crm: str = "hubspot",
    hours: int = 0,
    *,
    kind: str = "contact",
    account: RecordKey | None = None,
    deleted: bool = False,
    raw: dict[str, str] | None = None,
    **fields: Any,
) -> CrmRecord:
    return CrmRecord(
        RecordKey(crm, kind, str(hours)),
        AT,
        AT + timedelta(hours=hours),
        fields,
        raw=raw or {},
        account=account,
        deleted=deleted,
    )


def test_the_newest_value_wins_and_names_its_source() -> None:
    facts = build_facts([record(city="Paris"), record("salesforce", 1, city="Rome")], {}, {}, NOW)
    assert facts["city"] == Fact("Rome", "salesforce", AT + timedelta(hours=1))


def test_missing_in_the_newest_record_falls_back_to_the_older_one() -> None:
    facts = build_facts([record(city="Paris"), record("salesforce", 1)], {}, {}, NOW)
    assert facts["city"].value == "Paris"


@pytest.mark.parametrize(("name", "value"), [("visits", 0), ("email_opt_out", False)])
def test_zero_and_no_are_values(name: str, value: FieldValue) -> None:
    older: dict[str, Any] = {name: 5 if value == 0 and value is not False else True}
    newer: dict[str, Any] = {name: value}
    facts = build_facts([record(**older), record("salesforce", 1, **newer)], {}, {}, NOW)
    assert facts[name].value == value


def test_a_tie_goes_to_salesforce_and_to_the_contact() -> None:
    same = [
        record(city="Paris"),
        record("salesforce", kind="lead", city="Oslo"),
        record("salesforce", city="Rome"),
    ]
    assert build_facts(same, {}, {}, NOW)["city"].value == "Rome"


def test_company_facts_fall_back_to_the_account() -> None:
    accounts = {
        ACCOUNT: Account(ACCOUNT, AT, {"name": "Acme", "employees": 50, "industry": "Retail"})
    }
    facts = build_facts([record(account=ACCOUNT, employees=0)], accounts, {}, NOW)
    assert facts["employees"].value == 0
    assert facts["company"].value == "Acme"
    assert facts["industry"].value == "retail"


def test_enrichment_never_overrides_a_crm() -> None:
    extra = {
        "country": Fact("DE", "enrichment:embedded"),
        "domain": Fact("acme.com", "enrichment:embedded"),
    }
    facts = build_facts([record(country="FR")], {}, extra, NOW)
    assert facts["country"].value == "FR"
    assert facts["domain"].source == "enrichment:embedded"


def test_deleted_records_speak_only_when_all_are() -> None:
    gone = record(hours=5, deleted=True, city="Rome")
    assert build_facts([record(city="Paris"), gone], {}, {}, NOW)["city"].value == "Paris"
    assert build_facts([gone], {}, {}, NOW)["city"].value == "Rome"


def test_the_title_gives_seniority_and_department() -> None:
    facts = build_facts([record(job_title="Head of Marketing")], {}, {}, NOW)
    assert (facts["seniority"].value, facts["department"].value) == ("director", "marketing")


@pytest.mark.parametrize(
    ("fields", "raw", "kind"),
    [
        ({"email": "ann@acme.com"}, {}, "business"),
        ({}, {"email": "ann at acme"}, "invalid"),
    ],
)
def test_the_address_gives_its_kind(fields: dict[str, Any], raw: dict[str, str], kind: str) -> None:
    assert build_facts([record(raw=raw, **fields)], {}, {}, NOW)["email_kind"].value == kind


def test_a_usable_address_outweighs_an_unusable_newer_one() -> None:
    both = [record(email="ann@acme.com"), record("salesforce", 1, raw={"email": "ann at"})]
    assert build_facts(both, {}, {}, NOW)["email_kind"].value == "business"


def test_phones_are_valid_invalid_or_unknown() -> None:
    assert build_facts([record(phone="+14155552671")], {}, {}, NOW)["phone_valid"].value is True
    assert build_facts([record(phone="+15555550123")], {}, {}, NOW)["phone_valid"].value is False
    assert build_facts([record(raw={"phone": "x"})], {}, {}, NOW)["phone_valid"].value is False
    assert "phone_valid" not in build_facts([record()], {}, {}, NOW)


def test_the_message_is_read() -> None:
    facts = build_facts([record(message="Please send pricing, we need it asap")], {}, {}, NOW)
    assert facts["text_intent"] == Fact("buying", "text:lexicon", AT)
    assert facts["text_need"].value == ("pricing",)
    assert facts["text_urgency"].value == "high"


def test_without_a_message_its_facts_are_unknown() -> None:
    assert not [name for name in build_facts([record()], {}, {}, NOW) if name.startswith("text_")]


def test_age_is_counted_from_the_first_record() -> None:
    assert build_facts([record(), record("salesforce", 5)], {}, {}, NOW)["age_days"].value == 10.0


def test_outcome_dependent_facts_are_left_out_of_the_past() -> None:
    fields: dict[str, Any] = {
        "lifecycle_stage": "Customer",
        "converted": True,
        "city": "Ulm",
    }
    assert build_facts([record(**fields)], {}, {}, NOW)["lifecycle_stage"].value == "customer"
    past = build_facts([record(**fields)], {}, {}, NOW, past=True)
    assert "city" in past
    assert not past.keys() & {"lifecycle_stage", "converted"}


def test_personal_fields_are_no_facts_and_custom_fields_are() -> None:
    facts = build_facts([record(email="a@b.com", first_name="A", tier="gold")], {}, {}, NOW)
    assert facts["tier"].value == "gold"
    assert not facts.keys() & {"email", "first_name", "message"}


@given(st.permutations([record(city="A"), record("salesforce", 2, city="B"), record(hours=1)]))
def test_the_order_of_records_does_not_matter(records: list[CrmRecord]) -> None:
    assert build_facts(records, {}, {}, NOW)["city"].value == "B"


def test_every_fact_names_its_type_and_label() -> None:
    for name, definition in FACTS.items():
        assert definition.name == name
        assert definition.label
        assert definition.type in {"text", "number", "flag", "choice", "list"}
