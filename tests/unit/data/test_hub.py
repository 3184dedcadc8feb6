"""The real hub client against a server with the hub API: downloads match the pinned revision."""

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.support import hub as local
from tests.support.paths import ROOT

pytestmark = pytest.mark.slow  # every test starts a process that imports the hub's client

MIB = 1024**2
FILES = {"config.json": b"{}", "model.safetensors": bytes(range(256)) * 64}


@pytest.fixture
def hub() -> Iterator[local.Hub]:
    with local.serving() as served:
        yield served


@pytest.fixture
def cache(tmp_path: Path) -> Path:
    return tmp_path / "cache"


def command(
    hub: local.Hub, cache: Path, step: str, spec: dict[str, Any], *options: str, **variables: str
) -> "subprocess.CompletedProcess[str]":
    """Runs a step in a child process, with its own hub and cache."""
    environment = {k: v for k, v in os.environ.items() if not k.startswith(("HF_", "HUGGING"))}
    environment |= {
        "HF_ENDPOINT": hub.url, "HF_HOME": str(cache), "PYTHONPATH": str(ROOT / "workflow"),
        "HF_HUB_DISABLE_PROGRESS_BARS": "1", "HF_HUB_DISABLE_TELEMETRY": "1", **variables,
    }  # fmt: skip
    return subprocess.run(
        [sys.executable, "-m", "manybaskets", step, "--spec", json.dumps(spec), *options],
        env=environment, text=True, capture_output=True, timeout=120, check=False,
    )  # fmt: skip


def fetch(
    hub: local.Hub, cache: Path, output: Path, revision: str, name: str = "birds/wren", **more: Any
) -> "subprocess.CompletedProcess[str]":
    spec = {"hub": name, "revision": revision, "trust_remote_code": False}
    spec |= {"adapter": None, "adapter_revision": None} | more.pop("spec", {})
    return command(hub, cache, "download_model", spec, "--output", str(output), **more)


def test_a_pinned_revision_is_fetched_and_not_the_newest(
    hub: local.Hub, cache: Path, tmp_path: Path
) -> None:
    first = hub.add("birds/wren", FILES)
    hub.add("birds/wren", {**FILES, "config.json": b'{"newer": true}'})
    done = fetch(hub, cache, tmp_path / "wren", first)
    assert done.returncode == 0, done.stderr
    assert local.read_folder(tmp_path / "wren") == FILES


def test_formats_that_can_run_code_are_left_alone(
    hub: local.Hub, cache: Path, tmp_path: Path
) -> None:
    sha = hub.add("birds/wren", {**FILES, "pytorch_model.bin": b"pickle", "modeling.py": b"1 / 0"})
    assert fetch(hub, cache, tmp_path / "wren", sha).returncode == 0
    assert local.read_folder(tmp_path / "wren") == FILES
    assert not hub.downloads("modeling.py")


def test_a_model_of_pickles_alone_is_refused(hub: local.Hub, cache: Path, tmp_path: Path) -> None:
    sha = hub.add("birds/wren", {"config.json": b"{}", "pytorch_model.bin": b"pickle"})
    done = fetch(hub, cache, tmp_path / "wren", sha)
    assert done.returncode == 2
    assert "models.wren: birds/wren has no weights as safetensors" in done.stderr


def test_a_broken_connection_goes_on_at_the_last_part_that_came(
    hub: local.Hub, cache: Path, tmp_path: Path
) -> None:
    files = {**FILES, "model.safetensors": bytes(range(256)) * 4096 * 12}
    sha = hub.add("birds/wren", files)
    hub.cut["model.safetensors"] = 11 * MIB
    done = fetch(hub, cache, tmp_path / "wren", sha)
    assert done.returncode == 0, done.stderr
    # the client writes parts of 10 MiB
    assert hub.downloads("model.safetensors") == [None, f"bytes={10 * MIB}-"]
    assert local.read_folder(tmp_path / "wren") == files


def test_what_was_whole_before_a_run_ended_is_not_downloaded_again(
    hub: local.Hub, cache: Path, tmp_path: Path
) -> None:
    sha = hub.add("birds/wren", {**FILES, "second.safetensors": b"2" * 1000})
    hub.changed.add("second.safetensors")
    assert fetch(hub, cache, tmp_path / "wren", sha).returncode == 2
    hub.changed.clear()
    assert fetch(hub, cache, tmp_path / "wren", sha).returncode == 0
    assert len(hub.downloads("model.safetensors")) == 1
    assert len(hub.downloads("second.safetensors")) == 2


@pytest.mark.parametrize(("token", "status"), [(None, 401), (local.KNOWN, 403)])
def test_a_gated_repository_asks_for_its_licence_and_a_token(
    hub: local.Hub, cache: Path, tmp_path: Path, token: str | None, status: int
) -> None:
    sha = hub.add("birds/wren", FILES, gated=True)
    variables = {"HF_TOKEN": token} if token else {}
    done = fetch(hub, cache, tmp_path / "wren", sha, **variables)
    assert done.returncode == 2
    assert f"models.wren.hub: birds/wren is behind a licence gate; {hub.url} answered {status}" in (
        done.stderr
    )
    assert f"{hub.url}/birds/wren" in done.stderr and "HF_TOKEN" in done.stderr
    assert "Traceback" not in done.stderr


def test_an_accepted_licence_opens_the_gate(hub: local.Hub, cache: Path, tmp_path: Path) -> None:
    sha = hub.add("birds/wren", FILES, gated=True)
    assert fetch(hub, cache, tmp_path / "wren", sha, HF_TOKEN=local.GRANTED).returncode == 0
    assert local.read_folder(tmp_path / "wren") == FILES


def test_a_missing_revision_is_named(hub: local.Hub, cache: Path, tmp_path: Path) -> None:
    hub.add("birds/wren", FILES)
    for revision in ("v2", "f" * 40):
        done = fetch(hub, cache, tmp_path / "wren", revision)
        assert done.returncode == 2
        assert f"models.wren.revision: birds/wren has no revision '{revision}'" in done.stderr


def test_a_missing_repository_is_named(hub: local.Hub, cache: Path, tmp_path: Path) -> None:
    done = fetch(hub, cache, tmp_path / "wren", "main", name="birds/dodo")
    assert done.returncode == 2
    assert "models.wren.hub: there is no model 'birds/dodo'" in done.stderr


def test_a_full_cache_needs_no_network(hub: local.Hub, cache: Path, tmp_path: Path) -> None:
    sha = hub.add("birds/wren", FILES)
    assert fetch(hub, cache, tmp_path / "one", sha).returncode == 0
    asked = len(hub.asked)
    offline = fetch(hub, cache, tmp_path / "two", sha, HF_HUB_OFFLINE="1")
    assert offline.returncode == 0, offline.stderr
    assert len(hub.asked) == asked
    assert local.read_folder(tmp_path / "two") == FILES
    unreachable = fetch(hub, cache, tmp_path / "three", sha, HF_ENDPOINT="http://127.0.0.1:9")
    assert unreachable.returncode == 0, unreachable.stderr
    assert local.read_folder(tmp_path / "three") == FILES


def test_a_cache_with_a_gap_is_told_where_there_is_no_network(
    hub: local.Hub, cache: Path, tmp_path: Path
) -> None:
    sha = hub.add("birds/wren", FILES)
    done = fetch(hub, cache, tmp_path / "none", sha, HF_HUB_OFFLINE="1")
    assert done.returncode == 2
    assert "models.wren.hub" not in done.stderr and "models.none.hub: HF_HUB_OFFLINE" in done.stderr
    assert fetch(hub, cache, tmp_path / "one", sha).returncode == 0
    lost = next((cache / "hub").rglob("snapshots/*/model.safetensors"))
    lost.resolve().unlink()
    lost.unlink()
    done = fetch(hub, cache, tmp_path / "two", sha, HF_HUB_OFFLINE="1")
    assert done.returncode == 2
    assert f"the cache {cache}/hub lacks files of birds/wren" in done.stderr
    assert not (tmp_path / "two").exists()


@pytest.mark.parametrize("file", ["model.safetensors", "config.json"])
def test_a_file_with_another_hash_is_noticed_removed_and_fetched_anew(
    hub: local.Hub, cache: Path, tmp_path: Path, file: str
) -> None:
    sha = hub.add("birds/wren", FILES)
    hub.changed.add(file)
    done = fetch(hub, cache, tmp_path / "wren", sha)
    assert done.returncode == 2
    assert f"models.wren.hub: {file} of birds/wren has the hash" in done.stderr
    assert not (tmp_path / "wren").exists()
    hub.changed.clear()
    done = fetch(hub, cache, tmp_path / "wren", sha)
    assert done.returncode == 0, done.stderr
    assert local.read_folder(tmp_path / "wren") == FILES


def test_a_cache_that_was_damaged_later_is_noticed_without_a_network(
    hub: local.Hub, cache: Path, tmp_path: Path
) -> None:
    sha = hub.add("birds/wren", FILES)
    assert fetch(hub, cache, tmp_path / "one", sha).returncode == 0
    blob = next((cache / "hub").rglob("snapshots/*/model.safetensors")).resolve()
    blob.write_bytes(b"\1" + blob.read_bytes()[1:])
    done = fetch(hub, cache, tmp_path / "two", sha, HF_HUB_OFFLINE="1")
    assert done.returncode == 2
    assert "model.safetensors of birds/wren has the hash" in done.stderr


def test_a_real_model_loads_from_what_was_fetched(
    hub: local.Hub, cache: Path, tmp_path: Path, tiny_model: Path
) -> None:
    import torch

    from manybaskets.models.loading import load_model, load_tokenizer

    sha = hub.add("birds/wren", local.read_folder(tiny_model))
    assert fetch(hub, cache, tmp_path / "wren", sha).returncode == 0
    fetched = load_model(tmp_path / "wren", torch.float32).state_dict()
    for name, weights in load_model(tiny_model, torch.float32).state_dict().items():
        assert torch.equal(weights, fetched[name]), name
    assert load_tokenizer(tmp_path / "wren").encode("sort the list")


def test_an_adapter_is_merged_into_the_model_it_belongs_to(
    hub: local.Hub, cache: Path, tmp_path: Path, tiny_model: Path
) -> None:
    import torch
    from peft import LoraConfig, PeftModel, get_peft_model

    from manybaskets.models.loading import load_model

    torch.manual_seed(1)
    settings = LoraConfig(r=4, target_modules="all-linear", init_lora_weights=False)
    get_peft_model(load_model(tiny_model, torch.float32), settings).save_pretrained(tmp_path / "a")
    base = hub.add("birds/wren", local.read_folder(tiny_model))
    adapter = hub.add("birds/wren-sings", local.read_folder(tmp_path / "a"))
    named = {"adapter": "birds/wren-sings", "adapter_revision": adapter}
    done = fetch(hub, cache, tmp_path / "merged", base, spec=named)
    assert done.returncode == 0, done.stderr
    ids = torch.tensor([[5, 6, 7, 8]])
    plain = load_model(tiny_model, torch.float32)
    before = plain(ids).logits
    expected = PeftModel.from_pretrained(plain, tmp_path / "a").eval()(ids).logits
    found = load_model(tmp_path / "merged", torch.float32).eval()(ids).logits
    torch.testing.assert_close(found, expected)
    assert (found - before).abs().max() > 1e-3
    cached = next((cache / "hub").rglob("models--birds--wren/snapshots/*/model.safetensors"))
    assert cached.read_bytes() == (tiny_model / "model.safetensors").read_bytes()


# ---- datasets --------------------------------------------------------------------------------

ROWS = [
    {"question": f"What is {n}?", "answer": f"It is {n}.", "kind": "ab"[n % 2]} for n in range(40)
]


def dataset_spec(revision: str, **changes: Any) -> dict[str, Any]:
    fields = {"prompt": "question", "response": "answer", "stratum": "kind", "context": None}
    dataset = {"hub": "people/asked", "revision": revision, "fields": fields, "train": 24}
    return {"dataset": dataset | {"test": 8} | changes, "hashes": {}, "templates": {}}


def prepare(
    hub: local.Hub, cache: Path, folder: Path, spec: dict[str, Any], **variables: str
) -> "subprocess.CompletedProcess[str]":
    names = ("train", "test", "prompts", "items")
    options = [part for n in names for part in (f"--{n}", str(folder / f"{n}.jsonl"))]
    return command(hub, cache, "prepare_dataset", spec, *options, **variables)


def parquet(folder: Path) -> bytes:
    import pandas as pd

    folder.mkdir(exist_ok=True)
    pd.DataFrame(ROWS).to_parquet(folder / "rows.parquet")
    return (folder / "rows.parquet").read_bytes()


def lines() -> bytes:
    return "\n".join(json.dumps(row) for row in ROWS).encode()


@pytest.mark.parametrize("form", ["parquet", "jsonl"])
def test_a_dataset_is_read_at_its_revision_and_offline_afterwards(
    hub: local.Hub, cache: Path, tmp_path: Path, form: str
) -> None:
    content = parquet(tmp_path / "made") if form == "parquet" else lines()
    files = {f"data/train-00000.{form}": content, "README.md": b"# ModelEndpoint\n"}
    sha = hub.add("people/asked", files, "dataset")
    hub.add("people/asked", {"data/train-00000.jsonl": b'{"other": 1}'}, "dataset")
    done = prepare(hub, cache, tmp_path / "one", dataset_spec(sha))
    assert done.returncode == 0, done.stderr
    rows = (tmp_path / "one" / "train.jsonl").read_text().splitlines()
    assert len(rows) == 24
    assert {json.loads(row)["prompt"] for row in rows} <= {row["question"] for row in ROWS}
    again = prepare(hub, cache, tmp_path / "two", dataset_spec(sha), HF_HUB_OFFLINE="1")
    assert again.returncode == 0, again.stderr
    assert local.read_folder(tmp_path / "one") == local.read_folder(tmp_path / "two")


def test_a_card_says_which_files_are_which_split(
    hub: local.Hub, cache: Path, tmp_path: Path
) -> None:
    card = (
        b"---\nconfigs:\n- config_name: easy\n  data_files:\n  - split: asked\n    path: e.jsonl\n"
        b"- config_name: hard\n  data_files:\n  - split: asked\n    path: h.jsonl\n---\n"
    )
    sha = hub.add(
        "people/asked", {"README.md": card, "e.jsonl": lines(), "h.jsonl": b"{}"}, "dataset"
    )
    done = prepare(hub, cache, tmp_path / "one", dataset_spec(sha, config="easy", split="asked"))
    assert done.returncode == 0, done.stderr
    wrong = prepare(hub, cache, tmp_path / "two", dataset_spec(sha, config="easy", split="train"))
    assert wrong.returncode == 2
    assert "dataset.hub: people/asked cannot be read with config 'easy' and split 'train'" in (
        wrong.stderr
    )


def test_a_field_that_a_dataset_has_not_is_named(
    hub: local.Hub, cache: Path, tmp_path: Path
) -> None:
    sha = hub.add("people/asked", {"train.jsonl": lines()}, "dataset")
    fields = {"prompt": "instruction", "response": "answer", "stratum": None}
    done = prepare(hub, cache, tmp_path / "one", dataset_spec(sha, fields=fields))
    assert done.returncode == 2
    assert "people/asked: the field 'instruction' is missing" in done.stderr
    assert "question, answer, kind" in done.stderr


def test_a_gated_dataset_and_a_damaged_one_are_told_like_models(
    hub: local.Hub, cache: Path, tmp_path: Path
) -> None:
    sha = hub.add("people/asked", {"train.parquet": parquet(tmp_path / "made")}, "dataset", True)
    done = prepare(hub, cache, tmp_path / "one", dataset_spec(sha))
    assert done.returncode == 2
    assert f"dataset.hub: people/asked is behind a licence gate; {hub.url} answered 401" in (
        done.stderr
    )
    assert f"{hub.url}/datasets/people/asked" in done.stderr
    hub.changed.add("train.parquet")
    done = prepare(hub, cache, tmp_path / "one", dataset_spec(sha), HF_TOKEN=local.GRANTED)
    assert done.returncode == 2
    assert "dataset.hub: train.parquet of people/asked has the hash" in done.stderr


def test_texts_for_judges_come_from_a_dataset_of_their_own(
    hub: local.Hub, cache: Path, tmp_path: Path
) -> None:
    sha = hub.add("people/asked", {"train.jsonl": lines()}, "dataset")
    news = [{"article": f"Text {n}.", "highlights": f"Line {n}."} for n in range(9)]
    content = "\n".join(map(json.dumps, news)).encode()
    other = hub.add("people/news", {"train.jsonl": content}, "dataset")
    fields = {"prompt": "article", "response": "highlights", "stratum": None, "context": None}
    texts = {"file": None, "hub": "people/news", "revision": other, "config": None}
    texts |= {"split": "train", "files": ["*.jsonl"], "fields": fields, "seed": 1}
    texts |= {"request": "eggs-summary", "items": 5, "template": {}}
    done = prepare(hub, cache, tmp_path, dataset_spec(sha) | {"texts": texts})
    assert done.returncode == 0, done.stderr
    items = [json.loads(line) for line in (tmp_path / "items.jsonl").read_text().splitlines()]
    assert len(items) == 5
    assert {item["text"] for item in items} <= {row["article"] for row in news}
    assert items[0]["request"].startswith("Your task is to summarize")
    assert items[0]["human"] == items[0]["text"].replace("Text", "Line")


@pytest.mark.parametrize(
    "files",
    [
        "{secret}",
        "[{{split: train, path: {secret}}}]",
        "[{{split: train, path: [a.jsonl, ../../../x.jsonl]}}]",
        "{{train: http://127.0.0.1:1/x.jsonl}}",
        "hf://datasets/other/set/a.jsonl",
        "zip://x.jsonl::http://127.0.0.1:1/x.zip",
        "~/x.jsonl",
    ],
)
def test_a_card_does_not_lead_to_files_of_this_machine_or_to_urls(
    hub: local.Hub, cache: Path, tmp_path: Path, files: str
) -> None:
    (tmp_path / "secret.jsonl").write_bytes(lines())
    named = files.format(secret=tmp_path / "secret.jsonl")
    card = f"---\nconfigs:\n- config_name: default\n  data_files: {named}\n---\n"
    sha = hub.add("people/asked", {"README.md": card.encode(), "a.jsonl": lines()}, "dataset")
    done = prepare(hub, cache, tmp_path / "one", dataset_spec(sha))
    assert done.returncode == 2 and "Traceback" not in done.stderr
    assert "the card of people/asked names the file" in done.stderr
    assert not (tmp_path / "one").exists()
