"""Corpus metrics: equal samples of words and of embeddings, and the reasons for missing values."""

from collections.abc import Sequence
from typing import Any

import numpy as np
import pytest

from manybaskets.metrics import distribution_distance, lexical_diversity, semantic_diversity
from manybaskets.metrics.measurement import Measurement
from manybaskets.metrics.ngram_diversity import distinct_n, self_bleu
from manybaskets.metrics.registry import metrics
from manybaskets.metrics.sample import encode
from manybaskets.metrics.tokenization import tokenize
from manybaskets.probes.collapse import subsampling
from tests.support.texts import words

Vectors = subsampling.Vectors
SETTINGS = {"documents": 20, "tokens": 10, "subsamples": 5, "seed": 1}


def of_text(
    responses: Sequence[str],
    human: Sequence[str] | None = None,
    paired: bool = False,
    **changed: Any,
) -> dict[str, Measurement]:
    design = subsampling.Design(**(SETTINGS | changed))
    found = subsampling.measure_words(responses, human, paired, design)
    assert len({m.metric for m in found}) == len(found)
    return {m.metric: m for m in found}


def unit(n: int, dimensions: int = 16, seed: int = 0) -> Vectors:
    rows = np.random.default_rng(seed).standard_normal((n, dimensions))
    return np.asarray(rows / np.linalg.norm(rows, axis=1, keepdims=True))


def of_meaning(
    vectors: Vectors, human: Vectors | None = None, paired: bool = True, **changed: Any
) -> dict[str, Measurement]:
    design = subsampling.Design(**(SETTINGS | changed))
    found = subsampling.measure_embeddings(
        vectors, human, paired, design, topics=5, permutations=50
    )
    return {m.metric: m for m in found}


def values(measured: dict[str, Measurement]) -> dict[str, float]:
    return {name: m.value for name, m in measured.items() if m.value is not None}


def long_responses(n: int) -> list[str]:
    return words(n, 15, 40)


def test_words_measures_only_responses_that_are_long_enough() -> None:
    responses = [*long_responses(30), "too short", ""]
    measured = of_text(responses)
    assert measured["self_bleu"].n == 20
    assert measured["self_bleu"].excluded == 2
    assert of_text(long_responses(30))["self_bleu"].value == measured["self_bleu"].value


def test_words_reads_no_further_than_the_fixed_length() -> None:
    responses = long_responses(30)
    longer = [response + " and more of it" for response in responses]
    for metric in ("self_bleu", "distinct_1", "distinct_2", "distinct_3"):
        assert of_text(responses)[metric] == of_text(longer)[metric]
    assert of_text(longer)["mean_words"].value == 19


def test_one_sample_of_all_responses_is_the_metric_itself() -> None:
    responses = long_responses(20)
    cut = [tokenize(response)[:10] for response in responses]
    measured = of_text(responses, subsamples=1)
    assert measured["self_bleu"].value == pytest.approx(self_bleu(cut), abs=1e-15)
    for n in (1, 2, 3):
        assert measured[f"distinct_{n}"].value == distinct_n(cut, n)


def test_too_few_long_responses_leave_no_value_but_a_reason() -> None:
    measured = of_text([*long_responses(19), "short"])
    for metric in ("self_bleu", "distinct_1", "distinct_2", "distinct_3"):
        assert measured[metric].value is None
        assert measured[metric].n == 19
        assert measured[metric].note == (
            "19 of 20 responses have 10 tokens or more; a sample needs 20"
        )
    assert measured["mean_words"].value == pytest.approx((19 * 15 + 1) / 20)


def test_the_same_seed_draws_the_same_samples() -> None:
    responses = long_responses(60)
    assert of_text(responses) == of_text(responses)
    assert of_text(responses) != of_text(responses, seed=2)


def test_repeated_text_is_less_varied_by_every_metric() -> None:
    varied = values(of_text(long_responses(40)))
    repeated = values(of_text(long_responses(4) * 10))
    assert repeated["self_bleu"] > varied["self_bleu"]
    for n in (1, 2, 3):
        assert repeated[f"distinct_{n}"] < varied[f"distinct_{n}"]


def test_empty_responses_are_counted_and_have_no_words() -> None:
    measured = of_text(["", " \n", "two words", "one"])
    assert measured["empty_rate"].value == 0.5
    assert measured["mean_words"].value == 0.75


def test_no_responses_have_no_mean_length() -> None:
    measured = of_text([])
    assert {measurement.value for measurement in measured.values()} == {None}
    assert all(measurement.note for measurement in measured.values())


@pytest.mark.parametrize("wrong", [{"documents": 1}, {"tokens": 3}, {"subsamples": 0}])
def test_settings_without_a_meaning_are_refused(wrong: dict[str, int]) -> None:
    with pytest.raises(ValueError, match="at least"):
        of_text(long_responses(30), **wrong)


def test_one_sample_of_all_responses_has_the_laws_of_its_words() -> None:
    responses = words(100, 30, 400)
    tokens, lengths = encode([tokenize(response)[:20] for response in responses])
    measured = values(of_text(responses, documents=100, tokens=20, subsamples=1))
    assert measured["mtld"] != 0
    # sums over counts do not depend on the order in which the sample was drawn
    assert measured["hdd"] == pytest.approx(lexical_diversity.hdd(tokens), abs=1e-12)
    assert measured["zipf_exponent"] == pytest.approx(
        lexical_diversity.zipf_exponent(tokens), abs=1e-9
    )
    assert measured["ngram_entropy_2"] == pytest.approx(
        lexical_diversity.ngram_entropy(tokens, lengths, 2)
    )
    assert measured["self_repetition"] == pytest.approx(
        lexical_diversity.self_repetition(tokens, lengths)
    )
    assert 0 < measured["heaps_exponent"] < 1


def test_spread_is_the_standard_deviation_over_the_subsamples() -> None:
    measured = of_text(long_responses(60))["distinct_1"]
    assert measured.subsamples == 5
    assert measured.spread is not None and measured.spread > 0
    alone = of_text(long_responses(20), subsamples=3)["distinct_1"]
    assert alone.spread == pytest.approx(0, abs=1e-12)  # every sample holds all of them


def test_every_metric_of_a_corpus_is_in_the_dictionary() -> None:
    measured = of_text(long_responses(40), long_responses(40)) | of_meaning(unit(40), unit(40))
    assert set(measured) <= set(metrics())


def test_compression_is_of_equally_many_bytes() -> None:
    responses = words(40, 15, 40)
    longer = [f"{text} {text}" for text in responses]
    short, long = of_text(responses), of_text(longer)
    assert short["gzip_ratio"].value is not None and long["gzip_ratio"].value is not None
    punctuation = of_text([". " * 10] * 30)
    assert punctuation["gzip_ratio"].value is None
    assert "bytes of text instead of 800" in punctuation["gzip_ratio"].note


def test_words_of_the_same_source_are_at_no_distance_and_others_are() -> None:
    human = words(80, 15, 60, seed=1)
    near = of_text(words(80, 15, 60, seed=2), human)["js_words"].value
    far = of_text([text.replace("w", "x") for text in words(80, 15, 60)], human)["js_words"].value
    assert near is not None and abs(near) < 0.03
    assert far is not None and far > 0.8


def test_words_that_a_prompt_calls_for_do_not_make_answers_near() -> None:
    # every prompt has words of its own, which both answers to it use
    def answers(seed: int) -> list[str]:
        common = words(80, 8, 60, seed)
        own = [" ".join(f"p{i}w{k}" for k in range(7)) for i in range(80)]
        return [f"{a} {b}" for a, b in zip(own, common, strict=True)]

    found = of_text(answers(1), answers(2), paired=True, tokens=14)["js_words"]
    assert found.value is not None and abs(found.value) < 0.01
    blind = of_text(answers(1), answers(2), tokens=14)["js_words"]
    assert blind.value is not None and blind.value < -0.05


def test_pairs_of_which_one_is_too_short_are_left_out_together() -> None:
    mine, human = long_responses(60), words(60, 15, 40, seed=1)
    mine[0], human[1], mine[2], human[2] = "short", "short", "short", "short"
    assert of_text(mine, human, paired=True)["js_words"].excluded == 3


def test_too_little_human_text_leaves_no_distance_but_a_reason() -> None:
    measured = of_text(long_responses(40), ["a b c"])["js_words"]
    assert measured.value is None
    assert "0 human ones have 10 tokens or more" in measured.note


@pytest.mark.slow
def test_each_kind_of_strange_text_has_a_value_or_a_reason() -> None:
    human = long_responses(50)
    strange = {
        "empty": [""] * 30,
        "one": ["a single response"],
        "identical": ["the very same words " * 5] * 30,
        "punctuation": ["!?.,;: " * 12] * 30,
        "other scripts": ["数据 库 表 行 列 值 排序 返回 副本 或 引发 异常", "кот сидит " * 8] * 15,
        "very long": ["word and more " * 8_000] * 30,
        "lone surrogates": ["\ud800 words " * 12] * 30,
    }
    for name, responses in strange.items():
        for metric, found in of_text(responses, human).items():
            assert found.value is not None or found.note, f"{name}: {metric}"


def test_identical_text_is_neither_varied_nor_undefined_where_it_is_defined() -> None:
    measured = values(of_text(["the very same words are written here once again and again"] * 30))
    assert measured["self_bleu"] == 1
    assert measured["distinct_1"] == pytest.approx(10 / 200)
    assert measured["gzip_ratio"] > 8


# ---- meaning -------------------------------------------------------------------------------------


def test_one_sample_of_all_embeddings_is_the_metric_itself() -> None:
    rows = unit(20)
    measured = values(of_meaning(rows, subsamples=1))
    assert measured["vendi_1"] == pytest.approx(semantic_diversity.vendi(rows, 1))
    assert measured["vendi_2"] == pytest.approx(semantic_diversity.vendi(rows, 2))
    assert measured["pairwise_distance"] == pytest.approx(
        semantic_diversity.pairwise_distance(rows)
    )
    assert set(measured) == {"vendi_1", "vendi_2", "pairwise_distance"}


def test_text_like_the_human_one_is_near_it_and_other_text_is_not() -> None:
    human = unit(60)
    noise = human + 0.02 * np.random.default_rng(1).standard_normal(human.shape)
    near = values(of_meaning(noise / np.linalg.norm(noise, axis=1, keepdims=True), human))
    shifted = unit(60, seed=5) + np.eye(16)[0] * 3
    far = values(of_meaning(shifted / np.linalg.norm(shifted, axis=1, keepdims=True), human))
    for metric in ("recall", "coverage", "mauve", "topic_coverage"):
        assert near[metric] > far[metric], metric
    for metric in ("mmd2", "frontier_integral", "js_topics"):
        assert near[metric] < far[metric], metric
    assert far["mmd2_p"] == pytest.approx(1 / 51)
    assert near["mmd2_p"] > 0.05


def test_texts_without_meaning_are_left_out_with_their_pair() -> None:
    vectors, human = unit(40), unit(40, seed=1)
    vectors[::4] = 0
    measured = of_meaning(vectors, human)
    assert measured["vendi_1"].excluded == 10
    assert measured["mmd2"].n == 30
    expected = distribution_distance.mmd2(
        vectors[vectors.any(axis=1)], human[vectors.any(axis=1)], True, 1, np.random.default_rng(0)
    )
    assert measured["mmd2"].value == pytest.approx(expected.value - expected.null_mean)


def test_too_few_embeddings_leave_no_value_but_a_reason() -> None:
    measured = of_meaning(unit(15), unit(15))
    for metric in ("vendi_1", "recall", "mauve", "topic_entropy"):
        assert measured[metric].value is None
        assert "a sample needs 20" in measured[metric].note
    assert measured["mmd2"].value is not None  # it does not drift with the number of texts


def test_identical_embeddings_leave_topics_and_no_crash() -> None:
    same = np.tile(unit(1), (30, 1))
    measured = of_meaning(same, same)
    assert measured["vendi_1"].value == pytest.approx(1)
    assert measured["topic_coverage"].value is None
    assert "distinct texts" in measured["topic_coverage"].note


def test_variety_within_prompts_is_the_mean_over_prompts() -> None:
    prompts = [unit(4, seed=seed) for seed in range(6)] + [np.tile(unit(1), (4, 1))]
    found = {m.metric: m for m in subsampling.measure_within_prompts(prompts, 4, 0.8)}
    expected = np.mean([semantic_diversity.vendi(rows, 1) for rows in prompts])
    assert found["prompt_vendi_1"].value == pytest.approx(expected)
    distinct = [semantic_diversity.distinct_count(rows, 0.8) / 4 for rows in prompts]
    assert found["prompt_distinct"].value == pytest.approx(np.mean(distinct))
    assert found["prompt_distinct"].n == 7


def test_a_prompt_with_an_empty_response_is_left_out_and_counted() -> None:
    prompts = [unit(4, seed=seed) for seed in range(3)]
    prompts[0][1] = 0
    found = subsampling.measure_within_prompts(prompts, 4, 0.8)
    assert {(m.n, m.excluded) for m in found} == {(2, 1)}
    nothing = subsampling.measure_within_prompts([np.zeros((4, 16))], 4, 0.8)
    assert all(m.value is None and "no prompt has 4 responses" in m.note for m in nothing)
