"""Probes of one file (workflow/manybaskets/probes/of_responses/).

Needs: cells/…/responses.jsonl, data/test.jsonl
Makes: cells/…/<probe>.json
"""

if study.own_probes:

    rule measure_responses:
        """Reads responses, test. Writes measured."""
        input:
            unpack(needs("measure_responses")),
        output:
            **makes("measure_responses"),
        log:
            log_of("measure_responses"),
        priority: priority("measure_responses")
        localrule: True
        params:
            job=job("measure_responses"),
        shell:
            "python -m manybaskets measure_responses {params.job} --responses {input.responses}"
            " --test {input.test} --output {output} > {log} 2>&1"
