"""The topics of a recording are found by name and encoding, or the user is asked."""

from __future__ import annotations

from collections.abc import Collection, Iterator
from pathlib import Path

import numpy as np
import pytest

from vif_perception.errors import InputError
from vif_perception.replay.recording import Message, Source, TopicInfo
from vif_perception.replay.topics import find_topics
from vif_perception.replay.typestore import ros2_types

IMAGE, COMPRESSED = 'sensor_msgs/msg/Image', 'sensor_msgs/msg/CompressedImage'
INFO = 'sensor_msgs/msg/CameraInfo'


class Bag(Source):
    """Topics with one message each: name -> encoding, '' for a CameraInfo, or (type, count)."""

    def __init__(self, **topics: str | tuple[str, int]):
        self.path, self.start_ns, self.duration_ns = Path('bag'), 0, 1
        self._topics = {'/' + name.replace('__', '/'): value for name, value in topics.items()}

    def topics(self) -> dict[str, TopicInfo]:
        return {name: self._info(value) for name, value in self._topics.items()}

    def messages(self, topics: Collection[str], start_ns: int = 0) -> Iterator[Message]:
        for name in topics:
            info, encoding = self.topics()[name], self._topics[name]
            if info.type in (IMAGE, COMPRESSED) and isinstance(encoding, str):
                yield Message(name, 0, info.type, _image(info.type, encoding))

    @staticmethod
    def _info(value: str | tuple[str, int]) -> TopicInfo:
        if isinstance(value, tuple):
            return TopicInfo(*value)
        kind = INFO if not value else COMPRESSED if 'compressed' in value else IMAGE
        return TopicInfo(kind, 7)


def _image(kind: str, encoding: str) -> bytes:
    types = ros2_types().types
    header = types['std_msgs/msg/Header'](
        stamp=types['builtin_interfaces/msg/Time'](sec=0, nanosec=0), frame_id=''
    )
    data = np.zeros(6, np.uint8)
    if kind == COMPRESSED:
        message = types[kind](header=header, format=encoding, data=data)
    else:
        message = types[kind](
            header=header, height=1, width=1, encoding=encoding, is_bigendian=0, step=6, data=data
        )
    return bytes(ros2_types().serialize_cdr(message, kind))


@pytest.mark.parametrize(
    ('bag', 'thermal', 'rgb'),
    [
        ({'rgb__image_raw': 'bgr8', 'thermal__image_raw': 'mono16'},
         '/thermal/image_raw', '/rgb/image_raw'),
        ({'boson__image_raw': 'mono8', 'zed__color__image': 'bgra8'},
         '/boson/image_raw', '/zed/color/image'),
        ({'cam0__image_raw': 'rgb8', 'cam1__image_raw': '16UC1'},
         '/cam1/image_raw', '/cam0/image_raw'),
        ({'flir__image_raw': 'rgb8', 'front__image_raw': 'rgb8'},
         '/flir/image_raw', '/front/image_raw'),
        ({'camera__image_raw': 'mono8', 'lwir__image_raw': 'mono8'},
         '/lwir/image_raw', '/camera/image_raw'),
        ({'rgb__image_raw__compressed': 'bgr8; jpeg compressed bgr8',
          'thermal__image_raw__compressed': 'mono16; png compressed mono16'},
         '/thermal/image_raw/compressed', '/rgb/image_raw/compressed'),
        ({'ir': 'jpeg compressed', 'vi': 'png compressed', 'label': 'png compressed'},
         '/ir', '/vi'),
    ],
)
def test_cameras_are_found(bag: dict[str, str], thermal: str, rgb: str) -> None:
    found = find_topics(Bag(**bag))
    assert (found.thermal, found.rgb) == (thermal, rgb)


def test_raw_topic_beats_its_compressed_twin() -> None:
    found = find_topics(Bag(
        rgb__image_raw='bgr8', rgb__image_raw__compressed='bgr8; jpeg compressed bgr8',
        thermal__image_raw='mono16', thermal__image_raw__compressed='mono16; png compressed',
    ))
    assert (found.thermal, found.rgb) == ('/thermal/image_raw', '/rgb/image_raw')


def test_camera_info_beside_the_image_belongs_to_it_and_decides_a_tie() -> None:
    found = find_topics(Bag(
        rgb__image_raw='bgr8', rgb__camera_info='', color__image_raw='bgr8',
        thermal__image_raw__compressed='mono16; png compressed', thermal__camera_info='',
        thermal__image_raw='mono16',
    ))
    assert (found.rgb, found.rgb_info) == ('/rgb/image_raw', '/rgb/camera_info')
    assert found.thermal_info == '/thermal/camera_info'
    assert found.all() == {
        '/rgb/image_raw', '/rgb/camera_info', '/thermal/image_raw', '/thermal/camera_info'
    }


def test_masks_depth_and_fused_pictures_are_no_cameras() -> None:
    found = find_topics(Bag(
        rgb__image_raw='bgr8', rgb__mask='mono8', depth__image_raw='16UC1',
        thermal__image_raw='mono16', thermal__confidence='mono8', fusion__output='rgb8',
    ))
    assert (found.thermal, found.rgb) == ('/thermal/image_raw', '/rgb/image_raw')
    assert found.truth == '/rgb/mask'


def test_a_coloured_mask_is_no_ground_truth() -> None:
    assert find_topics(Bag(rgb='rgb8', thermal='mono16', label='rgb8')).truth is None


def test_ambiguous_topics_are_listed_with_the_option() -> None:
    bag = Bag(front__rgb='bgr8', rear__rgb='bgr8', thermal='mono16')
    with pytest.raises(InputError) as caught:
        find_topics(Bag(left__rgb='bgr8', rear__rgb='bgr8', thermal='mono16'))
    text = str(caught.value)
    assert '2 topics could be the rgb camera' in text
    assert '/left/rgb (Image bgr8, 7 messages)' in text
    assert '--rgb TOPIC' in text
    assert find_topics(bag, rgb='/rear/rgb').rgb == '/rear/rgb'


def test_two_masks_are_ambiguous_unless_named() -> None:
    bag = Bag(rgb='rgb8', thermal='mono16', gt__a='mono8', gt__b='mono8')
    with pytest.raises(InputError, match=r'2 topics could be the ground truth.*--truth none'):
        find_topics(bag)
    assert find_topics(bag, truth='/gt/b').truth == '/gt/b'
    assert find_topics(bag, truth='none').truth is None


def test_one_camera_alone_needs_the_option() -> None:
    bag = Bag(rgb__image_raw='bgr8', rgb__camera_info='')
    with pytest.raises(InputError) as caught:
        find_topics(bag)
    text = str(caught.value)
    assert 'no thermal topic found' in text
    assert '/rgb/image_raw (Image bgr8, 7 messages)' in text
    assert '--thermal none' in text
    found = find_topics(bag, thermal='none')
    assert (found.thermal, found.rgb, found.thermal_info) == (None, '/rgb/image_raw', None)


def test_both_cameras_cannot_be_switched_off() -> None:
    with pytest.raises(InputError, match='both cameras are switched off'):
        find_topics(Bag(rgb='rgb8', thermal='mono16'), thermal='none', rgb='none')


def test_a_topic_that_is_named_must_be_an_image_with_messages() -> None:
    bag = Bag(
        rgb='rgb8', thermal='mono16', imu=('sensor_msgs/msg/Imu', 9), other=(IMAGE, 0)
    )
    for name, complaint in (
        ('/nowhere', '--rgb /nowhere is not in the recording'),
        ('/imu', '--rgb /imu is a sensor_msgs/msg/Imu'),
        ('/other', '--rgb /other has no messages'),
    ):
        with pytest.raises(InputError, match=complaint) as caught:
            find_topics(bag, rgb=name)
        assert '/rgb (Image rgb8, 7 messages)' in str(caught.value)


def test_the_same_topic_for_both_cameras_is_refused() -> None:
    with pytest.raises(InputError, match='both /rgb'):
        find_topics(Bag(rgb='rgb8', thermal='mono16'), rgb='/rgb', thermal='/rgb')


@pytest.mark.parametrize('held', [{}, {'imu': ('sensor_msgs/msg/Imu', 9)}, {'a': (IMAGE, 0)}])
def test_a_recording_without_images_says_what_it_holds(held: dict) -> None:
    with pytest.raises(InputError, match='bag: has no images') as caught:
        find_topics(Bag(**held))
    assert ('/imu (sensor_msgs/msg/Imu)' in str(caught.value)) == ('imu' in held)
