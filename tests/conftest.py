"""What all tests share."""

from __future__ import annotations

from hypothesis import HealthCheck, settings

# tests say what happens, never how fast: a busy machine is no fault of the code
settings.register_profile("riskline", deadline=None, suppress_health_check=[HealthCheck.too_slow], print_blob=True)
settings.load_profile("riskline")
