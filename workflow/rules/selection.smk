"""Selection: scores of the responses that a mix may keep, and the rows that its rule takes.

Needs: data/train.jsonl, data/prompts.jsonl, responses/<source>/seed=<seed>.jsonl of the sources in
the mix, models/<model>/ of its verifier.
Makes: verdicts/<mix>/seed=<seed>.jsonl, selections/<mix>/seed=<seed>.jsonl, and beside the latter
what the verifier did (.json); of what a loop writes, the same below loop/<target>/
"""

if study.selections:

    rule verify:
        input:
            unpack(needs("verify")),
        output:
            **makes("verify"),
        log:
            study.path("logs/verify/{mix}/seed={seed}.log"),
        wildcard_constraints:
            mix="|".join(study.selections),
        priority: priority("verify")
        conda:
            "../../envs/cpu.yaml"
        threads: study.config.training.threads
        resources:
            gpu=lambda wildcards: GPUS_PER_JOB * is_scored_in_job(wildcards.mix),
        params:
            job=job("verify"),
        shell:
            "python -m manybaskets verify {params.job} --train {input.train}"
            " --prompts {input.prompts} --responses {input.responses:q}"
            " --model {input.model:q} --output {output} > {log} 2>&1"

    rule select:
        input:
            unpack(needs("select")),
        output:
            **makes("select"),
        log:
            study.path("logs/select/{mix}/seed={seed}.log"),
        wildcard_constraints:
            mix="|".join(study.selections),
        priority: priority("select")
        localrule: True
        conda:
            "../../envs/cpu.yaml"
        params:
            job=job("select"),
        shell:
            "python -m manybaskets select {params.job} --verdicts {input.verdicts}"
            " --like {input.like} --rows {output} > {log} 2>&1"

    rule verification:
        input:
            unpack(needs("verification")),
        output:
            **makes("verification"),
        log:
            study.path("logs/verification/{mix}/seed={seed}.log"),
        wildcard_constraints:
            mix="|".join(study.selections),
        priority: priority("verification")
        localrule: True
        conda:
            "../../envs/cpu.yaml"
        params:
            job=job("verification"),
        shell:
            "python -m manybaskets verification {params.job} --verdicts {input.verdicts}"
            " --like {input.like} --train {input.train} --output {output} > {log} 2>&1"
