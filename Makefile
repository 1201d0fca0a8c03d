# chatwright: `make` alone tells what there is. Another Python: make demo PYTHON=python3.12

PYTHON ?= python3
BIN := .venv/bin
INSTALL := $(BIN)/python -m pip install --quiet --disable-pip-version-check --constraint constraints.txt --editable

.PHONY: help demo test check

help:
	@echo "make demo    install into .venv, then raw text -> assistant in minutes (runs/quickstart)"
	@echo "make test    install with the test tools, then run all tests"
	@echo "make check   style, types, floors and the fast tests"

demo: .venv/installed
	$(BIN)/chatwright run recipes/quickstart.toml --out runs/quickstart
	@echo "(chatwright is installed in .venv: run $(BIN)/chatwright, or activate it first)"

# One thread per worker: several pools of threads on the same cores wait for each other.
test: .venv/installed-test
	OMP_NUM_THREADS=1 $(BIN)/python -m pytest -n 2 -rs

check: .venv/installed-test
	$(BIN)/ruff check
	$(BIN)/ruff format --check
	$(BIN)/mypy
	$(BIN)/lint-imports
	OMP_NUM_THREADS=1 $(BIN)/python -m pytest -n 2 -rs -m "not slow"

.venv/bin/python:
	@echo "Making .venv and installing (once; PyTorch is large) ..."
	$(PYTHON) -m venv .venv

.venv/installed: pyproject.toml constraints.txt | .venv/bin/python
	$(INSTALL) .
	@touch $@

.venv/installed-test: pyproject.toml constraints.txt | .venv/bin/python
	$(INSTALL) ".[test]"
	@touch .venv/installed $@
