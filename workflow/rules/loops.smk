"""Self-consuming loops: what a generation writes for the next, and what that one is trained on.

Needs: data/, models/<target>/, the cell's adapter, mixes/<mix>/seed=<seed>.jsonl of generation 1;
  selections of what was written are made by the rules of selections.
Makes: responses/loop/<target>/<mix>/seed=<seed>/generation=<t>.jsonl, and
  mixes/loop/<target>/<mix>/seed=<seed>/generation=<t>.jsonl with its composition beside it (.json)
"""

if study.loops:

    rule write:
        input:
            unpack(needs("write")),
        output:
            **makes("write"),
        log:
            study.path("logs/write/{target}/{mix}/seed={seed}.log"),
        wildcard_constraints:
            mix="|".join(study.loops),
        priority: priority("write")
        conda:
            "../../envs/cpu.yaml"
        params:
            job=job("write"),
        shell:
            "python -m manybaskets write {params.job} --base {input.base:q}"
            " --adapter {input.adapter:q} --train {input.train} --prompts {input.prompts}"
            " --output {output} > {log} 2>&1"

    rule round:
        input:
            unpack(needs("round")),
        output:
            **makes("round"),
        log:
            study.path("logs/round/{target}/{mix}/seed={seed}.log"),
        wildcard_constraints:
            mix="|".join(study.loops),
        priority: priority("round")
        localrule: True
        conda:
            "../../envs/cpu.yaml"
        params:
            job=job("round"),
        shell:
            "python -m manybaskets round {params.job} --train {input.train}"
            " --prompts {input.prompts} --first {input.first:q} --written {input.written:q}"
            " --rows {output.rows} --composition {output.composition} > {log} 2>&1"
