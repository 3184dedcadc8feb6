"""Checks of a config as a whole: every problem with its file, key, finding and mend.

Reads the config file and nothing else; what lies in the files that it names is `checks`'.
"""

import difflib
import re
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any, get_args

import yaml
from pydantic import BaseModel, ValidationError

from manybaskets.config.base import HUMAN, MINILM, VANILLA, ConfigError
from manybaskets.config.controls import with_controls
from manybaskets.config.mixes import Loop, Mix, human_rows
from manybaskets.config.probes import ModelEndpoint
from manybaskets.config.study import StudyConfig
from manybaskets.config.training import VLLM_RANKS, Training

SAFE_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_-]*(\.[A-Za-z0-9_-]+)*")


def load(raw: dict[str, Any], file: str) -> StudyConfig:
    """Checks a parsed config; raises ConfigError that names `file`, key, finding and mend."""
    try:
        config = StudyConfig.model_validate(raw, strict=False)
    except ValidationError as error:
        raise ConfigError(_paragraphs(file, _explain(error))) from None
    problems = list(_contradictions(config))
    if problems:
        raise ConfigError(_paragraphs(file, problems))
    return config.model_copy(update={"mixes": with_controls(config.mixes, file)})


def read(path: Path) -> dict[str, Any]:
    """Parses a config file; raises ConfigError for bad YAML and for a key that stands twice."""
    try:
        raw = yaml.load(path.read_text(encoding="utf-8"), Loader=_UniqueKeys)
    except FileNotFoundError:
        raise ConfigError(f"{path}: there is no such file.") from None
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        raise ConfigError(f"{path}: not readable as YAML: {error}") from None
    if not isinstance(raw, dict):
        raise ConfigError(f"{path}: expected keys and values, found {type(raw).__name__}.")
    return raw


class _UniqueKeys(yaml.SafeLoader):
    """YAML, but a key that stands twice is an error instead of the last one winning."""

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Any, Any]:
        seen: dict[Any, int] = {}
        for key_node, _ in node.value:
            key = self.construct_object(key_node, deep=deep)
            line = key_node.start_mark.line + 1
            if key in seen:
                raise yaml.YAMLError(
                    f"the name '{key}' stands twice, on lines {seen[key]} and {line}. "
                    "Rename or remove one of them."
                )
            seen[key] = line
        return super().construct_mapping(node, deep)


def _paragraphs(file: str, problems: Iterable[tuple[str, str]]) -> str:
    return "\n".join(
        f"{file}: {key}: {text}" if key else f"{file}: {text}" for key, text in problems
    )


def _explain(error: ValidationError) -> Iterator[tuple[str, str]]:
    for problem in error.errors():
        where = [part for part in problem["loc"] if part != "[key]"]
        key = ".".join(map(str, where))
        if problem["type"] == "extra_forbidden":
            fields = _section_at(where[:-1]).model_fields
            known = [field.alias or key for key, field in fields.items()]
            near = difflib.get_close_matches(str(where[-1]), known, n=1, cutoff=0.5)
            mend = f"Did you mean '{near[0]}'?" if near else f"Known keys: {', '.join(known)}."
            yield key, f"unknown key. {mend}"
        elif problem["type"] == "missing":
            yield key, "this key is needed and missing."
        elif problem["type"] == "value_error":
            yield key, f"{problem['ctx']['error']!s}."
        else:
            found = problem["input"]
            yield key, f"{problem['msg']}; found {found!r} ({type(found).__name__})."


def _section_at(path: Sequence[Any]) -> type[BaseModel]:
    """The section class that a key path leads to."""
    current: Any = StudyConfig
    for part in path:
        if isinstance(current, type) and issubclass(current, BaseModel):
            field = current.model_fields.get(str(part))
            current = field.annotation if field else StudyConfig
        else:
            current = get_args(current)[-1]
        options = [a for a in get_args(current) if isinstance(a, type) and issubclass(a, BaseModel)]
        if not isinstance(current, type) and options and type(None) in get_args(current):
            current = options[0]
    return current if isinstance(current, type) and issubclass(current, BaseModel) else StudyConfig


def _contradictions(config: StudyConfig) -> Iterator[tuple[str, str]]:
    """What no single key shows: names that do not exist, shares that do not add up."""
    yield from _bad_names(config)
    if len(set(config.seeds)) < len(config.seeds):
        twice = sorted({seed for seed in config.seeds if config.seeds.count(seed) > 1})
        yield "seeds", f"seeds must be unique; {twice} stand more than once. Remove the repeats."
    for name, source in config.sources.items():
        if source.model and not source.endpoint and source.model not in config.models:
            yield f"sources.{name}.model", _unknown(source.model, "model", list(config.models))
        if source.key_env and not source.endpoint:
            yield f"sources.{name}.key_env", "a key is only for endpoints. Remove it."
    for target in config.targets:
        if target not in config.models:
            yield "targets", _unknown(target, "model", list(config.models))
    yield from _bad_names_of_models(config)
    yield from _bad_embedder(config)
    rows = config.rows or config.dataset.train
    if rows > config.dataset.train and config.dataset.prompts is None:
        yield (
            "rows",
            f"a mix needs {rows} rows, but dataset.train sets apart only {config.dataset.train}. "
            "Lower rows or raise dataset.train.",
        )
    yield from _bad_mixes(config)
    yield from _bad_training(config)
    yield from _bad_judges(config)
    yield from _bad_contrasts(config)
    yield from _bad_preference(config)


def _bad_names(config: StudyConfig) -> Iterator[tuple[str, str]]:
    named = [("study", config.study)]
    for key in ("models", "sources", "mixes"):
        named += [(f"{key}.{name}", name) for name in getattr(config, key)]
    for key, name in named:
        if not SAFE_NAME.fullmatch(name) or len(name) > 64:
            yield (
                key,
                f"'{name}' cannot be a file name here. Use up to 64 letters, digits, '-', '_' "
                "and single dots, starting with a letter or digit.",
            )
    for key, reserved in (("sources", HUMAN), ("mixes", VANILLA)):
        if reserved in getattr(config, key):
            yield (
                f"{key}.{reserved}",
                f"'{reserved}' has a meaning of its own. Choose another name.",
            )
    for key in ("models", "sources", "mixes"):
        lowered: dict[str, str] = {}
        for name in getattr(config, key):
            if name.lower() in lowered:
                yield (
                    f"{key}.{name}",
                    f"'{name}' and '{lowered[name.lower()]}' differ only in case, which some file "
                    "systems do not keep apart. Rename one.",
                )
            lowered[name.lower()] = name
    if len(set(config.targets)) < len(config.targets):
        yield "targets", "a target stands twice. Remove the repeat."


def _bad_names_of_models(config: StudyConfig) -> Iterator[tuple[str, str]]:
    """Targets and models that single settings are for."""
    for target in config.training.of:
        if target not in config.targets:
            yield f"training.of.{target}", _unknown(target, "target", config.targets)
    for model in config.engine.of:
        if model not in config.models:
            yield f"engine.of.{model}", _unknown(model, "model", list(config.models))
    for name, mix in config.mixes.items():
        for target in mix.targets or ():
            if target not in config.targets:
                yield f"mixes.{name}.targets", _unknown(target, "target", config.targets)
    if config.reference:
        for target in config.reference.targets:
            if target not in config.targets:
                yield "reference.targets", _unknown(target, "target", config.targets)
        for mix_name in config.reference.mixes:
            known = [*config.mixes, VANILLA]
            if mix_name not in known:
                yield "reference.mixes", _unknown(mix_name, "mix", known)
    if config.dataset.docs and config.dataset.splits != "interleaved":
        yield (
            "dataset.splits",
            "docs has splits of its own, by module. Set splits: interleaved.",
        )


def _bad_mixes(config: StudyConfig) -> Iterator[tuple[str, str]]:
    known = [HUMAN, *config.sources]
    for name, mix in config.mixes.items():
        for origin in mix.origins:
            if origin not in known:
                yield f"mixes.{name}.origins", _unknown(origin, "source", known)
        total = sum(mix.origins.values())
        if abs(total - 1) > 1e-6:
            yield (
                f"mixes.{name}.origins",
                f"the shares sum to {total:.6g}, not to 1. Change them so that they sum to 1.",
            )
        if mix.assign == "quarters" and any(
            abs(s * 4 - round(s * 4)) > 1e-9 for s in mix.origins.values()
        ):
            yield (
                f"mixes.{name}.assign",
                "with quarters, every share must be 0.25, 0.5, 0.75 or 1. Use assign: random.",
            )
        if mix.select:
            yield from _bad_selection(config, name, mix)
        if mix.loop:
            yield from _bad_loop(config, name, mix.loop)
    if config.match == "tokens" and config.tokens is None:
        yield "tokens", "match: tokens needs tokens: the response tokens of every mix."
    if config.match == "rows" and config.tokens is not None:
        yield "tokens", "tokens has no effect with match: rows. Remove it, or set match: tokens."


def _bad_embedder(config: StudyConfig) -> Iterator[tuple[str, str]]:
    name = config.probes.collapse.embedder if config.probes.collapse else None
    if name is None or (name == MINILM and name not in config.models):
        return
    key = "probes.collapse.embedder"
    if name not in config.models:
        yield key, _unknown(name, "model", [MINILM, *config.models])
    elif config.models[name].scratch:
        yield key, f"'{name}' is pretrained here and embeds nothing. Give a model with path or hub."


def _bad_selection(config: StudyConfig, name: str, mix: Mix) -> Iterator[tuple[str, str]]:
    select, key = mix.select, f"mixes.{name}.select"
    assert select is not None
    verifier, sources = select.verifier, [origin for origin in mix.origins if origin != HUMAN]
    if not sources and not mix.loop:
        yield key, "human rows are not selected from, and the mix has no others. Remove select."
    like = config.mixes.get(select.as_many_as or "")
    if select.as_many_as and (like is None or like.select is None or like.select.as_many_as):
        yield (
            f"{key}.as-many-as",
            f"'{select.as_many_as}' is no mix that a verifier selects. Name one that has select.",
        )
    if select.as_many_as and mix.loop:
        yield f"{key}.as-many-as", "in a loop, every chain has rows of its own. Use top or best-of."
    if verifier.model is not None and verifier.model not in config.models:
        yield f"{key}.verifier.model", _unknown(verifier.model, "model", list(config.models))
    if verifier.source is not None:
        judge = config.sources.get(verifier.source)
        if judge is None:
            text = _unknown(verifier.source, "source", list(config.sources))
            yield f"{key}.verifier.source", text
        elif judge.recorded:
            yield (
                f"{key}.verifier.source",
                f"'{verifier.source}' is a file of recorded responses and cannot judge. Name a "
                "source with a model or an endpoint.",
            )
    if verifier.plugin.needs_human and config.dataset.prompts is not None:
        yield (
            f"{key}.verifier",
            f"{verifier.by} compares with human responses, and dataset.prompts has none. Use "
            "another verifier, or let the sources answer the human prompts.",
        )
    for source in sources:
        found = config.sources.get(source)
        if mix.samples > 1 and found is not None and found.recorded:
            yield (
                f"{key}.samples",
                f"{mix.samples} responses to each prompt are needed, and source '{source}' has one "
                "recorded answer. Use samples: 1 with short: fewer, or a source that writes.",
            )
    if sources and mix.samples > 1 and config.generation.temperature == 0:
        yield (
            f"{key}.samples",
            f"at temperature 0 all {mix.samples} responses to a prompt are the same. Raise "
            "generation.temperature.",
        )
    if (
        select.share
        and select.rule
        and select.short == "stop"
        and select.share * mix.samples < 1 - 1e-9
    ):
        yield (
            f"{key}.{select.rule[0]}",
            f"keeps {100 * select.share * mix.samples:.3g} % of the rows that the mix needs, of "
            f"{mix.samples} responses to each prompt. Raise samples, or set short to fewer or "
            "repeat.",
        )


def _bad_loop(config: StudyConfig, name: str, loop: Loop) -> Iterator[tuple[str, str]]:
    key, rows = f"mixes.{name}.loop", config.rows or config.dataset.train
    if loop.after is not None:
        yield from _bad_start(config, name, loop.after)
    if config.match == "tokens":
        yield key, "a loop holds rows equal, not tokens. Set match: rows."
    if config.probes.preference and config.probes.preference.cells:
        yield (
            "probes.preference.cells",
            f"judges compare one text of each cell, and '{name}' has one of every generation. "
            "Remove cells: true, or the loop.",
        )
    if loop.sources == "targets" and len(config.targets) == 1:
        yield (
            f"{key}.sources",
            f"with targets, the chains of several targets write for each other, and there is "
            f"{config.targets[0]} alone. Add a target, or use own.",
        )
    for generation in loop.overrides:
        if generation > loop.generations:
            yield (
                f"{key}.overrides.{generation}",
                f"there are {loop.generations} generations. Raise loop.generations, or remove it.",
            )
    needed = 0
    for generation in range(2, loop.generations + 1):
        here = loop.at(generation)
        warm = config.generation.temperature if here.temperature is None else here.temperature
        if config.mixes[name].samples > 1 and warm == 0:
            yield (
                f"{key}.temperature",
                f"at temperature 0 all {config.mixes[name].samples} responses to a prompt that "
                f"generation {generation} is trained on are the same. Raise it.",
            )
        if here.regime == "fresh":
            needed += human_rows(here.human or 0, rows)
            if not here.human:
                yield f"{key}.human", "fresh needs the share of human rows, above 0. Set it."
    if needed > max(0, config.dataset.train - rows):
        yield (
            key,
            f"fresh needs {needed} human rows beside the {rows} of generation 1, but dataset.train "
            f"sets apart {config.dataset.train}. Raise it, or lower rows, loop.human or "
            "loop.generations.",
        )


def _bad_start(config: StudyConfig, name: str, after: str) -> Iterator[tuple[str, str]]:
    """What is wrong with the mix that a loop starts from."""
    key, start, mix = f"mixes.{name}.loop.after", config.mixes.get(after), config.mixes[name]
    if start is None:
        yield (
            key,
            _unknown(after, "mix", [n for n, other in config.mixes.items() if not other.loop]),
        )
    elif start.loop:
        yield key, f"'{after}' is a loop itself. Name a mix without one."
    elif (list(start.origins.items()), start.assign) != (list(mix.origins.items()), mix.assign):
        yield key, f"'{after}' has other origins, and is to be generation 1. Make them the same."


def _bad_training(config: StudyConfig) -> Iterator[tuple[str, str]]:
    adapter = config.training.adapter
    if adapter != "lora":
        yield (
            "training.adapter",
            f"vLLM cannot serve '{adapter}' adapters beside each other on one base. Use lora.",
        )
    settings = [config.training, *map(config.training.of_target, config.training.of)]
    found = [problem for training in settings for problem in _bad_recipe(training)]
    yield from dict.fromkeys(found)


def _bad_recipe(training: Training) -> Iterator[tuple[str, str]]:
    """Ranks that are not served; devices, and what they do not go with."""
    if training.rank > VLLM_RANKS[-1]:
        yield (
            "training.rank",
            f"vLLM serves ranks up to {VLLM_RANKS[-1]}; found {training.rank}.",
        )
    if training.batch_size % training.devices:
        yield (
            "training.batch_size",
            f"{training.batch_size} rows at once cannot be divided over {training.devices} "
            "devices. Make it a multiple of training.devices.",
        )
    if training.parallel == "fsdp" and training.devices == 1:
        yield "training.parallel", "fsdp splits a model over devices; set training.devices to 2 up."
    if training.parallel == "fsdp" and training.quantization:
        yield (
            "training.parallel",
            f"fsdp does not split weights that are quantized ({training.quantization}). Remove "
            "training.quantization, or use ddp: each device then holds the small weights whole.",
        )


def _bad_judges(config: StudyConfig) -> Iterator[tuple[str, str]]:
    robustness, preference = config.probes.robustness, config.probes.preference
    judges: dict[str, ModelEndpoint] = {}
    if robustness:
        judges |= {f"robustness.judges.{name}": judge for name, judge in robustness.judges.items()}
    if preference:
        judges |= {f"preference.judges.{name}": judge for name, judge in preference.judges.items()}
    for place, judge in judges.items():
        key, name = f"probes.{place}", place.split(".", 2)[2]
        if not SAFE_NAME.fullmatch(name) or len(name) > 64:
            yield key, f"'{name}' cannot be a file name here. Use letters, digits, '-' and '_'."
        if not judge.endpoint and judge.model not in config.models:
            yield f"{key}.model", _unknown(judge.model, "model", list(config.models))
        if judge.key_env and not judge.endpoint:
            yield f"{key}.key_env", "a key is only for endpoints. Remove it."


def _bad_contrasts(config: StudyConfig) -> Iterator[tuple[str, str]]:
    known = [*config.mixes, VANILLA]
    for pair in config.contrasts.pairs or []:
        for name in pair:
            if name not in known:
                yield "contrasts.pairs", _unknown(name, "mix", known)
    for series, doses in config.contrasts.doses.items():
        for name in doses:
            if name not in known:
                yield f"contrasts.doses.{series}", _unknown(name, "mix", known)
        if len(set(doses.values())) < max(3, len(doses)):
            yield (
                f"contrasts.doses.{series}",
                f"needs at least 3 mixes, each with another dose; found {len(doses)} mixes with "
                f"{len(set(doses.values()))} doses.",
            )


def _bad_preference(config: StudyConfig) -> Iterator[tuple[str, str]]:
    preference = config.probes.preference
    if preference is None:
        return
    key = "probes.preference"
    cells = (f"{t}/{m}" for t in config.targets for m in [VANILLA, *config.mixes])
    origins = [*config.sources, *(cells if preference.cells else ())]
    for name, judge in preference.judges.items():
        if judge.own is not None and judge.own not in origins:
            yield f"{key}.judges.{name}.own", _unknown(judge.own, "origin", origins)
        if name in config.targets:
            text = f"'{name}' is a target, whose cells judge already. Name the judge otherwise."
            yield f"{key}.judges.{name}", text
    if preference.labels[0] == preference.labels[1]:
        yield f"{key}.labels", f"both labels are '{preference.labels[0]}'. Name two different ones."
    models = {source.model for source in config.sources.values() if not source.endpoint}
    lacking = [target for target in config.targets if target not in models]
    if preference.pairs == "vs-own" and lacking and not preference.cells:
        yield (
            f"{key}.pairs",
            f"vs-own compares a judge's own text, but no source is the target {lacking[0]}. Add it "
            "under sources, set cells: true, or compare all.",
        )
    for name in preference.sources or ():
        if name not in config.sources:
            yield f"{key}.sources", _unknown(name, "source", list(config.sources))
    if (
        preference.task == "summarize"
        and not preference.texts
        and not config.dataset.docs
        and (config.dataset.task != "summarize")
    ):
        yield (
            f"{key}.task",
            "the rows of dataset are instructions, not texts with summaries (dataset.task). Remove "
            "it.",
        )
    if preference.check and config.dataset.prompts:
        yield (
            f"{key}.check",
            "right answers are known from human responses, but the items are dataset.prompts, "
            "which have none. Remove one of the two.",
        )


def _unknown(name: str, what: str, known: Sequence[str]) -> str:
    near = difflib.get_close_matches(name, known, n=1, cutoff=0.5)
    hint = f" Did you mean '{near[0]}'?" if near else ""
    return f"there is no {what} named '{name}'.{hint} Known: {', '.join(known) or 'none'}."
