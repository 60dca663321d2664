"""A rendered stretch as an endless live pair of cameras, and the process that renders it."""

import io
import itertools
import json
import subprocess
import sys

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from vif_perception.sim import Rig, parse_fault
from vif_perception.sim.playback import Delivery, Playback
from vif_perception.sim.stream import Exposure, read_exposures, write_exposures

SIZE = (160, 120)
PERIOD_NS = 66_666_667


def exposure(number: int) -> Exposure:
    shade = np.full((40, 3), 2 * number, np.uint8)
    return Exposure(
        np.dstack([shade] * 3), shade.astype(np.uint16), shade, 10_000_000, 14_000_000, 7_000_000
    )


def playback(count: int, *faults: str) -> Playback:
    made = Playback('rgb_frame', 'thermal_frame', [parse_fault(text) for text in faults])
    for number in range(count):
        made.add(exposure(number))
    return made


def play(made: Playback, times: int, start_ns: int = 10**18) -> list[Delivery]:
    """Return everything that arrives of so many exposures."""
    for index in range(times):
        made.expose(index * PERIOD_NS, start_ns + index * PERIOD_NS)
    return made.due(times * PERIOD_NS + 10**9)


def shown(deliveries: list[Delivery], source: str) -> list[int]:
    """Return the numbers of the exposures that are seen; noise changes the last bit of a row."""
    return [int(np.median(d.frame.data)) // 2 for d in deliveries if d.source == source]


def test_nothing_or_one_picture_cannot_be_played() -> None:
    for count in (0, 1):
        made = playback(count)
        assert not made.ready
        with pytest.raises(IndexError, match='two exposures'):
            made.expose(0, 0)
        assert made.due(10**12) == []
        assert made.next_ns() is None


def test_it_plays_forwards_and_backwards_for_ever() -> None:
    assert shown(play(playback(4), 10), 'rgb') == [0, 1, 2, 3, 2, 1, 0, 1, 2, 3]
    assert shown(play(playback(2), 5), 'thermal') == [0, 1, 0, 1, 0]


@given(growth=st.lists(st.integers(0, 3), min_size=1, max_size=40))
def test_it_grows_while_it_plays_and_no_picture_jumps(growth: list[int]) -> None:
    made, count = playback(2), 2
    seen = []
    for index, more in enumerate(growth):
        for _ in range(more):
            made.add(exposure(count))
            count += 1
        made.expose(index * PERIOD_NS, index * PERIOD_NS)
        seen += shown(made.due(index * PERIOD_NS + 10**9), 'rgb')
    assert len(seen) == len(growth)
    assert all(abs(a - b) == 1 for a, b in itertools.pairwise(seen))


def test_no_camera_looks_frozen_whatever_frames_are_left_out() -> None:
    arrived = [d for d in play(playback(2), 40) if d.source == 'rgb']
    for step in range(1, 10):
        kept = [d.frame.data.tobytes() for d in arrived[::step]]
        assert all(a != b for a, b in itertools.pairwise(kept))


def test_stamps_are_exact_and_thermal_follows_as_in_the_rig() -> None:
    arrived = play(playback(3), 3, start_ns=5_000)
    rgb = [d.frame.stamp_ns for d in arrived if d.source == 'rgb']
    assert rgb == [5_000 + index * PERIOD_NS for index in range(3)]
    assert [d.frame.stamp_ns for d in arrived if d.source == 'truth'] == rgb
    thermal = [d.frame.stamp_ns for d in arrived if d.source == 'thermal']
    assert thermal == [stamp + 10_000_000 for stamp in rgb]
    assert {(d.source, d.frame.frame_id, d.frame.encoding) for d in arrived} == {
        ('rgb', 'rgb_frame', 'rgb8'), ('thermal', 'thermal_frame', 'mono16'),
        ('truth', 'rgb_frame', 'mono8'),
    }


def test_frames_arrive_when_they_are_due_and_not_before() -> None:
    made = playback(2)
    made.expose(0, 0)
    assert made.next_ns() == 14_000_000
    assert made.due(13_999_999) == []
    assert [d.source for d in made.due(14_000_000)] == ['rgb', 'truth']
    assert made.next_ns() == 17_000_000
    assert [d.source for d in made.due(17_000_000)] == ['thermal']


def test_faults_happen_in_live_time() -> None:
    lost = play(playback(3, 'drop:thermal@0.1+0.15'), 6)
    assert shown(lost, 'rgb') == [0, 1, 2, 1, 0, 1]
    assert len(shown(lost, 'thermal')) == 4  # those of 0.136 and 0.203 s are missing
    frozen = play(playback(4, 'freeze:rgb@0.1'), 5)
    assert shown(frozen, 'rgb')[1:] == [1] * 4
    assert len({d.frame.stamp_ns for d in frozen if d.source == 'rgb'}) == 5
    assert len({d.frame.data.tobytes() for d in frozen[3:] if d.source == 'rgb'}) == 1
    jumped = play(playback(2, 'clock_jump:rgb:-1'), 2, start_ns=2 * 10**9)
    stamps = {d.source: d.frame.stamp_ns for d in jumped}
    assert stamps['rgb'] == stamps['truth'] == 10**9 + PERIOD_NS
    late = play(playback(2, 'late:rgb:100'), 1)
    assert [d.source for d in late] == ['truth', 'thermal', 'rgb']


def test_exposures_come_back_from_a_stream_as_they_were_rendered() -> None:
    rig = Rig(3, size=SIZE, thermal_size=(200, 150), time_of_day='night')
    stream = io.BytesIO()
    assert list(write_exposures(rig, 2, stream)) == [1, 2]
    read = list(read_exposures(io.BytesIO(stream.getvalue()), SIZE, (200, 150)))
    for found, sample in zip(read, rig.samples(2), strict=True):
        assert np.array_equal(found.rgb, sample.rgb.data)
        assert np.array_equal(found.thermal, sample.thermal.data)
        assert np.array_equal(found.mask, sample.mask)
        assert found.thermal_offset_ns == sample.thermal.stamp_ns - sample.stamp_ns
        assert found.rgb_delay_ns == sample.rgb_received_ns - sample.stamp_ns > 0
        assert found.thermal_delay_ns > 0
    cut = io.BytesIO(stream.getvalue()[:-1])
    assert len(list(read_exposures(cut, SIZE, (200, 150)))) == 1
    assert list(read_exposures(io.BytesIO(), SIZE, SIZE)) == []


def test_another_process_renders_and_ends_when_nobody_reads() -> None:
    options = {'seed': 1, 'size': SIZE, 'thermal_size': SIZE, 'count': 100_000}
    child = subprocess.Popen(
        [sys.executable, '-m', 'vif_perception.sim.stream', json.dumps(options)],
        stdout=subprocess.PIPE, stderr=subprocess.PIPE,
    )
    assert child.stdout is not None
    assert child.stderr is not None
    try:
        first = next(read_exposures(child.stdout, SIZE, SIZE))
        assert first.rgb.shape == (120, 160, 3)
        child.stdout.close()
        assert child.wait(timeout=60) == 0
        assert child.stderr.read() == b''
    finally:
        child.kill()
        child.wait()
        child.stderr.close()
