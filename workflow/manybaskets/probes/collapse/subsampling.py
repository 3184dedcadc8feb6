"""Diversity of a model's responses, and their distance from human text, on random subsamples.

Most metrics of sets of texts depend on the number and the length of the texts. Therefore each is
computed on random subsamples of a fixed size: N responses, cut to L tokens for metrics of words.
Values are means over the subsamples, with the standard deviation as `spread`. A value that cannot
be computed is None, with the reason in the note.
"""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TypeVar

import numpy as np
from numpy.typing import NDArray

from manybaskets.metrics import (
    distribution_distance,
    eggs,
    lexical_diversity,
    registry,
    semantic_diversity,
)
from manybaskets.metrics.languages import script_of
from manybaskets.metrics.measurement import Measurement, Undefined
from manybaskets.metrics.ngram_diversity import BLEU_ORDER
from manybaskets.metrics.sample import Integers, Sample, encode
from manybaskets.metrics.tokenization import segmentation, tokenize
from manybaskets.seeds import derived_seed

# Steps that compute these metrics depend on their code.
LOADS = ("metrics:MetricOfWords", "metrics:MetricOfEmbeddings")
PROBE = "collapse"
EMBEDDED = "are not empty and of words that the embedder knows"
ENOUGH_RESPONSES = 500  # to find their script
NEIGHBOURS = 5  # of precision, recall, density and coverage
Vectors = NDArray[np.float64]
S = TypeVar("S")
V = TypeVar("V")


@dataclass(frozen=True)
class Design:
    """Design of the subsamples: their number, and N `documents` of L `tokens` in each.

    The same `seed` draws the same indices in all sets with the same number of responses. Raises
    ValueError for a size at which the metrics are undefined.
    """

    documents: int
    tokens: int
    subsamples: int
    seed: int

    def __post_init__(self) -> None:
        if self.documents < 2 or self.subsamples < 1 or self.tokens < BLEU_ORDER:
            raise ValueError(
                f"documents is {self.documents} (at least 2), tokens {self.tokens} (at least "
                f"{BLEU_ORDER}), subsamples {self.subsamples} (at least 1)."
            )


HUMAN_METRICS = (
    *("precision", "recall", "density", "coverage"),
    *("mauve", "mauve_star", "frontier_integral"),
    *("topic_coverage", "topic_entropy"),
)


def measure_words(
    responses: Sequence[str],
    human: Sequence[str] | None,
    paired: bool,
    design: Design,
    item_set: str = "test",
) -> list[Measurement]:
    """Returns all metrics of words and, with `human` texts, the distance of the words from them.

    If `paired`, response i and human text i answer the same prompt. Only responses of at least L
    tokens are eligible; the others are counted as excluded. Mean length, the share of empty
    responses and the metrics of the Eggs study are computed on all complete responses.
    """
    documents = [tokenize(response) for response in responses]
    long_enough = [i for i, document in enumerate(documents) if len(document) >= design.tokens]
    human_documents = [tokenize(text) for text in human or []]
    eligible_human = [d[: design.tokens] for d in human_documents if len(d) >= design.tokens]
    n = len(long_enough)
    note = segmentation(document[: design.tokens] for document in documents)
    tokens, _ = encode([*(documents[i][: design.tokens] for i in long_enough), *eligible_human])
    coded = tokens.reshape(n + len(eligible_human), design.tokens)
    measurements = []
    if n < design.documents:
        reason = (
            f"{n} of {len(responses)} responses have {design.tokens} tokens or more; a sample "
            f"needs {design.documents}"
        )
        names = [metric.name for metric in registry.metrics_of_words()]
        measurements += _undefined(names, item_set, n, len(responses) - n, reason)
    else:
        lengths = np.full(design.documents, design.tokens, dtype=np.int64)
        samples = [
            Sample(
                coded[indices].ravel(),
                lengths,
                [responses[long_enough[i]] for i in indices],
                [documents[long_enough[i]][: design.tokens] for i in indices],
            )
            for indices in _subsample_indices(n, design)
        ]
        for metric in registry.metrics_of_words():
            values = _each(metric.compute, samples)
            measurements.append(
                _mean_measurement(metric.name, item_set, values, design, len(responses) - n, note)
            )
    if human is not None:
        of_model, of_human, excluded = coded[:n], coded[n:], len(responses) - n
        if paired:  # both texts of a pair must be long enough
            row_of = {i: row for row, i in enumerate(long_enough)}
            long_human = [
                i for i, document in enumerate(human_documents) if len(document) >= design.tokens
            ]
            pairs = [(row_of[i], k) for k, i in enumerate(long_human) if i in row_of]
            of_model, of_human = (
                of_model[[row for row, _ in pairs]],
                of_human[[k for _, k in pairs]],
            )
            excluded = len(responses) - len(pairs)
        measurements.append(
            _distance_of_words(of_model, of_human, paired, excluded, design, item_set, note)
        )
    return [
        *measurements,
        *_lengths(responses, documents, item_set, note),
        *_eggs(responses, design, item_set),
    ]


def measure_embeddings(
    vectors: Vectors,
    human: Vectors | None,
    paired: bool,
    design: Design,
    topics: int,
    permutations: int,
    item_set: str = "test",
) -> list[Measurement]:
    """Returns all metrics of sentence embeddings and, with `human`, the distances from it.

    Both arrays have the shape (texts, dimensions). Rows of zeros are texts that are empty or of
    words that the embedder does not know; they are excluded. If `paired`, row i of both answers the
    same prompt, and subsamples of both contain the same prompts. The responses are complete, since
    cutting them to L tokens would change their meaning.
    """
    usable = vectors.any(axis=1)
    if paired and human is not None:
        usable &= human.any(axis=1)
    of_model = vectors[usable]
    n, excluded = len(of_model), int((~usable).sum())
    of_human = None if human is None else human[usable] if paired else human[human.any(axis=1)]
    names = [metric.name for metric in registry.metrics_of_embeddings()]
    names += HUMAN_METRICS if of_human is not None else ()
    if n < design.documents:
        texts = "pairs" if paired and human is not None else "responses"
        reason = f"{n} of {len(vectors)} {texts} {EMBEDDED}; a sample needs {design.documents}"
        measurements = _undefined(names, item_set, n, excluded, reason)
    else:
        measurements = _on_subsamples(
            of_model, of_human, paired, design, topics, excluded, item_set
        )
    if of_human is not None and not (n and len(of_human)):
        reason = f"no responses, or no human ones, {EMBEDDED}"
        measurements += _undefined(("mmd2", "mmd2_p", "js_topics"), item_set, n, excluded, reason)
    elif of_human is not None:
        measurements += _mmd(of_model, of_human, paired, design, permutations, item_set)
        measurements.append(
            _distance_of_topics(of_model, of_human, paired, design, topics, item_set)
        )
    return measurements


def measure_within_prompts(
    vectors: Sequence[Vectors], samples: int, similarity_threshold: float, item_set: str = "samples"
) -> list[Measurement]:
    """Returns the semantic diversity of the responses to one prompt, averaged over prompts.

    `vectors` contains one array of shape (samples, dimensions) per prompt. Responses with a cosine
    similarity above `similarity_threshold` count as equivalent. Prompts with fewer than `samples`
    responses that are not empty are excluded.
    """
    usable = [
        rows for of_prompt in vectors if len(rows := of_prompt[of_prompt.any(axis=1)]) == samples
    ]
    excluded = len(vectors) - len(usable)
    metrics: dict[str, Callable[[Vectors], float]] = {
        "prompt_vendi_1": lambda rows: semantic_diversity.vendi(rows, 1),
        "prompt_vendi_2": lambda rows: semantic_diversity.vendi(rows, 2),
        "prompt_distance": semantic_diversity.pairwise_distance,
        "prompt_distinct": lambda rows: (
            semantic_diversity.distinct_count(rows, similarity_threshold) / samples
        ),
    }
    if not usable:
        reason = f"no prompt has {samples} responses that {EMBEDDED}"
        return _undefined(metrics, item_set, 0, excluded, reason)
    measurements = []
    for metric, value_of in metrics.items():
        values = [value_of(rows) for rows in usable]
        note = f"{samples} responses to each prompt; sd over prompts {np.std(values):.4f}"
        value = math.fsum(values) / len(values)
        measurements.append(
            Measurement(PROBE, metric, item_set, value, len(usable), excluded, note)
        )
    return measurements


# ---- words ---------------------------------------------------------------------------------------


def _distance_of_words(
    of_model: Integers,
    human: Integers,
    paired: bool,
    excluded: int,
    design: Design,
    item_set: str,
    note: str,
) -> Measurement:
    """Returns the Jensen–Shannon divergence from human text, minus that of other human text.

    Each compared set answers other prompts than the human texts it is compared with, since answers
    to the same prompt share words.
    """
    size = min(design.documents, len(human) // 2)
    if size < 2 or len(of_model) < size:
        reason = (
            f"{len(of_model)} responses and {len(human)} human ones have {design.tokens} tokens or "
            f"more; {max(size, 2)} and twice as many are needed"
        )
        return Measurement(PROBE, "js_words", item_set, None, len(of_model), excluded, reason)
    values = []
    for r in range(design.subsamples):
        generator = _generator(design.seed, "words", r)
        order = generator.permutation(len(human))
        first, second = order[:size], order[size : 2 * size]
        chosen = of_model[second if paired else generator.permutation(len(of_model))[:size]]
        reference = human[first].ravel()
        null = lexical_diversity.jensen_shannon(human[second].ravel(), reference)
        values.append(lexical_diversity.jensen_shannon(chosen.ravel(), reference) - null)
    return _mean_measurement("js_words", item_set, values, design, excluded, note, size)


def _lengths(
    responses: Sequence[str], documents: list[list[str]], item_set: str, note: str
) -> list[Measurement]:
    n = len(responses)
    if n == 0:
        return _undefined(("mean_words", "empty_rate"), item_set, 0, 0, "there are no responses")
    mean_words = sum(len(document) for document in documents) / n
    empty_rate = sum(not response.strip() for response in responses) / n
    return [
        Measurement(PROBE, "mean_words", item_set, mean_words, n, note=note),
        Measurement(PROBE, "empty_rate", item_set, empty_rate, n),
    ]


def _eggs(responses: Sequence[str], design: Design, item_set: str) -> list[Measurement]:
    """Returns the metrics of words as defined in the Eggs study, on all complete responses."""
    generator = _generator(design.seed, "eggs")
    measurements = []
    script = script_of("\n".join(responses[:ENOUGH_RESPONSES]))
    sentences, words = eggs.require_sentences, eggs.require_words
    metrics: dict[str, tuple[Callable[[str | None], None], Callable[[], tuple[float, int]]]] = {
        "eggs_lexical_diversity": (sentences, lambda: eggs.diversity_within(responses)),
        "eggs_lexical_diversity_pooled": (
            sentences,
            lambda: eggs.diversity_across(responses, generator),
        ),
        "eggs_heaps_exponent": (words, lambda: (eggs.heaps(responses)[1], len(responses))),
    }
    total = len(responses)
    for metric, (require, compute) in metrics.items():
        try:
            require(script)
            value, n = compute()
            measurements.append(Measurement(PROBE, metric, item_set, value, n, total - n))
        except ValueError as error:
            measurements.append(Measurement(PROBE, metric, item_set, None, 0, total, str(error)))
    return measurements


# ---- embeddings ----------------------------------------------------------------------------------


def _on_subsamples(
    of_model: Vectors,
    human: Vectors | None,
    paired: bool,
    design: Design,
    topics: int,
    excluded: int,
    item_set: str,
) -> list[Measurement]:
    indices = _subsample_indices(len(of_model), design)
    samples = [of_model[chosen] for chosen in indices]
    measurements = [
        _mean_measurement(metric.name, item_set, _each(metric.compute, samples), design, excluded)
        for metric in registry.metrics_of_embeddings()
    ]
    if human is None:
        return measurements
    if not paired:
        indices = _subsample_indices(len(human), design) if len(human) >= design.documents else []
    if not indices:
        reason = f"{len(human)} human texts {EMBEDDED}; a sample needs {design.documents}"
        return measurements + _undefined(HUMAN_METRICS, item_set, len(of_model), excluded, reason)
    pairs = list(zip(samples, (human[chosen] for chosen in indices), strict=True))
    neighbours = _each(lambda pair: distribution_distance.prdc(pair[1], pair[0], NEIGHBOURS), pairs)
    mauves = _each(lambda pair: distribution_distance.mauve(pair[1], pair[0], design.seed), pairs)
    distributions: list[distribution_distance.Topics] | Undefined
    try:
        topic_map = distribution_distance.topic_map(human, topics, design.seed)
        distributions = [distribution_distance.topics(topic_map, rows) for rows in samples]
    except ValueError as error:
        distributions = Undefined(str(error))
    for results, attributes in (
        (neighbours, {name: name for name in ("precision", "recall", "density", "coverage")}),
        (mauves, {name: name for name in ("mauve", "mauve_star", "frontier_integral")}),
        (distributions, {"topic_coverage": "coverage", "topic_entropy": "entropy"}),
    ):
        for metric, attribute in attributes.items():
            values = (
                results
                if isinstance(results, Undefined)
                else [getattr(of_sample, attribute) for of_sample in results]
            )
            measurements.append(_mean_measurement(metric, item_set, values, design, excluded))
    return measurements


def _mmd(
    of_model: Vectors,
    human: Vectors,
    paired: bool,
    design: Design,
    permutations: int,
    item_set: str,
) -> list[Measurement]:
    """Returns MMD² minus the mean of its null, which is unbiased, on all texts."""
    generator = _generator(design.seed, "mmd")
    n = len(of_model)
    try:
        mmd = distribution_distance.mmd2(of_model, human, paired, permutations, generator)
    except ValueError as error:
        return _undefined(("mmd2", "mmd2_p"), item_set, n, 0, str(error))
    scope = "within prompts" if paired else "over all texts"
    note = f"null of {permutations} permutations {scope}, mean {mmd.null_mean:.3g}"
    return [
        Measurement(PROBE, "mmd2", item_set, mmd.value - mmd.null_mean, n, 0, note),
        Measurement(PROBE, "mmd2_p", item_set, mmd.p_value, n, 0, note),
    ]


def _distance_of_topics(
    of_model: Vectors, human: Vectors, paired: bool, design: Design, topics: int, item_set: str
) -> Measurement:
    """Returns the divergence of topics from half of the human texts, minus the other half's.

    If `paired`, the responses answer the prompts of that other half.
    """
    size = min(design.documents, len(human) // 2, len(of_model))
    differences: list[float] = []
    try:
        for r in range(design.subsamples):
            generator = _generator(design.seed, "topics", r)
            order = generator.permutation(len(human))
            second = order[len(human) // 2 :][:size]
            chosen = of_model[second if paired else generator.permutation(len(of_model))[:size]]
            topic_map = distribution_distance.topic_map(
                human[order[: len(human) // 2]], topics, design.seed
            )
            null = distribution_distance.topics(topic_map, human[second]).divergence
            differences.append(distribution_distance.topics(topic_map, chosen).divergence - null)
        values: list[float] | Undefined = differences
    except ValueError as error:
        values = Undefined(str(error))
    return _mean_measurement("js_topics", item_set, values, design, len(of_model) - size, n=size)


# ---- subsamples ----------------------------------------------------------------------------------


def _generator(*purpose: str | int) -> np.random.Generator:
    return np.random.default_rng(derived_seed(*purpose))


def _subsample_indices(n: int, design: Design) -> list[Integers]:
    """Returns the indices of the documents in each subsample, drawn without replacement."""
    generator = _generator(design.seed, "diversity")
    return [generator.permutation(n)[: design.documents] for _ in range(design.subsamples)]


def _each(compute: Callable[[S], V], samples: Sequence[S]) -> list[V] | Undefined:
    """Returns the value of each sample, or Undefined if it is undefined for one of them."""
    try:
        return [compute(sample) for sample in samples]
    except ValueError as error:
        return Undefined(str(error))


def _mean_measurement(
    metric: str,
    item_set: str,
    values: Sequence[float] | Undefined,
    design: Design,
    excluded: int,
    note: str = "",
    n: int | None = None,
) -> Measurement:
    size = design.documents if n is None else n
    if isinstance(values, Undefined):
        return Measurement(PROBE, metric, item_set, None, size, excluded, values.reason)
    return Measurement(
        PROBE,
        metric,
        item_set,
        math.fsum(values) / len(values),
        size,
        excluded,
        note,
        spread=float(np.std(values)),
        subsamples=len(values),
    )


def _undefined(
    metrics: Sequence[str] | dict[str, Callable[..., float]],
    item_set: str,
    n: int,
    excluded: int,
    reason: str,
) -> list[Measurement]:
    return [Measurement(PROBE, metric, item_set, None, n, excluded, reason) for metric in metrics]
