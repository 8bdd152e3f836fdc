# Two commands matter: `make demo` and `make test`. Everything else serves them.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
LOCK := deploy/requirements-dev.lock

# The suite starts hundreds of processes: compiled code is kept also where the environment, as those
# of many images do, says otherwise, or each of them would compile all of ours anew.
export PYTHONDONTWRITEBYTECODE :=

.PHONY: demo test simulate chaos bench lint types lock clean
.DEFAULT_GOAL := demo

# The environment is built from the hash-pinned lock and is complete only when the stamp is there,
# so an interrupted installation starts again instead of being taken for whole.
.venv: $(VENV)/.complete

$(VENV)/.complete: $(LOCK) pyproject.toml
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { echo "discador needs Python 3.11 or newer; $(PYTHON) is $$($(PYTHON) -V 2>&1). Set PYTHON=..."; exit 1; }
	rm -rf $(VENV)
	$(PYTHON) -m venv $(VENV)
	$(BIN)/pip install --quiet --disable-pip-version-check --require-hashes --requirement $(LOCK)
	$(BIN)/pip install --quiet --disable-pip-version-check --no-deps --no-build-isolation --editable .
	touch $@

demo: .venv
	@$(BIN)/discador demo

test: .venv lint types
	$(BIN)/pytest -n 4 --dist worksteal

# Campaigns in virtual time with crashes and faults at any step: many seeds, or one with its trace.
SEEDS ?= 1000
FIRST ?= 0
simulate: .venv
	$(BIN)/python -m tests.simulation $(if $(SEED),--seed $(SEED),--seeds $(SEEDS) --first $(FIRST))

# Every contender in one go; BENCH=--quick for the short form, BENCH_SECONDS=30 for longer windows.
# Celery is one of them where redis-server is present, in an environment of its own.
bench: .venv
	@if command -v redis-server >/dev/null; then $(MAKE) --no-print-directory .venv-celery; fi
	@$(BIN)/python -m benchmarks $(BENCH)

.venv-celery: benchmarks/celery-requirements.lock
	rm -rf $@
	$(PYTHON) -m venv $@
	$@/bin/pip install --quiet --disable-pip-version-check --require-hashes --requirement $<
	touch $@

# Breaks everything around the engine and judges by the ledger (docs/reliability.md). CHAOS_SEED=n
# repeats a schedule, CHAOS_MINUTES=30 is the long form, CHAOS='--store sqlite' passes options on.
chaos: .venv
	$(BIN)/python -m tests.chaos $(if $(CHAOS_SEED),--seed $(CHAOS_SEED)) $(if $(CHAOS_MINUTES),--minutes $(CHAOS_MINUTES)) $(CHAOS)
	$(if $(CHAOS_MINUTES),CRASH_LONG=1 $(BIN)/pytest -n 2 -m long tests/crash tests/chaos)
	@$(MAKE) --no-print-directory simulate SEEDS=$(if $(CHAOS_MINUTES),10000,1000)

lint: .venv
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .

types: .venv
	$(BIN)/mypy

# The locks hold names, versions and hashes, never an index address.
lock:
	uv pip compile --quiet --universal --python-version 3.11 --generate-hashes --no-emit-index-url --no-header --extra dev --output-file $(LOCK) pyproject.toml
	uv pip compile --quiet --universal --python-version 3.11 --generate-hashes --no-emit-index-url --no-header --output-file deploy/requirements.lock pyproject.toml
	uv pip compile --quiet --universal --python-version 3.11 --generate-hashes --no-emit-index-url --no-header --output-file benchmarks/celery-requirements.lock benchmarks/celery-requirements.in

clean:
	rm -rf $(VENV) .venv-celery .mypy_cache .pytest_cache .ruff_cache .hypothesis
