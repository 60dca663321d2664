"""What some tests need and not every machine has; its absence is said loudly."""

import pytest


def torchvision() -> None:
    """Skip a test where torchvision cannot be loaded beside the installed torch."""
    try:
        import torchvision  # noqa: F401
    except Exception as error:
        pytest.skip(f'TORCHVISION DOES NOT LOAD, the augmentation was not run: {error}')
