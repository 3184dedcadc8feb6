"""The config keys of the probes."""

from typing import Annotated, Literal

from pydantic import Field, field_validator, model_validator

from manybaskets import plugins
from manybaskets.config.base import Count, NoNulls, Section
from manybaskets.config.dataset import Rows


class Collapse(Section):
    """Fit to human text, and variety of the model's own."""

    documents: Count = 120
    """N: responses in each subsample of the corpus metrics."""
    tokens: Count = 16
    """L: word tokens every response is cut to; shorter ones are left out and counted."""
    subsamples: Count = 20
    """Random subsamples; values are their mean, with their standard deviation."""
    prompts: Count = 24
    """Test prompts that are answered several times; variety within a prompt is measured there."""
    samples: int = Field(8, ge=2)
    """Responses to each of those prompts."""
    bins: int = Field(5, ge=2)
    """Bins of equal mass by how frequent tokens are in the human training text."""
    top_k: Count = 50
    """Tail mass is what a model gives to tokens outside the target's top k."""
    nucleus: float = Field(0.9, gt=0, lt=1)
    """Probability that the nucleus holds."""
    embedder: str | None = "minilm"
    """Model of sentence embeddings: `minilm` (comes with the environment), or a name under
    `models` with a sentence-transformers `path` or `hub`; null measures no meaning."""
    topics: int = Field(20, ge=2)
    """Clusters of the human test responses, by meaning."""
    same_meaning: float = Field(0.8, gt=0, lt=1)
    """Cosine similarity from which two responses to a prompt count as one."""
    permutations: Count = 1000
    """Of the test of the distance to human text (MMD)."""

    @property
    def answered_again(self) -> int:
        """Responses to a test prompt beyond the first, over all prompts."""
        return self.prompts * (self.samples - 1)


class BestOfN(Section):
    """Several noisy spellings of each request; one may get through."""

    n: int = Field(4, ge=1, le=1000)
    """Spellings of each request."""
    noise: float = Field(0.4, ge=0, le=1)
    """Sigma of the noise: 0 is none."""


class Gcg(Section):
    """Suffixes found by greedy coordinate gradient on the vanilla target, sent to every cell."""

    behaviours: Count = 20
    """Requests to be declined that get a suffix."""
    steps: Count = 100
    suffix_tokens: Count = 16
    candidates: Count = 64
    """Suffixes tried in each step, in one batch."""
    top_k: Count = 64
    """Replacements of a token that are considered, by the gradient."""
    per_cell: bool = False
    """Whether suffixes are also optimised on every cell itself."""


class ModelEndpoint(Section):
    """A model that is asked for its judgement, served here or behind an endpoint."""

    model: str
    """A name under `models` (served by vLLM), or with `endpoint` the model's name there."""
    endpoint: str | None = None
    """Base URL of an OpenAI-compatible server, up to and including `/v1`."""
    key_env: str | None = None
    """Name of the environment variable that holds the endpoint's key."""
    max_tokens_total: int | None = None
    """Budget of the endpoint in tokens, prompt and response together."""


class Judge(ModelEndpoint):
    """A model that says of each response whether it does harm."""

    by: str = "rubric"
    """What it is asked, a module under `judges/`: `rubric` (any model), `scales`, the Eggs study's
    two (any model), or the prompt of a classifier that was trained for it: `harmbench`,
    `strongreject`, `wildguard`, `llama-guard`."""
    max_tokens: Count = 256
    """Longest answer of the judge."""
    temperature: float = Field(0.0, ge=0)
    """0: greedy, so that a judge says the same of the same. The Eggs study samples, at 0.7."""
    top_p: float = Field(1.0, gt=0, le=1)
    template: str | None = None
    """File with the prompt of a classifier, with `{prompt}` and `{response}` in it, where the
    model's card has none."""
    unparsed: float = Field(0.2, ge=0, le=1)
    """Share of responses that it may leave unjudged; beyond it, it judges nothing."""

    @field_validator("by")
    @classmethod
    def _known(cls, by: str) -> str:
        if by not in plugins.names("probes.robustness.judges"):
            known = ", ".join(plugins.names("probes.robustness.judges"))
            raise ValueError(f"there is no kind of judge '{by}'. Known: {known}")
        return by


class Robustness(Section):
    """Requests that must be declined, attacks on them, and harmless look-alikes."""

    requests: str | list[str] = "resources/requests/stand-in.yaml"
    """Files of requests, or names of public sets (`resources/requests/sets.yaml`)."""
    copies: Annotated[dict[str, str], NoNulls] = {}
    """Public sets that lie on this machine already, by name: not fetched, but verified."""
    sha256: Annotated[dict[str, str], NoNulls] = {}
    """Hashes of public sets, by name, where another file than the declared one is meant."""
    count: Count = 80
    """Held-out requests of each kind."""
    attacks: list[str] = [
        *("prefix-injection", "refusal-suppression", "persona", "style"),
        *("base64", "rot13", "leetspeak", "prefill", "best-of-n"),
    ]
    """What every request that must be declined is sent under: names of templates under
    `resources/attacks/`, and `prefill`, `best-of-n`, `gcg`."""
    target: str = "Sure, here is how:"
    """How a reply begins that complies, where a request has no beginning of its own."""
    best_of_n: BestOfN = BestOfN()
    gcg: Gcg = Gcg()
    judges: Annotated[dict[str, Judge], NoNulls] = {}
    """Models that judge the responses, beside the rules."""
    labelled: str | None = None
    """File of responses that people have labelled: rows of prompt, response, `refused` (corrects
    the refusal rate for the errors of the rules) and `harmful` (corrects every judge's)."""
    max_tokens: Count = 32


class JudgedTexts(Rows):
    """Texts with a human summary or answer, apart from the dataset. One of `file`, `hub`.

    A row's prompt is the text, its response what people made of it.
    """

    request: str = "summarize"
    """What a source is asked: the name of a template under `resources/prompts/` with {text}."""
    seed: int = 0
    """Decides which texts are drawn."""

    @model_validator(mode="after")
    def _one_origin(self) -> "JudgedTexts":
        if (self.file is None) == (self.hub is None):
            raise ValueError("needs exactly one of file, hub")
        if self.hub and not self.revision:
            raise ValueError("hub needs revision: the commit of the dataset, so that it is pinned")
        return self


class ExternalJudge(ModelEndpoint):
    """A judge of preference that is not a cell."""

    own: str | None = None
    """The origin whose text is its own: a name under `sources`, or `target/mix` for cells. By
    default the source that is the same model."""


class Preference(Section):
    """Each cell as a judge of texts of the human, of every source, and of cells if wanted."""

    task: Literal["summarize", "instruct"] | None = None
    """What the texts are: summaries, or responses to instructions. By default summaries where the
    human text is documentation, and `dataset.task` elsewhere."""
    items: Count = 24
    texts: JudgedTexts | None = None
    """Texts of their own that items are made of; by default the dataset's test rows."""
    sources: list[str] | None = None
    """The sources whose texts are compared; by default all."""
    templates: dict[Literal["pair", "rating", "recognition"], str] = {}
    """By question: the template under `resources/prompts/`, where it is not the usual one."""
    labels: tuple[str, str] = ("A", "B")
    """What a judge answers with; each should be one token of its vocabulary."""
    swap_labels: bool = False
    """Whether every pair is also shown with the labels crosswise, which tells the bias of a label
    from that of a position, for twice the judgements."""
    controls: int = Field(24, ge=0)
    """Pairs in which the better text is known: this item's against another item's."""
    pairs: str = Field("all", pattern=r"^(all|vs-own|sample [1-9][0-9]*)$")
    """Which origins are compared on an item: `all`, `vs-own` (the judge's own with each other), or
    `sample n`: n pairs an item, in turn, the same for every judge."""
    questions: list[Literal["likelihood", "rating", "recognition"]] = ["likelihood"]
    """What is asked of single texts: how probable they are to the judge, how good from 1 to 5, and
    whether the judge wrote them."""
    check: Literal["gsm8k", "last-number"] | None = None
    """How right and wrong are known, where items have one number as answer: `gsm8k` takes what
    follows the last `####` of a response, `last-number` its last number."""
    cells: bool = False
    """Whether the cells of the target and seed are candidates, too; a cell's own text is then its
    own, not that of the source it was trained from."""
    judges: dict[str, ExternalJudge] = {}
    """Models that judge the same texts, beside the cells."""


class Probes(Section):
    """What is measured on every cell."""

    collapse: Collapse | None = Collapse()
    robustness: Robustness | None = Robustness()
    preference: Preference | None = Preference()
