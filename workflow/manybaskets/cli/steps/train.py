"""Fine-tunes a LoRA adapter of a target on the training set of a cell."""

import argparse
from pathlib import Path

from manybaskets.cli.arguments import spec_argument
from manybaskets.devices import lease, on_cpu
from manybaskets.files import read_jsonl, whole_directory, write_json
from manybaskets.stages.training import TrainSpec
from manybaskets.training import finetune
from manybaskets.training.trainer import TrainingConfig

HELP = "Fine-tunes a LoRA adapter of a target on the training set of a cell."


def arguments(parser: argparse.ArgumentParser) -> None:
    """Declares the options."""
    spec_argument(parser, TrainSpec)
    parser.add_argument("--base", type=Path, required=True)
    parser.add_argument("--rows", type=Path, required=True)
    parser.add_argument("--output", type=Path, required=True)
    parser.add_argument("--summary", type=Path, required=True)


def run(options: argparse.Namespace) -> None:
    """Writes the adapter, and a summary of the training."""
    settings = options.spec.training.model_dump(exclude={"adapter", "per_target"})
    trusted = options.spec.base.trust_remote_code
    recipe = TrainingConfig(**settings, seed=options.spec.seed, trust_remote_code=trusted)
    rows = read_jsonl(options.rows, ["prompt", "response"])
    needed = 1 if on_cpu() else recipe.devices  # on a CPU devices are processes
    with lease(needed), whole_directory(options.output) as folder:
        summary = finetune.fine_tune(options.base, rows, recipe, folder)
    write_json(options.summary, summary)
