"""Costs of models on this machine or on a GPU: weights, and seconds to generate and to score.

Time is the floating-point operations of a model (2 per weight and token read or written, 6 per
token trained on) over the speed of this machine's CPU, which is measured once, or of a GPU. The
other times on a CPU are Python code; they are scaled by the measured speed of the interpreter. The
constants for GPUs are estimates, not measurements.
"""

import functools
import json
import re
from pathlib import Path
from typing import Any

from manybaskets.config.models import Model, Scratch
from manybaskets.devices import on_cpu
from manybaskets.machine import cpu_computes
from manybaskets.models import gguf
from manybaskets.stages import machine_speed
from manybaskets.stages.machine_speed import Speed
from manybaskets.study.layout import Study

PROMPT_TOKENS, JUDGE_TOKENS = 40, 260  # of an ordinary prompt, of a pair put before a judge
SHARE_USED = 0.6  # of max_tokens, by an ordinary response
ENGINE_START = {"cpu": 20.0, "gpu": 60.0}  # seconds, once per model served
STEP = {"cpu": 0.12, "gpu": 0.1}  # seconds of the shortest training step
WRITTEN = {"cpu": 1 / 4_000, "gpu": 1 / 20_000}  # seconds a token at least, of the smallest model
JUDGED = {"cpu": 1 / 300, "gpu": 1 / 2_000}  # seconds a judgement at least
EMBEDDED = {"cpu": 0.022, "gpu": 0.01}  # seconds a text, one at a time
GPU_RATE = 1e14  # FLOP/s of a GPU that trains or reads
DOWNLOADED = 1e8  # bytes a second from the hub
BATCH = 64  # sequences that an engine writes at once
CPU_SHARE = 0.5  # of the rate of matrix products, in a whole model on a CPU
GPU_WRITING = 0.3  # share of the rate when tokens are written one by one
WIDTHS = ("hidden_size", "n_embd", "d_model")
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
    def speed(self) -> Speed:
        """The measured speed of one thread of this CPU."""
        return machine_speed.of_this_machine()

    def rate(self, model: str, threads: int = 1, dtype: str = "float32") -> float:
        """Returns the floating-point operations per second of training or reading with a model."""
        if self.device == "gpu":
            return GPU_RATE
        width = self.width(model)
        share = 1.0 if width <= machine_speed.NARROW else CPU_SHARE
        return share * threads * self.speed.rate(width, dtype)

    @property
    def shortest_step(self) -> float:
        """Seconds of the shortest training step."""
        return self._python(STEP)

    def _python(self, seconds: dict[str, float]) -> float:
        """Returns seconds that are mostly Python code, at the speed of this machine."""
        scale = self.speed.interpreter if self.device == "cpu" else 1.0
        return seconds[self.device] * scale

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
        start = 0.0 if model in self._served else self._python(ENGINE_START)
        self._served.add(model)
        written = SHARE_USED * limit
        prompts = PROMPT_TOKENS * limit / self.study.config.generation.max_tokens
        computed = written * self._per_token(model, weights)
        return start + computed + 2 * weights * prompts / self._engine_rate(model)

    def _per_token(self, model: str, weights: int) -> float:
        """Returns the seconds of an engine for each token of a batch."""
        code = self._python(WRITTEN)
        if self.device == "gpu":
            return max(code, 2 * weights / (GPU_WRITING * self._engine_rate(model)))
        loaded = 4 * weights / self.speed.memory / BATCH
        return code + max(2 * weights / self._engine_rate(model), loaded)

    def _engine_rate(self, model: str) -> float:
        if self.device == "gpu":
            return GPU_RATE * self.gpus(model)
        engine = self.study.config.engine.of_model(model)
        dtype = engine.dtype
        if dtype == "auto":
            dtype = "bfloat16" if cpu_computes("bfloat16") else "float32"
        return self.rate(model, engine.threads, dtype)

    def writing_of_source(self, source: str, rows: int) -> float | None:
        """Returns the seconds to generate so many responses of a source; None for an endpoint."""
        config = self.study.config
        settings = config.sources[source]
        if settings.is_recorded:
            return 0.0
        if settings.endpoint or settings.model is None:
            return None
        return self.writing(settings.model, rows * config.generation.max_tokens)

    def reading(self, model: str, tokens: float, devices: int = 1) -> float | None:
        """Returns the seconds to compute the likelihood of so many tokens."""
        weights = self.weights(model)
        threads = self.study.config.training.threads
        if weights is None:
            return None
        return 2 * weights * tokens / self.rate(model, threads) / devices

    def judging(self, model: str, judgements: int) -> float | None:
        """Returns the seconds of so many judgements by an engine."""
        weights = self.weights(model)
        if weights is None:
            return None
        read = 2 * weights * JUDGE_TOKENS / self._engine_rate(model)
        return judgements * max(read, self._python(JUDGED))

    def embedding(self, texts: int) -> float:
        """Returns the seconds to embed so many texts."""
        return texts * self._python(EMBEDDED)

    def width(self, model: str) -> int:
        """Returns the hidden size of a model; that of a wide model if it is not known."""
        scratch = self.study.config.models[model].scratch
        if scratch:
            return scratch.hidden
        config = self._config(model)
        return next((int(config[key]) for key in WIDTHS if config.get(key)), machine_speed.WIDE)

    def _config(self, model: str) -> dict[str, Any]:
        """Returns the config in the folder of a model; empty if it is not on this machine."""
        try:
            text = Path(self.study.model(model), "config.json").read_text(encoding="utf-8")
            config: dict[str, Any] = json.loads(text)
        except (OSError, ValueError):
            return {}
        return config

    @functools.cache  # noqa: B019
    def weights(self, model: str) -> int | None:
        """Returns the number of weights of a model, from its files or its name; None if unknown."""
        settings = self.study.config.models[model]
        if settings.scratch:
            return _scratch_weights(settings.scratch)
        folder = Path(self.study.model(model))
        size = sum(file.stat().st_size for file in folder.glob("*.safetensors"))
        config = self._config(model)
        if not config:
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
