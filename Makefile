# One target a chore. `make` alone lists them.
#
# VENV may name another virtual environment; ARGS are passed on to what is run.

SHELL := bash
.SHELLFLAGS := -euo pipefail -c
.DEFAULT_GOAL := help
MAKEFLAGS += --no-print-directory

VENV ?= .venv
ARGS ?=
# Handed over by the environment, so that spaces and quotes in a path need no care.
export PHOTOS VENV REVISION UPGRADE

.PHONY: help up test test-packages check audit mutations simulate demo bench bench-1m bench-10m soak matrix reference manual locks dist deb clean

help: ## List the targets
	@awk -F ':.*## ' '/^[a-z0-9-]+:.*## / { printf "  make %-13s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

up: ## Try it on your photos: make up PHOTOS=/path/to/photos
	@if [[ -z "$${PHOTOS:-}" ]]; then \
	  echo 'Name the folder that holds the photos:  make up PHOTOS=/path/to/photos' >&2; \
	  echo 'Options follow in ARGS:                 make up PHOTOS=… ARGS="--listen 127.0.0.1:9000"' >&2; \
	  exit 2; \
	fi
	@.ci/venv sidecar$(if $(findstring mysql,$(ARGS)),$(,)mysql)
	@exec "$$VENV/bin/holdfast" up $(ARGS) -- "$$PHOTOS"

test: ## Check everything: style, types, import rules, all tests
	@.ci/packages
	@.ci/venv all
	@$(MAKE) check
	@export HOLDFAST_PARTS=$${HOLDFAST_PARTS:-3}; \
	  "$$VENV/bin/pytest" -n 3 --dist worksteal -m "not installation" $(ARGS); \
	  "$$VENV/bin/python" -m tests.mutations --quick --after-tests --quiet --jobs 3

test-packages: ## Install the Debian packages, from first to last, and live with disks, shares and reboots on a machine of their own (root)
	@.ci/packages installation
	@.ci/venv all
	@"$$VENV/bin/pytest" -n 0 -m installation $(ARGS)

check: ## Style, types and import rules only
	@"$$VENV/bin/ruff" format --check --quiet .
	@"$$VENV/bin/ruff" check --quiet .
	@"$$VENV/bin/mypy" --no-error-summary
	@"$$VENV/bin/mypy" --no-error-summary demo bench examples tools
	@"$$VENV/bin/lint-imports" > /dev/null || "$$VENV/bin/lint-imports"

audit: ## Look for known weaknesses of the dependencies; needs the network
	@.ci/venv all
	@.ci/audit

mutations: ## Break every safety rule, one at a time, and see which test notices (root); ARGS="--rule R1"
	@.ci/venv all
	@exec "$$VENV/bin/python" -m tests.mutations $(ARGS)

simulate: ## Run simulated worlds on all cores: SEEDS=20000 or SEEDS=1000-2000; SEED=7 replays one and prints its trace
	@.ci/venv all
	@exec "$$VENV/bin/python" -m tests.simulation $(if $(SEED),--seed "$(SEED)",--seeds "$(or $(SEEDS),500)") $(ARGS)

demo: ## Watch it tell apart a disk that is away and photos that are gone (root; uses loop devices)
	@.ci/venv all
	@exec "$$VENV/bin/python" -m demo $(ARGS)

bench: ## Measure scans and latencies against their limits; writes docs/benchmarks.md (root)
	@.ci/venv all
	@exec "$$VENV/bin/python" -m bench $(ARGS)

bench-1m: ## Measure scans and unplugging with a million files through both parts, on both databases (root)
	@.ci/venv all
	@exec "$$VENV/bin/python" -m bench.million $(ARGS)

bench-10m: ## Measure reading in a made-up catalog of ten million assets: ARGS="--dir DIR --rows N --engine sqlite"
	@.ci/venv all
	@exec "$$VENV/bin/python" -m bench.ten_million $(ARGS)

soak: ## Live through a simulated day, then use a disk for an hour: nothing may grow or be lost; ARGS="--minutes 5" (root)
	@.ci/venv all
	@"$$VENV/bin/python" -m tests.simulation --seed "$(or $(SEED),0)" --hours 24 | tail -n 1
	@exec "$$VENV/bin/python" -m bench.soak $(ARGS)

matrix: ## Do every fault on every file system; writes docs/fault-matrix.md (root)
	@.ci/venv all
	@place=$$(mktemp -d); trap 'rm -rf -- "$$place"' EXIT; export HOLDFAST_MATRIX=$$place; \
	  "$$VENV/bin/pytest" -n 2 tests/linux/test_fault_matrix.py -k fault_comes $(ARGS); \
	  "$$VENV/bin/python" -m tests.linux.matrix.document "$$place"

reference: ## Write docs/api.md, the reference of the REST API, anew
	@.ci/venv all
	@"$$VENV/bin/holdfast-sidecar" openapi --markdown > docs/api.md.new && mv docs/api.md.new docs/api.md

manual: ## Write man pages, docs/commands.md and completions anew, from the commands themselves
	@.ci/venv all
	@"$$VENV/bin/python" -m tools.manual

locks: ## Lock what the parts are released with, in requirements/; UPGRADE=1 takes newer versions
	@requirements/lock

dist: ## Build wheel and source archive into dist/
	@.ci/venv all
	@"$$VENV/bin/python" -m build --outdir dist . > /dev/null && ls dist/*.whl dist/*.tar.gz

deb: ## Build the Debian packages holdfast-agent and holdfast-sidecar into dist/; REVISION=2 builds a version again
	@debian/build

clean: ## Remove the virtual environment and all caches
	@rm -rf -- "$$VENV" build dist ./*.egg-info .mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache
	@find . -name __pycache__ -type d -prune -exec rm -rf -- {} +

# A comma, which make takes for a separator inside a function.
, := ,
