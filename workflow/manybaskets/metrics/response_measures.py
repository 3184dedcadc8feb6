"""Length and completeness of responses, and generations without measurements.

The collapse probe computes them on all responses of a cell.
"""

from manybaskets.metrics.registry import Metric

MEAN_WORDS = Metric(
    "mean_words",
    "mean length in tokens",
    "Mean length of the whole responses in tokens of the diversity tokenizer (words and "
    "punctuation marks), empty responses included.",
    better="neither",
    unit="tokens",
)

CUT_RATE = Metric(
    "cut_rate",
    "share cut at the token limit",
    "Share of responses that ended because the token limit was reached, from 0 to 1; higher "
    "is more unfinished text.",
    better="lower",
    unit="share",
)

EMPTY_RATE = Metric(
    "empty_rate",
    "share of empty responses",
    "Share of responses that contain only white space, from 0 to 1; higher is a less usable model.",
    better="lower",
    unit="share",
)

DIVERGED = Metric(
    "diverged",
    "diverged",
    "Marks, with 1, a generation of a loop without measurements, because it or an earlier one "
    "could not be trained or produced no usable responses (the note gives the reason).",
    better="lower",
    unit="1",
)
