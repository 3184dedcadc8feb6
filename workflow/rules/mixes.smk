"""Training sets.

Needs: data/, responses/<source>/seed=<seed>.jsonl of the sources in the mix.
Makes: mixes/<mix>/seed=<seed>.jsonl and its composition beside it (.json)
"""


rule mix:
    input:
        unpack(needs("mix")),
    output:
        **makes("mix"),
    log:
        study.path("logs/mix/{mix}/seed={seed}.log"),
    wildcard_constraints:
        seed=r"\d+",
    localrule: True
    conda:
        "../../envs/cpu.yaml"
    params:
        job=job("mix"),
    shell:
        "python -m manybaskets mix {params.job} --train {input.train}"
        " --prompts {input.prompts} --responses {input.responses:q} --selected {input.selected:q}"
        " --tokenizer {input.tokenizer:q}"
        " --rows {output.rows} --composition {output.composition} > {log} 2>&1"
