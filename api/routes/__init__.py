"""The public routes, one file a group."""
