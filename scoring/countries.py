"""Countries as ISO 3166 alpha-2 codes, from codes and from names in many languages."""

from __future__ import annotations

import gettext
from functools import cache

import pycountry

from scoring.cleaning import LIMITS, Unusable, letters_key, one_line

#: Languages whose country names are understood besides English (the library's own translations).
LANGUAGES = ("de", "fr", "es", "it", "nl", "pt", "pl", "sv", "da", "nb", "fi", "cs", "tr", "ru",
             "uk", "ja", "zh_CN", "ko", "ar", "el", "hu", "ro")  # fmt: skip
#: Everyday names that no standard lists.
ALIASES: dict[str, str] = {
    **dict.fromkeys(("UK", "U.K.", "Great Britain", "Britain", "England", "Scotland"), "GB"),
    **dict.fromkeys(("Wales", "Northern Ireland", "Großbritannien", "Grande-Bretagne"), "GB"),
    **dict.fromkeys(("U.S.", "America", "United States of America", "The United States"), "US"),
    **dict.fromkeys(("Etats-Unis", "Estados Unidos", "EEUU", "EE.UU.", "Stati Uniti"), "US"),
    **dict.fromkeys(("BRD", "Federal Republic of Germany", "Alemania", "Allemagne"), "DE"),
    **dict.fromkeys(("Holland", "The Netherlands", "Nederland"), "NL"),
    **dict.fromkeys(("Russia", "Russian Federation"), "RU"),
    **dict.fromkeys(("South Korea", "Korea", "Republic of Korea", "Korea South"), "KR"),
    **dict.fromkeys(("UAE", "U.A.E.", "Emirates", "الإمارات", "Dubai", "Abu Dhabi"), "AE"),
    **dict.fromkeys(("Czech Republic", "Czechia", "Tschechien"), "CZ"),
    **dict.fromkeys(("Turkey", "Türkiye"), "TR"),
    **dict.fromkeys(("Ivory Coast", "Cote d'Ivoire"), "CI"),
    **dict.fromkeys(("Hong Kong", "Hong Kong SAR", "Hongkong"), "HK"),
    **dict.fromkeys(("Macau", "Macao"), "MO"),
    **dict.fromkeys(("Vatican", "Vatican City"), "VA"),
    **dict.fromkeys(("Viet Nam", "Vietnam"), "VN"),
    **dict.fromkeys(("China", "PRC", "Mainland China"), "CN"),
    **dict.fromkeys(("Schweiz", "Suisse", "Svizzera"), "CH"),
    **dict.fromkeys(("Republic of Ireland", "Eire"), "IE"),
    **dict.fromkeys(("Burma", "Myanmar"), "MM"),
    **dict.fromkeys(("Macedonia", "North Macedonia"), "MK"),
    **dict.fromkeys(("Cape Verde", "Cabo Verde"), "CV"),
    **dict.fromkeys(("Swaziland", "Eswatini"), "SZ"),
    **dict.fromkeys(("East Timor", "Timor Leste"), "TL"),
    **dict.fromkeys(("Palestine", "State of Palestine"), "PS"),
    "Kosovo": "XK",  # not in the standard; the code everybody uses, the EU and SWIFT included
    "DR Congo": "CD",
    "Bharat": "IN",
    "KSA": "SA",
    "Taiwan": "TW",
    "Laos": "LA",
    "Brunei": "BN",
    "Syria": "SY",
}
#: Country domains that are sold as if they were general ones: they say nothing about a place.
_GENERIC_CCTLDS = frozenset(
    {
        "io",
        "ai",
        "co",
        "me",
        "tv",
        "cc",
        "ws",
        "fm",
        "am",
        "ly",
        "to",
        "gg",
        "sh",
        "la",
        "vc",
        "bz",
        "tk",
        "ml",
        "ga",
        "cf",
        "gq",
        "nu",
        "st",
        "im",
        "is",
        "so",
        "eu",
        "su",
        "ac",
    }
)


def normalise_country(text: str) -> str:
    """The ISO alpha-2 code of a country's code or name ("UK" → "GB"); raises Unusable."""
    flat = one_line(text)
    code = _codes().get(letters_key(flat)) if len(flat) <= LIMITS["country"] else None
    if not code and "(" in flat:
        code = _codes().get(letters_key(flat.partition("(")[0]))
    if not code:
        raise Unusable("it is not a country's name or ISO code")
    return code


def country_name(code: str) -> str:
    """A country's English name, the code itself when it has none."""
    country = pycountry.countries.get(alpha_2=code)
    return getattr(country, "common_name", country.name) if country else code


def country_of_domain(suffix: str) -> str:
    """The country that a public suffix belongs to ("co.uk" → "GB"), "" for general suffixes."""
    label = suffix.rpartition(".")[2].lower()
    if len(label) != 2 or label in _GENERIC_CCTLDS:
        return ""
    code = "GB" if label == "uk" else label.upper()
    return code if pycountry.countries.get(alpha_2=code) else ""


@cache
def _codes() -> dict[str, str]:
    """Every known spelling, folded, to its code; earlier sources win where spellings clash."""
    found: dict[str, str] = {}
    countries = list(pycountry.countries)
    for country in countries:
        found[letters_key(country.alpha_2)] = country.alpha_2
        found.setdefault(letters_key(country.alpha_3), country.alpha_2)
    for alias, code in ALIASES.items():
        found.setdefault(letters_key(alias), code)
    for country in countries:
        for name in _english_names(country):
            found.setdefault(letters_key(name), country.alpha_2)
    for language in LANGUAGES:
        translate = gettext.translation(
            "iso3166-1", pycountry.LOCALES_DIR, languages=[language], fallback=True
        ).gettext
        for country in countries:
            for name in _english_names(country):
                found.setdefault(letters_key(translate(name)), country.alpha_2)
    found.pop("", None)
    return found


def _english_names(country: object) -> list[str]:
    names = [getattr(country, name, "") for name in ("common_name", "name", "official_name")]
    return [name for name in names if name]
