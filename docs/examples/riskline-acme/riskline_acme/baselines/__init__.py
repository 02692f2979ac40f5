"""Baselines of the Acme company."""
