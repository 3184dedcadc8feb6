"""The command line: one small module per subcommand, one subcommand per rule.

Each has HELP, arguments(parser) and run(options). What a step's result depends on is exactly what
its module imports (see fingerprint), so a command imports no more than it uses.
"""
