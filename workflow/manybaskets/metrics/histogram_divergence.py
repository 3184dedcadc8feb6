"""Divergence of two histograms: MAUVE, the frontier integral and Jensen-Shannon.

All functions take two arrays of the same shape (bins,) with shares that sum to 1.
"""

import math

import numpy as np
from numpy.typing import NDArray
from scipy.special import rel_entr

MAUVE_SCALE = 5.0  # c of Pillutla et al. 2021
MAUVE_WEIGHTS = 25

Floats = NDArray[np.float64]


def mauve_of_histograms(p: Floats, q: Floats, c: float = MAUVE_SCALE) -> float:
    """Returns the area under the divergence curve of two histograms, (bins,); 1 if equal.

    The curve is (exp(-c KL(q|r)), exp(-c KL(p|r))) for the mixtures r = w p + (1 - w) q, with
    KL in nats and 25 equidistant w from 0 to 1, extended to (1, 0) and (0, 1). The area is computed
    by the trapezoidal rule (Pillutla et al. 2021) and is in (0, 1]. Raises ValueError unless `p`
    and `q` are histograms over the same bins.
    """
    _require_histograms(p, q)
    if not c > 0:
        raise ValueError(f"The scale c is {c}; it must be above 0.")
    weights = np.linspace(0, 1, MAUVE_WEIGHTS)[:, None]
    mixtures = weights * p + (1 - weights) * q
    # With increasing w, x falls and y rises, so that the points need no sorting.
    x = np.exp(-c * rel_entr(q, mixtures).sum(axis=1))
    y = np.exp(-c * rel_entr(p, mixtures).sum(axis=1))
    x, y = np.concatenate([[1], x, [0]]), np.concatenate([[0], y, [1]])
    return float(min(1.0, np.trapezoid(y[::-1], x[::-1])))


def frontier_integral(p: Floats, q: Floats) -> float:
    """Returns the frontier integral of two histograms, (bins,): 0 if equal, 1 if disjoint.

    It is twice the integral over w in [0, 1] of w KL(p|r) + (1 - w) KL(q|r), r = w p + (1 - w) q,
    in nats (Liu et al. 2021), in closed form: the sum over the bins of
    (p + q) / 2 - p q / (p - q) ln(p / q). Raises ValueError unless `p` and `q` are histograms over
    the same bins.
    """
    _require_histograms(p, q)
    mean = (p + q) / 2
    contrast = np.abs(p - q) / np.where(mean > 0, 2 * mean, 1)
    # ln(p / q) = 2 atanh(contrast); near 0 the difference cancels, and its series is used
    ordinary = (contrast > 1e-4) & (contrast < 1)
    t = np.where(ordinary, contrast, 0.5)
    share = np.where(ordinary, 1 - (1 - t**2) * np.arctanh(t) / t, 2 / 3 * contrast**2)
    share = np.where(contrast == 1, 1, share)
    return float(np.sum(mean * share))


def js_divergence(p: Floats, q: Floats) -> float:
    """Returns the Jensen-Shannon divergence of two histograms, (bins,), in bits.

    It is 0 if they are equal and 1 if they are disjoint. Between two samples of one source it is
    above 0, and it grows as the samples get smaller. Raises ValueError unless `p` and `q` are
    histograms over the same bins.
    """
    _require_histograms(p, q)
    mean = (p + q) / 2
    nats = (rel_entr(p, mean).sum() + rel_entr(q, mean).sum()) / 2
    return max(0.0, float(nats / math.log(2)))


def _require_histograms(p: Floats, q: Floats) -> None:
    if p.ndim != 1 or p.shape != q.shape:
        raise ValueError(
            f"The histograms have the shapes {p.shape} and {q.shape}; both must be (bins,)."
        )
    for histogram in (p, q):
        if not (np.all(histogram >= 0) and abs(float(histogram.sum()) - 1) < 1e-9):
            raise ValueError("The shares of a histogram must be 0 or more and sum to 1.")
