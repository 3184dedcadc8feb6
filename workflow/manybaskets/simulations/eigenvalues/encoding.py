"""Eigenvalues of symmetric matrices as sequences of tokens.

Floats have three significant digits, in one of four encodings (Charton 2022, arXiv 2112.01898); a
prediction counts by its distance from the truth, sum |y' - y| / sum |y|. Knows nothing about
models.
"""

from dataclasses import dataclass
from functools import cached_property
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

Name = Literal["P10", "P1000", "B1999", "FP15"]
Floats = NDArray[np.float64]
Tokens = NDArray[np.integer[Any]]

END = 0  # ends a sequence, stands before its first token, and fills what comes after it
SIZES = 16  # tokens that say how many rows or columns a matrix has
FIRST = 1 + SIZES  # id of the first token of numbers
DIGITS = 3  # significant
LEAST, LIMIT = 10 ** (DIGITS - 1), 10**DIGITS  # mantissas are at least LEAST and below LIMIT
LONGEST = {"P10": 100, "P1000": 100, "B1999": 100, "FP15": 8}  # exponents, up and down
WIDTHS = {"P10": 2 + DIGITS, "P1000": 3, "B1999": 2, "FP15": 1}  # tokens of a number


@dataclass(frozen=True)
class Encoding:
    """Numbers as tokens.

    `P10`: sign, three digits, exponent. `P1000`: sign, mantissa, exponent. `B1999`: signed
    mantissa, exponent. `FP15`: all in one token.
    """

    name: Name

    @property
    def width(self) -> int:
        """Tokens of a number."""
        return WIDTHS[self.name]

    @cached_property
    def words(self) -> list[str]:
        """Every token by its id, as text."""
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
        """Tokens of shape (..., width) of values of shape (...), rounded to three digits.

        What is too small for the exponents becomes 0; ValueError for what is too large or no
        number.
        """
        sign, mantissa, exponent = _scientific(np.asarray(values, dtype=np.float64))
        longest = LONGEST[self.name]
        if (exponent > longest).any():
            raise ValueError(f"{self.name} ends at {LIMIT - 1}E{longest}; found {np.max(values):g}")
        small = (exponent < -longest) | (mantissa == 0)
        mantissa, exponent = np.where(small, 0, mantissa), np.where(small, 0, exponent)
        sign = np.where(small, 0, sign)  # there is one zero
        power = exponent + longest
        if self.name == "P10":
            digits = [mantissa // 10**place % 10 for place in reversed(range(DIGITS))]
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
        """Values of shape (...) of tokens of shape (..., width); NaN for what is no number."""
        codes = np.moveaxis(np.asarray(tokens, dtype=np.int64) - FIRST, -1, 0)
        longest = LONGEST[self.name]
        powers = 2 * longest + 1
        if self.name in ("P10", "P1000"):
            base, first = (10, 12) if self.name == "P10" else (LIMIT, 2 + LIMIT)
            sign, *digits, power = codes
            good = _within(sign, 0, 2) & _within(power, first, first + powers)
            mantissa = np.zeros_like(sign)
            for digit in digits:
                good &= _within(digit, 2, 2 + base)
                mantissa = mantissa * base + digit - 2
            power = power - first
        elif self.name == "B1999":
            signed, power = codes
            first = 2 * LIMIT - 1
            good = _within(signed, 0, first) & _within(power, first, first + powers)
            sign, mantissa = (signed < LIMIT - 1).astype(int), abs(signed - LIMIT + 1)
            power = power - first
        else:
            (symbol,) = codes
            per_sign = (LIMIT - LEAST) * powers
            good = _within(symbol, 0, 2 * per_sign + 1)
            sign, rest = symbol // per_sign, symbol % per_sign
            zero = symbol == 2 * per_sign
            mantissa = np.where(zero, 0, LEAST + rest // powers)
            sign, power = np.where(zero, 0, sign), np.where(zero, longest, rest % powers)
        exponent = np.where(good, power - longest, 0)
        up, down = 10.0 ** np.maximum(exponent, 0), 10.0 ** np.maximum(-exponent, 0)
        values = np.where(sign == 1, -1.0, 1.0) * mantissa * up / down
        return np.where(good, values, np.nan)


def _scientific(values: Floats) -> tuple[Tokens, Tokens, Tokens]:
    """Sign (1: negative), mantissa in [LEAST, LIMIT) or 0, and exponent of |value| = m * 10**e."""
    if not np.isfinite(values).all():
        raise ValueError("a number is expected; found NaN or infinity")
    size = abs(values)
    zero = size < 1e-200
    size = np.where(zero, 1.0, size)
    exponent = np.floor(np.log10(size)).astype(np.int64) - DIGITS + 1
    mantissa = _scaled(size, exponent)
    exponent += (mantissa >= LIMIT).astype(int) - (mantissa < LEAST)  # log10 was a digit off
    mantissa = _scaled(size, exponent)
    rounded_up = mantissa >= LIMIT  # 999.6
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
    """Matrices of `size` rows, entries uniform in [-`bound`, `bound`], in an encoding."""

    size: int
    encoding: Encoding
    bound: float = 10.0

    @property
    def answer_length(self) -> int:
        """Tokens of a well-formed answer, its end included."""
        return self.size * self.encoding.width + 1

    def draw(self, count: int, seed: int) -> tuple[Tokens, Floats]:
        """Questions of shape (count, length) and their eigenvalues (count, size).

        Entries are rounded to what the encoding says, so that the eigenvalues, in descending order,
        are those of the matrix that a model reads.
        """
        rng = np.random.default_rng(seed)
        lower = np.tril(rng.uniform(-self.bound, self.bound, (count, self.size, self.size)))
        matrices = lower + np.tril(lower, -1).swapaxes(1, 2)
        entries = self.encoding.encode(matrices)
        ascending = np.linalg.eigvalsh(self.encoding.decode(entries))
        return self.question(entries), ascending[:, ::-1].astype(np.float64)

    def question(self, entries: Tokens) -> Tokens:
        """What a model reads: numbers of rows and columns, then all entries, row by row.

        `entries` has shape (count, size, size, width).
        """
        shape = np.full((len(entries), 2), self.size)  # id of V<n> is n
        return np.concatenate([shape, entries.reshape(len(entries), -1)], axis=1)

    def answer(self, eigenvalues: Floats) -> Tokens:
        """Tokens of shape (..., answer_length) of eigenvalues of shape (..., size)."""
        tokens = self.encoding.encode(eigenvalues)
        flat = tokens.reshape(*tokens.shape[:-2], -1)
        return np.concatenate([flat, np.full((*flat.shape[:-1], 1), END)], axis=-1)

    def read(self, answers: Tokens) -> Floats:
        """Eigenvalues of shape (..., size) that answers (..., length) say; all NaN where one is
        not `size` numbers and the end."""
        body = self.answer_length - 1
        if answers.shape[-1] <= body:
            return np.full((*answers.shape[:-1], self.size), np.nan)
        shape = (*answers.shape[:-1], self.size, self.encoding.width)
        values = self.encoding.decode(answers[..., :body].reshape(shape))
        ended = (answers[..., body:] == END).all(axis=-1)
        readable = ended & np.isfinite(values).all(axis=-1)
        return np.where(readable[..., None], values, np.nan)

    def errors(self, answers: Tokens, truth: Floats) -> Floats:
        """How far answers (..., length) are from the truth (..., size); inf for unreadable ones."""
        return relative_errors(self.read(answers), truth)


def relative_errors(predicted: Floats, truth: Floats) -> Floats:
    """sum |y' - y| / sum |y| over the last axis; inf where a prediction is NaN.

    An answer is right at a tolerance tau where this is below tau.
    """
    distance = abs(predicted - truth).sum(axis=-1) / abs(truth).sum(axis=-1)
    return np.where(np.isnan(distance), np.inf, distance)
