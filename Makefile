# make study   sets up .venv and runs the embedded study (config.yaml)
# make test    sets up .venv and runs the tests
# make test-fast      the unit tests but for the slow ones (a minute on two cores)
# make test-network   tests of public data that is pinned by hash and downloaded once
# make test-cluster   the same with a real SLURM on this machine (as root; installs Debian's packages)
# make test-faults   kills, full disks, damaged files (15 minutes)
# make bench-engine   what warm engines save (25 minutes on two cores; nothing else should run)
# make bench-scale    planning and gathering of a study of 10,000 cells
# make bench-patches  what each replaced part of Snakemake saves (some minutes)
# make bench-collapse what the collapse probe costs
# make test-presets   every preset for real at micro scale (some minutes each on two cores)
# make docs    the guide as a site: docs/_build/index.html
# make bench-train    a training against a bare loop and against TRL
# make lint    formatting, linting, types
# make audit   known vulnerabilities of what the locks name
# make locks   regenerates envs/*.txt from envs/*.in
BIN := .venv/bin
PROSE := $(wildcard *.md) Makefile Snakefile config.yaml docs workflow tests resources profiles envs .ci
export PATH := $(CURDIR)/$(BIN):$(PATH)

.PHONY: setup study test test-fast test-unit test-network test-cluster test-faults test-presets bench-engine bench-scale bench-patches bench-collapse bench-train docs lint audit locks schema

setup: .venv/.ready

.venv/.ready: envs/cpu.txt envs/gpu.txt envs/install.sh pyproject.toml
	bash envs/install.sh

study: setup
	snakemake --cores all
	@python -m manybaskets summary --contrasts results/docs/findings/contrasts.csv --report results/docs/report.html

test: setup
	python -m pytest tests/unit --numprocesses auto --dist loadfile --durations=10 && failed=0 || failed=1; \
	python -m pytest tests/engine tests/workflow --numprocesses 2 --dist loadfile --durations=10 && exit $$failed

test-fast: setup
	python -m pytest tests/unit -m "not slow and not network" --numprocesses auto --dist loadfile

test-network: setup
	python -m pytest tests/unit -m network -rs

test-cluster: setup
	bash tests/cluster/install.sh
	python -m pytest tests/cluster --durations=5

test-faults: setup
	python -m pytest tests/faults --durations=5

test-presets: setup
	python -m pytest tests/presets --durations=5

docs: setup
	uv tool run --with-requirements envs/docs.txt --from sphinx sphinx-build -q -W -b html docs docs/_build
	@! grep -rE '<(script|link|img)[^>]+(src|href)="(https?:)?//|url\(["'"'"']?(https?:)?//' docs/_build --include='*.html' --include='*.css'

test-unit: setup
	python -m pytest tests/unit --numprocesses auto --dist loadfile

bench-engine: setup
	PYTHONPATH=workflow python -m tests.bench.engine

bench-scale: setup
	PYTHONPATH=workflow python -m tests.bench.scale

bench-patches: setup
	PYTHONPATH=workflow python -m tests.bench.patches

bench-collapse: setup
	PYTHONPATH=workflow python -m tests.bench.collapse

bench-train: setup
	PYTHONPATH=workflow python -m tests.bench.train

lint: setup
	ruff format --check workflow tests
	ruff check workflow tests
	mypy
	lint-imports --no-logo
	codespell $(PROSE)
	python tests/lint/prose.py $(PROSE)
	snakefmt --check Snakefile workflow/rules
	snakemake --lint

# The GPU lock has the same packages; CPU builds of torch are not on PyPI.
audit: setup
	uv tool run pip-audit --strict --no-deps --disable-pip -r envs/gpu.txt

locks: setup
	UV=$(BIN)/uv bash envs/lock.sh

schema: setup
	python -m manybaskets schema
