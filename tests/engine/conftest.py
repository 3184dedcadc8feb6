"""A tiny random chat model and a random adapter of it, created for each test run.

Heads are 32 wide: vLLM's CPU attention has no kernel for narrower ones.
"""

from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from peft import LoraConfig, get_peft_model
from tokenizers import Tokenizer, decoders, models, pre_tokenizers, trainers
from transformers import LlamaConfig, LlamaForCausalLM, PreTrainedTokenizerFast

CHAT_TEMPLATE = (
    "{{ bos_token }}{% for m in messages %}{{ '<' + m['role'] + '>' + m['content'] }}"
    "{% if not loop.last or add_generation_prompt %}{{ eos_token }}{% endif %}{% endfor %}"
    "{% if add_generation_prompt %}<assistant>{% endif %}"
)
TEXT = (
    "which of A and B is the better reply "
    "to what was said about the list of values returned"  # prose: allow
)


@pytest.fixture(scope="session")
def base(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A Llama of width 64 with a tokenizer and a chat template, in a folder with spaces."""
    folder = tmp_path_factory.mktemp("models") / "a tiny base"
    torch.manual_seed(0)
    tokenizer = _tokenizer()
    model = LlamaForCausalLM(
        LlamaConfig(
            vocab_size=len(tokenizer),
            hidden_size=64,
            intermediate_size=128,
            num_hidden_layers=2,
            num_attention_heads=2,
            num_key_value_heads=2,
            max_position_embeddings=512,
            bos_token_id=1,
            eos_token_id=2,
            pad_token_id=0,
            initializer_range=0.2,
        )
    )
    model.save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    return folder


@pytest.fixture(scope="session")
def make_adapter(base: Path) -> Callable[[Path, int], Path]:
    """Writes a random LoRA adapter of `base` to a folder, from a seed."""

    def make(folder: Path, seed: int) -> Path:
        torch.manual_seed(seed)
        wanted = LoraConfig(
            r=8,
            lora_alpha=32,
            target_modules=["q_proj", "v_proj", "up_proj"],
            init_lora_weights=False,
            task_type="CAUSAL_LM",
        )
        model = LlamaForCausalLM.from_pretrained(base, dtype=torch.float32)
        get_peft_model(model, wanted).save_pretrained(folder)
        return folder

    return make


@pytest.fixture(scope="session")
def adapter(
    make_adapter: Callable[[Path, int], Path], tmp_path_factory: pytest.TempPathFactory
) -> Path:
    """An adapter of `base` that changes what it says."""
    return make_adapter(tmp_path_factory.mktemp("adapters") / "an adapter", 1)


def _tokenizer() -> PreTrainedTokenizerFast:
    bytes_to_pieces = Tokenizer(models.BPE())
    bytes_to_pieces.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    bytes_to_pieces.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=512,
        special_tokens=["<pad>", "<s>", "</s>"],
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
    )
    bytes_to_pieces.train_from_iterator([TEXT] * 3, trainer)
    tokenizer = PreTrainedTokenizerFast(
        tokenizer_object=bytes_to_pieces, pad_token="<pad>", bos_token="<s>", eos_token="</s>"
    )
    tokenizer.chat_template = CHAT_TEMPLATE
    return tokenizer
