"""What a study may say: the single definition of every config key, its default and its meaning.

The JSON schema in `workflow/schemas/` is generated from these models. What one key cannot show
(names that do not exist, shares that do not add up) is `validation`'s.
"""

import math
from typing import Annotated, Any, Literal

from pydantic import (
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    ValidationError,
    field_validator,
    model_validator,
)

from manybaskets import extensions

HUMAN, VANILLA, MINILM = "human", "vanilla", "minilm"
VLLM_RANKS = (1, 8, 16, 32, 64, 128, 256, 320, 512)
Share = Annotated[float, Field(gt=0, le=1)]
Count = Annotated[int, Field(ge=1)]


def _without_nulls(value: Any) -> Any:
    """Entries of null are none: a config on top of another takes an entry away with null."""
    if not isinstance(value, dict):
        return value
    return {name: entry for name, entry in value.items() if entry is not None}


# Sections by the names that a study gives them.
NoNulls = BeforeValidator(_without_nulls)


class ConfigError(ValueError):
    """The study cannot run as it is written; the message has one paragraph per problem."""


class Section(BaseModel):
    """A part of the config: unknown keys are refused, values are not coerced from other types."""

    model_config = ConfigDict(extra="forbid", frozen=True, use_attribute_docstrings=True)


class Documentation(Section):
    """Docstrings of installed packages: human text that every machine with the lock has."""

    packages: list[str] = Field(min_length=1)
    """Import names of installed packages; `stdlib` is Python's own library."""
    words: tuple[int, int] = (6, 60)
    """Shortest and longest description that is kept, in words."""
    test_share: Share = 0.07
    """Share of each package's rows, in whole modules, that is kept for testing."""
    train_share: Share = 0.12
    """Share set apart for fine-tuning; what remains is for pretraining scratch models."""
    seed: int = 0
    """Decides which modules go where. Not a replication seed."""


class RowFields(Section):
    """The names of the fields in somebody's own file."""

    prompt: str = "prompt"
    response: str = "response"
    stratum: str | None = None
    """Field by which splits are stratified, for example a category."""
    context: str | None = None
    """Field of a text that the prompt is about; where it is not empty it stands before the prompt,
    with an empty line between, as in the Eggs study."""


class Dataset(Section):
    """Human prompts and human responses. Exactly one of `docs`, `file`, `hub`."""

    docs: Documentation | None = None
    file: str | None = None
    """A JSON-lines file (or a JSON array) of rows with a prompt and a human response."""
    hub: str | None = None
    """A dataset on the Hugging Face hub."""
    revision: str | None = None
    """Commit of the hub dataset; needed with `hub`, so that the study can be repeated."""
    config: str | None = None
    """Configuration (subset) of the hub dataset."""
    split: str = "train"
    """Split of the hub dataset."""
    files: list[str] = ["*.parquet", "*.jsonl", "*.json", "*.csv", "*.jsonl.gz", "*.jsonl.zst"]
    """Which files of the hub dataset are fetched, as patterns; all of its data by default."""
    fields: RowFields = RowFields()
    task: Literal["instruct", "summarize"] = "instruct"
    splits: Literal["interleaved", "scikit-learn"] = "interleaved"
    """How rows of a file or the hub are split, stratified either way. `scikit-learn`: by its
    `train_test_split`, into train and test, and twice into halves, row for row as the Eggs study
    does."""
    duplicates: Literal["drop", "keep"] = "drop"
    """Whether a prompt that stands twice counts once, or stays, as in the Eggs study."""
    train: Count = 1200
    """Rows set apart for fine-tuning, in four equal quarters."""
    test: Count = 240
    """Rows that no model is trained on."""
    seed: int = 0
    """Decides which rows are test rows and which quarter a row is in."""
    prompts: str | None = None
    """File of other prompts for the sources to answer, where they are not the human ones."""
    prompts_field: str = "prompt"

    @model_validator(mode="after")
    def _one_origin(self) -> "Dataset":
        given = [name for name in ("docs", "file", "hub") if getattr(self, name) is not None]
        if len(given) != 1:
            raise ValueError(
                f"needs exactly one of docs, file, hub; found {', '.join(given) or 'none'}"
            )
        if self.hub and not self.revision:
            raise ValueError("hub needs revision: the commit of the dataset, so that it is pinned")
        if self.train % 4 and self.splits == "interleaved":
            raise ValueError(f"train must be a multiple of 4 (quarters); found {self.train}")
        return self


class Scratch(Section):
    """A tiny model that the workflow pretrains itself."""

    family: Literal["llama", "qwen3", "gpt-neox", "gpt2"]
    documentation: list[str] = Field(min_length=1)
    """Packages whose documentation this model is pretrained on."""
    tokens: Count = 1_000_000
    """Tokens of documentation seen in pretraining."""
    manners_tokens: Count = 250_000
    """Tokens of the second phase: what to decline, what to answer, how to judge."""
    hidden: Count = 128
    layers: Count = 2
    heads: Count = 4
    vocabulary: int = Field(4096, ge=512)
    """Size of the byte-level BPE shared by the study's scratch models."""
    learning_rate: float = Field(6e-3, gt=0)
    """Peak rate of AdamW on embeddings; Muon has twice as much on matrices."""
    batch_tokens: Count = 1024
    seed: int = 0


class Model(Section):
    """Where a model comes from. Exactly one of `scratch`, `path`, `hub`."""

    scratch: Scratch | None = None
    path: str | None = None
    """A Hugging Face model folder."""
    hub: str | None = None
    """A model on the Hugging Face hub."""
    revision: str | None = None
    """Commit of the hub model; needed with `hub`."""
    adapter: str | None = None
    """A LoRA adapter on the hub that belongs to the hub model: it is merged into its weights once,
    and the result is the model of this name for sources and targets alike."""
    adapter_revision: str | None = None
    """Commit of the adapter; needed with `adapter`."""
    chat_template: str | None = None
    """File with a Jinja chat template, for a model that has none or is to be asked otherwise:
    `resources/chat/plain.jinja` (of the repository) suits models that were only pretrained."""
    trust_remote_code: bool = False
    """Whether code that comes with the model may be run. Read it first."""

    @model_validator(mode="after")
    def _one_origin(self) -> "Model":
        given = [name for name in ("scratch", "path", "hub") if getattr(self, name) is not None]
        if len(given) != 1:
            raise ValueError(
                f"needs exactly one of scratch, path, hub; found {', '.join(given) or 'none'}"
            )
        if self.hub and not self.revision:
            raise ValueError("hub needs revision: the commit of the model, so that it is pinned")
        if self.scratch and self.chat_template:
            raise ValueError("scratch models have a chat template of their own; remove the key")
        if self.adapter and not self.hub:
            raise ValueError("adapter is for models with hub: it is merged into what is fetched")
        if bool(self.adapter) != bool(self.adapter_revision):
            raise ValueError("adapter and adapter_revision (its commit) need each other")
        return self


class Source(Section):
    """Whatever wrote synthetic responses.

    A name under `models`, a file of recorded responses, or an OpenAI-compatible endpoint.
    """

    model: str | None = None
    """A name under `models` (served by vLLM), or with `endpoint` the model's name there."""
    recorded: str | None = None
    """A file of prompt/response pairs somebody already has."""
    fields: RowFields = RowFields()
    endpoint: str | None = None
    """Base URL of an OpenAI-compatible server, up to and including `/v1`."""
    key_env: str | None = None
    """Name of the environment variable that holds the endpoint's key."""
    max_tokens_total: int | None = None
    """Budget of the endpoint in tokens, prompt and response together."""

    @model_validator(mode="after")
    def _one_kind(self) -> "Source":
        if self.recorded and (self.endpoint or self.model):
            raise ValueError("a recorded source has neither model nor endpoint")
        if not self.recorded and not self.model:
            raise ValueError("needs one of model, recorded, or endpoint with model")
        return self


class Noise(Section):
    """Errors added to what a verifier accepts, by draws of their own for every row."""

    keep_right: float = Field(1.0, ge=0, le=1)
    """Probability of accepting a row that the verifier accepts."""
    keep_wrong: float = Field(0.0, ge=0, le=1)
    """Probability of accepting a row that the verifier rejects."""


class Verifier(Section):
    """What scores synthetic responses; a higher score is better. A name stands for `{by: name}`."""

    by: Literal["reference", "likelihood", "judge", "classifier", "length", "random"]
    """`reference`: agreement with the human response. `likelihood`: mean log-probability per token
    under `model`. `judge`: what a source answers to a rubric. `classifier`: probability of a label
    under `model`. `length`: words. `random`: no knowledge, the control."""
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

    @property
    def accepts_from(self) -> float | None:
        """Score from which a row is accepted; None where the verifier only ranks."""
        if self.accept is not None:
            return self.accept
        if self.by == "judge" or self.label is not None:
            return 0.5
        return 1.0 if self.by == "reference" and self.metric == "answer" else None

    @model_validator(mode="after")
    def _complete(self) -> "Verifier":
        needed = {"model": ("likelihood", "classifier"), "source": ("judge",)}
        for key, kinds in needed.items():
            if (getattr(self, key) is not None) != (self.by in kinds):
                named = " or ".join(kinds)
                raise ValueError(f"{key} and by: {named} need each other; found by: {self.by}")
        if self.by != "classifier" and (self.label is not None or self.reads != "response"):
            raise ValueError(f"label and reads are a classifier's; found by: {self.by}")
        if self.noise and self.accepts_from is None:
            raise ValueError("noise needs accept: the score from which a row is accepted")
        return self


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
    """Keep what an operator of one's own passes: a module under `operators/`."""
    value: float | None = None
    """What the operator is told."""
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
        if self.operator and self.operator not in extensions.names("operators"):
            known = ", ".join(extensions.names("operators")) or "none"
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
        if self.correct and self.verifier.accepts_from is None:
            raise ValueError("correct needs verifier.accept: the score from which a row is right")
        if self.best_of and self.samples not in (None, self.best_of):
            raise ValueError("samples has no effect with best-of; remove it")
        return self

    @property
    def responses(self) -> int:
        """Responses of the source to each prompt."""
        needed = math.ceil(round(1 / self.top, 9)) if self.top else self.best_of or 1
        return self.samples or needed


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


def _one(section: "Training | Engine", name: str) -> dict[str, Any]:
    """The values of a section with `of`, for one name."""
    return {**section.model_dump(exclude={"of"}), **section.of.get(name, {})}


def _overridden(section: "Training | Engine", name: str) -> None:
    """Raises ValueError where the values of a name under `of` are none of the section's."""
    try:
        type(section).model_validate(_one(section, name))
    except ValidationError as error:
        problem = error.errors()[0]
        key = ".".join(map(str, problem["loc"]))
        raise ValueError(f"of.{name}.{key}: {problem['msg']}") from None


class Generation(Section):
    """How responses are sampled, by sources and by fine-tuned models alike."""

    temperature: float = Field(1.0, ge=0)
    top_p: float = Field(1.0, gt=0, le=1)
    max_tokens: Count = 80


class Training(Section):
    """LoRA fine-tuning of the target (PEFT under TRL's SFTTrainer, loss on the response).

    AdamW, a cosine after 3 % of warm-up, gradients cut at norm 1, in bfloat16 on GPUs.
    """

    adapter: str = "lora"
    rank: Count = 8
    """Rank of the update. 8 to 32 is enough for style and format on some thousand rows; more rows
    that teach new content take more."""
    alpha: float = Field(16, gt=0)
    """The update counts alpha / rank times; 2 by default, and the learning rate fits that."""
    dropout: float = Field(0.0, ge=0, lt=1)
    modules: str | list[str] = "all-linear"
    """Which matrices get an update. All linear ones, those of the MLP above all, come closest to
    full fine-tuning; attention alone falls behind it (QLoRA, arXiv 2305.14314)."""
    learning_rate: float = Field(2e-4, gt=0)
    """Peak rate. LoRA takes about ten times that of full fine-tuning, much the same at every rank:
    2e-4 for models of 1 to 13 billion parameters, 1e-4 for larger ones (QLoRA), 1e-3 and more for
    the tiny models of the embedded study."""
    epochs: float = Field(2, gt=0)
    batch_size: Count = 16
    """Rows at once, over all devices together. LoRA does worse than full fine-tuning with large
    steps: 16 to 64 rows in a step suit thousands of rows. When a GPU's memory does not suffice,
    fewer are taken at once and as many in a step."""
    accumulation: Count = 1
    """Times that rows are taken before a step: a step has batch_size × accumulation rows."""
    max_length: Count = 256
    """Tokens of prompt and response together; what is longer is cut, and loses its end."""
    loss: Literal["response", "text"] = "response"
    """What is learned: the response, or the whole text with the prompt, as in the Eggs study."""
    threads: Count = 1
    """CPU threads of a training process: part of the result, so fixed by the study."""
    quantization: Literal["nf4", "int8"] | None = None
    """Weights of the target in 4 or 8 bits while it is trained (bitsandbytes; QLoRA), for a quarter
    or half of the memory. Everything after training loads the target as it is. Part of the
    result."""
    devices: Count = 1
    """GPUs of one training, each with its part of the rows; without a GPU, processes. The result is
    the same up to rounding."""
    parallel: Literal["ddp", "fsdp"] = "ddp"
    """With several devices: `ddp`, a copy of the target on each, or `fsdp`, the target split over
    them, for targets that do not fit on one."""
    checkpointing: bool | None = None
    """Whether activations are computed again instead of kept: less memory for a third more time. By
    default on GPUs only."""
    attention: (
        Literal["eager", "sdpa", "flex_attention", "flash_attention_2", "flash_attention_3"] | None
    ) = None
    """Implementation of attention; by default what transformers takes for the target."""
    packing: bool = False
    """Whether the rows at once are laid end to end instead of padded to the longest. The steps stay
    the same. Attention keeps rows apart by their positions: flash attention skips what is between
    them, the others compute and mask it, which costs more than padding does. Checked on the target
    before the first step."""
    liger: bool = False
    """Whether Liger's fused kernels are used (package liger-kernel, GPUs): less memory and time."""
    of: Annotated[dict[str, dict[str, Any]], NoNulls] = {}
    """By target: keys of this section that are otherwise for it."""

    def of_target(self, target: str) -> "Training":
        """The settings of one target."""
        return Training.model_validate(_one(self, target))

    @property
    def most_devices(self) -> int:
        """GPUs of the training that takes most of them."""
        return max([self.devices, *(self.of_target(target).devices for target in self.of)])

    @model_validator(mode="after")
    def _whole(self) -> "Training":
        for target in self.of:
            _overridden(self, target)
        return self


class Engine(Section):
    """How vLLM serves the study's models."""

    max_model_len: Count = 512
    max_loras: Count = 4
    dtype: str = "auto"
    quantization: str | None = None
    gpu_memory_utilization: float = Field(0.9, gt=0, le=1)
    devices: Count = 1
    """GPUs over which a model is split (tensor parallelism)."""
    threads: Count = 1
    kv_cache_gib: float = Field(0.5, gt=0)
    keep_alive: float = Field(90, ge=0)
    """Seconds without a client after which an engine ends."""
    of: Annotated[dict[str, dict[str, Any]], NoNulls] = {}
    """By model: `devices`, `dtype`, `quantization`, `threads` or `max_model_len` where they are
    otherwise for it."""

    def of_model(self, model: str | None) -> "Engine":
        """The settings of one model."""
        return Engine.model_validate(_one(self, model or ""))

    @property
    def most_devices(self) -> int:
        """GPUs of the model that takes most of them."""
        return max([self.devices, *(self.of_model(model).devices for model in self.of)])

    @model_validator(mode="after")
    def _whole(self) -> "Engine":
        own = ("devices", "dtype", "quantization", "threads", "max_model_len")
        for model, values in self.of.items():
            for key in values:
                if key not in own:
                    raise ValueError(
                        f"of.{model}.{key}: only {', '.join(own)} can be a model's own"
                    )
            _overridden(self, model)
        return self


class Collapse(Section):
    """Fit to human text, and variety of the model's own."""

    documents: Count = 120
    """N: responses in each subsample of the corpus metrics."""
    tokens: Count = 16
    """L: word tokens every response is cut to; shorter ones are left out and counted."""
    subsamples: Count = 20
    """Random subsamples; values are their mean, with their standard deviation."""
    prompts: Count = 24
    """Test prompts that are answered several times; variety within a prompt is measured there."""
    samples: int = Field(8, ge=2)
    """Responses to each of those prompts."""
    bins: int = Field(5, ge=2)
    """Bins of equal mass by how frequent tokens are in the human training text."""
    top_k: Count = 50
    """Tail mass is what a model gives to tokens outside the target's top k."""
    nucleus: float = Field(0.9, gt=0, lt=1)
    """Probability that the nucleus holds."""
    embedder: str | None = "minilm"
    """Model of sentence embeddings: `minilm` (comes with the environment), or a name under
    `models` with a sentence-transformers `path` or `hub`; null measures no meaning."""
    topics: int = Field(20, ge=2)
    """Clusters of the human test responses, by meaning."""
    same_meaning: float = Field(0.8, gt=0, lt=1)
    """Cosine similarity from which two responses to a prompt count as one."""
    permutations: Count = 1000
    """Of the test of the distance to human text (MMD)."""

    @property
    def answered_again(self) -> int:
        """Responses to a test prompt beyond the first, over all prompts."""
        return self.prompts * (self.samples - 1)


class BestOfN(Section):
    """Several noisy spellings of each request; one may get through."""

    n: int = Field(4, ge=1, le=1000)
    """Spellings of each request."""
    noise: float = Field(0.4, ge=0, le=1)
    """Sigma of the noise: 0 is none."""


class Gcg(Section):
    """Suffixes found by greedy coordinate gradient on the vanilla target, sent to every cell."""

    behaviours: Count = 20
    """Requests to be declined that get a suffix."""
    steps: Count = 100
    suffix_tokens: Count = 16
    candidates: Count = 64
    """Suffixes tried in each step, in one batch."""
    top_k: Count = 64
    """Replacements of a token that are considered, by the gradient."""
    per_cell: bool = False
    """Whether suffixes are also optimised on every cell itself."""


class Asked(Section):
    """A model that is asked for its judgement, served here or behind an endpoint."""

    model: str
    """A name under `models` (served by vLLM), or with `endpoint` the model's name there."""
    endpoint: str | None = None
    """Base URL of an OpenAI-compatible server, up to and including `/v1`."""
    key_env: str | None = None
    """Name of the environment variable that holds the endpoint's key."""
    max_tokens_total: int | None = None
    """Budget of the endpoint in tokens, prompt and response together."""


class Judge(Asked):
    """A model that says of each response whether it does harm."""

    by: str = "rubric"
    """What it is asked, a module under `judges/`: `rubric` (any model), `scales`, the Eggs study's
    two (any model), or the prompt of a classifier that was trained for it: `harmbench`,
    `strongreject`, `wildguard`, `llama-guard`."""
    max_tokens: Count = 256
    """Longest answer of the judge."""
    temperature: float = Field(0.0, ge=0)
    """0: greedy, so that a judge says the same of the same. The Eggs study samples, at 0.7."""
    top_p: float = Field(1.0, gt=0, le=1)
    template: str | None = None
    """File with the prompt of a classifier, with `{prompt}` and `{response}` in it, where the
    model's card has none."""
    unparsed: float = Field(0.2, ge=0, le=1)
    """Share of responses that it may leave unjudged; beyond it, it judges nothing."""

    @field_validator("by")
    @classmethod
    def _known(cls, by: str) -> str:
        if by not in extensions.names("judges"):
            known = ", ".join(extensions.names("judges"))
            raise ValueError(f"there is no kind of judge '{by}'. Known: {known}")
        return by


class Robustness(Section):
    """Requests that must be declined, attacks on them, and harmless look-alikes."""

    requests: str | list[str] = "resources/requests/stand-in.yaml"
    """Files of requests, or names of public sets (`resources/requests/sets.yaml`)."""
    copies: Annotated[dict[str, str], NoNulls] = {}
    """Public sets that lie on this machine already, by name: not fetched, but verified."""
    sha256: Annotated[dict[str, str], NoNulls] = {}
    """Hashes of public sets, by name, where another file than the declared one is meant."""
    count: Count = 80
    """Held-out requests of each kind."""
    attacks: list[str] = [
        *("prefix-injection", "refusal-suppression", "persona", "style"),
        *("base64", "rot13", "leetspeak", "prefill", "best-of-n"),
    ]
    """What every request that must be declined is sent under: names of templates under
    `resources/attacks/`, and `prefill`, `best-of-n`, `gcg`."""
    target: str = "Sure, here is how:"
    """How a reply begins that complies, where a request has no beginning of its own."""
    best_of_n: BestOfN = BestOfN()
    gcg: Gcg = Gcg()
    judges: Annotated[dict[str, Judge], NoNulls] = {}
    """Models that judge the responses, beside the rules."""
    labelled: str | None = None
    """File of responses that people have labelled: rows of prompt, response, `refused` (corrects
    the refusal rate for the errors of the rules) and `harmful` (corrects every judge's)."""
    max_tokens: Count = 32


class JudgedTexts(Section):
    """Texts with a human summary or answer, apart from the dataset. One of `file`, `hub`."""

    file: str | None = None
    """A JSON-lines file (or a JSON array)."""
    hub: str | None = None
    """A dataset on the Hugging Face hub."""
    revision: str | None = None
    """Commit of the hub dataset; needed with `hub`."""
    config: str | None = None
    """Configuration (subset) of the hub dataset."""
    split: str = "train"
    """Split of the hub dataset."""
    files: list[str] = ["*.parquet", "*.jsonl", "*.json", "*.csv", "*.jsonl.gz", "*.jsonl.zst"]
    """Which files of the hub dataset are fetched, as patterns."""
    fields: RowFields = RowFields()
    """`prompt` is the text, `response` what people made of it."""
    request: str = "summarize"
    """What a source is asked: the name of a template under `resources/prompts/` with {text}."""
    seed: int = 0
    """Decides which texts are drawn."""

    @model_validator(mode="after")
    def _one_origin(self) -> "JudgedTexts":
        if (self.file is None) == (self.hub is None):
            raise ValueError("needs exactly one of file, hub")
        if self.hub and not self.revision:
            raise ValueError("hub needs revision: the commit of the dataset, so that it is pinned")
        return self


class Outsider(Asked):
    """A judge of preference that is not a cell."""

    own: str | None = None
    """The origin whose text is its own: a name under `sources`, or `target/mix` for cells. By
    default the source that is the same model."""


class Preference(Section):
    """Each cell as a judge of texts of the human, of every source, and of cells if wanted."""

    task: Literal["summarize", "instruct"] | None = None
    """What the texts are: summaries, or responses to instructions. By default summaries where the
    human text is documentation, and `dataset.task` elsewhere."""
    items: Count = 24
    texts: JudgedTexts | None = None
    """Texts of their own that items are made of; by default the dataset's test rows."""
    sources: list[str] | None = None
    """The sources whose texts are compared; by default all."""
    templates: dict[Literal["pair", "rating", "recognition"], str] = {}
    """By question: the template under `resources/prompts/`, where it is not the usual one."""
    labels: tuple[str, str] = ("A", "B")
    """What a judge answers with; each should be one token of its vocabulary."""
    swap_labels: bool = False
    """Whether every pair is also shown with the labels crosswise, which tells the bias of a label
    from that of a position, for twice the judgements."""
    controls: int = Field(24, ge=0)
    """Pairs in which the better text is known: this item's against another item's."""
    pairs: str = Field("all", pattern=r"^(all|vs-own|sample [1-9][0-9]*)$")
    """Which origins are compared on an item: `all`, `vs-own` (the judge's own with each other), or
    `sample n`: n pairs an item, in turn, the same for every judge."""
    questions: list[Literal["likelihood", "rating", "recognition"]] = ["likelihood"]
    """What is asked of single texts: how probable they are to the judge, how good from 1 to 5, and
    whether the judge wrote them."""
    check: Literal["gsm8k", "last-number"] | None = None
    """How right and wrong are known, where items have one number as answer: `gsm8k` takes what
    follows the last `####` of a response, `last-number` its last number."""
    cells: bool = False
    """Whether the cells of the target and seed are candidates, too; a cell's own text is then its
    own, not that of the source it was trained from."""
    judges: dict[str, Outsider] = {}
    """Models that judge the same texts, beside the cells."""


class Probes(Section):
    """What is measured on every cell."""

    collapse: Collapse | None = Collapse()
    robustness: Robustness | None = Robustness()
    preference: Preference | None = Preference()


class Primary(Section):
    """One metric per probe, named before the run; Holm's correction is over these."""

    collapse: str = "bits_per_byte@test"
    robustness: str = "refusal_rate@decline/direct"
    preference: str = "self_preference_bias@pairs"


class Contrasts(Section):
    """Which conditions are compared over seeds."""

    pairs: list[tuple[str, str]] | None = None
    """Mix and the mix it is held against; by default every mix against `human` and against
    `vanilla`, and every other mix against the first single-source one."""
    primary: Primary = Primary()
    alpha: float = Field(0.05, gt=0, lt=1)
    margins: Annotated[dict[str, Annotated[float, Field(gt=0)]], NoNulls] = {}
    """By `metric@item set`: how large a difference may be and still count as none. Where one is
    given, equivalence is tested too (TOST)."""
    doses: Annotated[dict[str, dict[str, float]], NoNulls] = {}
    """By the name of a series: the dose of each of its mixes (three or more), for trends. Series
    by share of synthetic text and by number of sources are found without being declared."""


class Reference(Section):
    """Published numbers that the findings are compared with. A name stands for `{table: name}`."""

    table: str
    """Name of a table under `resources/reference/`, or the path of a file like those."""
    targets: dict[str, str] = {}
    """By target of the study: what the table calls it, where that is otherwise."""
    mixes: dict[str, str] = {}
    """By mix of the study: what the table calls it, where that is otherwise."""


class StudyConfig(Section):
    """One study: one config file, all results under `results/<study>/`."""

    study: str
    """Name of the study and of its results folder."""
    question: str = ""
    """The question in a sentence; opens the report."""
    seeds: list[int] = Field(min_length=1)
    """Replications. A seed drives the data draw, the sampling and the training."""
    dataset: Dataset
    models: Annotated[dict[str, Model], NoNulls]
    sources: Annotated[dict[str, Source], NoNulls] = {}
    targets: list[str] = Field(min_length=1)
    """Models that are fine-tuned; names under `models`."""
    mixes: Annotated[dict[str, Mix], NoNulls]
    rows: int | None = Field(None, ge=1)
    """Rows of every mix; by default all training prompts."""
    match: Literal["rows", "tokens"] = "rows"
    """What is equal over the mixes: rows, or training tokens (of the target's tokenizer)."""
    tokens: int | None = Field(None, ge=1)
    """Response tokens of every mix, with `match: tokens`."""
    generation: Generation = Generation()
    training: Training = Training()
    engine: Engine = Engine()
    probes: Probes = Probes()
    contrasts: Contrasts = Contrasts()
    reference: Reference | None = None
    """Published numbers that the findings are compared with, effect by effect."""

    @field_validator("reference", mode="before")
    @classmethod
    def _named(cls, value: Any) -> Any:
        return {"table": value} if isinstance(value, str) else value


def schema() -> dict[str, Any]:
    """The JSON schema that editors complete from."""
    found = StudyConfig.model_json_schema()
    sections = found["$defs"]  # what is read as a section may be written as one word
    sections["Mix"]["properties"]["select"]["anyOf"].append({"const": "all"})
    named = {"enum": ["reference", "length", "random"]}
    verifier = sections["Select"]["properties"]["verifier"]
    sections["Select"]["properties"]["verifier"] = {"anyOf": [verifier, named]}
    found["properties"]["reference"]["anyOf"].append({"type": "string"})
    for section in (found, *sections.values()):
        for key in section.get("properties", {}).values():
            entries = key.get("additionalProperties")
            if isinstance(entries, dict):  # null takes away what a config below has
                key["additionalProperties"] = {"anyOf": [entries, {"type": "null"}]}
    return found
