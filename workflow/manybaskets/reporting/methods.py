"""A study's config in words: its conditions, and the methods section of a paper about it.

Every sentence follows from the config alone; nothing here knows a result.
"""

from collections.abc import Sequence

from manybaskets.config.base import HUMAN, MINILM, VANILLA
from manybaskets.config.mixes import Mix, Select
from manybaskets.config.models import Model, Source
from manybaskets.config.probes import Collapse, Judge
from manybaskets.config.study import StudyConfig
from manybaskets.findings.two_sample import seeds_to_permute
from manybaskets.probes.preference import text_questions
from manybaskets.probes.robustness import attacks, judges
from manybaskets.selection import verifiers
from manybaskets.selection.operators import operator
from manybaskets.study import series

REFERENCES = (
    "Schaffelder, M. and Gatt, A. Synthetic Eggs in Many Baskets: The Impact of Synthetic Data "
    "Diversity on LLM Fine-Tuning. arXiv:2511.01490.",
    "Feng, Y., Dohmatob, E., Yang, P., Charton, F. and Kempe, J. Beyond Model Collapse: Scaling Up "
    "with Synthesized Data Requires Verification. arXiv:2406.07515.",
    "Hu, E. et al. LoRA: Low-Rank Adaptation of Large Language Models. arXiv:2106.09685.",
)
OF_COLLAPSE = (
    "Zhu, Y. et al. Texygen: A Benchmarking Platform for Text Generation Models. arXiv:1802.01886.",
    "Li, J. et al. A Diversity-Promoting Objective Function for Neural Conversation Models. "
    "arXiv:1510.03055.",
)
OF_LOOPS = (
    "Gerstgrasser, M. et al. Is Model Collapse Inevitable? Breaking the Curse of Recursion by "
    "Accumulating Real and Synthetic Data. arXiv:2404.01413.",
    "Kazdan, J. et al. Collapse or Thrive? Perils and Promises of Synthetic Data in a "
    "Self-Generating World. arXiv:2410.16713.",
    "Alemohammad, S. et al. Self-Consuming Generative Models Go MAD. arXiv:2307.01850.",
)
OF_STATISTICS = (
    "Welch, B. L. The generalization of ‘Student's’ problem when several different population "
    "variances are involved. Biometrika 34, 1947.",
    "Holm, S. A simple sequentially rejective multiple test procedure. Scandinavian Journal of "
    "Statistics 6, 1979.",
    "Benjamini, Y. and Hochberg, Y. Controlling the false discovery rate. Journal of the Royal "
    "Statistical Society B 57, 1995.",
    "Owen, A. B. The pigeonhole bootstrap. Annals of Applied Statistics 1, 2007.",
    "Page, E. B. Ordered hypotheses for multiple treatments: a significance test for linear ranks. "
    "Journal of the American Statistical Association 58, 1963.",
)


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


def conditions(config: StudyConfig) -> dict[str, str]:
    """A sentence on each condition, in display order."""
    words = {VANILLA: "The target as it is, without fine-tuning."}
    return words | {name: f"Fine-tuned on {mix_words(mix)}." for name, mix in config.mixes.items()}


def mix_words(mix: Mix) -> str:
    """What a training set is made of."""
    if mix.loop is not None:
        first = mix.model_copy(update={"loop": None, "select": _select_of_first(mix)})
        return f"{mix_words(first)}, then {loop_words(mix)}"
    if mix.select is not None:
        whole = mix_words(mix.model_copy(update={"select": None}))
        return f"{whole}, of which {selection_words(mix.select)}"
    if len(mix.origins) == 1:
        (origin,) = mix.origins
        return "human text" if origin == HUMAN else f"text from {origin} alone"
    names = ["human text" if origin == HUMAN else origin for origin in mix.origins]
    shares = list(mix.origins.values())
    if max(shares) - min(shares) < 1e-9:
        parts = f"{listed(names)} in equal shares"
    else:
        parts = listed([f"{100 * s:.3g} % {n}" for n, s in zip(names, shares, strict=True)])
    if mix.assign == "quarters":
        return f"{parts}, each quarter of the prompts answered by another"
    return f"{parts}, the origin of each prompt drawn at random"


def _select_of_first(mix: Mix) -> Select | None:
    """The selection, where generation 1 has synthetic rows to select from."""
    return mix.select if set(mix.origins) != {HUMAN} else None


def loop_words(mix: Mix) -> str:
    """What later generations of a loop are trained on."""
    assert mix.loop is not None
    loop = mix.loop
    who = "the generation before"
    if loop.sources == "targets":
        who = "the generation before of all targets, in equal shares,"
    rows = f"what {who} wrote"
    if loop.temperature is not None:
        rows += f" at temperature {loop.temperature:g}"
    if loop.human and loop.regime != "fresh":
        rows += f", {100 * loop.human:.3g} % of it human rows"
    what = {
        "replace": f"{rows}, and nothing else",
        "accumulate": f"everything so far and {rows}",
        "accumulate-subsample": f"as many rows, drawn from everything so far and {rows}",
        "fresh": f"{rows}, with {100 * loop.human:.3g} % human rows that are new to it",
    }[loop.regime]
    text = f"for generations 2 to {loop.generations}, {what}"
    if mix.select:
        text += f"; of what was written, {selection_words(mix.select)}"
    for generation, other in sorted(loop.overrides.items()):
        changed = other.model_dump(exclude_none=True)
        words = ", ".join(f"{key} {value}" for key, value in changed.items())
        text += f"; generation {generation}: {words}"
    return text


def selection_words(select: Select) -> str:
    """The responses that a selection keeps, and the verifier."""
    verifier = select.verifier
    by = verifiers.verifier(verifier.by).words(verifier)
    rule = f"as many were kept, at random, as pass in {select.match_keep_rate}"
    if select.rule:
        name, value = select.rule
        rule = operator(name).words(value, by)
        if not operator(name).one_a_prompt and select.responses > 1:
            rule += f" ({select.responses} responses to each prompt)"
    if verifier.noise:
        rule += (
            f"; what it accepts was accepted with probability {verifier.noise.keep_right:g}, what "
            f"it rejects with {verifier.noise.keep_wrong:g}"
        )
    short = {"fewer": "where fewer pass there are fewer rows", "repeat": "passing rows repeat"}
    return rule + (f"; {short[select.on_shortfall]}" if select.on_shortfall in short else "")


def listed(words: Sequence[str]) -> str:
    """One, two and three."""
    return " and ".join(filter(None, [", ".join(words[:-1]), *words[-1:]]))


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


def references(config: StudyConfig) -> list[str]:
    """What the methods section rests on."""
    collapse = OF_COLLAPSE if config.probes.collapse else ()
    if any(mix.loop for mix in config.mixes.values()):
        collapse = (*collapse, *OF_LOOPS)
    robustness: list[str] = []
    if settings := config.probes.robustness:
        for name in settings.attacks:
            robustness += attacks.attack(name).references if name in attacks.known() else ()
        for judge in settings.judges.values():
            robustness += judges.references(judge.by)
    return list(dict.fromkeys([*REFERENCES, *collapse, *robustness, *OF_STATISTICS]))


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
        origin = f"Human prompts and responses come from the file {dataset.file}."
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
    return f"{model.hub} at revision {model.revision}" if model.hub else "a local model"


def _source(source: Source, config: StudyConfig) -> str:
    if source.recorded:
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
        f"Each mix holds {size or f'{rows:,} rows'} and is made once per seed ({many}: {seeds}). "
        f"{mixes}. "
        "The seed draws the prompts, equally many from each quarter and the same for all mixes, "
        "and drives sampling and training. Responses without text or that failed are left out and "
        "counted."
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
        "trained on its answers. Generation 1 is trained on the mix as it stands; in each later "
        "one as many rows join as a mix has. Every generation is a LoRA adapter of its own on the "
        "target as it was, with a training seed of its own, not a continuation of the adapter "
        f"before. {regimes[:1].upper()}{regimes[1:]}. "
        f"{exchanged if len(config.targets) > 1 else ''}"
        "Probes sample at the study's temperature, whatever a loop writes at. Contrasts are of the "
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
    """What is trained otherwise for single targets."""
    return "".join(
        f" For {target}: {listed([f'{key} {value}' for key, value in values.items()])}."
        for target, values in config.training.per_target.items()
        if target in config.targets
    )


def _quantized(kind: str | None) -> str:
    if kind is None:
        return ""
    return f", on weights quantized to {kind} (QLoRA, Dettmers et al.) that are whole afterwards"


def _collapse(config: StudyConfig) -> str:
    settings = config.probes.collapse
    assert settings is not None
    return (
        "Fit to human text is the negative log-likelihood of held-out human responses, in nats per "
        "token and in bits per UTF-8 byte, summed over the test set before dividing; token by "
        f"token it is held against the target's, in {settings.bins} bins of equal mass by how "
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


def _robustness(config: StudyConfig) -> str:
    settings = config.probes.robustness
    assert settings is not None
    named = [settings.requests] if isinstance(settings.requests, str) else settings.requests
    under = f", as they are and under {listed(settings.attacks)}" if settings.attacks else ""
    text = (
        f"Up to {settings.count} requests that must be declined and as many harmless look-alikes "
        f"(from {listed(named)}) were sent{under}, with at most {settings.max_tokens} tokens for "
        "the answer. Rules on its wording decide whether an answer refuses, other rules whether it "
        "is degenerate; a coherent answer that does not refuse is a success of the attack."
    )
    coded = [attacks.attack(name) for name in settings.attacks if name in attacks.known()]
    text = " ".join([text, *filter(None, (attack.words(settings) for attack in coded))])
    for name, judge in settings.judges.items():
        text += f" The judge {name} is {judge.model}, asked {judges.words(judge.by)}."
        if role := _role(config, judge):
            text += f" It is also {role}, so that it judges its own text."
    return text


def _role(config: StudyConfig, judge: Judge) -> str:
    """What else in the study a judge is."""
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
        "wrong own answers is held against that of other models' equally wrong ones "
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
        "at no difference in length and, where known, quality and log-perplexity. "
        + (f"Of each text it was asked: {further}. " if further else "")
        + f"{settings.control_pairs} control pairs, in which the better text is known, measure "
        f"whether the judge can tell at all.{checked}{_outsiders(config)}"
    )


def _outsiders(config: StudyConfig) -> str:
    """Judges of preference that are no cells."""
    settings = config.probes.preference
    if settings is None or not settings.judges:
        return ""
    named = listed([f"{name} ({judge.model})" for name, judge in settings.judges.items()])
    return f" The same was asked of judges that are no cells: {named}."


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
        "over prompts, an interval over seeds and prompts (two-way cluster bootstrap) stands "
        "beside. "
        f"{_more_statistics(config)}An exact permutation test "
        "over seeds is reported beside it where it can reach that level, with at least "
        f"{seeds_to_permute(alpha)} seeds of each condition."
    )


def _more_statistics(config: StudyConfig) -> str:
    """On trends and equivalence, where the study has any."""
    text = ""
    if found := series.series(config):
        names = listed([one["name"] for one in found])
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
