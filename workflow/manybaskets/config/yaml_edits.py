"""Changes of single values in a YAML file; comments, order and all other text stay."""

from collections.abc import Sequence

import yaml


def text_at(text: str, path: Sequence[str]) -> str | None:
    """Returns the text value of the key at a path; None without one."""
    node = _node(yaml.compose(text, Loader=yaml.SafeLoader), path)
    is_text = isinstance(node, yaml.ScalarNode) and node.tag == "tag:yaml.org,2002:str"
    return str(node.value) if node and is_text else None


def with_value(text: str, path: Sequence[str], value: str, neighbour: str) -> str:
    """Returns the text of a YAML file in which the key at a path has another value.

    A key that is missing is added after `neighbour`, a key of the same section. A text without the
    section stays as it is.
    """
    section = _node(yaml.compose(text, Loader=yaml.SafeLoader), path[:-1])
    if not isinstance(section, yaml.MappingNode):
        return text
    entries = {key.value: (key, node) for key, node in section.value}
    written = value if isinstance(yaml.safe_load(value), str) else f'"{value}"'
    if path[-1] in entries:
        node = entries[path[-1]][1]
        start, end = node.start_mark.index, node.end_mark.index
        written = written if start < end else f" {written}"
    elif neighbour in entries:
        key, node = entries[neighbour]
        start = end = node.end_mark.index
        if section.flow_style:
            written = f", {path[-1]}: {written}"
        else:
            start = end = _line_end(text, start)
            newline = "\r\n" if "\r\n" in text else "\n"
            written = f"{newline}{' ' * key.start_mark.column}{path[-1]}: {written}"
    else:
        return text
    return text[:start] + written + text[end:]


def _line_end(text: str, start: int) -> int:
    end = text.find("\n", start)
    end = len(text) if end < 0 else end
    return end - 1 if text[:end].endswith("\r") else end


def _node(root: yaml.Node | None, path: Sequence[str]) -> yaml.Node | None:
    node = root
    for name in path:
        if not isinstance(node, yaml.MappingNode):
            return None
        node = next((value for key, value in node.value if key.value == name), None)
    return node
