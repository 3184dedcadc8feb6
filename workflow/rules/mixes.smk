"""Training sets.

Needs: data/, responses/<source>/seed=<seed>.jsonl of the sources in the mix.
Makes: mixes/<mix>/seed=<seed>.jsonl and its composition beside it (.json)
"""


rule build_mix:
    """Reads train, prompts, responses, selected, tokenizer. Writes rows, composition."""
    input:
        unpack(needs("build_mix")),
    output:
        **makes("build_mix"),
    log:
        log_of("build_mix"),
    localrule: True
    params:
        job=job("build_mix"),
    shell:
        "python -m manybaskets build_mix {params.job} --train {input.train}"
        " --prompts {input.prompts} --responses {input.responses:q} --selected {input.selected:q}"
        " --tokenizer {input.tokenizer:q}"
        " --rows {output.rows} --composition {output.composition} > {log} 2>&1"
