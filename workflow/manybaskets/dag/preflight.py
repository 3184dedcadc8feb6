"""Checks before the first job starts: the config, the files it names, and the environment.

Reads the config, the files it names and the environment; starts nothing, writes nothing.
"""

import functools
import os
import shutil
from collections.abc import Iterator
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from manybaskets.config import pins, validation, yaml_files
from manybaskets.config.base import VANILLA, ConfigError
from manybaskets.config.models import Source
from manybaskets.config.probes import ModelEndpoint, Robustness
from manybaskets.config.study import StudyConfig
from manybaskets.config.training import Training
from manybaskets.dag import data_files, path_names, results_format, slow_paths
from manybaskets.data import request_sets
from manybaskets.data.safety_requests import read_requests
from manybaskets.files import InputError, read_json, read_jsonl
from manybaskets.models import chat_templates, gguf, template_check
from manybaskets.paths import RESOURCES
from manybaskets.probes.robustness import attacks
from manybaskets.selection import verifiers
from manybaskets.stages import data, preference, robustness
from manybaskets.study import keys
from manybaskets.study.layout import Study

MIB = 1024**2


def checked_study(raw: dict[str, Any], files: list[str]) -> Study:
    """Returns the study of a config; raises ConfigError with every problem."""
    name = files[-1] if files else "config"
    for file in files:
        yaml_files.read(Path(file))  # a merge would hide duplicate keys
    for other in ("theory", "eigenvalues"):
        if other in raw:
            raise ConfigError(
                f"{name}: {other}: this is a study of {other}, without cells. Run it with "
                f"snakemake --configfile {name}, or with manybaskets {other} --configfile {name} "
                "--output FOLDER."
            )
    validation.refuse_unquoted(raw, name)
    config = validation.load(_plain(raw), name)
    study = Study(config)
    results_format.check(Path(study.root))
    problems = [
        *path_names.with_braces(config),
        *pins.unpinned(config),
        *_environment(study),
        *_data(study),
    ]
    try:
        robustness.attack_texts(study)
    except ConfigError as error:
        others = f"{error} Attacks that are modules: {', '.join(attacks.known())}."
        problems.append(("probes.robustness.attacks", others))
    try:
        preference.preference_texts(study)
    except ConfigError as error:
        problems.append(("probes.preference", str(error)))
    if problems:
        raise ConfigError("\n".join(f"{name}: {key}: {text}" for key, text in problems))
    return study


def study_of(files: list[str], overrides: list[str]) -> Study:
    """Returns the study as Snakemake sees it: later config files and key=value replace values.

    Without files, reads config.yaml. Raises ConfigError with every problem.
    """
    files = files or ["config.yaml"]
    raw: dict[str, Any] = {}
    for file in files:
        raw = _merged(raw, yaml_files.read(Path(file)))
    for override in overrides:
        key, equals, value = override.partition("=")
        if not equals:
            raise ConfigError(f"--config {override}: expected key=value.")
        raw = _merged(raw, {key: yaml_files.parse(value, f"--config {key}")})
    return checked_study(raw, files)


def _merged(below: Any, above: Any) -> Any:
    if isinstance(below, dict) and isinstance(above, dict):
        return below | {key: _merged(below.get(key), value) for key, value in above.items()}
    return above


def notes(study: Study) -> Iterator[str]:
    """Returns warnings about a study, printed before a run."""
    yield from slow_paths.notes(study)
    yield from data_files.check(study).notes
    for name in study.config.models:
        checked = _checked_template(study, name)
        yield from (f"models.{name}: {note}" for note in (checked.notes if checked else ()))
    config = study.config
    for name in study.loops:
        sources = [config.sources[source].model for source in study.mix_sources(name)]
        for target in config.targets:
            others = {*study.writers(target, name), *filter(None, sources)} & config.models.keys()
            different = sorted(
                other for other in others if _has_other_tokenizer(study, target, other)
            )
            if different:
                yield (
                    f"mixes.{name}.loop: {', '.join(different)} and {target} have different "
                    "tokenizers. Their chains exchange text, so the study runs; compare them in "
                    "bits_per_byte instead of nats per token, and note that max_tokens truncates "
                    "their text at different lengths."
                )


def _has_other_tokenizer(study: Study, target: str, other: str) -> bool:
    """Whether two models have different tokenizers; False where a model is not on this machine."""
    if target == other or {target, other} <= set(study.scratch_models):
        return False  # scratch models share one tokenizer
    files = [Path(study.model(name)) / "tokenizer.json" for name in (target, other)]
    if not all(file.is_file() for file in files):
        return False
    vocabularies = [read_json(file).get("model", {}).get("vocab") for file in files]
    return bool(vocabularies[0] != vocabularies[1])


def expected_bytes(study: Study) -> int:
    """Estimates the size of the results: models, adapters, and rows of about 2 kB."""
    config = study.config
    repeats = config.probes.collapse.repeat_responses if config.probes.collapse else 0
    per_cell_rows = 4 * config.dataset.test + 2 * repeats + study.rows + 400
    total = len(study.cells) * (per_cell_rows * 2_000 + MIB)
    total += len(study.scratch_models) * 20 * MIB
    for name in config.targets:
        model = config.models[name]
        weights = _weights(Path(model.path)) if model.path else 8 * MIB
        # A LoRA adapter has about 1/200 of the weights at rank 16, proportionally otherwise.
        adapters = sum(c.target == name and c.mix != VANILLA for c in study.cells)
        rank = config.training.of_target(name).rank
        total += int(adapters * max(weights / 200 * rank / 16, MIB))
    return total


def after_failure(study: Study) -> str:
    """Returns the message after failed jobs; it reports a full disk, since logs cannot."""
    free = shutil.disk_usage(study.root).free
    if free < MIB:
        return (
            f"The disk of {study.root} is full (No space left on device). Free some space and "
            "start again; finished results are kept."
        )
    return (
        "Some jobs failed; finished results are kept. `manybaskets status` lists the failed jobs "
        "with their reasons. Fix them and start again."
    )


def _environment(study: Study) -> Iterator[tuple[str, str]]:
    config = study.config
    for name, source in config.sources.items():
        yield from _key(f"sources.{name}", source)
    for name, judge in study.external_judges.items():
        yield from _key(f"probes.preference.judges.{name}", judge)
    for name, model in config.models.items():
        yield from gguf.problems(model, f"models.{name}")
        if model.path and not (Path(model.path) / "config.json").is_file():
            yield (
                f"models.{name}.path",
                f"{model.path} is not a model folder: it contains no config.json. Check the path.",
            )
        elif model.path and not any(Path(model.path).glob("*.safetensors")):
            yield (
                f"models.{name}.path",
                f"{model.path} contains no safetensors weights; other formats can run code when "
                "they are loaded and are not supported. Convert it: AutoModelForCausalLM."
                "from_pretrained(…).save_pretrained(…).",
            )
        elif model.path and not model.chat_template and name != study.embedder:
            try:
                chat_templates.check(Path(model.path), f"models.{name}", model.path)
            except InputError as error:
                yield f"models.{name}.chat_template", str(error).partition(": ")[2]
        yield from _template(study, name)
        if model.chat_template and not chat_templates.path_of(model.chat_template).is_file():
            yield (
                f"models.{name}.chat_template",
                f"there is no file {model.chat_template}. Correct the path.",
            )
    for training in (config.training, *map(config.training.of_target, config.training.per_target)):
        yield from _training(training)
    if len(study.vocabularies) > 1:
        yield (
            "models",
            "scratch models share one tokenizer, but their vocabulary sizes are "
            f"{sorted(study.vocabularies)}. Set the same vocabulary everywhere.",
        )
    try:
        if config.dataset.docs or study.scratch_models:
            data.CollectDocstrings().spec(study, keys.Once())
    except ConfigError as error:
        yield "packages", str(error)
    place = next(p for p in (Path(study.root), *Path(study.root).absolute().parents) if p.exists())
    free, needed = shutil.disk_usage(place).free, expected_bytes(study)
    if free < needed:
        needed -= _size(Path(study.root))  # slow, so only where it decides
    if free < needed:
        yield (
            "study",
            f"the study will write about {needed / MIB:,.0f} MiB to {study.root}, but the disk has "
            f"{free / MIB:,.0f} MiB free. Free some space, or link results/ to another disk.",
        )


def _template(study: Study, name: str) -> Iterator[tuple[str, str]]:
    checked = _checked_template(study, name)
    if checked and checked.problem:
        yield f"models.{name}.chat_template", checked.problem


@functools.cache
def _checked_template(study: Study, name: str) -> template_check.Checked | None:
    """The check of a model's chat template; None if its tokenizer is not on this machine."""
    model = study.config.models[name]
    folder = Path(model.path or study.path("models", name))
    if model.scratch or name == study.embedder or not template_check.has_tokenizer(folder):
        return None
    template = chat_templates.path_of(model.chat_template) if model.chat_template else None
    if not template and not chat_templates.has_template(folder):
        return None
    if template and not template.is_file():
        return None
    text = template.read_text(encoding="utf-8") if template else None
    return template_check.check(folder, text, model.chat_template_kwargs, model.system)


def _training(training: Training) -> Iterator[tuple[str, str]]:
    """Packages that the training needs and that are not installed."""
    flash = {"flash_attention_2": "flash_attn", "flash_attention_3": "flash_attn_interface"}
    needed: list[tuple[str, Any, list[str]]] = [
        ("quantization", training.quantization, ["bitsandbytes"]),
        ("liger", training.liger, ["liger_kernel"]),
    ]
    if training.attention in flash:
        # transformers takes its own build of the kernels where `kernels` is installed
        needed.append(("attention", training.attention, [flash[training.attention], "kernels"]))
    for key, value, packages in needed:
        if value and not any(find_spec(package) for package in packages):
            names = " or ".join(package.replace("_", "-") for package in packages)
            yield (
                f"training.{key}",
                f"{value} needs the package {names}, which is not installed. Install it, or "
                "remove the key.",
            )


def _data(study: Study) -> Iterator[tuple[str, str]]:
    """Problems of the files that the config names, each with its key."""
    config = study.config
    yield from _verifier_files(config)
    if table := study.reference_file():
        known = sorted(path.stem for path in (RESOURCES / "reference").glob("*.csv"))
        if not table.is_file():
            text = f"there is no table '{table}'. Known: {', '.join(known)}; or give a path."
            yield "reference.table", text
    if config.probes.robustness:
        yield from _robustness(study, config.probes.robustness)
    yield from data_files.check(study).problems


def _verifier_files(config: StudyConfig) -> Iterator[tuple[str, str]]:
    """Files of verifiers that do not exist or cannot be used."""
    for name, mix in config.mixes.items():
        if mix.select:
            for key, text in verifiers.verifier(mix.select.verifier.by).problems(
                mix.select.verifier
            ):
                yield f"mixes.{name}.select.verifier.{key}", text


def _robustness(study: Study, robustness: Robustness) -> Iterator[tuple[str, str]]:
    """Problems of requests, local copies of public sets, and judges."""
    sets = ", ".join(request_sets.declared_sets())
    for path in study.request_files():
        try:
            if not path.is_file():
                raise InputError(f"{path}: there is no such file, and no such set. Sets: {sets}.")
            if not read_requests(path, robustness.count):
                raise InputError(f"{path}: this file contains no requests.")
        except InputError as error:
            yield "probes.robustness.requests", str(error)
    if not study.request_files() and not study.request_sets():
        yield "probes.robustness.requests", "no file and no set is given. Add one."
    for key in ("local_files", "sha256"):
        for name in getattr(robustness, key):
            if name not in study.request_sets():
                named = ", ".join(study.request_sets()) or "none"
                yield (
                    f"probes.robustness.{key}.{name}",
                    f"not one of the sets under requests: {named}. Remove it.",
                )
    for name, copy in robustness.local_files.items():
        if not Path(copy).is_file():
            yield (
                f"probes.robustness.local_files.{name}",
                f"there is no file {copy}. Correct the path.",
            )
    for name, judge in robustness.judges.items():
        key = f"probes.robustness.judges.{name}"
        yield from _key(key, judge)
        if judge.template and not Path(judge.template).is_file():
            yield f"{key}.template", f"there is no file {judge.template}. Correct the path."
    if robustness.human_labels:
        try:
            read_jsonl(Path(robustness.human_labels), ["response", "refused"])
        except InputError as error:
            yield "probes.robustness.human_labels", str(error)


def _key(key: str, model: ModelEndpoint | Source) -> Iterator[tuple[str, str]]:
    """Yields the key of an endpoint whose API key is not set in the environment."""
    if model.api_key_env and not os.environ.get(model.api_key_env):
        yield (
            f"{key}.api_key_env",
            f"the environment variable {model.api_key_env} is not set. Set it to the API key: "
            f"export {model.api_key_env}=…",
        )


def _size(folder: Path) -> int:
    return sum(
        Path(place, name).lstat().st_size for place, _, names in os.walk(folder) for name in names
    )


def _weights(folder: Path) -> int:
    return sum(path.stat().st_size for path in folder.glob("*.safetensors"))


def _plain(value: Any) -> Any:
    if isinstance(value, dict):
        return {str(key): _plain(inner) for key, inner in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(inner) for inner in value]
    return value
