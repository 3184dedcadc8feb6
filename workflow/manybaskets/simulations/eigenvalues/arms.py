"""Arms: which of a generator's labels a student learns from.

An arm takes one label for each matrix (the only one, or one of several candidates), then keeps
right and wrong ones with given probabilities. What that does to right and wrong labels is told as
the breakdown point p*; here p* is a proxy by which arms are ranked, no threshold.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Annotated, Literal

import numpy as np
from numpy.typing import NDArray
from pydantic import Field, model_validator

from manybaskets.config.base import Section
from manybaskets.selection.verifier_quality import Proxy, proxy

Probability = Annotated[float, Field(ge=0, le=1)]
Flags = NDArray[np.bool_]
Floats = NDArray[np.float64]


class Arm(Section):
    """A selection of labels."""

    labels: Literal["greedy", "samples", "beams", "truth"]
    """`greedy`: one label each. `samples`, `beams`: candidates. `truth`: true eigenvalues."""
    choose: Literal["first", "oracle", "likeliest"] = "first"
    """Which candidate: the first, the one nearest to the truth, or the one that the generator
    itself finds least perplexing."""
    keep: tuple[Probability, Probability] = (1.0, 1.0)
    """Probabilities of keeping a right and a wrong label."""
    match_keep_rate: str | None = None
    """Keep labels at random, as many as this arm keeps."""

    @model_validator(mode="after")
    def _makes_sense(self) -> "Arm":
        if self.choose != "first" and self.labels not in ("samples", "beams"):
            raise ValueError(f"choose: {self.choose} needs candidates: labels: samples or beams")
        if self.match_keep_rate is not None and self.keep != (1.0, 1.0):
            raise ValueError("match_keep_rate keeps at random; remove keep")
        if self.labels == "truth" and (self.keep[1] < 1 or self.match_keep_rate):
            raise ValueError("labels: truth has nothing to select from")
        if self.keep == (0.0, 0.0):
            raise ValueError("keep: [0, 0] leaves nothing to learn from")
        return self


def controls(arms: Mapping[str, Arm]) -> dict[str, str]:
    """Per arm that selects, the arm that selects as many of the same labels without knowledge."""
    found = {}
    for name, arm in arms.items():
        plain = Arm(labels=arm.labels)
        for other, candidate in arms.items():
            if other == name or arm.labels == "truth" or arm.match_keep_rate:
                continue
            unchosen = arm.keep == (1.0, 1.0) and arm.choose != "first" and candidate == plain
            if candidate.match_keep_rate == name or unchosen:
                found[name] = other
                break
    return found


@dataclass(frozen=True)
class Pool:
    """Labels of matrices: tokens (rows, candidates, length), their distances from the truth and
    their log-perplexities, both (rows, candidates)."""

    tokens: NDArray[np.int16]
    errors: Floats
    log_perplexities: Floats

    def part(self, where: slice) -> "Pool":
        """Some of the rows."""
        return Pool(self.tokens[where], self.errors[where], self.log_perplexities[where])


def select(
    arm: Arm, pool: Pool, tolerance: float, seed: int, kept: int | None = None
) -> tuple[NDArray[np.int64], Flags]:
    """Per row which candidate is its label, and whether it is kept.

    `kept` is how many are kept at random, for an arm with `match_keep_rate`. An unreadable label is
    never what an oracle keeps, since it is wrong.
    """
    chosen = np.zeros(len(pool.errors), dtype=np.int64)
    if arm.choose == "oracle":
        chosen = pool.errors.argmin(axis=1)
    elif arm.choose == "likeliest":
        chosen = pool.log_perplexities.argmin(axis=1)
    rng = np.random.default_rng(seed)
    if kept is not None:
        flags = np.zeros(len(chosen), dtype=bool)
        flags[rng.permutation(len(chosen))[:kept]] = True
        return chosen, flags
    error = np.take_along_axis(pool.errors, chosen[:, None], axis=1)[:, 0]
    draws = rng.random(len(chosen))
    flags = draws < np.where(error < tolerance, *arm.keep)
    if arm.choose == "oracle":
        flags &= np.isfinite(error)  # nothing readable among the candidates: nothing to choose
    return chosen, flags


def breakdown(
    pool: Pool, chosen: NDArray[np.int64], kept: Flags, tolerance: float, seed: int
) -> Proxy:
    """phi, psi, p and p* over all candidates of a pool, of which those are kept."""
    rows, candidates = pool.errors.shape
    flags = np.zeros((rows, candidates), dtype=bool)
    flags[np.arange(rows), chosen] = kept
    right = (pool.errors < tolerance).ravel()
    return proxy(flags.ravel(), right, np.repeat(np.arange(rows), candidates).tolist(), seed)
