"""Recordings of every kind give the same messages; damaged ones give all that is left."""

from __future__ import annotations

import shutil
import struct
from pathlib import Path

import numpy as np
import pytest
from bags import (
    MASK,
    RGB,
    THERMAL,
    drive,
    image_fields,
    rgb_frame,
    write_compressed,
    write_folder,
    write_mcap,
    write_messages,
    write_ros1,
    write_rosbag2,
)
from rosbags.rosbag2 import CompressionMode, StoragePlugin

from vif_perception.errors import InputError
from vif_perception.replay.bag import open_source
from vif_perception.replay.decode import decode_camera_info, decode_frame
from vif_perception.replay.recording import Message, Source

MAX = 1 << 24
DATA = Path(__file__).resolve().parents[1].parent / 'shared' / 'data'

WRITERS = {
    'mcap lz4': lambda path, events: write_mcap(path / 'a.mcap', events, 'lz4'),
    'mcap zstd': lambda path, events: write_mcap(path / 'a.mcap', events, 'zstd'),
    'mcap plain': lambda path, events: write_mcap(path / 'a.mcap', events, 'none'),
    'rosbag2 sqlite3': lambda path, events: write_rosbag2(path / 'a', events),
    'rosbag2 mcap': lambda path, events: write_rosbag2(
        path / 'a', events, storage=StoragePlugin.MCAP
    ),
    'rosbag2 message zstd': lambda path, events: write_rosbag2(
        path / 'a', events, mode=CompressionMode.MESSAGE
    ),
    'rosbag2 file zstd': lambda path, events: write_rosbag2(
        path / 'a', events, mode=CompressionMode.FILE
    ),
    'lone db3': lambda path, events: write_rosbag2(path / 'a', events) / 'a.db3',
    'ros1': lambda path, events: write_ros1(path / 'a.bag', events),
    'ros1 bz2': lambda path, events: write_ros1(path / 'a.bag', events, 'bz2'),
    'ros1 lz4': lambda path, events: write_ros1(path / 'a.bag', events, 'lz4'),
}


def read(source: Source, topics: set[str] | None = None, start_ns: int = 0) -> list[Message]:
    messages = list(source.messages(topics or set(source.topics()), start_ns))
    source.close()
    return messages


@pytest.mark.parametrize('kind', WRITERS)
def test_every_kind_gives_the_same_frames(kind: str, tmp_path: Path) -> None:
    events = drive(4)
    source = open_source([WRITERS[kind](tmp_path, events)])
    counts = {name: info.count for name, info in source.topics().items()}
    assert counts == {RGB: 4, THERMAL: 4, MASK: 4, '/rgb/camera_info': 4}
    assert source.start_ns == events[0].received_ns
    assert source.duration_ns == pytest.approx(
        events[-1].received_ns - events[0].received_ns, abs=1
    )
    messages = read(source)
    assert [message.received_ns for message in messages] == [e.received_ns for e in events]
    images = [m for m in messages if m.topic == THERMAL]
    expected = [e.content for e in events if e.topic == THERMAL]
    for message, frame in zip(images, expected, strict=True):
        got = decode_frame(message, 'thermal', MAX)
        assert (got.stamp_ns, got.frame_id, got.encoding) == (
            frame.stamp_ns, 'thermal_optical', 'mono16'
        )
        np.testing.assert_array_equal(got.data, frame.data)
    info = next(m for m in messages if m.topic == '/rgb/camera_info')
    assert decode_camera_info(info).matrix[0, 0] == 50.0


def test_raw_frames_are_views_of_the_message(tmp_path: Path) -> None:
    message = read(open_source([write_mcap(tmp_path / 'a.mcap', drive(1))]), {RGB})[0]
    frame = decode_frame(message, 'rgb', MAX)
    assert np.shares_memory(frame.data, np.frombuffer(message.raw, np.uint8))


def test_compressed_topics_decode(tmp_path: Path) -> None:
    events = drive(2)
    messages = read(open_source([write_compressed(tmp_path / 'a.mcap', events)]))
    thermal = next(m for m in messages if m.topic == f'{THERMAL}/compressed')
    expected = next(e.content for e in events if e.topic == THERMAL)
    np.testing.assert_array_equal(decode_frame(thermal, 'thermal', MAX).data, expected.data)


def test_start_leaves_out_what_came_before(tmp_path: Path) -> None:
    events = drive(4)
    source = open_source([write_mcap(tmp_path / 'a.mcap', events)])
    begin = events[5].received_ns
    got = [m.received_ns for m in read(source, start_ns=begin)]
    assert got == [e.received_ns for e in events if e.received_ns >= begin]


def test_recordings_in_a_row_are_played_in_the_order_given(tmp_path: Path) -> None:
    first = write_mcap(tmp_path / 'a.mcap', drive(2))
    second = write_ros1(tmp_path / 'b.bag', drive(3))
    source = open_source([second, first])
    assert source.topics()[RGB].count == 5
    assert [m.ros1 for m in read(source, {RGB})] == [True] * 3 + [False] * 2


def test_start_counts_over_recordings_in_a_row(tmp_path: Path) -> None:
    paths = [write_mcap(tmp_path / f'{name}.mcap', drive(3)) for name in 'ab']
    source = open_source(paths)
    one_ns = source.duration_ns // 2
    assert len(read(source, {RGB}, source.start_ns + one_ns)) == 3


def test_the_same_topic_with_two_types_is_refused(tmp_path: Path) -> None:
    a = write_mcap(tmp_path / 'a.mcap', drive(1))
    info = next(e for e in drive(1) if e.topic == '/rgb/camera_info')
    b = write_mcap(tmp_path / 'b.mcap', [info._replace(topic=RGB)])
    with pytest.raises(InputError, match=r'b\.mcap: /rgb/image_raw is a .*CameraInfo'):
        open_source([a, b]).topics()


def test_folders_of_images_are_recordings(tmp_path: Path) -> None:
    events = drive(3)
    for suffix in ('png', 'webp', 'bmp', 'jpeg'):
        path = write_folder(tmp_path / suffix, events, suffix)
        messages = read(open_source([path]))
        assert [m.topic for m in messages] == ['/label', '/rgb', '/thermal'] * 3
        frame = decode_frame(messages[1], 'rgb', MAX)
        assert frame.data.shape == (48, 64, 3)
        if suffix in ('png', 'bmp'):
            np.testing.assert_array_equal(frame.data, events[0].content.data[..., ::-1])
        thermal = decode_frame(messages[2], 'thermal', MAX)
        assert thermal.stamp_ns == frame.stamp_ns
        assert thermal.data.dtype == np.uint16


def test_file_names_that_are_stamps_are_the_stamps(tmp_path: Path) -> None:
    path = write_folder(tmp_path / 'drive', drive(2))
    for index in range(2):
        for folder in path.iterdir():
            (folder / f'{index:04d}.png').rename(folder / f'{10**18 + index * 50}.png')
    messages = read(open_source([path]), {'/rgb'})
    assert [m.received_ns for m in messages] == [10**18, 10**18 + 50]
    assert decode_frame(messages[1], 'rgb', MAX).stamp_ns == 10**18 + 50


def test_damaged_image_file_is_named(tmp_path: Path) -> None:
    path = write_folder(tmp_path / 'drive', drive(2))
    (path / 'rgb' / '0001.bmp').write_bytes(b'no picture')
    with pytest.raises(InputError, match=r'0001\.bmp: cannot be read as an image'):
        read(open_source([path]), {'/rgb'})


@pytest.mark.parametrize('kind', ['mcap lz4', 'mcap plain', 'lone db3', 'ros1', 'ros1 lz4'])
def test_truncated_recordings_give_what_is_left(kind: str, tmp_path: Path) -> None:
    # frames of about 1 MB, so that there is more than one chunk
    events = drive(12)
    big = [
        e._replace(content=rgb_frame(i, e.stamp_ns, (640, 480))) if e.topic == RGB else e
        for i, e in enumerate(events)
    ]
    path = WRITERS[kind](tmp_path, big)
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])
    source = open_source([path])
    assert 0 < source.topics()[RGB].count < 12
    got: list[Message] = []
    with pytest.raises(InputError, match=r'damaged or cut off: \d+ messages') as caught:
        for message in source.messages({RGB, THERMAL}):
            got.append(message)
    assert len(got) == source.topics()[RGB].count + source.topics()[THERMAL].count
    assert [m.received_ns for m in got] == [
        e.received_ns for e in big if e.topic in (RGB, THERMAL)
    ][: len(got)]
    assert decode_frame(got[0], 'rgb', MAX).data.shape == (480, 640, 3)
    assert 'remedy' in str(caught.value)


def test_rosbag2_folder_without_metadata_is_read_file_by_file(tmp_path: Path) -> None:
    folder = write_rosbag2(tmp_path / 'a', drive(3), storage=StoragePlugin.MCAP)
    (folder / 'metadata.yaml').unlink()
    shutil.copy(folder / 'a.mcap', folder / 'a_10.mcap')
    (folder / 'a.mcap').rename(folder / 'a_9.mcap')
    source = open_source([folder])
    assert source.path.name == 'a_9.mcap'
    assert len(read(source, {RGB})) == 6


def test_unindexed_ros1_bag_is_read_and_named(tmp_path: Path) -> None:
    path = write_ros1(tmp_path / 'a.bag', drive(3))
    raw = bytearray(path.read_bytes())
    place = raw.index(b'index_pos=') + len(b'index_pos=')
    raw[place : place + 8] = struct.pack('<Q', 0)
    path.write_bytes(raw)
    source = open_source([path])
    assert source.topics()[RGB].count == 3
    with pytest.raises(InputError, match=r'not indexed.*rosbag reindex'):
        list(source.messages({RGB}))


def test_a_flipped_byte_in_a_chunk_is_found(tmp_path: Path) -> None:
    events = [
        e._replace(content=rgb_frame(i, e.stamp_ns, (640, 480))) if e.topic == RGB else e
        for i, e in enumerate(drive(6))
    ]
    path = write_mcap(tmp_path / 'a.mcap', events, 'none')
    raw = bytearray(path.read_bytes())
    raw[len(raw) // 2] ^= 0xFF
    path.write_bytes(raw)
    got = []
    with pytest.raises(InputError, match='damaged or cut off'):
        for message in open_source([path]).messages({RGB}):
            got.append(message)
    assert 0 < len(got) < 6


@pytest.mark.parametrize(
    ('name', 'content', 'complaint'),
    [
        ('a.mcap', b'', 'empty file'),
        ('a.bag', b'', 'empty file'),
        ('a.db3', b'', 'empty file'),
        ('a.mcap', b'\x00' * 4000, 'cannot be read'),
        ('a.bag', b'not a bag at all', 'cannot be read'),
        ('a.db3', b'not a database', 'cannot be read'),
        ('a.mp4', b'\x00' * 100, r"its name ends in '\.mp4'"),
        ('a.bag.active', b'#ROSBAG V2.0\n', r"its name ends in '\.active'"),
    ],
)
def test_what_is_no_recording_is_refused(
    name: str, content: bytes, complaint: str, tmp_path: Path
) -> None:
    path = tmp_path / name
    path.write_bytes(content)
    with pytest.raises(InputError, match=complaint) as caught:
        open_source([path])
    assert str(path) in str(caught.value)


def test_missing_and_empty_folders_are_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match='does not exist'):
        open_source([tmp_path / 'nowhere.mcap'])
    with pytest.raises(InputError, match='no bag files or images'):
        open_source([tmp_path])
    with pytest.raises(InputError, match='no recording was given'):
        open_source([])


def test_broken_metadata_with_nothing_beside_it_is_refused(tmp_path: Path) -> None:
    (tmp_path / 'metadata.yaml').write_text('rosbag2_bagfile_information: 7\n')
    with pytest.raises(InputError, match='no recording: Invalid bag metadata'):
        open_source([tmp_path])


def test_message_of_another_definition_is_named(tmp_path: Path) -> None:
    fields = image_fields(rgb_frame(0, 0))
    path = write_messages(tmp_path / 'a', [(RGB, 5, 'sensor_msgs/msg/Image',
                                            {'stamp_ns': 5, **fields})])
    message = read(open_source([path]))[0]
    cut = Message(message.topic, 5, message.type, message.raw[:100])
    with pytest.raises(InputError, match=r'/rgb/image_raw: 100 bytes are not a sensor_msgs'):
        decode_frame(cut, 'rgb', MAX)


@pytest.mark.parametrize(
    ('name', 'rgb', 'thermal'),
    [
        ('drive_mcap', (RGB, 24), (THERMAL, 23)),
        ('drive_compressed_sqlite3', (f'{RGB}/compressed', 12), (f'{THERMAL}/compressed', 12)),
    ],
)
def test_bags_of_a_real_ros2(
    name: str, rgb: tuple[str, int], thermal: tuple[str, int]
) -> None:
    path = DATA / 'bags' / name
    if not path.is_dir():
        pytest.skip(f'NOT TESTED: no recorded bag at {path}')
    source = open_source([path])
    topics = source.topics()
    assert (topics[rgb[0]].count, topics[thermal[0]].count) == (rgb[1], thermal[1])
    messages = read(source, {rgb[0], thermal[0]})
    times = [message.received_ns for message in messages]
    assert times == sorted(times)
    assert len(messages) == rgb[1] + thermal[1]
    for message in messages:
        camera = 'rgb' if message.topic == rgb[0] else 'thermal'
        assert decode_frame(message, camera, MAX).size == (640, 480)
