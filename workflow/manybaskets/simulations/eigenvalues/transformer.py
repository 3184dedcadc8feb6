"""A sequence-to-sequence transformer, its training, and decoding by sampling and beam search.

All questions have the same length; answers end with END or at a maximal length. The hypotheses for
one question share a row of the batch, so that the encoder runs once for all of them.
"""

import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional

from manybaskets.models.loading import compute_dtype
from manybaskets.simulations.eigenvalues.settings import Schedule, Shape

END = 0
IGNORED = -100
BATCH_HYPOTHESES = 16_384  # hypotheses in one batch of decoding


class Attention(nn.Module):  # type: ignore[misc]
    """Multi-head attention to precomputed keys and values."""

    def __init__(self, dimension: int, heads: int) -> None:
        super().__init__()
        self.heads = heads
        self.query = nn.Linear(dimension, dimension)
        self.keys = nn.Linear(dimension, 2 * dimension)
        self.out = nn.Linear(dimension, dimension)

    def keys_and_values(self, memory: Tensor) -> tuple[Tensor, Tensor]:
        """Returns keys and values of memory (batch, length, dimension).

        Both have the shape (batch, heads, length, head width).
        """
        keys, values = self.keys(memory).chunk(2, dim=-1)
        return self._split(keys), self._split(values)

    def forward(self, x: Tensor, keys: Tensor, values: Tensor, causal: bool = False) -> Tensor:
        """Returns the attention output for x, both of shape (batch, length, dimension)."""
        attended = functional.scaled_dot_product_attention(
            self._split(self.query(x)), keys, values, is_causal=causal
        )
        return self.out(attended.transpose(1, 2).flatten(2))

    def _split(self, x: Tensor) -> Tensor:
        return x.unflatten(-1, (self.heads, -1)).transpose(1, 2)


class Layer(nn.Module):  # type: ignore[misc]
    """A pre-norm layer: self-attention, cross-attention in a decoder, and a feed-forward network.

    The feed-forward network has four times the width.
    """

    def __init__(self, shape: Shape, decodes: bool) -> None:
        super().__init__()
        width = shape.dimension
        self.own_norm, self.own = nn.LayerNorm(width), Attention(width, shape.heads)
        self.decodes = decodes
        if decodes:
            self.cross_norm, self.cross = nn.LayerNorm(width), Attention(width, shape.heads)
        self.wide_norm = nn.LayerNorm(width)
        self.wide = nn.Sequential(
            nn.Linear(width, 4 * width), nn.GELU(), nn.Linear(4 * width, width)
        )

    def forward(self, x: Tensor, memory: tuple[Tensor, Tensor] | None = None) -> Tensor:
        """Returns the output at all positions; a decoder's self-attention is causal."""
        normed = self.own_norm(x)
        x = x + self.own(normed, *self.own.keys_and_values(normed), causal=self.decodes)
        if memory is not None:
            x = x + self.cross(self.cross_norm(x), *memory)
        return x + self.wide(self.wide_norm(x))


@dataclass
class Cache:
    """Keys and values of each decoder layer, for the question and for the tokens so far.

    Those of the tokens have the shape (batch, hypotheses, heads, length, head width).
    """

    question: list[tuple[Tensor, Tensor]]
    keys: list[Tensor]
    values: list[Tensor]
    length: int = 0

    def reorder(self, parents: Tensor) -> None:
        """Replaces the hypotheses by those with the given indices, (batch, hypotheses)."""
        rows = torch.arange(len(parents), device=parents.device)[:, None]
        self.keys = [keys[rows, parents] for keys in self.keys]
        self.values = [values[rows, parents] for values in self.values]


class Transformer(nn.Module):  # type: ignore[misc]
    """Encoder and decoder with learned positions and a shared embedding for input and output."""

    def __init__(self, shape: Shape) -> None:
        super().__init__()
        self.shape = shape
        width = shape.dimension
        self.embedding = nn.Embedding(shape.vocabulary, width)
        self.question_places = nn.Embedding(shape.question, width)
        self.answer_places = nn.Embedding(shape.answer, width)
        self.encoder = nn.ModuleList(Layer(shape, False) for _ in range(shape.encoder_layers))
        self.decoder = nn.ModuleList(Layer(shape, True) for _ in range(shape.decoder_layers))
        self.encoder_norm, self.decoder_norm = nn.LayerNorm(width), nn.LayerNorm(width)
        for embedding in (self.embedding, self.question_places, self.answer_places):
            nn.init.normal_(embedding.weight, std=width**-0.5)

    def encode(self, questions: Tensor) -> list[tuple[Tensor, Tensor]]:
        """Returns for each decoder layer the keys and values of questions (batch, length)."""
        x = self.embedding(questions) + self.question_places.weight[: questions.shape[1]]
        for layer in self.encoder:
            x = layer(x)
        x = self.encoder_norm(x)
        return [layer.cross.keys_and_values(x) for layer in self.decoder]

    def forward(self, questions: Tensor, answers: Tensor) -> Tensor:
        """Returns logits (batch, length, vocabulary) of the tokens of `answers` (batch, length).

        They are conditioned on the question and the preceding tokens.
        """
        memory = self.encode(questions)
        before = functional.pad(answers[:, :-1], (1, 0), value=END)
        x = self.embedding(before) + self.answer_places.weight[: before.shape[1]]
        for layer, of_question in zip(self.decoder, memory, strict=True):
            x = layer(x, of_question)
        return self._logits(x)

    def begin(self, questions: Tensor) -> Cache:
        """Returns a cache for one hypothesis per question."""
        heads = self.shape.heads
        empty = self.embedding.weight.new_zeros(
            len(questions), 1, heads, 0, self.shape.dimension // heads
        )
        layers = len(self.decoder)
        return Cache(self.encode(questions), [empty] * layers, [empty] * layers)

    def step(self, last: Tensor, cache: Cache) -> Tensor:
        """Returns logits of the next token, shape (batch, hypotheses, vocabulary).

        `last`, shape (batch, hypotheses), are the preceding tokens. The cache grows by one
        position.
        """
        batch, width = last.shape
        x = self.embedding(last) + self.answer_places.weight[cache.length]
        for number, layer in enumerate(self.decoder):
            separate = layer.own_norm(x).flatten(0, 1)[:, None]  # hypotheses as rows of a batch
            keys, values = (
                new.unflatten(0, (batch, width)) for new in layer.own.keys_and_values(separate)
            )
            cache.keys[number] = torch.cat([cache.keys[number].to(keys), keys], dim=3)
            cache.values[number] = torch.cat([cache.values[number].to(keys), values], dim=3)
            own = layer.own(
                separate, cache.keys[number].flatten(0, 1), cache.values[number].flatten(0, 1)
            )
            x = x + own.view(batch, width, -1)
            x = x + layer.cross(layer.cross_norm(x), *cache.question[number])
            x = x + layer.wide(layer.wide_norm(x))
        cache.length += 1
        return self._logits(x)

    def _logits(self, x: Tensor) -> Tensor:
        return functional.linear(self.decoder_norm(x), self.embedding.weight)


@dataclass(frozen=True)
class Answers:
    """Answers to questions, several for each.

    `tokens`, shape (questions, hypotheses, length), are padded with END; `log_probs`, shape
    (questions, hypotheses), are their log-probabilities in nats.
    """

    tokens: Tensor
    log_probs: Tensor

    @property
    def log_perplexity(self) -> Tensor:
        """Nats per token including the end token, shape (questions, hypotheses)."""
        length = self.tokens.shape[-1]
        ended = (self.tokens == END).int().cumsum(dim=-1) > 0
        return -self.log_probs / (length - ended.sum(dim=-1) + 1).clamp(max=length)


def sample(
    model: Transformer, questions: Tensor, width: int, temperature: float, seed: int
) -> Answers:
    """Returns `width` sampled answers to each question; greedy decoding at a temperature of 0.

    Every batch of questions has its own random generator, and the size of a batch depends on
    `width` only, so that the answers in a batch do not depend on other batches.
    """
    device = next(model.parameters()).device
    return _collected(
        _sample(
            model, part.to(device).long(), width, temperature,
            torch.Generator(device).manual_seed((seed + number) % 2**63),
        )
        for number, part in enumerate(_parts(questions, width))
    )  # fmt: skip


def _sample(
    model: Transformer, questions: Tensor, width: int, temperature: float, rng: torch.Generator
) -> Answers:
    with _precision(questions.device):
        cache = model.begin(questions)
        cache.reorder(questions.new_zeros(len(questions), width))
        last = questions.new_full((len(questions), width), END)
        ended = torch.zeros_like(last, dtype=torch.bool)
        total = torch.zeros(last.shape, device=last.device)
        tokens = []
        for _ in range(model.shape.answer):
            log_probs = model.step(last, cache).float().log_softmax(dim=-1)
            if temperature == 0:
                last = log_probs.argmax(dim=-1)
            else:
                last = _draw(log_probs / temperature, rng)
            last = last.masked_fill(ended, END)
            chosen = log_probs.gather(-1, last[..., None])[..., 0]
            total += chosen.masked_fill(ended, 0.0)
            ended |= last == END
            tokens.append(last)
        return Answers(torch.stack(tokens, dim=-1), total)


def _draw(logits: Tensor, rng: torch.Generator) -> Tensor:
    """Returns one token from each distribution (..., vocabulary), by inverting its CDF."""
    cumulative = logits.softmax(dim=-1).cumsum(dim=-1)
    uniform = torch.rand(logits.shape[:-1], generator=rng, device=logits.device)
    tokens = torch.searchsorted(cumulative, uniform[..., None] * cumulative[..., -1:], right=True)
    return tokens[..., 0].clamp(max=logits.shape[-1] - 1)


def beam(model: Transformer, questions: Tensor, width: int) -> Answers:
    """Returns the likeliest answers by beam search of `width`, the likeliest first.

    Ended hypotheses remain in the beam. If there are fewer than `width` sequences, the rest has a
    log-probability of minus infinity.
    """
    device = next(model.parameters()).device
    return _collected(
        _beam(model, part.to(device).long(), width) for part in _parts(questions, width)
    )  # fmt: skip


def _beam(model: Transformer, questions: Tensor, width: int) -> Answers:
    with _precision(questions.device):
        cache = model.begin(questions)
        batch, vocabulary = len(questions), model.shape.vocabulary
        tokens = questions.new_zeros(batch, 1, 0)
        last = questions.new_full((batch, 1), END)
        total = torch.zeros(last.shape, device=last.device)
        ended = torch.zeros_like(last, dtype=torch.bool)
        rows = torch.arange(batch, device=questions.device)[:, None]
        for _ in range(model.shape.answer):
            step = model.step(last, cache).float().log_softmax(dim=-1)
            step[ended] = -math.inf
            step[..., END].masked_fill_(ended, 0.0)
            # the best `width` overall are among the best `width` of each parent
            best, candidates = step.topk(min(width, vocabulary), dim=-1)
            scores = (total[..., None] + best).flatten(1)
            total, indices = scores.topk(min(width, scores.shape[1]), dim=-1)
            parents = indices // best.shape[-1]
            last = candidates.flatten(1).gather(1, indices)
            cache.reorder(parents)
            ended = ended[rows, parents] | (last == END)
            tokens = torch.cat([tokens[rows, parents], last[..., None]], dim=-1)
        missing = width - total.shape[1]
        return Answers(
            functional.pad(tokens, (0, 0, 0, missing), value=END),
            functional.pad(total, (0, missing), value=-math.inf),
        )


def _parts(questions: Tensor, width: int) -> Iterator[Tensor]:
    yield from questions.split(max(1, BATCH_HYPOTHESES // width))


def _collected(parts: Iterator[Answers]) -> Answers:
    with torch.inference_mode():
        batches = [(answers.tokens.cpu(), answers.log_probs.cpu()) for answers in parts]
    tokens, log_probs = zip(*batches, strict=True)
    return Answers(torch.cat(tokens), torch.cat(log_probs))


@dataclass(frozen=True)
class Rows:
    """Questions and their answers, both of shape (rows, length)."""

    questions: Tensor
    answers: Tensor

    def __len__(self) -> int:
        return len(self.questions)


def train(
    shape: Shape, rows: Rows, validation: Rows, schedule: Schedule, seed: int, device: str,
    report: Callable[[dict[str, Any]], None] = lambda _: None,
) -> tuple[Transformer, list[dict[str, Any]]]:  # fmt: skip
    """Returns the model with the lowest validation loss, and the training curve.

    Each point of the curve has the step, the mean training loss since the previous point, and the
    validation loss, in nats per token. `report` receives every point. Raises FloatingPointError
    if a loss is not finite.
    """
    torch.manual_seed(seed)
    model = Transformer(shape).to(device)
    optimizer = torch.optim.Adam(model.parameters(), lr=schedule.learning_rate, fused=True)
    rate = torch.optim.lr_scheduler.LambdaLR(optimizer, lambda step: _rate(step, schedule))
    on_device = Rows(rows.questions.to(device), rows.answers.to(device))
    best, best_weights, curve = math.inf, {}, []
    losses = []
    for step, chosen in enumerate(_batches(len(rows), schedule, seed), start=1):
        model.train()
        part = chosen.to(device)
        with _precision(part.device):
            loss = _loss(model, on_device.questions[part], on_device.answers[part])
        optimizer.zero_grad(set_to_none=True)
        loss.backward()
        nn.utils.clip_grad_norm_(model.parameters(), 5.0)
        optimizer.step()
        rate.step()
        losses.append(loss.detach())
        if step % schedule.eval_steps and step != schedule.steps:
            continue
        current = validation_loss(model, validation)
        mean = float(torch.stack(losses).mean())
        if not math.isfinite(mean + current):
            raise FloatingPointError(f"the loss is {mean} after {step} steps; lower the rate")
        curve.append({"step": step, "loss": round(mean, 5), "validation": round(current, 5)})
        report(curve[-1])
        losses = []
        if current < best:
            best = current
            best_weights = {name: w.detach().clone() for name, w in model.state_dict().items()}
    model.load_state_dict(best_weights)
    return model.eval(), curve


def validation_loss(model: Transformer, rows: Rows) -> float:
    """Returns the mean cross-entropy of the answers, in nats per token."""
    device = next(model.parameters()).device
    model.eval()
    total, count = 0.0, 0
    for questions, answers in zip(
        rows.questions.split(2048), rows.answers.split(2048), strict=True
    ):
        with torch.inference_mode(), _precision(device):
            loss = _loss(model, questions.to(device), answers.to(device))
        tokens = int((_targets(answers) != IGNORED).sum())
        total, count = total + float(loss) * tokens, count + tokens
    return total / count


def _loss(model: Transformer, questions: Tensor, answers: Tensor) -> Tensor:
    answers = answers.long()  # rows may be stored as smaller integers
    logits = model(questions.long(), answers).flatten(0, 1).float()
    return functional.cross_entropy(logits, _targets(answers).flatten(), ignore_index=IGNORED)


def _targets(answers: Tensor) -> Tensor:
    """Returns the answers with all tokens after the first END masked."""
    after = ((answers == END).int().cumsum(dim=-1) - (answers == END).int()) > 0
    return answers.masked_fill(after, IGNORED)


def _batches(count: int, schedule: Schedule, seed: int) -> Iterator[Tensor]:
    """Yields `steps` batches of row indices, from passes over all rows in random orders."""
    rng = torch.Generator().manual_seed(seed)
    order = torch.empty(0, dtype=torch.int64)
    for _ in range(schedule.steps):
        while len(order) < schedule.batch_size:
            order = torch.cat([order, torch.randperm(count, generator=rng)])
        chosen, order = order[: schedule.batch_size], order[schedule.batch_size :]
        yield chosen


def _rate(step: int, schedule: Schedule) -> float:
    if step < schedule.warmup_steps:
        return (step + 1) / schedule.warmup_steps
    progress = (step - schedule.warmup_steps) / max(1, schedule.steps - schedule.warmup_steps)
    return 0.1 + 0.45 * (1 + math.cos(math.pi * min(progress, 1.0)))


def _precision(device: torch.device) -> Any:
    """Returns a context in which a GPU computes in bfloat16, if it has it, and a CPU in float32."""
    has_bfloat16 = compute_dtype(device.type) == torch.bfloat16
    return torch.autocast("cuda", torch.bfloat16, enabled=has_bfloat16)
