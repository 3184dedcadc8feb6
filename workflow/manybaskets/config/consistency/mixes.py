"""Mixes whose origins, selection or loop cannot work."""

from collections.abc import Iterator

from manybaskets.config.base import HUMAN
from manybaskets.config.consistency.names import unknown
from manybaskets.config.mixes import Loop, Mix, Select, human_rows
from manybaskets.config.study import StudyConfig


def bad_rows(config: StudyConfig) -> Iterator[tuple[str, str]]:
    """Sizes of the mixes that the dataset cannot fill, or that contradict `match`."""
    rows = config.rows or config.dataset.train
    if rows > config.dataset.train and config.dataset.prompts is None:
        yield (
            "rows",
            f"a mix needs {rows} rows, but dataset.train sets apart only {config.dataset.train}. "
            "Lower rows or raise dataset.train.",
        )
    if config.match == "tokens" and config.tokens is None:
        yield "tokens", "match: tokens needs tokens, the number of response tokens of every mix."
    if config.match == "rows" and config.tokens is not None:
        yield "tokens", "tokens has no effect with match: rows. Remove it, or set match: tokens."
    if config.dataset.docs and config.dataset.split_method != "interleaved":
        yield (
            "dataset.split_method",
            "docs is split by module. Set split_method: interleaved.",
        )


def bad_mixes(config: StudyConfig) -> Iterator[tuple[str, str]]:
    """Problems of each mix."""
    known = [HUMAN, *config.sources]
    for name, mix in config.mixes.items():
        for origin in mix.origins:
            if origin not in known:
                yield f"mixes.{name}.origins", unknown(origin, "source", known)
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
            yield from _bad_match(config, name, mix, mix.select)
            yield from _bad_verifier(config, name, mix.select)
            yield from _bad_samples(config, name, mix, mix.select)
        if mix.loop:
            yield from _bad_loop(config, name, mix.loop)
            yield from _bad_generations(config, name, mix.loop)


def _bad_match(
    config: StudyConfig, name: str, mix: Mix, select: Select
) -> Iterator[tuple[str, str]]:
    """Selection without rows to select from, or at the keep rate of a mix without selection."""
    key, other = f"mixes.{name}.select", select.match_keep_rate
    if set(mix.origins) == {HUMAN} and not mix.loop:
        yield key, "human rows are always kept, and the mix has no other rows. Remove select."
    if other is None:
        return
    like = config.mixes.get(other)
    if like is None or like.select is None or like.select.match_keep_rate:
        yield (
            f"{key}.match_keep_rate",
            f"'{other}' is not a mix that a verifier selects. Name a mix with select.",
        )
    if mix.loop:
        yield (
            f"{key}.match_keep_rate",
            "in a loop, every chain has its own rows. Use top or best_of.",
        )


def _bad_verifier(config: StudyConfig, name: str, select: Select) -> Iterator[tuple[str, str]]:
    """Verifiers whose model, source or human responses do not exist."""
    key, verifier = f"mixes.{name}.select.verifier", select.verifier
    if verifier.model is not None and verifier.model not in config.models:
        yield f"{key}.model", unknown(verifier.model, "model", list(config.models))
    if verifier.source is not None:
        judge = config.sources.get(verifier.source)
        if judge is None:
            yield f"{key}.source", unknown(verifier.source, "source", list(config.sources))
        elif judge.is_recorded:
            yield (
                f"{key}.source",
                f"'{verifier.source}' is a file of recorded responses and cannot judge. Name a "
                "source with a model or an endpoint.",
            )
    if verifier.plugin.needs_human and config.dataset.prompts is not None:
        yield (
            key,
            f"{verifier.by} compares with human responses, and dataset.prompts has none. Use "
            "another verifier, or let the sources answer the human prompts.",
        )


def _bad_samples(
    config: StudyConfig, name: str, mix: Mix, select: Select
) -> Iterator[tuple[str, str]]:
    """Several responses to each prompt that would all be equal; too few responses to keep."""
    key, sources = f"mixes.{name}.select", [origin for origin in mix.origins if origin != HUMAN]
    is_recorded = [config.sources[name].is_recorded for name in sources if name in config.sources]
    if not all(is_recorded) and mix.samples > 1 and config.generation.temperature == 0:
        yield (
            f"{key}.samples",
            f"at temperature 0 all {mix.samples} responses to a prompt are the same. Raise "
            "generation.temperature.",
        )
    if select.rule is None or select.share is None or select.on_shortfall != "error":
        return
    if select.share * mix.samples < 1 - 1e-9:
        yield (
            f"{key}.{select.rule[0]}",
            f"keeps {100 * select.share * mix.samples:.3g} % of the rows that the mix needs, from "
            f"{mix.samples} responses to each prompt. Raise samples, or set on_shortfall to fewer "
            "or repeat.",
        )


def _bad_loop(config: StudyConfig, name: str, loop: Loop) -> Iterator[tuple[str, str]]:
    """Loops that do not fit the rest of the study."""
    key = f"mixes.{name}.loop"
    if loop.after is not None:
        yield from _bad_start(config, name, loop.after)
    if config.match == "tokens":
        yield key, "a loop matches rows, not tokens. Set match: rows."
    if config.probes.preference and config.probes.preference.cells:
        yield (
            "probes.preference.cells",
            f"judges compare one text of each cell, and '{name}' has one of every generation. "
            "Remove cells: true, or the loop.",
        )
    if loop.sources == "targets" and len(config.targets) == 1:
        yield (
            f"{key}.sources",
            "with targets, the chains of several targets write for each other, but "
            f"{config.targets[0]} is the only target. Add a target, or use own.",
        )
    for generation in loop.overrides:
        if generation > loop.generations:
            yield (
                f"{key}.overrides.{generation}",
                f"there are {loop.generations} generations. Raise loop.generations, or remove it.",
            )


def _bad_generations(config: StudyConfig, name: str, loop: Loop) -> Iterator[tuple[str, str]]:
    """Generations at temperature 0 with several responses, or without enough human rows."""
    key, rows = f"mixes.{name}.loop", config.rows or config.dataset.train
    samples, needed = config.mixes[name].samples, 0
    for generation in range(2, loop.generations + 1):
        here = loop.at(generation)
        warm = config.generation.temperature if here.temperature is None else here.temperature
        if samples > 1 and warm == 0:
            yield (
                f"{key}.temperature",
                f"at temperature 0 all {samples} responses to a prompt for generation "
                f"{generation} are the same. Raise it.",
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
    """First generations that are not a mix with the same origins and without a loop."""
    key, start, mix = f"mixes.{name}.loop.after", config.mixes.get(after), config.mixes[name]
    if start is None:
        yield key, unknown(after, "mix", [n for n, m in config.mixes.items() if not m.loop])
    elif start.loop:
        yield key, f"'{after}' is itself a loop. Name a mix without a loop."
    elif (list(start.origins.items()), start.assign) != (list(mix.origins.items()), mix.assign):
        yield key, f"'{after}' has other origins and cannot be generation 1. Make them the same."
