"""Self-consuming loops: responses of each generation, and the training set of the next one.

Needs: data/, models/<target>/, the cell's adapter, mixes/<mix>/seed=<seed>.jsonl of generation 1;
  the rules of selection.smk select from the responses.
Makes: responses/loop/<target>/<mix>/seed=<seed>/generation=<t>.jsonl, and
  mixes/loop/<target>/<mix>/seed=<seed>/generation=<t>.jsonl with its composition beside it (.json)
"""

if study.loops:

    rule loop_generate:
        """Reads base, adapter, train, prompts. Writes responses."""
        input:
            unpack(needs("loop_generate")),
        output:
            **makes("loop_generate"),
        log:
            log_of("loop_generate"),
        priority: priority("loop_generate")
        params:
            job=job("loop_generate"),
        shell:
            "python -m manybaskets loop_generate {params.job} --base {input.base:q}"
            " --adapter {input.adapter:q} --train {input.train} --prompts {input.prompts}"
            " --output {output} > {log} 2>&1"

    rule loop_mix:
        """Reads train, prompts, first, written. Writes rows, composition."""
        input:
            unpack(needs("loop_mix")),
        output:
            **makes("loop_mix"),
        log:
            log_of("loop_mix"),
        priority: priority("loop_mix")
        localrule: True
        params:
            job=job("loop_mix"),
        shell:
            "python -m manybaskets loop_mix {params.job} --train {input.train}"
            " --prompts {input.prompts} --first {input.first:q} --written {input.written:q}"
            " --rows {output.rows} --composition {output.composition} > {log} 2>&1"
