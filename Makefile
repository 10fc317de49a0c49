# `make demo` and `make test` set up all that they need; `make help` lists the rest.
SHELL := /bin/bash
.DEFAULT_GOAL := help
.PHONY: help setup demo test catalog bench lint format docs stop clean

# How many tests run at once (one more than the usual two cores: a tenth of their time they wait for
# servers and clocks), and what else pytest is told: make test PYTEST_ARGS="-k wheels"
JOBS ?= 3
PYTEST_ARGS ?=
# Which images `make catalog` is about; by default all: make catalog CATALOG="torch triton"
CATALOG ?=
# What the benchmark is told: make bench BENCH_ARGS="--only plan,start --quick"
BENCH_ARGS ?=

help: ## This list
	@sed -n 's/^\([a-z]*\):.*## /\1\t/p' $(MAKEFILE_LIST) | expand -t 10

setup: ## Debian packages, .venv, a Docker engine: whatever is missing
	@setup/all.sh

demo: setup ## Build the family, smoke-test it, push it to a registry on loopback
	@setup/with-docker.sh setup/demo.sh

test: ## All tests, linters and types among them
	@setup/all.sh docker-compose umoci shellcheck libfaketime golang-github-opencontainers-image-spec-dev gcc libc6-dev python3-dev
	@setup/openapi.sh >/dev/null
	@setup/kserve.sh >/dev/null
	@setup/browser.sh >/dev/null
	@setup/with-docker.sh .venv/bin/pytest -n $(JOBS) --dist loadgroup $(PYTEST_ARGS)

catalog: setup ## Build and check every image, the large ones too; docs/catalog.md
	@setup/with-docker.sh setup/catalog.sh $(CATALOG)

bench: setup ## Measure beside Docker with pip and with uv, into bench/results/
	@setup/with-docker.sh .venv/bin/python -m bench.run $(BENCH_ARGS)

lint: setup ## ruff and mypy
	.venv/bin/ruff check .
	.venv/bin/ruff format --check .
	.venv/bin/mypy

format: setup ## Let ruff write the code in its own way
	.venv/bin/ruff check --fix-only .
	.venv/bin/ruff format .

docs: setup ## Write docs/reference.md and docs/cli.md from the code
	.venv/bin/python -m lapstrake.definition.reference docs/reference.md
	.venv/bin/python -m lapstrake.cli.reference docs/cli.md

stop: ## End the dockerd that the set-up started
	@setup/docker.sh stop

clean: ## Remove .venv, dist and caches of this checkout (not the cache of built layers)
	rm -rf .venv dist .pytest_cache .mypy_cache .ruff_cache .hypothesis
	find build release tests -name __pycache__ -prune -exec rm -rf {} +
