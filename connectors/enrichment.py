"""The embedded enrichment provider: what an e-mail address and a phone number say by themselves.

It works offline and at once, so enrichment is never missing; a paid provider can follow it. What a
CRM knows always stands: enrichment fills facts that no record has.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from scoring.countries import country_name, country_of_domain
from scoring.domains import registered_domain, suffix_of
from scoring.emails import email_kind, is_personal_domain, suggest
from scoring.leads import FieldValue
from scoring.phones import phone_country
from scoring.scores import Fact

SOURCE = "enrichment:embedded"
_SMALL_WORDS = frozenset({"and", "und", "et", "of", "the"})


@dataclass(frozen=True, slots=True)
class EnrichmentAnswer:
    """What a provider said about one lead."""

    status: str  # "success" or "no_match"
    facts: Mapping[str, Fact] = field(default_factory=dict)
    message: str = ""  # for the lead's timeline


class EmbeddedEnrichment:
    """Facts from the address and the number alone; deterministic, no network, never raises."""

    name = "embedded"

    def enrich(self, record_fields: Mapping[str, FieldValue]) -> EnrichmentAnswer:
        """Company domain and name, country and e-mail kind from a record's normalised fields.

        A phone number's country comes before that of the e-mail's or website's domain: people
        carry their number's country, companies often own another country's domain.
        """
        email = _text(record_fields, "email")
        phone = _text(record_fields, "phone")
        domain = _company_domain(email, _text(record_fields, "website"))
        found: dict[str, str] = {}
        if email:
            found["email_kind"] = email_kind(email)
        if domain:
            found["domain"] = domain
            found["company"] = company_name(domain)
        country = phone_country(phone) or country_of_domain(suffix_of(domain or _host(email)))
        if country:
            found["country"] = country
        useful = found.keys() - {"email_kind"}
        if not useful:
            return EnrichmentAnswer("no_match", _facts(found), _nothing_found(email, phone))
        return EnrichmentAnswer("success", _facts(found), _summary(found))


def company_name(domain: str) -> str:
    """A readable guess at the company behind a domain: "acme-tools.co.uk" → "Acme Tools"."""
    label = domain.removesuffix(f".{suffix_of(domain)}").rpartition(".")[2]
    words = [word for word in label.replace("_", "-").split("-") if word]
    shown = [w if w in _SMALL_WORDS and i else w.capitalize() for i, w in enumerate(words)]
    short = len(words) == 1 and len(label) <= 3
    return label.upper() if short else " ".join(shown)


def _company_domain(email: str, website: str) -> str:
    """A business address's registered domain, else the website's; "" for personal addresses."""
    host = _host(email)
    if host and not is_personal_domain(host) and not suggest(email):
        return registered_domain(host) or host
    return registered_domain(website)


def _host(email: str) -> str:
    return email.rpartition("@")[2]


def _text(fields: Mapping[str, FieldValue], name: str) -> str:
    value = fields.get(name)
    return value if isinstance(value, str) else ""


def _facts(found: Mapping[str, str]) -> dict[str, Fact]:
    return {name: Fact(value, SOURCE) for name, value in found.items()}


def _summary(found: Mapping[str, str]) -> str:
    parts = []
    if "company" in found:
        parts.append(f"{found['company']} ({found['domain']}), guessed from the address")
    if "country" in found:
        parts.append(country_name(found["country"]))
    return "; ".join(parts)


def _nothing_found(email: str, phone: str) -> str:
    if not email and not phone:
        return "There is no e-mail address and no phone number to start from."
    return "A personal address and no number with a country: nothing to learn from them."
