"""Fit to human text and to the model's own: what the collapse probe computes from likelihoods.

Item sets: `test` are human responses under the model, `own` its own responses under the target.
"""

from manybaskets.metrics.registry import Metric

NLL = Metric(
    "nll",
    "nats per token",
    "Mean negative log-likelihood of a response token in nats: of held-out human text under "
    "the model (test; per bin of frequency in the human training text), or of the model's own "
    "text under the target (own); lower is likelier, comparable only under one tokenizer.",
    better="lower",
    unit="nats per token",
    reading="lower: better fit",
)

BITS_PER_BYTE = Metric(
    "bits_per_byte",
    "bits per byte",
    "Negative log-likelihood in bits per UTF-8 byte of the text, as for nll; lower is a "
    "better fit, comparable across tokenizers.",
    better="lower",
    unit="bits per byte",
    reading="lower: better fit",
)

PERPLEXITY = Metric(
    "perplexity",
    "perplexity",
    "Perplexity of the whole corpus of tokens, exp(nll); lower is likelier.",
    better="lower",
    unit="tokens",
)

RESPONSE_PERPLEXITY = Metric(
    "response_perplexity",
    "perplexity of a response, mean",
    "Mean over responses of exp(mean negative log-likelihood of the response's tokens); a few "
    "unlikely responses move it much.",
    better="lower",
    unit="tokens",
)

RESPONSE_PERPLEXITY_MEDIAN = Metric(
    "response_perplexity_median",
    "perplexity of a response, median",
    "Median over responses of the perplexity of a response.",
    better="lower",
    unit="tokens",
)

EGGS_PERPLEXITY = Metric(
    "eggs_perplexity",
    "perplexity (Eggs)",
    "Mean perplexity of a response as in arXiv 2511.01490: without responses more than 1.5 "
    "interquartile ranges outside the quartiles, and for own text without the closing token.",
    better="lower",
    unit="tokens",
)

NLL_GAP = Metric(
    "nll_gap",
    "nats per token above the target",
    "The nll under the model minus nll under the target of the same human tokens, in nats, in "
    "all or in a bin of frequency; above 0 the model fits worse than the target.",
    better="lower",
    unit="nats per token",
)

TAIL_GAP = Metric(
    "tail_gap",
    "loss of rare tokens, nats",
    "The nll_gap of the rare tokens (the rarest bin and those unseen in the human training "
    "text) minus that of all others, in nats; above 0 the tail is lost first: collapse.",
    better="lower",
    unit="nats per token",
    reading="above 0: rare tokens lost first",
)

ENTROPY = Metric(
    "entropy",
    "entropy",
    "Mean entropy of the model's next-token distribution on human text, in nats; lower is a "
    "more certain model.",
    better="neither",
    unit="nats",
)

TAIL_MASS = Metric(
    "tail_mass",
    "tail mass",
    "Mean probability on human text that the model gives to tokens outside the target's top "
    "k, from 0 to 1; falls where the tail is lost.",
    better="higher",
    unit="probability",
)

NUCLEUS_SIZE = Metric(
    "nucleus_size",
    "nucleus size",
    "Mean number of tokens in the smallest set with the nucleus' share of the probability, on "
    "human text; falls where the tail is lost.",
    better="higher",
    unit="tokens",
)

KL_FROM_TARGET = Metric(
    "kl_from_target",
    "KL from the target",
    "Mean KL(target ‖ model) of the next-token distributions on human text, in nats; large "
    "where the model gives up what is likely under the target.",
    better="lower",
    unit="nats",
)

KL_TO_TARGET = Metric(
    "kl_to_target",
    "KL to the target",
    "Mean KL(model ‖ target) of the next-token distributions on human text, in nats; large "
    "where the model prefers what is unlikely under the target.",
    better="lower",
    unit="nats",
)

TOKEN_ACCURACY = Metric(
    "token_accuracy",
    "token accuracy",
    "Share of human tokens that are the model's likeliest, from 0 to 1; higher is a better fit.",
    better="higher",
    unit="share",
)
