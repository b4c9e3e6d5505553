"""What is worth finding out and what it would take, as sentences for who works the lead."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from scoring.explain import value_label
from scoring.facts import FACTS
from scoring.leads import ENGAGEMENT_KINDS
from scoring.least_change import Change, LeastChange
from scoring.possible import Case, Imagined
from scoring.scores import points_text
from scoring.unknowns import Unknown


def fact_label(fact: str) -> str:
    """What people call a fact; a custom field by its own name."""
    known = FACTS.get(fact)
    return known.label if known else fact.replace("_", " ").capitalize()


def unknown_text(unknown: Unknown) -> str:
    """ "Company size: knowing it settles the band" or by how much it narrows the bounds."""
    label = fact_label(unknown.fact)
    if unknown.settles == "always":
        return f"{label}: knowing it settles the band"
    least, most = unknown.narrows_at_least, unknown.narrows_at_most
    narrower = (
        points_text(most) if least == most else f"{points_text(least)} to {points_text(most)}"
    )
    may = ", and may settle the band" if unknown.settles == "sometimes" else ""
    return f"{label}: narrows the score by {narrower} points{may}"


def least_change_text(found: LeastChange, band_label: str, cases: Sequence[Sequence[Case]]) -> str:
    """ "Hot (71.5) if: visited a page (url: pricing) 2 more times; Company size: from 50".

    `cases`: for each change all cases of its fact, in order (empty for engagements).
    """
    parts = [change_text(c, of) for c, of in zip(found.changes, cases, strict=True)]
    return f"{band_label} ({points_text(found.value)}) if: {'; '.join(parts)}"


def change_text(change: Change, cases: Sequence[Case] = ()) -> str:
    """One change; `cases`: all cases of its fact, in order."""
    if change.kind != "happen":
        return f"{fact_label(change.fact)}: {cases_text(change.cases, cases)}"
    about = "; ".join(f"{name}: {_case(case)}" for name, case in change.details)
    again = "once more" if change.times == 1 else f"{change.times} more times"
    return f"{ENGAGEMENT_KINDS[change.engagement]}{f' ({about})' if about else ''} {again}"


def cases_text(chosen: Sequence[Case], cases: Sequence[Case]) -> str:
    """Some cases of a fact in words; numbers as ranges."""
    if chosen and all(_is_number(case) for case in cases):
        return " or ".join(_ranges([case in chosen for case in cases], cases))
    words = list(dict.fromkeys(map(_case, chosen)))
    return " or ".join([*words[:4], "…"] if len(words) > 4 else words)


def _is_number(case: Case) -> bool:
    return isinstance(case, int | float) and not isinstance(case, bool)


def _ranges(chosen: Sequence[bool], cases: Sequence[Case]) -> Iterator[str]:
    """Runs of cases as ranges: cases are below the first limit, on it, above it, and so on."""
    start = 0
    while start < len(cases):
        if not chosen[start]:
            start += 1
            continue
        end = start
        while end + 1 < len(cases) and chosen[end + 1]:
            end += 1
        on_limit = start % 2 == 1
        low = _number(cases[start if on_limit else start - 1]) if start else ""
        high = _number(cases[end if end % 2 else end + 1]) if end + 1 < len(cases) else ""
        if low and high:
            yield low if start == end and on_limit else f"{low} to {high}"
        elif low:
            yield f"{'from' if on_limit else 'above'} {low}"
        else:
            yield f"{'up to' if end % 2 else 'below'} {high}" if high else "anything"
        start = end + 1


def _number(value: Case) -> str:
    return value_label("", value).removeprefix(": ")


def _case(case: Case) -> str:
    if isinstance(case, Imagined):
        return case.words() or "anything else"
    return value_label("", case).removeprefix(": ") or "none"
