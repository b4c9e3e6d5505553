"""Any logged score computes again to the same bytes, whatever happened since."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterator
from datetime import timedelta
from typing import Any

import pytest
from conftest import FakeClock
from loop_world import LEAD, LOG, Loop, running
from sqlalchemy import delete, update
from typer.testing import CliRunner, Result

from app.cli import cli
from app.replay_cli import Replay, in_words, replay_log, summary
from data.store import RULES, Store
from scoring.engine import ENGINE_VERSION
from scoring.rules import DEFAULT_RULES_TEXT, parse_rule_set

#: The default rules with bands that hold on to whom they have.
STICKY = DEFAULT_RULES_TEXT
for old, new in (
    ("from: 65, leave_at: 60", "from: 48, leave_at: 10, dwell_days: 2, capacity: {per_week: 20}"),
    ("from: 40, leave_at: 36", "from: 9"),
    ("label: Nurture, from: 20", "label: Nurture, from: 8"),
):
    assert old in STICKY
    STICKY = STICKY.replace(old, new)


def live(loop: Loop) -> None:
    """Two first reads, joined people, weeks of decay, other rules, a change that moves a score."""
    loop.settle()
    contact = loop.client.add_contact(email="ada@acme.example", jobtitle="CEO", lastname="Berg")
    loop.client.add("Lead", LastName="Berg", Company="Acme", Email="ada@acme.example")
    loop.settle()
    loop.client.change_contact(contact, jobtitle="Intern")
    loop.clock.advance(86_400 * 6)
    loop.catch_up()
    rules, problems = parse_rule_set(STICKY)
    assert rules is not None, problems
    loop.store.activate_rule_set(rules.document, rules.hash, "Sticky", "", loop.clock())
    loop.clock.advance(3_600)
    loop.catch_up()
    for _ in range(3):
        loop.clock.advance(86_400 * 5)
        loop.catch_up()


@pytest.fixture(scope="module")
def lived(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Loop]:
    with running(tmp_path_factory.mktemp("replay"), FakeClock(), leads=36, seed=3) as loop:
        live(loop)
        yield loop


@pytest.fixture
def store(lived: Loop) -> Iterator[Store]:
    """What the loop left behind; what a test does to the log is undone."""
    kept = {table: [row._asdict() for row in lived.rows(table)] for table in (LOG, RULES)}
    yield lived.store
    with lived.store.engine.begin() as connection:
        for table, rows in kept.items():
            connection.execute(delete(table))
            connection.execute(table.insert(), rows)


def spoil(store: Store, entry: int, **values: Any) -> None:
    with store.engine.begin() as connection:
        connection.execute(update(LOG).where(LOG.c.id == entry).values(**values))


def test_everything_that_the_loop_logged_computes_to_the_same_bytes(lived: Loop) -> None:
    entries = lived.rows(LOG)
    causes = Counter(entry.cause for entry in entries)
    assert causes.keys() >= {"new", "changed", "time", "rules"}
    assert len({entry.rule_set_hash for entry in entries}) == 2
    found = replay_log(lived.store)
    assert (found.entries, found.same, found.code) == (len(entries), len(entries), 0)


def test_the_band_before_is_part_of_the_log(lived: Loop) -> None:
    """Some are in a band that their score alone would not reach: without it they would differ."""
    held = [e for e in lived.rows(LOG) if e.band == "hot" and e.value < 48_000]
    held = [entry for entry in held if entry.rule_set_hash != lived.rows(LOG)[0].rule_set_hash]
    assert held
    assert all(entry.previous_band == "hot" for entry in held)


def test_what_decided_a_band_besides_the_score_is_part_of_the_log(lived: Loop) -> None:
    """With a dwell and a capacity: since when it was in its band, and where thresholds stood."""
    named = {name for entry in lived.rows(LOG) for name in entry.situation or ()}
    assert named >= {"state", "moved"}
    assert any(entry.cause == "room" for entry in lived.rows(LOG))


def test_it_replays_from_postgresql(lived: Loop, postgres_url: str) -> None:
    store = Store.open(postgres_url, migrate=True)
    with store.engine.begin() as connection:
        for table in (LEAD, RULES, LOG):
            connection.execute(table.insert(), [row._asdict() for row in lived.rows(table)])
    found = replay_log(store)
    store.close()
    assert (found.same, found.code) == (lived.count(LOG), 0)


@pytest.mark.parametrize(
    ("what", "values"),
    [
        ("value", {"value": 12_345}),
        ("low", {"low": -1}),
        ("high", {"high": 101_000}),
        ("band", {"band": "nurture!"}),
        ("scoring_mode", {"scoring_mode": "model"}),
        ("contributions", {"contributions": []}),
        ("inputs", {"inputs": "{}"}),
    ],
)
def test_an_entry_that_was_changed_is_found(
    store: Store, lived: Loop, what: str, values: dict[str, Any]
) -> None:
    entry = lived.rows(LOG, LOG.c.value > 0)[5]
    spoil(store, entry.id, **values)
    found = replay_log(store)
    (difference,) = found.differences
    assert (difference.entry, difference.lead, found.code) == (entry.id, entry.lead_id, 1)
    assert what in difference.what
    assert found.same == lived.count(LOG) - 1


def test_other_inputs_give_another_score(store: Store, lived: Loop) -> None:
    first, *_, last = lived.rows(LOG, LOG.c.cause == "new")
    spoil(store, first.id, inputs=last.inputs)
    assert [each.entry for each in replay_log(store).differences] == [first.id]


def test_another_engine_version_is_said_and_not_claimed(store: Store, lived: Loop) -> None:
    old = [entry.id for entry in lived.rows(LOG)[:4]]
    for entry in old:
        spoil(store, entry, engine_version="0", value=-1)
    found = replay_log(store)
    assert (found.other_engines, found.differences, found.code) == (Counter({"0": 4}), [], 3)
    assert "4 are of engine version 0 and were not computed" in in_words(summary(found))


def test_rules_that_are_gone_are_said(store: Store, lived: Loop) -> None:
    rules = lived.rows(LOG)[0].rule_set_hash
    with store.engine.begin() as connection:
        connection.execute(delete(RULES).where(RULES.c.hash == rules))
    found = replay_log(store)
    assert found.lost_rules.keys() == {rules}
    assert found.code == 3
    assert f"rule set {rules[:8]}, whose document is gone" in in_words(summary(found))


def test_a_document_that_is_no_longer_the_one_logged_is_not_used(store: Store, lived: Loop) -> None:
    rules = lived.rows(LOG)[0].rule_set_hash
    with store.engine.begin() as connection:
        changed = update(RULES).where(RULES.c.hash == rules)
        connection.execute(changed.values(document=STICKY.replace("points: 5", "points: 6")))
    assert replay_log(store).lost_rules.keys() == {rules}


def test_a_lead_a_time_and_a_sample_choose_entries(lived: Loop) -> None:
    entries = lived.rows(LOG)
    lead = max(Counter(entry.lead_id for entry in entries).items(), key=lambda item: item[1])[0]
    late = entries[-1].scored_at - timedelta(days=5)

    def replayed(**chosen: Any) -> int:
        return replay_log(lived.store, **chosen).same

    assert replayed(lead=lead) == sum(entry.lead_id == lead for entry in entries) > 1
    assert replayed(since=late) == sum(entry.scored_at >= late for entry in entries)
    assert [replayed(sample=n) for n in (1, 10, 10**6)] == [1, 10, len(entries)]


def test_a_sample_reaches_over_the_whole_log(lived: Loop) -> None:
    from data.score_log import log_entries

    ids = [entry.id for entry in lived.rows(LOG)]
    sampled = [entry.id for entry in log_entries(lived.store, sample=5)]
    assert sampled == [ids[len(ids) * i // 5] for i in range(5)]


# -- the command ---------------------------------------------------------------------------------


def called(lived: Loop, monkeypatch: pytest.MonkeyPatch, *arguments: str) -> Result:
    url = lived.store.engine.url.render_as_string(hide_password=False)
    monkeypatch.setenv("LEADLIGHT_DATABASE_URL", url)
    return CliRunner().invoke(cli, ["replay", *arguments])


def test_the_command_says_how_many_are_the_same(
    lived: Loop, monkeypatch: pytest.MonkeyPatch
) -> None:
    result = called(lived, monkeypatch, "--sample", "20")
    assert result.exit_code == 0, result.output
    assert result.output.startswith("20 logged scores: 20 computed again to the same bytes, 0 diff")


def test_the_command_fails_where_one_differs(
    lived: Loop, store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    entry = lived.rows(LOG)[3]
    spoil(store, entry.id, value=entry.value + 1)
    result = called(lived, monkeypatch, "--lead", str(entry.lead_id), "--json")
    told = json.loads(result.output)
    assert (result.exit_code, told["different"], told["engine_version"]) == (1, 1, ENGINE_VERSION)
    assert told["differences"][0]["entry"] == entry.id
    said = called(lived, monkeypatch, "--lead", str(entry.lead_id)).output
    assert f"entry {entry.id}, lead {entry.lead_id}" in said
    assert f"logged   {entry.value + 1}\n    computed {entry.value}" in said


def test_a_time_that_is_none_is_a_wrong_command_line(
    lived: Loop, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert called(lived, monkeypatch, "--since", "the other day").exit_code == 2


def test_an_empty_log_is_said_and_is_no_failure() -> None:
    assert Replay().code == 0
    assert "No score is logged there" in in_words(summary(Replay()))
