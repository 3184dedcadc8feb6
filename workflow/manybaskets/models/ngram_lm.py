"""N-gram language models: baselines for the bits per byte of the scratch models.

Interpolated Witten-Bell smoothing (Witten & Bell 1991, as in Chen & Goodman 1998, eq. 2.12 ff.):
p(w|h) = (c(hw) + t(h) · p(w|h')) / (c(h) + t(h)), where t(h) is the number of types seen after h.
The recursion ends with the uniform distribution over the vocabulary.
"""

import math
from collections import Counter, defaultdict
from collections.abc import Iterable, Sequence

START = -1


class Ngrams:
    """A smoothed n-gram model of order `order`, from the counts in sequences of token ids."""

    def __init__(self, sequences: Iterable[Sequence[int]], order: int, vocabulary: int) -> None:
        self.order, self.vocabulary = order, vocabulary
        self.counts: dict[tuple[int, ...], Counter[int]] = defaultdict(Counter)
        for sequence in sequences:
            padded = [START] * (order - 1) + list(sequence)
            for i in range(order - 1, len(padded)):
                for n in range(order):
                    self.counts[tuple(padded[i - n : i])][padded[i]] += 1
        self.totals = {history: counts.total() for history, counts in self.counts.items()}

    def probability(self, history: Sequence[int], token: int) -> float:
        """Returns p(token | last `order` - 1 tokens of history); sums to 1 over the vocabulary."""
        p = 1.0 / self.vocabulary
        padded = ([START] * (self.order - 1) + list(history))[-(self.order - 1) :]
        for n in range(self.order):
            key = tuple(padded[len(padded) - n :]) if n else ()
            if key in self.totals:
                counts = self.counts[key]
                types = len(counts)
                p = (counts[token] + types * p) / (self.totals[key] + types)
        return p

    def nats(self, sequence: Sequence[int]) -> float:
        """Returns the negative log-likelihood of a sequence, in nats."""
        total = 0.0
        for i, token in enumerate(sequence):
            total -= math.log(self.probability(sequence[max(0, i - self.order + 1) : i], token))
        return total
