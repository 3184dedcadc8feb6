"""Contrasts over seeds, compared with scipy, hand-worked values and a simulated null."""

import math
from collections.abc import Sequence
from itertools import combinations
from typing import Any

import numpy as np
import pandas as pd
import pytest
from scipy import stats

from manybaskets.findings.contrasts import contrasts
from manybaskets.findings.two_sample import (
    benjamini_hochberg,
    cliffs_delta,
    hedges_g,
    holm,
    permutation_p,
    seeds_to_permute,
    smallest_permutation_p,
    welch,
)
from manybaskets.metrics.measurement import COLUMNS

LOW = [1.0, 2.0, 3.0, 4.0, 5.0]
HIGH = [11.0, 12.5, 12.0, 13.0, 14.5]
PRIMARY = {"collapse": ("nll", "test")}


def rows(mix: str, values: Sequence[float | None], **changed: Any) -> list[dict[str, Any]]:
    """One row per value, one seed per row."""
    fields: dict[str, Any] = {"study": "docs", "target": "wren", "generation": 0}
    fields |= {"probe": "collapse"}
    fields |= {"metric": "nll", "item_set": "test", "n": 10, "excluded": 0, "note": ""}
    return [
        fields | {"mix": mix, "seed": seed, "value": value} | changed
        for seed, value in enumerate(values)
    ]


def table(*parts: list[dict[str, Any]]) -> pd.DataFrame:
    frame = pd.DataFrame([row for part in parts for row in part], columns=list(COLUMNS))
    return frame.astype({"value": "float64", "seed": "Int64", "generation": "Int64"})


def contrast(mix: list[Any], against: list[Any], **options: Any) -> dict[str, Any]:
    """The only contrast of `multi` against `human`, as a dictionary."""
    frame = table(rows("multi", mix), rows("human", against))
    found = contrasts(frame, [("multi", "human")], PRIMARY, **options)
    assert len(found) == 1
    return {str(name): value for name, value in found.iloc[0].items()}


@pytest.mark.parametrize(
    ("one", "other"), [(LOW, HIGH), (LOW, HIGH[:3]), (LOW, [3.0, 3.5]), (LOW, [2.0, 2.0, 2.0])]
)
@pytest.mark.parametrize("alpha", [0.05, 0.01])
@pytest.mark.filterwarnings("ignore:Precision loss:RuntimeWarning")  # scipy's, at no variation
def test_welch_is_that_of_scipy(one: list[float], other: list[float], alpha: float) -> None:
    ours, theirs = welch(one, other, alpha), stats.ttest_ind(one, other, equal_var=False)
    interval = theirs.confidence_interval(1 - alpha)
    assert ours.p == pytest.approx(theirs.pvalue, rel=1e-12)
    assert ours.degrees_of_freedom == pytest.approx(theirs.df, rel=1e-12)
    assert (ours.low, ours.high) == pytest.approx((interval.low, interval.high), rel=1e-12)
    assert ours.difference == pytest.approx(np.mean(one) - np.mean(other))


def test_welch_without_variation_is_not_a_test() -> None:
    with pytest.raises(ValueError, match="not a test"):
        welch([1, 1, 1], [2, 2])
    with pytest.raises(ValueError, match="not a test"):
        welch([0.1 + 0.2, 0.3, 0.3], [2, 2])  # they differ by rounding only
    with pytest.raises(ValueError, match="at least 2"):
        welch([1], [2, 3])


def test_hedges_g_is_the_hand_worked_one() -> None:
    # means 3 and 5, both variances 2.5: d = -2 / sqrt(2.5); J(8) = gamma(4) / (2 gamma(3.5))
    correction = 6 / (2 * (2.5 * 1.5 * 0.5 * math.sqrt(math.pi)))
    expected = -2 / math.sqrt(2.5) * correction
    assert hedges_g(LOW, [3, 4, 5, 6, 7]) == pytest.approx(expected, rel=1e-12)
    assert correction == pytest.approx(1 - 3 / (4 * 8 - 1), abs=1e-3)  # the usual approximation


def test_hedges_g_pools_samples_by_their_degrees_of_freedom() -> None:
    # variances 1 (3 seeds) and 4.5 (2 seeds): pooled (2*1 + 1*4.5) / 3; J(3) = gamma(1.5)/sqrt(1.5)
    correction = 0.5 * math.sqrt(math.pi) / math.sqrt(1.5)
    expected = correction * (2 - 4.5) / math.sqrt(6.5 / 3)
    assert hedges_g([1, 2, 3], [3, 6]) == pytest.approx(expected, rel=1e-12)


def test_hedges_g_without_variation_is_not_defined() -> None:
    with pytest.raises(ValueError, match="nothing to standardise by"):
        hedges_g([1, 1], [2, 2])


@pytest.mark.parametrize(
    ("one", "other", "expected"),
    [
        (LOW, HIGH, -1.0),
        (HIGH, LOW, 1.0),
        (LOW, LOW, 0.0),
        ([1, 2, 3], [2, 2], 0.0),
        ([1, 3, 4], [2, 3], (-2 + 0 + 1 + 2) / 6),
        ([1], [2], -1.0),
    ],
)
def test_cliffs_delta_is_the_hand_worked_one(
    one: list[float], other: list[float], expected: float
) -> None:
    assert cliffs_delta(one, other) == pytest.approx(expected)


def test_the_permutation_p_of_separated_samples_is_the_smallest_there_is() -> None:
    assert permutation_p(LOW, HIGH) == pytest.approx(2 / 252)
    assert smallest_permutation_p(5, 5) == pytest.approx(2 / 252)
    assert smallest_permutation_p(3, 3) == pytest.approx(0.1)
    assert smallest_permutation_p(4, 4) == pytest.approx(2 / 70)


def test_the_permutation_p_counts_all_splits() -> None:
    one, other = [0.1, 0.7, 0.4, 0.9], [0.8, 1.3, 0.6, 1.1]
    together = np.array(one + other)
    observed = abs(np.mean(one) - np.mean(other))
    splits = [list(split) for split in combinations(range(8), 4)]
    differences = [
        abs(together[split].mean() - np.delete(together, split).mean()) for split in splits
    ]
    expected = np.mean(np.array(differences) >= observed - 1e-12)
    assert permutation_p(one, other) == pytest.approx(expected)


@pytest.mark.parametrize(("seeds_mix", "seeds_against"), [(5, 5), (4, 7), (30, 20)])
def test_the_permutation_p_is_that_of_scipy(seeds_mix: int, seeds_against: int) -> None:
    draw = np.random.default_rng(3)
    for shift in (0.0, 0.5, 1.0):
        x, y = draw.normal(shift, 1, seeds_mix), draw.normal(0, 1, seeds_against)
        theirs = stats.permutation_test(
            (x, y),
            lambda one, other, axis: one.mean(axis=axis) - other.mean(axis=axis),
            vectorized=True,
            n_resamples=20_000,
            rng=np.random.default_rng(1),
        ).pvalue
        exact = seeds_mix + seeds_against < 12
        assert permutation_p(x, y) == pytest.approx(theirs, abs=1e-9 if exact else 0.02)


def test_the_permutation_p_of_many_seeds_is_the_same_every_time() -> None:
    generator = np.random.default_rng(0)
    one, other = generator.normal(size=(2, 12))
    assert permutation_p(one, other) == permutation_p(one, other)
    theirs = stats.ttest_ind(one, other).pvalue
    assert permutation_p(one, other) == pytest.approx(theirs, abs=0.03)


def test_four_seeds_are_the_fewest_that_a_permutation_test_can_decide_with() -> None:
    assert seeds_to_permute(0.05) == 4
    assert seeds_to_permute(0.1) == 3
    assert seeds_to_permute(0.01) == 5


def test_holm_is_the_hand_worked_one() -> None:
    # sorted .005 .01 .03 .04 times 4 3 2 1, then never falling
    assert holm([0.01, 0.04, 0.03, 0.005]) == pytest.approx([0.03, 0.06, 0.06, 0.02])
    assert holm([0.6, 0.9]) == pytest.approx([1, 1])
    assert len(holm([])) == 0


def test_benjamini_hochberg_is_the_hand_worked_one() -> None:
    # sorted .005 .01 .03 .04 times 4/1 4/2 4/3 4/4, the least from there on
    assert benjamini_hochberg([0.01, 0.04, 0.03, 0.005]) == pytest.approx([0.02, 0.04, 0.04, 0.02])
    assert len(benjamini_hochberg([])) == 0


def test_a_contrast_says_direction_difference_and_interval() -> None:
    found = contrast(LOW, HIGH)
    theirs = stats.ttest_ind(LOW, HIGH, equal_var=False)
    interval = theirs.confidence_interval()
    assert (found["seeds_mix"], found["seeds_against"]) == (5, 5)
    assert (found["mean_mix"], found["mean_against"]) == pytest.approx((3, 12.6))
    assert found["difference"] == pytest.approx(-9.6)
    assert (found["ci_low"], found["ci_high"]) == pytest.approx((interval.low, interval.high))
    assert found["p_welch"] == found["p_adjusted"] == pytest.approx(theirs.pvalue)
    assert found["p_permutation"] == pytest.approx(2 / 252)
    assert found["cliffs_delta"] == -1
    assert found["decided"]
    assert found["verdict"] == (
        "nll on test of wren is lower under multi than under human: difference -9.6, 95 % interval "
        "-11.7 to -7.48, Holm-adjusted p 7.8e-06, 5 against 5 seeds."
    )


def test_a_contrast_and_its_mirror_are_opposites() -> None:
    one, other = contrast(LOW, HIGH), contrast(HIGH, LOW)
    assert one["p_welch"] == other["p_welch"]
    for name in ("difference", "hedges_g", "cliffs_delta"):
        assert one[name] == pytest.approx(-other[name])
    assert one["ci_low"] == pytest.approx(-other["ci_high"])
    assert "higher under multi" in other["verdict"]


def test_overlapping_seeds_decide_nothing() -> None:
    found = contrast(LOW, [1.5, 2.5, 2.9, 4.5, 5.5])
    assert not found["decided"]
    assert found["verdict"].startswith("Not decided whether nll on test of wren is higher or lower")


def test_three_seeds_cannot_be_decided_by_permutation_and_the_verdict_says_so() -> None:
    found = contrast(LOW[:3], HIGH[:3])
    assert np.isnan(found["p_permutation"])
    assert found["decided"]  # by Welch's test
    assert found["verdict"].endswith(
        "Cannot be decided by permutation with 3 against 3 seeds; at least 4 of each needed."
    )


@pytest.mark.parametrize(
    ("mix", "reason"),
    [([1.0], "multi has 1 seed with a value"), ([None, None], "multi has no seed with a value")],
)
def test_fewer_than_two_seeds_cannot_be_decided(mix: list[float | None], reason: str) -> None:
    found = contrast(mix, HIGH)
    assert not found["decided"]
    assert np.isnan([found["p_welch"], found["p_adjusted"], found["ci_low"]]).all()
    assert found["verdict"].startswith("Cannot be decided: ")
    assert f"{reason}, at least 2 needed." in found["verdict"]


def test_one_seed_still_has_a_difference() -> None:
    assert contrast([1.0], HIGH)["difference"] == pytest.approx(-11.6)


def test_no_variation_in_either_mix_is_not_a_test() -> None:
    found = contrast([0.0] * 5, [1.0] * 5)
    assert not found["decided"]
    assert np.isnan([found["p_welch"], found["p_permutation"], found["hedges_g"]]).all()
    assert found["verdict"] == (
        "Cannot be decided: nll on test of wren under multi against human: no variation over seeds "
        "in either, so there is nothing to test; every seed differs by -1."
    )


def test_no_variation_in_one_mix_is_tested_and_said() -> None:
    found = contrast([0.0] * 5, LOW)
    assert found["p_welch"] == pytest.approx(stats.ttest_1samp(LOW, 0).pvalue)
    assert "All seeds of multi have the same value" in found["verdict"]


def test_seeds_without_a_value_are_left_out_and_said() -> None:
    found = contrast([*LOW, None], HIGH)
    assert found["seeds_mix"] == 5
    assert found["p_welch"] == contrast(LOW, HIGH)["p_welch"]
    assert "1 of 6 seeds of multi have no value." in found["verdict"]


def test_families_are_adjusted_apart() -> None:
    other_values = [[2.0, 1.0, 4.0, 3.5, 5.0], [4.0, 5.0, 3.0, 6.0, 7.5]]
    parts = [rows("multi", LOW), rows("human", HIGH)]
    for metric, values in zip(("self_bleu", "distinct_1"), other_values, strict=True):
        parts += [rows("multi", list(LOW), metric=metric), rows("human", values, metric=metric)]
    found = contrasts(table(*parts), [("multi", "human")], PRIMARY).set_index("metric")
    assert found.index.tolist() == ["nll", "distinct_1", "self_bleu"]
    assert found["family"].tolist() == ["primary", "exploratory", "exploratory"]
    assert found.loc["nll", "p_adjusted"] == found.loc["nll", "p_welch"]
    exploratory = found.loc[["distinct_1", "self_bleu"]]
    assert exploratory["p_adjusted"].tolist() == pytest.approx(
        benjamini_hochberg(exploratory["p_welch"]).tolist()
    )


def test_the_primary_family_spans_targets_and_pairs() -> None:
    parts = [
        rows(mix, [value + shift for value in LOW], target=target)
        for target in ("finch", "wren")
        for mix, shift in (("human", 0.0), ("single", 2.5), ("multi", 3.0))
    ]
    pairs = [("single", "human"), ("multi", "human")]
    found = contrasts(table(*parts), pairs, PRIMARY)
    assert found[["target", "mix"]].to_numpy().tolist() == [
        ["finch", "single"],
        ["finch", "multi"],
        ["wren", "single"],
        ["wren", "multi"],
    ]
    assert found["p_adjusted"].tolist() == pytest.approx(holm(found["p_welch"]).tolist())


def test_an_interval_without_0_is_not_decided_when_the_adjusted_p_is_too_large() -> None:
    parts = [rows("multi", LOW), rows("human", [value + 2.4 for value in LOW])]
    for target in "abcd":
        parts += [rows("multi", LOW, target=target), rows("human", LOW, target=target)]
    found = contrasts(table(*parts), [("multi", "human")], PRIMARY).iloc[-1]
    assert found["ci_high"] < 0
    assert not found["decided"]
    assert "the interval alone excludes 0, but not after adjusting" in found["verdict"]


def test_untested_contrasts_do_not_count_in_the_adjustment() -> None:
    parts = [rows("multi", LOW), rows("human", HIGH)]
    parts += [rows("multi", [1.0], target="a"), rows("human", HIGH, target="a")]
    found = contrasts(table(*parts), [("multi", "human")], PRIMARY)
    assert found["p_adjusted"].iloc[1] == found["p_welch"].iloc[1]


def test_the_last_generation_of_a_loop_is_the_one_compared() -> None:
    loop = [rows("loop", [value + g for value in LOW], generation=g) for g in (0, 1, 2)]
    found = contrasts(table(*loop, rows("human", HIGH)), [("loop", "human")], PRIMARY).iloc[0]
    assert (found["mean_mix"], found["seeds_mix"]) == (5, 5)


def test_a_target_with_neither_mix_has_no_row_and_one_with_half_has_a_verdict() -> None:
    parts = [rows("multi", LOW), rows("human", HIGH), rows("single", LOW, target="finch")]
    parts += [rows("multi", LOW, target="robin")]
    found = contrasts(table(*parts), [("multi", "human")], PRIMARY)
    assert found["target"].tolist() == ["robin", "wren"]
    assert "human has no seed with a value" in found["verdict"].iloc[0]


def test_the_order_of_the_measurements_makes_no_difference() -> None:
    frame = table(rows("multi", LOW), rows("human", HIGH), rows("multi", LOW, metric="self_bleu"))
    shuffled = frame.sample(frac=1, random_state=1)
    pairs = [("multi", "human")]
    one, other = contrasts(frame, pairs, PRIMARY), contrasts(shuffled, pairs, PRIMARY)
    pd.testing.assert_frame_equal(one, other)


def test_no_pairs_make_an_empty_table_with_all_columns() -> None:
    found = contrasts(table(rows("multi", LOW)), [], PRIMARY)
    assert len(found) == 0
    assert found.columns[0] == "target" and found.columns[-1] == "verdict"


@pytest.mark.parametrize(
    ("frame", "pairs", "primary", "message"),
    [
        (
            table(rows("multi", LOW)),
            [("multi", "humna")],
            PRIMARY,
            "there are no measurements of the mix",
        ),
        (table(rows("multi", LOW)), [], {"collapse": ("nll", "tset")}, "which was not measured"),
        (table(rows("a", LOW), rows("b", LOW, study="two")), [], PRIMARY, "of several studies"),
    ],
)
def test_a_contrast_that_nobody_can_make_is_refused(
    frame: pd.DataFrame, pairs: list[tuple[str, str]], primary: Any, message: str
) -> None:
    with pytest.raises(ValueError, match=message):
        contrasts(frame, pairs, primary)


def test_under_the_null_welch_is_wrong_in_about_one_of_twenty_studies() -> None:
    generator = np.random.default_rng(20)
    studies = [welch(*generator.normal(size=(2, 5))) for _ in range(500)]
    false_positives = np.mean([study.p < 0.05 for study in studies])
    covered = np.mean([study.low <= 0 <= study.high for study in studies])
    # 0.045 is expected of Welch with 5 seeds; the band is 3 standard errors wide on either side
    assert 0.02 < false_positives < 0.075
    assert covered == pytest.approx(1 - false_positives)


def test_the_interval_covers_a_true_difference_with_unequal_spread() -> None:
    generator = np.random.default_rng(21)
    studies = [welch(generator.normal(2, 1, 5), generator.normal(1, 3, 5)) for _ in range(500)]
    assert 0.92 < np.mean([study.low <= 1 <= study.high for study in studies]) < 0.98
