"""Damaged, empty and unfitting recordings: one clear message, and what was read is kept."""

from __future__ import annotations

from pathlib import Path

import pytest
from bad_replays import big_drive, failed, refused, run
from bags import (
    RGB,
    drive,
    write_mcap,
    write_messages,
    write_ros1,
    write_rosbag2,
)

from fakes import FakeEngine
from vif_perception.replay import ReplayOptions, replay


@pytest.mark.parametrize('kind', ['mcap', 'db3', 'bag'])
def test_truncated(kind: str, tmp_path: Path) -> None:
    path = tmp_path / f'a.{kind}'
    if kind == 'mcap':
        write_mcap(path, big_drive(10))
    elif kind == 'bag':
        write_ros1(path, big_drive(10))
    else:
        path = write_rosbag2(tmp_path / 'a', big_drive(10)) / 'a.db3'
    path.write_bytes(path.read_bytes()[: path.stat().st_size * 6 // 10])
    result = run(path, tmp_path / 'out')
    outputs = sum(result.report['modes'].values())
    assert 4 <= outputs <= 7
    error = failed(result, 'is damaged or cut off', outputs)
    assert str(path) in error
    assert 'messages could be read, up to 0.' in error


def test_truncated_within_a_rosbag2_folder(tmp_path: Path) -> None:
    from rosbags.rosbag2 import StoragePlugin

    folder = write_rosbag2(tmp_path / 'a', big_drive(10), storage=StoragePlugin.MCAP)
    path = folder / 'a.mcap'
    path.write_bytes(path.read_bytes()[: path.stat().st_size * 6 // 10])
    result = run(folder, tmp_path / 'out')
    failed(result, 'a.mcap: is damaged or cut off', sum(result.report['modes'].values()))
    assert result.report['modes']['FUSED'] >= 4


def test_a_damaged_recording_does_not_stop_the_next_one(tmp_path: Path) -> None:
    bad = write_mcap(tmp_path / 'bad.mcap', big_drive(10))
    bad.write_bytes(bad.read_bytes()[: bad.stat().st_size // 2])
    good = write_mcap(tmp_path / 'good.mcap', [
        e._replace(received_ns=e.received_ns + 10**10) for e in drive(3, infos=False, masks=False)
    ])
    result = replay(
        ReplayOptions([bad, good], tmp_path / 'out', fusion_frames=0, thermal='none'),
        FakeEngine(),
    )
    assert 'bad.mcap' in result.report['error']
    assert result.report['frames']['rgb'] > 3 + 3


@pytest.mark.parametrize('name', ['a.mcap', 'a.bag', 'a.db3'])
def test_empty_file(name: str, tmp_path: Path) -> None:
    path = tmp_path / name
    path.touch()
    refused('is an empty file', path, tmp_path / 'out')


def test_recording_without_messages(tmp_path: Path) -> None:
    refused('has no images', write_mcap(tmp_path / 'a.mcap', []), tmp_path / 'out')


def test_unindexed(tmp_path: Path) -> None:
    path = write_ros1(tmp_path / 'a.bag', drive(4))
    raw = bytearray(path.read_bytes())
    place = raw.index(b'index_pos=') + len(b'index_pos=')
    raw[place : place + 8] = bytes(8)
    path.write_bytes(raw)
    error = failed(run(path, tmp_path / 'out'), 'not indexed', 4)
    assert 'rosbag reindex' in error


def test_no_recording_at_all(tmp_path: Path) -> None:
    refused('does not exist', tmp_path / 'nowhere', tmp_path / 'out')
    (tmp_path / 'a.mp4').write_bytes(b'x')
    refused("ends in '.mp4'", tmp_path / 'a.mp4', tmp_path / 'out')


def test_recording_without_images(tmp_path: Path) -> None:
    kind = 'std_msgs/msg/String'
    bag = write_messages(tmp_path / 'a', [('/chatter', 5, kind, {'data': 'hello'})])
    error = refused('has no images', bag, tmp_path / 'out')
    assert '/chatter (std_msgs/msg/String)' in error


def test_wrong_type(tmp_path: Path) -> None:
    bag = write_mcap(tmp_path / 'a.mcap', drive(2))
    error = refused(
        r'--rgb /rgb/camera_info is a sensor_msgs/msg/CameraInfo', bag, tmp_path / 'out',
        rgb='/rgb/camera_info',
    )
    assert '/rgb/image_raw (Image bgr8, 2 messages)' in error


def test_missing_and_ambiguous_topics(tmp_path: Path) -> None:
    bag = write_mcap(tmp_path / 'a.mcap', drive(2))
    refused('--thermal /ir is not in the recording', bag, tmp_path / 'out', thermal='/ir')
    events = drive(2)
    twin = [e._replace(topic='/rear/rgb') for e in events if e.topic == RGB]
    two = write_mcap(tmp_path / 'b.mcap', [
        e._replace(topic='/front/rgb') if e.topic == RGB else e for e in events
    ] + twin)
    error = refused('2 topics could be the rgb camera', two, tmp_path / 'out')
    assert '/rear/rgb (Image bgr8, 2 messages)' in error


def test_only_one_camera(tmp_path: Path) -> None:
    bag = write_mcap(tmp_path / 'a.mcap', drive(3, thermal=False))
    error = refused('no thermal topic found', bag, tmp_path / 'out')
    assert '/rgb/image_raw (Image bgr8, 3 messages)' in error
    assert '--thermal none' in error
    assert run(bag, tmp_path / 'out', thermal='none').exit_code == 0


def test_damage_behind_the_limit_is_a_note_when_it_is_known(tmp_path: Path) -> None:
    bag = write_mcap(tmp_path / 'a.mcap', drive(200))
    whole = bag.read_bytes()
    bag.write_bytes(whole[: len(whole) - 1000])  # without the index it is read from the front
    result = run(bag, tmp_path / 'out', limit=3)
    assert (result.exit_code, result.report['modes']) == (0, {'FUSED': 3})
    (note,) = result.report['notes']
    assert note.startswith('behind --limit: ')
    assert 'is damaged or cut off' in note
