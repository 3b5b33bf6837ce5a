"""Training loop, evaluation and records."""
