"""The public HTTP side: routes, schemas, errors, keys, limits, metering, health and the search itself."""
