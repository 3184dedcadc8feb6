"""Synthetic text: what the sources answer to the training prompts, and to the judges' items.

Needs: data/, models/<model>/ (served by vLLM), recorded files, or endpoints.
Makes: responses/<source>/seed=<seed>.jsonl, candidates/<source>.jsonl
"""


rule generate:
    input:
        unpack(needs("generate")),
    output:
        **makes("generate"),
    log:
        study.path("logs/generate/{source}/seed={seed}.log"),
    wildcard_constraints:
        seed=r"\d+",
    priority: priority("generate")
    conda:
        "../../envs/cpu.yaml"
    params:
        job=job("generate"),
    shell:
        "python -m manybaskets generate {params.job} --train {input.train}"
        " --prompts {input.prompts} --model {input.model:q} --extend --output {output}"
        " > {log} 2>&1"


rule candidates:
    input:
        unpack(needs("candidates")),
    output:
        **makes("candidates"),
    log:
        study.path("logs/candidates/{source}.log"),
    priority: priority("candidates")
    conda:
        "../../envs/cpu.yaml"
    params:
        job=job("candidates"),
    shell:
        "python -m manybaskets candidates {params.job} --items {input.texts}"
        " --model {input.model:q} --output {output} > {log} 2>&1"
