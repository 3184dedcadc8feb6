"""Stages of base models: pretrained here, or downloaded."""

from collections.abc import Mapping, Sequence

from manybaskets.config.base import Section
from manybaskets.config.models import Model, Scratch, TemplateVariables
from manybaskets.models import chat_templates, gguf
from manybaskets.stages import fingerprint
from manybaskets.stages.base import Cost, Device, File, Folder, Inputs, Spec, Stage
from manybaskets.stages.cost_model import DOWNLOADED, CostModel
from manybaskets.stages.specs import Texts, texts
from manybaskets.study import keys
from manybaskets.study.layout import Study

PRETRAINING_TEXTS = (
    "prompts/document.txt",
    "prompts/summarize.txt",
    "prompts/judge.txt",
    "requests/stand-in.yaml",
)


class TokenizerSpec(Spec):
    """Size of the tokenizer, and its training texts beside documentation."""

    vocabulary: int
    texts: Texts


class TrainTokenizer(Stage[keys.Once, TokenizerSpec]):
    """Trains the byte-level BPE that all scratch models share."""

    name = "train_tokenizer"
    outputs = {"folder": Folder("models/tokenizer")}
    start_seconds = 10.0

    def inputs(self, study: Study, key: keys.Once) -> Inputs:
        """The docstrings."""
        return {"documentation": study.data("documentation")}

    def spec(self, study: Study, key: keys.Once) -> TokenizerSpec:
        """The vocabulary of the study's scratch models."""
        vocabulary = max(study.vocabularies)
        return TokenizerSpec(vocabulary=vocabulary, texts=texts(*PRETRAINING_TEXTS))


class PretrainSpec(Spec):
    """Architecture and pretraining of a scratch model."""

    scratch: Scratch
    context: int
    """Longest sequence in tokens."""
    texts: Texts


class Pretrain(Stage[keys.Model, PretrainSpec]):
    """Pretrains one scratch model on docstrings of installed packages."""

    name = "pretrain"
    key = keys.Model
    outputs = {"folder": Folder("models/{model}"), "summary": File("models/{model}.json")}
    device = Device.JOB
    priority = 50
    start_seconds = 8.0
    imports_torch = True

    def inputs(self, study: Study, key: keys.Model) -> Inputs:
        """The docstrings and the shared tokenizer."""
        return {
            "documentation": study.data("documentation"),
            "tokenizer": study.path("models/tokenizer"),
        }

    def spec(self, study: Study, key: keys.Model) -> PretrainSpec:
        """The model's entry in the config."""
        scratch = study.config.models[key.model].scratch
        assert scratch is not None
        return PretrainSpec(
            scratch=scratch,
            context=study.config.engine.max_model_len,
            texts=texts(*PRETRAINING_TEXTS),
        )

    def allowed(self, study: Study) -> Mapping[str, Sequence[str]]:
        """Scratch models."""
        return {"model": study.scratch_models}

    def model(self, study: Study, key: keys.Model) -> str:
        """The model that is trained."""
        return key.model

    def cost(self, costs: CostModel, key: keys.Model) -> Cost:
        """Six operations per weight and token; four bytes per weight."""
        scratch, weights = costs.study.config.models[key.model].scratch, costs.weights(key.model)
        if scratch is None or weights is None:
            return Cost(seconds=None, bytes=None)
        tokens = scratch.tokens + scratch.sft_tokens
        return Cost(seconds=6 * weights * tokens / costs.rate(key.model), bytes=4 * weights)


class GgufSource(Section):
    """A GGUF file, with the version and hash of the package that contains it."""

    package: str | None = None
    version: str | None = None
    file: str
    sha256: str | None = None
    """None for files that are inputs of the job, and for those of the hub."""


class DownloadSpec(Spec):
    """The revision of a model, its adapter, and its conversation format."""

    path: str | None = None
    hub: str | None = None
    revision: str | None = None
    adapter: str | None = None
    adapter_revision: str | None = None
    trust_remote_code: bool = False
    chat_template: str | None = None
    chat_template_sha256: str | None = None
    system: str | None = None
    chat_template_kwargs: TemplateVariables = {}
    gguf: GgufSource | None = None
    is_chat_model: bool = False
    """Whether the model needs a chat template; an embedder does not."""


class DownloadModel(Stage[keys.Model, DownloadSpec]):
    """Downloads or converts a model, once for all cells."""

    name = "download_model"
    key = keys.Model
    outputs = {"folder": Folder("models/{model}")}
    start_seconds = 60.0

    def inputs(self, study: Study, key: keys.Model) -> Inputs:
        """The user's folder of a model with a chat template or a system message, or GGUF file."""
        model = study.config.models[key.model]
        path = model.path or (model.gguf if not model.revision else None)
        return {"model": [path] if path else []}

    def spec(self, study: Study, key: keys.Model) -> DownloadSpec:
        """The model's entry in the config."""
        model = study.config.models[key.model]
        template = model.chat_template
        sha256 = fingerprint.file_hash(chat_templates.path_of(template)) if template else None
        return DownloadSpec(
            path=model.path,
            hub=model.hub,
            revision=model.revision,
            adapter=model.adapter,
            adapter_revision=model.adapter_revision,
            trust_remote_code=model.trust_remote_code,
            chat_template=template,
            chat_template_sha256=sha256,
            system=model.system,
            chat_template_kwargs=model.chat_template_kwargs,
            gguf=_gguf_source(model, f"models.{key.model}"),
            is_chat_model=key.model != study.embedder,
        )

    def allowed(self, study: Study) -> Mapping[str, Sequence[str]]:
        """Models of the hub, of GGUF files, and with a chat template or system message."""
        return {"model": study.fetched_models}

    def model(self, study: Study, key: keys.Model) -> str:
        """The model that is downloaded."""
        return key.model

    def cost(self, costs: CostModel, key: keys.Model) -> Cost:
        """Two bytes per weight; four of a converted model."""
        weights = costs.weights(key.model)
        if weights is None:
            return Cost(seconds=None, bytes=None)
        size = (4 if costs.study.config.models[key.model].is_converted else 2) * weights
        return Cost(seconds=size / DOWNLOADED, bytes=size)


def _gguf_source(model: Model, key: str) -> GgufSource | None:
    if model.package:
        packaged = gguf.packaged_file(model.package, model.file or gguf.PATTERN, key)
        return GgufSource(
            package=model.package,
            version=packaged.version,
            file=packaged.name,
            sha256=packaged.sha256,
        )
    return GgufSource(file=model.gguf) if model.gguf else None


class BaselineSpec(Spec):
    """The packages of the n-gram models, and the longest sequence of scratch models."""

    context: int
    packages: dict[str, list[str]]
    """The packages that each scratch model was pretrained on."""


class NgramBaseline(Stage[keys.Once, BaselineSpec]):
    """Scores the human test text under the scratch models, a bigram and a trigram model."""

    name = "ngram_baseline"
    outputs = {"scores": File("models/yardstick.json")}
    start_seconds = 8.0
    imports_torch = True

    def inputs(self, study: Study, key: keys.Once) -> Inputs:
        """The docstrings, the test rows and all scratch models."""
        return {
            "documentation": study.data("documentation"),
            "test": study.data("test"),
            "models": [study.model(name) for name in study.scratch_models],
        }

    def spec(self, study: Study, key: keys.Once) -> BaselineSpec:
        """The packages of every scratch model."""
        models = study.config.models.items()
        packages = {name: m.scratch.documentation for name, m in models if m.scratch}
        return BaselineSpec(context=study.config.engine.max_model_len, packages=packages)

    def cost(self, costs: CostModel, key: keys.Once) -> Cost:
        """Reading of the test rows, and three seconds of counting per model."""
        names = costs.study.scratch_models
        read = [costs.reading(name, costs.study.config.dataset.test * 100) for name in names]
        if None in read:
            return Cost(seconds=None)
        return Cost(seconds=sum(filter(None, read)) + 3 * len(names))
