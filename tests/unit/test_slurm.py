"""A machine without SLURM; with one, tests/cluster."""

from pathlib import Path
from typing import Any

import pytest

from manybaskets import slurm, validation
from manybaskets.config import ConfigError
from manybaskets.study import Study


@pytest.fixture
def study(study_config: dict[str, Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Study:
    """A study in a directory of its own, on a machine without any program."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("PATH", "")
    return Study(validation.load(study_config, "micro.yaml"))


def test_a_study_that_was_not_submitted_asks_nobody(study: Study) -> None:
    slurm.finish_earlier_run(study)


def test_a_run_that_ended_leaves_nothing_to_wait_for(study: Study) -> None:
    slurm.remember(study, "manybaskets_1")
    slurm.forget(study)
    slurm.finish_earlier_run(study)


def test_jobs_that_may_live_where_nobody_can_be_asked_stop_the_run(study: Study) -> None:
    slurm.remember(study, "manybaskets_1")
    with pytest.raises(ConfigError, match=r"no squeue.*manybaskets_1.*delete results/micro/logs"):
        slurm.finish_earlier_run(study)


def test_submitting_where_there_is_no_sbatch_names_the_profile(study: Study) -> None:
    with pytest.raises(ConfigError, match=r"profiles/slurm/config\.yaml.*no sbatch"):
        slurm.check([{"slurm_partition": "gpu"}])
