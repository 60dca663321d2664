"""Result bags are read back by independent readers and depend on the calls alone."""

from __future__ import annotations

import math
from pathlib import Path

import numpy as np
import pytest
import yaml
from bags import camera, drive, rgb_frame, thermal_frame, write_mcap
from mcap.reader import make_reader
from rosbags.highlevel import AnyReader

from vif_perception.errors import InputError
from vif_perception.labels import MFNET
from vif_perception.replay.record import BagRecorder
from vif_perception.replay.typestore import ros2_types
from vif_perception.types import CameraModel, Frame, Health, Mode, Percentiles

DATA = Path(__file__).parent / 'data'
FULL = Path('/dev/full')
HEALTH = Health(
    Mode.THERMAL_ONLY, 'rgb dark', {'rgb': 3, 'thermal': 4}, {'rgb': 10.0, 'thermal': 9.5}, 2, 1,
    3, {'FUSED': 2}, {'no_partner': 5, 'too_old': 1}, {'rgb': 'dark', 'thermal': ''},
    Percentiles(8.0, 9.0, 9.5, 10.0), {'network': Percentiles(30.0, 31.0, 32.0, 33.0)},
)


def record_everything(path: Path) -> Path:
    with BagRecorder(path) as recorder:
        recorder.label_info('/labels', 5, 3, 'rgb', MFNET)
        recorder.image('/rgb', 10, rgb_frame(0, 7))
        recorder.compressed('/rgb/compressed', 11, 7, 'rgb', 'jpeg', b'\xff\xd8\xff')
        recorder.camera_info('/camera_info', 12, 7, camera())
        recorder.entities('/entities', 13, 7, 'rgb', {'person': 0.25, 'vehicle': 1.0})
        recorder.status('/status', 14, 7, 'rgb', HEALTH)
    return path


def test_rosbags_reads_every_type(tmp_path: Path) -> None:
    path = record_everything(tmp_path / 'a.mcap')
    with AnyReader([path]) as reader:
        read = {
            connection.topic: (time, reader.deserialize(raw, connection.msgtype))
            for connection, time, raw in reader.messages()
        }
    assert {topic: time for topic, (time, _) in read.items()} == {
        '/labels': 5, '/rgb': 10, '/rgb/compressed': 11, '/camera_info': 12, '/entities': 13,
        '/status': 14,
    }
    messages = {topic: message for topic, (_, message) in read.items()}
    names = [(c.class_id, c.class_name) for c in messages['/labels'].class_map]
    assert names == list(enumerate(MFNET.names))
    image = messages['/rgb']
    assert (image.encoding, image.step, image.header.frame_id) == ('bgr8', 192, 'rgb_optical')
    np.testing.assert_array_equal(image.data, rgb_frame(0, 7).data.reshape(-1))
    assert messages['/camera_info'].k[0] == 50.0
    assert messages['/entities'].names == ['person', 'vehicle']
    np.testing.assert_array_equal(messages['/entities'].scores, np.float32([0.25, 1.0]))
    status = messages['/status']
    assert (status.mode, status.reason) == (status.THERMAL_ONLY, 'rgb dark')
    assert dict(zip(status.drop_causes, status.drop_counts, strict=True)) == {
        'no_partner': 5, 'too_old': 1
    }
    assert (status.skew_p50_ms, status.thermal_rate_hz) == (8.0, 9.5)
    assert math.isnan(status.registration_score)
    assert status.latency_stages == []  # would differ from run to run


def test_the_official_reader_reads_it_and_latched_topics_say_so(tmp_path: Path) -> None:
    path = record_everything(tmp_path / 'a.mcap')
    with path.open('rb') as stream:
        reader = make_reader(stream, validate_crcs=True)
        assert reader.get_header().profile == 'ros2'
        messages = list(reader.iter_messages())
        summary = reader.get_summary()
    assert len(messages) == 6
    assert summary.statistics.message_count == 6
    for schema, channel, _ in messages:
        assert (schema.encoding, channel.message_encoding) == ('ros2msg', 'cdr')
        (profile,) = yaml.safe_load(channel.metadata['offered_qos_profiles'])
        assert profile['durability'] == (1 if channel.topic in ('/labels', '/status') else 2)
    schemas = {schema.name for schema, _, _ in messages}
    assert {'vision_msgs/msg/LabelInfo', 'vif_perception/msg/FusionStatus'} <= schemas


@pytest.mark.parametrize('compression', ['lz4', 'zstd', 'none'])
def test_the_same_calls_give_the_same_bytes(compression: str, tmp_path: Path) -> None:
    files = [write_mcap(tmp_path / f'{n}.mcap', drive(3), compression) for n in 'ab']
    assert files[0].read_bytes() == files[1].read_bytes()


def test_an_empty_recording_is_a_file_that_opens(tmp_path: Path) -> None:
    BagRecorder(tmp_path / 'a.mcap').close()
    with AnyReader([tmp_path / 'a.mcap'], default_typestore=ros2_types()) as reader:
        assert list(reader.messages()) == []


def test_padded_rows_are_packed(tmp_path: Path) -> None:
    padded = np.zeros((5, 12), np.uint16)
    padded[:, :7] = np.arange(35).reshape(5, 7)
    with BagRecorder(tmp_path / 'a.mcap') as recorder:
        recorder.image('/t', 1, Frame(1, 't', padded[:, :7], 'mono16'))
    with AnyReader([tmp_path / 'a.mcap']) as reader:
        ((connection, _, raw),) = reader.messages()
        image = reader.deserialize(raw, connection.msgtype)
    assert image.step == 14
    np.testing.assert_array_equal(image.data.view(np.uint16), np.arange(35))


def test_eight_coefficients_are_a_rational_model(tmp_path: Path) -> None:
    model = CameraModel((64, 48), np.eye(3), np.arange(8.0), 'rgb')
    with BagRecorder(tmp_path / 'a.mcap') as recorder:
        recorder.camera_info('/i', 1, 1, model)
    with AnyReader([tmp_path / 'a.mcap']) as reader:
        ((connection, _, raw),) = reader.messages()
        info = reader.deserialize(raw, connection.msgtype)
    assert (info.distortion_model, list(info.d)) == ('rational_polynomial', list(range(8)))


def test_one_topic_has_one_type(tmp_path: Path) -> None:
    with BagRecorder(tmp_path / 'a.mcap') as recorder:
        recorder.image('/t', 1, thermal_frame(0, 1))
        with pytest.raises(ValueError, match='/t carries sensor_msgs/msg/Image'):
            recorder.entities('/t', 1, 1, 't', {})


def test_a_missing_folder_is_one_clear_error(tmp_path: Path) -> None:
    with pytest.raises(InputError, match='cannot be written: No such file'):
        BagRecorder(tmp_path / 'nowhere' / 'a.mcap')


@pytest.mark.skipif(not FULL.exists(), reason='NOT TESTED: no /dev/full on this system')
def test_a_full_disk_is_one_clear_error(tmp_path: Path) -> None:
    path = tmp_path / 'a.mcap'
    path.symlink_to(FULL)
    big = rgb_frame(0, 7, (640, 480))
    with pytest.raises(InputError, match='No space left on device') as caught:  # noqa: SIM117
        with BagRecorder(path, compression='none') as recorder:
            for index in range(200):
                recorder.image('/rgb', index, big)
    assert str(path) in str(caught.value)


def test_label_info_is_the_message_that_ros_knows() -> None:
    """Type hash measured on a real ROS 2 Jazzy."""
    assert ros2_types().hash_rihs01('vision_msgs/msg/LabelInfo') == (
        'RIHS01_3d37df4015cdf660cc851c51897f2acd957e1ca6205ba0a99aebffb9406b0783'
    )
