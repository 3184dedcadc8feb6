"""The Gaussian mixture: closed forms compared with simulation, geometry with counting."""

import itertools
import math

import numpy as np
import pytest
from scipy import stats
from scipy.special import ndtr

from manybaskets.simulations import gaussian_mixture
from manybaskets.simulations.gaussian_mixture import Condition, Keep, Mixture

NONE, WEAK, ORACLE = Keep(1, 1), Keep(0.8, 0.3), Keep(1, 0)
NOISE = [0.0, 0.25, 0.5, 0.75, 0.9]


def t_quantile(degrees: int) -> float:
    return float(stats.t.ppf(0.975, degrees))


def test_with_infinite_data_accuracy_flips_at_p_star() -> None:
    best = ndtr(1.0)
    found = gaussian_mixture.limit_accuracy([0.7, 8 / 11, 0.75], WEAK, Mixture(10))
    assert found == pytest.approx([best, 0.5, 1 - best])


@pytest.mark.parametrize(
    ("rows", "published"),
    [
        (100, [0.7433, 0.6302, 0.5, 0.3698, 0.2991]),
        (1000, [0.8269, 0.7716, 0.5, 0.2284, 0.1860]),
        (10_000, [0.8398, 0.8320, 0.5, 0.1680, 0.1617]),
    ],
)
def test_without_selection_the_closed_form_is_the_published_one(
    rows: int, published: list[float]
) -> None:
    assert gaussian_mixture.ridge_accuracy(NOISE, NONE, 100, rows) == pytest.approx(
        published, abs=6e-5
    )


@pytest.mark.parametrize(
    ("keep", "rows", "published"),
    [
        (WEAK, 100, [0.7308, 0.6746, 0.5965, 0.4886, 0.4016]),
        (WEAK, 1000, [0.8242, 0.8038, 0.7363, 0.4631, 0.2596]),
        (WEAK, 10_000, [0.8395, 0.8370, 0.8246, 0.3885, 0.1744]),
        (ORACLE, 100, [0.7433, 0.7272, 0.7034, 0.6628, 0.6144]),
        (ORACLE, 1000, [0.8269, 0.8234, 0.8168, 0.7991, 0.7594]),
        (ORACLE, 10_000, [0.8398, 0.8394, 0.8387, 0.8364, 0.8297]),
    ],
)
def test_with_selection_it_is_near_the_published_one(
    keep: Keep, rows: int, published: list[float]
) -> None:
    apart = abs(gaussian_mixture.ridge_accuracy(NOISE, keep, 100, rows) - published)
    assert apart.max() < 0.9 / rows + 6e-5  # vanishing with d / N; the table is rounded


def test_simulation_supports_the_closed_form_and_not_the_published_one() -> None:
    """At d = N with an oracle and p = .5 the published code gives .7034 whatever the dimension."""
    found = gaussian_mixture.simulate_ridge(
        Mixture(50), [50], [0.5], [ORACLE], 1500, seed=3
    ).ravel()
    error = found.std() / math.sqrt(len(found))
    assert abs(found.mean() - gaussian_mixture.ridge_accuracy(0.5, ORACLE, 50, 50)) < 3 * error
    assert abs(found.mean() - 0.7034) > 5 * error


@pytest.mark.parametrize("keep", [NONE, WEAK])
def test_the_closed_form_crosses_one_half_at_p_star(keep: Keep) -> None:
    found = gaussian_mixture.ridge_accuracy(
        [keep.p_star - 1e-6, keep.p_star + 1e-6], keep, 100, 300
    )
    assert found[0] > 0.5 > found[1]


def test_the_closed_form_reaches_the_limit() -> None:
    p = [0.1, 0.6, 0.9]
    found = gaussian_mixture.ridge_accuracy(p, WEAK, 10, 10_000_000)
    assert found == pytest.approx(gaussian_mixture.limit_accuracy(p, WEAK, Mixture(10)), abs=1e-4)


def test_a_verifier_that_keeps_no_row_leaves_chance() -> None:
    assert gaussian_mixture.ridge_accuracy([0.5, 1.0], ORACLE, 100, 100)[1] == 0.5
    found = gaussian_mixture.simulate_ridge(Mixture(5), [20], [1.0], [ORACLE], 2, seed=1)
    assert (found == 0.5).all()


@pytest.mark.slow
def test_the_closed_form_is_in_the_band_at_the_nominal_rate() -> None:
    """Points have draws of their own; at a rate of .95, 57 to 63 of 63 is all but certain."""
    noise, sizes = [0.05, 0.2, 0.35, 0.5, 0.65, 0.8, 0.95], [100, 300, 1000]
    grid = list(itertools.product((NONE, WEAK, ORACLE), sizes, noise))
    inside = 0
    for number, (keep, rows, p) in enumerate(grid):
        found = gaussian_mixture.simulate_ridge(Mixture(100), [rows], [p], [keep], 20, seed=number)
        closed = gaussian_mixture.ridge_accuracy(p, keep, 100, rows)
        inside += gaussian_mixture.coverage(found, closed[None, None, None], t_quantile)[0]
    assert len(grid) == 63
    assert inside >= 55


def test_a_larger_mean_is_in_the_closed_form_too() -> None:
    found = gaussian_mixture.simulate_ridge(
        Mixture(100, mean=2.0), [500], [0.4], [WEAK], 100, seed=5
    )
    closed = gaussian_mixture.ridge_accuracy(0.4, WEAK, 100, 500, mean=2.0)
    error = found.std() / 10
    assert abs(found.mean() - closed) < 3 * error


def test_settings_that_share_their_draws_are_as_if_run_alone() -> None:
    """The cells of Gram matrices add up to what a plain fit of the same draws gives."""
    mixture, noise, keeps = Mixture(6), [0.1, 0.4, 0.8], [NONE, WEAK]
    found = gaussian_mixture.simulate_ridge(mixture, [40, 90], noise, keeps, 300, seed=1).mean(
        axis=0
    )
    for i, j, k in itertools.product(range(2), range(2), range(3)):
        plain = _plain_ridge(mixture, [40, 90][j], noise[k], keeps[i], 300)
        error = plain.std() / math.sqrt(300)
        assert abs(found[i, j, k] - plain.mean()) < 5 * error


def _plain_ridge(
    mixture: Mixture, rows: int, p: float, keep: Keep, repetitions: int
) -> "np.ndarray[tuple[int], np.dtype[np.float64]]":
    found = np.empty(repetitions)
    for number in range(repetitions):
        rng = np.random.default_rng([99, rows, number])
        y = rng.choice([-1.0, 1.0], rows)
        x = rng.standard_normal((rows, mixture.dimension))
        x[:, 0] += y
        right = rng.random(rows) >= p
        kept = rng.random(rows) < np.where(right, keep.phi, keep.psi)
        x, labels = x[kept], (y * np.where(right, 1, -1))[kept]
        w = np.linalg.solve(x.T @ x / rows + np.eye(mixture.dimension), x.T @ labels / rows)
        found[number] = gaussian_mixture.accuracy(w, mixture)
    return found


def test_levels_and_sizes_must_ascend() -> None:
    with pytest.raises(ValueError, match="ascending"):
        gaussian_mixture.simulate_ridge(Mixture(3), [10], [0.5, 0.1], [NONE], 1, 1)


@pytest.mark.parametrize(
    ("angles", "p", "phi", "psi"),
    [
        ((math.pi / 4, math.pi / 12, math.pi / 3), 0.25, 0.8889, 0.0),  # opposite sides
        ((math.pi / 4, math.pi / 8, math.pi / 8), 0.25, 1.0, 0.5),  # the same side
        ((math.pi / 8, 0.0, math.pi / 8), 0.125, 1.0, 0.0),  # the truth itself
    ],
)
def test_the_geometry_of_linear_verifiers(
    angles: tuple[float, float, float], p: float, phi: float, psi: float
) -> None:
    found, keep = gaussian_mixture.linear_verifier(*angles)
    assert found == pytest.approx(p)
    assert (keep.phi, keep.psi) == (pytest.approx(phi, abs=5e-5), pytest.approx(psi, abs=1e-9))


def test_the_geometry_is_what_counting_gives() -> None:
    one, other = math.pi / 8, math.pi / 12
    p, keep = gaussian_mixture.linear_verifier(one, other, gaussian_mixture.orthogonal(one, other))
    x = np.random.default_rng(0).standard_normal((400_000, 3))
    truth, says, allows = (
        x @ direction > 0
        for direction in (
            np.array([1, 0, 0]),
            np.array([math.cos(one), math.sin(one), 0]),
            np.array([math.cos(other), 0, math.sin(other)]),
        )
    )
    right, kept = says == truth, says == allows
    assert (~right).mean() == pytest.approx(p, abs=0.002)
    assert kept[right].mean() == pytest.approx(keep.phi, abs=0.002)
    assert kept[~right].mean() == pytest.approx(keep.psi, abs=0.006)
    assert keep.p_star == pytest.approx(0.7982, abs=1e-4)


def test_angles_that_no_three_directions_have_are_refused() -> None:
    with pytest.raises(ValueError, match=r"it must be between 0\.\d+ and"):
        gaussian_mixture.linear_verifier(0.5, 0.2, 1.0)
    with pytest.raises(ValueError, match="between 0 and pi"):
        gaussian_mixture.linear_verifier(0.0, 0.2, 0.2)


def test_logistic_regression_minimizes_its_loss() -> None:
    rng = np.random.default_rng(0)
    x = rng.standard_normal((300, 4)).astype(np.float32)
    labels = np.where(x[:, 0] + rng.standard_normal(300) > 0, 1.0, -1.0)
    w = gaussian_mixture.fit_logistic(x, labels, 1.0, np.zeros(4))
    z = labels * (x @ w)
    gradient = w - ((labels / (1 + np.exp(z))) @ x)
    assert abs(gradient).max() < 0.05

    sklearn = pytest.importorskip("sklearn.linear_model")
    theirs = sklearn.LogisticRegression(C=1.0, fit_intercept=False, tol=1e-8).fit(x, labels)
    assert w == pytest.approx(theirs.coef_[0], abs=2e-3)


@pytest.mark.slow
def test_with_a_weak_verifier_and_the_logistic_loss_more_data_is_worse_past_a_point() -> None:
    conditions = [
        Condition("none", rule="none"),
        Condition("weak", math.pi / 4),
        Condition("truth", 0.0),
        Condition("clean", rule="clean"),
    ]
    mixture = Mixture(100, 1.0, 0.5)
    found = gaussian_mixture.simulate_logistic(
        mixture, [150, 500, 8000], math.pi / 4, conditions, 20, seed=1
    )
    none, weak, truth, clean = found.swapaxes(0, 1)
    assert (weak[:, 1] - weak[:, 2]).mean() > 3 * (weak[:, 1] - weak[:, 2]).std() / math.sqrt(20)
    assert weak[:, 1].mean() > weak[:, 0].mean()
    assert clean[:, 2].mean() > truth[:, 2].mean() > weak[:, 2].mean() > none[:, 2].mean()
    assert clean[:, 2].mean() > clean[:, 1].mean() > clean[:, 0].mean()


def test_with_ridge_more_data_is_never_worse_below_p_star() -> None:
    found = gaussian_mixture.simulate_ridge(
        Mixture(50), [50, 200, 800, 3200], [0.4], [WEAK], 40, seed=1
    )
    assert (np.diff(found.mean(axis=0)[0, :, 0]) > 0).all()


def test_the_logistic_loss_flips_at_p_star_as_well() -> None:
    noise = [WEAK.p_star - 0.15, WEAK.p_star + 0.15]
    found = gaussian_mixture.simulate_noisy_logistic(Mixture(20), [4000], noise, [WEAK], 5, seed=1)
    below, above = found[:, 0, 0].T
    assert below.min() > 0.6
    assert above.max() < 0.4
