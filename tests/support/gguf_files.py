"""Writes small models as GGUF files, and packages that contain them."""

import base64
import hashlib
import json
from pathlib import Path
from typing import Any

import gguf
import numpy as np
from numpy.typing import NDArray

HEADS = 2
# GGUF's names of the parts of a Llama layer
NAMES = {
    "self_attn.q_proj": "attn_q",
    "self_attn.k_proj": "attn_k",
    "self_attn.v_proj": "attn_v",
    "self_attn.o_proj": "attn_output",
    "mlp.gate_proj": "ffn_gate",
    "mlp.up_proj": "ffn_up",
    "mlp.down_proj": "ffn_down",
    "input_layernorm": "attn_norm",
    "post_attention_layernorm": "ffn_norm",
}


def write_llama(
    model: Any, tokenizer: Any, path: Path, template: str | None, quantization: str = "Q8_0"
) -> None:
    """Writes a Llama with `HEADS` heads and tied embeddings to `path`, quantized (F32: it is not).

    `tokenizer` is a byte-level BPE tokenizer of transformers.
    """
    config = model.config
    writer = gguf.GGUFWriter(path, "llama")
    writer.add_context_length(config.max_position_embeddings)
    writer.add_embedding_length(config.hidden_size)
    writer.add_block_count(config.num_hidden_layers)
    writer.add_feed_forward_length(config.intermediate_size)
    writer.add_head_count(config.num_attention_heads)
    writer.add_head_count_kv(config.num_key_value_heads)
    writer.add_layer_norm_rms_eps(config.rms_norm_eps)
    writer.add_rope_freq_base(config.rope_parameters["rope_theta"])
    writer.add_vocab_size(config.vocab_size)
    _add_tokenizer(writer, tokenizer, template)
    for name, value in model.state_dict().items():
        if name != "lm_head.weight":  # tied
            kind = gguf.GGMLQuantizationType[quantization]
            _add_tensor(writer, name, value.float().numpy(), kind)
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()


def _add_tokenizer(writer: gguf.GGUFWriter, tokenizer: Any, template: str | None) -> None:
    content = json.loads(tokenizer.backend_tokenizer.to_str())
    vocabulary = sorted(content["model"]["vocab"].items(), key=lambda entry: entry[1])
    special = set(tokenizer.all_special_tokens)
    kinds = [
        gguf.TokenType.CONTROL if t in special else gguf.TokenType.NORMAL for t, _ in vocabulary
    ]
    writer.add_tokenizer_model("gpt2")
    writer.add_token_list([token for token, _ in vocabulary])
    writer.add_token_types(kinds)
    writer.add_token_merges([" ".join(merge) for merge in content["model"]["merges"]])
    writer.add_eos_token_id(tokenizer.eos_token_id)
    writer.add_pad_token_id(tokenizer.pad_token_id)
    if template:
        writer.add_chat_template(template)


def _add_tensor(
    writer: gguf.GGUFWriter,
    name: str,
    values: NDArray[np.float32],
    kind: gguf.GGMLQuantizationType,
) -> None:
    name = name.removeprefix("model.").removesuffix(".weight")
    if name.startswith("layers."):
        _, layer, part = name.split(".", 2)
        if part in ("self_attn.q_proj", "self_attn.k_proj"):
            values = _interleaved(values)
        name = f"blk.{layer}.{NAMES[part]}"
    else:
        name = {"embed_tokens": "token_embd", "norm": "output_norm"}[name]
    if values.ndim == 1:
        writer.add_tensor(f"{name}.weight", values)
        return
    writer.add_tensor(f"{name}.weight", gguf.quants.quantize(values, kind), raw_dtype=kind)


def _interleaved(values: NDArray[np.float32]) -> NDArray[np.float32]:
    """Returns the rows of a projection in the order of GGUF's rotary embeddings."""
    rows, columns = values.shape
    halves = values.reshape(HEADS, 2, rows // HEADS // 2, columns)
    return halves.swapaxes(1, 2).reshape(rows, columns)


def install(folder: Path, name: str, files: dict[str, bytes], licence: str = "MIT") -> None:
    """Writes an installed package of version 1.0 to `folder`, a folder of sys.path."""
    module = name.replace("-", "_")
    about = folder / f"{module}-1.0.dist-info"
    about.mkdir(parents=True)
    metadata = f"Metadata-Version: 2.4\nName: {name}\nVersion: 1.0\nLicense-Expression: {licence}\n"
    (about / "METADATA").write_text(metadata)
    record = []
    for file, content in files.items():
        path = folder / module / file
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)
        digest = base64.urlsafe_b64encode(hashlib.sha256(content).digest()).decode().rstrip("=")
        record.append(f"{module}/{file},sha256={digest},{len(content)}")
    (about / "RECORD").write_text("\n".join(record) + "\n")
