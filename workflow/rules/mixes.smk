"""Training sets.

Needs: data/, responses/<source>/seed=<seed>.jsonl of the sources in the mix.
Makes: mixes/<mix>/seed=<seed>.jsonl and its composition beside it (.json)
"""


rule mix:
    input:
        train=study.path("data/train.jsonl"),
        prompts=study.path("data/prompts.jsonl"),
        responses=lambda wildcards: [
            study.responses(source, wildcards.seed)
            for source in study.mix_sources(wildcards.mix)
        ],
        tokenizer=study.token_counter(),
    output:
        rows=study.path("mixes/{mix}/seed={seed}.jsonl"),
        composition=study.path("mixes/{mix}/seed={seed}.json"),
    log:
        study.path("logs/mix/{mix}/seed={seed}.log"),
    conda:
        "../../envs/cpu.yaml"
    params:
        spec=spec("mix", "mix", "seed"),
    shell:
        "python -m manybaskets mix --spec {params.spec:q} --train {input.train}"
        " --prompts {input.prompts} --responses {input.responses:q} --tokenizer {input.tokenizer:q}"
        " --rows {output.rows} --composition {output.composition} > {log} 2>&1"
