"""What a load must be able to do, shown on any catalogue: `make etl-proof CATALOGUE=...`.

Each check runs against real servers and the real service, raises AssertionError where it does not hold, and returns
its figures. `make test` runs the same checks on the sample.
"""
