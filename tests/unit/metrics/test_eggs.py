"""The Eggs study's measures: equal to sacrebleu and to scipy's fit on what the authors fed them."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sacrebleu.metrics.bleu import BLEU
from sacrebleu.tokenizers.tokenizer_13a import Tokenizer13a

from manybaskets.metrics import eggs
from tests.support import samples


def sacrebleu_diversity(texts: list[str]) -> float:
    bleu = BLEU(max_ngram_order=3, effective_order=True)
    scores = [
        bleu.corpus_score([text], [[other] for j, other in enumerate(texts) if j != i]).score
        for i, text in enumerate(texts)
    ]
    return 100 - float(np.mean(scores))


@settings(deadline=None, max_examples=60)
@given(
    st.lists(
        st.lists(st.sampled_from(["a", "b", "c,", "d.", "1-2"]), max_size=9).map(" ".join),
        min_size=2,
        max_size=6,
    )
)
def test_lexical_diversity_is_that_of_sacrebleu(texts: list[str]) -> None:
    assert eggs.lexical_diversity(texts) == pytest.approx(sacrebleu_diversity(texts), abs=1e-6)


def test_lexical_diversity_of_solutions_by_models_is_that_of_sacrebleu() -> None:
    for row in samples.gsm8k_model_solutions()[:12]:
        solutions = [row[model]["solution"] for model in samples.MODELS]
        expected = sacrebleu_diversity(solutions)
        assert eggs.lexical_diversity(solutions) == pytest.approx(expected, abs=1e-6)


@pytest.mark.parametrize(
    "text", ["Don't, stop! 1,000.50 - it's 5-6 &amp; <x> \"q\".", "a-\nb\nc", "U.S. 3.5% $4", ""]
)
def test_tokens_are_those_of_sacrebleu(text: str) -> None:
    assert eggs.tokenize_13a(text) == Tokenizer13a()(text).split()


def test_sentences_are_of_four_words_without_marks_of_lists() -> None:
    text = '# A **bold** start of it. Too short. 1.\n2. It goes on here!\n- And "so" it ends? Yes'
    assert eggs.sentences(text) == [
        "A bold start of it.",
        "It goes on here!",
        '- And "so" it ends?',
    ]


def test_only_responses_of_two_sentences_count_within() -> None:
    two = "This is the first sentence. Here comes another one."
    value, used = eggs.diversity_within([two, "Only this one sentence here.", ""])
    assert used == 1
    assert value == eggs.lexical_diversity(eggs.sentences(two))
    with pytest.raises(ValueError, match="no response has two sentences"):
        eggs.diversity_within(["one sentence and no more"])


def test_copies_are_not_diverse_and_disjoint_sentences_are() -> None:
    assert eggs.lexical_diversity(["the very same words"] * 3) == pytest.approx(0, abs=1e-9)
    assert eggs.lexical_diversity(["a b c d", "e f g h"]) == 100


def test_heaps_is_fitted_to_every_thousandth_token() -> None:
    # V(n) = 3 n^0.6 by construction: a new word whenever the law calls for one
    words, seen = [], 0
    for n in range(1, 20_001):
        if seen < 3 * n**0.6:
            seen += 1
            words.append(f"new{seen}")
        else:
            words.append("old")
    k, beta = eggs.heaps([" ".join(words)])
    assert (k, beta) == (pytest.approx(3, rel=0.02), pytest.approx(0.6, abs=0.003))


def test_responses_are_joined_without_a_separator() -> None:
    parts = [" ".join(f"w{i}" for i in range(k, k + 2000)) for k in (0, 1000, 2000)]
    assert eggs.heaps(parts) == eggs.heaps(["".join(parts)])


def test_little_text_has_no_law() -> None:
    with pytest.raises(ValueError, match=r"at least 3,000 tokens; there are 2"):
        eggs.heaps(["two words"])
