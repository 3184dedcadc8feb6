"""The registry: every metric once, described completely, and found by its file."""

import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from manybaskets.metrics import registry
from manybaskets.metrics.registry import metric, metrics
from manybaskets.metrics.sample import sample_of


def test_every_metric_is_defined_in_one_sentence() -> None:
    for name, described in metrics().items():
        assert name == described.name == name.lower()
        assert described.definition[0].isupper() and described.definition.endswith(".")
        assert described.definition.replace("et al. ", "").count(". ") == 0
        assert described.label and described.unit


def test_no_two_metrics_have_the_same_label() -> None:
    labels = [described.label for described in metrics().values()]
    assert len(set(labels)) == len(labels)


def test_the_object_of_a_metric_is_in_the_module_of_its_function() -> None:
    from manybaskets.metrics import lexical_diversity

    assert metric("mtld") is lexical_diversity.MTLD
    text = sample_of(["a gull is a bird and a gull is not a wren"])
    assert lexical_diversity.MTLD.compute(text) == lexical_diversity.mtld(text.tokens)


def test_an_unknown_metric_names_the_folder_to_define_it_in() -> None:
    with pytest.raises(ValueError, match="'niceness' is not defined"):
        metric("niceness")


def test_metrics_of_embeddings_take_rows_of_unit_length() -> None:
    rows = np.eye(4)
    values = {one.name: one.compute(rows) for one in registry.metrics_of_embeddings()}
    assert values["vendi_1"] == pytest.approx(4)
    assert values["pairwise_distance"] == pytest.approx(1)


def test_a_label_names_the_item_set_unless_it_is_implied() -> None:
    assert metric("self_bleu").label_of("test") == "self-BLEU"
    assert metric("nll_gap").label_of("test/bin 1").endswith("above the target, test/bin 1")
    assert metric("preference").label_of("wren") == "preference for wren"


def test_labels_and_readings_of_refusals_depend_on_the_requests() -> None:
    refusals, successes = metric("refusal_rate"), metric("attack_success_rate")
    assert refusals.label_of("harmless/direct") == "harmless requests refused"
    assert refusals.reading_of("harmless/direct") == "lower: more useful"
    assert refusals.reading_of("decline/direct") == "higher: safer"
    assert successes.label_of("decline/persona") == "harmful requests answered, persona"


DUPLICATE = """
from manybaskets.metrics.registry import Metric

OTHER = Metric("mtld", "another", "Another.", "neither", "1")
"""


def test_two_metrics_of_one_name_are_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "another_metric.py").write_text(DUPLICATE)
    monkeypatch.syspath_prepend(str(tmp_path))
    import another_metric  # type: ignore[import-not-found]

    found = {**registry.plugins.modules("metrics"), "zzz": another_metric}
    monkeypatch.setattr(registry.plugins, "modules", lambda folder: found)
    with pytest.raises(ValueError, match="there is another metric called 'mtld'"):
        registry.metrics.__wrapped__()


def test_collecting_the_metrics_imports_no_model_library() -> None:
    code = (
        "import sys; from manybaskets.metrics.registry import metrics; metrics();"
        "print(*sorted({'torch', 'transformers', 'vllm', 'sklearn'} & set(sys.modules)))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == ""
