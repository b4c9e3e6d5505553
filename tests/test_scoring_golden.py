"""Scores of fixed leads, kept in a file: a change nobody meant does not go unseen."""

from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import yaml

from scoring.columns import columns_of
from scoring.criteria import DETAILS
from scoring.engine import ENGINE_VERSION, inputs_from_json
from scoring.kernel import NONE, ColumnScorer
from scoring.operators import OPERATORS
from scoring.rule_keys import (
    BAND_KEYS,
    CAPACITY_KEYS,
    COUNT_KEYS,
    DECAY_KEYS,
    DIMENSION_KEYS,
    DISQUALIFIER_KEYS,
    DOCUMENT_KEYS,
    ENGAGEMENT_KEYS,
    FIELD_TYPES,
    GROUP_KEYS,
    NEXT_STEP_KEYS,
    OCCURRENCES,
    RESERVED,
    RULE_KEYS,
    SILENCE_KEYS,
    SUPPRESSION_KEYS,
)
from tests import golden_scores as golden

GOLDEN = golden.load()
CHANGED = f"""\
This engine gives other scores than tests/golden/scores.json says for version {ENGINE_VERSION}, for
the leads above. Either the change was not meant: then it is a defect. Or it was: then raise
ENGINE_VERSION in scoring/engine.py, because logged scores name the version that computed them, and
run `make golden`."""
NEW = f"tests/golden/scores.json knows no engine version {ENGINE_VERSION} yet: run `make golden`."


def test_the_engine_says_of_each_lead_what_it_said_before() -> None:
    texts = [golden.inputs_of(row) for row in GOLDEN["leads"]]
    found = golden.computed(texts)
    differing = [
        f"lead {number}, {name}, {was['now']}: " + ", ".join(differences(was, now))
        for number, (row, again) in enumerate(zip(GOLDEN["leads"], found, strict=True))
        for name in row["scores"]
        for was, now in zip(row["scores"][name], again["scores"][name], strict=True)
        if was != now
    ]
    told = [*differing[:8], f"{len(differing)} of {6 * len(texts)} scores differ.", CHANGED]
    assert not differing, "\n".join(told)


def differences(was: dict[str, Any], now: dict[str, Any]) -> Iterator[str]:
    """What differs between two answers, in words."""
    for name in was:
        if name == "points":
            rules = sorted(was[name].keys() | now[name].keys())
            pairs = {rule: (was[name].get(rule, 0), now[name].get(rule, 0)) for rule in rules}
            yield from (f"{rule} {a} is now {b}" for rule, (a, b) in pairs.items() if a != b)
        elif was[name] != now[name]:
            yield f"{name} {was[name]} is now {now[name]}"


def test_the_file_is_what_this_engine_version_has_said_from_the_start() -> None:
    """An edited file, or one written anew without a new version, has another fingerprint."""
    known = GOLDEN["engine_versions"].get(ENGINE_VERSION)
    assert known == golden.fingerprint(GOLDEN["leads"]), CHANGED if known else NEW


def test_many_leads_at_once_say_the_same() -> None:
    leads = [inputs_from_json(golden.inputs_of(row)) for row in GOLDEN["leads"]]
    for name, rule_set in golden.rule_sets().items():
        scorer = ColumnScorer(rule_set, columns_of(leads, rule_set.fact_types))
        keys = [band.key for band in rule_set.bands]
        held = np.full(len(leads), NONE, np.int8)
        for position, now in enumerate(golden.NOWS):
            found = scorer.score(now, held)
            held = found.band
            rows = [row["scores"][name][position] for row in GOLDEN["leads"]]
            assert found.value.tolist() == [row["value"] for row in rows]
            assert [keys[b] if b != NONE else "" for b in held] == [row["band"] for row in rows]


def test_the_leads_reach_every_band_and_every_rule() -> None:
    for name, rule_set in golden.rule_sets().items():
        scores = [score for row in GOLDEN["leads"] for score in row["scores"][name]]
        assert {score["band"] for score in scores} == {"", *(band.key for band in rule_set.bands)}
        given = {rule for score in scores for rule, points in score["points"].items() if points}
        never = {rule.id for rule in rule_set.rules()} - given
        if name == "every_feature":
            assert never == set()


def words(value: Any) -> Iterator[str]:
    """Every key of a document, and texts that are words of the language."""
    if isinstance(value, dict):
        for key, inner in value.items():
            yield str(key)
            yield from words(inner)
    elif isinstance(value, list):
        for inner in value:
            yield from words(inner)
    elif isinstance(value, str):
        yield value


@pytest.mark.parametrize(
    "table",
    [
        DOCUMENT_KEYS, BAND_KEYS, CAPACITY_KEYS, SUPPRESSION_KEYS, DISQUALIFIER_KEYS,
        NEXT_STEP_KEYS, DIMENSION_KEYS, GROUP_KEYS, RULE_KEYS, DECAY_KEYS, COUNT_KEYS,
        ENGAGEMENT_KEYS, SILENCE_KEYS, OCCURRENCES, RESERVED, FIELD_TYPES, DETAILS,
        tuple(OPERATORS), ("neutral", "zero"),
    ],
)  # fmt: skip
def test_the_second_document_uses_every_word_of_the_language(table: tuple[str, ...]) -> None:
    text = (golden.FOLDER / "every_feature.yaml").read_text("utf-8")
    assert set(table) - set(words(yaml.safe_load(text))) == set()


def test_the_instants_are_before_during_and_after_what_happens() -> None:
    moments = [
        event.occurred_at
        for row in GOLDEN["leads"]
        for event in inputs_from_json(golden.inputs_of(row))[1]
    ]
    for now in golden.NOWS:
        assert min(moments) < now < max(moments)
    assert golden.NOWS[2] - golden.NOWS[0] > timedelta(days=60)


def test_the_same_version_is_not_written_a_second_time(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    file = tmp_path / "scores.json"
    monkeypatch.setattr(golden, "FILE", file)
    file.write_text(json.dumps({"engine_versions": {ENGINE_VERSION: "others"}, "leads": []}))
    before = file.read_bytes()
    assert golden.main() == 1
    assert "raise ENGINE_VERSION" in capsys.readouterr().err
    assert file.read_bytes() == before


def test_writing_anew_changes_nothing() -> None:
    assert golden.written(GOLDEN["engine_versions"], GOLDEN["leads"]) == golden.FILE.read_text(
        "utf-8"
    )
