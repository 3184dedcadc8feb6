"""Downloads a model of the Hugging Face hub, or converts a GGUF file, once for all cells."""

import argparse
from pathlib import Path

from manybaskets.cli.arguments import spec_argument
from manybaskets.data import hub
from manybaskets.files import InputError, whole_directory
from manybaskets.models import chat_templates, gguf, template_check
from manybaskets.models.loading import merge_adapter
from manybaskets.stages.models import DownloadSpec, GgufSource

HELP = "Downloads a model of the Hugging Face hub at its pinned revision, or converts a GGUF file."
# Weights are only downloaded as safetensors: other formats can run code when they are loaded.
PATTERNS = ["*.json", "*.safetensors", "*.txt", "*.model", "*.jinja", "README.md"]
IGNORED = ["consolidated*", "original/*"]  # the same weights in another layout
CODE = ["*.py"]  # only for models with trust_remote_code
ADAPTER = ["adapter_config.json", "*.safetensors"]


def arguments(parser: argparse.ArgumentParser) -> None:
    """Declares the options."""
    spec_argument(parser, DownloadSpec)
    parser.add_argument("--output", type=Path, required=True)


def run(options: argparse.Namespace) -> None:
    """Writes a folder of links into the hub's cache, or of weights: merged or converted.

    The output has the name of the model's entry in the config.
    """
    spec, key = options.spec, f"models.{options.output.name}"
    with whole_directory(options.output) as folder:
        if spec.gguf:
            _convert(spec.gguf, spec.revision, folder, key)
        else:
            _download(spec, folder, key)
        if spec.chat_template:
            chat_templates.install(folder, chat_templates.path_of(spec.chat_template))
        if spec.is_chat_model:
            origin = spec.path or spec.hub or spec.gguf.file
            chat_templates.check(folder, key, origin)
        if spec.system or spec.chat_template_kwargs:
            chat_templates.customize(folder, spec.chat_template_kwargs, spec.system, key)
        if spec.is_chat_model:
            _check_template(folder, key)


def _check_template(folder: Path, key: str) -> None:
    checked = template_check.check(folder)
    if checked.problem:
        raise InputError(f"{key}: {checked.problem}")
    for note in checked.notes:
        print(f"{key}: {note}")


def _convert(source: GgufSource, revision: str | None, folder: Path, key: str) -> None:
    """Writes the model of a GGUF file, after a check of its hash."""
    licence = None
    if source.package:
        packaged = gguf.packaged_file(source.package, source.file, key)
        path, where = packaged.path, f"{key}.package"
        gguf.verify(path, source.sha256 or packaged.sha256, where)
        origin = f"{source.package} {packaged.version}"
        licence = gguf.licence_of(source.package)
    elif revision:
        where = f"{key}.gguf"
        repo, file = gguf.hub_file(source.file, key)
        cached = hub.fetch(repo, revision, key, [file, "README.md"])
        path, origin, licence = cached / file, f"{repo} at {revision}", hub.license_of(cached)
    else:
        path, where, origin = Path(source.file), f"{key}.gguf", "this machine"
    gguf.convert(path, folder, where)
    gguf.describe(path, origin, licence, folder)


def _download(spec: DownloadSpec, folder: Path, key: str) -> None:
    """Writes links to the files of a model, or its weights with a merged adapter."""
    trusted = spec.trust_remote_code
    if spec.path:
        cached = Path(spec.path)
    else:
        patterns = PATTERNS + CODE if trusted else PATTERNS
        cached = hub.fetch(spec.hub or "", spec.revision or "", key, patterns, ignored=IGNORED)
    _has_weights(cached, spec.path or spec.hub or "", key)
    adapter = None
    if spec.adapter:
        where = f"{key}.adapter"
        adapter = hub.fetch(spec.adapter, spec.adapter_revision or "", where, ADAPTER)
        _has_weights(adapter, spec.adapter, where)
    for path in sorted(p for p in cached.rglob("*") if p.is_file()):
        if adapter and (path.suffix == ".safetensors" or ".safetensors." in path.name):
            continue
        link = folder / path.relative_to(cached)
        link.parent.mkdir(parents=True, exist_ok=True)
        link.symlink_to(path.resolve())
    if adapter:
        merge_adapter(cached, adapter, folder, trusted)


def _has_weights(folder: Path, repo: str, key: str) -> None:
    if not any(folder.rglob("*.safetensors")):
        raise InputError(
            f"{key}: {repo} has no weights as safetensors; other formats can run code when they "
            "are loaded and are not used. Choose a revision with safetensors, or convert it with "
            "from_pretrained(…).save_pretrained(…) and name the folder (path)."
        )
