"""Tables that figures draw and no test uses: training losses, and how often words occur."""

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from manybaskets.files import InputError, read_json, read_jsonl
from manybaskets.metrics import tokenization

if TYPE_CHECKING:
    import pandas as pd

PEOPLE = "(people)"  # stands for a mix in the table of ranks; no mix can have that name
POINTS_A_DECADE = 12
FEWEST_WORDS = 50

Cell = Mapping[str, Any]


def training_table(cells: Iterable[tuple[Cell, Path]]) -> "pd.DataFrame":
    """Loss by step of every training: target, mix, seed, generation, step, loss (nats per token).

    `cells` are identities and folders; a cell without a usable training.json has no rows.
    """
    import pandas as pd

    names = ("target", "mix", "seed", "generation")
    rows = [
        (*(cell[name] for name in names), step, loss)
        for cell, folder in cells
        for step, loss in _losses(folder / "training.json")
    ]
    return pd.DataFrame(rows, columns=[*names, "step", "loss"])


def rank_table(cells: Iterable[tuple[Cell, Path]], test: Path) -> "pd.DataFrame":
    """Relative frequency of words by rank, of every cell's responses and of the human ones.

    Columns target, mix (PEOPLE for the human responses), seed, rank, frequency, words, and
    `beyond`, the share of the text that is made of rarer words than the one of that rank. Words are
    letters and digits in lower case, and single characters of scripts without spaces. All texts are
    cut to the same number of words, since the tail depends on it; of texts with fewer than
    FEWEST_WORDS words there are no rows. Ranks are at equal distances on a logarithmic scale, those
    of words that occur the same number of times follow each other.
    """
    import pandas as pd

    texts: list[tuple[str, str, int, list[str]]] = []
    targets: dict[str, None] = {}
    for cell, folder in cells:
        words = _words(folder / "responses.jsonl")
        if len(words) >= FEWEST_WORDS:
            targets[cell["target"]] = None
            texts.append((cell["target"], cell["mix"], cell["seed"], words))
    people = _words(test)
    if len(people) >= FEWEST_WORDS:
        texts += [(target, PEOPLE, 0, people) for target in targets]
    size = min((len(words) for *_, words in texts), default=0)
    rows = [
        (target, mix, seed, rank, frequency, beyond, size)
        for target, mix, seed, words in texts
        for rank, frequency, beyond in _ranks(words[:size])
    ]
    columns = ["target", "mix", "seed", "rank", "frequency", "beyond", "words"]
    return pd.DataFrame(rows, columns=columns)


def _ranks(words: Sequence[str]) -> Iterator[tuple[int, float, float]]:
    shares = np.array(sorted(Counter(words).values(), reverse=True)) / len(words)
    beyond = 1 - np.cumsum(shares)
    # the same ranks in every text, so that their means are of the same
    steps = np.arange(POINTS_A_DECADE * np.log10(max(len(shares), 2)) + 1) / POINTS_A_DECADE
    for rank in np.unique((10**steps).round().astype(int)):
        if rank > len(shares):
            break
        yield int(rank), float(shares[rank - 1]), max(0.0, float(beyond[rank - 1]))


def _words(path: Path) -> list[str]:
    try:
        rows = read_jsonl(path, ["response"])
    except InputError:
        return []
    return [word for row in rows for word in tokenization.words(str(row["response"] or "").lower())]


def _losses(path: Path) -> Iterator[tuple[float, float]]:
    try:
        curve = read_json(path)["curve"]
        points = [(float(point["step"]), float(point["loss"])) for point in curve]
    except (OSError, ValueError, TypeError, KeyError):
        return
    yield from ((step, loss) for step, loss in points if np.isfinite(loss))
