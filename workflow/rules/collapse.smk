"""Probe collapse: fit to held-out human text, and variety of the cell's own responses.

Needs: data/{train,test}.jsonl, models/<target>/, the cell's adapter.
Makes: cells/…/{responses.jsonl,samples.jsonl,likelihood.json,tokens.parquet,own-likelihood.json,
embeddings.safetensors,collapse.json,outliers.json}; data/test.safetensors
"""


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
        " --adapter {input.adapter:q} --test {input.test} --output {output.responses}"
        " --samples {output.samples} > {log} 2>&1"


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
        " --adapter {input.adapter:q} --embedder {input.embedder:q} --test {input.test}"
        " --train {input.train} --responses {input.responses} --samples {input.samples}"
        " --output {output.likelihood} --tokens {output.tokens} --own {output.own}"
        " --embeddings {output.embeddings} > {log} 2>&1"


rule reference:
    input:
        unpack(needs("reference")),
    output:
        **makes("reference"),
    log:
        study.path("logs/reference.log"),
    priority: priority("reference")
    conda:
        "../../envs/cpu.yaml"
    threads: study.config.training.threads
    resources:
        gpu=GPUS_PER_JOB,
    params:
        job=job("reference"),
    shell:
        "python -m manybaskets reference {params.job} --embedder {input.embedder:q}"
        " --test {input.test} --output {output} > {log} 2>&1"


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
        " --tokens {input.tokens} --own {input.own} --responses {input.responses}"
        " --samples {input.samples} --test {input.test} --embeddings {input.embeddings:q}"
        " --reference {input.reference:q} --output {output.measured}"
        " --outliers {output.outliers} > {log} 2>&1"
