"""A study laid out: its cells, where every product lies, and what determines each job.

`Study.spec(stage, …)` is the one canonical JSON string that Snakemake compares: the slice of the
config that a stage depends on, the identity of its code, and hashes of the texts and files it
reads. Nothing here imports Snakemake or anything heavy; the Snakefile asks, this answers.
"""

import itertools
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

from manybaskets import fingerprint
from manybaskets.config import (
    HUMAN,
    VANILLA,
    VLLM_RANKS,
    ConfigError,
    Documentation,
    Mix,
    Section,
    StudyConfig,
)
from manybaskets.files import canonical_json

REPOSITORY = Path(__file__).parents[2]
RESOURCES = REPOSITORY / "resources"


@dataclass(frozen=True, order=True)
class Cell:
    """One fine-tuned adapter, or the target as it is (mix `vanilla`)."""

    target: str
    mix: str
    seed: int

    @property
    def path(self) -> str:
        """Folder below the study's results."""
        return f"cells/{self.target}/{self.mix}/seed={self.seed}"


class Study:
    """The cells, paths and job descriptions of one config."""

    def __init__(self, config: StudyConfig) -> None:
        self.config = config
        self.root = f"results/{config.study}"

    # ---- what there is -----------------------------------------------------------------------

    @cached_property
    def cells(self) -> list[Cell]:
        """Every target × (vanilla and every mix) × seed."""
        mixes = [VANILLA, *self.config.mixes]
        return [
            Cell(*which)
            for which in itertools.product(self.config.targets, mixes, self.config.seeds)
        ]

    @cached_property
    def scratch_models(self) -> list[str]:
        """Models that the workflow pretrains."""
        return [name for name, model in self.config.models.items() if model.scratch]

    @cached_property
    def hub_models(self) -> list[str]:
        """Models that are fetched from the hub."""
        return [name for name, model in self.config.models.items() if model.hub]

    @property
    def vocabularies(self) -> set[int]:
        """Sizes of the shared tokenizer that scratch models ask for (one, or none)."""
        scratch = [m.scratch for m in self.config.models.values() if m.scratch]
        return {s.vocabulary for s in scratch}

    @property
    def rows(self) -> int:
        """Rows of every mix."""
        return self.config.rows or self.config.dataset.train

    def probes(self) -> list[str]:
        """Names of the probes that are on."""
        return [name for name, probe in self.config.probes if probe is not None]

    def pairs(self) -> list[tuple[str, str]]:
        """Contrasts: (mix, mix it is held against), as declared or the usual ones."""
        if self.config.contrasts.pairs is not None:
            return list(self.config.contrasts.pairs)
        mixes = list(self.config.mixes)
        human = next((m for m in mixes if list(self.config.mixes[m].origins) == [HUMAN]), None)
        single = next(
            (m for m in mixes if len(self.config.mixes[m].origins) == 1 and m != human), None
        )
        found = [(mix, human) for mix in mixes if human and mix != human]
        found += [(mix, single) for mix in mixes if single and mix not in (single, human)]
        return found + [(mix, VANILLA) for mix in mixes]

    # ---- where it lies -----------------------------------------------------------------------

    def path(self, *parts: str) -> str:
        """A path below the study's results."""
        return "/".join((self.root, *parts))

    def model(self, name: str) -> str:
        """The folder of a model: the user's own, or the one the workflow makes or fetches."""
        model = self.config.models[name]
        return model.path if model.path else self.path("models", name)

    def responses(self, source: str, seed: int | str) -> str:
        """The responses of a source to the training prompts."""
        return self.path("responses", source, f"seed={seed}.jsonl")

    def token_counter(self) -> list[str]:
        """The model whose tokenizer counts training tokens, where mixes match in tokens."""
        return [self.model(self.config.targets[0])] if self.config.match == "tokens" else []

    def sample_files(self) -> list[str]:
        """What the report shows of cells: responses of the first seed, compositions, trainings."""
        first = [cell for cell in self.cells if cell.seed == self.config.seeds[0]]
        trained = [cell for cell in self.cells if cell.mix != VANILLA]
        shown = [self.path(cell.path, "responses.jsonl") for cell in first]
        if self.config.probes.collapse is None:
            shown = []
        shown += [self.path(cell.path, "training.json") for cell in trained]
        compositions = {self.path("mixes", c.mix, f"seed={c.seed}.json") for c in trained}
        return [*shown, *sorted(compositions), self.path("data/test.jsonl")]

    @property
    def selected(self) -> list[str]:
        """Mixes that keep some of the responses and leave others."""
        return [name for name, mix in self.config.mixes.items() if mix.select]

    def mix_sources(self, mix: str) -> list[str]:
        """The sources that a mix draws on."""
        return [origin for origin in self.config.mixes[mix].origins if origin != HUMAN]

    # ---- what determines it ------------------------------------------------------------------

    def spec(self, stage: str, **which: Any) -> str:
        """The canonical description of a job of a stage; `which` are its wildcards."""
        slice_ = getattr(self, f"_{stage}")(**which)
        slice_["code"] = fingerprint.code(f"commands.{stage}")
        return canonical_json(slice_)

    def _documentation(self) -> dict[str, Any]:
        docs = self.config.dataset.docs
        packages = list(docs.packages) if docs else []
        for model in self.config.models.values():
            packages += [
                p
                for p in (model.scratch.documentation if model.scratch else [])
                if p not in packages
            ]
        settings = _plain(docs) if docs else _plain(_default_documentation(packages))
        settings["packages"] = {name: _package_version(name) for name in packages}
        return settings

    def _dataset(self) -> dict[str, Any]:
        dataset = _plain(self.config.dataset)
        dataset["docs"] = bool(dataset["docs"])
        for key in ("file", "prompts"):
            if dataset[key]:
                dataset[f"{key}_sha256"] = fingerprint.file_hash(Path(dataset[key]))
        dataset["templates"] = _texts("prompts/document.txt", "prompts/summarize.txt")
        return dataset

    def _tokenizer(self) -> dict[str, Any]:
        return {"vocabulary": max(self.vocabularies), **self._pretraining_texts()}

    def _pretrain(self, model: str) -> dict[str, Any]:
        scratch = self.config.models[model].scratch
        assert scratch is not None
        return {**_plain(scratch), "context": self.config.engine.max_model_len} | (
            self._pretraining_texts()
        )

    def _pretraining_texts(self) -> dict[str, Any]:
        return {
            "templates": _texts(
                "prompts/document.txt", "prompts/summarize.txt", "prompts/judge.txt"
            ),
            "requests": _texts("requests/stand-in.yaml"),
        }

    def _fetch(self, model: str) -> dict[str, Any]:
        return {
            "hub": self.config.models[model].hub,
            "revision": self.config.models[model].revision,
            "trust_remote_code": self.config.models[model].trust_remote_code,
        }

    def _yardstick(self) -> dict[str, Any]:
        packages = {
            name: model.scratch.documentation
            for name, model in self.config.models.items()
            if model.scratch
        }
        return {"context": self.config.engine.max_model_len, "packages": packages}

    def _generate(self, source: str, seed: str) -> dict[str, Any]:
        return {
            "source": self._source(source),
            "generation": _plain(self.config.generation),
            "mixes": [
                _recipe(mix)
                for _, mix in sorted(self.config.mixes.items())
                if source in mix.origins
            ],
            "rows": self.rows,
            "seed": int(seed),
            "engine": self._engine(self.config.sources[source].model),
        }

    def _candidates(self, source: str) -> dict[str, Any]:
        preference = self.config.probes.preference
        assert preference is not None
        return {
            "source": self._source(source),
            "generation": _plain(self.config.generation),
            "items": max(preference.items, preference.controls),
            "engine": self._engine(self.config.sources[source].model),
        }

    def _mix(self, mix: str, seed: str) -> dict[str, Any]:
        return {
            "mix": _recipe(self.config.mixes[mix]),
            "rows": self.rows,
            "match": self.config.match,
            "tokens": self.config.tokens,
            "trust_remote_code": self.config.models[self.config.targets[0]].trust_remote_code,
            "seed": int(seed),
        }

    def _verify(self, mix: str, seed: str) -> dict[str, Any]:
        select = self.config.mixes[mix].select
        assert select is not None
        verifier = select.verifier
        settings: dict[str, Any] = {"by": verifier.by}
        found: dict[str, Any] = {
            "mix": _recipe(self.config.mixes[mix]),
            "rows": self.rows,
            "seed": int(seed),
            "verifier": settings,
        }
        if verifier.by == "reference":
            settings["metric"] = verifier.metric
        if verifier.model is not None:
            found["context"] = self.config.engine.max_model_len
            found["threads"] = self.config.training.threads
            found |= self._base(verifier.model)
        if verifier.source is not None:
            settings |= {"rubric": verifier.rubric, "labels": list(verifier.labels)}
            settings["rubric_sha256"] = fingerprint.file_hash(REPOSITORY / verifier.rubric)
            found["source"] = self._source(verifier.source)
            found["engine"] = self._engine(self.config.sources[verifier.source].model)
        return found

    def _select(self, mix: str, seed: str) -> dict[str, Any]:
        select = self.config.mixes[mix].select
        assert select is not None
        return {
            "name": mix,
            "select": _plain(select),
            "accepts_from": select.verifier.accepts_from,
            "seed": int(seed),
        }

    def _verification(self, mix: str, seed: str) -> dict[str, Any]:
        described = self._select(mix, seed)
        del described["select"]["short"], described["name"]
        return described

    def _train(self, target: str, mix: str, seed: str) -> dict[str, Any]:
        return {"training": _plain(self.config.training), "seed": int(seed), **self._base(target)}

    def _score(self, target: str, mix: str, seed: str) -> dict[str, Any]:
        return {
            "context": self.config.engine.max_model_len,
            "threads": self.config.training.threads,
            **self._base(target),
        }

    def _respond(self, target: str, mix: str, seed: str) -> dict[str, Any]:
        return {
            "generation": _plain(self.config.generation),
            "seed": int(seed),
            "engine": self._engine(target),
            **self._base(target),
        }

    def _collapse(self, target: str, mix: str, seed: str) -> dict[str, Any]:
        return {"collapse": _plain(self.config.probes.collapse), "seed": int(seed)}

    def _attack(self, target: str, mix: str, seed: str) -> dict[str, Any]:
        robustness = self.config.probes.robustness
        assert robustness is not None
        requests = Path(robustness.requests)
        return {
            "robustness": _plain(robustness),
            "requests_sha256": fingerprint.file_hash(
                requests if requests.is_absolute() else REPOSITORY / requests
            ),
            "attacks": self.attack_texts(),
            "generation": _plain(self.config.generation),
            "seed": int(seed),
            "engine": self._engine(target),
            **self._base(target),
        }

    def _robustness(self, target: str, mix: str, seed: str) -> dict[str, Any]:
        return {}

    def _judge(self, target: str, mix: str, seed: str) -> dict[str, Any]:
        preference = self.config.probes.preference
        assert preference is not None
        template = "judge" if self.config.dataset.docs else "judge-answers"
        return {
            "preference": _plain(preference),
            "template": _texts(f"prompts/{template}.txt"),
            "origins": [HUMAN, *self.config.sources],
            "engine": self._engine(target),
            **self._base(target),
        }

    def _preference(self, target: str, mix: str, seed: str) -> dict[str, Any]:
        return {"own": self.own_source(target)}

    def _findings(self) -> dict[str, Any]:
        contrasts = _plain(self.config.contrasts)
        contrasts["pairs"] = self.pairs()
        return {
            "study": self.config.study,
            "contrasts": contrasts,
            # not the cells one by one: no argument of a command may be longer than 128 KiB
            "targets": self.config.targets,
            "mixes": [VANILLA, *self.config.mixes],
            "seeds": self.config.seeds,
            "probes": self.probes(),
            "selected": self.selected,
        }

    def _figures(self) -> dict[str, Any]:
        return {
            "mixes": [VANILLA, *self.config.mixes],
            "contrasts": _plain(self.config.contrasts),
            "own": {target: self.own_source(target) for target in self.config.targets},
            "unselected": [
                name
                for name, mix in self.config.mixes.items()
                if not mix.select and HUMAN not in mix.origins
            ],
        }

    def _report(self) -> dict[str, Any]:
        return {
            "config": _plain(self.config),
            "origins": {name: list(mix.origins) for name, mix in self.config.mixes.items()},
            "template": _texts("report/report.html", root=REPOSITORY / "workflow"),
        }

    def attack_texts(self) -> dict[str, str]:
        """Hashes of the attack templates; ConfigError for one that does not exist."""
        robustness = self.config.probes.robustness
        names = robustness.attacks if robustness else []
        return _texts(*(f"attacks/{name}.txt" for name in names))

    # ---- shared slices -----------------------------------------------------------------------

    def own_source(self, target: str) -> str | None:
        """The source that is the target itself, whose text a judge may take for its own."""
        return next((n for n, s in self.config.sources.items() if s.model == target), None)

    def _source(self, name: str) -> dict[str, Any]:
        """What decides a source's answers; the key itself is never part of it."""
        source = _plain(self.config.sources[name])
        del source["key_env"], source["max_tokens_total"]
        source["name"] = name
        if source["recorded"]:
            source["sha256"] = fingerprint.file_hash(Path(source["recorded"]))
        elif not source["endpoint"]:
            source |= self._base(source["model"])
        return source

    def _base(self, model: str) -> dict[str, Any]:
        """A model the workflow does not make is an input by its place and revision."""
        found = self.config.models[model]
        return {
            "base": {
                "name": model,
                "path": found.path,
                "revision": found.revision,
                "trust_remote_code": found.trust_remote_code,
            }
        }

    def _engine(self, model: str | None) -> dict[str, Any]:
        """Engine settings that may change what it answers; the others travel by environment."""
        engine = self.config.engine
        rank = next(r for r in VLLM_RANKS if r >= self.config.training.rank)
        found = self.config.models.get(model or "")
        return {
            "max_model_len": engine.max_model_len,
            "max_lora_rank": rank if model in self.config.targets else 0,
            "trust_remote_code": bool(found and found.trust_remote_code),
            "dtype": engine.dtype,
            "quantization": engine.quantization,
            "threads": engine.threads,
            "devices": engine.devices,
        }

    def endpoint_environment(self) -> str:
        """Per source with an endpoint: the variable that holds its key, and its budget."""
        return canonical_json(
            {
                name: {"key_env": source.key_env, "max_tokens_total": source.max_tokens_total}
                for name, source in self.config.sources.items()
                if source.endpoint
            }
        )

    def engine_environment(self) -> str:
        """Engine settings that do not change what it answers."""
        engine = self.config.engine
        return canonical_json(
            {
                "max_loras": min(engine.max_loras, len(self.cells)),
                "gpu_memory_utilization": engine.gpu_memory_utilization,
                "kv_cache_gib": engine.kv_cache_gib,
                "keep_alive": engine.keep_alive,
            }
        )


def _plain(section: Section | None) -> dict[str, Any]:
    return section.model_dump(mode="json") if section else {}


def _recipe(mix: Mix) -> dict[str, Any]:
    """Origins as pairs: their order says which quarter is whose, and canonical JSON sorts keys."""
    origins = [[name, share] for name, share in mix.origins.items()]
    if mix.assign == "random":
        origins.sort()
    return {"origins": origins, "assign": mix.assign, "samples": mix.samples}


def _default_documentation(packages: list[str]) -> Section:
    return Documentation(packages=packages)


def _texts(*names: str, root: Path = RESOURCES) -> dict[str, str]:
    """Hashes of texts that are part of the method; ConfigError for one that is not there."""
    hashes = {}
    for name in names:
        if not (root / name).is_file():
            there = sorted(p.stem for p in (root / name).parent.glob("*"))
            raise ConfigError(
                f"{Path(name).stem}: there is no {root.name}/{name}. Known: {', '.join(there)}."
            )
        hashes[name] = fingerprint.file_hash(root / name)
    return hashes


def _package_version(package: str) -> str:
    import importlib.metadata
    import platform

    if package == "stdlib":
        return platform.python_version()
    try:
        return importlib.metadata.version(package)
    except importlib.metadata.PackageNotFoundError:
        raise ConfigError(
            f"dataset.docs.packages: the package '{package}' is not installed in this environment. "
            "Remove it, or name one of the lock."
        ) from None
