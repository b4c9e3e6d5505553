"""What scoring reads of a lead, as lines beside it: written with its score, read in bulk.

One line a fact: a letter for its kind, its name, a tab, its value. Sources and times are left out;
of a fact that grows by itself the time it counts from is kept instead of its value.
"""

from __future__ import annotations

import json
import math
import re
from collections.abc import Mapping
from datetime import datetime
from secrets import token_hex

from sqlalchemy import Connection, func, select

from data.rows import upsert
from data.tables import InputChange, LeadInput, table
from scoring.inputs import GROWING_FACTS, microseconds
from scoring.leads import FieldValue, utc
from scoring.scores import Fact, Facts

INPUT, CHANGE = table(LeadInput), table(InputChange)
#: Changes that are remembered; who has not looked for longer reads everything again.
KEEP_CHANGES = 100_000
#: First letter of a line.
TEXT, NUMBER, FLAG, LIST, DATE, SINCE = "tnblds"

_ODD = re.compile(r"[\x00-\x1f\\]")


def save_inputs(connection: Connection, inputs: Mapping[int, Facts | None]) -> None:
    """Note the facts of leads that changed, or whose engagements did; None: not scored any more.

    The caller is the only writer (`writing(…, alone=True)`), so versions follow commits.
    """
    if not inputs:
        return
    version = int(connection.execute(select(func.max(CHANGE.c.version))).scalar() or 0) + 1
    connection.execute(CHANGE.insert().values(version=version, token=token_hex(8)))
    connection.execute(CHANGE.delete().where(CHANGE.c.version <= version - KEEP_CHANGES))
    rows = [
        {
            "lead_id": lead_id,
            "version": version,
            "facts": None if facts is None else facts_to_lines(facts),
        }
        for lead_id, facts in inputs.items()
    ]
    upsert(connection, INPUT, rows)


def facts_to_lines(facts: Facts) -> str:
    """All facts that a rule could read, a line each."""
    lines = (_line(name, fact) for name, fact in facts.items())
    return "".join(line for line in lines if line)


def _line(name: str, fact: Fact) -> str:
    if name in GROWING_FACTS:
        return f"{SINCE}{name}\t{microseconds(fact.at)}\n" if fact.at else ""
    kind, value = _written(fact.value)
    return f"{kind}{escaped(name)}\t{value}\n" if kind else ""


def _written(value: FieldValue) -> tuple[str, str]:
    """A value's kind and text; no kind for what rules take as unknown."""
    if isinstance(value, str):
        return TEXT, escaped(value)
    if isinstance(value, bool):
        return FLAG, "1" if value else ""
    if isinstance(value, tuple):
        return LIST, json.dumps(value)
    if isinstance(value, datetime):
        return (DATE, str(microseconds(utc(value)))) if value.tzinfo else ("", "")
    try:
        number = float(value)
    except OverflowError:
        return "", ""
    return (NUMBER, repr(number)) if math.isfinite(number) else ("", "")


def escaped(text: str) -> str:
    """Text without tabs and line ends; only then there are backslashes in it."""
    return json.dumps(text, ensure_ascii=False)[1:-1] if _ODD.search(text) else text


def restored(text: str) -> str:
    """The inverse of `escaped`."""
    return str(json.loads(f'"{text}"')) if "\\" in text else text


def read_written(kind: str, text: str) -> FieldValue:
    """The value of a line of TEXT, FLAG or LIST."""
    if kind == FLAG:
        return text == "1"
    return tuple(json.loads(text)) if kind == LIST else restored(text)
