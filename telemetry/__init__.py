"""Logs of every process of the project, in one shape. A leaf: it imports none of our other packages."""
