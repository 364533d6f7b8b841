# The two commands of the README, and the ones a contributor needs. `make help` lists them.
PYTHON ?= python3
VENV ?= .venv
BIN := $(VENV)/bin
ARGS ?=
PYTEST ?= pytest
WORKERS ?= auto

.DEFAULT_GOAL := help
.PHONY: help demo test test-aws lint types check docs format client pictures figures clean

help: ## list the targets
	@grep -E '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:[^#]*## /\t/' | sort

# The demo needs little and should start soon; everything else gets the development tools as well.
$(BIN)/.demo: setup.cfg pyproject.toml websocket_gateway/__init__.py
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install -qq --upgrade pip
	$(BIN)/python -m pip install -qq --editable '.[local]'
	touch $@

$(BIN)/.installed: $(BIN)/.demo
	$(BIN)/python -m pip install -qq --editable '.[dev]'
	touch $@

demo: $(BIN)/.demo ## a gateway created, browsers connected, a broadcast received: all on this machine
	$(BIN)/python sample_project/manage.py migrate --verbosity 0
	$(BIN)/python sample_project/manage.py demo $(ARGS)

test: $(BIN)/.installed ## the test suite in its default profile: no server, no browser
	$(BIN)/python -m $(PYTEST) -n $(WORKERS) --dist loadfile --no-loadscope-reorder $(ARGS)

test-aws: $(BIN)/.installed ## control and data plane on a real account, or on what stands in for it; says what to set
	@$(BIN)/python -m tests.live $(ARGS)

lint: $(BIN)/.installed ## ruff and the import contracts, without changing anything
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/lint-imports --no-cache --no-logo

types: $(BIN)/.installed ## mypy, strict
	$(BIN)/mypy

format: $(BIN)/.installed ## let ruff fix what it can
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

docs: $(BIN)/.installed ## the documentation as a site, in build/docs; a warning is an error
	$(BIN)/sphinx-build -q -W --keep-going -b html management_docs build/docs

client: ## build the browser client into the file that is served (needs Node)
	bash websocket_gateway/client/build.sh

pictures: $(BIN)/.installed ## draw the README's pictures again (needs a Chromium)
	$(BIN)/python -m tests.end_to_end.pictures
	WEBSOCKET_GATEWAY_TEST_DRAW=1 $(BIN)/python -m pytest -q tests/commands/test_pictured_plan.py

figures: $(BIN)/.installed ## all benchmarks in short sizes, into the tables of management_docs/figures.md
	$(BIN)/python -m tests.benchmarks.figures --write $(ARGS)

check: lint types test ## what a change must pass

clean: ## remove what the other targets made
	rm -rf $(VENV) build dist *.egg-info .coverage .mypy_cache .pytest_cache .ruff_cache .hypothesis
