# Two commands do everything on a fresh Debian machine: `make run` and `make test`.

PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin

SHELL := /bin/bash
.SHELLFLAGS := -o pipefail -c

# Real servers for the tests, and what some Python packages are built with.  None of them has to run as a service.
TEST_PACKAGES := redis-server nginx apache2 slapd ldap-utils postgresql pgbouncer mariadb-server postfix chromium systemd wrk \
	gcc python3-dev python3-venv dpkg-dev libldap2-dev libsasl2-dev

# Modules of tests that start no server: they are told by what they import.
FAST_TESTS = $$(grep -rLE --include='test_*.py' 'tests\.(integration|servers|start|storage\.copies)|databases import|databases as' tests)
TRIAL := $(BIN)/python -u -m twisted.trial --reporter=timing

.PHONY: run test test-fast lint types bench fuzz soak test-oldest messages deb changelog clean

run: $(BIN)/.installed mxisd.yaml
	@echo "mxisd will be at http://localhost:8090"
	$(BIN)/twistd -n --pidfile= mxisd --config mxisd.yaml

test: .cache/packages $(BIN)/.installed-dev .cache/synapse-venv/.installed .cache/sydent-venv/.installed
	$(if $(TESTS),$(TRIAL) $(TESTS) | .ci/slowest,.ci/test $(BIN)/python)

test-fast: $(BIN)/.installed-test
	HYPOTHESIS_PROFILE=fast $(BIN)/python -m twisted.trial -j2 $(FAST_TESTS)

lint: $(BIN)/.installed-dev
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/lint-imports --no-logo --cache-dir .cache/import-linter

types: $(BIN)/.installed-dev
	$(BIN)/mypy

# The tests that need no servers, with the oldest versions of all that mxisd stands on, in an environment of their own.
test-oldest: .cache/packages
	$(PYTHON) -m venv .cache/oldest
	.cache/oldest/bin/python -m pip install --quiet --constraint contrib/requirements-oldest.txt \
		--editable '.[test,ldap,postgresql,mysql]'
	HYPOTHESIS_PROFILE=fast .cache/oldest/bin/python -m twisted.trial $(FAST_TESTS)

# What make test does of this in a few seconds, for minutes.
fuzz: .cache/packages $(BIN)/.installed-dev
	MXISD_FUZZ=500 HYPOTHESIS_PROFILE=fuzz $(TRIAL) tests.fuzz

soak: $(BIN)/.installed-dev
	$(BIN)/python -m tests.soak $(or $(SECONDS),600)

bench: .cache/packages $(BIN)/.installed-dev
	$(BIN)/python -m benchmarks

# Brings the catalogues of translations up to date with the sentences in the code and the templates.
messages: $(BIN)/.installed-dev
	$(BIN)/pybabel -q extract -F .ci/babel.cfg --no-location --sort-by-file -o .cache/mxisd.pot mxisd
	for file in mxisd/locale/*/LC_MESSAGES/mxisd.po; do \
		$(BIN)/pybabel -q update -i .cache/mxisd.pot -o $$file -l $$(basename $$(dirname $$(dirname $$file))) \
			--no-fuzzy-matching --omit-header --ignore-obsolete --width=100; done

# A Debian package for the release of this machine.
deb: .cache/packages
	@contrib/debian/build

# Shows what the next version's part of CHANGELOG.md would be.
changelog: $(BIN)/.installed-dev
	$(BIN)/towncrier build --draft --version "$$($(BIN)/python -c 'import mxisd; print(mxisd.__version__)')"

clean:
	rm -rf $(VENV) .cache build dist *.egg-info _trial_temp*

$(BIN)/python:
	@$(PYTHON) -c 'import ensurepip' 2>/dev/null || { [ "$$(id -u)" = 0 ] && apt-get update -q && apt-get install -qy python3-venv; } \
		|| { echo "The package python3-venv is missing: apt-get install python3-venv"; exit 1; }
	$(PYTHON) -m venv $(VENV)

$(BIN)/.installed: $(BIN)/python setup.py pyproject.toml
	$(BIN)/python -m pip install --quiet --editable .
	touch $@

$(BIN)/.installed-test: $(BIN)/python setup.py pyproject.toml
	$(BIN)/python -m pip install --quiet --editable '.[test]'
	touch $@

$(BIN)/.installed-dev: $(BIN)/python setup.py pyproject.toml .cache/packages
	$(BIN)/python -m pip install --quiet --editable '.[test,dev,ldap,postgresql,mysql]'
	touch $@

# Packages of others that the tests run mxisd against, each with dependencies of its own.
.cache/synapse-venv/.installed: .cache/packages
	$(PYTHON) -m venv $(@D)
	$(@D)/bin/python -m pip install --quiet 'matrix-synapse==1.163.*' psycopg2-binary
	touch $@

.cache/sydent-venv/.installed: .cache/packages
	$(PYTHON) -m venv $(@D)
	$(@D)/bin/python -m pip install --quiet 'matrix-sydent[prometheus,sentry]==2.6.*'
	touch $@

.cache/packages: Makefile
	@mkdir -p $(@D)
	@missing=$$(for each in $(TEST_PACKAGES); do \
		dpkg-query -W -f '$${Status}' $$each 2>/dev/null | grep -q ' installed$$' || echo $$each; done); \
	[ -z "$$missing" ] || ./.ci/install-packages $$missing
	@touch $@

mxisd.yaml:
	@printf '%s\n' \
		'# For development: nothing here is fit for others to use.' \
		'matrix:' \
		'  domain: localhost' \
		'server:' \
		'  publicUrl: http://localhost:8090' \
		'  hostname: 127.0.0.1' \
		'threepid:' \
		'  medium:' \
		'    email:' \
		'      connector: log' > $@
	@echo "wrote $@"
