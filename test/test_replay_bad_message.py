"""Broken images, camera models and masks of a recording: left out, named, the rest is kept."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from bad_replays import change, failed, refused, run
from bags import (
    MASK,
    PERIOD_NS,
    RGB,
    SIZE,
    START_NS,
    THERMAL,
    drive,
    image_fields,
    mask_frame,
    pack,
    rgb_frame,
    thermal_frame,
    write_compressed,
    write_mcap,
    write_messages,
)

from vif_perception.config import load_config
from vif_perception.replay.bag import open_source
from vif_perception.types import Frame

IMAGE = 'sensor_msgs/msg/Image'


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
