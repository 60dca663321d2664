"""From image messages to checked frames: encodings, thermal meaning, health, registration."""

from vif_perception.sensing.camchain import Camchain, parse_camchain, read_camchain
from vif_perception.sensing.camera_info import camera_model
from vif_perception.sensing.compressed import decode_compressed, decode_compressed_mask
from vif_perception.sensing.encodings import (
    check_frame,
    decode_image,
    decode_mask,
    rgb_view,
    thermal_view,
)
from vif_perception.sensing.registration import calibrate, registration_given
from vif_perception.sensing.thermal import ThermalWindow, to_kelvin
from vif_perception.sensing.transforms import find_transform, quaternion, rigid
from vif_perception.sensing.watch import CONDITIONS, FrameWatch

__all__ = [
    'CONDITIONS', 'Camchain', 'FrameWatch', 'ThermalWindow', 'calibrate', 'camera_model',
    'check_frame', 'decode_compressed', 'decode_compressed_mask', 'decode_image', 'decode_mask',
    'find_transform', 'parse_camchain', 'quaternion', 'read_camchain', 'registration_given',
    'rgb_view', 'rigid', 'thermal_view', 'to_kelvin',
]
