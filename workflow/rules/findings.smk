"""All measurements in one table, contrasts over seeds, figures and the report.

Needs: the probes' results of every cell, compositions, training summaries, the yardstick.
Makes: findings/{measurements.csv,measurements.parquet,items.parquet,contrasts.csv,trends.csv,
pooled.csv,training.csv,ranks.csv,comparison.csv,proxies.csv,dictionary.csv}, findings/figures/, report.html
"""


rule findings:
    """Reads measured, cells, test. Writes measurements, parquet, by_prompt, contrasts, trends,
    pooled, training, ranks, comparison, proxies, dictionary."""
    input:
        unpack(needs("findings")),
    output:
        **shown(
            "findings",
            contrasts="Comparisons",
            trends="Comparisons",
            pooled="Comparisons",
        ),
    log:
        log_of("findings"),
    localrule: True
    params:
        job=job("findings"),
        root=subpath(output.measurements, ancestor=2),
        folder=subpath(output.measurements, parent=True),
    shell:
        "python -m manybaskets findings {params.job} --root {params.root}"
        " --output {params.folder} > {log} 2>&1"


rule figures:
    """Reads measurements, contrasts, trends, training, ranks, judges. Writes folder/."""
    input:
        unpack(needs("figures")),
    output:
        **shown("figures", folder="Figures"),
    log:
        log_of("figures"),
    localrule: True
    params:
        job=job("figures"),
    shell:
        "python -m manybaskets figures {params.job} --measurements {input.measurements}"
        " --contrasts {input.contrasts} --trends {input.trends} --training {input.training}"
        " --ranks {input.ranks} --judges {input.judges} --output {output} > {log} 2>&1"


rule report:
    """Reads measurements, contrasts, trends, training, ranks, judges, pooled, comparison, figures,
    yardstick, cells. Writes page."""
    input:
        unpack(needs("report")),
    output:
        page=report(
            study.path("report.html"),
            caption="../report/report.rst",
            category="Report",
        ),
    log:
        log_of("report"),
    localrule: True
    params:
        job=job("report"),
        root=subpath(output[0], parent=True),
    shell:
        "python -m manybaskets report {params.job} --root {params.root}"
        " --measurements {input.measurements} --contrasts {input.contrasts}"
        " --trends {input.trends} --pooled {input.pooled} --comparison {input.comparison}"
        " --figures {input.figures} --yardstick {input.yardstick:q} --output {output} > {log} 2>&1"
