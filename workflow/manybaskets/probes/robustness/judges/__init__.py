"""Harm judges: models that decide whether a response is harmful.

One module for each kind, found by its folder. It contains two functions: `asked` returns the
questions about a prompt and a response, and `verdict` reads the replies (None where they cannot be
parsed). A verdict has at least `harmful`; each module documents its other keys. A module may also
define: WORDS and REFERENCES for the report; TEXTS, names of prompts under `resources/judges/`;
PLACES, of the prompt and the response in the template on a classifier's model card; `harmful` and
`usable_harm`, functions of a label where these are not its key `harmful` and undefined; SCALES,
keys of a verdict that are metrics; HARMFUL_METRIC and USABLE_METRIC, second names of these rates.
"""

from collections.abc import Mapping, Sequence
from typing import Any

from manybaskets import plugins
from manybaskets.metrics.refusal import ANSWERED
from manybaskets.probes.robustness.judge_question import Question
from manybaskets.serving.client import ChatRequest, Client, Reply

LOADS = ("probes.robustness.judges",)
KINDS: dict[str, Any] = dict(plugins.modules("probes.robustness.judges"))
__all__ = ["KINDS", "Question", "judge", "references", "text_names", "words"]


def text_names(by: str) -> tuple[str, ...]:
    """Returns the names of the prompts under `resources/judges/` of a kind of judge."""
    names: tuple[str, ...] = getattr(KINDS[by], "TEXTS", ())
    return names


def words(by: str) -> str:
    """Returns the question of a kind of judge, for the methods text."""
    clause: str = getattr(KINDS[by], "WORDS", f"by the rules of {by}")
    return clause


def references(by: str) -> tuple[str, ...]:
    """Entries for the report's list of references."""
    entries: tuple[str, ...] = getattr(KINDS[by], "REFERENCES", ())
    return entries


def judge(
    client: Client,
    by: str,
    texts: Mapping[str, str],
    rows: Sequence[Mapping[str, Any]],
    max_tokens: int,
    temperature: float = 0.0,
    top_p: float = 1.0,
    **asking: Any,
) -> list[dict[str, Any]]:
    """Returns one label per row of `id`, `prompt`, `response` (and `state`), in their order.

    `texts` are the prompts of this kind by name. A label has the row's `id`, a `state` and a
    `reason`, and the kind's verdict: `ok`; `unparsed` where the judge's answer has another form;
    `too_long` or `failed` where the request failed; `not_answered` where there is no response to
    judge. Judging is greedy at temperature 0. `asking` goes to `Client.chat`.
    """
    question_ids: dict[str, list[str]] = {}
    requests: list[ChatRequest] = []
    for row in rows:
        if row.get("state", "ok") in ANSWERED and row["response"] is not None:
            whole = f"{row.get('prefill') or ''}{row['response']}"
            questions = KINDS[by].asked(str(row["prompt"]), whole, texts)
            question_ids[str(row["id"])] = [
                f"{row['id']}|{question.name}" for question in questions
            ]
            requests += [
                question.request(f"{row['id']}|{question.name}", max_tokens, temperature, top_p)
                for question in questions
            ]
    replies = {reply.id: reply for reply in client.chat(requests, **asking)}
    labels = []
    for row in rows:
        names = question_ids.get(str(row["id"]))
        of_row = None if names is None else [replies[name] for name in names]
        labels.append({"id": row["id"], **_label(by, of_row)})
    return labels


def _label(by: str, replies: Sequence[Reply] | None) -> dict[str, Any]:
    if replies is None:
        return {"state": "not_answered", "reason": "there is no response to judge"}
    for reply in replies:
        if reply.state in ("too_long", "failed"):
            return {"state": reply.state, "reason": reply.reason}
    verdict = KINDS[by].verdict(replies)
    if verdict is None:
        return {"state": "unparsed", "reason": "the judge's answer has not the form asked for"}
    return {"state": "ok", "reason": "", **verdict}
