"""Costs of models on this machine or on a GPU: weights, and seconds to generate and to score.

Time is the floating-point operations of a model (2 per weight and token read or written, 6 per
token trained on) over the speed of this machine, or of a GPU. The constants for GPUs are
estimates, not measurements.
"""

import functools
import json
import re
import time
from pathlib import Path

from manybaskets.config.models import Model, Scratch
from manybaskets.devices import on_cpu
from manybaskets.models import gguf
from manybaskets.study.layout import Study

PROMPT_TOKENS, JUDGE_TOKENS = 40, 260  # of an ordinary prompt, of a pair put before a judge
SHARE_USED = 0.6  # of max_tokens, by an ordinary response
ENGINE_START = {"cpu": 20.0, "gpu": 60.0}  # seconds, once per model served
STEP = {"cpu": 0.12, "gpu": 0.1}  # seconds of the shortest training step
GENERATED = {"cpu": 4_000.0, "gpu": 20_000.0}  # tokens a second at most, however small the model
JUDGED = {"cpu": 300.0, "gpu": 2_000.0}  # judgements a second at most
EMBEDDED = {"cpu": 0.022, "gpu": 0.01}  # seconds a text, one at a time
GPU_RATE = 1e14  # FLOP/s of a GPU that trains or reads
DOWNLOADED = 1e8  # bytes a second from the hub
WRITING = 0.3  # share of the rate when tokens are written one by one
MIB = 1024**2
# "Llama-3.1-8B-Instruct", "gemma-2-9b-it", "SmolLM2-135M", "Mixtral-8x7B"
NAMED_SIZE = re.compile(r"(?<![\w.])(?:(\d+)x)?(\d+(?:\.\d+)?)([bBmM])(?![a-zA-Z0-9])")


class CostModel:
    """Costs of a study's models: on GPUs if there are any or with `on_gpus`, else on this CPU."""

    def __init__(self, study: Study, on_gpus: bool = False) -> None:
        self.study = study
        self.device = "gpu" if on_gpus or not on_cpu() else "cpu"
        self.named: dict[str, int] = {}
        """Weights of models that are not on this machine, read from their names."""
        self._served: set[str] = set()

    @functools.cached_property
    def rate(self) -> float:
        """Floating-point operations per second of training."""
        return GPU_RATE if self.device == "gpu" else _cpu_rate()

    @property
    def shortest_step(self) -> float:
        """Seconds of the shortest training step."""
        return STEP[self.device]

    def gpus(self, model: str | None) -> int:
        """Returns the number of GPUs of a model's engine; 1 without any."""
        return 1 if self.device == "cpu" else self.study.config.engine.of_model(model).devices

    def writing(self, model: str, limit: float) -> float | None:
        """Returns the seconds to generate at most `limit` tokens, None if the size is not known.

        The first use of a model includes the start of its engine.
        """
        weights = self.weights(model)
        if weights is None:
            return None
        start = 0.0 if model in self._served else ENGINE_START[self.device]
        self._served.add(model)
        together = self.rate * self.gpus(model)
        rate = min(GENERATED[self.device], together * WRITING / (2 * weights))
        return start + SHARE_USED * limit / rate

    def writing_of_source(self, source: str, rows: int) -> float | None:
        """Returns the seconds to generate so many responses of a source; None for an endpoint."""
        config = self.study.config
        settings = config.sources[source]
        if settings.recorded:
            return 0.0
        if settings.endpoint or settings.model is None:
            return None
        return self.writing(settings.model, rows * config.generation.max_tokens)

    def reading(self, model: str, tokens: float, devices: int = 1) -> float | None:
        """Returns the seconds to compute the likelihood of so many tokens."""
        weights = self.weights(model)
        return None if weights is None else 2 * weights * tokens / self.rate / devices

    def judging(self, model: str, judgements: int) -> float | None:
        """Returns the seconds of so many judgements by an engine."""
        read = self.reading(model, judgements * JUDGE_TOKENS, self.gpus(model))
        return None if read is None else max(read, judgements / JUDGED[self.device])

    def embedding(self, texts: int) -> float:
        """Returns the seconds to embed so many texts."""
        return texts * EMBEDDED[self.device]

    @functools.cache  # noqa: B019
    def weights(self, model: str) -> int | None:
        """Returns the number of weights of a model, from its files or its name; None if unknown."""
        settings = self.study.config.models[model]
        if settings.scratch:
            return _scratch_weights(settings.scratch)
        folder = Path(self.study.model(model))
        size = sum(file.stat().st_size for file in folder.glob("*.safetensors"))
        try:
            config = json.loads((folder / "config.json").read_text(encoding="utf-8"))
        except (OSError, ValueError):
            return self._by_name(model, settings)
        wide = (config.get("dtype") or config.get("torch_dtype")) == "float32"
        return size // (4 if wide else 2) or None

    def _by_name(self, model: str, settings: Model) -> int | None:
        sizes = NAMED_SIZE.findall(_named(settings).rpartition("/")[2])
        if not sizes:
            return None
        experts, size, unit = sizes[0]
        weights = float(size) * int(experts or 1) * (1e9 if unit in "bB" else 1e6)
        self.named[model] = round(weights)
        return self.named[model]


def _named(model: Model) -> str:
    """Returns the name of a model that is not on this machine, or of its GGUF file."""
    if model.package:
        pattern = model.file or gguf.PATTERN
        return gguf.packaged_file(model.package, pattern, "models").name
    return model.hub or model.gguf or ""


def _scratch_weights(scratch: Scratch) -> int:
    """Returns the weights of embeddings, and twelve times the squared width per layer."""
    return scratch.vocabulary * scratch.hidden + 12 * scratch.layers * scratch.hidden**2


def _cpu_rate() -> float:
    """Returns a fifth of the rate of a matrix product on the cores that are free now.

    Jobs run side by side, and the products of small models are small.
    """
    import numpy as np

    matrix = np.ones((768, 768), dtype=np.float32)
    best = float("inf")
    for _ in range(5):
        started = time.perf_counter()
        matrix @ matrix
        best = min(best, time.perf_counter() - started)
    return 2 * 768**3 / best / 5
