"""What a study may say: the single definition of every config key, its default and its meaning.

The JSON schema in `workflow/schemas/` is generated from these models. Problems are reported as
`ConfigError`: file, key, what was found, what to do. Nothing here reads data or starts anything.
"""

import difflib
import re
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Annotated, Any, Literal, get_args

import yaml
from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

HUMAN, VANILLA = "human", "vanilla"
SAFE_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_-]*(\.[A-Za-z0-9_-]+)*")
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


class Robustness(Section):
    """Requests that must be declined, attacks on them, and harmless look-alikes."""

    requests: str = "resources/requests/stand-in.yaml"
    count: Count = 80
    """Held-out requests of each kind."""
    attacks: list[str] = ["prefix-injection", "persona"]
    """Names of templates under `resources/attacks/`, each sent with every request."""
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


def load(raw: dict[str, Any], file: str) -> StudyConfig:
    """Checks a parsed config; raises ConfigError that names `file`, key, finding and mend."""
    try:
        config = StudyConfig.model_validate(raw, strict=False)
    except ValidationError as error:
        raise ConfigError(_paragraphs(file, _explain(error))) from None
    problems = list(_contradictions(config))
    if problems:
        raise ConfigError(_paragraphs(file, problems))
    return config


def read(path: Path) -> dict[str, Any]:
    """Parses a config file; raises ConfigError for bad YAML and for a key that stands twice."""
    try:
        raw = yaml.load(path.read_text(encoding="utf-8"), Loader=_UniqueKeys)
    except FileNotFoundError:
        raise ConfigError(f"{path}: there is no such file.") from None
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        raise ConfigError(f"{path}: not readable as YAML: {error}") from None
    if not isinstance(raw, dict):
        raise ConfigError(f"{path}: expected keys and values, found {type(raw).__name__}.")
    return raw


def schema() -> dict[str, Any]:
    """The JSON schema that editors complete from."""
    return StudyConfig.model_json_schema()


class _UniqueKeys(yaml.SafeLoader):
    """YAML, but a key that stands twice is an error instead of the last one winning."""

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Any, Any]:
        seen: dict[Any, int] = {}
        for key_node, _ in node.value:
            key = self.construct_object(key_node, deep=deep)
            line = key_node.start_mark.line + 1
            if key in seen:
                raise yaml.YAMLError(
                    f"the name '{key}' stands twice, on lines {seen[key]} and {line}. "
                    "Rename or remove one of them."
                )
            seen[key] = line
        return super().construct_mapping(node, deep)


def _paragraphs(file: str, problems: Iterable[tuple[str, str]]) -> str:
    return "\n".join(
        f"{file}: {key}: {text}" if key else f"{file}: {text}" for key, text in problems
    )


def _explain(error: ValidationError) -> Iterator[tuple[str, str]]:
    for problem in error.errors():
        where = [part for part in problem["loc"] if part != "[key]"]
        key = ".".join(map(str, where))
        if problem["type"] == "extra_forbidden":
            known = list(_section_at(where[:-1]).model_fields)
            near = difflib.get_close_matches(str(where[-1]), known, n=1, cutoff=0.5)
            mend = f"Did you mean '{near[0]}'?" if near else f"Known keys: {', '.join(known)}."
            yield key, f"unknown key. {mend}"
        elif problem["type"] == "missing":
            yield key, "this key is needed and missing."
        elif problem["type"] == "value_error":
            yield key, f"{problem['ctx']['error']!s}."
        else:
            found = problem["input"]
            yield key, f"{problem['msg']}; found {found!r} ({type(found).__name__})."


def _section_at(path: Sequence[Any]) -> type[BaseModel]:
    """The section class that a key path leads to."""
    current: Any = StudyConfig
    for part in path:
        if isinstance(current, type) and issubclass(current, BaseModel):
            field = current.model_fields.get(str(part))
            current = field.annotation if field else StudyConfig
        else:
            current = get_args(current)[-1]
        options = [a for a in get_args(current) if isinstance(a, type) and issubclass(a, BaseModel)]
        if not isinstance(current, type) and options and type(None) in get_args(current):
            current = options[0]
    return current if isinstance(current, type) and issubclass(current, BaseModel) else StudyConfig


VLLM_RANKS = (1, 8, 16, 32, 64, 128, 256, 320, 512)


def _contradictions(config: StudyConfig) -> Iterator[tuple[str, str]]:
    """What no single key shows: names that do not exist, shares that do not add up."""
    yield from _bad_names(config)
    if len(set(config.seeds)) < len(config.seeds):
        twice = sorted({seed for seed in config.seeds if config.seeds.count(seed) > 1})
        yield "seeds", f"seeds must be unique; {twice} stand more than once. Remove the repeats."
    for name, source in config.sources.items():
        if source.model and not source.endpoint and source.model not in config.models:
            yield f"sources.{name}.model", _unknown(source.model, "model", list(config.models))
        if source.key_env and not source.endpoint:
            yield f"sources.{name}.key_env", "a key is only for endpoints. Remove it."
    for target in config.targets:
        if target not in config.models:
            yield "targets", _unknown(target, "model", list(config.models))
    rows = config.rows or config.dataset.train
    if rows > config.dataset.train and config.dataset.prompts is None:
        yield (
            "rows",
            f"a mix needs {rows} rows, but dataset.train sets apart only {config.dataset.train}. "
            "Lower rows or raise dataset.train.",
        )
    yield from _bad_mixes(config)
    yield from _bad_training(config)
    yield from _bad_contrasts(config)


def _bad_names(config: StudyConfig) -> Iterator[tuple[str, str]]:
    named = [("study", config.study)]
    for key in ("models", "sources", "mixes"):
        named += [(f"{key}.{name}", name) for name in getattr(config, key)]
    for key, name in named:
        if not SAFE_NAME.fullmatch(name) or len(name) > 64:
            yield (
                key,
                f"'{name}' cannot be a file name here. Use up to 64 letters, digits, '-', '_' "
                "and single dots, starting with a letter or digit.",
            )
    for key, reserved in (("sources", HUMAN), ("mixes", VANILLA)):
        if reserved in getattr(config, key):
            yield (
                f"{key}.{reserved}",
                f"'{reserved}' has a meaning of its own. Choose another name.",
            )
    for key in ("models", "sources", "mixes"):
        lowered: dict[str, str] = {}
        for name in getattr(config, key):
            if name.lower() in lowered:
                yield (
                    f"{key}.{name}",
                    f"'{name}' and '{lowered[name.lower()]}' differ only in case, which some file "
                    "systems do not keep apart. Rename one.",
                )
            lowered[name.lower()] = name
    if len(set(config.targets)) < len(config.targets):
        yield "targets", "a target stands twice. Remove the repeat."


def _bad_mixes(config: StudyConfig) -> Iterator[tuple[str, str]]:
    known = [HUMAN, *config.sources]
    for name, mix in config.mixes.items():
        for origin in mix.origins:
            if origin not in known:
                yield f"mixes.{name}.origins", _unknown(origin, "source", known)
        total = sum(mix.origins.values())
        if abs(total - 1) > 1e-6:
            yield (
                f"mixes.{name}.origins",
                f"the shares sum to {total:.6g}, not to 1. Change them so that they sum to 1.",
            )
        if mix.assign == "quarters" and any(
            abs(s * 4 - round(s * 4)) > 1e-9 for s in mix.origins.values()
        ):
            yield (
                f"mixes.{name}.assign",
                "with quarters, every share must be 0.25, 0.5, 0.75 or 1. Use assign: random.",
            )
    if config.match == "tokens" and config.tokens is None:
        yield "tokens", "match: tokens needs tokens: the response tokens of every mix."
    if config.match == "rows" and config.tokens is not None:
        yield "tokens", "tokens has no effect with match: rows. Remove it, or set match: tokens."


def _bad_training(config: StudyConfig) -> Iterator[tuple[str, str]]:
    adapter = config.training.adapter
    if adapter != "lora":
        yield (
            "training.adapter",
            f"vLLM cannot serve '{adapter}' adapters beside each other on one base. Use lora.",
        )
    if config.training.rank > VLLM_RANKS[-1]:
        yield (
            "training.rank",
            f"vLLM serves ranks up to {VLLM_RANKS[-1]}; found {config.training.rank}.",
        )


def _bad_contrasts(config: StudyConfig) -> Iterator[tuple[str, str]]:
    known = [*config.mixes, VANILLA]
    for pair in config.contrasts.pairs or []:
        for name in pair:
            if name not in known:
                yield "contrasts.pairs", _unknown(name, "mix", known)


def _unknown(name: str, what: str, known: Sequence[str]) -> str:
    near = difflib.get_close_matches(name, known, n=1, cutoff=0.5)
    hint = f" Did you mean '{near[0]}'?" if near else ""
    return f"there is no {what} named '{name}'.{hint} Known: {', '.join(known) or 'none'}."
