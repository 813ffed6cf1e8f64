# The images and the composed system. docs/deployment.md tells how they are used.
BACKEND ?= docker
COMPOSE ?= docker compose
ENV_FILE ?= compose/.env
COMPOSE_FILES := compose/base.yaml compose/application.yaml compose/etl.yaml compose/observability.yaml \
	$(if $(GPU),compose/gpu.yaml)
DC := $(COMPOSE) --env-file $(ENV_FILE) --project-directory compose $(addprefix -f ,$(COMPOSE_FILES))
# What `make up SCALE=3` sets wins over the env file; exported while empty it would win too.
ifdef SCALE
export SCALE
endif
ifdef GPU
export GPU
endif
# What `make up-observability` starts; a part of it is enough: make up-observability OBSERVABILITY="prometheus grafana"
OBSERVABILITY ?= prometheus alertmanager alert_webhook grafana node_exporter cadvisor nginx_exporter \
	elasticsearch elasticsearch_exporter kibana fluent_bit
CONSOLES ?= 1
PROFILES := $(if $(filter 1,$(CONSOLES)),--profile consoles)

.PHONY: image secrets network up up-base up-etl up-application up-observability down clean compose-proof image-proof

# Without a virtual environment the bento is built in a container; buildah alone cannot run one.
image: $(if $(filter buildah,$(BACKEND))$(wildcard $(BIN)/bentoml),$(VENV)/.local) ## build the bento and the images: make image [BACKEND=podman] [GPU=1] [BAKE_MODEL=hub id]
	@BIN=$(BIN) BACKEND=$(BACKEND) scripts/image.sh $(IMAGES)

secrets: ## write strong secrets into compose/.env where they are missing
	@compose/secrets.sh $(ENV_FILE)

network: $(ENV_FILE)
	@compose/network.sh $(ENV_FILE)

$(ENV_FILE):
	@compose/secrets.sh $(ENV_FILE)

up-base: network ## stage 1: object store, etcd, Milvus, their accounts and consoles
	$(DC) $(PROFILES) up --detach --wait minio etcd milvus $(if $(PROFILES),attu)
	$(DC) up --detach milvus_accounts

# It encodes through the service, which it starts where it is not there yet.
up-etl: network ## stage 2: load a catalogue, default the sample: make up-etl [SOURCE=folder, archive, table or address] [DO=...]
	@ENV_FILE='$(ENV_FILE)' SOURCE='$(SOURCE)' DO='$(DO)' compose/load.sh $(DC) --profile etl run --rm --use-aliases -- $(ARGS)

up-application: network ## stage 3: the service, nginx and the search page: make up-application [SCALE=3] [GPU=1]
	$(DC) up --detach --wait fashion-search nginx ui

up-observability: network ## stage 4: metrics, dashboards, alerts and logs
	$(DC) --profile observability up --detach --wait $(OBSERVABILITY)
	$(if $(filter kibana,$(OBSERVABILITY)),$(DC) --profile observability up --detach kibana_init)

up: ## all four stages, one after the other
	@for stage in base etl application observability; do \
		$(MAKE) --no-print-directory up-$$stage || exit; done

down: ## stop the composed system; its data stays
	$(DC) --profile '*' down

clean: ## stop the composed system and remove its data; asks first
	@if [ "$(YES)" != 1 ]; then read -r -p "Remove all data of the composed system: catalogue, photos, vectors, logs? [yes/no] " answer; \
		[ "$$answer" = yes ] || { echo "nothing was removed"; exit 1; }; fi
	$(DC) --profile '*' down --volumes

compose-proof: $(VENV)/.dev ## the composed system for real, on an engine of its own: half an hour, as root
	tests/compose/proof/proof.sh

image-proof: $(VENV)/.dev ## the service's image with BACKEND=podman or buildah: built, started, searched; as root
	BACKEND=$(filter-out docker,$(BACKEND)) tests/compose/proof/builder.sh
