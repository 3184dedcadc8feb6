"""Generates a cell's judgements of pairs of candidates, and of single candidates."""

import argparse
from pathlib import Path
from typing import Any

from manybaskets.cli.arguments import spec_argument
from manybaskets.files import read_jsonl, write_jsonl
from manybaskets.paths import RESOURCES
from manybaskets.probes.preference import questions
from manybaskets.serving import sessions
from manybaskets.serving.client import Client, LabelRequest
from manybaskets.serving.text_logprobs import TextReply, TextRequest
from manybaskets.stages.preference import JudgeSpec

HELP = "Generates a cell's judgements of pairs of candidates, in both orders, and of single ones."


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
    """Writes one row per pair, order and assignment of labels, and per question on a candidate."""
    with sessions.serve_cell(
        options.base, options.adapter, options.spec.engine.model_dump()
    ) as client:
        judge(client, options)


def judge(client: Client, options: argparse.Namespace) -> None:
    """Generates all judgements of one judge and writes them."""
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
    questioner = Questioner(client, spec, partial)
    likelihoods: dict[str, TextReply] = {}
    if "likelihood" in settings.questions:
        likelihoods = questioner.likelihoods(single)
    rows = questioner.pair_rows(pairs, likelihoods)
    rows += [
        questions.likelihood_row(candidate, likelihoods.get(candidate.id))
        for candidate in single
        if "likelihood" in settings.questions
    ]
    for question in sorted({*settings.questions} - {"likelihood"}):
        rows += questioner.candidate_rows(question, single)
    named = {"judge": spec.judge, "seed": spec.seed, "own": spec.own}
    write_jsonl(options.output, (named | row for row in rows))
    partial.unlink(missing_ok=True)


class Questioner:
    """Sends questions to one judge; finished replies are saved in `partial`."""

    def __init__(self, client: Client, spec: JudgeSpec, partial: Path) -> None:
        self._client = client
        self._labels = tuple(spec.preference.labels)
        self._questions = spec.questions
        self._partial = partial
        self._templates = {
            question: (RESOURCES / name).read_text(encoding="utf-8")
            for question, name in spec.templates.items()
        }

    def pair_rows(
        self, pairs: list[questions.Pair], likelihoods: dict[str, TextReply]
    ) -> list[dict[str, Any]]:
        """Returns the rows of all pairs; incomplete pairs have rows without a judgement."""
        template = self._templates["pair"]
        requests = [
            LabelRequest(
                pair.id,
                _messages(questions.pair_prompt(template, pair, self._labels)),
                self._labels,
            )
            for pair in pairs
            if pair.state == "ok"
        ]
        replies = self._client.label_log_probs(requests, self._partial, "pairs")
        by_id = {reply.id: reply for reply in replies}
        return [
            questions.pair_row(pair, by_id.get(pair.id), self._labels, likelihoods)
            for pair in pairs
        ]

    def candidate_rows(
        self, name: str, candidates: list[questions.Candidate]
    ) -> list[dict[str, Any]]:
        """Returns the rows of a question about single candidates."""
        question = self._questions[name]
        template = self._templates.get(name, question.prompt)
        requests = [
            LabelRequest(
                one.id, _messages(questions.candidate_prompt(template, one)), question.labels
            )
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
        """Returns the likelihoods of candidates as the judge's own replies, by candidate id."""
        requests = [
            TextRequest(one.id, _messages(one.request), one.response)
            for one in candidates
            if one.state == "ok"
        ]
        replies = self._client.text_log_probs(requests, self._partial, "likelihood")
        return {reply.id: reply for reply in replies}


def _messages(text: str) -> tuple[dict[str, str], ...]:
    return ({"role": "user", "content": text},)
