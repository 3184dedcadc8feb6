"""Judgements of MT-bench as FastChat writes them: pairs in two games, pairs of people, scores.

https://github.com/lm-sys/FastChat, `fastchat/llm_judge`: in game 1, `model_1` is shown first, in
game 2 `model_2`; the winners are names of the fields. A score of -1 is a failure.
"""

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from manybaskets.data.tables.formats import Row, Table
from manybaskets.data.tables.values import kind_of, name_of, number_of
from manybaskets.files import InputError

NAME = "judgements of MT-bench"
_GAMES, _VOTE = {"model_1", "model_2", "g1_winner", "g2_winner"}, {"model_a", "model_b", "winner"}
_SCORE = {"model", "score", "judge"}


def recognises(fields: Mapping[str, Any]) -> bool:
    """Returns whether a row is a pair in two games, a vote between two models, or a score."""
    return "question_id" in fields and any(
        names <= fields.keys() for names in (_GAMES, _VOTE, _SCORE)
    )


def judgements(table: Table, rows: Iterable[Row]) -> Iterator[dict[str, Any]]:
    """Yields two judgements of a pair in two games, and one of a vote or a score."""
    times: Counter[tuple[str, ...]] = Counter()
    for row in rows:
        fields, where = row.fields, table.where(row.number)
        for judgement in _of_row(fields, where):
            names = sorted(str(judgement.get(key, "")) for key in ("a", "b", "candidate"))
            same = (judgement["judge"], judgement["item"], str(judgement.get("order")), *names)
            times[same] += 1
            yield judgement if times[same] == 1 else {**judgement, "seed": str(times[same])}


def _of_row(fields: Mapping[str, Any], where: str) -> list[dict[str, Any]]:
    head = {"judge": _judge(fields.get("judge"), where), "item": _item(fields, where)}
    if fields.keys() >= _GAMES:
        sides = {"a": name_of(fields["model_1"], where), "b": name_of(fields["model_2"], where)}
        return [
            {**head, **sides, "order": order, "p_a": _probability(fields[game], where, game)}
            for game, order in (("g1_winner", "ab"), ("g2_winner", "ba"))
        ]
    if fields.keys() >= _VOTE:
        sides = {"a": name_of(fields["model_a"], where), "b": name_of(fields["model_b"], where)}
        return [{**head, **sides, "order": "ab", "p_a": _probability(fields["winner"], where)}]
    return [
        {
            **head,
            "question": "score",
            "candidate": name_of(fields["model"], where),
            **_score(fields, where),
        }
    ]


def _judge(value: Any, where: str) -> str:
    """Returns the judge's name; FastChat writes it with the name of its prompt."""
    if isinstance(value, list | tuple) and value:
        value = value[0]
    return "judge" if value is None else name_of(value, f"{where}, judge")


def _item(fields: Mapping[str, Any], where: str) -> str:
    question = name_of(fields["question_id"], f"{where}, question_id")
    turn = fields.get("turn")
    return question if turn is None else f"{question}-{name_of(turn, f'{where}, turn')}"


def _probability(winner: Any, where: str, name: str = "winner") -> float | None:
    """Returns 1, 0 or 0.5 for a verdict, None for an error; raises InputError."""
    word = winner.strip().lower() if isinstance(winner, str) else ""
    if word in ("model_1", "model_a"):
        return 1.0
    if word in ("model_2", "model_b"):
        return 0.0
    if word.startswith("tie"):
        return 0.5
    if word == "error" or kind_of(winner) in ("null", "NaN"):
        return None
    shown = f"'{winner[:40]}'" if isinstance(winner, str) else kind_of(winner)
    raise InputError(
        f"{where}, {name}: found {shown}, expected model_1, model_2 (or model_a, model_b), tie or "
        "error. Correct it."
    )


def _score(fields: Mapping[str, Any], where: str) -> dict[str, Any]:
    value = fields["score"]
    if kind_of(value) in ("null", "NaN"):
        return {"score": None, "state": "unparsed"}
    number = number_of(value, f"{where}, score")
    return {"score": number, "state": "ok"} if number >= 0 else {"score": None, "state": "unparsed"}
