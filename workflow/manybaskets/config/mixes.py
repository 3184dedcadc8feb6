"""The config keys of mixes: origins, selection, loops."""

import math
from typing import Annotated, Any, Literal

from pydantic import ConfigDict, Field, field_validator, model_validator

from manybaskets import plugins
from manybaskets.config.base import NoNulls, Section, Share


class Noise(Section):
    """Errors added to what a verifier accepts, by draws of their own for every row."""

    keep_right: float = Field(1.0, ge=0, le=1)
    """Probability of accepting a row that the verifier accepts."""
    keep_wrong: float = Field(0.0, ge=0, le=1)
    """Probability of accepting a row that the verifier rejects."""


class Verifier(Section):
    """What scores synthetic responses; a higher score is better. A name stands for `{by: name}`."""

    by: str
    """A module of `selection/verifiers/`. `reference`: agreement with the human response.
    `likelihood`: mean log-probability per token under `model`. `judge`: the answer of a source to a
    rubric. `classifier`: probability of a label under `model`. `length`: words. `random`: random
    scores, the control."""
    metric: Literal["rouge-1", "rouge-2", "rouge-L", "answer"] = "rouge-1"
    """Agreement of a `reference` verifier: F1 of ROUGE, or the same final number (GSM8K's form)."""
    model: str | None = None
    """With `likelihood` and `classifier`: a name under `models`; for `classifier` a transformers
    model of sequence classification, which nothing else in the study can use."""
    label: str | None = None
    """With `classifier`: the label whose probability is the score, by the name or the number that
    the model has for it. A model with one output (a reward model) needs none: its score is that
    output."""
    reads: Literal["response", "pair"] = "response"
    """With `classifier`: the response alone, or prompt and response as a pair of texts."""
    source: str | None = None
    """With `judge`: a name under `sources` (a model or an endpoint)."""
    rubric: str = "resources/judges/acceptable.txt"
    """With `judge`: a text with {prompt} and {response} that asks for one of the `labels`."""
    labels: tuple[str, str] = ("A", "B")
    """With `judge`: the label of an acceptable response, then the other."""
    accept: float | None = None
    """Score from which a row is accepted; by default 1 for `answer`, 0.5 for `judge` and for the
    `label` of a `classifier`."""
    noise: Noise | None = None
    options: dict[str, str | float | bool] = {}
    """Settings that only this verifier has, by the names that its module declares."""

    @property
    def plugin(self) -> Any:
        """The `selection.verifier.Verifier` that scores."""
        return plugins.module("selection.verifiers", self.by).VERIFIER

    @property
    def accepts_from(self) -> float | None:
        """Score from which a row is accepted; None where the verifier only ranks."""
        if self.accept is not None:
            return self.accept
        default: float | None = self.plugin.accepts_from(self)
        return default

    @field_validator("by")
    @classmethod
    def _known(cls, by: str) -> str:
        known = plugins.names("selection.verifiers")
        if by not in known:
            raise ValueError(f"'{by}' is not a verifier. Known: {', '.join(known)}")
        return by

    @model_validator(mode="after")
    def _complete(self) -> "Verifier":
        verifier = self.plugin
        for key in ("model", "source"):
            if key == verifier.needs and getattr(self, key) is None:
                raise ValueError(f"the verifier '{self.by}' needs {key}: the name of a {key}")
            if key != verifier.needs and getattr(self, key) is not None:
                raise ValueError(f"{key} is not a setting of the verifier '{self.by}'. Remove it")
        for key in ("label", "reads", "rubric", "labels"):
            is_set = getattr(self, key) != type(self).model_fields[key].default
            if is_set and key not in verifier.settings:
                raise ValueError(f"{key} is not a setting of the verifier '{self.by}'. Remove it")
        for key in self.options:
            if key not in verifier.options:
                known = ", ".join(verifier.options) or "none"
                raise ValueError(f"the verifier '{self.by}' has no option '{key}'. Known: {known}")
        if self.noise and self.accepts_from is None:
            raise ValueError("noise needs accept: the score from which a row is accepted")
        return self


BUILT_IN = ("correct", "top", "best-of", "threshold")  # rules with a key of their own


class Select(Section):
    """Which synthetic responses of a mix are trained on, and who says so. Human rows stay."""

    model_config = ConfigDict(populate_by_name=True)

    correct: bool = False
    """Keep what the verifier accepts."""
    top: Share | None = None
    """Keep the best share by the verifier's score."""
    best_of: int | None = Field(None, ge=2, alias="best-of")
    """Keep the best of so many responses to each prompt."""
    threshold: float | None = None
    """Keep rows of at least this score."""
    operator: str | None = None
    """Keep the responses that a rule of your own passes: a module of `selection/operators/`."""
    value: float | None = None
    """The value of that rule."""
    as_many_as: str | None = Field(None, alias="as-many-as")
    """Keep, at random, the share that passes in another mix; needs `verifier: random`."""
    verifier: Verifier
    samples: int | None = Field(None, ge=1)
    """Responses of the source to each prompt, from which rows are kept; by default as many as the
    rule needs for as many rows as without selection: n of best-of, 1 / top, otherwise 1."""
    short: Literal["stop", "fewer", "repeat"] = "stop"
    """When fewer rows pass than the mix needs: stop with a message, train on fewer, or repeat the
    rows that pass."""
    control: bool = True
    """Whether the study also runs random selection at the same keep rate: a mix of this one's name
    and `-random`, unless there is such a mix (of `best-of`: also one that takes the only response
    to each prompt)."""

    @field_validator("verifier", mode="before")
    @classmethod
    def _named(cls, value: Any) -> Any:
        return {"by": value} if isinstance(value, str) else value

    @model_validator(mode="after")
    def _one_rule(self) -> "Select":
        rules = ("correct", "top", "best_of", "threshold", "as_many_as")
        given = [name for name in rules if getattr(self, name)]
        given += ["threshold"] if self.threshold == 0 else []
        given += ["operator"] if self.operator else []
        own = [name for name in plugins.names("selection.operators") if name not in BUILT_IN]
        if self.operator and self.operator not in own:
            known = ", ".join(own) or "none"
            raise ValueError(f"there is no operator '{self.operator}'. Known: {known}")
        if self.value is not None and not self.operator:
            raise ValueError("value is for an operator; remove it, or name one")
        if len(given) != 1:
            raise ValueError(
                "needs exactly one of correct, top, best-of, threshold, as-many-as, operator; "
                f"found {', '.join(given) or 'none'}"
            )
        if self.as_many_as is not None and self.verifier.by != "random":
            raise ValueError("as-many-as keeps rows at random and needs verifier: random")
        operator = self.operator_module
        if operator and operator.needs_accept and self.verifier.accepts_from is None:
            key = self.operator or "correct"
            raise ValueError(f"{key} needs verifier.accept: the score from which a row is right")
        if operator and operator.one_a_prompt and self.samples not in (None, self.needed):
            raise ValueError(f"samples has no effect with {self.operator or 'best-of'}; remove it")
        return self

    @property
    def rule(self) -> tuple[str, float] | None:
        """The module under `selection/operators/` and its value; None for as-many-as."""
        for key, value in (("top", self.top), ("best-of", self.best_of)):
            if value is not None:
                return key, value
        if self.threshold is not None:
            return "threshold", self.threshold
        if self.operator:
            return self.operator, self.value or 0.0
        return ("correct", self.verifier.accepts_from or 0.0) if self.correct else None

    @property
    def operator_module(self) -> Any:
        """The `selection.selection_rule.SelectionRule` that decides; None for as-many-as."""
        return plugins.module("selection.operators", self.rule[0]).RULE if self.rule else None

    @property
    def share(self) -> float | None:
        """The share of the responses that pass, where it does not depend on the scores."""
        share: float | None = self.operator_module.share(self.rule[1]) if self.rule else None
        return share

    @property
    def responses(self) -> int:
        """Responses of the source to each prompt."""
        return self.samples or self.needed

    @property
    def needed(self) -> int:
        """Responses to each prompt of which as many rows pass as there are prompts."""
        return math.ceil(round(1 / (self.share or 1), 9))


Regime = Literal["replace", "accumulate", "accumulate-subsample", "fresh"]


class Round(Section):
    """What one generation of a loop does otherwise than the loop says."""

    regime: Regime | None = None
    temperature: float | None = Field(None, ge=0)
    """Of the rows that the generation before wrote for this one."""
    human: float | None = Field(None, ge=0, lt=1)


class Loop(Section):
    """A chain of models: generation 1 is trained on the mix as it stands, and what the model of a
    generation writes is trained on by the next. All start from the target, none from another's
    adapter."""

    generations: int = Field(ge=2)
    """How many models the chain has, the first included. Raising it reruns none of them."""
    after: str | None = None
    """A mix with the same origins and no loop, whose cells are generation 1: chains that start from
    the same text need not each train it."""
    regime: Regime = "replace"
    """What generation t is trained on, R being the rows of generation 1 and S(t) the rows that
    generation t - 1 wrote for generation t, as many as `rows`. `replace`: S(t) alone. `accumulate`:
    R and all of S(2) … S(t), so that training sets grow. `accumulate-subsample`: as many as `rows`
    of that pool, drawn without replacement. `fresh`: S(t) with human rows that no generation of
    the chain was trained on before, as many as `human` says."""
    temperature: float | None = Field(None, ge=0)
    """At which the rows of the next generation are written; by default as in `generation`. Probes
    always sample as `generation` says."""
    human: float = Field(0.0, ge=0, lt=1)
    """Share of human rows in every S(t): the human responses to prompts drawn anew for each
    generation; with `fresh`, rows unseen so far."""
    sources: Literal["own", "targets"] = "own"
    """Who writes S(t). `own`: the cell's own chain. `targets`: the chains of all targets with the
    same seed, each an equal share of the prompts, so that every chain is trained on the text of
    all."""
    overrides: dict[Annotated[int, Field(ge=2)], Round] = {}
    """By generation: what it does otherwise. Earlier generations are not touched by it."""

    def at(self, generation: int) -> Round:
        """What holds for a generation: the loop's regime, human share and temperature (None for
        the study's), unless it overrides them."""
        found = Round(regime=self.regime, temperature=self.temperature, human=self.human)
        there = self.overrides.get(generation, Round())
        return found.model_copy(update=there.model_dump(exclude_none=True))


class Mix(Section):
    """The recipe of a training set."""

    origins: Annotated[dict[str, Share], NoNulls] = Field(min_length=1)
    """Share of each origin: a source's name, or `human`. Shares sum to 1."""
    assign: Literal["quarters", "random"] = "random"
    """Which prompts an origin answers. `quarters`: the quarters of the prompts in order, as the
    Eggs study does, so that source and prompt are confounded. `random`: drawn with the cell's
    seed for every prompt."""
    select: Select | None = None
    """Which responses are kept; by default, and with `all`, every usable one. In a loop, of the
    rows that every generation writes, too."""
    loop: Loop | None = None
    """Makes a chain of the mix, in which models are trained on each other's text."""
    targets: list[str] | None = Field(None, min_length=1)
    """The targets that are fine-tuned on it; by default all."""

    @field_validator("select", mode="before")
    @classmethod
    def _all(cls, value: Any) -> Any:
        return None if value == "all" else value

    @property
    def samples(self) -> int:
        """Responses of a source to each of its prompts."""
        return self.select.responses if self.select else 1


def human_rows(human: float, rows: int) -> int:
    """How many of `rows` rows are human ones."""
    return round(human * rows)
