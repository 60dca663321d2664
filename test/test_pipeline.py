"""The pipeline with real sensing and a fake engine."""

from __future__ import annotations

import itertools
import threading

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fakes import FakeEngine
from vif_perception.config import Config
from vif_perception.errors import InputError
from vif_perception.pipeline import DROP_CAUSES, Pipeline
from vif_perception.sim import FaultInjector, parse_fault
from vif_perception.types import CameraModel, Frame, FramePair, Mode

MS = 1_000_000
SIZE = (64, 48)


def scene(seed: int, size=SIZE, channels=3, dtype=np.uint8, low=40, high=200) -> np.ndarray:
    shape = (size[1], size[0], channels) if channels else (size[1], size[0])
    return np.random.default_rng(seed).integers(low, high, shape).astype(dtype)


def rgb_frame(stamp_ms: int, *, data=None, size=SIZE, encoding='rgb8', frame_id='rgb_optical'):
    data = scene(stamp_ms, size) if data is None else data
    return Frame(stamp_ms * MS, frame_id, data, encoding)


def thermal_frame(stamp_ms: int, *, data=None, size=SIZE, frame_id='thermal_optical'):
    if data is None:
        data = scene(stamp_ms + 1, size, 0, np.uint16, 28_000, 31_000)
    return Frame(stamp_ms * MS, frame_id, data, 'mono16')


def pair(stamp_ms: int, *, rgb=True, thermal=True, skew_ms=8) -> FramePair:
    return FramePair(
        thermal_frame(stamp_ms + skew_ms) if thermal else None,
        rgb_frame(stamp_ms) if rgb else None,
        skew_ms * MS if rgb and thermal else 0,
    )


def make(engine=None, timer=None, **keys) -> tuple[Pipeline, FakeEngine]:
    engine = engine or FakeEngine()
    return Pipeline(Config.model_validate(keys), engine, timer=timer), engine


def model(camera: str, size=SIZE, focal=60.0) -> CameraModel:
    matrix = np.array([[focal, 0, size[0] / 2], [0, focal, size[1] / 2], [0, 0, 1.0]])
    return CameraModel(size, matrix, np.zeros(5), f'{camera}_info')


IDENTITY = tuple(float(i % 5 == 0) for i in range(16))


def test_a_pair_is_fused_with_the_stamp_and_frame_of_the_reference():
    pipeline, engine = make()
    result = pipeline.process(pair(1000))
    assert (result.stamp_ns, result.frame_id) == (1000 * MS, 'rgb_optical')
    assert (result.mode, result.reason, result.skew_ns) == (Mode.FUSED, '', 8 * MS)
    assert result.fused.shape == (48, 64, 3)
    assert (result.fused == scene(1000)).all()
    assert result.mask.flags.c_contiguous
    assert result.entities == {'person': 1.0, 'vehicle': 1.0}
    assert result.timings_ns == {}
    assert engine.calls[0][:3] == (True, True, False)
    low, high = engine.calls[0][3]
    assert low < 28_500 < high, 'raw units of the frame'


def test_the_thermal_camera_can_be_the_reference():
    pipeline, _ = make(reference='thermal')
    result = pipeline.process(FramePair(
        thermal_frame(1008, size=(32, 24)), rgb_frame(1000), 8 * MS
    ))
    assert (result.stamp_ns, result.frame_id) == (1008 * MS, 'thermal_optical')
    assert result.mask.shape == (24, 32)


def test_an_odd_stamp_survives_bit_for_bit():
    pipeline, _ = make()
    stamp = 1_699_999_999_123_456_789
    result = pipeline.process(FramePair(
        None, Frame(stamp, 'a/b c', scene(0), 'bgr8')
    ))
    assert (result.stamp_ns, result.frame_id) == (stamp, 'a/b c')
    assert (result.fused == scene(0)[..., ::-1]).all()


@pytest.mark.parametrize('policy', ['partial', 'drop'])
def test_one_camera_alone_follows_the_policy(policy):
    pipeline, engine = make(fallback={'policy': policy})
    result = pipeline.process(pair(1000, thermal=False))
    if policy == 'partial':
        assert (result.mode, result.reason) == (Mode.RGB_ONLY, 'thermal missing')
        assert engine.calls[0][:2] == (True, False)
    else:
        assert result is None
        assert pipeline.health(0).drops == {'fallback_policy': 1}
        assert 'thermal missing' in pipeline.health(0).reason


def test_a_frozen_and_a_blank_thermal_frame_count_as_missing_and_come_back_at_once():
    pipeline, _ = make()
    stuck = scene(7, SIZE, 0, np.uint16, 28_000, 31_000)
    frames = [stuck, stuck, scene(8, SIZE, 0, np.uint16, 28_000, 31_000),
              np.full((48, 64), 30_000, np.uint16),
              scene(9, SIZE, 0, np.uint16, 28_000, 31_000)]
    results = [
        pipeline.process(FramePair(thermal_frame(i, data=data), rgb_frame(i)))
        for i, data in enumerate(frames)
    ]
    assert [(r.mode.value, r.reason) for r in results] == [
        ('FUSED', ''), ('RGB_ONLY', 'thermal frozen'), ('FUSED', ''),
        ('RGB_ONLY', 'thermal blank'), ('FUSED', ''),
    ]
    assert [r.stamp_ns for r in results] == [i * MS for i in range(5)]
    assert pipeline.health(0).modes == {'FUSED': 3, 'RGB_ONLY': 2}


def test_a_dark_rgb_camera_needs_several_good_frames_to_count_again():
    pipeline, engine = make(fallback={'recover_frames': 3})
    dark = [True, True, False, False, False, False]
    results = []
    for i, night in enumerate(dark):
        data = scene(i, low=0, high=3) if night else scene(i)
        results.append(pipeline.process(FramePair(thermal_frame(i), rgb_frame(i, data=data))))
    assert [r.mode for r in results[:4]] == [Mode.THERMAL_ONLY] * 4
    assert [r.mode for r in results[4:]] == [Mode.FUSED] * 2
    assert results[0].reason == 'rgb dark'
    assert [call[0] for call in engine.calls] == [False] * 4 + [True] * 2
    assert results[0].stamp_ns == 0
    assert results[0].frame_id == 'rgb_optical', 'the reference frame is there, only dark'


def test_without_any_usable_camera_nothing_comes_and_the_health_says_why():
    pipeline, engine = make()
    pipeline.offer('rgb', rgb_frame(0), 0)
    pipeline.process(pair(0))
    blind = FramePair(
        thermal_frame(9, data=np.full((48, 64), 30_000, np.uint16)),
        rgb_frame(1, data=scene(1, low=0, high=3)),
    )
    assert pipeline.process(blind) is None
    assert len(engine.calls) == 1
    health = pipeline.health(1 * MS)
    assert health.drops == {'rgb_dark': 1, 'thermal_blank': 1}
    assert (health.mode, health.reason) == (Mode.FUSED, 'no output: rgb dark, thermal blank')
    assert pipeline.health(2000 * MS).mode is Mode.STALE
    assert 'rgb dark, thermal blank' in pipeline.health(2000 * MS).reason


def test_an_engine_that_raises_is_survived_counted_and_told(caplog):
    pipeline, _ = make(FakeEngine(fail=[RuntimeError('out of memory')] * 2))
    pipeline.offer('rgb', rgb_frame(0), 0)
    assert pipeline.process(pair(0)) is None
    health = pipeline.health(0)
    assert (health.mode, health.errors) == (Mode.ERROR, 1)
    assert health.reason == health.last_error == 'RuntimeError: out of memory'
    assert health.drops == {'engine_error': 2}
    assert pipeline.process(pair(33)) is None
    assert len(caplog.records) == 1, 'the same trouble is logged once'
    assert pipeline.process(pair(66)).mode is Mode.FUSED
    health = pipeline.health(0)
    assert (health.mode, health.errors, health.reason) == (Mode.FUSED, 2, '')
    assert health.last_error == 'RuntimeError: out of memory'


def test_an_interrupt_is_not_an_engine_error():
    pipeline, _ = make(FakeEngine(fail=[KeyboardInterrupt()]))
    with pytest.raises(KeyboardInterrupt):
        pipeline.process(pair(0))


def test_thermal_alone_before_any_rgb_has_its_own_geometry():
    pipeline, _ = make()
    result = pipeline.process(FramePair(thermal_frame(5, size=(32, 24)), None))
    assert (result.stamp_ns, result.frame_id) == (5 * MS, 'thermal_optical')
    assert (result.mode, result.reason) == (Mode.THERMAL_ONLY, 'rgb missing')
    assert result.mask.shape == (24, 32)


@pytest.mark.parametrize('known_by', ['frame', 'camera_info'])
def test_thermal_alone_has_the_reference_geometry_once_that_is_known(known_by):
    pipeline, engine = make()
    if known_by == 'frame':
        pipeline.process(pair(0, thermal=False))
    else:
        pipeline.camera_info('rgb', model('rgb'))
    result = pipeline.process(FramePair(thermal_frame(105, size=(32, 24)), None))
    assert result.mask.shape == (48, 64)
    assert result.stamp_ns == 105 * MS
    assert result.frame_id == ('rgb_optical' if known_by == 'frame' else 'rgb_info')
    calibration = engine.calls[-1][4]
    assert (calibration.reference, calibration.other_size) == ('rgb', (32, 24))
    assert calibration.grid.shape == (48, 64, 2)


def test_the_calibration_is_kept_until_a_size_or_a_camera_model_changes():
    pipeline, engine = make(registration={'t_rgb_thermal': IDENTITY})
    for camera in ('rgb', 'thermal'):
        pipeline.camera_info(camera, model(camera))
    for i in range(3):
        pipeline.camera_info('rgb', model('rgb'))
        pipeline.process(pair(i * 33))
    pipeline.process(pair(133, thermal=False))
    kept = {id(call[4]) for call in engine.calls}
    assert len(kept) == 1, 'engines keep what they derive from it'
    assert pipeline.health(0).recalibrations == 0
    pipeline.camera_info('rgb', model('rgb', focal=70.0))
    pipeline.process(pair(166))
    assert engine.calls[-1][4] is not engine.calls[0][4]
    assert pipeline.health(0).recalibrations == 1


def test_a_size_that_changes_mid_stream_recalibrates_and_is_counted():
    pipeline, _ = make()
    sizes = [(64, 48), (64, 48), (32, 24), (32, 24), (64, 48)]
    shapes = [
        pipeline.process(FramePair(thermal_frame(i), rgb_frame(i, size=size))).mask.shape
        for i, size in enumerate(sizes)
    ]
    assert shapes == [(h, w) for w, h in sizes]
    assert pipeline.health(0).recalibrations == 2
    pipeline.reset()
    assert pipeline.health(0).recalibrations == 2


def test_a_registration_that_lacks_its_camera_models_is_refused_and_rgb_alone_goes_on():
    pipeline, _ = make(registration={'t_rgb_thermal': IDENTITY})
    with pytest.raises(InputError):
        pipeline.process(pair(0))
    health = pipeline.health(0)
    assert (health.mode, health.drops, health.errors) == (Mode.ERROR, {'input_error': 2}, 1)
    assert pipeline.process(pair(33, thermal=False)).mode is Mode.RGB_ONLY
    assert pipeline.health(0).mode is Mode.RGB_ONLY


def test_thermal_values_that_cannot_have_the_profile_are_refused():
    pipeline, _ = make(thermal={'profile': 'kelvin'})
    with pytest.raises(InputError):
        pipeline.process(pair(0))
    assert pipeline.health(0).drops == {'input_error': 2}


def test_stages_are_timed_by_the_given_timer_only():
    ticks = itertools.count(0, 1000)
    pipeline, _ = make(timer=lambda: next(ticks))
    result = pipeline.process(pair(0))
    assert result.timings_ns == {'watch': 1000, 'window': 1000, 'network': 1000, 'total': 3000}
    latency = pipeline.health(0).latency_ms
    assert set(latency) == {'watch', 'window', 'network', 'total'}
    assert latency['total'].p50 == pytest.approx(0.003)


def test_health_before_anything_and_after_a_while_without_frames():
    pipeline, _ = make(fallback={'stale_ms': 500})
    health = pipeline.health(0)
    assert health.mode is Mode.STALE
    assert health.reason == 'no output yet: rgb 0.0 Hz, thermal 0.0 Hz'
    assert health.conditions == {'rgb': 'missing', 'thermal': 'missing'}
    assert health.skew_ms is None
    for i in range(60):
        for camera, frame in (('rgb', rgb_frame(i * 33)), ('thermal', thermal_frame(i * 33 + 8))):
            for ready in pipeline.offer(camera, frame, frame.stamp_ns):
                pipeline.process(ready)
    health = pipeline.health(1960 * MS)
    assert health.mode is Mode.FUSED
    assert health.received == {'rgb': 60, 'thermal': 60}
    assert health.rate_hz['rgb'] == pytest.approx(1000 / 33, rel=0.01)
    assert health.skew_ms.p50 == health.skew_ms.max == 8.0
    assert health.conditions == {'rgb': '', 'thermal': ''}
    assert (health.pairs, health.partials, health.processed) == (60, 0, 60)
    late = pipeline.health(5000 * MS)
    assert late.mode is Mode.STALE
    assert late.reason == 'no output for 3.0 s: rgb 0.0 Hz, thermal 0.0 Hz'
    assert late.conditions == {'rgb': 'missing', 'thermal': 'missing'}
    assert 'no pair for' in pipeline.explain(10_000 * MS)


def test_outputs_after_the_receive_clock_went_back_are_not_stale():
    pipeline, _ = make()
    for now in (10**15, 0):
        for ready in pipeline.offer('rgb', rgb_frame(now // MS), now) + pipeline.flush():
            pipeline.process(ready)
    assert pipeline.health(MS).mode is Mode.RGB_ONLY


def test_what_the_door_refuses_or_discards_is_in_the_health():
    pipeline, _ = make()
    pipeline.refuse('thermal', InputError('cannot be read', where='/thermal'), 0)
    ready = pipeline.offer('rgb', rgb_frame(0), 0) + pipeline.flush()
    pipeline.discard(ready[0], 'superseded')
    health = pipeline.health(0)
    assert health.drops == {'bad_image': 1, 'superseded': 1}
    assert health.received == {'rgb': 1, 'thermal': 1}
    assert health.last_error == '/thermal: cannot be read'


@pytest.mark.parametrize('camera, encoding', [
    ('rgb', 'mono16'), ('rgb', 'bayer_rggb8'), ('rgb', 'rgba8'), ('rgb', 'mono8'),
    ('thermal', 'rgb8'), ('thermal', 'mono8'), ('thermal', '32FC1'), ('thermal', 'yuv422'),
])
def test_a_frame_that_is_not_what_its_encoding_says_is_refused_and_named(camera, encoding):
    pipeline, _ = make()
    good = rgb_frame(0) if camera == 'rgb' else thermal_frame(0)
    wrong = Frame(good.stamp_ns, good.frame_id, good.data, encoding)
    assert pipeline.offer(camera, wrong, 0) == []
    assert pipeline.flush() == []
    health = pipeline.health(0)
    assert health.drops == {'bad_image': 1}
    assert encoding in health.last_error
    assert health.mode is Mode.STALE


def test_reset_forgets_the_sizes_and_what_waits_but_not_the_counts():
    pipeline, _ = make()
    pipeline.process(pair(0))
    pipeline.offer('rgb', rgb_frame(33), 33 * MS)
    assert pipeline.next_deadline_ns() == (33 + 120) * MS
    pipeline.reset()
    assert pipeline.next_deadline_ns() is None
    assert pipeline.health(0).drops == {'reset': 1}
    assert pipeline.health(0).processed == 1
    lone = pipeline.process(FramePair(thermal_frame(66, size=(32, 24)), None))
    assert lone.mask.shape == (24, 32)


def test_the_lock_is_free_while_the_engine_runs():
    entered, leave = threading.Event(), threading.Event()

    class Slow(FakeEngine):
        def run(self, *args, **keys):
            entered.set()
            assert leave.wait(20)
            return super().run(*args, **keys)

    pipeline, _ = make(Slow())
    results: list = []
    worker = threading.Thread(target=lambda: results.append(pipeline.process(pair(0))))
    worker.start()
    assert entered.wait(20)
    offering = threading.Thread(
        target=lambda: results.append(pipeline.offer('rgb', rgb_frame(33), 33 * MS))
    )
    offering.start()
    offering.join(20)
    assert results == [[]], 'offer() returned although the engine is running'
    assert pipeline.health(0).received['rgb'] == 1
    leave.set()
    worker.join(20)
    assert results[1].mode is Mode.FUSED


@given(st.lists(
    st.tuples(
        st.sampled_from(['rgb', 'thermal']), st.integers(0, 8),
        st.sampled_from(['good', 'blank', 'dark', 'frozen']), st.booleans(),
    ),
    max_size=40,
))
@settings(max_examples=60, deadline=None)
def test_every_frame_is_accounted_for(events):
    """Outputs, drops by cause and nothing else, for any mixture of trouble."""
    pipeline, engine = make()
    stamp, used = 0, 0
    for camera, step, kind, fails in events:
        stamp += 10 * step - 8
        make_frame = rgb_frame if camera == 'rgb' else thermal_frame
        data = {
            'good': None,
            'blank': np.full_like(make_frame(0).data, 30),
            'dark': scene(stamp + 999, low=0, high=3) if camera == 'rgb' else None,
            'frozen': make_frame(12345).data,
        }[kind]
        if fails:
            engine.fail.append(ValueError('no'))
        for ready in pipeline.offer(camera, make_frame(stamp + 1000, data=data), stamp * MS):
            result = pipeline.process(ready)
            used += (result is not None) * sum(f is not None for f in (ready.rgb, ready.thermal))
    for ready in pipeline.flush():
        result = pipeline.process(ready)
        used += (result is not None) * sum(f is not None for f in (ready.rgb, ready.thermal))
    health = pipeline.health(stamp * MS)
    assert sum(health.received.values()) == len(events)
    assert sum(health.drops.values()) + used == len(events)
    assert set(health.drops) <= set(DROP_CAUSES)
    assert sum(health.modes.values()) == health.processed


FAULTS = {
    'drop': 'missing', 'freeze': 'frozen', 'blank': 'blank', 'late:{}:300': 'missing',
    'wrong_encoding': 'missing', 'clock_jump:{}:5': 'missing',
}


@pytest.mark.parametrize('camera', ['rgb', 'thermal'])
@pytest.mark.parametrize('fault', FAULTS)
def test_a_fault_changes_the_mode_while_it_lasts_and_says_why(fault, camera):
    name, _, rest = fault.partition(':')
    rest = rest.format(camera) or camera
    injector = FaultInjector([parse_fault(f'{name}:{rest}@1+1')])
    pipeline, _ = make()
    results, events = [], []
    for i in range(90):
        start = 10_000 + i * 33
        events += injector.apply('rgb', rgb_frame(start), (start + 5) * MS)
        events += injector.apply('thermal', thermal_frame(start + 8), (start + 12) * MS)
    events += injector.flush()
    for name, frame, received in sorted(events, key=lambda event: event[2]):
        results += [pipeline.process(ready) for ready in pipeline.offer(name, frame, received)]
    results += [pipeline.process(ready) for ready in pipeline.flush()]
    modes = [result.mode for result in results]
    assert set(modes[:25]) == set(modes[-20:]) == {Mode.FUSED}
    other = Mode.THERMAL_ONLY if camera == 'rgb' else Mode.RGB_ONLY
    reasons = {r.reason for r in results if r.mode is not Mode.FUSED}
    if 'clock_jump' in fault:
        assert modes.count(Mode.RGB_ONLY) >= 20, 'the reference goes on, whoever jumped'
    elif camera == 'rgb' and 'late' in fault:
        assert modes.count(Mode.FUSED) < 70, 'the late reference goes on, alone'
    else:
        assert reasons == {f'{camera} {FAULTS[fault]}'}
        assert modes.count(other) in range(28, 33)


def test_the_same_frames_give_the_same_bytes():
    def run() -> list[bytes]:
        pipeline, _ = make()
        out = []
        for i in range(20):
            for camera, frame in (('rgb', rgb_frame(i * 33)), ('thermal', thermal_frame(i * 33))):
                for ready in pipeline.offer(camera, frame, frame.stamp_ns):
                    result = pipeline.process(ready)
                    out.append(result.fused.tobytes() + repr(result.timings_ns).encode())
        return out

    first = run()
    assert len(first) == 20
    assert first == run()
