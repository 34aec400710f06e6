# make run, make test, make check: each sets up what it needs, a fresh machine included.

PYTHON := .venv/bin/python
# Settings of an installation on the internet, in a data directory of its own, for the checks only.
PRODUCTION = LUMAWEB_DATA_DIR="$$scratch" HOST=0.0.0.0 LUMAWEB_PUBLIC_URL=https://films.example.com \
	LUMAWEB_SECRET_KEY=not-a-secret-but-long-enough-for-the-check-0123456789 \
	LUMAWEB_ENCRYPTION_KEYS=bm90LWEtc2VjcmV0LWJ1dC1sb25nLWVub3VnaC1oZXI=

# One more than there are cores: tests/conftest.py.
PROCESSES = --numprocesses auto
# The browser's tests are about pages, which no database changes: one walk stands for them.
DEPLOYED = tests/deploy/test_deploy.py tests/deploy/test_image.py tests/deploy/test_fresh_machine.py tests/sandbox/test_clients.py
BESIDE_SERVERS = tests --ignore=tests/browser $(addprefix --ignore=,$(DEPLOYED)) tests/browser/test_main_job.py

.PHONY: run test test-servers test-deploy test-fresh check bench chaos fuzz audit screenshots format requirements

run: .venv/ready
	@exec $(PYTHON) manage.py serve --prepare

# ARGS are pytest's: make test ARGS="tests/provider/test_client.py -k refused"
test: .venv/ready-dev
	@browser=$$($(PYTHON) tests/find_browser.py) && LUMAWEB_TEST_BROWSER="$$browser" exec $(PYTHON) -m pytest $(PROCESSES) $(ARGS)

# Everything that touches the database or the queue once more, and a walk in the browser, beside a PostgreSQL and a Redis
# that are started for it.
test-servers: .venv/ready-dev
	@.ci/servers
	@browser=$$($(PYTHON) tests/find_browser.py) && LUMAWEB_TEST_BROWSER="$$browser" exec $(PYTHON) -m tests.support.servers \
		$(PYTHON) -m pytest $(PROCESSES) -m "not embedded" $(or $(ARGS),$(BESIDE_SERVERS))

# What is in deploy/, run for real: nginx, Caddy, systemd, and the image in a container; and make run and make test on a
# bare Debian. As root, on Linux. And the provider's own clients against the sandbox.
test-deploy: .venv/ready-dev .venv/clients/ready
	@.ci/servers
	@exec $(PYTHON) -m pytest $(PROCESSES) -m "" $(DEPLOYED) $(ARGS)

# Of these, make run and make test on a bare Debian 12 with its own Python alone.
test-fresh: .venv/ready-dev
	@.ci/servers
	@exec $(PYTHON) -m pytest tests/deploy/test_fresh_machine.py $(ARGS)

check: .venv/ready-dev
	$(PYTHON) -m ruff format --check .
	$(PYTHON) -m ruff check .
	$(PYTHON) -m djlint --quiet --lint templates
	@scratch=$$(mktemp -d) && trap 'rm -rf "$$scratch"' EXIT && set -ex && \
	LUMAWEB_DATA_DIR="$$scratch" $(PYTHON) -m mypy && \
	$(PRODUCTION) $(PYTHON) manage.py makemigrations --check --dry-run && \
	$(PRODUCTION) $(PYTHON) manage.py check --deploy --fail-level WARNING

# Break it on purpose and count what is lost: make chaos ARGS="--generations 60 --kills 8 --minutes 3"
chaos: .venv/ready-dev
	@exec $(PYTHON) -m tests.chaos $(ARGS)

# Measure it, each figure beside the obvious way: make bench ARGS="--databases sqlite --sizes 1000 --only pages"
bench: .venv/ready-dev
	@.ci/servers
	@browser=$$($(PYTHON) tests/find_browser.py) && LUMAWEB_TEST_BROWSER="$$browser" exec $(PYTHON) -m tests.bench $(ARGS)

# Throw garbage at every address, form and callback, and try all examples of the other property tests: make fuzz CASES=50000
fuzz: .venv/ready-dev
	@LUMAWEB_FUZZ_CASES=$(or $(CASES),10000) exec $(PYTHON) -m pytest -m hypothesis --hypothesis-profile=full $(ARGS)

# Ask the package index which of the pinned dependencies have known vulnerabilities.
audit: .venv/audit/ready
	@.venv/audit/bin/python .ci/audit requirements.txt requirements-dev.txt

# Screenshots of every page and state, into screenshots/; those that the docs show: make screenshots ARGS=--docs
screenshots: .venv/ready-dev
	@browser=$$($(PYTHON) tests/find_browser.py) && LUMAWEB_TEST_BROWSER="$$browser" exec $(PYTHON) -m tests.screenshots $(ARGS)

format: .venv/ready-dev
	$(PYTHON) -m ruff format .
	$(PYTHON) -m ruff check --fix .

# Pin anew what requirements*.in ask for (needs uv).
requirements:
	uv pip compile --quiet --upgrade --universal --python-version 3.11 --generate-hashes --no-header --no-annotate \
		--output-file requirements.txt requirements.in
	uv pip compile --quiet --upgrade --universal --python-version 3.11 --generate-hashes --no-header --no-annotate \
		--output-file requirements-dev.txt requirements-dev.in
	uv pip compile --quiet --upgrade --universal --python-version 3.11 --generate-hashes --no-header --no-annotate \
		--output-file requirements-audit.txt requirements-audit.in
	uv pip compile --quiet --upgrade --universal --python-version 3.11 --generate-hashes --no-header --no-annotate \
		--output-file requirements-clients.txt requirements-clients.in

.venv/ready: requirements.txt .ci/setup
	@.ci/setup requirements.txt
	@touch $@

.venv/audit/ready: requirements-audit.txt .ci/setup .venv/ready
	@.ci/setup requirements-audit.txt .venv/audit
	@touch $@

.venv/clients/ready: requirements-clients.txt .ci/setup .venv/ready
	@.ci/setup requirements-clients.txt .venv/clients
	@touch $@

.venv/ready-dev: requirements-dev.txt .venv/ready
	@.ci/setup requirements-dev.txt
	@touch $@
