SHELL := bash
.SHELLFLAGS := -eu -o pipefail -c
.DELETE_ON_ERROR:
.DEFAULT_GOAL := help

PYTHON ?= python3
VENV := .venv
PEERS := .venv-peers
BIN := $(VENV)/bin
READY := $(VENV)/.ready
SITE := _build/html/index.html
CHAPTERS := $(sort $(wildcard book/*.ipynb book/reference/*.ipynb))
SOURCES := $(shell find book src _theme third_party -type f -not -path '*/.ipynb_checkpoints/*' -not -path '*/__pycache__/*' -not -path '*.egg-info/*')
# A lock names everything that is needed, so nothing else is asked for: pip before 24 takes "coverage[toml]" in what
# a package needs for the newest coverage of today, and not for the one that is pinned. `pip check` says what lacks.
# What is used is compiled when it is; to compile all of it first takes a quarter of the time.
PINNED := install --quiet --disable-pip-version-check --no-compile --require-hashes --no-deps --only-binary :all:
WORKERS := 2
PYTEST = $(BIN)/python -m pytest -n $(WORKERS) --dist loadfile --no-loadscope-reorder
# No hash holds for this one: PyTorch's wheel differs by what a machine has.
UNHASHED := torch==2.13.0
SCHEMA := $(BIN)/check-jsonschema --quiet --builtin-schema vendor
# Wheels alone: to build a package from its source would run what its build asks for, unpinned.
LOCK := $(BIN)/uv pip compile --quiet --universal --python-version 3.11 --only-binary :all: --generate-hashes \
  --no-emit-index-url --no-annotate --custom-compile-command "make lock" pyproject.toml

# One thread a process (tests run side by side), and the same order of everything in every run.
export OMP_NUM_THREADS ?= 1
export OPENBLAS_NUM_THREADS ?= 1
export PYTHONHASHSEED := 0
# Where the machine says that nothing compiled is kept, each of some hundred processes would compile all of it anew.
export PYTHONDONTWRITEBYTECODE :=

# Pages hold no progress bar, however busy the machine is that runs their cells.
$(SITE) nbval test-site: export TQDM_DISABLE := 1

.PHONY: help env book slides sheet test test-site test-package looks looks-site looks-package browsers-there unit nbval binder browsers hosts bad-inputs witnesses explore coverage mutants reproducible links bench bench-quick zoo convolution lint format notebooks lock upgrade serve clean

help:  ## list these targets
	@grep -hE '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:.*## */ /' | while read -r name what; do printf '%-13s%s\n' "$$name" "$$what"; done

env: $(READY)  ## make the environment in .venv

WRITABLE = test -w . || { echo "$(CURDIR) cannot be written to. The environment and the pages are made inside it: copy it, and run make there." >&2; exit 1; }

$(READY): requirements.txt pyproject.toml
	@$(WRITABLE)
	@$(PYTHON) -c 'import sys; v = sys.version_info[:2]; sys.exit(0 if v >= (3, 11) else f"Python 3.11 or newer is wanted, {sys.version.split()[0]} was found: make PYTHON=python3.12")'
	@$(PYTHON) -c 'import sys; v = sys.version_info[:2]; v <= (3, 14) or print(f"Python {sys.version.split()[0]} is newer than what this was tested on, 3.11 to 3.14; if it fails: make PYTHON=python3.14")'
	@echo "Making the environment in $(VENV): a minute or two."
	rm -rf $(VENV)
	$(PYTHON) -m venv $(VENV)
	$(BIN)/pip $(PINNED) -r requirements.txt
	$(BIN)/pip install --quiet --no-deps --no-build-isolation --editable .
	cp -r _theme/jupyter/. $(VENV)
	$(BIN)/pip check
	touch $@

$(PEERS)/.ready: benchmarks/requirements.txt pyproject.toml
	@echo "Making an environment for peers and witnesses in $(PEERS): a few minutes."
	rm -rf $(PEERS)
	$(PYTHON) -m venv $(PEERS)
	$(PEERS)/bin/pip $(PINNED) -r benchmarks/requirements.txt
	$(PEERS)/bin/pip install --quiet --no-build-isolation --use-pep517 $(UNHASHED)
	$(PEERS)/bin/pip check
	touch $@

book: $(SITE)  ## build the whole book, with its widgets
	@echo "The book is built. Open $(SITE) in a browser; it needs no server and no network."

# It is built beside, and takes its place when it is whole: what an interrupted build leaves, nobody trusts.
$(SITE): $(READY) Makefile _config.yml _toc.yml $(SOURCES)
	@$(WRITABLE)
	rm -rf .building
	PATH="$(CURDIR)/$(BIN):$$PATH" $(BIN)/jupyter-book build . --path-output .building --all -W -n --keep-going --quiet
	rm -rf _build
	mv .building/_build _build
	rmdir .building
	@touch $@

WHICH = $(or $(CHAPTER),$(error Say which chapter: make $@ CHAPTER=05_affine))

slides: $(SITE)  ## slides of a chapter, a figure each, in one file: make slides CHAPTER=05_affine
	$(BIN)/python _theme/handouts/handouts.py slides $(WHICH)

sheet: $(SITE)  ## a sheet of a chapter's exercises to print, answers at the end: make sheet CHAPTER=05_affine
	$(BIN)/python _theme/handouts/handouts.py sheet $(WHICH)

# A core each: the one builds the book, runs the chapters once more to compare their outputs, and tests the pages; the
# other one does all that needs no page, but for SHARED, so that both take as long. Neither waits for the other.
SHARED = tests/test_public_mistakes.py tests/test_doctor.py
test: $(READY)  ## run lint, the notebooks, unit tests, the built site in a browser
	$(MAKE) --jobs=2 test-site test-package WORKERS=0

test-site: book browsers-there
	$(PYTEST) --nbval --nbval-current-env $(CHAPTERS)
	$(PYTEST) -m "site and not looks" tests
	$(PYTEST) $(SHARED)

test-package: lint browsers-there
	$(PYTEST) -m "not site and not looks" $(SHARED:%=--ignore=%) tests

looks: $(READY)  ## look at every page and figure: audits, widths, what lies over what, JupyterLab, slides
	$(MAKE) --jobs=2 looks-site looks-package WORKERS=0

looks-site: book browsers-there
	$(PYTEST) -m "site and looks" tests

looks-package: browsers-there
	$(PYTEST) -m "looks and not site" tests

browsers-there: $(READY)
	$(BIN)/python tests/find_browser.py --install

unit: $(READY)  ## run the tests that need neither the built site nor a browser
	$(PYTEST) -m "not browser and not site" tests

nbval: $(READY)  ## run every chapter and compare its outputs
	$(PYTEST) --nbval --nbval-current-env $(CHAPTERS)

bad-inputs: $(READY)  ## print what comes of every doubtful input (WORD=train for some of them)
	$(BIN)/python tests/bad_calls.py $(WORD)

coverage: $(READY)  ## measure which branches of the package the tests take, those apart that look at the built site
	$(BIN)/python tests/find_browser.py --install
	$(PYTEST) -q --cov --cov-report=term-missing:skip-covered -m "not site" tests

mutants: $(READY)  ## break the core one place at a time, for most of an hour, and list what no test notices
	PYTEST_DISABLE_PLUGIN_AUTOLOAD=1 $(BIN)/python tests/mutants.py $(SHARE)

# What conftest.py brings is for the other tests; not all of it is installed there.
witnesses: $(PEERS)/.ready  ## hold every gradient against PyTorch, JAX and SciPy
	PYTHONPATH=src $(PEERS)/bin/python -m pytest --noconftest -W default -rs tests/test_witnesses.py

explore: $(READY)  ## try many more random graphs, layers and networks than `make test` does, other ones each time
	$(BIN)/python tests/find_browser.py --install
	$(PYTEST) --hypothesis-profile explore tests/test_properties.py tests/test_graph.py tests/test_script.py tests/test_public_mistakes.py

binder: $(READY)  ## repeat what Binder installs, and run every chapter in the JupyterLab there
	$(BIN)/python tests/find_browser.py --install
	CHAINRULE_TELL=1 PYTHON=$(PYTHON) $(BIN)/python -m pytest tests/binder_lab.py

browsers: book  ## drive every kind of figure in Firefox and in WebKit
	$(BIN)/python tests/find_browser.py --install --also firefox webkit
	CHAINRULE_TELL=1 $(BIN)/python -m pytest tests/other_browsers.py

hosts: book $(PEERS)/.ready  ## open a chapter in the programs that show notebooks; writes the book's page of it
	$(BIN)/python tests/find_browser.py --install
	CHAINRULE_TELL=1 CHAINRULE_SERVERS="lab notebook" PEERS=$(PEERS) $(BIN)/python -m pytest tests/where_it_runs.py tests/test_lab.py

links: $(READY)  ## ask every outside link of the book whether it still answers
	PATH="$(CURDIR)/$(BIN):$$PATH" $(BIN)/jupyter-book build . --all --builder linkcheck --quiet --path-output _build/links

# Chapter 0 measures times, and the search index holds what it prints.
reproducible: book  ## build the book a second time, and compare every byte
	rm -rf .building
	PATH="$(CURDIR)/$(BIN):$$PATH" $(BIN)/jupyter-book build . --path-output .building --all -W -n --keep-going --quiet
	diff -rq --exclude=00_why_not_nudge.html --exclude=searchindex.js _build/html .building/_build/html
	rm -rf .building

bench: book $(PEERS)/.ready  ## measure figures, pages and the package beside its peers; writes the book's page of it
	PYTHONPATH=src $(PEERS)/bin/python benchmarks/speed.py --write
	$(BIN)/python benchmarks/book.py --write

bench-quick: $(PEERS)/.ready  ## the package beside its peers, in about a minute
	PYTHONPATH=src $(PEERS)/bin/python benchmarks/speed.py --quick

zoo: $(READY)  ## measure the bug zoo on MNIST anew, half an hour: make zoo MNIST=folder
	$(BIN)/python benchmarks/zoo.py $(or $(MNIST),$(error Say where the four files of MNIST are: make zoo MNIST=folder))

convolution: $(READY)  ## train a convolutional network on MNIST anew, five minutes: make convolution MNIST=folder
	$(BIN)/python benchmarks/convolution.py $(or $(MNIST),$(error Say where the four files of MNIST are: make convolution MNIST=folder))

lint: $(READY)  ## check the form of code and notebooks, workflows and CITATION.cff, and spelling
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/python tests/spelling.py
	$(SCHEMA).github-workflows .github/workflows/*.yml
	$(SCHEMA).dependabot .github/dependabot.yml
	$(SCHEMA).github-issue-forms .github/ISSUE_TEMPLATE/mistake.yml .github/ISSUE_TEMPLATE/bug.yml
	$(SCHEMA).github-issue-config .github/ISSUE_TEMPLATE/config.yml
	$(SCHEMA).citation-file-format CITATION.cff

format: $(READY)  ## put code and notebooks into that form
	$(BIN)/ruff format .
	$(BIN)/ruff check --fix .

notebooks: $(READY)  ## run every chapter anew and write its outputs, normalised
	$(BIN)/ruff format --quiet $(CHAPTERS)
	$(BIN)/python tests/normalise.py --execute $(CHAPTERS)

lock: $(READY)  ## pin the three locks anew, within the ranges of pyproject.toml
	$(LOCK) $(NEWEST) --extra test --output-file requirements.txt
	$(LOCK) --extra binder --constraint requirements.txt --output-file .binder/lock.txt
	$(LOCK) $(NEWEST) --group peers --constraint requirements.txt --no-emit-package torch \
	  --output-file benchmarks/requirements.txt

upgrade: NEWEST := --upgrade
upgrade: lock  ## the same, with the newest versions that the ranges allow

serve: $(SITE)  ## serve the built book on http://localhost:8000
	$(BIN)/python -m http.server 8000 --bind 127.0.0.1 --directory _build/html

clean:  ## remove what was built, and the environment
	rm -rf _build .building $(VENV) $(PEERS) .mutants .pytest_cache .ruff_cache .hypothesis .coverage src/chainrule.egg-info
