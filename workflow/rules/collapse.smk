"""Probe collapse: fit to held-out human text, and variety of the cell's own responses.

Needs: data/test.jsonl, models/<target>/, the cell's adapter.
Makes: cells/…/{likelihood.json,responses.jsonl,collapse.json}
"""


def adapter(wildcards):
    """The adapter of a cell; nothing for vanilla."""
    return study.adapter(wildcards.target, wildcards.mix, wildcards.seed)


rule score:
    input:
        base=lambda wildcards: study.model(wildcards.target),
        adapter=adapter,
        test=study.path("data/test.jsonl"),
    output:
        f"{CELL}/likelihood.json",
    params:
        spec=spec("score", "target", "mix", "seed"),
    threads: study.config.training.threads
    log:
        study.path("logs/score/{target}/{mix}/seed={seed}.log"),
    conda:
        "../../envs/cpu.yaml"
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
    params:
        spec=spec("respond", "target", "mix", "seed"),
    log:
        study.path("logs/respond/{target}/{mix}/seed={seed}.log"),
    conda:
        "../../envs/cpu.yaml"
    priority: 20
    shell:
        "python -m manybaskets respond --spec {params.spec:q} --base {input.base:q}"
        " --adapter {input.adapter:q} --test {input.test} --output {output} > {log} 2>&1"


rule collapse:
    input:
        likelihood=f"{CELL}/likelihood.json",
        responses=f"{CELL}/responses.jsonl",
    output:
        f"{CELL}/collapse.json",
    params:
        spec=spec("collapse", "target", "mix", "seed"),
    log:
        study.path("logs/collapse/{target}/{mix}/seed={seed}.log"),
    conda:
        "../../envs/cpu.yaml"
    shell:
        "python -m manybaskets collapse --spec {params.spec:q} --likelihood {input.likelihood}"
        " --responses {input.responses} --output {output} > {log} 2>&1"
