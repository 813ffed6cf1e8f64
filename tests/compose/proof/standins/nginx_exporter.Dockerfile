# Stands in for the nginx exporter's own image: Debian's (0.11 instead of 1.4).
FROM python:3.11-slim
RUN apt-get update -qq && apt-get install -y -qq --no-install-recommends prometheus-nginx-exporter \
    && rm -rf /var/lib/apt/lists/*
USER nobody
ENTRYPOINT ["/usr/bin/prometheus-nginx-exporter"]
