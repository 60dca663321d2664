"""A recording in; result bag, lines, report and page out; the same twice."""

from __future__ import annotations

import json
from collections import Counter
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from bags import (
    MASK,
    PERIOD_NS,
    RGB,
    START_NS,
    THERMAL,
    Event,
    camera,
    drive,
    mask_frame,
    pack,
    write_compressed,
    write_folder,
    write_mcap,
    write_ros1,
    write_rosbag2,
)
from rosbags.highlevel import AnyReader

from fakes import FakeEngine
from vif_perception.config import load_config
from vif_perception.errors import InputError
from vif_perception.replay import ReplayOptions, ReplayResult, replay
from vif_perception.report.distribution import Distribution
from vif_perception.report.document import without_timings
from vif_perception.report.fusion_sample import FusionSample
from vif_perception.types import Calibration

DATA = Path(__file__).resolve().parents[1].parent / 'shared' / 'data'
KEYS = {
    'schema', 'status', 'bag', 'topics', 'frames', 'drops', 'modes', 'skew_ms', 'latency_ms',
    'segmentation', 'fusion', 'gates', 'versions', 'weights',
}
METRICS = {
    'EN', 'SD', 'SF', 'AG', 'MI', 'SCD', 'VIF', 'Qabf', 'SSIM', 'SSIM_sum', 'CC', 'PSNR', 'Nabf',
}


def run(bag: Path, out: Path, **options: Any) -> ReplayResult:
    options = {'fusion_frames': 0, **options}
    return replay(ReplayOptions([bag], out, **options), FakeEngine())


def lines(result: ReplayResult) -> list[dict[str, Any]]:
    return [json.loads(line) for line in (result.out / 'frames.jsonl').open()]


def result_bag(result: ReplayResult) -> dict[str, list[tuple[int, Any]]]:
    read: dict[str, list[tuple[int, Any]]] = {}
    with AnyReader([result.out / 'result.mcap']) as reader:
        for connection, time, raw in reader.messages():
            message = reader.deserialize(raw, connection.msgtype)
            read.setdefault(connection.topic, []).append((time, message))
    return read


def test_everything_is_written(tmp_path: Path) -> None:
    bag = write_mcap(tmp_path / 'a.mcap', drive(6))
    result = run(bag, tmp_path / 'out', fusion_frames=2)
    assert result.exit_code == 0
    report = json.loads((result.out / 'report.json').read_text())
    assert report == result.report
    assert set(report) >= KEYS
    assert (report['status'], report['error']) == ('ok', None)
    assert report['frames'] == {'rgb': 6, 'thermal': 6, 'pairs': 6, 'partials': 0}
    assert report['modes'] == {'FUSED': 6}
    assert report['drops'] == {}
    assert report['skew_ms'] == {'p50': 8.0, 'p95': 8.0, 'max': 8.0}
    assert report['topics']['truth'] == MASK
    assert report['weights'] == {'name': 'fake', 'sha256': '0' * 64}
    assert report['segmentation']['frames'] == 6
    assert report['segmentation']['per_class']['car'] == 0.0
    assert report['segmentation']['per_class']['bump'] is None
    assert set(report['fusion']) == {'vif_perception', 'VIS', 'IR', 'AVG', 'MAX'}
    assert set(report['fusion']['MAX']) == METRICS
    assert set(report['latency_ms']) >= {'decode', 'write', 'total'}
    assert set(report['latency_ms']['total']) == {'p50', 'p95', 'p99'}
    page = (result.out / 'report.html').read_text()
    assert '<html' in page
    assert 'a.mcap' in page
    assert sorted(path.name for path in result.out.iterdir()) == [
        'frames.jsonl', 'report.html', 'report.json', 'result.mcap'
    ]


def test_lines_carry_the_stamps_bit_for_bit(tmp_path: Path) -> None:
    result = run(write_mcap(tmp_path / 'a.mcap', drive(4)), tmp_path / 'out')
    rows = lines(result)
    assert [row['index'] for row in rows] == [0, 1, 2, 3]
    assert [row['stamp_ns'] for row in rows] == [START_NS + i * PERIOD_NS for i in range(4)]
    for row in rows:
        assert row['rgb_stamp_ns'] == row['stamp_ns']
        assert row['thermal_stamp_ns'] == row['stamp_ns'] + 8_000_000
        assert (row['skew_ms'], row['mode'], row['reason']) == (8.0, 'FUSED', '')
        assert row['entities'] == {'person': 1.0, 'vehicle': 1.0}
        assert row['latency_ms']['total'] >= row['latency_ms']['decode']
        assert 0 < row['miou'] < 1


def test_result_bag_keeps_the_contract_of_planners(tmp_path: Path) -> None:
    bag = write_mcap(tmp_path / 'a.mcap', drive(3))
    read = result_bag(run(bag, tmp_path / 'out'))
    outputs = '/fusion/output'
    assert list(read) == [
        f'{outputs}/label_info', f'{outputs}/fused/image', f'{outputs}/mask',
        f'{outputs}/confidence', f'{outputs}/entities', '/fusion/status',
    ]
    assert len(read[f'{outputs}/label_info']) == 1
    names = [c.class_name for c in read[f'{outputs}/label_info'][0][1].class_map]
    assert names[:3] == ['unlabelled', 'car', 'person']
    for index in range(3):
        received, fused = read[f'{outputs}/fused/image'][index]
        _, mask = read[f'{outputs}/mask'][index]
        _, confidence = read[f'{outputs}/confidence'][index]
        assert START_NS + index * PERIOD_NS < received
        stamps = {(m.header.stamp.sec, m.header.stamp.nanosec, m.header.frame_id)
                  for m in (fused, mask, confidence)}
        assert stamps == {(START_NS // 10**9, index * PERIOD_NS, 'rgb_optical')}
        assert (fused.encoding, mask.encoding, confidence.encoding) == ('rgb8', 'mono8', 'mono8')
        assert mask.step == mask.width == confidence.step == 64
        assert confidence.data.min() == 255
    rgb = next(event.content.data for event in drive(1) if event.topic == RGB)
    first = read[f'{outputs}/fused/image'][0][1].data.reshape(48, 64, 3)
    np.testing.assert_array_equal(first, rgb[..., ::-1])  # the fake engine shows the RGB
    statuses = [message for _, message in read['/fusion/status']]
    assert [(s.mode, s.pairs) for s in statuses] == [(0, 1)]


def test_twice_is_the_same(tmp_path: Path) -> None:
    bag = write_mcap(tmp_path / 'a.mcap', drive(8))
    faults = ['drop:thermal:0.3', 'reorder:rgb:0.3']
    runs = [run(bag, tmp_path / n, fusion_frames=2, inject=faults) for n in ('one', 'two')]
    first, second = ((r.out / 'result.mcap').read_bytes() for r in runs)
    assert first == second
    assert [without_timings(r) for r in lines(runs[0])] == [
        without_timings(r) for r in lines(runs[1])
    ]
    assert without_timings(runs[0].report) == without_timings(runs[1].report)
    assert 'latency_ms' not in without_timings(runs[0].report)


def test_every_kind_of_recording_gives_the_same_lines(tmp_path: Path) -> None:
    events = drive(4)
    bags = [
        write_mcap(tmp_path / 'a.mcap', events), write_ros1(tmp_path / 'b.bag', events, 'lz4'),
        write_rosbag2(tmp_path / 'c', events),
    ]
    rows = [
        [without_timings(row) for row in lines(run(bag, tmp_path / f'out{index}'))]
        for index, bag in enumerate(bags)
    ]
    assert len(rows[0]) == 4
    assert rows[0] == rows[1] == rows[2]


def test_compressed_topics(tmp_path: Path) -> None:
    bag = write_compressed(tmp_path / 'a.mcap', drive(4))
    result = run(bag, tmp_path / 'out')
    assert result.report['topics']['rgb'] == f'{RGB}/compressed'
    assert result.report['modes'] == {'FUSED': 4}
    assert result.report['segmentation']['frames'] == 4


def test_a_folder_of_images_with_masks_beside_them(tmp_path: Path) -> None:
    bag = write_folder(tmp_path / 'drive', drive(4))
    result = run(bag, tmp_path / 'out')
    assert result.report['topics']['truth'] == '/label'
    assert result.report['modes'] == {'FUSED': 4}
    assert result.report['segmentation']['frames'] == 4


def test_masks_that_the_recorder_got_late_are_matched(tmp_path: Path) -> None:
    bag = write_mcap(tmp_path / 'a.mcap', drive(12, mask_delay_ns=5 * PERIOD_NS))
    result = run(bag, tmp_path / 'out')
    assert result.report['segmentation']['frames'] == 12
    assert [row['index'] for row in lines(result)] == list(range(12))


def test_frames_without_mask_are_not_scored_and_keep_their_order(tmp_path: Path) -> None:
    every_third = [
        event for event in drive(30)
        if event.topic != MASK or (event.stamp_ns - START_NS) // PERIOD_NS % 3 == 0
    ]
    result = run(write_mcap(tmp_path / 'a.mcap', every_third), tmp_path / 'out')
    rows = lines(result)
    assert [row['index'] for row in rows] == list(range(30))
    assert [row['miou'] is None for row in rows] == [i % 3 != 0 for i in range(30)]
    assert result.report['segmentation']['frames'] == 10


def test_without_masks_there_is_no_segmentation(tmp_path: Path) -> None:
    result = run(write_mcap(tmp_path / 'a.mcap', drive(3, masks=False)), tmp_path / 'out')
    assert result.report['segmentation'] is None
    assert result.report['fusion'] is None
    assert result.exit_code == 0
    masked = write_mcap(tmp_path / 'b.mcap', drive(3))
    assert run(masked, tmp_path / 'out', truth='none').report['segmentation'] is None


def write_masks(folder: Path, names: list[str]) -> Path:
    folder.mkdir()
    for index, name in enumerate(names):
        (folder / f'{name}.png').write_bytes(pack(mask_frame(index, 0).data, 'png'))
    return folder


@pytest.mark.parametrize(
    ('names', 'scored'),
    [
        ([f'frame_{i}' for i in range(4)], [0, 1, 2, 3]),
        (['000001', '000003'], [1, 3]),
        ([str(START_NS), str(START_NS + 2 * PERIOD_NS)], [0, 2]),
    ],
)
def test_masks_from_a_folder(names: list[str], scored: list[int], tmp_path: Path) -> None:
    bag = write_mcap(tmp_path / 'a.mcap', drive(4, masks=False))
    masks = write_masks(tmp_path / 'masks', names)
    result = run(bag, tmp_path / 'out', truth=str(masks))
    assert [row['index'] for row in lines(result) if row['miou'] is not None] == scored
    assert result.report['topics']['truth'] == str(masks)


def test_masks_named_like_the_images_of_a_folder(tmp_path: Path) -> None:
    bag = write_folder(tmp_path / 'drive', drive(4, masks=False))
    masks = write_masks(tmp_path / 'masks', ['0002'])
    result = run(bag, tmp_path / 'out', truth=str(masks))
    assert [row['index'] for row in lines(result) if row['miou'] is not None] == [2]


def test_missing_thermal_frames_are_a_mode_with_a_reason(tmp_path: Path) -> None:
    gone = START_NS + 3 * PERIOD_NS + 8_000_000
    events = [e for e in drive(8) if not (e.topic == THERMAL and e.stamp_ns == gone)]
    result = run(write_mcap(tmp_path / 'a.mcap', events), tmp_path / 'out')
    assert result.report['frames'] == {'rgb': 8, 'thermal': 7, 'pairs': 7, 'partials': 1}
    row = lines(result)[3]
    assert (row['mode'], row['thermal_stamp_ns'], row['skew_ms']) == ('RGB_ONLY', None, None)
    assert 'thermal' in row['reason']
    assert result.report['modes']['RGB_ONLY'] >= 1


@pytest.mark.parametrize(('camera', 'mode'), [('thermal', 'RGB_ONLY'), ('rgb', 'THERMAL_ONLY')])
def test_one_camera_alone(camera: str, mode: str, tmp_path: Path) -> None:
    bag = write_mcap(tmp_path / 'a.mcap', drive(4, masks=False))
    result = run(bag, tmp_path / 'out', **{camera: 'none'})
    assert result.report['modes'] == {mode: 4}
    assert result.report['frames'][camera] == 0
    assert result.exit_code == 0


def test_limit_and_start(tmp_path: Path) -> None:
    bag = write_mcap(tmp_path / 'a.mcap', drive(8))
    result = run(bag, tmp_path / 'out', limit=3, start=0.19)
    rows = lines(result)
    assert [row['stamp_ns'] for row in rows] == [START_NS + i * PERIOD_NS for i in (2, 3, 4)]
    assert all(row['miou'] is not None for row in rows)
    assert result.exit_code == 0


def test_faults_are_injected_between_the_bag_and_the_pipeline(tmp_path: Path) -> None:
    bag = write_mcap(tmp_path / 'a.mcap', drive(8))
    result = run(bag, tmp_path / 'out', inject=['drop:thermal@0.35'])
    assert result.report['frames']['thermal'] == 8  # all were in the bag
    assert [row['mode'] for row in lines(result)].count('FUSED') == 4
    assert result.report['modes']['RGB_ONLY'] == 4


def test_recordings_in_a_row(tmp_path: Path) -> None:
    bag = write_mcap(tmp_path / 'a.mcap', drive(8))  # longer than sync.jump_back_ms
    options = ReplayOptions([bag, bag], tmp_path / 'out', fusion_frames=0)
    result = replay(options, FakeEngine())
    assert result.report['bag']['paths'] == [str(bag), str(bag)]
    assert result.report['frames']['rgb'] == 16
    assert len(lines(result)) >= 15  # starting afresh may cost the frame that waited


def test_progress_is_told_how_far_it_is(tmp_path: Path) -> None:
    told: dict[str, list[tuple[int, float]]] = {}
    bag = write_mcap(tmp_path / 'a.mcap', drive(5))
    replay(
        ReplayOptions([bag], tmp_path / 'out', fusion_frames=2), FakeEngine(),
        lambda stage, count, part: told.setdefault(stage, []).append((count, part)),
    )
    assert list(told) == ['replaying', 'fusion metrics']
    assert len(told['replaying']) == len(drive(5))
    assert told['fusion metrics'] == [(0, 0.0), (1, 0.5), (2, 1.0)]
    for counts in told.values():
        assert counts == sorted(counts)
        assert counts[-1][1] == pytest.approx(1.0, abs=1e-6)


def test_older_results_do_not_survive(tmp_path: Path) -> None:
    out = tmp_path / 'out'
    out.mkdir()
    (out / 'report.html').write_text('verdict of the last century')
    bag = write_mcap(tmp_path / 'a.mcap', drive(3))
    with pytest.raises(InputError, match=r'holds report\.html, but not as an earlier run leaves'):
        run(bag, out)
    (out / 'report.json').write_text('{"status": "ok", "versions": {}}')
    (out / 'notes.txt').write_text('not ours')
    run(bag, out)
    assert 'last century' not in (out / 'report.html').read_text()
    assert (out / 'notes.txt').read_text() == 'not ours'


def test_real_time_takes_as_long_as_the_drive(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    slept: list[float] = []
    monkeypatch.setattr('vif_perception.replay.player.time.sleep', slept.append)
    events = drive(5)
    run(write_mcap(tmp_path / 'a.mcap', events), tmp_path / 'out', rate=0.001)
    whole = (events[-1].received_ns - events[0].received_ns) / 1e9 / 0.001
    assert max(slept) == pytest.approx(whole, rel=0.05)


GATES = """
frames.pairs: {min: 6}
segmentation:
  miou_present: {min: 0.0, max: 1.0}
  per_class.car: {max: 0.5}
latency_ms.total.p95: {max: 100000}
drops.no_partner: {max: 0}
skew_ms.max: {max: 8.5}
"""


def test_gates_pass_and_fail(tmp_path: Path) -> None:
    bag = write_mcap(tmp_path / 'a.mcap', drive(6))
    gate = tmp_path / 'gate.yaml'
    gate.write_text(GATES)
    result = run(bag, tmp_path / 'out', gate=gate)
    assert result.exit_code == 0
    assert len(result.report['gates']) == 7
    assert all(entry['passed'] for entry in result.report['gates'])
    gate.write_text('skew_ms.max: {max: 7.9}\nfusion.MAX.VIF: {min: 0.1}\n')
    result = run(bag, tmp_path / 'out', gate=gate)
    assert result.exit_code == 1
    assert result.report['status'] == 'ok'
    assert result.report['gates'] == [
        {'name': 'skew_ms.max', 'op': '<=', 'limit': 7.9, 'value': 8.0, 'passed': False},
        # nothing was measured with fusion_frames=0, so it has not passed
        {'name': 'fusion.MAX.VIF', 'op': '>=', 'limit': 0.1, 'value': None, 'passed': False},
    ]


def test_percentiles_are_close_and_exact_when_all_are_equal() -> None:
    values = np.random.default_rng(0).lognormal(2, 1, 5000)
    many = Distribution()
    for value in values:
        many.add(value)
    for percent in (50, 95, 99):
        expected = np.percentile(values, percent, method='inverted_cdf')
        assert many.percentile(percent) == pytest.approx(expected, rel=0.002)
    assert many.max == values.max()
    same = Distribution()
    for value in (8.0, 8.0, 8.0):
        same.add(value)
    assert same.summary(50, 95) == {'p50': 8.0, 'p95': 8.0}
    assert Distribution().summary(50) == {}
    zero = Distribution()
    zero.add(0.0)
    assert zero.percentile(50) == 0.0


def test_fusion_frames_are_few_and_spread_evenly() -> None:
    from vif_perception.pipeline.view import View

    calibration = Calibration('rgb', (2, 2), (2, 2), None)
    sample = FusionSample(8)
    for index in range(1000):
        picture = np.full((2, 2, 3), index % 256, np.uint8)
        sample.add(picture, View(picture, picture[..., 0], False, (0, 255), calibration))
        assert len(sample._kept) <= 8
    places = sorted(sample._kept)
    assert len(places) >= 4
    assert set(np.diff(places)) == {128}


@pytest.mark.parametrize('reference', ['rgb', 'thermal'])
def test_pictures_of_both_cameras_are_in_reference_geometry(reference: str) -> None:
    from vif_perception.pipeline.view import View

    ys, xs = np.mgrid[0:4, 0:6].astype(np.float32)
    grid = np.stack([xs + 1.5, ys], -1)  # the other camera is 1.5 px to the left
    rgb = np.arange(72, dtype=np.uint8).reshape(4, 6, 3)
    thermal = (np.arange(24, dtype=np.uint16) * 10 + 100).reshape(4, 6)
    view = View(rgb, thermal, True, (100.0, 355.0), Calibration(reference, (6, 4), (6, 4), grid))
    same = np.arange(24).reshape(4, 6) * 10
    if reference == 'rgb':
        np.testing.assert_array_equal(view.rgb_picture(), rgb[..., ::-1])
        moved = view.thermal_picture()
        np.testing.assert_array_equal(moved[:, :4], same[:, 1:5] + 5)
        assert not moved[:, 5].any()  # nothing is seen there
    else:
        np.testing.assert_array_equal(view.thermal_picture(), same)
        np.testing.assert_allclose(
            view.rgb_picture()[:, :4], (rgb[:, 1:5, ::-1] + 1.5), atol=0.51
        )


@pytest.mark.parametrize(
    ('name', 'frames'),
    [
        ('drive_mcap', {'rgb': 24, 'thermal': 23, 'pairs': 23, 'partials': 1}),
        ('drive_compressed_sqlite3', {'rgb': 12, 'thermal': 12, 'pairs': 12, 'partials': 0}),
    ],
)
def test_bags_of_a_real_ros2(name: str, frames: dict[str, int], tmp_path: Path) -> None:
    bag = DATA / 'bags' / name
    if not bag.is_dir():
        pytest.skip(f'NOT TESTED: no recorded bag at {bag}')
    result = run(bag, tmp_path / 'out')
    assert result.exit_code == 0
    assert result.report['frames'] == frames
    assert result.report['segmentation']['frames'] == frames['rgb']
    faults = json.loads((DATA / 'bags' / f'{name}_frames.json').read_text())
    stamps = {entry['stamp_ns']: entry['fault'] for entry in faults}
    named = {'thermal_missing': 'missing', 'thermal_frozen': 'frozen'}
    seen = Counter()
    for row in lines(result):
        fault = stamps[row['stamp_ns']]
        if fault:
            assert row['mode'] == 'RGB_ONLY'
            assert named[fault] in row['reason']
            seen[fault] += 1
    expected = Counter(fault for fault in stamps.values() if fault)
    assert seen == expected


def test_configuration_reaches_the_pipeline(tmp_path: Path) -> None:
    bag = write_mcap(tmp_path / 'a.mcap', drive(4))
    config = load_config(sets=['sync.max_skew_ms=5', 'sync.thermal_offset_ms=-8'])
    assert run(bag, tmp_path / 'out', config=config).report['modes'] == {'FUSED': 4}


def test_cameras_that_are_not_aligned_are_noted(tmp_path: Path) -> None:
    events = [
        event._replace(content=camera('thermal', 40.0))
        if event.topic == '/thermal/camera_info' else event for event in drive(3)
    ] + [
        Event('/thermal/camera_info', START_NS, START_NS, camera('thermal', 40.0))
    ]
    bag = write_mcap(tmp_path / 'a.mcap', sorted(events, key=lambda event: event.received_ns))
    report = run(bag, tmp_path / 'out').report
    assert report['registration'] == 'identity'
    (note,) = report['notes']
    assert 'camera_info differ' in note
    assert '/tf_static' in note
    aligned = load_config(sets=['registration.source=identity'])
    assert run(bag, tmp_path / 'out', config=aligned).report['notes'] == []


POSE = 'registration.t_rgb_thermal=[1,0,0,0.05, 0,1,0,0, 0,0,1,0, 0,0,0,1]'


def test_camera_models_that_come_after_the_first_images_are_used_for_them(
    tmp_path: Path,
) -> None:
    events = drive(4, infos=False, masks=False)
    last = events[-1].received_ns
    for name in ('rgb', 'thermal'):
        events.append(Event(f'/{name}/camera_info', last, START_NS, camera(name)))
    bag = write_mcap(tmp_path / 'a.mcap', events)
    result = run(bag, tmp_path / 'out', config=load_config(sets=[POSE]))
    assert result.exit_code == 0
    assert result.report['modes'] == {'FUSED': 4}


@pytest.mark.parametrize('name', ['rgb', 'thermal'])
def test_an_injected_wrong_encoding_is_survived(name: str, tmp_path: Path) -> None:
    bag = write_mcap(tmp_path / 'a.mcap', drive(8))
    result = run(bag, tmp_path / 'out', inject=[f'wrong_encoding:{name}@0.25+0.2'])
    assert result.exit_code == 0
    assert result.report['modes']['FUSED'] >= 5
