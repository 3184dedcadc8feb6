"""Preference probe: the cell as a judge of candidates of people, sources and cells.

Needs: data/items.jsonl, candidates/<source>.jsonl, models/<target>/, the cell's adapter.
Makes: cells/…/{judgements.jsonl,preference.json}, and candidates.jsonl if cells are judged;
judges/<judge>/seed=<seed>.jsonl of external judges, findings/judges.csv of all judges
"""


rule cell_candidates:
    """Reads base, adapter, texts. Writes candidates."""
    input:
        unpack(needs("cell_candidates")),
    output:
        **makes("cell_candidates"),
    log:
        log_of("cell_candidates"),
    priority: priority("cell_candidates")
    params:
        job=job("cell_candidates"),
    shell:
        "python -m manybaskets cell_candidates {params.job} --base {input.base:q}"
        " --adapter {input.adapter:q} --items {input.texts} --output {output} > {log} 2>&1"


rule judge_pairs:
    """Reads base, adapter, texts, cells, candidates. Writes judgements."""
    input:
        unpack(needs("judge_pairs")),
    output:
        **makes("judge_pairs"),
    log:
        log_of("judge_pairs"),
    priority: priority("judge_pairs")
    params:
        job=job("judge_pairs"),
    shell:
        "python -m manybaskets judge_pairs {params.job} --base {input.base:q}"
        " --adapter {input.adapter:q} --items {input.texts} --candidates {input.candidates:q}"
        " --cells {input.cells:q} --output {output} > {log} 2>&1"


rule preference:
    """Reads judgements. Writes measured."""
    input:
        unpack(needs("preference")),
    output:
        **makes("preference"),
    log:
        log_of("preference"),
    priority: priority("preference")
    localrule: True
    params:
        job=job("preference"),
    shell:
        "python -m manybaskets preference {params.job} --judgements {input}"
        " --output {output} > {log} 2>&1"


rule external_judge:
    """Reads model, texts, cells, candidates. Writes judgements."""
    input:
        unpack(needs("external_judge")),
    output:
        **makes("external_judge"),
    log:
        log_of("external_judge"),
    priority: priority("external_judge")
    params:
        job=job("external_judge"),
    shell:
        "python -m manybaskets external_judge {params.job} --model {input.model:q}"
        " --items {input.texts} --candidates {input.candidates:q}"
        " --cells {input.cells:q} --output {output} > {log} 2>&1"


rule compare_judges:
    """Reads judgements. Writes table."""
    input:
        unpack(needs("compare_judges")),
    output:
        **makes("compare_judges"),
    log:
        log_of("compare_judges"),
    priority: priority("compare_judges")
    localrule: True
    params:
        job=job("compare_judges"),
        root=subpath(output[0], ancestor=2),
    shell:
        "python -m manybaskets compare_judges {params.job} --root {params.root}"
        " --output {output} > {log} 2>&1"
