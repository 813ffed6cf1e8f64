"""The design that this project started from, small: what the service is compared with."""
