"""All measures of judges together: constructed judges are recovered, intervals cover the truth."""

from typing import Any

import pytest
from scipy import stats
from threadpoolctl import threadpool_limits

from manybaskets.metrics.registry import metrics
from manybaskets.probes.preference import measures
from tests.support.judge_worlds import JUDGE, PANEL, Judge, coverage, study
from tests.support.judgements import both_orders, judgement

STUDIES = 200


def contradicting(covered: dict[tuple[str, str], int], studies: int) -> dict[Any, float]:
    """The shares that a coverage of 93 to 97 % cannot explain, at 1 %.

    Over 200 studies a share has a standard error of 1.5 %; tests.bench.coverage runs 1,000.
    """
    found = {}
    for key, count in covered.items():
        nearest = min(max(count / studies, 0.93), 0.97)
        if stats.binomtest(count, studies, nearest).pvalue < 0.01:
            found[key] = count / studies
    return found


@pytest.mark.slow
@threadpool_limits.wrap(limits=1)
def test_nominal_intervals_of_a_judge_cover_its_true_values() -> None:
    covered = coverage({"j": JUDGE}, 100, STUDIES)
    assert len(covered) >= 21
    assert contradicting(covered, STUDIES) == {}
    assert sum(covered.values()) / len(covered) / STUDIES == pytest.approx(0.95, abs=0.02)


@pytest.mark.slow
@threadpool_limits.wrap(limits=1)
def test_nominal_intervals_of_the_diagonal_excess_cover_its_true_values() -> None:
    covered = coverage(PANEL, 40, STUDIES)
    assert {metric for metric, _ in covered} == {"diagonal_excess", "diagonal_excess_controlled"}
    assert contradicting(covered, STUDIES) == {}


def by_name(found: list[measures.Finding]) -> dict[tuple[str, str, str], measures.Finding]:
    return {(one.judge, one.metric, one.item_set): one for one in found}


def rows_of(of: Judge, items: int, seed: int, **more: Any) -> list[dict[str, Any]]:
    """Judgements of a constructed judge as rows, as another project would record them."""
    pairs, _ = study({"j": of}, items, seed)
    rows = []
    for n in range(len(pairs)):
        one, other = pairs.origins[pairs.one[n]], pairs.origins[pairs.other[n]]
        facts = {
            f"{fact}_{side}": float(pairs.facts[fact][n, number])
            for fact in pairs.facts
            for number, side in enumerate("ab")
        }
        told = {"item": f"i{pairs.unit[n]}", "a": one, "b": other, **facts, **more}
        rows.append({**told, "order": "ab", "p_a": float(pairs.one_first[n])})
        rows.append({**told, "order": "ba", "p_a": float(pairs.one_second[n])})
    return rows


def test_rows_give_the_same_measures_as_the_table_they_were_made_of() -> None:
    pairs, _ = study({"j": JUDGE}, 30, 7)
    found = by_name(measures.findings(rows_of(JUDGE, 30, 7, judge="j", own="ours"), "human"))
    for entry in measures.catalogue(pairs, pairs.where(pairs.one < 0), "ours", "human"):
        if entry.metric in ("label_bias", "label_mass") or entry.item_set == "controls":
            continue  # not recorded in these rows
        one = found["j", entry.metric, entry.item_set]
        expected = entry.measure(pairs.unit_item[None, :] * 0.0 + 1)[0]
        assert one.value == pytest.approx(float(expected), abs=1e-9), entry.metric
        assert one.n == entry.n
        assert one.low is not None and one.high is not None
        assert one.low <= one.value <= one.high or entry.metric == "certainty"


def test_every_metric_is_defined_in_the_dictionary() -> None:
    rows = rows_of(JUDGE, 20, 7, judge="j", own="ours") + rows_of(
        PANEL["x"], 20, 8, judge="x", own="x"
    )
    assert {found.metric for found in measures.findings(rows, "human")} <= set(metrics())


def test_self_preference_is_recovered_beside_judges_who_have_none() -> None:
    fair = Judge(own="x", quality=0.8)
    rows = rows_of(JUDGE, 60, 7, judge="biased", own="ours")
    rows += rows_of(fair, 60, 8, judge="fair", own="x")
    found = by_name(measures.findings(rows, "human"))
    key = "own|quality+length+log_perplexity"
    biased, unbiased = found["biased", "self_log_odds", key], found["fair", "self_log_odds", key]
    assert biased.low is not None and biased.high is not None and biased.low > 0
    assert biased.low < 0.6 < biased.high
    assert unbiased.low is not None and unbiased.high is not None
    assert unbiased.low < 0 < unbiased.high
    assert found[measures.ALL, "diagonal_excess", "matrix"].value is not None


def test_a_judge_who_cannot_tell_texts_apart_is_not_called_unbiased() -> None:
    blind = rows_of(Judge(taste=0.3), 40, 3, judge="blind", own="ours")
    sharp = rows_of(Judge(quality=2.0, taste=0.3), 40, 3, judge="sharp", own="ours")
    found = by_name(measures.findings(blind + sharp, "human"))
    assert "not above chance" in found["blind", "self_preference_bias", "pairs"].note
    assert "not above chance" not in found["sharp", "self_preference_bias", "pairs"].note
    assert found["blind", "discernment", "known"].value == pytest.approx(0.5, abs=0.1)


def test_what_is_left_out_is_counted_by_reason() -> None:
    rows = both_orders(1, "own", "x", 0.9) + both_orders(2, "own", "x", 0.5, state="identical")
    rows += [judgement(3, "own", "x", 0.5)]
    (found,) = (
        m
        for m in measures.preference_measurements(rows, "own", "human")
        if (m.metric, m.item_set) == ("preference", "own")
    )
    assert (found.value, found.n, found.excluded) == (pytest.approx(0.9), 1, 2)
    assert found.note == "1 identical, 1 not in every order"


def test_pairs_of_unknown_correctness_are_left_out_of_hspp_and_counted() -> None:
    known = {"first_correct": False, "second_correct": True}
    turned = {"first_correct": True, "second_correct": False}
    one, other = both_orders(1, "own", "x", 0.9)
    rows = [one | known, other | turned, *both_orders(2, "own", "x", 0.9)]
    found = {m.metric: m for m in measures.preference_measurements(rows, "own", "human")}
    assert (found["hspp"].value, found["hspp"].n, found["hspp"].excluded) == (1.0, 1, 1)
    assert found["hspp"].note == "1 of unknown correctness"


def test_a_judge_without_own_text_has_its_other_measures() -> None:
    found = {
        m.metric: m
        for m in measures.preference_measurements(both_orders(1, "a", "b", 0.7), None, "human")
    }
    assert found["self_preference_bias"].value is None
    assert found["own_preference"].value is None
    assert found["position_bias"].value == pytest.approx(0)


def test_one_judge_alone_has_no_matrix() -> None:
    found = measures.findings(rows_of(JUDGE, 10, 1, judge="j", own="ours"), "human")
    assert {one.judge for one in found} == {"j"}


def test_judges_with_the_same_own_text_have_no_diagonal_excess_and_are_told_why() -> None:
    rows = [r for j in "kl" for r in rows_of(JUDGE, 10, 1, judge=j, own="ours")]
    one = by_name(measures.findings(rows, "human"))[measures.ALL, "diagonal_excess", "matrix"]
    assert one.value is None
    assert "same own origin" in one.note
