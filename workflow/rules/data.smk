"""Human text.

Needs: the installed packages, or the study's own file or hub dataset.
Makes: data/documentation.jsonl; data/{train,test,prompts,items}.jsonl
"""


rule documentation:
    output:
        **makes("documentation"),
    log:
        study.path("logs/documentation.log"),
    localrule: True
    conda:
        "../../envs/cpu.yaml"
    threads: 2
    params:
        job=job("documentation"),
    shell:
        "python -m manybaskets documentation {params.job} --threads {threads}"
        " --output {output} > {log} 2>&1"


rule dataset:
    input:
        unpack(needs("dataset")),
    output:
        **makes("dataset"),
    log:
        study.path("logs/dataset.log"),
    localrule: True
    conda:
        "../../envs/cpu.yaml"
    params:
        job=job("dataset"),
    shell:
        "python -m manybaskets dataset {params.job} --documentation {input.documentation:q}"
        " --train {output.train} --test {output.test} --prompts {output.prompts}"
        " --items {output.texts} > {log} 2>&1"
