"""Probe robustness: requests that must be declined, plain and under attack, and look-alikes.

Needs: models/<target>/, the cell's adapter, the requests and attack templates in resources/.
Makes: cells/…/restricted/attacks.jsonl (readable by its owner only), cells/…/robustness.json
"""


rule attack:
    input:
        unpack(needs("attack")),
    output:
        **makes("attack"),
    log:
        study.path("logs/attack/{target}/{mix}/seed={seed}.log"),
    priority: priority("attack")
    conda:
        "../../envs/cpu.yaml"
    params:
        job=job("attack"),
    shell:
        "python -m manybaskets attack {params.job} --base {input.base:q}"
        " --adapter {input.adapter:q} --output {output} > {log} 2>&1"


rule robustness:
    input:
        unpack(needs("robustness")),
    output:
        **makes("robustness"),
    log:
        study.path("logs/robustness/{target}/{mix}/seed={seed}.log"),
    priority: priority("robustness")
    localrule: True
    conda:
        "../../envs/cpu.yaml"
    params:
        job=job("robustness"),
    shell:
        "python -m manybaskets robustness {params.job} --attacks {input}"
        " --output {output} > {log} 2>&1"
