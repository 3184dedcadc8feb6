"""The methods section of a paper about a study.

Every sentence follows from the config alone, none from a result.
"""

from pathlib import Path

from manybaskets.config.base import MINILM
from manybaskets.config.models import Model, Source
from manybaskets.config.probes import Collapse, Judge
from manybaskets.config.study import StudyConfig
from manybaskets.findings.two_sample import seeds_to_permute
from manybaskets.probes.preference import text_questions
from manybaskets.probes.robustness import attacks, judges
from manybaskets.reporting.conditions import listed, mix_words
from manybaskets.study import series

REGIMES = {
    "replace": "replacing, a model is trained on the rows that joined last alone",
    "accumulate": (
        "accumulating, on all rows so far, so that later generations take more steps "
        "(Gerstgrasser et al.)"
    ),
    "accumulate-subsample": (
        "subsampling, on as many of all rows so far as a mix has, drawn without replacement "
        "(Kazdan et al.)"
    ),
    "fresh": (
        "with fresh data, on the rows that joined last, some of which are human ones that the "
        "chain has not seen (Alemohammad et al.)"
    ),
}
SELECTION = (
    "Selections keep the number of rows: where more responses pass than a mix needs, as many as it "
    "needs were drawn at random. A response is called right where its agreement with the human "
    "response reaches the median, the upper quartile or the upper decile of the source's own "
    "responses, or where the final number is the same. φ and ψ are the shares of right and of "
    "wrong responses that pass, with cut-offs set on other prompts; p* = 1 / (1 + ψ/φ) (Feng et "
    "al.) has the percentile bootstrap interval over prompts."
)


def methods(config: StudyConfig) -> list[tuple[str, str]]:
    """(heading, paragraph) for each part of the methods section."""
    parts = [
        ("Data", _data(config)),
        ("Models and sources", _models(config)),
        ("Training sets", _training_sets(config)),
        ("Fine-tuning", _fine_tuning(config)),
    ]
    if any(mix.select for mix in config.mixes.values()):
        parts.append(("Selection", SELECTION))
    if any(mix.loop for mix in config.mixes.values()):
        parts.append(("Loops", _loops(config)))
    if config.probes.collapse:
        parts.append(("Collapse", _collapse(config)))
    if config.probes.robustness:
        parts.append(("Robustness", _robustness(config)))
    if config.probes.preference:
        parts.append(("Preference", _preference(config)))
    return [*parts, ("Statistics", _statistics(config))]


def _data(config: StudyConfig) -> str:
    dataset = config.dataset
    if dataset.docs:
        low, high = dataset.docs.words
        origin = (
            f"Human text is documentation: the docstrings of {listed(dataset.docs.packages)} of "
            f"{low} to {high} words, split by module."
        )
        if dataset.task == "instruct":
            origin += " The prompt is the module and signature, the response the description."
    elif dataset.hub:
        part = f", configuration {dataset.config}" if dataset.config else ""
        origin = (
            f"Human prompts and responses are the dataset {dataset.hub}{part}, split "
            f"{dataset.split}, at revision {dataset.revision}."
        )
    else:
        place = f"{dataset.url} (SHA-256 {dataset.sha256})" if dataset.url else dataset.file
        origin = f"Human prompts and responses come from the file {place}."
    return (
        f"{origin} The task is {dataset.task}. {dataset.train:,} rows were set apart for "
        f"fine-tuning, in four equal quarters, and {dataset.test:,} for testing; no model was "
        "trained on the latter."
    )


def _models(config: StudyConfig) -> str:
    targets = [f"{name} ({_model(config.models[name])})" for name in config.targets]
    sources = [f"{name} ({_source(source, config)})" for name, source in config.sources.items()]
    sampling = config.generation
    text = f"{'Targets are' if len(targets) > 1 else 'The target is'} {listed(targets)}. "
    if sources:
        text += f"Synthetic text comes from {listed(sources)}. "
    return text + (
        f"Responses of sources and of fine-tuned models were sampled with vLLM at temperature "
        f"{sampling.temperature:g}, top-p {sampling.top_p:g} and at most {sampling.max_tokens} "
        "tokens, every request with a seed of its own."
    )


def _model(model: Model) -> str:
    if model.scratch:
        made = model.scratch
        return (
            f"a {made.family} of {made.layers} layers and width {made.hidden}, pretrained on "
            f"{made.tokens:,} tokens of the documentation of {listed(made.documentation)}"
        )
    if model.package:
        return f"the GGUF file of the Python package {model.package}, converted to float32"
    if model.gguf:
        name = model.gguf if model.revision else Path(model.gguf).name
        commit = f" at revision {model.revision}" if model.revision else ""
        return f"{name}{commit}, converted to float32"
    return f"{model.hub} at revision {model.revision}" if model.hub else "a local model"


def _source(source: Source, config: StudyConfig) -> str:
    if source.is_recorded:
        return "recorded responses"
    if source.endpoint:
        return f"{source.model} behind an endpoint"
    if source.model in config.targets:
        return "the target itself" if len(config.targets) == 1 else "one of the targets"
    model = config.models.get(source.model or "")
    return _model(model) if model else str(source.model)


def _training_sets(config: StudyConfig) -> str:
    rows = config.rows or config.dataset.train
    size = (
        f"{config.tokens:,} response tokens" if config.match == "tokens" and config.tokens else ""
    )
    mixes = "; ".join(f"{name}: {mix_words(mix)}" for name, mix in config.mixes.items())
    seeds = listed([str(seed) for seed in config.seeds])
    many = f"{len(config.seeds)} seeds" if len(config.seeds) > 1 else "1 seed"
    return (
        f"Each mix has {size or f'{rows:,} rows'} and is drawn once per seed ({many}: {seeds}). "
        f"{mixes}. "
        "The seed draws the prompts, equally many from each quarter and the same for all mixes, "
        "and drives sampling and training. Empty and failed responses are left out and counted."
    )


def _loops(config: StudyConfig) -> str:
    used = {mix.loop.regime for mix in config.mixes.values() if mix.loop}
    regimes = listed([words for name, words in REGIMES.items() if name in used])
    exchanged = (
        "Chains exchange text, not tokens: between targets of different tokenizers bits per byte "
        "can be compared, nats per token cannot. "
    )
    return (
        "In a loop the model of one generation answers the training prompts, and the next is "
        "trained on its answers. Generation 1 is trained on the mix itself; in each later "
        "one as many rows join as a mix has. Every generation is a LoRA adapter of its own on the "
        "target as it was, with a training seed of its own, not a continuation of the adapter "
        f"before. {regimes[:1].upper()}{regimes[1:]}. "
        f"{exchanged if len(config.targets) > 1 else ''}"
        "Probes sample at the study's temperature, not at that of a loop. Contrasts are of the "
        "last generation; the change per generation is the mean of the seeds' slopes, with "
        "Student's interval. A generation whose weights are not finite, or that writes nothing, is "
        "recorded as diverged, and so are those after it."
    )


def _fine_tuning(config: StudyConfig) -> str:
    t = config.training
    modules = t.modules if isinstance(t.modules, str) else listed(t.modules)
    return (
        f"LoRA (Hu et al.) of rank {t.rank}, alpha {t.alpha:g} and dropout {t.dropout:g} on "
        f"{modules} modules, learning rate {t.learning_rate:g}, {t.epochs:g} epochs, effective "
        f"batch size {t.batch_size * t.gradient_accumulation}, at most {t.max_length} tokens, loss "
        f"on the {'response only' if t.loss == 'response' else 'whole text'}"
        f"{_quantized(t.quantization)}.{_otherwise(config)} The "
        "vanilla condition is the target without an adapter; it goes through every probe like any "
        "other."
    )


def _otherwise(config: StudyConfig) -> str:
    """Settings of training that differ for single targets."""
    return "".join(
        f" For {target}: {listed([f'{key} {value}' for key, value in values.items()])}."
        for target, values in config.training.per_target.items()
        if target in config.targets
    )


def _quantized(kind: str | None) -> str:
    if kind is None:
        return ""
    return (
        f", on weights quantized to {kind} (QLoRA, Dettmers et al.); the adapter is used on "
        "full-precision weights"
    )


def _collapse(config: StudyConfig) -> str:
    settings = config.probes.collapse
    assert settings is not None
    return (
        "Fit to human text is the negative log-likelihood of held-out human responses, in nats per "
        "token and in bits per UTF-8 byte, summed over the test set before dividing; token by "
        f"token it is compared with the target's, in {settings.bins} bins of equal mass by how "
        "frequent a token is in the human training text. Variety of words is self-BLEU-4 (Zhu et "
        "al., smoothing method 1), distinct-1 to distinct-3 (Li et al.) and others of the "
        f"responses to the test prompts, as the mean over {settings.subsamples} random samples of "
        f"{settings.documents} responses cut to {settings.tokens} tokens, because they depend on "
        f"the number and the length of texts.{_meaning(settings)}"
    )


def _meaning(settings: Collapse) -> str:
    if settings.embedder is None:
        return ""
    model = "all-MiniLM-L6-v2" if settings.embedder == MINILM else settings.embedder
    return (
        f" Variety of meaning is measured on sentence embeddings ({model}): the Vendi score "
        f"(Friedman & Dieng) of {settings.samples} responses to each of {settings.prompts} "
        "prompts, and over prompts, with the distance from the human responses to the same "
        "prompts as MMD (Gretton et al., permutations within prompts), precision, recall, density "
        "and coverage (Kynkäänniemi et al., Naeem et al.) and MAUVE (Pillutla et al.)."
    )


DETECTORS = {
    "learned": "Logistic regressions on n-grams and sentence embeddings of its beginning, trained "
    "on the human labels of XSTest (Röttger et al.),",
    "rules": "Rules on its wording",
}


def _robustness(config: StudyConfig) -> str:
    settings = config.probes.robustness
    assert settings is not None
    named = [settings.requests] if isinstance(settings.requests, str) else settings.requests
    under = f", as they are and under {listed(settings.attacks)}" if settings.attacks else ""
    text = (
        f"Up to {settings.count} requests that must be declined and as many harmless look-alikes "
        f"(from {listed(named)}) were sent{under}, with at most {settings.max_tokens} tokens for "
        f"the answer. {DETECTORS[settings.refusals]} decide whether an English answer refuses, "
        "phrases do in five other languages, and rules decide whether it is degenerate; a coherent "
        "answer that does not refuse is a success of the attack."
    )
    coded = [attacks.attack(name) for name in settings.attacks if name in attacks.known()]
    text = " ".join([text, *filter(None, (attack.words(settings) for attack in coded))])
    for name, judge in settings.judges.items():
        text += f" The judge {name} is {judge.model}, asked {judges.words(judge.by)}."
        if role := _role(config, judge):
            text += f" It is also {role}, so that it judges its own text."
    return text


def _role(config: StudyConfig, judge: Judge) -> str:
    """The other roles of a judge in the study."""
    is_target = not judge.endpoint and judge.model in config.targets
    sources = [
        name
        for name, source in config.sources.items()
        if (source.model, source.endpoint) == (judge.model, judge.endpoint)
    ]
    roles = ["a target"] if is_target else []
    return listed([*roles, *(f"the source {name}" for name in sources)])


def _preference(config: StudyConfig) -> str:
    settings = config.probes.preference
    assert settings is not None
    placed = ", with the labels in both places" if settings.swap_labels else ""
    compared = {"all": "all pairs", "vs-own": "all pairs with the judge's own text"}.get(
        settings.pairs, f"{settings.pairs.removeprefix('sample ')} pairs an item, in turn,"
    )
    origins = "human text, every source" + (" and every cell of the seed" if settings.cells else "")
    further = listed(
        [
            "how probable it is per byte"
            if name == "likelihood"
            else text_questions.question(name).words
            for name in settings.questions
        ]
    )
    checked = (
        " Right and wrong answers are known by the number that a response ends in; the bias of "
        "wrong own answers is compared with that of other models' equally wrong ones "
        "(arXiv:2601.22548)."
        if settings.answer_format
        else ""
    )
    return (
        f"Each model judged {compared} of texts of {origins} on {settings.items} items, in both "
        f"orders{placed}; the preference is the probability of the label of one text among the two "
        f"labels {settings.labels[0]} and {settings.labels[1]} before any warping, averaged over "
        "both orders. Self-preference bias is the preference for the judge's own text minus the "
        "mean preference for other synthetic text (arXiv:2511.01490); its log-odds are also given "
        "at equal length and, where known, equal quality and log-perplexity. "
        + (f"For each text it also gave: {further}. " if further else "")
        + f"{settings.control_pairs} control pairs, in which the better text is known, measure "
        f"whether the judge can discern it.{checked}{_external_judges(config)}"
    )


def _external_judges(config: StudyConfig) -> str:
    """A sentence on the external judges of preference."""
    settings = config.probes.preference
    if settings is None or not settings.judges:
        return ""
    named = listed([f"{name} ({judge.model})" for name, judge in settings.judges.items()])
    return f" External judges answered the same questions: {named}."


def _statistics(config: StudyConfig) -> str:
    named = [
        metric.replace("@", " on ")
        for probe, metric in config.contrasts.primary
        if getattr(config.probes, probe) is not None
    ]
    alpha = config.contrasts.alpha
    return (
        "The unit of replication is the seed: every contrast compares one value per seed, prompts "
        "are nested in it. Conditions are compared by Welch's t-test over seeds, with its "
        f"{100 * (1 - alpha):g} % interval. Primary metrics, named before the run, are "
        f"{listed(named) or 'none'}; p-values of all contrasts of them form one family and are "
        "adjusted by Holm's method, all others by that of Benjamini and Hochberg. A contrast is "
        f"called decided if the adjusted p-value is at most {alpha:g}. Where a metric is a mean "
        "over prompts, an interval over seeds and prompts (two-way cluster bootstrap) is given "
        "too. "
        f"{_more_statistics(config)}An exact permutation test "
        "over seeds is reported beside it where it can reach that level, with at least "
        f"{seeds_to_permute(alpha)} seeds of each condition."
    )


def _more_statistics(config: StudyConfig) -> str:
    """On trends and equivalence, where the study has any."""
    text = ""
    if trends := series.series(config):
        names = listed([one["name"] for one in trends])
        text += (
            f"Trends over {names} are slopes of single seeds, compared with 0 by Student's t, "
            "beside Page's test of their order. "
        )
    if config.contrasts.margins:
        named = [
            f"±{margin:g} ({metric.replace('@', ' on ')})"
            for metric, margin in config.contrasts.margins.items()
        ]
        text += (
            f"Equivalence within {listed(named)} is claimed by two one-sided tests, adjusted by "
            "Holm's method. "
        )
    return text
