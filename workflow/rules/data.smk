"""Human text.

Needs: the installed packages, or the study's own file, URL or hub dataset.
Makes: data/documentation.jsonl; data/files/; data/{train,test,prompts,items}.jsonl
"""

if study.remote_files:

    rule download_file:
        """Writes file."""
        output:
            **makes("download_file"),
        log:
            log_of("download_file"),
        localrule: True
        params:
            job=job("download_file"),
        shell:
            "python -m manybaskets download_file {params.job} --output {output} > {log} 2>&1"


rule collect_docstrings:
    """Writes rows."""
    output:
        **makes("collect_docstrings"),
    log:
        log_of("collect_docstrings"),
    localrule: True
    threads: 2
    params:
        job=job("collect_docstrings"),
    shell:
        "python -m manybaskets collect_docstrings {params.job} --threads {threads}"
        " --output {output} > {log} 2>&1"


rule prepare_dataset:
    """Reads documentation, files. Writes train, test, prompts, texts."""
    input:
        unpack(needs("prepare_dataset")),
    output:
        **makes("prepare_dataset"),
    log:
        log_of("prepare_dataset"),
    localrule: True
    params:
        job=job("prepare_dataset"),
    shell:
        "python -m manybaskets prepare_dataset {params.job} --documentation {input.documentation:q}"
        " --train {output.train} --test {output.test} --prompts {output.prompts}"
        " --items {output.texts} > {log} 2>&1"
