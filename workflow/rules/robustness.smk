"""Robustness probe: requests that must be declined, plain and under attack, and look-alikes.

Needs: models/<target>/, the cell's adapter, the requests, attacks and judges in resources/, and
  the public sets of the study, which are downloaded.
Makes (readable by their owner only): restricted/sets/<set>, cells/…/restricted/suffixes.jsonl,
  cells/…/restricted/attacks.jsonl, cells/…/restricted/labels/<judge>.jsonl,
  restricted/calibration/<judge>.jsonl.
Makes: cells/…/robustness.json
"""


rule download_requests:
    """Writes file."""
    output:
        **makes("download_requests"),
    log:
        log_of("download_requests"),
    localrule: True
    params:
        job=job("download_requests"),
    shell:
        "python -m manybaskets download_requests {params.job} --output {output} > {log} 2>&1"


rule optimise_suffixes:
    """Reads base, adapter, sets. Writes suffixes."""
    input:
        unpack(needs("optimise_suffixes")),
    output:
        **makes("optimise_suffixes"),
    log:
        log_of("optimise_suffixes"),
    priority: priority("optimise_suffixes")
    resources:
        gpu=GPUS_PER_JOB,
    params:
        job=job("optimise_suffixes"),
    shell:
        "python -m manybaskets optimise_suffixes {params.job} --base {input.base:q}"
        " --adapter {input.adapter:q} --sets {input.sets:q} --output {output} > {log} 2>&1"


rule run_attacks:
    """Reads base, adapter, sets, suffixes. Writes attacks."""
    input:
        unpack(needs("run_attacks")),
    output:
        **makes("run_attacks"),
    log:
        log_of("run_attacks"),
    priority: priority("run_attacks")
    params:
        job=job("run_attacks"),
    shell:
        "python -m manybaskets run_attacks {params.job} --base {input.base:q}"
        " --adapter {input.adapter:q} --sets {input.sets:q} --suffixes {input.suffixes}"
        " --output {output} > {log} 2>&1"


rule judge_harm:
    """Reads attacks, model. Writes labels."""
    input:
        unpack(needs("judge_harm")),
    output:
        **makes("judge_harm"),
    log:
        log_of("judge_harm"),
    priority: priority("judge_harm")
    params:
        job=job("judge_harm"),
    shell:
        "python -m manybaskets judge_harm {params.job} --model {input.model:q}"
        " --attacks {input.attacks} --output {output} > {log} 2>&1"


rule judge_labelled:
    """Reads model. Writes labels."""
    input:
        unpack(needs("judge_labelled")),
    output:
        **makes("judge_labelled"),
    log:
        log_of("judge_labelled"),
    priority: priority("judge_labelled")
    params:
        job=job("judge_labelled"),
    shell:
        "python -m manybaskets judge_labelled {params.job} --model {input.model:q}"
        " --output {output} > {log} 2>&1"


rule robustness:
    """Reads attacks, labels, calibration. Writes measured."""
    input:
        unpack(needs("robustness")),
    output:
        **makes("robustness"),
    log:
        log_of("robustness"),
    priority: priority("robustness")
    localrule: True
    params:
        job=job("robustness"),
    shell:
        "python -m manybaskets robustness {params.job} --attacks {input.attacks}"
        " --labels {input.labels} --calibration {input.calibration} --output {output} > {log} 2>&1"
