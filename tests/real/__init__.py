"""The proof on a real Gemma: ``make test-real``."""
