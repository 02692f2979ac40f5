"""What score.py is decided by, in rooms of its own."""
