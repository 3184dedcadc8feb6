"""The jobs of a study: what each needs, what it makes, and which job makes a file.

The rules take their inputs and outputs from here, and so does everything that has to know the
graph without running Snakemake: `records`, `reruns`, `plan`, `status`.
"""

import re
import shlex
from collections.abc import Iterator
from dataclasses import replace
from functools import cached_property
from pathlib import Path
from typing import NamedTuple

from manybaskets.config.base import VANILLA
from manybaskets.stages.study import Study
from manybaskets.study.layout import LOOP, Cell, parted

# In a loop `seed` has the generation with it: `2/generation=3`, and the `mix` of a selection the
# chain: `loop/wren/replace`. So one rule serves cells and selections of all mixes.
CELL = "cells/{target}/{mix}/seed={seed}"
NAME, SEED, RUN = r"[A-Za-z0-9._-]+", r"\d+", r"\d+(?:/generation=\d+)?"
CHAIN = f"{LOOP}/{{target}}/{{mix}}"
Inputs = dict[str, str | list[str]]

# What each stage makes, below the study's results; its wildcards are those of its first output.
OUTPUTS: dict[str, dict[str, str]] = {
    "documentation": {"rows": "data/documentation.jsonl"},
    "dataset": {
        "train": "data/train.jsonl",
        "test": "data/test.jsonl",
        "prompts": "data/prompts.jsonl",
        "texts": "data/items.jsonl",
    },
    "tokenizer": {"folder": "models/tokenizer"},
    "pretrain": {"folder": "models/{model}", "summary": "models/{model}.json"},
    "fetch": {"folder": "models/{model}"},
    "yardstick": {"scores": "models/yardstick.json"},
    "generate": {"responses": "responses/{source}/seed={seed}.jsonl"},
    "candidates": {"responses": "candidates/{source}.jsonl"},
    "verify": {"verdicts": "verdicts/{mix}/seed={seed}.jsonl"},
    "select": {"rows": "selections/{mix}/seed={seed}.jsonl"},
    "verification": {"measured": "selections/{mix}/seed={seed}.json"},
    "mix": {
        "rows": "mixes/{mix}/seed={seed}.jsonl",
        "composition": "mixes/{mix}/seed={seed}.json",
    },
    "write": {"responses": f"responses/{CHAIN}/seed={{seed}}.jsonl"},
    "round": {
        "rows": f"mixes/{CHAIN}/seed={{seed}}.jsonl",
        "composition": f"mixes/{CHAIN}/seed={{seed}}.json",
    },
    "train": {"adapter": f"{CELL}/adapter", "summary": f"{CELL}/training.json"},
    "reference": {"embeddings": "data/test.safetensors"},
    "respond": {"responses": f"{CELL}/responses.jsonl", "samples": f"{CELL}/samples.jsonl"},
    "score": {
        "likelihood": f"{CELL}/likelihood.json",
        "tokens": f"{CELL}/tokens.parquet",
        "own": f"{CELL}/own-likelihood.json",
        "embeddings": f"{CELL}/embeddings.safetensors",
    },
    "collapse": {"measured": f"{CELL}/collapse.json", "outliers": f"{CELL}/outliers.json"},
    "bring": {"file": "restricted/sets/{set}"},
    "optimise": {"suffixes": f"{CELL}/restricted/suffixes.jsonl"},
    "attack": {"attacks": f"{CELL}/restricted/attacks.jsonl"},
    "label": {"labels": f"{CELL}/restricted/labels/{{judge}}.jsonl"},
    "calibrate": {"labels": "restricted/calibration/{judge}.jsonl"},
    "robustness": {"measured": f"{CELL}/robustness.json"},
    "answer": {"candidates": f"{CELL}/candidates.jsonl"},
    "judge": {"judgements": f"{CELL}/judgements.jsonl"},
    "preference": {"measured": f"{CELL}/preference.json"},
    "consult": {"judgements": "judges/{judge}/seed={seed}.jsonl"},
    "opinions": {"table": "findings/judges.csv"},
    "findings": {
        "measurements": "findings/measurements.csv",
        "parquet": "findings/measurements.parquet",
        "by_prompt": "findings/items.parquet",
        "contrasts": "findings/contrasts.csv",
        "trends": "findings/trends.csv",
        "pooled": "findings/pooled.csv",
        "training": "findings/training.csv",
        "ranks": "findings/ranks.csv",
        "comparison": "findings/comparison.csv",
        "proxies": "findings/proxies.csv",
        "dictionary": "findings/dictionary.csv",
    },
    "figures": {"folder": "findings/figures"},
    "report": {"page": "report.html"},
}
ONCE_A_SEED = ("generate", "mix", "consult")  # whatever the generation
OF_SELECTION = ("verify", "select", "verification")
FOLDERS = {("tokenizer", "folder"), ("pretrain", "folder"), ("fetch", "folder")} | {
    ("train", "adapter"),
    ("figures", "folder"),
}
WILDCARDS = {
    stage: tuple(re.findall(r"{(\w+)}", next(iter(outputs.values()))))
    for stage, outputs in OUTPUTS.items()
}


# Stages that run a model, on a GPU where there is one.
ON_DEVICES = {"pretrain", "generate", "candidates", "train", "score", "respond"} | {
    *("reference", "attack", "answer", "judge", "verify"),
    *("optimise", "label", "calibrate", "consult", "write"),
}

# What runs first when more is ready than there is room for: what others wait for, and within a
# cell measuring before the next training, so that cells finish as the study goes.
PRIORITIES = {
    **{"write": 45, "round": 45},  # a loop is a long chain
    **{"pretrain": 50, "generate": 40, "candidates": 40, "verify": 38, "train": 30},
    **dict.fromkeys(("reference", "score", "respond"), 35),
    **dict.fromkeys(("attack", "answer", "judge"), 35),
    **dict.fromkeys(("collapse", "robustness", "preference", "select", "verification"), 60),
    **{"bring": 50, "optimise": 40, "label": 38, "calibrate": 38, "consult": 38},
    "opinions": 20,
}
# Parts of a description that say how much is asked for, not what the answers are: when only they
# change, the job runs again and keeps the rows it has, and what was made from those still holds.
EXTENT = {"generate": ("mixes", "rows")}


class Job(NamedTuple):
    """One job: its stage and the values of the stage's wildcards, in the order of WILDCARDS."""

    stage: str
    which: tuple[str, ...]

    @property
    def wildcards(self) -> dict[str, str]:
        """The values by name."""
        return dict(zip(WILDCARDS[self.stage], self.which, strict=True))

    @property
    def path(self) -> str:
        """Where the job's log and record lie below `logs/` and `records/`, without extension."""
        return "/".join(
            [self.stage]
            + [f"seed={value}" if key == "seed" else value for key, value in self.wildcards.items()]
        )


class Graph:
    """The jobs of one study."""

    def __init__(self, study: Study) -> None:
        self.study = study
        self._producers: dict[str, Job | None] = {}

    # ---- files -------------------------------------------------------------------------------

    def inputs(self, stage: str, **wildcards: str) -> Inputs:
        """The files a job reads, by the names its rule uses."""
        found: Inputs = getattr(self, f"_{stage}")(**wildcards)
        return found

    def outputs(self, job: Job) -> list[str]:
        """The files and folders a job makes."""
        wildcards = job.wildcards
        return [
            self.study.path(pattern.format(**wildcards)) for pattern in OUTPUTS[job.stage].values()
        ]

    def kinds(self, job: Job) -> list[tuple[str, bool]]:
        """The outputs of a job, and whether each is a folder."""
        flags = [(job.stage, name) in FOLDERS for name in OUTPUTS[job.stage]]
        return list(zip(self.outputs(job), flags, strict=True))

    def in_loop(self, job: Job) -> bool:
        """Whether a job is one of a single generation of a loop."""
        return bool(parted(job.wildcards.get("seed", "0"))[1])

    def chain(self, job: Job) -> str:
        """A job's generation in words."""
        seed, generation = parted(job.wildcards["seed"])
        named = [job.wildcards.get("target", ""), *job.wildcards["mix"].split("/")]
        target, mix = named[-2:]
        return f"generation {generation} of {mix} ({target}, seed {seed})"

    def record(self, job: Job) -> str:
        """Where the record of a finished job lies."""
        return self.study.path("records", f"{job.path}.json")

    def log(self, job: Job) -> str:
        """Where a job's log lies."""
        return self.study.path("logs", f"{job.path}.log")

    def arguments(self, job: Job) -> str:
        """What a job is told of itself on its command line, for a shell."""
        spec = self.study.spec(job.stage, **job.wildcards)
        return f"--spec {shlex.quote(spec)} --record {shlex.quote(self.record(job))}"

    def priority(self, job: Job) -> float:
        """The stage's, and within it by model: one model's engine gets all its work at once."""
        model = self.model(job)
        models = list(self.study.config.models)
        later = models.index(model) / len(models) if model in models else 0.0
        return PRIORITIES[job.stage] - later

    def model(self, job: Job) -> str | None:
        """The model that a job runs: a name in `models`, or an endpoint's own; None without one."""
        study, named = self.study, job.wildcards
        if job.stage == "consult":
            return study.external_judges[named["judge"]].model
        if "judge" in named:
            robustness = study.config.probes.robustness
            return robustness.judges[named["judge"]].model if robustness else None
        if job.stage == "verify":
            verifier = study.selection(named["mix"]).verifier
            source = verifier.source
            return study.config.sources[source].model if source else verifier.model
        if "source" in named:
            return study.config.sources[named["source"]].model
        return named.get("target") or named.get("model")

    def files(self, job: Job) -> list[str]:
        """All inputs of a job, in the order of its rule."""
        return [
            path
            for value in self.inputs(job.stage, **job.wildcards).values()
            for path in ([value] if isinstance(value, str) else value)
        ]

    # ---- jobs --------------------------------------------------------------------------------

    def producer(self, path: str) -> Job | None:
        """The job that makes a file or folder; None for what comes from outside."""
        if path not in self._producers:
            self._producers[path] = self._producer(path)
        return self._producers[path]

    def producers(self, job: Job) -> list[Job]:
        """The jobs whose outputs a job reads, each once."""
        found = (self.producer(path) for path in self.files(job))
        return list(dict.fromkeys(job for job in found if job is not None))

    def jobs(self, *targets: str) -> Iterator[Job]:
        """Every job on the way to the targets (the report, where none is given), inputs first."""
        seen: set[Job] = set()
        stack = [
            (job, False)
            for path in reversed(targets or (self.study.path("report.html"),))
            if (job := self.producer(path))
        ]
        while stack:
            job, ready = stack.pop()
            if ready:
                yield job
            elif job not in seen:
                seen.add(job)
                stack.append((job, True))
                stack += [(needed, False) for needed in reversed(self.producers(job))]

    def recorded(self, path: Path) -> Job:
        """The job whose record lies at `path`."""
        place = path.with_suffix("").relative_to(self.study.path("records"))
        stage = place.parts[0]
        parts = [f"seed={{{key}}}" if key == "seed" else f"{{{key}}}" for key in WILDCARDS[stage]]
        found = self._pattern(stage, "/".join([stage, *parts])).fullmatch(str(place))
        if found is None:
            raise ValueError(f"{path} is no place of a record.")
        return Job(stage, found.groups())

    @cached_property
    def _patterns(self) -> list[tuple[str, re.Pattern[str]]]:
        return [
            (stage, self._pattern(stage, f"{self.study.root}/{output}"))
            for stage, outputs in OUTPUTS.items()
            for output in outputs.values()
        ]

    def _pattern(self, stage: str, path: str) -> re.Pattern[str]:
        """What matches a path of a stage, with its wildcards as groups."""
        known = {"seed": SEED if stage in ONCE_A_SEED else RUN}
        models = {"pretrain": self.study.scratch_models, "fetch": self.study.fetched_models}
        if stage in models:
            known["model"] = "|".join(map(re.escape, models[stage])) or "(?!)"
        if stage in OF_SELECTION:
            known["mix"] = f"{NAME}|{LOOP}/{NAME}/{NAME}"
        return re.compile(
            "".join(
                f"(?P<{part}>{known.get(part, NAME)})" if number % 2 else re.escape(part)
                for number, part in enumerate(re.split(r"{(\w+)}", path))
            )
        )

    def _producer(self, path: str) -> Job | None:
        for stage, pattern in self._patterns:
            if found := pattern.fullmatch(path):
                return Job(stage, found.groups())
        return None

    # ---- what each stage reads ---------------------------------------------------------------

    def _documentation(self) -> Inputs:
        return {}

    def _dataset(self) -> Inputs:
        docs = self.study.config.dataset.docs is not None
        return {"documentation": [self._data("documentation")] if docs else []}

    def _tokenizer(self) -> Inputs:
        return {"documentation": self._data("documentation")}

    def _pretrain(self, model: str) -> Inputs:
        return {
            "documentation": self._data("documentation"),
            "tokenizer": self.study.path("models/tokenizer"),
        }

    def _fetch(self, model: str) -> Inputs:
        path = self.study.config.models[model].path
        return {"model": [path] if path else []}

    def _yardstick(self) -> Inputs:
        return {
            "documentation": self._data("documentation"),
            "test": self._data("test"),
            "models": [self.study.model(name) for name in self.study.scratch_models],
        }

    def _generate(self, source: str, seed: str) -> Inputs:
        return {
            "train": self._data("train"),
            "prompts": self._data("prompts"),
            "model": self._source_model(source),
        }

    def _candidates(self, source: str) -> Inputs:
        return {"texts": self.study.judged_items(), "model": self._source_model(source)}

    def _verify(self, mix: str, seed: str) -> Inputs:
        verifier = self.study.selection(mix).verifier
        model = [self.study.model(verifier.model)] if verifier.model else []
        written = self.study.path("responses", mix, f"seed={seed}.jsonl")
        return {
            "train": self._data("train"),
            "prompts": self._data("prompts"),
            "responses": [written] if "/" in mix else self._responses(mix, seed),
            "model": self._source_model(verifier.source) if verifier.source else model,
        }

    def _select(self, mix: str, seed: str) -> Inputs:
        select = self.study.selection(mix)
        like = [select.match_keep_rate] if select.match_keep_rate else []
        return {
            "verdicts": self.study.path("verdicts", mix, f"seed={seed}.jsonl"),
            "like": [self.study.path("verdicts", name, f"seed={seed}.jsonl") for name in like],
        }

    def _verification(self, mix: str, seed: str) -> Inputs:
        return {**self._select(mix, seed), "train": self._data("train")}

    def _write(self, target: str, mix: str, seed: str) -> Inputs:
        cell = self.study.home(Cell(target, mix, *parted(seed)))
        return {
            **self._model(target, cell.mix, cell.run),
            "train": self._data("train"),
            "prompts": self._data("prompts"),
        }

    def _round(self, target: str, mix: str, seed: str) -> Inputs:
        number, generation = parted(seed)
        study = self.study
        first = study.path(f"{study.home(Cell(target, mix, number, 1)).training_set}.jsonl")
        return {
            "train": self._data("train"),
            "prompts": self._data("prompts"),
            "first": [first] if study.keeps_all(mix, generation) else [],
            "written": [
                study.written(Cell(writer, mix, number, joined - 1))
                for joined in study.joined(mix, generation)
                for writer in study.writers(target, mix)
            ],
        }

    def _mix(self, mix: str, seed: str) -> Inputs:
        taken = self.study.path("selections", mix, f"seed={seed}.jsonl")
        is_selected = mix in self.study.selected
        return {
            "train": self._data("train"),
            "prompts": self._data("prompts"),
            "responses": [] if is_selected else self._responses(mix, seed),
            "selected": [taken] if is_selected else [],
            "tokenizer": self.study.token_counter(),
        }

    def _responses(self, mix: str, seed: str) -> list[str]:
        return [self.study.responses(source, seed) for source in self.study.mix_sources(mix)]

    def _train(self, target: str, mix: str, seed: str) -> Inputs:
        return {
            "base": self.study.model(target),
            "rows": self.study.path(f"{Cell(target, mix, *parted(seed)).training_set}.jsonl"),
        }

    def _reference(self) -> Inputs:
        return {"embedder": self._embedder(), "test": self._data("test")}

    def _score(self, target: str, mix: str, seed: str) -> Inputs:
        folder = self.study.path(CELL.format(target=target, mix=mix, seed=seed))
        return {
            **self._model(target, mix, seed),
            "embedder": self._embedder(),
            "test": self._data("test"),
            "train": self._data("train"),
            "responses": f"{folder}/responses.jsonl",
            "samples": f"{folder}/samples.jsonl",
        }

    def _respond(self, target: str, mix: str, seed: str) -> Inputs:
        return {**self._model(target, mix, seed), "test": self._data("test")}

    def _bring(self, set: str) -> Inputs:
        return {}

    def _optimise(self, target: str, mix: str, seed: str) -> Inputs:
        return {**self._model(target, mix, seed), "sets": self._sets()}

    def _attack(self, target: str, mix: str, seed: str) -> Inputs:
        cells = self.study.optimised(target, mix, seed)
        return {
            **self._model(target, mix, seed),
            "sets": self._sets(),
            "suffixes": [self.study.path(c.path, "restricted/suffixes.jsonl") for c in cells],
        }

    def _label(self, target: str, mix: str, seed: str, judge: str) -> Inputs:
        cell = CELL.format(target=target, mix=mix, seed=seed)
        return {
            "attacks": self.study.path(cell, "restricted/attacks.jsonl"),
            "model": self._judge_model(judge),
        }

    def _calibrate(self, judge: str) -> Inputs:
        return {"model": self._judge_model(judge)}

    def _answer(self, target: str, mix: str, seed: str) -> Inputs:
        return {**self._model(target, mix, seed), "texts": self.study.judged_items()}

    def _judge(self, target: str, mix: str, seed: str) -> Inputs:
        return {
            **self._model(target, mix, seed),
            "texts": self.study.judged_items(),
            "cells": self.study.judged_cells(target, seed),
            "candidates": self._candidate_files(),
        }

    def _candidate_files(self) -> list[str]:
        return [self.study.path("candidates", f"{n}.jsonl") for n in self.study.judged_sources()]

    def _collapse(self, **cell: str) -> Inputs:
        folder = self.study.path(CELL.format(**cell))
        meant = self.study.embedder is not None
        return {
            "likelihood": f"{folder}/likelihood.json",
            "tokens": f"{folder}/tokens.parquet",
            "own": f"{folder}/own-likelihood.json",
            "responses": f"{folder}/responses.jsonl",
            "samples": f"{folder}/samples.jsonl",
            "test": self._data("test"),
            "embeddings": [f"{folder}/embeddings.safetensors"] if meant else [],
            "reference": [self.study.path("data/test.safetensors")] if meant else [],
        }

    def _robustness(self, **cell: str) -> Inputs:
        folder = self.study.path(CELL.format(**cell), "restricted")
        robustness = self.study.config.probes.robustness
        judges = robustness.judges if robustness else ()
        return {
            "attacks": f"{folder}/attacks.jsonl",
            "labels": [f"{folder}/labels/{judge}.jsonl" for judge in judges],
            "calibration": [
                self.study.path("restricted/calibration", f"{judge}.jsonl")
                for judge in (judges if robustness and robustness.human_labels else ())
            ],
        }

    def _preference(self, **cell: str) -> Inputs:
        return {"judgements": self.study.path(CELL.format(**cell), "judgements.jsonl")}

    def _consult(self, judge: str, seed: str) -> Inputs:
        model = self.study.external_judges[judge].model
        return {
            "model": [self.study.model(model)] if model in self.study.config.models else [],
            "texts": self.study.judged_items(),
            "cells": [
                path
                for target in self.study.config.targets
                for path in self.study.judged_cells(target, seed)
            ],
            "candidates": self._candidate_files(),
        }

    def _opinions(self) -> Inputs:
        return {"judgements": [self.study.path(path) for path in self.study.opinion_files()]}

    def _findings(self) -> Inputs:
        study = self.study
        shown = study.findings_files()
        return {
            "measured": [
                *(
                    study.path(cell.path, f"{probe}.json")
                    for cell in study.cells
                    for probe in study.probes()
                ),
                *(
                    study.path("selections", mix, f"seed={seed}.json")
                    for mix in study.selected
                    for seed in study.config.seeds
                ),
                *(
                    study.path("selections", LOOP, cell.target, cell.mix, f"seed={before.run}.json")
                    for cell in study.cells
                    if cell.mix in study.selected_loops and cell.generation > 1
                    for before in [replace(cell, generation=cell.generation - 1)]
                ),
            ],
            "cells": [study.path(path) for path in shown],
            "test": self._data("test"),
        }

    def _figures(self) -> Inputs:
        return {
            "measurements": self.study.path("findings/measurements.csv"),
            "contrasts": self.study.path("findings/contrasts.csv"),
            "trends": self.study.path("findings/trends.csv"),
            "training": self.study.path("findings/training.csv"),
            "ranks": self.study.path("findings/ranks.csv"),
            "judges": self._judges(),
        }

    def _judges(self) -> list[str]:
        judged = self.study.config.probes.preference is not None
        return [self.study.path("findings/judges.csv")] if judged else []

    def _report(self) -> Inputs:
        study = self.study
        scratch = bool(study.scratch_models)
        return {
            **self._figures(),
            "pooled": study.path("findings/pooled.csv"),
            "comparison": study.path("findings/comparison.csv"),
            "figures": study.path("findings/figures"),
            "yardstick": [study.path("models/yardstick.json")] if scratch else [],
            "cells": study.sample_files(),
        }

    def _judge_model(self, judge: str) -> list[str]:
        model = self.model(Job("calibrate", (judge,)))
        return [self.study.model(model)] if model in self.study.config.models else []

    def _sets(self) -> list[str]:
        return [self.study.path("restricted/sets", name) for name in self.study.request_sets()]

    def _data(self, name: str) -> str:
        return self.study.path("data", f"{name}.jsonl")

    def _embedder(self) -> list[str]:
        """The folder of the embedder; none for the one that comes with the environment."""
        name = self.study.embedder
        return [self.study.model(name)] if name in self.study.config.models else []

    def _source_model(self, source: str) -> list[str]:
        model = self.study.config.sources[source].model
        return [self.study.model(model)] if model in self.study.config.models else []

    def _model(self, target: str, mix: str, seed: str) -> Inputs:
        adapter = self.study.path(CELL.format(target=target, mix=mix, seed=seed), "adapter")
        return {
            "base": self.study.model(target),
            "adapter": [] if mix == VANILLA else [adapter],
        }
