"""Eigenvalues of symmetric matrices as sequences of tokens.

Floats have three significant digits, in one of four encodings (Charton 2022, arXiv 2112.01898).
The error of a prediction is its relative distance from the truth, sum |y' - y| / sum |y|.
"""

from dataclasses import dataclass
from functools import cached_property
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

Name = Literal["P10", "P1000", "B1999", "FP15"]
Floats = NDArray[np.float64]
Tokens = NDArray[np.integer[Any]]

END = 0  # ends a sequence, precedes its first token, and pads it
SIZES = 16  # number of tokens for the number of rows or columns of a matrix
FIRST = 1 + SIZES  # id of the first token of numbers
DIGITS = 3  # significant
LEAST, LIMIT = 10 ** (DIGITS - 1), 10**DIGITS  # mantissas are at least LEAST and below LIMIT
LONGEST = {"P10": 100, "P1000": 100, "B1999": 100, "FP15": 8}  # largest absolute exponent
WIDTHS = {"P10": 2 + DIGITS, "P1000": 3, "B1999": 2, "FP15": 1}  # tokens per number


@dataclass(frozen=True)
class Encoding:
    """An encoding of numbers as tokens.

    `P10` has tokens for sign, three digits and exponent; `P1000` for sign, mantissa and exponent;
    `B1999` for signed mantissa and exponent; `FP15` has one token for a number.
    """

    name: Name

    @property
    def width(self) -> int:
        """Number of tokens per number."""
        return WIDTHS[self.name]

    @cached_property
    def words(self) -> list[str]:
        """The vocabulary: the text of every token, by id."""
        longest = LONGEST[self.name]
        exponents = [f"E{e}" for e in range(-longest, longest + 1)]
        if self.name in ("P10", "P1000"):
            mantissas = 10 if self.name == "P10" else LIMIT
            numbers = ["+", "-", *map(str, range(mantissas)), *exponents]
        elif self.name == "B1999":
            numbers = [*map(str, range(-LIMIT + 1, LIMIT)), *exponents]
        else:
            numbers = [
                f"{sign}{m}/{e[1:]}"
                for sign in "+-"
                for m in range(LEAST, LIMIT)
                for e in exponents
            ]
            numbers.append("0")
        return ["</s>", *(f"V{n}" for n in range(1, SIZES + 1)), *numbers]

    def encode(self, values: Floats) -> Tokens:
        """Returns tokens of shape (..., width) for values of shape (...), rounded to three digits.

        Values too small for the exponents become 0. Raises ValueError for values that are too
        large, infinite or NaN.
        """
        sign, mantissa, exponent = _scientific(np.asarray(values, dtype=np.float64))
        longest = LONGEST[self.name]
        if (exponent > longest).any():
            raise ValueError(
                f"the largest number in {self.name} is {LIMIT - 1}E{longest}; found "
                f"{np.max(values):g}"
            )
        small = (exponent < -longest) | (mantissa == 0)
        mantissa, exponent = np.where(small, 0, mantissa), np.where(small, 0, exponent)
        sign = np.where(small, 0, sign)  # zero has one encoding
        power = exponent + longest
        if self.name == "P10":
            digits = [mantissa // 10**power_of_ten % 10 for power_of_ten in reversed(range(DIGITS))]
            parts = [sign, *(2 + digit for digit in digits), 12 + power]
        elif self.name == "P1000":
            parts = [sign, 2 + mantissa, 2 + LIMIT + power]
        elif self.name == "B1999":
            parts = [np.where(sign, -mantissa, mantissa) + LIMIT - 1, 2 * LIMIT - 1 + power]
        else:
            per_sign, powers = (LIMIT - LEAST) * (2 * longest + 1), 2 * longest + 1
            symbol = sign * per_sign + (mantissa - LEAST) * powers + power
            parts = [np.where(small, 2 * per_sign, symbol)]
        return FIRST + np.stack(parts, axis=-1)

    def decode(self, tokens: Tokens) -> Floats:
        """Returns values of shape (...) for tokens of shape (..., width); NaN if malformed."""
        codes = np.moveaxis(np.asarray(tokens, dtype=np.int64) - FIRST, -1, 0)
        longest = LONGEST[self.name]
        powers = 2 * longest + 1
        if self.name in ("P10", "P1000"):
            base, first = (10, 12) if self.name == "P10" else (LIMIT, 2 + LIMIT)
            sign, *digits, power = codes
            valid = _within(sign, 0, 2) & _within(power, first, first + powers)
            mantissa = np.zeros_like(sign)
            for digit in digits:
                valid &= _within(digit, 2, 2 + base)
                mantissa = mantissa * base + digit - 2
            power = power - first
        elif self.name == "B1999":
            signed, power = codes
            first = 2 * LIMIT - 1
            valid = _within(signed, 0, first) & _within(power, first, first + powers)
            sign, mantissa = (signed < LIMIT - 1).astype(int), abs(signed - LIMIT + 1)
            power = power - first
        else:
            (symbol,) = codes
            per_sign = (LIMIT - LEAST) * powers
            valid = _within(symbol, 0, 2 * per_sign + 1)
            sign, rest = symbol // per_sign, symbol % per_sign
            zero = symbol == 2 * per_sign
            mantissa = np.where(zero, 0, LEAST + rest // powers)
            sign, power = np.where(zero, 0, sign), np.where(zero, longest, rest % powers)
        exponent = np.where(valid, power - longest, 0)
        up, down = 10.0 ** np.maximum(exponent, 0), 10.0 ** np.maximum(-exponent, 0)
        values = np.where(sign == 1, -1.0, 1.0) * mantissa * up / down
        return np.where(valid, values, np.nan)


def _scientific(values: Floats) -> tuple[Tokens, Tokens, Tokens]:
    """Returns sign (1: negative), mantissa and exponent of |value| = mantissa * 10**exponent.

    The mantissa is in [LEAST, LIMIT) or 0. Raises ValueError for NaN and infinity.
    """
    if not np.isfinite(values).all():
        raise ValueError("numbers must be finite; found NaN or infinity")
    size = abs(values)
    zero = size < 1e-200
    size = np.where(zero, 1.0, size)
    exponent = np.floor(np.log10(size)).astype(np.int64) - DIGITS + 1
    mantissa = _scaled(size, exponent)
    exponent += (mantissa >= LIMIT).astype(int) - (mantissa < LEAST)  # log10 is off by one digit
    mantissa = _scaled(size, exponent)
    rounded_up = mantissa >= LIMIT  # for example 999.6
    mantissa, exponent = np.where(rounded_up, LEAST, mantissa), exponent + rounded_up
    return (values < 0).astype(int), np.where(zero, 0, mantissa), np.where(zero, 0, exponent)


def _scaled(size: Floats, exponent: Tokens) -> Tokens:
    up, down = 10.0 ** np.maximum(-exponent, 0), 10.0 ** np.maximum(exponent, 0)
    scaled: Tokens = np.rint(size * up / down).astype(np.int64)
    return scaled


def _within(codes: Tokens, low: int, high: int) -> NDArray[np.bool_]:
    return (codes >= low) & (codes < high)


@dataclass(frozen=True)
class Task:
    """Symmetric matrices of `size` rows in an encoding, with entries in [-`bound`, `bound`]."""

    size: int
    encoding: Encoding
    bound: float = 10.0

    @property
    def answer_length(self) -> int:
        """Number of tokens in a well-formed answer, including the end token."""
        return self.size * self.encoding.width + 1

    def draw(self, count: int, seed: int) -> tuple[Tokens, Floats]:
        """Returns questions, shape (count, length), and their eigenvalues, shape (count, size).

        Entries are uniform and rounded to the encoding's precision, so that the eigenvalues, in
        descending order, are those of the encoded matrix.
        """
        rng = np.random.default_rng(seed)
        lower = np.tril(rng.uniform(-self.bound, self.bound, (count, self.size, self.size)))
        matrices = lower + np.tril(lower, -1).swapaxes(1, 2)
        entries = self.encoding.encode(matrices)
        ascending = np.linalg.eigvalsh(self.encoding.decode(entries))
        return self.question(entries), ascending[:, ::-1].astype(np.float64)

    def question(self, entries: Tokens) -> Tokens:
        """Returns the tokens of matrices: numbers of rows and columns, then entries row by row.

        `entries` has the shape (count, size, size, width), the result (count, length).
        """
        shape = np.full((len(entries), 2), self.size)  # the id of V<n> is n
        return np.concatenate([shape, entries.reshape(len(entries), -1)], axis=1)

    def answer(self, eigenvalues: Floats) -> Tokens:
        """Returns tokens of shape (..., answer_length) for eigenvalues of shape (..., size)."""
        tokens = self.encoding.encode(eigenvalues)
        flat = tokens.reshape(*tokens.shape[:-2], -1)
        return np.concatenate([flat, np.full((*flat.shape[:-1], 1), END)], axis=-1)

    def read(self, answers: Tokens) -> Floats:
        """Returns the eigenvalues, shape (..., size), of answers, shape (..., length).

        They are NaN for an answer that is not `size` numbers and an end token.
        """
        body = self.answer_length - 1
        if answers.shape[-1] <= body:
            return np.full((*answers.shape[:-1], self.size), np.nan)
        shape = (*answers.shape[:-1], self.size, self.encoding.width)
        values = self.encoding.decode(answers[..., :body].reshape(shape))
        ended = (answers[..., body:] == END).all(axis=-1)
        well_formed = ended & np.isfinite(values).all(axis=-1)
        return np.where(well_formed[..., None], values, np.nan)

    def errors(self, answers: Tokens, truth: Floats) -> Floats:
        """Returns relative errors of answers (..., length) against `truth` (..., size).

        The error of an answer that cannot be decoded is inf.
        """
        return relative_errors(self.read(answers), truth)


def relative_errors(predicted: Floats, truth: Floats) -> Floats:
    """Returns sum |y' - y| / sum |y| over the last axis; inf if a prediction is NaN.

    An answer is correct at a tolerance tau if this is below tau.
    """
    distance = abs(predicted - truth).sum(axis=-1) / abs(truth).sum(axis=-1)
    return np.where(np.isnan(distance), np.inf, distance)
