# `make demo` and `make test` are all the set-up there is: each makes .venv if it is missing and runs.
PYTHON ?= python3
BIN := .venv/bin
DEMO ?= demo
# One more than two cores: tests wait for screens and processes. Each takes up to 2 GiB.
WORKERS ?= 3

# An installation is made anew where one of these is newer: its packages, their versions, its own version.
SETUP := pyproject.toml requirements.lock core/system/version.py
INSTALL := $(BIN)/pip install --quiet --disable-pip-version-check --constraint requirements.lock --editable
# The app and its demo need the base packages alone; where the tests' are installed too, those are brought up to date.
APP := $(if $(wildcard .venv/.installed),.venv/.installed,.venv/.demo)

.PHONY: demo test faults lint wheel-check run screenshots lock clean

$(BIN)/pip:
	@$(PYTHON) -c 'import sys; sys.exit(not (3, 11) <= sys.version_info[:2] <= (3, 13))' || \
		{ echo "Python 3.11 to 3.13 is needed: make $(MAKECMDGOALS) PYTHON=python3.12" >&2; exit 1; }
	$(PYTHON) -m venv .venv

.venv/.demo: $(SETUP) | $(BIN)/pip
	$(INSTALL) .
	@touch $@

.venv/.installed: $(SETUP) | $(BIN)/pip
	$(INSTALL) '.[dev]'
	@touch $@

# Seven drawn expressions, two models trained on them, one table.
demo: $(APP)
	@test -d $(DEMO)/faces || $(BIN)/fer-tui data demo $(DEMO)/faces --per-class 200
	$(BIN)/fer-tui train --data $(DEMO)/faces --runs $(DEMO)/runs --config docs/demo.toml
	@$(BIN)/fer-tui compare --runs $(DEMO)/runs --format csv --output $(DEMO)/comparison.csv
	@echo "The table as CSV: $(DEMO)/comparison.csv    Next: $(BIN)/fer-tui --runs $(DEMO)/runs"

# A file's tests share their trainings and stay in one process.
test: .venv/.installed
	$(BIN)/python -m pytest --numprocesses $(WORKERS) --dist loadfile --no-loadscope-reorder

# All of what tests/faults tries a sample of, and the soak: about two hours on two idle cores (docs/reliability.md).
faults: .venv/.installed
	FER_FAULTS=whole $(BIN)/python -m pytest tests/fer_tui tests/faults/test_fuzz.py tests/faults/test_fuzz_app.py
	$(BIN)/python tests/faults/kills.py
	$(BIN)/python tests/faults/kills.py gpu
	$(BIN)/python tests/faults/steps.py
	$(BIN)/python tests/faults/steps.py gpu
	$(BIN)/python tests/faults/soak.py

lint: .venv/.installed
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/lint-imports
	$(BIN)/pyright

# The wheel, installed into a fresh environment and used from another folder; nothing of it stays.
wheel-check:
	PYTHON=$(PYTHON) .ci/wheel-check

run: $(APP)
	$(BIN)/fer-tui

# The guide's pictures, of small trainings on drawn faces: a few minutes on two cores.
screenshots: .venv/.installed
	$(BIN)/python docs/screenshots.py

# The lock holds exact versions and no index: what a fresh environment gets today.
lock:
	rm -rf .venv-lock
	$(PYTHON) -m venv .venv-lock
	.venv-lock/bin/pip install --quiet --disable-pip-version-check '.[dev,kaggle]'
	.venv-lock/bin/pip freeze --exclude fer-tui | grep '==' > requirements.lock
	rm -rf .venv-lock

clean:
	rm -rf .venv .venv-lock $(DEMO)
