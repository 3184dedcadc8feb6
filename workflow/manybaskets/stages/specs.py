"""Parts that the specs of several stages share."""

import functools
import importlib.metadata
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Self

from pydantic import model_validator

from manybaskets.config.base import HUMAN, ConfigError, Section
from manybaskets.config.mixes import Mix
from manybaskets.config.models import Source
from manybaskets.config.serving import VLLM_RANKS
from manybaskets.paths import RESOURCES
from manybaskets.stages import fingerprint
from manybaskets.study.layout import Study

Texts = dict[str, str]
"""Hashes of texts that are part of the method, by path below `resources/`."""


REMOTE = ("url", "sha256", "recorded")  # a file of rows is identified by its hash
ACCESS = ("api_key_env", "token_budget")  # access to a model, without effect on its replies


class Base(Section):
    """A base model: its name, and the path and revision of one that the workflow does not train."""

    name: str
    path: str | None = None
    revision: str | None = None
    trust_remote_code: bool = False


class EngineSpec(Section):
    """Engine settings that may change its replies; the others are in the environment."""

    max_model_len: int
    max_lora_rank: int
    trust_remote_code: bool
    dtype: str
    quantization: str | None
    threads: int
    devices: int
    reasoning_parser: str | None = None


class MixSpec(Section):
    """The origins of a mix with their shares of the prompts.

    Origins are pairs: their order determines which quarter each has, and canonical JSON sorts keys.
    """

    origins: list[tuple[str, float]]
    assign: str
    samples: int


def values(section: Section | None, *without: str) -> dict[str, Any]:
    """Returns a section of the config as plain values, without some of its keys."""
    return section.model_dump(mode="json", exclude=set(without)) if section else {}


@functools.cache
def base(study: Study, model: str) -> Base:
    """Returns the base model of a name in `models`."""
    settings = study.config.models[model]
    return Base(
        name=model,
        path=settings.path,
        revision=settings.revision,
        trust_remote_code=settings.trust_remote_code,
    )


@functools.cache
def engine(study: Study, model: str | None) -> EngineSpec:
    """Returns the engine settings of a model; only those of targets have adapters."""
    settings = study.config.engine.of_model(model)
    training = study.config.training.of_target(model or "")
    rank = next(r for r in VLLM_RANKS if r >= training.rank)
    served = study.config.models.get(model or "")
    return EngineSpec(
        max_model_len=settings.max_model_len,
        max_lora_rank=rank if model in study.config.targets else 0,
        trust_remote_code=bool(served and served.trust_remote_code),
        dtype=settings.dtype,
        quantization=settings.quantization,
        threads=settings.threads,
        devices=settings.devices,
        reasoning_parser=settings.reasoning_parser,
    )


def mix_spec(mix: Mix) -> MixSpec:
    """Returns the recipe of a mix; origins with randomly assigned prompts are sorted."""
    origins = list(mix.origins.items())
    if mix.assign == "random":
        origins.sort()
    return MixSpec(origins=origins, assign=mix.assign, samples=mix.samples)


class SourceSpec(Source):
    """The settings that determine a source's responses, without the key of an endpoint."""

    name: str
    sha256: str | None = None
    """First digits of the hash of the recorded file."""
    base: Base | None = None
    """The model, if an engine of the study serves it."""

    @model_validator(mode="after")
    def _check_hash(self) -> Self:
        return self  # files without a URL have a hash here


@functools.cache
def source(study: Study, name: str) -> SourceSpec:
    """Returns the spec of a source."""
    settings = study.config.sources[name]
    is_served = not settings.is_recorded and not settings.endpoint
    recorded = study.rows_file(settings)
    return SourceSpec(
        **values(settings, *ACCESS, *REMOTE),
        recorded=recorded,
        name=name,
        base=base(study, settings.model or "") if is_served else None,
        sha256=short_hash(settings.sha256, recorded),
    )


def short_hash(declared: str | None, path: str | None) -> str | None:
    """Returns sixteen digits of the hash of a file, the declared one for a file with a URL."""
    if declared:
        return declared[:16]
    return fingerprint.file_hash(Path(path)) if path else None


def texts(*names: str, root: Path = RESOURCES) -> Texts:
    """Returns hashes of texts that are part of the method. Raises ConfigError for a missing one."""
    hashes = {}
    for name in names:
        if not (root / name).is_file():
            known = sorted(p.stem for p in (root / name).parent.glob("*"))
            raise ConfigError(
                f"{Path(name).stem}: {root.name}/{name} does not exist. Known: {', '.join(known)}."
            )
        hashes[name] = fingerprint.file_hash(root / name)
    return hashes


def version(package: str) -> str | None:
    """Returns the installed version of a package; None if it is not installed."""
    try:
        return importlib.metadata.version(package)
    except importlib.metadata.PackageNotFoundError:
        return None


def unselected(study: Study) -> list[str]:
    """Returns the mixes of synthetic text alone, without selection."""
    mixes = study.config.mixes.items()
    return [name for name, mix in mixes if not mix.select and HUMAN not in mix.origins]


def model_folder(study: Study, model: str | None) -> list[str]:
    """Returns the folder of a model that the study serves; none for an endpoint."""
    return [study.model(model)] if model in study.config.models else []


def responses(study: Study, sources: Sequence[str], seed: int) -> list[str]:
    """Returns the files of responses of sources in one seed."""
    return [study.responses(name, seed) for name in sources]
