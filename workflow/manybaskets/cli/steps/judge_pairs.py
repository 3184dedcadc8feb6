"""Lets a cell judge candidates."""

import argparse
from pathlib import Path
from typing import Any

from manybaskets.cli.arguments import spec_argument
from manybaskets.files import read_jsonl, write_jsonl
from manybaskets.paths import RESOURCES
from manybaskets.probes.preference import questions, text_questions
from manybaskets.serving import sessions
from manybaskets.serving.client import Client, LabelRequest
from manybaskets.serving.text_logprobs import TextReply, TextRequest
from manybaskets.stages.preference import JudgeSpec

HELP = "Asks a cell which of two candidates is better, in both orders, and what it thinks of each."


def arguments(parser: argparse.ArgumentParser) -> None:
    """Declares the options."""
    parser.add_argument("--base", type=Path, required=True)
    parser.add_argument("--adapter", type=Path, nargs="?")
    texts(parser, JudgeSpec)


def texts(parser: argparse.ArgumentParser, spec: type[JudgeSpec]) -> None:
    """Declares the options that all judges of preference share."""
    spec_argument(parser, spec)
    parser.add_argument("--items", type=Path, required=True)
    parser.add_argument("--candidates", type=Path, nargs="*", default=[])
    parser.add_argument("--cells", type=Path, nargs="*", default=[])
    parser.add_argument("--output", type=Path, required=True)


def run(options: argparse.Namespace) -> None:
    """Writes one row per pair, order and placing of labels, and per question about a candidate."""
    with sessions.serve_cell(
        options.base, options.adapter, options.spec.engine.model_dump()
    ) as client:
        judge(client, options)


def judge(client: Client, options: argparse.Namespace) -> None:
    """Asks everything of one judge, and writes its judgements."""
    spec, settings = options.spec, options.spec.preference
    items = questions.items_of(read_jsonl(options.items))
    answers = {path.stem: read_jsonl(path, ["id", "response"]) for path in options.candidates}
    for path in options.cells:  # cells/<target>/<mix>/seed=<seed>/candidates.jsonl
        answers["/".join(path.parts[-4:-2])] = read_jsonl(path, ["id", "response"])
    candidates = questions.candidates_of(items, answers, settings.items, settings.answer_format)
    pairs = questions.pairs(candidates, spec.own, settings.pairs, settings.swap_labels)
    pairs += questions.controls(items, settings.control_pairs, settings.swap_labels)
    single = [candidate for of_origin in candidates.values() for candidate in of_origin]
    partial = sessions.partial_path(options.output)
    asking = Asking(client, spec, partial)
    likelihoods: dict[str, TextReply] = {}
    if "likelihood" in settings.questions:
        likelihoods = asking.likelihoods(single)
    rows = asking.of_pairs(pairs, likelihoods)
    rows += [
        questions.likelihood_row(candidate, likelihoods.get(candidate.id))
        for candidate in single
        if "likelihood" in settings.questions
    ]
    for question in sorted({*settings.questions} - {"likelihood"}):
        rows += asking.of_candidates(question, single)
    named = {"judge": spec.judge, "seed": spec.seed, "own": spec.own}
    write_jsonl(options.output, (named | row for row in rows))
    partial.unlink(missing_ok=True)


class Asking:
    """Asks one judge; unfinished work is kept in `partial`."""

    def __init__(self, client: Client, spec: JudgeSpec, partial: Path) -> None:
        self._client = client
        self._labels = tuple(spec.preference.labels)
        self._partial = partial
        self._templates = {
            question: (RESOURCES / name).read_text(encoding="utf-8")
            for question, name in spec.templates.items()
        }

    def of_pairs(
        self, pairs: list[questions.Pair], likelihoods: dict[str, TextReply]
    ) -> list[dict[str, Any]]:
        """The rows of pairs, those that cannot be asked included."""
        template = self._templates["pair"]
        requests = [
            LabelRequest(
                pair.id, _said(questions.pair_prompt(template, pair, self._labels)), self._labels
            )
            for pair in pairs
            if pair.state == "ok"
        ]
        replies = self._client.label_log_probs(requests, self._partial, "pairs")
        found = {reply.id: reply for reply in replies}
        return [
            questions.pair_row(pair, found.get(pair.id), self._labels, likelihoods)
            for pair in pairs
        ]

    def of_candidates(
        self, name: str, candidates: list[questions.Candidate]
    ) -> list[dict[str, Any]]:
        """The rows of a question about single candidates."""
        question = text_questions.question(name)
        template = self._templates.get(name, question.prompt)
        requests = [
            LabelRequest(one.id, _said(questions.candidate_prompt(template, one)), question.labels)
            for one in candidates
            if one.state == "ok"
        ]
        replies = self._client.label_log_probs(requests, self._partial, name)
        answers = {reply.id: reply for reply in replies}
        return [
            questions.candidate_row(name, question.may_lack, one, answers.get(one.id))
            for one in candidates
        ]

    def likelihoods(self, candidates: list[questions.Candidate]) -> dict[str, TextReply]:
        """By candidate id, how probable it is as the judge's reply to what its writer was asked."""
        requests = [
            TextRequest(one.id, _said(one.request), one.response)
            for one in candidates
            if one.state == "ok"
        ]
        replies = self._client.text_log_probs(requests, self._partial, "likelihood")
        return {reply.id: reply for reply in replies}


def _said(text: str) -> tuple[dict[str, str], ...]:
    return ({"role": "user", "content": text},)
