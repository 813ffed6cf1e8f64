# The service's image. `bentoml containerize` renders this file and builds it with the bento as its context;
# scripts/image.sh calls it. BentoML's own recipe would install torch together with everything else, which is the
# CUDA build of several GB.
ARG PYTHON_IMAGE=python:3.11-slim

# --- what the bento is built with, where the host has no Python (scripts/image.sh): everything but torch
FROM ${PYTHON_IMAGE} AS bento
# Proxies (HTTP_PROXY, HTTPS_PROXY, NO_PROXY) are known to every builder as build arguments. They are not declared
# here on purpose: declared ones are written into the image's history.
RUN python3 -m venv --without-pip /app
COPY src/requirements.txt /build/
RUN pip --python /app/bin/python install --no-cache-dir --require-hashes --no-deps -r /build/requirements.txt

# --- what is installed; pip and its caches stay behind in this stage
FROM bento AS packages
COPY src/requirements-torch.txt /build/
# torch has a line of its own: a wheel (address or file in the context) where one is given, else the pinned version
# from this index. GPU=1 of scripts/image.sh gives another index.
ARG TORCH_INDEX=https://download.pytorch.org/whl/cpu
ARG TORCH_WHEEL=
# hadolint ignore=DL3013
RUN if [ -n "${TORCH_WHEEL}" ]; then \
        pip --python /app/bin/python install --no-cache-dir "torch @ ${TORCH_WHEEL}"; \
    else \
        pip --python /app/bin/python install --no-cache-dir --index-url "${TORCH_INDEX}" \
            -r /build/requirements-torch.txt; \
    fi \
    # Headers, tests and static libraries serve only those who build against torch.
    && rm -rf /app/lib/python3.11/site-packages/torch/include \
        /app/lib/python3.11/site-packages/torch/test /app/lib/python3.11/site-packages/torch/share \
    && find /app/lib -name '*.a' -delete

# A model of the hub is baked in on request; without one the folder is empty and a volume can take its place.
ARG BAKE_MODEL=
RUN mkdir -p /models && if [ -n "${BAKE_MODEL}" ]; then HF_HOME=/models /app/bin/python -c \
    "import sys; from huggingface_hub import snapshot_download as get; \
get(sys.argv[1], allow_patterns=['*.json', '*.txt', '*.model', '*.safetensors'])" "${BAKE_MODEL}"; fi

# --- what runs
FROM ${PYTHON_IMAGE}
RUN groupadd --gid 10001 service && useradd --uid 10001 --gid service --no-create-home --home-dir /tmp service
COPY --from=packages /app /app
COPY --from=packages --chown=service:service /models /models
COPY . /bento
# Metrics and sockets of the processes lie below BENTOML_HOME: /tmp is the one place that may be written to.
ENV PATH=/app/bin:$PATH PYTHONDONTWRITEBYTECODE=1 PYTHONUNBUFFERED=1 \
    BENTOML_HOME=/tmp/bentoml BENTOML_DO_NOT_TRACK=True HF_HOME=/models
WORKDIR /bento/src
USER 10001:10001
EXPOSE 3000
ENTRYPOINT ["/bin/sh", "/bento/src/api/start.sh"]
