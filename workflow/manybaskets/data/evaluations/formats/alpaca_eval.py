"""Annotations of AlpacaEval: pairs judged in one order, which was drawn by chance.

https://github.com/tatsu-lab/alpaca_eval: `preference` is 1 plus the probability of `output_2`;
older files have 1, 2, and 0 for a tie. Its outputs are plain instructions and outputs.
"""

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from manybaskets.data.tables.formats import Row, Table
from manybaskets.data.tables.values import kind_of, name_of, number_of, text_or_none
from manybaskets.files import InputError

NAME = "annotations of AlpacaEval"
TIE = 0


def recognises(fields: Mapping[str, Any]) -> bool:
    """Returns whether a row is an annotation."""
    return {"output_1", "output_2", "generator_1", "generator_2", "preference"} <= fields.keys()


def judgements(table: Table, rows: Iterable[Row]) -> Iterator[dict[str, Any]]:
    """Yields each annotation as a judgement of one order."""
    times: Counter[tuple[str, ...]] = Counter()
    for row in rows:
        fields, where = row.fields, table.where(row.number)
        names = [name_of(fields[name], where) for name in ("generator_1", "generator_2")]
        judge = text_or_none(fields.get("annotator")) or "annotator"
        task = "\n\n".join(
            text
            for name in ("instruction", "input")
            if (text := text_or_none(fields.get(name)) or "").strip()
        )
        same = (judge, task, *sorted(names))
        times[same] += 1
        yield {
            "judge": judge,
            "item": task if times[same] == 1 else f"{task}\x1f{times[same]}",
            "a": names[1],
            "b": names[0],
            "order": "ab",
            "p_a": _probability(fields["preference"], f"{where}, preference"),
            "length_a": _length(fields["output_2"]),
            "length_b": _length(fields["output_1"]),
        }


def _probability(value: Any, where: str) -> float | None:
    """Returns the probability of `output_2`; None where the annotator gave none."""
    if kind_of(value) in ("null", "NaN") or value == "":
        return None
    number = number_of(value, where)
    if number == TIE:
        return 0.5
    if not 1 <= number <= 2:
        raise InputError(f"{where}: found {number:g}, expected 1 to 2, or 0 for a tie. Correct it.")
    return number - 1


def _length(value: Any) -> int | None:
    text = text_or_none(value)
    return None if text is None else len(text)
