"""One table of pairs from recorded judgements of any judge.

Reads the rows of this workflow's judges and rows from other programs. Every excluded pair is
recorded with its reason, so that no denominator changes silently. Measures are computed elsewhere.
"""

import math
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from manybaskets.data.tables.values import boolean_of, name_of, number_of
from manybaskets.files import InputError

Values = NDArray[np.float64]
Indices = NDArray[np.int64]

FACTS = ("quality", "length", "correct", "log_perplexity")  # what may be known of a candidate
ALONE = "judge"  # name of a judge whose rows do not name one
_Key = tuple[str, str, str, str, str]  # of a pair: judge, seed, item, one, other


class Dropped(NamedTuple):
    """A pair that does not count, and why."""

    judge: str
    item: str
    one: str
    other: str
    control: bool
    reason: str


@dataclass(frozen=True)
class Pairs:
    """Pairs judged in both orders; every array has the shape (pairs,) unless it says otherwise.

    `judge`, `one`, `other` are indices into `judges` and `origins`, `unit` into `unit_item` and
    `unit_seed` (shape (units,)): a unit is an item of a seed. `one_first` and `one_second` are the
    probabilities of choosing `one` where it is shown first and where it is shown second.
    `label_mass` is the probability of both labels together, `label` the probability of answering
    with the first of the two labels where both texts had both labels in turn; NaN where it is not
    known. `facts` maps the names in FACTS to arrays of shape (pairs, 2): of `one` and of `other`,
    NaN where unknown.
    """

    judges: tuple[str, ...]
    origins: tuple[str, ...]
    own: Mapping[str, str]  # the judge's own origin, where it has one
    unit_item: Indices
    unit_seed: Indices
    judge: Indices
    unit: Indices
    one: Indices
    other: Indices
    one_first: Values
    one_second: Values
    label_mass: Values
    label: Values
    facts: Mapping[str, Values]
    dropped: tuple[Dropped, ...] = ()

    def __len__(self) -> int:
        return len(self.one)

    @property
    def preference(self) -> Values:
        """Probability of choosing `one`, averaged over both orders."""
        return (self.one_first + self.one_second) / 2

    @property
    def first(self) -> Values:
        """Probability of choosing what is shown first, averaged over both orders."""
        return (self.one_first + 1 - self.one_second) / 2

    @property
    def log_odds(self) -> Values:
        """Log-odds of choosing `one`, averaged over both orders: position cancels. May be ±inf."""
        with np.errstate(divide="ignore", invalid="ignore"):
            return (_logit(self.one_first) + _logit(self.one_second)) / 2

    @property
    def judged(self) -> tuple[str, ...]:
        """The origins of the pairs, those that do not count included, sorted."""
        counted = {self.origins[index] for index in np.unique([self.one, self.other])}
        return tuple(sorted(counted.union(*((lost.one, lost.other) for lost in self.dropped))))

    def where(self, chosen: NDArray[np.bool_]) -> "Pairs":
        """Returns the pairs where a mask of shape (pairs,) is true; `dropped` stays the same."""
        arrays = ("judge", "unit", "one", "other", "one_first", "one_second", "label_mass", "label")
        facts = {name: values[chosen] for name, values in self.facts.items()}
        return replace(self, facts=facts, **{name: getattr(self, name)[chosen] for name in arrays})

    def of(self, judge: str) -> "Pairs":
        """Returns the pairs of one judge."""
        chosen = self.judge == self.judges.index(judge)
        lost = tuple(lost for lost in self.dropped if lost.judge == judge)
        return replace(self.where(chosen), dropped=lost)

    def towards(self, origin: str) -> "Pairs":
        """Returns the pairs of an origin, turned so that it is always `one`."""
        if origin not in self.origins:
            lost = tuple(lost for lost in self.dropped if origin in (lost.one, lost.other))
            return replace(self.where(np.zeros(len(self), bool)), dropped=lost)
        index = self.origins.index(origin)
        chosen = self.where((self.one == index) | (self.other == index))
        turn = chosen.other == index
        facts = {
            name: np.where(turn[:, None], values[:, ::-1], values)
            for name, values in chosen.facts.items()
        }
        return replace(
            chosen,
            one=np.where(turn, chosen.other, chosen.one),
            other=np.where(turn, chosen.one, chosen.other),
            one_first=np.where(turn, 1 - chosen.one_second, chosen.one_first),
            one_second=np.where(turn, 1 - chosen.one_first, chosen.one_second),
            facts=facts,
            dropped=tuple(lost for lost in self.dropped if origin in (lost.one, lost.other)),
        )

    def without(self, origin: str) -> "Pairs":
        """Returns the pairs without a candidate of an origin."""
        index = self.origins.index(origin) if origin in self.origins else -1
        chosen = self.where((self.one != index) & (self.other != index))
        lost = tuple(lost for lost in self.dropped if origin not in (lost.one, lost.other))
        return replace(chosen, dropped=lost)


def excluded(dropped: Iterable[Dropped]) -> str:
    """Returns the reasons for which pairs were dropped, with their counts, as a clause."""
    counts = Counter(lost.reason for lost in dropped)
    return ", ".join(f"{count} {reason}" for reason, count in sorted(counts.items()))


def in_one_order(rows: Iterable[Mapping[str, Any]], where: str = "") -> Pairs:
    """Returns the table of the pairs that were judged in one order only.

    `one_first` and `one_second` are both the probability of choosing `one` in that order, so that
    `preference` contains the judge's preference for a place. Rows and errors are as in `tabulate`.
    """
    judgements, own = _grouped(rows, False, where)
    counted, dropped = [], []
    for key, of_pair in sorted(judgements.items()):
        reason = _reason(of_pair, 1)
        if reason:
            dropped.append(Dropped(key[0], *key[2:], False, reason))
        elif len({judgement.first for judgement in of_pair}) == 1:
            counted.append((key, of_pair))
    return _table(list(judgements), counted, dropped, own)


def tabulate(rows: Iterable[Mapping[str, Any]], control: bool = False, where: str = "") -> Pairs:
    """Returns the table of the judged pairs in `rows`: control pairs if `control`, else others.

    A row names `item`, the two candidates' origins and the judge's answer, in one of two forms:

    - `first` and `second` with `log_prob_first_label` and `log_prob_second_label` (natural), as
      this workflow's judges write it; facts are `first_length`, `second_length` and so on.
    - `a` and `b` with `order` ("ab": a was shown first, "ba": b was) and `p_a`, the probability of
      choosing a; facts are `length_a`, `length_b` and so on.

    It may name `judge`, `own` (the judge's own origin; by default the origin called like the
    judge), `seed`, `control`, `question` (rows of another question than "pair" are skipped),
    `labels` (of first and second; [`label_a`, `label_b`] in the other form) and `state`: "ok" (the
    default), "identical" where the two texts are the same, anything else where it failed. A pair
    counts if it was judged in both orders, and under both placings of the labels where these were
    swapped for any pair of the judge. Facts of a text that
    occurs twice are those of its first row.

    Raises InputError, which names the row, for a row that cannot be parsed, an origin paired
    with itself, and a judgement that occurs twice.
    """
    judgements, own = _grouped(rows, control, where)
    swapped = {
        key[0]
        for key, of_pair in judgements.items()
        if len({j.labels for j in of_pair if j.labels}) > 1
    }
    counted, dropped = [], []
    for key, of_pair in sorted(judgements.items()):
        judge, _, item, one, other = key
        reason = _reason(of_pair, 4 if judge in swapped else 2)
        if reason:
            dropped.append(Dropped(judge, item, one, other, control, reason))
        else:
            counted.append((key, of_pair))
    return _table(list(judgements), counted, dropped, own)


def _grouped(
    rows: Iterable[Mapping[str, Any]], control: bool, where: str
) -> tuple[dict[_Key, list["_Judgement"]], dict[str, str]]:
    """Judgements by pair, and the own origin of each judge whose rows name one."""
    judgements: dict[_Key, list[_Judgement]] = {}
    own: dict[str, str] = {}
    for number, row in enumerate(rows, start=1):
        place = f"{where + ', ' if where else ''}row {number}"
        if row.get("question", "pair") != "pair" or _is_control(row, place) != control:
            continue
        judgement = _parsed(row, place)
        if row.get("own"):
            own[judgement.judge] = _name(row, "own", place)
        one, other = sorted((judgement.first, judgement.second))
        key = (judgement.judge, judgement.seed, judgement.item, one, other)
        of_pair = judgements.setdefault(key, [])
        twice = [j for j in of_pair if (j.first, j.labels) == (judgement.first, judgement.labels)]
        if twice:
            raise InputError(
                f"{judgement.place}: '{judgement.first}' before '{judgement.second}' of item "
                f"{judgement.item} is judged twice by {judgement.judge}. Give every judgement "
                "once, or tell runs apart by 'seed'."
            )
        of_pair.append(judgement)
    return judgements, own


class _Judgement(NamedTuple):
    judge: str
    seed: str
    item: str
    first: str
    second: str
    p_first: float | None
    mass: float
    labels: tuple[str, str] | None  # of the first and of the second
    facts: tuple[tuple[float, float], ...]  # by FACTS, of the first and of the second
    state: str
    place: str


def _parsed(row: Mapping[str, Any], place: str) -> _Judgement:
    """Returns the judgement in a row of either form; `place` names the row in errors."""
    outside = "a" in row and "b" in row  # of another program
    names = ("a", "b") if outside else ("first", "second")
    _check_fields(row, ("item", *names, *(("order", "p_a") if outside else ())), place)
    first, second = (name_of(row[name], f"{place}, {name}") for name in names)
    if first == second:
        raise InputError(
            f"{place}: '{first}' is compared with itself. Name two different candidates."
        )
    facts = _facts(row, names, "{fact}_{side}" if outside else "{side}_{fact}", place)
    labels = (row.get("label_a"), row.get("label_b")) if outside else row.get("labels")
    shown = None if not labels or None in labels else (str(labels[0]), str(labels[1]))
    if outside:
        p_first, mass = _probability(row.get("p_a"), place), math.nan
        if row["order"] not in ("ab", "ba"):
            raise InputError(
                f"{place}: order is {row['order']!r}. Write 'ab' where a was shown first, 'ba' "
                "where b was."
            )
        if row["order"] == "ba":
            first, second = second, first
            p_first = None if p_first is None else 1 - p_first
            facts = tuple((second_fact, first_fact) for first_fact, second_fact in facts)
            shown = shown and (shown[1], shown[0])
    else:
        p_first, mass = _of_log_probs(
            _log_prob(row, "log_prob_first_label", place),
            _log_prob(row, "log_prob_second_label", place),
        )
    return _Judgement(
        judge=_name(row, "judge", place, ALONE),
        seed=_name(row, "seed", place),
        item=name_of(row["item"], f"{place}, item"),
        first=first,
        second=second,
        p_first=p_first,
        mass=mass,
        labels=shown,
        facts=facts,
        state=_name(row, "state", place, "ok"),
        place=place,
    )


def _is_control(row: Mapping[str, Any], place: str) -> bool:
    value = row.get("control")
    return value not in (None, "") and boolean_of(value, f"{place}, control")


def _name(row: Mapping[str, Any], field: str, place: str, default: str = "") -> str:
    """Returns a name, or `default` where the row has none."""
    value = row.get(field)
    if value is None or value == "":
        return default
    return name_of(value, f"{place}, {field}")


def _check_fields(row: Mapping[str, Any], names: Iterable[str], place: str) -> None:
    for name in names:
        if name not in row and not (name == "p_a" and row.get("state", "ok") != "ok"):
            raise InputError(
                f"{place}: the field '{name}' is missing; the row has {', '.join(sorted(row))}. "
                "A judgement has item, a, b, order and p_a, or item, first, second, "
                "log_prob_first_label and log_prob_second_label."
            )


def _facts(
    row: Mapping[str, Any], sides: tuple[str, str], key: str, place: str
) -> tuple[tuple[float, float], ...]:
    """Returns both sides' facts in the order of FACTS; `key` is the format of the field names."""
    return tuple(
        (
            _number(row, key.format(fact=fact, side=sides[0]), place),
            _number(row, key.format(fact=fact, side=sides[1]), place),
        )
        for fact in FACTS
    )


def _number(row: Mapping[str, Any], name: str, place: str) -> float:
    value = row.get(name)
    if value is None or value == "":
        return math.nan
    if isinstance(value, float) and not math.isfinite(value):
        return value  # an infinite log-perplexity, or unknown
    if isinstance(value, bool):
        return float(value)  # correct or not
    return number_of(value, f"{place}, {name}")


def _probability(value: Any, place: str) -> float | None:
    if value is None or value == "" or value != value:
        return None
    probability = number_of(value, f"{place}, p_a")
    if not 0 <= probability <= 1:
        raise InputError(
            f"{place}: p_a is {value!r}. Write the probability of choosing a, from 0 to 1, or "
            "null where the judge gave none."
        )
    return probability


def _log_prob(row: Mapping[str, Any], name: str, place: str) -> float | None:
    """Returns a natural log-probability, which may be -inf; None where it is not known."""
    value = row.get(name)
    if value is None or value == "":
        return None
    if isinstance(value, float):
        return value
    return -math.inf if value in ("-inf", "-Infinity") else number_of(value, f"{place}, {name}")


def _of_log_probs(first: float | None, second: float | None) -> tuple[float | None, float]:
    """Softmax over the two labels, and their mass; None where it is not defined."""
    if first is None or second is None or math.isnan(first) or math.isnan(second):
        return None, math.nan
    if first == second == -math.inf:
        return None, 0.0
    difference = second - first
    # 1 / (1 + exp(difference)), without an overflow where the judge is certain
    if difference > 0:
        chosen = math.exp(-difference) / (1 + math.exp(-difference))
    else:
        chosen = 1 / (1 + math.exp(difference))
    return chosen, math.exp(first) + math.exp(second)


def _reason(of_pair: list[_Judgement], wanted: int) -> str:
    """Why a pair does not count; empty if it does."""
    states = [judgement.state for judgement in of_pair]
    if "identical" in states:
        return "identical"
    if wrong := [state for state in states if state != "ok"]:
        return wrong[0].replace("_", " ")
    if any(judgement.p_first is None for judgement in of_pair):
        return "without a probability"
    return "not in every order" if len(of_pair) < wanted else ""


def _table(
    keys: list[_Key],
    counted: list[tuple[_Key, list[_Judgement]]],
    dropped: list[Dropped],
    own: dict[str, str],
) -> Pairs:
    judges = tuple(sorted({key[0] for key in keys}))
    origins = tuple(sorted({name for key in keys for name in key[3:]}))
    own = {judge: judge for judge in judges if judge in origins} | own
    seeds, items = sorted({key[1] for key in keys}), sorted({key[2] for key in keys})
    units = sorted({key[1:3] for key in keys})
    index_of = [
        {name: i for i, name in enumerate(names)} for names in (judges, origins, seeds, items)
    ]
    unit_at = {unit: i for i, unit in enumerate(units)}
    sides: list[list[tuple[float, float]]] = []
    averages = np.full((4, len(counted)), math.nan)
    for n, ((*_, one, _other), of_pair) in enumerate(counted):
        averages[:, n] = _averages(one, of_pair)
        head = of_pair[0]
        sides.append([f if head.first == one else (f[1], f[0]) for f in head.facts])
    facts = np.array(sides, float).reshape(len(counted), len(FACTS), 2)
    return Pairs(
        judges=judges,
        origins=origins,
        own=own,
        unit_item=np.array([index_of[3][item] for _, item in units], np.int64),
        unit_seed=np.array([index_of[2][seed] for seed, _ in units], np.int64),
        judge=np.array([index_of[0][key[0]] for key, _ in counted], np.int64),
        unit=np.array([unit_at[key[1], key[2]] for key, _ in counted], np.int64),
        one=np.array([index_of[1][key[3]] for key, _ in counted], np.int64),
        other=np.array([index_of[1][key[4]] for key, _ in counted], np.int64),
        one_first=averages[0],
        one_second=averages[1],
        label_mass=averages[2],
        label=averages[3],
        facts={fact: facts[:, n] for n, fact in enumerate(FACTS)},
        dropped=tuple(dropped),
    )


def _averages(one: str, of_pair: list[_Judgement]) -> tuple[float, float, float, float]:
    """Returns one_first, one_second, label_mass and label, means over the placings of labels."""
    chosen = [j.p_first if j.first == one else 1 - (j.p_first or 0.0) for j in of_pair]
    shown_first = [j.first == one for j in of_pair]
    first = [p for p, is_first in zip(chosen, shown_first, strict=True) if is_first]
    second = [p for p, is_first in zip(chosen, shown_first, strict=True) if not is_first]
    label = math.nan
    if len({j.labels for j in of_pair if j.labels}) == 2:
        lower = min(of_pair[0].labels or ())
        label = _mean(
            [
                j.p_first if (j.labels or ("",))[0] == lower else 1 - j.p_first
                for j in of_pair
                if j.p_first is not None
            ]
        )
    mass = _mean([judgement.mass for judgement in of_pair])
    return _mean(first or second), _mean(second or first), mass, label


def _mean(values: Iterable[float | None]) -> float:
    known = [value for value in values if value is not None]
    return math.fsum(known) / len(known)


def _logit(probability: Values) -> Values:
    log_odds: Values = np.log(probability) - np.log1p(-probability)
    return log_odds
