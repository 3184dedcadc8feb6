"""The guide's code blocks: every file and command in them is written and run in a test.

A block of code has a mark before it, `<!-- test: … -->`:

- `file NAME`: written to NAME
- `config NAME [on NAME …]`: written to NAME, checked and planned on top of the others
- `run`: its commands are run
- `dry`: the same with `-n`: what Snakemake and make would do
- `study`: run where the study `first` is finished (tests/workflow)
"""

import os
import re
import shutil
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

from tests.support.paths import ROOT

_FOLDER = ROOT / "docs"
PAGES = sorted(path for path in _FOLDER.rglob("*.md") if "_build" not in path.parts)
OTHERS = [ROOT / name for name in ("README.md", "CONTRIBUTING.md", "CHANGELOG.md")]
_BLOCK = re.compile(
    r"(?:<!-- test: (?P<mark>[^>]+?) -->\n)?^```(?P<language>\S*)\n(?P<text>.*?)^```$",
    re.MULTILINE | re.DOTALL,
)
LEFT_OUT = shutil.ignore_patterns(
    *(".*", "results", "docs", "__pycache__", "*.egg-info", "faults", "cluster", "bench", "engine")
)


@dataclass(frozen=True)
class Block:
    """One block of code of a page; `mark` is empty where it has none."""

    page: str
    line: int
    mark: str
    language: str
    text: str

    @property
    def kind(self) -> str:
        return self.mark.partition(" ")[0]


def blocks(page: Path) -> list[Block]:
    """The blocks of a page, without directives of the site and plain text that is not a file."""
    text = page.read_text(encoding="utf-8")
    return [
        Block(
            page.name,
            text.count("\n", 0, found.start()) + 1,
            found["mark"] or "",
            found["language"],
            found["text"],
        )
        for found in _BLOCK.finditer(text)
        if not found["language"].startswith("{") and (found["mark"] or found["language"] != "text")
    ]


class Reader:
    """A reader who follows the guide, in a checkout of their own and in one terminal."""

    def __init__(self, place: Path) -> None:
        """Copies the repository to `place`, with the environment of the tests."""
        shutil.copytree(ROOT, place, ignore=LEFT_OUT)
        (place / ".venv").symlink_to(sys.prefix)
        self.place = place
        self._exports: list[str] = []

    def do(self, block: Block) -> None:
        """Does what a block says; raises AssertionError where it fails."""
        where = f"{block.page}, line {block.line}"
        if block.kind in ("file", "config"):
            name, below = self.write(block)
            if block.kind == "config":
                self._plan([*below.split(), name], where)
            return
        script = block.text
        if block.kind == "dry":
            script = re.sub(r"^(snakemake|make) ", r"\1 -n ", script, flags=re.MULTILINE)
        lines = "\n".join([*self._exports, script])
        self._exports += [line for line in script.splitlines() if line.startswith("export ")]
        done = self._run(["bash", "-euo", "pipefail", "-c", lines], {})
        assert done.returncode == 0, f"{where}: {done.stdout[-4000:]}"

    def write(self, block: Block) -> tuple[str, str]:
        """Writes the file of a block; its name, and the names of the configs that it is put on."""
        name, _, below = block.mark.partition(" ")[2].partition(" on ")
        path = self.place / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(block.text, encoding="utf-8")
        return name, below

    def _plan(self, files: list[str], where: str) -> None:
        options = [option for file in files for option in ("--configfile", file)]
        texts = "".join((self.place / file).read_text(encoding="utf-8") for file in files)
        keys = dict.fromkeys(re.findall(r"api_key_env: (\w+)", texts), "a key")
        done = self._run([sys.executable, "-m", "manybaskets", "plan", *options], keys)
        assert done.returncode == 0 and " would run" in done.stdout, f"{where}: {done.stdout}"

    def _run(self, command: list[str], more: dict[str, str]) -> "subprocess.CompletedProcess[str]":
        environment = {key: value for key, value in os.environ.items() if key != "MAKEFLAGS"}
        path = os.pathsep.join([str(Path(sys.executable).parent), environment["PATH"]])
        return subprocess.run(
            command,
            cwd=self.place,
            env=environment | {"PATH": path, "PYTHONPATH": str(self.place / "workflow")} | more,
            text=True,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            timeout=300,
            check=False,
        )
