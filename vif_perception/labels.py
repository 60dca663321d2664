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

#: FMB (colours: cross-checked with published predictions).
FMB = LabelSet(
    names=(
        'unlabelled', 'road', 'sidewalk', 'building', 'traffic light', 'traffic sign',
        'vegetation', 'sky', 'person', 'car', 'truck', 'bus', 'motorcycle', 'bicycle', 'pole',
    ),
    colors=(
        (0, 0, 0), (179, 228, 228), (181, 57, 133), (67, 162, 177), (200, 178, 50),
        (132, 45, 199), (66, 172, 84), (179, 73, 79), (76, 99, 166), (66, 121, 253),
        (137, 165, 91), (155, 97, 152), (105, 153, 140), (222, 215, 158), (135, 113, 90),
    ),
)

#: PST900 (its toolkit lists the same colours as BGR).
PST900 = LabelSet(
    names=('background', 'fire-extinguisher', 'backpack', 'hand-drill', 'survivor'),
    colors=((0, 0, 0), (255, 0, 0), (0, 255, 0), (0, 0, 255), (255, 255, 255)),
)

#: Class lists by the name that a recipe gives them.
LABEL_SETS = {'mfnet': MFNET, 'fmb': FMB, 'pst900': PST900}

#: Classes of M3FD's boxes, in its authors' order.
M3FD_BOXES = ('People', 'Car', 'Bus', 'Motorcycle', 'Lamp', 'Truck')
