"""Reads config files: YAML of bounded size, depth and expansion, whose keys are texts.

YAML aliases can make a short file a structure of billions of values. The limits are checked before
the values are built.
"""

import re
from pathlib import Path
from typing import Any

import yaml

from manybaskets.config.base import ConfigError

MAX_BYTES = 1 << 20
MAX_VALUES = 100_000  # with every alias expanded
MAX_DEPTH = 100
MAX_MESSAGE = 300
_UNUSABLE = re.compile("[\ud800-\udfff\0]")
_MERGE = "tag:yaml.org,2002:merge"


def read(path: Path) -> dict[str, Any]:
    """Parses a config file; raises ConfigError for a file that is not a mapping of texts."""
    try:
        if path.is_file() and path.stat().st_size > MAX_BYTES:
            raise ConfigError(
                f"{path}: the file is larger than {MAX_BYTES >> 20} MiB. A config names data in "
                "other files; check the path."
            )
        text = path.read_text(encoding="utf-8-sig")
    except FileNotFoundError:
        raise ConfigError(f"{path}: there is no such file.") from None
    except IsADirectoryError:
        raise ConfigError(f"{path}: this is a folder. Give the path of a config file.") from None
    except UnicodeDecodeError as error:
        reason = f"not UTF-8 at byte {error.start + 1}. Save the file as UTF-8."
        raise ConfigError(f"{path}: {reason}") from None
    except (OSError, ValueError) as error:  # also names with NUL, or that are too long
        cause = getattr(error, "strerror", None) or error
        raise ConfigError(f"{str(path)[:MAX_MESSAGE]!r}: not readable ({cause}).") from None
    raw = parse(text, str(path))
    if not isinstance(raw, dict):
        kind = "nothing" if raw is None else type(raw).__name__
        raise ConfigError(f"{path}: expected keys and values, found {kind}.")
    return raw


def parse(text: str, place: str) -> Any:
    """Returns the value of a YAML text; raises ConfigError that begins with `place`."""
    loader: _Loader | None = None
    try:
        loader = _Loader(text)
        root = loader.get_single_node()
        if root is None:
            return None
        _check_limits(root)
        return loader.construct_document(root)
    except RecursionError:
        reason = f"values are nested more than {MAX_DEPTH} deep. Correct the file."
    except (yaml.YAMLError, ValueError, OverflowError) as error:
        reason = _reason(error)
    finally:
        if loader is not None:
            loader.dispose()
    raise ConfigError(f"{place}: not readable as YAML: {reason}")


def _reason(error: Exception) -> str:
    if "integer string conversion" in str(error):
        return "it contains an integer of thousands of digits. Correct it."
    return str(error)[:MAX_MESSAGE]


class _Loader(yaml.SafeLoader):
    """YAML in which keys are texts that occur once; by default the last of equal keys wins."""

    depth = 0

    def compose_node(self, parent: yaml.Node | None, index: Any) -> yaml.Node | None:
        self.depth += 1
        if self.depth > MAX_DEPTH:
            raise RecursionError
        node: yaml.Node | None = super().compose_node(parent, index)
        self.depth -= 1
        return node

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Any, Any]:
        seen: dict[str, int] = {}
        for key_node, _ in node.value:
            if key_node.tag == _MERGE:
                continue
            line = key_node.start_mark.line + 1
            key = _text_of(self, key_node, line)
            if key in seen:
                raise yaml.YAMLError(
                    f"duplicate key '{key[:100]}' on lines {seen[key]} and {line}. "
                    "Rename or remove one of them."
                )
            seen[key] = line
        return super().construct_mapping(node, deep)


def _text_of(loader: _Loader, node: yaml.Node, line: int) -> str:
    """Returns a key; raises YAMLError for one that YAML does not read as a text."""
    if not isinstance(node, yaml.ScalarNode):
        raise yaml.YAMLError(f"line {line}: a list or a mapping is used as a key. Use a text.")
    key = loader.construct_object(node)
    if not isinstance(key, str):
        raise yaml.YAMLError(
            f"line {line}: the key {node.value[:100]} is not a text, YAML reads it as "
            f"{type(key).__name__} ({str(key)[:100]}). Write it in quotes: '{node.value[:100]}'."
        )
    return key


def _check_limits(root: yaml.Node) -> None:
    """Raises YAMLError for a structure that is too large or contains itself."""
    values: dict[int, int] = {}  # of each node, with its aliases expanded
    open_nodes: set[int] = set()

    def count(node: yaml.Node) -> int:
        line = node.start_mark.line + 1
        if id(node) in open_nodes:
            raise yaml.YAMLError(f"line {line}: a value contains itself. Remove the alias.")
        if isinstance(node, yaml.ScalarNode) and _UNUSABLE.search(node.value):
            raise yaml.YAMLError(f"line {line}: half a surrogate pair or NUL in a text. Remove it.")
        if id(node) not in values:
            open_nodes.add(id(node))
            values[id(node)] = 1 + sum(count(child) for child in _children(node))
            open_nodes.remove(id(node))
        if values[id(node)] > MAX_VALUES:
            raise yaml.YAMLError(
                f"line {line}: more than {MAX_VALUES:,} values, with every alias expanded. "
                "Use fewer aliases."
            )
        return values[id(node)]

    count(root)


def _children(node: yaml.Node) -> list[yaml.Node]:
    if isinstance(node, yaml.MappingNode):
        return [child for pair in node.value for child in pair]
    return list(node.value) if isinstance(node, yaml.SequenceNode) else []
