from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from connectors.enrichment import SOURCE, EmbeddedEnrichment, company_name


def values(**fields: str) -> dict[str, object]:
    return {n: f.value for n, f in EmbeddedEnrichment().enrich(fields).facts.items()}


def test_a_business_address_gives_company_and_country() -> None:
    answer = EmbeddedEnrichment().enrich({"email": "ann@mail.acme-tools.co.uk"})
    assert answer.status == "success"
    assert {fact.source for fact in answer.facts.values()} == {SOURCE}
    assert values(email="ann@mail.acme-tools.co.uk") == {
        "email_kind": "business",
        "domain": "acme-tools.co.uk",
        "company": "Acme Tools",
        "country": "GB",
    }


def test_a_free_address_is_no_company() -> None:
    answer = EmbeddedEnrichment().enrich({"email": "ann@gmail.com"})
    assert answer.status == "no_match"
    assert answer.facts["email_kind"].value == "free"
    assert answer.message


def test_a_mistyped_free_address_is_no_company_either() -> None:
    assert "domain" not in values(email="ann@gmail.co")


def test_the_phone_knows_the_country_better_than_the_domain() -> None:
    assert values(email="ann@acme.fr", phone="+4930123456")["country"] == "DE"
    assert values(phone="+4930123456") == {"country": "DE"}


def test_the_website_helps_behind_a_personal_address() -> None:
    assert values(email="ann@gmail.com", website="acme.de")["domain"] == "acme.de"


def test_a_fashionable_country_domain_is_no_country() -> None:
    assert "country" not in values(email="ann@acme.io")


@pytest.mark.parametrize(
    ("domain", "name"),
    [("acme.com", "Acme"), ("ibm.com", "IBM"), ("rock-and-roll.de", "Rock and Roll")],
)
def test_a_domain_names_its_company(domain: str, name: str) -> None:
    assert company_name(domain) == name


@given(st.dictionaries(st.sampled_from(["email", "phone", "website"]), st.text()))
def test_any_fields_give_an_answer(fields: dict[str, str]) -> None:
    assert EmbeddedEnrichment().enrich(fields).status in {"success", "no_match"}
