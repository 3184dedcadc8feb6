"""The command line: commands that people type (`people`) and steps that rules call (`steps`)."""
