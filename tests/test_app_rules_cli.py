"""`leadlight rules`: documents checked, formatted, compared and explained on the command line."""

from __future__ import annotations

import csv
import json
import stat
from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

from app.cli import cli
from app.score_file import score_file
from scoring.rule_schema import rule_schema
from scoring.rules import DEFAULT_RULES_TEXT, default_rule_set

UNTIDY = """\
dimensions:
  fit: {groups: [{id: g, rules: [
    {points: 3, id: seats, when: {Seats__c: {at_least: 50}}}]}]}
name: Ours   # really
"""
FIELDS = "fields: {Seats__c: number}\n"
MAP = "columns:\n  E-mail: email\n  Size: {as: Seats__c, type: number}\n"


@pytest.fixture
def rules(tmp_path: Path) -> Path:
    """A document with one custom field, named in it."""
    path = tmp_path / "rules.yaml"
    path.write_text(FIELDS + UNTIDY, encoding="utf-8")
    return path


def run(*arguments: str | Path) -> Result:
    return CliRunner().invoke(cli, ["rules", *map(str, arguments)])


def broken(tmp_path: Path) -> Path:
    path = tmp_path / "broken.yaml"
    path.write_text(DEFAULT_RULES_TEXT.replace("by: seniority", "by: senority").replace(
        "from: 65", "from: .inf"), encoding="utf-8")  # fmt: skip
    return path


# -- check -------------------------------------------------------------------------------------


def test_a_good_document_is_called_good(rules: Path) -> None:
    result = run("check", rules)
    assert (result.exit_code, result.stderr) == (0, "")
    assert result.stdout == f"{rules}: “Ours”, 1 rule, no problems.\n"


def test_every_problem_is_listed_with_its_line_and_what_was_meant(tmp_path: Path) -> None:
    path = broken(tmp_path)
    result = run("check", path)
    assert result.exit_code == 1
    first, second, last = result.stderr.splitlines()
    line = path.read_text("utf-8").split("from: .inf")[0].count("\n") + 1
    assert first.startswith(f"{path}, line {line}: 'from' is a number.")
    assert second.endswith("rule seniority: There is no fact 'senority'. Did you mean seniority?")
    assert last == "2 problems: nothing of the document is used until none is left."


def test_machines_get_the_same(tmp_path: Path, rules: Path) -> None:
    result = run("check", "--json", broken(tmp_path))
    answer = json.loads(result.stdout)
    assert (result.exit_code, answer["ok"], len(answer["problems"])) == (1, False, 2)
    assert answer["problems"][1]["suggestion"] == "seniority"
    answer = json.loads(run("check", "--json", rules).stdout)
    assert (answer["ok"], answer["problems"], answer["name"], answer["rules"]) == (
        True, [], "Ours", 1
    )  # fmt: skip


def test_a_mapping_brings_custom_fields_along(tmp_path: Path) -> None:
    path, mapping = tmp_path / "rules.yaml", tmp_path / "map.yaml"
    path.write_text(UNTIDY, encoding="utf-8")
    mapping.write_text(MAP, encoding="utf-8")
    assert "There is no fact 'Seats__c'" in run("check", path).stderr
    assert run("check", path, "--map", mapping).exit_code == 0
    assert run("explain", path, "--map", mapping).exit_code == 0
    mapping.write_text("columns: [a]", encoding="utf-8")
    result = run("check", path, "--map", mapping)
    assert (result.exit_code, "cannot be used" in result.stderr) == (2, True)


@pytest.mark.parametrize("command", ["check", "format", "explain"])
def test_a_file_that_cannot_be_read_is_said(command: str, tmp_path: Path) -> None:
    missing = run(command, tmp_path / "none.yaml")
    assert (missing.exit_code, "cannot be read" in missing.stderr) == (2, True)
    bad = tmp_path / "bad.yaml"
    bad.write_bytes(b"name: \xff\xfe")
    result = run(command, bad)
    assert (result.exit_code, "not UTF-8 text" in result.stderr) == (2, True)


def test_one_document_serves_a_file_and_a_crm(rules: Path, tmp_path: Path) -> None:
    """The field is a number in the document; a mapping may give it as text, as a CRM does."""
    leads, mapping = tmp_path / "leads.csv", tmp_path / "map.yaml"
    leads.write_text("E-mail,Size\na@acme.example,120\nb@acme.example,12\n", encoding="utf-8")
    scores = {}
    for kind in ("number", "text"):
        mapping.write_text(MAP.replace("type: number", f"type: {kind}"), encoding="utf-8")
        out = tmp_path / f"{kind}.csv"
        score_file(leads, rules, mapping, out)
        with out.open(encoding="utf-8", newline="") as file:
            scores[kind] = [row["score"] for row in csv.DictReader(file)]
    assert scores == {"number": ["3", "0"], "text": ["3", "0"]}


# -- format ------------------------------------------------------------------------------------


def test_formatting_rewrites_the_file_and_keeps_what_it_says(rules: Path) -> None:
    rules.chmod(0o640)
    before = json.loads(run("check", "--json", rules).stdout)["hash"]
    assert run("format", "--check", rules).exit_code == 1
    assert run("format", rules).stdout == f"{rules} is formatted.\n"
    text = rules.read_text(encoding="utf-8")
    assert text.splitlines()[:2] == ["name: Ours  # really", "fields: {Seats__c: number}"]
    assert json.loads(run("check", "--json", rules).stdout)["hash"] == before
    assert stat.S_IMODE(rules.stat().st_mode) == 0o640
    assert run("format", "--check", rules).exit_code == 0
    assert "already" in run("format", rules).stdout
    assert rules.read_text(encoding="utf-8") == text


def test_formatting_elsewhere_leaves_the_file(rules: Path, tmp_path: Path) -> None:
    text, other = rules.read_text(encoding="utf-8"), tmp_path / "other.yaml"
    assert run("format", rules, "-o", other).exit_code == 0
    assert rules.read_text(encoding="utf-8") == text
    assert json.loads(run("diff", "--json", rules, other).stdout) == []


def test_what_cannot_be_formatted_is_left_alone(tmp_path: Path) -> None:
    path = tmp_path / "rules.yaml"
    path.write_text("name: [1, 2", encoding="utf-8")
    result = run("format", path)
    assert (result.exit_code, "not readable YAML" in result.stderr) == (1, True)
    assert path.read_text(encoding="utf-8") == "name: [1, 2"


def test_a_place_that_cannot_be_written_is_said(rules: Path, tmp_path: Path) -> None:
    before = sorted(tmp_path.iterdir())
    for place in (tmp_path, tmp_path / "none" / "x.yaml"):
        result = run("format", rules, "-o", place)
        assert (result.exit_code, "cannot be written" in result.stderr) == (2, True)
    assert sorted(tmp_path.iterdir()) == before


# -- diff, explain, schema ---------------------------------------------------------------------


def test_a_difference_is_told_in_words(rules: Path, tmp_path: Path) -> None:
    other = tmp_path / "other.yaml"
    other.write_text((FIELDS + UNTIDY).replace("points: 3", "points: 4"), encoding="utf-8")
    assert run("diff", rules, other).stdout == "Rule “Seats”, points: +3 → +4\n"
    (change,) = json.loads(run("diff", "--json", rules, other).stdout)
    assert (change["id"], change["before"], change["after"]) == ("seats", "+3", "+4")
    assert change["text"] == "Rule “Seats”, points: +3 → +4"


def test_the_same_rules_are_called_the_same(rules: Path, tmp_path: Path) -> None:
    other = tmp_path / "other.yaml"
    other.write_text((FIELDS + UNTIDY).replace("at_least: 50", "at_least: 5.0e1"), encoding="utf-8")
    assert run("diff", rules, other).stdout == "Both say the same.\n"
    longhand = FIELDS + "version: 1\n" + UNTIDY
    other.write_text(longhand, encoding="utf-8")
    assert run("diff", rules, other).stdout == (
        "Both say the same. They are only written differently.\n"
    )


def test_a_broken_document_is_compared_with_nothing(rules: Path, tmp_path: Path) -> None:
    result = run("diff", rules, broken(tmp_path))
    assert (result.exit_code, result.stdout) == (1, "")
    assert "There is no fact 'senority'" in result.stderr


def test_a_document_is_explained_from_bands_to_the_order_of_operations(tmp_path: Path) -> None:
    path = tmp_path / "default.yaml"
    path.write_text(DEFAULT_RULES_TEXT, encoding="utf-8")
    result = run("explain", path)
    assert result.exit_code == 0
    assert result.stdout.startswith(f"Default rules (48 rules, hash {default_rule_set().hash[:8]})")
    for rule in default_rule_set().rules():
        assert f"  - {rule.label}: " in result.stdout
    assert "halving every 10 days" in result.stdout
    assert "after 90 days." in result.stdout
    assert "  - Already a customer: " in result.stdout
    assert "The rule's sum is rounded to a thousandth of a point" in result.stdout


def test_the_schema_is_printed() -> None:
    assert json.loads(run("schema").stdout) == rule_schema()
