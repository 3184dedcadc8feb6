"""Public files that are not part of the repository, pinned by URL and SHA-256.

Tests of them are marked `network` and run with `pytest -m network`. A file is downloaded once, to
the user's cache. Where a machine has no network, copies under any name may be put into the folder
that the environment variable MANYBASKETS_TEST_DATA names.
"""

import hashlib
import os
import urllib.error
import urllib.request
from dataclasses import dataclass
from pathlib import Path

import pytest

COPIES = "MANYBASKETS_TEST_DATA"
_RAW = "https://raw.githubusercontent.com"
_GSM8K = f"{_RAW}/openai/grade-school-math/3101c7d5072418e28b9008a6636bde82a006892c"
_XSTEST = f"{_RAW}/paul-rottger/xstest/d7bb5bd738c1fcbc36edd83d5e7d1b71a3e2d84d"


@dataclass(frozen=True)
class PublicFile:
    """The address of a file and the hash of its bytes."""

    url: str
    sha256: str


GSM8K = {
    "train": PublicFile(
        f"{_GSM8K}/grade_school_math/data/train.jsonl",
        "17f347dc51477c50d4efb83959dbb7c56297aba886e5544ee2aaed3024813465",
    ),
    "test": PublicFile(
        f"{_GSM8K}/grade_school_math/data/test.jsonl",
        "3730d312f6e3440559ace48831e51066acaca737f6eabec99bccb9e4b3c39d14",
    ),
}
# Responses of three models to XSTest, each labelled by two people.
XSTEST_LABELLED = {
    model: PublicFile(f"{_XSTEST}/model_completions/xstest_v2_completions_{model}.csv", sha256)
    for model, sha256 in {
        "gpt4": "71af323af8ecdec0efae23992317721441d2cfedddedeef3248f842f4e15c9ca",
        "llama2new": "6365cc55ce0a593c7ab8785853d02784be027d97199d4077912b4313cd010099",
        "mistralinstruct": "6a146b65a5b96ec8249729bc2db459697175125998d7cbbcc88f7688ecf31dad",
    }.items()
}
WIKITEXT_2_VALID = PublicFile(
    f"{_RAW}/pytorch/examples/37ce9402ff0cae48d764d7788810fd2ed8238b25/"
    "word_language_model/data/wikitext-2/valid.txt",
    "f0737ed31fc1329026e95cb8b98e19c2a182c39c240ab909dc31abf2f8af58e8",
)


def path_of(file: PublicFile) -> Path:
    """A verified copy of a file; skips the test where there is none and none can be downloaded."""
    found = _copy(file.sha256)
    if found is not None:
        return found
    cached = _cache() / file.sha256
    if not cached.is_file():
        content = _downloaded(file.url)
        assert hashlib.sha256(content).hexdigest() == file.sha256, f"{file.url} has changed"
        cached.parent.mkdir(parents=True, exist_ok=True)
        cached.write_bytes(content)
    return cached


def _copy(sha256: str) -> Path | None:
    folder = os.environ.get(COPIES)
    for path in sorted(Path(folder).rglob("*")) if folder else []:
        if path.is_file() and hashlib.sha256(path.read_bytes()).hexdigest() == sha256:
            return path
    return None


def _cache() -> Path:
    home = os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"
    return Path(home) / "manybaskets" / "test-data"


def _downloaded(url: str) -> bytes:
    try:
        with urllib.request.urlopen(url, timeout=60) as answer:
            content: bytes = answer.read()
    except urllib.error.URLError as error:
        pytest.skip(
            f"{url} cannot be downloaded ({error}). Download it elsewhere, put it into a folder, "
            f"and name that folder in the environment variable {COPIES}."
        )
    return content
