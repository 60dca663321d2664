"""Messages to frames and back, whatever the middleware gives as bytes; on ROS or on the double."""

from __future__ import annotations

import math
from array import array
from typing import Any

import numpy as np
import pytest
from ros_world import camera_info, image, ros

from vif_perception.errors import InputError
from vif_perception.labels import MFNET
from vif_perception.types import Health, Mode, Percentiles

__all__ = ['ros']
pytestmark = pytest.mark.usefixtures('ros')


class Exotic:
    """Bytes that only NumPy's array interface opens, as newer middleware may give."""

    def __init__(self, content: bytes) -> None:
        self._content = np.frombuffer(content, np.uint8)

    def __len__(self) -> int:
        return len(self._content)

    def __array__(self, dtype: Any = None, copy: Any = None) -> np.ndarray:
        return self._content.astype(dtype or np.uint8)


@pytest.mark.parametrize('make', [
    bytes, bytearray, memoryview, list, tuple, Exotic, lambda b: array('B', b),
    lambda b: np.frombuffer(b, np.uint8), lambda b: np.repeat(np.frombuffer(b, np.uint8), 2)[::2],
])
def test_bytes_of_any_kind_are_read(make: Any) -> None:
    from vif_perception.ros import messages

    for content in (b'', b'\x00\x07\xff'):
        read = messages.read_bytes(make(content))
        assert (read.dtype, read.ndim) == (np.uint8, 1)
        assert read.tobytes() == content


def test_buffers_are_not_copied() -> None:
    from vif_perception.ros import messages

    data = array('B', b'abc')
    assert np.shares_memory(messages.read_bytes(data), np.frombuffer(data, np.uint8))


@pytest.mark.parametrize('data', [7, None, 'abc', [1, 300], [-1], [{}], object()])
def test_what_is_no_bytes_is_refused(data: Any) -> None:
    from vif_perception.ros import messages

    with pytest.raises(InputError, match=type(data).__name__):
        messages.read_bytes(data)


@pytest.mark.parametrize('encoding, shape, dtype, camera', [
    ('rgb8', (5, 7, 3), np.uint8, 'rgb'), ('mono8', (5, 7), np.uint8, 'thermal'),
    ('mono16', (5, 7), np.uint16, 'thermal'), ('32FC1', (5, 7), np.float32, 'thermal'),
])
def test_images_there_and_back(encoding: str, shape: Any, dtype: Any, camera: Any) -> None:
    from vif_perception.ros import messages

    pixels = np.arange(math.prod(shape)).reshape(shape).astype(dtype)
    stamp = 1_700_000_000_123_456_789
    made = messages.image(stamp, 'optical', pixels[:, ::-1], encoding)
    assert made.step == made.width * pixels.itemsize * (shape[2] if len(shape) == 3 else 1)
    frame = messages.frame(made, camera, '/topic', 1000)
    assert (frame.stamp_ns, frame.frame_id, frame.encoding) == (stamp, 'optical', encoding)
    np.testing.assert_array_equal(frame.data, pixels[:, ::-1])


def test_a_frame_is_a_view_of_its_message() -> None:
    from vif_perception.ros import messages

    message = image(1, 'optical', np.zeros((4, 6, 3), np.uint8), 'rgb8')
    frame = messages.frame(message, 'rgb', '/topic', 1000)
    assert np.shares_memory(frame.data, np.frombuffer(message.data, np.uint8))


def test_padded_rows_and_foreign_byte_order() -> None:
    from vif_perception.ros import messages

    pixels = np.array([[1, 258], [3, 4]], '>u2')
    data = b''.join(row.tobytes() + b'pad!' for row in pixels)
    message = image(1, 'o', np.zeros((2, 2), np.uint16), 'mono16', step=8, is_bigendian=1,
                    data=array('B', data))
    np.testing.assert_array_equal(
        messages.frame(message, 'thermal', '/t', 100).data, [[1, 258], [3, 4]]
    )


def test_refusals_name_the_topic() -> None:
    from vif_perception.ros import messages

    wrong = image(1, 'o', np.zeros((2, 2), np.uint8), 'bayer_rggb8')
    with pytest.raises(InputError, match=r'^/cam: rgb encoding'):
        messages.frame(wrong, 'rgb', '/cam', 100)
    with pytest.raises(InputError, match=r'^/truth: mask encoding'):
        messages.mask(wrong, '/truth', 100)
    with pytest.raises(InputError, match=r'^/info: K is all zero'):
        messages.model(camera_info('o', focal=0.0), '/info')


def test_camera_models_there_and_back() -> None:
    from vif_perception.ros import messages

    model = messages.model(camera_info('optical'), '/info')
    again = messages.model(messages.camera_info(5_000_000_007, model), '/info')
    assert (again.size, again.frame_id) == ((64, 48), 'optical')
    np.testing.assert_array_equal(again.matrix, model.matrix)
    np.testing.assert_array_equal(again.distortion, model.distortion)
    assert messages.camera_info(5_000_000_007, model).header.stamp.nanosec == 7


def test_labels_and_entities_there_and_back() -> None:
    from vif_perception.ros import messages

    assert tuple(messages.label_names(messages.label_info(0, '', MFNET)).values()) == MFNET.names
    scores = {'person': 0.25, 'car': 1.0}
    message = messages.entity_scores(3, 'o', scores)
    assert messages.entities(message) == scores
    message.names = ['person']
    with pytest.raises(InputError, match='1 names and 2 scores'):
        messages.entities(message)


def test_a_status_tells_everything() -> None:
    from vif_perception.ros import messages

    health = Health(
        mode=Mode.THERMAL_ONLY, reason='rgb dark', received={'rgb': 5, 'thermal': 6},
        rate_hz={'rgb': 30.0, 'thermal': 9}, pairs=4, partials=1, processed=5,
        modes={'FUSED': 4}, drops={'too_old': 2}, conditions={'rgb': 'dark', 'thermal': ''},
        skew_ms=Percentiles(1.0, 2.0, 3.0, 4.0), latency_ms={'total': Percentiles(5.0, 6, 7, 8)},
    )
    status = messages.status(2_000_000_001, 'o', health)
    assert (status.mode, status.reason) == (type(status).THERMAL_ONLY, 'rgb dark')
    assert (status.rgb_rate_hz, status.thermal_rate_hz) == (30.0, 9.0)
    assert (list(status.drop_causes), list(status.drop_counts)) == (['too_old'], [2])
    assert (list(status.latency_stages), list(status.latency_p99_ms)) == (['total'], [7.0])
    assert math.isnan(status.registration_score)


def test_modes_are_numbered_as_in_the_definition() -> None:
    from vif_perception.msg import FusionStatus
    from vif_perception.ros import messages

    assert [getattr(FusionStatus, mode.name) for mode in messages.MODES] == list(range(5))
