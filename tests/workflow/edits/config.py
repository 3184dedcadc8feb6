"""Edits of the config of the micro study."""

from typing import Any

from tests.support.workspace import (
    NOTHING,
    Table,
    Workspace,
    sets,
)
from tests.workflow.edits.jobs import (
    ALL_TUNED,
    END,
    JUDGED,
    MULTI,
    RESPONDED,
    SEED_3,
    TUNED,
    VANILLA_3,
)


def reorder_keys(workspace: Workspace) -> None:
    def reverse_keys(value: Any) -> Any:
        if isinstance(value, dict):
            return {key: reverse_keys(value[key]) for key in reversed(list(value))}
        return value

    # the order of origins and sources has a meaning; that of other keys does not
    ordered = {key: workspace.config[key] for key in ("mixes", "sources", "models")}
    workspace.config = reverse_keys(workspace.config) | ordered


def remove_a_source(workspace: Workspace) -> None:
    del workspace.config["sources"]["finch"]
    workspace.config["mixes"]["multi"] = {"origins": {"wren": 1}, "assign": "quarters"}


TABLE: Table = {
    "a mix's proportions": (
        sets(mixes__multi__origins={"wren": 0.25, "finch": 0.75}),
        {"generate/*", "build_mix/multi/*"} | MULTI | END,
    ),
    "a mix's assignment": (
        sets(mixes__multi__assign="random"),
        {"generate/*", "build_mix/multi/*"} | MULTI | END,
    ),
    "the order of a mix's origins, which assigns the quarters": (
        sets(mixes__multi__origins={"finch": 0.5, "wren": 0.5}),
        {"generate/*", "build_mix/multi/*"} | MULTI | END,
    ),
    "a mix added": (
        sets(mixes__single={"origins": {"wren": 1}}),
        {"generate/wren/*", "build_mix/single/*", "compare_judges"}
        | {path.format("single") for path in TUNED}
        | END,
    ),
    "a mix removed": (lambda w: w.config["mixes"].pop("human"), {"compare_judges"} | END),
    "a seed added": (sets(seeds=[1, 2, 3]), SEED_3 | VANILLA_3 | {"compare_judges"} | END),
    "a seed removed": (sets(seeds=[2]), {"external_judge/outsider/seed=2", "compare_judges"} | END),
    "an external judge added": (
        sets(probes__preference__judges={"outsider": {"model": "finch"}, "old": {"model": "wren"}}),
        {"external_judge/old/*", "compare_judges", "figures", "report"},
    ),
    "a source removed": (
        remove_a_source,
        {"generate/wren/*", "build_mix/multi/*"} | JUDGED | MULTI | END,
    ),
    "a source added that no mix uses": (
        sets(sources__parrot={"model": "finch"}),
        {"source_candidates/parrot"} | JUDGED | END,
    ),
    "two numbers swapped": (sets(training__rank=8, training__alpha=4), ALL_TUNED),
    "keys in another order": (reorder_keys, NOTHING),
    "a number written in another form": (sets(training__learning_rate=0.005), NOTHING),
    "a default written out": (sets(training__dropout=0.0, engine__max_loras=4), NOTHING),
    "the learning rate": (sets(training__learning_rate=0.004), ALL_TUNED),
    "the rows of the mixes": (
        sets(rows=44),
        {"generate/*", "build_mix/*"} | ALL_TUNED,
    ),
    "temperature": (
        sets(generation__temperature=0.9),
        {"generate/*", "source_candidates/*", "build_mix/multi/*", "run_attacks/*", "collapse/*"}
        | {"robustness/*"}
        | JUDGED
        | RESPONDED
        | MULTI
        | END,
    ),
    "a probe switched off": (sets(probes__preference=None), END),
    "the collapse probe's length": (sets(probes__collapse__tokens=6), {"collapse/*"} | END),
    "the collapse probe's bins": (sets(probes__collapse__bins=4), {"collapse/*"} | END),
    "the number of responses to each prompt": (
        sets(probes__collapse__samples=2),
        RESPONDED | {"collapse/*"} | END,
    ),
    "the definition of the tail": (
        sets(probes__collapse__top_k=20),
        {"score_likelihood/*", "collapse/*"} | END,
    ),
    "no semantic diversity": (
        sets(probes__collapse__embedder=None),
        {"score_likelihood/*", "collapse/*"} | END,
    ),
    "the number of requests": (
        sets(probes__robustness__count=6),
        {"run_attacks/*", "robustness/*"} | END,
    ),
    "the number of items": (
        sets(probes__preference__items=5),
        {"source_candidates/*"} | JUDGED | END,
    ),
    "an attack dropped": (
        sets(probes__robustness__attacks=["persona"]),
        {"run_attacks/*", "robustness/*"} | END,
    ),
    "the significance level": (sets(contrasts__alpha=0.01), END),
    "the question": (sets(question="Another one?"), {"report"}),
    "a model's pretraining": (
        sets(models__finch__scratch__tokens=21_000),
        {
            "pretrain/finch",
            "ngram_baseline",
            "generate/finch/*",
            "source_candidates/finch",
            "build_mix/multi/*",
        }
        | JUDGED
        | MULTI
        | END,
    ),
    "threads of training, which change the result": (
        sets(training__threads=2),
        {"train/*", "score_likelihood/*", "embed_reference", "collapse/*"} | ALL_TUNED,
    ),
    "memory of the engine": (sets(engine__kv_cache_gib=0.5), {"report"}),
    "the time that an idle engine stays up": (sets(engine__keep_alive=5), {"report"}),
    "the share of a GPU that an engine uses": (
        sets(engine__gpu_memory_utilization=0.5),
        {"report"},
    ),
    "cores": (lambda w: w.snakemake_arguments.extend(["--cores", "1"]), NOTHING),
}
