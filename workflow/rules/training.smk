"""One LoRA adapter per cell.

Needs: models/<target>/, mixes/<mix>/seed=<seed>.jsonl
Makes: cells/<target>/<mix>/seed=<seed>/{adapter/,training.json}
"""


def trained(wildcards):
    """The training settings of a cell's target."""
    return study.config.training.of_target(wildcards.target)


def training_threads(wildcards):
    """Threads of all processes together; without a GPU, devices are processes."""
    settings = trained(wildcards)
    return settings.threads * (1 if GPUS else settings.devices)


rule train:
    input:
        unpack(needs("train")),
    output:
        **makes("train"),
    log:
        study.path("logs/train/{target}/{mix}/seed={seed}.log"),
    priority: priority("train")
    conda:
        "../../envs/cpu.yaml"
    threads: training_threads
    resources:
        gpu=lambda wildcards: min(GPUS, trained(wildcards).devices),
    params:
        job=job("train"),
    shell:
        "python -m manybaskets train {params.job} --base {input.base:q}"
        " --rows {input.rows} --output {output.adapter} --summary {output.summary} > {log} 2>&1"
