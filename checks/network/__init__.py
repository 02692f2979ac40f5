"""Checks of network assets."""
