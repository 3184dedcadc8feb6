"""Planning starts fast: the modules that rule files import leave the heavy libraries alone."""

import re
import subprocess
import sys

import pytest

from tests.support.paths import ROOT

HEAVY = (
    *("torch", "transformers", "vllm", "trl", "peft", "datasets", "sentence_transformers"),
    "aiohttp",
)


@pytest.mark.slow
def test_rule_files_import_no_heavy_library() -> None:
    files = [ROOT / "Snakefile", *(ROOT / "workflow/rules").glob("*.smk")]
    texts = [file.read_text(encoding="utf-8") for file in files]
    imports = {
        line
        for text in texts
        for line in re.findall(r"^from manybaskets\S* import [\w, ]+$", text, re.MULTILINE)
    }
    assert len(imports) > 10
    code = [*sorted(imports), "import sys", f"print([m for m in {HEAVY} if m in sys.modules])"]
    done = subprocess.run(
        [sys.executable, "-c", "\n".join(code)],
        env={"PYTHONPATH": str(ROOT / "workflow")},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout.strip() == "[]"
