"""Metrics of embeddings where an embedder knows no text, or only those of one side."""

import numpy as np
import pytest

from manybaskets.probes.collapse.subsampling import (
    Design,
    Vectors,
    measure_embeddings,
    measure_within_prompts,
)
from tests.support.embedding_rows import texts

DESIGN = Design(20, 8, 2, 1)
UNKNOWN = np.zeros((40, 16))
KNOWN = texts(40, 16)


@pytest.mark.parametrize("paired", [True, False])
@pytest.mark.parametrize(("own", "human"), [(UNKNOWN, UNKNOWN), (UNKNOWN, KNOWN), (KNOWN, UNKNOWN)])
def test_distances_from_human_text_are_missing(own: Vectors, human: Vectors, paired: bool) -> None:
    measured = {m.metric: m for m in measure_embeddings(own, human, paired, DESIGN, 4, 20)}
    for name in ("mmd2", "mmd2_p", "js_topics", "recall", "mauve", "topic_entropy"):
        assert measured[name].value is None
        assert measured[name].note.count("of words that the embedder knows") == 1
    variety = own is KNOWN and not paired
    assert (measured["vendi_1"].value is not None) == variety


def test_variety_within_prompts_is_missing() -> None:
    for m in measure_within_prompts([UNKNOWN[:3], UNKNOWN[:3]], 3, 0.7):
        assert (m.value, m.n, m.excluded) == (None, 0, 2)
        assert m.note.endswith("are not empty and of words that the embedder knows")
