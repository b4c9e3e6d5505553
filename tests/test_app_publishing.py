"""Rules come into force only whole, for fields that exist, and agreed on by both evaluators."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from store_world import DATABASES, NOW, commit, emptied, key, opened, record, rows, visit
from typer.testing import CliRunner

from app.cli import cli
from app.publishing import publish
from data.columns import LeadColumns
from data.store import Store
from data.tables import RuleSetRow
from scoring.operators import OPERATORS, Operator
from scoring.rules import DEFAULT_RULES_TEXT, default_rule_set

OURS = """\
name: Ours
fields: {Seats__c: number, plan: text}
dimensions:
  fit:
    groups:
      - id: company
        rules:
          - {id: seats, when: {Seats__c: {at_least: 50}}, points: 5}
          - {id: plan, when: {plan: {starts_with: [gold, silver]}}, points: 3}
          - {id: visits, each: {kind: page_visit, url: {contains: pricing}}, points: 2, cap: 9}
"""


@pytest.fixture(scope="module", params=DATABASES)
def database(request: pytest.FixtureRequest, tmp_path_factory: Any) -> Iterator[Store]:
    """A store on either database, for all tests."""
    with opened(request, tmp_path_factory.mktemp("store")) as found:
        yield found


@pytest.fixture
def store(database: Store) -> Store:
    """Three leads with custom fields as a CRM sends them, under the default rules."""
    store = emptied(database)
    rules = default_rule_set()
    store.activate_rule_set(rules.document, rules.hash, rules.name, "", NOW)
    people = [
        record(1, Seats__c="120", plan="Gold"),
        record(2, Seats__c="many", plan="silver 2"),
        record(3),
    ]
    urls = ["/Pricing", "/blog", "/PRICING?x"]
    seen = [visit(i, key(i % 3 + 1), detail={"url": url}) for i, url in enumerate(urls)]
    commit(store, records=people, engagements=seen)
    return store


def in_force(store: Store) -> tuple[str, str]:
    active = [row for row in rows(store, RuleSetRow) if row.state == "active"]
    assert len(active) == 1
    return active[0].name, active[0].note


def test_good_rules_come_into_force(store: Store, tmp_path: Path) -> None:
    version, problems = publish(store, tmp_path, OURS, "Seats count", NOW)
    assert (version, problems) == (2, [])
    assert in_force(store) == ("Ours", "Seats count")
    again, problems = publish(store, tmp_path, DEFAULT_RULES_TEXT, "Back", NOW)
    assert (again, problems) == (1, [])
    assert in_force(store) == ("Default rules", "Back")


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        ("points: 5", "points: 1e308", "too large a number"),
        ("points: 5", "points: .nan", "A finite one"),
        ("id: plan", "id: seats", "already in use"),
        ("at_least: 50", "atleast: 50", "Did you mean at_least?"),
        ("at_least: 50", "at_least: 50, below: 5", "exclude each other"),
        ("starts_with: [gold, silver]", "matches: '(a+)+'", "can take for ever"),
        ("id: company", "id: company\n        max: -20\n        min: 3", "is above 'max'"),
        ("name: Ours", "name: &a Ours", "Anchors and aliases"),
        ("name: Ours", "name: Ours\nversion: 2", "Install a newer Leadlight"),
        ("plan: {starts", "paln: {starts", "Did you mean plan?"),
        ("Seats__c", "Sets__c", "No lead has the field “Sets__c”"),
    ],
)
def test_broken_rules_leave_those_in_force_alone(
    store: Store, tmp_path: Path, old: str, new: str, said: str
) -> None:
    before = rows(store, RuleSetRow)
    version, problems = publish(store, tmp_path, OURS.replace(old, new), "", NOW)
    assert version is None
    assert said in " ".join(map(str, problems))
    assert rows(store, RuleSetRow) == before


@pytest.mark.parametrize("rule_set_hash", ["of another document", default_rule_set().hash])
def test_the_store_itself_activates_no_broken_document(store: Store, rule_set_hash: str) -> None:
    before = rows(store, RuleSetRow)
    for document in ("name: x", "", OURS.replace("at_least", "atleast"), OURS):
        with pytest.raises(ValueError, match="cannot be put in force"):
            store.activate_rule_set(document, rule_set_hash, "x", "", NOW)
    assert rows(store, RuleSetRow) == before


def test_rules_that_the_evaluators_read_differently_are_refused(
    store: Store, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """An operator whose test has a memory: it says no to a text that it has seen before."""
    seen: set[str] = set()

    def fickle(argument: Any) -> Any:
        return lambda value: value not in seen and not seen.add(value)

    plain = OPERATORS["starts_with"]
    faulty = Operator(plain.label, plain.accepts, plain.argument, fickle, plain.example)
    before = rows(store, RuleSetRow)
    with monkeypatch.context() as patch:
        patch.setitem(OPERATORS, "starts_with", faulty)
        version, (problem, *_) = publish(store, tmp_path, OURS, "", NOW)
    assert version is None
    assert "Scoring one lead and scoring many differ for “plan” “gold”" in problem.message
    assert rows(store, RuleSetRow) == before


def test_a_field_is_no_longer_there_once_no_lead_has_it(store: Store, tmp_path: Path) -> None:
    assert publish(store, tmp_path, OURS, "", NOW)[0] is not None
    later = NOW + timedelta(days=1)
    people = [record(i, plan="x", modified_at=later) for i in (1, 2)]
    commit(store, later, records=people, engagements=[visit(i + 9, key(i)) for i in (1, 2)])
    _, (problem,) = publish(store, tmp_path, OURS.replace("points: 5", "points: 6"), "", later)
    assert problem.message.startswith("No lead has the field “Seats__c”")


def test_an_empty_store_takes_any_good_rules(database: Store, tmp_path: Path) -> None:
    store = emptied(database)
    assert LeadColumns(store.engine, tmp_path).current().columns(()).n == 0
    assert publish(store, tmp_path, OURS, "", NOW) == (1, [])


def test_rules_are_published_on_the_command_line(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("LEADLIGHT_HOME", str(tmp_path / "home"))
    (tmp_path / "home").mkdir()
    path = tmp_path / "rules.yaml"
    path.write_text(OURS, encoding="utf-8")
    result = CliRunner().invoke(cli, ["rules", "publish", str(path), "--note", "First"])
    assert (result.exit_code, result.stdout) == (0, f"{path} is in force, as version 1.\n")
    path.write_text(OURS.replace("points: 5", "points: 500"), encoding="utf-8")
    result = CliRunner().invoke(cli, ["rules", "publish", str(path)])
    assert (result.exit_code, "between -100 and 100" in result.stderr) == (1, True)
    with_store = Store.open(f"sqlite:///{tmp_path / 'home' / 'leadlight.db'}")
    assert in_force(with_store) == ("Ours", "First")
    with_store.close()
