"""One LoRA adapter per cell.

Needs: models/<target>/, mixes/<mix>/seed=<seed>.jsonl
Makes: cells/<target>/<mix>/seed=<seed>/{adapter/,training.json}
"""


rule train:
    """Reads base, rows. Writes adapter/, summary."""
    input:
        unpack(needs("train")),
    output:
        **makes("train"),
    log:
        log_of("train"),
    priority: priority("train")
    threads: training_threads
    resources:
        gpu=lambda wildcards: min(GPUS, trained(wildcards).devices),
    params:
        job=job("train"),
    shell:
        "python -m manybaskets train {params.job} --base {input.base:q}"
        " --rows {input.rows} --output {output.adapter} --summary {output.summary} > {log} 2>&1"
