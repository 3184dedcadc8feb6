"""A study: its layout, and what determines each of its jobs.

`Study.spec(stage, …)` is the one canonical JSON string that Snakemake compares: the slice of the
config that a stage depends on, the identity of its code, and hashes of the texts and files it
reads. Nothing here imports Snakemake or anything heavy; the Snakefile asks, this answers.
"""

from pathlib import Path
from typing import Any

from manybaskets.config.base import HUMAN, VANILLA, ConfigError, Section
from manybaskets.config.dataset import Documentation
from manybaskets.config.mixes import Mix
from manybaskets.config.models import Source
from manybaskets.config.probes import ModelEndpoint, Robustness
from manybaskets.config.serving import VLLM_RANKS
from manybaskets.data import loops, request_sets
from manybaskets.files import canonical_json
from manybaskets.models import chat_templates
from manybaskets.paths import REPOSITORY, RESOURCES
from manybaskets.probes.preference import text_questions
from manybaskets.probes.robustness import attacks, judges
from manybaskets.selection import verifiers
from manybaskets.stages import fingerprint
from manybaskets.study import series
from manybaskets.study.layout import Cell, Layout, parted

# Stages whose description differs between the generations of a loop; what the others make differs
# because their inputs do.
OF_GENERATION = {"train", "write", "round"}


class Study(Layout):
    """A layout with what determines each of its jobs."""

    # ---- what determines it ------------------------------------------------------------------

    def spec(self, stage: str, **which: Any) -> str:
        """The canonical description of a job of a stage; `which` are its wildcards."""
        if "seed" in which and stage not in OF_GENERATION:
            which["seed"] = str(which["seed"]).partition("/")[0]
        slice_ = getattr(self, f"_{stage}")(**which)
        slice_["code"] = fingerprint.code(f"cli.steps.{stage}")
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
        return {**dataset, "texts": self._judged_texts()}

    def _judged_texts(self) -> dict[str, Any] | None:
        """Texts of the judges' own, where they are not the dataset's."""
        preference = self.config.probes.preference
        if preference is None or preference.texts is None:
            return None
        texts = _plain(preference.texts)
        if texts["file"]:
            texts["file_sha256"] = fingerprint.file_hash(Path(texts["file"]))
        texts["template"] = _texts(f"prompts/{texts['request']}.txt")
        # a control needs the text of the item after it
        return {**texts, "items": max(preference.items, preference.control_pairs + 1)}

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
        found = self.config.models[model]
        keys = ("path", "hub", "revision", "adapter", "adapter_revision", "trust_remote_code")
        described: dict[str, Any] = {key: getattr(found, key) for key in keys}
        if found.chat_template:
            sha256 = fingerprint.file_hash(chat_templates.path_of(found.chat_template))
            described |= {"chat_template": found.chat_template, "chat_template_sha256": sha256}
        if found.system:
            described["system"] = found.system
        return described | {"speaks": model != self.embedder}

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
                _recipe(mix) for _, mix in sorted(self.own_mixes.items()) if source in mix.origins
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
            "items": max(preference.items, preference.control_pairs),
            "task": self.judged_task(),
            "engine": self._engine(self.config.sources[source].model),
        }

    def _answer(self, target: str, mix: str, seed: str) -> dict[str, Any]:
        preference = self.config.probes.preference
        assert preference is not None
        return {
            "generation": _plain(self.config.generation),
            "items": preference.items,
            "task": self.judged_task(),
            "seed": int(seed),
            "engine": self._engine(target),
            **self._base(target),
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
        recipe = self.config.mixes[mix.rpartition("/")[2]]
        settings = self.selection(mix).verifier
        verifier = verifiers.verifier(settings.by)
        hashes = {
            f"{key}_sha256": fingerprint.file_hash(REPOSITORY / getattr(settings, key))
            for key in verifier.files
        }
        of_mix = {"mix": _recipe(recipe), "rows": self.rows}
        found: dict[str, Any] = {
            **({} if "/" in mix else of_mix),  # a pool contains all that a generation wrote
            "seed": int(seed),
            "verifier": verifier.described(settings) | hashes,
        }
        if settings.model is not None:
            found["context"] = self.config.engine.max_model_len
            found["threads"] = self.config.training.threads
            found |= self._base(settings.model)
        if settings.source is not None:
            found["source"] = self._source(settings.source)
            found["engine"] = self._engine(self.config.sources[settings.source].model)
        return found

    def _select(self, mix: str, seed: str) -> dict[str, Any]:
        select = self.selection(mix)
        settings = _plain(select)
        del settings["control"]
        found = {
            "name": mix.rpartition("/")[2],
            **({"in_loop": True} if "/" in mix else {}),
            "select": settings,
            "accepts_from": select.verifier.accepts_from,
            "seed": int(seed),
        }
        if select.match_keep_rate:
            like = self._select(select.match_keep_rate, seed)
            found["like"] = {key: like[key] for key in ("select", "accepts_from")}
        return found

    def _verification(self, mix: str, seed: str) -> dict[str, Any]:
        described = self._select(mix, seed)
        del described["select"]["on_shortfall"], described["name"]
        described.pop("in_loop", None)
        if "like" in described:
            del described["like"]["select"]["on_shortfall"]
        return described

    def _write(self, target: str, mix: str, seed: str) -> dict[str, Any]:
        number, generation = parted(seed)
        loop, following = self.loops[mix], generation + 1
        sampling = _plain(self.config.generation)
        temperature = loop.at(following).temperature
        return {
            "generation": sampling | ({} if temperature is None else {"temperature": temperature}),
            "joining": self._joining(target, mix, following),
            "origin": loops.origin(target, generation),
            "samples": self.config.mixes[mix].samples,
            "rows": self.rows,
            "seed": number,
            "engine": self._engine(target),
            **self._base(target),
        }

    def _round(self, target: str, mix: str, seed: str) -> dict[str, Any]:
        number, generation = parted(seed)
        return {
            "generation": generation,
            "regime": self.loops[mix].at(generation).regime,
            "joined": [self._joining(target, mix, t) for t in self.joined(mix, generation)],
            "rows": self.rows,
            "seed": number,
        }

    def _joining(self, target: str, mix: str, generation: int) -> dict[str, Any]:
        """What joins for a generation, as `loops.Joining` has it."""
        here = self.loops[mix].at(generation)
        assert here.human is not None
        found: dict[str, Any] = {
            "generation": generation,
            "human": here.human,
            "writers": [
                loops.origin(writer, generation - 1) for writer in self.writers(target, mix)
            ],
        }
        if here.regime == "fresh":
            found |= {"unseen": True, "seen": self.unseen_rows(mix, generation - 1)}
        return found

    def _train(self, target: str, mix: str, seed: str) -> dict[str, Any]:
        number, generation = parted(seed)
        settings = self.config.training.of_target(target)
        training = _plain(settings)
        del training["per_target"]
        found = {
            "training": training,
            "seed": loops.training_seed(number, target, generation),
            **self._base(target),
        }
        wanted = {"bitsandbytes": settings.quantization, "liger-kernel": settings.liger}
        if optional := {name: _version(name) for name, used in wanted.items() if used}:
            found["optional_packages"] = optional  # those that no step imports by itself
        return found

    def _score(self, target: str, mix: str, seed: str) -> dict[str, Any]:
        collapse = self.config.probes.collapse
        assert collapse is not None
        return {
            "context": self.config.engine.max_model_len,
            "views": {"top_k": collapse.top_k, "nucleus": collapse.nucleus},
            **self._base(target),
            **self._reference(),
        }

    def _reference(self) -> dict[str, Any]:
        name, threads = self.embedder, self.config.training.threads
        base = self._base(name)["base"] if name in self.config.models else {"name": name}
        return {"embedder": base if name else None, "threads": threads}

    def _respond(self, target: str, mix: str, seed: str) -> dict[str, Any]:
        collapse = self.config.probes.collapse
        assert collapse is not None
        return {
            "generation": _plain(self.config.generation),
            "prompts": collapse.prompts,
            "samples": collapse.samples,
            "seed": int(seed),
            "engine": self._engine(target),
            **self._base(target),
        }

    def _collapse(self, target: str, mix: str, seed: str) -> dict[str, Any]:
        settings = _plain(self.config.probes.collapse)
        for key in ("prompts", "top_k", "nucleus", "embedder"):  # those of the steps before
            del settings[key]
        # How near a summary is to the human one says how good it is; of other answers it does not.
        task = self.config.dataset.task
        summarizes = {"task": task} if task == "summarize" else {}
        return {"collapse": settings, "seed": int(seed), **summarizes}

    def _bring(self, set: str) -> dict[str, Any]:
        robustness = self._probe_robustness()
        copy = robustness.local_files.get(set)
        return {
            "set": request_sets.declared(set).described(robustness.sha256.get(set)),
            "copy": copy,
            "copy_sha256": fingerprint.file_hash(Path(copy)) if copy else None,
        }

    def _optimise(self, target: str, mix: str, seed: str) -> dict[str, Any]:
        robustness = self._probe_robustness()
        return {
            "gcg": _plain(robustness.gcg),
            "requests": self._requests(),
            "count": robustness.count,
            "target": robustness.compliance_prefix,
            "own": Cell(target, mix, int(seed)) != self._vanilla(target),
            "seed": int(seed),
            "threads": self.config.training.threads,
            **self._base(target),
        }

    def _attack(self, target: str, mix: str, seed: str) -> dict[str, Any]:
        robustness = self._probe_robustness()
        return {
            "requests": self._requests(),
            "count": robustness.count,
            "attacks": robustness.attacks,
            "templates": self.attack_texts(),
            "target": robustness.compliance_prefix,
            "best_of_n": _plain(robustness.best_of_n),
            "max_tokens": robustness.max_tokens,
            "generation": _plain(self.config.generation),
            "seed": int(seed),
            "engine": self._engine(target),
            **self._base(target),
        }

    def _label(self, target: str, mix: str, seed: str, judge: str) -> dict[str, Any]:
        asked = self._probe_robustness().judges[judge]
        found = _plain(asked)
        del found["api_key_env"], found["token_budget"], found["max_unparsed_rate"]
        if asked.template:
            found["template_sha256"] = fingerprint.file_hash(Path(asked.template))
        base = {} if asked.endpoint else self._base(asked.model)
        return {
            "source": {**found, "name": f"judge {judge}"},
            "texts": judge_texts(asked.by),
            "engine": self._engine(asked.model),
            **base,
        }

    def _calibrate(self, judge: str) -> dict[str, Any]:
        return {**self._label("", "", "", judge), **self._labelled()}

    def _labelled(self) -> dict[str, Any]:
        path = self._probe_robustness().human_labels
        return {"labelled": path, "sha256": fingerprint.file_hash(Path(path)) if path else None}

    def _robustness(self, target: str, mix: str, seed: str) -> dict[str, Any]:
        judges = self._probe_robustness().judges
        return {
            "judges": {name: [judge.by, judge.max_unparsed_rate] for name, judge in judges.items()},
            **self._labelled(),
        }

    def _judge(self, target: str, mix: str, seed: str) -> dict[str, Any]:
        return {
            "judge": f"{target}/{mix}",
            "seed": int(seed),
            "own": self.own_origin(target, mix),
            "engine": self._engine(target),
            **self._questions(),
            **self._base(target),
        }

    def _questions(self) -> dict[str, Any]:
        """What judges of preference are asked, the same for all."""
        preference = self.config.probes.preference
        assert preference is not None
        kind = "" if self.judged_task() == "summarize" else "-answers"
        names = {"pair": "judge"} | {
            name: template
            for name in preference.questions
            if name != "likelihood" and (template := text_questions.question(name).template)
        }
        usual = {question: f"{name}{kind}" for question, name in names.items()}
        asked = {"pair", *preference.questions}
        templates = {
            question: f"prompts/{name}.txt"
            for question, name in (usual | {**preference.templates}).items()
            if question in asked
        }
        settings = _plain(preference)
        # those of the steps before, and what stands below by itself
        for key in ("judges", "texts", "sources", "templates"):
            del settings[key]
        return {
            "preference": settings,
            "templates": templates,
            "texts": _texts(*sorted(templates.values())),
            "origins": [HUMAN, *self.judged_sources()],
        }

    def _consult(self, judge: str, seed: str) -> dict[str, Any]:
        asked = self.external_judges[judge]
        source = _plain(asked) | {"name": f"preference judge {judge}"}
        del source["api_key_env"], source["token_budget"], source["own"]
        base = {} if asked.endpoint else self._base(asked.model)
        return {
            "source": source,
            "judge": judge,
            "seed": int(seed),
            "own": self.external_judge_origin(judge),
            "engine": self._engine(asked.model),
            **self._questions(),
            **base,
        }

    def _opinions(self) -> dict[str, Any]:
        return {"judgements": self.opinion_files()}

    def _preference(self, target: str, mix: str, seed: str) -> dict[str, Any]:
        return {"own": self.own_origin(target, mix)}

    def _findings(self) -> dict[str, Any]:
        contrasts = _plain(self.config.contrasts)
        contrasts["pairs"] = self.pairs()
        return {
            "study": self.config.study,
            "contrasts": contrasts,
            "series": series.series(self.config),
            # not the cells one by one: no argument of a command may be longer than 128 KiB
            "targets": self.config.targets,
            "mixes": [VANILLA, *self.config.mixes],
            "only": {name: m.targets for name, m in self.config.mixes.items() if m.targets},
            "seeds": self.config.seeds,
            "loops": {name: [loop.generations, loop.after] for name, loop in self.loops.items()},
            "probes": self.probes(),
            "selected": self.selected,
            "selected_loops": self.selected_loops,
            "reference": self._published(),
            "unselected": self._unselected(),
        }

    def _published(self) -> dict[str, Any] | None:
        """What the findings are compared with; not its place, so that a checkout may move."""
        table = self.reference_file()
        if table is None:
            return None
        return {**_plain(self.config.reference), "sha256": fingerprint.file_hash(table)}

    def _figures(self) -> dict[str, Any]:
        return {
            "mixes": [VANILLA, *self.config.mixes],
            "recipes": {
                name: [[origin, share] for origin, share in mix.origins.items()]
                for name, mix in self.config.mixes.items()
            },
            "seeds": self.config.seeds,
            "series": series.series(self.config),
            "contrasts": _plain(self.config.contrasts),
            "own": {target: self.own_source(target) for target in self.config.targets},
            "unselected": self._unselected(),
        }

    def _unselected(self) -> list[str]:
        """Mixes of synthetic text alone, all of it kept."""
        return [
            name
            for name, mix in self.config.mixes.items()
            if not mix.select and HUMAN not in mix.origins
        ]

    def _report(self) -> dict[str, Any]:
        return {
            "config": _plain(self.config),
            "origins": {name: list(mix.origins) for name, mix in self.config.mixes.items()},
            "template": _texts("report/report.html", root=REPOSITORY / "workflow"),
        }

    def attack_texts(self) -> dict[str, str]:
        """Hashes of the attack templates; ConfigError for one that does not exist."""
        robustness = self.config.probes.robustness
        names = attacks.template_names(robustness.attacks) if robustness else []
        return _texts(*(f"attacks/{name}.txt" for name in names))

    def preference_texts(self) -> dict[str, str]:
        """Hashes of the study's own templates of the judges; ConfigError for one not there."""
        preference = self.config.probes.preference
        names = [*preference.templates.values()] if preference else []
        names += [preference.texts.request] if preference and preference.texts else []
        return _texts(*(f"prompts/{name}.txt" for name in names))

    def _probe_robustness(self) -> Robustness:
        assert self.config.probes.robustness is not None
        return self.config.probes.robustness

    def _requests(self) -> dict[str, Any]:
        """Files by their hashes; public sets are inputs of their own."""
        files = {
            name: fingerprint.file_hash(REPOSITORY / name)
            for name in self._named_requests()
            if not request_sets.is_declared(name)
        }
        return {"files": files, "sets": self.request_sets()}

    # ---- shared slices -----------------------------------------------------------------------

    def _source(self, name: str) -> dict[str, Any]:
        """What decides a source's answers; the key itself is never part of it."""
        source = _plain(self.config.sources[name])
        del source["api_key_env"], source["token_budget"]
        if source["system"] is None:
            del source["system"]
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
        engine = self.config.engine.of_model(model)
        training = self.config.training.of_target(model or "")
        rank = next(r for r in VLLM_RANKS if r >= training.rank)
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
                name: {"api_key_env": source.api_key_env, "token_budget": source.token_budget}
                for name, source in self._who_is_asked()
                if source.endpoint
            }
        )

    def _who_is_asked(self) -> list[tuple[str, Source | ModelEndpoint]]:
        """Sources and judges, under the names that their jobs know them by."""
        robustness = self.config.probes.robustness
        judges = robustness.judges if robustness else {}
        return [
            *self.config.sources.items(),
            *((f"judge {name}", judge) for name, judge in judges.items()),
            *((f"preference judge {name}", judge) for name, judge in self.external_judges.items()),
        ]

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


def judge_texts(by: str) -> dict[str, str]:
    """Hashes of the texts that a kind of judge is asked with."""
    return _texts(*(f"judges/{name}.txt" for name in judges.text_names(by)))


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


def _version(package: str) -> str | None:
    import importlib.metadata

    try:
        return importlib.metadata.version(package)
    except importlib.metadata.PackageNotFoundError:
        return None


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
