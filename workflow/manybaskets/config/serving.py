"""The config keys of sampling and of the vLLM engine."""

from typing import Annotated, Any, Literal

from pydantic import Field, model_validator

from manybaskets.config.base import Count, NoNulls, Section

# The values of --max-lora-rank that vLLM accepts.
VLLM_RANKS = (1, 8, 16, 32, 64, 128, 256, 320, 512)
PER_MODEL = (
    "devices", "dtype", "quantization", "threads", "max_model_len", "reasoning_parser",
)  # fmt: skip


class Generation(Section):
    """How sources and fine-tuned models sample their responses."""

    temperature: float = Field(1.0, ge=0)
    """Sampling temperature; 0 is greedy decoding."""
    top_p: float = Field(1.0, gt=0, le=1)
    """Nucleus sampling: probability mass that is sampled from."""
    max_tokens: Count = 80
    """Maximum length of a response in tokens."""
    reasoning: Literal["drop", "keep", "separate"] = "drop"
    """Text that a model writes before its response, between `<think>` and `</think>`. `drop`
    removes it; `keep` makes it a part of the response, which is trained on and measured; `separate`
    removes it and writes it into the field `reasoning` of the row. `max_tokens` includes it."""


class Engine(Section):
    """How vLLM serves the models of the study."""

    max_model_len: Count = 512
    """Context length in tokens: prompt and response together."""
    max_loras: Count = 4
    """Maximum number of adapters in one batch."""
    dtype: str = "auto"
    """Type of the weights, for example `bfloat16`. `auto` is a type that the device computes fast:
    that of the model's config, or `float32` on a CPU that would emulate it."""
    quantization: str | None = None
    """Quantization method of vLLM, for example `fp8`; by default none."""
    reasoning_parser: str | None = None
    """Parser of vLLM that separates reasoning from the response, for example `qwen3`; needed for
    models that do not write `<think>` and `</think>`. Usually set per model."""
    gpu_memory_utilization: float = Field(0.9, gt=0, le=1)
    """Fraction of the GPU memory that an engine may use."""
    devices: Count = 1
    """GPUs per model (tensor parallelism)."""
    threads: Count = 1
    """CPU threads of an engine on a machine without a GPU."""
    kv_cache_gib: float = Field(0.5, gt=0)
    """Size of the KV cache in GiB on a machine without a GPU."""
    keep_alive: float = Field(90, ge=0)
    """Seconds after the last request at which an idle engine ends."""
    per_model: Annotated[dict[str, dict[str, Any]], NoNulls] = {}
    """Per model: values of `devices`, `dtype`, `quantization`, `threads`, `max_model_len` or
    `reasoning_parser` that replace those of this section."""

    def of_model(self, model: str | None) -> "Engine":
        """The settings of one model."""
        return self.overridden("per_model", model or "")

    @property
    def most_devices(self) -> int:
        """The largest number of GPUs that one model uses."""
        return max([self.devices, *(self.of_model(model).devices for model in self.per_model)])

    @model_validator(mode="after")
    def _check_overrides(self) -> "Engine":
        for model, values in self.per_model.items():
            for key in values:
                if key not in PER_MODEL:
                    raise ValueError(
                        f"per_model.{model}.{key}: only {', '.join(PER_MODEL)} can be set per model"
                    )
            self.of_model(model)
        return self
