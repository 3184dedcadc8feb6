"""The config keys of models and of sources."""

from typing import Literal

from pydantic import Field, model_validator

from manybaskets.config.base import Count, Section
from manybaskets.config.dataset import RowFields


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
    system: str | None = Field(None, min_length=1)
    """A system message that stands before every exchange with this model: in training, in
    generation, and wherever it is asked or scored."""
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
        if self.scratch and self.speaks_otherwise:
            raise ValueError(
                "scratch models have a chat template of their own, which knows no system message; "
                "remove chat_template and system"
            )
        if self.adapter and not self.hub:
            raise ValueError("adapter is for models with hub: it is merged into what is fetched")
        if bool(self.adapter) != bool(self.adapter_revision):
            raise ValueError("adapter and adapter_revision (its commit) need each other")
        return self

    @property
    def speaks_otherwise(self) -> bool:
        """Whether conversations with it are written otherwise than its own files say."""
        return bool(self.chat_template or self.system)


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
    system: str | None = Field(None, min_length=1)
    """System message of every request to the endpoint. That of a model served here stands with
    the model (`models`)."""

    @model_validator(mode="after")
    def _one_kind(self) -> "Source":
        if self.recorded and (self.endpoint or self.model):
            raise ValueError("a recorded source has neither model nor endpoint")
        if self.system and not self.endpoint:
            raise ValueError("system is for endpoints; a model's stands under models")
        if not self.recorded and not self.model:
            raise ValueError("needs one of model, recorded, or endpoint with model")
        return self
