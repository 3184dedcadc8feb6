"""Diversity as defined in "Synthetic Eggs in Many Baskets" (arXiv 2511.01490), for comparison.

From the authors' notebooks: lexical diversity within and across responses, Heaps' law, and the
sentences for semantic diversity. All values depend on the number and length of responses, which
that paper does not hold equal. Sentences are split by rule here; the authors used NLTK's Punkt
model.
"""

import re
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import curve_fit

from manybaskets.metrics.ngram_diversity import leave_one_out_matches, log_brevity
from manybaskets.metrics.registry import Metric
from manybaskets.metrics.sample import encode
from manybaskets.metrics.tokenization import normalized

ORDER = 3  # N_GRAM = 3 in the authors' notebooks
POOLED = 100  # responses whose sentences are compared with each other
SHORTEST = 4  # words in a sentence
HEAPS_STEP = 1000  # tokens

_TOKEN = re.compile(r"\w+|[^\w\s]")
_END = re.compile(r"(?<=[.!?])[\"')\]]*\s+(?=[\"'(\[]?[A-Z0-9])|\n+")
_LIST_MARK = re.compile(r"[\d\W_]*|\(?[a-zA-Z]?[.)]")


# Scripts with spaces between words, whose words are letters without combining marks.
_SCRIPTS_OF_WORDS = ("Armenian", "Cyrillic", "Georgian", "Greek", "Hangul", "Hebrew", "Latin")


def require_sentences(script: str | None) -> None:
    """Raises ValueError for a script in which the rule for sentences finds no ends of them."""
    if script not in ("Latin", None):
        raise ValueError(f"sentences end before a Latin capital; the responses are in {script}")


def require_words(script: str | None) -> None:
    """Raises ValueError for a script that the paper's tokenizer does not cut into words."""
    if script not in (*_SCRIPTS_OF_WORDS, None):
        raise ValueError(f"the paper's tokenizer has no words in {script}")


def sentences(response: str) -> list[str]:
    """Returns a response's sentences of at least four words, without Markdown marks."""
    plain = re.sub(r"\*\*|[#*]", "", response)
    candidates = (sentence.strip() for sentence in _END.split(plain))
    return [
        sentence
        for sentence in candidates
        if not _LIST_MARK.fullmatch(sentence) and len(sentence.split()) >= SHORTEST
    ]


def lexical_diversity(texts: Sequence[str]) -> float:
    """Returns 100 - mean BLEU-3 of each text against all others, as in sacrebleu; from 0 to 100.

    BLEU has effective order, exponential smoothing, the closest reference length and sacrebleu's
    tokenizer 13a. Raises ValueError for fewer than two texts.
    """
    if len(texts) < 2:
        raise ValueError(f"lexical diversity needs at least 2 texts; {len(texts)} given.")
    tokens, lengths = encode([tokenize_13a(text) for text in texts])
    log_sum, orders = np.zeros(len(texts)), np.zeros(len(texts))
    halvings, any_match = np.zeros(len(texts)), np.zeros(len(texts), dtype=bool)
    for n, matches in enumerate(leave_one_out_matches(tokens, lengths, ORDER), start=1):
        any_match |= matches > 0
        possible = np.maximum(lengths - n + 1, 0)
        counts = possible > 0
        halvings += counts & (matches == 0)
        smoothed = np.where(matches == 0, 0.5**halvings, matches)
        log_sum += np.where(counts, np.log(smoothed / np.maximum(possible, 1)), 0)
        orders += counts
    scores = np.exp(log_brevity(lengths) + log_sum / np.maximum(orders, 1))
    return float(100 - 100 * np.where(any_match, scores, 0).mean())


def diversity_within(responses: Sequence[str]) -> tuple[float, int]:
    """Returns the paper's "individual" lexical diversity and the number of responses used.

    It is the mean over responses of the lexical diversity of a response's sentences, from 0 to
    100. Responses of fewer than two sentences are not used. Raises ValueError if none is left.
    """
    split = [parts for response in responses if len(parts := sentences(response)) > 1]
    if not split:
        raise ValueError("no response has two sentences or more")
    return float(np.mean([lexical_diversity(parts) for parts in split])), len(split)


EGGS_LEXICAL_DIVERSITY = Metric(
    "eggs_lexical_diversity",
    "lexical diversity (Eggs)",
    "Lexical diversity as in arXiv 2511.01490, individual: 100 - self-BLEU-3 among the "
    "sentences of a response, mean over responses; longer responses score lower.",
    better="higher",
    unit="0 to 100",
)


def diversity_across(responses: Sequence[str], generator: np.random.Generator) -> tuple[float, int]:
    """Returns the paper's "aggregated" lexical diversity and the number of responses used.

    It is the lexical diversity of the sentences of up to 100 random responses together, from 0 to
    100. Raises ValueError for fewer than two sentences.
    """
    chosen = generator.permutation(len(responses))[:POOLED]
    return lexical_diversity([s for i in chosen for s in sentences(responses[i])]), len(chosen)


EGGS_LEXICAL_DIVERSITY_POOLED = Metric(
    "eggs_lexical_diversity_pooled",
    "lexical diversity (Eggs, aggregated)",
    "Lexical diversity as in arXiv 2511.01490, aggregated: 100 - self-BLEU-3 among the "
    "sentences of 100 responses.",
    better="higher",
    unit="0 to 100",
)


def heaps(responses: Sequence[str]) -> tuple[float, float]:
    """Returns K and beta of Heaps' law V(n) = K n^beta, for V distinct words among n tokens.

    The fit is least squares on V, not on its logarithm, at every 1,000th token of all responses,
    joined without a separator as in the notebooks. Raises ValueError for fewer than 3,000 tokens,
    too few to fit two parameters.
    """
    joined = "".join(re.sub(r"\*\*|[#*]", "", text) for text in responses)
    words = _TOKEN.findall(normalized(joined.lower()))
    sizes = np.arange(HEAPS_STEP, len(words) + 1, HEAPS_STEP)
    if len(sizes) < 3:
        raise ValueError(f"Heaps' law needs at least 3,000 tokens; there are {len(words):,}")
    first = np.unique(np.array(words), return_index=True)[1]
    types = np.searchsorted(np.sort(first), sizes)

    def law(n: NDArray[np.float64], k: float, beta: float) -> NDArray[np.float64]:
        return k * n**beta

    (k, beta), _ = curve_fit(law, sizes.astype(np.float64), types, p0=(10.0, 0.5), maxfev=10_000)
    return float(k), float(beta)


EGGS_HEAPS_EXPONENT = Metric(
    "eggs_heaps_exponent",
    "Heaps exponent (Eggs)",
    "Exponent of Heaps' law by least squares on all responses joined (arXiv 2511.01490).",
    better="higher",
    unit="exponent",
)


def tokenize_13a(text: str) -> list[str]:
    """Returns the tokens of sacrebleu's default tokenizer, which has the rules of mteval-v13a."""
    for entity, mark in (("&quot;", '"'), ("&amp;", "&"), ("&lt;", "<"), ("&gt;", ">")):
        text = text.replace(entity, mark)
    text = " " + text.replace("<skipped>", "").replace("-\n", "").replace("\n", " ") + " "
    text = re.sub(r"([\{-\~\[-\` -\&\(-\+\:-\@\/])", r" \1 ", text)
    text = re.sub(r"([^0-9])([\.,])", r"\1 \2 ", text)
    text = re.sub(r"([\.,])([^0-9])", r" \1 \2", text)
    text = re.sub(r"([0-9])(-)", r"\1 \2 ", text)
    return text.split()
