"""Base models: pretrained here, or fetched from the hub.

Needs: data/documentation.jsonl (scratch models), data/test.jsonl (yardstick).
Makes: models/tokenizer/, models/<model>/, models/yardstick.json
"""


rule tokenizer:
    input:
        documentation=study.path("data/documentation.jsonl"),
    output:
        directory(study.path("models/tokenizer")),
    log:
        study.path("logs/tokenizer.log"),
    conda:
        "../../envs/cpu.yaml"
    params:
        spec=spec("tokenizer"),
    shell:
        "python -m manybaskets tokenizer --spec {params.spec:q}"
        " --documentation {input.documentation} --output {output} > {log} 2>&1"


if study.scratch_models:

    rule pretrain:
        input:
            documentation=study.path("data/documentation.jsonl"),
            tokenizer=study.path("models/tokenizer"),
        output:
            folder=directory(study.path("models/{model}")),
            summary=study.path("models/{model}.json"),
        log:
            study.path("logs/pretrain/{model}.log"),
        wildcard_constraints:
            model="|".join(study.scratch_models),
        priority: 50
        conda:
            "../../envs/cpu.yaml"
        resources:
            gpu=GPUS_PER_JOB,
        params:
            spec=spec("pretrain", "model"),
        shell:
            "python -m manybaskets pretrain --spec {params.spec:q}"
            " --documentation {input.documentation} --tokenizer {input.tokenizer}"
            " --output {output.folder} --summary {output.summary} > {log} 2>&1"


if study.hub_models:

    rule fetch:
        output:
            directory(study.path("models/{model}")),
        log:
            study.path("logs/fetch/{model}.log"),
        wildcard_constraints:
            model="|".join(study.hub_models),
        conda:
            "../../envs/cpu.yaml"
        params:
            spec=spec("fetch", "model"),
        shell:
            "python -m manybaskets fetch --spec {params.spec:q} --output {output} > {log} 2>&1"


rule yardstick:
    input:
        documentation=study.path("data/documentation.jsonl"),
        test=study.path("data/test.jsonl"),
        models=[study.model(name) for name in study.scratch_models],
    output:
        study.path("models/yardstick.json"),
    log:
        study.path("logs/yardstick.log"),
    conda:
        "../../envs/cpu.yaml"
    params:
        spec=spec("yardstick"),
    shell:
        "python -m manybaskets yardstick --spec {params.spec:q}"
        " --documentation {input.documentation} --test {input.test} --models {input.models}"
        " --output {output} > {log} 2>&1"
