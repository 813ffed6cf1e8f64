"""The dashboards as data; `python -m monitoring.grafana.boards` writes their JSON."""
