"""Checks of the Acme company."""
