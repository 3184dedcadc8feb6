"""Stage of fine-tuning: one LoRA adapter per cell."""

from manybaskets.config.training import Training
from manybaskets.data import loops
from manybaskets.stages.base import Cost, Device, File, Folder, Inputs, Spec, TargetStage
from manybaskets.stages.cost_model import PROMPT_TOKENS, SHARE_USED, CostModel
from manybaskets.stages.loops import trained_rows
from manybaskets.stages.specs import Base, base, version
from manybaskets.study import keys
from manybaskets.study.layout import Study

CELL = f"cells/{keys.PATTERNS[keys.Cell]}"


class TrainSpec(Spec):
    """How a cell is fine-tuned."""

    training: Training
    seed: int
    base: Base
    optional_packages: dict[str, str | None] = {}
    """Versions of packages that only some settings use."""


class Train(TargetStage[TrainSpec]):
    """Fine-tunes a LoRA adapter of the target on a mix."""

    name = "train"
    outputs = {"adapter": Folder(f"{CELL}/adapter"), "summary": File(f"{CELL}/training.json")}
    device = Device.JOB
    priority = 30
    start_seconds = 8.0
    imports_torch = True

    def inputs(self, study: Study, key: keys.Cell) -> Inputs:
        """The target and the training set."""
        rows = study.path(f"{key.training_set}.jsonl")
        return {"base": study.model(key.target), "rows": rows}

    def spec(self, study: Study, key: keys.Cell) -> TrainSpec:
        """The target's training settings."""
        settings = study.config.training.of_target(key.target)
        optional = {"bitsandbytes": settings.quantization, "liger-kernel": settings.liger}
        return TrainSpec(
            training=settings,
            seed=loops.training_seed(key.seed, key.target, key.generation),
            base=base(study, key.target),
            optional_packages={name: version(name) for name, used in optional.items() if used},
        )

    def gpus(self, study: Study, key: keys.Cell) -> int:
        """The devices of the target's training settings."""
        return study.config.training.of_target(key.target).devices

    def cost(self, costs: CostModel, key: keys.Cell) -> Cost:
        """Six operations per weight and token, over all devices; the adapter's bytes."""
        study, weights = costs.study, costs.weights(key.target)
        if weights is None:
            return Cost(seconds=None, bytes=None)
        training = study.config.training.of_target(key.target)
        batch = training.batch_size * training.gradient_accumulation
        steps = training.epochs * trained_rows(study, key) / batch
        tokens = batch * (PROMPT_TOKENS + SHARE_USED * study.config.generation.max_tokens)
        devices = training.devices if costs.device == "gpu" else 1
        rate = costs.rate(key.target, training.threads) * devices
        step = max(costs.shortest_step, 6 * weights * tokens / rate)
        return Cost(seconds=steps * step, bytes=_adapter_bytes(study, key.target, weights))


def _adapter_bytes(study: Study, target: str, weights: int) -> int:
    rank = study.config.training.of_target(target).rank
    scratch = study.config.models[target].scratch
    if scratch:  # inputs and outputs of seven matrices a layer
        return 4 * rank * 19 * scratch.hidden * scratch.layers
    # An adapter of rank 16 on all linear layers has about 1/200 of the weights.
    return round(4 * weights / 200 * rank / 16)
