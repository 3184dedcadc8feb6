"""Constructed judges, whose self-preference, position bias and sensitivities are known.

The log-odds of choosing the text shown first are a sum of terms for position, own text, quality,
length, and an unexplained preference for the text; measures must recover the known terms.
"""

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from manybaskets.probes.preference import bootstrap, measures
from manybaskets.probes.preference.pairs import FACTS, Pairs, tabulate
from manybaskets.probes.preference.preference import once

Values = NDArray[np.float64]
ORIGINS = ("human", "ours", "x", "y", "z")


@dataclass(frozen=True)
class Judge:
    """Log-odds. `own` is the judge's origin, `preference` what it adds to its own text."""

    own: str = "ours"
    preference: float = 0.0
    position: float = 0.0
    label: float = 0.0
    quality: float = 0.0
    length: float = 0.0
    likelihood: float = 0.0
    taste: float = 0.5  # standard deviation of what is liked for no reason


@dataclass(frozen=True)
class World:
    """The texts of generators: mean quality and mean length by origin, 0 by default."""

    quality: Mapping[str, float] = field(default_factory=dict)
    length: Mapping[str, float] = field(default_factory=dict)
    right: float = 0.5  # share of right answers, of every origin but the human
    spread: float = 0.7  # standard deviation of quality between items


def study(
    judges: Mapping[str, Judge], items: int, seed: int, world: World | None = None
) -> tuple[Pairs, Values]:
    """All pairs of ORIGINS on `items` items by every judge, in both orders and both placings.

    Returns the pairs and the probability of preferring `one` if both had the same length, of
    shape (pairs,).
    """
    world = world or World()
    generator = np.random.default_rng(seed)
    count = len(ORIGINS)
    quality = np.array([world.quality.get(o, 0.0) for o in ORIGINS]) + (
        generator.normal(0, world.spread, (items, count))
    )
    logs = np.array([world.length.get(o, 0.0) for o in ORIGINS]) + (
        generator.normal(0, 0.4, (items, count))
    )
    length = np.exp(4 + logs)
    correct = (generator.random((items, count)) < world.right).astype(float)
    correct[:, 0] = 1.0  # the human's
    first, second = np.triu_indices(count, 1)
    one, other = np.tile(first, items), np.tile(second, items)
    unit = np.repeat(np.arange(items), len(first))
    parts, same_length = [], []
    for number, (_, judge) in enumerate(judges.items()):
        surprise = generator.normal(0, 0.5, (items, count))
        surprise[:, ORIGINS.index(judge.own)] -= 0.8  # own text is likely
        utility = (
            judge.quality * (quality + correct)
            - judge.likelihood * surprise
            + judge.preference * (np.arange(count) == ORIGINS.index(judge.own))
        )[unit]
        rows = np.arange(len(unit))
        difference = utility[rows, one] - utility[rows, other]
        difference = difference + generator.normal(0, judge.taste, len(unit))
        longer = length[unit, one] - length[unit, other]
        with_length = difference + judge.length * np.tanh(longer / LENGTH_SPREAD)
        chosen = [
            _expit(with_length + place * judge.position + place * label * judge.label)
            for place in (1, -1)
            for label in (1, -1)
        ]
        chosen_equal = [
            _expit(difference + place * judge.position + place * label * judge.label)
            for place in (1, -1)
            for label in (1, -1)
        ]
        same_length.append(np.mean(chosen_equal, axis=0))
        # label 1: the first text has the label that sorts first
        by_label = [chosen[0], 1 - chosen[1], 1 - chosen[2], chosen[3]]
        known = {
            "quality": quality + correct,
            "length": length,
            "correct": correct,
            "log_perplexity": surprise,
        }
        parts.append(
            {
                "judge": np.full(len(unit), number),
                "unit": unit,
                "one": one,
                "other": other,
                "one_first": (chosen[0] + chosen[1]) / 2,
                "one_second": (chosen[2] + chosen[3]) / 2,
                "label_mass": np.full(len(unit), 0.9),
                "label": np.mean(by_label, axis=0),
                **{
                    name: np.column_stack([known[name][unit, one], known[name][unit, other]])
                    for name in FACTS
                },
            }
        )
    joined = {name: np.concatenate([part[name] for part in parts]) for name in parts[0]}
    facts = {name: joined.pop(name) for name in FACTS}
    pairs = Pairs(
        judges=tuple(judges),
        origins=ORIGINS,
        own={name: judge.own for name, judge in judges.items()},
        unit_item=np.arange(items),
        unit_seed=np.zeros(items, np.int64),
        facts=facts,
        **joined,
    )
    return pairs, np.concatenate(same_length)


LENGTH_SPREAD = 36.0  # about the standard deviation of the differences in length
JUDGE = Judge(
    preference=0.6, position=0.5, label=0.3, quality=0.8, length=0.4, likelihood=0.3, taste=0.5
)
WORLD = World(quality={"ours": 0.3, "x": -0.2}, length={"ours": 0.2})
PANEL = {name: Judge(own=name, preference=0.6, quality=0.8) for name in ("ours", "x", "y")}
# Where nothing varies there is no interval; there are no control pairs here.
WITHOUT = {("label_mass", "pairs"), ("discernment", "controls")}


def entries(pairs: Pairs) -> dict[tuple[str, str], measures.Entry]:
    """The measures of one judge, or of several together."""
    if len(pairs.judges) > 1:
        found = list(measures._joint(pairs))
    else:
        found = list(measures.catalogue(pairs, tabulate(()), "ours", "human"))
    return {(e.metric, e.item_set): e for e in found if (e.metric, e.item_set) not in WITHOUT}


def coverage(
    judges: Mapping[str, Judge], items: int, studies: int, resamples: int = 399
) -> Counter[tuple[str, str]]:
    """In how many simulated studies the 95 % interval of each measure holds its true value.

    The true value is that of 8,000 items.
    """
    population, _ = study(judges, 8_000, 10**6, WORLD)
    truth = {key: e.measure(once(e.pairs))[0] for key, e in entries(population).items()}
    covered: Counter[tuple[str, str]] = Counter()
    for number in range(studies):
        pairs, _ = study(judges, items, number, WORLD)
        for key, entry in entries(pairs).items():
            low, high, reason = bootstrap.bootstrap(
                entry.measure,
                pairs.unit_item,
                pairs.unit_seed,
                len(entry.pairs),
                entry.used,
                resamples,
                seed=number,
            )
            assert low is not None and high is not None, reason
            covered[key] += bool(low <= truth[key] <= high)
    return covered


def _expit(values: Values) -> Values:
    found: Values = 1 / (1 + np.exp(-values))
    return found
