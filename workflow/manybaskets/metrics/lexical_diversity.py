"""Lexical diversity: variety and repetition of words, and the laws of word frequencies.

All functions are pure functions of integer-coded tokens. `tokens`, shape (tokens,), contains the
documents end to end, as codes of 0 or more that need not be dense; `lengths`, shape (documents,),
contains the numbers of their tokens. An n-gram never spans two documents. Every value depends on
the amount of text: compare values only at equal numbers of documents and tokens.
"""

import gzip
import lzma
import math
from typing import Literal

import numpy as np
from scipy.optimize import brentq
from scipy.special import rel_entr

from manybaskets.metrics.ngram_diversity import ngrams
from manybaskets.metrics.registry import Metric, MetricOfWords
from manybaskets.metrics.sample import Integers, Sample
from manybaskets.metrics.tokenization import normalized, unspaced
from manybaskets.seeds import derived_seed

MTLD_THRESHOLD = 0.72  # McCarthy & Jarvis 2010: between 0.660 and 0.750
HDD_DRAWS = 42  # McCarthy & Jarvis 2007: the mean sample size of vocd-D, 35 to 50
HEAPS_POINTS = 30
HEAPS_FIRST = 100  # tokens; among fewer, nearly every word is new
VOCABULARY = 30_522  # of EAD: that of BERT, the same for all texts
# Of the text to compress, which is cut to as many bytes in all samples. A character of a script
# without spaces has three bytes in UTF-8, and a sample contains punctuation marks of one.
BYTES_PER_TOKEN, BYTES_PER_CHARACTER = 4, 2


def expectation_adjusted_distinct(
    tokens: Integers, lengths: Integers, n: int, vocabulary: int
) -> float:
    """Returns the distinct n-grams over the number expected in as many uniform draws; above 0.

    EAD of Liu et al. 2022: N / (V (1 - ((V - 1) / V)^C)), for N distinct among C n-grams and a
    vocabulary of V words, the same for all texts that are compared. The paper defines EAD for
    words; for longer n-grams V remains the number of words, as in Kirk et al. 2024, so that the
    value can exceed 1. It can also exceed 1 if `vocabulary` is smaller than that of the text.

    Raises ValueError if there are no n-grams, or for an empty vocabulary.
    """
    if vocabulary < 1:
        raise ValueError(f"vocabulary is {vocabulary}; it must be at least 1.")
    grams, _ = _ngrams_of_order(tokens, lengths, n)
    log_miss = math.log1p(-1 / vocabulary) if vocabulary > 1 else -math.inf
    expected = -vocabulary * math.expm1(len(grams) * log_miss)
    return len(np.unique(grams)) / expected


EAD_1 = MetricOfWords(
    "ead_1",
    "EAD, words",
    "Expectation-adjusted distinct words (Liu et al. 2022): different words over the number "
    "expected of uniform draws from a vocabulary of 30,522; higher is more varied text.",
    better="higher",
    unit="ratio",
    compute=lambda sample: expectation_adjusted_distinct(
        sample.tokens, sample.lengths, 1, VOCABULARY
    ),
)


def mtld(tokens: Integers, threshold: float = MTLD_THRESHOLD) -> float:
    """Returns the mean length of runs whose type-token ratio stays above `threshold`, in tokens.

    McCarthy & Jarvis 2010: a factor ends where the ratio is at most the threshold, the rest of the
    text counts as the fraction (1 - ratio) / (1 - threshold) of a factor, and the value is the
    mean of tokens / factors forward and backward. It is at least 2. All tokens form one sequence,
    so that the order of the documents has a small effect. MTLD does not detect repetition at
    distances above its value: copies of one long and varied document do not lower it.

    Raises ValueError if all tokens are distinct, for which MTLD is infinite, and for a threshold
    that is not between 0 and 1.
    """
    if not 0 < threshold < 1:
        raise ValueError(f"threshold is {threshold}; it must be between 0 and 1.")
    previous = _previous_positions(tokens)
    if np.all(previous < 0):
        raise ValueError(f"MTLD is undefined: none of the {len(tokens)} tokens occurs twice.")
    forward = len(tokens) / _factors(previous, threshold)
    backward = len(tokens) / _factors(_previous_positions(tokens[::-1]), threshold)
    return (forward + backward) / 2


MTLD = MetricOfWords(
    "mtld",
    "MTLD",
    "Measure of textual lexical diversity (McCarthy & Jarvis 2010): mean tokens over which "
    "the type-token ratio stays above 0.72; insensitive to repetition at a distance, higher "
    "is more varied.",
    better="higher",
    unit="tokens",
    compute=lambda sample: mtld(sample.tokens),
)


def hdd(tokens: Integers, draws: int = HDD_DRAWS) -> float:
    """Returns the expected type-token ratio of `draws` tokens drawn without replacement, up to 1.

    HD-D of McCarthy & Jarvis 2007: the sum over types of the hypergeometric probability that the
    type is drawn at least once, divided by the number of draws. Raises ValueError for fewer tokens
    than draws.
    """
    if draws < 1:
        raise ValueError(f"draws is {draws}; it must be at least 1.")
    if len(tokens) < draws:
        raise ValueError(f"HD-D draws {draws} tokens; there are {len(tokens)}.")
    counts, types = np.unique(_counts(tokens), return_counts=True)
    left = len(tokens) - np.arange(draws)
    # A product is exact; differences of log-gamma functions lose half the digits at 80,000 tokens.
    missed = np.prod((left - counts[:, None]) / left, axis=1)
    return float(types @ (1 - missed)) / draws


HDD = MetricOfWords(
    "hdd",
    "HD-D",
    "HD-D (McCarthy & Jarvis 2007): expected type-token ratio of 42 tokens drawn from a "
    "sample; higher is more varied text.",
    better="higher",
    unit="share",
    compute=lambda sample: hdd(sample.tokens),
)


def mattr(tokens: Integers, window: int = 50) -> float:
    """Returns the mean type-token ratio of all windows of `window` tokens, from 1 / `window` to 1.

    Covington & McFall 2010. All tokens form one sequence, and a window may span documents. MATTR
    does not detect repetition at distances above `window`. Raises ValueError for fewer tokens than
    one window has.
    """
    if window < 1:
        raise ValueError(f"window is {window}; it must be at least 1.")
    windows = len(tokens) - window + 1
    if windows < 1:
        raise ValueError(f"MATTR moves a window of {window} tokens; there are {len(tokens)}.")
    positions = np.arange(len(tokens))
    # A token is a new type in each window that contains it but not its previous occurrence.
    first = np.maximum(_previous_positions(tokens) + 1, positions - window + 1)
    last = np.minimum(positions, windows - 1)
    types = int(np.maximum(last - np.maximum(first, 0) + 1, 0).sum())
    return types / (windows * window)


MATTR = MetricOfWords(
    "mattr",
    "MATTR",
    "Moving-average type-token ratio over windows of 50 tokens (Covington & McFall 2010); "
    "insensitive to repetition at a distance, higher is more varied.",
    better="higher",
    unit="share",
    compute=lambda sample: mattr(sample.tokens),
)


def compression_ratio(text: bytes, method: Literal["gzip", "xz"]) -> float:
    """Returns the bytes of `text` over its compressed bytes; higher is more repetitive.

    gzip -9 detects repetition within 32 KiB, xz (its default, preset 6) within 8 MiB. Headers are
    included, so that a very short text has a ratio below 1. The last digits can differ between
    versions of the compressors. Raises ValueError for an empty text.
    """
    if not text:
        raise ValueError("The compression ratio of an empty text is undefined.")
    if method == "gzip":
        compressed = gzip.compress(text, compresslevel=9, mtime=0)
    else:
        compressed = lzma.compress(text, preset=6)
    return len(text) / len(compressed)


def _ratio_of_sample(sample: Sample, method: Literal["gzip", "xz"]) -> float:
    words = [word for document in sample.documents for word in document]
    characters = 2 * sum(map(unspaced, words)) > len(words)
    size = (BYTES_PER_CHARACTER if characters else BYTES_PER_TOKEN) * len(sample.tokens)
    text = normalized("\n".join(sample.texts)).encode("utf-8", "replace")
    if len(text) < size:
        raise ValueError(f"a sample has {len(text):,} bytes of text instead of {size:,}")
    return compression_ratio(text[:size], method)


GZIP_RATIO = MetricOfWords(
    "gzip_ratio",
    "gzip ratio",
    "Bytes over gzip -9 bytes of a sample's responses joined by line ends, cut to an equal "
    "number of bytes; finds repetition within 32 KiB, higher is less varied text.",
    better="lower",
    unit="bytes per byte",
    compute=lambda sample: _ratio_of_sample(sample, "gzip"),
)

XZ_RATIO = MetricOfWords(
    "xz_ratio",
    "xz ratio",
    "As gzip_ratio by xz, which finds repetition at any distance here.",
    better="lower",
    unit="bytes per byte",
    compute=lambda sample: _ratio_of_sample(sample, "xz"),
)


def self_repetition(tokens: Integers, lengths: Integers, n: int = 4) -> float:
    """Returns the self-repetition score: n-grams that documents share, in log counts; 0 for none.

    Salkar et al. 2022, as implemented by Shaib et al. 2024: the mean over documents of ln(1 + the
    sum over the document's distinct n-grams of the number of other documents that contain the
    n-gram). A document of fewer than n tokens counts as 0. The score grows with the number and the
    length of the documents. Raises ValueError if there are no n-grams.
    """
    grams, document_of_gram = _ngrams_of_order(tokens, lengths, n)
    # Each pair of an n-gram and a document that contains it, once, sorted by n-gram.
    pairs = np.unique(grams * len(lengths) + document_of_gram)
    gram_of_pair, document_of_pair = np.divmod(pairs, len(lengths))
    first_pairs = np.flatnonzero(np.diff(gram_of_pair, prepend=-1))
    frequencies = np.diff(first_pairs, append=len(pairs))  # documents with each n-gram
    others = np.bincount(document_of_pair, np.repeat(frequencies - 1, frequencies), len(lengths))
    return math.fsum(np.log1p(others)) / len(lengths)  # fsum: the same in any order of documents


SELF_REPETITION = MetricOfWords(
    "self_repetition",
    "self-repetition",
    "Self-repetition (Salkar et al. 2022): mean logarithm of 1 + how many other responses of "
    "a sample share each response's 4-grams; higher is less varied text.",
    better="lower",
    unit="log count",
    compute=lambda sample: self_repetition(sample.tokens, sample.lengths),
)


def ngram_entropy(tokens: Integers, lengths: Integers, n: int) -> float:
    """Returns the Shannon entropy of the n-grams in bits, corrected for the sample size.

    It is the plug-in entropy, which is biased downwards, plus (types - 1) / (2 n-grams) nats
    (Miller 1955, Madow 1948). The correction is of first order: if most n-grams occur once, the
    value is still far too low. Raises ValueError if there are no n-grams.
    """
    counts = _counts(_ngrams_of_order(tokens, lengths, n)[0])
    total = int(counts.sum())
    plug_in = math.log(total) - float(counts @ np.log(counts)) / total
    correction = (len(counts) - 1) / (2 * total)
    return (max(plug_in, 0.0) + correction) / math.log(2)


NGRAM_ENTROPY_1 = MetricOfWords(
    "ngram_entropy_1",
    "entropy of words",
    "Entropy of the words of a sample in bits, Miller-Madow corrected; higher is more varied.",
    better="higher",
    unit="bits",
    compute=lambda sample: ngram_entropy(sample.tokens, sample.lengths, 1),
)

NGRAM_ENTROPY_2 = MetricOfWords(
    "ngram_entropy_2",
    "entropy of word pairs",
    "Entropy of the pairs of words of a sample in bits, Miller-Madow corrected; higher is "
    "more varied text.",
    better="higher",
    unit="bits",
    compute=lambda sample: ngram_entropy(sample.tokens, sample.lengths, 2),
)


def zipf_exponent(tokens: Integers) -> float:
    """Returns the exponent s of Zipf's law, with a share ~ r^-s of the r-th most frequent type.

    It is the maximum-likelihood estimate over the ranks 1..V of the observed types: the minimum
    of s sum(f ln r) + N ln sum(r^-s). There the expected logarithm of the rank, which decreases
    with s, equals the observed one, so that the minimum is unique. s is 0 for equal shares. Since
    the ranks come from the same counts, s of a small sample is biased. Raises ValueError for fewer
    than 2 types.
    """
    counts = np.sort(_counts(tokens))[::-1]
    if len(counts) < 2:
        raise ValueError(f"Zipf's law needs at least 2 types; there are {len(counts)}.")
    log_ranks = np.log(np.arange(1, len(counts) + 1))
    observed = float(counts @ log_ranks) / float(counts.sum())

    def excess(s: float) -> float:
        weights = np.exp(-s * log_ranks)
        return float(weights @ log_ranks) / float(weights.sum()) - observed

    if excess(0.0) <= 0:
        return 0.0
    upper = 2.0
    while excess(upper) > 0:
        upper *= 2
    return float(brentq(excess, 0.0, upper, xtol=1e-12))


ZIPF_EXPONENT = MetricOfWords(
    "zipf_exponent",
    "Zipf exponent",
    "Exponent of Zipf's law by maximum likelihood over ranks; higher is more text in fewer words.",
    better="neither",
    unit="exponent",
    compute=lambda sample: zipf_exponent(sample.tokens),
)


def heaps(
    tokens: Integers, lengths: Integers, orders: int, generator: np.random.Generator
) -> tuple[float, float]:
    """Returns K and beta of Heaps' law V(n) = K n^beta, for the number of types V among n tokens.

    The fit is ordinary least squares of ln V on ln n, at 30 values of n equally spaced in ln n
    from 100 to all tokens. ln V is averaged over `orders` random orders of the documents, which
    averages beta arithmetically and K geometrically over the orders. The curve of real text is
    concave in ln n, so that beta decreases with the number of tokens.

    Raises ValueError for fewer than 1,000 tokens, too short a range for a slope.
    """
    if orders < 1:
        raise ValueError(f"orders is {orders}; it must be at least 1.")
    if len(tokens) < 10 * HEAPS_FIRST:
        raise ValueError(
            f"Heaps' law needs at least {10 * HEAPS_FIRST} tokens; there are {len(tokens)}."
        )
    sizes = np.geomspace(HEAPS_FIRST, len(tokens), HEAPS_POINTS).round()
    types, codes = np.unique(tokens, return_inverse=True)
    first = np.empty(len(types), dtype=np.int64)
    log_seen = np.zeros(len(sizes))
    for _ in range(orders):
        shuffled = codes[_positions_in_order(lengths, generator.permutation(len(lengths)))]
        # Assigned in reverse, so that the first position of each type is the one that remains.
        first[shuffled[::-1]] = np.arange(len(tokens))[::-1]
        log_seen += np.log(np.searchsorted(np.sort(first), sizes))
    beta, log_k = np.polyfit(np.log(sizes), log_seen / orders, 1)
    return math.exp(log_k), float(beta)


def _heaps_of_sample(sample: Sample) -> float:
    orders = np.random.default_rng(derived_seed(len(sample.tokens), "orders"))
    return heaps(sample.tokens, sample.lengths, 10, orders)[1]


HEAPS_EXPONENT = MetricOfWords(
    "heaps_exponent",
    "Heaps exponent",
    "Exponent of Heaps' law V(n) = K n^beta, mean of 10 orders of the responses; lower is a "
    "vocabulary that stops growing.",
    better="higher",
    unit="exponent",
    compute=_heaps_of_sample,
)


def jensen_shannon(a: Integers, b: Integers) -> float:
    """Returns the Jensen-Shannon divergence of the words of two texts in bits, from 0 to 1.

    Lin 1991, to base 2: 0 for equal shares of all words, 1 for no common word. `a` and `b` are
    tokens in the same coding. Two samples of one text have a divergence above 0, which grows as
    the samples get smaller. Raises ValueError if a text is empty.
    """
    if len(a) == 0 or len(b) == 0:
        raise ValueError(f"Both texts need at least 1 token; they have {len(a)} and {len(b)}.")
    types, codes = np.unique(np.concatenate([a, b]), return_inverse=True)
    p = np.bincount(codes[: len(a)], minlength=len(types)) / len(a)
    q = np.bincount(codes[len(a) :], minlength=len(types)) / len(b)
    middle = (p + q) / 2
    nats = float(rel_entr(p, middle).sum() + rel_entr(q, middle).sum()) / 2
    return min(max(nats / math.log(2), 0.0), 1.0)


JS_WORDS = Metric(
    "js_words",
    "distance of words (JS)",
    "Jensen-Shannon divergence in bits of the words of the responses from those of human test "
    "responses, minus that between two samples of human ones; 0 where they do not differ.",
    better="lower",
    unit="bits",
)


def hapax_share(tokens: Integers) -> float:
    """Returns the share of the types that occur once, from 0 to 1.

    Repetition of text loses types as well as hapaxes, so that the share does not fall steadily.
    Raises ValueError if there are no tokens.
    """
    if len(tokens) == 0:
        raise ValueError("The share of hapaxes is undefined: there are no tokens.")
    return float(np.mean(_counts(tokens) == 1))


def _ngrams_of_order(tokens: Integers, lengths: Integers, n: int) -> tuple[Integers, Integers]:
    """Returns at least one n-gram as integers, and the document of each, both (n-grams,)."""
    if n < 1:
        raise ValueError(f"n is {n}; it must be at least 1.")
    if not np.any(lengths >= n):
        raise ValueError(f"There are no {n}-grams: no document has {n} tokens or more.")
    return ngrams(tokens, lengths, n)[-1]


def _counts(codes: Integers) -> Integers:
    """Returns the frequency of each distinct code, shape (types,)."""
    return np.unique(codes, return_counts=True)[1]


def _previous_positions(tokens: Integers) -> Integers:
    """Returns the position of each token's previous occurrence or -1, shape (tokens,)."""
    order = np.argsort(tokens, kind="stable")
    repeats = tokens[order[1:]] == tokens[order[:-1]]
    previous = np.full(len(tokens), -1)
    previous[order[1:][repeats]] = order[:-1][repeats]
    return previous


def _factors(previous: Integers, threshold: float) -> float:
    """Returns the factors of MTLD in one direction; above 0 if any token occurs twice."""
    factors, start, repeats = 0, 0, 0
    for position, earlier in enumerate(previous.tolist()):
        if earlier >= start:  # only a repeated type lowers the ratio
            repeats += 1
            size = position - start + 1
            if (size - repeats) / size <= threshold:
                factors, start, repeats = factors + 1, position + 1, 0
    rest = max(len(previous) - start, 1)
    return factors + repeats / rest / (1 - threshold)


def _positions_in_order(lengths: Integers, order: Integers) -> Integers:
    """Returns the positions of all tokens with the documents in `order`, shape (tokens,)."""
    starts = np.cumsum(lengths) - lengths
    moved = lengths[order]
    return np.repeat(starts[order] - (np.cumsum(moved) - moved), moved) + np.arange(moved.sum())
