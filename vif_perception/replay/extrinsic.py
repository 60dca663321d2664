"""The extrinsic of the cameras from /tf_static of a recording, where the user gave none."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import suppress

import numpy as np

from vif_perception.config import Config
from vif_perception.errors import InputError
from vif_perception.replay.decode import decode_camera_info
from vif_perception.replay.recording import Message, Source
from vif_perception.replay.topics import Topics
from vif_perception.sensing import find_transform, registration_given, rigid

TF_STATIC = '/tf_static'
TF_TYPE = 'tf2_msgs/msg/TFMessage'


def with_recorded_extrinsic(config: Config, source: Source, topics: Topics) -> Config:
    """Return the configuration with ``t_rgb_thermal`` from the recording.

    As it was when the user gave a registration of any kind, or when the recording has not all
    that is needed: usable camera_info of both cameras, and transforms that connect their frames.

    Raises:
        InputError: a transform that is none.
    """
    registration = config.registration
    if registration.source != 'auto' or registration_given(registration) != 'identity':
        return config
    frames = [_frame(source, topic) for topic in (topics.rgb_info, topics.thermal_info)]
    if not all(frames):
        return config
    transform = find_transform(_static_transforms(source), *frames)
    if transform is None:
        return config
    numbers = tuple(float(number) for number in transform.ravel())
    found = registration.model_copy(update={'t_rgb_thermal': numbers})
    return config.model_copy(update={'registration': found})


def _frame(source: Source, topic: str | None) -> str:
    """Return the frame of a camera, '' when its model cannot be used."""
    try:
        first = next(source.messages([topic]), None) if topic else None
        return decode_camera_info(first).frame_id.lstrip('/') if first else ''
    except InputError:
        return ''


def _whole(source: Source) -> Iterator[Message]:
    """Read up to where the recording is damaged; that is told when it is played."""
    with suppress(InputError):
        yield from source.messages([TF_STATIC])


def _static_transforms(source: Source) -> dict[tuple[str, str], np.ndarray]:
    tree: dict[tuple[str, str], np.ndarray] = {}
    known = source.topics().get(TF_STATIC)
    if known is None or known.type != TF_TYPE:
        return tree
    for message in _whole(source):
        for stamped in message.decode().transforms:
            parent, child = stamped.header.frame_id, stamped.child_frame_id
            move, turn = stamped.transform.translation, stamped.transform.rotation
            tree[parent.lstrip('/'), child.lstrip('/')] = rigid(
                (move.x, move.y, move.z), (turn.x, turn.y, turn.z, turn.w),
                f'{TF_STATIC}, {parent} to {child}',
            )
    return tree
