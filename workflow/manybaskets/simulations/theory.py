"""Theory studies: closed forms and simulations of simple models, as tables.

Each part of a study is a grid of settings, simulated with repetitions. Theory studies contain no
language models.
"""

import itertools
import math
from collections.abc import Callable, Mapping
from fractions import Fraction
from typing import Annotated, Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from pydantic import Field, ValidationError
from scipy import stats

from manybaskets.config.base import ConfigError, Count, Section, Seed
from manybaskets.config.validation import problems_of
from manybaskets.seeds import derived_seed
from manybaskets.simulations import gaussian_mixture, self_consuming
from manybaskets.simulations.gaussian_mixture import Condition, Keep, Mixture

Probability = Annotated[float, Field(ge=0, le=1)]
LEVEL = 0.95


class Phases(Section):
    """Grid of error rates, data set sizes and verifiers, over which accuracy is computed."""

    dimension: Count
    """Number of features."""
    sizes: list[int] = Field(min_length=1)
    """Rows drawn before selection, in ascending order."""
    noise: list[Probability] = Field(min_length=1)
    """Error rates p of the generator, in ascending order."""
    keep: list[tuple[Probability, Probability]] = Field(min_length=1)
    """Verifiers: probabilities of keeping a correct and a wrong row."""
    mean: float = Field(1.0, gt=0)
    """Mean of the classes along their axis, with opposite signs."""
    deviation: float = Field(1.0, gt=0)
    """Standard deviation of the features."""
    penalty: float = Field(1.0, gt=0)
    """L2 penalty."""
    repetitions: int = Field(20, ge=2)
    """Independent repetitions per point."""


class Directions(Section):
    """Logistic regression on labels of a linear generator, selected by linear verifiers."""

    dimension: int = Field(ge=3)
    """Number of features."""
    sizes: list[int] = Field(min_length=1)
    """Rows drawn before selection, in ascending order."""
    deviation: float = Field(0.5, gt=0)
    """Standard deviation of the features."""
    penalty: float = Field(1.0, gt=0)
    """L2 penalty."""
    generator: float = Field(0.25, gt=0, lt=1)
    """Angle of the generator with the truth, in units of pi."""
    verifiers: list[float] = Field(min_length=1)
    """Angles of the verifiers with the truth, in units of pi."""
    repetitions: int = Field(20, ge=2)
    """Independent repetitions per point."""


class Geometry(Section):
    """phi, psi and p* as functions of a linear verifier's angle."""

    generators: list[float] = Field(min_length=1)
    """Angles of the generators with the truth, in units of pi."""
    points: int = Field(25, ge=2)
    """Number of verifier angles, from 0 to pi / 2."""


class Loops(Section):
    """Self-consuming loops of a Gaussian and of a linear regression."""

    draws: int = Field(100, ge=2)
    """Samples per generation (Gaussian)."""
    dimension: Count = 10
    """Number of features."""
    spreads: list[float] = Field([1.0, 0.8], min_length=1)
    """Factors of the variance when a fitted model is sampled (Gaussian)."""
    generations: Count = 50
    """Number of generations."""
    rows: Count = 111
    """Rows of the regression."""
    repetitions: int = Field(50, ge=2)
    """Independent repetitions."""


class Theory(Section):
    """Parts of a theory study; only the parts that are given are computed."""

    ridge: Phases | None = None
    """Ridge regression on a Gaussian mixture, with closed form."""
    agreement: Phases | None = None
    """As `ridge`, with independent draws at every point, to test the closed form against the 95 %
    band."""
    logistic: Phases | None = None
    """As `ridge`, with the logistic loss."""
    directions: Directions | None = None
    """Logistic regression with a linear generator and linear verifiers."""
    geometry: Geometry | None = None
    """Closed forms for linear verifiers."""
    gaussian_loops: Loops | None = None
    """A Gaussian fitted to its own samples."""
    regression_loops: Loops | None = None
    """A linear regression fitted to its own labels."""


class TheoryStudy(Section):
    """A theory study, without language models."""

    study: str = Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9_.-]*$")
    """Name of the study and of its results folder."""
    question: str = ""
    """The research question in one sentence."""
    seed: Seed = 0
    """Seed of all draws."""
    theory: Theory
    """The parts of the study."""

    def parts(self) -> list[str]:
        """Returns the names of the parts that are computed."""
        return [name for name, part in self.theory if part is not None]


def load(raw: Mapping[str, Any], file: str) -> TheoryStudy:
    """Returns the study of a parsed config; raises ConfigError with file, key and value."""
    try:
        return TheoryStudy.model_validate(raw)
    except ValidationError as error:
        raise ConfigError(problems_of(file, error)) from None


def table(part: str, settings: Mapping[str, Any], seed: int) -> pd.DataFrame:
    """Returns the table of a part, with one row per point of its grid.

    `settings` are the part's section of the config.
    """
    return PARTS[part](settings, derived_seed(seed, "theory", part))


def _ridge(settings: Mapping[str, Any], seed: int) -> pd.DataFrame:
    phases = Phases.model_validate(settings)
    keeps = [Keep(*pair) for pair in phases.keep]
    accuracies = gaussian_mixture.simulate_ridge(
        *(_mixture(phases), phases.sizes, phases.noise, keeps, phases.repetitions, seed),
        penalty=phases.penalty,
    )
    return _phase_table(phases, keeps, accuracies, closed=True)


def _agreement(settings: Mapping[str, Any], seed: int) -> pd.DataFrame:
    phases = Phases.model_validate(settings)
    keeps = [Keep(*pair) for pair in phases.keep]
    shape = (phases.repetitions, len(keeps), len(phases.sizes), len(phases.noise))
    accuracies = np.empty(shape)
    for index in np.ndindex(*shape[1:]):
        keep, rows, p = keeps[index[0]], phases.sizes[index[1]], phases.noise[index[2]]
        accuracies[(slice(None), *index)] = gaussian_mixture.simulate_ridge(
            *(_mixture(phases), [rows], [p], [keep], phases.repetitions),
            seed=derived_seed(seed, *index),
            penalty=phases.penalty,
        )[:, 0, 0, 0]
    return _phase_table(phases, keeps, accuracies, closed=True)


def _logistic(settings: Mapping[str, Any], seed: int) -> pd.DataFrame:
    phases = Phases.model_validate(settings)
    keeps = [Keep(*pair) for pair in phases.keep]
    accuracies = gaussian_mixture.simulate_noisy_logistic(
        *(_mixture(phases), phases.sizes, phases.noise, keeps, phases.repetitions, seed),
        penalty=phases.penalty,
    )
    return _phase_table(phases, keeps, accuracies, closed=False)


def _phase_table(
    phases: Phases, keeps: list[Keep], accuracies: NDArray[np.float64], closed: bool
) -> pd.DataFrame:
    """Returns a table with one row per verifier, size and error rate.

    `accuracies` has the shape (repetitions, verifiers, sizes, error rates). If `closed`, the table
    includes the closed form for ridge regression.
    """
    bands = _bands(accuracies)
    rows = []
    for index in np.ndindex(*accuracies.shape[1:]):
        keep, size, p = keeps[index[0]], phases.sizes[index[1]], phases.noise[index[2]]
        row = {"phi": keep.phi, "psi": keep.psi, "p_star": keep.p_star}
        row |= {"dimension": phases.dimension, "rows": size, "p": p}
        row |= {key: float(value[index]) for key, value in bands.items()}
        row["limit"] = float(gaussian_mixture.limit_accuracy(p, keep, _mixture(phases)))
        if closed:
            formula = gaussian_mixture.ridge_accuracy(
                p, keep, phases.dimension, size, phases.mean, phases.penalty
            )
            row["closed_form"] = float(formula)
            row["inside"] = bool(row["low"] <= formula <= row["high"])
        rows.append(row)
    return pd.DataFrame(rows)


def _directions(settings: Mapping[str, Any], seed: int) -> pd.DataFrame:
    grid = Directions.model_validate(settings)
    conditions = [Condition("no verifier", rule="none")]
    conditions += [
        Condition(f"verifier at {_angle(angle)}" if angle else "verifier = truth", angle * math.pi)
        for angle in grid.verifiers
    ]
    conditions += [Condition("label oracle", rule="oracle"), Condition("true labels", rule="clean")]
    mixture = Mixture(grid.dimension, 1.0, grid.deviation)
    accuracies = gaussian_mixture.simulate_logistic(
        *(mixture, grid.sizes, grid.generator * math.pi, conditions, grid.repetitions, seed),
        penalty=grid.penalty,
    )
    bands = _bands(accuracies)
    return pd.DataFrame(
        [
            {"condition": condition.name, "rows": size}
            | {key: float(value[i, j]) for key, value in bands.items()}
            for (i, condition), (j, size) in itertools.product(
                enumerate(conditions), enumerate(grid.sizes)
            )
        ]
    )


def _angle(share: float) -> str:
    """Returns an angle in units of pi as text, as a fraction if its denominator is small."""
    fraction = Fraction(share).limit_denominator(24)
    if abs(float(fraction) - share) > 1e-4:
        return f"{share:.3g}π"
    numerator = "" if fraction.numerator == 1 else str(fraction.numerator)
    return f"{numerator}π" + (f"/{fraction.denominator}" if fraction.denominator > 1 else "")


def _geometry(settings: Mapping[str, Any], _: int) -> pd.DataFrame:
    grid = Geometry.model_validate(settings)
    rows = []
    for generator in grid.generators:
        for verifier in np.linspace(0, 0.5, grid.points):
            first, second = generator * math.pi, float(verifier) * math.pi
            between = {
                "independent": gaussian_mixture.orthogonal(first, second),
                "same side": abs(first - second),
                "opposite side": first + second,
            }
            for side, angle in between.items():
                p, keep = gaussian_mixture.linear_verifier(first, second, angle)
                rows.append(
                    {"generator": generator, "verifier": float(verifier), "errors": side, "p": p}
                    | {"phi": keep.phi, "psi": keep.psi, "p_star": keep.p_star}
                )
    return pd.DataFrame(rows)


def _gaussian_loops(settings: Mapping[str, Any], seed: int) -> pd.DataFrame:
    grid = Loops.model_validate(settings)
    tables = []
    for spread, regime in itertools.product(grid.spreads, self_consuming.REGIMES):
        simulated = self_consuming.simulate_variance(
            *(regime, grid.draws, grid.generations, grid.dimension, grid.repetitions),
            seed=derived_seed(seed, regime, str(spread)),
            spread=spread,
        )
        closed = self_consuming.expected_variance(regime, grid.draws, grid.generations, spread)
        tables.append(_loop_table(regime, simulated, closed).assign(spread=spread))
    return pd.concat(tables, ignore_index=True)


def _regression_loops(settings: Mapping[str, Any], seed: int) -> pd.DataFrame:
    grid = Loops.model_validate(settings)
    tables = []
    for regime in ("replace", "accumulate"):
        simulated = self_consuming.simulate_error(
            *(regime, grid.rows, grid.dimension, grid.generations, grid.repetitions),
            seed=derived_seed(seed, regime),
        )
        closed = self_consuming.expected_error(
            regime, grid.rows, grid.dimension, grid.generations, 1.0
        )
        tables.append(_loop_table(regime, simulated, closed))
    return pd.concat(tables, ignore_index=True)


def _loop_table(
    regime: str, simulated: NDArray[np.float64], closed: NDArray[np.float64]
) -> pd.DataFrame:
    bands = pd.DataFrame(_bands(simulated))
    bands.insert(0, "generation", np.arange(1, len(bands) + 1))
    bands.insert(0, "regime", regime)
    inside = (bands["low"] <= closed) & (closed <= bands["high"])
    return bands.assign(closed_form=closed, inside=inside)


def _bands(simulated: NDArray[np.float64]) -> dict[str, NDArray[np.float64]]:
    """Returns mean and standard deviation over the first axis, and the mean's 95 % interval."""
    count = len(simulated)
    mean, deviation = simulated.mean(axis=0), simulated.std(axis=0, ddof=1)
    half = stats.t.ppf((1 + LEVEL) / 2, count - 1) * deviation / math.sqrt(count)
    return {"value": mean, "deviation": deviation, "low": mean - half, "high": mean + half}


def _mixture(phases: Phases) -> Mixture:
    return Mixture(phases.dimension, phases.mean, phases.deviation)


PARTS: dict[str, Callable[[Mapping[str, Any], int], pd.DataFrame]] = {
    "ridge": _ridge,
    "agreement": _agreement,
    "logistic": _logistic,
    "directions": _directions,
    "geometry": _geometry,
    "gaussian_loops": _gaussian_loops,
    "regression_loops": _regression_loops,
}
