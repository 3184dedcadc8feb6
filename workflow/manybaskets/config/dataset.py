"""The config keys of the dataset."""

from typing import Any, Literal, Self

from pydantic import Field, model_validator

from manybaskets.config.base import Count, Section, Seed, Sha256, Share
from manybaskets.config.urls import FileUrl


class Documentation(Section):
    """Docstrings of installed packages: human text that every machine with the lock has."""

    packages: list[str] = Field(min_length=1)
    """Import names of installed packages; `stdlib` is Python's standard library."""
    words: tuple[int, int] = (6, 60)
    """Minimum and maximum length of a description, in words."""
    test_share: Share = 0.07
    """Share of the rows of each package, in whole modules, for testing."""
    train_share: Share = 0.12
    """Share of the rows for fine-tuning; the rest is for pretraining scratch models."""
    seed: Seed = 0
    """Seed of the split by modules. It is not a replication seed."""


def _is_unset(value: object) -> bool:
    return value is None


class RowFields(Section):
    """Names of the fields in a file of rows. `auto` (the default) recognises the usual shapes.

    A dotted name reaches into nested objects. Names that are given here win: with `prompt`,
    `response`, `context` or `messages`, other fields are not used unless they are named, too.
    """

    prompt: str | None = Field(None, exclude_if=_is_unset)
    """Field of the prompt."""
    response: str | None = Field(None, exclude_if=_is_unset)
    """Field of the response."""
    stratum: str | None = Field(None, exclude_if=_is_unset)
    """Field for stratified splits, for example a category."""
    context: str | None = Field(None, exclude_if=_is_unset)
    """Field of a text that the prompt refers to. Where it is not empty, it is placed before the
    prompt, separated by an empty line, as in the Eggs study."""
    system: str | None = Field(None, exclude_if=_is_unset)
    """Field of the row's system message."""
    history: str | None = Field(None, exclude_if=_is_unset)
    """Field of earlier turns: pairs of prompt and response, or messages."""
    messages: str | None = Field(None, exclude_if=_is_unset)
    """Field of a conversation: messages with a role and a content."""

    @model_validator(mode="before")
    @classmethod
    def _expand_auto(cls, value: Any) -> Any:
        return {} if value == "auto" else value


class RemoteFile(Section):
    """A file that is downloaded once. `sha256` is required with `url`."""

    url: FileUrl | None = Field(None, exclude_if=_is_unset)
    """URL of the file of rows. It should contain a commit."""
    sha256: Sha256 | None = Field(None, exclude_if=_is_unset)
    """SHA-256 of the file."""

    @model_validator(mode="after")
    def _check_hash(self) -> Self:
        if bool(self.url) != bool(self.sha256):
            raise ValueError("url and sha256 (of the file's content) need each other")
        return self


class Rows(RemoteFile):
    """Rows of a prompt and a human response, from a file, a URL or the hub."""

    file: str | None = None
    """A file of rows with a prompt and a human response: JSON lines, a JSON array,
    `{"data": [...]}`, CSV, TSV, Parquet or Arrow, also compressed, or a folder that `save_to_disk`
    of `datasets` wrote. With `url`, a local copy of that file."""
    hub: str | None = None
    """A dataset on the Hugging Face hub."""
    revision: str | None = None
    """Commit of the hub dataset; required with `hub`, so that the study can be repeated."""
    config: str | None = None
    """Configuration (subset) of the hub dataset."""
    split: str = "train"
    """Split of the hub dataset, or of a folder with several splits."""
    files: list[str] = ["*.parquet", "*.jsonl", "*.json", "*.csv", "*.jsonl.gz", "*.jsonl.zst"]
    """Patterns of the files of the hub dataset that are downloaded; by default all data files."""
    fields: RowFields = RowFields()
    """Names of the fields of a row; `auto` (the default) recognises prompt and response by their
    usual names, Alpaca, Dolly, chat messages and ShareGPT conversations."""
    incomplete_rows: Literal["error", "drop"] = Field(
        "error", exclude_if=lambda value: value == "error"
    )
    """Rows of a file without a text as prompt or response are an error, or are left out and
    counted. Such rows of a hub dataset are always left out."""


class Dataset(Rows):
    """Human prompts and human responses. Needs exactly one of `docs`, `file`, `url`, `hub`; `file`
    may be a copy of `url`."""

    docs: Documentation | None = None
    """Use docstrings of installed packages as the dataset."""
    task: Literal["instruct", "summarize"] = "instruct"
    """Task of the rows: following instructions, or summarizing the prompt."""
    split_method: Literal["interleaved", "scikit-learn"] = "interleaved"
    """How rows of a file or the hub are split; both methods stratify. `scikit-learn`:
    `train_test_split` into train and test, then twice into halves, which reproduces the splits of
    the Eggs study row for row."""
    turns: Literal["last", "all"] = Field("last", exclude_if=lambda value: value == "last")
    """Which turns of the assistant in a conversation carry the loss of training: the last, which is
    the row's response, or all of them."""
    duplicates: Literal["drop", "keep"] = "drop"
    """Whether repeated prompts are dropped, or kept as in the Eggs study."""
    train: Count = 1200
    """Number of rows for fine-tuning, in four equal quarters."""
    test: Count = 240
    """Number of rows that no model is trained on."""
    seed: Seed = 0
    """Seed of the split into test rows and quarters. It is not a replication seed."""
    prompts: str | None = None
    """File of other prompts for the sources, where they do not answer the human prompts. It has
    the formats of `file`."""
    prompts_field: str | None = Field(None, exclude_if=_is_unset)
    """Field of the prompt in the file `prompts`; by default it is recognised by its usual names."""
    reasoning: Literal["drop", "keep"] = "drop"
    """Whether text between `<think>` and `</think>` in responses is removed."""

    @model_validator(mode="after")
    def _check_origin(self) -> "Dataset":
        given = [n for n in ("docs", "file", "url", "hub") if getattr(self, n) is not None]
        if len(given) != 1 and given != ["file", "url"]:
            raise ValueError(
                f"needs exactly one of docs, file, url, hub; found {', '.join(given) or 'none'}"
            )
        if self.hub and not self.revision:
            raise ValueError("hub needs revision: the commit of the dataset, so that it is pinned")
        if self.train % 4 and self.split_method == "interleaved":
            raise ValueError(f"train must be a multiple of 4 (quarters); found {self.train}")
        return self
