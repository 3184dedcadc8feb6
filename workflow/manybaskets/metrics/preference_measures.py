"""Preferences and biases of a model as a judge.

The preference probe computes them from its judgements; `probes.preference.measures` lists the
estimator of each.
"""

from manybaskets.metrics.registry import Metric

PREFERENCE = Metric(
    "preference",
    "preference",
    "Mean probability with which the judge chooses text of this origin over each other "
    "origin, averaged over both orders, from 0 to 1; 0.5 is neutral.",
    better="neither",
    unit="probability",
    label_on=lambda item_set: f"preference for {item_set}",
)

SELF_PREFERENCE_BIAS = Metric(
    "self_preference_bias",
    "self-preference bias",
    "Preference for the judge's own origin minus the mean preference for the other synthetic "
    "origins, from -1 to 1; above 0 favours its own text.",
    better="nearest 0",
    unit="probability",
    reading="above 0: favours own text",
)

SYNTHETIC_PREFERENCE = Metric(
    "synthetic_preference",
    "synthetic preference",
    "Mean preference for the synthetic origins minus the preference for human text, from -1 "
    "to 1; above 0 favours synthetic text.",
    better="nearest 0",
    unit="probability",
    reading="above 0: favours synthetic text",
)

POSITION_BIAS = Metric(
    "position_bias",
    "position bias",
    "Mean probability of choosing what is shown first, minus 0.5, from -0.5 to 0.5; above 0 "
    "favours the first place, 0 is neutral.",
    better="nearest 0",
    unit="probability",
    reading="above 0: favours the first",
)

LABEL_BIAS = Metric(
    "label_bias",
    "label bias",
    "Mean probability of answering with the label that sorts first, minus 0.5, over pairs "
    "judged with the labels in both places, from -0.5 to 0.5; 0 is neutral.",
    better="nearest 0",
    unit="probability",
)

CERTAINTY = Metric(
    "certainty",
    "certainty",
    "Mean distance of the order-averaged preference from 0.5, from 0 to 0.5; near 0 the judge "
    "prefers neither text or cannot tell them apart.",
    better="neither",
    unit="probability",
)

TIE_RATE = Metric(
    "tie_rate",
    "tie rate",
    "Share of pairs without a verdict, since the two orders contradict each other or both are "
    "exactly one half, from 0 to 1; lower is a judge that follows the texts.",
    better="lower",
    unit="share",
)

OWN_PREFERENCE = Metric(
    "own_preference",
    "own preference",
    "Mean order-averaged probability of choosing the judge's own text over another model's, "
    "from 0 to 1; 0.5 is neutral.",
    better="nearest 0.5",
    unit="probability",
)

SELF_LOG_ODDS = Metric(
    "self_log_odds",
    "own text, log-odds",
    "Mean order-averaged log-odds of choosing own text over another model's, with the "
    "covariates named after | in the item set held equal; above 0 favours its own text.",
    better="nearest 0",
    unit="log-odds",
)

LENGTH_CONTROLLED_PREFERENCE = Metric(
    "length_controlled_preference",
    "own text, equal length",
    "Probability of choosing own text over another model's of the same length, by logistic "
    "regression on the difference in length (AlpacaEval), from 0 to 1; 0.5 is neutral.",
    better="nearest 0.5",
    unit="probability",
)

EQUAL_OPPORTUNITY_BIAS = Metric(
    "equal_opportunity_bias",
    "equal-opportunity bias",
    "Probability of preferring own text where it is better minus that of preferring another "
    "model's where that is better (Wataoka et al.), from -1 to 1; above 0 favours its own.",
    better="nearest 0",
    unit="probability",
)

SELF_PREFERENCE_RATE = Metric(
    "self_preference_rate",
    "self-preference rate",
    "SPR: share of pairs of own and another model's text whose verdict over both orders is "
    "own text, ties counting as no vote, from 0 to 1 (Chen et al.).",
    better="neither",
    unit="share",
)

LSPR = Metric(
    "lspr",
    "LSPR",
    "Share of right answers among the own answers that win their verdicts, where correctness "
    "is known, from 0 to 1; higher is a more legitimate preference (Chen et al.).",
    better="higher",
    unit="share",
)

HSPP = Metric(
    "hspp",
    "HSPP",
    "Share of pairs with a wrong own answer whose verdict is own, ties counting as no vote, "
    "from 0 to 1; lower is a better judge (Chen et al.).",
    better="lower",
    unit="share",
)

EVALUATOR_QUALITY_BASELINE = Metric(
    "evaluator_quality_baseline",
    "votes of poor judging",
    "Share of votes for another model's wrong answer against a right one, on items where own "
    "is wrong too, from 0 to 1; the rate of poor judging alone (Roytburg et al.).",
    better="lower",
    unit="share",
)

EVALUATOR_QUALITY_EXCESS = Metric(
    "evaluator_quality_excess",
    "excess of wrong own votes",
    "Votes for own wrong answers minus votes for other models' wrong answers, against the "
    "same right answers of the same items, from -1 to 1; above 0 favours its own.",
    better="nearest 0",
    unit="share",
)

DIAGONAL_EXCESS = Metric(
    "diagonal_excess",
    "diagonal excess",
    "How much higher judges score their own text than the means of judge and origin predict, "
    "by least squares over the matrix of judges and origins; above 0 favours its own.",
    better="nearest 0",
    unit="probability",
)

DIAGONAL_EXCESS_CONTROLLED = Metric(
    "diagonal_excess_controlled",
    "diagonal excess, controlled",
    "Diagonal excess at equal length and log-perplexity of the texts, where these are known "
    "(named after | in the item set); above 0 favours its own.",
    better="nearest 0",
    unit="probability",
)

LIKELIHOOD_PREFERENCE = Metric(
    "likelihood_preference",
    "likelihood preference",
    "Share of pairs in which this origin's text is more probable per byte under the judge, "
    "averaged over the other origins, from 0 to 1; 0.5 is as probable as the others.",
    better="neither",
    unit="share",
)

LIKELIHOOD_BIAS = Metric(
    "likelihood_bias",
    "likelihood bias",
    "Likelihood preference of the judge's own origin minus the mean of the other synthetic "
    "origins, from -1 to 1; the self-preference that probability alone would give.",
    better="nearest 0",
    unit="share",
)

CANDIDATE_BITS_PER_BYTE = Metric(
    "candidate_bits_per_byte",
    "candidate bits per byte",
    "Mean bits per UTF-8 byte of this origin's texts under the judge; lower is more familiar.",
    better="neither",
    unit="bits per byte",
)

RATING = Metric(
    "rating",
    "rating",
    "Mean rating of this origin's texts, the expected value over the probabilities of the "
    "score tokens, from 1 to 5; higher is better in the judge's view.",
    better="neither",
    unit="1 to 5",
)

RATING_BIAS = Metric(
    "rating_bias",
    "rating bias",
    "Mean rating of the judge's own origin minus the mean of the other synthetic origins, "
    "from -4 to 4; above 0 favours its own text.",
    better="nearest 0",
    unit="1 to 5",
)

RATING_OUTSIDE = Metric(
    "rating_outside",
    "probability outside the scores",
    "Mean probability outside the five score tokens when asked for a rating, from 0 to 1; "
    "high where the judge does not follow the format.",
    better="lower",
    unit="probability",
)

RECOGNITION = Metric(
    "recognition",
    "recognition",
    "Mean probability of yes, as a share of yes and no together, that the judge wrote this "
    "origin's text, from 0 to 1.",
    better="neither",
    unit="probability",
)

SELF_RECOGNITION = Metric(
    "self_recognition",
    "self-recognition",
    "Share of pairs of own and another model's text in which own has the higher probability "
    "of yes, ties counting half, from 0 to 1; 0.5 is chance.",
    better="neither",
    unit="share",
)

RECOGNITION_MASS = Metric(
    "recognition_mass",
    "probability of yes and no",
    "Mean probability of yes and no together when asked whether the judge wrote a text, from "
    "0 to 1; low where the judge does not follow the format.",
    better="higher",
    unit="probability",
)

LABEL_MASS = Metric(
    "label_mass",
    "probability of the labels",
    "Mean probability that the judge gives to the two labels together, from 0 to 1; low where "
    "the judge does not follow the format.",
    better="higher",
    unit="probability",
)

DISCERNMENT = Metric(
    "discernment",
    "discernment",
    "Share of control pairs in which the judge prefers the summary known to be better, ties "
    "counting half, from 0 to 1; 0.5 is chance, higher is a better judge.",
    better="higher",
    unit="share",
    reading="0.5: chance",
)

WIN_RATE = Metric(
    "win_rate",
    "win rate",
    "Mean probability with which the judge chooses text of this origin over another, over pairs "
    "judged in one order only, from 0 to 1; 0.5 is neutral if the order was drawn by chance.",
    better="neither",
    unit="probability",
    label_on=lambda item_set: f"win rate of {item_set}",
)

LENGTH_CONTROLLED_WIN_RATE = Metric(
    "length_controlled_win_rate",
    "win rate at equal length",
    "The win rate if both texts had the same length, by AlpacaEval's logistic regression on the "
    "difference in length without its term for instructions, over pairs judged in one order only.",
    better="neither",
    unit="probability",
    label_on=lambda item_set: f"win rate of {item_set} at equal length",
)

JUDGE_SCORE = Metric(
    "judge_score",
    "score",
    "Mean score that the judge gives to texts of this origin, on the scale of the file.",
    better="higher",
    unit="score",
    label_on=lambda item_set: f"score of {item_set}",
)

JUDGE_SCORE_BIAS = Metric(
    "judge_score_bias",
    "score of own text",
    "Mean score of the judge's own origin minus the mean of the other synthetic origins, over the "
    "items for which every model's text has a score; above 0 favours its own text.",
    better="nearest 0",
    unit="score",
)
