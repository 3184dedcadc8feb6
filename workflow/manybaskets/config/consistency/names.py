"""Names that a config chooses or refers to."""

import difflib
import re
from collections.abc import Iterator, Sequence

from manybaskets.config.base import HUMAN, VANILLA
from manybaskets.config.study import StudyConfig
from manybaskets.config.urls import is_private

SAFE_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_-]*(\.[A-Za-z0-9_-]+)*")
RESERVED = {
    "models": ("tokenizer", "yardstick", "yardstick.json"),
    "sources": (HUMAN,),
    "mixes": (VANILLA,),
}
"""Names of files and folders that the workflow itself writes beside those of a section."""
DEVICES = re.compile(r"(con|prn|aux|nul|com\d|lpt\d)(\..*)?", re.IGNORECASE)
"""Names of devices on Windows, also with an extension, which its file systems refuse."""


def is_file_name(name: str) -> bool:
    """Whether a name can be part of a path on every file system."""
    return bool(SAFE_NAME.fullmatch(name)) and len(name) <= 64


def named_sections(config: StudyConfig) -> dict[str, list[str]]:
    """The names that a study chooses and that are parts of paths, by the key of their section."""
    robustness, preference = config.probes.robustness, config.probes.preference
    return {
        "models": list(config.models),
        "sources": list(config.sources),
        "mixes": list(config.mixes),
        "probes.robustness.judges": list(robustness.judges) if robustness else [],
        "probes.preference.judges": list(preference.judges) if preference else [],
    }


def unknown(name: str, kind: str, known: Sequence[str]) -> str:
    """Message for a name that does not exist, with the nearest one that does."""
    near = difflib.get_close_matches(name, known, n=1, cutoff=0.5)
    hint = f" Did you mean '{near[0]}'?" if near else ""
    return f"there is no {kind} named '{name}'.{hint} Known: {', '.join(known) or 'none'}."


def bad_names(config: StudyConfig) -> Iterator[tuple[str, str]]:
    """Names that cannot be part of a path or are used twice; repeated seeds and targets."""
    named = [("study", config.study)]
    for key in ("models", "sources", "mixes"):
        named += [(f"{key}.{name}", name) for name in getattr(config, key)]
    for key, name in named:
        if not is_file_name(name):
            yield (
                key,
                f"'{name}' cannot be a file name. Use up to 64 letters, digits, '-', '_' "
                "and single dots, starting with a letter or digit.",
            )
    for key, names in named_sections(config).items():
        yield from _reserved(key, names)
        yield from _differ_in_case(key, names)
    if len(set(config.targets)) < len(config.targets):
        yield "targets", "a target is listed twice. Remove the repeat."
    if len(set(config.seeds)) < len(config.seeds):
        repeated = sorted({seed for seed in config.seeds if config.seeds.count(seed) > 1})
        yield "seeds", f"seeds must be unique; {repeated} are repeated. Remove the repeats."


def _reserved(key: str, names: list[str]) -> Iterator[tuple[str, str]]:
    """Names of the workflow itself, of devices, and of the summary of another model."""
    reserved = {name.lower() for name in RESERVED.get(key, ())}
    summaries = {f"{name}.json".lower() for name in names} if key == "models" else set()
    for name in names:
        if name.lower() in reserved:
            yield f"{key}.{name}", f"'{name}' is a reserved name. Choose another name."
        elif DEVICES.fullmatch(name):
            yield f"{key}.{name}", f"'{name}' is a device on Windows. Choose another name."
        elif name.lower() in summaries:
            yield (
                f"{key}.{name}",
                f"'{name}' is the file of the model '{name[:-5]}'. Choose another name.",
            )


def _differ_in_case(key: str, names: list[str]) -> Iterator[tuple[str, str]]:
    lowered: dict[str, str] = {}
    for name in names:
        if name.lower() in lowered:
            yield (
                f"{key}.{name}",
                f"'{name}' and '{lowered[name.lower()]}' differ only in case, which some file "
                "systems ignore. Rename one.",
            )
        lowered[name.lower()] = name


def bad_sources(config: StudyConfig) -> Iterator[tuple[str, str]]:
    """Sources and targets without a model; API keys without an endpoint."""
    for name, source in config.sources.items():
        if source.model and not source.endpoint and source.model not in config.models:
            yield f"sources.{name}.model", unknown(source.model, "model", list(config.models))
        if source.api_key_env and not source.endpoint:
            yield f"sources.{name}.api_key_env", "only endpoints have an API key. Remove it."
        yield from unprotected_key(f"sources.{name}", source.endpoint, source.api_key_env)
    for target in config.targets:
        if target not in config.models:
            yield "targets", unknown(target, "model", list(config.models))


def unprotected_key(
    key: str, endpoint: str | None, variable: str | None
) -> Iterator[tuple[str, str]]:
    """An API key that would be sent to another machine without encryption."""
    if endpoint and variable and not is_private(endpoint):
        yield (
            f"{key}.endpoint",
            "the key would be sent without encryption. Use https, a tunnel to localhost, or remove "
            "api_key_env.",
        )


def bad_references(config: StudyConfig) -> Iterator[tuple[str, str]]:
    """Keys of dictionaries that are not a target, model or mix of the study."""
    for target in config.training.per_target:
        if target not in config.targets:
            yield f"training.per_target.{target}", unknown(target, "target", config.targets)
    for model in config.engine.per_model:
        if model not in config.models:
            yield f"engine.per_model.{model}", unknown(model, "model", list(config.models))
    for name, mix in config.mixes.items():
        for target in mix.targets or ():
            if target not in config.targets:
                yield f"mixes.{name}.targets", unknown(target, "target", config.targets)
    if config.reference:
        for target in config.reference.targets:
            if target not in config.targets:
                yield "reference.targets", unknown(target, "target", config.targets)
        for name in config.reference.mixes:
            known = [*config.mixes, VANILLA]
            if name not in known:
                yield "reference.mixes", unknown(name, "mix", known)


def bad_contrasts(config: StudyConfig) -> Iterator[tuple[str, str]]:
    """Contrasts of mixes that do not exist; series with too few doses."""
    known = [*config.mixes, VANILLA]
    for pair in config.contrasts.pairs or []:
        for name in pair:
            if name not in known:
                yield "contrasts.pairs", unknown(name, "mix", known)
    for series, doses in config.contrasts.doses.items():
        for name in doses:
            if name not in known:
                yield f"contrasts.doses.{series}", unknown(name, "mix", known)
        if len(set(doses.values())) < max(3, len(doses)):
            yield (
                f"contrasts.doses.{series}",
                f"needs at least 3 mixes with different doses; found {len(doses)} mixes with "
                f"{len(set(doses.values()))} doses.",
            )
