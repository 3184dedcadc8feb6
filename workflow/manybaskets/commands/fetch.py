"""Fetches a model from the hub, once for all cells."""

import argparse
import json
from pathlib import Path

from manybaskets.files import whole_directory

HELP = "Fetches a model of the Hugging Face hub at its pinned revision."
# Weights are taken as safetensors only: other formats can run code when they are loaded.
PATTERNS = ["*.json", "*.safetensors", "*.txt", "*.model", "*.jinja", "README.md"]
CODE = ["*.py"]  # only for models whose entry says trust_remote_code


def arguments(parser: argparse.ArgumentParser) -> None:
    """Declares the options."""
    parser.add_argument("--spec", type=json.loads, required=True)
    parser.add_argument("--output", type=Path, required=True)


def run(options: argparse.Namespace) -> None:
    """Makes a folder of links into the hub's cache."""
    from huggingface_hub import snapshot_download

    spec = options.spec
    patterns = PATTERNS + CODE if spec["trust_remote_code"] else PATTERNS
    cached = Path(
        snapshot_download(spec["hub"], revision=spec["revision"], allow_patterns=patterns)
    )
    with whole_directory(options.output) as folder:
        for path in sorted(p for p in cached.rglob("*") if p.is_file()):
            link = folder / path.relative_to(cached)
            link.parent.mkdir(parents=True, exist_ok=True)
            link.symlink_to(path.resolve())
