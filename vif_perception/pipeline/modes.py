"""What an output can be made from."""

from __future__ import annotations

from collections.abc import Mapping

from vif_perception.types import Camera, Mode

#: Condition of a camera whose frame is not there.
MISSING = 'missing'


def decide(conditions: Mapping[Camera, str]) -> tuple[Mode | None, str]:
    """Choose the mode for one pair; there is no memory here.

    A camera that is missing, frozen or blank changes the mode at once, both ways; dark and
    overexposed come with hysteresis from ``sensing.FrameWatch``.

    Args:
        conditions: camera -> '' when its frame is usable, else what is wrong with it.

    Returns:
        The mode, None when no camera is usable; and the reason why it is not FUSED, such as
        'thermal frozen'.
    """
    reason = ', '.join(
        f'{camera} {conditions[camera]}' for camera in ('rgb', 'thermal') if conditions[camera]
    )
    if conditions['rgb']:
        return (None if conditions['thermal'] else Mode.THERMAL_ONLY), reason
    return (Mode.RGB_ONLY if conditions['thermal'] else Mode.FUSED), reason
