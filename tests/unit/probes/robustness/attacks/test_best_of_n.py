"""Best-of-N: noisy spellings."""

import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from manybaskets.probes.robustness.attacks import best_of_n
from tests.support.attack_requests import REQUEST, steps


def test_spelling_k_is_the_same_whatever_n_is() -> None:
    few, many = (
        best_of_n.ATTACK.attempts(REQUEST, steps("best-of-n", best_of_n={"n": n, "noise": 0.4}))
        for n in (2, 8)
    )
    assert [attempt.prompt for attempt in few] == [attempt.prompt for attempt in many[:2]]
    assert [attempt.attempt for attempt in many] == list(range(8))
    assert len({attempt.prompt for attempt in many}) == 8


def test_without_noise_the_spelling_is_the_text() -> None:
    assert best_of_n.augmented(REQUEST.text, 0.0, random.Random(1)) == REQUEST.text


@given(st.text(st.characters(min_codepoint=32, max_codepoint=126), max_size=80), st.integers())
def test_noise_keeps_the_number_of_words_and_characters(text: str, seed: int) -> None:
    noisy = best_of_n.augmented(text, 0.4, random.Random(seed))
    assert len(noisy) == len(text)
    assert noisy.count(" ") == text.count(" ")


def test_full_noise_changes_case_shuffles_and_shifts_as_often_as_it_should() -> None:
    text = "abcdefghij " * 400
    noisy = best_of_n.augmented(text, 0.4, random.Random(0))
    letters = [c for c in noisy if c.isalpha()]
    upper = sum(c.isupper() for c in letters) / len(letters)
    assert upper == pytest.approx(0.4**0.5, abs=0.03)
    first = [word[0].casefold() for word in noisy.split()]
    moved = sum(letter != "a" for letter in first) / len(
        first
    )  # the first letter is never shuffled
    assert moved == pytest.approx(0.4**3, abs=0.03)
    shuffled = sum(word[1:3].casefold() != "bc" for word in noisy.split()) / len(first)
    assert shuffled > 0.5
