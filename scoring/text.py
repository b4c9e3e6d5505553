"""What somebody wrote, read with a plain lexicon: intent, urgency, timeline, needs, budget.

The message is data. Whatever it says, the answer comes from closed vocabularies, and no
instruction in it is followed. Another reader may take this one's place; this one needs nothing and
always works.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import lru_cache

from scoring.cleaning import LIMITS, fold
from scoring.text_lexicon import (
    BUDGET,
    CLAUSE_END,
    COUNT_WORDS,
    DEADLINES,
    DURATION,
    INTENT_PHRASES,
    INTENTS,
    NEED_PHRASES,
    NEEDS,
    NEGATION,
    REFUSALS,
    SOON,
    TIMELINE_PHRASES,
    TIMELINES,
    UNIT_DAYS,
    URGENCIES,
    Phrase,
)

__all__ = ["INTENTS", "NEEDS", "TIMELINES", "URGENCIES", "TextReading", "read_text"]

_DECIDES = 1.0  # an intent needs this much weight to be named
_QUOTES = str.maketrans({"’": "'", "‘": "'", "`": "'", "´": "'", "–": "-", "—": "-"})


@dataclass(frozen=True, slots=True)
class TextReading:
    """What a message says; "" = it does not say."""

    intent: str  # INTENTS
    urgency: str  # URGENCIES or ""
    timeline: str  # TIMELINES or ""
    needs: tuple[str, ...]  # of NEEDS
    budget: bool
    confidence: float  # 0 to 1: how clearly the words point to `intent`
    evidence: tuple[str, ...]  # the words that decided, as folded


@lru_cache(maxsize=4_096)
def read_text(message: str) -> TextReading:
    """Read one message (its first 10,000 characters); any text gives an answer, none raises.

    Negated phrases do not count, and a refusal ("not interested", "unsubscribe") rules buying out.
    A job seeker's or a vendor's words outweigh buying words, which such messages often hold too.
    """
    text = " ".join(fold(message[: LIMITS["long_text"]].translate(_QUOTES)).split(" "))
    weights = {intent: _weigh(text, phrases) for intent, phrases in INTENT_PHRASES.items()}
    refusal = next((found[0] for p in REFUSALS if (found := p.pattern.search(text))), "")
    intent, confidence = _intent({name: w for name, (w, _) in weights.items()}, bool(refusal))
    timeline = _timeline(text)
    evidence = [refusal] if refusal and intent == "none" else weights.get(intent, (0, []))[1]
    return TextReading(
        intent=intent,
        urgency=_urgency(text, timeline),
        timeline=timeline,
        needs=tuple(need for need in NEEDS if _weigh(text, NEED_PHRASES[need])[0]),
        budget=_weigh(text, BUDGET)[0] > 0,
        confidence=round(confidence, 3),
        evidence=tuple(evidence[:5]),
    )


def _intent(weights: Mapping[str, float], refused: bool) -> tuple[str, float]:
    if refused:
        weights = {**weights, "buying": 0.0}
    for name in ("job", "vendor"):
        if weights[name] >= 2:
            return name, _confidence(weights[name], 0.0)
    best, other = "buying", "support"
    if weights["support"] > weights["buying"]:
        best, other = other, best
    if weights[best] >= _DECIDES:
        return best, _confidence(weights[best], weights[other])
    lean = max(weights.values())
    return "none", 1.0 if refused else 1 - _confidence(lean, 0.0)


def _confidence(weight: float, against: float) -> float:
    """Grows with the weight, shrinks with what speaks against it: 2 alone is 0.67, 4 is 0.8."""
    return weight / (weight + against + 1.0)


def _weigh(text: str, phrases: Iterable[Phrase]) -> tuple[float, list[str]]:
    """Sum of the weights of phrases that occur un-negated (each counts once), strongest first."""
    found: list[tuple[float, str]] = []
    for phrase in phrases:
        for match in phrase.pattern.finditer(text):
            if not _negated(text, match.start()):
                found.append((phrase.weight, " ".join(match[0].split())[:60]))
                break
    found.sort(key=lambda item: -item[0])
    return sum(weight for weight, _ in found), [words for _, words in found]


def _negated(text: str, start: int) -> bool:
    before = text[max(0, start - 40) : start]
    return NEGATION.search(CLAUSE_END.split(before)[-1]) is not None


def _timeline(text: str) -> str:
    """The soonest time that is asked for; "later" only when nothing sooner is."""
    named = [
        name for name in TIMELINES if name != "later" and _weigh(text, TIMELINE_PHRASES[name])[0]
    ]
    for match in DURATION.finditer(text):
        if not _negated(text, match.start()):
            named.append(_horizon(_days(match["count"], match["unit"])))
    postponed = any(phrase.pattern.search(text) for phrase in TIMELINE_PHRASES["later"])
    if postponed:
        named = [name for name in named if name not in {"now"}] + ["later"]
    return min(named, key=TIMELINES.index) if named else ""


def _days(count: str, unit: str) -> int:
    days = next(days for start, days in UNIT_DAYS if unit.startswith(start))
    return days * (COUNT_WORDS[count] if count in COUNT_WORDS else int(count))


def _horizon(days: int) -> str:
    if days <= 31:
        return "now"
    if days <= 100:
        return "quarter"
    return "year" if days <= 400 else "later"


def _urgency(text: str, timeline: str) -> str:
    if _weigh(text, DEADLINES)[0] or timeline == "now":
        return "high"
    if timeline == "quarter" or _weigh(text, SOON)[0]:
        return "medium"
    return "low" if timeline in {"year", "later"} else ""
