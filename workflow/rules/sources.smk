"""Synthetic text: what the sources answer to the training prompts, and to the judges' items.

Needs: data/, models/<model>/ (served by vLLM), recorded files, or endpoints.
Makes: responses/<source>/seed=<seed>.jsonl, candidates/<source>.jsonl
"""


rule generate:
    input:
        train=study.path("data/train.jsonl"),
        prompts=study.path("data/prompts.jsonl"),
        model=source_model,
    output:
        study.path("responses/{source}/seed={seed}.jsonl"),
    log:
        study.path("logs/generate/{source}/seed={seed}.log"),
    priority: 40
    conda:
        "../../envs/cpu.yaml"
    params:
        spec=spec("generate", "source", "seed"),
    shell:
        "python -m manybaskets generate --spec {params.spec:q} --train {input.train}"
        " --prompts {input.prompts} --model {input.model:q} --output {output} > {log} 2>&1"


rule candidates:
    input:
        texts=study.path("data/items.jsonl"),
        model=source_model,
    output:
        study.path("candidates/{source}.jsonl"),
    log:
        study.path("logs/candidates/{source}.log"),
    priority: 40
    conda:
        "../../envs/cpu.yaml"
    params:
        spec=spec("candidates", "source"),
    shell:
        "python -m manybaskets candidates --spec {params.spec:q} --items {input.texts}"
        " --model {input.model:q} --output {output} > {log} 2>&1"
