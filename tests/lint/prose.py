"""Lists phrases that are not plain English: `python tests/lint/prose.py PATH …`.

Reads docstrings, comments and strings of Python and Snakemake files, comments of YAML files and
Makefiles, and Markdown outside of code. Prints `file:line: phrase -> better` and exits with 1 where
it finds any. A line with `prose: allow` is left out.
"""

import re
import sys
import tokenize
from collections.abc import Iterable, Iterator
from itertools import count, takewhile
from pathlib import Path

_SUFFIXES = (".py", ".smk", ".yaml", ".yml", ".md", "Makefile", "Snakefile")
_BE = "(?:is|are|was|were|be|been)"
_TEXT = "answer|cell|column|config|file|folder|key|line|page|record|report|row|spec|study|table"
_CODE = "code|command|function|job|log|message|method|module|plan|process|rule|run|step|test"
_START = r"(?:\A\s*|[.!;]\s+|\n[ \t]*\n\s*|\n[ \t]*[-*] )\W?"
_QUOTES = r"\A\w{0,2}(\"{3}|'{3}|\"|')(.*)\1\Z"
_WH = "(?:what|who|that|which|how|whether|why|where)"
PATTERNS = {
    _START + r"(?:What|Of) [a-z][^.?]*(?![^.?]|\?)": "put the subject first",
    _START + r"By [a-z`]\S* \S+": "put the subject first",
    r"\A\s*(?:Says|Tells|Knows|Asks) \S+": "Returns, Lists, Prompts, Requests",
    rf"(?i)(?<!there\s)\b{_BE} no (?!(?:more|less|worse|[a-z]+er)\b)[a-z]+": "is not a …",
    rf"(?<!there\s)\b{_BE} none\b": "is not …; or name the state",
    r"(?i)\b(?:some|no)body\b": "name the actor: a user, another process",
    r"(?i)\b(?:anew|mend(?:s|ed|ing)?)\b": "again; fix",
    r"(?i)\b(?:that|which|it) (?:stands?|lies?)\b|\bstands (?:in|on|at|be\w+|after|under)\b": "is",
    rf"(?i)\b(?:says?|tells?|knows|takes) {_WH}\b": "returns, lists",
    rf"(?i)\b(?:{_TEXT}|{_CODE}) (?:says|tells|knows)\b|\b(?:{_TEXT}) holds\b": "contains, returns",
    rf"(?i)\b{_BE} (?:told|said|asked|spoken to)\b": "is reported, is given, receives",
    r"(?i)\b(?:held|holds?) [^.]{0,30}\bagainst\b": "compared with, verified against",
    r"(?i)\b(?:comes?|came|becomes?|became) of (?:it|them|this|that)\b": "the effect of",
}  # fmt: skip
PATTERNS = {re.sub(r"(?<!\[) ", r"\\s+", key): better for key, better in PATTERNS.items()}


def findings(path: Path) -> Iterator[tuple[int, str, str]]:
    """Line, phrase and advice for every phrase of a file that matches a pattern."""
    source = path.read_text(encoding="utf-8")
    allowed = {n for n, row in enumerate(source.splitlines(), 1) if "prose: allow" in row}
    for first, passage in _passages(path, source):
        text = _without_code(passage)
        for match, better in [(m, b) for k, b in PATTERNS.items() for m in re.finditer(k, text)]:
            phrase = match[0].lstrip(" \t\n.!;-*")
            line = first + text.count("\n", 0, match.end() - len(phrase))
            if line not in allowed:
                yield line, " ".join(phrase.split())[:60], better


def _passages(path: Path, source: str) -> Iterator[tuple[int, str]]:
    if path.suffix in (".py", ".smk") or path.name == "Snakefile":
        yield from _python(source)
    elif path.suffix == ".md":
        yield 1, source
    else:
        rows = [re.search(r"(?:^|\s)#+(.*)", row) for row in source.splitlines()]
        yield from _joined((n, row[1] if row else None) for n, row in enumerate(rows, 1))


def _python(source: str) -> Iterator[tuple[int, str]]:
    """Comments, and strings of three words or more; strings side by side are one text."""
    comments, strings = [], []
    depth = 0  # of f-strings, which are tokens of their own from Python 3.12 on
    for token in tokenize.generate_tokens(iter(source.splitlines(keepends=True)).__next__):
        kind, line = tokenize.tok_name[token.type], token.start[0]
        depth += (kind == "FSTRING_START") - (kind == "FSTRING_END")
        if kind in ("STRING", "FSTRING_MIDDLE"):
            text = re.sub(_QUOTES, r"\2", token.string, flags=re.DOTALL)
            strings.append((line, re.sub(r"\{[^{}]*\}", "x", text)))
        elif kind == "COMMENT":
            comments.append((line, token.string.lstrip("# ")))
        elif kind not in ("NL", "FSTRING_START", "FSTRING_END") and not depth:
            yield from _texts(strings)
            strings = []
    yield from _joined(comments)


def _texts(strings: list[tuple[int, str]]) -> Iterator[tuple[int, str]]:
    """Neighbouring string tokens as one passage whose lines are those of the file."""
    text = ""
    for start, part in strings:
        text += "\n" * (start - strings[0][0] - text.count("\n")) + part
    if len(text.split()) >= 3:
        yield strings[0][0], text


def _joined(rows: Iterable[tuple[int, str | None]]) -> Iterator[tuple[int, str]]:
    """Comments in consecutive lines as one passage."""
    texts = {number: text for number, text in rows if text is not None}
    for first in (number for number in texts if number - 1 not in texts):
        lines = takewhile(texts.__contains__, count(first))
        yield first, "\n".join(texts[number] for number in lines)


def _without_code(text: str) -> str:
    """The text without code, HTML comments and indentation, which would separate words by more
    than the one space that lookbehind assertions match."""
    code = r"<!--.*?-->|^ *```.*?^ *```|^ *(?:>>>|\.\.\.) [^\n]*|`[^`]*`"
    prose = re.sub(
        code, lambda m: "x" + "\n" * m[0].count("\n"), text, flags=re.DOTALL | re.MULTILINE
    )
    return re.sub(r"\n[ \t]+", "\n", prose)


def main(arguments: list[str]) -> int:
    """Prints every phrase in the files and folders named; 1 where there is one."""
    trees = [[path] if path.is_file() else path.rglob("*") for path in map(Path, arguments)]
    rows = [
        print(f"{path}:{line}: {phrase} -> {better}")
        for path in sorted(path for tree in trees for path in tree)
        if path.name.endswith(_SUFFIXES) and "_build" not in path.parts
        for line, phrase, better in sorted(findings(path))
    ]
    return int(bool(rows))


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
