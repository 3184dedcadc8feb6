"""Loads models and tokenizers from folders: only safetensors, and no code of the model.

Other weight formats can run code when they are loaded. The code in a model folder runs only if the
model's config entry has `trust_remote_code: true`.
"""

from collections.abc import Callable
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any


def compute_dtype(device: str) -> Any:
    """Returns the torch type for training and scoring on "cuda" or "cpu".

    It is bfloat16 on GPUs that compute in it, else float32.
    """
    import torch

    if device == "cuda" and torch.cuda.is_bf16_supported(including_emulation=False):
        return torch.bfloat16
    return torch.float32


def load_model(folder: Path, dtype: Any, trust_remote_code: bool = False, **options: Any) -> Any:
    """Returns a causal language model with weights of the torch type `dtype`.

    `options` are passed to transformers: attention, quantization, device map. Raises OSError if
    the folder contains no safetensors.
    """
    from transformers import AutoModelForCausalLM

    return AutoModelForCausalLM.from_pretrained(
        folder,
        dtype=dtype,
        use_safetensors=True,
        trust_remote_code=trust_remote_code,
        local_files_only=True,
        **options,
    )


def merge_adapter(base: Path, adapter: Path, folder: Path, trust_remote_code: bool = False) -> None:
    """Writes the weights of `base` with a merged LoRA adapter to `folder`, in the type of `base`.

    The memory must be large enough for all weights. Links in `folder` to files that are written
    here (the model's config) are replaced, not followed.
    """
    import tempfile

    from peft import PeftModel

    # PEFT computes the product of an adapter's matrices in float32, whatever the type of `base`
    model = load_model(base, "auto", trust_remote_code)
    merged = PeftModel.from_pretrained(model, adapter).merge_and_unload()
    with tempfile.TemporaryDirectory(dir=folder) as temporary:
        merged.save_pretrained(temporary)
        for path in sorted(Path(temporary).iterdir()):
            path.replace(folder / path.name)


def load_classifier(folder: Path, dtype: Any, trust_remote_code: bool = False) -> Any:
    """Returns a sequence classification model with weights of the torch type `dtype`.

    Raises OSError if the folder contains no safetensors, and ValueError if the model has no trained
    classification head.
    """
    from transformers import AutoModelForSequenceClassification

    model, loaded = AutoModelForSequenceClassification.from_pretrained(
        folder,
        dtype=dtype,
        use_safetensors=True,
        trust_remote_code=trust_remote_code,
        local_files_only=True,
        output_loading_info=True,
    )
    missing = sorted(loaded["missing_keys"])
    if missing:  # transformers initialises missing weights randomly and only warns
        raise ValueError(
            f"{folder} has no trained classifier: its weights lack {', '.join(missing[:3])}. "
            "Use a model that was saved with a sequence classification head."
        )
    return model


def load_tokenizer(folder: Path, trust_remote_code: bool = False) -> Any:
    """Returns the tokenizer of a model folder."""
    from transformers import AutoTokenizer

    return AutoTokenizer.from_pretrained(
        folder, trust_remote_code=trust_remote_code, local_files_only=True
    )


def load_scorer(
    base: Path, adapter: Path | None, threads: int, trust_remote_code: bool = False
) -> tuple[Any, Callable[[], AbstractContextManager[Any]] | None]:
    """Returns a model for scoring text (on the GPU if available) and a way to disable its adapter.

    The second value returns a context in which the adapter is disabled; it is None without an
    adapter. `threads` is the number of CPU threads.
    """
    import torch

    torch.set_num_threads(threads)
    device = "cuda" if torch.cuda.is_available() else "cpu"
    model = load_model(base, compute_dtype(device), trust_remote_code).to(device).eval()
    if adapter is None:
        return model, None
    from peft import PeftModel

    tuned = PeftModel.from_pretrained(model, adapter).eval()
    return tuned, tuned.disable_adapter
