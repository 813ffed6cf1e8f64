# Stands in for Alertmanager's own image: Debian's Alertmanager (0.25 instead of 0.28).
FROM python:3.11-slim
RUN apt-get update -qq && apt-get install -y -qq --no-install-recommends prometheus-alertmanager wget \
    && rm -rf /var/lib/apt/lists/* && install -d -o nobody /alertmanager
USER nobody
ENTRYPOINT ["/usr/bin/prometheus-alertmanager"]
