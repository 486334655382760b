# `make` or `make help` lists what there is. Nothing beyond Python 3.11+ and make is assumed.
PYTHON ?= python3
VENV   := .venv
BIN    := $(VENV)/bin
OUT    ?= runs
unexport PYTHONDONTWRITEBYTECODE

.DEFAULT_GOAL := help
.PHONY: help demo test test-all lint results results-quick tex paper bench clean

help: ## list the targets
	@grep -E '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | awk -F ':.*## ' '{printf "  make %-10s %s\n", $$1, $$2}'

# One environment; it is made again when the dependencies change.
$(BIN)/.ready: pyproject.toml constraints.txt
	$(PYTHON) -c 'import sys; sys.exit("gome needs Python 3.11 or later, found " + sys.version.split()[0] if sys.version_info < (3, 11) else 0)'
	$(PYTHON) -m venv $(VENV)
	$(BIN)/pip install --quiet --disable-pip-version-check -c constraints.txt -e '.[dev]'
	touch $@

demo: $(BIN)/.ready ## set up, optimise a bundled task for real, run the crossover study, say where to look
	@$(BIN)/python -m experiments.demo --out $(OUT)/demo

test: $(BIN)/.ready ## set up what is needed and run the tests (slow and GPU tests left out)
	$(BIN)/ruff check .
	$(BIN)/python -m pytest -n 2 -m 'not slow and not gpu'

test-all: $(BIN)/.ready ## the tests, slow ones included
	$(BIN)/python -m pytest -n 2 -m 'not gpu'

lint: $(BIN)/.ready ## style and types
	$(BIN)/ruff check .
	$(BIN)/pyright

results: $(BIN)/.ready ## run every study in full and refresh the committed results; hours, resumable
	$(BIN)/gome study all --out experiments/results

results-quick: $(BIN)/.ready ## a small version of every study, in a quarter of an hour or so; its figures say so
	$(BIN)/gome study all --quick --out $(OUT)/results

tex: ## install the TeX packages that the paper needs (Debian, Ubuntu)
	apt-get install -y --no-install-recommends $$(cat paper/packages.txt)

paper: $(BIN)/.ready ## build paper/main.pdf from the committed results
	$(BIN)/python -m experiments.paper --pdf

bench: $(BIN)/.ready ## what a step costs here and in textgrad, Trace and GEPA (installs them apart, once)
	@$(BIN)/python -m experiments.bench --out $(OUT)/bench

clean: ## remove the environment and caches; runs are kept
	rm -rf $(VENV) .venv-bench .pytest_cache .ruff_cache .hypothesis paper/generated
