"""Shows how files of rows are understood: format, shape, fields, languages, rows left out."""

import argparse
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

from manybaskets.cli.arguments import config_value_argument
from manybaskets.config.dataset import RowFields
from manybaskets.data import human_rows, inspection
from manybaskets.data.conversations import messages_of
from manybaskets.data.human_rows import CompleteRows
from manybaskets.data.tables.shapes import Record
from manybaskets.files import InputError

if TYPE_CHECKING:
    from manybaskets.study.layout import Study

HELP = "Shows how a file, or the files of a config, are understood."
_CONFIGS = (".yaml", ".yml")
_LONGEST = 600  # characters of a text that are shown
_GREEN, _PLAIN = "\033[32m", "\033[0m"


def arguments(parser: argparse.ArgumentParser) -> None:
    """Declares the options."""
    parser.add_argument(
        "files", nargs="+", help="files of rows, or the configs of one study, the overlay last"
    )
    config_value_argument(parser)
    parser.add_argument(
        "--fields",
        action="append",
        default=[],
        metavar="NAME=FIELD",
        help="meaning of a field: prompt, response, messages, context, … (repeatable)",
    )
    parser.add_argument("--split", help="split of a folder that save_to_disk wrote")
    parser.add_argument(
        "--model", type=Path, help="folder of the model whose tokens are shown (default: a target)"
    )


def run(options: argparse.Namespace) -> None:
    """Prints the findings about each file."""
    configs = [file for file in options.files if Path(file).suffix.lower() in _CONFIGS]
    if configs and len(configs) < len(options.files):
        raise InputError("doctor: give either configs or files of rows, not both.")
    model = options.model
    if configs:
        from manybaskets.dag.preflight import notes, study_of

        study = study_of(configs, options.config)
        tables = list(_of_study(study))
        model = model or _local_target(study)
    else:
        tables = [(file, _opened(file, options)) for file in options.files]
    for name, rows in tables:
        print(f"{name}")
        found = inspection.inspect(rows)
        print("\n".join(inspection.lines(rows, found)))
        if found.example:
            print("\n".join(_example(rows, found.example, model)))
    if configs:
        print("\n".join(notes(study)))


def _opened(file: str, options: argparse.Namespace) -> CompleteRows:
    names = dict(_field(text) for text in options.fields)
    try:
        fields = RowFields.model_validate(names)
    except ValueError:
        known = ", ".join(RowFields.model_fields)
        raise InputError(f"--fields {' '.join(options.fields)}: known names are {known}.") from None
    return human_rows.open_table_of(file, fields, options.split)


def _field(text: str) -> tuple[str, str]:
    name, equals, value = text.partition("=")
    if not equals:
        raise InputError(f"--fields {text}: expected NAME=FIELD, for example prompt=question.")
    return name, value


def _of_study(study: "Study") -> Iterator[tuple[str, CompleteRows]]:
    """Yields each file of a study with its key."""
    config = study.config
    preference = config.probes.preference
    texts = preference.texts if preference else None
    for key, section in (("dataset", config.dataset), ("probes.preference.texts", texts)):
        path = study.rows_file(section) if section else None
        if section and path and Path(path).exists():
            yield f"{key}: {path}", human_rows.open_rows(section, path)
    if config.dataset.prompts:
        prompts = human_rows.open_prompts(config.dataset.prompts, config.dataset.prompts_field)
        yield f"dataset.prompts: {config.dataset.prompts}", prompts
    for name, source in config.sources.items():
        path = study.rows_file(source)
        if path and Path(path).exists():
            yield f"sources.{name}: {path}", human_rows.open_table_of(path, source.fields)


def _local_target(study: "Study") -> Path | None:
    """Returns the folder of the first target that is on this machine; None without one."""
    folders = (Path(study.model(name)) for name in study.config.targets)
    return next((folder for folder in folders if (folder / "config.json").is_file()), None)


def _example(rows: CompleteRows, record: Record, model: Path | None) -> Iterator[str]:
    """Yields an example, with the text that carries loss in colour or between brackets."""
    row = rows.row(record)
    has_colour = sys.stdout.isatty()
    is_known = model is not None and "response" in row
    kind = f"as {model} is trained on it" if is_known else "without a model"
    marks = "in green" if has_colour else "in [brackets]"
    yield f"  example ({rows.table.unit} {record.number}), {kind}; the loss is on the text {marks}:"
    parts = _encoded(row, model) if is_known and model else _plain(row)
    text = "".join(
        _marked(_cut(part), has_colour) if has_loss else _cut(part) for part, has_loss in parts
    )
    yield from (f"    {line}" for line in text.split("\n"))


def _plain(row: dict[str, Any]) -> Iterator[tuple[str, bool]]:
    """Yields the messages of a row, and whether each carries loss."""
    for message in messages_of(row):
        has_loss = row.get("turns") == "all" and message["role"] == "assistant"
        yield f"{message['role']}: ", False
        yield message["content"], has_loss
        yield "\n", False
    if "response" in row:
        yield "assistant: ", False
        yield row["response"], True


def _encoded(row: dict[str, Any], model: Path) -> Iterator[tuple[str, bool]]:
    """Yields runs of tokens as text, and whether they carry loss."""
    from manybaskets.models.chat_encoding import encode
    from manybaskets.models.loading import load_tokenizer

    tokenizer = load_tokenizer(model)
    context, turns = row.get("context_messages", ()), row.get("turns", "last")
    try:
        encoded = encode(tokenizer, row["prompt"], row["response"], context, turns)
    except ValueError as error:
        raise InputError(f"{model}: {error}") from None
    flags, begin = encoded.with_loss, 0
    for end in range(1, len(flags) + 1):
        if end == len(flags) or flags[end] != flags[begin]:
            yield tokenizer.decode(encoded.ids[begin:end], skip_special_tokens=False), flags[begin]
            begin = end


def _marked(text: str, has_colour: bool) -> str:
    return f"{_GREEN}{text}{_PLAIN}" if has_colour else f"[{text}]"


def _cut(text: str) -> str:
    """Returns a text without the middle of a long one, and without control characters."""
    if len(text) > _LONGEST:
        text = f"{text[: _LONGEST // 2]} … {text[-_LONGEST // 2 :]}"
    return "".join(one if one.isprintable() or one in "\n\t" else "\ufffd" for one in text)
