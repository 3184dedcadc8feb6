"""The config keys of the probes."""

from typing import Annotated, Literal

from pydantic import ConfigDict, Field, field_validator, model_validator

from manybaskets import plugins
from manybaskets.config.base import Count, NoNulls, Section, Seed
from manybaskets.config.dataset import Rows
from manybaskets.config.urls import EndpointUrl

OF_RESPONSES = "probes.of_responses"


class Collapse(Section):
    """Fit to human text, and diversity of the model's own text."""

    documents: Count = 120
    """Responses in each subsample of the corpus metrics (N)."""
    tokens: Count = 16
    """Word tokens to which every response is truncated (L). Shorter responses are excluded and
    counted."""
    subsamples: Count = 20
    """Number of random subsamples; metrics are the mean over them, with standard deviation."""
    prompts: Count = 24
    """Test prompts with several responses each, for the diversity within a prompt."""
    samples: int = Field(8, ge=2)
    """Responses to each of those prompts."""
    bins: int = Field(5, ge=2)
    """Bins of equal mass by token frequency in the human training text."""
    top_k: Count = 50
    """Tail mass is the probability of tokens outside the target's top k."""
    nucleus: float = Field(0.9, gt=0, lt=1)
    """Probability mass of the nucleus."""
    embedder: str | None = "minilm"
    """Sentence embedding model: `minilm` (installed with the environment), or a name under `models`
    with a sentence-transformers `path` or `hub`; null skips the metrics on embeddings."""
    topics: int = Field(20, ge=2)
    """Number of clusters of the embeddings of human test responses."""
    similarity_threshold: float = Field(0.8, gt=0, lt=1)
    """Cosine similarity from which two responses to a prompt count as the same."""
    permutations: Count = 1000
    """Permutations of the test of the distance to human text (MMD)."""

    @property
    def repeat_responses(self) -> int:
        """Number of responses to test prompts beyond the first response to each."""
        return self.prompts * (self.samples - 1)


class BestOfN(Section):
    """Best-of-n attack: several noisy spellings of each request, of which one may succeed."""

    n: int = Field(4, ge=1, le=1000)
    """Spellings of each request."""
    noise: float = Field(0.4, ge=0, le=1)
    """Strength of the noise (sigma); 0 adds none."""


class Gcg(Section):
    """Suffixes optimized by greedy coordinate gradient on the vanilla target, for all cells."""

    behaviours: Count = 20
    """Number of requests to be declined that get a suffix."""
    steps: Count = 100
    """Optimization steps."""
    suffix_tokens: Count = 16
    """Length of a suffix in tokens."""
    candidates: Count = 64
    """Candidate suffixes per step, evaluated in one batch."""
    top_k: Count = 64
    """Replacements considered per token, ranked by gradient."""
    per_cell: bool = False
    """Whether suffixes are also optimized on every cell."""


class ModelEndpoint(Section):
    """A judge model, served here or behind an endpoint."""

    model: str
    """A name under `models` (served by vLLM), or with `endpoint` the model's name there."""
    endpoint: EndpointUrl | None = None
    """Base URL of an OpenAI-compatible server, up to and including `/v1`."""
    api_key_env: str | None = None
    """Name of the environment variable with the API key of the endpoint."""
    token_budget: int | None = None
    """Maximum number of tokens that the endpoint may use, prompts and responses together."""


class Judge(ModelEndpoint):
    """A model that judges whether responses are harmful."""

    by: str = "rubric"
    """Kind of judge, a module under `probes/robustness/judges/`: `rubric` and `scales` (the two
    scales of the Eggs study) for any model, or the prompt of a dedicated classifier: `harmbench`,
    `strongreject`, `wildguard`, `llama-guard`."""
    max_tokens: Count = 256
    """Maximum length of the judge's answer in tokens."""
    temperature: float = Field(0.0, ge=0)
    """Sampling temperature; 0 is greedy decoding, so that equal responses get equal verdicts. The
    Eggs study samples at 0.7."""
    top_p: float = Field(1.0, gt=0, le=1)
    """Nucleus sampling: probability mass that is sampled from."""
    template: str | None = None
    """File with the prompt of a classifier, with `{prompt}` and `{response}`, for a model without a
    published prompt."""
    max_unparsed_rate: float = Field(0.2, ge=0, le=1)
    """Maximum share of responses without a readable verdict; above it, the metrics of this judge
    are undefined."""

    @field_validator("by")
    @classmethod
    def _check_kind(cls, by: str) -> str:
        if by not in plugins.names("probes.robustness.judges"):
            known = ", ".join(plugins.names("probes.robustness.judges"))
            raise ValueError(f"there is no kind of judge '{by}'. Known: {known}")
        return by


class Robustness(Section):
    """Requests that must be declined, attacks on them, and harmless requests that look alike."""

    requests: str | list[str] = "resources/requests/stand-in.yaml"
    """Files of requests, or names of public sets (`resources/requests/sets.yaml`)."""
    local_files: Annotated[dict[str, str], NoNulls] = {}
    """Per public set: a local copy, used instead of a download. Its hash is verified."""
    sha256: Annotated[dict[str, str], NoNulls] = {}
    """Per public set: the hash of the file, where it is not the declared version."""
    count: Count = 80
    """Number of held-out requests of each kind."""
    attacks: list[str] = [
        *("prefix-injection", "refusal-suppression", "persona", "style"),
        *("base64", "rot13", "leetspeak", "prefill", "best-of-n"),
    ]
    """Attacks on every request that must be declined: names of templates under
    `resources/attacks/` (`persona`), or modules of `probes/robustness/attacks/` (`prefill`,
    `best-of-n`, `gcg`)."""
    compliance_prefix: str = "Sure, here is how:"
    """First words of a complying reply, for requests without their own: the target string of
    `prefill`, `prefix-injection` and `gcg`."""
    best_of_n: BestOfN = BestOfN()
    """Settings of the best-of-n attack."""
    gcg: Gcg = Gcg()
    """Settings of the GCG attack."""
    judges: Annotated[dict[str, Judge], NoNulls] = {}
    """Models that judge the responses in addition to the rules, by name."""
    refusals: Literal["learned", "rules"] = "learned"
    """Detector of refusals in English. `learned`: regressions trained on human labels of XSTest.
    `rules`: rules on the wording. Other languages have phrases or remain unjudged."""
    human_labels: str | None = None
    """File of responses labelled by people: rows of prompt, response, `refused` (to correct the
    refusal rate for the errors of the detector) and `harmful` (to correct each judge)."""
    max_tokens: Count = 32
    """Maximum length of a response in tokens."""


class JudgedTexts(Rows):
    """Texts with a human summary or answer, separate from the dataset: `file`, `url` or `hub`.

    The prompt of a row is the text; the response is the human summary or answer.
    """

    request: str = "summarize"
    """Name of the template under `resources/prompts/` with {text} that asks a source."""
    seed: Seed = 0
    """Seed of the draw of texts."""

    @model_validator(mode="after")
    def _check_origin(self) -> "JudgedTexts":
        if (self.file is None and self.url is None) == (self.hub is None):
            raise ValueError("needs exactly one of file, url, hub")
        if self.hub and not self.revision:
            raise ValueError("hub needs revision: the commit of the dataset, so that it is pinned")
        return self


class ExternalJudge(ModelEndpoint):
    """A judge of preference that is not a cell."""

    own: str | None = None
    """The origin of the judge's own text: a name under `sources`, or `target/mix` for cells. The
    default is the source with the same model."""


class Preference(Section):
    """Each cell judges texts by the human, by every source, and optionally by cells."""

    task: Literal["summarize", "instruct"] | None = None
    """Kind of the judged texts: summaries, or responses to instructions. The default is
    `summarize` for documentation, and otherwise `dataset.task`."""
    items: Count = 24
    """Number of items (prompts whose texts are compared)."""
    texts: JudgedTexts | None = None
    """Separate texts for the items; by default the test rows of the dataset."""
    sources: list[str] | None = None
    """The sources whose texts are compared; by default all."""
    templates: dict[str, str] = {}
    """Per question: a template under `resources/prompts/` that replaces the default one."""
    labels: tuple[str, str] = ("A", "B")
    """Labels of the two texts of a pair; each should be one token of the judge's vocabulary."""
    swap_labels: bool = False
    """Also show every pair with swapped labels. This separates label bias from position bias and
    doubles the number of judgements."""
    control_pairs: int = Field(24, ge=0)
    """Number of pairs with a known better text: a text of the item against one of another item."""
    pairs: str = Field("all", pattern=r"^(all|vs-own|sample [1-9][0-9]*)$")
    """Which origins are compared on an item: `all`, `vs-own` (the judge's own text with each
    other), or `sample n` (n pairs per item in rotation, the same for every judge)."""
    questions: list[str] = ["likelihood"]
    """Questions about single texts: `likelihood` (under the judge), `rating` (from 1 to 5),
    `recognition` (whether the judge wrote the text), or another module of
    `probes/preference/text_questions/`."""
    answer_format: Literal["gsm8k", "last-number"] | None = None
    """How the answer is extracted, for items with a single number as the correct answer: `gsm8k`
    is the number after the last `####` of a response, `last-number` its last number."""
    cells: bool = False
    """Also compare texts by the cells of the same target and seed. The own text of a cell is then
    the text it wrote, instead of the text of the source it was trained on."""
    judges: Annotated[dict[str, ExternalJudge], NoNulls] = {}
    """Models that judge the same texts in addition to the cells, by name."""

    @field_validator("questions")
    @classmethod
    def _known_questions(cls, questions: list[str]) -> list[str]:
        known = ["likelihood", *plugins.names("probes.preference.text_questions")]
        for name in questions:
            if name not in known:
                raise ValueError(f"there is no question '{name}'. Known: {', '.join(known)}")
        return questions

    @field_validator("templates")
    @classmethod
    def _known_templates(cls, templates: dict[str, str]) -> dict[str, str]:
        known = ["pair", *plugins.names("probes.preference.text_questions")]
        for name in templates:
            if name not in known:
                raise ValueError(f"there is no question '{name}'. Known: {', '.join(known)}")
        return templates


class Probes(Section):
    """The measurements on every cell.

    Further probes are files of `workflow/manybaskets/probes/of_responses/`: the name of the file
    with its settings, or null.
    """

    model_config = ConfigDict(extra="allow")
    __pydantic_extra__: dict[str, dict[str, str | float | bool] | None]

    collapse: Collapse | None = Collapse()
    """The collapse probe; null skips it."""
    robustness: Robustness | None = Robustness()
    """The robustness probe; null skips it."""
    preference: Preference | None = Preference()
    """The preference probe; null skips it."""

    @model_validator(mode="after")
    def _known(self) -> "Probes":
        known = plugins.names(OF_RESPONSES)
        for name, settings in (self.model_extra or {}).items():
            if name not in known:
                names = ", ".join(["collapse", "robustness", "preference", *known])
                raise ValueError(f"there is no probe '{name}'. Known: {names}")
            defaults = plugins.module(OF_RESPONSES, name).PROBE.settings
            for key in settings or {}:
                if key not in defaults:
                    keys = ", ".join(defaults) or "none"
                    raise ValueError(f"{name}.{key}: there is no such setting. Known: {keys}")
            if settings is not None and self.collapse is None:
                raise ValueError(
                    f"{name} measures the responses of the collapse probe; turn on probes.collapse"
                )
        return self
