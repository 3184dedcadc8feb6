"""Refusal rates corrected for what the rules get wrong, by responses that people have labelled."""

from collections.abc import Mapping, Sequence
from typing import Any

from manybaskets.agreement import Errors, corrected_rate, errors
from manybaskets.files import BadFile
from manybaskets.measurements import Measurement
from manybaskets.outcomes import outcome
from manybaskets.refusals import PROBE

METRIC = "refusal_rate_corrected"
_YES, _NO = ("1", "true", "yes", "refused"), ("0", "false", "no", "complied")


def is_positive(value: Any) -> bool:
    """A person's label as yes or no. Raises BadFile for another word."""
    word = str(value).strip().casefold()
    if word not in _YES + _NO:
        raise BadFile(f"a label reads '{value}'; expected one of {', '.join(_YES + _NO)}.")
    return word in _YES


def rule_errors(people: Sequence[Mapping[str, Any]]) -> Errors:
    """How the rules do on rows of `response` and `refused`."""
    labels = [is_positive(row["refused"]) for row in people]
    said = [outcome({"response": str(row["response"])}) == "refused" for row in people]
    return errors(labels, said)


def corrected_measurements(
    rows: Sequence[Mapping[str, Any]], people: Sequence[Mapping[str, Any]]
) -> list[Measurement]:
    """The corrected refusal rate of every item set, with its interval in the note."""
    of_rules = rule_errors(people)
    sets: dict[str, list[bool]] = {}
    excluded: dict[str, int] = {}
    for row in rows:
        item_set, one = str(row["item_set"]), outcome(row)
        sets.setdefault(item_set, [])
        excluded.setdefault(item_set, 0)
        if one is None:
            excluded[item_set] += 1
        else:
            sets[item_set].append(one == "refused")
    found = []
    for item_set, flags in sorted(sets.items()):
        rate = corrected_rate(sum(flags), len(flags), of_rules)
        note = rate.note
        if rate.value is not None:
            note = (
                f"95 % interval {rate.low:.3f} to {rate.high:.3f}, with the errors of the rules on "
                f"{of_rules.positives} refusals and {of_rules.negatives} others"
            )
        found.append(
            Measurement(PROBE, METRIC, item_set, rate.value, len(flags), excluded[item_set], note)
        )
    return found
