"""`leadlight backtest FILE`: rules held against the outcomes of a file's rows."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner, Result

from app.backtest_file import FileBacktest, backtest_file, file_summary
from app.backtest_words import in_words
from app.cli import cli
from app.score_output import ScoreFileError
from scoring.backtest import report

NOW = datetime(2026, 11, 23, 12, 0, tzinfo=UTC)
RULES = """
name: Seats
fields: {seats: number, notes: text}
bands: {good: {from: 20}, other: {from: 0}}
dimensions:
  fit:
    groups:
      - id: who
        rules:
          - {id: size, by: seats, points: {from 0: 0, from 10: 30}, missing: zero}
          - {id: noted, when: {notes: {is_known: true}}, points: 1}
"""
MAPPING = """
columns:
  Lead: id
  Seats: {as: seats, type: number}
  Notes: {as: notes, type: text}
  Status: lead_status
"""


@pytest.fixture
def rules(tmp_path: Path) -> Path:
    return written(tmp_path / "rules.yaml", RULES)


@pytest.fixture
def mapping(tmp_path: Path) -> Path:
    return written(tmp_path / "columns.yaml", MAPPING)


def written(path: Path, text: str) -> Path:
    path.write_text(text, "utf-8")
    return path


def leads(folder: Path, n: int = 90, **columns: Any) -> Path:
    """Every second lead has many seats and buys, but for each tenth; the last rows come first."""
    header = ["Lead", "Seats", "Notes", "Status", "Bought", *columns]
    rows = []
    for i in reversed(range(n)):
        large = i % 2 == 0
        bought = "yes" if large and i % 10 else "no"
        more = [make(i) for make in columns.values()]
        rows.append([str(i), "50" if large else "2", "", "open", bought, *more])
    lines = [",".join(row) for row in [header, *rows]]
    return written(folder / "leads.csv", "\n".join([*lines, ""]))


def found(file: Path, rules: Path, mapping: Path, **options: Any) -> FileBacktest:
    return backtest_file(file, rules, mapping, "Bought", NOW, **options)


def test_bands_and_their_rates(tmp_path: Path, rules: Path, mapping: Path) -> None:
    told = file_summary(found(leads(tmp_path), rules, mapping))
    (only,) = told["rule_sets"]
    rows = [(row["band"], row["leads"], row["converted"]) for row in only["bands"]]
    assert rows == [("Good", 45, 36), ("Other", 45, 0)]
    assert (told["rows"], told["converted"], told["excluded"]) == (90, 36, {})


@pytest.mark.parametrize(("order", "first"), [("Lead", 0), ("", 89)])
def test_earlier_and_later_go_by_the_column_that_is_named(
    tmp_path: Path, rules: Path, mapping: Path, order: str, first: int
) -> None:
    seen = found(leads(tmp_path), rules, mapping, order=order)
    assert seen.panel.order is not None
    earliest = int(seen.panel.order.argmin())
    assert 89 - earliest == first  # the rows stand in reverse
    rows = {row.band: row for row in report(seen.panel, seen.scores).calibration}
    assert sum(row.earlier for row in rows.values()) == 60
    assert sum(row.later for row in rows.values()) == 30


def test_numbers_are_ordered_as_numbers(tmp_path: Path, rules: Path, mapping: Path) -> None:
    seen = found(leads(tmp_path, 12), rules, mapping, order="Lead")
    assert seen.panel.order is not None
    assert seen.panel.order.tolist() == [11, 10, 9, 8, 7, 6, 5, 4, 3, 2, 1, 0]


def test_with_a_creation_the_young_are_left_out(tmp_path: Path, rules: Path, mapping: Path) -> None:
    def created(i: int) -> str:
        return (NOW - timedelta(days=i)).isoformat()

    file = leads(tmp_path, Created=created)
    dated = written(mapping, MAPPING + "  Created: created_at\n")
    seen = found(file, rules, dated, horizon=timedelta(days=30))
    assert (len(seen.panel), seen.panel.excluded["immature"]) == (60, 30)
    told = file_summary(seen)
    assert (told["order"], told["mature_until"]) == ("their creation", "2026-10-24")


def test_rows_that_say_too_little_are_counted(tmp_path: Path, rules: Path, mapping: Path) -> None:
    file = leads(tmp_path, 10)
    broken = ["x,1,,open,maybe", "y,many,,open,yes", "z,1,,open", "w,1,,open,"]
    written(file, file.read_text("utf-8") + "\n".join([*broken, ""]))
    seen = found(file, rules, mapping)
    assert len(seen.panel) == 10
    excluded = {name: n for name, n in seen.panel.excluded.items() if n}
    assert excluded == {"rejected": 2, "no_outcome": 2}


def test_rows_without_a_creation_and_with_a_wrong_size_are_counted(
    tmp_path: Path, rules: Path, mapping: Path
) -> None:
    file = leads(
        tmp_path,
        10,
        Created=lambda i: "" if i == 3 else "2026-01-05",
        Staff=lambda i: "lots" if i == 4 else "7",
    )
    dated = written(mapping, MAPPING + "  Created: created_at\n  Staff: employees\n")
    excluded = found(file, rules, dated).panel.excluded
    assert {name: n for name, n in excluded.items() if n} == {"undated": 1, "rejected": 1}


def test_rows_are_ordered_as_text_where_not_all_are_numbers(
    tmp_path: Path, rules: Path, mapping: Path
) -> None:
    file = leads(tmp_path, 4, Month=lambda i: ["b", "10", "9", "a"][i])
    seen = found(file, rules, mapping, order="Month")
    assert seen.panel.order is not None
    assert seen.panel.order.tolist() == [2, 1, 0, 3]  # rows 3, 2, 1 and 0 of the months


def test_what_cannot_be_measured_is_said(tmp_path: Path, rules: Path, mapping: Path) -> None:
    file = leads(tmp_path, 6)
    nobody = written(file, file.read_text("utf-8").replace("yes", "no"))
    assert "only one outcome occurs" in in_words(file_summary(found(nobody, rules, mapping)))


def test_suppressed_rows_are_shown_apart(tmp_path: Path, mapping: Path) -> None:
    document = RULES.replace(
        "dimensions:",
        "suppress: [{id: tiny, when: {seats: {below: 5}}, reason: Tiny}]\ndimensions:",
    )
    rules = written(tmp_path / "suppress.yaml", document)
    said = in_words(file_summary(found(leads(tmp_path, 20), rules, mapping)))
    assert "(suppressed)         10          0" in said


def test_a_status_never_counts_and_counters_do(tmp_path: Path, mapping: Path) -> None:
    document = RULES.replace(
        "{id: noted, when: {notes: {is_known: true}}, points: 1}",
        "{id: closed, when: {lead_status: won}, points: 40}\n"
        "          - {id: views, by: page_views, points: {from 5: 25}}",
    )
    assert document != RULES
    file = leads(tmp_path, 20, Views=lambda i: "9" if i < 5 else "1")
    text = file.read_text("utf-8").replace("open,yes", "won,yes")
    written(file, text)
    columns = written(mapping, MAPPING + "  Views: page_views\n")
    seen = found(file, written(tmp_path / "r.yaml", document), columns)
    value = dict(zip(range(19, -1, -1), seen.scores.value.tolist(), strict=True))
    assert value[3] == 25_000 + 20_000  # the status is unknown: the middle of 0 and 40
    assert value[19] == 20_000


def test_a_column_that_was_filled_in_afterwards_is_pointed_at(
    tmp_path: Path, rules: Path, mapping: Path
) -> None:
    file = leads(tmp_path)
    lines = file.read_text("utf-8").replace(",,open,yes", ",thanks,open,yes")
    seen = found(written(file, lines), rules, mapping)
    (leak,) = [e for e in file_summary(seen)["suspicious"] if e["fact"] == "notes"]
    assert any("filled in" in reason for reason in leak["reasons"])


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"order": "Nonsense"}, "no column 'Nonsense' to order the rows by"),
        ({"outcome": "Sold"}, "no outcome column 'Sold'"),
        ({"outcome": "Seats"}, "is also mapped to a fact"),
    ],
)
def test_columns_that_cannot_be_used_are_said(
    tmp_path: Path, rules: Path, mapping: Path, options: dict[str, str], said: str
) -> None:
    outcome = options.pop("outcome", "Bought")
    with pytest.raises(ScoreFileError, match=said):
        backtest_file(leads(tmp_path), rules, mapping, outcome, NOW, **options)


# -- the command ---------------------------------------------------------------------------------


def called(*arguments: object) -> Result:
    return CliRunner().invoke(cli, ["backtest", *map(str, arguments)])


def test_the_command_says_it_in_words_and_for_machines(
    tmp_path: Path, rules: Path, mapping: Path
) -> None:
    given = (leads(tmp_path), "--rules", rules, "--map", mapping, "--outcome", "Bought")
    said = called(*given, "--order", "Lead")
    assert said.exit_code == 0, said.output
    assert "earlier and later by Lead." in said.output
    assert "Good                 45         36   80.0%" in said.output
    told = json.loads(called(*given, "--json").stdout)
    assert told["rule_sets"][0]["auc"]["value"] == pytest.approx(1 - 9 / 54 / 2, abs=1e-4)


def test_a_file_that_is_none_ends_with_a_sentence(tmp_path: Path) -> None:
    result = called(tmp_path / "none.csv", "--outcome", "Bought")
    assert result.exit_code == 1
    assert "none.csv" in result.output


@pytest.mark.parametrize(
    "arguments", [["leads.csv"], ["leads.csv", "--outcome", "x", "--at", "sla"], ["--order", "x"]]
)
def test_options_of_the_store_and_of_a_file_do_not_mix(arguments: list[str]) -> None:
    assert called(*arguments).exit_code == 2
