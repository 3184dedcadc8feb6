"""Stages of human text: docstrings of installed packages, and the dataset with its splits."""

import importlib.metadata
import platform
from collections.abc import Mapping, Sequence
from pathlib import Path

from manybaskets.config.base import ConfigError
from manybaskets.config.dataset import Dataset, Documentation, Rows
from manybaskets.config.probes import JudgedTexts
from manybaskets.stages import fingerprint
from manybaskets.stages.base import Cost, File, Inputs, Spec, Stage
from manybaskets.stages.cost_model import MIB, CostModel
from manybaskets.stages.specs import Texts, short_hash, texts, values
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


class DownloadFileSpec(Spec):
    """The URL of a file of rows, and its hash."""

    url: str
    sha256: str


class DownloadFile(Stage[keys.RemoteFile, DownloadFileSpec]):
    """Downloads a file of rows that the dataset or a source names by URL."""

    name = "download_file"
    key = keys.RemoteFile
    outputs = {"file": File("data/files/{file}")}
    priority = 50

    def spec(self, study: Study, key: keys.RemoteFile) -> DownloadFileSpec:
        """The URL and the hash."""
        section = study.remote_files[key.file]
        return DownloadFileSpec(url=section.url or "", sha256=section.sha256 or "")

    def allowed(self, study: Study) -> Mapping[str, Sequence[str]]:
        """The files of the study."""
        return {"file": list(study.remote_files)}


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
        """The docstrings, if the dataset consists of them, and downloaded files."""
        docs = study.config.dataset.docs is not None
        preference = study.config.probes.preference
        sections: list[Rows] = [study.config.dataset]
        sections += [preference.texts] if preference and preference.texts else []
        return {
            "documentation": [study.data("documentation")] if docs else [],
            "files": sorted({file for section in sections for file in study.downloads(section)}),
        }

    def spec(self, study: Study, key: keys.Once) -> DatasetSpec:
        """The dataset section, with hashes of the files that it names."""
        dataset = study.config.dataset
        local = dataset.model_copy(
            update={"file": study.rows_file(dataset), "url": None, "sha256": None}
        )
        paths = {"file": dataset.file, "prompts": dataset.prompts}
        hashes = {k: fingerprint.file_hash(Path(path)) for k, path in paths.items() if path}
        if dataset.sha256:
            hashes["file"] = dataset.sha256[:16]
        return DatasetSpec(
            dataset=local,
            hashes=hashes,
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
    settings = preference.texts
    path = study.rows_file(settings)
    return ItemsSpec(
        **values(settings, "file", "url", "sha256"),
        file=path,
        file_sha256=short_hash(settings.sha256, path),
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
