"""Collapse probe: fit to held-out human text, and diversity of the cell's responses.

Needs: data/{train,test}.jsonl, models/<target>/, the cell's adapter.
Makes: cells/…/{responses.jsonl,samples.jsonl,likelihood.json,tokens.parquet,own-likelihood.json,
embeddings.safetensors,collapse.json,outliers.json}; data/test.safetensors
"""


rule sample_responses:
    """Reads base, adapter, test. Writes responses, samples."""
    input:
        unpack(needs("sample_responses")),
    output:
        **makes("sample_responses"),
    log:
        log_of("sample_responses"),
    priority: priority("sample_responses")
    params:
        job=job("sample_responses"),
    shell:
        "python -m manybaskets sample_responses {params.job} --base {input.base:q}"
        " --adapter {input.adapter:q} --test {input.test} --output {output.responses}"
        " --samples {output.samples} > {log} 2>&1"


rule score_likelihood:
    """Reads base, adapter, embedder, test, train, responses, samples. Writes likelihood, tokens,
    own, embeddings."""
    input:
        unpack(needs("score_likelihood")),
    output:
        **makes("score_likelihood"),
    log:
        log_of("score_likelihood"),
    priority: priority("score_likelihood")
    threads: study.config.training.threads
    resources:
        gpu=GPUS_PER_JOB,
    params:
        job=job("score_likelihood"),
    shell:
        "python -m manybaskets score_likelihood {params.job} --base {input.base:q}"
        " --adapter {input.adapter:q} --embedder {input.embedder:q} --test {input.test}"
        " --train {input.train} --responses {input.responses} --samples {input.samples}"
        " --output {output.likelihood} --tokens {output.tokens} --own {output.own}"
        " --embeddings {output.embeddings} > {log} 2>&1"


rule embed_reference:
    """Reads embedder, test. Writes embeddings."""
    input:
        unpack(needs("embed_reference")),
    output:
        **makes("embed_reference"),
    log:
        log_of("embed_reference"),
    priority: priority("embed_reference")
    threads: study.config.training.threads
    resources:
        gpu=GPUS_PER_JOB,
    params:
        job=job("embed_reference"),
    shell:
        "python -m manybaskets embed_reference {params.job} --embedder {input.embedder:q}"
        " --test {input.test} --output {output} > {log} 2>&1"


rule collapse:
    """Reads likelihood, tokens, own, responses, samples, test, embeddings, reference. Writes
    measured, outliers."""
    input:
        unpack(needs("collapse")),
    output:
        **makes("collapse"),
    log:
        log_of("collapse"),
    priority: priority("collapse")
    localrule: True
    params:
        job=job("collapse"),
    shell:
        "python -m manybaskets collapse {params.job} --likelihood {input.likelihood}"
        " --tokens {input.tokens} --own {input.own} --responses {input.responses}"
        " --samples {input.samples} --test {input.test} --embeddings {input.embeddings:q}"
        " --reference {input.reference:q} --output {output.measured}"
        " --outliers {output.outliers} > {log} 2>&1"
