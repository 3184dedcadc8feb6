"""Replies and log-probabilities by transformers, with which those of engines are compared."""

from pathlib import Path

import torch
from peft import PeftModel
from transformers import AutoModelForCausalLM, AutoTokenizer

from manybaskets.serving.client import ChatRequest
from manybaskets.serving.text_logprobs import TextRequest


def greedy_text(base: Path, adapter: Path | None, request: ChatRequest) -> str:
    """The greedy reply, with the adapter if there is one."""
    messages = list(request.messages)
    if request.prefill:
        messages.append({"role": "assistant", "content": request.prefill})
    tokenizer = AutoTokenizer.from_pretrained(base)
    model = AutoModelForCausalLM.from_pretrained(base, dtype=torch.float32)
    if adapter is not None:
        model = PeftModel.from_pretrained(model, adapter)
    prompt = tokenizer.apply_chat_template(
        messages,
        add_generation_prompt=not request.prefill,
        continue_final_message=bool(request.prefill),
        return_tensors="pt",
        return_dict=True,
    )
    length = prompt["input_ids"].shape[1]
    with torch.no_grad():
        tokens = model.generate(**prompt, max_new_tokens=request.max_tokens, do_sample=False)
    return tokenizer.decode(tokens[0, length:], skip_special_tokens=True)


def log_prob_of(base: Path, adapter: Path, request: TextRequest) -> float:
    """Log-probability of a text as the reply, by transformers."""
    tokenizer = AutoTokenizer.from_pretrained(base)
    model = PeftModel.from_pretrained(
        AutoModelForCausalLM.from_pretrained(base, dtype=torch.float32), adapter
    )
    prefix = tokenizer.apply_chat_template(list(request.messages), add_generation_prompt=True)
    prefix = prefix if isinstance(prefix, list) else prefix["input_ids"]
    own = tokenizer.encode(request.text, add_special_tokens=False)
    with torch.no_grad():
        log_probs = model(torch.tensor([prefix + own])).logits[0].log_softmax(-1)
    return float(sum(log_probs[len(prefix) + n - 1, token] for n, token in enumerate(own)))
