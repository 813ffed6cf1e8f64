"""Grafana's provisioning: data sources and dashboards as files."""
