"""Base models: pretrained here, or fetched from the hub.

Needs: data/documentation.jsonl (scratch models), data/test.jsonl (yardstick).
Makes: models/tokenizer/, models/<model>/, models/yardstick.json
"""


rule tokenizer:
    input:
        unpack(needs("tokenizer")),
    output:
        **makes("tokenizer"),
    log:
        study.path("logs/tokenizer.log"),
    localrule: True
    conda:
        "../../envs/cpu.yaml"
    params:
        job=job("tokenizer"),
    shell:
        "python -m manybaskets tokenizer {params.job}"
        " --documentation {input.documentation} --output {output} > {log} 2>&1"


if study.scratch_models:

    rule pretrain:
        input:
            unpack(needs("pretrain")),
        output:
            **makes("pretrain"),
        log:
            study.path("logs/pretrain/{model}.log"),
        wildcard_constraints:
            model="|".join(study.scratch_models),
        priority: priority("pretrain")
        conda:
            "../../envs/cpu.yaml"
        resources:
            gpu=GPUS_PER_JOB,
        params:
            job=job("pretrain"),
        shell:
            "python -m manybaskets pretrain {params.job}"
            " --documentation {input.documentation} --tokenizer {input.tokenizer}"
            " --output {output.folder} --summary {output.summary} > {log} 2>&1"


if study.fetched_models:

    rule fetch:
        input:
            unpack(needs("fetch")),
        output:
            **makes("fetch"),
        log:
            study.path("logs/fetch/{model}.log"),
        wildcard_constraints:
            model="|".join(study.fetched_models),
        localrule: True
        conda:
            "../../envs/cpu.yaml"
        params:
            job=job("fetch"),
        shell:
            "python -m manybaskets fetch {params.job} --output {output} > {log} 2>&1"


rule yardstick:
    input:
        unpack(needs("yardstick")),
    output:
        **makes("yardstick"),
    log:
        study.path("logs/yardstick.log"),
    conda:
        "../../envs/cpu.yaml"
    params:
        job=job("yardstick"),
    shell:
        "python -m manybaskets yardstick {params.job}"
        " --documentation {input.documentation} --test {input.test} --models {input.models}"
        " --output {output} > {log} 2>&1"
