"""Generates responses with one generation of a loop, for the training set of the next."""

import argparse
from pathlib import Path

from manybaskets.cli.arguments import spec_argument
from manybaskets.data import loops
from manybaskets.data.conversations import context_of, messages_of
from manybaskets.data.divergence import Diverged
from manybaskets.files import InputError, read_jsonl, write_jsonl
from manybaskets.serving import sessions
from manybaskets.stages.loops import LoopGenerateSpec

HELP = "Generates responses with one generation of a loop, for the training set of the next."
USABLE = ("ok", "length")


def arguments(parser: argparse.ArgumentParser) -> None:
    """Declares the options."""
    spec_argument(parser, LoopGenerateSpec)
    parser.add_argument("--base", type=Path, required=True)
    parser.add_argument("--adapter", type=Path, required=True)
    parser.add_argument("--train", type=Path, required=True)
    parser.add_argument("--prompts", type=Path, required=True)
    parser.add_argument("--output", type=Path, required=True)


def run(options: argparse.Namespace) -> None:
    """Writes one row per sample and prompt of this chain. Raises Diverged if none is usable."""
    spec = options.spec
    generation = spec.generation.model_dump()
    human, prompts = read_jsonl(options.train), read_jsonl(options.prompts)
    try:
        slots = loops.slots(
            loops.Joining(**spec.joining.model_dump()), spec.rows, spec.seed, human, prompts
        )
    except ValueError as error:
        raise InputError(str(error)) from None
    own = {prompt for prompt, origin in slots if origin == spec.origin}
    requests = [
        (f"{row['id']}#{sample}" if sample else str(row["id"]), row, sample)
        for row in prompts
        if row["id"] in own
        for sample in range(spec.samples)
    ]
    partial = sessions.partial_path(options.output)
    with sessions.serve_cell(options.base, options.adapter, spec.engine.model_dump()) as client:
        replies = sessions.generate(
            client,
            [(name, messages_of(row)) for name, row, _ in requests],
            generation,
            (spec.seed, "write", spec.origin),
            partial,
            "rows",
            max_retries=2,
        )
    print(sessions.summarize(replies))
    if not any(reply.state in USABLE for reply in replies):
        first = replies[0]
        raise Diverged(
            f"none of its {len(replies)} responses is usable; the first is {first.state}"
            + (f": {first.reason}" if first.reason else "")
        )
    write_jsonl(
        options.output,
        (
            {
                "id": row["id"],
                "origin": spec.origin,
                "prompt": row["prompt"],
                **context_of(row),
                **sessions.response_fields(reply, generation),
                "tokens": reply.completion_tokens,
                "sample": sample,
            }
            for (_, row, sample), reply in zip(requests, replies, strict=True)
        ),
    )
    partial.unlink(missing_ok=True)
