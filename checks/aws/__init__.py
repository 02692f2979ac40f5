"""Checks of aws assets."""
