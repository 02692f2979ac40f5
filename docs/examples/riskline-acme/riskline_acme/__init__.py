"""Riskline, as the Acme company uses it."""
