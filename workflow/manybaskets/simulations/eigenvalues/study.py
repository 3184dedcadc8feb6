"""A study of eigenvalues: what its config may say, and what each of its jobs depends on.

A generator learns from few labelled matrices and labels many new ones; students learn from its
labels, each from another selection of them. Knows nothing about how that is done.
"""

from collections.abc import Mapping
from typing import Annotated, Any

from pydantic import Field, ValidationError, field_validator, model_validator

from manybaskets.config.base import ConfigError, Count, Section
from manybaskets.config.validation import refuse_renamed
from manybaskets.simulations.eigenvalues.arms import Arm, controls
from manybaskets.simulations.eigenvalues.learning import Labels, Lessons, Network, Problem


class Generator(Lessons):
    """Training data and training of the generator: matrices with their true eigenvalues."""

    examples: Count
    """Number of training examples."""
    validation: Count
    """Further examples, for early stopping."""


class Eigenvalues(Section):
    """The problem, the models, the labels, and the arms."""

    problem: Problem = Problem()
    """The matrices, their encoding as tokens, and when an answer is correct."""
    network: Network = Network()
    """Size of the transformer, for generator and students."""
    generator: Generator
    """Training data and training of the generator."""
    labels: Labels
    """The labels that the generator makes."""
    student: Lessons
    """Training of each student."""
    arms: dict[Annotated[str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9_.-]*$")], Arm]
    """The selections of labels that students learn from, by name; at least one."""
    threads: Count = 1
    """CPU threads of a job: part of the result, so fixed by the study."""
    reference: str | None = None
    """File of published figures that the generator's own answers are shown beside."""

    @field_validator("arms")
    @classmethod
    def _any(cls, arms: dict[str, Arm]) -> dict[str, Arm]:
        if not arms:
            raise ValueError("needs at least one arm")
        if "generator" in arms:
            raise ValueError("'generator' is the generator's name, not an arm's")
        return arms

    @model_validator(mode="after")
    def _arms_fit(self) -> "Eigenvalues":
        for name, arm in self.arms.items():
            other = arm.match_keep_rate
            if other is not None and (
                other not in self.arms
                or self.arms[other].match_keep_rate
                or self.arms[other].labels != arm.labels
            ):
                raise ValueError(
                    f"arms.{name}.match_keep_rate: '{other}' is not an arm with the same labels "
                    f"and its own rule. Known arms: {', '.join(self.arms)}."
                )
        if self.problem.tolerance not in self.problem.tolerances:
            raise ValueError("problem.tolerance must be one of problem.tolerances")
        return self


class EigenStudy(Section):
    """A study without language models."""

    study: str = Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9_.-]*$")
    """Name of the study and of its results folder."""
    question: str = ""
    """The research question in one sentence."""
    seeds: list[int] = Field(min_length=1)
    """Replications: a seed has a generator, labels, students and test matrices of its own."""
    eigenvalues: Eigenvalues
    """The settings of the study."""

    @field_validator("seeds")
    @classmethod
    def _different(cls, seeds: list[int]) -> list[int]:
        if len(set(seeds)) < len(seeds):
            raise ValueError("seeds must differ")
        return seeds

    def described(self, step: str, seed: int = 0, arm: str = "") -> dict[str, Any]:
        """What determines a job besides its inputs and its code."""
        found, settings = self.eigenvalues, self.eigenvalues.model_dump(mode="json")
        shared = ("problem", "network", "threads")
        if step == "generator":
            return {key: settings[key] for key in (*shared, "generator")} | {"seed": seed}
        if step == "labels":
            return {key: settings[key] for key in (*shared, "labels")} | {"seed": seed}
        if step == "student":
            other = found.arms[arm].match_keep_rate
            return {key: settings[key] for key in (*shared, "labels", "student")} | {
                "name": arm,
                "arm": settings["arms"][arm],
                "other": [other, settings["arms"][other]] if other else None,
                "seed": seed,
            }
        return {
            "arms": list(found.arms),
            "seeds": self.seeds,
            "tolerance": found.problem.tolerance,
            "controls": controls(found.arms),
        }


def load(raw: Mapping[str, Any], file: str) -> EigenStudy:
    """Checks a parsed config; raises ConfigError that names file, key and finding."""
    refuse_renamed(raw, file)
    try:
        return EigenStudy.model_validate(raw)
    except ValidationError as error:
        lines = [
            f"{file}: {'.'.join(map(str, e['loc']))}: {e['msg']}; found {e['input']!r}."
            for e in error.errors()
        ]
        raise ConfigError("\n".join(lines)) from None
