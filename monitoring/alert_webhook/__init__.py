"""Alertmanager's alerts as Discord messages: nothing is lost, nothing is said twice."""
