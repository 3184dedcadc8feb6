"""Probe preference: the cell as a judge of candidates of the human, of every source, and of cells.

Needs: data/items.jsonl, candidates/<source>.jsonl, models/<target>/, the cell's adapter.
Makes: cells/…/{judgements.jsonl,preference.json}, and candidates.jsonl where cells are judged, too;
judges/<judge>/seed=<seed>.jsonl of judges that are no cells, findings/judges.csv of all judges
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


rule consult:
    input:
        unpack(needs("consult")),
    output:
        **makes("consult"),
    log:
        study.path("logs/consult/{judge}/seed={seed}.log"),
    priority: priority("consult")
    conda:
        "../../envs/cpu.yaml"
    params:
        job=job("consult"),
    shell:
        "python -m manybaskets consult {params.job} --model {input.model:q}"
        " --items {input.texts} --candidates {input.candidates:q}"
        " --cells {input.cells:q} --output {output} > {log} 2>&1"


rule opinions:
    input:
        unpack(needs("opinions")),
    output:
        **makes("opinions"),
    log:
        study.path("logs/opinions.log"),
    priority: priority("opinions")
    localrule: True
    conda:
        "../../envs/cpu.yaml"
    params:
        job=job("opinions"),
        root=subpath(output[0], ancestor=2),
    shell:
        "python -m manybaskets opinions {params.job} --root {params.root}"
        " --output {output} > {log} 2>&1"
