"""Models and tokenizers from a folder: weights as safetensors only, and no code of the model's.

Other formats of weights can run code when they are read. A model that needs its own code is
loaded with it only where its entry in the config says `trust_remote_code: true`.
"""

from collections.abc import Callable
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any


def load_model(folder: Path, dtype: Any, trust_remote_code: bool = False, **options: Any) -> Any:
    """A causal language model in `dtype`, a torch type. Raises OSError where no safetensors are.

    `options` are transformers' own: attention, quantization, placement.
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
    """Writes the weights of a model with a LoRA adapter merged in, in the model's own type.

    Takes as much memory as the model has weights. Links in `folder` to files that are written anew
    (the model's config) are replaced, not followed.
    """
    import tempfile

    from peft import PeftModel

    model = load_model(base, "auto", trust_remote_code)
    merged = PeftModel.from_pretrained(model, adapter).merge_and_unload()
    with tempfile.TemporaryDirectory(dir=folder) as beside:
        merged.save_pretrained(beside)
        for path in sorted(Path(beside).iterdir()):
            path.replace(folder / path.name)


def load_classifier(folder: Path, dtype: Any, trust_remote_code: bool = False) -> Any:
    """A model of sequence classification. Raises OSError where no safetensors are, and ValueError
    where the folder's model has no classifying head."""
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
    if missing:  # transformers would fill it with random numbers and say so in a warning
        raise ValueError(
            f"{folder} has no trained classifier: its weights lack {', '.join(missing[:3])}. "
            "Name a model that was saved as one for sequence classification."
        )
    return model


def load_tokenizer(folder: Path, trust_remote_code: bool = False) -> Any:
    """The tokenizer of a model's folder."""
    from transformers import AutoTokenizer

    return AutoTokenizer.from_pretrained(
        folder, trust_remote_code=trust_remote_code, local_files_only=True
    )


def load_scorer(
    base: Path, adapter: Path | None, threads: int, trust_remote_code: bool = False
) -> tuple[Any, Callable[[], AbstractContextManager[Any]] | None]:
    """A model that scores text, on the GPU where there is one, with or without an adapter.

    The second value is a context in which the adapter is off; None where there is no adapter.
    """
    import torch

    torch.set_num_threads(threads)
    device = "cuda" if torch.cuda.is_available() else "cpu"
    dtype = torch.bfloat16 if device == "cuda" else torch.float32
    model = load_model(base, dtype, trust_remote_code).to(device).eval()
    if adapter is None:
        return model, None
    from peft import PeftModel

    tuned = PeftModel.from_pretrained(model, adapter).eval()
    return tuned, tuned.disable_adapter
