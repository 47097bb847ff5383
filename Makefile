# `make run` starts everything, `make test` proves it. Both fetch what the machine lacks; nothing needs Docker.
.PHONY: run test check lock
.DEFAULT_GOAL := run

PYTHON := .venv/bin/python

run:
	@deploy/local/bootstrap.sh run
	@exec $(PYTHON) -m deploy.local

test: check
	@deploy/local/bootstrap.sh test
	$(PYTHON) -m pytest

check:
	@deploy/local/bootstrap.sh check
	.venv/bin/ruff format --check .
	.venv/bin/ruff check .
	.venv/bin/mypy
	.venv/bin/lint-imports

# Only versions and hashes go into the lock: where packages come from is the machine's own setting.
lock:
	@deploy/local/bootstrap.sh lock
	.venv/bin/uv pip compile pyproject.toml --group dev --universal --generate-hashes \
		--python-version 3.11 --no-header --no-emit-index-url --no-emit-find-links --upgrade --quiet -o requirements.lock
