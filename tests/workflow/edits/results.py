"""Edits of the results of the micro study, and moves of its folders."""

import shutil

from tests.support.workspace import (
    NOTHING,
    Table,
    Workspace,
    cut,
    on_results,
    replace_bytes,
    touch_everything,
)
from tests.workflow.edits.jobs import (
    TUNED,
)

ADAPTER = "cells/wren/human/seed=1/adapter"


def move_checkout(workspace: Workspace) -> None:
    place = workspace.checkout.parent / "another place"
    shutil.copytree(workspace.checkout, place, copy_function=shutil.copyfile)
    shutil.rmtree(workspace.checkout)
    workspace.checkout = place


def move_results(workspace: Workspace) -> None:
    place = workspace.directory.parent / "another study"
    shutil.copytree(workspace.directory, place, copy_function=shutil.copyfile)
    workspace.directory = place


TABLE: Table = {
    "results touched": (on_results(touch_everything), NOTHING),
    "a result deleted that others were made from": (
        on_results(lambda r: (r / "responses/wren/seed=1.jsonl").unlink()),
        {"generate/wren/seed=1"},
    ),
    "a measurement deleted": (
        on_results(lambda r: (r / "cells/wren/human/seed=1/collapse.json").unlink()),
        {"collapse/wren/human/seed=1"},
    ),
    "the report deleted": (on_results(lambda r: (r / "report.html").unlink()), {"report"}),
    "a result with one bit flipped": (
        on_results(lambda r: replace_bytes(r / "mixes/multi/seed=2.jsonl")),
        {"build_mix/multi/seed=2"},
    ),
    "a result cut short": (
        on_results(lambda r: cut(r / "data/train.jsonl")),
        {"prepare_dataset"},
    ),
    "an adapter without its weights": (
        on_results(lambda r: (r / ADAPTER / "adapter_model.safetensors").unlink()),
        {"train/wren/human/seed=1"},
    ),
    "an adapter cut short": (
        on_results(lambda r: cut(r / ADAPTER / "adapter_model.safetensors")),
        {"train/wren/human/seed=1"},
    ),
    "a cell deleted": (
        on_results(lambda r: shutil.rmtree(r / "cells/wren/multi/seed=2")),
        {path.format("multi")[:-1] + "seed=2" for path in TUNED},
    ),
    "a record deleted": (
        on_results(lambda r: (r / "records/train/wren/multi/seed=1.json").unlink()),
        {"train/wren/multi/seed=1"},
    ),
    "a record damaged": (
        on_results(lambda r: cut(r / "records/train_tokenizer.json")),
        {"train_tokenizer"},
    ),
    ".snakemake deleted": (
        lambda w: shutil.rmtree(w.directory / ".snakemake", ignore_errors=True),
        NOTHING,
    ),
    "the checkout moved": (move_checkout, NOTHING),
    "the study copied elsewhere": (move_results, NOTHING),
}
