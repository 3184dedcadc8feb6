"""Synthetic text: what the sources answer to the training prompts, and to the judges' items.

Needs: data/, models/<model>/ (served by vLLM), recorded files, or endpoints.
Makes: responses/<source>/seed=<seed>.jsonl, candidates/<source>.jsonl
"""


def source_model(wildcards):
    """The folder of the model that a source is served from; nothing for other sources."""
    source = study.config.sources[wildcards.source]
    return [study.model(source.model)] if source.model in study.config.models else []


rule generate:
    input:
        train=study.path("data/train.jsonl"),
        prompts=study.path("data/prompts.jsonl"),
        model=source_model,
    output:
        study.path("responses/{source}/seed={seed}.jsonl"),
    params:
        spec=spec("generate", "source", "seed"),
    log:
        study.path("logs/generate/{source}/seed={seed}.log"),
    conda:
        "../../envs/cpu.yaml"
    priority: 40
    shell:
        "python -m manybaskets generate --spec {params.spec:q} --train {input.train}"
        " --prompts {input.prompts} --model {input.model:q} --output {output} > {log} 2>&1"


rule candidates:
    input:
        texts=study.path("data/items.jsonl"),
        model=source_model,
    output:
        study.path("candidates/{source}.jsonl"),
    params:
        spec=spec("candidates", "source"),
    log:
        study.path("logs/candidates/{source}.log"),
    conda:
        "../../envs/cpu.yaml"
    priority: 40
    shell:
        "python -m manybaskets candidates --spec {params.spec:q} --items {input.texts}"
        " --model {input.model:q} --output {output} > {log} 2>&1"
