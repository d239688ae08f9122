# Two commands need nothing but Python 3.11+ and this folder: `make demo` and `make test`.
# PYTHON=python3.13 picks an interpreter; UV= (empty) does without uv.
.DELETE_ON_ERROR:
VENV   ?= .venv
BIN    := $(VENV)/bin
UV     ?= $(shell command -v uv)
PYTHON ?= $(shell for p in python3 python3.13 python3.12 python3.11; do command -v $$p >/dev/null && $$p -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null && echo $$p && break; done)
INPUTS := pyproject.toml constraints.txt Makefile

demo: $(VENV)/.demo
	$(BIN)/agent-guard demo

test: $(VENV)/.dev
	$(BIN)/python -m pytest -n auto --dist loadgroup $(ARGS)

# Measuring what the tests reach takes them half as long again.
cover: $(VENV)/.dev
	$(BIN)/python -m pytest -n auto --dist loadgroup --cov --cov-report=term:skip-covered $(ARGS)

check: $(VENV)/.dev
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports
	$(BIN)/codespell
	$(BIN)/python scripts/constraints.py check

bench: $(VENV)/.dev
	$(BIN)/python -m benchmarks.conversation
	$(BIN)/python -m benchmarks.call
	$(BIN)/python -m benchmarks.decision
	$(BIN)/python -m benchmarks.audit
	$(BIN)/python -m benchmarks.flight
	$(BIN)/python -m benchmarks.databases
	$(BIN)/python -m benchmarks.protect
	$(BIN)/python -m benchmarks.workers
	$(BIN)/python -m benchmarks.growth
	$(BIN)/python -m benchmarks.stale

bench-router: $(VENV)/.dev
	$(BIN)/python -m benchmarks.router $(ARGS)

bench-groundedness: $(VENV)/.dev
	$(BIN)/python -m benchmarks.groundedness $(ARGS)

bench-masking: $(VENV)/.dev
	$(BIN)/python -m benchmarks.masking $(ARGS)
	$(BIN)/python -m benchmarks.masking_conversation

# The load of tests/load, as large as ARGS says: make soak ARGS='--workers 8 --steps 2000 --rounds 5'
soak: $(VENV)/.dev
	$(BIN)/python -m tests.load $(ARGS)

# Other systems are installed into environments of their own under .bench/.
bench-bypass: $(VENV)/.dev
	$(BIN)/python -m benchmarks.bypass $(ARGS)

bench-ctrlrun: $(VENV)/.dev
	$(BIN)/python -m benchmarks.protect --install $(ARGS)

ATTACK := .bench/attack
attack: $(ATTACK)/.installed
	$(ATTACK)/bin/python -m benchmarks.attack $(ARGS)

# AgentDojo's model clients need an older tenacity than ours: that one pin is lifted.
$(ATTACK)/.installed: $(INPUTS) benchmarks/attack/constraints.txt | $(VENV)/.python
	@rm -rf $(ATTACK) && mkdir -p .bench && $(BIN)/python -m venv $(ATTACK)
	@grep -v '^tenacity==' constraints.txt > $(ATTACK)/constraints.txt
	@$(ATTACK)/bin/python -m pip install --quiet --disable-pip-version-check --constraint $(ATTACK)/constraints.txt --constraint benchmarks/attack/constraints.txt agentdojo==0.1.35 --editable '.[sqlite]'
	@touch $@

# What google-genai, a part of deepagents, needs is an older tenacity too. No later release was tried.
DEEP := .bench/deepagents
deepagents: $(DEEP)/.installed
	$(DEEP)/bin/python -m pytest -q tests/test_deepagents.py $(ARGS)

$(DEEP)/.installed: $(INPUTS) | $(VENV)/.python
	@rm -rf $(DEEP) && mkdir -p .bench && $(BIN)/python -m venv $(DEEP)
	@grep -v '^tenacity==' constraints.txt > $(DEEP)/constraints.txt
	@$(DEEP)/bin/python -m pip install --quiet --disable-pip-version-check --constraint $(DEEP)/constraints.txt deepagents==0.7.32 --editable '.[ru,en,sqlite,postgres,langchain,test]'
	@touch $@

# The site is made of text: docstrings are read, not imported, so its environment holds no part of this package.
DOCS := .bench/docs
docs: $(DOCS)/.installed
	NO_MKDOCS_2_WARNING=1 $(DOCS)/bin/python -m mkdocs build --quiet --strict $(ARGS)
	$(DOCS)/bin/python scripts/site.py site

$(DOCS)/.installed: constraints.txt Makefile | $(VENV)/.python
	@rm -rf $(DOCS) && mkdir -p .bench && $(BIN)/python -m venv $(DOCS)
	@$(DOCS)/bin/python -m pip install --quiet --disable-pip-version-check --constraint constraints.txt mkdocs-material 'mkdocstrings[python]'
	@touch $@

# LangGraph's server needs an older protobuf and an older jsonschema-rs, so it has pins of its own. It is not part of the product:
# langgraph-api is under the Elastic License 2.0.
SERVER := .bench/server
server-test: $(SERVER)/.installed
	$(SERVER)/bin/python -m pytest -q tests/server $(ARGS)

$(SERVER)/.installed: $(INPUTS) constraints-server.txt | $(VENV)/.python
	@rm -rf $(SERVER) && mkdir -p .bench && $(BIN)/python -m venv $(SERVER)
	@grep -v '^protobuf==\|^jsonschema-rs==' constraints.txt > $(SERVER)/constraints.txt
	@$(SERVER)/bin/python -m pip install --quiet --disable-pip-version-check --constraint $(SERVER)/constraints.txt --constraint constraints-server.txt 'langgraph-cli[inmem]' --editable '.[ru,en,pl,sqlite,postgres,test]'
	@touch $@

environments: $(DEEP)/.installed $(DOCS)/.installed $(SERVER)/.installed $(ATTACK)/.installed

$(VENV)/.demo: EXTRAS = ru,en,pl,sqlite
$(VENV)/.dev:  EXTRAS = ru,en,pl,sqlite,postgres,langchain,keyring,slack,caldav,zoom,prometheus,opentelemetry,test,check
# The stamp is set after a good install only and renewed when a pin or a dependency changes: a second run needs no network.
$(VENV)/.demo $(VENV)/.dev: $(INPUTS) | $(VENV)/.python
	@echo 'installing into $(VENV) ...'
ifneq ($(UV),)
	@$(UV) pip install --quiet --compile-bytecode --python $(BIN)/python --constraint constraints.txt --editable '.[$(EXTRAS)]'
else
	@PYTHONDONTWRITEBYTECODE= $(BIN)/python -m pip install --quiet --disable-pip-version-check --constraint constraints.txt --editable '.[$(EXTRAS)]'
endif
	@touch $@

# Without python3-venv Debian's venv has no ensurepip: the interpreter's own pip then fills an empty environment.
$(VENV)/.python:
	@test -n '$(PYTHON)' || { echo 'agent_guard needs Python 3.11 or newer and found none. Install one, or: make PYTHON=/path/to/python3' >&2; exit 1; }
	@rm -rf $(VENV)
ifneq ($(UV),)
	@$(UV) venv --quiet --seed --python '$(PYTHON)' $(VENV)
else
	@$(PYTHON) -m venv $(VENV) >/dev/null || { $(PYTHON) -m venv --clear --without-pip $(VENV) && $(PYTHON) -m pip --python $(BIN)/python install --quiet pip; } || \
	  { echo 'This Python can make no virtual environment. One of these helps: apt-get install python3-venv; pip install uv' >&2; exit 1; }
endif
	@$(BIN)/python -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { rm -rf $(VENV); echo 'agent_guard needs Python 3.11 or newer, and $(PYTHON) is older. Name another: make PYTHON=/path/to/python3' >&2; exit 1; }
	@touch $@

clean:
	rm -rf $(VENV) .bench site

.PHONY: demo test cover check bench bench-router bench-masking bench-groundedness bench-bypass bench-ctrlrun soak attack deepagents docs server-test environments clean
