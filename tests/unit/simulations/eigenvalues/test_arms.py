"""The labels that an arm keeps, and the shares of right and wrong ones among them."""

import numpy as np
import pytest
from pydantic import ValidationError

from manybaskets.simulations.eigenvalues.arms import Arm, Pool, breakdown, controls, select

# three matrices with two candidates each; right below 0.1
POOL = Pool(
    tokens=np.arange(18, dtype=np.int16).reshape(3, 2, 3),
    errors=np.array([[0.5, 0.05], [0.01, 0.02], [np.inf, np.inf]]),
    log_perplexities=np.array([[0.1, 0.2], [0.9, 0.3], [0.5, 0.6]]),
)


def many(rows: int, wrong: float, seed: int = 0) -> Pool:
    rng = np.random.default_rng(seed)
    errors = np.where(rng.random((rows, 1)) < wrong, 0.5, 0.01)
    return Pool(np.zeros((rows, 1, 3), np.int16), errors, np.zeros((rows, 1)))


def test_an_oracle_chooses_the_nearest_and_nothing_where_none_can_be_read() -> None:
    chosen, kept = select(Arm(labels="samples", choose="oracle"), POOL, 0.1, seed=1)
    assert chosen[:2].tolist() == [1, 0]
    assert kept.tolist() == [True, True, False]


def test_the_generators_own_choice_is_the_least_perplexing() -> None:
    chosen, kept = select(Arm(labels="beams", choose="likeliest"), POOL, 0.1, seed=1)
    assert chosen.tolist() == [0, 1, 0]
    assert kept.all()


def test_an_oracle_keeps_exactly_the_right_labels() -> None:
    chosen, kept = select(Arm(labels="greedy", keep=(1, 0)), POOL, 0.1, seed=1)
    assert chosen.tolist() == [0, 0, 0]
    assert kept.tolist() == [False, True, False]


def test_a_noisy_verifier_keeps_at_its_rates() -> None:
    pool = many(20_000, wrong=0.7)
    _, kept = select(Arm(labels="greedy", keep=(0.9, 0.2)), pool, 0.1, seed=3)
    right = pool.errors[:, 0] < 0.1
    assert kept[right].mean() == pytest.approx(0.9, abs=0.02)
    assert kept[~right].mean() == pytest.approx(0.2, abs=0.02)
    again = select(Arm(labels="greedy", keep=(0.9, 0.2)), pool, 0.1, seed=3)[1]
    assert (kept == again).all()


def test_a_control_keeps_as_many_at_random() -> None:
    pool = many(10_000, wrong=0.7)
    arm = Arm(labels="greedy", match_keep_rate="oracle")
    chosen, kept = select(arm, pool, 0.1, seed=3, kept=3000)
    assert kept.sum() == 3000
    assert pool.errors[kept, 0].mean() == pytest.approx(pool.errors.mean(), abs=0.02)
    found = breakdown(pool, chosen, kept, 0.1, seed=1)
    assert found.p_star == pytest.approx(0.5, abs=0.02)
    assert found.low < 0.5 < found.high  # type: ignore[operator]


def test_p_star_of_a_noisy_verifier_is_one_over_one_plus_psi() -> None:
    pool = many(20_000, wrong=0.8)
    chosen, kept = select(Arm(labels="greedy", keep=(1, 0.25)), pool, 0.1, seed=3)
    found = breakdown(pool, chosen, kept, 0.1, seed=1)
    assert found.p == pytest.approx(0.8, abs=0.02)
    assert found.phi == 1
    assert found.p_star == pytest.approx(1 / 1.25, abs=0.01)
    assert found.low < 1 / 1.25 < found.high  # type: ignore[operator]


def test_p_star_of_a_choice_is_over_all_candidates() -> None:
    chosen, kept = select(Arm(labels="samples", choose="oracle"), POOL, 0.1, seed=1)
    found = breakdown(POOL, chosen, kept, 0.1, seed=1)
    assert (found.p, found.phi, found.psi) == (0.5, 2 / 3, 0.0)


def test_every_selecting_arm_finds_its_control() -> None:
    arms = {
        "all": Arm(labels="greedy"),
        "oracle": Arm(labels="greedy", keep=(1, 0)),
        "random": Arm(labels="greedy", match_keep_rate="oracle"),
        "sample": Arm(labels="samples"),
        "best": Arm(labels="samples", choose="oracle"),
        "noisy": Arm(labels="greedy", keep=(1, 0.5)),
        "clean": Arm(labels="truth"),
    }
    assert controls(arms) == {"oracle": "random", "best": "sample"}


@pytest.mark.parametrize(
    ("arm", "message"),
    [
        ({"labels": "greedy", "choose": "oracle"}, "needs candidates"),
        ({"labels": "greedy", "keep": (1, 0), "match_keep_rate": "other"}, "remove keep"),
        ({"labels": "truth", "keep": (1, 0)}, "cannot be selected"),
        ({"labels": "greedy", "keep": (0, 0)}, "keeps no label"),
        ({"labels": "greedy", "keep": (1, 1.5)}, "less than or equal to 1"),
    ],
)
def test_an_inconsistent_arm_is_refused(arm: dict[str, object], message: str) -> None:
    with pytest.raises(ValidationError, match=message):
        Arm.model_validate(arm)
