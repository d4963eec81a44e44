# Two commands matter: `make demo` shows the main job on real parts, `make test` proves it. Both set the machine up first.

PY := .venv/bin/python
# Tests wait for servers and machines about as often as they compute.
WORKERS := $(shell expr $$(nproc) + 1)
# Shell scripts are known by their first line. Templates and compiled scripts are checked by the tests.
SHELL_SCRIPTS = $(shell git grep --untracked -IlE '^\#!(/usr)?/bin/(env )?(ba|da)?sh' -- ':!templates' ':!*.py' ':!*.md' ':!*/__snapshots__/*')

.PHONY: help setup demo test fleet lint bench docs wheel clean

help:
	@echo 'make demo    compile an inventory and run what comes out: back up, restore, migrate (about a minute)'
	@echo 'make test    all tests; ARGS="-k words" passes arguments on to pytest'
	@echo 'make setup   what both do first: Debian packages, .venv, both generations of borg'
	@echo 'make lint    ruff, mypy, shellcheck, templates, generated documents'
	@echo 'make fleet   only the tests that boot machines with a real systemd'
	@echo 'make bench   timings, as ratios against the limit in the same run'
	@echo 'make docs    write docs/reference/ anew, from the schema and the catalogue of codes'
	@echo 'make wheel   build dist/*.tar.gz and dist/*.whl'
	@echo 'make clean   remove what the tests and builds left, but not what make setup made'

setup:
	@setup/install

demo: setup
	@demo/run $(ARGS)

# A file's tests stay together, because they share machines that take a while to make. (xdist_group would say it more finely, but
# pytest 9.2 ignores it: pytest-xdist issue 1386.)
test: setup
	@$(PY) -m pytest -n $(WORKERS) --dist loadfile $(ARGS)

fleet: setup
	@$(PY) -m pytest -n $(WORKERS) --dist loadfile tests/fleet $(ARGS)

# Each check is a target of its own, so that `make -k lint` shows what all of them have to say.
LINT := lint-rules lint-format lint-types lint-shell lint-templates lint-docs
.PHONY: $(LINT)
lint: $(LINT)
$(LINT): setup

lint-rules:
	$(PY) -m ruff check
lint-format:
	$(PY) -m ruff format --check
lint-types:
	$(PY) -m mypy
lint-shell:
	shellcheck $(SHELL_SCRIPTS)
lint-templates:
	$(PY) -m backupspec.lint_templates
lint-docs:
	$(PY) -m backupspec.reference --check

docs: setup
	$(PY) -m backupspec.reference

bench: setup
	$(PY) bench/compile_fleet.py
	$(PY) bench/migrate.py $(ARGS)
	PYTHONPATH=. $(PY) bench/databases.py
	PYTHONPATH=. $(PY) bench/virtual_machines.py

wheel: setup
	$(PY) -m build --no-isolation --outdir dist

clean:
	rm -rf build dist .hypothesis .mypy_cache .pytest_cache .ruff_cache .setup-log
	find . -path ./.venv -prune -o -path ./.venv-borg12 -prune -o -name __pycache__ -type d -exec rm -rf {} +
