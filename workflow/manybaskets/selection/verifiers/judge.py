"""The answer of a source to a rubric: the probability of the first of two labels."""

import math
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

from manybaskets.config.mixes import Verifier as Settings
from manybaskets.paths import REPOSITORY
from manybaskets.selection.rows import Row, key
from manybaskets.selection.verifier import Score, Scorer, ScoringJob, Verifier

if TYPE_CHECKING:
    from manybaskets.serving.client import LabelReply, LabelRequest


class Judge(Verifier):
    """A model or endpoint that decides whether each response is acceptable."""

    needs = "source"
    settings = ("rubric", "labels")
    files = ("rubric",)

    def scorer(self, job: ScoringJob) -> Scorer:
        """Sends one request for each usable response."""
        rubric = (REPOSITORY / job.settings["rubric"]).read_text(encoding="utf-8")
        first, second = job.settings["labels"]
        requests = label_requests(job.usable, rubric, (first, second))
        return from_replies(job.label_log_probs(requests))

    def words(self, settings: Settings) -> str:
        """Names the source."""
        return f"the judgement of {settings.source}"

    def accepts_from(self, settings: Settings) -> float | None:
        """0.5, from which the first label is the more probable one."""
        return 0.5

    def problems(self, settings: Settings) -> Iterator[tuple[str, str]]:
        """Yields a problem for a rubric that cannot be read, or without {prompt} or {response}."""
        path = settings.rubric
        try:
            text = (REPOSITORY / path).read_text(encoding="utf-8")
        except (OSError, UnicodeDecodeError) as error:
            yield "rubric", f"{path} cannot be read ({error}). Check the path."
            return
        prompt, response = (text.find(f"{{{part}}}") for part in ("prompt", "response"))
        if not 0 <= prompt < response:
            yield "rubric", f"{path} needs {{prompt}} and, after it, {{response}}. Add them."


def label_requests(
    rows: Sequence[Row], rubric: str, labels: tuple[str, str]
) -> "list[LabelRequest]":
    """Returns one request a row; `rubric` contains {prompt} and {response}."""
    from manybaskets.serving.client import LabelRequest

    return [
        LabelRequest(
            id=key(row),
            messages=({"role": "user", "content": filled(rubric, row)},),
            labels=labels,
        )
        for row in rows
    ]


def filled(rubric: str, row: Row) -> str:
    """Returns the rubric with a row's prompt and response, whatever braces those contain."""
    before, _, rest = rubric.strip().partition("{prompt}")
    between, _, after = rest.partition("{response}")
    return f"{before}{row['prompt']}{between}{row['response']}{after}"


def from_replies(replies: "Sequence[LabelReply]") -> Scorer:
    """Looks up the replies by row key and returns the probability of the first label."""
    answers = {reply.id: reply for reply in replies}

    def score(row: Row) -> Score:
        reply = answers[key(row)]
        if reply.state != "ok":
            return None, f"the judge: {reply.reason or reply.state}"
        yes, no = reply.log_probs
        if yes is None and no is None:
            return None, "the judge gave neither label"
        # A label that an endpoint did not return is less likely than all that it did return.
        if yes is None or no is None:
            return float(no is None), ""
        return 1 / (1 + math.exp(min(no - yes, 700.0))), ""

    return score


VERIFIER = Judge()
