# make demo: everything on a synthetic corpus, in minutes. make test: linter and tests. make test-all: the tests that
# take long or need optional packages. All of them install what they need.

PYTHON ?= python3
export PATH := $(CURDIR)/.venv/bin:$(PATH)

COMPILE = .venv/bin/uv pip compile --quiet --python .venv/bin/python --no-header --no-annotate

ALL_EXTRAS = dev dev-all audformat live onnx opensmile ray s3 serve ssh

PYTEST = OMP_NUM_THREADS=1 python -m pytest -n auto --maxprocesses 4 --dist worksteal

.PHONY: install demo test test-all lint lock clean

install: .venv/installed

.venv/installed: requirements.lock pyproject.toml
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "Python 3.11 or later is needed: make PYTHON=python3.11")'
	test -x .venv/bin/python || $(PYTHON) -m venv .venv
	.venv/bin/python -m pip install --quiet --requirement requirements.lock
	.venv/bin/python -m pip install --quiet --no-deps --editable .
	touch $@

.venv/installed-all: .venv/installed requirements-all.lock
	.venv/bin/python -m pip install --quiet --requirement requirements-all.lock
	touch $@

demo: install
	@ser preset --check demo
	test -d corpora/demo || ser demo-corpus corpora/demo
	dvc repro
	@echo
	@dvc metrics show
	@echo
	@echo "The report: $(CURDIR)/artifacts/report/index.html"
	@echo "Next: source .venv/bin/activate, change params.yaml, dvc repro"

lint: install
	ruff check .
	ruff format --check .

test: lint
	$(PYTEST) -m "not slow and not extras"

test-all: .venv/installed-all
	$(PYTEST) -m "slow or extras"

# Write the exact versions again, after a change of pyproject.toml. uv resolves the extras in seconds; pip takes many minutes.
lock:
	.venv/bin/python -m pip install --quiet uv
	$(COMPILE) --extra dev --output-file requirements.lock pyproject.toml
	$(COMPILE) --constraint requirements.lock $(foreach extra,$(ALL_EXTRAS),--extra $(extra)) \
		--output-file requirements-all.lock pyproject.toml

clean:
	rm -rf artifacts
