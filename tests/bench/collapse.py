"""Measures the cost of the collapse probe and comparable tools: `make bench-collapse`.

- self-BLEU-4 of 10,000 documents of 80 tokens, against NLTK, whose time is extrapolated from the
  first few documents: its whole run would take hours;
- all metrics of words of a cell with 1,000 responses, in 20 subsamples;
- the likelihood pass over human text under a cell and its target, against the same two bare
  forward passes of transformers over the same batches, which compute nothing but logits;
- memory of that pass over little and over much text.
"""

import json
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from random import Random
from typing import Any

import numpy as np

THREADS = 1  # of a job of the embedded study
NLTK_SAMPLE = 3
DOCUMENTS, LENGTH = 10_000, 80
RESPONSES = 1_000
CONTEXT = 512


def main() -> None:
    """Runs every part in a process of its own and prints the table."""
    if len(sys.argv) > 1:
        print(json.dumps({**PARTS[sys.argv[1]](*sys.argv[2:]), "peak_mib": _peak()}))
        return
    bleu = _run("self_bleu")
    print(f"self-BLEU-4, {DOCUMENTS:,} documents of {LENGTH} tokens: {bleu['seconds']:.2f} s")
    print(
        f"  NLTK: {bleu['nltk']:,.0f} s, extrapolated from {NLTK_SAMPLE} documents; "
        f"{bleu['nltk'] / bleu['seconds']:,.0f} times as long; "
        f"greatest difference on 50 documents {bleu['difference']:.1e}"
    )
    text = _run("text")
    print(
        f"all metrics of words, {RESPONSES:,} responses, 20 subsamples: {text['seconds']:.1f} s, "
        f"peak memory {text['peak_mib']:,.0f} MiB"
    )
    likelihood = _run("likelihood", "1200")
    print(
        f"likelihood pass, {likelihood['tokens']:,} tokens, two models: "
        f"{likelihood['ours']:.2f} s; bare forward passes {likelihood['bare']:.2f} s: "
        f"ratio {likelihood['bare'] / likelihood['ours']:.2f} of their speed"
    )
    much = _run("likelihood", "12000", "once")
    print(
        f"memory: {likelihood['peak_mib']:,.0f} MiB with {likelihood['responses']:,} response "
        f"tokens, {much['peak_mib']:,.0f} MiB with {much['responses']:,}"
    )


def _run(*part: str) -> dict[str, Any]:
    done = subprocess.run(
        [sys.executable, "-m", "tests.bench.collapse", *part],
        check=True,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
    )
    found: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    return found


def _peak() -> float:
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


def _texts(n: int, length: int) -> list[list[str]]:
    """Documents with the word frequencies of text."""
    codes = np.random.default_rng(0).zipf(1.2, (n, length)) % 20_000
    return [[f"w{code}" for code in row] for row in codes]


def self_bleu() -> dict[str, float]:
    """Ours on all documents, NLTK's on a few against all others."""
    from nltk.translate.bleu_score import SmoothingFunction, sentence_bleu

    from manybaskets.metrics.ngram_diversity import self_bleu

    texts = _texts(DOCUMENTS, LENGTH)
    seconds = _median(lambda: self_bleu(texts))
    smooth = SmoothingFunction().method1

    def theirs(documents: list[list[str]], i: int) -> float:
        others = documents[:i] + documents[i + 1 :]
        return float(sentence_bleu(others, documents[i], smoothing_function=smooth))

    started = time.perf_counter()
    for i in range(NLTK_SAMPLE):
        theirs(texts, i)
    each = (time.perf_counter() - started) / NLTK_SAMPLE
    few = texts[:50]
    difference = abs(self_bleu(few) - np.mean([theirs(few, i) for i in range(50)]))
    return {"seconds": seconds, "nltk": each * DOCUMENTS, "difference": float(difference)}


def text() -> dict[str, float]:
    """All metrics of words of one cell."""
    from manybaskets.probes.collapse import subsampling

    responses = [" ".join(words) for words in _texts(RESPONSES, LENGTH)]
    design = subsampling.Design(documents=500, tokens=64, subsamples=20, seed=0)
    human = [" ".join(words) for words in _texts(2 * RESPONSES, LENGTH)[RESPONSES:]]
    started = time.perf_counter()
    found = subsampling.measure_words(responses, human, True, design)
    seconds = time.perf_counter() - started
    assert sum(m.value is None for m in found) <= 2, "sentences are what random words lack"
    return {"seconds": seconds}


def likelihood(rows: str, once: str = "") -> dict[str, float]:
    """The pass of the `score` step, and the bare passes, over the same batches."""
    import torch
    from peft import LoraConfig, get_peft_model

    from manybaskets.models import architectures, scoring
    from manybaskets.probes.collapse import token_table

    torch.set_num_threads(THREADS)
    torch.manual_seed(0)
    random = Random(0)
    words = [f"word{i}" for i in range(3000)]
    weights = [1 / (i + 1) for i in range(len(words))]

    def sentence(shortest: int, longest: int) -> str:
        return " ".join(random.choices(words, weights, k=random.randint(shortest, longest)))

    tokenizer = architectures.train_tokenizer([" ".join(words)] * 2, 4096)
    base = architectures.build(
        "llama", vocabulary=4096, hidden=128, layers=2, heads=4, context=CONTEXT
    )
    model = get_peft_model(base, LoraConfig(r=8, target_modules="all-linear")).eval()
    exchanges = [
        {"id": f"{i}", "prompt": sentence(5, 15), "response": sentence(5, 40)}
        for i in range(int(rows))
    ]
    encoded, _ = scoring.encode(tokenizer, exchanges, CONTEXT)
    counts = np.zeros(len(tokenizer), dtype=np.int32)

    def ours() -> None:
        with tempfile.TemporaryDirectory() as folder:
            token_table.write_table(
                Path(folder, "tokens.parquet"),
                model,
                model.disable_adapter,
                tokenizer,
                exchanges,
                CONTEXT,
                counts,
                token_table.Views(),
            )

    @torch.inference_mode()
    def bare() -> None:
        # the tokenizer's work too, which the step also does
        found, _ = scoring.encode(tokenizer, exchanges, CONTEXT)
        for batch in scoring.batches(found, 4096):
            ids = torch.nn.utils.rnn.pad_sequence(
                [torch.tensor(found[i].ids) for i in batch], batch_first=True
            )
            mask = torch.nn.utils.rnn.pad_sequence(
                [torch.ones(len(found[i].ids), dtype=torch.long) for i in batch], batch_first=True
            )
            model(input_ids=ids, attention_mask=mask, use_cache=False)
            with model.disable_adapter():
                model(input_ids=ids, attention_mask=mask, use_cache=False)

    sizes = {
        "tokens": sum(len(e.ids) for e in encoded.values()),
        "responses": sum(len(e.ids) - e.start for e in encoded.values()),
    }
    if once:
        ours()
        return sizes
    return {**sizes, "ours": _median(ours), "bare": _median(bare)}


def _median(way: Callable[[], object], times: int = 3) -> float:
    way()
    found = []
    for _ in range(times):
        started = time.perf_counter()
        way()
        found.append(time.perf_counter() - started)
    return statistics.median(found)


PARTS: dict[str, Callable[..., dict[str, float]]] = {
    "self_bleu": self_bleu,
    "text": text,
    "likelihood": likelihood,
}

if __name__ == "__main__":
    main()
