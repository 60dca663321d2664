"""ROS message types without ROS: rosbags' stores plus vision_msgs/LabelInfo and our own."""

from __future__ import annotations

from functools import lru_cache

from rosbags.typesys import Stores, get_types_from_msg, get_typestore
from rosbags.typesys.store import Typestore

from vif_perception import resources

#: vision_msgs is not in rosbags' stores; this is its interface (its type hash is tested).
VISION_MSGS = {
    'vision_msgs/msg/VisionClass': 'uint16 class_id\nstring class_name\n',
    'vision_msgs/msg/LabelInfo': (
        'std_msgs/Header header\nvision_msgs/VisionClass[] class_map\nfloat32 threshold\n'
    ),
}
OWN_MESSAGES = ('EntityScores', 'EvaluationScores', 'FusionStatus')


@lru_cache(maxsize=1)
def ros2_types() -> Typestore:
    """Return the ROS 2 (Jazzy) types that we read and write, CDR."""
    store = get_typestore(Stores.ROS2_JAZZY)
    texts = dict(VISION_MSGS)
    for name in OWN_MESSAGES:
        texts[f'vif_perception/msg/{name}'] = resources.message_definition(name)
    for name, text in texts.items():
        store.register(get_types_from_msg(text, name))
    return store


@lru_cache(maxsize=1)
def ros1_types() -> Typestore:
    """Return the ROS 1 (Noetic) types that we read."""
    store = get_typestore(Stores.ROS1_NOETIC)
    transforms = 'geometry_msgs/TransformStamped[] transforms'
    store.register(get_types_from_msg(transforms, 'tf2_msgs/msg/TFMessage'))
    return store
