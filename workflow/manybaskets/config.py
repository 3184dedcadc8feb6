"""What a study may say: the single definition of every config key, its default and its meaning.

The JSON schema in `workflow/schemas/` is generated from these models. What one key cannot show
(names that do not exist, shares that do not add up) is `validation`'s.
"""

from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, model_validator

HUMAN, VANILLA = "human", "vanilla"
VLLM_RANKS = (1, 8, 16, 32, 64, 128, 256, 320, 512)
Share = Annotated[float, Field(gt=0, le=1)]
Count = Annotated[int, Field(ge=1)]


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
    fields: RowFields = RowFields()
    task: Literal["instruct", "summarize"] = "instruct"
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
        if self.train % 4:
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


class Mix(Section):
    """The recipe of a training set."""

    origins: dict[str, Share] = Field(min_length=1)
    """Share of each origin: a source's name, or `human`. Shares sum to 1."""
    assign: Literal["quarters", "random"] = "random"
    """Which prompts an origin answers. `quarters`: the quarters of the prompts in order, as the
    Eggs study does, so that source and prompt are confounded. `random`: drawn with the cell's
    seed for every prompt."""


class Generation(Section):
    """How responses are sampled, by sources and by fine-tuned models alike."""

    temperature: float = Field(1.0, ge=0)
    top_p: float = Field(1.0, gt=0, le=1)
    max_tokens: Count = 80


class Training(Section):
    """LoRA fine-tuning of the target (PEFT under TRL's SFTTrainer, loss on the response)."""

    adapter: str = "lora"
    rank: Count = 8
    alpha: float = Field(16, gt=0)
    dropout: float = Field(0.0, ge=0, lt=1)
    modules: str | list[str] = "all-linear"
    learning_rate: float = Field(2e-3, gt=0)
    epochs: float = Field(2, gt=0)
    batch_size: Count = 16
    accumulation: Count = 1
    max_length: Count = 256
    threads: Count = 1
    """CPU threads of a training job: part of the result, so fixed by the study."""


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


class Collapse(Section):
    """Fit to human text, and variety of the model's own."""

    documents: Count = 120
    """N: responses in each subsample of the corpus metrics."""
    tokens: Count = 16
    """L: word tokens every response is cut to; shorter ones are left out and counted."""
    subsamples: Count = 20


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


JudgeKind = Literal["rubric", "scales", "harmbench", "strongreject", "wildguard", "llama-guard"]


class Judge(Section):
    """A model that says of each response whether it does harm."""

    by: JudgeKind = "rubric"
    """What it is asked: a rubric (any model), the Eggs study's two scales (any model), or the
    prompt of a classifier that was trained for it."""
    model: str
    """A name under `models` (served by vLLM), or with `endpoint` the model's name there."""
    endpoint: str | None = None
    """Base URL of an OpenAI-compatible server, up to and including `/v1`."""
    key_env: str | None = None
    """Name of the environment variable that holds the endpoint's key."""
    max_tokens_total: int | None = None
    """Budget of the endpoint in tokens, prompt and response together."""
    max_tokens: Count = 256
    """Longest answer of the judge."""
    template: str | None = None
    """File with the prompt of a classifier, with `{prompt}` and `{response}` in it, where the
    model's card has none."""
    unparsed: float = Field(0.2, ge=0, le=1)
    """Share of responses that it may leave unjudged; beyond it, it judges nothing."""


class Robustness(Section):
    """Requests that must be declined, attacks on them, and harmless look-alikes."""

    requests: str | list[str] = "resources/requests/stand-in.yaml"
    """Files of requests, or names of public sets (`resources/requests/sets.yaml`)."""
    copies: dict[str, str] = {}
    """Public sets that lie on this machine already, by name: not fetched, but verified."""
    sha256: dict[str, str] = {}
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
    judges: dict[str, Judge] = {}
    """Models that judge the responses, beside the rules."""
    labelled: str | None = None
    """File of responses that people have labelled: rows of prompt, response, `refused` (corrects
    the refusal rate for the errors of the rules) and `harmful` (corrects every judge's)."""
    max_tokens: Count = 32


class Preference(Section):
    """Each cell as a judge between summaries of the same text."""

    items: Count = 24
    labels: tuple[str, str] = ("A", "B")
    controls: int = Field(24, ge=0)
    """Pairs in which the better summary is known: this text's against another text's."""


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


class StudyConfig(Section):
    """One study: one config file, all results under `results/<study>/`."""

    study: str
    """Name of the study and of its results folder."""
    question: str = ""
    """The question in a sentence; opens the report."""
    seeds: list[int] = Field(min_length=1)
    """Replications. A seed drives the data draw, the sampling and the training."""
    dataset: Dataset
    models: dict[str, Model]
    sources: dict[str, Source] = {}
    targets: list[str] = Field(min_length=1)
    """Models that are fine-tuned; names under `models`."""
    mixes: dict[str, Mix]
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


def schema() -> dict[str, Any]:
    """The JSON schema that editors complete from."""
    return StudyConfig.model_json_schema()
