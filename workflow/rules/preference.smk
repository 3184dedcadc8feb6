"""Probe preference: the cell as a judge of candidates of the human, of every source, and of cells.

Needs: data/items.jsonl, candidates/<source>.jsonl, models/<target>/, the cell's adapter.
Makes: cells/…/{judgements.jsonl,preference.json}, and candidates.jsonl where cells are judged, too
"""


rule answer:
    input:
        unpack(needs("answer")),
    output:
        **makes("answer"),
    log:
        study.path("logs/answer/{target}/{mix}/seed={seed}.log"),
    priority: priority("answer")
    conda:
        "../../envs/cpu.yaml"
    params:
        job=job("answer"),
    shell:
        "python -m manybaskets answer {params.job} --base {input.base:q}"
        " --adapter {input.adapter:q} --items {input.texts} --output {output} > {log} 2>&1"


rule judge:
    input:
        unpack(needs("judge")),
    output:
        **makes("judge"),
    log:
        study.path("logs/judge/{target}/{mix}/seed={seed}.log"),
    priority: priority("judge")
    conda:
        "../../envs/cpu.yaml"
    params:
        job=job("judge"),
    shell:
        "python -m manybaskets judge {params.job} --base {input.base:q}"
        " --adapter {input.adapter:q} --items {input.texts} --candidates {input.candidates:q}"
        " --cells {input.cells:q} --output {output} > {log} 2>&1"


rule preference:
    input:
        unpack(needs("preference")),
    output:
        **makes("preference"),
    log:
        study.path("logs/preference/{target}/{mix}/seed={seed}.log"),
    priority: priority("preference")
    localrule: True
    conda:
        "../../envs/cpu.yaml"
    params:
        job=job("preference"),
    shell:
        "python -m manybaskets preference {params.job} --judgements {input}"
        " --output {output} > {log} 2>&1"
