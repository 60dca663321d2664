"""Bad input: one clear message, exit code 2, and what was processed is kept and marked."""

from __future__ import annotations

import errno
import json
import os
import shutil
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from bags import (
    MASK,
    PERIOD_NS,
    RGB,
    SIZE,
    START_NS,
    THERMAL,
    Event,
    drive,
    image_fields,
    mask_frame,
    pack,
    rgb_frame,
    thermal_frame,
    write_compressed,
    write_mcap,
    write_messages,
    write_ros1,
    write_rosbag2,
)

from fakes import FakeEngine
from vif_perception.config import load_config
from vif_perception.errors import InputError
from vif_perception.replay import ReplayOptions, ReplayResult, replay
from vif_perception.replay.bag import open_source
from vif_perception.types import Frame

IMAGE = 'sensor_msgs/msg/Image'
FULL = Path('/dev/full')


def run(bag: Path, out: Path, engine: FakeEngine | None = None, **options: Any) -> ReplayResult:
    options = {'fusion_frames': 0, **options}
    return replay(ReplayOptions([bag], out, **options), engine or FakeEngine())


def refused(match: str, bag: Path, out: Path, **options: Any) -> str:
    """Replay must be refused before anything is processed; report.json says so, too."""
    with pytest.raises(InputError, match=match) as caught:
        run(bag, out, **options)
    report = json.loads((out / 'report.json').read_text())
    assert (report['status'], report['error']) == ('failed', str(caught.value))
    return str(caught.value)


def failed(result: ReplayResult, match: str, outputs: int) -> str:
    """Replay must have ended as failed, with ``outputs`` lines and a result bag that is whole."""
    assert result.exit_code == 2
    report = json.loads((result.out / 'report.json').read_text())
    assert report == result.report
    assert report['status'] == 'failed'
    assert match in report['error']
    assert sum(report['modes'].values()) == outputs
    assert len((result.out / 'frames.jsonl').read_text().splitlines()) == outputs
    source = open_source([result.out / 'result.mcap'])
    masks = list(source.messages({'/fusion/output/mask'}))
    source.close()
    assert len(masks) == outputs
    assert 'failed' in (result.out / 'report.html').read_text().lower()
    return str(report['error'])


def change(
    events: list[Event], topic: str, index: int, make: Callable[[Frame], Frame]
) -> list[Event]:
    """Return the events with the index-th frame of a topic replaced."""
    wanted = [event for event in events if event.topic == topic][index]
    return [
        event._replace(content=make(event.content)) if event is wanted else event
        for event in events
    ]


def big_drive(count: int) -> list[Event]:
    """A drive whose recording has many chunks."""
    return [
        e._replace(content=rgb_frame(i, e.stamp_ns, (640, 480))) if e.topic == RGB else e
        for i, e in enumerate(drive(count, masks=False, infos=False))
    ]


# --- recordings -------------------------------------------------------------------------------


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


# --- messages ---------------------------------------------------------------------------------

BROKEN = {
    'short data': ({'data': np.zeros(100, np.uint8)}, 'data holds 100 bytes'),
    'no data': ({'data': np.zeros(0, np.uint8)}, 'data holds 0 bytes'),
    'short step': ({'step': 3}, 'step is 3 bytes'),
    'zero size': ({'height': 0, 'width': 0}, 'image size is 0x0'),
    'huge size': ({'height': 2**31, 'width': 2**31, 'step': 2**32 - 1}, 'accepted: at most'),
    'unknown encoding': ({'encoding': 'bayer_rggb8'}, "rgb encoding is 'bayer_rggb8'"),
}


@pytest.mark.parametrize('case', BROKEN)
def test_broken_images_are_left_out_and_named(case: str, tmp_path: Path) -> None:
    changes, complaint = BROKEN[case]
    messages = []
    for index in range(6):
        stamp = START_NS + index * PERIOD_NS
        wrong = changes if index == 3 else {}
        messages += [
            (RGB, stamp + 5, IMAGE,
             {'stamp_ns': stamp, **image_fields(rgb_frame(index, stamp), **wrong)}),
            (THERMAL, stamp + 9, IMAGE,
             {'stamp_ns': stamp, **image_fields(thermal_frame(index, stamp))}),
        ]
    result = run(write_messages(tmp_path / 'a', messages), tmp_path / 'out')
    outputs = sum(result.report['modes'].values())
    assert outputs >= 5  # all others, and perhaps the thermal frame alone
    error = failed(result, complaint, outputs)
    assert RGB in error
    assert result.report['drops']['bad_image'] == 1
    assert result.report['frames']['rgb'] == 6


def test_a_stream_of_an_unknown_encoding_gives_no_output(tmp_path: Path) -> None:
    messages = []
    for index in range(3):
        stamp = START_NS + index * PERIOD_NS
        for topic, frame in ((RGB, rgb_frame(0, stamp)), (THERMAL, thermal_frame(0, stamp))):
            fields = image_fields(frame, encoding='yuv422_yuy2')
            messages.append((topic, stamp, IMAGE, {'stamp_ns': stamp, **fields}))
    result = run(
        write_messages(tmp_path / 'a', messages), tmp_path / 'out', rgb=RGB, thermal=THERMAL
    )
    error = failed(result, "encoding is 'yuv422_yuy2'", 0)
    assert 'rgb8' in error  # the accepted set
    assert 'image_proc' in error
    assert result.report['drops'] == {'bad_image': 6}


def test_damaged_jpeg(tmp_path: Path) -> None:
    from vif_perception.replay.record import BagRecorder

    bag = write_compressed(tmp_path / 'a.mcap', drive(3))
    source = open_source([bag])
    with BagRecorder(tmp_path / 'b.mcap') as recorder:
        for message in source.messages(set(source.topics())):
            image = message.decode()
            if not hasattr(image, 'format'):
                continue
            stamp = image.header.stamp.sec * 10**9 + image.header.stamp.nanosec
            data = image.data.tobytes()
            wrong = message.topic.startswith('/rgb') and stamp == START_NS + PERIOD_NS
            recorder.compressed(
                message.topic, message.received_ns, stamp, 'x', image.format,
                data[: len(data) // 2] if wrong else data,
            )
    source.close()
    result = run(tmp_path / 'b.mcap', tmp_path / 'out')
    failed(result, 'cannot be decoded', sum(result.report['modes'].values()))


def test_k_zero_is_refused_where_it_is_needed(tmp_path: Path) -> None:
    bag = write_mcap(tmp_path / 'a.mcap', drive(4, focal=0.0))
    pose = 'registration.t_rgb_thermal=[1,0,0,0.05, 0,1,0,0, 0,0,1,0, 0,0,0,1]'
    result = run(bag, tmp_path / 'out', config=load_config(sets=[pose]))
    error = failed(result, '/rgb/camera_info', sum(result.report['modes'].values()))
    assert 'K is all zero' in error
    assert 'calibrate' in error
    fine = run(bag, tmp_path / 'out')
    assert fine.exit_code == 0
    assert any('/rgb/camera_info' in note for note in fine.report['notes'])


def test_camchain_that_cannot_be_read(tmp_path: Path) -> None:
    bag = write_mcap(tmp_path / 'a.mcap', drive(2))
    path = tmp_path / 'no.yaml'
    config = load_config(sets=[f'registration.camchain={path}'])
    error = refused('cannot be read', bag, tmp_path / 'out', config=config)
    assert str(path) in error
    assert 'registration.camchain' in error


def test_no_output_is_no_data(tmp_path: Path) -> None:
    bag = write_mcap(tmp_path / 'a.mcap', drive(4, masks=False))
    config = load_config(sets=['sync.max_skew_ms=1', 'fallback.policy=drop'])
    result = run(bag, tmp_path / 'out', config=config)
    assert (result.exit_code, result.report['status']) == (2, 'nodata')
    assert 'no output from 4 rgb and 4 thermal frames' in result.report['error']
    assert (result.out / 'report.html').exists()


# --- ground truth -----------------------------------------------------------------------------


def test_label_ids_outside_the_class_list(tmp_path: Path) -> None:
    def wrong(frame: Frame) -> Frame:
        data = frame.data.copy()
        data[5, 5] = 9
        return Frame(frame.stamp_ns, frame.frame_id, data, 'mono8')

    bag = write_mcap(tmp_path / 'a.mcap', change(drive(8), MASK, 4, wrong))
    result = run(bag, tmp_path / 'out')
    outputs = sum(result.report['modes'].values())
    assert 5 <= outputs <= 6
    error = failed(result, 'ground truth: ids [9] are outside the class list', outputs)
    assert 'color_cone, bump' in error
    assert MASK in error
    assert result.report['segmentation']['frames'] == 4


def test_mask_of_another_size(tmp_path: Path) -> None:
    def wrong(frame: Frame) -> Frame:
        return mask_frame(0, frame.stamp_ns, (32, 24))

    bag = write_mcap(tmp_path / 'a.mcap', change(drive(6), MASK, 2, wrong))
    result = run(bag, tmp_path / 'out')
    error = failed(result, 'ground truth is 32x24', sum(result.report['modes'].values()))
    assert f'{SIZE[0]}x{SIZE[1]}' in error


def test_masks_in_another_encoding_are_refused_when_named(tmp_path: Path) -> None:
    bag = write_mcap(tmp_path / 'a.mcap', drive(3, masks=False) + [
        e._replace(topic='/mask') for e in drive(3, masks=False) if e.topic == RGB
    ])
    result = run(bag, tmp_path / 'out', truth='/mask')
    failed(result, "mask encoding is 'bgr8'", sum(result.report['modes'].values()))


def test_masks_of_a_folder(tmp_path: Path) -> None:
    bag = write_mcap(tmp_path / 'a.mcap', drive(4, masks=False))
    refused('is not in the recording', bag, tmp_path / 'out', truth='/nowhere')
    empty = tmp_path / 'empty'
    empty.mkdir()
    refused('no folder with PNG files', bag, tmp_path / 'out', truth=str(empty))
    masks = tmp_path / 'masks'
    masks.mkdir()
    for name in 'abc':
        (masks / f'{name}.png').write_bytes(pack(mask_frame(0, 0).data, 'png'))
    refused('3 masks .* cannot be matched to 4 frames', bag, tmp_path / 'out', truth=str(masks))
    (masks / 'd.png').write_bytes(pack(rgb_frame(0, 0).data, 'png'))
    refused('--start makes meaningless', bag, tmp_path / 'out', truth=str(masks), start=0.1)
    result = run(bag, tmp_path / 'out', truth=str(masks))
    failed(result, 'd.png', 4)


# --- options and results ----------------------------------------------------------------------


@pytest.mark.parametrize(
    ('options', 'match'),
    [
        ({'limit': 0}, '--limit: is 0'),
        ({'start': -1.0}, '--start: is -1'),
        ({'rate': -1.0}, '--rate: is -1'),
        ({'inject': ['explode:rgb']}, "unknown fault 'explode'"),
    ],
)
def test_wrong_options(options: dict[str, Any], match: str, tmp_path: Path) -> None:
    bag = write_mcap(tmp_path / 'a.mcap', drive(2))
    with pytest.raises(InputError, match=match):
        run(bag, tmp_path / 'out', **options)
    assert not (tmp_path / 'out').exists()


def test_start_beyond_the_end(tmp_path: Path) -> None:
    bag = write_mcap(tmp_path / 'a.mcap', drive(2))
    refused(r'--start: is 60 s; accepted: less than', bag, tmp_path / 'out', start=60.0)


@pytest.mark.parametrize(
    ('text', 'match'),
    [
        ('', 'accepted: a mapping'),
        ('[1, 2]', 'accepted: a mapping'),
        ('a: b: c', 'is not YAML'),
        ('frames.pears: {min: 3}', "unknown key 'frames.pears'"),
        ('segmentation: {miou: {min: 0.3}}', "unknown key 'segmentation.miou'"),
        ('modes.FUSE: {min: 3}', "unknown key 'modes.FUSE'"),
        ('drops.no_partners: {max: 0}', "unknown cause 'no_partners'.*no_partner, too_old.*dark"),
        ('drops: {thermal_dark: {max: 0}}', "unknown cause 'thermal_dark'"),
        ('frames.pairs: 20', 'frames.pairs is 20'),
        ('frames.pairs: {min: many}', "frames.pairs.min is 'many'"),
        ('frames.pairs: {min: .nan}', 'frames.pairs.min is nan'),
        ('frames.pairs: {min: true}', 'frames.pairs.min is True'),
        ('frames.pairs: {min: 9, max: 3}', 'min 9 is above max 3'),
        ('segmentation.per_class.tram: {min: 0.1}', "unknown class 'tram'"),
    ],
)
def test_wrong_gates(text: str, match: str, tmp_path: Path) -> None:
    bag = write_mcap(tmp_path / 'a.mcap', drive(2))
    gate = tmp_path / 'gate.yaml'
    gate.write_text(text)
    with pytest.raises(InputError, match=match):
        run(bag, tmp_path / 'out', gate=gate)
    assert not (tmp_path / 'out' / 'frames.jsonl').exists()


def test_missing_gate_file(tmp_path: Path) -> None:
    bag = write_mcap(tmp_path / 'a.mcap', drive(2))
    with pytest.raises(InputError, match=r'no\.yaml: cannot be read'):
        run(bag, tmp_path / 'out', gate=tmp_path / 'no.yaml')


def test_results_never_overwrite_the_recording(tmp_path: Path) -> None:
    bag = write_mcap(tmp_path / 'result.mcap', drive(2))
    with pytest.raises(InputError, match='would overwrite the recording'):
        run(bag, tmp_path)
    assert open_source([bag]).topics()[RGB].count == 2
    folder = write_rosbag2(tmp_path / 'a', drive(2))
    with pytest.raises(InputError, match='would overwrite the recording'):
        run(folder, folder)


def test_output_folder_that_cannot_be_made(tmp_path: Path) -> None:
    bag = write_mcap(tmp_path / 'a.mcap', drive(2))
    (tmp_path / 'file').write_text('in the way')
    with pytest.raises(InputError, match='cannot be written') as caught:
        run(bag, tmp_path / 'file' / 'out')
    assert '--out' in str(caught.value)


@pytest.mark.skipif(os.geteuid() == 0, reason='NOT TESTED: root may write anywhere')
def test_output_folder_without_permission(tmp_path: Path) -> None:
    out = tmp_path / 'out'
    out.mkdir(mode=0o500)
    bag = write_mcap(tmp_path / 'a.mcap', drive(2))
    with pytest.raises(InputError, match='cannot be written: Permission denied'):
        run(bag, out)


@pytest.mark.skipif(not FULL.exists(), reason='NOT TESTED: no /dev/full on this system')
@pytest.mark.parametrize('name', ['result.mcap', 'report.html'])
def test_full_disk(name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """One of the results lies on a full disk; the others are kept and the report says so."""
    out = tmp_path / 'out'
    out.mkdir()
    link = f'{name}.part' if name == 'report.html' else name
    (out / link).symlink_to(FULL)
    real = Path.unlink
    monkeypatch.setattr(  # leave the link there
        Path, 'unlink', lambda path, **options: path.name == link or real(path, **options)
    )
    result = run(write_mcap(tmp_path / 'a.mcap', drive(4)), out)
    error = marked_as_full(result, name)
    assert 'free some space' in error
    assert (out / 'frames.jsonl').read_text()
    assert (out / 'report.html').exists() == (name != 'report.html')


@pytest.fixture
def tiny_disk(tmp_path: Path) -> Iterator[Path]:
    """Return the folder of a file system of 1 MiB."""
    disk = tmp_path / 'disk'
    disk.mkdir()
    words = ['mount', '-t', 'tmpfs', '-o', 'size=1m', 'tmpfs', str(disk)]
    if os.geteuid() != 0 or shutil.which('mount') is None or (
        subprocess.run(words, capture_output=True).returncode != 0
    ):
        pytest.skip('NOT TESTED: only root can mount a small disk')
    try:
        yield disk
    finally:
        subprocess.run(['umount', str(disk)], check=True)


@pytest.mark.parametrize(('frames', 'name'), [(60, 'report.html'), (240, 'result.mcap')])
def test_a_really_full_disk_is_told_and_nothing_ends_empty(
    frames: int, name: str, tiny_disk: Path, tmp_path: Path
) -> None:
    out = tiny_disk / 'out'
    result = run(write_mcap(tmp_path / 'a.mcap', drive(frames)), out)
    marked_as_full(result, name)
    rows = (out / 'frames.jsonl').read_text().splitlines()
    assert len(rows) == sum(result.report['modes'].values()) > 10
    for path in out.iterdir():
        assert path.stat().st_size > 0, path
    told = [result.report['error'], *result.report['notes']]
    assert (out / 'report.html').exists() or any('report.html' in text for text in told)


def test_full_disk_under_the_lines(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    written: list[object] = []

    def fills_up(row: object) -> str:
        written.append(row)
        if len(written) == 3:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        return json.dumps(row)

    monkeypatch.setattr('vif_perception.report.writer.json_text', fills_up)
    result = run(write_mcap(tmp_path / 'a.mcap', drive(6, masks=False)), tmp_path / 'out')
    marked_as_full(result, 'frames.jsonl')
    assert len((tmp_path / 'out' / 'frames.jsonl').read_text().splitlines()) == 2
    source = open_source([tmp_path / 'out' / 'result.mcap'])
    assert source.topics()['/fusion/output/mask'].count == 3
    source.close()


def marked_as_full(result: ReplayResult, name: str) -> str:
    assert result.exit_code == 2
    report = json.loads((result.out / 'report.json').read_text())
    assert report['status'] == 'failed'
    assert f'{name}: cannot be written: No space left on device' in report['error']
    return str(report['error'])


def test_full_disk_at_the_very_end_leaves_the_report_that_says_failed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from vif_perception.report import result_folder

    written = result_folder.write_report

    def full_the_second_time(path: Path, report: dict[str, Any]) -> None:
        if path.exists():
            raise InputError('cannot be written: No space left on device', where=str(path))
        written(path, report)

    monkeypatch.setattr(result_folder, 'write_report', full_the_second_time)
    with pytest.raises(InputError, match='No space left'):
        run(write_mcap(tmp_path / 'a.mcap', drive(3)), tmp_path / 'out')
    report = json.loads((tmp_path / 'out' / 'report.json').read_text())
    assert report['status'] == 'failed'


def test_damage_behind_the_limit_is_a_note_when_it_is_known(tmp_path: Path) -> None:
    bag = write_mcap(tmp_path / 'a.mcap', drive(200))
    whole = bag.read_bytes()
    bag.write_bytes(whole[: len(whole) - 1000])  # without the index it is read from the front
    result = run(bag, tmp_path / 'out', limit=3)
    assert (result.exit_code, result.report['modes']) == (0, {'FUSED': 3})
    (note,) = result.report['notes']
    assert note.startswith('behind --limit: ')
    assert 'is damaged or cut off' in note


def test_an_engine_that_breaks_keeps_what_was_done(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    bag = write_mcap(tmp_path / 'a.mcap', drive(6))
    engine = FakeEngine()
    working = FakeEngine.run

    def break_at_the_fourth(self: FakeEngine, *arguments: Any, **named: Any) -> Any:
        if len(self.calls) == 3:
            raise RuntimeError('out of device memory')
        return working(self, *arguments, **named)

    monkeypatch.setattr(FakeEngine, 'run', break_at_the_fourth)
    failed(run(bag, tmp_path / 'out', engine), 'out of device memory', 3)


def test_interrupting_keeps_what_was_done(tmp_path: Path) -> None:
    def interrupt(stage: str, outputs: int, part: float) -> None:
        if outputs == 2:
            raise KeyboardInterrupt

    bag = write_mcap(tmp_path / 'a.mcap', drive(6))
    options = ReplayOptions([bag], tmp_path / 'out', fusion_frames=0)
    with pytest.raises(KeyboardInterrupt):
        replay(options, FakeEngine(), interrupt)
    report = json.loads((tmp_path / 'out' / 'report.json').read_text())
    assert (report['status'], report['error']) == ('failed', 'interrupted')
    assert len((tmp_path / 'out' / 'frames.jsonl').read_text().splitlines()) == 2
