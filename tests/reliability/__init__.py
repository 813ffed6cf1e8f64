"""Whether the system keeps working and loses nothing: `make overload`, `make chaos`, `make soak`, each with a short
form in the suite. docs/reliability.md has the figures."""
