"""How close the service comes to what the machine can do: `make bench`."""
