"""What cameras and people do wrong: named, counted, survived; on ROS or on the double."""

from __future__ import annotations

import io
from array import array
from typing import Any

import numpy as np
import pytest
from PIL import Image as Picture
from ros_world import MS, World, camera_info, image, noise, ros, world

__all__ = ['ros', 'world']
RGB, THERMAL = '/fusion/input/rgb/image_raw', '/fusion/input/thermal/image_raw'


@pytest.mark.parametrize('camera, pixels, encoding, fields, words', [
    ('rgb', noise(1)[0], 'bayer_rggb8', {}, f"{RGB}: rgb encoding is 'bayer_rggb8'; accepted: "
     'rgb8, bgr8, rgba8, bgra8, mono8, 8UC1; remedy: run image_proc'),
    ('rgb', noise(1)[1], 'mono16', {}, f'{RGB}: rgb encoding is'),
    ('thermal', noise(1)[0], 'yuv422', {}, f'{THERMAL}: thermal encoding is'),
    ('rgb', noise(1)[0], 'rgb8', {'data': array('B', [1, 2, 3])},
     f'{RGB}: data holds 3 bytes; accepted: height x step = 9216'),
    ('rgb', noise(1)[0], 'rgb8', {'data': array('B')}, 'data holds 0 bytes'),
    ('thermal', noise(1)[1], 'mono16', {'step': 10}, 'step is 10 bytes'),
    ('thermal', noise(1)[1], 'mono16', {'width': 0}, 'image size is 0x48'),
    ('rgb', noise(1)[0], 'rgb8', {'width': 2**31, 'height': 2**31}, 'limits.max_pixels'),
])
def test_images_that_cannot_be_used(
    world: World, camera: str, pixels: Any, encoding: str, fields: dict[str, Any], words: str
) -> None:
    world.start()
    world.listen_to_all()
    world.cameras()
    world.send(camera, image(world.now_ns(), 'optical', pixels, encoding, **fields))
    world.said(words)
    assert world.health().drops['bad_image'] == 1
    assert words in world.health().last_error
    world.pair(2)
    world.results(1)


def test_sizes_that_change_in_the_middle(world: World) -> None:
    world.start()
    world.listen_to_all()
    world.cameras()
    world.pair(1)
    world.results(1)
    rgb, thermal = noise(2, (80, 60))
    stamp = world.now_ns()
    world.send('rgb', image(stamp, 'rgb_optical', rgb, 'rgb8'))
    world.send('thermal', image(stamp, 'thermal_optical', thermal, 'mono16'))
    first, second = world.results(2)
    assert (first.width, second.width) == (64, 80)
    assert len(second.data) == 80 * 60
    assert world.health().recalibrations == 1


def test_stamps_of_zero(world: World) -> None:
    world.start()
    world.listen_to_all()
    world.cameras()
    for seed in range(3):
        world.pair(seed, stamp_ns=0)
    world.said('stamps are 0: does the driver set header.stamp?')
    world.until(lambda: world.health().drops.get('duplicate_stamp', 0) >= 2)


def test_stamps_of_another_clock(world: World) -> None:
    world.start()
    world.listen_to_all()
    world.cameras()
    ahead = world.pair(1, stamp_ns=world.now_ns() + 3_600_000 * MS)
    world.said('stamps are at least 1 s ahead of this clock: synchronise the clocks')
    mask = world.results(1)[0]
    assert mask.header.stamp.sec == ahead // 10**9  # published all the same, bit for bit


def test_stamps_that_go_back_start_afresh(world: World) -> None:
    world.start()
    world.listen_to_all()
    world.cameras()
    begin = world.now_ns()
    for seed, stamp in enumerate((begin, begin + 100 * MS, begin - 60_000 * MS)):
        world.pair(seed, stamp_ns=stamp)
        world.results(seed + 1)
    stamps = [m.header.stamp.sec for m in world.received['/fusion/output/mask']]
    assert stamps[2] <= stamps[0] - 59


def test_a_camera_that_is_not_calibrated(world: World) -> None:
    shift = np.eye(4)
    shift[0, 3] = 0.1
    world.start(registration__t_rgb_thermal=shift.ravel().tolist())
    world.listen_to_all()
    world.cameras()
    world.send('rgb', camera_info('rgb_optical'), 'camera_info')
    world.send('thermal', camera_info('thermal_optical', focal=0.0), 'camera_info')
    world.said('/fusion/input/thermal/camera_info: K is all zero')
    world.pair(1)
    world.said('no usable camera_info of the thermal camera')
    assert world.health().drops['input_error'] == 2
    world.send('thermal', camera_info('thermal_optical'), 'camera_info')
    world.until(lambda: world.fusion._inputs.infos['thermal'].k[0] > 0)
    world.pair(2)
    world.results(1)


def test_compressed_images(world: World) -> None:
    from sensor_msgs.msg import CompressedImage

    world.start(input__rgb_transport='compressed')
    world.listen_to_all()
    world.cameras(names=('thermal',))
    compressed = world.node.create_publisher(
        CompressedImage, f'{RGB}/compressed', 5
    )
    world.until(compressed.get_subscription_count)
    rgb, thermal = noise(1)
    for seed, form in enumerate(('png', 'jpeg')):
        stamp = world.now_ns()
        out = io.BytesIO()
        Picture.fromarray(rgb).save(out, form)
        message = CompressedImage(format=f'rgb8; {form} compressed bgr8',
                                  data=array('B', out.getvalue()))
        message.header.stamp.sec, message.header.stamp.nanosec = divmod(stamp, 10**9)
        compressed.publish(message)
        world.send('thermal', image(stamp, 'thermal_optical', thermal + seed, 'mono16'))
        world.results(seed + 1, '/fusion/output/fused/image')
        rgb = rgb[::-1].copy()
    fused = world.received['/fusion/output/fused/image'][0]
    np.testing.assert_array_equal(
        np.frombuffer(fused.data, np.uint8), noise(1)[0].ravel()
    )
    compressed.publish(CompressedImage(format='jpeg', data=array('B', b'\xff\xd8\xff\xe0 cut')))
    world.said(f'{RGB}/compressed: JPEG of')
