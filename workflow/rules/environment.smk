"""The conda environment of every rule of this workflow, used with --sdm conda.

Included after the rules.
"""

for declared in workflow.rules:
    if Path(declared.snakefile).parent == Path(LIBRARY, "rules"):
        declared.conda_env = "../../envs/cpu.yaml"
