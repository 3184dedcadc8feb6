"""Synthetic text: responses of the sources to the training prompts and to the judges' items.

Needs: data/, models/<model>/ (served by vLLM), recorded files, or endpoints.
Makes: responses/<source>/seed=<seed>.jsonl, candidates/<source>.jsonl
"""


rule generate:
    """Reads train, prompts, model, recorded. Writes responses."""
    input:
        unpack(needs("generate")),
    output:
        **makes("generate"),
    log:
        log_of("generate"),
    priority: priority("generate")
    params:
        job=job("generate"),
    shell:
        "python -m manybaskets generate {params.job} --train {input.train}"
        " --prompts {input.prompts} --model {input.model:q} --extend --output {output}"
        " > {log} 2>&1"


rule source_candidates:
    """Reads texts, model, recorded. Writes responses."""
    input:
        unpack(needs("source_candidates")),
    output:
        **makes("source_candidates"),
    log:
        log_of("source_candidates"),
    priority: priority("source_candidates")
    params:
        job=job("source_candidates"),
    shell:
        "python -m manybaskets source_candidates {params.job} --items {input.texts}"
        " --model {input.model:q} --output {output} > {log} 2>&1"
