# `make help` lists what can be done here.
SHELL := /bin/bash
PYTHON ?= python3.11
VENV := .venv
BIN := $(VENV)/bin
# The addresses and credentials of `make run`, written at its start.
STACK := $(or $(LOCAL_DIR),.local)/stack.env

.DEFAULT_GOAL := help
.PHONY: help run test lint format fuzz sbom etl etl-proof eval train lock tables screenshots ui-load monitoring-proof clean-local bench bench-quick bench-cost bench-backends bench-large bench-gpu bench-memory bench-scale overload chaos soak

help: ## show this list
	@grep -hE '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | sed -E 's/^([a-z-]+):[^#]*## (.*)/  make \1\t\2/' | expand -t 20

# One environment for running and developing. The marks in it say which lock file it was made from.
$(VENV)/.local: requirements-local.txt requirements-torch.txt
	@command -v $(PYTHON) >/dev/null || { echo "make: $(PYTHON) is needed; set PYTHON=... to a Python 3.11"; exit 1; }
	@echo "installing into $(VENV) (once; about 2 GB with torch) ..."
	test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	$(BIN)/pip install --quiet --disable-pip-version-check -r requirements-torch.txt
	$(BIN)/pip install --quiet --disable-pip-version-check --require-hashes --no-deps -r requirements-local.txt
	touch $@

$(VENV)/.dev: $(VENV)/.local requirements-dev.txt
	$(BIN)/pip install --quiet --disable-pip-version-check --require-hashes --no-deps -r requirements-dev.txt
	touch $@

run: $(VENV)/.local ## start everything on this machine, with the sample catalogue; Ctrl-C ends it
	@exec $(BIN)/python -m local

test: $(VENV)/.dev ## install what the suite needs and run it against real servers
	@scripts/test-tools.sh
	@scripts/test.sh $(ARGS)

lint: $(VENV)/.dev ## ruff, bandit, mypy --strict and yamllint
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/bandit --quiet --recursive --configfile pyproject.toml .
	$(BIN)/mypy api benchmarks catalog clip_runner compose environment etl evaluation local telemetry ui service.py tests
	$(BIN)/yamllint -s .

format: $(VENV)/.dev ## let ruff put the code into shape
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

etl: $(VENV)/.local ## load a catalogue into the running system: make etl SOURCE=folder; others: make etl DO=rebuild
	@test -n "$(DO)$(SOURCE)" || { echo "make etl SOURCE=folder: say what to load"; exit 2; }
	@test -f "$(STACK)" || { echo "make etl: nothing has been started yet; start it with make run"; exit 1; }
	@set -a; . "$(STACK)"; set +a; exec "$(BIN)/python" -m etl $(or $(DO),run) $(SOURCE)

eval: $(VENV)/.local ## measure the running system's relevance: make eval [QUERIES=file] [ARGS=...]
	@$(BIN)/python -m evaluation run $(or $(QUERIES),evaluation/queries/sample.jsonl) $(ARGS)

train: $(VENV)/.dev ## train the bundled model: make train DATA=folder [ARGS=...]; goes on where it was ended
	@test -n "$(DATA)" || { echo "make train DATA=folder: say where the training archives are"; exit 2; }
	@scripts/teachers.sh .train/teachers $(BIN)/python
	@exec $(BIN)/python -m clip_runner.mini.train $(DATA) $(ARGS)

lock: $(VENV)/.dev ## write the requirements files from pyproject.toml
	PATH="$(CURDIR)/$(BIN):$$PATH" scripts/lock.sh

etl-proof: $(VENV)/.dev ## show on a catalogue what a load must be able to do: make etl-proof CATALOGUE=folder-or-zip [ARGS=...]
	@test -n "$(CATALOGUE)" || { echo "make etl-proof CATALOGUE=folder-or-zip: say which photos to load"; exit 2; }
	$(BIN)/python -m tests.etl.proof $(CATALOGUE) $(ARGS)

tables: $(VENV)/.dev ## write the tables of docs/configuration.md from the example files
	$(BIN)/python -m scripts.configuration

fuzz: $(VENV)/.dev ## hostile requests and photos: make fuzz [ARGS="--requests 10000 --photos 20000 --seed N"]
	@$(BIN)/python -m tests.fuzz $(ARGS)

sbom: $(VENV)/.dev ## write the bills of material of the images into build/sbom
	@scripts/sbom.sh

overload: $(VENV)/.dev ## ten times as many searches as can be served: make overload [SECONDS=120]
	$(BIN)/python -m tests.reliability.overload --seconds $(or $(SECONDS),120) $(ARGS)

chaos: $(VENV)/.dev ## kill, hang and cut off every part under load, alone and in pairs: make chaos [HOLD=7] [ARGS=...]
	$(BIN)/python -m tests.reliability.chaos --hold $(or $(HOLD),7) $(ARGS)

soak: $(VENV)/.dev ## mixed traffic, some of it hostile, and what the service holds meanwhile: make soak [MINUTES=30]
	$(BIN)/python -m tests.reliability.soak --minutes $(or $(MINUTES),30) $(ARGS)

screenshots: $(VENV)/.dev ## take the search page's pictures for docs/ while `make run` is up
	$(BIN)/python -m scripts.screenshots $(ARGS)

ui-load: $(VENV)/.dev ## twenty visits of the search page at once for a minute, on a system of its own
	$(BIN)/python -m tests.ui.load $(ARGS)

monitoring-proof: $(VENV)/.dev ## watch a whole system at work with real Prometheus and Alertmanager: half an hour [ARGS=--pictures]
	@scripts/test-tools.sh
	$(BIN)/python -m tests.monitoring.proof $(ARGS)

bench: $(VENV)/.bench ## how close the service comes to the machine's limit, in about twelve minutes: make bench [PHOTOS=folder] [ARGS="--only image"]
	$(BIN)/python -m benchmarks $(if $(PHOTOS),--photos $(PHOTOS)) $(ARGS)

bench-quick: $(VENV)/.bench ## the same in one round, with the bundled model: two minutes
	$(BIN)/python -m benchmarks --quick $(if $(PHOTOS),--photos $(PHOTOS)) $(ARGS)

bench-cost: $(VENV)/.bench ## CPU time of a photo, a text, a search; needs no quiet machine: make bench-cost [ARGS="--model b32"]
	$(BIN)/python -m benchmarks.cost $(ARGS)

bench-backends: $(VENV)/.bench ## CPU time and accuracy of each backend and type: make bench-backends [ARGS="--model b32"]
	$(BIN)/python -m benchmarks.backends $(ARGS)

bench-large: $(VENV)/.bench ## large photos, decoded in full and at a fraction: make bench-large [PHOTOS=folder] [ARGS=...]
	$(BIN)/python -m benchmarks.large $(if $(PHOTOS),--photos $(PHOTOS)) $(ARGS)

bench-gpu: $(VENV)/.bench ## the encoder beside what the GPU's arithmetic allows, decoding, the service: make bench-gpu [PHOTOS=folder] [ARGS=...]
	$(BIN)/python -m benchmarks.gpu $(if $(PHOTOS),--photos $(PHOTOS)) $(ARGS)

bench-memory: $(VENV)/.bench ## the service's memory over 20,000 requests
	$(BIN)/python -m benchmarks.memory $(ARGS)

bench-scale: $(VENV)/.bench ## searching 1,000, 100,000 and 1,000,000 items in Milvus 2.3.5: make bench-scale FOLDER=folder
	@test -n "$(FOLDER)" || { echo "make bench-scale FOLDER=folder: say where Milvus may keep some GB"; exit 2; }
	$(BIN)/python -m benchmarks.scale all --folder $(FOLDER) $(ARGS)

$(VENV)/.bench: $(VENV)/.dev benchmarks/requirements.txt
	$(BIN)/pip install --quiet --disable-pip-version-check --require-hashes --no-deps -r benchmarks/requirements.txt
	touch $@

clean-local: ## remove the data of `make run`
	rm -rf .local

include compose/compose.mk
