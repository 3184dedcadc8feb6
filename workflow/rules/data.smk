"""Human text.

Needs: the installed packages, or the study's own file or hub dataset.
Makes: data/documentation.jsonl; data/{train,test,prompts,items}.jsonl
"""


rule documentation:
    output:
        study.path("data/documentation.jsonl"),
    log:
        study.path("logs/documentation.log"),
    conda:
        "../../envs/cpu.yaml"
    threads: 2
    params:
        spec=spec("documentation"),
    shell:
        "python -m manybaskets documentation --spec {params.spec:q} --threads {threads}"
        " --output {output} > {log} 2>&1"


rule dataset:
    input:
        documentation=branch(
            study.config.dataset.docs is not None,
            then=study.path("data/documentation.jsonl"),
        ),
    output:
        train=study.path("data/train.jsonl"),
        test=study.path("data/test.jsonl"),
        prompts=study.path("data/prompts.jsonl"),
        texts=study.path("data/items.jsonl"),
    log:
        study.path("logs/dataset.log"),
    conda:
        "../../envs/cpu.yaml"
    params:
        spec=spec("dataset"),
    shell:
        "python -m manybaskets dataset --spec {params.spec:q} --documentation {input.documentation:q}"
        " --train {output.train} --test {output.test} --prompts {output.prompts}"
        " --items {output.texts} > {log} 2>&1"
