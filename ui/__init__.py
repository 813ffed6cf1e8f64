"""The search page: what a shopper sees. It talks to the service's public API, and to nothing else."""
