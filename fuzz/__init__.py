"""Fuzzing: every reader of foreign bytes, with the corpus of its own test cases. `python -m fuzz` lists the targets."""
