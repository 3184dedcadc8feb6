"""Probe robustness: requests that must be declined, plain and under attack, and look-alikes.

Needs: models/<target>/, the cell's adapter, the requests and attack templates in resources/.
Makes: cells/…/restricted/attacks.jsonl (readable by its owner only), cells/…/robustness.json
"""


rule attack:
    input:
        base=lambda wildcards: study.model(wildcards.target),
        adapter=adapter,
    output:
        f"{CELL}/restricted/attacks.jsonl",
    log:
        study.path("logs/attack/{target}/{mix}/seed={seed}.log"),
    priority: 35
    conda:
        "../../envs/cpu.yaml"
    params:
        spec=spec("attack", "target", "mix", "seed"),
    shell:
        "python -m manybaskets attack --spec {params.spec:q} --base {input.base:q}"
        " --adapter {input.adapter:q} --output {output} > {log} 2>&1"


rule robustness:
    input:
        f"{CELL}/restricted/attacks.jsonl",
    output:
        f"{CELL}/robustness.json",
    log:
        study.path("logs/robustness/{target}/{mix}/seed={seed}.log"),
    priority: 60
    conda:
        "../../envs/cpu.yaml"
    params:
        spec=spec("robustness", "target", "mix", "seed"),
    shell:
        "python -m manybaskets robustness --spec {params.spec:q} --attacks {input}"
        " --output {output} > {log} 2>&1"
