"""Parts of the product, each against a floor."""

from __future__ import annotations

import csv
import json
import sqlite3
import statistics
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path

from app.score_file import score_file
from benchmarks.floors import Result, ratio
from benchmarks.measure import fastest, median, say, seconds
from data.lists import PriorityFilter, priority_page
from data.store import Store
from scoring.engine import compile_rule_set
from scoring.inputs import inputs_from_json
from scoring.rules import default_rule_set

FILE_ROWS = 20_000
LIST_LEADS = 50_000


def explaining(home: Path) -> Result:
    """One lead through the default rules, over the inputs of the sandbox's leads."""
    say("one lead, explained")
    with sqlite3.connect(home / "leadlight.db") as database:
        texts = [
            row[0] for row in database.execute("SELECT inputs FROM score_log WHERE inputs<>''")
        ]
    texts = texts[:1_000]
    inputs = [inputs_from_json(text) for text in texts]
    scorer = compile_rule_set(default_rule_set())
    now = datetime.now(UTC)

    def score_all() -> None:
        for facts, engagements in inputs:
            scorer.score(facts, engagements, now)

    def copy_all() -> None:
        for text in texts:
            json.dumps(json.loads(text))

    ours = fastest(score_all, 5) / len(inputs) * 1e6
    floor = fastest(copy_all, 5) / len(texts) * 1e6
    size = statistics.mean(len(engagements) for _, engagements in inputs)
    return Result(
        f"One lead through {len(default_rule_set().rules())} rules, explained",
        f"{ours:,.0f} µs",
        f"{floor:,.0f} µs",
        ratio(ours, floor),
        f"{size:.0f} engagements on average; floor: its inputs through the JSON parser and back",
    )


def reading_the_list(home: Path) -> Result:
    """The first page, a search and a late page of the priority list."""
    say(f"list of {LIST_LEADS:,} leads")
    path = home / "leadlight.db"
    multiply(path, LIST_LEADS)
    store, now = Store.open(f"sqlite:///{path}"), datetime.now(UTC)

    def show(page: int, search: str = "") -> Callable[[], object]:
        narrowed = PriorityFilter(search=search)
        return lambda: priority_page(store, narrowed, page=page, per_page=50, now=now)

    times = [median(show(1), 15), median(show(1, "hazel"), 15), median(show(100), 15)]
    with sqlite3.connect(path) as database:
        ids = [row[0] for row in database.execute("SELECT id FROM lead LIMIT 50")]
        marks = ",".join("?" * len(ids))
        query = f"SELECT * FROM lead WHERE id IN ({marks})"
        floor = median(lambda: database.execute(query, ids).fetchall(), 15)
    store.close()
    first, search, late = (1_000 * seconds for seconds in times)
    return Result(
        f"Priority list over {LIST_LEADS:,} leads",
        f"first page {first:.0f} ms, search {search:.0f} ms, page 100 {late:.0f} ms",
        f"{1_000 * floor:.1f} ms",
        ratio(times[0], floor),
        "SQLite, median; floor: the same 50 rows by primary key, without count, order or trend",
    )


def multiply(path: Path, wanted: int) -> None:
    """Copies of the leads that are there, until there are `wanted`, with scores a little apart."""
    with sqlite3.connect(path) as database:
        names = [row[1] for row in database.execute("PRAGMA table_info(lead)")]
        rest = [name for name in names if name not in ("id", "score_value")]
        columns = ", ".join(["id", "score_value", *rest])
        top, count = database.execute("SELECT max(id), count(*) FROM lead").fetchone()
        for copy in range(1, -(-wanted // count)):
            values = f"id + {copy * top}, abs(score_value - {copy * 37})"
            database.execute(
                f"INSERT INTO lead ({columns}) SELECT {values}, {', '.join(rest)} FROM lead"
                " WHERE id <= ?",
                (top,),
            )
        database.execute("ANALYZE")


def scoring_a_file(home: Path) -> Result:
    """Rows of a CSV file scored and written back."""
    say(f"file of {FILE_ROWS:,} rows")
    source = home / "leads.csv"
    with source.open("w", encoding="utf-8", newline="") as stream:
        writer = csv.writer(stream)
        writer.writerow(["Email", "Job Title", "Company", "Employees", "Country", "Message"])
        for number in range(FILE_ROWS):
            title = ("VP Sales", "Student", "CRM Manager", "Data Analyst")[number % 4]
            message = "We need a demo and a price this month." if number % 3 == 0 else ""
            company = f"Company {number // 3}"
            writer.writerow([f"p{number}@c{number}.example", title, company, number, "DE", message])
    ours = seconds(lambda: score_file(source, output=home / "scored.csv"))

    def copy() -> None:
        with source.open(newline="") as old, (home / "copy.csv").open("w", newline="") as new:
            csv.writer(new).writerows(csv.reader(old))

    floor = fastest(copy, 3)
    return Result(
        "Scoring a file",
        f"{FILE_ROWS / ours:,.0f} rows/s",
        f"{FILE_ROWS / floor:,.0f} rows/s",
        ratio(ours, floor),
        f"{FILE_ROWS:,} rows with default rules; floor: copying the file with the csv module",
    )
