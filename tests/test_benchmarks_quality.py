"""The proof on public data: its panel sees only the past; its numbers hold where the data are."""

from __future__ import annotations

import gzip
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from benchmarks import quality
from benchmarks.bpi2012 import panel as bpi
from benchmarks.bpi2012.panel import Event
from benchmarks.xeducation import leaks
from scoring.backtest import score_panel
from scoring.panel import Panel, Weekly, panel_of
from scoring.quality import read_leaks
from scoring.scores import MILLI

DATA = quality.data_folder()  # read now: tests run without the developer's settings
RULES = quality.HERE / "bpi2012" / "rules.yaml"
MONDAY = datetime(2011, 10, 10, tzinfo=UTC)
DAY = timedelta(days=1)
WEEKS = timedelta(days=14)


def needs(*paths: str) -> pytest.MarkDecorator:
    gone = [path for path in paths if not (DATA / path).is_file()]
    return pytest.mark.skipif(bool(gone), reason=f"public data not here: {', '.join(gone)}")


def days(*events: tuple[float, str]) -> list[Event]:
    """Events by their distance from the Monday, in days."""
    return [Event(MONDAY + DAY * at, activity) for at, activity in events]


LOG = {
    "open": days((-6, "A_SUBMITTED"), (-2, "O_SENT"), (-1, "O_SENT_BACK"), (3, "A_APPROVED")),
    "slow": days((-6, "A_SUBMITTED"), (-5, "A_PREACCEPTED"), (20, "A_APPROVED")),
    "done": days((-6, "A_SUBMITTED"), (-1, "A_DECLINED")),
    "new": days((0, "A_SUBMITTED"), (1, "A_APPROVED")),
}


def scores(panel: Panel, half_life: float | None, log: bpi.Log = LOG) -> list[int]:
    rules = bpi.rules_with(RULES, half_life)
    found: list[int] = score_panel(bpi.history(log), panel, [rules])[0].value.tolist()
    return found


def on(monday: datetime, log: bpi.Log = LOG) -> Panel:
    """The rows of one Monday."""
    return panel_of(bpi.history(log), Weekly(), WEEKS, monday + WEEKS, since=monday - DAY)


def only(*applications: str) -> bpi.Log:
    return {name: LOG[name] for name in applications}


# -- the panel ------------------------------------------------------------------------------------


def test_the_panel_holds_what_was_open_just_before_the_monday() -> None:
    names = list(LOG)
    assert [names[lead] for lead in on(MONDAY).lead] == ["open", "slow"]
    assert bpi.mondays(on(MONDAY)) == [MONDAY]


def test_the_label_looks_exactly_one_horizon_ahead() -> None:
    def accepted(at: float) -> bool:
        log = {"x": days((-1, "A_SUBMITTED"), (at, "A_REGISTERED"))}
        return bool(on(MONDAY, log).won[0])

    assert [accepted(at) for at in (0, 13.999, 14)] == [True, True, False]


def test_a_monday_needs_a_week_before_it_and_its_whole_horizon_inside_the_log() -> None:
    log = {"x": days((-9, "A_SUBMITTED"), (15, "A_DECLINED"))}
    assert bpi.mondays(bpi.weekly_panel(log, WEEKS)[1]) == [MONDAY]
    assert len(bpi.weekly_panel(log, timedelta(days=16))[1]) == 0


def test_a_score_is_points_times_two_to_the_minus_age_over_half_life() -> None:
    (score,) = scores(on(MONDAY, only("open")), 2, only("open"))
    assert score == pytest.approx((1 * 2**-3 + 1.5 * 2**-1 + 6 * 2**-0.5) * MILLI, abs=2)


def test_without_a_half_life_points_stay() -> None:
    assert scores(on(MONDAY, only("open")), None, only("open")) == [8_500]


def test_what_happens_at_the_monday_itself_does_not_count() -> None:
    log = {"open": [*LOG["open"][:3], Event(MONDAY, "O_SENT_BACK")]}
    assert scores(on(MONDAY, log), None, log) == [8_500]


def test_a_new_future_changes_no_score_and_no_panel() -> None:
    found = bpi.look_ahead(LOG, [MONDAY], WEEKS, bpi.rules_with(RULES, 14))
    assert (found.rows, found.moved, found.scores) == (2, 0, 0)


def test_the_poison_check_catches_a_score_that_looks_ahead() -> None:
    found = bpi.look_ahead(LOG, [MONDAY], WEEKS, bpi.rules_with(RULES, 14))
    assert found.control == 2


def test_the_poison_leaves_the_past_alone() -> None:
    changed = bpi.poisoned(LOG, MONDAY)
    for application, events in LOG.items():
        past = [event for event in events if event.at < MONDAY]
        assert [event for event in changed[application] if event.at < MONDAY] == past
        assert changed[application] != events


def test_scheduled_and_started_work_is_not_read(tmp_path: Path) -> None:
    path = tmp_path / "events.csv.gz"
    at = "2011-10-01 02:00:00.500000+02:00"
    rows = [f"1,{at},W_Valideren aanvraag,{step},7" for step in ("SCHEDULE", "START", "COMPLETE")]
    with gzip.open(path, "wt", encoding="utf-8") as stream:
        stream.write("\n".join(["case,ts,event,transition,resource", *rows, ""]))
    expected = Event(datetime(2011, 10, 1, 0, 0, 0, 500_000, UTC), "W_Valideren aanvraag")
    assert bpi.read_log(path) == {"1": [expected]}


# -- the report -----------------------------------------------------------------------------------


def test_without_data_everything_missing_is_named_and_the_report_stays(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("LEADLIGHT_DATA", str(tmp_path))
    before = quality.REPORT.read_bytes()
    quality.main()
    said = capsys.readouterr().out
    assert all(path in said for path in ("xeducation/leads.csv", "bpi2012/events.csv.gz", "d2c/"))
    assert quality.REPORT.read_bytes() == before


# -- where the data are ---------------------------------------------------------------------------


@needs(leaks.XEDUCATION.path)
def test_hand_written_rules_hold_in_the_later_third() -> None:
    found = quality.scored_leads(DATA)
    later = quality.report_on(found, quality.in_thirds(found)[1])
    assert later.auc is not None
    assert later.lift is not None
    assert (later.rows, round(later.auc.value, 3), round(later.lift, 2)) == (2_464, 0.870, 2.33)


@needs(leaks.XEDUCATION.path)
def test_every_documented_leak_is_flagged_and_no_honest_strong_column() -> None:
    columns, outcome = leaks.read_columns(DATA, leaks.XEDUCATION)
    flagged = {each.column for each in read_leaks(columns, outcome) if each.reasons}
    assert leaks.XEDUCATION.leaks | leaks.XEDUCATION.softer <= flagged
    honest = {"Total Time Spent on Website", "Lead Source", "Lead Origin", "TotalVisits"}
    assert not honest & flagged


@needs(leaks.XEDUCATION.path)
def test_six_of_the_nine_documented_leaks_are_known_by_their_name_only() -> None:
    columns, outcome = leaks.read_columns(DATA, leaks.XEDUCATION)
    renamed = {f"column {i}": cells for i, cells in enumerate(columns.values())}
    found = zip(columns, read_leaks(renamed, outcome), strict=True)
    by_data = {name for name, each in found if each.reasons}
    assert by_data & leaks.XEDUCATION.leaks == {"Tags", "Lead Quality", "Lead Profile"}


@needs(quality.BPI_LOG)
def test_decay_tells_more_than_the_same_points_without_it() -> None:
    found = quality.weeks(bpi.read_log(DATA / quality.BPI_LOG), 14)
    areas = {each: round(found.auc(each), 3) for each in quality.HALF_LIVES}
    assert (areas[None], areas[14]) == (0.668, 0.729)
    assert max(areas, key=areas.__getitem__) == 14


@needs(quality.BPI_LOG)
def test_no_event_after_a_monday_matters_in_the_real_log() -> None:
    log = bpi.read_log(DATA / quality.BPI_LOG)
    found = bpi.look_ahead(log, [MONDAY + 4 * 7 * DAY], WEEKS, bpi.rules_with(RULES, 14))
    assert (found.moved, found.scores) == (0, 0)
    assert found.control > 0.9 * found.rows
