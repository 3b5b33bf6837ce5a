# One command each on a fresh machine with Python 3.11 or newer: `make run`, `make test`.
PYTHON ?= python3
VENV ?= .venv
BIN := $(VENV)/bin

# One more: `make cosim-epoch` trains 784-100-10 on all of MNIST in RTL simulation and in the emulator.
.PHONY: run test setup lint cosim-epoch clean

run: $(VENV)/.installed
	$(BIN)/neuro-emu run configs/drtp_mnist.yaml

test: $(VENV)/.installed-test
	$(BIN)/python tests/everything.py

lint: $(VENV)/.installed-test
	$(BIN)/python tests/everything.py --only lint

cosim-epoch: $(VENV)/.installed-test
	$(BIN)/python benchmarks/cosim.py epoch

setup: $(VENV)/.installed-test

$(BIN)/python:
	$(PYTHON) -c 'import sys; sys.exit("neuro_emu needs Python 3.11 or newer" if sys.version_info < (3, 11) else 0)'
	$(PYTHON) -m venv $(VENV)

$(VENV)/.installed: pyproject.toml | $(BIN)/python
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --editable .
	touch $@

$(VENV)/.installed-test: pyproject.toml | $(BIN)/python
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --editable '.[test]'
	touch $@ $(VENV)/.installed

clean:
	rm -rf $(VENV) build dist *.egg-info .mypy_cache .pytest_cache .ruff_cache .import_linter_cache .hypothesis
