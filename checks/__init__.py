"""Every check: pure functions from facts to observed values, one folder a platform, one module a subject."""
