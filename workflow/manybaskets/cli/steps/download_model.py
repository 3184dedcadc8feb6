"""Downloads a model of the Hugging Face hub at its pinned revision, once for all cells."""

import argparse
from pathlib import Path

from manybaskets.cli.arguments import spec_argument
from manybaskets.data import hub
from manybaskets.files import InputError, whole_directory
from manybaskets.models import chat_templates
from manybaskets.models.loading import merge_adapter
from manybaskets.stages.models import DownloadSpec

HELP = "Downloads a model of the Hugging Face hub at its pinned revision."
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
    """Writes a folder of links into the hub's cache, or of weights with a merged adapter.

    The output has the name of the model's entry in the config.
    """
    spec, key = options.spec, f"models.{options.output.name}"
    trusted = spec.trust_remote_code
    patterns = PATTERNS + CODE if trusted else PATTERNS
    if spec.path:
        cached = Path(spec.path)
    else:
        cached = hub.fetch(spec.hub, spec.revision, key, patterns, ignored=IGNORED)
    _has_weights(cached, spec.path or spec.hub, key)
    adapter = None
    if spec.adapter:
        where = f"{key}.adapter"
        adapter = hub.fetch(spec.adapter, spec.adapter_revision, where, ADAPTER)
        _has_weights(adapter, spec.adapter, where)
    with whole_directory(options.output) as folder:
        for path in sorted(p for p in cached.rglob("*") if p.is_file()):
            if adapter and (path.suffix == ".safetensors" or ".safetensors." in path.name):
                continue
            link = folder / path.relative_to(cached)
            link.parent.mkdir(parents=True, exist_ok=True)
            link.symlink_to(path.resolve())
        if adapter:
            merge_adapter(cached, adapter, folder, trusted)
        if spec.chat_template:
            chat_templates.install(folder, chat_templates.path_of(spec.chat_template))
        if spec.is_chat_model:
            chat_templates.check(folder, key, spec.path or spec.hub)
        if spec.system:
            chat_templates.add_system_message(folder, spec.system, f"{key}.system", trusted)


def _has_weights(folder: Path, repo: str, key: str) -> None:
    if not any(folder.rglob("*.safetensors")):
        raise InputError(
            f"{key}: {repo} has no weights as safetensors; other formats can run code when they "
            "are loaded and are not used. Choose a revision with safetensors, or convert it with "
            "from_pretrained(…).save_pretrained(…) and name the folder (path)."
        )
