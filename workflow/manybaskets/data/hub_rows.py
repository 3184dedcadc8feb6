"""Rows of a dataset on the hub, read from its verified files alone.

The card of a dataset maps files to splits. It is foreign input: a card that names files outside of
its repository, such as absolute paths or URLs, is refused, and no other part of it is used.
"""

import os
import re
import tempfile
from collections.abc import Iterator, Sequence
from fnmatch import fnmatch
from pathlib import Path
from typing import Any

import yaml

from manybaskets.data import hub
from manybaskets.files import InputError

CARD = "README.md"
READ = ("config_name", "data_files", "data_dir", "default", "sep", "delimiter", "names", "header")
"""The keys of a card's `configs` that are used."""


def read(
    repo: str, revision: str, files: Sequence[str], config: str | None, split: str
) -> list[dict[str, Any]]:
    """Returns the rows of a split at a commit, without decoding images or audio.

    Raises InputError if the download fails (see `hub.fetch`), the card names foreign files, or
    there is no such config or split.
    """
    import datasets

    folder = hub.fetch(repo, revision, "dataset", [*files, CARD], kind="dataset")
    with tempfile.TemporaryDirectory() as cache:
        own = Path(cache, "files")
        _link(folder, own, files)
        _write_card(folder / CARD, own / CARD, repo)
        datasets.config.HF_HUB_OFFLINE = True
        try:
            loaded = datasets.load_dataset(str(own), name=config, split=split, cache_dir=cache)
        except (ValueError, FileNotFoundError) as error:
            reason = " ".join(str(error).split()).replace(str(own), repo)
            raise InputError(
                f"dataset.hub: {repo} cannot be read with config '{config}' and split '{split}': "
                f"{reason}. Set dataset.config, dataset.split or dataset.files."
            ) from None
        return list(loaded.to_list())


def _link(folder: Path, own: Path, files: Sequence[str]) -> None:
    """Links the verified files into a folder without the card and without hidden files."""
    for place, _, names in os.walk(folder):
        for name in names:
            path = Path(place, name)
            relative = path.relative_to(folder)
            is_hidden = any(part.startswith(".") for part in relative.parts)
            if is_hidden or not any(fnmatch(str(relative), pattern) for pattern in files):
                continue
            if relative == Path(CARD):
                continue
            (own / relative).parent.mkdir(parents=True, exist_ok=True)
            (own / relative).symlink_to(path.resolve())
    own.mkdir(exist_ok=True)


def _write_card(card: Path, copy: Path, repo: str) -> None:
    """Writes a card with the configs of another, if it has any."""
    try:
        header = re.match(r"---\s*\n(.*?)\n---\s*(\n|$)", card.read_text("utf-8"), re.DOTALL)
        content = yaml.safe_load(header[1]) if header else None
    except (OSError, UnicodeDecodeError):
        return
    except (yaml.YAMLError, RecursionError):
        raise InputError(f"dataset.hub: the card of {repo} is not valid YAML.") from None
    configs = content.get("configs") if isinstance(content, dict) else None
    if not isinstance(configs, list):
        return
    kept = [
        {key: config[key] for key in READ if key in config}
        for config in configs
        if isinstance(config, dict)
    ]
    for config in kept:
        for pattern in _patterns(config.get("data_files")) if "data_files" in config else ():
            _refuse_foreign(repo, pattern)
        _refuse_foreign(repo, config.get("data_dir", ""))
    copy.write_text(f"---\n{yaml.safe_dump({'configs': kept})}---\n", encoding="utf-8")


def _patterns(value: Any) -> Iterator[Any]:
    """Yields the patterns of a card's `data_files`, in any of its forms."""
    if isinstance(value, dict):
        for key, inner in value.items():
            if key != "split":
                yield from _patterns(inner)
    elif isinstance(value, list):
        for inner in value:
            yield from _patterns(inner)
    else:
        yield value


def _refuse_foreign(repo: str, pattern: Any) -> None:
    is_text = isinstance(pattern, str)
    if not is_text or re.search(r"^[/~\\]|(^|[/\\])\.\.([/\\]|$)|:", pattern):
        raise InputError(
            f"dataset.hub: the card of {repo} names the file {str(pattern)[:100]!r}, which is not "
            "in the repository. The dataset is not read; choose another one, or download its files "
            "and set dataset.file."
        )
