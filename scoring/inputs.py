"""What a score was computed from, as compact JSON: enough to compute it again, byte for byte.

Only what scoring can read is kept: of an engagement's detail the url, form, campaign and subject,
never the message.
"""

from __future__ import annotations

import hashlib
import json
import math
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

from scoring.criteria import DETAILS
from scoring.leads import Engagement, FieldValue, RecordKey, utc
from scoring.scores import Fact, Facts

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND = timedelta(microseconds=1)

#: Derived facts that grow with the clock; their time is what they count from.
GROWING_FACTS = frozenset({"age_days"})

#: An engagement with its instant in microseconds since 1970, as the engine orders them.
Timed = tuple[int, str, Engagement]


def microseconds(moment: datetime) -> int:
    """Microseconds since 1970, exact; raises ValueError for a naive time."""
    if moment.tzinfo is None:
        moment = utc(moment)
    return (moment - _EPOCH) // _MICROSECOND


def instant(at_us: int) -> datetime:
    """The inverse of `microseconds`, aware UTC."""
    return _EPOCH + timedelta(microseconds=at_us)


def grown_days(since_us: int, at_us: int) -> float:
    """Days from one instant to another, not below 0, in the very steps of `scoring.facts`."""
    return max(0.0, (at_us - since_us) / 1_000_000 / 86_400)


def as_of(facts: Facts, now: datetime) -> Facts:
    """The facts as they are at `now`: those that grow by themselves count on."""
    grown = {
        name: Fact(grown_days(microseconds(fact.at), microseconds(now)), fact.source, fact.at)
        for name in GROWING_FACTS
        if (fact := facts.get(name)) is not None and fact.at is not None
    }
    return {**facts, **grown} if grown else facts


def in_order(engagements: Sequence[Engagement]) -> list[Timed]:
    """Engagements by time, then key; one that is given twice (same key) counts once."""
    timed = [(microseconds(e.occurred_at), e.key, e) for e in engagements]
    timed.sort(key=lambda item: item[:2])
    if len({item[1] for item in timed}) == len(timed):
        return timed
    timed.sort(key=lambda item: (item[0], item[1], json.dumps(_row(item), sort_keys=True)))
    first: dict[str, Timed] = {}
    for item in timed:
        first.setdefault(item[1], item)
    return list(first.values())


def inputs_to_json(facts: Facts, engagements: Sequence[Engagement]) -> str:
    """Facts with source and time, and engagements, as one line of ASCII JSON."""
    known = {
        name: [
            _plain(fact.value),
            fact.source,
            utc(fact.at).isoformat() if fact.at else None,
        ]
        for name, fact in facts.items()
    }
    rows = []
    for item in in_order(engagements):
        engagement = item[2]
        who = [str(engagement.record) if engagement.record else "", engagement.email]
        rows.append([*_row(item), *who])
    return _dumps({"facts": known, "engagements": rows})


def inputs_from_json(text: str) -> tuple[dict[str, Fact], list[Engagement]]:
    """What `inputs_to_json` wrote; raises ValueError with a message for anything else."""
    try:
        content = json.loads(text)
        facts = _facts(content)
        engagements = [
            Engagement(
                key=key,
                kind=kind,
                occurred_at=_EPOCH + timedelta(microseconds=at),
                record=RecordKey.parse(record) if record else None,
                email=email,
                detail=detail,
            )
            for key, kind, at, detail, record, email in content["engagements"]
        ]
    except (ValueError, KeyError, TypeError, AttributeError, OverflowError) as error:
        raise ValueError(f"This is not a score's inputs: {error!r}") from error
    return facts, engagements


def facts_of_inputs(text: str) -> dict[str, Fact]:
    """The facts alone of what `inputs_to_json` wrote; raises ValueError for anything else."""
    try:
        return _facts(json.loads(text))
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise ValueError(f"This is not a score's inputs: {error!r}") from error


def inputs_hash(facts: Facts, ordered: Sequence[Timed]) -> str:
    """Hash of the values and engagements (from `in_order`) that a score is computed from.

    A fact's source and time do not change a score, so they are not in it. A fact that grows by
    itself is represented by the time it counts from, so that the hash stays when nothing happens.
    """
    known = {
        name: _plain(fact.at if name in GROWING_FACTS and fact.at else fact.value)
        for name, fact in facts.items()
    }
    text = _dumps([known, [_row(item) for item in ordered]])
    return hashlib.sha256(text.encode("ascii")).hexdigest()[:32]


_dumps = json.JSONEncoder(sort_keys=True, separators=(",", ":"), allow_nan=False).encode


def _facts(content: Any) -> dict[str, Fact]:
    return {
        name: Fact(_value(value), source, datetime.fromisoformat(at) if at else None)
        for name, (value, source, at) in content["facts"].items()
    }


def _row(item: Timed) -> list[Any]:
    at, key, engagement = item
    detail = {k: v for k, v in engagement.detail.items() if k in DETAILS}
    return [key, engagement.kind, at, detail]


def _plain(value: FieldValue) -> object:
    if isinstance(value, datetime):
        return {"time": (utc(value) if value.tzinfo else value).isoformat()}
    if isinstance(value, float) and not math.isfinite(value):
        return {"number": str(value)}
    return value


def _value(value: Any) -> FieldValue:
    if isinstance(value, list):
        return tuple(map(str, value))
    if isinstance(value, dict):
        if "time" in value:
            return datetime.fromisoformat(value["time"])
        return float(value["number"])
    if not isinstance(value, str | int | float):
        raise TypeError(f"unusable value {value!r}")
    return value
