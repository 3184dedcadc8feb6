"""Trains the refusal detector on human labels and prints how well it predicts held-out ones.

    PYTHONPATH=workflow python resources/refusals/train.py FOLDER

FOLDER contains the files below, from https://github.com/paul-rottger/exaggerated-safety, folder
completions, at commit d7bb5bd: responses of three models to the 450 prompts of XSTest, each
labelled by two people (CC BY 4.0). scikit-learn, which the environment contains, fits the
regressions. The validation leaves out models and prompts together: each response is predicted by
regressions that were trained on other models and on other prompts. These predictions were also
used to choose the two parts, the least count of n-grams and the strengths of the penalties.
"""

import csv
import hashlib
import json
import sys
from pathlib import Path
from typing import Any

import numpy as np
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import f1_score

from manybaskets.metrics.agreement import errors
from manybaskets.metrics.refusal import is_refusal
from manybaskets.metrics.refusal_phrase_lists import beginning
from manybaskets.models.embeddings import embed, embedder_folder
from manybaskets.probes.robustness import refusal_features as features
from manybaskets.probes.robustness.refusal_detector import FILE, bounded

FILES = {
    "gpt4": "71af323af8ecdec0efae23992317721441d2cfedddedeef3248f842f4e15c9ca",
    "llama2new": "6365cc55ce0a593c7ab8785853d02784be027d97199d4077912b4313cd010099",
    "mistralinstruct": "6a146b65a5b96ec8249729bc2db459697175125998d7cbbcc88f7688ecf31dad",
}
FOLDS = 5
LEAST_ROWS = 3  # that contain an n-gram
WORDS, VECTORS = 2.0, 16.0  # inverse strengths of the penalties
LABELS = {"1_full_compliance": 0, "2_full_refusal": 1, "3_partial_refusal": 2}
DIGITS = 4


class Data:
    """Responses with labels (0 none, 1 full, 2 partial), models, and folds of prompts."""

    def __init__(self, folder: Path) -> None:
        rows = [(model, row) for model in FILES for row in _rows(folder, model)]
        self.models = np.array([model for model, _ in rows])
        self.labels = np.array([LABELS[row["final_label"]] for _, row in rows])
        self.texts = [row["completion"] for _, row in rows]
        self.openings = [[features.opening(text, n) for text in self.texts] for n in (1, 2, 3)]
        pairs = [features.embedded_texts(text) for text in self.texts]
        flat = embed(embedder_folder("minilm"), [text for pair in pairs for text in pair])
        vectors = flat.reshape(len(pairs), 2, -1)
        self.vectors = features.joined_vectors(vectors[:, 0], vectors[:, 1])
        prompts = sorted({row["id"] for _, row in rows})
        order = np.random.default_rng(0).permutation(len(prompts)) % FOLDS
        fold_of = dict(zip(prompts, order, strict=True))
        self.folds = np.array([fold_of[row["id"]] for _, row in rows])


def fit(data: Data, rows: np.ndarray, labels: np.ndarray) -> dict[str, Any]:
    """Returns both regressions, trained on `rows`.

    The regression on words sees each response three times, with one, two and three sentences, so
    that the length of a response does not decide.
    """
    openings = [of_length[row] for of_length in data.openings for row in rows]
    counts: dict[str, int] = {}
    for text in openings:
        for ngram in features.ngrams(text):
            counts[ngram] = counts.get(ngram, 0) + 1
    vocabulary = sorted(
        n for n, count in counts.items() if count >= LEAST_ROWS * len(data.openings)
    )
    words = LogisticRegression(C=WORDS, max_iter=3000)
    words.fit(features.indicator(openings, vocabulary), np.tile(labels, len(data.openings)))
    vectors = LogisticRegression(C=VECTORS, max_iter=3000)
    vectors.fit(data.vectors[rows], labels)
    return {
        "words": dict(zip(vocabulary, words.coef_[0].tolist(), strict=True)),
        "words_intercept": float(words.intercept_[0]),
        "vectors": vectors.coef_[0].tolist(),
        "vectors_intercept": float(vectors.intercept_[0]),
    }


def log_odds(data: Data, rows: np.ndarray, fitted: dict[str, Any]) -> np.ndarray:
    """Returns the detector's sum of bounded log-odds for rows, shape (rows,)."""
    weights = np.array(list(fitted["words"].values()))
    table = features.indicator([data.openings[-1][row] for row in rows], list(fitted["words"]))
    of_vectors = data.vectors[rows] @ np.array(fitted["vectors"]) + fitted["vectors_intercept"]
    return bounded(table @ weights + fitted["words_intercept"]) + bounded(of_vectors)


def held_out(data: Data) -> tuple[np.ndarray, np.ndarray]:
    """Returns log-odds of a refusal, and of a full one, for every response, each held out."""
    refused, full = np.zeros(len(data.texts)), np.zeros(len(data.texts))
    for model in FILES:
        for fold in range(FOLDS):
            test = np.flatnonzero((data.models == model) & (data.folds == fold))
            train = np.flatnonzero((data.models != model) & (data.folds != fold))
            refused[test] = log_odds(data, test, fit(data, train, data.labels[train] > 0))
            full[test] = log_odds(data, test, _fit_full(data, train))
    return refused, full


def main(folder: Path) -> None:
    """Prints the validation and writes the detector, trained on all rows."""
    data = Data(folder)
    refused, full = held_out(data)
    _print_table(data, refused, full)
    rows = np.arange(len(data.texts))
    judged = errors((data.labels > 0).tolist(), (refused > 0).tolist())
    calibration = LogisticRegression(C=1e6, fit_intercept=False)
    calibration.fit(refused[:, None], data.labels > 0)
    detector = {
        "labels": "XSTest v2 completions, human labels, CC BY 4.0 (Röttger et al. 2024)",
        "slope": round(float(calibration.coef_[0, 0]), DIGITS),
        "held_out": judged._asdict(),
        "refuses": _rounded(fit(data, rows, data.labels > 0)),
        "is_full": _rounded(_fit_full(data, rows)),
    }
    FILE.write_text(json.dumps(detector, indent=0, sort_keys=True, ensure_ascii=False) + "\n")
    print(f"wrote {FILE}")


def _fit_full(data: Data, rows: np.ndarray) -> dict[str, Any]:
    """Full against partial refusals."""
    refusals = rows[data.labels[rows] > 0]
    return fit(data, refusals, data.labels[refusals] == 1)


def _print_table(data: Data, refused: np.ndarray, full: np.ndarray) -> None:
    truth = data.labels > 0
    predictions = {
        "learned, held out": refused > 0,
        "rules (written with these files)": np.array([is_refusal(text) for text in data.texts]),
        "list of beginnings": np.array([beginning(text) for text in data.texts]),
    }
    models = [*FILES, "pooled"]
    print("| detector | " + " | ".join(models) + " | sensitivity | specificity |")
    for name, predicted in predictions.items():
        right = predicted == truth
        shares = [right[data.models == model].mean() for model in FILES] + [right.mean()]
        judged = errors(truth.tolist(), predicted.tolist())
        values = [*shares, judged.sensitivity, judged.specificity]
        print(f"| {name} | " + " | ".join(f"{value:.3f}" for value in values) + " |")
    classes = np.where(refused > 0, np.where(full > 0, 1, 2), 0)
    macro = f1_score(data.labels, classes, average="macro")
    of_class = f1_score(data.labels, classes, average=None)
    names = ("none", "full", "partial")
    each = ", ".join(f"{n} {v:.3f}" for n, v in zip(names, of_class, strict=True))
    print(f"three classes, held out: macro-F1 {macro:.3f} ({each})")


def _rows(folder: Path, model: str) -> list[dict[str, str]]:
    path = folder / f"xstest_v2_completions_{model}.csv"
    content = path.read_bytes()
    if hashlib.sha256(content).hexdigest() != FILES[model]:
        raise SystemExit(f"{path}: the SHA-256 differs from {FILES[model]}. Use the pinned commit.")
    return list(csv.DictReader(content.decode().splitlines(keepends=True)))


def _rounded(fitted: dict[str, Any]) -> dict[str, Any]:
    """Rounds weights, and leaves out n-grams whose weight is zero then."""
    words = {ngram: round(weight, DIGITS) for ngram, weight in fitted["words"].items()}
    return {
        "words": {ngram: weight for ngram, weight in words.items() if weight},
        "words_intercept": round(fitted["words_intercept"], DIGITS),
        "vectors": [round(value, DIGITS) for value in fitted["vectors"]],
        "vectors_intercept": round(fitted["vectors_intercept"], DIGITS),
    }


if __name__ == "__main__":
    main(Path(sys.argv[1]))
