# `make run` starts everything, `make test` proves it. Both fetch what the machine lacks; neither needs Docker.
.PHONY: run test quick check help bench containers faults abuse lock texts events pictures sbom audit pin
.DEFAULT_GOAL := run

PYTHON := .venv/bin/python
# Some machines say that no compiled Python is kept: each of some hundred processes would compile all of it again.
export PYTHONDONTWRITEBYTECODE :=
# How many processes test at the same time, each with parts of its own; in the order of `tests/conftest.py`.
PROCESSES ?= 2
PARALLEL = -n $(PROCESSES) --dist loadfile --no-loadscope-reorder

help: ## this list
	@sed -nE 's/^([a-z]+):[^#]*## (.*)/make \1\t\2/p' $(MAKEFILE_LIST) | expand -t 18

run: ## the portal with a demo, on this machine
	@deploy/local/bootstrap.sh run
	@exec $(PYTHON) -m deploy.local

test: check ## all checks and all tests
	@deploy/local/bootstrap.sh test
	$(PYTHON) -m pytest $(PARALLEL) --durations=40 --durations-min=2

quick: ## the tests to run while writing: no broker, no browser, no whole stack
	@MONGO_URL= RABBITMQ_URL= deploy/local/bootstrap.sh run
	$(PYTHON) -m pytest $(PARALLEL) tests/unit tests/service

check: ## format, rules of style, types, imports, length of modules
	@deploy/local/bootstrap.sh check
	.venv/bin/ruff format --check .
	.venv/bin/ruff check .
	.venv/bin/mypy
	.venv/bin/lint-imports
	@find services shared deploy -name '*.py' -exec awk -v most=400 \
		'FNR == most + 1 { print FILENAME ": more than " most " lines"; long = 1 } END { exit long }' {} +

# What the real stack does under load: docs/performance.md. `make bench ARGS=--quick` takes some three minutes.
bench: ## what the real stack does under load
	@MONGO_URL= RABBITMQ_URL= deploy/local/bootstrap.sh run
	@$(PYTHON) -m tests.bench $(ARGS)

# The image is built, all of it is started with two replicas of each service, used, killed and stopped. Needs Docker.
containers: ## the tests of the image, with a Docker engine
	@deploy/local/bootstrap.sh check
	$(PYTHON) -m pytest tests/containers -p no:randomly -s

# Half an hour: `make faults ARGS="broker-killed --seed 7"` for one run, see docs/faults.md.
faults: ## kill, freeze and cut off parts of the stack under load
	@deploy/local/bootstrap.sh test
	$(PYTHON) -m tests.faults $(ARGS)

# Seven minutes: what one person can do to all others, and to the memory of each service. See docs/abuse.md.
abuse: ## what one person can do to all others
	@MONGO_URL= RABBITMQ_URL= deploy/local/bootstrap.sh run
	@$(PYTHON) -m tests.abuse $(ARGS)
	@test -n "$(ARGS)" || PORTICO_WORST_TEXTS=all $(PYTHON) -m pytest tests/e2e/test_worst_texts.py -p no:randomly

# Only versions and hashes go into the lock: where packages come from is the machine's own setting.
lock: ## new versions of the Python packages
	@deploy/local/bootstrap.sh lock
	.venv/bin/uv pip compile pyproject.toml --group dev --universal --generate-hashes \
		--python-version 3.11 --no-header --no-emit-index-url --no-emit-find-links --upgrade --quiet -o requirements.lock
	.venv/bin/uv pip compile pyproject.toml --constraint requirements.lock --universal --generate-hashes \
		--python-version 3.11 --no-header --no-emit-index-url --no-emit-find-links --no-annotate --quiet \
		-o requirements-runtime.lock

# Licences and notices of what the image holds, and the list of it (CycloneDX), as the image's build makes them.
sbom: ## licences and notices of the image, and the list of what it holds
	@deploy/local/bootstrap.sh check
	@$(PYTHON) -m deploy.supply.papers $(ARGS)

# What is known against a locked package. Where no database is reached it says so, and fails unless ARGS=--if-reached.
audit: ## known vulnerabilities of the locked packages
	@deploy/local/bootstrap.sh check
	@$(PYTHON) -m deploy.supply.audit $(ARGS)

# The digests of the images, from their registry into deploy/compose.yaml and deploy/Dockerfile.
pin: ## the present digests of the images
	@deploy/local/bootstrap.sh check
	@$(PYTHON) -m deploy.supply.images

# New words of the portal into its French catalogue, to be translated there; a test finds what is left empty.
texts: ## new words of the portal into its French catalogue
	@deploy/local/bootstrap.sh check
	cd services/gateway && pot=$$(mktemp) && trap 'rm -f $$pot' EXIT && \
		../../.venv/bin/pybabel -q extract -F babel.cfg -k N_ -k lazy --no-location --sort-output --omit-header -o $$pot . && \
		../../.venv/bin/pybabel -q update -i $$pot -o locale/fr.po -l fr -w 120 --no-fuzzy-matching --ignore-obsolete --omit-header

# The page of events, from the events themselves; a test finds one that is out of date.
events: ## the page of events
	@deploy/local/bootstrap.sh check
	$(PYTHON) -m tests.published.events_page

# Of the demo, in a portal of its own; a test finds words in them that the pages do not say any more.
pictures: ## the pictures in README
	@MONGO_URL= RABBITMQ_URL= deploy/local/bootstrap.sh test
	$(PYTHON) -m tests.browser.pictures
