# make demo   a simulated drive, its report and pictures, from nothing
# make test   ruff, mypy and pytest (test/test_lint.py runs the first two)
# Each makes its own virtual environment on first use; python3 and python3-venv are all it needs.
# pip's own settings (PIP_INDEX_URL, PIP_EXTRA_INDEX_URL, pip.conf) are honoured: with an index of
# CPU builds of torch the first run is much shorter.
PYTHON ?= python3
DEMO_OUT ?= demo
DEMO_ARGS ?=
PYTEST_ARGS ?=
# One torch thread in each of two workers: threads that wait for each other spin.
TEST_WORKERS ?= 2

export PIP_DISABLE_PIP_VERSION_CHECK = 1

metadata := setup.py pyproject.toml entry_points.txt requirements/constraints.txt

.PHONY: help demo test lint clean

help:
	@sed -n '/^# make/s/^# //p' Makefile
	@echo 'make lint   ruff and mypy alone'
	@echo 'make clean  removes the environments and what they made'

demo: .venv-demo/installed
	.venv-demo/bin/vif-perception demo --out $(DEMO_OUT) $(DEMO_ARGS)

test: .venv-test/installed
	OMP_NUM_THREADS=1 .venv-test/bin/python -m pytest -n $(TEST_WORKERS) $(PYTEST_ARGS)

lint: .venv-test/installed
	.venv-test/bin/python -m ruff check .
	.venv-test/bin/python -m mypy

.venv-demo/installed: extras :=
.venv-test/installed: extras := [test]

# The stamp is written last: an interrupted installation is taken up again by the next run.
.venv-%/installed: $(metadata)
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 10))' || \
	  { echo 'Python 3.10 or newer is needed; choose one: make PYTHON=python3.12 ...' >&2; exit 1; }
	@$(PYTHON) -c 'import ensurepip, venv' 2>/dev/null || \
	  { echo 'Python cannot make virtual environments here; on Debian and Ubuntu:' >&2; \
	    echo '  sudo apt-get install python3-venv' >&2; exit 1; }
	$(PYTHON) -m venv --clear .venv-$*
	.venv-$*/bin/python -m pip install --quiet --no-compile -c requirements/constraints.txt -e '.$(extras)'
	@touch $@

clean:
	rm -rf .venv-demo .venv-test build dist *.egg-info demo
	rm -rf .pytest_cache .mypy_cache .ruff_cache .hypothesis
	find . -name __pycache__ -type d -prune -exec rm -rf {} +
