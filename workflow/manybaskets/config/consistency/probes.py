"""Probes whose judges, embedder or texts do not exist or do not fit the study."""

from collections.abc import Iterator

from manybaskets.config.base import MINILM, VANILLA
from manybaskets.config.consistency.names import is_file_name, unknown, unprotected_key
from manybaskets.config.probes import ModelEndpoint, Preference
from manybaskets.config.study import StudyConfig


def bad_probes(config: StudyConfig) -> Iterator[tuple[str, str]]:
    """Problems of the three probes."""
    yield from _bad_embedder(config)
    yield from _bad_judges(config)
    preference = config.probes.preference
    if preference is not None:
        yield from _bad_preference_judges(config, preference)
        yield from _bad_texts(config, preference)


def _bad_embedder(config: StudyConfig) -> Iterator[tuple[str, str]]:
    """Embedders that do not exist or cannot embed."""
    name = config.probes.collapse.embedder if config.probes.collapse else None
    if name is None or (name == MINILM and name not in config.models):
        return
    key = "probes.collapse.embedder"
    if name not in config.models:
        yield key, unknown(name, "model", [MINILM, *config.models])
    elif config.models[name].scratch:
        yield key, f"'{name}' is a scratch model and cannot embed. Name a model with path or hub."


def _bad_judges(config: StudyConfig) -> Iterator[tuple[str, str]]:
    """Judges with an unusable name, without a model, or with a key but no endpoint."""
    robustness, preference = config.probes.robustness, config.probes.preference
    judges: dict[tuple[str, str], ModelEndpoint] = {}
    for probe, section in (("robustness", robustness), ("preference", preference)):
        if section:
            judges |= {(probe, name): judge for name, judge in section.judges.items()}
    for (probe, name), judge in judges.items():
        key = f"probes.{probe}.judges.{name}"
        if not is_file_name(name):
            yield key, f"'{name}' cannot be a file name. Use letters, digits, '-' and '_'."
        if not judge.endpoint and judge.model not in config.models:
            yield f"{key}.model", unknown(judge.model, "model", list(config.models))
        if judge.api_key_env and not judge.endpoint:
            yield f"{key}.api_key_env", "only endpoints have an API key. Remove it."
        yield from unprotected_key(key, judge.endpoint, judge.api_key_env)


def _bad_preference_judges(
    config: StudyConfig, preference: Preference
) -> Iterator[tuple[str, str]]:
    """External judges without own text or named like a target; equal labels."""
    key = "probes.preference"
    cells = (f"{t}/{m}" for t in config.targets for m in [VANILLA, *config.mixes])
    origins = [*config.sources, *(cells if preference.cells else ())]
    for name, judge in preference.judges.items():
        if judge.own is not None and judge.own not in origins:
            yield f"{key}.judges.{name}.own", unknown(judge.own, "origin", origins)
        if name in config.targets:
            text = f"'{name}' is a target, and its cells are judges too. Rename the judge."
            yield f"{key}.judges.{name}", text
    if preference.labels[0] == preference.labels[1]:
        yield f"{key}.labels", f"both labels are '{preference.labels[0]}'. Use two different ones."


def _bad_texts(config: StudyConfig, preference: Preference) -> Iterator[tuple[str, str]]:
    """Texts that cannot be compared as the probe is set up."""
    key = "probes.preference"
    models = {source.model for source in config.sources.values() if not source.endpoint}
    lacking = [target for target in config.targets if target not in models]
    if preference.pairs == "vs-own" and lacking and not preference.cells:
        yield (
            f"{key}.pairs",
            f"vs-own compares a judge's own text, but no source is the target {lacking[0]}. Add it "
            "under sources, set cells: true, or use pairs: all.",
        )
    for name in preference.sources or ():
        if name not in config.sources:
            yield f"{key}.sources", unknown(name, "source", list(config.sources))
    has_summaries = preference.texts or config.dataset.docs or config.dataset.task == "summarize"
    if preference.task == "summarize" and not has_summaries:
        yield (
            f"{key}.task",
            "the rows of the dataset are instructions without summaries (dataset.task). Remove it.",
        )
    if preference.answer_format and config.dataset.prompts:
        yield (
            f"{key}.answer_format",
            "correct answers come from human responses, but the items are dataset.prompts, which "
            "have none. Remove one of the two.",
        )
