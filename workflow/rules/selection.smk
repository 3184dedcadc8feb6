"""Selection: scores of the responses that a mix may keep, and the rows that pass its rule.

Needs: data/train.jsonl, data/prompts.jsonl, responses/<source>/seed=<seed>.jsonl of the sources in
the mix, models/<model>/ of its verifier.
Makes: verdicts/<mix>/seed=<seed>.jsonl, selections/<mix>/seed=<seed>.jsonl, and beside the latter
the measurements of the selection (.json); those of loops are below loop/<target>/
"""

if study.selecting:

    rule score_responses:
        """Reads train, prompts, responses, model. Writes verdicts."""
        input:
            unpack(needs("score_responses")),
        output:
            **makes("score_responses"),
        log:
            log_of("score_responses"),
        priority: priority("score_responses")
        threads: study.config.training.threads
        resources:
            gpu=lambda wildcards: GPUS_PER_JOB * is_scored_in_job(wildcards.mix),
        params:
            job=job("score_responses"),
        shell:
            "python -m manybaskets score_responses {params.job} --train {input.train}"
            " --prompts {input.prompts} --responses {input.responses:q}"
            " --model {input.model:q} --output {output} > {log} 2>&1"

    rule select:
        """Reads verdicts, like. Writes rows."""
        input:
            unpack(needs("select")),
        output:
            **makes("select"),
        log:
            log_of("select"),
        priority: priority("select")
        localrule: True
        params:
            job=job("select"),
        shell:
            "python -m manybaskets select {params.job} --verdicts {input.verdicts}"
            " --like {input.like} --rows {output} > {log} 2>&1"

    rule verifier_quality:
        """Reads verdicts, like, train. Writes measured."""
        input:
            unpack(needs("verifier_quality")),
        output:
            **makes("verifier_quality"),
        log:
            log_of("verifier_quality"),
        priority: priority("verifier_quality")
        localrule: True
        params:
            job=job("verifier_quality"),
        shell:
            "python -m manybaskets verifier_quality {params.job} --verdicts {input.verdicts}"
            " --like {input.like} --train {input.train} --output {output} > {log} 2>&1"
