"""Checks of windows assets."""
