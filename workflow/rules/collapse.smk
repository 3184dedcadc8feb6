"""Probe collapse: fit to held-out human text, and variety of the cell's own responses.

Needs: data/{train,test}.jsonl, models/<target>/, the cell's adapter.
Makes: cells/…/{likelihood.json,tokens.parquet,responses.jsonl,samples.jsonl,own-likelihood.json,
embeddings.safetensors,collapse.json,outliers.json}; data/test.safetensors
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
        " --adapter {input.adapter:q} --test {input.test} --train {input.train}"
        " --output {output.likelihood} --tokens {output.tokens} > {log} 2>&1"


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


rule mirror:
    input:
        unpack(needs("mirror")),
    output:
        **makes("mirror"),
    log:
        study.path("logs/mirror/{target}/{mix}/seed={seed}.log"),
    priority: priority("mirror")
    conda:
        "../../envs/cpu.yaml"
    threads: study.config.training.threads
    resources:
        gpu=GPUS_PER_JOB,
    params:
        job=job("mirror"),
    shell:
        "python -m manybaskets mirror {params.job} --base {input.base:q}"
        " --responses {input.responses} --output {output} > {log} 2>&1"


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


rule embed:
    input:
        unpack(needs("embed")),
    output:
        **makes("embed"),
    log:
        study.path("logs/embed/{target}/{mix}/seed={seed}.log"),
    priority: priority("embed")
    conda:
        "../../envs/cpu.yaml"
    threads: study.config.training.threads
    resources:
        gpu=GPUS_PER_JOB,
    params:
        job=job("embed"),
    shell:
        "python -m manybaskets embed {params.job} --embedder {input.embedder:q}"
        " --responses {input.responses} --samples {input.samples} --output {output} > {log} 2>&1"


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
