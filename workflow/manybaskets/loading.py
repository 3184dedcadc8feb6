"""Models and tokenizers from a folder: weights as safetensors only, and no code of the model's.

Other formats of weights can run code when they are read. A model that needs its own code is
loaded with it only where its entry in the config says `trust_remote_code: true`.
"""

from pathlib import Path
from typing import Any


def load_model(folder: Path, dtype: Any, trust_remote_code: bool = False) -> Any:
    """A causal language model in `dtype`, a torch type. Raises OSError where no safetensors are."""
    from transformers import AutoModelForCausalLM

    return AutoModelForCausalLM.from_pretrained(
        folder,
        dtype=dtype,
        use_safetensors=True,
        trust_remote_code=trust_remote_code,
        local_files_only=True,
    )


def load_tokenizer(folder: Path, trust_remote_code: bool = False) -> Any:
    """The tokenizer of a model's folder."""
    from transformers import AutoTokenizer

    return AutoTokenizer.from_pretrained(
        folder, trust_remote_code=trust_remote_code, local_files_only=True
    )
