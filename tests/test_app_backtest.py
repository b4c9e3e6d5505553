"""`leadlight backtest` over a store filled by the product's own decisions."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime, timedelta
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from store_world import key, outcome, record, visit
from typer.testing import CliRunner, Result

from app.backtest_cli import read_instant
from app.backtest_store import backtest_store
from app.backtest_words import duration, in_words
from app.cli import cli
from app.decide import Policy, decide
from data.store import Incoming, Store
from scoring.engine import compile_rule_set
from scoring.leads import Engagement
from scoring.panel import AtFirstTouch, AtSla, BeforeOutcome, Instant, Weekly
from scoring.rules import default_rule_set, parse_rule_set

DAY = timedelta(days=1)
SOON = timedelta(seconds=20)
#: The command reads the real clock, so the leads' lives end today.
NOW = datetime.now(UTC)
HORIZON = 30 * DAY
RULES = """
name: Titles
bands: {good: {from: 30}, other: {from: 0}}
dimensions:
  fit:
    groups:
      - {id: who, rules: [{id: boss, when: {job_title: {contains: chief}}, points: 40}]}
"""
POLICY = Policy(compile_rule_set(default_rule_set()))


def people() -> list[tuple[int, datetime, bool]]:
    """Sixty leads, a new one every day; each second one is a chief, most of whom buy."""
    return [(n, NOW - (100 - n) * DAY, n % 2 == 0) for n in range(60)]


def came(store: Store, at: datetime, **page: Any) -> None:
    since = NOW - 365 * DAY
    decided = partial(decide, policy=POLICY, now=at, cause="changed", seen_at=at, live_since=since)
    store.commit_page(Incoming(**page), now=at, decide=decided)


def filled(folder: Path, until: datetime) -> Store:
    """A store in which everything until then has come, day by day."""
    store = Store.open(f"sqlite:///{folder / 'leads.db'}", migrate=True)
    rules = POLICY.scorer.rule_set
    store.activate_rule_set(rules.document, rules.hash, rules.name, "", NOW)
    store.set_connection("hubspot", backfilled_at=NOW - 365 * DAY)
    pages = [page for n, start, chief in people() for page in life(n, start, chief)]
    for at, page in sorted(pages, key=lambda each: each[0]):
        if at <= until:
            came(store, at, **page)
    return store


def life(n: int, start: datetime, chief: bool) -> Iterator[tuple[datetime, dict[str, Any]]]:
    """The pages that bring one lead, each with the time at which it comes."""
    title = {"job_title": "Chief Sales Officer" if chief else "Intern"}
    yield start + SOON, {"records": [record(n, created_at=start, **title)]}
    events = [
        visit(n, key(n), occurred_at=start + DAY, detail={"url": "/pricing"}),
        Engagement(f"call:{n}", "call_missed", start + 3 * DAY, key(n)),
    ]
    yield start + 3 * DAY, {"engagements": events[: 1 + n % 3]}
    if chief and n % 10:
        won_at = start + 9 * DAY
        yield won_at, {"outcomes": [outcome(n, key(n), occurred_at=won_at)]}
        later = {"created_at": start, "modified_at": won_at, "job_title": "Buyer"}
        yield won_at + SOON, {"records": [record(n, **later)]}


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Store]:
    store = filled(tmp_path_factory.mktemp("backtest"), NOW)
    yield store
    store.close()


@pytest.fixture
def draft(tmp_path: Path) -> Path:
    path = tmp_path / "draft.yaml"
    path.write_text(RULES, "utf-8")
    return path


def told(store: Store, instant: Instant | None = None, **options: Any) -> dict[str, Any]:
    rules = options.pop("rules", None)
    horizon = options.pop("horizon", HORIZON)
    return backtest_store(store, rules, instant or AtSla(), horizon, NOW, **options)


def bands(rule_set: dict[str, Any]) -> list[tuple[str, int, int]]:
    return [(row["band"], row["leads"], row["converted"]) for row in rule_set["bands"]]


def test_a_draft_is_judged_by_the_titles_that_were_known_then(store: Store, draft: Path) -> None:
    found = told(store, rules=draft)
    (ours, active) = found["rule_sets"]
    assert (ours["which"], active["which"]) == ("Draft", "Active")
    assert (found["rows"], found["converted"], found["excluded"]) == (60, 24, {})
    assert bands(ours) == [("Good", 30, 24), ("Other", 30, 0)]
    assert ours["auc"]["value"] == pytest.approx(1 - 6 / 36 / 2, abs=1e-4)
    assert found["comparison"]["rows"] == 60


def test_todays_titles_tell_less_because_buyers_changed_them(store: Store, draft: Path) -> None:
    found = told(store, rules=draft, todays_facts=True)
    assert bands(found["rule_sets"][0]) == [("Good", 6, 0), ("Other", 54, 24)]
    assert any("Facts are today's" in note for note in found["notes"])


def test_the_backtest_of_a_day_says_the_same_ever_after(
    store: Store, tmp_path: Path, draft: Path
) -> None:
    """Nothing that came later reaches it: neither pages nor titles nor outcomes."""
    day = NOW - 52.5 * DAY
    before = filled(tmp_path, day)
    for instant in (AtSla(), AtFirstTouch(), Weekly(), BeforeOutcome(5)):
        then, now = (backtest_store(each, draft, instant, HORIZON, day) for each in (before, store))
        assert json.dumps(then) == json.dumps(now)
        assert then["rows"] >= 10
    before.close()


def test_leads_whose_horizon_is_not_over_are_left_out_and_said(store: Store) -> None:
    found = told(store, horizon=60 * DAY)
    assert (found["rows"], found["excluded"]) == (40, {"immature": 20})
    assert "Left out: 20 rows, too young" in in_words(found)
    assert (NOW - 60 * DAY).date().isoformat() in in_words(found)


def test_the_data_end_with_the_workers_last_sign_of_life(store: Store) -> None:
    store.beat("worker", 1, NOW - 15 * DAY)
    try:
        assert told(store)["excluded"] == {"immature": 5}
    finally:
        store.beat("worker", 1, NOW)


@pytest.mark.parametrize(
    ("instant", "rows", "excluded"),
    [
        (AtSla(10 * 86_400), 36, {"decided": 24}),
        (AtFirstTouch(), 40, {"untouched": 20}),
        (BeforeOutcome(5), 60, {}),
    ],
)
def test_each_instant_has_its_own_rows(
    store: Store, instant: Instant, rows: int, excluded: dict[str, int]
) -> None:
    found = told(store, instant)
    assert (found["rows"], found["excluded"]) == (rows, excluded)


def test_weeks_are_rows_and_leads_are_leads(store: Store) -> None:
    found = told(store, Weekly())
    assert found["rows"] > found["leads"] > 50
    assert any("too narrow" in note for note in found["notes"])


def test_a_cut_off_that_depends_on_the_outcome_says_so(store: Store) -> None:
    found = told(store, BeforeOutcome(5))
    assert any("depends on the outcome" in note for note in found["notes"])
    with pytest.raises(ValueError, match="beyond a horizon"):
        told(store, BeforeOutcome(31))


def test_since_leaves_the_earlier_leads_out(store: Store) -> None:
    found = told(store, since=NOW - 50.5 * DAY)
    assert (found["rows"], found["excluded"]) == (10, {"early": 50})


def test_a_fact_that_knows_the_outcome_is_pointed_at(store: Store, draft: Path) -> None:
    found = told(store, rules=draft, todays_facts=True)
    (leak,) = [each for each in found["suspicious"] if each["fact"] == "job_title"]
    assert "AUC 1.000" in leak["reasons"][0]
    assert "May know the outcome, was it filled in before? Job title" in in_words(found)


def test_facts_that_no_past_instant_may_see_are_named(store: Store) -> None:
    (note,) = [note for note in told(store)["notes"] if note.startswith("Unknown at every")]
    assert "Lifecycle stage" in note
    assert "Page views" in note


# -- the command ---------------------------------------------------------------------------------


@pytest.fixture
def call(store: Store, monkeypatch: pytest.MonkeyPatch) -> Any:
    url = store.engine.url.render_as_string(hide_password=False)
    monkeypatch.setenv("LEADLIGHT_DATABASE_URL", url)

    def called(*arguments: str) -> Result:
        return CliRunner().invoke(cli, ["backtest", *arguments])

    return called


def test_the_command_prints_bands_with_intervals_and_a_verdict(call: Any, draft: Path) -> None:
    result = call("--rules", str(draft))
    assert result.exit_code == 0, result.output
    assert "60 rows of 60 leads, 24 converted (40.0%)." in result.output
    assert "Scored 1 minute after creation; converted = within 30 days after it." in result.output
    assert "Good                 30         24   80.0%   62.7% to 90.5%" in result.output
    assert "Both on the same 60 rows" in result.output


def test_json_is_the_same_for_machines(call: Any, draft: Path) -> None:
    found = json.loads(call("--rules", str(draft), "--json", "--at", "sla:86400").output)
    assert bands(found["rule_sets"][0]) == [("Good", 30, 24), ("Other", 30, 0)]
    assert found["instant"] == "1 day after creation"


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["--at", "someday"], "Use sla, sla:SECONDS, first-touch, before-outcome:DAYS or weekly"),
        (["--at", "before-outcome"], "is no instant"),
        (["--at", "weekly:3"], "is no instant"),
        (["--at", "sla:-1"], "is no instant"),
        (["--at", "sla:nan"], "is no instant"),
        (["--horizon-days", "-1"], "greater than or equal to 0"),
        (["--since", "soon"], "soon"),
    ],
)
def test_a_wrong_command_line_is_said(call: Any, arguments: Sequence[str], said: str) -> None:
    result = call(*arguments)
    assert result.exit_code == 2
    assert said in " ".join(result.output.replace("│", " ").split())


def test_rules_that_cannot_be_used_are_listed(call: Any, tmp_path: Path) -> None:
    bad = tmp_path / "bad.yaml"
    bad.write_text(RULES.replace("contains", "contain"), "utf-8")
    result = call("--rules", str(bad))
    assert result.exit_code == 1
    assert "contain" in result.output
    assert call("--rules", str(tmp_path / "none.yaml")).exit_code == 1


def test_a_store_without_leads_says_so_in_numbers(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    url = f"sqlite:///{tmp_path / 'empty.db'}"
    Store.open(url, migrate=True).close()
    monkeypatch.setenv("LEADLIGHT_DATABASE_URL", url)
    result = CliRunner().invoke(cli, ["backtest"])
    assert result.exit_code == 0
    assert result.output.startswith("0 rows of 0 leads, 0 converted.")


def test_instants_are_read() -> None:
    assert read_instant("sla") == AtSla(60)
    assert read_instant(" SLA:90 ") == AtSla(90)
    assert read_instant("before-outcome:2.5") == BeforeOutcome(2.5)
    assert read_instant("first-touch") == AtFirstTouch()
    assert read_instant("weekly") == Weekly()


@pytest.mark.parametrize(
    ("seconds", "said"),
    [
        (60, "1 minute"),
        (90, "90 seconds"),
        (7_200, "2 hours"),
        (604_800, "7 days"),
        (0, "0 seconds"),
    ],
)
def test_durations_are_said_in_the_unit_that_fits(seconds: float, said: str) -> None:
    assert duration(seconds) == said


def test_custom_fields_of_a_draft_are_read(store: Store, tmp_path: Path) -> None:
    document = RULES.replace("name: Titles", "name: Titles\nfields: {Seats__c: number}").replace(
        "{id: boss", "{id: seats, when: {Seats__c: {above: 5}}, points: 1}, {id: boss"
    )
    assert parse_rule_set(document)[1] == []
    path = tmp_path / "custom.yaml"
    path.write_text(document, "utf-8")
    assert told(store, rules=path)["rows"] == 60
