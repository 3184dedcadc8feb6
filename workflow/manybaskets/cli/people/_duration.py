"""How long `manybaskets measure` takes, estimated before it starts."""

import os
import time
from collections.abc import Sequence
from dataclasses import replace

from manybaskets.probes.collapse import subsampling
from manybaskets.stages import machine_speed

# all-MiniLM-L6-v2: weights beside the table of embeddings, width, and its longest input.
WEIGHTS, WIDTH, LONGEST = 10.6e6, 384, 256
CHARACTERS = 4  # a token
START_SECONDS = 10.0  # of the libraries that embed


def estimate(
    files: Sequence[Sequence[str]], design: subsampling.Design, only_words: bool = False
) -> str:
    """Returns a sentence with the estimated time of measuring files, as responses of each.

    Metrics of words are timed on one subsample of the first file; texts are embedded at the speed
    that `plan` measured on this machine, or that of a server of 2022. Embeddings that are kept from
    an earlier call take no time.
    """
    seconds = _seconds_of_words(files, design)
    if not only_words:
        seconds += START_SECONDS + _seconds_of_embeddings(files)
    return f"This takes about {duration(seconds)}{'' if only_words else ' with minilm'}."


def duration(seconds: float) -> str:
    """Returns a time in words, rounded to what an estimate can say."""
    if seconds < 60:
        return f"{max(5, 5 * round(seconds / 5))} seconds"
    minutes = round(seconds / 60)
    if minutes < 120:
        return f"{minutes} minute{'s' if minutes > 1 else ''}"
    return f"{seconds / 3600:.1f} hours"


def _seconds_of_words(files: Sequence[Sequence[str]], design: subsampling.Design) -> float:
    one = replace(design, subsamples=1)
    seconds = []
    for _ in range(2):  # the first call also loads what the metrics need
        start = time.process_time()
        subsampling.measure_words(files[0], None, False, one)
        seconds.append(time.process_time() - start)
    return min(seconds) * design.subsamples * len(files)


def _seconds_of_embeddings(files: Sequence[Sequence[str]]) -> float:
    distinct = {text for texts in files for text in texts}
    tokens = sum(min(len(text) / CHARACTERS + 2, LONGEST) for text in distinct)
    rate = machine_speed.kept_or_assumed().rate(WIDTH) * len(os.sched_getaffinity(0))
    return 2 * WEIGHTS * tokens / rate
