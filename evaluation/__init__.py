"""The measure of relevance: queries with known answers, put to a running service through its public API alone."""
