"""Sending a run to other registers, so that it really arrives: never twice, and read back afterwards."""
