# Stands in for Milvus' own image: the standalone server of the PyPI package (2.3.5 instead of 2.6).
FROM python:3.11-slim
RUN apt-get update -qq && apt-get install -y -qq --no-install-recommends curl && rm -rf /var/lib/apt/lists/* \
    && python3 -m venv /build && /build/bin/pip install --no-cache-dir milvus==2.3.5 \
    && /build/bin/python -c "import milvus; milvus._initialize_data_files('/milvus'); \
c = milvus.MilvusServerConfig(data_dir='/var/lib/milvus'); c.resolve_storage(); c.set('proxy_port', 19530); c.write_config()" \
    && cp -r /var/lib/milvus/configs /milvus/configs && rm -rf /build /var/lib/milvus/*
COPY milvus /usr/local/bin/milvus
WORKDIR /milvus
