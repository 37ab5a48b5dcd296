# Everything around the code; `make` alone lists the targets.
SHELL := /bin/bash
.SHELLFLAGS := -euo pipefail -c
.DEFAULT_GOAL := help
.DELETE_ON_ERROR:

VENV := .venv
BIN := $(VENV)/bin
# As pip does with what it copies: where Python may keep no bytecode, each start would compile anew.
COMPILE := $(BIN)/python -m compileall -q ocsnap
PIP := $(BIN)/python -m pip --disable-pip-version-check
# What ocsnap itself calls, and what the demo's small ownCloud is made of.
RUNTIME_PACKAGES := gnupg librsync2
DEMO_PACKAGES := $(RUNTIME_PACKAGES) php-cli php-sqlite3
# Each worker of the tests starts servers of its own, so more than two do not pay.
TEST_WORKERS ?= 2
# How long `make fuzz` works on each decoder, and on which; none named: on all of them.
FUZZ_SECONDS ?= 60
FUZZ_TARGETS ?=

.PHONY: help
help: ## List the targets
	@grep -hE '^[a-z-]+:.* ## ' $(MAKEFILE_LIST) | sed -E 's/^([a-z-]+):.* ## /\1\t/' | expand -t 10

.PHONY: setup
setup: ## Install what ocsnap needs: Debian packages and .venv
	@tools/debian-packages $(RUNTIME_PACKAGES)
	@$(MAKE) --no-print-directory $(VENV)/runtime
	@echo "==> Try: $(BIN)/ocsnap --help"

.PHONY: demo
demo: ## Back up, destroy and restore a small ownCloud before your eyes
	@tools/debian-packages $(DEMO_PACKAGES)
	@$(MAKE) --no-print-directory $(VENV)/runtime
	@$(BIN)/python -m demo.run

.PHONY: test
test: $(VENV)/development ## Install the test servers and run all tests
	@tests/servers/install.sh
	@$(COMPILE)
	@$(BIN)/python -m pytest -n $(TEST_WORKERS) --dist loadfile

.PHONY: kills
kills: $(VENV)/development ## Kill restores at 30 random points of each kind of site; ten minutes
	@tests/servers/install.sh
	@OCSNAP_KILLS=30 $(BIN)/python -m pytest tests/cli/test_killed_restores.py

.PHONY: bench-prune
bench-prune: $(VENV)/development ## Prune 200 snapshots of 20,000 files: memory, requests, time
	@folder=$$(mktemp -d); trap 'rm -rf $$folder' EXIT; \
	$(BIN)/python -m tests.prune.measured $$folder/work 200 20000 200 14

.PHONY: soak
soak: $(VENV)/development ## Kill runs at every step and 200 times at random; half an hour
	@OCSNAP_ALL_KILLS=1 $(BIN)/python -m pytest tests/kills
	@$(BIN)/python -m tests.kills.soak --rounds 200

.PHONY: soak-prune
soak-prune: $(VENV)/development ## Backups and prunes of several hosts in a thousand random orders
	@OCSNAP_EXAMPLES=1000 $(BIN)/python -m pytest tests/prune/test_any_order.py

.PHONY: check
check: lint types imports ## Linter, types and import contract

.PHONY: lint
lint: $(VENV)/development ## Linter and layout
	@echo "==> ruff"
	@$(BIN)/ruff check
	@$(BIN)/ruff format --check

.PHONY: types
types: $(VENV)/development ## Types
	@echo "==> mypy"
	@$(BIN)/mypy

.PHONY: imports
imports: $(VENV)/development ## Layers: imports run downwards only
	@echo "==> import-linter"
	@$(BIN)/lint-imports

# Those that are missing take no part; duplicity speaks to S3 through boto3 of the system.
BENCH_PACKAGES := restic borgbackup duplicity python3-boto3 rsync zstd mariadb-client

.PHONY: bench
bench: $(VENV)/development ## ocsnap beside restic, borg and duplicity on a small tree; a minute
	@tools/debian-packages $(BENCH_PACKAGES)
	@tests/servers/install.sh
	@$(BIN)/python -m benchmarks.compare --files 2000 --large-mib 32 --rounds 1
	@$(BIN)/python -m benchmarks.database --rows 100000 --rounds 1

.PHONY: bench-full
bench-full: $(VENV)/development ## The same on 20,000 files and two million rows, and growth; an hour
	@tools/debian-packages $(BENCH_PACKAGES)
	@tests/servers/install.sh
	@$(BIN)/python -m benchmarks.compare --rounds 3
	@$(BIN)/python -m benchmarks.database
	@$(BIN)/python -m benchmarks.growth

.PHONY: extremes
extremes: $(VENV)/development ## A million names in one folder, files above 5 GiB; a quarter of an hour
	@$(BIN)/python -m benchmarks.extremes

.PHONY: audit
audit: $(VENV)/runtime ## Known vulnerabilities of the pinned packages
	@echo "==> pip-audit"
	@$(BIN)/python tools/audit $(VENV)/audit requirements.txt requirements-build.txt

.PHONY: pin
pin: $(VENV)/runtime ## Write the hashes of the pinned packages after a change of versions
	@$(BIN)/python tools/pin requirements.txt requirements-build.txt

.PHONY: fuzz
fuzz: $(VENV)/development ## Feed damaged input to every decoder, FUZZ_SECONDS each
	@$(PIP) install --quiet --requirement requirements-fuzz.txt
	@$(BIN)/python -m tests.fuzz.run --seconds $(FUZZ_SECONDS) $(FUZZ_TARGETS)

# What a wheel, a Debian package and the manual page are made and tried with.
PACKAGING_PACKAGES := $(RUNTIME_PACKAGES) python3-venv python3-dev gcc mandoc zsh fish
PACKAGES := build/packages

.PHONY: wheel
wheel: $(VENV)/runtime ## A wheel, for pipx, in build/packages
	@rm -rf build/lib build/bdist.*
	@$(PIP) wheel --quiet --no-deps --no-build-isolation --wheel-dir $(PACKAGES) .
	@ls $(PACKAGES)/ocsnap-*.whl

.PHONY: man
man: $(VENV)/runtime ## The manual page, in build/packages
	@mkdir -p $(PACKAGES)
	@$(BIN)/python tools/man-page > $(PACKAGES)/ocsnap.1
	@echo $(PACKAGES)/ocsnap.1

.PHONY: deb
deb: $(VENV)/runtime ## A Debian package, in build/packages
	@tools/debian-packages $(PACKAGING_PACKAGES)
	@tools/build-deb $(PACKAGES)

.PHONY: packages
packages: wheel man deb $(VENV)/development ## Wheel, manual page, Debian package: made and tried
	@OCSNAP_PACKAGES=$(abspath $(PACKAGES)) $(BIN)/python -m pytest tests/packaging

.PHONY: docs
docs: $(VENV)/development ## The documentation as web pages, in build/docs/site
	@$(PIP) install --quiet --requirement requirements-docs.txt
	@$(BIN)/python tools/gather-docs build/docs/pages
	@$(BIN)/mkdocs build --quiet --strict
	@echo build/docs/site/index.html

.PHONY: browser
browser: $(VENV)/development ## Look at the HTML report with a real browser
	@tools/debian-packages chromium
	@$(BIN)/python -m pytest tests/cli/test_report.py

.PHONY: pictures
pictures: $(VENV)/development ## Draw the pictures of README and docs anew, from real runs
	@tools/debian-packages $(DEMO_PACKAGES) chromium
	@$(BIN)/python tools/picture docs/pictures

.PHONY: docker-lint
docker-lint: $(VENV)/development ## Lint the Dockerfile
	@$(BIN)/hadolint docker/Dockerfile

.PHONY: clean
clean: ## Remove all that these targets made, but no Debian package
	rm -rf $(VENV) .servers demo/work build *.egg-info
	rm -rf .pytest_cache .mypy_cache .ruff_cache .import_linter_cache .hypothesis
	find . -name __pycache__ -type d -prune -exec rm -rf {} +

# The two stages of the virtual environment; each is made anew when its pins change.
$(VENV)/runtime: requirements.txt requirements-build.txt pyproject.toml setup.py $(wildcard ocsnap/*/*_build.py ocsnap/*/*.c ocsnap/*/*/*_build.py ocsnap/*/*/*.c)
	@tools/make-venv $(VENV)
	@echo "==> Python packages: installing requirements.txt and ocsnap into $(VENV)"
	@$(PIP) install --quiet --require-hashes --requirement requirements.txt --requirement requirements-build.txt
	@$(PIP) install --quiet --no-deps --no-build-isolation --editable .
	@$(COMPILE)
	@touch $@

$(VENV)/development: $(VENV)/runtime requirements-dev.txt
	@echo "==> Python packages: installing requirements-dev.txt into $(VENV)"
	@$(PIP) install --quiet --requirement requirements-dev.txt
	@touch $@
