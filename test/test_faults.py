"""Faults: the written form, and what they do to a stream."""

import contextlib
import math
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from vif_perception.errors import InputError
from vif_perception.sim import FAULTS, Fault, FaultInjector, parse_fault
from vif_perception.types import Frame

PERIOD_NS = 100_000_000


def stream(count, cameras=('rgb', 'thermal')):
    """Yield frames of both cameras, every 100 ms, thermal 10 ms after rgb."""
    for index in range(count):
        for camera in cameras:
            late = 10_000_000 * (camera == 'thermal')
            stamp = 1_000_000_000 + index * PERIOD_NS + late
            data = np.full((4, 6, 3) if camera == 'rgb' else (4, 6), index + 1)
            data = data.astype(np.uint8 if camera == 'rgb' else np.uint16)
            data.flat[0] = 0
            encoding = 'rgb8' if camera == 'rgb' else 'mono16'
            yield camera, Frame(stamp, camera, data, encoding), stamp + 5_000_000


def run(texts, count=20, seed=0):
    injector = FaultInjector([parse_fault(text) for text in texts], seed)
    out = []
    for event in stream(count):
        out += injector.apply(*event)
    return out + injector.flush()


def of(camera, events):
    return [(frame, received) for name, frame, received in events if name == camera]


@pytest.mark.parametrize('text', [
    '', ':', 'drop', 'drop:', 'shake:rgb', 'drop:left', 'drop:rgb:2', 'drop:rgb:-0.1',
    'drop:rgb:nan', 'drop:rgb:', 'late:rgb:soon', 'freeze:rgb:3', 'freeze:rgb@', 'freeze:rgb@-1',
    'freeze:rgb@1+', 'freeze:rgb@1+inf', 'drop:rgb:0.1:0.2', 'gain_step:rgb:-1', 'late:rgb:1e9',
])
def test_bad_text_is_refused_with_a_way_out(text):
    with pytest.raises(InputError) as refused:
        parse_fault(text)
    assert refused.value.accepted
    assert repr(text) in str(refused.value)


def test_written_form():
    assert parse_fault('drop:thermal:0.1') == Fault('drop', ('thermal',), 0.1)
    assert parse_fault(' freeze:thermal@3.0+1.5 ') == Fault('freeze', ('thermal',), 0, 3.0, 4.5)
    assert parse_fault('clock_jump:both@2') == Fault(
        'clock_jump', ('thermal', 'rgb'), -5.0, 2.0, math.inf)


@given(st.sampled_from(sorted(FAULTS)), st.sampled_from(['rgb', 'thermal', 'both']),
       st.floats(0, 1e6), st.floats(0, 1e6))
def test_every_fault_parses_without_a_value(name, camera, start, duration):
    fault = parse_fault(f'{name}:{camera}@{start}+{duration}')
    assert (fault.name, fault.start_s, fault.end_s) == (name, start, start + duration)


@given(st.text(max_size=30))
def test_any_text_parses_or_is_refused(text):
    with contextlib.suppress(InputError):
        assert parse_fault(text).name in FAULTS


def test_without_faults_the_very_same_frames_pass():
    events = list(stream(5))
    injector = FaultInjector([])
    out = [event for given_event in events for event in injector.apply(*given_event)]
    assert all(a[1] is b[1] and a[0::2] == b[0::2] for a, b in zip(out, events, strict=True))
    assert injector.flush() == []


def test_no_frames_at_all():
    assert FaultInjector([parse_fault('late:both')]).flush() == []


def test_drop_hits_only_its_camera_and_time():
    out = run(['drop:thermal@0.5+0.5'])
    assert len(of('rgb', out)) == 20
    stamps = [frame.stamp_ns for frame, _ in of('thermal', out)]
    assert len(stamps) == 15
    assert not any(1_500_000_000 < stamp < 2_000_000_000 for stamp in stamps)


def test_drop_probability_and_seed():
    some = run(['drop:rgb:0.3'], 300)
    assert 150 < len(of('rgb', some)) < 260
    first, again, other = (
        [frame.stamp_ns for _, frame, _ in run(['drop:rgb:0.3'], 300, seed)] for seed in (0, 0, 1)
    )
    assert first == again
    assert first != other


def test_freeze_repeats_the_last_picture_under_new_stamps():
    frames = [frame for frame, _ in of('thermal', run(['freeze:thermal@0.5+0.3']))]
    values = [int(frame.data[1, 1]) for frame in frames]
    assert values[:10] == [1, 2, 3, 4, 5, 5, 5, 5, 9, 10]
    assert len({frame.stamp_ns for frame in frames}) == 20


def test_blank_is_uniform():
    for camera in ('rgb', 'thermal'):
        frames = [frame for frame, _ in of(camera, run([f'blank:{camera}'], 3))]
        assert all(frame.data.min() == frame.data.max() for frame in frames)


def test_late_keeps_stamps_and_delivers_in_receive_order():
    out = run(['late:rgb:250'])
    assert [received for _, _, received in out] == sorted(received for _, _, received in out)
    for frame, received in of('rgb', out):
        assert received - frame.stamp_ns == 255_000_000
    assert len(out) == 40


def test_reorder_lets_the_successor_pass():
    stamps = [frame.stamp_ns for frame, _ in of('rgb', run(['reorder:rgb:0.3'], 60))]
    assert len(stamps) == 60
    assert stamps != sorted(stamps)
    swapped = [b for a, b in pairwise(stamps) if b < a]
    assert len(swapped) >= 5
    assert max(a - b for a, b in pairwise(stamps)) <= 3 * PERIOD_NS


def test_clock_jump_moves_stamps_not_arrivals():
    out = of('rgb', run(['clock_jump:both:-0.5@1']))
    assert [received - frame.stamp_ns for frame, received in out] == (
        [5_000_000] * 10 + [505_000_000] * 10)
    assert min(frame.stamp_ns for frame, _ in of('rgb', run(['clock_jump:rgb:-9999']))) == 0


def test_wrong_encoding_contradicts_the_data():
    out = run(['wrong_encoding:both'], 2)
    assert {frame.encoding for frame, _ in of('thermal', out)} == {'rgb8'}
    assert {frame.encoding for frame, _ in of('rgb', out)} == {'mono16'}


def test_gain_step_multiplies_and_saturates():
    out = run(['gain_step:both:20@0.5'])
    assert [int(frame.data[1, 1]) for frame, _ in of('thermal', out)][3:7] == [4, 5, 120, 140]
    rgb = [frame for frame, _ in of('rgb', out)]
    assert int(rgb[-1].data[1, 1, 1]) == 255
    assert rgb[-1].data.dtype == np.uint8


def test_the_input_is_never_written_to():
    injector = FaultInjector([parse_fault(f'{name}:both') for name in FAULTS if name != 'drop'])
    for camera, frame, received in stream(3):
        frame.data.flags.writeable = False
        injector.apply(camera, frame, received)
