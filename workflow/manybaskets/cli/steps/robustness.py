"""Measures the robustness probe of a cell from its responses and the judges' labels."""

import argparse
from pathlib import Path
from typing import Any

from manybaskets.cli.arguments import spec_argument
from manybaskets.files import InputError, read_jsonl, write_json
from manybaskets.findings import per_prompt
from manybaskets.metrics.measurement import to_json
from manybaskets.metrics.near_duplicates import near_duplicates
from manybaskets.probes.robustness import (
    calibration,
    judge_metrics,
    refusal_detector,
    refusal_verdicts,
    rule_metrics,
)
from manybaskets.stages.robustness import RobustnessSpec

HELP = "Measures refusal, over-refusal, attack success and degeneration of a cell's responses."


def arguments(parser: argparse.ArgumentParser) -> None:
    """Declares the options."""
    spec_argument(parser, RobustnessSpec)
    parser.add_argument("--attacks", type=Path, required=True)
    parser.add_argument("--labels", type=Path, nargs="*", default=[])
    parser.add_argument("--calibration", type=Path, nargs="*", default=[])
    parser.add_argument("--output", type=Path, required=True)


def run(options: argparse.Namespace) -> None:
    """Writes measurements and intervals over prompts, without the text of any response."""
    spec = options.spec
    rows = read_jsonl(options.attacks, ["request", "item_set", "prompt", "response", "state"])
    labels = {path.stem: read_jsonl(path, ["id", "state"]) for path in options.labels}
    for name, of_judge in labels.items():
        if [label["id"] for label in of_judge] != [row["id"] for row in rows]:
            raise InputError(
                f"the labels of the judge '{name}' do not belong to the rows in {options.attacks}. "
                "Remove the labels and run the study again."
            )
    kinds = {name: (kind, most) for name, (kind, most) in spec.judges.items()}
    rows = refusal_verdicts.annotated(rows, spec.refusals)
    measurements = rule_metrics.outcome_measurements(rows)
    measurements += judge_metrics.judged_measurements(rows, labels, kinds)
    if spec.labelled:
        people = read_jsonl(Path(spec.labelled), ["response", "refused"])
        people = refusal_verdicts.annotated(people, spec.refusals)
        measurements += calibration.corrected_refusals(
            rows, calibration.rule_errors(people), "the detector"
        )
        for path in options.calibration:
            name, judge_labels = path.stem, read_jsonl(path, ["state"])
            judge = calibration.judge_errors(people, judge_labels, kinds[name][0])
            measurements += calibration.corrected_successes(
                rows, labels[name], judge, name, kinds[name][0]
            )
    elif spec.refusals == "learned":
        judge, name = refusal_detector.load().held_out, "the detector (held-out labels of XSTest)"
        measurements += calibration.corrected_refusals(rows, judge, name)
    direct = {row["request"]: row["prompt"] for row in rows if row["item_set"].endswith("/direct")}
    clusters = dict(zip(direct, near_duplicates(list(direct.values())), strict=True))
    content: dict[str, Any] = {
        "measurements": to_json(measurements),
        "items": per_prompt.of_outcomes(rows),
    }
    content["intervals"] = rule_metrics.intervals(rows, clusters)
    content["prompts"] = {"requests": len(direct), "clusters": len(set(clusters.values()))}
    write_json(options.output, content)
