"""The interface of a verifier: an object that scores synthetic responses; higher is better.

Each module of `verifiers/` contains one, under the name VERIFIER; a study refers to it by the
name of the file. A score is a finite number, or None with a reason; a response without text never
has one. Which rows then pass is decided by a selection rule.
"""

import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, Literal

from manybaskets.selection.rows import USABLE, Row

if TYPE_CHECKING:
    from manybaskets.config.mixes import Verifier as Settings
    from manybaskets.serving.client import LabelReply, LabelRequest

Score = tuple[float | None, str]  # the reason where there is no score, otherwise ""
Scorer = Callable[[Row], Score]


@dataclass(frozen=True)
class ScoringJob:
    """One pool of responses and the data, settings and model that its verifier may use."""

    pool: Sequence[Row]
    human: Sequence[Row]
    spec: Mapping[str, Any]
    """The job's spec. Every verifier has the keys `seed` and `verifier`; those that need a model
    also `base`, `context` and `threads`, those that need a source `source` and `engine`."""
    model: Path | None = None
    """Folder of the model, or of the model of the source."""
    partial: Path | None = None
    """File for unfinished work on requests to a source."""

    @property
    def settings(self) -> Mapping[str, Any]:
        """The verifier's settings: `by`, and the keys that its `settings` and `options` name."""
        described: Mapping[str, Any] = self.spec["verifier"]
        return described

    @property
    def seed(self) -> int:
        """The seed of the mix."""
        return int(self.spec["seed"])

    @property
    def usable(self) -> list[Row]:
        """The responses that have a text."""
        return [row for row in self.pool if row["state"] in USABLE]

    def label_log_probs(self, requests: "list[LabelRequest]") -> "list[LabelReply]":
        """Replies of the source to requests for one of several labels."""
        from manybaskets.serving import sessions

        assert self.partial is not None
        with sessions.serve_source(self.spec["source"], self.model, self.spec["engine"]) as client:
            return client.label_log_probs(requests, self.partial, "verdicts")


class Verifier:
    """Base class of verifiers. Only `scorer` and `words` must be defined."""

    needs: ClassVar[Literal["", "model", "source"]] = ""
    """The key of the study's `verifier` that names the model or source that scores."""
    needs_human: ClassVar[bool] = False
    """Whether it compares with the human responses to the prompts."""
    settings: ClassVar[tuple[str, ...]] = ()
    """Further keys of the study's `verifier` on which the scores depend."""
    files: ClassVar[tuple[str, ...]] = ()
    """Those among `settings` that name a file whose text counts."""
    options: ClassVar[Mapping[str, str | float | bool]] = {}
    """Names and defaults of settings that only this verifier has (`options` in the study)."""

    def scorer(self, job: ScoringJob) -> Scorer:
        """Returns a function that returns the score of a usable row of the job's pool."""
        raise NotImplementedError

    def words(self, settings: "Settings") -> str:
        """Returns a noun phrase for the methods text: "by …"."""
        raise NotImplementedError

    def accepts_from(self, settings: "Settings") -> float | None:
        """Returns the default of `accept`; None for a verifier that only ranks."""
        return None

    def problems(self, settings: "Settings") -> Iterator[tuple[str, str]]:
        """(key, message) for each file of the settings that cannot be used."""
        yield from ()

    def described(self, settings: "Settings") -> dict[str, Any]:
        """Returns the settings on which the scores depend, for the job's spec, without hashes."""
        described: dict[str, Any] = {"by": settings.by}
        described |= settings.model_dump(mode="json", include=set(self.settings))
        if self.options:
            described["options"] = dict(self.options) | dict(settings.options)
        return described


def scored(pool: Sequence[Row], scorer: Scorer) -> list[Row]:
    """Returns the rows with `score` and, where that is None, its reason."""
    rows = []
    for row in pool:
        score, reason = (
            scorer(row)
            if row["state"] in USABLE
            else (None, row["reason"] or f"the response is {row['state']}")
        )
        if score is not None and not math.isfinite(score):
            score, reason = None, f"the score is {score}"
        rows.append(
            {**row, "score": score, "reason": row["reason"] if score is not None else reason}
        )
    return rows
