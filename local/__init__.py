"""The whole system on one machine: `make run` starts it, tests borrow its servers."""
