"""Makes the accounts of the stores: one for each program, with no more rights than it needs."""
