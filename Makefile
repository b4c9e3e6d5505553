# Two commands are enough: `make run` and `make test`. Any Python 3.11+ will do: PYTHON=python3.12.
PYTHON ?= python3
BIN := .venv/bin

.DEFAULT_GOAL := help
.PHONY: help install run test cover check bench quality golden lock screenshots clean

help:  ## What can be done here
	@awk -F ':.*## ' '/^[a-z-]+:.*## / {printf "  make %-12s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

install:  ## Set up .venv (the other commands do this by themselves)
	@$(PYTHON) app/install.py

run: install  ## Run the whole product: http://127.0.0.1:8501
	@$(BIN)/leadlight run

test: install  ## Run every test, with a real browser, a real PostgreSQL and, given Java, Spark
	@if command -v java >/dev/null; then $(PYTHON) app/install.py --spark; fi
	@$(BIN)/python -m pytest -n auto --maxprocesses 4 --dist loadfile

cover: install  ## Run every test and say which lines none of them reaches
	@$(BIN)/python -m pytest --cov --cov-report=term

check: install  ## Format, lint, strict types and the architecture
	@$(BIN)/ruff format --check .
	@$(BIN)/ruff check .
	@$(BIN)/mypy
	@$(BIN)/python -m pytest -q tests/test_architecture.py

bench: install  ## Measure speed beside other engines; writes docs/performance.md
	@if command -v java >/dev/null; then $(PYTHON) app/install.py --spark; fi
	@$(BIN)/python -m benchmarks.packages
	@$(BIN)/python -m benchmarks.run

quality: install  ## Measure the score on public data (see docs/quality.md)
	@$(BIN)/python -m benchmarks.quality

golden: install  ## Write tests/golden/scores.json anew, after ENGINE_VERSION was raised
	@$(BIN)/python -m tests.golden_scores

screenshots: install  ## Take pictures of every screen into docs/images
	@$(BIN)/python docs/take_screenshots.py

lock:  ## Write the lock files anew from pyproject.toml and benchmarks/requirements.in (needs uv)
	@uv lock --quiet
	@uv export --quiet --no-header --no-annotate --no-emit-project --group dev \
		--output-file requirements.lock
	@uv export --quiet --no-header --no-annotate --only-group spark \
		--output-file requirements-spark.lock
	@uv pip compile --quiet --universal --generate-hashes --no-header --no-annotate \
		--python-version 3.11 --no-emit-package numpy \
		benchmarks/requirements.in --output-file benchmarks/requirements.lock

clean:  ## Forget the environment and the local data
	@rm -rf .venv .tools var
