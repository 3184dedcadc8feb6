"""Metrics of words in many scripts: their order, their tokens, and Unicode's forms."""

import json
import re
import unicodedata
from collections.abc import Sequence

import pytest
from sacrebleu.tokenizers.tokenizer_char import TokenizerChar
from sacrebleu.tokenizers.tokenizer_zh import TokenizerZh

from manybaskets.metrics import registry
from manybaskets.metrics.measurement import Measurement
from manybaskets.metrics.ngram_diversity import distinct_n, self_bleu
from manybaskets.metrics.tokenization import tokenize, unspaced, words
from manybaskets.probes.collapse.subsampling import Design, measure_words
from manybaskets.seeds import generator
from tests.support import samples
from tests.support.paths import DATA

LANGUAGES = ["ar", "en", "hi", "ja", "km", "ko", "lo", "my", "ru", "ta", "th", "vi", "zh"]
UNSPACED = {"ja", "km", "lo", "my", "th", "zh"}
TEXTS, TOKENS = 60, 40


def joined(tokens: Sequence[str], language: str) -> str:
    return ("" if language in UNSPACED else " ").join(tokens)


def vocabulary(language: str) -> list[str]:
    return list(dict.fromkeys(w for text in samples.declaration()[language] for w in words(text)))


def random_texts(language: str) -> list[str]:
    rng = generator(1, "random texts", language)
    known = vocabulary(language)
    return [joined(rng.choices(known, k=2 * TOKENS), language) for _ in range(TEXTS)]


def near_identical_texts(language: str) -> list[str]:
    """One text, with one word or character changed in each."""
    rng = generator(1, "near-identical texts", language)
    known = vocabulary(language)
    one = [word for text in samples.declaration()[language] for word in words(text)][: 2 * TOKENS]
    texts = []
    for place in rng.sample(range(2 * TOKENS), TEXTS):
        changed = [*one[:place], rng.choice(known), *one[place + 1 :]]
        texts.append(joined(changed, language))
    return texts


def measured(texts: list[str]) -> dict[str, Measurement]:
    design = Design(TEXTS, TOKENS, 1, 1)
    return {m.metric: m for m in measure_words(texts, None, False, design)}


@pytest.mark.parametrize("language", LANGUAGES)
def test_every_metric_of_variety_orders_near_identical_and_random_texts(language: str) -> None:
    near, random = (measured(make(language)) for make in (near_identical_texts, random_texts))
    for metric in registry.metrics_of_words():
        less, more = near[metric.name].value, random[metric.name].value
        assert less is not None and more is not None, metric.name
        if metric.better == "higher":
            assert less < more, metric.name
        if metric.better == "lower":
            assert less > more, metric.name


@pytest.mark.parametrize("language", LANGUAGES)
def test_values_depend_on_no_unicode_form(language: str) -> None:
    texts = random_texts(language)
    composed, decomposed = (
        measured([unicodedata.normalize(form, text) for text in texts]) for form in ("NFC", "NFD")
    )
    assert composed == decomposed


@pytest.mark.parametrize("language", LANGUAGES)
def test_notes_name_texts_that_are_cut_into_characters(language: str) -> None:
    values = measured(random_texts(language))
    note = values["mean_words"].note
    assert {values[metric.name].note for metric in registry.metrics_of_words()} == {note}
    if language in UNSPACED:
        assert re.fullmatch("(9[89]|100)% of the tokens are single characters of .*", note)
    else:
        assert note == ""


def test_metrics_of_latin_sentences_are_missing_in_other_scripts() -> None:
    for language, script in {"zh": "Han", "ru": "Cyrillic", "hi": "Devanagari"}.items():
        values = measured(random_texts(language))
        for name in ("eggs_lexical_diversity", "eggs_lexical_diversity_pooled"):
            assert values[name].value is None and script in values[name].note
    assert measured(random_texts("hi"))["eggs_heaps_exponent"].value is None
    assert measured(random_texts("ru"))["eggs_heaps_exponent"].value is not None
    assert "Latin capital" not in measured(random_texts("vi"))["eggs_lexical_diversity"].note


def test_chinese_has_the_tokens_of_sacrebleu() -> None:
    for text in samples.declaration()["zh"]:
        assert tokenize(text) == TokenizerZh()(text).split()
        assert tokenize(text) == TokenizerChar()(text).split()


def test_japanese_has_the_characters_of_sacrebleu() -> None:
    for text in samples.declaration()["ja"]:
        assert tokenize(text) == TokenizerChar()(unicodedata.normalize("NFC", text)).split()
    assert not any(map(unspaced, tokenize(samples.declaration()["ko"][0])))


def test_variety_of_chinese_clauses() -> None:
    """One clause eight times in each text, one character changed; against random characters."""
    near, random = ([tokenize(text) for text in chinese(name)] for name in ("near", "random"))
    assert self_bleu(near[:30]) == pytest.approx(0.897, abs=0.003)
    assert self_bleu(random[:30]) == pytest.approx(0.0067, abs=0.003)
    assert distinct_n(near[:30], 2) == pytest.approx(0.091, abs=0.004)
    assert distinct_n(random[:30], 2) == pytest.approx(0.998, abs=0.003)


def chinese(name: str) -> list[str]:
    path = DATA / f"chinese/{name}.jsonl"
    return [json.loads(line)["response"] for line in path.read_text("utf-8").splitlines()]
