"""hypothesis for slow machines."""

from hypothesis import HealthCheck, settings
from hypothesis import given as given_quickly


def given(*strategies):
    """As hypothesis does, whatever else the machine is doing."""
    patient = settings(
        deadline=None, max_examples=40, suppress_health_check=[HealthCheck.too_slow]
    )
    return lambda test: patient(given_quickly(*strategies)(test))
