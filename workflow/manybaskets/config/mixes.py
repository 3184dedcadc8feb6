"""The config keys of mixes: origins, selection, loops."""

import math
from typing import Annotated, Any, Literal

from pydantic import Field, field_validator, model_validator

from manybaskets import plugins
from manybaskets.config.base import NoNulls, Section, Share


class Noise(Section):
    """Random errors added to the decisions of a verifier, drawn independently for every row."""

    keep_right: float = Field(1.0, ge=0, le=1)
    """Probability of accepting a row that the verifier accepts."""
    keep_wrong: float = Field(0.0, ge=0, le=1)
    """Probability of accepting a row that the verifier rejects."""


class Verifier(Section):
    """Scores synthetic responses; higher is better. A string `name` means `{by: name}`."""

    by: str
    """Kind of verifier, a module under `selection/verifiers/`. `reference`: agreement
    with the human response. `likelihood`: mean log-probability per token under `model`. `judge`:
    the answer of a source to a rubric. `classifier`: probability of a label under `model`.
    `length`: number of words. `random`: random scores, as a control."""
    metric: Literal["rouge-1", "rouge-2", "rouge-L", "answer"] = "rouge-1"
    """With `reference`: ROUGE F1, or `answer` for the same final number (GSM8K format)."""
    model: str | None = None
    """With `likelihood` and `classifier`: a name under `models`. For `classifier`, a transformers
    sequence classification model, which the study cannot use for anything else."""
    label: str | None = None
    """With `classifier`: the label whose probability is the score, by its name or number in the
    model. Omit it for a model with a single output (a reward model): the score is that output."""
    input: Literal["response", "pair"] = "response"
    """With `classifier`: the response alone, or prompt and response as a pair of texts."""
    source: str | None = None
    """With `judge`: a name under `sources` (a model or an endpoint)."""
    rubric: str = "resources/judges/acceptable.txt"
    """With `judge`: file of a prompt with {prompt} and {response} that asks for one of `labels`."""
    labels: tuple[str, str] = ("A", "B")
    """With `judge`: the label of an acceptable response, then the label of any other."""
    accept: float | None = None
    """Minimum score of an accepted row; by default 1 for `answer`, 0.5 for `judge` and for the
    `label` of a `classifier`."""
    noise: Noise | None = None
    """Random errors added to the decisions; by default none."""
    options: dict[str, str | float | bool] = {}
    """Settings that only this verifier has, by the names that its module declares."""

    @property
    def plugin(self) -> Any:
        """The `selection.verifier.Verifier` that scores."""
        return plugins.module("selection.verifiers", self.by).VERIFIER

    @property
    def accepts_from(self) -> float | None:
        """Minimum score of an accepted row; None where the verifier only ranks."""
        if self.accept is not None:
            return self.accept
        default: float | None = self.plugin.accepts_from(self)
        return default

    @field_validator("by")
    @classmethod
    def _check_kind(cls, by: str) -> str:
        known = plugins.names("selection.verifiers")
        if by not in known:
            raise ValueError(f"'{by}' is not a verifier. Known: {', '.join(known)}")
        return by

    @model_validator(mode="after")
    def _check_keys(self) -> "Verifier":
        verifier = self.plugin
        for key in ("model", "source"):
            if key == verifier.needs and getattr(self, key) is None:
                raise ValueError(f"the verifier '{self.by}' needs {key}: the name of a {key}")
            if key != verifier.needs and getattr(self, key) is not None:
                raise ValueError(f"{key} is not a setting of the verifier '{self.by}'. Remove it")
        for key in ("label", "input", "rubric", "labels"):
            is_set = getattr(self, key) != type(self).model_fields[key].default
            if is_set and key not in verifier.settings:
                raise ValueError(f"{key} is not a setting of the verifier '{self.by}'. Remove it")
        for key in self.options:
            if key not in verifier.options:
                known = ", ".join(verifier.options) or "none"
                raise ValueError(f"the verifier '{self.by}' has no option '{key}'. Known: {known}")
        if self.noise and self.accepts_from is None:
            raise ValueError("noise needs accept: the minimum score of an accepted row")
        return self


BUILT_IN = ("correct", "top", "best-of", "threshold")  # rules with a key of their own


class Select(Section):
    """Which synthetic responses of a mix are kept for training. Human rows are always kept.

    Needs exactly one rule: `correct`, `top`, `best_of`, `threshold`, `match_keep_rate` or
    `operator`.
    """

    correct: bool = False
    """Keep the rows that the verifier accepts."""
    top: Share | None = None
    """Keep this share of the rows with the highest scores."""
    best_of: int | None = Field(None, ge=2)
    """Keep the best of this many responses to each prompt."""
    threshold: float | None = None
    """Keep rows with at least this score."""
    operator: str | None = None
    """Keep rows by a rule of your own: the name of a module under `selection/operators/`."""
    value: float | None = None
    """The value of that rule."""
    match_keep_rate: str | None = None
    """Keep rows at random, at the keep rate of this mix; needs `verifier: random`."""
    verifier: Verifier
    """Scores the responses."""
    samples: int | None = Field(None, ge=1)
    """Responses of the source to each prompt before selection. The default gives as many
    rows as without selection: n for `best_of`, 1 / share for `top`, otherwise 1."""
    on_shortfall: Literal["error", "fewer", "repeat"] = "error"
    """When fewer rows are kept than the mix needs: fail with an `error`, train on `fewer` rows, or
    `repeat` the kept rows."""
    control: bool = True
    """Add a mix `<name>-random` that selects at random at the same keep rate, unless the study has
    such a mix (for `best_of`, a mix with one response per prompt also counts)."""

    @field_validator("verifier", mode="before")
    @classmethod
    def _expand_name(cls, value: Any) -> Any:
        return {"by": value} if isinstance(value, str) else value

    @model_validator(mode="after")
    def _check_rule(self) -> "Select":
        rules = ("correct", "top", "best_of", "threshold", "match_keep_rate")
        given = [name for name in rules if getattr(self, name)]
        given += ["threshold"] if self.threshold == 0 else []
        given += ["operator"] if self.operator else []
        own = [name for name in plugins.names("selection.operators") if name not in BUILT_IN]
        if self.operator and self.operator not in own:
            known = ", ".join(own) or "none"
            raise ValueError(f"there is no operator '{self.operator}'. Known: {known}")
        if self.value is not None and not self.operator:
            raise ValueError("value needs an operator; remove value, or set operator")
        if len(given) != 1:
            raise ValueError(
                f"needs exactly one of {', '.join(rules)}, operator; "
                f"found {', '.join(given) or 'none'}"
            )
        if self.match_keep_rate is not None and self.verifier.by != "random":
            raise ValueError("match_keep_rate keeps rows at random and needs verifier: random")
        self._check_operator()
        return self

    def _check_operator(self) -> None:
        operator = self.operator_module
        if operator and operator.needs_accept and self.verifier.accepts_from is None:
            key = self.operator or "correct"
            raise ValueError(f"{key} needs verifier.accept: the minimum score of an accepted row")
        if operator and operator.one_a_prompt and self.samples not in (None, self.needed):
            raise ValueError(f"samples has no effect with {self.operator or 'best_of'}; remove it")

    @property
    def rule(self) -> tuple[str, float] | None:
        """The module under `selection/operators/` and its value; None for match_keep_rate."""
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
        """The `selection.selection_rule.SelectionRule` of the rule; None for match_keep_rate."""
        return plugins.module("selection.operators", self.rule[0]).RULE if self.rule else None

    @property
    def share(self) -> float | None:
        """The share of the responses that is kept; None where it depends on the scores."""
        share: float | None = self.operator_module.share(self.rule[1]) if self.rule else None
        return share

    @property
    def responses(self) -> int:
        """Responses of the source to each prompt."""
        return self.samples or self.needed

    @property
    def needed(self) -> int:
        """Responses to each prompt so that as many rows are kept as there are prompts."""
        return math.ceil(round(1 / (self.share or 1), 9))


Regime = Literal["replace", "accumulate", "accumulate-subsample", "fresh"]


class Round(Section):
    """Settings of one generation of a loop that replace those of the loop."""

    regime: Regime | None = None
    """The training data of this generation."""
    temperature: float | None = Field(None, ge=0)
    """Temperature of the rows that the previous generation writes for this one."""
    human: float | None = Field(None, ge=0, lt=1)
    """Share of human rows in this generation."""


class Loop(Section):
    """A chain of models. Generation 1 is trained on the mix; every later generation is trained on
    text of the previous one. Every generation starts from the target without an adapter."""

    generations: int = Field(ge=2)
    """Number of models in the chain. Raising it reruns no earlier generation."""
    after: str | None = None
    """A mix with the same origins and without a loop, whose cells are generation 1. Chains with the
    same first generation can share it."""
    regime: Regime = "replace"
    """Training data of generation t, where R are the rows of generation 1 and S(t) the `rows` rows
    that generation t - 1 writes for generation t. `replace`: S(t) only. `accumulate`: R and
    S(2) … S(t), so training sets grow. `accumulate-subsample`: `rows` rows from that pool, drawn
    without replacement. `fresh`: S(t) with a share `human` of human rows that no earlier generation
    of the chain was trained on."""
    temperature: float | None = Field(None, ge=0)
    """Temperature of the rows for the next generation; by default `generation.temperature`. The
    probes always use `generation`."""
    human: float = Field(0.0, ge=0, lt=1)
    """Share of human rows in every S(t): human responses to prompts that are drawn separately for
    each generation; with `fresh`, rows not used before."""
    sources: Literal["own", "targets"] = "own"
    """Which chains write S(t). `own`: the cell's own chain. `targets`: the chains of all targets
    with the same seed, each for an equal share of the prompts."""
    overrides: dict[Annotated[int, Field(ge=2)], Round] = {}
    """Per generation: settings that replace those above. Earlier generations do not rerun."""

    def at(self, generation: int) -> Round:
        """The regime, human share and temperature of a generation (temperature None: that of the
        study)."""
        settings = Round(regime=self.regime, temperature=self.temperature, human=self.human)
        override = self.overrides.get(generation, Round())
        return settings.model_copy(update=override.model_dump(exclude_none=True))


class Mix(Section):
    """The recipe of a training set."""

    origins: Annotated[dict[str, Share], NoNulls] = Field(min_length=1)
    """Share of each origin: the name of a source, or `human`. Shares sum to 1."""
    assign: Literal["quarters", "random"] = "random"
    """How prompts are assigned to origins. `quarters`: by the quarters of the prompts in order, as
    in the Eggs study, which confounds source and prompt. `random`: drawn for every prompt with the
    seed of the cell."""
    select: Select | None = None
    """Which responses are kept; by default, and with `all`, every usable response. In a loop, this
    also selects the rows of every later generation."""
    loop: Loop | None = None
    """Makes the mix a chain in which models are trained on each other's text."""
    targets: list[str] | None = Field(None, min_length=1)
    """The targets that are fine-tuned on this mix; by default all."""

    @field_validator("select", mode="before")
    @classmethod
    def _expand_all(cls, value: Any) -> Any:
        return None if value == "all" else value

    @property
    def samples(self) -> int:
        """Responses of a source to each of its prompts."""
        return self.select.responses if self.select else 1


def human_rows(human: float, rows: int) -> int:
    """Number of human rows among `rows` rows, for a share `human`."""
    return round(human * rows)
