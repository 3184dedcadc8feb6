"""Base models: pretrained here, or downloaded from the hub.

Needs: data/documentation.jsonl (scratch models), data/test.jsonl (yardstick).
Makes: models/tokenizer/, models/<model>/, models/yardstick.json
"""


rule train_tokenizer:
    """Reads documentation. Writes folder/."""
    input:
        unpack(needs("train_tokenizer")),
    output:
        **makes("train_tokenizer"),
    log:
        log_of("train_tokenizer"),
    localrule: True
    params:
        job=job("train_tokenizer"),
    shell:
        "python -m manybaskets train_tokenizer {params.job}"
        " --documentation {input.documentation} --output {output} > {log} 2>&1"


if study.scratch_models:

    rule pretrain:
        """Reads documentation, tokenizer. Writes folder/, summary."""
        input:
            unpack(needs("pretrain")),
        output:
            **makes("pretrain"),
        log:
            log_of("pretrain"),
        priority: priority("pretrain")
        resources:
            gpu=GPUS_PER_JOB,
        params:
            job=job("pretrain"),
        shell:
            "python -m manybaskets pretrain {params.job}"
            " --documentation {input.documentation} --tokenizer {input.tokenizer}"
            " --output {output.folder} --summary {output.summary} > {log} 2>&1"


if study.fetched_models:

    rule download_model:
        """Reads model. Writes folder/."""
        input:
            unpack(needs("download_model")),
        output:
            **makes("download_model"),
        log:
            log_of("download_model"),
        localrule: True
        params:
            job=job("download_model"),
        shell:
            "python -m manybaskets download_model {params.job} --output {output} > {log} 2>&1"


rule ngram_baseline:
    """Reads documentation, test, models. Writes scores."""
    input:
        unpack(needs("ngram_baseline")),
    output:
        **makes("ngram_baseline"),
    log:
        log_of("ngram_baseline"),
    params:
        job=job("ngram_baseline"),
    shell:
        "python -m manybaskets ngram_baseline {params.job}"
        " --documentation {input.documentation} --test {input.test} --models {input.models}"
        " --output {output} > {log} 2>&1"
