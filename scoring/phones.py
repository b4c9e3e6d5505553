"""Phone numbers in E.164 (ITU-T), read by Google's libphonenumber rules."""

from __future__ import annotations

import phonenumbers
from phonenumbers import PhoneNumberFormat, ValidationResult

from scoring.cleaning import LIMITS, Unusable, one_line

_REASONS = {
    ValidationResult.TOO_SHORT: "it has too few digits",
    ValidationResult.TOO_LONG: "it has too many digits",
    ValidationResult.INVALID_COUNTRY_CODE: "its country calling code does not exist",
    ValidationResult.INVALID_LENGTH: "no number in this country has so many digits",
    ValidationResult.IS_POSSIBLE_LOCAL_ONLY: "the area code is missing",
}


def is_nobody_number(text: str) -> bool:
    """Whether a number is only a filler: one digit repeated, or the digits counted up."""
    digits = "".join(c for c in text if c.isdecimal() and c.isascii())
    return len(digits) >= 5 and (
        len(set(digits)) == 1 or digits in "01234567890123456789" or digits == "9876543210"
    )


def normalise_phone(text: str, region: str = "US", fallback: str = "") -> str:
    """`text` as E.164 ("+14155550132"); `region` (ISO alpha-2) is used when no + is written.

    `fallback` is a second region, taken when the number exists there and not in the first.
    A number that is possible but not assigned is kept: `is_valid_phone` tells them apart.
    Raises Unusable with the reason.
    """
    flat = one_line(text)
    if len(flat) > LIMITS["phone"]:
        raise Unusable(f"it is {len(flat):,} characters long, no phone number is")
    if fallback not in {"", region} and _exists(flat, fallback) and not _exists(flat, region):
        region = fallback
    try:
        number = phonenumbers.parse(flat, region)
    except phonenumbers.NumberParseException:
        raise Unusable("it is not a phone number") from None
    reason = phonenumbers.is_possible_number_with_reason(number)
    if reason != ValidationResult.IS_POSSIBLE:
        raise Unusable(_REASONS.get(reason, "it is not a possible phone number"))
    return phonenumbers.format_number(number, PhoneNumberFormat.E164)


def is_valid_phone(e164: str) -> bool:
    """Whether the number's range is really assigned in its country's numbering plan."""
    try:
        return phonenumbers.is_valid_number(phonenumbers.parse(e164, None))
    except phonenumbers.NumberParseException:
        return False


def _exists(text: str, region: str) -> bool:
    try:
        return phonenumbers.is_valid_number(phonenumbers.parse(text, region))
    except phonenumbers.NumberParseException:
        return False


def phone_country(e164: str) -> str:
    """ISO alpha-2 country of an E.164 number, "" where the calling code is not one country's."""
    try:
        number = phonenumbers.parse(e164, None)
    except phonenumbers.NumberParseException:
        return ""
    region = phonenumbers.region_code_for_number(number) or ""
    return region if len(region) == 2 and region.isalpha() else ""


def is_region(code: str) -> bool:
    """Whether libphonenumber knows a numbering plan for this ISO alpha-2 country."""
    return code in phonenumbers.SUPPORTED_REGIONS
