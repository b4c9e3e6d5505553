from __future__ import annotations

import csv
import json
import os
import zipfile
from pathlib import Path

import pytest
import typer
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from typer.testing import CliRunner, Result

from app.score_file import register

NOW = "2026-03-01T00:00:00Z"
RULES = """
name: Test
bands:
  hot: {label: Hot, from: 50}
  low: {label: Low, from: 0}
dimensions:
  fit:
    max: 100
    groups:
      - id: g
        label: Group
        max: 100
        rules:
          - {id: visits, label: Visits, by: visits, points: {from 0: 0, from 5: 60}, missing: zero}
          - {id: tier, label: Tier, by: tier, points: {gold: 20}, otherwise: 0, missing: zero}
"""
MAP = """
missing: [Select]
columns:
  Mail: email
  Visits: visits
  Tier: {as: tier, type: text, values: {G: gold}}
"""
HEADER = "Mail,Visits,Tier,Won\n"


class Run:
    """One folder with a file, rules and a mapping, scored on demand."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        (folder / "rules.yaml").write_text(RULES, encoding="utf-8")
        (folder / "map.yaml").write_text(MAP, encoding="utf-8")
        self.output = folder / "out.csv"
        self.rejects = folder / "rejects.csv"

    def __call__(self, content: bytes | str, *options: str, name: str = "leads.csv") -> Result:
        file = self.folder / name
        file.write_bytes(content.encode() if isinstance(content, str) else content)
        app = typer.Typer()
        app.callback()(lambda: None)
        register(app)
        if "--no-map" in options:
            options = tuple(option for option in options if option != "--no-map")
        else:
            options = ("--map", str(self.folder / "map.yaml"), *options)
        arguments = ["score", str(file), "--rules", str(self.folder / "rules.yaml"), *options]
        arguments += ["-o", str(self.output), "--rejects", str(self.rejects), "--now", NOW]
        return CliRunner().invoke(app, arguments)

    def rows(self) -> list[dict[str, str]]:
        return _read(self.output)

    def rejected(self) -> list[dict[str, str]]:
        return _read(self.rejects)


def _read(path: Path) -> list[dict[str, str]]:
    with path.open(encoding="utf-8", newline="") as stream:
        return list(csv.DictReader(stream))


@pytest.fixture
def run(tmp_path: Path) -> Run:
    return Run(tmp_path)


def test_every_column_comes_back_with_score_band_bounds_and_reasons(run: Run) -> None:
    result = run(HEADER + "ann@acme.com,7,G,1\nbob@acme.com,0,Select,0\n")
    assert result.exit_code == 0, result.output
    ann, bob = run.rows()
    assert (ann["Mail"], ann["Tier"], ann["score"], ann["band"]) == (
        "ann@acme.com",
        "G",
        "80",
        "Hot",
    )
    assert (ann["low"], ann["high"]) == ("80", "80")
    assert "Visits" in ann["reasons"]
    assert (bob["score"], bob["band"]) == ("0", "Low")
    assert not run.rejects.exists()


def test_a_bad_row_is_rejected_with_its_reason_and_the_rest_goes_through(run: Run) -> None:
    result = run(HEADER + "a@b.com,7,G,1\nb@b.com,many,G,1\nc@b.com,7\nd@b.com,1,G,0,5\n")
    assert result.exit_code == 3
    assert len(run.rows()) == 1
    reasons = {row["row"]: row["reason"] for row in run.rejected()}
    assert reasons.keys() == {"3", "4", "5"}
    assert "many" in reasons["3"]
    assert "2 too few" in reasons["4"]
    assert "1 too many" in reasons["5"]


def test_an_unusable_address_is_scored_as_unknown_and_named(run: Run) -> None:
    assert run(HEADER + "ann at acme,7,G,1\n").exit_code == 0
    assert "ann at acme" in run.rows()[0]["problems"]
    assert run.rows()[0]["score"] == "80"


@pytest.mark.parametrize(
    "encoding", ["utf-8", "utf-8-sig", "utf-16", "utf-16-le", "utf-16-be", "utf-32"]
)
def test_unicode_encodings_are_recognised(run: Run, encoding: str) -> None:
    assert run((HEADER + "jürgen@bücher.de,7,Größe,1\n" * 5).encode(encoding)).exit_code == 0
    assert run.rows()[0]["Tier"] == "Größe"


@pytest.mark.parametrize(
    ("encoding", "text"),
    [
        ("cp1252", "Größe über München"),
        ("cp1252", "Café"),
        ("cp1250", "Łódź, Příliš žluťoučký kůň"),
        ("cp1251", "Общество Москва"),
        ("cp932", "株式会社サンプル"),
        ("gb18030", "北京示例有限公司"),
    ],
)
def test_an_export_in_a_code_page_is_recognised_and_called_a_guess(
    run: Run, encoding: str, text: str
) -> None:
    lines = "".join(f'a{i}@b.com,{i},"{text}",1\n' for i in range(2))
    result = run((HEADER + lines).encode(encoding))
    assert result.exit_code == 0
    assert "by guess" in result.output
    assert run.rows()[0]["Tier"] == text


def test_broken_bytes_reject_their_row_only(run: Run) -> None:
    content = HEADER.encode() + "é@b.com,7,Größe,1\n".encode() + b"x@b.com,7,Gr\xf6\xdfe,1\n"
    assert run(content).exit_code == 3
    assert len(run.rows()) == 1
    assert "broken characters" in run.rejected()[0]["reason"]
    assert "Tier" in run.rejected()[0]["reason"]


@pytest.mark.parametrize("delimiter", [",", ";", "\t", "|"])
def test_delimiters_are_recognised(run: Run, delimiter: str) -> None:
    text = (HEADER + "a@b.com,7,G,1\n" * 3).replace(",", delimiter)
    assert run(text).exit_code == 0
    assert run.rows()[0]["score"] == "80"


def test_an_announced_delimiter_is_believed(run: Run) -> None:
    assert run("sep=;\n" + (HEADER + "a@b.com,7,G,1\n").replace(",", ";")).exit_code == 0
    assert run.rows()[0]["score"] == "80"


def test_a_quote_that_is_never_closed_costs_one_row(run: Run) -> None:
    good = "".join(f"a{i}@b.com,7,G,1\n" for i in range(600))
    assert run(HEADER + 'x@b.com,7,"G,1\n' + good).exit_code == 3
    assert len(run.rows()) == 600
    assert "quote" in run.rejected()[0]["reason"]


def test_a_cell_may_hold_line_breaks(run: Run) -> None:
    assert run(HEADER + 'x@b.com,7,"two\nlines",1\n').exit_code == 0
    assert run.rows()[0]["Tier"] == "two\nlines"


def test_a_cell_of_40000_characters_is_kept(run: Run) -> None:
    assert run(HEADER + f"x@b.com,7,{'y' * 40_000},1\n").exit_code == 0
    assert len(run.rows()[0]["Tier"]) == 40_000


@pytest.mark.parametrize("formula", ["=1+1", "@SUM(A1)", "+cmd|' /C calc'!A0", "-A1", "\tx"])
def test_no_cell_can_be_a_formula(run: Run, formula: str) -> None:
    run(HEADER + f"x@b.com,7,{formula},1\n")
    assert run.rows()[0]["Tier"] == "'" + formula


@pytest.mark.parametrize("number", ["-5", "+49 30 123456", "-1,5"])
def test_numbers_with_a_sign_stay_numbers(run: Run, number: str) -> None:
    run(HEADER + f'x@b.com,7,"{number}",1\n')
    assert run.rows()[0]["Tier"] == number


@pytest.mark.parametrize(
    ("content", "words"),
    [
        ("", "is empty"),
        ("\n\n", "no header row"),
        (HEADER, "no rows"),
        ("Mail,Visits,Tier,Mail\nx,1,G,1\n", "more than one column is named 'Mail'"),
        ("Mail,Visit,Tier\nx@b.com,1,G\n", "no column 'Visits' (did you mean 'Visit'?)"),
        (b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR" + bytes(range(256)) * 20, "not a text file"),
    ],
)
def test_a_useless_file_is_explained(run: Run, content: bytes | str, words: str) -> None:
    result = run(content)
    assert result.exit_code == 1
    assert words in result.output
    assert not run.output.exists()


def test_a_missing_file_is_explained(run: Run, tmp_path: Path) -> None:
    app = typer.Typer()
    app.callback()(lambda: None)
    register(app)
    result = CliRunner().invoke(app, ["score", str(tmp_path / "nothing.csv")])
    assert result.exit_code == 1
    assert "No such file" in result.output


def test_a_rule_on_an_unknown_fact_is_named(run: Run) -> None:
    (run.folder / "map.yaml").write_text("columns: {Mail: email, Visits: visits}")
    result = run(HEADER + "a@b.com,7,G,1\n")
    assert result.exit_code == 1
    assert "'tier'" in result.output


@pytest.mark.parametrize(
    ("mapping", "words"),
    [
        ("columns: [a]", "'columns:' section"),
        ("a: [", "not valid YAML"),
        ("columns: {Mail: email}\nmising: [x]", "did you mean 'missing'?"),
        ("columns: {Mail: {as: mail, type: numbr}}", "'numbr' is none of"),
        ("columns: {Mail: {as: email, type: number}}", "has its own type"),
        ("columns: {Mail: email, Tier: email}", "both give 'email'"),
    ],
)
def test_a_wrong_mapping_is_explained(run: Run, mapping: str, words: str) -> None:
    (run.folder / "map.yaml").write_text(mapping)
    result = run(HEADER + "a@b.com,7,G,1\n")
    assert result.exit_code == 1
    assert words in result.output


def test_without_a_mapping_the_columns_are_guessed_and_said(run: Run) -> None:
    (run.folder / "rules.yaml").write_text(RULES.replace("by: tier", "by: city"))
    result = run("E-Mail;Total Visits;Foo\na@b.com;7;x\n", "--no-map")
    assert result.exit_code == 0
    assert "E-Mail = email, Total Visits = visits" in result.output
    assert run.rows()[0]["score"] == "60"


def test_an_outcome_gives_conversion_by_band_with_intervals(run: Run) -> None:
    lines = "a@b.com,7,G,1\n" * 8 + "a@b.com,7,G,0\n" * 2 + "a@b.com,0,G,0\n" * 10
    result = run(HEADER + lines + "a@b.com,0,G,maybe\n", "--outcome", "Won", "--json")
    outcome = json.loads(result.stdout)["outcome"]
    assert outcome["leads"] == 20
    assert outcome["without_outcome"] == 1
    assert outcome["base_rate"] == 0.4
    hot, low = outcome["bands"]
    assert (hot["band"], hot["leads"], hot["converted"], hot["rate"]) == ("Hot", 10, 8, 0.8)
    assert (hot["low"], hot["high"]) == (0.4902, 0.9433)
    assert low["rate"] == 0.0
    assert outcome["top_tenth_lift"] == 2.0


def test_the_outcome_must_not_be_a_fact(run: Run) -> None:
    (run.folder / "map.yaml").write_text(MAP + "  Won: {as: won, type: flag}\n")
    result = run(HEADER + "a@b.com,7,G,1\n", "--outcome", "Won")
    assert result.exit_code == 1
    assert "Take it out of the mapping" in result.output


def test_what_moves_with_the_outcome_is_left_out_when_it_is_measured(run: Run) -> None:
    (run.folder / "map.yaml").write_text(MAP + "  Stage: lifecycle_stage\n")
    (run.folder / "rules.yaml").write_text(
        RULES.replace("by: tier, points: {gold: 20}", "by: lifecycle_stage, points: {sql: 20}")
    )
    content = "Mail,Visits,Tier,Stage,Won\na@b.com,7,G,SQL,1\n"
    assert run(content).exit_code == 0
    assert run.rows()[0]["score"] == "80"
    result = run(content, "--outcome", "Won")
    assert "move with the outcome: Stage" in result.output
    assert run.rows()[0]["score"] == "60"


def test_an_unknown_outcome_column_is_explained(run: Run) -> None:
    result = run(HEADER + "a@b.com,7,G,1\n", "--outcome", "Sold")
    assert result.exit_code == 1
    assert "'Sold'" in result.output


def test_only_bad_rows_means_nothing_was_done(run: Run) -> None:
    assert run(HEADER + "a@b.com,many,G,1\n").exit_code == 1
    assert len(run.rejected()) == 1


def test_the_input_is_never_overwritten(run: Run) -> None:
    run.output = run.folder / "leads.csv"
    result = run(HEADER + "a@b.com,7,G,1\n")
    assert result.exit_code == 1
    assert "overwrite" in result.output
    assert run.output.read_text() == HEADER + "a@b.com,7,G,1\n"


def test_a_column_named_score_keeps_its_place(run: Run) -> None:
    run("Mail,Visits,Tier,score\na@b.com,7,G,mine\n")
    assert run.rows()[0]["score"] == "mine"
    assert run.rows()[0]["leadlight_score"] == "80"


def test_a_spreadsheet_is_scored(run: Run) -> None:
    _write_xlsx(run.folder / "made.xlsx", [["Mail", "Visits", "Tier"], ["a@b.com", 7, "G"]])
    result = run((run.folder / "made.xlsx").read_bytes(), name="leads.xlsx")
    assert result.exit_code == 0, result.output
    assert run.rows()[0]["score"] == "80"
    assert run.rows()[0]["Visits"] == "7"


def test_a_broken_spreadsheet_is_explained(run: Run) -> None:
    result = run(b"PK\x03\x04 this is no spreadsheet", name="leads.xlsx")
    assert result.exit_code == 1
    assert "cannot be read as a spreadsheet" in result.output


@settings(max_examples=25, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.binary(max_size=400))
def test_whatever_the_bytes_nothing_crashes(run: Run, body: bytes) -> None:
    result = run(HEADER.encode() + b"a@b.com,7,G,1\n" + body)
    assert result.exit_code in {0, 1, 3}
    assert result.exception is None or isinstance(result.exception, SystemExit)


@settings(max_examples=25, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.lists(st.lists(st.text(max_size=8), min_size=1, max_size=6), min_size=1, max_size=8))
def test_rows_in_are_rows_out_plus_rejects(run: Run, table: list[list[str]]) -> None:
    run.rejects.unlink(missing_ok=True)
    run.output.unlink(missing_ok=True)
    lines = [HEADER.strip()]
    for cells in table:
        clean = ["x", *(c.encode("utf-8", "replace").decode() for c in cells)]
        quoted = (cell.replace('"', '""').replace("\0", "") for cell in clean)
        lines.append(",".join(f'"{cell}"' for cell in quoted))
    result = run("\n".join(lines) + "\n", "--json")
    summary = json.loads(result.stdout)
    rejected = len(run.rejected()) if run.rejects.exists() else 0
    assert summary["rows"] == summary["scored"] + summary["rejected"]
    assert summary["scored"] == len(run.rows())
    assert summary["rejected"] == rejected
    assert summary["rows"] >= len(table)


def test_the_public_lead_file_separates_by_hand_written_rules(tmp_path: Path) -> None:
    root = Path(__file__).parents[1]
    folder = Path(os.environ.get("LEADLIGHT_TEST_DATA", root.parent / "shared/data"))
    file = folder / "xeducation" / "leads.csv"
    if not file.exists():
        pytest.skip(f"the public lead file is not here: {file}")
    app = typer.Typer()
    app.callback()(lambda: None)
    register(app)
    rules = root / "benchmarks" / "xeducation"
    arguments = ["score", str(file), "--rules", str(rules / "rules.yaml"), "--outcome", "Converted"]
    arguments += ["--map", str(rules / "columns.yaml"), "-o", str(tmp_path / "out.csv"), "--json"]
    result = CliRunner().invoke(app, arguments)
    assert result.exit_code == 0, result.output
    summary = json.loads(result.stdout)
    assert summary["rows"] == summary["scored"] == 7392
    rates = [band["rate"] for band in summary["outcome"]["bands"]]
    assert rates == sorted(rates, reverse=True)
    assert summary["outcome"]["top_tenth_lift"] >= 2


def _write_xlsx(path: Path, rows: list[list[str | int]]) -> None:
    """The smallest workbook that is valid: one sheet with inline texts."""
    main = "http://schemas.openxmlformats.org/spreadsheetml/2006/main"
    office = "http://schemas.openxmlformats.org/officeDocument/2006/relationships"
    package = "http://schemas.openxmlformats.org/package/2006"
    cells = "".join(
        "<row>"
        + "".join(
            f"<c><v>{cell}</v></c>"
            if isinstance(cell, int)
            else f'<c t="inlineStr"><is><t>{cell}</t></is></c>'
            for cell in row
        )
        + "</row>"
        for row in rows
    )
    kind = "application/vnd.openxmlformats-officedocument.spreadsheetml"
    parts = {
        "[Content_Types].xml": f'<Types xmlns="{package}/content-types">'
        '<Default Extension="rels" ContentType="application/vnd.openxmlformats-package.'
        'relationships+xml"/>'
        f'<Override PartName="/xl/workbook.xml" ContentType="{kind}.sheet.main+xml"/>'
        f'<Override PartName="/xl/worksheets/sheet1.xml" ContentType="{kind}.worksheet+xml"/>'
        "</Types>",
        "_rels/.rels": f'<Relationships xmlns="{package}/relationships"><Relationship Id="r1"'
        f' Type="{office}/officeDocument" Target="xl/workbook.xml"/></Relationships>',
        "xl/workbook.xml": f'<workbook xmlns="{main}" xmlns:r="{office}"><sheets>'
        '<sheet name="Leads" sheetId="1" r:id="r1"/></sheets></workbook>',
        "xl/_rels/workbook.xml.rels": f'<Relationships xmlns="{package}/relationships">'
        f'<Relationship Id="r1" Type="{office}/worksheet" Target="worksheets/sheet1.xml"/>'
        "</Relationships>",
        "xl/worksheets/sheet1.xml": f'<worksheet xmlns="{main}"><sheetData>{cells}</sheetData>'
        "</worksheet>",
    }
    with zipfile.ZipFile(path, "w") as archive:
        for name, text in parts.items():
            archive.writestr(name, text)
