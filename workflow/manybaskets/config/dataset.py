"""The config keys of the dataset."""

from typing import Literal

from pydantic import Field, model_validator

from manybaskets.config.base import Count, Section, Share


class Documentation(Section):
    """Docstrings of installed packages: human text that every machine with the lock has."""

    packages: list[str] = Field(min_length=1)
    """Import names of installed packages; `stdlib` is Python's own library."""
    words: tuple[int, int] = (6, 60)
    """Shortest and longest description that is kept, in words."""
    test_share: Share = 0.07
    """Share of each package's rows, in whole modules, that is kept for testing."""
    train_share: Share = 0.12
    """Share set apart for fine-tuning; what remains is for pretraining scratch models."""
    seed: int = 0
    """Decides which modules go where. Not a replication seed."""


class RowFields(Section):
    """The names of the fields in somebody's own file."""

    prompt: str = "prompt"
    response: str = "response"
    stratum: str | None = None
    """Field by which splits are stratified, for example a category."""
    context: str | None = None
    """Field of a text that the prompt is about; where it is not empty it stands before the prompt,
    with an empty line between, as in the Eggs study."""


class Rows(Section):
    """Rows of a prompt and a human response, of a file or of the hub."""

    file: str | None = None
    """A JSON-lines file (or a JSON array) of rows with a prompt and a human response."""
    hub: str | None = None
    """A dataset on the Hugging Face hub."""
    revision: str | None = None
    """Commit of the hub dataset; needed with `hub`, so that the study can be repeated."""
    config: str | None = None
    """Configuration (subset) of the hub dataset."""
    split: str = "train"
    """Split of the hub dataset."""
    files: list[str] = ["*.parquet", "*.jsonl", "*.json", "*.csv", "*.jsonl.gz", "*.jsonl.zst"]
    """Which files of the hub dataset are fetched, as patterns; all of its data by default."""
    fields: RowFields = RowFields()


class Dataset(Rows):
    """Human prompts and human responses. Exactly one of `docs`, `file`, `hub`."""

    docs: Documentation | None = None
    task: Literal["instruct", "summarize"] = "instruct"
    splits: Literal["interleaved", "scikit-learn"] = "interleaved"
    """How rows of a file or the hub are split, stratified either way. `scikit-learn`: by its
    `train_test_split`, into train and test, and twice into halves, row for row as the Eggs study
    does."""
    duplicates: Literal["drop", "keep"] = "drop"
    """Whether a prompt that stands twice counts once, or stays, as in the Eggs study."""
    train: Count = 1200
    """Rows set apart for fine-tuning, in four equal quarters."""
    test: Count = 240
    """Rows that no model is trained on."""
    seed: int = 0
    """Decides which rows are test rows and which quarter a row is in."""
    prompts: str | None = None
    """File of other prompts for the sources to answer, where they are not the human ones."""
    prompts_field: str = "prompt"

    @model_validator(mode="after")
    def _one_origin(self) -> "Dataset":
        given = [name for name in ("docs", "file", "hub") if getattr(self, name) is not None]
        if len(given) != 1:
            raise ValueError(
                f"needs exactly one of docs, file, hub; found {', '.join(given) or 'none'}"
            )
        if self.hub and not self.revision:
            raise ValueError("hub needs revision: the commit of the dataset, so that it is pinned")
        if self.train % 4 and self.splits == "interleaved":
            raise ValueError(f"train must be a multiple of 4 (quarters); found {self.train}")
        return self
