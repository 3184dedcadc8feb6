"""All measures of judges together: constructed judges are recovered, intervals cover the truth."""

from collections import Counter

import pytest

from manybaskets import biases, resampling
from manybaskets.judgements import Pairs, tabulate
from manybaskets.preference import once
from tests.unit.constructed import Judge, World, study

JUDGE = Judge(
    preference=0.6, position=0.5, label=0.3, quality=0.8, length=0.4, likelihood=0.3, taste=0.5
)
WORLD = World(quality={"ours": 0.3, "x": -0.2}, length={"ours": 0.2})
STUDIES, ITEMS = 200, 80
PANEL = {name: Judge(own=name, preference=0.6, quality=0.8) for name in ("ours", "x", "y")}
# Where nothing varies there is no interval; there are no control pairs here.
WITHOUT = {("label_mass", "pairs"), ("discernment", "controls")}


def entries(pairs: Pairs) -> dict[tuple[str, str], biases.Entry]:
    found = list(biases._joint(pairs)) if len(pairs.judges) > 1 else []
    if len(pairs.judges) == 1:
        found = list(biases.catalogue(pairs, tabulate(()), "ours", "human"))
    return {(e.metric, e.item_set): e for e in found if (e.metric, e.item_set) not in WITHOUT}


def coverage(judges: dict[str, Judge], items: int) -> tuple[Counter[tuple[str, str]], set]:
    """In how many of 200 studies the 95 % interval of each measure holds its true value."""
    population, _ = study(judges, 30_000, 10**6, WORLD)
    truth = {key: e.measure(once(e.pairs))[0] for key, e in entries(population).items()}
    covered: Counter[tuple[str, str]] = Counter()
    for number in range(STUDIES):
        pairs, _ = study(judges, items, number, WORLD)
        for key, entry in entries(pairs).items():
            low, high, reason = resampling.bootstrap(
                entry.measure,
                pairs.unit_item,
                pairs.unit_seed,
                len(entry.pairs),
                entry.used,
                resamples=399,
                seed=number,
            )
            assert low is not None and high is not None, reason
            covered[key] += bool(low <= truth[key] <= high)
    return covered, set(truth)


def test_nominal_intervals_of_a_judge_cover_its_true_values() -> None:
    covered, measured = coverage({"j": JUDGE}, ITEMS)
    assert len(measured) >= 21
    assert {key: covered[key] / STUDIES for key in measured} == {
        key: pytest.approx(0.95, abs=0.02) for key in measured
    }


def test_nominal_intervals_of_the_diagonal_excess_cover_its_true_values() -> None:
    covered, measured = coverage(PANEL, 40)
    assert {metric for metric, _ in measured} == {"diagonal_excess", "diagonal_excess_controlled"}
    assert {key: covered[key] / STUDIES for key in measured} == {
        key: pytest.approx(0.95, abs=0.02) for key in measured
    }
