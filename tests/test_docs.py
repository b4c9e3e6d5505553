"""The documentation names everything that exists, and nothing that does not."""

from __future__ import annotations

import re
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
import typer
import yaml

from app.cli import cli
from app.pipeline import Pipeline
from app.settings import PREFIX, Settings
from connectors.base import Stream
from data.store import Store
from scoring.documents import MAX_CHARACTERS
from scoring.facts import FACTS
from scoring.leads import ENGAGEMENT_KINDS
from scoring.operators import FACT_TYPES, OPERATORS
from scoring.rule_keys import (
    BAND_KEYS,
    CAPACITY_KEYS,
    COUNT_KEYS,
    DIMENSION_KEYS,
    DISQUALIFIER_KEYS,
    DOCUMENT_KEYS,
    FIELD_TYPES,
    GROUP_KEYS,
    MAX_RULES,
    NEXT_STEP_KEYS,
    RESERVED,
    RULE_KEYS,
    SUPPRESSION_KEYS,
)
from scoring.rules import parse_rule_set
from scoring.scores import DIMENSIONS

ROOT = Path(__file__).resolve().parent.parent
DOCS = sorted([ROOT / "README.md", ROOT / "CONTRIBUTING.md", *(ROOT / "docs").glob("*.md")])


def text(name: str) -> str:
    return (ROOT / name).read_text("utf-8")


def section(title: str) -> str:
    """One part of docs/rules.md, without the parts below it."""
    found = re.search(
        rf"^#+ {re.escape(title)}\n(.*?)(?=^#|\Z)", text("docs/rules.md"), re.S | re.M
    )
    assert found, title
    return found.group(1)


def rows(title: str) -> dict[str, list[str]]:
    """Rows of a section's table, by each word in backticks of the first cell."""
    found: dict[str, list[str]] = {}
    for line in section(title).splitlines():
        cells = [cell.strip() for cell in re.split(r"(?<!\\)\|", line)[1:-1]]
        for name in re.findall("`([a-z_]+)`", cells[0]) if cells else ():
            found[name] = cells
    return found


def commands(command: Any = None, way: tuple[str, ...] = ("leadlight",)) -> Iterator[str]:
    """Every command with those of its groups: "leadlight rules check"."""
    command = command or typer.main.get_command(cli)
    for name, inner in getattr(command, "commands", {}).items():
        yield " ".join([*way, name])
        yield from commands(inner, (*way, name))


# -- the command line and the settings -------------------------------------------------------------


@pytest.mark.parametrize("command", list(commands()))
def test_every_command_is_documented(command: str) -> None:
    everywhere = "\n".join(path.read_text("utf-8") for path in DOCS)
    assert re.search(rf"{command}\b", everywhere)
    assert " ".join(command.split()[:2]) in text("docs/operations.md")


def test_no_command_is_documented_that_does_not_exist() -> None:
    known = set(commands())
    for path in DOCS:
        for name in re.findall(r"`(leadlight [a-z]+)\b", path.read_text("utf-8")):
            assert name in known, f"{path.name} speaks of {name}"


@pytest.mark.parametrize("setting", Settings.model_fields)
def test_every_setting_is_documented(setting: str) -> None:
    assert f"| `{PREFIX}{setting.upper()}` |" in text("docs/operations.md")


def test_no_setting_is_documented_that_does_not_exist() -> None:
    named = set(
        re.findall(rf"{PREFIX}[A-Z][A-Z_]*[A-Z]", text("docs/operations.md") + text("README.md"))
    )
    known = {PREFIX + name.upper() for name in Settings.model_fields}
    assert named - known == set()


class NamedCrm:
    """As much of a CRM as its jobs need to be listed."""

    name = "hubspot"

    def streams(self) -> list[Stream]:
        return [Stream("contacts", "Contacts")]


def test_every_job_is_documented(tmp_path: Path) -> None:
    store = Store.open(f"sqlite:///{tmp_path / 'x.db'}", migrate=True)
    pipeline = Pipeline(store, [NamedCrm()], lambda: datetime(2026, 1, 1, tzinfo=UTC))  # type: ignore[list-item]
    jobs = {job.name.split(":")[0] for job in pipeline.jobs()}
    documented = re.findall(r"^\| `([a-z-]+)(?::…)?` \|", text("docs/operations.md"), re.M)
    assert jobs - set(documented) == set()
    store.close()


# -- the rule language -----------------------------------------------------------------------------


@pytest.mark.parametrize("name", OPERATORS)
def test_every_operator_is_documented_with_its_types_and_its_example(name: str) -> None:
    operator, (_, types, example) = OPERATORS[name], rows("Operators")[name]
    assert example == f"`{operator.example}`"
    accepted = (
        FACT_TYPES if types == "everything" else re.split(", ", re.sub(r" \(.*\)", "", types))
    )
    assert set(accepted) == set(operator.accepts)


@pytest.mark.parametrize("name", FACTS)
def test_every_fact_is_documented_with_its_type_and_its_values(name: str) -> None:
    fact, (names, types, remark) = FACTS[name], rows("Facts")[name]
    together, kinds = re.findall("`([a-z_]+)`", names), types.split(", ")
    assert (kinds[together.index(name)] if len(kinds) > 1 else kinds[0]) == fact.type
    for value in fact.values:
        assert re.search(rf"\b{value}\b", remark), value


def test_every_kind_of_engagement_is_documented() -> None:
    assert set(re.findall("`([a-z_]+)`", section("Engagements"))) == set(ENGAGEMENT_KINDS)


def test_nothing_is_documented_that_is_not_in_the_tables() -> None:
    assert set(rows("Operators")) == set(OPERATORS)
    assert set(rows("Facts")) == set(FACTS)
    assert set(rows("A rule")) - {"decay"} <= set(RULE_KEYS)
    assert set(rows("The document")) <= set(DOCUMENT_KEYS) | set(BAND_KEYS)


@pytest.mark.parametrize(
    "word",
    sorted(
        {*DOCUMENT_KEYS, *BAND_KEYS, *CAPACITY_KEYS, *SUPPRESSION_KEYS, *DISQUALIFIER_KEYS,
         *NEXT_STEP_KEYS, *DIMENSION_KEYS, *GROUP_KEYS, *RULE_KEYS, *COUNT_KEYS, *RESERVED,
         *FIELD_TYPES, *DIMENSIONS}
    ),
)  # fmt: skip
def test_every_word_of_the_language_is_documented(word: str) -> None:
    prose = re.sub("^```.*?^```", "", text("docs/rules.md"), flags=re.S | re.M)
    quoted = " ".join(re.findall("`[^`]+`", prose))
    assert re.search(rf"\b{word}\b", quoted)


def test_the_examples_are_documents_that_parse() -> None:
    blocks = re.findall("^```yaml\n(.*?)^```", text("docs/rules.md"), re.S | re.M)
    kinds = {next(iter(yaml.safe_load(block))): block for block in blocks}
    assert {"name", "when", "fields"} <= set(kinds)
    assert parse_rule_set(kinds["name"])[1] == []
    rule = {"id": "r", "points": 1} | yaml.safe_load(kinds["when"])
    groups = [{"id": "g", "rules": [rule]}]
    own = yaml.safe_load(kinds["fields"])
    assert parse_rule_set({"name": "x", "dimensions": {"fit": {"groups": groups}}} | own)[1] == []


def test_the_limits_are_what_is_said() -> None:
    assert f"{MAX_CHARACTERS:,} characters, {MAX_RULES:,} rules" in text("docs/rules.md")


# -- all documents ---------------------------------------------------------------------------------


@pytest.mark.parametrize("path", DOCS, ids=lambda path: path.name)
def test_every_link_leads_somewhere(path: Path) -> None:
    for target in re.findall(r"\]\(([^)#\s]+)(?:#[^)]*)?\)", path.read_text("utf-8")):
        if "://" not in target:
            assert (path.parent / target).exists(), target
