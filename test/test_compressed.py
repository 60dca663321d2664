import io
import struct
import warnings
import zlib
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from rosbags.typesys import Stores, get_typestore

from vif_perception.errors import InputError
from vif_perception.sensing.compressed import decode_compressed, decode_compressed_mask

GOLDEN = Path(__file__).parent / 'data' / 'golden'
LIMIT = 10_000


def packed(array, kind, **options):
    buffer = io.BytesIO()
    image = array if isinstance(array, Image.Image) else Image.fromarray(array)
    image.save(buffer, kind, **options)
    return buffer.getvalue()


def scene(*channels, dtype=np.uint8, top=255):
    ramp = np.linspace(0, top, 48 * 64).reshape(48, 64, *([1] * len(channels)))
    return np.broadcast_to(ramp, (48, 64, *channels)).astype(dtype)


def png_chunk(kind, body):
    return struct.pack('>I', len(body)) + kind + body + struct.pack('>I', zlib.crc32(kind + body))


def png_header(width, height, depth=8, colour=0):
    body = struct.pack('>IIBBBBB', width, height, depth, colour, 0, 0, 0)
    return b'\x89PNG\r\n\x1a\n' + png_chunk(b'IHDR', body)


def decode(data, text='png', camera='rgb', limit=LIMIT):
    return decode_compressed(format=text, data=data, camera=camera, max_pixels=limit)


@pytest.mark.parametrize('text', ['mono16; png compressed mono16', '16UC1; png compressed ',
                                  'png', ''])
def test_16_bit_png_is_exact(text):
    wanted = scene(dtype=np.uint16, top=65535)
    image, encoding = decode(packed(wanted, 'PNG'), text, 'thermal')
    assert encoding == 'mono16'
    assert image.dtype == np.uint16
    assert image.flags.c_contiguous
    assert (image == wanted).all()


@pytest.mark.parametrize('channels, encoding', [
    ((), 'mono8'), ((3,), 'rgb8'), ((4,), 'rgba8'),
])
def test_8_bit_png_is_exact(channels, encoding):
    wanted = scene(*channels)
    image, found = decode(packed(wanted, 'PNG'), 'bgr8; png compressed bgr8')
    assert found == encoding
    assert (image == wanted).all()


@pytest.mark.parametrize('text', ['bgr8; jpeg compressed bgr8', 'rgb8; jpeg compressed bgr8',
                                  'jpeg', 'jpg', 'png'])
def test_jpeg_comes_out_in_rgb_order_whatever_the_text_says(text):
    red = np.zeros((48, 64, 3), np.uint8)
    red[..., 0] = 200
    image, encoding = decode(packed(red, 'JPEG', quality=95), text)
    assert encoding == 'rgb8'
    assert np.abs(image.astype(int) - red).max() < 6


def test_any_kind_of_buffer_is_taken():
    data = packed(scene(), 'PNG')
    for kind in (bytearray, memoryview, lambda raw: np.frombuffer(raw, np.uint8)):
        assert (decode(kind(data))[0] == scene()).all()


def test_grey_jpeg_of_an_8_bit_thermal_camera_is_accepted():
    assert decode(packed(scene(), 'JPEG'), 'mono8; jpeg compressed mono8', 'thermal')[1] == 'mono8'
    assert decode(packed(scene(3), 'JPEG'), 'jpeg', 'thermal')[1] == 'rgb8'


@pytest.mark.parametrize('text', ['mono16; jpeg compressed mono8', '16UC1; jpeg compressed ',
                                  '32FC1; jpeg compressed '])
def test_jpeg_of_a_16_bit_thermal_stream_is_refused(text):
    with pytest.raises(InputError, match=r'destroys thermal values.*to png'):
        decode(packed(scene(), 'JPEG'), text, 'thermal')


def test_palette_colours_of_a_thermal_camera_are_refused():
    colours = scene(3).copy()
    colours[..., 2] = 255 - colours[..., 2]
    with pytest.raises(InputError, match='colour palette'):
        decode(packed(colours, 'PNG'), 'png', 'thermal')


def test_16_bit_grey_on_the_rgb_topic_and_16_bit_colours_are_refused():
    with pytest.raises(InputError, match='thermal topic'):
        decode(packed(scene(dtype=np.uint16), 'PNG'))
    rows = b''.join(b'\0' + bytes(2 * 6) for _ in range(2))
    deep = (png_header(2, 2, depth=16, colour=2) + png_chunk(b'IDAT', zlib.compress(rows))
            + png_chunk(b'IEND', b''))
    for camera in ('rgb', 'thermal'):
        with pytest.raises(InputError, match='16-bit colours'):
            decode(deep, camera=camera)


@pytest.mark.parametrize('size', [(40_000, 40_000), (2**31 - 1, 2**31 - 1), (101, 100)])
def test_huge_png_is_refused_before_decoding(size):
    bomb = png_header(*size) + png_chunk(b'IDAT', zlib.compress(bytes(1000)))
    with warnings.catch_warnings():
        warnings.simplefilter('error')
        with pytest.raises(InputError) as caught:
            decode(bomb)
    assert str(size[0]) in str(caught.value) or 'bomb' in str(caught.value)


def test_huge_jpeg_is_refused_before_decoding():
    data = bytearray(packed(scene(), 'JPEG'))
    at = data.index(b'\xff\xc0') + 5
    data[at:at + 4] = struct.pack('>HH', 65_000, 65_000)
    with pytest.raises(InputError, match=r'65000x65000|bomb'):
        decode(bytes(data))


@pytest.mark.parametrize('size', [(0, 10), (10, 0)])
def test_zero_size_is_refused(size):
    with pytest.raises(InputError):
        decode(png_header(*size) + png_chunk(b'IDAT', zlib.compress(b'')))


@pytest.mark.parametrize('kind', ['PNG', 'JPEG'])
def test_every_truncation_is_refused(kind):
    random = np.random.default_rng(0)
    data = packed(random.integers(0, 256, (48, 64, 3), dtype=np.uint8), kind)
    for length in [0, 1, 8, 20, 24, 25, 33, 60, len(data) // 2, len(data) * 9 // 10]:
        with pytest.raises(InputError):
            decode(data[:length])


def test_damaged_content_is_refused():
    data = bytearray(packed(scene(), 'PNG'))
    middle = data.index(b'IDAT') + 40
    data[middle:middle + 30] = bytes(30)
    with pytest.raises(InputError, match='cannot be decoded'):
        decode(bytes(data))


@pytest.mark.parametrize('data', [b'', b'\0' * 40, b'GIF89a' + b'\0' * 40, b'RIFF\0\0\0\0WEBP'])
def test_other_codecs_are_refused(data):
    with pytest.raises(InputError, match='not a JPEG or PNG'):
        decode(data, 'webp')


def test_compressed_depth_is_refused_naming_the_right_topic():
    with pytest.raises(InputError, match=r'\.\.\./compressed instead'):
        decode(bytes(12) + packed(scene(dtype=np.uint16), 'PNG'), '16UC1; compressedDepth png',
               'thermal')


def test_message_written_by_ros_2_with_arbitrary_bytes_is_refused():
    store = get_typestore(Stores.ROS2_JAZZY)
    raw = (GOLDEN / 'sensor_msgs.msg.CompressedImage.cdr').read_bytes()
    message = store.deserialize_cdr(raw, 'sensor_msgs/msg/CompressedImage')
    with pytest.raises(InputError, match='rgb8; png compressed bgr8'):
        decode(message.data, message.format)


def test_mask_keeps_ids_of_grey_and_palette_png():
    ids = (scene() // 32).astype(np.uint8)
    assert (decode_compressed_mask(data=packed(ids, 'PNG'), max_pixels=LIMIT) == ids).all()
    palette = Image.fromarray(ids)
    palette.putpalette([0, 0, 0, 64, 0, 128, 64, 64, 0] + [9] * 700)
    found = decode_compressed_mask(data=packed(palette, 'PNG'), max_pixels=LIMIT)
    assert found.dtype == np.uint8
    assert (found == ids).all()


def test_mask_as_jpeg_or_in_colours_is_refused():
    with pytest.raises(InputError, match='invents class ids'):
        decode_compressed_mask(data=packed(scene(), 'JPEG'), max_pixels=LIMIT)
    with pytest.raises(InputError, match='mode RGB'):
        decode_compressed_mask(data=packed(scene(3), 'PNG'), max_pixels=LIMIT)
    with pytest.raises(InputError, match='at most 100 px'):
        decode_compressed_mask(data=packed(scene(), 'PNG'), max_pixels=100)
