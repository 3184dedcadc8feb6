"""The config keys of models and sources."""

from typing import Annotated, Literal

from pydantic import Field, model_validator

from manybaskets.config.base import Count, Section, Seed
from manybaskets.config.dataset import RemoteFile, RowFields
from manybaskets.config.urls import EndpointUrl

ORIGINS = ("scratch", "path", "hub", "gguf", "package")


TemplateVariables = dict[
    Annotated[str, Field(pattern=r"^[A-Za-z_]\w*$")], bool | int | float | str | None
]


class Scratch(Section):
    """A tiny model that the workflow pretrains."""

    family: Literal["llama", "qwen3", "gpt-neox", "gpt2"]
    """Architecture of the model."""
    documentation: list[str] = Field(min_length=1)
    """Packages whose docstrings are the pretraining text."""
    tokens: Count = 1_000_000
    """Tokens of the first phase: pretraining on docstrings."""
    sft_tokens: Count = 250_000
    """Tokens of the second phase: supervised fine-tuning to decline some requests, answer others,
    and judge texts."""
    hidden: Count = 128
    """Hidden size."""
    layers: Count = 2
    """Number of layers."""
    heads: Count = 4
    """Number of attention heads."""
    vocabulary: int = Field(4096, ge=512)
    """Size of the byte-level BPE vocabulary that all scratch models of the study share."""
    learning_rate: float = Field(6e-3, gt=0)
    """Peak learning rate of AdamW for embeddings; Muon uses twice this rate for matrices."""
    batch_tokens: Count = 1024
    """Tokens per optimizer step."""
    seed: Seed = 0
    """Seed of initialization and of the order of the text. It is not a replication seed."""


class Model(Section):
    """Origin of a model. Needs exactly one of `scratch`, `path`, `hub`, `gguf`, `package`."""

    scratch: Scratch | None = None
    """Pretrain a tiny model in the workflow."""
    path: str | None = None
    """A Hugging Face model folder."""
    hub: str | None = None
    """A model on the Hugging Face hub."""
    gguf: str | None = None
    """A GGUF file on this machine, or with `revision` one on the hub:
    `organisation/repository/file.gguf`. It is converted once to a model folder."""
    package: str | None = None
    """An installed Python package that contains a GGUF file."""
    file: str | None = None
    """With `package`: pattern of the file in the package; by default `*.gguf`."""
    revision: str | None = None
    """Commit of the hub model or of the repository of `gguf`; required with `hub`."""
    adapter: str | None = None
    """A LoRA adapter on the hub for the hub model. It is merged into the weights once; sources and
    targets of this name use the merged model."""
    adapter_revision: str | None = None
    """Commit of the adapter; required with `adapter`."""
    chat_template: str | None = None
    """File with a Jinja chat template, for a model without one or to replace its own.
    `resources/chat/plain.jinja` in the repository suits models that were only pretrained."""
    system: str | None = Field(None, min_length=1)
    """System message of every conversation with this model: in training, generation and scoring."""
    chat_template_kwargs: TemplateVariables = {}
    """Variables of the chat template, for example `{enable_thinking: false}`: in training,
    generation and scoring."""
    trust_remote_code: bool = False
    """Whether code in the model's repository may run. Read it first."""

    @model_validator(mode="after")
    def _check_origin(self) -> "Model":
        given = [name for name in ORIGINS if getattr(self, name) is not None]
        if len(given) != 1:
            raise ValueError(
                f"needs exactly one of {', '.join(ORIGINS)}; found {', '.join(given) or 'none'}"
            )
        if self.file and not self.package:
            raise ValueError("file is for package; for a file on this machine, set gguf")
        if self.revision and (self.scratch or self.path or self.package):
            raise ValueError("revision is for hub and gguf; remove it")
        if self.hub and not self.revision:
            raise ValueError("hub needs revision: the commit of the model, so that it is pinned")
        if self.scratch and self.has_custom_chat:
            raise ValueError(
                "scratch models have their own chat template without system messages; "
                "remove chat_template, chat_template_kwargs and system"
            )
        if self.adapter and not self.hub:
            raise ValueError("adapter needs hub: it is merged into the downloaded model")
        if bool(self.adapter) != bool(self.adapter_revision):
            raise ValueError("adapter and adapter_revision (its commit) need each other")
        return self

    @property
    def is_converted(self) -> bool:
        """Whether the model is a GGUF file that the workflow converts."""
        return bool(self.gguf or self.package)

    @property
    def has_custom_chat(self) -> bool:
        """Whether the study replaces or changes the chat template, or sets a system message."""
        return bool(self.chat_template or self.system or self.chat_template_kwargs)


class Source(RemoteFile):
    """A writer of synthetic responses.

    A name under `models`, a file of recorded responses, or an OpenAI-compatible endpoint.
    """

    model: str | None = None
    """A name under `models` (served by vLLM), or with `endpoint` the model's name there."""
    recorded: str | None = None
    """A file of existing prompt/response pairs. With `url`, a local copy of that file."""
    fields: RowFields = RowFields()
    """Names of the fields in the file `recorded`."""
    endpoint: EndpointUrl | None = None
    """Base URL of an OpenAI-compatible server, up to and including `/v1`."""
    api_key_env: str | None = None
    """Name of the environment variable with the API key of the endpoint."""
    token_budget: int | None = None
    """Maximum number of tokens that the endpoint may use, prompts and responses together."""
    system: str | None = Field(None, min_length=1)
    """System message of every request to the endpoint. For a model that is served here, set
    `models.<name>.system` instead."""
    chat_template_kwargs: TemplateVariables = {}
    """Variables of the chat template at the endpoint (a field of requests to vLLM and SGLang). For
    a model that is served here, set `models.<name>.chat_template_kwargs` instead."""

    @model_validator(mode="after")
    def _check_kind(self) -> "Source":
        if self.is_recorded and (self.endpoint or self.model):
            raise ValueError("a recorded source has neither model nor endpoint")
        if self.system and not self.endpoint:
            raise ValueError("system is for endpoints; set models.<name>.system for a model")
        if self.chat_template_kwargs and not self.endpoint:
            raise ValueError(
                "chat_template_kwargs is for endpoints; set models.<name>.chat_template_kwargs "
                "for a model"
            )
        if not self.is_recorded and not self.model:
            raise ValueError("needs one of model, recorded, url, or endpoint with model")
        return self

    @property
    def is_recorded(self) -> bool:
        """Whether the responses exist in a file."""
        return bool(self.recorded or self.url)
