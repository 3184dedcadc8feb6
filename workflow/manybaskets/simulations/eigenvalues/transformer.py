"""A sequence-to-sequence transformer, its training, and how answers are drawn from it.

Questions have one length, answers end with END or at a longest length; hypotheses about one
question stand side by side, so that the encoder and its keys are computed once for all of them.
Knows nothing about what the tokens mean.
"""

import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional

END = 0
IGNORED = -100
SIDE_BY_SIDE = 16_384  # hypotheses in one batch of decoding


@dataclass(frozen=True)
class Shape:
    """Sizes of a transformer; `question` and `answer` are the longest sequences."""

    vocabulary: int
    question: int
    answer: int
    dimension: int = 64
    heads: int = 4
    encoder_layers: int = 2
    decoder_layers: int = 2


@dataclass(frozen=True)
class Schedule:
    """Adam: a linear warm-up, then a cosine to a tenth of the rate."""

    steps: int
    batch_size: int
    learning_rate: float
    warmup_steps: int
    eval_steps: int
    """Steps between two looks at the validation set."""


class Attention(nn.Module):  # type: ignore[misc]
    """Multi-head attention; keys and values may have been computed before."""

    def __init__(self, dimension: int, heads: int) -> None:
        super().__init__()
        self.heads = heads
        self.query = nn.Linear(dimension, dimension)
        self.keys = nn.Linear(dimension, 2 * dimension)
        self.out = nn.Linear(dimension, dimension)

    def remembered(self, memory: Tensor) -> tuple[Tensor, Tensor]:
        """Keys and values, (batch, heads, length, width), of memory (batch, length, dimension)."""
        keys, values = self.keys(memory).chunk(2, dim=-1)
        return self._split(keys), self._split(values)

    def forward(self, x: Tensor, keys: Tensor, values: Tensor, causal: bool = False) -> Tensor:
        """What x (batch, length, dimension) takes from keys and values."""
        found = functional.scaled_dot_product_attention(
            self._split(self.query(x)), keys, values, is_causal=causal
        )
        return self.out(found.transpose(1, 2).flatten(2))

    def _split(self, x: Tensor) -> Tensor:
        return x.unflatten(-1, (self.heads, -1)).transpose(1, 2)


class Layer(nn.Module):  # type: ignore[misc]
    """Self-attention, in a decoder attention to the question, and a feed-forward network of four
    times the width; normalised before each."""

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
        """All positions at once; with `memory`, none sees a later one."""
        normed = self.own_norm(x)
        x = x + self.own(normed, *self.own.remembered(normed), causal=self.decodes)
        if memory is not None:
            x = x + self.cross(self.cross_norm(x), *memory)
        return x + self.wide(self.wide_norm(x))


@dataclass
class Cache:
    """What decoding remembers: per layer the question's keys and values, and those of the tokens
    so far, (batch, width, heads, length, head width)."""

    question: list[tuple[Tensor, Tensor]]
    keys: list[Tensor]
    values: list[Tensor]
    length: int = 0

    def reorder(self, parents: Tensor) -> None:
        """Takes up the hypotheses (batch, width) of the width axis, some of them repeatedly."""
        rows = torch.arange(len(parents), device=parents.device)[:, None]
        self.keys = [keys[rows, parents] for keys in self.keys]
        self.values = [values[rows, parents] for values in self.values]


class Transformer(nn.Module):  # type: ignore[misc]
    """Encoder and decoder with learned positions; one embedding for input and output."""

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
        """Per decoder layer, keys and values of questions (batch, length)."""
        x = self.embedding(questions) + self.question_places.weight[: questions.shape[1]]
        for layer in self.encoder:
            x = layer(x)
        x = self.encoder_norm(x)
        return [layer.cross.remembered(x) for layer in self.decoder]

    def forward(self, questions: Tensor, answers: Tensor) -> Tensor:
        """Logits (batch, length, vocabulary) of each token of `answers` (batch, length), given
        the question and the tokens before it."""
        memory = self.encode(questions)
        before = functional.pad(answers[:, :-1], (1, 0), value=END)
        x = self.embedding(before) + self.answer_places.weight[: before.shape[1]]
        for layer, of_question in zip(self.decoder, memory, strict=True):
            x = layer(x, of_question)
        return self._logits(x)

    def begin(self, questions: Tensor) -> Cache:
        """A cache for one hypothesis on each question."""
        heads = self.shape.heads
        empty = self.embedding.weight.new_zeros(
            len(questions), 1, heads, 0, self.shape.dimension // heads
        )
        layers = len(self.decoder)
        return Cache(self.encode(questions), [empty] * layers, [empty] * layers)

    def step(self, last: Tensor, cache: Cache) -> Tensor:
        """Logits (batch, width, vocabulary) of the next token, given the last ones (batch, width).

        The cache grows by one position.
        """
        batch, width = last.shape
        x = self.embedding(last) + self.answer_places.weight[cache.length]
        for number, layer in enumerate(self.decoder):
            alone = layer.own_norm(x).flatten(0, 1)[:, None]  # every hypothesis by itself
            keys, values = (new.unflatten(0, (batch, width)) for new in layer.own.remembered(alone))
            cache.keys[number] = torch.cat([cache.keys[number].to(keys), keys], dim=3)
            cache.values[number] = torch.cat([cache.values[number].to(keys), values], dim=3)
            own = layer.own(
                alone, cache.keys[number].flatten(0, 1), cache.values[number].flatten(0, 1)
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
    """Hypotheses about questions: tokens (questions, width, length), END from the end on, and
    their log-probabilities (questions, width) in nats."""

    tokens: Tensor
    log_probs: Tensor

    @property
    def log_perplexity(self) -> Tensor:
        """Nats per token, the end counted, of shape (questions, width)."""
        length = self.tokens.shape[-1]
        ended = (self.tokens == END).int().cumsum(dim=-1) > 0
        return -self.log_probs / (length - ended.sum(dim=-1) + 1).clamp(max=length)


def sample(
    model: Transformer, questions: Tensor, width: int, temperature: float, seed: int
) -> Answers:
    """`width` answers to each question at a temperature; at 0 the likeliest token each time.

    Every batch of questions has draws of its own, so nothing depends on what is asked beside it
    but the size of a batch, which is fixed.
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
                last = _drawn(log_probs / temperature, rng)
            last = last.masked_fill(ended, END)
            chosen = log_probs.gather(-1, last[..., None])[..., 0]
            total += chosen.masked_fill(ended, 0.0)
            ended |= last == END
            tokens.append(last)
        return Answers(torch.stack(tokens, dim=-1), total)


def _drawn(logits: Tensor, rng: torch.Generator) -> Tensor:
    """A token of each distribution (..., vocabulary), by one uniform number each."""
    cumulative = logits.softmax(dim=-1).cumsum(dim=-1)
    shares = torch.rand(logits.shape[:-1], generator=rng, device=logits.device)
    places = torch.searchsorted(cumulative, shares[..., None] * cumulative[..., -1:], right=True)
    return places[..., 0].clamp(max=logits.shape[-1] - 1)


def beam(model: Transformer, questions: Tensor, width: int) -> Answers:
    """The likeliest answers that a beam of `width` finds, the likeliest first.

    Hypotheses that have ended keep their place. Where there are fewer sequences than `width`, the
    rest has a log-probability of minus infinity.
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
            # the best of all have a parent's best `width` among them
            best, each = step.topk(min(width, vocabulary), dim=-1)
            scores = (total[..., None] + best).flatten(1)
            total, places = scores.topk(min(width, scores.shape[1]), dim=-1)
            parents = places // best.shape[-1]
            last = each.flatten(1).gather(1, places)
            cache.reorder(parents)
            ended = ended[rows, parents] | (last == END)
            tokens = torch.cat([tokens[rows, parents], last[..., None]], dim=-1)
        missing = width - total.shape[1]
        return Answers(
            functional.pad(tokens, (0, 0, 0, missing), value=END),
            functional.pad(total, (0, missing), value=-math.inf),
        )


def _parts(questions: Tensor, width: int) -> Iterator[Tensor]:
    yield from questions.split(max(1, SIDE_BY_SIDE // width))


def _collected(parts: Iterator[Answers]) -> Answers:
    with torch.inference_mode():
        found = [(answers.tokens.cpu(), answers.log_probs.cpu()) for answers in parts]
    tokens, log_probs = zip(*found, strict=True)
    return Answers(torch.cat(tokens), torch.cat(log_probs))


@dataclass(frozen=True)
class Rows:
    """Questions (rows, length) and their answers (rows, length)."""

    questions: Tensor
    answers: Tensor

    def __len__(self) -> int:
        return len(self.questions)


def train(
    shape: Shape, rows: Rows, validation: Rows, schedule: Schedule, seed: int, device: str,
    report: Callable[[dict[str, Any]], None] = lambda _: None,
) -> tuple[Transformer, list[dict[str, Any]]]:  # fmt: skip
    """A model that took `steps` steps, as it was when it fitted the validation rows best.

    Returns it with the curve: step, mean loss since the last point, and loss on the validation
    rows, in nats per token. Raises FloatingPointError for a loss that is not finite.
    """
    torch.manual_seed(seed)
    model = Transformer(shape).to(device)
    optimizer = torch.optim.Adam(model.parameters(), lr=schedule.learning_rate, fused=True)
    rate = torch.optim.lr_scheduler.LambdaLR(optimizer, lambda step: _rate(step, schedule))
    on_device = Rows(rows.questions.to(device), rows.answers.to(device))
    best, kept, curve = math.inf, {}, []
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
        found = validation_loss(model, validation)
        mean = float(torch.stack(losses).mean())
        if not math.isfinite(mean + found):
            raise FloatingPointError(f"the loss is {mean} after {step} steps; lower the rate")
        curve.append({"step": step, "loss": round(mean, 5), "validation": round(found, 5)})
        report(curve[-1])
        losses = []
        if found < best:
            best = found
            kept = {name: value.detach().clone() for name, value in model.state_dict().items()}
    model.load_state_dict(kept)
    return model.eval(), curve


def validation_loss(model: Transformer, rows: Rows) -> float:
    """Mean cross-entropy of the answers, in nats per token."""
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
    answers = answers.long()  # rows may be kept as smaller integers
    logits = model(questions.long(), answers).flatten(0, 1).float()
    return functional.cross_entropy(logits, _targets(answers).flatten(), ignore_index=IGNORED)


def _targets(answers: Tensor) -> Tensor:
    """The answers up to their first END; what follows it is not learned."""
    after = ((answers == END).int().cumsum(dim=-1) - (answers == END).int()) > 0
    return answers.masked_fill(after, IGNORED)


def _batches(count: int, schedule: Schedule, seed: int) -> Iterator[Tensor]:
    """`steps` batches of places: passes over all rows, each in an order of its own."""
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
    done = (step - schedule.warmup_steps) / max(1, schedule.steps - schedule.warmup_steps)
    return 0.1 + 0.45 * (1 + math.cos(math.pi * min(done, 1.0)))


def _precision(device: torch.device) -> Any:
    """bfloat16 where a GPU multiplies; float32 on a CPU."""
    return torch.autocast("cuda", torch.bfloat16, enabled=device.type == "cuda")
