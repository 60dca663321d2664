from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from rosbags.typesys import Stores, get_typestore

from vif_perception.errors import InputError
from vif_perception.sensing.encodings import decode_image, decode_mask, rgb_view, thermal_view
from vif_perception.types import Frame

GOLDEN = Path(__file__).parent / 'data' / 'golden'
TYPES = {
    'mono8': ('u1', 1), '8UC1': ('u1', 1), 'mono16': ('u2', 1), '16UC1': ('u2', 1),
    '32FC1': ('f4', 1), 'rgb8': ('u1', 3), 'bgr8': ('u1', 3), 'rgba8': ('u1', 4),
    'bgra8': ('u1', 4),
}
RGB = ('rgb8', 'bgr8', 'rgba8', 'bgra8', 'mono8', '8UC1')


def message(**changes):
    fields = {
        'height': 4, 'width': 6, 'encoding': 'mono16', 'is_bigendian': 0, 'step': 12,
        'data': bytes(48), 'camera': 'thermal', 'max_pixels': 1000,
    }
    return {**fields, **changes}


@given(
    encoding=st.sampled_from(sorted(TYPES)), height=st.integers(1, 9), width=st.integers(1, 9),
    padding=st.integers(0, 9), trailing=st.integers(0, 5), big=st.booleans(),
    seed=st.integers(0, 2**32 - 1), kind=st.sampled_from((bytes, bytearray, memoryview)),
)
@settings(deadline=None)
def test_any_layout_gives_the_values_back(
    encoding, height, width, padding, trailing, big, seed, kind
):
    code, channels = TYPES[encoding]
    shape = (height, width) if channels == 1 else (height, width, channels)
    random = np.random.default_rng(seed)
    wanted = random.integers(0, 256, (*shape, np.dtype(code).itemsize), dtype=np.uint8)
    wanted = wanted.view(code)[..., 0]  # every bit pattern, NaN included
    rows = wanted.astype(np.dtype(code).newbyteorder('>' if big else '<')).reshape(height, -1)
    data = b''.join(row.tobytes() + b'\xa5' * padding for row in rows) + b'\xa5' * trailing
    step = rows[0].nbytes + padding
    camera = 'rgb' if encoding in RGB else 'thermal'
    image = decode_image(
        height=height, width=width, encoding=encoding, is_bigendian=big, step=step,
        data=kind(data), camera=camera, max_pixels=100,
    )
    assert image.shape == shape
    assert image.dtype == np.dtype(code)
    assert image.dtype.isnative
    assert image.flags.aligned
    assert image.tobytes() == wanted.tobytes()


@pytest.mark.parametrize('step', [12, 14, 20])
def test_native_order_is_a_view(step):
    data = bytearray(4 * step)
    image = decode_image(**message(step=step, data=data))
    data[step:step + 2] = (258).to_bytes(2, 'little')
    assert image[1, 0] == 258
    assert image.strides == (step, 2)


def test_step_that_is_no_multiple_of_the_value_is_copied_to_where_torch_can_read_it():
    data = b''.join(np.arange(6, dtype='<u2').tobytes() + b'x' for _ in range(4))
    image = decode_image(**message(step=13, data=data))
    assert image.strides == (12, 2)
    assert (image == np.arange(6)).all()


def test_short_data_is_refused_even_when_only_padding_is_missing():
    with pytest.raises(InputError, match=r'data holds 55 bytes.*height x step = 56'):
        decode_image(**message(step=14, data=bytes(55)))
    with pytest.raises(InputError, match='data holds 0 bytes'):
        decode_image(**message(data=b''))


@pytest.mark.parametrize('size', [(0, 6), (4, 0), (0, 0), (-4, 6)])
def test_empty_size_is_refused(size):
    with pytest.raises(InputError, match='image size'):
        decode_image(**message(height=size[0], width=size[1], data=b''))


def test_huge_size_is_refused_before_the_data_is_touched():
    with pytest.raises(InputError, match=r'at most 1000 px.*limits.max_pixels'):
        decode_image(**message(height=2**32 - 1, width=2**32 - 1, step=2**33, data=object()))
    assert decode_image(**message(max_pixels=24)).size == 24
    with pytest.raises(InputError, match='at most 23 px'):
        decode_image(**message(max_pixels=23))


@pytest.mark.parametrize('step', [0, 11])
def test_step_shorter_than_a_row_is_refused(step):
    with pytest.raises(InputError, match=f'step is {step} bytes.*at least 12'):
        decode_image(**message(step=step))


def test_data_that_is_no_buffer_is_refused():
    with pytest.raises(InputError, match='data is a list'):
        decode_image(**message(data=[0] * 48))


@pytest.mark.parametrize(
    'camera, encoding, remedy',
    [
        ('thermal', 'bayer_rggb8', 'image_proc'), ('rgb', 'bayer_grbg16', 'image_proc'),
        ('rgb', 'yuv422_yuy2', 'image_proc'), ('rgb', 'nv12', 'image_proc'),
        ('rgb', 'mono16', 'thermal topic'), ('rgb', '32FC1', 'thermal topic'),
        ('rgb', '8UC3', 'rgb8 or bgr8'), ('thermal', '64FC1', ''), ('thermal', '', ''),
    ],
)
def test_other_encodings_are_refused_with_the_accepted_ones(camera, encoding, remedy):
    with pytest.raises(InputError) as caught:
        decode_image(**message(camera=camera, encoding=encoding))
    assert repr(encoding) in str(caught.value)
    assert 'rgb8, bgr8, rgba8, bgra8' in caught.value.accepted
    assert ('mono16' in caught.value.accepted) == (camera == 'thermal')
    assert remedy in caught.value.remedy


def test_thermal_palette_is_refused_and_grey_with_some_overlay_is_not():
    grey = np.repeat(np.arange(48, dtype=np.uint8).reshape(6, 8, 1) * 5, 3, axis=2)
    grey[0, 0] = (255, 0, 0)
    fields = message(height=6, width=8, step=24, encoding='bgr8', data=grey.tobytes())
    assert decode_image(**fields).shape == (6, 8, 3)
    ironbow = grey.copy()
    ironbow[2:, :, 0] = 255 - ironbow[2:, :, 0]
    with pytest.raises(InputError, match='colour palette'):
        decode_image(**{**fields, 'data': ironbow.tobytes()})
    assert decode_image(**{**fields, 'data': ironbow.tobytes(), 'camera': 'rgb'}).ndim == 3


def test_mask_is_one_channel_of_ids_only():
    fields = message(encoding='mono8', step=8, data=bytes(range(32)))
    del fields['camera']
    mask = decode_mask(**fields)
    assert mask.dtype == np.uint8
    assert mask[1].tolist() == [8, 9, 10, 11, 12, 13]
    with pytest.raises(InputError, match='mask encoding'):
        decode_mask(**{**fields, 'encoding': 'rgb8', 'step': 18, 'data': bytes(72)})


@pytest.mark.parametrize('encoding, bgr', [
    ('rgb8', False), ('bgr8', True), ('rgba8', False), ('bgra8', True),
])
def test_rgb_view_is_a_view_without_alpha(encoding, bgr):
    data = np.arange(2 * 3 * TYPES[encoding][1], dtype=np.uint8).reshape(2, 3, -1)
    view, is_bgr = rgb_view(Frame(0, '', data, encoding))
    assert is_bgr is bgr
    assert view.shape == (2, 3, 3)
    assert np.shares_memory(view, data)
    assert (view == data[..., :3]).all()


def test_rgb_view_of_grey_repeats_it_with_positive_strides():
    data = np.arange(6, dtype=np.uint8).reshape(2, 3)
    view, is_bgr = rgb_view(Frame(0, '', data, 'mono8'))
    assert not is_bgr
    assert min(view.strides) > 0
    assert (view == data[..., None]).all()


@pytest.mark.parametrize('encoding', sorted(TYPES))
def test_thermal_view_has_one_channel_and_shares_memory(encoding):
    code, channels = TYPES[encoding]
    data = np.ones((2, 3) if channels == 1 else (2, 3, channels), code)
    view = thermal_view(Frame(0, '', data, encoding))
    assert view.shape == (2, 3)
    assert view.dtype == data.dtype
    assert np.shares_memory(view, data)


@pytest.mark.parametrize('name, first, last', [
    ('rgb8', [0, 7, 14], [202, 209, 216]),
    ('mono16_padded_step', 3 + 14 * 256, 247 + 2 * 256),
    ('mono16_bigendian', 1 * 256 + 14, 117 * 256 + 130),
    ('32FC1', 273.15, 290.15),
])
def test_messages_written_by_ros_2(name, first, last):
    store = get_typestore(Stores.ROS2_JAZZY)
    raw = (GOLDEN / f'sensor_msgs.msg.Image__{name}.cdr').read_bytes()
    image = store.deserialize_cdr(raw, 'sensor_msgs/msg/Image')
    pixels = decode_image(
        height=image.height, width=image.width, encoding=image.encoding,
        is_bigendian=image.is_bigendian, step=image.step, data=image.data,
        camera='rgb' if image.encoding == 'rgb8' else 'thermal', max_pixels=35,
    )
    assert pixels.shape[:2] == (5, 7)
    assert pixels[0, 0] == pytest.approx(first)
    assert pixels[-1, -1] == pytest.approx(last)
