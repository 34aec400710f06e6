# Each target installs what it needs, on a fresh machine too.

PYTHON := .venv/bin/python
BIOME := node_modules/.bin/biome
# Settings of an installation on the internet, in a temporary data directory, for the checks only.
PRODUCTION = LUMAWEB_DATA_DIR="$$scratch" HOST=0.0.0.0 LUMAWEB_PUBLIC_URL=https://films.example.com \
	LUMAWEB_SECRET_KEY=not-a-secret-but-long-enough-for-the-check-0123456789 \
	LUMAWEB_ENCRYPTION_KEYS=bm90LWEtc2VjcmV0LWJ1dC1sb25nLWVub3VnaC1oZXI=

# tests/conftest.py says how many.
PROCESSES = --numprocesses auto
# Pages in the browser do not depend on the database: one test of them is enough.
DEPLOYED = tests/deploy/test_proxies.py tests/deploy/test_example_environment.py tests/deploy/test_compose.py \
    tests/deploy/test_systemd_units.py tests/deploy/test_versions.py tests/deploy/test_image.py tests/deploy/test_fresh_machine.py \
    tests/deploy/test_local_network.py tests/deploy/test_monitoring.py tests/sandbox/test_clients.py
BESIDE_SERVERS = tests --ignore=tests/browser $(addprefix --ignore=,$(DEPLOYED)) tests/browser/test_main_job.py

# Only the installation reads .env: a developer's settings must not change the result of a test.
test test-servers test-deploy test-fresh check bench chaos fuzz screenshots lighthouse: export LUMAWEB_ENV_FILE =

.PHONY: run test test-servers test-deploy test-fresh check bench chaos fuzz audit screenshots lighthouse format requirements

run: .venv/ready
	@exec $(PYTHON) manage.py serve --prepare

# ARGS are pytest's: make test ARGS="tests/provider/test_client.py -k refused"
test: .venv/ready-dev
	@browser=$$($(PYTHON) tests/find_browser.py) && LUMAWEB_TEST_BROWSER="$$browser" exec $(PYTHON) -m pytest $(PROCESSES) $(ARGS)

# The tests that use the database or the queue, and one in the browser, with a PostgreSQL and a Redis started for them.
test-servers: .venv/ready-dev
	@.ci/servers
	@browser=$$($(PYTHON) tests/find_browser.py) && LUMAWEB_TEST_BROWSER="$$browser" exec $(PYTHON) -m tests.support.servers \
		$(PYTHON) -m pytest $(PROCESSES) -m "not embedded" $(or $(ARGS),$(BESIDE_SERVERS))

# The files in deploy/ with real nginx, Caddy, systemd and a container; make run and make test on a bare Debian; and the
# provider's own clients against the sandbox. As root, on Linux.
test-deploy: .venv/ready-dev .venv/clients/ready
	@.ci/servers
	@exec $(PYTHON) -m pytest $(PROCESSES) -m "" $(DEPLOYED) $(ARGS)

# Only make run and make test on a bare Debian 12 with its own Python.
test-fresh: .venv/ready-dev
	@.ci/servers
	@exec $(PYTHON) -m pytest tests/deploy/test_fresh_machine.py $(ARGS)

check: .venv/ready-dev node_modules/ready
	$(PYTHON) -m ruff format --check .
	$(PYTHON) -m ruff check .
	$(PYTHON) -m djlint --quiet --lint templates
	$(BIOME) ci
	@scratch=$$(mktemp -d) && trap 'rm -rf "$$scratch"' EXIT && set -ex && \
	LUMAWEB_DATA_DIR="$$scratch" $(PYTHON) -m mypy && \
	$(PRODUCTION) $(PYTHON) manage.py makemigrations --check --dry-run && \
	$(PRODUCTION) $(PYTHON) manage.py check --deploy --fail-level WARNING

# Kill processes under load and count what is lost: make chaos ARGS="--generations 60 --kills 8 --minutes 3"
chaos: .venv/ready-dev
	@exec $(PYTHON) -m tests.chaos $(ARGS)

# Measure speed, compared with the obvious implementation: make bench ARGS="--databases sqlite --sizes 1000 --only pages"
bench: .venv/ready-dev
	@.ci/servers
	@browser=$$($(PYTHON) tests/find_browser.py) && LUMAWEB_TEST_BROWSER="$$browser" exec $(PYTHON) -m tests.bench $(ARGS)

# Send malformed requests to every address, form and callback, and run all property tests in full: make fuzz CASES=50000
fuzz: .venv/ready-dev
	@LUMAWEB_FUZZ_CASES=$(or $(CASES),10000) exec $(PYTHON) -m pytest -m hypothesis --hypothesis-profile=full $(ARGS)

# List known vulnerabilities of the pinned dependencies.
audit: .venv/audit/ready
	@.venv/audit/bin/python .ci/audit requirements.txt requirements-dev.txt

# Screenshots of every page and state, into screenshots/; those that the docs show: make screenshots ARGS=--docs
screenshots: .venv/ready-dev
	@browser=$$($(PYTHON) tests/find_browser.py) && LUMAWEB_TEST_BROWSER="$$browser" exec $(PYTHON) -m tests.screenshots $(ARGS)

# Scores of Lighthouse for the studio with 48 cards, on an idle machine: make lighthouse ARGS="--runs 5"
lighthouse: .venv/ready-dev .venv/node/ready
	@browser=$$($(PYTHON) tests/find_browser.py) && LUMAWEB_TEST_BROWSER="$$browser" exec $(PYTHON) -m tests.lighthouse $(ARGS)

format: .venv/ready-dev node_modules/ready
	$(PYTHON) -m ruff format .
	$(PYTHON) -m ruff check --fix .
	$(BIOME) check --write

# Update the pinned versions of requirements*.in (needs uv).
requirements:
	uv pip compile --quiet --upgrade --universal --python-version 3.11 --generate-hashes --no-header --no-annotate \
		--output-file requirements.txt requirements.in
	uv pip compile --quiet --upgrade --universal --python-version 3.11 --generate-hashes --no-header --no-annotate \
		--output-file requirements-dev.txt requirements-dev.in
	uv pip compile --quiet --upgrade --universal --python-version 3.11 --generate-hashes --no-header --no-annotate \
		--output-file requirements-audit.txt requirements-audit.in
	uv pip compile --quiet --upgrade --universal --python-version 3.11 --generate-hashes --no-header --no-annotate \
		--output-file requirements-clients.txt requirements-clients.in
	uv pip compile --quiet --upgrade --universal --python-version 3.11 --generate-hashes --no-header --no-annotate \
		--output-file requirements-node.txt requirements-node.in

.venv/ready: requirements.txt .ci/setup
	@.ci/setup requirements.txt
	@touch $@

.venv/audit/ready: requirements-audit.txt .ci/setup .venv/ready
	@.ci/setup requirements-audit.txt .venv/audit
	@touch $@

.venv/node/ready: requirements-node.txt .ci/setup .venv/ready
	@.ci/setup requirements-node.txt .venv/node
	@touch $@

# The linter of stylesheets and scripts, as package-lock.json pins it.
node_modules/ready: package-lock.json .venv/node/ready
	@echo Installing package-lock.json >&2
	@PATH="$(CURDIR)/.venv/node/bin:$$PATH" npm ci --loglevel=error
	@touch $@

.venv/clients/ready: requirements-clients.txt .ci/setup .venv/ready
	@.ci/setup requirements-clients.txt .venv/clients
	@touch $@

.venv/ready-dev: requirements-dev.txt .venv/ready
	@.ci/setup requirements-dev.txt
	@touch $@
