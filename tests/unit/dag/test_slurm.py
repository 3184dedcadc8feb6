"""A machine without SLURM; with one, tests/cluster."""

from pathlib import Path
from typing import Any

import pytest
import yaml

from manybaskets.config import validation
from manybaskets.config.base import ConfigError
from manybaskets.dag import slurm
from manybaskets.stages.base import Device
from manybaskets.stages.registry import STAGES
from manybaskets.study.layout import Study
from tests.support.paths import ROOT


@pytest.fixture
def study(study_config: dict[str, Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Study:
    """A study in a directory of its own, on a machine without any program."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("PATH", "")
    return Study(validation.load(study_config, "micro.yaml"))


def test_a_study_that_was_not_submitted_queries_no_scheduler(
    study: Study, capsys: pytest.CaptureFixture[str]
) -> None:
    slurm.finish_earlier_run(study)
    assert capsys.readouterr().out == ""


def test_a_run_that_ended_leaves_nothing_to_wait_for(study: Study) -> None:
    slurm.remember(study, "manybaskets_1")
    slurm.forget(study)
    slurm.finish_earlier_run(study)  # would ask squeue, which is not here
    assert not list(Path(study.root).rglob("*slurm*"))


def test_jobs_whose_state_cannot_be_queried_stop_the_run(study: Study) -> None:
    slurm.remember(study, "manybaskets_1")
    with pytest.raises(ConfigError, match=r"no squeue.*manybaskets_1.*delete results/micro/logs"):
        slurm.finish_earlier_run(study)


def test_submitting_where_there_is_no_sbatch_names_the_profile(study: Study) -> None:
    with pytest.raises(ConfigError, match=r"profiles/slurm/config\.yaml.*no sbatch"):
        slurm.check([{"slurm_partition": "gpu"}])


def test_the_profile_gives_a_gpu_to_every_step_that_runs_a_model() -> None:
    profile = yaml.safe_load((ROOT / "workflow/profiles/slurm/config.yaml").read_text())
    given = {name for name, resources in profile["set-resources"].items() if "gpu" in resources}
    assert given >= {name for name, s in STAGES.items() if s.device is not Device.NONE}
