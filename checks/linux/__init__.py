"""Checks of linux assets."""
