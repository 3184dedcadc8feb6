"""Edits of a study of the user's own files."""

from tests.support.workspace import (
    NOTHING,
    Table,
    change_line,
    on_results,
    replace_bytes,
    sets,
    source,
    touch_everything,
)

TABLE: Table = {
    "nothing": (lambda _: None, NOTHING),
    "a row of the dataset": (
        change_line("human.jsonl", 7, "long", "wide"),
        {"prepare_dataset", "generate/*", "score_responses/*", "select/*", "build_mix/*"},
    ),
    "a recorded answer": (
        change_line("two.jsonl", 7, "long", "wide"),
        {
            "generate/two/*",
            "score_responses/*",
            "select/*",
            "build_mix/multi/*",
            "build_mix/picked/*",
        },
    ),
    "own files touched": (lambda w: touch_everything(w.directory), NOTHING),
    "the model's weights": (
        lambda w: replace_bytes(w.directory / "own model/model.safetensors"),
        {"build_mix/*"},
    ),
    "the number of tokens": (sets(tokens=120), {"build_mix/*"}),
    "a mix's proportions": (
        sets(mixes__multi__origins={"one": 0.25, "two": 0.75}),
        {"generate/*", "build_mix/multi/*"},
    ),
    "the share of a source in a selected mix": (
        sets(mixes__picked__origins={"one": 0.25, "two": 0.75}),
        {"generate/*", "score_responses/*", "select/*", "build_mix/picked/*"},
    ),
    "the share that a selection keeps": (
        sets(mixes__picked__select__top=0.7),
        {"select/*", "build_mix/picked/*"},
    ),
    "a selection's verifier": (
        sets(mixes__picked__select__verifier={"by": "reference", "metric": "rouge-L"}),
        {"score_responses/*", "select/*", "build_mix/picked/*"},
    ),
    "errors of a verifier": (
        sets(
            mixes__picked__select__verifier={
                **{"by": "reference", "accept": 0.5, "noise": {"keep_wrong": 0.1}}
            }
        ),
        {"select/*", "build_mix/picked/*"},
    ),
    "the code that selects rows": (
        source(
            "workflow/manybaskets/selection/operators/threshold.py",
            'row["score"] >= value',
            'not row["score"] < value',
        ),
        {"select/*", "build_mix/picked/*"},
    ),
    "the code that measures agreement": (
        source("workflow/manybaskets/metrics/rouge.py", "2 * shared", "2.0 * shared"),
        {"score_responses/*", "select/*", "build_mix/picked/*"},
    ),
    "verdicts deleted": (
        on_results(lambda r: (r / "verdicts/picked/seed=1.jsonl").unlink()),
        {"score_responses/picked/seed=1"},
    ),
    "a selection with one bit flipped": (
        on_results(lambda r: replace_bytes(r / "selections/picked/seed=2.jsonl")),
        {"select/picked/seed=2"},
    ),
}
