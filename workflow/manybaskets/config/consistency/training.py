"""Training settings that cannot be served, or do not fit each other."""

from collections.abc import Iterator

from manybaskets.config.serving import VLLM_RANKS
from manybaskets.config.study import StudyConfig
from manybaskets.config.training import Training


def bad_training(config: StudyConfig) -> Iterator[tuple[str, str]]:
    """Problems of the training settings, and of those of single targets."""
    adapter = config.training.adapter
    if adapter != "lora":
        yield (
            "training.adapter",
            f"vLLM cannot serve several '{adapter}' adapters on one base model. Use lora.",
        )
    targets = config.training.per_target
    settings = [config.training, *map(config.training.of_target, targets)]
    problems = [problem for training in settings for problem in _bad_settings(training)]
    yield from dict.fromkeys(problems)


def _bad_settings(training: Training) -> Iterator[tuple[str, str]]:
    """Ranks that vLLM does not serve; settings that do not fit the devices."""
    if training.rank > VLLM_RANKS[-1]:
        yield (
            "training.rank",
            f"vLLM serves ranks up to {VLLM_RANKS[-1]}; found {training.rank}. Lower it.",
        )
    if training.batch_size % training.devices:
        yield (
            "training.batch_size",
            f"{training.batch_size} rows cannot be divided over {training.devices} devices. "
            "Use a multiple of training.devices.",
        )
    if training.parallel == "fsdp" and training.devices == 1:
        yield "training.parallel", "fsdp needs several devices. Set training.devices to 2 or more."
    if training.parallel == "fsdp" and training.quantization:
        yield (
            "training.parallel",
            f"fsdp does not shard quantized weights ({training.quantization}). Remove "
            "training.quantization, or use ddp, which loads all weights on each device.",
        )
