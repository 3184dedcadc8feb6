"""The config keys of sampling, training and serving."""

from typing import Annotated, Any, Literal

from pydantic import Field, ValidationError, model_validator

from manybaskets.config.base import Count, NoNulls, Section

VLLM_RANKS = (1, 8, 16, 32, 64, 128, 256, 320, 512)


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
