# make study   sets up .venv and runs the embedded study (config.yaml)
# make test    sets up .venv and runs the tests
# make lint    formatting, linting, types
# make locks   regenerates envs/*.txt from envs/*.in
BIN := .venv/bin
export PATH := $(CURDIR)/$(BIN):$(PATH)

.PHONY: setup study test test-unit lint locks schema

setup: .venv/.ready

.venv/.ready: envs/cpu.txt envs/gpu.txt envs/install.sh pyproject.toml
	bash envs/install.sh

study: setup
	snakemake --cores all
	@python -m manybaskets summary --contrasts results/docs/findings/contrasts.csv --report results/docs/report.html

test: setup
	python -m pytest tests --durations=10

test-unit: setup
	python -m pytest tests/unit

lint: setup
	ruff format --check workflow tests
	ruff check workflow tests
	mypy
	snakefmt --check Snakefile workflow/rules
	snakemake --lint

locks: setup
	UV=$(BIN)/uv bash envs/lock.sh

schema: setup
	python -m manybaskets schema
