# Stands in for nginx' own image: Debian's nginx (1.22 instead of 1.28).
FROM python:3.11-slim
RUN apt-get update -qq && apt-get install -y -qq --no-install-recommends nginx-light curl && rm -rf /var/lib/apt/lists/*
