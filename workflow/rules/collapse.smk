"""Probe collapse: fit to held-out human text, and variety of the cell's own responses.

Needs: data/test.jsonl, models/<target>/, the cell's adapter.
Makes: cells/…/{likelihood.json,responses.jsonl,collapse.json}
"""


rule score:
    input:
        base=lambda wildcards: study.model(wildcards.target),
        adapter=adapter,
        test=study.path("data/test.jsonl"),
    output:
        f"{CELL}/likelihood.json",
    log:
        study.path("logs/score/{target}/{mix}/seed={seed}.log"),
    priority: 35
    conda:
        "../../envs/cpu.yaml"
    threads: study.config.training.threads
    resources:
        gpu=GPUS_PER_JOB,
    params:
        spec=spec("score", "target", "mix", "seed"),
    shell:
        "python -m manybaskets score --spec {params.spec:q} --base {input.base:q}"
        " --adapter {input.adapter:q} --test {input.test} --output {output} > {log} 2>&1"


rule respond:
    input:
        base=lambda wildcards: study.model(wildcards.target),
        adapter=adapter,
        test=study.path("data/test.jsonl"),
    output:
        f"{CELL}/responses.jsonl",
    log:
        study.path("logs/respond/{target}/{mix}/seed={seed}.log"),
    priority: 35
    conda:
        "../../envs/cpu.yaml"
    params:
        spec=spec("respond", "target", "mix", "seed"),
    shell:
        "python -m manybaskets respond --spec {params.spec:q} --base {input.base:q}"
        " --adapter {input.adapter:q} --test {input.test} --output {output} > {log} 2>&1"


rule collapse:
    input:
        likelihood=f"{CELL}/likelihood.json",
        responses=f"{CELL}/responses.jsonl",
    output:
        f"{CELL}/collapse.json",
    log:
        study.path("logs/collapse/{target}/{mix}/seed={seed}.log"),
    priority: 60
    conda:
        "../../envs/cpu.yaml"
    params:
        spec=spec("collapse", "target", "mix", "seed"),
    shell:
        "python -m manybaskets collapse --spec {params.spec:q} --likelihood {input.likelihood}"
        " --responses {input.responses} --output {output} > {log} 2>&1"
