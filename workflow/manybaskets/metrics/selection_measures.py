"""Quality of a selection and of its verifier, measured on the rows of a training set.

`selection.verifier_quality` computes them; right and wrong rows are defined there.
"""

from manybaskets.metrics.registry import Metric

KEPT_SHARE = Metric(
    "kept_share",
    "share kept",
    "Share of a mix's pool of responses that passes its selection, from 0 to 1.",
    better="neither",
    unit="share",
)

SELECTION_PRECISION = Metric(
    "selection_precision",
    "selection precision",
    "Share of right rows among those that passed, from 0 to 1; higher is a cleaner training set.",
    better="higher",
    unit="share",
)

SELECTION_RECALL = Metric(
    "selection_recall",
    "selection recall",
    "Share of the right rows that passed, from 0 to 1; lower wastes more of what the source wrote.",
    better="higher",
    unit="share",
)

ERROR_RATE = Metric(
    "error_rate",
    "error rate",
    "Share p of wrong rows among the usable responses before selection, from 0 to 1; lower is "
    "a better source.",
    better="lower",
    unit="share",
)

KEEP_RIGHT = Metric(
    "keep_right",
    "φ, right rows kept",
    "Probability phi that a right row passes, with cut-offs set on other prompts, from 0 to "
    "1; higher is a better verifier.",
    better="higher",
    unit="probability",
)

KEEP_WRONG = Metric(
    "keep_wrong",
    "ψ, wrong rows kept",
    "Probability psi that a wrong row passes, with cut-offs set on other prompts, from 0 to "
    "1; lower is a better verifier.",
    better="lower",
    unit="probability",
)

P_STAR = Metric(
    "p_star",
    "p*",
    "Breakdown point 1 / (1 + psi / phi), from 0 to 1: the error rate up to which selected "
    "data teach the truth in theory (arXiv 2406.07515); 0.5 without selection, higher is a "
    "better verifier.",
    better="higher",
    unit="error rate",
)

P_STAR_LOW = Metric(
    "p_star_low",
    "p*, lower end",
    "Lower end of the 95 % interval of p_star over prompts, from 0 to 1.",
    better="neither",
    unit="error rate",
)

P_STAR_HIGH = Metric(
    "p_star_high",
    "p*, upper end",
    "Upper end of the 95 % interval of p_star over prompts, from 0 to 1.",
    better="neither",
    unit="error rate",
)

P_STAR_MARGIN = Metric(
    "p_star_margin",
    "p* minus error rate",
    "Breakdown point minus error rate, from -1 to 1; above 0 the error rate is below the "
    "breakdown point.",
    better="higher",
    unit="error rate",
)
