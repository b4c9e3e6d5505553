"""Web domains: the part of an address that a company registered. Works without any network."""

from __future__ import annotations

from functools import lru_cache

from tldextract import TLDExtract

from scoring.cleaning import LIMITS, Unusable, one_line

#: Reserved names (RFC 2606) are accepted as suffixes, so that invented companies have domains.
_EXTRACT = TLDExtract(
    suffix_list_urls=(),  # the snapshot that ships with the library, never a download
    cache_dir=None,
    extra_suffixes=("example", "test"),
)
#: Pages that companies have on other people's domains: they identify nobody.
SHARED_SITES = frozenset(
    {
        *(
            "linkedin.com",
            "facebook.com",
            "instagram.com",
            "twitter.com",
            "x.com",
            "youtube.com",
        ),
        *(
            "xing.com",
            "tiktok.com",
            "google.com",
            "github.com",
            "medium.com",
            "wikipedia.org",
        ),
    }
)


@lru_cache(maxsize=20_000)
def registered_domain(text: str) -> str:
    """The registered domain in a host name, address or URL ("www.a.co.uk/x" → "a.co.uk"), or ""."""
    if not text or len(text) > LIMITS["domain"]:
        return ""
    try:
        found = _EXTRACT(text.lower()).top_domain_under_public_suffix
    except (ValueError, UnicodeError):  # hosts that look like broken IPv6 or IDNA
        return ""
    label = found.partition(".")[0]
    if not label or not all(c.isalnum() or c in "-_" for c in label):
        return ""
    return found


@lru_cache(maxsize=20_000)
def suffix_of(domain: str) -> str:
    """The public suffix of a domain ("a.co.uk" → "co.uk"), "" when it has none."""
    try:
        return _EXTRACT(domain.lower()).suffix
    except (ValueError, UnicodeError):
        return ""


def normalise_domain(text: str) -> str:
    """A company's registered domain from a website field; raises Unusable with the reason."""
    flat = one_line(text)
    if len(flat) > LIMITS["domain"]:
        raise Unusable(f"it is {len(flat):,} characters long, no web address is")
    domain = registered_domain(flat)
    if not domain:
        raise Unusable("it is not a web address such as acme.com")
    if domain in SHARED_SITES:
        raise Unusable(f"it is a page on {domain}, not the company's own website")
    return domain
