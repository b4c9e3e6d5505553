from __future__ import annotations

from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from scoring.cleaning import LIMITS
from scoring.countries import country_of_domain, normalise_country
from scoring.domains import normalise_domain
from scoring.emails import email_kind
from scoring.leads import PERSON_FIELDS, CrmRecord, RecordKey
from scoring.normalise import build_account, build_record, parse_time, read_value
from scoring.problems import Problem

AT = datetime(2026, 3, 1, tzinfo=UTC)
KEY = RecordKey("hubspot", "contact", "1")


def build(**values: str | None) -> tuple[CrmRecord, list[Problem]]:
    return build_record(KEY, created_at=AT, modified_at=AT, values=values)


def field(name: str, text: str) -> object:
    return build(**{name: text})[0].fields.get(name)


@pytest.mark.parametrize(
    ("name", "text", "value"),
    [
        ("email", "Bob@ACME.com ", "bob@acme.com"),
        ("email", "Bob <bob@acme.com>", "bob@acme.com"),
        ("email", "mailto:bob@acme.com", "bob@acme.com"),
        ("phone", "(415) 555-2671", "+14155552671"),
        ("phone", "+49 (0)30 123456", "+4930123456"),
        ("first_name", "MARIE-CLAIRE", "Marie-Claire"),
        ("first_name", "太郎", "太郎"),
        ("first_name", "мария", "Мария"),
        ("last_name", "O'NEILL", "O'Neill"),
        ("last_name", "van der BERG", "van der BERG"),
        ("last_name", "VAN DER BERG", "van der Berg"),
        ("last_name", "Null", "Null"),
        ("company", " Acme   GmbH & Co. KG ", "Acme GmbH & Co. KG"),
        ("website", "https://www.Acme.co.uk/x?y=1", "acme.co.uk"),
        ("country", "UK", "GB"),
        ("country", "Deutschland", "DE"),
        ("country", "usa", "US"),
        ("country", "NA", "NA"),
        ("employees", "1,200", 1200),
        ("employees", "1.200", 1200),
        ("employees", "6.0", 6),
        ("employees", "11-50", 11),
        ("employees", "10,000+", 10000),
        ("employees", "0", 0),
        ("annual_revenue", "$1,200,000", 1_200_000.0),
        ("annual_revenue", "1.5M", 1_500_000.0),
        ("annual_revenue", "€ 1.200.000,50", 1_200_000.5),
        ("annual_revenue", "2 Mio", 2_000_000.0),
        ("email_opt_out", "Yes", True),
        ("email_opt_out", "1", True),
        ("email_opt_out", "false", False),
        ("favourite_colour", "a\x00b\u200b", "ab"),
    ],
)
def test_a_usable_value_is_normalised(name: str, text: str, value: object) -> None:
    assert field(name, text) == value


@pytest.mark.parametrize(
    "text", ["", "Select", "n/a", "-", "[[unknown]]", "Unknown", "--None--", "?"]
)
def test_a_placeholder_is_missing_and_no_problem(text: str) -> None:
    record, problems = build(email="bob@acme.com", industry=text, country=text, employees=text)
    assert set(record.fields) == {"email"}
    assert problems == []


@pytest.mark.parametrize("text", ["test@test.com", "none@none.de"])
def test_a_filler_address_is_nobody(text: str) -> None:
    record, problems = build(email=text)
    assert record.fields == {}
    assert [problem.kind for problem in problems] == ["no_identity"]


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("email", "bob at acme"),
        ("phone", "call me"),
        ("phone", "555-0132"),
        ("website", "coming soon"),
        ("website", "linkedin.com/company/acme"),
        ("country", "Asia/Pacific Region"),
        ("employees", "many"),
        ("employees", "-5"),
        ("annual_revenue", "1e400"),
        ("email_opt_out", "perhaps"),
    ],
)
def test_an_unusable_value_is_named_and_kept_raw(name: str, text: str) -> None:
    record, problems = build(**{name: text})
    assert name not in record.fields
    assert record.raw[name] == text
    problem = next(p for p in problems if p.kind == "bad_value")
    assert problem.field == name
    assert text in problem.message
    assert problem.record == KEY


def test_a_very_long_field_is_cut_and_said_so() -> None:
    record, problems = build(email="bob@acme.com", message="x" * 40_000)
    assert len(str(record.fields["message"])) == LIMITS["long_text"]
    assert "40,000 characters" in problems[0].message
    assert len(problems[0].message) < 300


def test_a_very_long_phone_number_is_no_phone_number() -> None:
    record, problems = build(email="bob@acme.com", phone="1" * 39_999 + "2")
    assert "phone" not in record.fields
    assert problems[0].kind == "bad_value"
    assert len(problems[0].value) <= 80


@pytest.mark.parametrize(
    ("text", "meant"),
    [
        ("bob@gmial.com", "bob@gmail.com"),
        ("bob@gmail.con", "bob@gmail.com"),
        ("bob@hotmial.com", "bob@hotmail.com"),
        ("bob@outlok.com", "bob@outlook.com"),
    ],
)
def test_a_mistyped_provider_is_questioned_and_kept(text: str, meant: str) -> None:
    record, problems = build(email=text)
    assert record.fields["email"] == text
    assert problems[0].kind == "email_typo"
    assert meant in problems[0].message


@pytest.mark.parametrize(
    "text", ["a@yahoo.ca", "a@mail.com", "a@gmx.de", "a@gmaps.io", "a@ymail.com"]
)
def test_a_real_domain_is_not_called_a_typo(text: str) -> None:
    assert build(email=text)[1] == []


def test_a_number_from_the_default_region_survives_a_foreign_country() -> None:
    record, _ = build(phone="(415) 555-2671", country="UK")
    assert record.fields["phone"] == "+14155552671"


def test_nobody_to_recognise_is_a_problem_unless_deleted() -> None:
    assert build(first_name="Ann")[1][0].kind == "no_identity"
    gone = build_record(KEY, created_at=AT, modified_at=AT, values={}, deleted=True)
    assert gone[1] == []


def test_a_full_name_is_split() -> None:
    record, _ = build(email="a@acme.com", full_name="SMITH, JOHN")
    assert (record.fields["first_name"], record.fields["last_name"]) == ("John", "Smith")


def test_an_account_reads_its_website_as_domain() -> None:
    account, problems = build_account(
        RecordKey("hubspot", "company", "9"),
        modified_at=AT,
        values={"name": "Acme", "website": "www.acme.com", "employees": "lots", "tier": "A"},
    )
    assert account.fields == {"domain": "acme.com", "name": "Acme", "tier": "A"}
    assert [problem.field for problem in problems] == ["employees"]


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        ("2024-05-01T10:00:00.000+0000", datetime(2024, 5, 1, 10, tzinfo=UTC)),
        ("2024-05-01T12:00:00+02:00", datetime(2024, 5, 1, 10, tzinfo=UTC)),
        ("2024-05-01T10:00:00.123Z", datetime(2024, 5, 1, 10, 0, 0, 123000, tzinfo=UTC)),
        ("2024-05-01", datetime(2024, 5, 1, tzinfo=UTC)),
        (1714557600000, datetime(2024, 5, 1, 10, tzinfo=UTC)),
        ("1714557600000", datetime(2024, 5, 1, 10, tzinfo=UTC)),
    ],
)
def test_a_time_is_read(value: str | int, expected: datetime) -> None:
    assert parse_time(value) == expected


@pytest.mark.parametrize(
    ("value", "words"),
    [
        ("20226-01-01", "20226"),
        ("20226-01-01T00:00:00Z", "20226"),
        (576_086_400_000_000, "year"),
        (32_503_680_000_000, "3000"),
        ("1989-12-31", "before 1990"),
        (1714557600, "seconds"),
        ("soon", "not a date"),
        ("", "not a date"),
        ("2024-13-01", "not a date"),
        (float("nan"), "not a date"),
        (True, "not a date"),
    ],
)
def test_an_impossible_time_is_explained(value: str | float, words: str) -> None:
    with pytest.raises(ValueError, match=words):
        parse_time(value)


@given(st.text() | st.integers() | st.floats())
def test_a_time_is_read_or_refused_never_worse(value: str | float) -> None:
    try:
        moment = parse_time(value)
    except ValueError:
        return
    assert moment.tzinfo is UTC


@given(st.dictionaries(st.sampled_from([*PERSON_FIELDS, "full_name", "custom"]), st.text()))
def test_no_text_breaks_a_record(values: dict[str, str | None]) -> None:
    record, problems = build_record(KEY, created_at=AT, modified_at=AT, values=values)
    assert all(problem.message for problem in problems)
    assert not any("\0" in str(value) for value in record.fields.values())
    record.fingerprint()


@given(st.sampled_from(sorted(set(PERSON_FIELDS.values()))), st.text())
def test_reading_a_normalised_text_again_changes_nothing(kind: str, text: str) -> None:
    try:
        once = read_value(text, kind)
    except ValueError:
        return
    if once is None or not isinstance(once.value, str):
        return
    again = read_value(once.value, kind)
    assert again is None or again.value == once.value


@pytest.mark.parametrize(
    ("address", "kind"),
    [
        ("ann@acme.com", "business"),
        ("info@acme.com", "role"),
        ("ann@gmail.com", "free"),
        ("ann@gmial.com", "free"),
        ("info.acme@gmail.com", "free"),
        ("ann@mailinator.com", "disposable"),
        ("ann@cs.mit.edu", "academic"),
        ("ann@ox.ac.uk", "academic"),
        ("ann@tu-berlin.de", "academic"),
    ],
)
def test_an_address_has_a_kind(address: str, kind: str) -> None:
    assert email_kind(address) == kind


def test_a_domain_needs_no_network() -> None:
    assert normalise_domain("shop.acme.example") == "acme.example"


def test_a_country_domain_names_a_country_and_a_fashionable_one_does_not() -> None:
    assert country_of_domain("co.uk") == "GB"
    assert country_of_domain("io") == ""
    assert normalise_country("Schweiz") == "CH"
