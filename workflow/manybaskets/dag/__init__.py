"""The graph of jobs: records, reruns, locks, costs, preflight checks, Snakemake patches."""
