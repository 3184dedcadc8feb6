"""The config keys of fine-tuning."""

from typing import Annotated, Any, Literal

from pydantic import Field, model_validator

from manybaskets.config.base import Count, NoNulls, Section


class Training(Section):
    """LoRA fine-tuning of the target (PEFT and TRL's SFTTrainer).

    AdamW, cosine schedule with 3 % warm-up, gradients clipped at norm 1, bfloat16 on GPUs.
    """

    adapter: str = "lora"
    """Type of the adapter. vLLM serves `lora` only."""
    rank: Count = 8
    """Rank of LoRA. 8 to 32 suffices for style and format with a few thousand rows; new content
    and more rows need a higher rank."""
    alpha: float = Field(16, gt=0)
    """Alpha of LoRA. The update is scaled by alpha / rank; the default learning rate fits a ratio
    of 2."""
    dropout: float = Field(0.0, ge=0, lt=1)
    """Dropout of LoRA."""
    modules: str | list[str] = "all-linear"
    """Names of the modules that get an adapter. All linear layers, those of the MLP above all, come
    closest to full fine-tuning; attention alone is worse (QLoRA, arXiv 2305.14314)."""
    learning_rate: float = Field(2e-4, gt=0)
    """Peak learning rate. LoRA needs about ten times the rate of full fine-tuning, at every rank:
    2e-4 for models of 1 to 13 billion parameters, 1e-4 for larger models (QLoRA), 1e-3 and more for
    the tiny models of the embedded study."""
    epochs: float = Field(2, gt=0)
    """Number of passes over the training set."""
    batch_size: Count = 16
    """Rows per forward pass, over all devices together. LoRA is worse than full fine-tuning with
    large batches: 16 to 64 rows per step suit thousands of rows. When a GPU runs out of memory, the
    forward passes get smaller and the rows per step stay the same."""
    gradient_accumulation: Count = 1
    """Forward passes per optimizer step: a step uses batch_size × gradient_accumulation rows."""
    max_length: Count = 256
    """Maximum length of prompt and response together, in tokens; longer rows are truncated at the
    end."""
    loss: Literal["response", "text"] = "response"
    """Tokens in the loss: `response` only, or the whole `text` including the prompt, as in the Eggs
    study."""
    threads: Count = 1
    """CPU threads of a training process. The number changes the result, so the study fixes it."""
    quantization: Literal["nf4", "int8"] | None = None
    """Load the target in 4 or 8 bits during training (bitsandbytes, QLoRA), for a quarter or half
    of the memory. Later steps load the target without quantization. This changes the result."""
    devices: Count = 1
    """GPUs per training (data parallelism); without a GPU, processes. The result is the same up to
    rounding."""
    parallel: Literal["ddp", "fsdp"] = "ddp"
    """With several devices: `ddp` copies the target to each; `fsdp` shards it over them, for
    targets that do not fit on one."""
    gradient_checkpointing: bool | None = None
    """Recompute activations instead of storing them: less memory, about a third more time.
    The default is true on GPUs only."""
    attention: (
        Literal["eager", "sdpa", "flex_attention", "flash_attention_2", "flash_attention_3"] | None
    ) = None
    """Attention implementation; by default the one that transformers chooses for the target."""
    packing: bool = False
    """Concatenate the rows of a batch instead of padding them. The steps stay the same, and
    attention does not cross rows. Flash attention skips the masked part; the other implementations
    compute it, which costs more than padding. A check before the first step verifies that the
    target supports it."""
    liger: bool = False
    """Use Liger's fused kernels (package liger-kernel, GPUs only): less memory and time."""
    per_target: Annotated[dict[str, dict[str, Any]], NoNulls] = {}
    """Per target: values of any key of this section that replace those above."""

    def of_target(self, target: str) -> "Training":
        """The settings of one target."""
        return self.overridden("per_target", target)

    @property
    def most_devices(self) -> int:
        """The largest number of GPUs that one training uses."""
        return max([self.devices, *(self.of_target(name).devices for name in self.per_target)])

    @model_validator(mode="after")
    def _check_overrides(self) -> "Training":
        for target in self.per_target:
            self.of_target(target)
        return self
