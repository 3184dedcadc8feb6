"""Greedy coordinate gradient (Zou et al. 2023): a suffix that makes a model begin to comply.

For one request, the tokens of a suffix are changed one at a time so that the beginning of a reply
that complies becomes likelier. Runs on any causal model of transformers, on a CPU or a GPU. The
part of the prompt before the suffix is read once (prefix cache), candidates are tried in batches.
"""

import copy
import inspect
import random
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import torch

_MARK = "\u2603suffix\u2603"  # placeholder of the suffix while the template is rendered
_FIRST = " !"
_TRIES = 200  # draws of a random suffix before giving up on one that the tokenizer keeps


@dataclass(frozen=True)
class Settings:
    """The size of the search: steps, suffix tokens, and candidates and top tokens per step."""

    steps: int = 100
    suffix_tokens: int = 16
    candidates: int = 64
    top_k: int = 64


@dataclass(frozen=True)
class Suffix:
    """A suffix as text, to be appended to the request.

    `loss` is the mean negative log-likelihood of the target's tokens in nats, `initial_loss` that
    of the first suffix; `losses` contains that of the best candidate of every step.
    """

    text: str
    loss: float
    initial_loss: float
    losses: tuple[float, ...] = ()


class _Problem:
    """One request and target as tokens, and the losses of suffixes between them."""

    def __init__(self, model: Any, tokenizer: Any, request: str, target: str) -> None:
        import torch

        self.model, self.tokenizer, self.device = model, tokenizer, model.device
        rendered = tokenizer.apply_chat_template(
            [{"role": "user", "content": request + _MARK}],
            tokenize=False,
            add_generation_prompt=True,
        )
        if rendered.count(_MARK) != 1:
            raise ValueError("the chat template does not render the user's text as it is.")
        self.texts = rendered.split(_MARK)
        self.before, self.after = (self._ids(text) for text in self.texts)
        self.target = self._ids(target)
        self.embeddings = model.get_input_embeddings().weight
        self.keeps = "logits_to_keep" in inspect.signature(model.forward).parameters
        with torch.no_grad():
            self.cache = model(
                input_ids=torch.tensor([self.before], device=self.device), use_cache=True
            ).past_key_values

    def _ids(self, text: str) -> list[int]:
        return list(self.tokenizer(text, add_special_tokens=False)["input_ids"])

    def kept(self, suffixes: Sequence[Sequence[int]]) -> list[list[int]]:
        """Returns the suffixes that are tokenised to the same tokens within the prompt."""
        texts = self.tokenizer.batch_decode(suffixes, clean_up_tokenization_spaces=False)
        if not texts:
            return []
        whole = [text.join(self.texts) for text in texts]
        read = self.tokenizer(whole, add_special_tokens=False)["input_ids"]
        return [
            list(suffix)
            for suffix, ids in zip(suffixes, read, strict=True)
            if list(ids) == [*self.before, *suffix, *self.after]
        ]

    def losses(self, suffixes: "torch.Tensor") -> "torch.Tensor":
        """Returns losses of shape (batch,) after suffixes of shape (batch, tokens).

        A loss is the mean negative log-likelihood of the target's tokens, in nats.
        """
        import torch

        rest = torch.tensor(self.after + self.target, device=self.device)
        with torch.inference_mode():
            ids = torch.cat([suffixes, rest.expand(len(suffixes), -1)], dim=1)
            return self._loss(self.model, len(suffixes), input_ids=ids)

    def batched_losses(self, suffixes: "torch.Tensor") -> "torch.Tensor":
        """Returns the same losses, computed in batches as large as the device's memory allows."""
        import torch

        size = len(suffixes)
        while True:
            try:
                return torch.cat([self.losses(part) for part in suffixes.split(size)])
            except torch.OutOfMemoryError:
                if size == 1:
                    raise
                size = (size + 1) // 2
                torch.cuda.empty_cache()

    def gradient(self, suffix: "torch.Tensor") -> "torch.Tensor":
        """Returns the gradient by a suffix's one-hot tokens, shape (tokens, vocabulary)."""
        import torch

        one_hot = torch.nn.functional.one_hot(suffix, len(self.embeddings))
        one_hot = one_hot.to(self.embeddings.dtype).requires_grad_()
        rest = torch.tensor(self.after + self.target, device=self.device)
        embedded = torch.cat([one_hot @ self.embeddings, self.embeddings[rest]]).unsqueeze(0)
        loss = self._loss(self.model, 1, inputs_embeds=embedded).sum()
        return torch.autograd.grad(loss, one_hot)[0]

    def _loss(self, model: Any, batch: int, **inputs: Any) -> "torch.Tensor":
        import torch

        cache = copy.deepcopy(self.cache)  # the model appends to it
        if batch > 1:
            cache.batch_repeat_interleave(batch)
        size = len(self.target)
        keep = {"logits_to_keep": size + 1} if self.keeps else {}
        logits = model(**inputs, past_key_values=cache, use_cache=True, **keep).logits
        logits = logits[:, -size - 1 : -1].float()
        target = torch.tensor(self.target, device=self.device).expand(batch, -1)
        losses = torch.nn.functional.cross_entropy(
            logits.reshape(-1, logits.shape[-1]), target.flatten(), reduction="none"
        ).view(batch, size)
        return losses.mean(dim=1)


def optimise(
    model: Any, tokenizer: Any, request: str, target: str, settings: Settings, seed: int
) -> Suffix:
    """Returns the best suffix of all steps.

    The same seed gives the same suffix on one kind of machine.

    Raises ValueError for a template that does not render the request unchanged, and for a tokenizer
    under which no first suffix keeps its tokens.
    """
    import torch

    rng = random.Random(seed)
    problem = _Problem(model, tokenizer, request, target)
    allowed = _allowed(tokenizer, len(problem.embeddings)).to(model.device)
    suffix = _first(problem, settings.suffix_tokens, allowed, rng)
    initial = float(problem.losses(suffix.unsqueeze(0))[0])
    best, best_loss = suffix, initial
    losses: list[float] = []
    for _ in range(settings.steps):
        gradient = problem.gradient(suffix)
        gradient[:, ~allowed] = float("inf")
        top = (-gradient).topk(min(settings.top_k, int(allowed.sum())), dim=1).indices.tolist()
        candidates = problem.kept(_changed(suffix.tolist(), top, settings.candidates, rng))
        if not candidates:
            losses.append(losses[-1] if losses else initial)
            continue
        batch = torch.tensor(candidates, device=model.device)
        batch_losses = problem.batched_losses(batch)
        place = int(batch_losses.argmin())
        suffix = batch[place]
        losses.append(float(batch_losses[place]))
        if losses[-1] < best_loss:
            best, best_loss = suffix, losses[-1]
    text = tokenizer.decode(best, clean_up_tokenization_spaces=False)
    return Suffix(text, best_loss, initial, tuple(losses))


def random_suffix(
    model: Any, tokenizer: Any, request: str, target: str, settings: Settings, seed: int
) -> Suffix:
    """Returns a suffix of random tokens: the control for the effect of any suffix of its length."""
    rng = random.Random(seed)
    problem = _Problem(model, tokenizer, request, target)
    allowed = _allowed(tokenizer, len(problem.embeddings))
    suffix = _random(problem, settings.suffix_tokens, allowed, rng).to(model.device)
    loss = float(problem.losses(suffix.unsqueeze(0))[0])
    return Suffix(tokenizer.decode(suffix, clean_up_tokenization_spaces=False), loss, loss)


def _changed(
    suffix: list[int], top: list[list[int]], count: int, rng: random.Random
) -> list[list[int]]:
    """Returns up to `count` different suffixes, each with one token replaced by a `top` one."""
    variants = {}
    for _ in range(count):
        place = rng.randrange(len(suffix))
        token = rng.choice(top[place])
        if token != suffix[place]:
            changed = [*suffix[:place], token, *suffix[place + 1 :]]
            variants[tuple(changed)] = changed
    return list(variants.values())


def _allowed(tokenizer: Any, vocabulary: int) -> "torch.Tensor":
    """Returns a mask of shape (vocabulary,): printable ASCII that is tokenised to itself."""
    import torch

    allowed = torch.zeros(vocabulary, dtype=torch.bool)
    ids = sorted(set(range(min(vocabulary, len(tokenizer)))) - set(tokenizer.all_special_ids))
    texts = tokenizer.batch_decode([[i] for i in ids], clean_up_tokenization_spaces=False)
    read = tokenizer(texts, add_special_tokens=False)["input_ids"]
    for i, text, back in zip(ids, texts, read, strict=True):
        allowed[i] = text.isascii() and text.isprintable() and text != "" and list(back) == [i]
    return allowed


def _first(
    problem: _Problem, tokens: int, allowed: "torch.Tensor", rng: random.Random
) -> "torch.Tensor":
    import torch

    ids = problem._ids(_FIRST * tokens)[:tokens]
    if len(ids) == tokens and problem.kept([ids]):
        return torch.tensor(ids, device=problem.device)
    return _random(problem, tokens, allowed.cpu(), rng).to(problem.device)


def _random(
    problem: _Problem, tokens: int, allowed: "torch.Tensor", rng: random.Random
) -> "torch.Tensor":
    import torch

    known = allowed.nonzero().flatten().tolist()
    for _ in range(_TRIES):
        drawn = [[rng.choice(known) for _ in range(tokens)] for _ in range(64)]
        if stable := problem.kept(drawn):
            return torch.tensor(stable[0])
    raise ValueError(
        f"no random suffix of {tokens} tokens reads back as the same tokens. Use fewer "
        "(gcg.suffix_tokens)."
    )
