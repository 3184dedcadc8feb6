"""The documentation corpus: human-written docstrings of the installed packages.

Sources are parsed with `ast`; no package is imported or run. A row is one function or class: its
signature, the description at the beginning of its docstring, and the description's first line.
"""

import ast
import hashlib
import importlib.util
import inspect
import re
import sysconfig
from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

STANDARD_LIBRARY = "stdlib"
SPLITS = ("test", "train", "pretrain")
_SKIPPED_FOLDERS = {
    *("test", "tests", "testing", "idlelib", "lib2to3", "site-packages", "_vendor", "vendor"),
    *("third_party", "externals", "__pycache__", "turtledemo", "ensurepip", "_vendored"),
}
# A docstring's description ends where its sections, examples or markup begin.
_SECTION = re.compile(
    r"^\s*(args?|arguments?|param(eter)?s?|returns?|yields?|raises?|examples?|notes?|usage|"
    r"attributes|references|see also|warnings?|inputs?|outputs?|shapes?|other parameters|"
    r"keyword arguments|methods|default|defaults|tips?|todo)\s*:{0,2}\s*$",
    re.IGNORECASE,
)
_MARKUP = re.compile(r"^\s*(>>>|\.\. |:\w+|@|-{3,}|={3,}|\||\+--|```|<Tip|\[\[|\{\{|#)")


@dataclass(frozen=True)
class Documented:
    """One documented function or class."""

    package: str
    module: str
    name: str
    signature: str
    description: str
    summary: str
    """First line of the description, if a blank line and more text follow it; otherwise empty."""
    body: str
    """Description without its first line, if `summary` is not empty; otherwise empty."""
    split: str = ""


def package_folder(package: str) -> Path:
    """Returns the source folder of an installed package.

    Raises LookupError if the package is not installed or is a single module.
    """
    if package == STANDARD_LIBRARY:
        return Path(sysconfig.get_paths()["stdlib"])
    spec = importlib.util.find_spec(package)
    if spec is None or not spec.submodule_search_locations:
        raise LookupError(
            f"the package '{package}' is not installed, or is a single module. "
            "Use the name of an installed package, or 'stdlib'."
        )
    return Path(next(iter(spec.submodule_search_locations)))


def documented_in(package: str, words: tuple[int, int]) -> list[Documented]:
    """Returns the documented functions and classes of a package, sorted by file.

    `words` contains the minimum and maximum length of a description, both inclusive. Raises
    LookupError if the package is not installed.
    """
    return list(_package_rows(package, words))


def without_duplicates(rows: Iterable[Documented]) -> list[Documented]:
    """Returns the rows without duplicates; the first of several duplicates is retained.

    Two rows are duplicates if their descriptions are equal up to whitespace and case, or if they
    have the same name in the same module.
    """
    unique: list[Documented] = []
    descriptions: set[str] = set()
    qualified_names: set[tuple[str, str]] = set()
    for row in rows:
        description = " ".join(row.description.lower().split())
        qualified_name = (row.module, row.name)
        if description not in descriptions and qualified_name not in qualified_names:
            descriptions.add(description)
            qualified_names.add(qualified_name)
            unique.append(row)
    return unique


def split_by_module(
    rows: Iterable[Documented], shares: dict[str, float], seed: int
) -> list[Documented]:
    """Returns the rows with their split; all rows of a module are in the same split.

    `shares` maps `test` and `train` to their share of the rows of each package; the remaining
    rows are `pretrain`. The modules of a package, in an order that depends on `seed`, each go to
    the first split with enough room for all their rows.
    """
    modules: dict[str, dict[str, list[Documented]]] = defaultdict(lambda: defaultdict(list))
    for row in rows:
        modules[row.package][row.module].append(row)
    split_rows: list[Documented] = []
    for package in sorted(modules):
        total = sum(len(members) for members in modules[package].values())
        room = {split: shares.get(split, 0.0) * total for split in SPLITS[:2]}
        for module in sorted(modules[package], key=lambda name: _rank(name, seed)):
            members = modules[package][module]
            split = next((s for s in SPLITS[:2] if room[s] >= len(members)), SPLITS[2])
            if split in room:
                room[split] -= len(members)
            split_rows += [replace(row, split=split) for row in members]
    return split_rows


def _rank(text: str, seed: int) -> str:
    return hashlib.sha256(f"{seed}:{text}".encode()).hexdigest()


def _package_rows(package: str, words: tuple[int, int]) -> Iterator[Documented]:
    folder = package_folder(package)
    for path in sorted(folder.rglob("*.py")):
        inside = path.relative_to(folder)
        if _SKIPPED_FOLDERS.intersection(inside.parts[:-1]) or inside.name.startswith("test_"):
            continue
        parts = [part for part in inside.with_suffix("").parts if part != "__init__"]
        prefix = [] if package == STANDARD_LIBRARY else [package]
        module = ".".join(prefix + parts) or package
        try:
            tree = ast.parse(path.read_bytes())
        except (SyntaxError, ValueError):
            continue  # some packages contain templates, or files for other Python versions
        yield from _documented(tree, package, module, words)


def _documented(
    tree: ast.Module, package: str, module: str, words: tuple[int, int]
) -> Iterator[Documented]:
    for node, owner in _definitions(tree, ""):
        doc = ast.get_docstring(node, clean=False)
        if not doc or not doc.isascii():
            continue
        lines = _description(doc)
        description = _join(lines)
        if not words[0] <= len(description.split()) <= words[1]:
            continue
        summary, body = _summary(lines)
        name = f"{owner}{node.name}"
        yield Documented(package, module, name, _signature(node, owner), description, summary, body)


def _definitions(
    node: ast.AST, owner: str
) -> Iterator[tuple[ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef, str]]:
    for child in ast.iter_child_nodes(node):
        if isinstance(child, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
            yield child, owner
            yield from _definitions(child, f"{owner}{child.name}.")
        elif isinstance(child, ast.If | ast.Try):
            yield from _definitions(child, owner)


def _signature(node: ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef, owner: str) -> str:
    """Returns, for example, `def f(x, axis)`: without annotations and defaults (they are code)."""
    if isinstance(node, ast.ClassDef):
        bases = [base.id for base in node.bases if isinstance(base, ast.Name)]
        return f"class {owner}{node.name}" + (f"({', '.join(bases[:3])})" if bases else "")
    a = node.args
    names = [arg.arg for arg in (*a.posonlyargs, *a.args) if arg.arg not in ("self", "cls")]
    if a.vararg:
        names.append(f"*{a.vararg.arg}")
    names += [arg.arg for arg in a.kwonlyargs]
    if a.kwarg:
        names.append(f"**{a.kwarg.arg}")
    shown = names[:8] + (["..."] if len(names) > 8 else [])
    return f"def {owner}{node.name}({', '.join(shown)})"


def _description(doc: str) -> list[str]:
    """Returns the lines before the first section, example or markup of a docstring.

    A last paragraph that ends with a colon is removed, since it announces the example or list
    that follows.
    """
    description: list[str] = []
    lines = inspect.cleandoc(doc).splitlines()
    for number, line in enumerate(lines):
        underlined = number + 1 < len(lines) and re.match(r"^\s*[-=~]{3,}\s*$", lines[number + 1])
        if _SECTION.match(line) or _MARKUP.match(line) or underlined:
            break
        description.append(line.strip())
    while description and not description[-1]:
        description.pop()
    if description and description[-1].endswith(":"):
        while description and description[-1]:
            description.pop()
    return description


def _join(lines: Sequence[str]) -> str:
    paragraphs = re.split(r"\n\s*\n", "\n".join(lines).strip())
    return "\n".join(" ".join(p.split()) for p in paragraphs if p.strip())


def _summary(lines: Sequence[str]) -> tuple[str, str]:
    """Returns summary line and body by PEP 257, or empty strings if there is no separate body."""
    if len(lines) > 2 and lines[0] and not lines[1]:
        return lines[0], _join(lines[2:])
    return "", ""


def as_rows(documented: Iterable[Documented]) -> list[dict[str, Any]]:
    """Returns the rows as dicts."""
    return [asdict(row) for row in documented]
