"""Encodings of floats have three digits; answers are scored by their distance from the truth."""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays

from manybaskets.simulations.eigenvalues.encoding import (
    END,
    FIRST,
    LONGEST,
    Encoding,
    Task,
    relative_errors,
)

NAMES = ("P10", "P1000", "B1999", "FP15")
ENCODINGS = {name: Encoding(name) for name in NAMES}
# what every encoding can say, and zero
FLOATS = st.one_of(
    st.floats(1e-5, 9.9e9), st.floats(-9.9e9, -1e-5), st.just(0.0), st.floats(-10, 10).filter(
        lambda x: x == 0 or abs(x) > 1e-5
    ),
)  # fmt: skip


@pytest.mark.parametrize("name", NAMES)
@given(values=arrays.arrays(np.float64, 5, elements=FLOATS))
def test_tokens_say_a_number_to_three_digits_and_again_the_same(
    name: str, values: np.ndarray
) -> None:
    encoding = ENCODINGS[name]
    tokens = encoding.encode(values)
    said = encoding.decode(tokens)
    assert (encoding.encode(said) == tokens).all()
    assert said == pytest.approx([float(f"{value:.2e}") for value in values], rel=1e-2)
    assert (abs(said - values) <= 0.00501 * abs(values)).all()
    assert (np.sign(said) == np.sign(values)).all()


@pytest.mark.parametrize(
    ("name", "value", "said"),
    [
        ("P10", 3.14, "+ 3 1 4 E-2"),
        ("P1000", 3.14, "+ 314 E-2"),
        ("B1999", 3.14, "314 E-2"),
        ("FP15", 3.14, "+314/-2"),
        ("P1000", -0.0271828, "- 272 E-4"),
        ("B1999", -9.996, "-100 E-1"),
        ("P1000", 999.6, "+ 100 E1"),
        ("FP15", -1e7, "-100/5"),
        ("P10", 0.0, "+ 0 0 0 E0"),
        ("FP15", 0.0, "0"),
        ("FP15", 1e-9, "0"),
    ],
)
def test_numbers_read_as_in_the_papers_table(name: str, value: float, said: str) -> None:
    encoding = ENCODINGS[name]
    assert " ".join(encoding.words[i] for i in encoding.encode(np.array(value))) == said


@pytest.mark.parametrize("name", NAMES)
def test_every_word_has_one_id_of_its_own(name: str) -> None:
    encoding = ENCODINGS[name]
    assert len(set(encoding.words)) == len(encoding.words)
    largest = float(f"9.99e{LONGEST[name] + 2}")
    assert encoding.encode(np.array([largest, -largest])).max() < len(encoding.words)
    assert encoding.decode(encoding.encode(np.array(-largest))) == pytest.approx(-largest)


@pytest.mark.parametrize("name", NAMES)
def test_numbers_without_an_encoding_are_refused(name: str) -> None:
    with pytest.raises(ValueError, match="the largest number in"):
        ENCODINGS[name].encode(np.array(1e150))
    with pytest.raises(ValueError, match="NaN"):
        ENCODINGS[name].encode(np.array(math.nan))


def test_tokens_out_of_place_are_not_a_number() -> None:
    p1000 = ENCODINGS["P1000"]
    plus, mantissa, exponent = p1000.encode(np.array(3.14))
    for wrong in ((mantissa, plus, exponent), (plus, plus, exponent), (plus, mantissa, mantissa)):
        assert np.isnan(p1000.decode(np.array(wrong)))
    assert np.isnan(ENCODINGS["B1999"].decode(np.array([FIRST - 1, FIRST])))
    assert np.isnan(ENCODINGS["FP15"].decode(np.array([END])))
    assert p1000.decode(np.array([plus, FIRST + 2 + 31, exponent])) == pytest.approx(0.31)


@pytest.mark.parametrize("name", NAMES)
def test_labels_are_the_eigenvalues_of_the_matrix_that_is_read(name: str) -> None:
    task = Task(3, ENCODINGS[name])
    questions, truth = task.draw(50, seed=4)
    assert questions.shape == (50, 2 + 9 * task.encoding.width)
    assert (questions[:, :2] == 3).all()  # V3 V3
    matrices = task.encoding.decode(questions[:, 2:].reshape(50, 3, 3, -1))
    assert (matrices == matrices.swapaxes(1, 2)).all()
    assert abs(matrices).max() <= 10
    for matrix, eigenvalues in zip(matrices, truth, strict=True):
        assert eigenvalues == pytest.approx(np.linalg.eigvalsh(matrix)[::-1])
        assert (np.diff(eigenvalues) <= 0).all()
        assert eigenvalues.sum() == pytest.approx(np.trace(matrix))


def test_the_true_answer_is_right_within_rounding() -> None:
    for encoding in ENCODINGS.values():
        task = Task(2, encoding)
        _, truth = task.draw(500, seed=1)
        answers = task.answer(truth)
        assert answers.shape == (500, task.answer_length)
        assert task.errors(answers, truth).max() < 0.00501


def test_the_distance_is_of_the_whole_vector() -> None:
    found = relative_errors(np.array([[3.0, 1.0], [np.nan, 1.0]]), np.array([[2.0, -2.0]] * 2))
    assert found.tolist() == [1.0, math.inf]


def test_an_answer_that_cannot_be_read_is_wrong() -> None:
    task = Task(2, ENCODINGS["P1000"])
    _, truth = task.draw(1, seed=2)
    right = task.answer(truth)[0]
    garbled, early, late = right.copy(), right.copy(), right.copy()
    garbled[0] = right[1]
    early[3:] = END  # one number
    late[-1] = right[0]  # goes on after two
    answers = np.stack([right, garbled, early, late])
    errors = task.errors(answers, truth)
    assert errors[0] < 0.01
    assert np.isinf(errors[1:]).all()
    assert np.isnan(task.read(answers)[1:]).all()
    assert np.isinf(task.errors(right[None, :3], truth)).all()  # cut short


def test_a_seed_draws_the_same_matrices_again() -> None:
    task = Task(2, ENCODINGS["P10"])
    one, other, third = task.draw(20, 1), task.draw(20, 1), task.draw(20, 2)
    assert (one[0] == other[0]).all() and (one[1] == other[1]).all()
    assert (one[0] != third[0]).any()
