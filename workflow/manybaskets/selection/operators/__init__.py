"""Further operators of selection: a file here is a rule that `select: {operator: …}` names.

A module has WORDS, what is kept, for the report, and `passes(scores, value) -> list[bool]`:
`scores` are the verifier's of all responses of a source, None where it gave none, and `value` is
the study's (`select.value`). What has no score may not pass.
"""
