"""Parquet in, Parquet out: the same reading and the same scores as for a CSV file."""

from __future__ import annotations

import csv
import json
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import typer
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from typer.testing import CliRunner, Result

from app import parquet_job
from app.score_file import register
from scoring.engine import compile_rule_set
from scoring.leads import Engagement
from scoring.rules import default_rule_set
from scoring.scores import Fact, points_text

NOW = datetime(2026, 3, 1, tzinfo=UTC)
RULES = """
name: Test
fields: {tier: text, seats: number, vip: flag, tags: list, started: date}
bands:
  hot: {label: Hot, from: 30}
  low: {label: Low, from: 0}
disqualify:
  - {id: student, when: {seniority: {equals: student}}, reason: A student, at_most: 10}
suppress:
  - {id: out, when: {email_opt_out: {is_true: true}}, reason: Opted out}
dimensions:
  fit:
    groups:
      - id: who
        rules:
          - {id: kind, label: E-mail, by: email_kind, points: {business: 3, invalid: -1}}
          - {id: level, label: Level, by: seniority, points: {c_level: 5, vp: 4}, otherwise: 1}
          - {id: valid, label: Phone, when: {phone_valid: {is_true: true}}, points: 2}
          - {id: site, label: Site, when: {domain: {is_known: true}}, points: 1}
          - {id: land, label: Land, when: {country: {in: [DE, US]}}, points: 2}
          - {id: size, label: Size, by: employees, points: {from 0: 1, from 50: 6}}
          - {id: money, label: Money, by: annual_revenue, points: {from 0: 0, from 1000: 4}}
      - id: own
        rules:
          - {id: tier, label: Tier, by: tier, points: {gold: 7}, otherwise: 0.125}
          - {id: seats, label: Seats, per: seats, points: 0.5, cap: 5}
          - {id: vip, label: VIP, when: {vip: {is_true: true}}, points: 3}
          - {id: tags, label: Tags, when: {tags: {any_of: [a, ä]}}, points: 2}
          - {id: new, label: New, when: {started: {within_days: 30}}, points: 2}
          - {id: age, label: Age, by: age_days, points: {from 0: 2, from 7: 1}}
  intent:
    groups:
      - id: said
        rules:
          - {id: asks, label: Asks, by: text_intent, points: {buying: 9}, otherwise: 0}
"""
#: Every column of the test's CSV and what it is.
MEANINGS: dict[str, Any] = {
    "Nr": "id",
    "Mail": "email",
    "Title": "job_title",
    "Land": "country",
    "Tel": "phone",
    "Web": "website",
    "Size": "employees",
    "Money": "annual_revenue",
    "Out": "email_opt_out",
    "Said": "message",
    "Since": "created_at",
    "Tier": {"as": "tier", "values": {"G": "gold"}, "missing": ["?"]},
    "Seats": {"as": "seats", "type": "number"},
    "VIP": {"as": "vip", "type": "flag"},
    "Tags": {"as": "tags", "type": "list", "separator": ","},
    "Started": {"as": "started", "type": "date"},
}
CELLS: dict[str, list[str]] = {
    "Mail": ["ann@acme.com", "x@gmail.com", "not an address", "info@acme.de", "a@gmial.com", "n/a"],
    "Title": ["CEO", "VP Sales", "Student", "Vertriebsleiterin", "学生", "-"],
    "Land": ["DE", "Germany", "us", "Narnia", "NA", "unknown"],
    "Tel": ["+49 30 123456", "030 1234567", "12", "0", "(212) 555-0100"],
    "Web": ["https://www.acme.co.uk/x", "acme", "http://", "münchen.de"],
    "Size": ["5", "1.200", "11-50", "-3", "many", "0", "1e3"],
    "Money": ["$1.2M", "1,200", "1.234", "-5", "free", "1e40"],
    "Out": ["yes", "no", "perhaps", "0", "ja"],
    "Said": ["We want to buy 200 seats, please send pricing", "just browsing", "none", "é\n"],
    "Since": ["2026-02-27", "2026-02-01T10:00:00Z", "1789-07-14", "yesterday", "20260228"],
    "Tier": ["G", "gold", " GOLD ", "?", "unknown", "Silber"],
    "Seats": ["3", "2,5", "1.234", "x", "-1", "nan"],
    "VIP": ["true", "no", "2", "wahr"],
    "Tags": ["a,b", "Ä", ",", "b"],
    "Started": ["2026-02-20", "2025-01-01", "soon", "1760000000000", "2101-01-01"],
}


class Run:
    """One folder with rules and a mapping, scored on demand."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        (folder / "rules.yaml").write_text(RULES, encoding="utf-8")
        (folder / "map.yaml").write_text(json.dumps({"columns": MEANINGS}), encoding="utf-8")
        self.output, self.rejects = folder / "out.parquet", folder / "rejects.csv"

    def __call__(self, file: str, *options: str, output: Path | None = None) -> Result:
        app = typer.Typer()
        app.callback()(lambda: None)
        register(app)
        arguments = ["score", str(self.folder / file), "--now", NOW.isoformat()]
        arguments += ["-o", str(output or self.output), "--rejects", str(self.rejects)]
        if "--rules" not in options:
            arguments += ["--rules", str(self.folder / "rules.yaml")]
        return CliRunner().invoke(app, [*arguments, *options])

    def table(self, name: str, table: pa.Table | dict[str, Any]) -> str:
        pq.write_table(
            table if isinstance(table, pa.Table) else pa.table(table), self.folder / name
        )
        return name

    def scored(self, leads: dict[str, Any], *options: str) -> list[dict[str, Any]]:
        result = self(self.table("leads.parquet", leads), *options)
        assert result.exit_code in {0, 3}, result.output
        return self.rows()

    def rows(self) -> list[dict[str, Any]]:
        return pq.read_table(self.output).to_pylist()

    def rejected(self) -> list[dict[str, str]]:
        return _read(self.rejects) if self.rejects.exists() else []


def _read(path: Path) -> list[dict[str, str]]:
    with path.open(encoding="utf-8", newline="") as stream:
        return list(csv.DictReader(stream))


@pytest.fixture
def run(tmp_path: Path) -> Run:
    return Run(tmp_path)


def events(*rows: tuple[Any, ...]) -> pa.Table:
    """Engagements: lead, kind, days ago, key, url."""
    lead, kind, ago, key, url = zip(*rows, strict=True) if rows else ((),) * 5
    at = [None if days is None else NOW - timedelta(days=days) for days in ago]
    return pa.table(
        {
            "lead": pa.array(lead, pa.string()),
            "kind": pa.array(kind, pa.string()),
            "occurred_at": pa.array(at, pa.timestamp("us", "UTC")),
            "key": pa.array(key, pa.string()),
            "url": pa.array(url, pa.string()),
        }
    )


def as_csv_rows(rows: list[dict[str, Any]]) -> list[dict[str, str]]:
    """Scored rows as the CSV writes them."""
    return [
        {
            "Nr": row["id"],
            "band": row["band"] or "",
            "problems": row["problems"] or "",
            **{
                name: "" if row[name] is None else points_text(round(row[name] * 1000))
                for name in ("value", "low", "high")
            },
        }
        for row in rows
    ]


@settings(
    max_examples=30, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(
    st.lists(
        st.fixed_dictionaries(
            {name: st.sampled_from(["", *cells]) for name, cells in CELLS.items()}
        ),
        min_size=1,
        max_size=25,
    )
)
def test_a_table_of_texts_scores_and_rejects_as_its_csv_does(
    run: Run, rows: list[dict[str, str]]
) -> None:
    rows = [{"Nr": str(i), **row} for i, row in enumerate(rows)]
    header = list(MEANINGS)
    with (run.folder / "leads.csv").open("w", encoding="utf-8", newline="") as stream:
        writer = csv.DictWriter(stream, header)
        writer.writeheader()
        writer.writerows(rows)
    map_ = ["--map", str(run.folder / "map.yaml")]
    run.rejects.unlink(missing_ok=True)
    first = run("leads.csv", *map_, output=run.folder / "out.csv")
    assert first.exit_code in {0, 1, 3}, first.output
    named = ("Nr", "band", "problems", "low", "high")
    expected = [
        {**{n: row[n] for n in named}, "value": row["score"]}
        for row in _read(run.folder / "out.csv")
    ]
    reasons = {row["Nr"]: row["reason"] for row in run.rejected()}
    run.rejects.unlink(missing_ok=True)
    columns = {name: [row[name] or None for row in rows] for name in header}
    run.table("leads.parquet", {n: pa.array(cells, pa.string()) for n, cells in columns.items()})
    second = run("leads.parquet", *map_)
    assert second.exit_code == first.exit_code, second.output
    assert as_csv_rows(run.rows()) == expected
    assert {row["id"]: row["reason"] for row in run.rejected()} == reasons


def test_typed_columns_are_read_as_their_texts_would_be(run: Run) -> None:
    typed: dict[str, Any] = {
        "id": pa.array([1, 2, 3], pa.int64()),
        "employees": pa.array([60, None, 0], pa.int32()),
        "annual_revenue": pa.array([1.234, 1000.0, float("nan")]),
        "email_opt_out": pa.array([False, None, True]),
        "created_at": pa.array([NOW - timedelta(days=1), NOW - timedelta(days=9), None]),
        "tier": pa.array(["gold", None, "x"]).dictionary_encode(),
        "seats": pa.array([2.345, -1.0, 4.0]),
        "vip": pa.array([True, False, None]),
        "tags": pa.array([["ä", "x"], [], None]),
        "started": pa.array([date(2026, 2, 20), date(2020, 1, 1), None]),
    }
    text = {
        "id": ["1", "2", "3"],
        "employees": ["60", None, "0"],
        "annual_revenue": ["1.2340", "1000", None],
        "email_opt_out": ["no", None, "yes"],
        "created_at": ["2026-02-28", "2026-02-20", None],
        "tier": ["gold", "", "x"],
        "seats": ["2.345", "-1", "4"],
        "vip": ["true", "false", None],
        "tags": ["ä;x", ";", None],
        "started": ["2026-02-20", "2020-01-01", None],
    }
    assert run.scored(typed) == run.scored(text)
    assert [row["value"] for row in run.rows()][:2] == [33.5, 22.062]


def test_a_typed_number_that_cannot_be_is_rejected_as_its_text_is(run: Run) -> None:
    leads: dict[str, Any] = {
        "id": [1, 2, 3, 4],
        "employees": [-1.0, 2.9, float("inf"), 1e16],
        "annual_revenue": [-3.5, float("nan"), None, 0.0],
        "seats": [1.0, 2.0, 3.0, -1e20],
    }
    assert [row["id"] for row in run.scored(leads)] == ["2"]
    found = [row["reason"] for row in run.rejected()]
    assert found == [
        "The employees “-1” cannot be used: a count cannot be negative",
        "The employees “inf” cannot be used: it is not a number",
        "seats: “-100000000000000000000” cannot be used, it is too large to be true",
    ]


def test_a_derived_fact_may_be_given_instead_of_what_it_is_read_from(run: Run) -> None:
    mails = ["ann@acme.com", "x@gmail.com"]
    read = run.scored({"id": ["1", "2"], "email": mails, "job_title": ["CEO", "VP"]})
    kinds, levels = ["business", "free"], ["c_level", "vp"]
    assert run.scored({"id": ["1", "2"], "email_kind": kinds, "seniority": levels}) == read


def test_engagements_count_as_they_do_for_one_lead(run: Run) -> None:
    own = [
        ("1", "page_visit", 2, "a", "/pricing"),
        ("1", "page_visit", 2, "b", "/Pricing/teams"),
        ("2", "email_reply", 400, "c", None),
        ("1", "form_submission", 0, "d", None),
        ("1", "form_submission", -1, "e", None),
        ("3", "email_open", 3, "f", None),
    ]
    run.table("events.parquet", events(*own))
    (run.folder / "default.json").write_text(default_rule_set().document, encoding="utf-8")
    rules = ["--rules", str(run.folder / "default.json")]
    options = ["--engagements", str(run.folder / "events.parquet"), *rules]
    rows = run.scored({"id": ["1", "2", "3", "4"], "company": ["A", "B", None, "D"]}, *options)
    scorer = compile_rule_set(default_rule_set())
    for row in rows:
        known = {"1": "A", "2": "B", "4": "D"}.get(row["id"])
        facts = {} if known is None else {"company": Fact(known, "file")}
        mine = [
            Engagement(key, kind, NOW - timedelta(days=ago), None, "x@y.z", {"url": url or ""})
            for lead, kind, ago, key, url in own
            if lead == row["id"]
        ]
        one = scorer.score(facts, mine, NOW)
        assert row["value"] == one.value / 1000
        assert row["engagement"] == one.dimensions["engagement"] / 1000
    assert rows[0]["engagement"] > rows[3]["engagement"]


def test_what_cannot_count_is_rejected_with_its_reason(run: Run) -> None:
    leads = {
        "id": ["1", "2", "2", None, "", "5", "=6"],
        "seats": ["1", "1", "1", "1", "1", "many", "x"],
    }
    run.table(
        "events.parquet",
        events(
            ("1", "page_visit", 1, "a", "/x"),
            ("1", "page_visit", 2, "a", "/y"),
            ("1", "page_visits", 1, "b", None),
            ("1", None, 1, "c", None),
            ("1", "page_visit", None, "d", None),
            ("1", "page_visit", 365_000, "e", None),
            ("2", "page_visit", 1, "f", None),
            ("9", "page_visit", 1, "g", None),
            (None, "page_visit", 1, "h", None),
            ("", "page_visit", 1, None, None),
        ),
    )
    options = ["--engagements", str(run.folder / "events.parquet"), "--json"]
    result = run(run.table("leads.parquet", leads), *options)
    assert result.exit_code == 3
    summary = json.loads(result.stdout)
    assert (summary["rows"], summary["scored"], summary["rejected"]) == (7, 1, 6)
    assert (summary["engagements"], summary["engagements_rejected"]) == (10, 9)
    found = [(row["table"], row["id"], row["key"], row["reason"]) for row in run.rejected()]
    assert sorted(found) == sorted(
        [
            ("leads", "2", "", "2 rows have this id: keep one of them"),
            ("leads", "2", "", "2 rows have this id: keep one of them"),
            ("leads", "", "", "it has no id"),
            ("leads", "", "", "it has no id"),
            ("leads", "5", "", "seats: “many” cannot be used, it is not a number"),
            ("leads", "'=6", "", "seats: “x” cannot be used, it is not a number"),
            ("engagements", "1", "a", parquet_job.REPEATED),
            (
                "engagements",
                "1",
                "b",
                "“page_visits” is no kind of engagement (did you mean 'page_visit'?)",
            ),
            ("engagements", "1", "c", "it has no kind"),
            ("engagements", "1", "d", "it has no time"),
            (
                "engagements",
                "1",
                "e",
                "occurred_at: “1026-10-30 00:00:00.000000Z” cannot be used, it is before 1990",
            ),
            ("engagements", "2", "f", "its lead is rejected"),
            ("engagements", "9", "g", "no lead has the id “9”"),
            ("engagements", "", "h", "it names no lead"),
            ("engagements", "", "", "it names no lead"),
        ]
    )
    newer = next(json.loads(row["row"]) for row in run.rejected() if row["key"] == "a")
    assert newer == {
        "lead": "1",
        "kind": "page_visit",
        "occurred_at": "2026-02-28 00:00:00.000000Z",
        "key": "a",
        "url": "/x",
    }


def test_no_rejects_leave_no_file(run: Run) -> None:
    assert run(run.table("leads.parquet", {"id": ["1"]})).exit_code == 0
    assert not run.rejects.exists()
    assert sorted(path.name for path in run.folder.glob("*.part")) == []


def test_a_suppressed_lead_has_its_reason_and_no_score(run: Run) -> None:
    row = run.scored({"id": ["1"], "email_opt_out": [True]})[0]
    assert {name: value for name, value in row.items() if value is not None} == {
        "id": "1",
        "suppressed": "Opted out",
    }


def test_the_size_of_the_parts_changes_nothing(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    ids = [str(i) for i in range(50)]
    leads = {"id": [*ids, "7"], "seats": [str(i % 7) for i in range(50)] + ["x"]}
    rows = [(str(i % 60), "page_visit", i % 9, f"k{i % 80}", "/x") for i in range(200)]
    run.table("events.parquet", events(*rows))
    options = ["--engagements", str(run.folder / "events.parquet")]
    whole, rejected = run.scored(leads, *options), sorted(map(str, run.rejected()))
    monkeypatch.setattr(parquet_job, "PART", 7)
    assert run.scored(leads, *options) == whole
    assert sorted(map(str, run.rejected())) == rejected
    assert [row["id"] for row in whole] == [name for name in ids if name != "7"]


def test_a_folder_of_files_is_one_table(run: Run) -> None:
    whole = {"id": ["1", "2", "3"], "seats": ["1", "2", "3"]}
    expected = run.scored(whole)
    (run.folder / "parts").mkdir()
    table = pa.table(whole)
    run.table("parts/a.parquet", table.slice(0, 2))
    run.table("parts/b.parquet", table.slice(2))
    assert run("parts").exit_code == 0
    assert run.rows() == expected


def test_a_folder_may_be_divided_by_a_column(run: Run) -> None:
    expected = run.scored({"id": ["1", "2"], "tier": ["gold", "x"]})
    for tier, name in (("gold", "1"), ("x", "2")):
        (run.folder / "divided" / f"tier={tier}").mkdir(parents=True)
        run.table(f"divided/tier={tier}/part.parquet", {"id": [name]})
    assert run("divided").exit_code == 0
    assert run.rows() == expected


@pytest.mark.parametrize(
    ("leads", "words"),
    [
        ({"x": ["1"]}, "no column is the id"),
        ({"id": [1.5]}, "'id' is double"),
        ({"id": [True]}, "'id' is bool"),
        ({"id": ["1"], "seats": [{"a": 1}]}, "column 'seats' is struct"),
        ({"id": ["1"], "employees": [["5"]]}, "column 'employees' is list"),
        ({"id": pa.array([], pa.string())}, "has no rows"),
    ],
)
def test_what_is_wrong_with_a_file_is_said(run: Run, leads: dict[str, Any], words: str) -> None:
    result = run(run.table("leads.parquet", leads))
    assert result.exit_code == 1
    assert words in result.output
    assert not run.output.exists()


@pytest.mark.parametrize(
    ("columns", "words"),
    [
        ({"lead": ["1"]}, "no column kind, occurred_at"),
        ({"lead": [1.0], "kind": ["x"], "occurred_at": ["x"]}, "'lead' holds neither"),
        ({"lead": ["1"], "kind": ["x"], "occurred_at": [["x"]]}, "'occurred_at' is list"),
    ],
)
def test_what_is_wrong_with_the_engagements_is_said(
    run: Run, columns: dict[str, Any], words: str
) -> None:
    run.table("events.parquet", columns)
    leads = run.table("leads.parquet", {"id": ["1"]})
    result = run(leads, "--engagements", str(run.folder / "events.parquet"))
    assert result.exit_code == 1
    assert words in result.output


def test_a_file_that_is_no_parquet_or_is_not_there_is_said(run: Run) -> None:
    (run.folder / "leads.parquet").write_bytes(b"PAR1 no more")
    for name in ("leads.parquet", "nowhere.parquet"):
        result = run(name)
        assert result.exit_code == 1
        assert f"{name} cannot be read as Parquet" in result.output


def test_a_csv_takes_no_engagements_and_parquet_no_outcome(run: Run) -> None:
    (run.folder / "leads.csv").write_text("Nr\n1\n", encoding="utf-8")
    run.table("leads.parquet", {"id": ["1"]})
    wrong = run("leads.csv", "--engagements", str(run.folder / "leads.parquet"))
    assert "cannot be read as Parquet" in wrong.output
    assert "--outcome is for CSV" in run("leads.parquet", "--outcome", "id").output
