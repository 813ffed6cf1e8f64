# The search page's image. Build from the repository's root: `make image`.
ARG PYTHON_IMAGE=python:3.11-slim
FROM ${PYTHON_IMAGE} AS packages
RUN python3 -m venv --without-pip /app
COPY requirements-ui.txt /build/
RUN pip --python /app/bin/python install --no-cache-dir --require-hashes --no-deps -r /build/requirements-ui.txt

FROM ${PYTHON_IMAGE}
RUN groupadd --gid 10002 ui && useradd --uid 10002 --gid ui --no-create-home --home-dir /tmp ui
COPY --from=packages /app /app
WORKDIR /page
COPY .streamlit .streamlit
COPY environment environment
COPY telemetry telemetry
COPY ui ui
ENV PATH=/app/bin:$PATH PYTHONDONTWRITEBYTECODE=1 PYTHONUNBUFFERED=1 PYTHONPATH=/page
USER 10002:10002
EXPOSE 8501 9106
ENTRYPOINT ["python", "-m", "ui", "--server.address=0.0.0.0", "--server.port=8501"]
