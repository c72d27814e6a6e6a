# Kanketsu: every command a person types. `make help` lists them.
SHELL := /bin/bash
.DEFAULT_GOAL := help
VENV := .venv
PY := $(VENV)/bin/python
STUBS := build/stubs
PROTOS := $(shell find proto -name '*.proto')
export PYTHONDONTWRITEBYTECODE := 1

##@ Setup
setup: $(STUBS)/.done ## Make .venv, install the hash-locked requirements, generate the stubs

$(VENV)/.done: requirements/dev.txt
	@python3 -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { echo 'Python 3.11 or newer is needed.' >&2; exit 1; }
	@test -x $(PY) || python3 -m venv $(VENV) || { echo 'python3 cannot make a virtual environment. On Debian and Ubuntu: apt install python3-venv' >&2; exit 1; }
	@echo 'Installing the requirements into $(VENV) …'
	@$(PY) -m pip install --quiet --disable-pip-version-check --require-hashes -r requirements/dev.txt
	@$(PY) -c 'import pathlib, sysconfig; root = pathlib.Path.cwd(); (pathlib.Path(sysconfig.get_path("purelib")) / "kanketsu_paths.pth").write_text(f"{root}\n{root}/$(STUBS)\n")'
	@touch $@

$(STUBS)/.done: $(VENV)/.done $(PROTOS)
	@rm -rf $(STUBS) && mkdir -p $(STUBS)
	@PATH="$(CURDIR)/$(VENV)/bin:$$PATH" $(PY) -m grpc_tools.protoc -I proto --python_out=$(STUBS) --pyi_out=$(STUBS) \
		--grpc_python_out=$(STUBS) --mypy_grpc_out=quiet:$(STUBS) $(PROTOS)
	@touch $@

proto: setup ## Generate the stubs when the protos changed

##@ Run
demo: setup ## Start everything in the foreground with the sample city; Ctrl-C stops it
	@exec $(PY) -m deploy.local demo

up: setup ## The same in the background
	@$(PY) -m deploy.local up

down: setup ## Stop what `up` started
	@$(PY) -m deploy.local down

walkthrough: setup ## The main job in seven steps against a deployment (URL=…, else the one of `up`)
	@$(PY) -m deploy.walkthrough $(if $(URL),--url $(URL))

##@ Test
test: setup ## Everything that has to pass (PHASE="check unit system conformance chaos browser" narrows)
	@$(PY) -m tests $(PHASE)

bench: setup ## Measure speed and memory, print ratios, add to docs/benchmarks.md
	@$(PY) -m tests.load

fmt: setup ## Format and fix what can be fixed
	@$(VENV)/bin/ruff check --fix -q . ; $(VENV)/bin/ruff format -q .

##@ Data
clean: ## Remove the environment, the stubs and all state
	@test ! -x $(PY) || $(PY) -m deploy.local clean
	@rm -rf $(VENV) build .state .pytest_cache .mypy_cache .ruff_cache .hypothesis .import_linter_cache

help: ## Show this
	@awk 'BEGIN {FS = ":.*##"} /^##@/ {printf "\n%s\n", substr($$0, 5)} /^[a-z-]+:.*##/ {printf "  %-14s %s\n", $$1, $$2}' Makefile

.PHONY: setup proto demo up down walkthrough test bench fmt clean help
