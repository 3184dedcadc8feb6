"""One LoRA adapter per cell.

Needs: models/<target>/, mixes/<mix>/seed=<seed>.jsonl
Makes: cells/<target>/<mix>/seed=<seed>/{adapter/,training.json}
"""


rule train:
    input:
        base=lambda wildcards: study.model(wildcards.target),
        rows=study.path("mixes/{mix}/seed={seed}.jsonl"),
    output:
        adapter=directory(f"{CELL}/adapter"),
        summary=f"{CELL}/training.json",
    log:
        study.path("logs/train/{target}/{mix}/seed={seed}.log"),
    priority: 30
    conda:
        "../../envs/cpu.yaml"
    threads: study.config.training.threads
    resources:
        gpu=GPUS_PER_JOB,
    params:
        spec=spec("train", "target", "mix", "seed"),
    shell:
        "python -m manybaskets train --spec {params.spec:q} --base {input.base:q}"
        " --rows {input.rows} --output {output.adapter} --summary {output.summary} > {log} 2>&1"
