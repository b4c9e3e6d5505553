"""Separation, lift, calibration and the leak guard, against brute force and invented columns."""

from __future__ import annotations

from itertools import product
from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from scoring.quality import auc, calibration, leaky, lift_at, read_leaks, wilson

SCORED = st.lists(st.tuples(st.integers(-5, 5), st.booleans()), max_size=40)


def split(pairs: list[tuple[int, bool]]) -> tuple[list[int], list[bool]]:
    return [score for score, _ in pairs], [won for _, won in pairs]


def auc_by_pairs(scores: list[int], outcomes: list[bool]) -> float | None:
    with_it = [s for s, won in zip(scores, outcomes, strict=True) if won]
    without = [s for s, won in zip(scores, outcomes, strict=True) if not won]
    if not with_it or not without:
        return None
    wins = sum(1.0 if a > b else 0.5 if a == b else 0.0 for a, b in product(with_it, without))
    return wins / (len(with_it) * len(without))


# -- separation -----------------------------------------------------------------------------------


@given(SCORED)
def test_auc_is_the_share_of_pairs_in_the_right_order(pairs: list[tuple[int, bool]]) -> None:
    assert auc(*split(pairs)) == pytest.approx(auc_by_pairs(*split(pairs)), abs=1e-12)


@given(SCORED)
def test_auc_turned_round_is_what_is_missing_to_one(pairs: list[tuple[int, bool]]) -> None:
    scores, outcomes = split(pairs)
    found = auc(scores, outcomes)
    if found is not None:
        assert auc([-score for score in scores], outcomes) == pytest.approx(1 - found)


@given(SCORED)
def test_auc_reads_the_order_of_scores_only(pairs: list[tuple[int, bool]]) -> None:
    scores, outcomes = split(pairs)
    assert auc([score**3 + 7 for score in scores], outcomes) == auc(scores, outcomes)


@given(SCORED, st.randoms(use_true_random=False), st.sampled_from([0.05, 0.1, 0.5, 1.0]))
def test_lift_does_not_depend_on_the_order_of_ties(
    pairs: list[tuple[int, bool]], random: Random, share: float
) -> None:
    shuffled = random.sample(pairs, len(pairs))
    assert lift_at(*split(pairs), share) == lift_at(*split(shuffled), share)


@given(SCORED)
def test_all_leads_convert_at_the_base_rate(pairs: list[tuple[int, bool]]) -> None:
    lift = lift_at(*split(pairs), 1.0)
    assert lift is None if not any(won for _, won in pairs) else lift == pytest.approx(1.0)


def test_lift_of_a_perfect_order_is_one_over_the_base_rate() -> None:
    assert lift_at(list(range(100)), [i >= 80 for i in range(100)], 0.1) == pytest.approx(5.0)


def test_equal_scores_lift_nothing() -> None:
    assert lift_at([3] * 100, [i < 20 for i in range(100)], 0.1) == pytest.approx(1.0)


def test_a_score_that_is_not_a_number_is_refused() -> None:
    with pytest.raises(ValueError, match="not a number"):
        auc([1.0, float("nan")], [True, False])


def test_scores_and_outcomes_of_different_length_are_refused() -> None:
    with pytest.raises(ValueError, match="shorter"):
        auc([1, 2, 3], [True, False])


@pytest.mark.parametrize("share", [0, -0.1, 1.1])
def test_lift_needs_a_share(share: float) -> None:
    with pytest.raises(ValueError, match="not a share"):
        lift_at([1], [True], share)


# -- intervals and calibration --------------------------------------------------------------------


def test_the_interval_of_a_known_example() -> None:
    # Newcombe (1998, Statist. Med. 17:857-872), table I: 81 of 263.
    assert wilson(81, 263) == pytest.approx((0.2553, 0.3662), abs=5e-5)


FORECASTS = st.lists(st.tuples(st.sampled_from([0.0, 0.1, 0.25, 0.9, 1.0]), st.booleans()))


@given(FORECASTS, st.integers(1, 12))
def test_calibration_loses_no_lead_and_no_outcome(
    pairs: list[tuple[float, bool]], rows: int
) -> None:
    table = calibration([chance for chance, _ in pairs], [won for _, won in pairs], rows)
    assert sum(row.n for row in table) == len(pairs)
    assert sum(row.observed * row.n for row in table) == pytest.approx(sum(won for _, won in pairs))
    assert len(table) <= rows


@given(FORECASTS)
def test_calibration_rises_and_keeps_equal_forecasts_together(
    pairs: list[tuple[float, bool]],
) -> None:
    table = calibration([chance for chance, _ in pairs], [won for _, won in pairs])
    forecasts = [row.forecast for row in table]
    assert forecasts == sorted(forecasts)
    assert len(table) <= len({chance for chance, _ in pairs})


def test_calibration_shows_what_was_promised_and_what_came() -> None:
    low, high = calibration([0.2] * 10 + [0.8] * 10, [i in {0, 10, 11, 12} for i in range(20)])
    assert (low.n, high.n) == (10, 10)
    assert [low.forecast, low.observed] == pytest.approx([0.2, 0.1])
    assert [high.forecast, high.observed] == pytest.approx([0.8, 0.3])
    assert (high.low, high.high) == wilson(3, 10)


def test_a_forecast_beyond_certainty_is_refused() -> None:
    with pytest.raises(ValueError, match="between 0 and 1"):
        calibration([1.2], [True])


# -- the leak guard -------------------------------------------------------------------------------

N = 4_000


@pytest.fixture(scope="module")
def outcome() -> list[bool]:
    random = Random(7)
    return [random.random() < 0.3 for _ in range(N)]


def invented(outcome: list[bool], seed: int, when_won: str, when_lost: str) -> list[str | None]:
    """A column that shows one text or the other with chances 0 to 9 in ten; '_' is blank."""
    random = Random(seed)
    texts = (random.choice(when_won if won else when_lost) for won in outcome)
    return [None if text == "_" else text for text in texts]


def test_a_copy_of_the_outcome_is_found(outcome: list[bool]) -> None:
    (found,) = leaky({"Answer": ["yes" if won else "no" for won in outcome]}, outcome)
    assert found.auc == 1.0
    assert found.one_sided == 1.0


def test_a_number_that_only_winners_have_is_found(outcome: list[bool]) -> None:
    random = Random(1)
    amounts = [random.uniform(10, 90) if won else 0.0 for won in outcome]
    assert [found.column for found in leaky({"amount": amounts}, outcome)] == ["amount"]


def test_a_number_that_is_telling_in_the_middle_is_found(outcome: list[bool]) -> None:
    random = Random(2)
    level = [random.uniform(4, 6) if won else random.choice([1.0, 9.0]) for won in outcome]
    (found,) = leaky({"level": level}, outcome)
    assert found.auc > 0.95


def test_a_value_that_settles_the_outcome_is_found_though_most_rows_say_nothing(
    outcome: list[bool],
) -> None:
    column = invented(outcome, 3, "abcd" * 2 + "Z", "abcd")
    (found,) = leaky({"note": column}, outcome)
    assert found.auc < 0.8
    assert found.reasons == ("values that settle the outcome of 11% of such leads",)


def test_being_filled_in_is_found(outcome: list[bool]) -> None:
    (found,) = leaky({"budget": invented(outcome, 4, "aaab__", "ab____")}, outcome)
    assert [reason.split(" alone")[0] for reason in found.reasons] == ["being filled in"]


def test_missing_more_often_with_the_outcome_counts_as_well(outcome: list[bool]) -> None:
    (found,) = leaky({"budget": invented(outcome, 4, "ab____", "aaab__")}, outcome)
    assert found.filled_in > 0.55


@pytest.mark.parametrize("name", ["Last Activity", "lastActivity", "lead_status", "Lead Quality"])
def test_a_telling_name_is_found_whatever_the_values(outcome: list[bool], name: str) -> None:
    (found,) = leaky({name: invented(outcome, 5, "ab", "ab")}, outcome)
    assert found.reasons[0].startswith("its name says")
    assert not found.by_values


@pytest.mark.parametrize("name", ["Blast", "Stages of life", "everlasting"])
def test_a_word_inside_another_word_tells_nothing(outcome: list[bool], name: str) -> None:
    assert leaky({name: invented(outcome, 5, "ab", "ab")}, outcome) == []


def test_honest_columns_pass(outcome: list[bool]) -> None:
    random = Random(6)
    columns: dict[str, list[str | float | None]] = {
        "strong source": list(invented(outcome, 8, "aaabc", "abbcc")),
        "seconds": [random.gauss(60 if won else 45, 20) for won in outcome],
        "noise": [random.random() for _ in outcome],
        "constant": ["No"] * N,
        "blank": [None] * N,
        "missing at random": list(invented(outcome, 9, "ab_", "ab_")),
        "id": [f"lead-{i}" for i in range(N)],
    }
    assert leaky(columns, outcome) == []


def test_an_id_is_no_leak_though_it_names_each_outcome(outcome: list[bool]) -> None:
    (found,) = read_leaks({"id": [f"lead-{i}" for i in range(N)]}, outcome)
    assert found.auc == pytest.approx(0.5)


def test_a_rare_value_settles_nothing() -> None:
    outcome = [i < 100 for i in range(1_000)]
    (found,) = read_leaks({"x": ["Z" if i < 15 else "a" for i in range(1_000)]}, outcome)
    assert found.one_sided == 0.0


def test_blank_text_counts_as_not_filled_in(outcome: list[bool]) -> None:
    blank, none = (
        ["  " if won else "x" for won in outcome],
        [None if won else "x" for won in outcome],
    )
    (a, b) = read_leaks({"a": blank, "b": none}, outcome)
    assert a.filled_in == b.filled_in == 1.0


def test_a_blank_is_no_value_that_settles_the_outcome(outcome: list[bool]) -> None:
    (found,) = read_leaks({"x": invented(outcome, 10, "aaa_", "aaaa")}, outcome)
    assert found.one_sided == 0.0
    assert found.filled_in > 0.55


def test_one_outcome_only_is_refused() -> None:
    with pytest.raises(ValueError, match="leads without it"):
        read_leaks({"x": ["a", "b"]}, [True, True])


def test_a_column_of_another_length_is_refused() -> None:
    with pytest.raises(ValueError, match="x has 1 cells for 2 outcomes"):
        read_leaks({"x": ["a"]}, [True, False])
