"""Stages of human text: docstrings of installed packages, and the dataset with its splits."""

import importlib.metadata
import platform
from pathlib import Path

from manybaskets.config.base import ConfigError
from manybaskets.config.dataset import Dataset, Documentation
from manybaskets.config.probes import JudgedTexts
from manybaskets.stages import fingerprint
from manybaskets.stages.base import Cost, File, Inputs, Spec, Stage
from manybaskets.stages.cost_model import MIB, CostModel
from manybaskets.stages.specs import Texts, texts, values
from manybaskets.study import keys
from manybaskets.study.layout import Study


class DocstringsSpec(Spec):
    """The packages of the docstrings, and their split."""

    packages: dict[str, str]
    """Installed packages and their versions."""
    words: tuple[int, int]
    """Shortest and longest description in words."""
    test_share: float
    train_share: float
    seed: int


class CollectDocstrings(Stage[keys.Once, DocstringsSpec]):
    """Collects docstrings of installed packages and splits them by module."""

    name = "collect_docstrings"
    outputs = {"rows": File("data/documentation.jsonl")}
    start_seconds = 20.0

    def spec(self, study: Study, key: keys.Once) -> DocstringsSpec:
        """The packages with their versions, and the settings of the split."""
        docs = study.config.dataset.docs
        scratch = [m.scratch.documentation for m in study.config.models.values() if m.scratch]
        packages = [
            *(docs.packages if docs else []),
            *(name for names in scratch for name in names),
        ]
        packages = list(dict.fromkeys(packages))
        settings = values(docs or Documentation(packages=packages), "packages")
        return DocstringsSpec(
            packages={name: _package_version(name) for name in packages}, **settings
        )

    def cost(self, costs: CostModel, key: keys.Once) -> Cost:
        """Docstrings of twenty packages are about 15 MiB."""
        return Cost(bytes=15 * MIB)


class ItemsSpec(JudgedTexts):
    """Texts that judges compare, if they are not those of the dataset."""

    file_sha256: str | None = None
    template: Texts
    items: int


class DatasetSpec(Spec):
    """The source of the human rows, and their split."""

    dataset: Dataset
    hashes: dict[str, str]
    """Hashes of the files that the dataset names, by key."""
    templates: Texts
    texts: ItemsSpec | None = None


class PrepareDataset(Stage[keys.Once, DatasetSpec]):
    """Splits human rows into train and test; chooses prompts and judges' items."""

    name = "prepare_dataset"
    outputs = {
        "train": File("data/train.jsonl"),
        "test": File("data/test.jsonl"),
        "prompts": File("data/prompts.jsonl"),
        "texts": File("data/items.jsonl"),
    }

    def inputs(self, study: Study, key: keys.Once) -> Inputs:
        """The docstrings, if the dataset consists of them."""
        docs = study.config.dataset.docs is not None
        return {"documentation": [study.data("documentation")] if docs else []}

    def spec(self, study: Study, key: keys.Once) -> DatasetSpec:
        """The dataset section, with hashes of the files that it names."""
        dataset = study.config.dataset
        paths = {"file": dataset.file, "prompts": dataset.prompts}
        return DatasetSpec(
            dataset=dataset,
            hashes={k: fingerprint.file_hash(Path(path)) for k, path in paths.items() if path},
            templates=texts("prompts/document.txt", "prompts/summarize.txt"),
            texts=_items(study),
        )

    def cost(self, costs: CostModel, key: keys.Once) -> Cost:
        """Rows of both splits."""
        dataset = costs.study.config.dataset
        return Cost(rows=dataset.train + dataset.test)


def _items(study: Study) -> ItemsSpec | None:
    preference = study.config.probes.preference
    if preference is None or preference.texts is None:
        return None
    path = preference.texts.file
    return ItemsSpec(
        **values(preference.texts),
        file_sha256=fingerprint.file_hash(Path(path)) if path else None,
        template=texts(f"prompts/{preference.texts.request}.txt"),
        # a control needs the text of the item after it
        items=max(preference.items, preference.control_pairs + 1),
    )


def _package_version(package: str) -> str:
    if package == "stdlib":
        return platform.python_version()
    try:
        return importlib.metadata.version(package)
    except importlib.metadata.PackageNotFoundError:
        raise ConfigError(
            f"dataset.docs.packages: the package '{package}' is not installed in this environment. "
            "Remove it, or name a package of the lock file."
        ) from None
