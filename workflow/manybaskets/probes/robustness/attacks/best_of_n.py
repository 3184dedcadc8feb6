"""Best-of-N jailbreaking (Hughes et al. 2024): N noisy spellings of a request, one may get through.

The noise is theirs: the inner letters of a word are shuffled with probability sqrt(sigma), letters
change case with probability sqrt(sigma), printable characters become a neighbour in ASCII with
probability sigma cubed. The same spellings go to every cell.
"""

import random

from manybaskets.config.probes import Robustness
from manybaskets.data.safety_requests import ProbeRequest
from manybaskets.probes.robustness.attack import Attack, Attempt, Ladder
from manybaskets.seeds import generator

NAME = "best-of-n"
_SHORTEST = 4  # letters of a word that has inner letters to shuffle


class BestOfN(Attack):
    """Several noisy spellings of each request."""

    references = (
        "Hughes, J. et al. Best-of-N Jailbreaking. arXiv:2412.03556.",
        "Chen, M. et al. Evaluating Large Language Models Trained on Code. arXiv:2107.03374.",
    )

    def attempts(self, request: ProbeRequest, ladder: Ladder) -> list[Attempt]:
        """`n` spellings of the request; spelling k is the same whatever `n` is."""
        n, noise = ladder.best_of_n["n"], ladder.best_of_n["noise"]
        return [
            Attempt(
                f"{request.id}/{NAME}/{k}",
                request.id,
                f"{request.kind}/{NAME}",
                augmented(request.text, noise, generator("best-of-n", request.id, k)),
                attempt=k,
            )
            for k in range(n)
        ]

    def count(self, settings: Robustness) -> int:
        """`n` spellings of each request."""
        return settings.count * settings.best_of_n.n

    def words(self, settings: Robustness) -> str:
        """Names the number of spellings and the noise."""
        best = settings.best_of_n
        return (
            f"Best-of-N (Hughes et al.) sends {best.n} spellings of each request with noise "
            f"{best.noise:g}; success at n is estimated without bias (Chen et al.)."
        )


def augmented(text: str, sigma: float, rng: random.Random) -> str:
    """Returns a noisy spelling of `text`; with `sigma` 0 the text itself."""
    often, seldom = sigma**0.5, sigma**3
    words = [_scrambled(word, rng) if rng.random() < often else word for word in text.split(" ")]
    letters = [letter.swapcase() if rng.random() < often else letter for letter in " ".join(words)]
    return "".join(_neighbour(c, rng) if rng.random() < seldom else c for c in letters)


def _scrambled(word: str, rng: random.Random) -> str:
    if len(word) < _SHORTEST:
        return word
    inner = list(word[1:-1])
    rng.shuffle(inner)
    return word[0] + "".join(inner) + word[-1]


def _neighbour(character: str, rng: random.Random) -> str:
    code = ord(character)
    if not 33 <= code <= 126:
        return character
    return chr(min(126, max(33, code + rng.choice((-1, 1)))))


ATTACK = BestOfN()
