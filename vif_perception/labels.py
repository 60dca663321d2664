"""Class lists and colours of the public RGB-thermal data sets."""

from vif_perception.types import LabelSet

#: MFNet and MSRS (colours: MSRS visualisation code).
MFNET = LabelSet(
    names=(
        'unlabelled', 'car', 'person', 'bike', 'curve', 'car_stop', 'guardrail', 'color_cone',
        'bump',
    ),
    colors=(
        (0, 0, 0), (64, 0, 128), (64, 64, 0), (0, 128, 192), (0, 0, 192), (128, 128, 0),
        (64, 64, 128), (192, 128, 128), (192, 64, 0),
    ),
)
