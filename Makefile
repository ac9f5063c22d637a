SHELL := bash
.SHELLFLAGS := -eu -o pipefail -c
.DELETE_ON_ERROR:
.DEFAULT_GOAL := help

PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
READY := $(VENV)/.ready
SITE := _build/html/index.html
CHAPTERS := $(sort $(wildcard book/*.ipynb))
export PYTHONHASHSEED := 0
export OMP_NUM_THREADS ?= 1
export OPENBLAS_NUM_THREADS ?= 1

.PHONY: help env book test unit nbval site lint notebooks lock serve clean

help:  ## list these targets
	@grep -hE '^[a-z]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:.*## */\t/' | expand -t 12

env: $(READY)  ## make the environment in .venv

$(READY): requirements.txt pyproject.toml
	@$(PYTHON) -c 'import sys; v = sys.version_info[:2]; sys.exit(0 if (3, 11) <= v <= (3, 13) else f"Python 3.11 to 3.13 is wanted, {sys.version.split()[0]} was found: make PYTHON=python3.12")'
	rm -rf $(VENV)
	$(PYTHON) -m venv $(VENV)
	$(BIN)/pip install --quiet --disable-pip-version-check -r requirements.txt
	$(BIN)/pip install --quiet --disable-pip-version-check --no-deps --editable .
	touch $@

book: $(READY)  ## build the whole book, with its widgets
	PATH="$(CURDIR)/$(BIN):$$PATH" $(BIN)/jupyter-book build . --all -W -n --keep-going --quiet
	@echo "The book is built. Open $(SITE) in a browser; it needs no server and no network."

test: lint book  ## run everything: lint, unit tests, notebooks, the built site in a browser
	$(BIN)/python tests/find_browser.py --install
	$(BIN)/python -m pytest -n 2 --dist loadfile --nbval --nbval-current-env --nbval-sanitize-with tests/nbval.cfg tests $(CHAPTERS)

unit: $(READY)  ## run the unit tests alone
	$(BIN)/python -m pytest -n 2 --dist loadfile tests --ignore tests/test_site.py --ignore tests/test_stepper.py --ignore tests/test_lab.py

nbval: $(READY)  ## run every chapter and compare its outputs
	$(BIN)/python -m pytest -n 2 --dist loadfile --nbval --nbval-current-env --nbval-sanitize-with tests/nbval.cfg $(CHAPTERS)

lint: $(READY)  ## check the form of code and notebooks
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .

notebooks: $(READY)  ## run every chapter anew and write its outputs, normalised
	$(BIN)/python tests/normalise.py --execute $(CHAPTERS)
	$(BIN)/ruff format --quiet $(CHAPTERS)

lock: $(READY)  ## pin requirements.txt anew, within the ranges of pyproject.toml
	$(BIN)/uv pip compile --quiet --universal --python-version 3.11 --extra test --no-emit-index-url --no-annotate --custom-compile-command "make lock" --output-file requirements.txt --upgrade pyproject.toml

serve:  ## serve the built book on http://localhost:8000
	cd _build/html && $(CURDIR)/$(BIN)/python -m http.server 8000 --bind 127.0.0.1

clean:  ## remove what was built, and the environment
	rm -rf _build $(VENV) .pytest_cache .ruff_cache .hypothesis src/chainrule.egg-info
