"""`make golden`: write tests/golden/scores.json, what this engine version says about fixed leads.

The file holds its own inputs, so that it can be read, and scored, without this program. For each
engine version it keeps a fingerprint of the scores: the same version never gets a second one.
"""

from __future__ import annotations

import hashlib
import json
import random
import sys
from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from scoring.engine import ENGINE_VERSION, Scorer, compile_rule_set, inputs_from_json
from scoring.inputs import as_of, inputs_to_json
from scoring.leads import Engagement, FieldValue, RecordKey
from scoring.rules import DEFAULT_RULES_TEXT, RuleSet, parse_rule_set
from scoring.scores import Fact, Score

FOLDER = Path(__file__).parent / "golden"
FILE = FOLDER / "scores.json"
CREATED = datetime(2026, 3, 1, 9, 30, tzinfo=UTC)
NOWS = [CREATED + timedelta(days=days) for days in (1, 16, 75)]
LEADS, SEED = 200, 2026

TITLES = ("Head of Sales", "Chief Financial Officer", "VP Marketing", "Sales Intern", "Owner",
          "Revenue Operations Manager", "Student", "Software Engineer")  # fmt: skip
FACTS: dict[str, tuple[FieldValue, ...]] = {
    "seniority": ("c_level", "vp", "director", "manager", "individual", "student"),
    "department": ("executive", "sales", "marketing", "it", "hr"),
    "email_kind": ("business", "academic", "free", "disposable", "role", "invalid"),
    "employees": (0, 3, 9, 10, 49.5, 50, 200, 999, 1_000, 25_000),
    "annual_revenue": (0, 999_999, 1_000_000, 12_500_000.5, 400_000_000),
    "industry": ("software", "education", "retail", "financial services"),
    "country": ("US", "GB", "DE", "FR", "IN", "BR"),
    "domain": ("acme.example", "école.example"),
    "company": ("Acme", "Müller & Söhne"),
    "lead_source": ("organic search", "referral", "purchased list", "webinar"),
    "phone_valid": (True, False),
    "email_opt_out": (True, False),
    "email_bounced": (True, False),
    "text_intent": ("buying", "buying", "none", "support", "job", "vendor"),
    "text_urgency": ("high", "medium", "low"),
    "text_timeline": ("now", "quarter", "year", "later"),
    "text_need": (("pricing",), ("demo", "pricing"), ("security",), ()),
    "text_budget": (True, False),
    "page_views": (0, 7, 60),
    "lifecycle_stage": ("lead", "lead", "lead", "customer"),
    "Plan__c": ("Team", "business", "free", "ours"),
    "Seats__c": (0, 24.9, 25, 130, 10_000),
    "Partner__c": (True, False),
    "Interests__c": (("CRM", "Sales"), ("crm",), ("jobs",), ("other",)),
    "Trial_At__c": tuple(CREATED + timedelta(days=d) for d in (-20, 0, 10, 62)),
    "all": ("x", "y"),
}
WHATS: tuple[tuple[str, dict[str, str]], ...] = (
    ("page_visit", {"url": "/pricing"}),
    ("page_visit", {"url": "/demo/book"}),
    ("page_visit", {"url": "/careers"}),
    ("page_visit", {"url": "/blog"}),
    ("email_open", {"campaign": "Spring sale"}),
    ("email_click", {"campaign": "Spring sale"}),
    ("email_reply", {"subject": "Re: your offer"}),
    ("email_sent", {"subject": "Our offer"}),
    ("form_submission", {"form": "Demo request"}),
    ("call_connected", {}),
    ("meeting_booked", {}),
)
WHO = RecordKey("file", "row", "1")


def rule_sets() -> dict[str, RuleSet]:
    """The documents, by name; raises ValueError when one has a problem."""
    texts = {"default": DEFAULT_RULES_TEXT}
    texts["every_feature"] = (FOLDER / "every_feature.yaml").read_text("utf-8")
    found = {}
    for name, text in texts.items():
        rule_set, problems = parse_rule_set(text)
        if rule_set is None:
            raise ValueError(f"{name}: " + "; ".join(map(str, problems)))
        found[name] = rule_set
    return found


def invented(source: random.Random) -> tuple[dict[str, Fact], list[Engagement]]:
    """One lead; each fact is known twice in three."""
    facts = {
        name: Fact(source.choice(values), "file", CREATED)
        for name, values in FACTS.items()
        if source.random() < 2 / 3
    }
    if source.random() < 0.9:
        facts["job_title"] = Fact(source.choice(TITLES), "file", CREATED)
        facts["age_days"] = Fact(0.0, "derived", CREATED)
    first, last = source.choice(((0, 90), (0, 90), (10, 16), (68, 75)))  # days
    number = source.choice((0, 3, 6, 12))
    moments = sorted(source.randint(first * 86_400, last * 86_400) for _ in range(number))
    engagements = []
    for i, seconds in enumerate(moments):
        kind, detail = source.choice(WHATS)
        at = CREATED + timedelta(seconds=seconds)
        engagements.append(Engagement(f"e{i}", kind, at, WHO, detail=detail))
    return facts, engagements


def answers(scorer: Scorer, inputs: str) -> Iterator[dict[str, Any]]:
    """What the engine says of one lead at each instant; each knows the band of the one before."""
    facts, engagements = inputs_from_json(inputs)
    before: str | None = None
    for now in NOWS:
        score = scorer.score(as_of(facts, now), engagements, now, before)
        before = score.band or None
        yield answer(score)


def answer(score: Score) -> dict[str, Any]:
    """Everything of a score that people or CRMs get to see."""
    return {
        "now": f"{score.now:%Y-%m-%d}",
        "value": score.value,
        "low": score.low,
        "high": score.high,
        "band": score.band,
        "certain": score.band_certain,
        "mode": score.scoring_mode,
        "dimensions": list(score.dimensions.values()),
        "points": {row.rule: row.points for row in score.contributions if row.points},
        "assumed": [row.rule for row in score.contributions if not row.known],
        "why_not": score.suppressed or score.disqualified,
        "next_step": score.next_step,
    }


def fingerprint(rows: Sequence[Mapping[str, Any]]) -> str:
    """Of every input and every answer."""
    text = json.dumps(rows, sort_keys=True, ensure_ascii=True)
    return hashlib.sha256(text.encode("ascii")).hexdigest()


def computed(inputs: Sequence[str]) -> list[dict[str, Any]]:
    """All rows of the file for these leads."""
    scorers = {name: compile_rule_set(rule_set) for name, rule_set in rule_sets().items()}
    return [
        {
            "inputs": json.loads(text),
            "scores": {name: list(answers(scorer, text)) for name, scorer in scorers.items()},
        }
        for text in inputs
    ]


def invented_inputs() -> list[str]:
    """The leads of the file."""
    source = random.Random(SEED)
    return [inputs_to_json(*invented(source)) for _ in range(LEADS)]


def load() -> dict[str, Any]:
    """The file as it is."""
    found: dict[str, Any] = json.loads(FILE.read_text("utf-8"))
    return found


def inputs_of(row: Mapping[str, Any]) -> str:
    """A row's inputs as the engine reads them."""
    return json.dumps(row["inputs"])


def written(versions: Mapping[str, str], rows: Sequence[Mapping[str, Any]]) -> str:
    """The file's text: one line for what is known of a lead, one for each score."""
    lines = ['{"engine_versions": ' + _line(versions) + ",", '"leads": [']
    for number, row in enumerate(rows):
        lines.append('{"inputs": ' + _line(row["inputs"]) + ",")
        lines.append('"scores": {')
        names = list(row["scores"])
        for name in names:
            scores = ",\n".join("  " + _line(each) for each in row["scores"][name])
            lines.append(f' "{name}": [\n{scores}\n ]' + ("," if name != names[-1] else ""))
        lines.append("}}" + ("," if number < len(rows) - 1 else ""))
    return "\n".join([*lines, "]}", ""])


def _line(value: Any) -> str:
    return json.dumps(value, ensure_ascii=False, separators=(", ", ": "))


def main() -> int:
    """Write the file anew; refuses a second truth for the same engine version."""
    rows = computed(invented_inputs())
    versions = load()["engine_versions"] if FILE.exists() else {}
    if versions.setdefault(ENGINE_VERSION, fingerprint(rows)) != fingerprint(rows):
        sys.stderr.write(REFUSED)
        return 1
    FILE.write_text(written(versions, rows), "utf-8")
    return 0


REFUSED = f"""\
Not written. Engine version {ENGINE_VERSION} gave other answers before (tests/golden/scores.json).
Scores in people's logs name that version: they could no longer be computed again.
- If answers are meant to change: raise ENGINE_VERSION in scoring/engine.py, then `make golden`.
- If they are not: this is a defect; the differing lines of the test say where.
- If version {ENGINE_VERSION} was never released, or only the leads or documents of the golden file
  changed: take its line out of "engine_versions" first.
"""

if __name__ == "__main__":
    raise SystemExit(main())
