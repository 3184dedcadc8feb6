"""Every number in one table, contrasts over seeds, figures and the report.

Needs: the probes' results of every cell, compositions, training summaries, the yardstick.
Makes: findings/{measurements.csv,measurements.parquet,contrasts.csv}, findings/figures/, report.html
"""


rule findings:
    input:
        [
            study.path(cell.path, f"{probe}.json")
            for cell in study.cells
            for probe in study.probes()
        ],
    output:
        measurements=study.path("findings/measurements.csv"),
        parquet=study.path("findings/measurements.parquet"),
        contrasts=study.path("findings/contrasts.csv"),
        dictionary=study.path("findings/dictionary.csv"),
    log:
        study.path("logs/findings.log"),
    conda:
        "../../envs/cpu.yaml"
    params:
        spec=spec("findings"),
        root=subpath(output.measurements, ancestor=2),
    shell:
        "python -m manybaskets findings --spec {params.spec:q} --root {params.root}"
        " --measurements {output.measurements} --parquet {output.parquet}"
        " --contrasts {output.contrasts} --dictionary {output.dictionary} > {log} 2>&1"


rule figures:
    input:
        measurements=study.path("findings/measurements.csv"),
        contrasts=study.path("findings/contrasts.csv"),
    output:
        directory(study.path("findings/figures")),
    log:
        study.path("logs/figures.log"),
    conda:
        "../../envs/cpu.yaml"
    params:
        spec=spec("figures"),
    shell:
        "python -m manybaskets figures --spec {params.spec:q} --measurements {input.measurements}"
        " --contrasts {input.contrasts} --output {output} > {log} 2>&1"


rule report:
    input:
        measurements=study.path("findings/measurements.csv"),
        contrasts=study.path("findings/contrasts.csv"),
        figures=study.path("findings/figures"),
        yardstick=branch(
            study.scratch_models != [], then=study.path("models/yardstick.json")
        ),
        cells=study.sample_files(),
    output:
        report(
            study.path("report.html"),
            caption="../report/report.rst",
            category="Report",
        ),
    log:
        study.path("logs/report.log"),
    conda:
        "../../envs/cpu.yaml"
    params:
        spec=spec("report"),
        root=subpath(output[0], parent=True),
    shell:
        "python -m manybaskets report --spec {params.spec:q} --root {params.root}"
        " --measurements {input.measurements} --contrasts {input.contrasts}"
        " --figures {input.figures} --yardstick {input.yardstick:q} --output {output} > {log} 2>&1"
