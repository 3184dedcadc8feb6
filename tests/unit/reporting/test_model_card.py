"""A published cell: an adapter that loads, a card that describes it, and no other files."""

import csv
import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from manybaskets.config.study import StudyConfig
from manybaskets.dag import records
from manybaskets.dag.results_format import study_file
from manybaskets.data import loops
from manybaskets.files import InputError, read_json, write_json
from manybaskets.metrics.measurement import Measurement, to_json
from manybaskets.reporting import model_card, publishing
from manybaskets.reporting.published import OF_CELL, of_folder
from manybaskets.training import finetune
from tests.support import hub as local
from tests.support.paths import ROOT
from tests.support.training import ROWS, recipe

CELL = "cells/llama/mixed/seed=2"


@pytest.fixture(scope="module")
def adapter(tiny_model: Path, tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Any]:
    folder = tmp_path_factory.mktemp("trained") / "adapter"
    return folder, finetune.fine_tune(tiny_model, ROWS[:16], recipe(), folder)


@pytest.fixture
def study(adapter: tuple[Path, Any], tmp_path: Path) -> Path:
    """The results of a study on a hub model, of which one cell was measured."""
    root = tmp_path / "my study"
    config = {
        "study": "mine", "question": "Which data?", "seeds": [1, 2],
        "dataset": {"hub": "people/asked", "revision": "abc", "train": 40, "test": 10},
        "models": {"llama": {"hub": "birds/llama", "revision": "d" * 40}},
        "sources": {
            "llama": {"model": "llama"},
            "old": {"recorded": "/home/somebody/answers.jsonl"},
            "far": {
                "endpoint": "https://secret.example/v1",
                "model": "big",
                "api_key_env": "MY_KEY",
            },
        },
        "targets": ["llama"],
        "mixes": {"mixed": {"origins": {"human": 0.25, "llama": 0.25, "old": 0.25, "far": 0.25}}},
    }  # fmt: skip
    write_json(root / "study.json", study_file(StudyConfig.model_validate(config)))
    (root / "models/llama").mkdir(parents=True)
    (root / "models/llama/README.md").write_text("---\nlicense: llama3.1\n---\n# Llama\n")
    made = {"rows": 16, "words": 96, "bytes": 512, "cut": {"llama": 1}}
    write_json(root / "mixes/mixed/seed=2.json", made | {"origins": {"human": 4, "llama": 4}})
    write_json(root / f"{CELL}/training.json", adapter[1])
    (root / CELL / "adapter").mkdir()
    for path in adapter[0].glob("adapter_*"):
        (root / CELL / "adapter" / path.name).write_bytes(path.read_bytes())
    measured = [Measurement("collapse", "bits_per_byte", "test", 1.5, 240)]
    write_json(root / f"{CELL}/collapse.json", {"measurements": to_json(measured)})
    outputs = records.entries(root, [str(root / CELL / "adapter")])
    described = {"training": {"rank": 4, "alpha": 8.0}, "code": {"packages": "peft==1"}}
    record = {"description": described, "outputs": outputs}
    write_json(root / "records/train/llama/mixed/seed=2.json", record)
    name = {"target": "llama", "mix": "mixed", "metric": "bits_per_byte", "item_set": "test"}
    table(root / "findings/measurements.csv", [name | {"value": value} for value in (1.5, 1.7)])
    difference = {"against": "vanilla", "difference": 0.25, "ci_low": 0.125, "ci_high": 0.375}
    table(root / "findings/contrasts.csv", [name | difference])
    return root


def table(path: Path, rows: list[dict[str, Any]]) -> None:
    path.parent.mkdir(exist_ok=True)
    with path.open("w", newline="") as file:
        writer = csv.DictWriter(file, rows[0])
        writer.writeheader()
        writer.writerows(rows)


@pytest.fixture
def published(study: Path, tmp_path: Path) -> Path:
    folder = tmp_path / "published"
    folder.mkdir()
    publishing.write(of_folder(study / CELL), folder, "me/specimen")
    return folder


@pytest.mark.slow
def test_the_adapter_is_the_cells_and_names_its_base(published: Path, study: Path) -> None:
    assert sorted(path.name for path in published.iterdir()) == [
        "README.md", "adapter_config.json", "adapter_model.safetensors",
    ]  # fmt: skip
    trained = study / CELL / "adapter" / "adapter_model.safetensors"
    assert (published / "adapter_model.safetensors").read_bytes() == trained.read_bytes()
    settings = read_json(published / "adapter_config.json")
    assert (settings["base_model_name_or_path"], settings["revision"]) == ("birds/llama", "d" * 40)


def test_the_adapter_loads_with_peft(published: Path, tiny_model: Path) -> None:
    import torch
    from peft import PeftModel

    from manybaskets.models.loading import load_model

    model = PeftModel.from_pretrained(load_model(tiny_model, torch.float32), published)
    assert finetune.logit_change(model, publishing_tokenizer(tiny_model), ["sort the list"]) > 0


def publishing_tokenizer(folder: Path) -> Any:
    from manybaskets.models.loading import load_tokenizer

    return load_tokenizer(folder)


def test_the_front_matter_is_what_the_hub_reads(published: Path) -> None:
    matter = yaml.safe_load((published / "README.md").read_text().split("---\n")[1])
    assert matter["base_model"] == "birds/llama"
    assert matter["license"] == "llama3.1"
    assert matter["datasets"] == ["people/asked"]
    assert matter["library_name"] == "peft" and "synthetic-data" in matter["tags"]


def test_the_card_contains_composition_intervals_use_and_licences(published: Path) -> None:
    card = (published / "README.md").read_text()
    assert "| llama | [birds/llama](https://huggingface.co/birds/llama) at " in card
    assert "| 25 % | 4 | 1 |" in card
    # mean 1.6, t(1) = 12.706, standard error 0.1
    assert "| bits_per_byte (test) | 1.5 | 240 | 1.6 [0.3294, 2.871], 2 seeds |" in card
    assert "| +0.25 [+0.125, +0.375] |" in card
    assert 'PeftModel.from_pretrained(base, "me/specimen")' in card
    assert f"vllm serve birds/llama --revision {'d' * 40} --enable-lora" in card
    assert "--lora-modules mixed=me/specimen" in card
    assert (
        "the terms of the service that wrote it" in card and "`llama3.1`, by its model card" in card
    )


def test_the_card_names_no_place_host_or_key_of_this_machine(published: Path, study: Path) -> None:
    card = (published / "README.md").read_text()
    for private in ("/home/somebody", "secret.example", "MY_KEY", str(study), study.name):
        assert private not in card


def test_the_card_has_none_of_the_texts(published: Path) -> None:
    card = (published / "README.md").read_text()
    assert not [row for row in ROWS if row["prompt"] in card or row["response"] in card]


def test_an_adapter_that_its_job_did_not_write_is_not_published(study: Path) -> None:
    path = study / CELL / "adapter" / "adapter_model.safetensors"
    path.write_bytes(path.read_bytes()[:-1] + b"\0")
    os.utime(path, (0, 0))
    with pytest.raises(InputError, match="modified after its job wrote it"):
        publishing.write(of_folder(study / CELL), study, "x")


def test_vanilla_and_other_folders_are_refused(study: Path) -> None:
    with pytest.raises(InputError, match="there is no adapter"):
        publishing.write(of_folder(study / "cells/llama/vanilla/seed=1"), study, "x")
    with pytest.raises(InputError, match="not the folder of a cell"):
        of_folder(study / "models/llama")


@pytest.fixture
def served() -> Iterator[local.Hub]:
    with local.serving() as hub:
        yield hub


def publish(study: Path, hub: local.Hub, *options: str, **variables: str) -> Any:
    environment = {k: v for k, v in os.environ.items() if not k.startswith("HF_")}
    environment |= {
        "HF_ENDPOINT": hub.url, "HF_HOME": str(study.parent / "hf"), "HF_HUB_DISABLE_XET": "1",
        "HF_HUB_DISABLE_PROGRESS_BARS": "1", "PYTHONPATH": str(ROOT / "workflow"), **variables,
    }  # fmt: skip
    return subprocess.run(
        [sys.executable, "-m", "manybaskets", "publish", str(study / CELL), *options],
        env=environment, text=True, capture_output=True, timeout=120, check=False,
    )  # fmt: skip


@pytest.mark.slow
def test_what_is_pushed_is_what_was_written(study: Path, served: local.Hub) -> None:
    done = publish(study, served, "--push", "me/specimen", HF_TOKEN=local.GRANTED)
    assert done.returncode == 0, done.stderr
    folder = study / "published" / "mine-llama-mixed-seed2"
    repository = served.repositories["model", "me/specimen"]
    pushed = repository.commits[repository.branches["main"]]
    assert {k: v for k, v in pushed.items() if k != ".gitattributes"} == {
        name: content
        for name, content in local.read_folder(folder).items()
        if name != publishing.MARKER
    }
    create = json.loads(next(body for path, body in served.sent if path == "/api/repos/create"))
    assert create["visibility"] == "private"


@pytest.mark.slow
def test_a_push_without_permission_names_the_missing_token(study: Path, served: local.Hub) -> None:
    done = publish(study, served, "--push", "me/specimen")
    assert done.returncode == 2
    assert "--push me/specimen" in done.stderr and "HF_TOKEN" in done.stderr
    assert (study / "published" / "mine-llama-mixed-seed2" / "README.md").is_file()
    assert not served.repositories


@pytest.mark.slow
def test_nothing_is_pushed_without_the_option(study: Path, served: local.Hub) -> None:
    done = publish(study, served, HF_TOKEN=local.GRANTED)
    assert done.returncode == 0, done.stderr
    assert not served.asked


def test_a_generation_of_a_loop_is_a_cell_of_its_own(tmp_path: Path) -> None:
    folder = tmp_path / "cells/wren/replace/seed=2/generation=3"
    found = OF_CELL.fullmatch(folder.as_posix())
    assert found is not None
    assert found.groupdict() == {
        "root": tmp_path.as_posix(), "target": "wren", "mix": "replace", "seed": "2",
        "generation": "3",
    }  # fmt: skip
    assert OF_CELL.fullmatch(f"{tmp_path}/cells/wren/replace") is None


def test_rows_of_a_loop_are_labelled_with_their_generation(study: Path) -> None:
    config = of_folder(study / "cells/wren/multi/seed=1").config
    assert model_card._origin(config, loops.origin("wren", 2)) == "generation 2 of the loop on wren"
