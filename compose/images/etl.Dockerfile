# The loader's image, without torch: it encodes through the service. It also makes the stores' accounts (see
# compose/accounts). Build from the repository's root: `make image`.
ARG PYTHON_IMAGE=python:3.11-slim
FROM ${PYTHON_IMAGE} AS packages
RUN python3 -m venv --without-pip /app
COPY requirements-etl.txt /build/
RUN pip --python /app/bin/python install --no-cache-dir --require-hashes --no-deps -r /build/requirements-etl.txt

FROM ${PYTHON_IMAGE}
RUN groupadd --gid 10003 etl && useradd --uid 10003 --gid etl --no-create-home --home-dir /tmp etl \
    && install -d -o etl -g etl /state
COPY --from=packages /app /app
WORKDIR /loader
COPY environment environment
COPY telemetry telemetry
COPY catalog catalog
COPY etl etl
COPY compose/accounts compose/accounts
ENV PATH=/app/bin:$PATH PYTHONDONTWRITEBYTECODE=1 PYTHONUNBUFFERED=1 PYTHONPATH=/loader ETL_STATE_DIR=/state
USER 10003:10003
EXPOSE 9105
ENTRYPOINT ["python", "-m", "etl"]
CMD ["--help"]
