"""Settings of all tests."""

from __future__ import annotations

from hypothesis import HealthCheck, settings

# How long an example takes says how busy the machine is, and on a first run how long imports take; neither is a failure.
settings.register_profile("agentgate", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("agentgate")
