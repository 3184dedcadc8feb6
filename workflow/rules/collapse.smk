"""Probe collapse: fit to held-out human text, and variety of the cell's own responses.

Needs: data/test.jsonl, models/<target>/, the cell's adapter.
Makes: cells/…/{likelihood.json,responses.jsonl,collapse.json}
"""


rule score:
    input:
        unpack(needs("score")),
    output:
        **makes("score"),
    log:
        study.path("logs/score/{target}/{mix}/seed={seed}.log"),
    priority: priority("score")
    conda:
        "../../envs/cpu.yaml"
    threads: study.config.training.threads
    resources:
        gpu=GPUS_PER_JOB,
    params:
        job=job("score"),
    shell:
        "python -m manybaskets score {params.job} --base {input.base:q}"
        " --adapter {input.adapter:q} --test {input.test} --output {output} > {log} 2>&1"


rule respond:
    input:
        unpack(needs("respond")),
    output:
        **makes("respond"),
    log:
        study.path("logs/respond/{target}/{mix}/seed={seed}.log"),
    priority: priority("respond")
    conda:
        "../../envs/cpu.yaml"
    params:
        job=job("respond"),
    shell:
        "python -m manybaskets respond {params.job} --base {input.base:q}"
        " --adapter {input.adapter:q} --test {input.test} --output {output} > {log} 2>&1"


rule collapse:
    input:
        unpack(needs("collapse")),
    output:
        **makes("collapse"),
    log:
        study.path("logs/collapse/{target}/{mix}/seed={seed}.log"),
    priority: priority("collapse")
    localrule: True
    conda:
        "../../envs/cpu.yaml"
    params:
        job=job("collapse"),
    shell:
        "python -m manybaskets collapse {params.job} --likelihood {input.likelihood}"
        " --responses {input.responses} --output {output} > {log} 2>&1"
