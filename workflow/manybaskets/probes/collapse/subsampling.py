"""What a set of responses says of a model: variety, and distance from human text.

Metrics of many texts drift with their number and length, so each is computed on random subsamples
of one fixed size: N responses, for counts of words cut to L tokens. Values are means over the
subsamples, `spread` their standard deviation. What cannot be computed is None with its reason.
Knows nothing about cells.
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
from manybaskets.metrics.measurement import Measurement, Undefined
from manybaskets.metrics.ngram_diversity import BLEU_ORDER
from manybaskets.metrics.sample import Integers, Sample, encode, tokenize
from manybaskets.seeds import derived_seed

# The code of these metrics counts as that of a step that computes them.
LOADS = ("metrics:MetricOfWords", "metrics:MetricOfEmbeddings")
PROBE = "collapse"
NEIGHBOURS = 5  # of precision, recall, density and coverage
Vectors = NDArray[np.float64]
S = TypeVar("S")
V = TypeVar("V")


@dataclass(frozen=True)
class Design:
    """Size of the subsamples: N `documents` of L `tokens`, `subsamples` of them, from `seed`.

    The same seed draws the same places in all sets of equally many responses.
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


def of_text(
    responses: Sequence[str],
    human: Sequence[str] | None,
    paired: bool,
    design: Design,
    item_set: str = "test",
) -> list[Measurement]:
    """All metrics of words; with `human` text also the distance of the words from it.

    `paired`: row i of both answers the same prompt. Only responses of L tokens and more are
    eligible; the others are counted as excluded. Mean length and share of empty responses are of
    all responses, not cut.
    """
    documents = [tokenize(response) for response in responses]
    long_enough = [i for i, document in enumerate(documents) if len(document) >= design.tokens]
    human_documents = [tokenize(text) for text in human or []]
    eligible_human = [d[: design.tokens] for d in human_documents if len(d) >= design.tokens]
    n = len(long_enough)
    tokens, _ = encode([*(documents[i][: design.tokens] for i in long_enough), *eligible_human])
    coded = tokens.reshape(n + len(eligible_human), design.tokens)
    found = []
    if n < design.documents:
        reason = (
            f"{n} of {len(responses)} responses have {design.tokens} tokens or more; a sample "
            f"needs {design.documents}"
        )
        names = [metric.name for metric in registry.metrics_of_words()]
        found += _without(names, item_set, n, len(responses) - n, reason)
    else:
        lengths = np.full(design.documents, design.tokens, dtype=np.int64)
        samples = [
            Sample(
                coded[places].ravel(),
                lengths,
                [responses[long_enough[i]] for i in places],
                [documents[long_enough[i]][: design.tokens] for i in places],
            )
            for places in _draws(n, design)
        ]
        for metric in registry.metrics_of_words():
            values = _each(metric.compute, samples)
            found.append(_measured(metric.name, item_set, values, design, len(responses) - n))
    if human is not None:
        mine, theirs, excluded = coded[:n], coded[n:], len(responses) - n
        if paired:  # both of a pair are long enough
            place_of = {i: place for place, i in enumerate(long_enough)}
            long_human = [
                i for i, document in enumerate(human_documents) if len(document) >= design.tokens
            ]
            both = [(place_of[i], k) for k, i in enumerate(long_human) if i in place_of]
            mine, theirs = mine[[p for p, _ in both]], theirs[[k for _, k in both]]
            excluded = len(responses) - len(both)
        found.append(_distance_of_words(mine, theirs, paired, excluded, design, item_set))
    return [*found, *_lengths(responses, documents, item_set), *_eggs(responses, design, item_set)]


def of_meaning(
    vectors: Vectors,
    human: Vectors | None,
    paired: bool,
    design: Design,
    topics: int,
    permutations: int,
    item_set: str = "test",
) -> list[Measurement]:
    """All metrics of sentence embeddings, (texts, dimensions); with `human` also the distance.

    Rows of zeros are texts without meaning and are left out. `paired`: row i of both answers the
    same prompt; samples of both then hold the same prompts. Responses are not cut to L tokens,
    which would change what they mean.
    """
    usable = vectors.any(axis=1)
    if paired and human is not None:
        usable &= human.any(axis=1)
    mine = vectors[usable]
    n, excluded = len(mine), int((~usable).sum())
    theirs = None if human is None else human[usable] if paired else human[human.any(axis=1)]
    metrics = [metric.name for metric in registry.metrics_of_embeddings()]
    metrics += HUMAN_METRICS if theirs is not None else ()
    if n < design.documents:
        reason = f"{n} of {len(vectors)} responses mean anything; a sample needs {design.documents}"
        found = _without(metrics, item_set, n, excluded, reason)
    else:
        found = _sampled_meaning(mine, theirs, paired, design, topics, excluded, item_set)
    if theirs is not None:
        found += _distance_of_meaning(mine, theirs, paired, design, permutations, item_set)
        found.append(_distance_of_topics(mine, theirs, paired, design, topics, item_set))
    return found


def within_prompts(
    vectors: Sequence[Vectors], samples: int, same_meaning: float, item_set: str = "samples"
) -> list[Measurement]:
    """Variety of the responses to one prompt, (samples, dimensions) each, mean over prompts.

    Prompts with fewer than `samples` responses that mean anything are left out.
    """
    usable = [rows for each in vectors if len(rows := each[each.any(axis=1)]) == samples]
    excluded = len(vectors) - len(usable)
    metrics: dict[str, Callable[[Vectors], float]] = {
        "prompt_vendi_1": lambda rows: semantic_diversity.vendi(rows, 1),
        "prompt_vendi_2": lambda rows: semantic_diversity.vendi(rows, 2),
        "prompt_distance": semantic_diversity.pairwise_distance,
        "prompt_distinct": lambda rows: (
            semantic_diversity.distinct_count(rows, same_meaning) / samples
        ),
    }
    if not usable:
        reason = f"no prompt has {samples} responses that mean anything"
        return _without(metrics, item_set, 0, excluded, reason)
    found = []
    for metric, value_of in metrics.items():
        values = [value_of(rows) for rows in usable]
        note = f"{samples} responses to each prompt; sd over prompts {np.std(values):.4f}"
        value = math.fsum(values) / len(values)
        found.append(Measurement(PROBE, metric, item_set, value, len(usable), excluded, note))
    return found


# ---- words ---------------------------------------------------------------------------------------


def _distance_of_words(
    mine: Integers, human: Integers, paired: bool, excluded: int, design: Design, item_set: str
) -> Measurement:
    """Jensen–Shannon divergence to human text, minus that of human text to itself.

    Both are of texts to other prompts than the human text they are held against: answers to one
    prompt share words.
    """
    size = min(design.documents, len(human) // 2)
    if size < 2 or len(mine) < size:
        reason = (
            f"{len(mine)} responses and {len(human)} human ones have {design.tokens} tokens or "
            f"more; {max(size, 2)} and twice as many are needed"
        )
        return Measurement(PROBE, "js_words", item_set, None, len(mine), excluded, reason)
    values = []
    for r in range(design.subsamples):
        draw = _generator(design.seed, "words", r)
        halves = draw.permutation(len(human))
        first, second = halves[:size], halves[size : 2 * size]
        chosen = mine[second if paired else draw.permutation(len(mine))[:size]]
        one = human[first].ravel()
        null = lexical_diversity.jensen_shannon(human[second].ravel(), one)
        values.append(lexical_diversity.jensen_shannon(chosen.ravel(), one) - null)
    return _measured("js_words", item_set, values, design, excluded, size)


def _lengths(
    responses: Sequence[str], documents: list[list[str]], item_set: str
) -> list[Measurement]:
    n = len(responses)
    if n == 0:
        return _without(("mean_words", "empty_rate"), item_set, 0, 0, "there are no responses")
    mean_words = sum(len(document) for document in documents) / n
    empty_rate = sum(not response.strip() for response in responses) / n
    return [
        Measurement(PROBE, "mean_words", item_set, mean_words, n),
        Measurement(PROBE, "empty_rate", item_set, empty_rate, n),
    ]


def _eggs(responses: Sequence[str], design: Design, item_set: str) -> list[Measurement]:
    """The Eggs study's own measures of words, on all responses as they are."""
    draw = _generator(design.seed, "eggs")
    found = []
    ways: dict[str, Callable[[], tuple[float, int]]] = {
        "eggs_lexical_diversity": lambda: eggs.diversity_within(responses),
        "eggs_lexical_diversity_pooled": lambda: eggs.diversity_across(responses, draw),
        "eggs_heaps_exponent": lambda: (eggs.heaps(responses)[1], len(responses)),
    }
    for metric, way in ways.items():
        try:
            value, n = way()
            found.append(Measurement(PROBE, metric, item_set, value, n, len(responses) - n))
        except ValueError as error:
            found.append(Measurement(PROBE, metric, item_set, None, 0, len(responses), str(error)))
    return found


# ---- meaning -------------------------------------------------------------------------------------


def _sampled_meaning(
    mine: Vectors,
    human: Vectors | None,
    paired: bool,
    design: Design,
    topics: int,
    excluded: int,
    item_set: str,
) -> list[Measurement]:
    draws = _draws(len(mine), design)
    samples = [mine[places] for places in draws]
    found = [
        _measured(metric.name, item_set, _each(metric.compute, samples), design, excluded)
        for metric in registry.metrics_of_embeddings()
    ]
    if human is None:
        return found
    if not paired:
        draws = _draws(len(human), design) if len(human) >= design.documents else []
    if not draws:
        reason = f"{len(human)} human texts mean anything; a sample needs {design.documents}"
        return found + _without(HUMAN_METRICS, item_set, len(mine), excluded, reason)
    pairs = list(zip(samples, (human[places] for places in draws), strict=True))
    neighbours = _each(lambda pair: distribution_distance.prdc(pair[1], pair[0], NEIGHBOURS), pairs)
    curves = _each(lambda pair: distribution_distance.mauve(pair[1], pair[0], design.seed), pairs)
    spreads: list[distribution_distance.Topics] | Undefined
    try:
        chart = distribution_distance.topic_map(human, topics, design.seed)
        spreads = [distribution_distance.topics(chart, rows) for rows in samples]
    except ValueError as error:
        spreads = Undefined(str(error))
    for outcome, names in (
        (neighbours, {name: name for name in ("precision", "recall", "density", "coverage")}),
        (curves, {name: name for name in ("mauve", "mauve_star", "frontier_integral")}),
        (spreads, {"topic_coverage": "coverage", "topic_entropy": "entropy"}),
    ):
        for metric, attribute in names.items():
            values = (
                outcome
                if isinstance(outcome, Undefined)
                else [getattr(of_sample, attribute) for of_sample in outcome]
            )
            found.append(_measured(metric, item_set, values, design, excluded))
    return found


def _distance_of_meaning(
    mine: Vectors, human: Vectors, paired: bool, design: Design, permutations: int, item_set: str
) -> list[Measurement]:
    """MMD² minus the mean of its null, on all texts, since it does not drift with their number."""
    draw = _generator(design.seed, "mmd")
    try:
        found = distribution_distance.mmd2(mine, human, paired, permutations, draw)
    except ValueError as error:
        return _without(("mmd2", "mmd2_p"), item_set, len(mine), 0, str(error))
    swapped = "within prompts" if paired else "over all texts"
    note = f"null of {permutations} permutations {swapped}, mean {found.null_mean:.3g}"
    return [
        Measurement(PROBE, "mmd2", item_set, found.value - found.null_mean, len(mine), 0, note),
        Measurement(PROBE, "mmd2_p", item_set, found.p_value, len(mine), 0, note),
    ]


def _distance_of_topics(
    mine: Vectors, human: Vectors, paired: bool, design: Design, topics: int, item_set: str
) -> Measurement:
    """Divergence of topics from one half of the human texts, minus that of the other half.

    Where texts come in pairs, of responses to the prompts of that other half.
    """
    size = min(design.documents, len(human) // 2, len(mine))
    differences: list[float] = []
    try:
        for r in range(design.subsamples):
            draw = _generator(design.seed, "topics", r)
            halves = draw.permutation(len(human))
            second = halves[len(human) // 2 :][:size]
            chosen = mine[second if paired else draw.permutation(len(mine))[:size]]
            chart = distribution_distance.topic_map(
                human[halves[: len(human) // 2]], topics, design.seed
            )
            null = distribution_distance.topics(chart, human[second]).divergence
            differences.append(distribution_distance.topics(chart, chosen).divergence - null)
    except ValueError as error:
        reason = Undefined(str(error))
        return _measured("js_topics", item_set, reason, design, len(mine) - size, size)
    return _measured("js_topics", item_set, differences, design, len(mine) - size, size)


# ---- subsamples ----------------------------------------------------------------------------------


def _generator(*purpose: str | int) -> np.random.Generator:
    return np.random.default_rng(derived_seed(*purpose))


def _draws(n: int, design: Design) -> list[Integers]:
    """Places of the documents of each subsample, without replacement."""
    draw = _generator(design.seed, "diversity")
    return [draw.permutation(n)[: design.documents] for _ in range(design.subsamples)]


def _each(compute: Callable[[S], V], samples: Sequence[S]) -> list[V] | Undefined:
    """The value of each sample; undefined where it is for one of them."""
    try:
        return [compute(sample) for sample in samples]
    except ValueError as error:
        return Undefined(str(error))


def _measured(
    metric: str,
    item_set: str,
    values: Sequence[float] | Undefined,
    design: Design,
    excluded: int,
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
        spread=float(np.std(values)),
        subsamples=len(values),
    )


def _without(
    metrics: Sequence[str] | dict[str, Callable[..., float]],
    item_set: str,
    n: int,
    excluded: int,
    reason: str,
) -> list[Measurement]:
    return [Measurement(PROBE, metric, item_set, None, n, excluded, reason) for metric in metrics]
