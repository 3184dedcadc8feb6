"""What a job will cost: time on a device, disk, tokens and judgements.

Time and disk of a stage are what its jobs took in earlier runs of this study, where there are
any. Otherwise time is a constant for starting up, and the floating-point operations of the models
(2 per weight and token read or written, 6 per token trained on) at the speed of this machine, or of
a GPU; a generating CPU or GPU is slower than that by what is said below. Several GPUs of a job
share its work. No run has measured the GPU's constants.
"""

import functools
import json
import re
import statistics
import time
from pathlib import Path
from typing import NamedTuple

from manybaskets.config.base import HUMAN
from manybaskets.config.mixes import human_rows
from manybaskets.config.models import Model, Scratch
from manybaskets.dag.graph import Graph, Job
from manybaskets.dag.invalidation import Reruns
from manybaskets.devices import on_cpu
from manybaskets.probes.preference import questions
from manybaskets.probes.robustness import attacks
from manybaskets.study.layout import parted

TARGET_TOKENS = 16  # of the beginning of a reply that GCG aims at, and the template before it
PROMPT_TOKENS, JUDGE_TOKENS = 40, 260  # of an ordinary prompt, of a pair put before a judge
SHARE_USED = 0.6  # of max_tokens, by an ordinary response
# Seconds before a job's own work begins: interpreter, libraries, model. Without a GPU, steps are
# copies of a process that has the libraries, and models are small.
MODEL_STEPS = ("pretrain", "yardstick", "train", "score", "optimise", "reference")
START = {
    **dict.fromkeys(MODEL_STEPS, 8.0),
    **dict.fromkeys(("generate", "candidates", "verify", "write"), 2.0),
    **dict.fromkeys(("respond", "attack", "answer", "judge", "label", "calibrate"), 2.0),
    "consult": 2.0,
    "collapse": 3.0,
    **dict.fromkeys(("robustness", "preference", "mix", "select", "dataset"), 1.0),
    "round": 1.0,
    "verification": 1.0,
    **{"documentation": 20.0, "tokenizer": 10.0, "fetch": 60.0, "findings": 3.0},
    **{"figures": 12.0, "report": 3.0},
}
ENGINE_START = {"cpu": 20.0, "gpu": 60.0}  # seconds, once per model served
START_OF_COPY = 1.0
STEP = {"cpu": 0.12, "gpu": 0.1}  # seconds of the shortest training step
GENERATED = {"cpu": 4_000.0, "gpu": 20_000.0}  # tokens a second at most, however small the model
COMPARED = 5_000.0  # responses a second that are held against a reference
JUDGED = {"cpu": 300.0, "gpu": 2_000.0}  # judgements a second at most
EMBEDDED = {"cpu": 0.022, "gpu": 0.01}  # seconds a text, one at a time
GPU_RATE = 1e14  # FLOP/s of a GPU that trains or reads
DOWNLOADED = 1e8  # bytes a second from the hub
# What engines serve, and verifiers that are judges.
SERVED = {"generate", "candidates", "write", "respond", "attack", "answer"} | {
    *("judge", "consult", "label", "calibrate")
}
# "Llama-3.1-8B-Instruct", "gemma-2-9b-it", "SmolLM2-135M", "Mixtral-8x7B"
NAMED_SIZE = re.compile(r"(?<![\w.])(?:(\d+)x)?(\d+(?:\.\d+)?)([bBmM])(?![a-zA-Z0-9])")
WRITING = 0.3  # share of that rate when writing token by token
MIB = 1024**2


class Estimate(NamedTuple):
    """Of one job. None: not known."""

    seconds: float | None
    bytes: int | None
    measured: bool


class Estimates:
    """Costs of the jobs of one study, by what `reruns` read of its earlier runs.

    Modelled are those on GPUs where there are any here, or `on_gpus`; else on this CPU.
    """

    def __init__(self, graph: Graph, reruns: Reruns, on_gpus: bool = False) -> None:
        self.graph = graph
        self.study = graph.study
        self.named: dict[str, int] = {}
        """Weights of models that are not here, by what their names say."""
        self._measured = reruns.measured
        self._device = "gpu" if on_gpus or not on_cpu() else "cpu"
        self._served: set[str] = set()

    def of(self, job: Job) -> Estimate:
        """Time on its device and disk of one job; the first use of a model starts its engine."""
        if job.stage in self._measured:
            return self._mean(job.stage)
        work = getattr(self, f"_{job.stage}", None)
        spent = work(**job.wildcards) if work else 0.0
        start = START.get(job.stage, 1.0)
        if self._device == "cpu" and job.stage in MODEL_STEPS:
            start = START_OF_COPY
        seconds = None if spent is None else start + spent
        return Estimate(seconds, self._bytes(job), False)

    def devices(self, job: Job) -> int:
        """GPUs that a job holds at once; 1 without any."""
        if job.stage == "train" and self._device == "gpu":
            return self.study.config.training.of_target(job.wildcards["target"]).devices
        is_served = job.stage in SERVED
        if job.stage == "verify":
            is_served = self.study.selection(job.wildcards["mix"]).verifier.source is not None
        return self._serving(self.graph.model(job)) if is_served else 1

    @property
    def basis(self) -> str:
        """What modelled times rest on."""
        if self._device == "gpu":
            return f"from FLOPs, on GPUs that make {GPU_RATE:.0e} a second"
        return "from FLOPs, on this machine's CPU"

    @functools.cache  # noqa: B019
    def _mean(self, stage: str) -> Estimate:
        seconds, sizes = zip(*self._measured[stage], strict=True)
        return Estimate(statistics.fmean(seconds), round(statistics.fmean(sizes)), True)

    def tokens(self, job: Job) -> int:
        """Tokens at most that a job generates."""
        config = self.study.config
        source = config.sources.get(job.wildcards.get("source", ""))
        if source is not None and source.recorded:
            return 0
        if job.stage == "generate":
            return self._asked(job.wildcards["source"]) * config.generation.max_tokens
        if job.stage == "candidates" and self.study.config.probes.preference:
            return self._items() * config.generation.max_tokens
        if job.stage == "answer" and self.study.config.probes.preference:
            return self.study.config.probes.preference.items * config.generation.max_tokens
        if job.stage == "write":
            return self._joining(job.wildcards) * config.generation.max_tokens
        if job.stage == "respond":
            return self._responses() * config.generation.max_tokens
        if job.stage == "attack" and config.probes.robustness:
            return self._attempts() * config.probes.robustness.max_tokens
        if job.stage == "label" and config.probes.robustness:
            return (
                self._attempts()
                * config.probes.robustness.judges[job.wildcards["judge"]].max_tokens
            )
        return 0

    def judgements(self, job: Job) -> int:
        """Judgements that a job asks for."""
        preference = self.study.config.probes.preference
        if job.stage == "verify":
            is_asked = self.study.selection(job.wildcards["mix"]).verifier.source is not None
            return self._pool(**job.wildcards) * is_asked
        wildcards = job.wildcards
        if job.stage == "consult" and preference:
            return questions.count_asked(
                preference.model_dump(),
                self.study.judged_origins(*self.study.config.targets),
                self.study.external_judge_origin(wildcards["judge"]),
            )
        if job.stage != "judge" or not preference:
            return 0
        return questions.count_asked(
            preference.model_dump(),
            self.study.judged_origins(wildcards["target"]),
            self.study.own_origin(wildcards["target"], wildcards["mix"]),
        )

    # ---- seconds of work, by stage -------------------------------------------------------------

    def _pretrain(self, model: str) -> float | None:
        scratch = self.study.config.models[model].scratch
        weights = self._weights(model)
        if scratch is None or weights is None:
            return None
        tokens = scratch.tokens + scratch.sft_tokens
        return 6 * weights * tokens / self._rate

    def _yardstick(self) -> float | None:
        names = self.study.scratch_models
        read = [self._reading(name, self.study.config.dataset.test * 100) for name in names]
        return None if None in read else sum(filter(None, read)) + 3 * len(names)

    def _fetch(self, model: str) -> float | None:
        weights = self._weights(model)
        return None if weights is None else 2 * weights / DOWNLOADED

    def _generate(self, source: str, seed: str) -> float | None:
        return self._writing_source(source, self._asked(source))

    def _candidates(self, source: str) -> float | None:
        return self._writing_source(source, self._items())

    def _train(self, target: str, mix: str, seed: str) -> float | None:
        training, weights = self.study.config.training.of_target(target), self._weights(target)
        if weights is None:
            return None
        batch = training.batch_size * training.gradient_accumulation
        steps = training.epochs * self._trained_on(target, mix, seed) / batch
        tokens = batch * (PROMPT_TOKENS + SHARE_USED * self.study.config.generation.max_tokens)
        devices = self.devices(Job("train", (target, mix, seed)))
        return steps * max(STEP[self._device], 6 * weights * tokens / self._rate / devices)

    def _write(self, target: str, mix: str, seed: str) -> float | None:
        return self._writing(target, self.tokens(Job("write", (target, mix, seed))))

    def _score(self, target: str, mix: str, seed: str) -> float | None:
        read = self._reading(target, 3 * self.study.config.dataset.test * 100)
        meant = self._embedding(self._responses()) if self.study.embedder else 0.0
        return None if read is None else read + meant

    def _reference(self) -> float:
        return self._embedding(self.study.config.dataset.test)

    def _respond(self, target: str, mix: str, seed: str) -> float | None:
        return self._writing(target, self.tokens(Job("respond", (target, mix, seed))))

    def _attack(self, target: str, mix: str, seed: str) -> float | None:
        robustness = self.study.config.probes.robustness
        assert robustness is not None
        return self._writing(target, self._attempts() * robustness.max_tokens)

    def _answer(self, target: str, mix: str, seed: str) -> float | None:
        asked = self.tokens(Job("answer", (target, mix, seed)))
        return self._writing(target, asked)

    def _optimise(self, target: str, mix: str, seed: str) -> float | None:
        robustness, weights = self.study.config.probes.robustness, self._weights(target)
        assert robustness is not None
        if weights is None:
            return None
        gcg = robustness.gcg
        read = gcg.candidates * (gcg.suffix_tokens + TARGET_TOKENS)
        step = max(STEP[self._device] / 2, 2 * weights * read / self._rate)
        return gcg.behaviours * gcg.steps * step

    def _label(self, target: str, mix: str, seed: str, judge: str) -> float | None:
        robustness = self.study.config.probes.robustness
        assert robustness is not None
        found = robustness.judges[judge]
        if found.endpoint:
            return None
        return self._writing(found.model, self._attempts() * found.max_tokens)

    def _judge(self, target: str, mix: str, seed: str) -> float | None:
        asked = self.judgements(Job("judge", (target, mix, seed)))
        read = self._reading(target, asked * JUDGE_TOKENS, self._serving(target))
        return None if read is None else max(read, asked / JUDGED[self._device])

    def _consult(self, judge: str, seed: str) -> float | None:
        asked = self.judgements(Job("consult", (judge, seed)))
        found = self.study.external_judges[judge]
        if found.endpoint:
            return None
        read = self._reading(found.model, asked * JUDGE_TOKENS, self._serving(found.model))
        return None if read is None else max(read, asked / JUDGED[self._device])

    def _verify(self, mix: str, seed: str) -> float | None:
        verifier, rows = self.study.selection(mix).verifier, self._pool(mix, seed)
        if verifier.model:
            written = self.study.config.generation.max_tokens * SHARE_USED
            return self._reading(verifier.model, rows * (PROMPT_TOKENS + written))
        if verifier.source:
            model = self.study.config.sources[verifier.source].model
            if model not in self.study.config.models:
                return None
            read = self._reading(model, rows * JUDGE_TOKENS, self._serving(model))
            return None if read is None else max(read, rows / JUDGED[self._device])
        return rows / COMPARED

    # ---- what the stages share -----------------------------------------------------------------

    def _writing_source(self, source: str, rows: int) -> float | None:
        found = self.study.config.sources[source]
        if found.recorded:
            return 0.0
        if found.endpoint or found.model is None:
            return None
        return self._writing(found.model, rows * self.study.config.generation.max_tokens)

    def _writing(self, model: str, limit: float) -> float | None:
        weights = self._weights(model)
        if weights is None:
            return None
        start = 0.0 if model in self._served else ENGINE_START[self._device]
        self._served.add(model)
        together = self._rate * self._serving(model)
        rate = min(GENERATED[self._device], together * WRITING / (2 * weights))
        return start + SHARE_USED * limit / rate

    def _reading(self, model: str, tokens: float, devices: int = 1) -> float | None:
        weights = self._weights(model)
        return None if weights is None else 2 * weights * tokens / self._rate / devices

    def _serving(self, model: str | None) -> int:
        """GPUs of the engine of a model; 1 without any."""
        if self._device == "cpu":
            return 1
        return self.study.config.engine.of_model(model).devices

    def _embedding(self, texts: int) -> float:
        return texts * EMBEDDED[self._device]

    def _responses(self) -> int:
        collapse = self.study.config.probes.collapse
        again = collapse.repeat_responses if collapse else 0
        return self.study.config.dataset.test + again

    def _asked(self, source: str) -> int:
        mixes, total = self.study.own_mixes.values(), 0.0
        for sample in range(max((mix.samples for mix in mixes), default=0)):
            missed = 1.0
            # Mixes draw prompts for a source apart from each other, those of one recipe the same.
            recipes = {
                (mix.assign, *mix.origins.items()): mix for mix in mixes if mix.samples > sample
            }
            for mix in recipes.values():
                missed *= 1 - mix.origins.get(source, 0.0)
            total += self.study.rows * (1 - missed)
        return round(total)

    def _joining(self, wildcards: dict[str, str]) -> int:
        """Rows that a generation of a loop writes for the next."""
        mix, (_, generation) = wildcards["mix"], parted(wildcards["seed"])
        human = self.study.loops[mix].at(generation + 1).human or 0.0
        writers = self.study.writers(wildcards["target"], mix)
        rows = self.study.rows - human_rows(human, self.study.rows)
        return rows // len(writers) * self.study.config.mixes[mix].samples

    def _trained_on(self, target: str, mix: str, seed: str) -> int:
        """Rows of a training set; those of an accumulating loop grow."""
        _, generation = parted(seed)
        if generation < 2 or self.study.loops[mix].at(generation).regime != "accumulate":
            return self.study.rows
        return self.study.rows * generation

    def _pool(self, mix: str, seed: str) -> int:
        """Responses that a selected mix may keep."""
        if "/" in mix:
            _, target, name = mix.split("/")
            return self._joining({"target": target, "mix": name, "seed": seed})
        found = self.study.config.mixes[mix]
        synthetic = sum(share for name, share in found.origins.items() if name != HUMAN)
        return round(self.study.rows * synthetic) * found.samples

    def _items(self) -> int:
        preference = self.study.config.probes.preference
        return max(preference.items, preference.control_pairs) if preference else 0

    def _attempts(self) -> int:
        robustness = self.study.config.probes.robustness
        if robustness is None:
            return 0
        return attacks.count(robustness)

    @functools.cache  # noqa: B019
    def _weights(self, model: str) -> int | None:
        """Weights of a model; None for one that is not here and whose name does not tell."""
        found = self.study.config.models[model]
        if found.scratch:
            return _scratch_weights(found.scratch)
        folder = Path(self.study.model(model))
        size = sum(file.stat().st_size for file in folder.glob("*.safetensors"))
        try:
            settings = json.loads((folder / "config.json").read_text(encoding="utf-8"))
        except (OSError, ValueError):
            return self._by_name(model, found)
        wide = (settings.get("dtype") or settings.get("torch_dtype")) == "float32"
        return size // (4 if wide else 2) or None

    def _by_name(self, model: str, found: Model) -> int | None:
        said = NAMED_SIZE.findall((found.hub or "").rpartition("/")[2])
        if not said:
            return None
        experts, size, unit = said[0]
        weights = float(size) * int(experts or 1) * (1e9 if unit in "bB" else 1e6)
        self.named[model] = round(weights)
        return self.named[model]

    @functools.cached_property
    def _rate(self) -> float:
        """Floating-point operations a second that training reaches here."""
        return GPU_RATE if self._device == "gpu" else _cpu_rate()

    def _bytes(self, job: Job) -> int | None:
        rows = {
            "dataset": self.study.config.dataset.train + self.study.config.dataset.test,
            "mix": self.study.rows,
            "select": self.study.rows,
            "respond": 2 * self._responses(),
            "reference": 4 * self.study.config.dataset.test,
            "score": 8 * self.study.config.dataset.test + 4 * self._responses(),
            "attack": self._attempts(),
            "label": self._attempts(),
            "judge": self.judgements(job),
            "consult": self.judgements(job),
        }
        if job.stage == "train":
            target = job.wildcards["target"]
            weights, rank = self._weights(target), self.study.config.training.of_target(target).rank
            scratch = self.study.config.models[target].scratch
            if scratch:  # inputs and outputs of seven matrices a layer
                return 4 * rank * 19 * scratch.hidden * scratch.layers
            # An adapter of rank 16 on all linear layers has about 1/200 of the weights.
            return None if weights is None else round(4 * weights / 200 * rank / 16)
        if job.stage in ("pretrain", "fetch"):
            weights = self._weights(job.wildcards["model"])
            size = 4 if job.stage == "pretrain" else 2
            return None if weights is None else size * weights
        if job.stage == "documentation":
            return 15 * MIB
        if job.stage in ("generate", "verify"):
            wildcards = job.wildcards
            asked = self._pool(**wildcards) if "mix" in wildcards else None
            return 500 * (self._asked(wildcards["source"]) if asked is None else asked)
        if job.stage == "write":
            return 500 * self._joining(job.wildcards)
        if job.stage == "round":
            return 500 * self._trained_on(**job.wildcards)
        return rows.get(job.stage, 8) * 500


def _scratch_weights(scratch: Scratch) -> int:
    """Embeddings, and twelve times the squared width per layer."""
    return scratch.vocabulary * scratch.hidden + 12 * scratch.layers * scratch.hidden**2


def _cpu_rate() -> float:
    """A fifth of what a matrix product reaches on the cores that are free now.

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
