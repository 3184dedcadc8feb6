"""Commands of the workflow's steps: one small module per step, with the name of its rule.

Each has HELP, arguments(parser) and run(options). The result of a step depends on all code that
its module imports (see fingerprint), so a command only imports code that it uses.
"""
