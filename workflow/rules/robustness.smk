"""Probe robustness: requests that must be declined, plain and under attack, and look-alikes.

Needs: models/<target>/, the cell's adapter, the requests, attacks and judges in resources/, the
  homes of public sets that the study names.
Makes (readable by their owner only): restricted/sets/<set>, cells/…/restricted/suffixes.jsonl,
  cells/…/restricted/attacks.jsonl, cells/…/restricted/labels/<judge>.jsonl,
  restricted/calibration/<judge>.jsonl.
Makes: cells/…/robustness.json
"""


rule bring:
    output:
        **makes("bring"),
    log:
        study.path("logs/bring/{set}.log"),
    localrule: True
    conda:
        "../../envs/cpu.yaml"
    params:
        job=job("bring"),
    shell:
        "python -m manybaskets bring {params.job} --output {output} > {log} 2>&1"


rule optimise:
    input:
        unpack(needs("optimise")),
    output:
        **makes("optimise"),
    log:
        study.path("logs/optimise/{target}/{mix}/seed={seed}.log"),
    priority: priority("optimise")
    conda:
        "../../envs/cpu.yaml"
    resources:
        gpu=GPUS_PER_JOB,
    params:
        job=job("optimise"),
    shell:
        "python -m manybaskets optimise {params.job} --base {input.base:q}"
        " --adapter {input.adapter:q} --sets {input.sets:q} --output {output} > {log} 2>&1"


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
        " --adapter {input.adapter:q} --sets {input.sets:q} --suffixes {input.suffixes}"
        " --output {output} > {log} 2>&1"


rule label:
    input:
        unpack(needs("label")),
    output:
        **makes("label"),
    log:
        study.path("logs/label/{target}/{mix}/seed={seed}/{judge}.log"),
    priority: priority("label")
    conda:
        "../../envs/cpu.yaml"
    params:
        job=job("label"),
    shell:
        "python -m manybaskets label {params.job} --model {input.model:q}"
        " --attacks {input.attacks} --output {output} > {log} 2>&1"


rule calibrate:
    input:
        unpack(needs("calibrate")),
    output:
        **makes("calibrate"),
    log:
        study.path("logs/calibrate/{judge}.log"),
    priority: priority("calibrate")
    conda:
        "../../envs/cpu.yaml"
    params:
        job=job("calibrate"),
    shell:
        "python -m manybaskets calibrate {params.job} --model {input.model:q}"
        " --output {output} > {log} 2>&1"


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
        "python -m manybaskets robustness {params.job} --attacks {input.attacks}"
        " --labels {input.labels} --calibration {input.calibration} --output {output} > {log} 2>&1"
