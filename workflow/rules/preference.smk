"""Probe preference: the cell as a judge between candidates of the human and of every source.

Needs: data/items.jsonl, candidates/<source>.jsonl, models/<target>/, the cell's adapter.
Makes: cells/…/{judgements.jsonl,preference.json}
"""


rule judge:
    input:
        base=lambda wildcards: study.model(wildcards.target),
        adapter=adapter,
        texts=study.path("data/items.jsonl"),
        candidates=[
            study.path("candidates", f"{name}.jsonl") for name in study.config.sources
        ],
    output:
        f"{CELL}/judgements.jsonl",
    log:
        study.path("logs/judge/{target}/{mix}/seed={seed}.log"),
    priority: 35
    conda:
        "../../envs/cpu.yaml"
    params:
        spec=spec("judge", "target", "mix", "seed"),
    shell:
        "python -m manybaskets judge --spec {params.spec:q} --base {input.base:q}"
        " --adapter {input.adapter:q} --items {input.texts} --candidates {input.candidates:q}"
        " --output {output} > {log} 2>&1"


rule preference:
    input:
        f"{CELL}/judgements.jsonl",
    output:
        f"{CELL}/preference.json",
    log:
        study.path("logs/preference/{target}/{mix}/seed={seed}.log"),
    priority: 60
    conda:
        "../../envs/cpu.yaml"
    params:
        spec=spec("preference", "target", "mix", "seed"),
    shell:
        "python -m manybaskets preference --spec {params.spec:q} --judgements {input}"
        " --output {output} > {log} 2>&1"
