# The one front door; CI calls the same targets. `make help` lists them.
PYTHON ?= python3
VENV   ?= .venv
BIN    := $(VENV)/bin
ARGS   ?=

.DEFAULT_GOAL := help
.PHONY: help dev demo test test-unit test-faults test-attack test-watch mutation fuzz soak check monitoring-tools bench docs lock clean

help: ## List the targets
	@awk -F':.*## ' '/^[a-z-]+:.*## / { printf "  make %-16s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

dev: $(VENV)/.dev ## Install everything for development into .venv

demo: $(VENV)/.run ## Three portals, a real Kafka, three back offices (ARGS="--once --json" for programs)
	@$(BIN)/stadtbus demo $(ARGS)

test: $(VENV)/.dev ## All tests, real Kafka and PostgreSQL included, two at a time (ARGS are pytest's)
	@$(BIN)/pytest -n 2 --dist loadfile $(ARGS)

test-unit: $(VENV)/.dev ## The quick tests: no Kafka, no twins
	@$(BIN)/pytest tests/unit $(ARGS)

test-faults: $(VENV)/.dev ## The fault suite on three brokers; half an hour; writes docs/reliability.md (ARGS="--rows F1,F2 --seeds 1")
	@$(BIN)/python -m tests.faults $(or $(ARGS),--seeds 5 --write docs/reliability.md)

test-attack: $(VENV)/.dev ## The bus under attack, another portal's view; six minutes; writes docs/reliability.md (ARGS="--rows calm,marks")
	@$(BIN)/python -m tests.attack $(or $(ARGS),--write docs/reliability.md)

test-watch: $(VENV)/.dev ## Each verdict of the lag watch, really caused; a quarter of an hour; writes docs/reliability.md (ARGS="--lanes process,whole")
	@$(BIN)/python -m tests.watch $(or $(ARGS),--write docs/reliability.md)

SECONDS ?= 60
TARGET  ?= message
fuzz: $(VENV)/.dev ## Coverage-guided fuzzing for SECONDS=60 of TARGET=message, header or mapping (fetches atheris once)
	@$(BIN)/python -c 'import atheris' 2>/dev/null || $(BIN)/pip install -q --disable-pip-version-check 'atheris>=3,<4'
	@$(BIN)/python -m tests.fuzz $(TARGET) $(SECONDS)

mutation: $(VENV)/.dev ## Change every field of every shipped mapping: do checks or samples notice?
	@$(BIN)/python -m tests.mutation

MINUTES ?= 30
SEED    ?= 1
RATE    ?= 125
soak: $(VENV)/.dev ## Kills for MINUTES=30 at RATE=125 submissions/s, by a schedule that SEED=1 decides; writes docs/reliability.md
	@$(BIN)/python -m tests.faults.soak --minutes $(MINUTES) --seed $(SEED) --rate $(RATE) --write docs/reliability.md $(ARGS)

check: $(VENV)/.dev ## Format, lint, types, import directions
	@$(BIN)/ruff format --check .
	@$(BIN)/ruff check .
	@$(BIN)/mypy
	@$(BIN)/lint-imports

monitoring-tools: $(VENV)/.run ## promtool, amtool and alertmanager into .venv/bin, for the tests of infra/monitoring (Debian's packages, unpacked)
	@.ci/monitoring-tools $(BIN)

bench: $(VENV)/.dev ## One benchmark: make bench ARGS=chain, or ARGS="engine --json"
	@$(BIN)/python -m benchmarks $(ARGS)

docs: $(VENV)/.dev ## Write the generated pages in docs/reference and the boards of infra/monitoring anew
	@$(BIN)/python -m stadtbus.reference docs/reference
	@$(BIN)/python -m infra.monitoring.boards infra/monitoring/grafana

LOCK := uv pip compile -q --upgrade --universal --python-version 3.11 --generate-hashes --no-emit-index-url --no-header pyproject.toml
lock: ## Resolve the requirements anew (needs uv)
	@$(LOCK) --extra postgresql -o requirements.txt
	@$(LOCK) --extra postgresql --extra build -o requirements-build.txt
	@$(LOCK) --extra dev -o requirements-dev.txt

clean: ## Remove the environment, caches and what local runs left
	@rm -rf $(VENV) .stadtbus dist .mypy_cache .pytest_cache .ruff_cache .hypothesis .import_linter_cache
	@find . -name __pycache__ -type d -prune -exec rm -rf {} +

# --- environments: made once, and again when a requirements file changes

$(VENV)/.run: requirements-build.txt pyproject.toml
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || \
		{ echo "Python 3.11 or newer is needed; this is $$($(PYTHON) --version). Next: make PYTHON=python3.11 $(MAKECMDGOALS)" >&2; exit 2; }
	@echo "Installing into $(VENV) ..." >&2
	@$(PYTHON) -m venv $(VENV)
	@$(BIN)/pip install -q --disable-pip-version-check --require-hashes -r requirements-build.txt
	@$(BIN)/pip install -q --disable-pip-version-check --no-build-isolation --no-deps -e .
	@touch $@

$(VENV)/.dev: $(VENV)/.run requirements-dev.txt
	@$(BIN)/pip install -q --disable-pip-version-check --require-hashes -r requirements-dev.txt
	@touch $@
