# Two commands: `make book` and `make test`. Each prepares .venv first, once.

PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
READY := $(VENV)/.ready
BUILD := _build
SOURCE := $(BUILD)/source
CHAPTERS := $(wildcard book/*.ipynb)
EXECUTED := $(CHAPTERS:%=$(SOURCE)/%)
CHANGED := $(BUILD)/changed
TIMES := $(BUILD)/times.json
RESULTS := $(wildcard book/results/*.json) $(wildcard book/bench.json book/coverage.json book/tables.json book/claims.yaml book/verdicts.json)
PLAIN := $(BUILD)/sphinx
PAGES := _config.yml _toc.yml CITATION.cff LICENSE $(wildcard book/*.md) book/references.bib $(wildcard book/_static/*) $(wildcard book/_ext/*.py)

SHELL := /bin/bash
.SHELLFLAGS := -eu -o pipefail -c
# A module of tests, or a notebook, is one process's; each process has a core, and PyTorch one thread in it.
CORES := $(shell getconf _NPROCESSORS_ONLN)
WORKERS := --numprocesses $(CORES) --dist loadscope
PARALLEL := OMP_NUM_THREADS=1
.DEFAULT_GOAL := help
.DELETE_ON_ERROR:
.PHONY: help book html sphinx pdf zip test lint unit notebooks refresh bench lock clean
# The kernel of a notebook is the one of .venv; nothing is written beside the sources.
export PYTHONDONTWRITEBYTECODE := 1
export JUPYTER_PREFER_ENV_PATH := 1

# Files with their folders to another place.
copy = for page in $(1); do mkdir -p $(2)/$$(dirname $$page); cp $$page $(2)/$$page; done

help:  ## list the targets
	@grep -hE '^[a-z]+:.*##' $(MAKEFILE_LIST) | sed -E 's/^([a-z]+):.*##/  make \1\t/' | expand -t 22

book: $(READY)  ## execute every chapter that changed, and build the book from what was executed
	@mkdir -p $(BUILD) && $(MAKE) --no-print-directory --silent $(EXECUTED) > $(CHANGED)
	@$(PARALLEL) $(BIN)/python book/execute.py --into $(SOURCE)/book --jobs $(CORES) --times $(TIMES) $$(cat $(CHANGED))
	@$(call copy,$(PAGES),$(SOURCE))
	@$(BIN)/python book/render.py --times $(TIMES) --log $(BUILD)/book.log $(SOURCE) $(BUILD)/book
	@echo; echo "The book: $(CURDIR)/$(BUILD)/book/_build/html/index.html"

html: $(READY)  ## build the book from the stored outputs, and execute nothing
	@$(BIN)/python book/render.py --log $(BUILD)/html.log . $(BUILD)/html
	@echo "The book: $(CURDIR)/$(BUILD)/html/_build/html/index.html"

sphinx: $(READY) $(PLAIN)/packages  ## build the same pages with today's Sphinx, without Jupyter Book; warnings are errors
	@rm -rf $(PLAIN)/source $(PLAIN)/html && $(call copy,$(PAGES) $(CHAPTERS),$(PLAIN)/source)
	@$(BIN)/python book/render.py --sphinx $(PLAIN)/packages --log $(PLAIN).log $(PLAIN)/source $(PLAIN)/html
	@echo "The book: $(CURDIR)/$(PLAIN)/html/index.html"

pdf: html  ## the whole book as one PDF, printed by Chromium
	@$(BIN)/python book/downloads.py pdf $(BUILD)/html/_build/html $(BUILD)/how-a-student-becomes-a-teacher.pdf

zip: html  ## the whole book as a zip of pages
	@$(BIN)/python book/downloads.py zip $(BUILD)/html/_build/html $(BUILD)/how-a-student-becomes-a-teacher.zip

test: lint unit notebooks  ## what CI checks, besides `make sphinx`: style, types, unit tests, chapters, the rendered pages

lint: $(READY)  ## style, formatting and types
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

unit: $(READY)  ## unit tests, a smoke run of every chapter, the book built strictly and read in a browser
	$(PARALLEL) $(BIN)/python -m pytest $(WORKERS) --durations=15 --durations-min=3

notebooks: $(READY)  ## execute the committed chapters again and compare what they print
	$(PARALLEL) $(BIN)/python -m pytest $(WORKERS) --nbval --nbval-cell-timeout 600 -W default $(CHAPTERS)

refresh: $(READY)  ## execute every chapter and keep the outputs in the committed notebooks
	@$(PARALLEL) $(BIN)/python book/execute.py --jobs $(CORES) --times $(TIMES) $(CHAPTERS)
	@$(BIN)/python book/hero.py

bench: $(READY)  ## measure speed and memory for the book; ten minutes, on a machine that does nothing else
	$(BIN)/python -m spectral bench --to book/bench.json

# Says that a chapter has changed; book/execute.py then executes all that have. It replaces what was executed only when
# the chapter has run to its end, so an interrupted run is taken up where it stopped.
$(SOURCE)/%.ipynb: %.ipynb $(wildcard spectral/*.py spectral/*/*.py spectral/*/*/*.py) $(RESULTS) book/execute.py requirements.txt | $(READY)
	@echo $<

$(READY): requirements.txt pyproject.toml
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || \
	  { echo "Python 3.11 or newer is needed; $$($(PYTHON) --version) is what '$(PYTHON)' starts." \
	    "Name another with: make PYTHON=python3.12 ..." >&2; exit 1; }
	test -x $(BIN)/pip || $(PYTHON) -m venv --clear $(VENV)
	$(BIN)/python -m pip install --quiet --requirement requirements.txt
	$(BIN)/python -m pip install --quiet --no-deps --no-build-isolation --editable .
	$(BIN)/python -m spectral.book.kernel
	touch $@

# Laid over those of .venv where both have a package.
$(PLAIN)/packages: book/sphinx.txt | $(READY)
	rm -rf $@ $@.new
	$(BIN)/python -m pip install --quiet --no-deps --target $@.new --requirement $<
	mv $@.new $@

# PyTorch's CUDA libraries are left out: torch pins them itself, and its CPU build has none.
CUDA := cuda-bindings cuda-pathfinder cuda-toolkit nvidia-cublas nvidia-cuda-cupti nvidia-cuda-nvrtc \
	nvidia-cuda-runtime nvidia-cudnn-cu13 nvidia-cufft nvidia-cufile nvidia-curand nvidia-cusolver \
	nvidia-cusparse nvidia-cusparselt-cu13 nvidia-nccl-cu13 nvidia-nvjitlink nvidia-nvshmem-cu13 nvidia-nvtx triton

lock:  ## pin requirements.txt anew (needs uv)
	{ sed '/^$$/q' requirements.txt; \
	  echo "torch==2.13.0" | uv pip compile pyproject.toml --constraint - --extra apply --extra book --extra cluster --extra crate --extra digits --extra fast --extra peers --extra tables --extra test --universal \
	    --python-version 3.11 --upgrade --quiet --no-header --annotation-style line \
	    $(addprefix --no-emit-package ,$(CUDA)) | grep -v '^#' \
	  | sed 's/student-teacher-spectral (pyproject.toml)/DIRECT/'; } > requirements.new
	mv requirements.new requirements.txt

clean:  ## remove what was built; .venv stays
	rm -rf $(BUILD) build .pytest_cache .mypy_cache .ruff_cache .hypothesis
