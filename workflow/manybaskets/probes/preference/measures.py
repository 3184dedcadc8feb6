"""Every measure of recorded judgements, with the pairs that it rests on and its interval.

The catalogue of a judge is the one list behind the study's measurements and behind
`manybaskets preference judgements.jsonl`. A measure that is not defined is None with its reason.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import Any

import numpy as np
from numpy.typing import NDArray

from manybaskets.metrics.measurement import Measurement
from manybaskets.probes.preference import bootstrap, preference, self_preference
from manybaskets.probes.preference.judge_matrix import Matrix
from manybaskets.probes.preference.pairs import Dropped, Pairs, excluded, in_one_order, tabulate

Values = NDArray[np.float64]

PROBE = "preference"
ALL = "all"  # `judge` of measures that compare judges with each other
NOBODY = "no origin of these"  # own origin of a judge without one
ONE_ORDER = "judged in one order: a preference for a place is part of it"
ONE_SIDED = 1.645  # normal quantile of 95 %
# Measures that are small for a judge without discernment, whatever its preference.
BIASES = {
    *("self_preference_bias", "synthetic_preference", "own_preference", "self_log_odds"),
    *("length_controlled_preference", "equal_opportunity_bias", "evaluator_quality_excess"),
    *("diagonal_excess", "diagonal_excess_controlled"),
}


@dataclass(frozen=True)
class Entry:
    """One measure of one judge: a function of weights, and the pairs that it rests on."""

    metric: str
    item_set: str
    pairs: Pairs
    measure: Callable[[Values], Values]  # weights (resamples, units) to values (resamples,)
    used: NDArray[np.bool_]  # units it rests on, shape (units,)
    n: int
    dropped: tuple[Dropped, ...]
    note: str = ""


@dataclass(frozen=True)
class Finding:
    """One measure of one judge, with its 95 % interval where there is one."""

    judge: str
    metric: str
    item_set: str
    value: float | None
    low: float | None
    high: float | None
    n: int
    excluded: int
    note: str


def preference_measurements(
    judgements: Iterable[Mapping[str, Any]], own: str | None, human: str
) -> list[Measurement]:
    """Returns every measure of one judge's rows, without intervals.

    `judgements` are rows as `pairs.tabulate` reads them. A row whose `control` is true belongs to a
    control pair: `human` text for this item and text that is known to be worse. Control pairs count
    for `discernment@controls` only. `n` counts the pairs judged in both orders, `excluded` the
    others; the note lists their reasons.
    """
    rows = list(judgements)
    pairs, controls = tabulate(rows), tabulate(rows, control=True)
    judge_findings = _judge_findings(pairs, controls, own or NOBODY, human, resamples=0)
    return [
        Measurement(PROBE, f.metric, f.item_set, f.value, f.n, f.excluded, f.note)
        for f in judge_findings
    ]


def findings(
    judgements: Iterable[Mapping[str, Any]],
    human: str,
    where: str = "",
    resamples: int = bootstrap.RESAMPLES,
) -> list[Finding]:
    """Returns every measure of each judge and of all judges together, with intervals.

    Raises InputError for rows that cannot be understood; `where` names the file in that message.
    """
    rows = list(judgements)
    pairs, controls = tabulate(rows, where=where), tabulate(rows, control=True, where=where)
    single = in_one_order(rows, where)
    all_findings = []
    for judge in sorted({*pairs.judges, *controls.judges}):
        of_single = _of(single, judge)
        if len(of_single) and not len(_of(pairs, judge)):
            all_findings += [_finding(e, resamples, judge) for e in one_order_catalogue(of_single)]
            continue
        own = pairs.own.get(judge, NOBODY)
        of_controls = controls.of(judge) if judge in controls.judges else tabulate(())
        all_findings += _judge_findings(
            _of(pairs, judge), of_controls, own, human, resamples, judge
        )
    if len(pairs.judges) > 1 and len(pairs):
        all_findings += [_finding(entry, resamples, ALL) for entry in _joint(pairs)]
    return all_findings


def _of(pairs: Pairs, judge: str) -> Pairs:
    return pairs.of(judge) if judge in pairs.judges else tabulate(())


def _judge_findings(
    pairs: Pairs, controls: Pairs, own: str, human: str, resamples: int, judge: str = ""
) -> list[Finding]:
    judge_findings = [
        _finding(entry, resamples, judge) for entry in catalogue(pairs, controls, own, human)
    ]
    chance_note = _chance_note(judge_findings)
    return [
        replace(f, note="; ".join(filter(None, [f.note, chance_note])))
        if f.metric in BIASES and f.value is not None and chance_note
        else f
        for f in judge_findings
    ]


def catalogue(pairs: Pairs, controls: Pairs, own: str, human: str) -> Iterator[Entry]:
    """Yields the measures of one judge, in the order of a report."""
    for origin in pairs.judged:
        yield _entry("preference", origin, pairs.towards(origin), partial(_score, pairs, origin))
    yield _entry("self_preference_bias", "pairs", pairs, partial(_spb, pairs, own, human))
    yield _entry("synthetic_preference", "pairs", pairs, partial(_psb, pairs, human))
    yield _entry("position_bias", "pairs", pairs, partial(preference.position_bias, pairs))
    if np.isfinite(pairs.label).any():
        yield _entry("label_bias", "pairs", pairs, partial(preference.label_bias, pairs))
    yield _entry("label_mass", "pairs", pairs, partial(preference.label_mass, pairs))
    yield _entry("certainty", "pairs", pairs, partial(preference.certainty, pairs))
    yield _entry("tie_rate", "pairs", pairs, partial(preference.tie_rate, pairs))
    yield _entry(
        "discernment",
        "controls",
        controls,
        partial(preference.control_discernment, controls, good=human),
    )
    known = pairs.where(preference.better(pairs) != 0)
    if len(known):
        yield _entry("discernment", "known", known, partial(preference.discernment, known))
    yield from _own_catalogue(pairs, own, human)


def one_order_catalogue(pairs: Pairs) -> Iterator[Entry]:
    """Yields the measures of one judge whose every pair was judged in one order."""
    for origin in pairs.judged:
        of_origin = pairs.towards(origin)
        entry = _entry("win_rate", origin, of_origin, partial(_win_rate, of_origin))
        yield replace(entry, note=ONE_ORDER)
        measured = of_origin.where(np.isfinite(of_origin.facts["length"].sum(axis=1)))
        if len(measured):
            entry = _entry(
                "length_controlled_win_rate",
                origin,
                measured,
                partial(self_preference.length_controlled_preference, measured),
                len(of_origin) - len(measured),
                "of unknown length",
            )
            yield replace(entry, note=ONE_ORDER)
    reason = "every pair was judged in one order"
    yield _entry("position_bias", "pairs", pairs, partial(_undefined, reason))


def _own_catalogue(pairs: Pairs, own: str, human: str) -> Iterator[Entry]:
    try:
        mine = self_preference.own_pairs(pairs, own, human)
    except ValueError as error:
        empty = pairs.without(human).towards(own)
        for metric in ("own_preference", "self_log_odds"):
            yield _entry(metric, "own", empty, partial(_undefined, str(error)))
        return
    yield _entry("own_preference", "own", mine, partial(self_preference.own_preference, mine))
    yield _entry("self_log_odds", "own", mine, partial(self_preference.self_log_odds, mine))
    yield from _covariate_adjusted(mine)
    yield _entry(
        "self_preference_rate", "own", mine, partial(self_preference.self_preference_rate, mine)
    )
    if (preference.better(mine) != 0).any():
        judged = mine.where(preference.better(mine) != 0)
        yield _entry(
            "equal_opportunity_bias",
            "own",
            judged,
            partial(self_preference.equal_opportunity_bias, judged),
            len(mine) - len(judged),
            "without a known better text",
        )
    if np.isfinite(pairs.facts["correct"]).any():
        yield from _checkable(pairs, mine, own, human)


def _covariate_adjusted(mine: Pairs) -> Iterator[Entry]:
    """Measures of own text's preference at equal length, quality and log-perplexity."""
    if names := self_preference.covariates(mine):
        yield _entry(
            "self_log_odds",
            "own|" + "+".join(names),
            mine,
            partial(self_preference.self_log_odds, mine, controlled=names),
        )
    measured = mine.where(np.isfinite(mine.facts["length"].sum(axis=1)))
    if len(measured):
        yield _entry(
            "length_controlled_preference",
            "own",
            measured,
            partial(self_preference.length_controlled_preference, measured),
            len(mine) - len(measured),
            "of unknown length",
        )


def _checkable(pairs: Pairs, mine: Pairs, own: str, human: str) -> Iterator[Entry]:
    """Measures that need answers known to be right or wrong."""
    known = mine.where(np.isfinite(mine.facts["correct"][:, 0]))
    unknown = len(mine) - len(known)
    for metric, measure, chosen in (
        ("lspr", self_preference.legitimate_share, known.where(preference.verdicts(known) > 0)),
        ("hspp", self_preference.harmful_rate, known.where(known.facts["correct"][:, 0] == 0)),
    ):
        yield _entry(
            metric, "own", chosen, partial(measure, chosen), unknown, "of unknown correctness"
        )
    try:
        matched = self_preference.Matched(pairs, own, human)
    except ValueError as error:
        empty = mine.where(np.zeros(len(mine), bool))
        yield _entry("evaluator_quality_excess", "matched", empty, partial(_undefined, str(error)))
        return
    for metric, of_units in (
        ("evaluator_quality_baseline", matched.baseline),
        ("evaluator_quality_excess", matched.excess),
    ):
        entry = _entry(metric, "matched", pairs, of_units)
        yield replace(entry, used=matched.used, n=matched.count)


def _joint(pairs: Pairs) -> Iterator[Entry]:
    """Measures that compare judges with each other."""
    try:
        matrix = Matrix(pairs)
    except ValueError as error:
        yield _entry("diagonal_excess", "matrix", pairs, partial(_undefined, str(error)))
        return
    used = np.isin(np.arange(len(pairs.unit_item)), matrix.unit)
    lost = matrix.incomplete - len(pairs.dropped)
    plain = _entry("diagonal_excess", "matrix", pairs, matrix.excess, lost, "of incomplete rounds")
    yield replace(plain, used=used, n=len(matrix))
    if matrix.names:
        controlled = partial(matrix.excess, controlled=matrix.names)
        yield replace(
            plain,
            metric="diagonal_excess_controlled",
            item_set="matrix|" + "+".join(matrix.names),
            measure=controlled,
            used=used,
            n=len(matrix),
        )


def _entry(
    metric: str,
    item_set: str,
    pairs: Pairs,
    measure: Callable[[Values], Values],
    lost: int = 0,
    reason: str = "",
) -> Entry:
    """Returns an entry; `lost` pairs are left out for `reason`, besides `pairs.dropped`."""
    used = np.isin(np.arange(len(pairs.unit_item)), pairs.unit)
    more = (Dropped("", "", "", "", False, reason),) * lost
    return Entry(metric, item_set, pairs, measure, used, len(pairs), pairs.dropped + more)


def _finding(entry: Entry, resamples: int, judge: str) -> Finding:
    note = "; ".join(filter(None, [entry.note, excluded(entry.dropped)]))
    value = interval = None
    try:
        value = float(entry.measure(preference.once(entry.pairs))[0])
        if not np.isfinite(value):
            value, note = None, "; ".join(filter(None, ["not defined", note]))
    except ValueError as error:
        note = "; ".join(filter(None, [str(error), note]))
    if value is not None and resamples:
        pairs = entry.pairs
        interval = bootstrap.bootstrap(
            entry.measure,
            pairs.unit_item,
            pairs.unit_seed,
            len(pairs),
            entry.used,
            resamples,
        )
        if interval.reason:
            note = "; ".join(filter(None, [note, f"no interval: {interval.reason}"]))
    return Finding(
        judge=judge,
        metric=entry.metric,
        item_set=entry.item_set,
        value=value,
        low=interval.low if interval else None,
        high=interval.high if interval else None,
        n=entry.n,
        excluded=len(entry.dropped),
        note=note,
    )


def _chance_note(judge_findings: Sequence[Finding]) -> str:
    """Returns a note on biases of a judge that does not recognise better text; otherwise empty."""
    for item_set in ("known", "controls"):
        for finding in judge_findings:
            if (finding.metric, finding.item_set) != ("discernment", item_set):
                continue
            if finding.value is None:
                continue
            if (finding.value - 0.5) * 2 * np.sqrt(finding.n) >= ONE_SIDED:
                return ""
            return (
                f"discernment {finding.value:.2f} of {finding.n} {item_set} pairs is not above "
                "chance: a small bias does not show that the judge is unbiased"
            )
    return ""


def _win_rate(pairs: Pairs, weights: Values) -> Values:
    return preference.mean(pairs, pairs.preference, weights)


def _score(pairs: Pairs, origin: str, weights: Values) -> Values:
    return preference.preference_scores(pairs, weights)[origin]


def _spb(pairs: Pairs, own: str, human: str, weights: Values) -> Values:
    scores = preference.preference_scores(pairs, weights)
    return preference.self_preference_bias(scores, own, human)


def _psb(pairs: Pairs, human: str, weights: Values) -> Values:
    return preference.synthetic_preference(preference.preference_scores(pairs, weights), human)


def _undefined(reason: str, _weights: Values) -> Values:
    raise ValueError(reason)
