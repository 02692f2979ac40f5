"""Renderers: run in, bytes out."""
