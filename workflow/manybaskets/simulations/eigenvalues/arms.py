"""Arms: selections of a generator's labels, from which students learn.

An arm chooses one label for each matrix (the only one, or one of several candidates), then keeps
correct and wrong labels with given probabilities. The effect of a selection on correct and wrong
labels is summarised by the breakdown point p*; here p* is a proxy that ranks arms, not a threshold.
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
    """`greedy`: one label for each matrix. `samples`, `beams`: several candidates. `truth`: true
    eigenvalues."""
    choose: Literal["first", "oracle", "likeliest"] = "first"
    """The candidate that becomes the label: the first, the nearest to the truth (`oracle`), or the
    one with the lowest perplexity under the generator (`likeliest`)."""
    keep: tuple[Probability, Probability] = (1.0, 1.0)
    """Probabilities of keeping a correct and a wrong label."""
    match_keep_rate: str | None = None
    """Keep random labels, as many as this arm keeps."""

    @model_validator(mode="after")
    def _is_consistent(self) -> "Arm":
        if self.choose != "first" and self.labels not in ("samples", "beams"):
            raise ValueError(
                f"choose: {self.choose} needs candidates; set labels: samples or beams"
            )
        if self.match_keep_rate is not None and self.keep != (1.0, 1.0):
            raise ValueError("match_keep_rate keeps labels at random; remove keep")
        if self.labels == "truth" and (self.keep[1] < 1 or self.match_keep_rate):
            raise ValueError("labels: truth cannot be selected; remove keep and match_keep_rate")
        if self.keep == (0.0, 0.0):
            raise ValueError("keep: [0, 0] keeps no label; raise one of the probabilities")
        return self


def controls(arms: Mapping[str, Arm]) -> dict[str, str]:
    """Returns for each arm that selects the arm that selects as many of the same labels at random.

    Arms without such a control are not in the result.
    """
    control_of = {}
    for name, arm in arms.items():
        unselected = Arm(labels=arm.labels)
        for other, candidate in arms.items():
            if other == name or arm.labels == "truth" or arm.match_keep_rate:
                continue
            is_control = (
                arm.keep == (1.0, 1.0) and arm.choose != "first" and candidate == unselected
            )
            if candidate.match_keep_rate == name or is_control:
                control_of[name] = other
                break
    return control_of


@dataclass(frozen=True)
class Pool:
    """Candidate labels of matrices.

    `tokens` has the shape (rows, candidates, length). `errors` are relative distances from the
    truth and `log_perplexities` are in nats per token, both of shape (rows, candidates).
    """

    tokens: NDArray[np.int16]
    errors: Floats
    log_perplexities: Floats

    def part(self, rows: slice) -> "Pool":
        """Returns some of the rows."""
        return Pool(self.tokens[rows], self.errors[rows], self.log_perplexities[rows])


def select(
    arm: Arm, pool: Pool, tolerance: float, seed: int, kept: int | None = None
) -> tuple[NDArray[np.int64], Flags]:
    """Returns for each row the candidate that is its label, and whether the label is kept.

    `kept` is the number of labels that an arm with `match_keep_rate` keeps at random. An oracle
    never keeps a label that cannot be decoded, since it is wrong. Both results have the shape
    (rows,).
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
        flags &= np.isfinite(error)  # inf: none of the candidates can be decoded
    return chosen, flags


def breakdown(
    pool: Pool, chosen: NDArray[np.int64], kept: Flags, tolerance: float, seed: int
) -> Proxy:
    """Returns phi, psi, p and p* of a selection over all candidates of a pool.

    `chosen` and `kept`, both (rows,), are the results of `select`.
    """
    rows, candidates = pool.errors.shape
    flags = np.zeros((rows, candidates), dtype=bool)
    flags[np.arange(rows), chosen] = kept
    correct = (pool.errors < tolerance).ravel()
    return proxy(flags.ravel(), correct, np.repeat(np.arange(rows), candidates).tolist(), seed)
