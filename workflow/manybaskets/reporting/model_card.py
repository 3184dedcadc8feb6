"""The model card of a cell's adapter, in Markdown.

It is written from the study's config, the composition of the training set, the training and the
measurements. It contains no path, host or key of this machine, and none of the texts.
"""

import json
import math
import statistics
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

import yaml

from manybaskets.config.base import HUMAN, VANILLA
from manybaskets.config.models import Model
from manybaskets.config.serving import VLLM_RANKS
from manybaskets.config.study import StudyConfig
from manybaskets.dag.provenance import Provenance
from manybaskets.data import hub
from manybaskets.files import read_json
from manybaskets.metrics import registry
from manybaskets.metrics.measurement import Measurement, from_json
from manybaskets.models import gguf
from manybaskets.reporting.published import Published, record_of

LEVEL = 0.95


def card(published: Published, name: str) -> str:
    """The model card, in Markdown, with the hub's front matter."""
    config, cell = published.config, published.cell
    seeds = len(config.seeds)
    parts = [
        "---\n" + yaml.safe_dump(_matter(published), sort_keys=False, allow_unicode=True) + "---",
        f"# {config.study}: {cell.target} fine-tuned on “{cell.mix}”, seed {cell.seed}"
        + (f", generation {cell.generation}" if cell.generation else ""),
        f"A LoRA adapter, made to measure what the origin of training data does to a model. It is "
        f"one of {seeds} replication{'s' if seeds > 1 else ''} of its condition in the study "
        f"“{config.study}”"
        + (f": {config.question}" if config.question else ".")
        + " It is a specimen, not a product: its training set was chosen for a comparison.",
        "## Training data\n\n" + _composition(published),
        "## Training\n\n" + _training(published),
        "## Measurements\n\n" + _measurements(published),
        "## Use\n\n" + _use(published, name),
        "## Licences\n\n" + _licences(published),
        "Made with manybaskets.",
    ]
    return "\n\n".join(parts) + "\n"


def _matter(published: Published) -> dict[str, Any]:
    config, base = published.config, published.base
    matter: dict[str, Any] = {"library_name": "peft", "pipeline_tag": "text-generation"}
    if base.hub:
        matter["base_model"] = base.hub
        if licence := hub.license_of(published.root / "models" / published.cell.target):
            matter["license"] = licence
    if config.dataset.hub:
        matter["datasets"] = [config.dataset.hub]
    synthetic = any(origin != HUMAN for origin in config.mixes[published.cell.mix].origins)
    matter["tags"] = ["lora", "manybaskets", *(["synthetic-data"] if synthetic else [])]
    return matter


def _composition(published: Published) -> str:
    config, cell = published.config, published.cell
    mix = config.mixes[cell.mix]
    made = read_json(published.root / f"{cell.training_set}.json")
    cut = made.get("cut", {})
    shares = {origin: f"{100 * share:.4g} %" for origin, share in mix.origins.items()}
    if cell.generation > 1:  # its rows are those of a loop, not of the mix
        shares = dict.fromkeys(made["origins"], "")
    rows = [
        [
            origin,
            _origin(config, origin),
            share,
            made["origins"].get(origin, 0),
            cut.get(origin, 0),
        ]
        for origin, share in shares.items()
    ]
    text = [_table(["origin", "description", "share in the mix", "rows", "cut short"], rows)]
    text.append(
        f"{made['rows']:,} rows, {made['words']:,} words, {made['bytes']:,} bytes of responses. "
        f"Prompts were given to origins by `assign: {mix.assign}`. “Cut short” counts responses "
        "that ended at the token limit."
    )
    if mix.select:
        chosen = json.dumps(mix.select.model_dump(mode="json", exclude_defaults=True))
        text.append(f"Synthetic responses were selected: `{chosen}`.")
    if any(origin != HUMAN for origin in mix.origins):
        sampled = config.generation
        text.append(
            f"Sources were sampled at temperature {sampled.temperature:g} and top-p "
            f"{sampled.top_p:g}, at most {sampled.max_tokens} tokens a response."
        )
    return "\n\n".join(text)


def _origin(config: StudyConfig, name: str) -> str:
    """A description of an origin, without a path or host of this machine."""
    if name == HUMAN:
        return f"human: {_dataset(config)}"
    if name not in config.sources:
        target, _, generation = name.rpartition("@")  # as `loops.origin` calls it
        return f"generation {generation} of the loop on {target}"
    source = config.sources[name]
    if source.is_recorded:
        return f"recorded responses ({source.url or Path(source.recorded or '').name})"
    if source.endpoint:
        return f"`{source.model}` behind an OpenAI-compatible endpoint"
    return _model(config.models[source.model or ""])


def _dataset(config: StudyConfig) -> str:
    dataset = config.dataset
    if dataset.docs:
        return f"documentation of {', '.join(dataset.docs.packages)} as installed"
    if dataset.hub:
        return (
            f"[{dataset.hub}](https://huggingface.co/datasets/{dataset.hub}) at {dataset.revision}"
        )
    return f"the file {dataset.url or Path(dataset.file or '').name}"


def _model(model: Model) -> str:
    if model.hub:
        merged = f", with {model.adapter} at {model.adapter_revision} merged in"
        text = f"[{model.hub}](https://huggingface.co/{model.hub}) at {model.revision}"
        return text + (merged if model.adapter else "")
    if model.scratch:
        kind = f"{model.scratch.family}, {model.scratch.layers} layers of {model.scratch.hidden}"
        return f"a tiny model that the study pretrains itself ({kind})"
    return _gguf(model) or "a local model"


def _gguf(model: Model) -> str:
    """Names the GGUF file of a converted model; empty for others."""
    if model.package:
        return f"the file {model.file or gguf.PATTERN} of the Python package {model.package}"
    if model.gguf and model.revision:
        repo, file = gguf.hub_file(model.gguf, "models")
        return f"{file} of [{repo}](https://huggingface.co/{repo}) at {model.revision}"
    return f"the file {Path(model.gguf).name}" if model.gguf else ""


def _training(published: Published) -> str:
    cell = published.cell
    summary = read_json(published.folder / "training.json")
    described = record_of(published, f"train/{cell.target}/{cell.mix}/seed={cell.run}.json")
    settings = described["description"]["training"]
    made = Provenance(published.root).of(cell)
    rows = [[f"`{key}`", f"`{json.dumps(value)}`"] for key, value in sorted(settings.items())]
    curve = summary["curve"]
    text = [
        f"Base: {cell.target}, {_model(published.base)}. Loss on the response only; "
        f"{summary['trainable_parameters']:,} trainable parameters, {summary['steps']} steps"
        + (f", loss {curve[0]['loss']} at first and {curve[-1]['loss']} at last" if curve else "")
        + f". Seed {cell.seed}.",
        _table(["setting", "value"], rows),
        f"Packages: {described['description']['code']['packages']}. SHA-256 of the adapter begins "
        f"{made.get('adapter', 'unknown')}, of the training set {made.get('rows', 'unknown')}.",
    ]
    return "\n\n".join(text)


def _measurements(published: Published) -> str:
    """Values of this adapter, mean and interval of its condition, difference to the target."""
    own = {(m.metric, m.item_set): m for m in _own(published)}
    if not own:
        return "Nothing has been measured yet."
    condition = _condition(published)
    against = _differences(published)
    rows = []
    for name in _shown(published.config, own):
        measured = own[name]
        rows.append(
            [
                f"{name[0]} ({name[1]})",
                "not computed" if measured.value is None else f"{measured.value:.4g}",
                measured.n,
                _mean(condition.get(name, [])),
                against.get(name, "–"),
            ]
        )
    headings = ["metric", "this adapter", "n", "mean over seeds", f"difference to {VANILLA}"]
    means = [
        f"- *{metric}*: {registry.metric(metric).definition}"
        for metric in dict.fromkeys(n for n, _ in own)
    ]
    shown = {name for name, _ in _shown(published.config, own)}
    text = [
        _table(headings, rows),
        f"Intervals are of {100 * LEVEL:.0f} %, over seeds: Student's of the condition's mean, "
        f"Welch's of the difference to the target without fine-tuning ({VANILLA}).",
        "\n".join(line for line in means if line[3:].partition("*")[0] in shown),
    ]
    return "\n\n".join(text)


def _own(published: Published) -> list[Measurement]:
    measurements = []
    for probe in ("collapse", "robustness", "preference"):
        path = published.folder / f"{probe}.json"
        if path.is_file():
            measurements += from_json(read_json(path)["measurements"])
    return measurements


def _shown(config: StudyConfig, measured: Iterable[tuple[str, str]]) -> list[tuple[str, str]]:
    """The primary metrics, then the key ones of the report."""
    from manybaskets.figures.labels import key_pairs

    pairs = list(measured)
    primary = [
        (metric, item_set)
        for named in config.contrasts.primary.model_dump().values()
        for metric, _, item_set in [named.partition("@")]
    ]
    return [pair for pair in dict.fromkeys([*primary, *key_pairs(pairs)]) if pair in pairs]


def _condition(published: Published) -> dict[tuple[str, str], list[float]]:
    """Values of every seed of the cell's condition, by metric and item set."""
    values: dict[tuple[str, str], list[float]] = {}
    for row in _table_of(published, "measurements.csv"):
        of_condition = [row["target"], row["mix"]] == [published.cell.target, published.cell.mix]
        if of_condition and row["value"]:
            values.setdefault((row["metric"], row["item_set"]), []).append(float(row["value"]))
    return values


def _differences(published: Published) -> dict[tuple[str, str], str]:
    differences = {}
    for row in _table_of(published, "contrasts.csv"):
        pair = (row["target"], row["mix"], row["against"])
        if pair == (published.cell.target, published.cell.mix, VANILLA) and row["difference"]:
            text = f"{float(row['difference']):+.3g}"
            if row["ci_low"]:
                text += f" [{float(row['ci_low']):+.3g}, {float(row['ci_high']):+.3g}]"
            differences[row["metric"], row["item_set"]] = text
    return differences


def _table_of(published: Published, name: str) -> list[dict[str, str]]:
    import csv

    path = published.root / "findings" / name
    if not path.is_file():
        return []
    with path.open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


def _mean(values: Sequence[float]) -> str:
    """Mean with Student's interval, from the values of the seeds."""
    from scipy.stats import t

    if len(values) < 2:
        return "–"
    mean = statistics.fmean(values)
    half = t.ppf((1 + LEVEL) / 2, len(values) - 1)
    half *= statistics.stdev(values) / math.sqrt(len(values))
    return f"{mean:.4g} [{mean - half:.4g}, {mean + half:.4g}], {len(values)} seeds"


def _use(published: Published, name: str) -> str:
    base, cell = published.base, published.cell
    rank = published.config.training.of_target(cell.target).rank
    place, revision = base.hub or f"path/to/{cell.target}", ""
    if base.hub:
        revision = f', revision="{base.revision}"'
    text = []
    if not base.hub or base.adapter:
        place, revision = f"path/to/{cell.target}", ""
        text.append(
            f"The base is a folder of the study, `models/{cell.target}`: "
            f"{_model(base)}. Put your copy of it in place of `{place}`."
        )
    shown = f" --revision {base.revision}" if revision else ""
    text.append(
        "```python\n"
        "from peft import PeftModel\n"
        "from transformers import AutoModelForCausalLM, AutoTokenizer\n\n"
        f'base = AutoModelForCausalLM.from_pretrained("{place}"{revision})\n'
        f'model = PeftModel.from_pretrained(base, "{name}")\n'
        f'tokenizer = AutoTokenizer.from_pretrained("{place}"{revision})\n'
        "```"
    )
    text.append(
        "```sh\n"
        f"vllm serve {place}{shown} --enable-lora --max-lora-rank {_served_rank(rank)} \\\n"
        f"  --lora-modules {cell.mix}={name}\n"
        "```"
    )
    text.append("Prompts are one user turn of the base's own chat template.")
    return "\n\n".join(text)


def _served_rank(rank: int) -> int:
    return next(served for served in VLLM_RANKS if served >= rank)


def _licences(published: Published) -> str:
    """The known licences of base and data, and a warning about unknown terms."""
    config, cell = published.config, published.cell
    lines = [
        f"- base ({cell.target}), {_model(published.base)}: {_licence(published, cell.target)}"
    ]
    for origin in config.mixes[cell.mix].origins:
        what = _origin(config, origin)
        if origin == HUMAN:
            known = "see the card of the dataset" if config.dataset.hub else "its owner's terms"
            known = "each package's own licence" if config.dataset.docs else known
        else:
            source = config.sources[origin]
            local = not source.is_recorded and not source.endpoint
            known = _licence(published, source.model or "") if local else (
                "the terms of the service that wrote it" if source.endpoint else "its owner's terms"
            )  # fmt: skip
        lines.append(f"- {origin}, {what}: {known}")
    lines.append(
        "\nThe terms of some models and services restrict what may be trained on their output, and "
        "some ask derived models to carry a name or notice. Check those of every origin above "
        "before you pass this adapter on."
    )
    return "\n".join(lines)


def _licence(published: Published, model: str) -> str:
    entry = published.config.models[model]
    if entry.scratch:
        return "made by the study from documentation of installed packages, under their licences"
    known = hub.license_of(Path(entry.path) if entry.path else published.root / "models" / model)
    return f"`{known}`, by its model card" if known else "not stated in its folder"


def _table(headings: Sequence[str], rows: Iterable[Sequence[Any]]) -> str:
    def line(cells: Iterable[Any]) -> str:
        return "| " + " | ".join(str(cell).replace("|", "\\|") for cell in cells) + " |"

    return "\n".join([line(headings), line("---" for _ in headings), *map(line, rows)])
