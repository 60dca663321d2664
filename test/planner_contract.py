"""What planners take for granted of a mask and its confidence, by the semantic costmap layer of
Nav2: it finds both by equal stamps and indexes both with ``v * width + u`` without a look.

Works on messages of any transport: only their fields are read.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

#: Stamp (sec, nanosec) -> (frame_id, (width, height)) of the images of the reference camera.
References = Mapping[tuple[int, int], tuple[str, tuple[int, int]]]


def stamp_of(message: Any) -> tuple[int, int]:
    return message.header.stamp.sec, message.header.stamp.nanosec


def check(
    masks: Sequence[Any], confidences: Sequence[Any], fused: Sequence[Any],
    scores: Sequence[Any], labels: Any, references: References,
) -> None:
    """Assert everything that a planner relies on, of at least one output."""
    assert masks, 'nothing came'
    by_stamp = {stamp_of(message): message for message in confidences}
    pictures = {stamp_of(message): message for message in fused}
    entities = {stamp_of(message): message for message in scores}
    names = {item.class_id: item.class_name for item in labels.class_map}
    assert len(set(names.values())) == len(names) == len(labels.class_map)
    assert max(names) <= 254, '255 is for what is not labelled'
    for mask in masks:
        stamp = stamp_of(mask)
        assert stamp in references, f'{stamp} is no stamp of the reference camera'
        frame_id, (width, height) = references[stamp]
        confidence, picture = by_stamp[stamp], pictures[stamp]
        for message, encoding, pixel in (
            (mask, 'mono8', 1), (confidence, 'mono8', 1), (picture, 'rgb8', 3)
        ):
            assert message.header.frame_id == frame_id
            assert message.encoding == encoding
            assert (message.width, message.height) == (width, height)
            assert message.step == width * pixel, 'rows are padded'
            assert len(message.data) == message.step * height
        ids = {int(mask.data[v * width + u]) for v in range(height) for u in range(width)}
        assert ids <= {*names, 255}, f'{ids} are no classes'
        assert all(0 <= int(confidence.data[i]) <= 255 for i in range(width * height))
        assert entities[stamp].header.frame_id == frame_id
        assert len(entities[stamp].names) == len(entities[stamp].scores)
        assert all(0 <= score <= 1 for score in entities[stamp].scores)
