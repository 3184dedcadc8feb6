"""phi, psi, p and p*: values, intervals, and cases in which they are undefined."""

from statistics import NormalDist
from typing import Any

import numpy as np
import pytest

from manybaskets.metrics.measurement import Measurement
from manybaskets.selection import verifier_quality


def flags(*values: int) -> Any:
    return np.array(values, dtype=bool)


@pytest.mark.parametrize(
    ("phi", "psi", "p_star"), [(1, 1, 0.5), (0.8, 0.3, 8 / 11), (1, 0, 1), (0.2, 0.2, 0.5)]
)
def test_the_breakdown_point_depends_on_the_ratio_alone(
    phi: float, psi: float, p_star: float
) -> None:
    assert verifier_quality.breakdown_point(phi, psi) == pytest.approx(p_star)
    assert verifier_quality.breakdown_point(phi / 2, psi / 2) == pytest.approx(p_star)


def test_a_verifier_that_keeps_nothing_has_no_breakdown_point() -> None:
    with pytest.raises(ValueError, match="keeps nothing"):
        verifier_quality.breakdown_point(0, 0)
    found = verifier_quality.proxy(flags(0, 0, 0), flags(1, 0, 0), [1, 2, 3], 1)
    assert (found.p_star, found.note) == (None, "nothing was kept, so p* is not defined")


def test_a_proxy_by_hand() -> None:
    right = flags(1, 1, 1, 1, 0, 0, 0, 0, 0, 0)
    kept = flags(1, 1, 1, 0, 1, 0, 0, 0, 0, 0)
    found = verifier_quality.proxy(kept, right, range(10), 1)
    assert (found.phi, found.psi, found.p) == (0.75, 1 / 6, 0.6)
    assert found.p_star == pytest.approx(0.75 / (0.75 + 1 / 6))
    assert found.low is not None
    assert found.high is not None
    assert found.low < found.p_star < found.high


@pytest.mark.slow
def test_the_interval_covers_p_star_at_its_rate() -> None:
    rng = np.random.default_rng(0)
    truth, inside = verifier_quality.breakdown_point(0.7, 0.3), 0
    for number in range(200):
        right = rng.random(400) < 0.4
        kept = rng.random(400) < np.where(right, 0.7, 0.3)
        found = verifier_quality.proxy(kept, right, range(400), number)
        assert found.low is not None
        assert found.high is not None
        inside += found.low <= truth <= found.high
    assert 180 <= inside <= 198  # of 200, at a rate of 0.95


def test_rows_of_one_prompt_are_not_independent() -> None:
    rng = np.random.default_rng(0)
    right, kept = (np.repeat(rng.random(100) < q, 8) for q in (0.5, 0.6))
    together = verifier_quality.proxy(kept, right, np.repeat(np.arange(100), 8).tolist(), 1)
    apart = verifier_quality.proxy(kept, right, range(800), 1)
    assert together.high is not None
    assert together.low is not None
    assert apart.high is not None
    assert apart.low is not None
    assert together.high - together.low > 2 * (apart.high - apart.low)


def test_an_oracle_s_interval_ends_at_wilson_s_limit() -> None:
    right = flags(*[1] * 50, *[0] * 50)
    found = verifier_quality.proxy(right, right, range(100), 1)
    assert (found.p_star, found.high) == (1, 1)
    z = NormalDist().inv_cdf(0.975)
    upper = z**2 / (50 + z**2)
    assert found.low == pytest.approx(1 / (1 + upper))
    assert "none of 50 wrong rows" in found.note


@pytest.mark.parametrize(("right", "which"), [(1, "wrong"), (0, "right")])
def test_rows_that_are_all_alike_have_no_p_star(right: int, which: str) -> None:
    found = verifier_quality.proxy(flags(1, 0), flags(right, right), [1, 2], 1)
    assert found.p_star is None
    assert found.note == f"no row is {which}, so p* is not defined"


def test_graded_rightness_is_a_quantile_of_the_source_s_own_and_not_zero() -> None:
    values: list[float | None] = [0.0] * 60 + [i / 40 for i in range(1, 41)] + [None] * 5
    found = verifier_quality.right_rows(values, "rouge-1")
    assert list(found) == [f"rouge-1 from p{q}" for q in (50, 75, 90)]
    assert [int(right.sum()) for right, _ in found.values()] == [40, 25, 10]
    assert all(labelled.sum() == 100 for _, labelled in found.values())


def test_exact_rightness_is_one_item_set() -> None:
    found = verifier_quality.right_rows([1.0, 0.0, None], "answer")
    assert found["answer"][0].tolist() == [True, False, False]
    assert found["answer"][1].tolist() == [True, True, False]


def measured(**changed: Any) -> dict[tuple[str, str], Measurement]:
    settings: dict[str, Any] = {
        "rows": [{"origin": "a", "id": str(i), "state": "ok", "score": 0.1 * i} for i in range(10)],
        "passed": [i >= 5 for i in range(10)],
        "held_out": [i >= 4 for i in range(10)],
        "agreements": [float(i >= 6) for i in range(10)],
        "metric": "answer",
        "seed": 1,
    } | changed
    return {(m.metric, m.item_set): m for m in verifier_quality.measured(**settings)}


def test_what_a_verifier_did_is_measured() -> None:
    found = {metric: m.value for (metric, _), m in measured().items()}
    assert found["kept_share"] == 0.5
    assert found["selection_precision"] == pytest.approx(0.8)
    assert found["selection_recall"] == 1
    assert found["error_rate"] == 0.6
    assert found["keep_right"] == 1
    assert found["keep_wrong"] == pytest.approx(1 / 3)
    assert found["p_star"] == pytest.approx(0.75)
    assert found["p_star_margin"] == pytest.approx(0.15)
    assert found["p_star_low"] is not None


@pytest.mark.slow
def test_a_held_out_majority_of_right_rows_is_what_p_below_p_star_says() -> None:
    rng = np.random.default_rng(1)
    for _ in range(50):
        agreements = (rng.random(60) < rng.random()).astype(float).tolist()
        kept = (rng.random(60) < 0.5).tolist()
        rows = [{"origin": "a", "id": str(i), "state": "ok", "score": 1.0} for i in range(60)]
        found = measured(rows=rows, passed=kept, held_out=kept, agreements=agreements)
        margin = found["p_star_margin", "answer"].value
        precision = found["selection_precision", "answer"].value
        if margin is not None and precision is not None and abs(precision - 0.5) > 1e-9:
            assert (margin > 0) == (precision > 0.5)


def test_without_references_there_is_no_p_star_and_the_reason_is_said() -> None:
    found = measured(agreements=[None] * 10)
    assert found["kept_share", "pool"].value == 0.5
    assert found["p_star", "answer"].value is None
    assert "no response has a human reference" in found["p_star", "answer"].note


def test_unusable_responses_count_in_the_pool_alone() -> None:
    rows = [
        {"origin": "a", "id": str(i), "state": "empty" if i < 2 else "ok", "score": 1.0}
        for i in range(10)
    ]
    found = measured(rows=rows)
    assert found["kept_share", "pool"].n == 10
    assert (found["error_rate", "answer"].n, found["error_rate", "answer"].excluded) == (8, 2)
