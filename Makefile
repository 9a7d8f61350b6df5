# Every target sets up what it needs, as an ordinary user; `make help` lists them.
SHELL := /bin/bash
.SHELLFLAGS := -eu -o pipefail -c
.DEFAULT_GOAL := help
.DELETE_ON_ERROR:
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
INSTALLED := $(VENV)/.installed
MODELS := $(VENV)/.models
export DO_NOT_TRACK := 1

.PHONY: help
help:  ## this list
	@grep -hE '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:[^#]*## /\t/' | expand -t 20

$(INSTALLED): requirements.lock pyproject.toml
	@$(PYTHON) -c 'import sys; assert (3, 11) <= sys.version_info < (3, 14), "Python 3.11 (tested), 3.12 or 3.13 is needed: make PYTHON=python3.11"'
	@test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	@$(BIN)/python -m uv --version >/dev/null 2>&1 || $(BIN)/python -m pip install --quiet --disable-pip-version-check uv
	@echo "installing the locked packages (about 8 GB; a few minutes) …"
	@# Compiled now, because a start without bytecode takes seven times as long and some environments never write it.
	@$(BIN)/python -m uv pip sync --quiet --compile-bytecode --python $(BIN)/python requirements.lock
	@$(BIN)/python -m uv pip install --quiet --python $(BIN)/python --no-deps --editable .
	@$(BIN)/python -m compileall -q expertloop flows tasks
	@touch $@

$(MODELS): $(INSTALLED)
	@$(BIN)/expertloop init --only-models
	@touch $@

.PHONY: install
install: $(MODELS)  ## the virtual environment, the locked packages, the model cache

.PHONY: demo
demo: $(MODELS)  ## the sample company once around: documents, answers, a short training, cases
	@$(BIN)/python data/demo.py

.PHONY: test
test: $(MODELS)  ## the tests; what needs a missing program says so and is skipped
	@$(SHARING) $(BIN)/python -m pytest $(PARALLEL) $(PYTEST)

# Two processes, each with the whole of a file: many tests wait for a command or for a pause between retries. Files keep
# their order, end-to-end tests before unit tests: the few long ones must not come last, with one process idle.
PARALLEL := --numprocesses 2 --dist loadfile --no-loadscope-reorder
# They compute beside each other (docs/decisions/0021).
SHARING := GOMP_SPINCOUNT=2000

.PHONY: check
check: $(INSTALLED)  ## style, types, import rules, and the tests that need no server
	@$(BIN)/ruff check .
	@$(BIN)/ruff format --check --quiet .
	@$(BIN)/mypy
	@$(BIN)/lint-imports --no-cache
	@$(SHARING) $(BIN)/python -m pytest -q $(PARALLEL) tests/unit tests/contract -m quick

.PHONY: format
format: $(INSTALLED)  ## format the code
	@$(BIN)/ruff check --fix --quiet . || true
	@$(BIN)/ruff format .

.PHONY: lock
lock:  ## resolve requirements.lock again, for Python 3.11 to 3.13
	@test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	@$(BIN)/python -m uv --version >/dev/null 2>&1 || $(BIN)/python -m pip install --quiet --disable-pip-version-check uv
	$(BIN)/python -m uv pip compile pyproject.toml --group dev --all-extras --universal \
	  --python-version 3.11 --generate-hashes --no-emit-index-url --no-header --upgrade --quiet -o requirements.lock

# The folder of Settings.cache; a version of the server is built once, whatever becomes of this folder. Go's own archive
# is unpacked to /usr/local/go, which is not on everybody's PATH.
CACHE := $(or $(EXPERTLOOP_CACHE),$(or $(XDG_CACHE_HOME),$(HOME)/.cache)/expertloop)
WEAVIATE_VERSION := 1.38.11
export PATH := $(PATH):/usr/local/go/bin
WEAVIATE := $(CACHE)/bin/.weaviate-$(WEAVIATE_VERSION)

$(WEAVIATE):
	@command -v go >/dev/null || { echo "Go 1.26 or newer is needed to build Weaviate: install your system's golang package, or unpack the archive that the Go project offers for download and put its bin folder on the PATH" >&2; exit 1; }
	@printf 'go1.26\n%s\n' "$$(go env GOVERSION)" | sort -V -C || { echo "Go 1.26 or newer is needed to build Weaviate, this is $$(go env GOVERSION): put a newer one first on the PATH" >&2; exit 1; }
	@echo "building Weaviate $(WEAVIATE_VERSION) from its Go module (once; 5 to 10 minutes) …"
	@mkdir -p $(CACHE)/bin
	@GOBIN=$(CACHE)/bin go install github.com/weaviate/weaviate/cmd/weaviate-server@v$(WEAVIATE_VERSION)
	@touch $@

.PHONY: weaviate
weaviate: $(WEAVIATE)  ## build the Weaviate server that tests and benchmarks start

.PHONY: system-packages
system-packages:  ## programs that some formats and tests need (apt; needs root)
	apt-get update -qq
	@# The tests start servers of their own: Debian need not make one, nor start it.
	test -e /etc/postgresql-common/createcluster.conf || { \
	  DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends postgresql-common; \
	  sed -i 's/^#* *create_main_cluster.*/create_main_cluster = false/' /etc/postgresql-common/createcluster.conf; }
	DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends \
	  tesseract-ocr tesseract-ocr-deu libreoffice-writer-nogui libreoffice-calc-nogui libreoffice-impress-nogui postgresql

.PHONY: clean
clean:  ## remove the virtual environment, caches and data/work
	rm -rf $(VENV) data/work .mypy_cache .ruff_cache .pytest_cache .hypothesis
	find . -name __pycache__ -type d -not -path './.venv/*' -prune -exec rm -rf {} +
