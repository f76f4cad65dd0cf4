# make: what there is to do. Nothing here needs root, a GPU, a camera or Docker.
PYTHON ?= python3
VENV ?= .venv
BIN := $(VENV)/bin
RUN := $(BIN)/python -m
PIP_INSTALL := $(RUN) pip install --quiet --disable-pip-version-check
# A file stays in one process, because its fixtures cost most.
TOGETHER := -n auto --maxprocesses 4 --dist loadfile
SOURCES := worker detector_training classifier_training tests benchmarks deploy examples

.DEFAULT_GOAL := help
.PHONY: help demo run-demo test test-base lint types contracts gpu-check lock clean

help:  ## Show this list
	@grep -hE '^[a-z-]+:.*##' $(MAKEFILE_LIST) | awk -F ':.*## ' '{printf "  make %-12s %s\n", $$1, $$2}'

demo: $(VENV)/.demo  ## Watch two demo cameras, in this terminal (no torch, no camera, no Redis needed)
	$(BIN)/emotion-worker demo

test: $(VENV)/.train lint types contracts  ## Lint, types, import contracts and the whole suite (installs torch)
	OMP_NUM_THREADS=1 $(RUN) pytest $(TOGETHER) -m "not alone" --cov --cov-report=
	$(RUN) pytest -m alone --cov --cov-append --cov-report=term:skip-covered --cov-fail-under=90

test-base: $(VENV)/.dev lint  ## The part of the suite that needs no torch
	$(RUN) pytest $(TOGETHER) -m "not torch and not alone" --ignore=tests/training
	$(RUN) pytest -m "alone and not torch" --ignore=tests/training

lint: $(VENV)/.dev
	$(RUN) ruff check $(SOURCES)
	$(RUN) ruff format --check $(SOURCES)

types: $(VENV)/.train
	$(RUN) mypy

contracts: $(VENV)/.dev
	$(BIN)/lint-imports

gpu-check: $(VENV)/.train  ## Run every CUDA test and a short benchmark; without a CUDA device say so
	$(RUN) worker.models.gpu_check
	$(RUN) pytest tests/gpu -q -p no:randomly

LOCK := $(BIN)/uv pip compile --quiet --universal --python-version 3.11 --generate-hashes --no-emit-index-url --no-annotate \
  --custom-compile-command "make lock" --override requirements/overrides.in --constraint requirements/constraints.in pyproject.toml

lock: $(VENV)/.dev  ## Resolve the locked requirements anew
	$(LOCK) --extra demo --output-file requirements/demo.txt
	$(LOCK) --extra demo --extra cuda --output-file requirements/cuda.txt
	$(LOCK) --extra demo --extra dev --output-file requirements/dev.txt
	$(LOCK) --extra demo --extra dev --extra train --output-file requirements/train.txt

clean:  ## Remove the virtual environment and what tests and trainings left
	rm -rf $(VENV) runs out .mypy_cache .pytest_cache .ruff_cache .import_linter_cache .coverage

$(VENV)/.venv:
	$(PYTHON) -m venv $(VENV)
	touch $@

$(VENV)/.demo: $(VENV)/.venv pyproject.toml requirements/demo.txt
	$(PIP_INSTALL) --no-deps --require-hashes -r requirements/demo.txt
	$(PIP_INSTALL) --no-deps --editable .
	touch $@

$(VENV)/.dev: $(VENV)/.demo requirements/dev.txt
	$(PIP_INSTALL) --no-deps --require-hashes -r requirements/dev.txt
	touch $@

$(VENV)/.train: $(VENV)/.dev requirements/train.txt
	$(PIP_INSTALL) --no-deps --require-hashes -r requirements/train.txt
	touch $@
