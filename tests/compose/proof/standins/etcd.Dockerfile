# Stands in for etcd's own image: Debian's etcd (3.4 instead of 3.5).
FROM python:3.11-slim
RUN apt-get update -qq && apt-get install -y -qq --no-install-recommends etcd-server etcd-client \
    && rm -rf /var/lib/apt/lists/*
