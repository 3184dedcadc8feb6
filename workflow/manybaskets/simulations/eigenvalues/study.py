"""Eigenvalue studies: the models of their config, and the specs of their jobs.

A generator learns from a few labelled matrices and labels many new ones; each student learns from
a different selection of these labels.
"""

from collections.abc import Mapping
from typing import Annotated, Any

from pydantic import Field, ValidationError, field_validator, model_validator

from manybaskets.config.base import ConfigError, Count, Section, Seed
from manybaskets.config.validation import problems_of, refuse_renamed
from manybaskets.simulations.eigenvalues.arms import Arm, controls
from manybaskets.simulations.eigenvalues.settings import Labels, Network, Problem, Training


class Generator(Training):
    """Training of the generator, on matrices with their true eigenvalues."""

    examples: Count
    """Number of training matrices."""
    validation: Count
    """Number of further matrices, for early stopping."""


class Eigenvalues(Section):
    """The problem, the models, the labels, and the arms."""

    problem: Problem = Problem()
    """The matrices, their encoding as tokens, and the tolerance of correct answers."""
    network: Network = Network()
    """Size of the transformer, for generator and students."""
    generator: Generator
    """Training data and training of the generator."""
    labels: Labels
    """The labels that the generator produces."""
    student: Training
    """Training of each student."""
    arms: dict[Annotated[str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9_.-]*$")], Arm]
    """Selections of labels by name, one per student; at least one."""
    threads: Count = 1
    """CPU threads of a job; they affect the results and are therefore fixed by the study."""
    reference: str | None = None
    """File of published accuracies, with which the generator's accuracies are compared."""

    @field_validator("arms")
    @classmethod
    def _at_least_one(cls, arms: dict[str, Arm]) -> dict[str, Arm]:
        if not arms:
            raise ValueError("there must be at least one arm")
        if "generator" in arms:
            raise ValueError("the name 'generator' is reserved; rename the arm")
        return arms

    @model_validator(mode="after")
    def _arms_exist(self) -> "Eigenvalues":
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
    """An eigenvalue study, without language models."""

    study: str = Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9_.-]*$")
    """Name of the study and of its results folder."""
    question: str = ""
    """The research question in one sentence."""
    seeds: list[Seed] = Field(min_length=1)
    """Replications: each seed has its own generator, labels, students and test matrices."""
    eigenvalues: Eigenvalues
    """The settings of the study."""

    @field_validator("seeds")
    @classmethod
    def _distinct(cls, seeds: list[Seed]) -> list[int]:
        if len(set(seeds)) < len(seeds):
            raise ValueError("seeds must differ")
        return seeds

    def job_spec(self, step: str, seed: int = 0, arm: str = "") -> dict[str, Any]:
        """Returns the settings that determine a job's results, besides its inputs and code."""
        section, settings = self.eigenvalues, self.eigenvalues.model_dump(mode="json")
        shared = ("problem", "network", "threads")
        if step == "generator":
            return {key: settings[key] for key in (*shared, "generator")} | {"seed": seed}
        if step == "labels":
            return {key: settings[key] for key in (*shared, "labels")} | {"seed": seed}
        if step == "student":
            other = section.arms[arm].match_keep_rate
            return {key: settings[key] for key in (*shared, "labels", "student")} | {
                "name": arm,
                "arm": settings["arms"][arm],
                "other": [other, settings["arms"][other]] if other else None,
                "seed": seed,
            }
        return {
            "arms": list(section.arms),
            "seeds": self.seeds,
            "tolerance": section.problem.tolerance,
            "controls": controls(section.arms),
        }


def load(raw: Mapping[str, Any], file: str) -> EigenStudy:
    """Returns the study of a parsed config; raises ConfigError with file, key and value."""
    refuse_renamed(raw, file)
    try:
        return EigenStudy.model_validate(raw)
    except ValidationError as error:
        raise ConfigError(problems_of(file, error)) from None
