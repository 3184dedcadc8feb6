"""The entry of the Snakemake workflow catalog fits the repository."""

import shlex

import yaml

from tests.support.paths import ROOT


def test_catalog_entry_names_files_and_deployment_that_exist() -> None:
    entry = yaml.safe_load((ROOT / ".snakemake-workflow-catalog.yml").read_text(encoding="utf-8"))
    usage = entry["usage"]
    assert usage.keys() == {"mandatory-flags", "software-stack-deployment", "report"}
    flags = shlex.split(usage["mandatory-flags"]["flags"])
    assert flags[0] == "--configfile" and (ROOT / flags[1]).is_file()
    rules = "".join(path.read_text() for path in (ROOT / "workflow/rules").glob("*.smk"))
    deployment = usage["software-stack-deployment"]
    assert deployment["conda"] == (ROOT / "envs/cpu.yaml").is_file()
    assert deployment["apptainer"] == ("container:" in rules)
    assert usage["report"] == ("report(" in rules)
