"""A published adapter loads by the commands of its own card, in a process of its own."""

import os
import re
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch

from tests.real.conftest import CELL, Made

GENERATE = """
import sys
messages = [{"role": "user", "content": sys.argv[1]}]
ids = tokenizer.apply_chat_template(
    messages, add_generation_prompt=True, return_tensors="pt", return_dict=True
)
tokens = model.generate(**ids, max_new_tokens=40, do_sample=False)
print(tokenizer.decode(tokens[0, ids["input_ids"].shape[1]:], skip_special_tokens=True))
"""


def test_the_commands_of_the_card_give_the_text_of_the_adapter(
    made: Made, tuned: Any, tokenizer: Any, rows: Sequence[dict[str, str]], tmp_path: Path
) -> None:
    output = tmp_path / "published"
    run("-m", "manybaskets", "publish", str(made.root / CELL), "--output", str(output))
    card = (output / "README.md").read_text()
    (code,) = re.findall(r"```python\n(.*?)```", card, re.DOTALL)
    name = re.search(r'PeftModel.from_pretrained\(base, "(.+)"\)', code)
    assert name is not None
    assert "path/to/smol" in code
    code = code.replace("path/to/smol", str(made.base)).replace(name[1], str(output))
    printed = run("-c", code + GENERATE, rows[0]["prompt"])
    messages = [{"role": "user", "content": rows[0]["prompt"]}]
    ids = tokenizer.apply_chat_template(
        messages, add_generation_prompt=True, return_tensors="pt", return_dict=True
    )
    with torch.no_grad():
        tokens = tuned.generate(**ids, max_new_tokens=40, do_sample=False)
    text = tokenizer.decode(tokens[0, ids["input_ids"].shape[1] :], skip_special_tokens=True)
    assert printed.strip() == text.strip()
    assert "apache-2.0" in card


def run(*arguments: str) -> str:
    done = subprocess.run(
        [sys.executable, *arguments],
        env=os.environ | {"HF_HUB_OFFLINE": "1"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr[-3000:]
    return done.stdout
